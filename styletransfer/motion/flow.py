"""Optical flow between two pictures, estimated from coarse to fine, without a trained network.

Brox et al. 2004, "High accuracy optical flow estimation based on a theory for warping", with the normalised
data terms of Zimmer et al. 2011, "Optic flow in harmony", and the median filter between warps of Sun et al.
2010, "Secrets of optical flow estimation and their principles", weighted there by colour and by what is hidden.
What each part buys is in `docs/flow.md`.

On each level of a pyramid of pictures, a few times over: warp the target by the flow so far, linearise, solve
the linear system for the flow by Jacobi sweeps with Chebyshev acceleration.

Inside this module pictures are planes `(B, C, H, W)` and flows `(2, B, H, W)`, so that neighbours are slices
of contiguous rows. Each stage of a large level is compiled by XLA, as one pass over memory: on two CPU cores
sweeps were 3.3 times and warps 6 times as fast as op by op. All in one, XLA fuses too much and is slower.
"""

import functools
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..pixels import LUMA, check_picture
from .matching import fuse
from .warping import Flow, bicubic, bilinear, last_pixel, positions, within_frame

Estimator = Callable[[npt.ArrayLike, npt.ArrayLike], Flow]
"""`(source, target) -> (H, W, 2)` float32 in pixels."""


class Quality(NamedTuple):
    """How much work an estimate is worth; what each setting buys is in `docs/flow.md`."""

    warps: int  # linearisations per level
    last: int  # linearisations at the finest level, which costs as much as three of all others together
    sweeps: int  # of the linear solver, per linearisation
    medians: int  # linearisations per level, the last ones, that start from a median weighted by colour
    grey: bool  # leave the colours out at the finest level
    finest: int  # level at which to stop: 0 is full resolution, 1 is half
    search: tuple[int, ...]  # levels at which patches are matched too, for what the pyramid misses
    both: bool  # estimate the way back too where only one way is asked for, to tell what is hidden


QUALITIES = {
    "fast": Quality(warps=5, last=3, sweeps=20, medians=1, grey=False, finest=1, search=(), both=False),
    "balanced": Quality(warps=8, last=4, sweeps=20, medians=1, grey=True, finest=0, search=(2,), both=False),
    "best": Quality(warps=10, last=8, sweeps=40, medians=4, grey=False, finest=0, search=(2, 1), both=True),
}

SMOOTHNESS = 0.05  # weight of the smoothness term against the data terms
GRADIENT = 1.0  # weight of gradient constancy against brightness constancy
TEXTURE = 1e-3  # squared gradient below which a data term says little (Zimmer's zeta^2)
SMALL_RESIDUAL = 1e-2  # squared residual, in pixels, below which the data penalty is quadratic: noise
CONVEX, FORGETFUL = 0.5, 0.7  # powers of the squared residual in the data weight, for the first and last warps
HIDDEN = 0.1  # weight of the data at pixels that the target seems to hide
SMOOTH_EPSILON = 1e-3  # squared step of the flow from pixel to pixel below which its penalty is quadratic
EDGE = 6.0  # how fast the smoothness falls at edges of the picture
SPECTRAL_RADIUS = 0.98  # assumed of the Jacobi sweep, for Chebyshev's weights
REACH, STRIDE = 2, 3  # of the weighted median: samples each way, and the pixels from one to the next
NEAR = 6.0  # standard deviation of its weights by distance, pixels
ALIKE = 0.04  # ... and by colour
GAPS = (0.3, 0.03)  # difference of flows, in pixels, below which its passes average: from anywhere, then sharply
COARSEST = 10  # pixels along the shorter side, at least, where the pyramid ends

LARGE = 20_000
"""Pixels from which a level is compiled by XLA: 2 s a level, once per size, so not worth it for small ones.

The search is compiled from a quarter of that: it is one loop, and three times as fast as op by op."""


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
    estimators = {"builtin": _builtin, "dis": _opencv_dis}
    if name not in estimators:
        raise ValueError(f"flow is {name!r}, expected one of {', '.join(estimators)}, a folder, or a function")
    return estimators[name](quality)


def _builtin(quality: str) -> Estimator:
    return functools.partial(estimate_flow, quality=quality)


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
    """Both pictures as planes `(1, 3, H, W)` in [0, 1]."""
    if quality not in QUALITIES:
        raise ValueError(f"quality is {quality!r}, expected one of {', '.join(QUALITIES)}")
    first, second = (
        picture.astype(np.float32) / np.float32(255.0 if picture.dtype == np.uint8 else 1.0)
        for picture in _same_shape(source, target)
    )
    return _planes(first[np.newaxis]), _planes(second[np.newaxis])


def _planes(images: tf.Tensor) -> tf.Tensor:
    return tf.transpose(images, (0, 3, 1, 2))


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
        steps = warps, settings.sweeps, settings.medians
        flow = _refined(*pictures, flow, 0, *steps)
        if level in settings.search:
            flow = _refined(*pictures, _fused(*pictures, flow), warps // 2, *steps)
    return _resize_flow(flow, source.shape[2:])


def _pyramid(image: tf.Tensor) -> list[tf.Tensor]:
    """The picture (B, C, H, W) and its halves."""
    levels = [image]
    while min(levels[-1].shape[2:]) // 2 >= COARSEST:
        shape = [(n + 1) // 2 for n in levels[-1].shape[2:]]
        interleaved = tf.transpose(levels[-1], (0, 2, 3, 1))
        levels.append(_planes(tf.image.resize(interleaved, shape, antialias=True)))
    return levels


def _resize_flow(flow: tf.Tensor, shape: tuple[int, int]) -> tf.Tensor:
    height, width = flow.shape[2:]
    if (height, width) == tuple(shape):
        return flow
    resized = tf.transpose(tf.image.resize(tf.transpose(flow, (1, 2, 3, 0)), shape), (3, 0, 1, 2))
    return resized * tf.reshape([shape[1] / width, shape[0] / height], (2, 1, 1, 1))


def _refined(source: tf.Tensor, target: tf.Tensor, flow: tf.Tensor, *counts: int) -> tf.Tensor:
    refine = _refine_at(tuple(source.shape)) if _pixels(flow) >= LARGE else _refine_any_size
    return tf.ensure_shape(refine(source, target, flow, *map(tf.constant, counts)), flow.shape)


def _fused(source: tf.Tensor, target: tf.Tensor, flow: tf.Tensor) -> tf.Tensor:
    fuse = _fuse if _pixels(flow) >= LARGE // 4 else _fuse_any_size
    return tf.ensure_shape(fuse(source, target, flow), flow.shape)


def _refine(
    source: tf.Tensor,
    target: tf.Tensor,
    flow: tf.Tensor,
    first: tf.Tensor,
    warps: tf.Tensor,
    sweeps: tf.Tensor,
    medians: tf.Tensor,
) -> tf.Tensor:
    """The steps from `first` to `warps` of Gauss-Newton with reweighted least squares, at one level.

    The first half of all takes the convex penalty and every pixel, to get near from anywhere; the second
    forgets outliers and what is hidden (graduated non-convexity, Sun et al. 2010).
    """

    def step(k: tf.Tensor, flow: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        smooth = _median(flow)
        flow = tf.cond(k >= warps - medians, lambda: _sharpened(smooth, source), lambda: smooth)
        flow = tf.ensure_shape(flow, smooth.shape)
        warped, visible = _warped(target, flow)
        settled = 2 * k >= warps
        visible *= tf.where(settled, _agreement(flow), 1.0)
        gradient = _gradient((source + warped) / 2)  # of both pictures: half the error of either alone
        power = tf.where(settled, FORGETFUL, CONVEX)
        data = _data_term(gradient, warped - source, visible, power)
        solved = _solve(flow, data, _smoothness(flow, source), sweeps)
        return k + 1, tf.ensure_shape(solved, flow.shape)

    return tf.while_loop(lambda k, _: k < warps, step, (first, flow))[1]


_PLANES, _FLOWS = tf.TensorSpec((None, None, None, None)), tf.TensorSpec((2, None, None, None))
_ANY_SIZE, _COUNT = (_PLANES, _PLANES, _FLOWS), tf.TensorSpec((), tf.int32)
_refine_any_size = tf.function(_refine, input_signature=(*_ANY_SIZE, *[_COUNT] * 4), autograph=False)
_fuse_any_size = tf.function(fuse, input_signature=_ANY_SIZE, autograph=False)
"""Traced once for all small levels of all pictures: tracing takes longer than running them."""
_fuse = tf.function(fuse, jit_compile=True, autograph=False)


@functools.lru_cache(maxsize=32)
def _refine_at(shape: tuple[int, ...]) -> Callable[..., tf.Tensor]:
    """`_refine` for pictures of one shape: of one function for all, TensorFlow warns that it is traced too often."""
    return tf.function(_refine, autograph=False)


def _stage(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a stage by XLA, as one pass over memory, where the picture is known to be large."""
    compiled = tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def run(first: tf.Tensor, *rest: Any) -> Any:
        return (compiled if _pixels(first) >= LARGE else function)(first, *rest)

    return run


def _pixels(planes: tf.Tensor) -> int:
    """Of one plane; 0 where a graph for any size does not know."""
    height, width = planes.shape[-2:]
    return (height or 0) * (width or 0)


@_stage
def _median(flow: tf.Tensor) -> tf.Tensor:
    """Median of each 3x3 neighbourhood, by Paeth's (1990) network of 19 exchanges."""
    padded = _padded(flow, 1)
    v = [_window(padded, 1, i, j) for i in range(3) for j in range(3)]
    exchanges = "12 45 78 01 34 67 12 45 78 03 58 47 36 14 25 47 42 64 42"
    for low, high in ((int(pair[0]), int(pair[1])) for pair in exchanges.split()):
        v[low], v[high] = tf.minimum(v[low], v[high]), tf.maximum(v[low], v[high])
    return v[4]


def _sharpened(flow: tf.Tensor, guide: tf.Tensor) -> tf.Tensor:
    """The flow, its boundaries drawn to those of the picture, and what is hidden filled from what is like it."""
    interleaved = tf.transpose(flow, (1, 2, 3, 0))
    inside = within_frame(*positions(interleaved), *last_pixel(interleaved))
    trust = tf.where(inside, _agreement(flow) ** 2, HIDDEN**2)
    for gap in GAPS:
        flow = _weighted_median(flow, guide, trust, tf.constant(gap))
    return flow


@_stage
def _weighted_median(flow: tf.Tensor, guide: tf.Tensor, trust: tf.Tensor, gap: tf.Tensor) -> tf.Tensor:
    """One pass towards the median of pixels around, weighted by distance, colour and trust (Sun et al. 2010).

    A median minimises the sum of distances: each pass is one of Weiszfeld's (1937), a mean in which a flow weighs
    the less the farther it lies from the flow so far. A mean needs no sorting.
    """
    margin = REACH * STRIDE
    height = tf.shape(flow)[2]
    colours = tf.transpose(guide, (1, 0, 2, 3))
    around = tf.concat([flow, colours, trust[tf.newaxis]], 0)
    padded = tf.pad(around, ((0, 0), (0, 0), (margin, margin), (margin, margin)))  # trust 0 beyond the frame

    def row(i: tf.Tensor, total: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, ...]:
        rows = tf.slice(padded, [0, 0, i, 0], [-1, -1, height, -1])
        for j in range(0, 2 * margin + 1, STRIDE):
            near = rows[..., j : j - 2 * margin or None]
            distance = (tf.cast((i - margin) ** 2, tf.float32) + (j - margin) ** 2) / (2 * NEAR**2)
            colour = tf.reduce_mean((near[2:-1] - colours) ** 2, 0) / (2 * ALIKE**2)
            apart = tf.math.rsqrt(tf.reduce_sum((near[:2] - flow) ** 2, 0) + gap**2)
            weight = tf.exp(-distance - colour) * near[-1] * apart
            total += weight * near[:2]
            weights += weight
        return i + STRIDE, tf.ensure_shape(total, flow.shape), tf.ensure_shape(weights, trust.shape)

    start = tf.constant(0), tf.zeros_like(flow), tf.zeros_like(trust)  # a loop compiles three times as fast
    _, total, weights = tf.while_loop(lambda i, *_: i <= 2 * margin, row, start)
    return total / weights


@_stage
def _warped(target: tf.Tensor, flow: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The target moved by the flow, and 1 where it comes from within the frame, else 0."""
    interleaved = tf.transpose(target, (0, 2, 3, 1))
    x, y = positions(tf.transpose(flow, (1, 2, 3, 0)))
    last_x, last_y = last_pixel(interleaved)
    visible = tf.cast(within_frame(x, y, last_x, last_y), tf.float32)
    x, y = tf.clip_by_value(x, 0.0, last_x), tf.clip_by_value(y, 0.0, last_y)
    return _planes(bicubic(interleaved, x, y)), visible


@_stage
def _agreement(flow: tf.Tensor) -> tf.Tensor:
    """How much the data may say at each pixel: little where the way there and back does not lead home.

    A pixel hidden in the target has no match, and would take the motion of what covers it. The test is that
    of `occlusion.disocclusion`; it needs both directions in the batch, and is 1 everywhere for one alone.
    """
    interleaved = tf.transpose(flow, (1, 2, 3, 0))
    last_x, last_y = last_pixel(interleaved)
    x, y = positions(interleaved)
    x, y = tf.clip_by_value(x, 0.0, last_x), tf.clip_by_value(y, 0.0, last_y)
    back = bilinear(tf.reverse(interleaved, [0]), x, y)
    gap = tf.reduce_sum((back + interleaved) ** 2, -1)
    agree = gap <= 0.01 * tf.reduce_sum(back**2 + interleaved**2, -1) + 0.5
    both = tf.shape(flow)[1] == 2
    return tf.where(agree | ~both, 1.0, HIDDEN)


@_stage
def _gradient(planes: tf.Tensor) -> tf.Tensor:
    """Derivatives to the right and down, stacked in front: five taps, fourth order."""
    padded = _padded(planes, 2)
    across = [_window(padded, 2, 2, k) for k in (0, 1, 3, 4)]
    down = [_window(padded, 2, k, 2) for k in (0, 1, 3, 4)]
    return tf.stack([(8.0 * (c - b) - (d - a)) / 12.0 for a, b, c, d in (across, down)])


@_stage
def _data_term(gradient: tf.Tensor, change: tf.Tensor, visible: tf.Tensor, power: tf.Tensor) -> list[tf.Tensor]:
    """The normal equations of the data: a11, a12, a22, b1, b2, each (B, H, W), for the step of the flow.

    Each constraint p u + q v + t = 0 (constancy of a channel, or of a derivative of it) is divided by
    the length of its gradient, so that its residual s is in pixels (Zimmer et al. 2011), and weighted by
    (1 + s^2 / epsilon)^-power: at 1/2 the convex penalty of Brox et al., above it one that forgets outliers.
    """

    def constraint(p: tf.Tensor, q: tf.Tensor, t: tf.Tensor, importance: float) -> list[tf.Tensor]:
        scale = 1.0 / (p * p + q * q + TEXTURE)
        weight = importance * scale * (1.0 + t * t * scale / SMALL_RESIDUAL) ** -power
        return [weight * product for product in (p * p, p * q, q * q, -p * t, -q * t)]

    across, down = gradient[0], gradient[1]
    mixed = _step_down(across)
    terms = zip(
        constraint(across, down, change, 1.0),
        constraint(_step_across(across), mixed, _step_across(change), GRADIENT),
        constraint(mixed, _step_down(down), _step_down(change), GRADIENT),
        strict=True,
    )
    return [tf.reduce_mean(sum(three), 1) * visible for three in terms]


def _step_across(planes: tf.Tensor) -> tf.Tensor:
    """Central difference to the right."""
    padded = tf.concat([planes[..., :1], planes, planes[..., -1:]], -1)
    return (padded[..., 2:] - padded[..., :-2]) / 2


def _step_down(planes: tf.Tensor) -> tf.Tensor:
    padded = tf.concat([planes[..., :1, :], planes, planes[..., -1:, :]], -2)
    return (padded[..., 2:, :] - padded[..., :-2, :]) / 2


def _window(padded: tf.Tensor, margin: int, top: int, left: int) -> tf.Tensor:
    """Planes without their margin, seen from another corner: `top = left = margin` is where they were."""
    return padded[..., top : top - 2 * margin or None, left : left - 2 * margin or None]


def _padded(planes: tf.Tensor, times: int) -> tf.Tensor:
    """The edge repeated; one pixel at a time, so that a picture of one pixel has enough to repeat."""
    sides = [(0, 0)] * (len(planes.shape) - 2) + [(1, 1), (1, 1)]
    for _ in range(times):
        planes = tf.pad(planes, sides, "SYMMETRIC")
    return planes


@_stage
def _smoothness(flow: tf.Tensor, guide: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Weights (B, H, W) between each pixel and its neighbour to the right, and below; 0 at the far edges.

    The derivative of the total variation sqrt(|grad u|^2 + |grad v|^2 + epsilon), smaller across edges of the
    picture.
    """

    def link(step_flow: tf.Tensor, step_guide: tf.Tensor, cross: tf.Tensor) -> tf.Tensor:
        edge = tf.exp(-EDGE * tf.reduce_mean(tf.abs(step_guide), 1))
        return SMOOTHNESS * edge * tf.math.rsqrt(tf.reduce_sum(step_flow**2, 0) + cross + SMOOTH_EPSILON)

    def step(planes: tf.Tensor, axis: int) -> tf.Tensor:
        return planes[..., 1:] - planes[..., :-1] if axis == 1 else planes[..., 1:, :] - planes[..., :-1, :]

    across, down = step(flow, 1), step(flow, 0)
    square_across = _centred(tf.reduce_sum(across**2, 0), 2)
    square_down = _centred(tf.reduce_sum(down**2, 0), 1)
    right = link(across, step(guide, 1), (square_down[..., 1:] + square_down[..., :-1]) / 2)
    below = link(down, step(guide, 0), (square_across[:, 1:] + square_across[:, :-1]) / 2)
    return tf.pad(right, ((0, 0), (0, 0), (0, 1))), tf.pad(below, ((0, 0), (0, 1), (0, 0)))


def _centred(between: tf.Tensor, axis: int) -> tf.Tensor:
    """Values between pixels -> values at pixels, 0 beyond the edge."""
    padded = tf.pad(between, [(1, 1) if k == axis else (0, 0) for k in range(3)])
    if axis == 2:
        return (padded[..., 1:] + padded[..., :-1]) / 2
    return (padded[:, 1:] + padded[:, :-1]) / 2


@_stage
def _solve(flow: tf.Tensor, data: list[tf.Tensor], links: tuple[tf.Tensor, tf.Tensor], sweeps: tf.Tensor) -> tf.Tensor:
    """The flow that balances data and smoothness, after some sweeps.

    Jacobi's iteration on 2x2 blocks, accelerated by Chebyshev's semi-iteration (Golub and Van Loan, "Matrix
    Computations", 11.2.8): as fast as successive over-relaxation, and every pixel at once.
    """
    a11, a12, a22, b1, b2 = data
    right, below = links
    left = tf.pad(right, ((0, 0), (0, 0), (1, 0)))[..., :-1]
    above = tf.pad(below, ((0, 0), (1, 0), (0, 0)))[:, :-1]
    constant = tf.stack([b1 + a11 * flow[0] + a12 * flow[1], b2 + a12 * flow[0] + a22 * flow[1]])
    total = right + left + below + above + 1e-6  # a picture of one pixel has no links
    a11, a22 = a11 + total, a22 + total
    determinant = a11 * a22 - a12 * a12
    inverse = a22 / determinant, -a12 / determinant, a11 / determinant

    def sweep(k: tf.Tensor, x: tf.Tensor, before: tf.Tensor, omega: tf.Tensor) -> tuple[tf.Tensor, ...]:
        p = tf.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        near = right * p[..., 1:-1, 2:] + left * p[..., 1:-1, :-2] + below * p[..., 2:, 1:-1]
        u, v = tf.unstack(near + above * p[..., :-2, 1:-1] + constant)
        jacobi = tf.stack([inverse[0] * u + inverse[1] * v, inverse[1] * u + inverse[2] * v])
        return k + 1, before + omega * (jacobi - before), x, 1.0 / (1.0 - SPECTRAL_RADIUS**2 / 4.0 * omega)

    start = (tf.constant(0), flow, flow, tf.constant(1.0))
    return tf.while_loop(lambda k, *_: k < sweeps, sweep, start)[1]
