"""What a frame takes over from the frames painted before it."""

import functools
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

from .. import pixels
from ..motion.fields import FlowFolder
from ..motion.filling import ALIKE, Lender, borrow, light, misfit, recolored, strays, whence
from ..motion.flow import named_flow, there_and_back
from ..motion.occlusion import Mask, reliability, stretched
from ..motion.scenes import explained, is_cut
from ..motion.warping import drawn_in, nearest_pixels, sharp_warp, warp
from ..options import StyleOptions

Array = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]
FlowPair = Callable[["Painted", "Painted"], tuple[Array, Array]]
"""Two frames of a clip -> the flow from the first to the second, and back; what is painted on them does not matter."""
FlowLike = str | os.PathLike[str] | Callable[[Frame, Frame], npt.ArrayLike] | None
"""A name, a folder of flow files, or any `flow(source, target) -> (H, W, 2)`; None is the built-in one."""
Masks = Callable[..., Array]
"""Both flows between two frames -> the reliability of the first, `(H, W)` in [0, 1], as `reliability` gives it."""

NEIGHBOURHOOD = 9
"""Side in pixels of the window over which two frames are compared to tell whether one is held."""

SEEN = 0.5
"""Reliability from which a pixel of an earlier frame counts as the same thing, and its paint as rightly placed."""

OTHERWISE = 2.0 * ALIKE
"""`misfit` from which the frame before shows something else: below, at the outlines of what is there, paint would
change from frame to frame. Of a frame farther back it tells that only if a still farther one looks alike; else so many
times as much does as it is frames away: what changes more slowly may be a cross-fade, in which the flow is right."""

NOISE = 3.0
"""`misfit` by which a farther frame may look less like this one than the frame before, whose flow is smeared: it is
noise; but where the picture has no texture, what looks less alike is something else, along a wrong flow."""

BEYOND = -1000.0
"""What an earlier frame shows beyond its border, where the flow has no answer: it looks like nothing in the frame."""

DRAWN_OUT = 0.5
"""Pixels by which paint may be drawn out at the border before what enters there is new: if any part of a pixel were,
the outermost ones would be painted anew in every frame, and flicker."""

STALE = 30.0
"""Difference in grey levels between the light of a frame and of what its paint was made for, from which it is new."""
REFRESH = 0.03
"""How fast what paint was made for follows the frame while it is not new, per frame: the flow's errors add up."""
OTHER = 0.1
"""Share of a frame that has slowly become new of late from which it is another scene: a cross-fade is under way."""
LATELY = 0.9
"""How much of that counts still in the next frame."""

SETTLING = 8
"""Frames within which paint on what has come into sight may still change: a strip of a pixel has room for no stroke."""
LOOSE = 0.08
"""How firmly it is held all the same: free, it would make up for whatever style the rest, which is held, lacks."""

UNTOLD = np.zeros((0,), np.float32)
"""In place of a picture that nobody has told; None could not be stored without pickling."""


class Painted(NamedTuple):
    """A frame and what became of it."""

    source: Array  # (1, H, W, 3) float32, 0..255
    result: Array  # (1, H, W, 3) float32, clipped to 0..255
    steps: int  # evaluations it took; 0 for a held frame
    place: int = 0  # in the clip, from 0
    explained: float = 1.0  # by the frame before it, see `scenes.explained`
    opens: bool = False  # a scene: nothing was carried to it, all of it is painted with the same care
    key: bool = True  # painted, not taken from the key frames on both sides
    made_for: Array = UNTOLD  # (H, W, 3), the light of what the paint was made for; untold: of the frame itself
    news: float = 0.0  # share of the frame that has lately, and slowly, become other than its paint was made for
    loss: float = 0.0  # that the evaluations ended at
    style: float = 0.0  # its term of the style
    fresh: Array = UNTOLD  # (H, W), how lately a pixel came into sight, see `_fresh`; untold: none of late
    lent: Array = UNTOLD  # (H, W, 2), from a pixel to where its strokes lay in the scene's first; untold: there
    drawn_out: Array = UNTOLD  # (H, W), pixels by which its paint is, at the border, see `DRAWN_OUT`; untold: none
    regions: Array = UNTOLD  # (R, H, W), which style goes where, see `styles.region_shares`; untold: one everywhere
    leaving: Array = UNTOLD  # (H, W, 3), the painting before this one, which dissolves, see `dissolve`
    left: float = 0.0  # how much of it is still to be seen
    hold: float = 1.0  # how firmly it was held to earlier frames, as a share of `temporal_weight`, see `chain.held_by`


class Opening:
    """The frame that a scene began with: later ones are to be as good, and borrow its paint."""

    def __init__(self, painted: Painted) -> None:
        self.painted = painted
        self.lender = Lender(painted.source[0], painted.result[0])


def latest_opening(painted: Sequence[Painted]) -> Opening | None:
    """That of the scene which the last of some frames belongs to, if it is among them."""
    return next((Opening(first) for first in scene_of(painted)[:1] if first.opens), None)


class Carried(NamedTuple):
    """Earlier results as the present frame would show them."""

    start: Array  # (1, H, W, 3) all of them together, painted everywhere
    warped: Array  # (K, H, W, 3) each of them, in the order of the distances; 0 where there is none
    reliability: Array  # (K, H, W) in [0, 1], long-term weights
    explained: float  # how much of the frame the nearest of them explains
    borrowed: Mask  # (H, W), what none of them shows
    fresh: Array  # (H, W), what came into sight of late, see `Painted`
    lent: Array  # (H, W, 2), see `Painted`
    drawn_out: Array  # (H, W), see `Painted`
    made_for: Array  # (H, W, 3), the light of what the start was painted for
    news: float  # see `Painted`


def carry(
    earlier: Sequence[Painted],
    frame: Painted,
    history: Sequence[int],
    flow: FlowPair,
    opening: Opening | None = None,
    *,
    masks: Masks = reliability,
) -> Carried | None:
    """Earlier results moved to where their objects are now, or None if there is none or all are of other scenes.

    The weight of an earlier frame is what the frames nearer in time leave: c_long of a frame is
    max(c - sum of the c of nearer frames, 0) (Ruder et al. 2016, eq. 9). So what comes out of hiding is held to
    the frame in which it was last seen. Other than theirs, c is 0 at a motion boundary (eq. 6) only where the earlier
    frame, moved, looks otherwise than this one; and that of the nearest is less, too, where it plainly shows something
    else, where it shows something else, or its flow is smeared, and a farther one shows what is there, and where its
    paint was made for something else.

    The start is the nearest result. What it does not show comes from the farther ones, and what none shows borrows
    strokes from where the scene's opening frame, or else the nearest, looked alike: they may be wrongly placed, but
    they are painted, and so a better start than the bare frame, which stays bare for many frames.

    Parameters
    ----------
    earlier
        The frames before this one, the latest last.
    frame
        This frame, whose result does not matter.
    history
        Distances of the frames to look back to, in frames, nearest first: 1 is the one before. While the scene is
        younger than one of them, its first frame is looked back to.
    flow
        Both flows between two frames, see `both_ways`.
    opening
        The frame that the scene began with.
    masks
        The reliability of a frame from both flows, see `masks_of`.
    """
    views = list(_views(earlier, frame, history, flow, masks))
    if not views:
        return None
    views[0] = _told_apart(frame, *views)
    new, made_for = _new(views[0], frame)
    news = LATELY * views[0].origin.news + float(new.mean())
    if news > OTHER:
        return None
    views[0] = views[0]._replace(certain=views[0].certain * ~new)
    shape = frame.source.shape[1:3]
    warped = np.zeros((len(history), *shape, 3), np.float32)
    weights = np.zeros((len(history), *shape), np.float32)
    covered = np.zeros(shape, np.float32)
    for view in views:
        warped[view.place], weights[view.place] = view.result, np.maximum(view.certain - covered, 0.0)
        covered += view.certain
    start, borrowed, lent = _together(views, frame, opening)
    fresh = _fresh(views[0], frame, borrowed)
    weights *= 1.0 - fresh
    weights[views[0].place] += np.float32(LOOSE) * fresh
    warped[views[0].place] = start  # so that the soft edge of what is reliable does not pull against the start
    drawn_out = np.where(views[0].certain >= SEEN, views[0].drawn_out, np.float32(0.0))
    share = views[0].explained
    return Carried(start[np.newaxis], warped, weights, share, borrowed, fresh, lent, drawn_out, made_for, news)


class View(NamedTuple):
    """One earlier frame as the present one would show it."""

    place: int  # in the history
    origin: Painted
    back: Array  # (H, W, 2), the flow from the present frame to it
    certain: Array  # (H, W), its reliability
    smeared: Mask  # (H, W), where that flow is stretched
    misfit: Array  # (H, W), grey levels by which it looks otherwise than the present frame
    result: Array  # (H, W, 3), its result, moved
    drawn_out: Array  # (H, W), pixels by which that is, at the border
    explained: float


def _views(
    earlier: Sequence[Painted], frame: Painted, history: Sequence[int], flow: FlowPair, masks: Masks
) -> Iterator[View]:
    """The frames of the history that show the same scene and are needed to cover the frame, nearest first.

    Covered is what looks alike, along a flow that is not smeared: the rest `_told_apart` may take from a farther one.
    """
    covered = np.zeros(frame.source.shape[1:3], np.float32)
    before: list[Array] = []
    for place, distance in enumerate(history):
        for one in _at(earlier, distance):
            if (covered >= 1.0).all():
                return
            if any(np.array_equal(one.source, source) for source in before):
                continue  # a held frame, once more
            before.append(one.source)
            view = _view(place, one, frame, flow(frame, one), masks, nearest=distance == 1)
            if view is not None:
                covered += view.certain * ((view.misfit <= ALIKE) & ~view.smeared)
                yield view
                break


def _view(
    place: int, one: Painted, frame: Painted, flows: tuple[Array, Array], masks: Masks, *, nearest: bool
) -> View | None:
    """An earlier frame as this one would show it, or None if it is of another scene."""
    back, forth = flows
    share = explained(frame.source[0], warp(one.source[0], back))
    if is_cut(share, one.explained if nearest else 1.0):
        return None
    drawn_out = warp(one.drawn_out, back, border="nearest") if one.drawn_out.size else np.float32(0.0)
    back, beyond = drawn_in(back, DRAWN_OUT - drawn_out)
    certain, apart = certainty(frame, one, (back, forth), masks)
    if not nearest:  # what the nearest shows is looked at by `_told_apart`, `_new` and `_together`
        certain = certain * (apart <= ALIKE)
    smeared = stretched(flows[0], abs(frame.place - one.place))
    return View(place, one, back, certain, smeared, apart, sharp_warp(one.result[0], back), drawn_out + beyond, share)


def _told_apart(frame: Painted, nearest: View, *farther: View) -> View:
    """The nearest view, not certain of what plainly looks otherwise; nor of other things, if farther ones look alike.

    Around a thing that moves fast the flow is smeared, there and back again, and lays its paint over what it uncovers.
    Beside one that moves slowly it draws ever the same column of paint out over the ground, which looks alike.
    """
    shown = sum(view.certain * (view.misfit <= nearest.misfit + NOISE) for view in farther)
    doubtful = (nearest.misfit > OTHERWISE) | nearest.smeared
    certain = np.where(doubtful, np.maximum(nearest.certain - shown, 0.0), nearest.certain)
    plain = nearest.misfit > OTHERWISE * abs(frame.place - nearest.origin.place)
    return nearest._replace(certain=np.where(plain, np.float32(0.0), certain))


def _at(earlier: Sequence[Painted], distance: int) -> Iterator[Painted]:
    """The frame at a distance; while the scene is younger its first, or else what was painted before it."""
    scene = scene_of(earlier)
    if distance > len(scene):
        yield from scene[:1]
    if distance <= len(earlier):
        yield earlier[-distance]


def scene_of(earlier: Sequence[Painted]) -> list[Painted]:
    """Those of some frames, in order, that are of the same scene as the last of them."""
    opening = max((place for place, one in enumerate(earlier) if one.opens), default=0)
    return list(itertools.islice(earlier, opening, None))


def certainty(frame: Painted, one: Painted, flows: tuple[Array, Array], masks: Masks) -> tuple[Array, Array]:
    """How far a frame's pixels are seen in another frame, `(H, W)` in [0, 1], and its `misfit`, in one light, `(H, W)`.

    A motion boundary is doubted since the flow is smeared over both of its sides; but where it leads to what looks
    alike, on most of them, the paint is in its place, and doubt would let it tremble. And over many frames, where a
    picture has no texture, a wrong flow may well lead there and back again, and paint of a thing that has passed would
    be laid over what it has uncovered.
    """
    certain, now = masks(*flows), frame.source[0]
    apart = misfit(now, _lit(warp(one.source[0], flows[0]), now, certain >= SEEN))
    return np.where(apart <= ALIKE, masks(*flows, boundaries=False), certain), apart


def _new(nearest: View, frame: Painted) -> tuple[Mask, Array]:
    """Where a frame shows something else than its paint was made for, and what that was, moved: `(H, W)`, `(H, W, 3)`.

    In a cross-fade nothing moves and no frame differs much from the one before, so neither flow nor masks tell that
    the painting is of another scene. What it was made for is carried along with it, without details, and compared. A
    change of light, which is a gain and an offset of every channel, does not count.
    """
    one, now = nearest.origin, light(frame.source[0])
    made_for = warp(one.made_for if one.made_for.size else light(one.source[0]), nearest.back)
    seen = nearest.certain >= SEEN
    new = seen & (np.abs(now - _lit(made_for, now, seen)).mean(axis=-1) > STALE)
    kept = (seen & ~new)[..., np.newaxis]
    return new, np.where(kept, made_for + np.float32(REFRESH) * (now - made_for), now)


def _fresh(nearest: View, frame: Painted, borrowed: Mask) -> Array:
    """How lately what a frame shows came into sight: from 1, in this very frame, down to 0, `SETTLING` frames ago.

    By so much its paint is held to what it was only loosely: what enters comes in strips of a pixel or two, and if each
    was held to the first paint it got, they would be stitched together, without strokes.
    """
    before = nearest.origin.fresh
    if not before.size:
        return borrowed.astype(np.float32)
    settled = np.float32((frame.place - nearest.origin.place) / SETTLING)
    return np.maximum(warp(before, nearest.back) - settled, borrowed, dtype=np.float32)


def _lit(made_for: Array, now: Array, seen: Mask) -> Array:
    """`made_for` in the light of `now`: gain and offset of each channel by least squares, over what is seen."""
    if not seen.any():
        return made_for
    x, y = made_for[seen], now[seen]
    dx, dy = x - x.mean(axis=0), y - y.mean(axis=0)
    gain = np.maximum((dx * dy).sum(axis=0), 0.0) / np.maximum((dx * dx).sum(axis=0), 1.0)
    return np.asarray(y.mean(axis=0) + gain * (made_for - x.mean(axis=0)), np.float32)


def _together(views: Sequence[View], frame: Painted, opening: Opening | None) -> tuple[Array, Mask, Array]:
    """A start for `frame`, `(H, W, 3)`: each pixel from the nearest view that shows it, or borrowed; which; from where.

    See `Painted.lent`.
    """
    nearest = views[0]
    start, missing, lent = nearest.result.copy(), nearest.certain < SEEN, _lent(nearest)
    for view in views[1:]:
        found = missing & (view.certain >= SEEN)
        start[found] = view.result[found]
        lent[found] = _lent(view)[found]
        missing &= ~found
    if not missing.any():
        return start, missing, lent
    seen = warp(nearest.origin.source[0], nearest.back, border=BEYOND)
    now, lender = frame.source[0], (opening or Opening(nearest.origin)).lender
    ground = recolored(now, start, missing, lender)
    missing &= (misfit(now, seen) > ALIKE) | strays(start, now, missing, ground)
    beside = lent if opening else None  # it leads to the frame that opened the scene
    lent[missing] = whence(now, missing, lender, beside=beside, turn=frame.place)[missing]
    start = borrow(start, now, missing, lender, ground=ground, lent=lent)
    return start, missing, np.nan_to_num(lent, copy=False)


def _lent(view: View) -> Array:
    """`Painted.lent` of a view, moved: from the nearest pixel, as what lies between two things leads to neither."""
    lent = view.origin.lent
    return view.back + (lent[nearest_pixels(view.back)] if lent.size else np.float32(0.0))


def repeats(frame: Painted, earlier: Painted, threshold: float) -> bool:
    """Whether a frame is a held one, see `is_held`, with its styles in the same regions."""
    if not is_held(frame.source, earlier.source, threshold):
        return False
    if not frame.regions.size:
        return True
    ours, theirs = (np.float32(255) * np.moveaxis(one.regions, 0, -1)[np.newaxis] for one in (frame, earlier))
    return is_held(ours, theirs, threshold)


def is_held(content: Array, earlier: Array, threshold: float) -> bool:
    """Whether a frame shows the same picture as an earlier one, up to the noise of compression.

    The absolute difference, averaged over the channels and over windows of 9x9 pixels, stays below
    `threshold` grey levels in every window. The earlier frame is the one that was painted last, not the one
    shown last, so slow changes add up until they count.
    """
    if threshold == 0.0:
        return False
    return bool(local_change(content[0], earlier[0]).max() < threshold)


def local_change(one: Array, other: Array) -> Array:
    """Mean absolute difference of two pictures `(H, W, C)` over the window around each pixel, `(H, W)`."""
    difference = np.abs(one - other).mean(axis=-1)
    return np.asarray(uniform_filter(difference, NEIGHBOURHOOD, mode="nearest"))


def masks_of(options: StyleOptions) -> Masks:
    """`reliability` as the options want it."""
    return functools.partial(
        reliability,
        sigma=options.mask_softness,
        boundaries=options.mask_boundaries,
        border=options.mask_border,
    )


def both_ways(flow: FlowLike, quality: str) -> FlowPair:
    """`flow` as a function of two frames that gives the flow from one to the other and back.

    Raises
    ------
    TypeError, ValueError, NotADirectoryError, ImportError
        If it is neither a known name, nor a folder of flow files, nor callable.
    """
    if isinstance(flow, os.PathLike) or (isinstance(flow, str) and os.path.isdir(flow)):
        files = FlowFolder(flow)
        return lambda a, b: (
            files(a.place, b.place, a.source.shape[1:3]),
            files(b.place, a.place, a.source.shape[1:3]),
        )
    one_way = named_flow(flow or "builtin", quality=quality) if flow is None or isinstance(flow, str) else flow
    if not callable(one_way):
        raise TypeError(f"flow is a {type(flow).__name__}, expected a name, a folder or a function of two frames")

    both = there_and_back(one_way)

    def checked(a: Painted, b: Painted) -> tuple[Array, Array]:
        fields, shape = both(_shown(a), _shown(b)), (*a.source.shape[1:3], 2)
        for field in fields:
            if field.shape != shape or not np.isfinite(field).all():
                raise ValueError(
                    f"flow returned an array of shape {field.shape}, expected finite values of shape "
                    f"{shape}: return (dx, dy) in pixels for every pixel of its first frame"
                )
        return fields

    return checked


def _shown(frame: Painted) -> Frame:
    return pixels.to_outside(frame.source)
