"""Flow between frames that are some frames apart: along the frames between, or directly.

The flows from neighbour to neighbour are each easy to find and agree with each other, but their errors add up, and a
pixel that is hidden for a moment is lost. The direct flow over the gap has neither fault, but misses what moved too
far, and the direct flows of two frames do not agree: strokes that follow them tremble. What each is worth is in
`docs/keyframes.md`.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .filling import misfit
from .occlusion import Mask, disocclusion
from .warping import Flow, warp

Picture = npt.NDArray[np.float32]
Pair = tuple[Flow, Flow]
"""The flow from a frame to another, and back."""

DRIFT = 1.0
"""How far in pixels a chain may have drifted from the direct flow, to be the same motion."""
CLEARLY = 8.0
"""Difference in grey levels from which what one flow leads to looks clearly more alike."""
WINDOW = 7
"""Side in pixels of the windows over which that is measured."""


def compose(first: Flow, second: Flow) -> Flow:
    """The flow from a to c by way of b, from the flows a -> b and b -> c: w(x) = first(x) + second(x + first(x))."""
    return np.asarray(first + warp(second, first, border="nearest"), np.float32)


def join(first: Pair, second: Pair) -> Pair:
    """The flows between a and c by way of b, from those between a and b and between b and c."""
    return compose(first[0], second[0]), compose(second[1], first[1])


def to_first(steps: Sequence[Pair]) -> list[Pair]:
    """The flows from each of some frames but the first to the first, and back.

    `steps` are the flows from each of them to the frame before it, and back.
    """
    return list(itertools.accumulate(steps, lambda back, step: join(step, back)))


def to_last(steps: Sequence[Pair]) -> list[Pair]:
    """The flows from each of some frames to the last, without the last itself, and back; `steps` as for `to_first`."""
    onward = [(forth, back) for back, forth in reversed(steps)]
    return list(itertools.accumulate(onward, lambda rest, step: join(step, rest)))[::-1]


def drift(chain: Flow, direct: Pair) -> Flow:
    """How far a chain is from the direct flow where both are of the same motion, and 0 elsewhere: `(H, W, 2)`.

    They are where the direct flow leads back home, by the test of `occlusion.disocclusion`, and the chain ends nearby.
    """
    apart = chain - direct[0]
    return np.where((_near(chain, direct[0]) & ~disocclusion(*direct))[..., np.newaxis], apart, np.float32(0))


def settle(chain: Pair, direct: Pair, here: Picture, there: Picture) -> Pair:
    """The flows between two frames that are some frames apart, and back, from those along a chain and the direct ones.

    The chain is the way that the frames between take, so it is followed, with three exceptions: where the direct flow
    nearly agrees, which has not drifted; where the chain does not lead back home, by the test of
    `occlusion.disocclusion` (Ruder et al. 2016, eq. 5), and the direct flow does; and where what the direct flow leads
    to looks clearly more alike.

    Parameters
    ----------
    chain, direct
        From the frame `here` to the frame `there`, and back.
    here, there : (H, W, 3), 0..255
    """
    return _settled(chain, direct, here, there), _settled(chain[::-1], direct[::-1], there, here)


def _settled(chain: Pair, direct: Pair, here: Picture, there: Picture) -> Flow:
    by_chain, directly = (misfit(here, warp(there, flow), WINDOW) for flow in (chain[0], direct[0]))
    better = ~disocclusion(*direct) & (
        _near(chain[0], direct[0]) | (by_chain - directly > CLEARLY) | disocclusion(*chain)
    )
    return np.where(better[..., np.newaxis], direct[0], chain[0])


def _near(one: Flow, other: Flow) -> Mask:
    return np.asarray(np.square(one - other).sum(axis=-1) <= DRIFT**2)
