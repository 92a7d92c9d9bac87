"""How good a painted clip is: steady, painted, and still the clip that it was.

Every measure compares a painted clip with its source, frame by frame; `evaluate` takes them all in one reading of both.
"""

import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy.ndimage import gaussian_filter

from . import losses, pixels
from .features import FeatureExtractor, load_model
from .motion.flow import named_flow, there_and_back
from .motion.gaps import settle, to_first
from .motion.occlusion import reliability
from .motion.warping import sharp_warp
from .styles import StyleLike, at_size, read_styles
from .video.between import strokes
from .video.carry import local_change

Array = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Flow = Callable[[Frame, Frame], npt.ArrayLike]

BUILTIN = named_flow("builtin")
"""The judge by default, of the quality `balanced`."""
GAPS = (1, 10)
"""Distances in frames: 1 shows flicker, 10 shows drift."""
DETAIL = 1.5
"""Sigma in pixels of the window in which `detail` is measured."""
STILL, SLOW = 3.0, 0.1
"""See `stands_still`: grey levels, and pixels of motion."""
LEAST = 0.01
"""Share of a frame that must stand still for its flicker to be measured."""
TINY = 1e-12
ROUNDING = 1e-5
"""Strokes fainter than this, root mean square of full scale, are what float32 leaves of a flat picture."""
STYLE_LAYERS = "block1_conv1", "block2_conv1", "block3_conv1"
CONTENT_LAYER = "block3_conv2"


def warping_error(
    result: Iterable[npt.ArrayLike], source: Iterable[npt.ArrayLike], *, gap: int = 1, flow: Flow = BUILTIN
) -> float:
    """Mean squared change of a painted clip along the motion of its source, in units of full scale squared.

    E = sum M (W(s_{t-gap}) - s_t)^2 / (3 sum M), averaged over the pairs of frames (Lai et al. 2018,
    "Learning Blind Video Temporal Consistency", section 4.2; Ruder et al. 2016, section 5.2). W warps by the
    optical flow of the source, and M is 1 where that flow is reliable. 0 is perfectly steady; the source's
    own error, `warping_error(source, source)`, is the floor that a faithful copy has. Two things are not as in the
    papers. W interpolates sharply (see `motion.warping.BandLimited`), not linearly: linear interpolation blurs the
    frame that it moves, which counts as a change wherever a clip is sharp. And over more than one frame the flow is
    not estimated at once, but from frame to frame, mended by what is (see `motion.gaps.settle`): what has moved far is
    often not found at once, and then moves with nothing.

    Parameters
    ----------
    result, source
        Frames `(H, W, 3)` of one size, uint8 or float in [0, 1]; read lazily, in step.
    gap
        Distance in frames: 1 shows flicker, 10 shows drift.
    flow
        `flow(source, target) -> (H, W, 2)`, by default the built-in one, which finds the ways there and back together;
        pass another estimator than the one that made the clip for an independent judgement.

    Raises
    ------
    ValueError
        If there are not more than `gap` frames, or the two clips differ in length or size.
    """
    errors = list(warping_errors(result, source, gap=gap, flow=flow))
    if not errors:
        raise ValueError(f"the clip has at most gap={gap} frames, expected more: no two can be compared")
    known = [error for error in errors if not math.isnan(error)]
    return float(np.mean(known)) if known else math.nan


def warping_errors(
    result: Iterable[npt.ArrayLike], source: Iterable[npt.ArrayLike], *, gap: int = 1, flow: Flow = BUILTIN
) -> Iterator[float]:
    """The warping error of every frame from the `gap`-th on, NaN where no flow is reliable; see `warping_error`."""
    if gap < 1:
        raise ValueError(f"gap={gap}: expected a whole number of at least 1")
    motion, earlier = Motion(flow, gap), deque[Pair](maxlen=gap)
    for pair in _in_step(result, source):
        motion.add(pair.source)
        if len(earlier) == gap:
            yield _error(pair.result, earlier[0].result, *motion.over(gap))
        earlier.append(pair)


class Pair(NamedTuple):
    """A frame of the source, and what was painted on it."""

    source: Frame  # (H, W, 3)
    result: Array  # (H, W, 3) in [0, 1]


def _in_step(result: Iterable[npt.ArrayLike], source: Iterable[npt.ArrayLike]) -> Iterator[Pair]:
    """The frames of both clips, which must be of one size and length."""
    for index, (painted, frame) in enumerate(itertools.zip_longest(result, source)):
        if painted is None or frame is None:
            shorter, longer = ("result", "source") if painted is None else ("source", "result")
            raise ValueError(
                f"the {shorter} has {index} frames, and the {longer} has more: expected as many in both, name the part "
                "that was painted"
            )
        here, now = pixels.as_uint8(frame, "source"), pixels.to_inside(painted, "result")[0] / np.float32(255)
        if here.shape != now.shape:
            raise ValueError(f"frame {index} of the result is {now.shape}, expected {here.shape} like the source's")
        yield Pair(here, now)


class Motion:
    """The optical flow from the latest frame of a clip to those before it, as far back as the largest gap."""

    def __init__(self, flow: Flow, furthest: int) -> None:
        self._at_once = there_and_back(flow)
        self.frames = deque[Frame](maxlen=furthest + 1)
        self.steps = deque[tuple[Array, Array]](maxlen=furthest)  # from each of them to the one before, and back

    def add(self, frame: Frame) -> None:
        """The next frame of the clip, `(H, W, 3)`."""
        if self.frames:
            self.steps.append(self._at_once(frame, self.frames[-1]))
        self.frames.append(frame)

    def over(self, gap: int) -> tuple[Array, Mask]:
        """The flow from the latest frame to the one so many before it, `(H, W, 2)`, and where it is reliable."""
        pair = self.steps[-1]
        if gap > 1:
            here, there = self.frames[-1], self.frames[-1 - gap]
            chain, direct = to_first(list(self.steps)[-gap:])[-1], self._at_once(here, there)
            pair = settle(chain, direct, np.asarray(here, np.float32), np.asarray(there, np.float32))
        return pair[0], reliability(*pair, soft=False) > 0.0


def _error(now: Array, before: Array, back: Array, mask: Mask) -> float:
    difference = np.square(sharp_warp(before, back) - now).mean(axis=-1)
    return float(difference[mask].mean()) if mask.any() else math.nan


def stroke_correlation(now: Array, before: Array, back: Array, mask: Mask) -> float:
    """How far the strokes of a frame are those of an earlier one, moved: 1 all, 0 none; NaN where there are none.

    The correlation, over what the flow calls reliable, of the two pictures without the ground under their strokes (a
    Gaussian with a sigma of 1 % of the longer side). Unlike the warping error it does not fall when a clip is painted
    faintly.

    Parameters
    ----------
    now, before
        `(H, W, 3)` in [0, 1].
    back
        `(H, W, 2)`, the flow from one to the other.
    mask
        `(H, W)`, where it is reliable.
    """
    ours, theirs = strokes(now), strokes(sharp_warp(before, back))
    ours, theirs = ours[mask], theirs[mask]
    norm = math.sqrt(float(np.square(ours).sum()) * float(np.square(theirs).sum()))
    return float((ours * theirs).sum()) / norm if norm > ROUNDING**2 * ours.size else math.nan


def detail(picture: Array) -> float:
    """Mean local variance of a picture `(H, W, 3)`, per value, in Gaussian windows of sigma 1.5 (those of `ssim`)."""
    mean, square = (gaussian_filter(x, (DETAIL, DETAIL, 0.0)) for x in (picture, np.square(picture)))
    return float(np.maximum(square - np.square(mean), 0.0).mean())


def flicker(now: Array, before: Array, still: Mask) -> float:
    """Mean absolute change of the painting where the source stands still, in grey levels of 255.

    NaN where nothing does. Nothing is warped for it, so no interpolation and no error of a flow can hide or make it.

    Parameters
    ----------
    now, before
        Two painted frames, `(H, W, 3)` in [0, 1].
    still
        `(H, W)`, see `stands_still`.
    """
    if still.mean() < LEAST:
        return math.nan
    return float(255.0 * np.abs(now - before).mean(axis=-1)[still].mean())


def stands_still(here: Frame, there: Frame, back: Array) -> Mask:
    """Where a frame `(H, W, 3)` shows what another shows at the same place, `(H, W)`.

    The change, averaged over 9x9 pixels, is below 3 grey levels: more than compression makes. And the flow `back` from
    one to the other, `(H, W, 2)`, is below a tenth of a pixel: something blurred may move and hardly change.
    """
    change = local_change(here.astype(np.float32), there.astype(np.float32))
    return (change < STILL) & (np.hypot(*np.moveaxis(back, -1, 0)) < SLOW)


def ssim(one: Array, other: Array) -> float:
    """Structural similarity of the luminance of two pictures, `(H, W, 3)` in [0, 1]: 1 for the same.

    Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity": Gaussian windows of
    11x11 pixels and sigma 1.5, K1 = 0.01, K2 = 0.03.
    """
    pair = [tf.constant(pixels.luminance(x)[np.newaxis, ..., np.newaxis]) for x in (one, other)]
    return float(tf.image.ssim(*pair, max_val=1.0, filter_size=min(11, *one.shape[:2]))[0])


class FeatureJudge:
    """Style and content of pictures, by a VGG19 whose layers are scaled to mean activation 1.

    The layers are of blocks 1 to 3, whatever a clip was painted with: style by the Gram matrices of block1_conv1,
    block2_conv1 and block3_conv1, content by block3_conv2, which holds what things look like.

    Parameters
    ----------
    style
        The style picture, or several: what they have in common is their mean.
    frame
        `(H, W, 3)` in [0, 1], a frame of the source; the style is brought to its area.
    model
        What `load_model` returned.
    """

    def __init__(self, style: StyleLike, frame: Array, model: keras.Model) -> None:
        extractor = FeatureExtractor(model, (*STYLE_LAYERS, CONTENT_LAYER))
        shape = (frame.shape[0], frame.shape[1])
        pictures = [at_size(one, shape, 1.0, extractor.minimum_size) for one in read_styles(style)]
        self._extract = tf.function(extractor.normalized([*pictures, pixels.to_inside(frame)]), autograph=False)
        each = [self._extract(tf.constant(picture)) for picture in pictures]
        self.grams = [
            tf.add_n([losses.gram_matrix(features[name]) for features in each]) / len(each) for name in STYLE_LAYERS
        ]

    def features(self, picture: Array) -> dict[str, tf.Tensor]:
        """The layers of a picture, `(H, W, 3)` in [0, 1]."""
        return dict(self._extract(tf.constant(pixels.to_inside(picture))))

    def style_distance(self, features: dict[str, tf.Tensor]) -> float:
        """Mean style loss of the layers (Gatys et al. 2016, eq. 4 and 5); 0 has the style exactly."""
        each = [losses.style_loss(features[name], gram) for name, gram in zip(STYLE_LAYERS, self.grams, strict=True)]
        return float(tf.add_n(each)) / len(each)

    @staticmethod
    def content_similarity(ours: dict[str, tf.Tensor], theirs: dict[str, tf.Tensor]) -> float:
        """Mean cosine of the activations of two pictures, position by position: 1 the same things, 0 nothing alike."""
        one, other = (tf.math.l2_normalize(features[CONTENT_LAYER], axis=-1) for features in (ours, theirs))
        return float(tf.reduce_mean(tf.reduce_sum(one * other, axis=-1)))


# ---------------------------------------------------------------- all of them


class Evaluation(NamedTuple):
    """What `evaluate` found, under the names of `MEASURES`."""

    frames: dict[str, list[float]]  # name -> a value for each frame; NaN where there is none
    overall: dict[str, float]  # name -> the mean of those that there are


MEASURES = {
    "warping_error": "change along the motion, mean square, of full scale",
    "stroke_correlation": "strokes that move with the source, 1 is all",
    "detail": "local variance, of full scale squared",
    "flicker": "change where the source stands still, grey levels",
    "ssim": "structural similarity to the source, 1 is the same",
    "content_similarity": "things that are still there, 1 is all",
    "style_distance": "Gram distance to the style, 0 is none",
    "score": "all in one, 0 to 1",
}
"""Names and meanings; the first two come once for every gap. `source_...` is the same of the source itself."""


def evaluate(
    result: Iterable[npt.ArrayLike],
    source: Iterable[npt.ArrayLike],
    *,
    style: StyleLike | None = None,
    weights: str | os.PathLike[str] = "imagenet",
    model: keras.Model | None = None,
    gaps: Sequence[int] = GAPS,
    flow: Flow = BUILTIN,
) -> Evaluation:
    """Every measure of a painted clip, frame by frame and overall, reading both clips once.

    With a `style` there is a `score` overall, the geometric mean of three numbers from 0 to 1. Steadiness is the mean
    over the gaps of 1 - E / (2 V), with E the warping error and V the `detail`: paint of variance V that goes anywhere
    has an error of 2 V. Then there are the content similarity, and how far the way to the style was gone,
    1 - sqrt(d / d_0), with d the style distance and d_0 that of the source. A clip that was not painted has score 0,
    and blurring lowers V with E.

    Parameters
    ----------
    result, source
        Frames `(H, W, 3)` of one size, uint8 or float in [0, 1]; read lazily, in step. As many frames are in
        memory as the largest gap has.
    style
        The style picture, or several. Without it no network is needed, and what needs one is left out.
    weights, model
        As for `stylize_frames`.
    gaps
        Distances in frames of those that are compared.
    flow
        As for `warping_error`.

    Raises
    ------
    ValueError
        If the two clips differ in length or size, or have fewer than two frames.
    """
    if not gaps or min(gaps) < 1:
        raise ValueError(f"gaps={tuple(gaps)}: expected whole numbers of at least 1")
    model = (model or load_model(weights)) if style is not None else None
    judge: FeatureJudge | None = None
    motion, earlier = Motion(flow, max(gaps)), deque[Pair](maxlen=max(gaps))
    frames: dict[str, list[float]] = {}
    for pair in _in_step(result, source):
        if style is not None and model is not None and judge is None:
            judge = FeatureJudge(style, pair.source / np.float32(255), model)
        motion.add(pair.source)
        for name, value in _measured(pair, earlier, gaps, motion, judge).items():
            frames.setdefault(name, []).append(value)
        earlier.append(pair)
    if len(next(iter(frames.values()), ())) < 2:
        raise ValueError("the clips have fewer than two frames, expected more: nothing can be compared")
    known = {name: [v for v in values if not math.isnan(v)] for name, values in frames.items()}
    overall = {name: float(np.mean(values)) if values else math.nan for name, values in known.items()}
    if judge is not None:
        overall["score"] = _score(overall, gaps)
    return Evaluation(frames, overall)


def _measured(
    pair: Pair, earlier: Sequence[Pair], gaps: Sequence[int], motion: Motion, judge: FeatureJudge | None
) -> dict[str, float]:
    """Every measure of one frame."""
    own = pair.source / np.float32(255)
    names = [f"{who}{what}" for what in ("warping_error", "stroke_correlation") for who in ("", "source_")]
    found = {f"{name}_{gap}": math.nan for gap in gaps for name in names} | {
        "flicker": math.nan,
        "source_flicker": math.nan,
    }
    for gap in {1, *gaps}:
        if len(earlier) < gap:
            continue
        then = earlier[-gap]
        back, mask = motion.over(gap)
        both = (pair.result, then.result), (own, then.source / np.float32(255))
        if gap in gaps:
            values = [measure(a, b, back, mask) for measure in (_error, stroke_correlation) for a, b in both]
            found.update(zip((f"{name}_{gap}" for name in names), values, strict=True))
        if gap == 1:
            still = stands_still(pair.source, then.source, back)
            found["flicker"], found["source_flicker"] = (flicker(a, b, still) for a, b in both)
    found["detail"], found["source_detail"] = detail(pair.result), detail(own)
    found["ssim"] = ssim(pair.result, own)
    if judge is not None:
        ours, theirs = judge.features(pair.result), judge.features(own)
        found["content_similarity"] = judge.content_similarity(ours, theirs)
        found["style_distance"] = judge.style_distance(ours)
        found["source_style_distance"] = judge.style_distance(theirs)
    return found


def _score(overall: dict[str, float], gaps: Sequence[int]) -> float:
    """See `evaluate`; a clip shorter than the largest gap is scored by the gaps that it has."""
    errors = [overall[f"warping_error_{gap}"] for gap in gaps]
    loose = 2.0 * overall["detail"]
    steady = [max(0.0, 1.0 - error / loose) if loose > 0.0 else 0.0 for error in errors if not math.isnan(error)]
    way = 1.0 - math.sqrt(overall["style_distance"] / max(overall["source_style_distance"], TINY))
    parts = [float(np.mean(steady)) if steady else 0.0, max(way, 0.0), max(overall["content_similarity"], 0.0)]
    return float(np.prod(parts) ** (1.0 / len(parts)))
