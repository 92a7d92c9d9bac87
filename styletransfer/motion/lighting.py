"""Light that changes over the whole picture: a fade, a flash, an exposure that adapts.

A flow that has to explain it takes it for motion: a sky that brightens from one side to the other seems to drift by
several pixels a frame, and what is painted on it drifts away.
"""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

Array = npt.NDArray[np.float32]

BLOCKS = 16
"""Along the shorter side, by which two pictures are compared: on blocks a motion changes little."""
EXPLAINED = 0.8
"""Share of their difference that may be left for it to be one of light; elsewhere all is left, see `docs/flow.md`."""
FAINT = 0.5 / 255.0
"""Spread that any channel has, half a grey level: one that is flat in both pictures has no gain."""


def in_one_light(first: Array, second: Array) -> tuple[Array, Array]:
    """Two pictures, the duller one in the light of the other, if they differ by little else.

    The light is a gain and an offset of every channel, which give the mean and the spread of one picture to the other:
    other than a fit to the difference they do not depend on motion, and are the same both ways.

    Parameters
    ----------
    first, second
        `(H, W, C)` in [0, 1]; what is returned may lie beyond.
    """
    one, other = _blocks(first), _blocks(second)
    spread, wanted = (np.hypot(blocks.std(axis=(0, 1)), FAINT) for blocks in (one, other))
    if spread.sum() > wanted.sum():
        return in_one_light(second, first)[::-1]
    gain, mean = wanted / spread, one.mean(axis=(0, 1))
    offset = other.mean(axis=(0, 1)) - gain * mean
    if np.abs(gain * one + offset - other).mean() >= EXPLAINED * np.abs(one - other).mean():
        return first, second
    return np.asarray(gain * first + offset, np.float32), second


def _blocks(picture: Array) -> Array:
    """The picture `(H, W, C)`, so much smaller that its shorter side has `BLOCKS` pixels."""
    scale = max(1.0, min(picture.shape[:2]) / BLOCKS)
    shape = [max(1, round(side / scale)) for side in picture.shape[:2]]
    return np.asarray(tf.image.resize(picture, shape, method="area"))
