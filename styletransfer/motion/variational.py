"""The variational refinement of a flow on one level of the pyramid.

Brox et al. 2004, with the normalised data terms of Zimmer et al. 2011, "Optic flow in harmony", and the median filter
between warps of Sun et al. 2010, "Secrets of optical flow estimation and their principles", weighted there by colour
and by what is hidden. A few times over: warp the target by the flow so far, linearise, solve the linear system for the
flow by Jacobi sweeps with Chebyshev acceleration.

Each stage of a large level is compiled by XLA, as one pass over memory: on two CPU cores sweeps were 3.3 times and
warps 6 times as fast as op by op. All in one, XLA fuses too much and is slower.

Pictures are planes `(B, C, H, W)` and flows `(2, B, H, W)`, as in `flow`.
"""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from .matching import fuse, to_planes
from .warping import bicubic, bilinear, last_pixel, positions, within_frame

SMOOTHNESS = 0.07  # weight of the smoothness term against the data terms
GRADIENT = 1.0  # weight of gradient constancy against brightness constancy
TEXTURE = 3e-4  # squared gradient below which a data term says little (Zimmer's zeta^2)
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

LARGE = 20_000
"""Pixels from which a level is compiled by XLA: 2 s a level, once per size, so not worth it for small ones.

The search is compiled from a quarter of that: it is one loop, and three times as fast as op by op."""


def refined(source: tf.Tensor, target: tf.Tensor, flow: tf.Tensor, *counts: int) -> tf.Tensor:
    """The flow after some linearisations: `counts` are the first and the last of them, then see `flow.Quality`."""
    refine = _refine_at(tuple(source.shape)) if _pixels(flow) >= LARGE else _refine_any_size
    return tf.ensure_shape(refine(source, target, flow, *map(tf.constant, counts)), flow.shape)


def fused(source: tf.Tensor, target: tf.Tensor, flow: tf.Tensor) -> tf.Tensor:
    """`matching.fuse`, compiled."""
    fuse = _fuse if _pixels(flow) >= LARGE // 4 else _fuse_any_size
    return tf.ensure_shape(fuse(source, target, flow), flow.shape)


def _refine(
    source: tf.Tensor,
    target: tf.Tensor,
    flow: tf.Tensor,
    first: tf.Tensor,
    warps: tf.Tensor,
    sweeps: tf.Tensor,
) -> tf.Tensor:
    """The steps from `first` to `warps` of Gauss-Newton with reweighted least squares, at one level.

    The first half of all takes the convex penalty and every pixel, to get near from anywhere; the second
    forgets outliers and what is hidden (graduated non-convexity, Sun et al. 2010), and starts from a weighted median.
    """

    def step(k: tf.Tensor, flow: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        settled = 2 * k >= warps
        smooth = _median(flow)
        flow = tf.cond(settled, lambda: _sharpened(smooth, source), lambda: smooth)
        flow = tf.ensure_shape(flow, smooth.shape)
        warped, visible = _warped(target, flow)
        visible *= tf.where(settled, _agreement(flow), 1.0)
        gradient = _gradient((source + warped) / 2)  # of both pictures: half the error of either alone
        power = tf.where(settled, FORGETFUL, CONVEX)
        data = _data_term(gradient, warped - source, visible, power)
        solved = _solve(flow, data, _smoothness(flow, source), sweeps)
        return k + 1, tf.ensure_shape(solved, flow.shape)

    return tf.while_loop(lambda k, _: k < warps, step, (first, flow))[1]


_PLANES, _FLOWS = tf.TensorSpec((None, None, None, None)), tf.TensorSpec((2, None, None, None))
_ANY_SIZE, _COUNT = (_PLANES, _PLANES, _FLOWS), tf.TensorSpec((), tf.int32)
_refine_any_size = tf.function(_refine, input_signature=(*_ANY_SIZE, *[_COUNT] * 3), autograph=False)
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
    return to_planes(bicubic(interleaved, x, y)), visible


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
