"""Paint for the pixels that no flow reaches: what comes out of hiding or enters at the border."""

import math

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, uniform_filter

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

CANDIDATES = 32
REACH = 0.25
"""How far paint is taken from, in longer sides of the picture."""
WINDOW = 0.12
"""The window over which sources are compared, in longer sides: smaller ones make a mosaic of the painting."""
ALIKE = 12.0
"""`misfit` up to which what the flow offers looks like the frame: most of what is distrusted, such as the sides of a
motion boundary, does."""
STROKE = 0.02
"""Sigma of the blur that tells strokes from the light under them, in longer sides."""
GOLDEN = math.pi * (3.0 - math.sqrt(5.0))
"""The angle that spreads points evenly over a disc."""


def borrow(
    moved: Array,
    frame: Array,
    missing: Mask,
    *,
    model: Array,
    painting: Array,
    turn: int = 0,
) -> Array:
    """`moved`, with better paint at the missing pixels: the strokes of a painting, in the light of the frame.

    A missing pixel takes the strokes that lie at one of a few displacements from it in `painting`, the one at which
    `model`, which was painted there, differs least from the frame in a window around it. Under the strokes lies the
    frame, blurred, in the colours that the painting gives to the model's: so clouds stay clouds, and there are no steps
    between patches. The optimisation only has to fit the strokes in.

    The painting had better be one that was painted in full, such as the first of its scene: paint that was borrowed
    from borrowed paint, frame after frame, turns into scales. Mirroring the border instead draws kaleidoscopes,
    repeating it draws streaks, and the bare frame stays bare for many frames (all tried, see `docs/defaults.md`).

    Parameters
    ----------
    moved
        `(H, W, 3)`, the earlier result, moved along the flow.
    frame
        `(H, W, 3)`, the present frame.
    missing
        `(H, W)`, where the flow is not to be trusted, and what it offers does not look like the frame.
    model, painting
        `(H, W, 3)`, a frame and its result.
    turn
        Turns the displacements: with another number for every frame, strips that enter at the border one by one
        take strokes from different places.

    Returns
    -------
    float32 (H, W, 3)
    """
    height, width = missing.shape
    window = max(3, round(WINDOW * max(height, width)))
    filled = moved.copy()
    least = np.full(missing.shape, np.inf, np.float32)
    for dy, dx in _displacements(height, width, turn):
        here, there = _overlap(height, width, dy, dx)
        difference = _difference(frame[here], model[there], window)
        better = missing[here] & (difference < least[here])
        least[here][better] = difference[better]
        filled[here][better] = painting[there][better]
    colors = colors_of(light(model), light(painting))
    relit = filled - light(filled) + light(frame) @ colors[:3] + colors[3]
    borrowed = np.isfinite(least)
    filled[borrowed] = relit[borrowed]
    return filled


def misfit(frame: Array, seen: Array) -> Array:
    """How far two pictures differ, in grey levels, averaged over the channels and 3x3 pixels: `(H, W)`."""
    return uniform_filter(np.abs(frame - seen).mean(axis=-1), 3, mode="nearest")


def light(picture: Array) -> Array:
    """A picture `(H, W, C)` without its strokes."""
    sigma = STROKE * max(picture.shape[:2])
    return np.asarray(gaussian_filter(picture, (sigma, sigma, 0.0), mode="nearest"))


def colors_of(model: Array, painting: Array) -> Array:
    """The affine map of colours nearest to model -> painting (least squares): `(4, 3)`, the constant last."""
    known = np.concatenate([model.reshape(-1, 3), np.ones((model[..., 0].size, 1), np.float32)], axis=1)
    colors, *_ = np.linalg.lstsq(known, painting.reshape(-1, 3), rcond=None)
    return np.asarray(colors, np.float32)


def _difference(a: Array, b: Array, window: int) -> Array:
    """Squared difference of two pictures, averaged over windows: `(H, W)`."""
    return uniform_filter(np.square(a - b).sum(axis=-1), window, mode="nearest")


def _displacements(height: int, width: int, turn: int) -> list[tuple[int, int]]:
    """`CANDIDATES` of them, spread evenly over a disc, which is turned by the golden angle from turn to turn."""
    reach = REACH * max(height, width)
    found = []
    for k in range(1, CANDIDATES + 1):
        radius, angle = reach * math.sqrt(k / CANDIDATES), (k + turn) * GOLDEN
        dy, dx = round(radius * math.sin(angle)), round(radius * math.cos(angle))
        found.append((int(np.clip(dy, 1 - height, height - 1)), int(np.clip(dx, 1 - width, width - 1))))
    return found


def _overlap(height: int, width: int, dy: int, dx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The pixels whose displaced ones lie in the frame, and the displaced ones."""
    rows, columns = slice(max(0, -dy), height - max(0, dy)), slice(max(0, -dx), width - max(0, dx))
    moved = slice(max(0, dy), height + min(0, dy)), slice(max(0, dx), width + min(0, dx))
    return (rows, columns), moved
