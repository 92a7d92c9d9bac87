"""Pictures moved along a flow.

The convention of the whole library, written here once: a flow is `(H, W, 2)` float32 in pixels, `[..., 0]` to
the right and `[..., 1]` down, with `target[y + dy, x + dx] ~ source[y, x]`. So
`warp(target, flow(source, target)) ~ source`: the flow lives on the grid of the picture that comes out.
"""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy.ndimage import correlate1d, map_coordinates, spline_filter

Array = Any
"""A NumPy array, or a tensor (also a symbolic one, inside a `tf.function`)."""

Flow = npt.NDArray[np.float32]
"""`(H, W, 2)` float32 in pixels: dx, dy."""

BORDERS = ("reflect", "nearest")

REACH = 16
"""Pixels on either side that a value half-way between two pixels is found from."""
TAPER = 8.0
"""Kaiser's beta of the window over them."""


def warp(image: Array, flow: Array, *, border: str | float = "reflect") -> Array:
    """`image` sampled at `position + flow`, bilinearly.

    Parameters
    ----------
    image : (H, W), (H, W, C) or (1, H, W, C), any numeric type
    flow : (H, W, 2), pixels
    border : what lies outside the frame
        `"reflect"` mirrors the picture at its outermost pixels (texture continues, without the streaks that
        repeating them draws), `"nearest"` repeats them, and a number stands for itself.

    Returns
    -------
    float32 in the shape of `image`: a tensor where `image` is a tensor, else a NumPy array.

    Raises
    ------
    ValueError
        If the shapes do not fit, or `border` is unknown.
    """
    if isinstance(border, str) and border not in BORDERS:
        raise ValueError(f"border is {border!r}, expected one of {', '.join(BORDERS)} or a number")
    image_shape, flow_shape = tuple(image.shape), tuple(flow.shape)
    rank = len(image_shape)
    frame = image_shape[1:3] if rank == 4 else image_shape[:2]
    if rank not in (2, 3, 4) or flow_shape != (*frame, 2) or 0 in image_shape:
        raise ValueError(
            f"image of shape {image_shape} with a flow of shape {flow_shape}: expected (H, W), (H, W, C) or "
            "(1, H, W, C) with (H, W, 2), at least 1x1"
        )
    batch = tf.reshape(tf.cast(image, tf.float32), (1, *frame, -1))
    mode, value = (border, 0.0) if isinstance(border, str) else ("constant", float(border))
    moved = _warp[mode](batch, tf.cast(flow, tf.float32)[None], tf.constant(value))
    moved = tf.reshape(moved, image_shape)
    return moved if tf.is_tensor(image) else moved.numpy()


class BandLimited:
    """A picture as the smooth function that its pixels are samples of, to be moved without losing sharpness.

    A picture that is taken from frame to frame loses what the interpolation blurs. Strokes are a pixel or two wide:
    moved by half a pixel, they come through linear interpolation and cubic splines as a blur (numbers in
    `docs/defaults.md`, "Moving paint"). So the values half-way between pixels are found first, by a sinc under a Kaiser
    window (Smith and Gossett 1984, "A flexible sampling-rate conversion method"), and cubic splines read that finer
    picture (Unser 1999, "Splines: A Perfect Fit for Signal and Image Processing"). The border is mirrored, which makes
    a kink: without a window it would ring through the whole picture. Whole pixels are moved exactly.

    Parameters
    ----------
    image : (H, W, C)
    """

    def __init__(self, image: npt.ArrayLike) -> None:
        finer = _doubled(_doubled(np.asarray(image, np.float32), 0), 1)
        self.splines = [spline_filter(channel, 3, np.float32, "mirror") for channel in np.moveaxis(finer, -1, 0)]

    def warp(self, flow: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """The picture sampled at `position + flow`, `(H, W, C)`; values may overshoot its own.

        Parameters
        ----------
        flow : (H, W, 2), pixels; where it is not finite, the pixel stays
        """
        flow = np.where(np.isfinite(flow), flow, np.float32(0.0))
        height, width = flow.shape[:2]
        places = [
            2.0 * (np.arange(height)[:, np.newaxis] + flow[..., 1]),
            2.0 * (np.arange(width) + flow[..., 0]),
        ]
        moved = [map_coordinates(spline, places, mode="mirror", prefilter=False) for spline in self.splines]
        return np.stack(moved, axis=-1)


def _doubled(picture: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float32]:
    """A picture with a value between each two along an axis: length n -> 2 n - 1."""
    picture = np.moveaxis(picture, axis, 0)
    finer = np.repeat(picture, 2, axis=0)[:-1]
    finer[1::2] = correlate1d(picture, _half_way(), axis=0, mode="mirror", origin=-1)[:-1]
    return np.moveaxis(finer, 0, axis)


@functools.cache
def _half_way() -> npt.NDArray[np.float64]:
    """The weights of the pixels around the place half-way between two of them."""
    places = np.arange(-REACH, REACH) + 0.5
    weights = np.sinc(places) * np.i0(TAPER * np.sqrt(1.0 - np.square(places / REACH)))
    return weights / weights.sum()


def sharp_warp(image: npt.ArrayLike, flow: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """As `warp`, for pictures whose sharpness counts, see `BandLimited`: `(H, W, C)`, `(H, W, 2)` -> `(H, W, C)`."""
    return BandLimited(image).warp(flow)


def inside(flow: Array) -> Array:
    """Where `position + flow` lands within the frame: bool (H, W), of the same kind as `flow`."""
    batch = tf.cast(flow, tf.float32)[tf.newaxis]
    within = within_frame(*positions(batch), *last_pixel(batch))[0]
    return within if tf.is_tensor(flow) else within.numpy()


def nearest_pixels(flow: Flow) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The pixel of the frame that is nearest to `position + flow`: rows and columns, `(H, W)` both, to index with."""
    height, width = flow.shape[:2]
    place = np.moveaxis(np.indices((height, width)), 0, -1) + np.rint(flow[..., ::-1])
    rows, columns = np.moveaxis(np.clip(place, 0, (height - 1, width - 1)).astype(np.int64), -1, 0)
    return rows, columns


def drawn_in(flow: Flow, reach: Array) -> tuple[Flow, npt.NDArray[np.float32]]:
    """The flow, but to the edge of the frame from where it leads beyond it by at most `reach` pixels.

    Parameters
    ----------
    flow : (H, W, 2), pixels
    reach : (H, W) or a number, pixels

    Returns
    -------
    float32 (H, W, 2); float32 (H, W), how many pixels beyond the frame the flow led
    """
    height, width = flow.shape[:2]
    grid = np.moveaxis(np.mgrid[:height, :width].astype(np.float32), 0, -1)[..., ::-1]
    place = grid + flow
    nearest = np.clip(place, 0, (width - 1, height - 1)).astype(np.float32)
    beyond = np.abs(place - nearest).max(axis=-1)
    near = (beyond <= reach)[..., np.newaxis] & (place != nearest)
    return np.where(near, nearest - grid, flow), beyond


def positions(flow: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where each pixel goes: flow `(B, H, W, 2)` -> x, y, each `(B, H, W)`."""
    height, width = tf.unstack(tf.shape(flow)[1:3])
    x = tf.range(tf.cast(width, tf.float32)) + flow[..., 0]
    y = tf.range(tf.cast(height, tf.float32))[:, tf.newaxis] + flow[..., 1]
    return x, y


def within_frame(x: tf.Tensor, y: tf.Tensor, last_x: tf.Tensor, last_y: tf.Tensor) -> tf.Tensor:
    """Whether positions lie on the grid of pixel centres, its outermost ones included. False for NaN."""
    return (x >= 0.0) & (x <= last_x) & (y >= 0.0) & (y <= last_y)


def last_pixel(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """x and y of the last pixel of images or flows `(B, H, W, C)`, float32."""
    height, width = tf.unstack(tf.cast(tf.shape(image)[1:3], tf.float32))
    return width - 1.0, height - 1.0


def bilinear(image: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Image `(B, H, W, C)` at positions `(B, H', W')` already within the frame -> `(B, H', W', C)`."""
    batch, height, width, channels = tf.unstack(tf.shape(image))
    last_x, last_y = last_pixel(image)
    left = tf.minimum(tf.floor(x), tf.maximum(last_x - 1.0, 0.0))
    top = tf.minimum(tf.floor(y), tf.maximum(last_y - 1.0, 0.0))
    across, down = (x - left)[..., tf.newaxis], (y - top)[..., tf.newaxis]
    first = tf.range(batch)[:, tf.newaxis, tf.newaxis] * (height * width)
    index = first + tf.cast(top, tf.int32) * width + tf.cast(left, tf.int32)
    pixels = tf.reshape(image, (-1, channels))
    right = tf.cast(width > 1, tf.int32)  # a single column is its own neighbour, and so is a single row
    below = tf.cast(height > 1, tf.int32) * width

    def row(start: tf.Tensor) -> tf.Tensor:
        a, b = tf.gather(pixels, start), tf.gather(pixels, start + right)
        return a + (b - a) * across

    upper, lower = row(index), row(index + below)
    return upper + (lower - upper) * down


def bicubic(image: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """As `bilinear`, by the cubic convolution of Keys 1981 (a = -1/2), the edge repeated: blurs less between pixels."""
    batch, height, width, channels = tf.unstack(tf.shape(image))
    left, top = tf.floor(x), tf.floor(y)
    across, down = _keys((x - left)[..., tf.newaxis]), _keys((y - top)[..., tf.newaxis])
    pixels = tf.reshape(image, (-1, channels))
    first = tf.range(batch)[:, tf.newaxis, tf.newaxis] * (height * width)
    columns = [tf.clip_by_value(tf.cast(left, tf.int32) + k, 0, width - 1) for k in range(-1, 3)]
    rows = [first + width * tf.clip_by_value(tf.cast(top, tf.int32) + k, 0, height - 1) for k in range(-1, 3)]

    def along(row: tf.Tensor) -> tf.Tensor:
        return sum(weight * tf.gather(pixels, row + column) for weight, column in zip(across, columns, strict=True))

    return sum(weight * along(row) for weight, row in zip(down, rows, strict=True))


def _keys(t: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Weights of the pixels at -1, 0, 1 and 2, for a place `t` between those at 0 and 1."""
    return (
        ((1.0 - t / 2.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((2.0 - 1.5 * t) * t + 0.5) * t,
        (t - 1.0) / 2.0 * t * t,
    )


def _clamped(position: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(position, 0.0, last)


def _mirrored(position: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
    """Back and forth over [0, last], however far outside."""
    period = tf.maximum(2.0 * last, 1.0)  # a single pixel has nothing to mirror: the clamp that follows sees to it
    return last - tf.abs(tf.math.floormod(position, period) - last)


def _warp_batch(image: tf.Tensor, flow: tf.Tensor, value: tf.Tensor, border: str) -> tf.Tensor:
    fold = _mirrored if border == "reflect" else _clamped
    last_x, last_y = last_pixel(flow)
    x, y = positions(tf.where(tf.math.is_finite(flow), flow, 0.0))
    # Clamped once more: far outside, rounding may leave the mirror's range.
    moved = bilinear(image, _clamped(fold(x, last_x), last_x), _clamped(fold(y, last_y), last_y))
    if border != "constant":
        return moved
    within = within_frame(*positions(flow), last_x, last_y)
    return tf.where(within[..., tf.newaxis], moved, value)


_ANY_SIZE = (tf.TensorSpec((1, None, None, None)), tf.TensorSpec((1, None, None, 2)), tf.TensorSpec(()))
_warp = {
    border: tf.function(functools.partial(_warp_batch, border=border), input_signature=_ANY_SIZE, autograph=False)
    for border in (*BORDERS, "constant")
}
