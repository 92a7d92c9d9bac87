"""Key frames: a few frames are painted, the frames between them are carried from both sides.

`plan` reads the clip up to the next key frame, which is the first frame of which too little can be carried from the
last one, the last frame of a scene or of the clip, or the frame at the longest gap that is allowed. That frame is
painted, held to the key frames before it as the chain holds a frame to those before it; then the frames that waited
are blended. No more frames are in memory than the longest gap has, and that is also the delay of a live source.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from ..image import prepare
from ..motion.gaps import Pair, join, settle, to_first, to_last
from ..motion.scenes import Cuts
from ..motion.warping import drawn_in
from ..options import StyleOptions
from ..styles import StyleLike, Styles, read_styles
from .between import Blend, Neighbour, Origin, blend, neighbour, origin
from .carry import DRAWN_OUT, SEEN, FlowPair, Opening, Painted, certainty, latest_opening, masks_of, repeats, scene_of
from .chain import OnStep, as_good_as, finished, first_picture, load_frames, open_scene, paint, paint_one

HOLE = 2.0
"""Sigma in pixels of the soft edge between what is carried to a frame and what is painted on it."""


def painter_of(options: StyleOptions) -> Callable[..., Iterator[Painted]]:
    """`paint_keyframes`, or `chain.paint` where every frame is painted, as it is where none is held to others."""
    held = options.warm_start or options.temporal_weight > 0.0
    return paint_keyframes if held and options.keyframes != 1 else paint


class Waiting(NamedTuple):
    """A frame that waits for the key frame after it."""

    frame: Painted
    change: int  # how many changes of the picture lie between the last key frame and it: held frames are none


class Stretch(NamedTuple):
    """Some frames, and the key frame that follows them."""

    between: list[Waiting]
    key: Painted
    flows: Pair | None = None  # from it to the key frame before, and back; None where nothing can be carried from there
    steps: Sequence[Pair] = ()  # for each change of the picture from there to here, the flows back over it, and forth
    still: bool = False  # it shows what the key frame before it shows


def paint_keyframes(
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
    """All frames in order, in float32; those with `key` set were painted, the others carried.

    It goes on after the key frames `earlier` when they are given, see `chain.paint`.
    """
    painter: Painter | None = None
    pictures, last = read_styles(style), earlier[-1] if earlier else None
    loaded = load_frames(frames, options, len(pictures), regions, last)
    for stretch in plan((frame._replace(key=False) for frame in loaded), flow, options, last):
        if painter is None:
            styles = prepare(first_picture(stretch.key, first, options), pictures, options, model)
            painter = Painter(styles, options, flow, on_step, earlier)
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
    longest, enough = (
        (options.max_gap, options.min_carried) if options.keyframes == "auto" else (int(options.keyframes), 0.0)
    )
    cuts, since = Cuts(), None
    if last is not None:
        cuts.resume(last.source[0], last.explained)
        since = Since(last, flow, options)
    for frame in frames:
        opens = cuts.is_cut(frame.source[0])
        frame = frame._replace(explained=cuts.share)
        if since is None or opens:
            if since is not None and since.waiting:
                yield since.stretch()
            yield Stretch([], frame)
            since = Since(frame, flow, options)
        elif not since.waiting and repeats(frame, since.last, options.still_threshold):
            yield Stretch([], frame, still=True)
            since.last = since.last._replace(place=frame.place)
        else:
            since.add(frame)
            if frame.place - since.last.place >= longest or not since.carries(enough):
                yield since.stretch()
                since = Since(frame, flow, options)
    if since is not None and since.waiting:
        yield since.stretch()


class Since:
    """The frames since a key frame, and the flows that lead back to it."""

    def __init__(self, last: Painted, flow: FlowPair, options: StyleOptions) -> None:
        self.last, self.flow, self.still, self.masks = last, flow, options.still_threshold, masks_of(options)
        self.waiting: list[Waiting] = []
        self.changed = last  # the frame with the latest change: slow ones add up from there
        self.steps: list[Pair] = []
        self.flows: Pair | None = None  # from the latest frame to the key frame and back, the best that are known
        self.best = False  # better ones are not to be had

    def add(self, frame: Painted) -> None:
        """A frame more, and if it shows a change, the flows over it."""
        if not self.waiting or not repeats(frame, self.changed, self.still):
            step = self.flow(frame, self.changed)
            self.flows, self.best = (step, True) if self.flows is None else (join(step, self.flows), False)
            self.steps.append(step)
            self.changed = frame
        self.waiting.append(Waiting(frame, len(self.steps)))

    def carries(self, share: float) -> bool:
        """Whether so much of the latest frame can be carried from the key frame."""
        assert self.flows is not None
        if share == 0.0 or self._carried(self.flows) >= share:
            return True
        return not self.best and self._carried(self._settled()) >= share

    def stretch(self) -> Stretch:
        """All of them, the latest of them the next key frame."""
        *between, (key, _) = self.waiting
        return Stretch(between, key, self._settled(), self.steps)

    def _carried(self, flows: Pair) -> float:
        certain, _ = certainty(self.waiting[-1].frame, self.last, flows, self.masks)
        return float((certain >= SEEN).mean())

    def _settled(self) -> Pair:
        """The flows between the latest frame and the key frame, the direct ones looked at, too."""
        assert self.flows is not None
        if not self.best:
            frame = self.waiting[-1].frame
            direct = self.flow(frame, self.last)
            self.flows, self.best = settle(self.flows, direct, frame.source[0], self.last.source[0]), True
        return self.flows


class Painter:
    """Paints one stretch after the other: the key frame at its end first, then the frames before that."""

    def __init__(
        self,
        styles: Styles,
        options: StyleOptions,
        flow: FlowPair,
        on_step: OnStep,
        earlier: Sequence[Painted],
    ) -> None:
        self.styles, self.options, self.flow, self.on_step = styles, options, flow, on_step
        self.masks = masks_of(options)
        self.opening = latest_opening(earlier)
        self.keys = self._needed(earlier)

    def paint(self, stretch: Stretch) -> Iterator[Painted]:
        """The frames of a stretch in order, the key frame last."""
        if stretch.flows is None:
            key = self._repeated(stretch.key) if stretch.still else self._opened(stretch.key)
            self._remember(key)
            yield key
            return
        key = self._key(stretch.key, stretch.flows)
        yield from self._between(stretch, self.keys[-1], key)
        self._remember(key)
        yield key

    def _opened(self, frame: Painted) -> Painted:
        """The first frame of a scene."""
        return open_scene(self.styles, frame._replace(key=True), self.options, self.on_step)

    def _repeated(self, frame: Painted) -> Painted:
        """A frame that shows what the last key frame shows: it takes its place."""
        last = self.keys.pop()
        return last._replace(steps=0, place=frame.place, explained=frame.explained, opens=False)

    def _key(self, frame: Painted, flows: Pair) -> Painted:
        """A key frame, held to those before it, to the last of them by `flows`."""
        last, explained = self.keys[-1].place, frame.explained
        key = paint_one(
            self.styles,
            frame._replace(key=True),
            self._earlier(frame.place),
            range(1, len(self.options.history) + 1),
            self.opening,
            self.options,
            lambda a, b: flows if b.place == last else self.flow(a, b),
            self.on_step,
        )
        return key._replace(explained=explained)  # by the frame before it, not by the key frame before it

    def _earlier(self, place: int) -> list[Painted]:
        """The key frames that the history looks back to, the nearest last.

        For each distance the latest beyond it, or, while the scene is younger, its first.
        """
        scene = scene_of(self.keys)
        far = (
            [key for key in scene if key.place <= place - distance] or scene[:1] for distance in self.options.history
        )
        found = {keys[-1].place: keys[-1] for keys in far}
        return [found[place] for place in sorted(found)]

    def _remember(self, key: Painted) -> None:
        if key.opens:
            self.opening = Opening(key)
        self.keys = self._needed([*self.keys, key])

    def _needed(self, keys: Sequence[Painted]) -> list[Painted]:
        """The key frames that the next frame may look back to: those within reach, and the latest beyond."""
        if not keys:
            return []
        reach = keys[-1].place + 1 - max(self.options.history)
        return [*[key for key in keys if key.place <= reach][-1:], *(key for key in keys if key.place > reach)]

    def _between(self, stretch: Stretch, before: Painted, after: Painted) -> Iterator[Painted]:
        """The frames between two painted ones."""
        changes, back, ahead = len(stretch.steps), to_first(stretch.steps), to_last(stretch.steps)
        origins = origin(before), origin(after)
        opening = self.opening or Opening(before)
        made, last = before, 0
        for frame, change in stretch.between:
            if change == changes:
                made = frame._replace(result=after.result)
            elif change == last:
                made = frame._replace(result=made.result)
            else:
                each = zip((before, after), origins, (back[change - 1], ahead[change]), strict=True)
                sides = [self._moved(frame, *one) for one in each]
                blended = blend(frame, sides[0], sides[1], change / changes, opening.lender)
                made = self._finished(frame, blended)
            last = change
            yield made

    def _moved(self, frame: Painted, key: Painted, origin: Origin, flows: Pair) -> Neighbour:
        """A key frame as a frame near it shows it, by the flows from that to it, and back."""
        back, _ = drawn_in(flows[0], DRAWN_OUT)
        certain, _ = certainty(frame, key, (back, flows[1]), self.masks)
        return neighbour(origin, back, certain)

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
        targets = self.styles.targets(frame.source, frame.place, frame.regions, warped, reliability)
        enough: dict[str, Any] = as_good_as(self.opening, self.options.slack) if whole else {}
        run = self.styles.solver.run(frame.result, targets, steps=steps, warm=True, **enough)
        painted = finished(frame, run, self.on_step)
        if whole:
            return painted
        share = hole[np.newaxis, ..., np.newaxis]
        return painted._replace(result=np.clip(frame.result + share * (painted.result - frame.result), 0.0, 255.0))
