"""A frame between two painted ones, taken from both of them along the flow."""

from typing import NamedTuple

import numpy as np

from ..motion.filling import ALIKE, Lender, borrow, colors_of, light, misfit, smooth
from ..motion.occlusion import Mask
from ..motion.warping import BandLimited, warp
from .carry import BEYOND, SEEN, Array, Painted

DOUBT = 0.01
"""Weight of a neighbour where its flow is not reliable: enough to choose by looks where neither is."""
TINY = 1e-9
"""So that where neither neighbour has any weight, the time decides."""
APART = 16.0
"""Difference in grey levels of the light of two neighbours from which one is chosen rather than both averaged."""
STEADY = 4.0
"""Change of light in grey levels that tells nothing of how light comes through."""
STROKE = 0.01
"""Sigma of the window that measures the contrast of strokes, in longer sides of the picture."""
ALMOST = 0.999
"""Correlation up to which an angle is told from none."""
LOUDEST = 1.5
"""Bound on how much the contrast of averaged strokes is raised: sqrt(2) restores what unrelated ones lose."""


class Origin(NamedTuple):
    """A painted frame, prepared to be moved to frames near it in time."""

    source: Array  # (H, W, 3)
    paint: BandLimited
    colors: Array  # (4, 3), the colours that the painting gives to the source, see `filling.colors_of`


class Neighbour(NamedTuple):
    """A painted frame as a frame near it in time would show it."""

    certain: Array  # (H, W) in [0, 1], how far the frame's pixels are seen there
    source: Array  # (H, W, 3), what it showed, moved
    result: Array  # (H, W, 3), what was painted on it, moved
    colors: Array  # (4, 3), as in `Origin`


class Blend(NamedTuple):
    """A frame taken from its neighbours."""

    picture: Array  # (H, W, 3), painted everywhere
    certain: Array  # (H, W), how far a pixel was seen in either
    borrowed: Mask  # (H, W), what neither showed


def origin(key: Painted) -> Origin:
    """A painted frame, prepared to be moved."""
    source, result = key.source[0], key.result[0]
    return Origin(source, BandLimited(result), colors_of(light(source), light(result)))


def neighbour(key: Origin, back: Array, certain: Array) -> Neighbour:
    """`key` moved along `back`, the flow from a frame to it, of reliability `certain`."""
    return Neighbour(certain, warp(key.source, back, border=BEYOND), key.paint.warp(back), key.colors)


def blend(frame: Painted, before: Neighbour, after: Neighbour, when: float, lender: Lender) -> Blend:
    """A frame from the painted frames on both sides of it.

    A pixel is taken from the neighbours in proportion to how near they are in time, how reliably they show it, and
    whether what they show fits the frame. Where they show different things the better one prevails, since an average of
    two things is a ghost; where only their strokes differ, the average gets back the contrast that it loses. What
    neither shows borrows strokes from `lender`.

    Parameters
    ----------
    frame
        The frame, whose result does not matter.
    before, after
        Its neighbours.
    when
        Where it lies in time: 0 at the one before, 1 at the one after.
    lender
        What it borrows from: the frame that the scene began with.
    """
    before, after = lit(frame, before, after)
    angle = angle_between(before.result, after.result)
    times = np.sin((1.0 - when) * angle), np.sin(when * angle)  # Shoemake 1985, slerp: along an arc at an even pace
    misfits = [misfit(frame.source[0], side.source) for side in (before, after)]
    weights = [
        time * (side.certain + DOUBT) * np.exp(-np.maximum(different / ALIKE - 1.0, 0.0))
        for side, time, different in ((before, times[0], misfits[0]), (after, times[1], misfits[1]))
    ]
    share = (weights[1] + TINY * when) / (weights[0] + weights[1] + TINY)
    # What lies beyond the border of one is no other thing: its share is 0 already.
    shown = [np.where(side.source >= 0.0, side.source, frame.source[0]) for side in (before, after)]
    picture = mix(before.result, after.result, choose(share, *shown))
    certain = np.maximum(before.certain, after.certain)
    missing = (certain < SEEN) & (np.minimum(*misfits) > ALIKE)
    if missing.any():
        picture = borrow(picture, frame.source[0], missing, lender, turn=frame.place)
    return Blend(picture, certain, missing)


def lit(frame: Painted, before: Neighbour, after: Neighbour) -> list[Neighbour]:
    """Both neighbours in the light of the frame: a fade or a flash comes through.

    The change of the light of the source, measured where it is reliable, in the colours that the painting gives it. Of
    that, as much as came through from one neighbour to the other: the paint of a scene that fades in may change little,
    and what colours do in nearly black says nothing of daylight.
    """
    both = _seen(before) * _seen(after)
    seen, found = _light(after.source - before.source, both), _light(after.result - before.result, both)
    relit = []
    for side in (before, after):
        change = _light(frame.source[0] - side.source, _seen(side)) @ side.colors[:3]
        expected = seen @ side.colors[:3]
        prior = STEADY**2 * expected.size  # where the light has not changed between them, all of it comes through
        share = (np.vdot(found, expected) + prior) / (np.vdot(expected, expected) + prior)
        relit.append(side._replace(result=side.result + np.float32(np.clip(share, 0.0, 1.0)) * change))
    return relit


def _seen(side: Neighbour) -> Array:
    """How far the pixels of a frame are seen in a neighbour, `(H, W)`."""
    return np.asarray(side.certain * (side.source >= 0.0).all(axis=-1), np.float32)


def _light(difference: Array, weight: Array) -> Array:
    """The light of a difference of pictures, measured by weights `(H, W)`; 0 where there are none."""
    weight = weight[..., np.newaxis]
    return np.asarray(light(weight * difference) / np.maximum(light(weight), 0.1), np.float32)


def angle_between(one: Array, other: Array) -> Array:
    """How unlike the strokes of two pictures are, `(H, W)`: from 0, the same, to a right angle, unrelated.

    The cosine is their correlation, in windows. A mean of unrelated strokes that keeps its contrast moves along an arc,
    one of like strokes along its chord; taken for the other, either would start and arrive too fast.
    """
    ours, theirs = strokes(one), strokes(other)
    products = np.stack([(a * b).sum(axis=-1) for a, b in ((ours, theirs), (ours, ours), (theirs, theirs))], axis=-1)
    common, square, other_square = np.moveaxis(light(products), -1, 0)
    cosine = (common + 1.0) / np.sqrt((square + 1.0) * (other_square + 1.0))  # 1: flat parts are alike
    return np.asarray(np.arccos(np.clip(cosine, 0.0, ALMOST)), np.float32)


def choose(share: Array, one: Array, other: Array) -> Array:
    """The share `(H, W)` of `other`, driven towards 0 or 1 where the light of the two pictures differs."""
    apart = np.abs(light(one) - light(other)).mean(axis=-1)
    sharpness = 1.0 + np.square(apart / APART)
    odds = np.clip(share, 1e-6, 1.0 - 1e-6)
    odds = sharpness * np.log(odds / (1.0 - odds))
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0))), np.float32)


def mix(one: Array, other: Array, share: Array) -> Array:
    """The average of two pictures, `share` `(H, W)` of it the other, with strokes as strong as theirs.

    The average of strokes that do not coincide is a blur: its variance is less than the average variance of the two.
    The details of the result are scaled by the root of that ratio, in windows.
    """
    share = share[..., np.newaxis]
    average = one + share * (other - one)
    details = strokes(average)
    each = strokes(one), strokes(other), details
    ours, theirs, mixed = (np.square(one).sum(axis=-1, keepdims=True) for one in each)
    sigma = STROKE * max(average.shape)
    wanted, found = smooth(ours + share * (theirs - ours), sigma), smooth(mixed, sigma)
    gain = np.sqrt((wanted + 1.0) / (found + 1.0))  # 1: of a variance in grey levels, nothing
    return np.asarray(average + (np.clip(gain, 1.0, LOUDEST) - 1.0) * details, np.float32)


def strokes(picture: Array) -> Array:
    """A picture `(H, W, 3)` without what is under its strokes."""
    return picture - smooth(picture, STROKE * max(picture.shape))
