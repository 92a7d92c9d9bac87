"""What all our pictures are drawn with: colours between colours, and samples that become pixels."""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[Any]
"""float32, of the shape that the text says."""
Colours = str
"""Hexadecimal RGB, with a blank between colours."""

SUPERSAMPLING = 2
"""Samples along each side of a pixel."""


def shrink(picture: Floats) -> npt.NDArray[np.uint8]:
    """Samples in [0, 1] averaged to pixels."""
    rows, columns = picture.shape[0] // SUPERSAMPLING, picture.shape[1] // SUPERSAMPLING
    blocks = picture.reshape(rows, SUPERSAMPLING, columns, SUPERSAMPLING, 3)
    return to_pixels(blocks.mean(axis=(1, 3)))


def to_pixels(picture: Floats) -> npt.NDArray[np.uint8]:
    """Colours in [0, 1], what lies beyond cut off, as a picture."""
    return np.rint(255.0 * np.clip(picture, 0.0, 1.0)).astype(np.uint8)


def rgb(colours: Colours) -> Floats:
    """`(n, 3)` in [0, 1]."""
    return np.array([list(bytes.fromhex(colour)) for colour in colours.split()], np.float32) / 255


def ramp(value: Floats, stops: Colours) -> Floats:
    """The colours between evenly spaced stops: 0 is the first, 1 the last."""
    colours = rgb(stops)
    places = np.linspace(0.0, 1.0, len(colours))
    return np.stack([np.interp(value, places, channel) for channel in colours.T], -1).astype(np.float32)
