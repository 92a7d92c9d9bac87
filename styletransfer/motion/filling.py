"""Paint for the pixels that no flow reaches: what comes out of hiding or enters at the border."""

import math

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

CANDIDATES = 32
REACH = 0.25
"""How far paint is taken from, in longer sides of the picture."""
WINDOW = 0.12
"""The window over which sources are compared, in longer sides: smaller ones make a mosaic of the painting."""


def borrow(moved: Array, seen: Array, painted: Array, earlier: Array, frame: Array, missing: Mask) -> Array:
    """`moved`, with better paint at the missing pixels: from where `earlier` looks most like `frame` does there.

    Every missing pixel takes the paint that lies at one of a few displacements from it, the one at which the
    earlier frame differs least from the present one in a window around it; the flow's own answer stays where it
    is the best. So grass is filled from painted grass, in whole strokes, and the optimisation only has to fit
    them in. Mirroring the border instead draws kaleidoscopes, repeating it draws streaks, and the bare frame
    stays bare for many frames (all tried, see `docs/defaults.md`).

    Parameters
    ----------
    moved, seen
        `(H, W, 3)`, the earlier result and the earlier frame, both moved along the flow.
    painted, earlier
        `(H, W, 3)`, the same two where they were.
    frame
        `(H, W, 3)`, the present frame.
    missing
        `(H, W)`, where the flow is not to be trusted.

    Returns
    -------
    float32 (H, W, 3)
    """
    height, width = missing.shape
    window = max(3, round(WINDOW * max(height, width)))
    filled = moved.copy()
    least = _difference(frame, seen, window)
    for dy, dx in _displacements(height, width):
        here, there = _overlap(height, width, dy, dx)
        difference = _difference(frame[here], earlier[there], window)
        better = missing[here] & (difference < least[here])
        least[here][better] = difference[better]
        filled[here][better] = painted[there][better]
    return filled


def _difference(a: Array, b: Array, window: int) -> Array:
    """Squared difference of two pictures, averaged over windows: `(H, W)`."""
    return uniform_filter(np.square(a - b).sum(axis=-1), window, mode="nearest")


def _displacements(height: int, width: int) -> list[tuple[int, int]]:
    """`CANDIDATES` of them, spread evenly over a disc by the golden angle; the same in every frame."""
    reach, golden = REACH * max(height, width), math.pi * (3.0 - math.sqrt(5.0))
    found = []
    for k in range(1, CANDIDATES + 1):
        radius = reach * math.sqrt(k / CANDIDATES)
        dy, dx = round(radius * math.sin(k * golden)), round(radius * math.cos(k * golden))
        found.append((int(np.clip(dy, 1 - height, height - 1)), int(np.clip(dx, 1 - width, width - 1))))
    return found


def _overlap(height: int, width: int, dy: int, dx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The pixels whose displaced ones lie in the frame, and the displaced ones."""
    rows, columns = slice(max(0, -dy), height - max(0, dy)), slice(max(0, -dx), width - max(0, dx))
    moved = slice(max(0, dy), height + min(0, dy)), slice(max(0, dx), width + min(0, dx))
    return (rows, columns), moved
