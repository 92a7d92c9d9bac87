"""The array convention of the library, and the few operations on pictures that every room needs.

Outside, a picture is `(H, W, 3)` RGB, uint8 or float in [0, 1]; uint8 comes back. Inside, it is
`(1, H, W, 3)` float32, RGB, 0..255: the scale of the losses. The BGR order and mean of VGG stay inside the
network's graph.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[Any]
"""`(H, W, 3)` RGB, uint8 or float in [0, 1]."""


LUMA = np.array([0.299, 0.587, 0.114])
"""Of red, green and blue in the luminance (Rec. ITU-R BT.601)."""


def luminance(picture: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """`(..., 3)` RGB -> `(...)`, float32 on any scale."""
    return np.asarray(picture @ LUMA.astype(np.float32), np.float32)


def as_uint8(image: npt.ArrayLike, name: str = "image") -> npt.NDArray[np.uint8]:
    """Any picture of the outside convention as `(H, W, 3)` uint8.

    Raises
    ------
    ValueError
        If the shape is not `(H, W, 3)`, or a float lies outside [0, 1]; `name` stands in the message.
    """
    image = check_picture(image, name)
    if image.dtype == np.uint8:
        return image
    return np.rint(image * 255.0).astype(np.uint8)


def check_picture(image: npt.ArrayLike, name: str = "image") -> Picture:
    """`image` as an array, if it is a picture of the outside convention.

    Raises
    ------
    ValueError
        If the shape is not `(H, W, 3)`, the type is neither uint8 nor float, or a float lies outside [0, 1].
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] != 3 or 0 in image.shape:
        raise ValueError(f"{name} has shape {image.shape}, expected (height, width, 3): pass an RGB picture")
    if image.dtype == np.uint8:
        return image
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"{name} has type {image.dtype}, expected uint8 or floats in [0, 1]: convert it first")
    low, high = float(image.min()), float(image.max())
    if not (low >= 0.0 and high <= 1.0):  # also false for NaN
        raise ValueError(f"{name} holds floats from {low:g} to {high:g}, expected [0, 1]: divide by 255 or pass uint8")
    return image


def to_inside(image: npt.ArrayLike, name: str = "image") -> npt.NDArray[np.float32]:
    """`(H, W, 3)` uint8 or float in [0, 1] -> `(1, H, W, 3)` float32 in 0..255."""
    image = check_picture(image, name)
    scale = 1.0 if image.dtype == np.uint8 else 255.0
    return (image.astype(np.float32) * np.float32(scale))[np.newaxis]


def to_outside(image: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """`(1, H, W, 3)` or `(H, W, 3)` float in 0..255 -> `(H, W, 3)` uint8, rounded and clipped."""
    values = np.asarray(image, np.float32)
    values = values[0] if values.ndim == 4 else values
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def fit(shape: tuple[int, int], max_size: int | None) -> tuple[int, int]:
    """`(height, width)` scaled down so that its longer side is at most `max_size`, never below 1."""
    height, width = shape
    if max_size is None or max(height, width) <= max_size:
        return height, width
    scale = max_size / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def equal_area(shape: tuple[int, int], area: float) -> tuple[int, int]:
    """`(height, width)` of the same aspect with `area` pixels.

    Ruder et al. 2016 scale the style picture to the area of the frame, so that strokes keep their size
    relative to the picture whatever the painting's own resolution.
    """
    height, width = shape
    scale = math.sqrt(area / (height * width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def resize(image: npt.ArrayLike, shape: tuple[int, int], name: str = "image") -> Picture:
    """The picture at `(height, width)`, same type; smoothed before it is made smaller (no aliasing)."""
    import tensorflow as tf

    image = check_picture(image, name)
    if image.shape[:2] == tuple(shape):
        return image
    values = tf.image.resize(image.astype(np.float32), shape, method="bicubic", antialias=True).numpy()
    if image.dtype == np.uint8:
        return to_outside(values)
    return np.clip(values, 0.0, 1.0).astype(image.dtype)


def crop_to_even(image: Picture) -> Picture:
    """Without the last row or column where their number is odd: H.264 in yuv420p needs even sides."""
    height, width = image.shape[:2]
    return image[: height - height % 2 or 1, : width - width % 2 or 1]
