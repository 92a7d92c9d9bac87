"""Where one shot ends and the next begins."""

import numpy as np
import numpy.typing as npt

from .. import pixels
from .flow import estimate_flow_pair
from .warping import warp

Array = npt.NDArray[np.float32]

BLOCKS = 6
"""Blocks along the shorter side: a thing that passes close by changes some of them, a cut nearly all."""

AGREEING = 0.5
"""Structural similarity from which a block counts as showing the same thing."""

NEW_SCENE = 0.5
"""Share of explained blocks below which two frames do not show the same scene."""

STEADY = 0.8
"""Share of explained blocks above which the motion before was one that flow can follow, so that a loss is a cut."""

FLAT = 4.0
"""Standard deviation in grey levels: blocks with less in both frames have nothing to compare."""


SMALL = 128
"""Longer side in pixels at which neighbours are compared: a cut is seen at any size, and a small flow costs little."""


class Cuts:
    """Where a clip is cut, told frame by frame."""

    def __init__(self) -> None:
        self.share = 1.0  # of the last frame, explained by the one before it
        self._before: npt.NDArray[np.uint8] | None = None

    def resume(self, frame: Array, share: float) -> None:
        """Go on after `frame`, `(H, W, 3)` in 0..255, of which `share` was explained."""
        self.share, self._before = share, _small(frame)

    def is_cut(self, frame: Array) -> bool:
        """Whether the next frame, `(H, W, 3)` in 0..255, begins a new shot."""
        now, before, steady = _small(frame), self._before, self.share
        self._before = now
        if before is None or np.array_equal(now, before):
            self.share = 1.0
            return False
        share = explained(now.astype(np.float32), before.astype(np.float32))
        if share <= STEADY:  # else there is no need to follow the motion
            back, _ = estimate_flow_pair(now, before, quality="fast")
            share = explained(now.astype(np.float32), warp(before.astype(np.float32), back))
        cut = is_cut(share, steady)
        self.share = 1.0 if cut else share
        return cut


def _small(frame: Array) -> npt.NDArray[np.uint8]:
    picture = pixels.to_outside(frame)
    return pixels.resize(picture, pixels.fit(picture.shape[:2], SMALL))


def is_cut(share: float, before: float = 1.0) -> bool:
    """Whether a frame begins a new shot, given how much of it the frame before it explains.

    Within a shot the flow explains the new frame; across a cut it explains little, from one frame to the next. A
    whip pan, or a thing that passes close by and fills the picture, also ends up unexplained, but not at once.

    Parameters
    ----------
    share, before
        What `explained` gives for the frame, and gave for the one before it.
    """
    return share < NEW_SCENE and before > STEADY


def explained(frame: Array, warped: Array) -> float:
    """Share of a frame's blocks that look the same in the frame before it, warped to it; both `(H, W, 3)` in 0..255.

    A block does if the structure term of Wang et al. 2004 ("Image Quality Assessment", eq. 10), the correlation of
    its brightness, is at least `AGREEING`. Fades and flashes, which change brightness and contrast, leave it as it
    is. Blocks that are flat in both frames do not count; 1 if all are.
    """
    x, y = (_blocks(picture.mean(axis=-1)) for picture in (frame, warped))
    variances = x.var(axis=1), y.var(axis=1)
    textured = np.maximum(*variances) > FLAT**2
    if not textured.any():
        return 1.0
    covariance = ((x - x.mean(axis=1, keepdims=True)) * (y - y.mean(axis=1, keepdims=True))).mean(axis=1)
    structure = (covariance + FLAT**2) / np.sqrt((variances[0] + FLAT**2) * (variances[1] + FLAT**2))
    return float((structure[textured] > AGREEING).mean())


def _blocks(plane: Array) -> Array:
    """(H, W) -> (blocks, pixels of one); what is left over at the right and below is left out."""
    height, width = plane.shape
    side = max(1, min(height, width) // BLOCKS)
    rows, columns = height // side, width // side
    cut = plane[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return cut.transpose(0, 2, 1, 3).reshape(rows * columns, side * side)
