"""Key frames: a few frames are painted, the frames between them are carried from both sides.

`plan` reads the clip up to the next key frame, which is the first frame of which too little can be carried from the
last one, the last frame of a scene or of the clip, or the frame at the longest gap that is allowed. That frame is
painted, held to the key frames before it as the chain holds a frame to those before it; then the frames that waited
are blended. No more frames are in memory than the longest gap has, and that is also the delay of a live source.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from ..image import PictureLike, load_picture, prepare, start_picture
from ..motion.filling import colors_of, light
from ..motion.gaps import compose, mend
from ..motion.scenes import Cuts
from ..options import StyleOptions
from ..solver import Solver
from .between import Blend, blend, neighbour
from .carry import SEEN, Array, FlowPair, Masks, Painted, is_held, masks_of
from .chain import OnStep, load_frames, optimise, paint, paint_one

HOLE = 2.0
"""Sigma in pixels of the soft edge between what is carried to a frame and what is painted on it."""


def painter_of(options: StyleOptions) -> Callable[..., Iterator[Painted]]:
    """`paint_keyframes`, or `chain.paint` where every frame is painted, as it is where none is held to others."""
    held = options.warm_start or options.temporal_weight > 0.0
    return paint_keyframes if held and options.keyframes != 1 else paint


Pair = tuple[Array, Array]
"""The flows from a frame to another, and back."""


class Waiting(NamedTuple):
    """A frame that waits for the key frame after it, as the key frame before it sees it."""

    frame: Painted
    back: Array  # (H, W, 2), the flow to the key frame before
    forth: Array  # (H, W, 2), the flow from there
    certain: Array  # (H, W), the reliability of `back`
    held: bool = False  # it shows what the frame before it shows


class Stretch(NamedTuple):
    """Some frames, and the key frame that follows them."""

    between: list[Waiting]
    key: Waiting | Painted  # Painted where it opens a scene: nothing can be carried to it
    still: bool = False  # it shows what the key frame before it shows


def paint_keyframes(
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
    """All frames in order, in float32; those with `key` set were painted, the others carried.

    It goes on after the key frames `earlier` when they are given, see `chain.paint`.
    """
    begin, shape = (earlier[-1].place + 1, earlier[-1].source.shape) if earlier else (0, None)
    contents = load_frames(frames, options.max_size, shape)
    painter: Painter | None = None
    waiting = (
        Painted(content, start_picture(content, options), 0, place, key=False)
        for place, content in enumerate(contents, begin)
    )
    for stretch in plan(waiting, flow, options, earlier[-1] if earlier else None):
        if painter is None:
            beginning = load_picture(first, options.max_size, "first frame") if first is not None else _source(stretch)
            solver, grams = prepare(beginning, style, options, model)
            painter = Painter(solver, grams, options, flow, on_step, earlier)
        yield from painter.paint(stretch)


def plan(
    frames: Iterable[Painted], flow: FlowPair, options: StyleOptions, last: Painted | None = None
) -> Iterator[Stretch]:
    """Where the key frames are, with the flows that deciding it took.

    Parameters
    ----------
    frames
        The frames of a clip, or what comes after the key frame `last`.
    flow
        Both flows between two frames.
    options
        `keyframes`, `max_gap`, `min_carried`, `still_threshold`, and the masks.
    """
    masks, cuts = masks_of(options), Cuts()
    longest, enough = (
        (options.max_gap, options.min_carried) if options.keyframes == "auto" else (int(options.keyframes), 0.0)
    )
    waiting: list[Waiting] = []
    if last is not None:
        cuts.resume(last.source[0], last.explained)
    for frame in frames:
        opens = cuts.is_cut(frame.source[0])
        frame = frame._replace(explained=cuts.share)
        if last is None or opens:
            if waiting:
                yield Stretch(waiting[:-1], waiting[-1])
            yield Stretch([], frame)
            last, waiting = frame, []
        elif not waiting and is_held(frame.source, last.source, options.still_threshold):
            yield Stretch([], frame, still=True)
            last = last._replace(place=frame.place)
        else:
            waiting.append(_waiting(frame, last, waiting, flow, masks, options.still_threshold))
            carried = float((waiting[-1].certain >= SEEN).mean())
            if carried < enough or frame.place - last.place >= longest:
                yield Stretch(waiting[:-1], waiting[-1])
                last, waiting = frame, []
    if waiting:
        yield Stretch(waiting[:-1], waiting[-1])


def _waiting(
    frame: Painted, last: Painted, waiting: Sequence[Waiting], flow: FlowPair, masks: Masks, threshold: float
) -> Waiting:
    if waiting and is_held(frame.source, waiting[-1].frame.source, threshold):
        return waiting[-1]._replace(frame=frame, held=True)
    back, forth = flow(frame, last)
    return Waiting(frame, back, forth, masks(back, forth))


def _source(stretch: Stretch) -> Array:
    """The source of the first frame of a clip, which opens a scene."""
    assert isinstance(stretch.key, Painted)
    return stretch.key.source


def _mended(stretch: Stretch, onward: Sequence[Pair | None]) -> Waiting:
    """The key frame of a stretch, its flows mended by way of the frame in the middle."""
    key = stretch.key
    assert isinstance(key, Waiting)
    middle = len(onward) // 2
    flows = onward[middle] if onward else None
    if flows is None:
        return key
    (to_key, from_key), waiting = flows, stretch.between[middle]
    chain = compose(from_key, waiting.back), compose(waiting.forth, to_key)
    back, forth = mend((key.back, key.forth), chain)
    return key._replace(back=back, forth=forth)


def times(onward: Sequence[Pair | None]) -> list[float]:
    """When each frame between two key frames is, from 0 to 1, counted in changes of the picture.

    Drawings are often held for two or three frames: by the clock the first of them would take nearly all of its paint
    from one key frame, and the paint would change in jumps. Frames that repeat another have no flow of their own.
    """
    changes = list(itertools.accumulate(int(flows is not None) for flows in onward))
    return [change / (changes[-1] + 1) for change in changes]


class Painter:
    """Paints one stretch after the other: the key frame at its end first, then the frames before that."""

    def __init__(
        self,
        solver: Solver,
        grams: tuple[npt.ArrayLike, ...],
        options: StyleOptions,
        flow: FlowPair,
        on_step: OnStep,
        earlier: Sequence[Painted],
    ) -> None:
        self.solver, self.grams, self.options, self.flow, self.on_step = solver, grams, options, flow, on_step
        self.masks = masks_of(options)
        self.opening = next((one for one in reversed(earlier) if one.opens), None)
        self.keys = self._needed(earlier)

    def paint(self, stretch: Stretch) -> Iterator[Painted]:
        """The frames of a stretch in order, the key frame last."""
        if isinstance(stretch.key, Painted):
            key = self._repeated(stretch.key) if stretch.still else self._opened(stretch.key)
            self._remember(key)
            yield key
            return
        before, after = self.keys[-1], stretch.key.frame
        threshold = self.options.still_threshold
        onward = [
            None if one.held or is_held(one.frame.source, after.source, threshold) else self.flow(one.frame, after)
            for one in stretch.between
        ]
        key = self._key(_mended(stretch, onward))
        yield from self._between(stretch.between, onward, before, key)
        self._remember(key)
        yield key

    def _opened(self, frame: Painted) -> Painted:
        """The first frame of a scene."""
        frame = frame._replace(opens=True, key=True)
        targets = self.solver.targets(frame.source, self.grams)
        return optimise(self.solver, frame, targets, self.options.steps, self.on_step)

    def _repeated(self, frame: Painted) -> Painted:
        """A frame that shows what the last key frame shows: it takes its place."""
        last = self.keys.pop()
        return last._replace(steps=0, place=frame.place, explained=frame.explained, opens=False)

    def _key(self, waiting: Waiting) -> Painted:
        """A key frame, held to those before it."""
        last, explained = self.keys[-1].place, waiting.frame.explained
        key = paint_one(
            self.solver,
            waiting.frame._replace(key=True),
            self.grams,
            self._earlier(waiting.frame.place),
            range(1, len(self.options.history) + 1),
            self.opening,
            self.options,
            lambda a, b: (waiting.back, waiting.forth) if b.place == last else self.flow(a, b),
            self.on_step,
        )
        return key._replace(explained=explained)  # by the frame before it, not by the key frame before it

    def _earlier(self, place: int) -> list[Painted]:
        """The key frames that the history looks back to, the nearest last: for each distance the latest beyond it."""
        far = ([key for key in self.keys if key.place <= place - distance] for distance in self.options.history)
        found = {keys[-1].place: keys[-1] for keys in far if keys}
        return [found[place] for place in sorted(found)]

    def _remember(self, key: Painted) -> None:
        if key.opens:
            self.opening = key
        self.keys = self._needed([*self.keys, key])

    def _needed(self, keys: Sequence[Painted]) -> list[Painted]:
        """The key frames that the next frame may look back to: those within reach, and the latest beyond."""
        if not keys:
            return []
        reach = keys[-1].place + 1 - max(self.options.history)
        return [*[key for key in keys if key.place <= reach][-1:], *(key for key in keys if key.place > reach)]

    def _between(
        self, between: Sequence[Waiting], onward: Sequence[Pair | None], before: Painted, after: Painted
    ) -> Iterator[Painted]:
        """The frames between two painted ones."""
        colors = [colors_of(light(key.source[0]), light(key.result[0])) for key in (before, after)]
        made = before
        for waiting, flows, time in zip(between, onward, times(onward), strict=True):
            frame = waiting.frame
            if flows is None:
                made = frame._replace(result=(made if waiting.held else after).result)
            else:
                sides = (
                    neighbour(frame, before, waiting.back, waiting.certain, colors[0]),
                    neighbour(frame, after, flows[0], self.masks(*flows), colors[1]),
                )
                made = self._finished(frame, blend(frame, *sides, time, self.opening or before))
            yield made

    def _finished(self, frame: Painted, blended: Blend) -> Painted:
        """A frame with what its neighbours do not show painted, or, with `refine_steps`, painted a little all over."""
        frame = frame._replace(result=blended.picture[np.newaxis])
        hole = np.asarray(gaussian_filter(blended.borrowed.astype(np.float32), HOLE, mode="nearest"))
        whole = self.options.refine_steps > 0
        steps = self.options.refine_steps if whole else self.options.fill_steps
        if steps == 0 or (not whole and float(hole.mean()) < self.options.min_hole):
            return frame._replace(result=np.clip(frame.result, 0.0, 255.0))
        count = len(self.options.history)
        warped = np.concatenate([frame.result] * count)
        reliability = np.stack([blended.certain] + [np.zeros_like(blended.certain)] * (count - 1))
        targets = self.solver.targets(frame.source, self.grams, warped, reliability)
        painted = optimise(self.solver, frame, targets, steps, self.on_step)
        if whole:
            return painted
        share = hole[np.newaxis, ..., np.newaxis]
        return painted._replace(result=np.clip(frame.result + share * (painted.result - frame.result), 0.0, 255.0))
