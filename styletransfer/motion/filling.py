"""Paint for the pixels that no flow reaches: what comes out of hiding or enters at the border."""

import functools
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import (
    binary_dilation,
    distance_transform_edt,
    gaussian_filter1d,
    map_coordinates,
    uniform_filter,
)
from scipy.spatial.distance import cdist

from .warping import nearest_pixels

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Offsets = npt.NDArray[np.int64]

CANDIDATES = 32
REACH = 0.25
"""How far paint is taken from, in longer sides of the picture."""
WINDOW = 0.12
"""The window over which sources are compared, in longer sides: smaller ones make a mosaic of the painting."""
BLOCKS = 8
"""Sources are compared by the means of blocks, of which so many span the window: single pixels tell no more."""
ALIKE = 12.0
"""`misfit` up to which what the flow offers looks like the frame: most of what is distrusted, such as the sides of a
motion boundary, does."""
STROKE = 0.02
"""Sigma of the blur that tells strokes from the light under them, in longer sides."""
TONES = 0.005
"""The same where colours are told: a map fitted to strokes would be paler than they are."""
GROUND = 0.002
"""The same of what lies under borrowed strokes: letters stay, and what is finer than a stroke does not tremble."""
NEAR = 2.0
"""Blocks over which paint tints what is missing beside it."""
KNOWN = 0.1
"""Share of a frame that must not be missing to tell the colours of the rest."""
FAR = 2.0
"""How many times the mean square that colours are off the paint by, from which others are taken."""
FEW = 1e-3
"""Of a block known, or of blocks alike, below which they tell nothing."""
STRAY = 1.0
"""How many spreads from the paint beside it paint may be, root mean square over the channels."""
FAINT = 10.0
"""Grey levels of spread that any paint has."""
SAME = 6.0
"""Grey levels, root mean square, by which a source may look worse than the best: few pieces have few seams."""
GOES_ON = 25.0
"""The same for paint that goes on with what lies beside it."""
MANY = 0.8
"""A displacement is as good as the one that does for most pixels from this share of them on: the turn decides."""
EDGE = 2
"""Outermost pixels of a painting, which go with its border rather than with what lies beyond."""
GOLDEN = math.pi * (3.0 - math.sqrt(5.0))
"""The angle that spreads points evenly over a disc."""


class Colors(NamedTuple):
    """Those that a painting gives to a picture, and none beyond its own."""

    affine: Array  # (4, 3), see `colors_of`
    least: Array  # (3,)
    most: Array  # (3,)

    @classmethod
    def between(cls, tones: Array, painted: Array, painting: Array) -> "Colors":
        """Those that the `_tones` of a picture were painted in, and none beyond the painting's: `(..., 3)` all."""
        values = painting.reshape(-1, 3)
        return cls(colors_of(tones, painted), values.min(axis=0), values.max(axis=0))

    def on(self, picture: Array) -> Array:
        """A picture `(..., 3)` in these colours."""
        return np.asarray(np.clip(picture @ self.affine[:3] + self.affine[3], self.least, self.most), np.float32)


class Lender:
    """A painted frame, and what others borrow of it, which is found once, when it is needed first.

    It had better be one that was painted in full, such as the first of its scene: paint that was borrowed from borrowed
    paint, frame after frame, turns into scales. Its `EDGE` outermost pixels lend no strokes: they go with its border.
    """

    def __init__(self, model: Array, painting: Array) -> None:
        """A frame and its result, `(H, W, 3)` both."""
        self.model, self.painting = model, painting

    @functools.cached_property
    def colors(self) -> Colors:
        """Those that the painting gives to the frame."""
        return Colors.between(_tones(self.model), _tones(self.painting), self.painting)

    @functools.cached_property
    def strokes(self) -> Array:
        """What the painting has that the frame, in its colours, has not, but for its light: `(H, W, 3)`.

        The painting less its own tones would be its finest strokes only, and what borrows them dull beside the rest.
        What the frame itself has, such as letters, is no stroke. At the border is what lies `EDGE` pixels from it.
        """
        inside = _inside(self.model.shape)
        model, painting = self.model[inside], self.painting[inside]
        found = painting - Colors.between(_tones(model), _tones(painting), painting).on(_ground(model))
        return np.pad(found - light(found), [*((cut.start, cut.start) for cut in inside), (0, 0)], mode="edge")

    @functools.cached_property
    def looks(self) -> Array:
        """The means of the frame's blocks, see `_blocks`."""
        return _blocks(self.model, _block(self.model.shape))


def borrow(
    moved: Array,
    frame: Array,
    missing: Mask,
    lender: Lender,
    *,
    ground: Array | None = None,
    lent: Array | None = None,
    turn: int = 0,
) -> Array:
    """`moved`, with better paint at the missing pixels: the strokes of a painting, in the light of the frame.

    A missing pixel takes strokes of the painting from where the frame that was painted there looks like this one, see
    `whence`. Under the strokes lies this frame in the colours that the painting gives to its own, tinted like the paint
    beside it on what looks alike, as far as that is of one colour: so clouds stay clouds, water that is blue beside it
    does not turn yellow, and there are no steps between patches. The optimisation only has to fit the strokes in.

    Mirroring the border instead draws kaleidoscopes, repeating it draws streaks, and the bare frame stays bare for many
    frames (all tried, see `docs/defaults.md`).

    Parameters
    ----------
    moved
        `(H, W, 3)`, the earlier result, moved along the flow.
    frame
        `(H, W, 3)`, the present frame.
    missing
        `(H, W)`, where the flow is not to be trusted, and what it offers does not look like the frame.
    lender
        What paint is taken from.
    ground
        What `recolored` gives, if it is known already.
    lent
        What `whence` gives, if it is known already.
    turn
        Turns the displacements: with another number for every frame, strips that enter at the border one by one
        take strokes from different places.

    Returns
    -------
    float32 (H, W, 3)
    """
    if lent is None:
        lent = whence(frame, missing, lender, turn=turn)
    missing = missing & np.isfinite(lent).all(axis=-1)
    places = np.argwhere(missing) + np.rint(lent[missing])[:, ::-1].astype(int)
    strokes = lender.strokes[tuple(np.clip(places, 0, np.array(missing.shape) - 1).T)]
    ground = recolored(frame, moved, missing, lender) if ground is None else ground
    tint = _told(*_beside(moved - ground, frame, ~missing, missing))
    filled = moved.copy()
    filled[missing] = ground[missing] + tint + strokes
    return filled


def whence(frame: Array, missing: Mask, lender: Lender, *, beside: Array | None = None, turn: int = 0) -> Array:
    """From each missing pixel of a frame to where its strokes lie in the lender's painting.

    What enters the frame comes in strips, and strips from anywhere make a mosaic. So strokes go on: a pixel takes what
    lies beside that which the nearest one that is not missing came from (Ashikhmin 2001, "Synthesizing natural
    textures"), as long as that looks about right. Elsewhere a few displacements are tried, and as few of them taken as
    look nearly as good as the best.

    Parameters
    ----------
    frame, missing, lender, turn
        As for `borrow`.
    beside
        `(H, W, 2)`, the same for what is not missing; None: unknown.

    Returns
    -------
    float32 (H, W, 2), pixels to the right and down; NaN where all lead out of the picture
    """
    shape, step = missing.shape, _block(missing.shape)
    looks, window = _blocks(frame, step), _window(shape) // step
    displacements, costs = _costs(looks, lender.looks, window, turn)
    least = costs.min(axis=0)
    touched = _blocks(missing[..., np.newaxis].astype(np.float32), step)[..., 0] > 0.0
    chosen = _whole(_in_few_pieces(costs, touched, _worse(frame, SAME), turn), step, shape)
    found = (step * displacements[chosen][..., ::-1]).astype(np.float32)
    found[chosen < 0] = np.nan
    if beside is None or missing.all():
        return found
    nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
    apart = _apart(looks, lender.looks, beside[tuple(nearest[:, ::step, ::step])] / step)
    fits = _whole(apart <= least + _worse(frame, GOES_ON), step, shape)[missing]
    on = beside[tuple(nearest[:, missing])]
    there = np.argwhere(missing) + np.rint(on)[:, ::-1]
    inside = ((there >= 0) & (there < shape)).all(axis=-1)
    found[missing] = np.where((fits & inside)[:, np.newaxis], on, found[missing])
    return found


def strays(moved: Array, frame: Array, doubtful: Mask, ground: Array) -> Mask:
    """Doubtful pixels whose paint is unlike the paint around them on what looks alike: `(H, W)`.

    Paint goes beyond the outlines of things. When a thing moves, what went beyond them stays on the ground it leaves,
    frame after frame, and becomes a trail, though the ground is known and its flow is right.

    Parameters
    ----------
    moved, frame
        As for `borrow`.
    doubtful
        `(H, W)`, where to look.
    ground
        `(H, W, 3)`, what `recolored` gives.
    """
    found = np.zeros_like(doubtful)
    if doubtful.any() and not doubtful.all():
        difference = moved - ground
        mean, spread = _beside(difference, frame, ~doubtful, doubtful)
        here = smooth(difference, 0.5 * _block(doubtful.shape))[doubtful]
        found[doubtful] = (np.square(here - mean) / (np.square(spread) + FAINT**2)).mean(axis=-1) > STRAY**2
    return found


def recolored(frame: Array, moved: Array, missing: Mask, lender: Lender) -> Array:
    """A frame in the colours that a painting gives to its model; the arguments as for `borrow`.

    With all but its finest details: no stroke would bring back a title that has come out of hiding.

    In a fade from black the model is nearly black, and what it says of colours in daylight is nonsense. So where it
    tells those of the paint that is not missing far worse than they tell themselves, they are taken. (Always taken they
    would fade: a fit is paler than what it fits, and the next frame fits it again.) None is beyond the paint's own.
    """
    known, ground = ~missing, _ground(frame)
    if known.mean() < KNOWN:
        return lender.colors.on(ground)
    tones, painted = _tones(frame)[known], _tones(moved)[known]
    own = Colors.between(tones, painted, moved[known])
    theirs, ours = (np.square(colors.on(tones) - painted).mean() for colors in (lender.colors, own))
    return (own if theirs > FAR * ours else lender.colors).on(ground)


def _inside(shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Where a painting of a shape `(H, W)` is none of its `EDGE` outermost pixels."""
    rows, columns = (min(EDGE, (side - 1) // 2) for side in shape[:2])
    return slice(rows, -rows or None), slice(columns, -columns or None)


def _tones(picture: Array) -> Array:
    """A picture without its details, sharper than its `light`: what maps of colours are fitted to."""
    return smooth(picture, max(1.0, TONES * max(picture.shape[:2])))  # details are no finer than pixels


def _ground(picture: Array) -> Array:
    """A picture as it lies under strokes, sharper still: finer details are those that strokes are made of."""
    return smooth(picture, GROUND * max(picture.shape[:2]))


def _window(shape: tuple[int, ...]) -> int:
    """The side of a window in pixels, for pictures of a shape `(H, W)`."""
    return max(3, round(WINDOW * max(shape)))


def _block(shape: tuple[int, ...]) -> int:
    """The side of a block in pixels."""
    return max(1, _window(shape) // BLOCKS)


def _beside(values: Array, frame: Array, known: Mask, wanted: Mask) -> tuple[Array, Array]:
    """Mean and spread of what is known, `(H, W, 3)`, around each wanted pixel, where it looks alike: `(n, 3)` both.

    A bilateral mean (Tomasi and Manduchi 1998), from block to block: known blocks count by their nearness, `NEAR`
    blocks wide, and by how much they look like the wanted one in the frame, `ALIKE` grey levels wide. 0 where none
    does.
    """
    step = _block(known.shape)
    share = _blocks(known[..., np.newaxis].astype(np.float32), step)
    means = _blocks(known[..., np.newaxis] * values, step) / np.maximum(share, FEW)
    moments = np.concatenate([means, np.square(means)], axis=-1)
    touched = _blocks(wanted[..., np.newaxis].astype(np.float32), step)[..., 0] > 0.0
    cells = binary_dilation(touched, np.ones((3, 3)))  # their neighbours, too: they are interpolated from
    looks = np.moveaxis(_blocks(frame, step), -1, 0) / (ALIKE * math.sqrt(frame.shape[-1]))
    seen = np.concatenate([np.indices(cells.shape, np.float32) / NEAR, looks])
    apart = cdist(seen[:, cells].T, seen.reshape(len(seen), -1).T, "sqeuclidean")
    weights = np.exp(-0.5 * apart.astype(np.float32)) * share.reshape(-1)
    found = np.zeros((*cells.shape, moments.shape[-1]), np.float32)
    found[cells] = weights @ moments.reshape(share.size, -1) / (weights.sum(axis=1, keepdims=True) + FEW)
    places = (np.argwhere(wanted).T + 0.5) / step - 0.5
    each = [map_coordinates(one, places, order=1, mode="nearest") for one in np.moveaxis(found, -1, 0)]
    mean, square = np.split(np.stack(each, axis=-1), 2, axis=-1)
    return mean, np.sqrt(np.maximum(square - np.square(mean), 0.0))


def _told(mean: Array, spread: Array) -> Array:
    """A mean by its share in the mean square (Wiener's filter): `(n, 3)` all.

    Paint that varies by more than it is off on average says little of the paint beside it.
    """
    told, untold = (np.square(each).mean(axis=-1, keepdims=True) for each in (mean, spread))
    return np.asarray(mean * (told / np.maximum(told + untold, np.float32(FEW))), np.float32)


def _costs(frame: Array, model: Array, window: int, turn: int) -> tuple[Offsets, Array]:
    """Some displacements, and how far a model there is from looking like a frame.

    Returns
    -------
    int (n, 2), down and to the right; float32 (n, H, W), infinite where one leads out of the picture
    """
    height, width = frame.shape[:2]
    displacements = _displacements(height, width, turn)
    costs = np.full((len(displacements), height, width), np.inf, np.float32)
    for cost, (dy, dx) in zip(costs, displacements, strict=True):
        here, there = _overlap(height, width, dy, dx)
        cost[here] = _difference(frame[here], model[there], window)
    return np.array(displacements), costs


def _apart(frame: Array, model: Array, displacements: Array) -> Array:
    """How far a model is from looking like a frame, displaced by `(H, W, 2)`, right and down: `(H, W)`.

    Pixel by pixel: in a window the surroundings of a thing that has left would fit, and it would come back as a ghost.
    """
    return _difference(frame, model[nearest_pixels(displacements)], 1)


def _in_few_pieces(costs: Array, wanted: Mask, worse: float, turn: int) -> Offsets:
    """For each wanted pixel one of the costs `(n, H, W)` by its number, at most so much worse than the least: `(H, W)`.

    Always one that does for about as many of those that are left as any; -1 where none is finite.
    """
    does = (costs <= costs.min(axis=0) + worse) & np.isfinite(costs) & wanted
    chosen = np.full(wanted.shape, -1)
    while does.any():
        gains = does.sum(axis=(1, 2))
        best = np.flatnonzero(gains >= MANY * gains.max())
        taken = best[turn % len(best)]
        chosen[does[taken]] = taken
        does = does & ~does[taken]
    return chosen


def _worse(picture: Array, levels: float) -> float:
    """What so many grey levels, in every channel, add to a `_difference`."""
    return picture.shape[-1] * levels**2


def _whole(blocks: npt.NDArray[Any], side: int, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """What is known of square blocks, at each of their pixels: `(h, w)` -> `(H, W)`."""
    return blocks.repeat(side, axis=0).repeat(side, axis=1)[: shape[0], : shape[1]]


def _blocks(picture: Array, side: int) -> Array:
    """The means of square blocks: `(H, W, C)` -> `(ceil(H / side), ceil(W / side), C)`, the edge repeated."""
    height, width, channels = picture.shape
    padded = np.pad(picture, ((0, -height % side), (0, -width % side), (0, 0)), mode="edge")
    return np.asarray(padded.reshape(-(-height // side), side, -1, side, channels).mean(axis=(1, 3)), np.float32)


def misfit(frame: Array, seen: Array, window: int = 3) -> Array:
    """How far two pictures differ, in grey levels, averaged over the channels and square windows: `(H, W)`."""
    return uniform_filter(np.abs(frame - seen).mean(axis=-1), window, mode="nearest")


def light(picture: Array) -> Array:
    """A picture `(H, W, C)` without its strokes."""
    return smooth(picture, STROKE * max(picture.shape[:2]))


def smooth(picture: Array, sigma: float) -> Array:
    """A picture `(H, W, C)` under a Gaussian, the edge repeated.

    As products of matrices: for the wide windows here several times faster than one pixel after the other.
    """
    height, width = picture.shape[:2]
    down, across = _gaussian(height, sigma), _gaussian(width, sigma)
    half = (down @ np.asarray(picture, np.float32).reshape(height, -1)).reshape(picture.shape)
    return np.asarray(np.einsum("ij,hjc->hic", across, half, optimize=True))


@functools.lru_cache(maxsize=8)
def _gaussian(length: int, sigma: float) -> Array:
    """The filter as a matrix: `(length, length)`."""
    return np.asarray(gaussian_filter1d(np.eye(length, dtype=np.float32), sigma, axis=0, mode="nearest"))


def colors_of(model: Array, painting: Array) -> Array:
    """The affine map of colours nearest to model -> painting, `(..., 3)` both (least squares): `(4, 3)`, constant last.

    Differences of colour below a hundredth of those of brightness are noise (a grey clip has only such).
    """
    x, y = model.reshape(-1, 3), painting.reshape(-1, 3)
    middle, target = x.mean(axis=0), y.mean(axis=0)
    dx, dy = x - middle, y - target
    colors = np.linalg.pinv(dx.T @ dx, rcond=0.01**2, hermitian=True) @ (dx.T @ dy)
    return np.asarray(np.concatenate([colors, [target - middle @ colors]]), np.float32)


def _difference(a: Array, b: Array, window: int) -> Array:
    """Squared difference of two pictures, averaged over windows: `(H, W)`."""
    return uniform_filter(np.square(a - b).sum(axis=-1), window, mode="nearest")


def _displacements(height: int, width: int, turn: int) -> list[tuple[int, int]]:
    """`CANDIDATES` of them, spread evenly over a disc, which is turned by the golden angle from turn to turn."""
    reach = REACH * max(height, width)
    found = []
    for k in range(1, CANDIDATES + 1):
        radius, angle = reach * math.sqrt(k / CANDIDATES), (k + turn) * GOLDEN
        dy, dx = round(radius * math.sin(angle)), round(radius * math.cos(angle))
        found.append((int(np.clip(dy, 1 - height, height - 1)), int(np.clip(dx, 1 - width, width - 1))))
    return found


def _overlap(height: int, width: int, dy: int, dx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The pixels whose displaced ones lie in the frame, and the displaced ones."""
    rows, columns = slice(max(0, -dy), height - max(0, dy)), slice(max(0, -dx), width - max(0, dx))
    moved = slice(max(0, dy), height + min(0, dy)), slice(max(0, dx), width + min(0, dx))
    return (rows, columns), moved
