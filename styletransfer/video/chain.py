"""The chain: frame after frame, each held to those painted before it (Ruder et al. 2016, sections 3 and 4.2)."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from ..image import coarse_to_fine, load_picture, load_regions, prepare, start_picture
from ..options import StyleOptions
from ..solver import Iterate
from ..styles import StyleLike, Styles, read_styles
from .carry import UNTOLD, Array, FlowPair, Opening, Painted, carry, latest_opening, masks_of, repeats
from .dissolve import dissolved, without
from .drift import WithoutDrift

log = logging.getLogger(__name__)

OnStep = Callable[[Iterate], None] | None

EASE = 0.2
"""How fast frames are held less while style is lacking, per frame: slowly, as paint takes some frames to follow."""


def paint(
    frames: Iterable[npt.ArrayLike],
    style: StyleLike,
    options: StyleOptions,
    *,
    model: keras.Model | None = None,
    flow: FlowPair,
    on_step: OnStep = None,
    regions: Iterable[npt.ArrayLike] | None = None,
    earlier: Sequence[Painted] = (),
    first: npt.ArrayLike | None = None,
) -> Iterator[Painted]:
    """The frames one by one, in float32, each as soon as it is done; `regions` holds a mask for every frame.

    It goes on after `earlier` when that is given: the frame that opened the scene, and the frames painted last, as
    many as the options' `history` reaches back; `first` is then the first frame of the whole clip, which the network
    was scaled on.
    """
    styles: Styles | None = None
    pictures = read_styles(style)
    memory = deque(earlier, maxlen=max(options.history))
    opening = latest_opening(earlier)
    flows = WithoutDrift(flow, options.history)
    for frame in load_frames(frames, options, len(pictures), regions, memory[-1] if memory else None):
        if styles is None:
            styles = prepare(first_picture(frame, first, options), pictures, options, model)
        along = flows.after(memory)
        if memory and repeats(frame, memory[-1], options.still_threshold):
            painted = memory[-1]._replace(steps=0, place=frame.place, explained=1.0, opens=False)
        else:
            painted = paint_one(styles, frame, memory, options.history, opening, options, along, on_step)
        if memory and holds(options):
            painted = dissolved(painted, memory[-1], along)
            memory[-1] = without(memory[-1])
        memory.append(painted)
        if painted.opens:
            opening = Opening(painted)
        yield painted


def load_frames(
    frames: Iterable[npt.ArrayLike],
    options: StyleOptions,
    styles: int,
    regions: Iterable[npt.ArrayLike] | None = None,
    last: Painted | None = None,
) -> Iterator[Painted]:
    """Frames as they are before they are painted, with their masks; all of one shape. They come after `last`."""
    begin, shape = (last.place + 1, last.source.shape) if last else (0, None)
    masks = None if regions is None else iter(regions)
    for index, frame in enumerate(frames):
        content = load_picture(frame, options.max_size, f"frame {index}")
        shape = shape or content.shape
        if content.shape != shape:
            raise ValueError(
                f"frame {index} is {content.shape[2]}x{content.shape[1]} pixels, expected {shape[2]}x{shape[1]} like "
                "those before it: resize it first"
            )
        shares = UNTOLD
        if masks is not None:
            mask = next(masks, None)
            if mask is None:
                raise ValueError(
                    f"regions end before frame {index}: expected a mask for every frame, or one picture for all"
                )
            shares = load_regions(mask, styles, content, f"the mask of frame {index}")
        yield Painted(content, start_picture(content, options), 0, begin + index, regions=shares)


def first_picture(frame: Painted, first: npt.ArrayLike | None, options: StyleOptions) -> Array:
    """The frame on which the network is scaled: the clip's first, which `frame` is unless `first` is given."""
    return frame.source if first is None else load_picture(first, options.max_size, "first frame")


def paint_one(
    styles: Styles,
    frame: Painted,
    memory: Sequence[Painted],
    history: Sequence[int],
    opening: Opening | None,
    options: StyleOptions,
    flow: FlowPair,
    on_step: OnStep,
) -> Painted:
    """One frame, held to the earlier ones where what it shows could be seen in them.

    Of what had to be borrowed it takes at least the same share of the evaluations that the opening frame took.
    """
    masks = masks_of(options)
    carried = carry(memory, frame, history, flow, opening, masks=masks) if holds(options) else None
    if carried is None:
        return open_scene(styles, frame, options, on_step)
    told = {name: getattr(carried, name) for name in ("explained", "fresh", "lent", "drawn_out", "made_for", "news")}
    frame = frame._replace(**told)
    if options.warm_start:
        frame = frame._replace(result=carried.start)
    frame = frame._replace(hold=held_by(memory[-1], frame.place, opening, options))
    weights = np.float32(frame.hold) * carried.reliability
    targets = styles.targets(frame.source, frame.place, frame.regions, carried.warped, weights)
    at_least = round(float(carried.borrowed.mean()) * opening.painted.steps) if opening else 0
    how: dict[str, Any] = {"at_least": at_least, "warm": options.warm_start, **as_good_as(opening, options.slack)}
    return finished(frame, styles.solver.run(frame.result, targets, **how), on_step)


def holds(options: StyleOptions) -> bool:
    """Whether frames are held to those before them at all."""
    return options.warm_start or options.temporal_weight > 0.0


def open_scene(styles: Styles, frame: Painted, options: StyleOptions, on_step: OnStep) -> Painted:
    """A frame that nothing is carried to, and that later frames are measured by."""
    if frame.place > 0:
        log.info("frame %d begins a new scene: nothing of the paint before it can be held to", frame.place)
    return paint_alone(styles, frame._replace(opens=True), options, on_step)


def paint_alone(
    styles: Styles, frame: Painted, options: StyleOptions, on_step: OnStep, steps: int | None = None
) -> Painted:
    """A frame from what its result is, coarse to fine, held to no other."""
    how: dict[str, Any] = {"place": frame.place, "regions": frame.regions, "steps": steps}
    return finished(frame, coarse_to_fine(styles, frame.source, frame.result, options, **how), on_step)


def as_good_as(opening: Opening | None, slack: float) -> dict[str, float]:
    """The losses, for `Solver.run`, at which a frame is as good as the one that opened the scene, up to the `slack`.

    So that an easier content does not pay for a weaker style, the style has a bound of its own, twice as far off: paint
    that is moved by parts of a pixel already differs by more than the slack.
    """
    if opening is None or slack == 0.0:
        return {}
    first = opening.painted
    return {"enough": first.loss * (1.0 + slack), "enough_style": first.style * (1.0 + 2.0 * slack)}


def held_by(before: Painted, place: int, opening: Opening | None, options: StyleOptions) -> float:
    """How firmly the frame at `place` is held to earlier ones, as a share of the options' `temporal_weight`.

    The style of a frame is one of all of it, so paint that is only held lacks what has left the frame, and in a long
    pan ever more. While the frame `before` lacks more, against the one that opened the scene, than the slack, each is
    held less, and else more again.
    """
    if opening is None or options.slack == 0.0 or 0.0 in (before.style, opening.painted.style):
        return 1.0
    lacking = before.style / (opening.painted.style * (1.0 + options.slack))
    hold = before.hold * lacking ** (-EASE * (place - before.place))
    return float(np.clip(hold, options.min_hold, 1.0))


def finished(frame: Painted, run: Iterable[Iterate], on_step: OnStep) -> Painted:
    """A frame with the result that a run of the optimiser ends at."""
    for iterate in run:
        if on_step is not None:
            on_step(iterate)
    result = np.clip(iterate.image.numpy(), 0.0, 255.0)
    return frame._replace(result=result, steps=iterate.step, loss=iterate.total, style=iterate.terms["style"])
