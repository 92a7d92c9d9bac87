"""The chain: frame after frame, each held to those painted before it (Ruder et al. 2016, sections 3 and 4.2)."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from ..image import PictureLike, load_picture, prepare, start_picture
from ..options import StyleOptions
from ..solver import Iterate, Solver, Targets
from .carry import Array, FlowPair, Painted, carry, is_held, masks_of

OnStep = Callable[[Iterate], None] | None


def paint(
    frames: Iterable[npt.ArrayLike],
    style: PictureLike,
    options: StyleOptions,
    *,
    model: keras.Model | None = None,
    flow: FlowPair,
    on_step: OnStep = None,
    earlier: Sequence[Painted] = (),
    first: npt.ArrayLike | None = None,
) -> Iterator[Painted]:
    """The frames one by one, in float32, each as soon as it is done.

    It goes on after `earlier` when that is given: the frame that opened the scene, and the frames painted last, as
    many as the options' `history` reaches back; `first` is then the first frame of the whole clip, which the network
    was scaled on.
    """
    solver: Solver | None = None
    memory = deque(earlier, maxlen=max(options.history))
    opening = next((one for one in reversed(earlier) if one.opens), None)
    begin, shape = (memory[-1].place + 1, memory[-1].source.shape) if memory else (0, None)
    for place, content in enumerate(load_frames(frames, options.max_size, shape), begin):
        if solver is None:
            beginning = content if first is None else load_picture(first, options.max_size, "first frame")
            solver, grams = prepare(beginning, style, options, model)
        if memory and is_held(content, memory[-1].source, options.still_threshold):
            memory.append(memory[-1]._replace(steps=0, place=place, explained=1.0, opens=False))
        else:
            frame = Painted(content, start_picture(content, options), 0, place)
            memory.append(paint_one(solver, frame, grams, memory, options.history, opening, options, flow, on_step))
        if memory[-1].opens:
            opening = memory[-1]
        yield memory[-1]


def load_frames(
    frames: Iterable[npt.ArrayLike], max_size: int | None, shape: tuple[int, ...] | None = None
) -> Iterator[Array]:
    """Frames as `(1, H, W, 3)` float32 in 0..255, which must all have one shape, `shape` if it is given."""
    for index, frame in enumerate(frames):
        content = load_picture(frame, max_size, f"frame {index}")
        shape = shape or content.shape
        if content.shape != shape:
            raise ValueError(
                f"frame {index} is {content.shape[2]}x{content.shape[1]} pixels, expected {shape[2]}x{shape[1]} like "
                "those before it: resize it first"
            )
        yield content


def paint_one(
    solver: Solver,
    frame: Painted,
    grams: tuple[Any, ...],
    memory: Sequence[Painted],
    history: Sequence[int],
    opening: Painted | None,
    options: StyleOptions,
    flow: FlowPair,
    on_step: OnStep,
) -> Painted:
    """One frame, held to the earlier ones where what it shows could be seen in them.

    Of what had to be borrowed it takes at least the same share of the evaluations that the opening frame took.
    """
    held = options.warm_start or options.temporal_weight > 0.0
    carried = carry(memory, frame, history, flow, opening, masks=masks_of(options)) if held else None
    if carried is None:
        frame = frame._replace(opens=True)
        return optimise(solver, frame, solver.targets(frame.source, grams), options.steps, on_step)
    frame = frame._replace(explained=carried.explained, made_for=carried.made_for, news=carried.news)
    if options.warm_start:
        frame = frame._replace(result=carried.start)
    targets = solver.targets(frame.source, grams, carried.warped, carried.reliability)
    at_least = round(carried.borrowed * opening.steps) if opening else 0
    how = {"at_least": at_least, "enough": as_good_as(opening, options), "warm": options.warm_start}
    return optimise(solver, frame, targets, options.steps, on_step, **how)


def as_good_as(opening: Painted | None, options: StyleOptions) -> float:
    """The loss at which a frame is as good, up to the `slack`, as the one that opened the scene; 0 if none did."""
    return opening.loss * (1.0 + options.slack) if opening and options.slack > 0.0 else 0.0


def optimise(solver: Solver, frame: Painted, targets: Targets, steps: int, on_step: OnStep, **how: Any) -> Painted:
    """A frame with its result optimised, from what it is, in at most `steps` evaluations; `how` as for `Solver.run`."""
    for iterate in solver.run(frame.result, targets, steps=steps, **how):
        if on_step is not None:
            on_step(iterate)
    result = np.clip(iterate.image.numpy(), 0.0, 255.0)
    return frame._replace(result=result, steps=iterate.step, loss=iterate.total)
