"""Optical flow between two pictures, estimated from coarse to fine, without a trained network.

Brox et al. 2004, "High accuracy optical flow estimation based on a theory for warping": on each level of a pyramid of
pictures the flow of the level above is refined (`variational`), on some after a search for what the pyramid misses
(`matching`). What each part buys is in `docs/flow.md`.

Inside, pictures are planes `(B, C, H, W)` and flows `(2, B, H, W)`, so that neighbours are slices of contiguous rows.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..pixels import LUMA, check_picture
from .lighting import in_one_light
from .matching import to_planes
from .variational import fused, refined
from .warping import Flow

Estimator = Callable[[npt.ArrayLike, npt.ArrayLike], Flow]
"""`(source, target) -> (H, W, 2)` float32 in pixels."""


class Quality(NamedTuple):
    """How much work an estimate is worth; what each setting buys is in `docs/flow.md`."""

    warps: int  # linearisations per level
    last: int  # linearisations at the finest level, which costs as much as three of all others together
    sweeps: int  # of the linear solver, per linearisation
    grey: bool  # leave the colours out at the finest level
    finest: int  # level at which to stop: 0 is full resolution, 1 is half
    search: tuple[int, ...]  # levels at which patches are matched too, for what the pyramid misses
    both: bool  # estimate the way back too where only one way is asked for, to tell what is hidden


QUALITIES = {
    "fast": Quality(warps=5, last=3, sweeps=20, grey=False, finest=1, search=(), both=False),
    "balanced": Quality(warps=8, last=4, sweeps=30, grey=True, finest=0, search=(2, 1), both=False),
    "best": Quality(warps=10, last=8, sweeps=40, grey=False, finest=0, search=(2, 1), both=True),
}

COARSEST = 10  # pixels along the shorter side, at least, where the pyramid ends


def estimate_flow(source: npt.ArrayLike, target: npt.ArrayLike, *, quality: str = "balanced") -> Flow:
    """Where each pixel of `source` is found in `target`.

    Parameters
    ----------
    source, target : (H, W, 3) RGB, uint8 or float in [0, 1], of one shape, any size
    quality : "fast", "balanced" or "best"

    Returns
    -------
    (H, W, 2) float32 in pixels, `[..., 0]` to the right and `[..., 1]` down:
    `target[y + dy, x + dx] ~ source[y, x]`.

    Raises
    ------
    ValueError
        If a picture is none, the shapes differ, or `quality` is unknown.
    """
    first, second = _checked(source, target, quality)
    if QUALITIES[quality].both:
        return estimate_flow_pair(source, target, quality=quality)[0]
    return _to_flow(_estimate(first, second, quality)[:, 0])


def estimate_flow_pair(a: npt.ArrayLike, b: npt.ArrayLike, *, quality: str = "balanced") -> tuple[Flow, Flow]:
    """`(flow from a to b, flow from b to a)`, together: both directions share the pyramids.

    Arguments, returns and raises as for `estimate_flow`.
    """
    first, second = _checked(a, b, quality)
    flows = _estimate(tf.concat([first, second], 0), tf.concat([second, first], 0), quality)
    return _to_flow(flows[:, 0]), _to_flow(flows[:, 1])


def named_flow(name: str, *, quality: str = "balanced") -> Estimator:
    """The estimator of this name: "builtin" (`estimate_flow`) or "dis" (OpenCV's, in the extra `[opencv]`).

    Raises
    ------
    ValueError
        If the name or the quality is unknown.
    ImportError
        If OpenCV is needed and missing.
    """
    if quality not in QUALITIES:
        raise ValueError(f"quality is {quality!r}, expected one of {', '.join(QUALITIES)}")
    estimators: dict[str, Callable[[str], Estimator]] = {"builtin": _Builtin, "dis": _opencv_dis}
    if name not in estimators:
        raise ValueError(f"flow is {name!r}, expected one of {', '.join(estimators)}, a folder, or a function")
    return estimators[name](quality)


@dataclass(frozen=True)
class _Builtin:
    """`estimate_flow` of one quality, which `there_and_back` knows."""

    quality: str

    def __call__(self, source: npt.ArrayLike, target: npt.ArrayLike) -> Flow:
        return estimate_flow(source, target, quality=self.quality)


def there_and_back(flow: Callable[[Any, Any], npt.ArrayLike]) -> Callable[[Any, Any], tuple[Flow, Flow]]:
    """A function `(source, target) -> (H, W, 2)` as `(a, b) -> (flow from a to b, flow from b to a)`.

    The built-in one of `named_flow` finds both together, and so knows in each what the other picture hides.
    """
    if isinstance(flow, _Builtin):
        return functools.partial(estimate_flow_pair, quality=flow.quality)
    return lambda a, b: (np.asarray(flow(a, b), np.float32), np.asarray(flow(b, a), np.float32))


def _opencv_dis(quality: str) -> Estimator:
    try:
        cv2: Any = import_module("cv2")
    except ImportError as error:
        raise ImportError('flow="dis" needs OpenCV: pip install "video-style-transfer[opencv]"') from error
    preset = {
        "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
        "balanced": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
        "best": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
    }[quality]
    method = cv2.DISOpticalFlow_create(preset)

    def estimate(source: npt.ArrayLike, target: npt.ArrayLike) -> Flow:
        first, second = (_luma(picture) for picture in _same_shape(source, target))
        if min(first.shape) < 12:  # DIS asks for at least one patch per picture
            return estimate_flow(source, target, quality="fast")
        return method.calc(first, second, None).astype(np.float32)

    return estimate


def _luma(picture: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    scale = 1.0 if picture.dtype == np.uint8 else 255.0
    grey = picture @ LUMA
    return np.rint(grey * scale).astype(np.uint8)


def _same_shape(source: npt.ArrayLike, target: npt.ArrayLike) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    first, second = check_picture(source, "source"), check_picture(target, "target")
    if first.shape != second.shape:
        raise ValueError(f"source has shape {first.shape}, target {second.shape}: expected the same")
    return first, second


def _checked(source: npt.ArrayLike, target: npt.ArrayLike, quality: str) -> tuple[tf.Tensor, tf.Tensor]:
    """Both pictures as planes `(1, 3, H, W)` in [0, 1], in one light."""
    if quality not in QUALITIES:
        raise ValueError(f"quality is {quality!r}, expected one of {', '.join(QUALITIES)}")
    first, second = (
        picture.astype(np.float32) / np.float32(255.0 if picture.dtype == np.uint8 else 1.0)
        for picture in _same_shape(source, target)
    )
    first, second = in_one_light(first, second)
    return to_planes(first[np.newaxis]), to_planes(second[np.newaxis])


def _to_flow(flow: tf.Tensor) -> Flow:
    """(2, H, W) -> (H, W, 2)."""
    return np.ascontiguousarray(np.moveaxis(flow.numpy(), 0, -1))


def _estimate(source: tf.Tensor, target: tf.Tensor, quality: str) -> tf.Tensor:
    """Coarse to fine: pictures (B, 3, H, W) in [0, 1] -> flow (2, B, H, W).

    Each level is a graph, not all of them one: of a graph that is large for the memory TensorFlow's optimiser breaks
    the loops (a `TemporaryVariable` of `AccumulateNV2` outlives the call).
    """
    settings = QUALITIES[quality]
    sources, targets = _pyramid(source), _pyramid(target)
    finest = min(settings.finest, len(sources) - 1)
    if settings.grey:
        sources[finest], targets[finest] = (
            tf.reduce_mean(levels[finest], 1, keepdims=True) for levels in (sources, targets)
        )
    flow = tf.zeros((2, source.shape[0], *sources[-1].shape[2:]))
    for level in reversed(range(finest, len(sources))):
        flow = _resize_flow(flow, sources[level].shape[2:])
        pictures = sources[level], targets[level]
        warps = settings.last if level == finest else settings.warps
        steps = warps, settings.sweeps
        flow = refined(*pictures, flow, 0, *steps)
        if level in settings.search:
            flow = refined(*pictures, fused(*pictures, flow), warps // 2, *steps)
    return _resize_flow(flow, source.shape[2:])


def _pyramid(image: tf.Tensor) -> list[tf.Tensor]:
    """The picture (B, C, H, W) and its halves."""
    levels = [image]
    while min(levels[-1].shape[2:]) // 2 >= COARSEST:
        shape = [(n + 1) // 2 for n in levels[-1].shape[2:]]
        interleaved = tf.transpose(levels[-1], (0, 2, 3, 1))
        levels.append(to_planes(tf.image.resize(interleaved, shape, antialias=True)))
    return levels


def _resize_flow(flow: tf.Tensor, shape: tuple[int, int]) -> tf.Tensor:
    height, width = flow.shape[2:]
    if (height, width) == tuple(shape):
        return flow
    resized = tf.transpose(tf.image.resize(tf.transpose(flow, (1, 2, 3, 0)), shape), (3, 0, 1, 2))
    return resized * tf.reshape([shape[1] / width, shape[0] / height], (2, 1, 1, 1))
