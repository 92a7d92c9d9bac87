"""Flow between frames that are some frames apart: along frames between them, or directly.

The flows from neighbour to neighbour are each easy to find, but their errors add up, and a pixel that is hidden for a
moment is lost. The direct flow has neither fault, but misses what moved too far. What each is worth is in
`docs/keyframes.md`.
"""

import numpy as np

from .occlusion import disocclusion
from .warping import Flow, warp


def compose(first: Flow, second: Flow) -> Flow:
    """The flow from a to c by way of b, from the flows a -> b and b -> c: w(x) = first(x) + second(x + first(x))."""
    return np.asarray(first + warp(second, first, border="nearest"), np.float32)


def mend(direct: tuple[Flow, Flow], chain: tuple[Flow, Flow]) -> tuple[Flow, Flow]:
    """The direct flows between two frames, there and back, with those of a chain where only these lead back home.

    The test is that of `occlusion.disocclusion` (Ruder et al. 2016, eq. 5), pixel by pixel and both ways.
    """
    return _mended(direct, chain), _mended(direct[::-1], chain[::-1])


def _mended(direct: tuple[Flow, Flow], chain: tuple[Flow, Flow]) -> Flow:
    better = disocclusion(*direct) & ~disocclusion(*chain)
    return np.where(better[..., np.newaxis], chain[0], direct[0])
