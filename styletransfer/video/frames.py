"""The video loop: frames in, painted frames out, one at a time."""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

from .. import pixels
from ..image import PictureLike, load_picture, prepare, start_picture
from ..motion.filling import borrow
from ..motion.flow import estimate_flow_pair, named_flow
from ..motion.occlusion import reliability
from ..motion.scenes import is_cut
from ..motion.warping import spline_warp, warp
from ..options import StyleOptions, resolve
from ..solver import Iterate, Solver

Array = npt.NDArray[np.float32]
FlowPair = Callable[[npt.NDArray[np.uint8], npt.NDArray[np.uint8]], tuple[Array, Array]]
FlowLike = str | Callable[[npt.NDArray[np.uint8], npt.NDArray[np.uint8]], npt.ArrayLike] | None
"""A name, or any `flow(source, target) -> (H, W, 2)` of the flow convention; None is the built-in one."""

NEIGHBOURHOOD = 9
"""Side in pixels of the window over which two frames are compared to tell whether one is held."""


class Painted(NamedTuple):
    """A frame and what became of it."""

    source: Array  # (1, H, W, 3) float32, 0..255
    result: Array  # (1, H, W, 3) float32, clipped to 0..255
    steps: int  # evaluations it took; 0 for a held frame


def stylize_frames(
    frames: Iterable[npt.ArrayLike],
    style: PictureLike,
    *,
    options: StyleOptions | None = None,
    model: keras.Model | None = None,
    flow: FlowLike = None,
    on_step: Callable[[Iterate], None] | None = None,
    **settings: Any,
) -> Iterator[npt.NDArray[np.uint8]]:
    """Repaint frames in the style of a picture, steady from one to the next (Ruder et al. 2016).

    Parameters
    ----------
    frames
        `(H, W, 3)` arrays, uint8 or float in [0, 1], all of one size; any iterable, read lazily.
    style
        A picture file or array.
    options, settings
        `StyleOptions`, and fields of it by keyword that override it.
    model
        What `load_model` returned; without it the options' `weights` are loaded.
    flow
        `"builtin"` (the default), `"dis"` (OpenCV's, with the extra `opencv`), or any callable
        `flow(source, target) -> (H, W, 2)` with `target[y + dy, x + dx] ~ source[y, x]`.
    on_step
        Called with an `Iterate` after every evaluation.

    Yields
    ------
    uint8 (H, W, 3)
        One painted frame per frame, each as soon as it is done.

    Raises
    ------
    ValueError
        At the call for a wrong setting; while iterating for a frame of another shape than the first.
    """
    options = resolve(options, settings)
    painted = paint(frames, style, options, model=model, flow=both_ways(flow, options.flow_quality), on_step=on_step)
    return (pixels.to_outside(frame.result) for frame in painted)


def paint(
    frames: Iterable[npt.ArrayLike],
    style: PictureLike,
    options: StyleOptions,
    *,
    model: keras.Model | None = None,
    flow: FlowPair,
    on_step: Callable[[Iterate], None] | None = None,
    previous: Painted | None = None,
    first: npt.ArrayLike | None = None,
) -> Iterator[Painted]:
    """The loop behind `stylize_frames`, in float32; it goes on from `previous` when that is given.

    `first` is the first frame of the whole clip, which the network was scaled on, when `frames` begins later.
    """
    solver: Solver | None = None
    for index, frame in enumerate(frames):
        content = load_picture(frame, options.max_size, f"frame {index}")
        if solver is None:
            beginning = content if first is None else load_picture(first, options.max_size, "first frame")
            solver, style_grams = prepare(beginning, style, options, model)
        if previous is not None and previous.source.shape != content.shape:
            raise ValueError(
                f"frame {index} is {content.shape[2]}x{content.shape[1]} pixels, expected "
                f"{previous.source.shape[2]}x{previous.source.shape[1]} like those before it: resize it first"
            )
        if previous is not None and is_held(content, previous.source, options.still_threshold):
            previous = previous._replace(steps=0)
        else:
            previous = _paint_one(solver, content, style_grams, previous, options, flow, on_step)
        yield previous


def is_held(content: Array, earlier: Array, threshold: float) -> bool:
    """Whether a frame shows the same picture as an earlier one, up to the noise of compression.

    The absolute difference, averaged over the channels and over windows of 9x9 pixels, stays below
    `threshold` grey levels in every window. The earlier frame is the one that was painted last, not the one
    shown last, so slow changes add up until they count.
    """
    if threshold == 0.0:
        return False
    difference = np.abs(content - earlier)[0].mean(axis=-1)
    return bool(uniform_filter(difference, NEIGHBOURHOOD, mode="nearest").max() < threshold)


def _paint_one(
    solver: Solver,
    content: Array,
    style_grams: tuple[Any, ...],
    previous: Painted | None,
    options: StyleOptions,
    flow: FlowPair,
    on_step: Callable[[Iterate], None] | None,
) -> Painted:
    """One frame, held to the previous one where that can still be seen."""
    held = options.warm_start or options.temporal_weight > 0.0
    carried = carry(previous, content, flow) if previous is not None and held else None
    start = start_picture(content, options)
    if carried is None:
        targets = solver.targets(content, style_grams)
    else:
        targets = solver.targets(content, style_grams, carried.result, carried.reliability[np.newaxis])
        start = carried.result if options.warm_start else start
    for iterate in solver.run(start, targets):
        if on_step is not None:
            on_step(iterate)
    return Painted(content, np.clip(iterate.image.numpy(), 0.0, 255.0), iterate.step)


def both_ways(flow: FlowLike, quality: str) -> FlowPair:
    """`flow`, a name or a callable, as a function of two frames that gives the flow from a to b and back."""
    if flow is None or flow == "builtin":
        return functools.partial(estimate_flow_pair, quality=quality)
    one_way = named_flow(flow, quality=quality) if isinstance(flow, str) else flow
    if not callable(one_way):
        raise TypeError(f"flow is a {type(flow).__name__}, expected a name or a function of two frames")

    def checked(source: npt.NDArray[np.uint8], target: npt.NDArray[np.uint8]) -> Array:
        field = np.asarray(one_way(source, target), np.float32)
        if field.shape != (*source.shape[:2], 2) or not np.isfinite(field).all():
            raise ValueError(
                f"flow returned an array of shape {field.shape}, expected finite values of shape "
                f"{(*source.shape[:2], 2)}: return (dx, dy) in pixels for every pixel of its first frame"
            )
        return field

    return lambda a, b: (checked(a, b), checked(b, a))


class Carried(NamedTuple):
    """An earlier result as the present frame would show it."""

    result: Array  # (1, H, W, 3)
    reliability: Array  # (H, W)


def carry(previous: Painted, content: Array, flow: FlowPair) -> Carried | None:
    """The previous result moved to where its objects are now, or None after a cut.

    Pixels that come out of hiding or enter the frame borrow paint from where it looked alike, at reliability 0:
    it may be wrongly placed, but it is painted, and so a better start than the bare frame, which stays bare for
    many frames.
    """
    source, result = previous.source[0], previous.result[0]
    back, forth = flow(pixels.to_outside(content), pixels.to_outside(source))
    if is_cut(content[0], warp(source, back)):
        return None
    reliable = reliability(back, forth)
    moved = spline_warp(result, back)
    missing = reliable < 0.5
    if missing.any():
        # Beyond the border the flow has no answer: there it looks like nothing in the frame.
        moved = borrow(moved, warp(source, back, border=-1000.0), result, source, content[0], missing)
    return Carried(moved[np.newaxis], reliable)
