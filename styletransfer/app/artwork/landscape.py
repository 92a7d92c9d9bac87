"""An animated evening at a lake.

Lengths are in picture heights (x to the right, y down, the top edge at 0), so that every size shows the same picture.
It is drawn at `SUPERSAMPLING` times its size and averaged down.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .drawing import SUPERSAMPLING, Colours, Floats, ramp, rgb, shrink

PERIOD = 4
"""Every layer of the landscape repeats after this many heights: the pan may go on for ever."""
WATERLINE = 0.60
SUN = (1.10, 0.485)


class Layer(NamedTuple):
    """One plane of the landscape: `(rows, PERIOD * rows, 4)` premultiplied RGBA, and how it moves."""

    paint: Floats
    drift: float
    """Heights per second to the right; the pan moves most layers to the left, near ones faster."""
    bob: float = 0.0
    """How far it floats up and down, in heights."""


class Sheet(NamedTuple):
    """Where the samples of a layer lie: `x` is `(1, columns)`, `y` is `(rows, 1)`, `sample` their distance."""

    x: Floats
    y: Floats
    sample: float

    def inside(self, *distances: Floats) -> Floats:
        """Signed distances to outlines (positive inside) -> soft-edged cover of what lies within all of them."""
        nearest = distances[0]
        for distance in distances[1:]:
            nearest = np.minimum(nearest, distance)
        return np.clip(nearest / self.sample + 0.5, 0.0, 1.0)


def demo_clip(
    frames: int = 24, *, shape: tuple[int, int] = (144, 256), fps: float = 12
) -> Iterator[npt.NDArray[np.uint8]]:
    """An evening at a lake, seen from a slow pan: a balloon and a boat drift, and a tree passes before them.

    Parameters
    ----------
    frames : int
        How many; the landscape repeats itself, so any number will do, in the same memory.
    shape : (int, int)
        Height and width of a frame, in pixels. The layers take 50 MB at 144 rows, four times that at 288.
    fps : float
        Frames per second. At 12 and 144 rows the layers move by 0.4 (sky) to 4 (tree) pixels a frame.

    Yields
    ------
    (H, W, 3) uint8
        Drawn when it is asked for; the same on every call.
    """
    layers = landscape(shape[0])
    for index in range(frames):
        yield shrink(render(layers, index / fps, shape[1] * SUPERSAMPLING))


def landscape(height: int) -> dict[str, Layer]:
    """The layers by name, back to front; those before `"ripples"` are mirrored in the lake."""
    rows = height * SUPERSAMPLING
    places = (np.arange(PERIOD * rows, dtype=np.float32) + 0.5) / rows
    sheet = Sheet(places[np.newaxis], places[:rows, np.newaxis], 1.0 / rows)
    return {
        "sky": Layer(_sky(sheet), -0.03),
        "clouds": Layer(_clouds(sheet), -0.05),
        "far mountains": Layer(_mountains(sheet, FAR_PEAKS, FAR_TONES, 0.68), -0.07),
        "near mountains": Layer(_mountains(sheet, NEAR_PEAKS, NEAR_TONES, 9.0), -0.11),
        "balloon": Layer(_balloon(sheet, 0.62, 0.22, 0.115), 0.06, bob=0.02),
        "shore": Layer(_shore(sheet), -0.16),
        "ripples": Layer(_ripples(sheet), -0.20),
        "boat": Layer(_boat(sheet, 0.88, 0.73), 0.03, bob=0.006),
        "meadow": Layer(_meadow(sheet), -0.29),
        "tree": Layer(_tree(sheet, 1.30), -0.34),
    }


def render(layers: dict[str, Layer], seconds: float, width: int) -> Floats:
    """The landscape at a time, `(rows, width, 3)` in [0, 1], still at the size of the samples."""
    picture = np.zeros((1, 1, 4), np.float32)
    for name, layer in layers.items():
        paint = slide(layer, seconds, width)
        picture = _mirror(picture, paint) if name == "ripples" else _over(paint, picture)
    return picture[..., :3]


def slide(layer: Layer, seconds: float, width: int) -> Floats:
    """The part of a layer that is in view at a time, `(rows, width, 4)`, placed to a fraction of a sample."""
    rows = len(layer.paint)
    left = -layer.drift * seconds * rows
    columns = math.floor(left) + np.arange(width + 1)
    view = layer.paint.take(columns, axis=1, mode="wrap")
    view = _between(view[:, :-1], view[:, 1:], left % 1.0)
    if layer.bob:
        down = layer.bob * math.sin(2.0 * seconds) * rows
        view = np.roll(view, math.floor(down), axis=0)
        view = _between(view, np.roll(view, 1, axis=0), down % 1.0)
    return view


def _between(first: Floats, second: Floats, share: float) -> Floats:
    return first + np.float32(share) * (second - first)


def _noise(x: Floats, y: Floats | None, cells: int, seed: int, octaves: int = 5, gain: float = 0.5) -> Floats:
    """Fractal noise of about unit variance at each `x` and `y` (None: one row), `cells` lumps in a `PERIOD`."""
    rng = np.random.default_rng(seed)
    y = np.zeros(1, np.float32) if y is None else y
    total = np.zeros((y.size, x.size), np.float32)
    for octave in range(octaves):
        count = cells * 2**octave
        rows = count if y.size > 1 else 3  # one row has but two neighbours
        total += gain**octave * _spline(_spline(rng.standard_normal((rows, count), np.float32), y).T, x).T
    return total * np.float32(1.8 * math.sqrt(1 - gain**2))


def _spline(lattice: Floats, at: Floats) -> Floats:
    """A periodic quadratic B-spline through the rows of a lattice, at places in heights."""
    place = at.reshape(-1, 1) * (len(lattice) / PERIOD)
    node = np.rint(place)
    off = place - node
    weights = 0.5 * (0.5 - off) ** 2, 0.75 - off**2, 0.5 * (0.5 + off) ** 2
    rows = node.ravel().astype(np.intp) - 1
    return np.sum([w * lattice.take(rows + step, 0, mode="wrap") for step, w in enumerate(weights)], axis=0)


def _dabs(sheet: Sheet, count: int, seed: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Leaf-shaped dabs, one in each cell of a grid: distance inside, centre x and y, one random number each."""
    side = PERIOD / count
    column, row = (sheet.x / side).astype(np.intp), (sheet.y / side + 0.5).astype(np.intp)
    dice = np.random.default_rng(seed).random((count, count, 5), np.float32)[row, column]
    at_x, at_y = (column + 0.25 + 0.5 * dice[..., 0]) * side, (row - 0.25 + 0.5 * dice[..., 1]) * side
    right, below, turn = sheet.x - at_x, sheet.y - at_y, math.pi * dice[..., 2]
    along = right * np.cos(turn) + below * np.sin(turn)
    across = below * np.cos(turn) - right * np.sin(turn)
    return side * (0.26 + 0.22 * dice[..., 3]) - np.hypot(along, 1.7 * across), at_x, at_y, dice[..., 4]


def _toward(colour: Floats, other: Colours, share: Floats) -> Floats:
    return colour + share[..., np.newaxis] * (rgb(other) - colour)


def _cut(colour: Floats | Colours, cover: Floats) -> Floats:
    """Premultiplied RGBA."""
    paint = np.empty((*cover.shape, 4), np.float32)
    paint[..., :3] = (rgb(colour) if isinstance(colour, str) else colour) * cover[..., np.newaxis]
    paint[..., 3] = cover
    return paint


def _over(front: Floats, back: Floats) -> Floats:
    return front + (1 - front[..., 3:]) * back


# Its layers: shapes are signed distances, textures are noise, light comes from the low sun ----------------------

Places = tuple[tuple[float, float, float], ...]

FAR_PEAKS = (
    (0.12, 0.22, 0.9), (0.55, 0.35, 0.9), (0.74, 0.28, 0.7), (1.45, 0.20, 0.8), (1.76, 0.31, 0.9),
    (2.30, 0.24, 0.8), (2.75, 0.34, 0.9), (3.40, 0.27, 0.8), (3.70, 0.20, 0.8),
)  # fmt: skip
NEAR_PEAKS = (
    (0.34, 0.12, 0.5), (0.80, 0.17, 0.6), (1.30, 0.10, 0.5), (1.62, 0.16, 0.5),
    (2.10, 0.17, 0.6), (2.60, 0.13, 0.5), (3.20, 0.17, 0.5), (3.85, 0.14, 0.5),
)  # fmt: skip
"""`(x, height, slope)`; both leave a gap for the sun."""
FAR_TONES = "4c4c99 8066a8 db8f9e ffc29e"
NEAR_TONES = "21265e 453b75 995c6b e08566"
CLUMPS = (
    (-0.30, 0.02, 0.15), (-0.13, 0.0, 0.17), (0.06, -0.03, 0.20), (0.26, 0.02, 0.16), (0.38, -0.02, 0.12),
    (0.24, 0.15, 0.10), (-0.25, 0.13, 0.09), (-0.02, 0.12, 0.10),
)  # fmt: skip
"""Masses of leaves: `(right of the trunk, y, size)`."""


def _sky(sheet: Sheet) -> Floats:
    x, y, _ = sheet
    colour = ramp(y / WATERLINE + 0.05 * _noise(x, 2.5 * y, 6, 1, 6, 0.6), "1a2461 45408c 996199 ed8580 ffbd75 ffdb94")
    away = np.hypot(x - SUN[0], y - SUN[1])
    colour = _toward(colour, "ffd980", 0.55 * np.exp(-((away / 0.28) ** 2)))
    return _cut(_toward(colour, "fff5c7", sheet.inside(0.055 - away)), np.ones_like(away))


def _clouds(sheet: Sheet) -> Floats:
    x, y, sample = sheet
    lumps = _noise(x, 3.0 * y, 8, 5, 6)
    below = np.roll(lumps, -max(1, round(0.02 / sample)), axis=0)
    bank = np.exp(-(((y - 0.27) / 0.16) ** 2))
    lit = 0.5 + 0.35 * (lumps - below) + 0.9 * (y - 0.2)
    colour = ramp(lit, "544585 b26b94 ff9e7a ffdb9e")
    return _cut(colour, np.clip(0.8 * (lumps - 0.9 + bank), 0.0, 0.9))


def _mountains(sheet: Sheet, peaks: Places, tones: Colours, snow: float) -> Floats:
    """A range whose faces toward the sun are lit, and white above the share `snow` of its height."""
    x, y, sample = sheet
    seed = len(peaks)
    heights = np.stack([high - slope * np.abs(x[0] - at) for at, high, slope in peaks])
    height = np.maximum(heights.max(axis=0) + 0.014 * _noise(x, None, 16, seed, 6, 0.65), 0.02)
    crags, rock = _noise(x, 0.6 * y, 24, seed + 1, 5, 0.6), _noise(x, 1.3 * y, 90, seed + 2, 3, 0.7)
    aside = x + 0.035 * crags  # so that ridges and valleys wander on their way down
    top = np.asarray(peaks, np.float32)[heights.argmax(axis=0), 0]
    top = top.take((aside / sample).astype(np.intp), mode="wrap")
    facing = np.tanh(np.sign(SUN[0] - top) * (aside - top) / 0.025)
    up = (WATERLINE - y) / height
    colour = ramp(0.42 + 0.24 * facing + 0.09 * rock, tones)
    white = np.clip(8 * (up - snow - 0.06 * crags - 0.04 * rock), 0, 0.7) * (0.65 + 0.35 * facing)
    colour = _toward(colour, "ffe6e0", white)
    colour = _toward(colour, "ffb88f", 0.5 * np.clip(1 - up, 0, 1) ** 1.5)
    return _cut(colour, sheet.inside(height - (WATERLINE - y)))


def _balloon(sheet: Sheet, x0: float, y0: float, size: float) -> Floats:
    x, y, _ = sheet
    u, v = (x - x0) / size, (y - y0) / size
    half = np.where(v < 0.25, np.sqrt(np.clip(1 - v**2, 0, 1)), np.clip(1.17 - 0.8 * v, 0.24, 1))
    across = np.clip(u / np.maximum(half, 0.05), -1, 1)
    gore = np.arcsin(across) / np.pi * 8 + 0.5
    cloth = ramp(np.floor(gore) % 2, "db2b24 ffd675")
    cloth = _toward(cloth, "1a5280", 1.0 * (np.abs(v - 0.12 * np.cos(np.pi * gore) - 0.05) < 0.13))
    light = 0.55 + 0.4 * across - 0.15 * v + 0.08 * _noise(x, y, 64, 23, 4) - 0.5 * (gore % 1 - 0.5) ** 2
    cloth *= 1.1 * ramp(light, "734f6b d6bab5 fff2e3")
    envelope = sheet.inside(size * (half - np.abs(u)), size * (v + 1), size * (1.15 - v))
    basket = sheet.inside(size * (0.15 - np.abs(u)), size * (0.13 - np.abs(v - 1.55)))
    slant = 0.02 - np.abs(np.abs(u) - 0.15 - 0.18 * (1.45 - v))
    ropes = sheet.inside(size * slant, size * (0.17 - np.abs(v - 1.3)))
    wicker = ramp(0.5 + 0.5 * np.sin(60 * v) * np.sin(60 * u), "4c2b1a 8c592e")
    return _over(_cut(cloth, envelope), _over(_cut(wicker, basket), _cut("382424", ropes)))


def _shore(sheet: Sheet) -> Floats:
    """Wooded hills, and a village at the water: houses in a row, and a church."""
    x, y, _ = sheet
    hill = WATERLINE - np.maximum(0.045 - 0.035 * _noise(x, None, 5, 31, 2), 0.02)
    crowns = 0.012 * np.abs(_noise(x, None, 60, 37, 3))
    lit = 0.42 + 0.2 * _noise(x, y, 48, 41, 4, 0.7) - 2.0 * (y - hill - 0.01)
    colour = ramp(lit, "142133 2b453d 7a6b3d d98c47")
    woods = _cut(colour, sheet.inside(y - hill + crowns, WATERLINE + 0.01 - y))
    rng = np.random.default_rng(43)
    lots = np.arange(100)
    built = ((lots > 6) & (lots < 18) | (lots > 60) & (lots < 75)) & (rng.random(100) < 0.85)
    for wide, tall, roof in (
        (built * rng.uniform(0.015, 0.022, 100), rng.uniform(0.018, 0.040, 100), 0.024),
        (np.isin(lots, (10, 67)) * 0.012, np.full(100, 0.085), 0.085),
    ):
        woods = _over(_houses(sheet, wide, tall, rng.uniform(-0.004, 0.004, 100), roof), woods)
    return woods


def _houses(sheet: Sheet, wide: Floats, tall: Floats, shift: Floats, roof: float) -> Floats:
    """Gabled houses with lit windows, one a lot, `wide` to either side; no house where that is 0."""
    lot = (sheet.x * (len(wide) / PERIOD)).astype(np.intp)
    right = sheet.x - (lot + 0.5) * (PERIOD / len(wide)) - shift[lot]
    aside, up = np.abs(right), WATERLINE - sheet.y
    exists, wide, tall = np.where(wide > 0, 1.0, -1.0)[lot], wide[lot], tall[lot]
    walls = sheet.inside(wide - aside, tall - up, up, exists)
    panes = walls * sheet.inside(0.0035 - np.abs(aside - 0.45 * wide), 0.006 - np.abs(up - 0.6 * tall))
    roofs = sheet.inside(up - tall, (wide + 0.004) * (1 - (up - tall) / roof) - aside, exists)
    bright = np.where(right < 0, 0.1, 0.9) + 0 * up
    plaster = _toward(ramp(bright, "855761 fac294"), "ffd459", panes)
    return _over(_cut(ramp(bright, "571f2e a83d2e"), roofs), _cut(plaster, walls))


def _ripples(sheet: Sheet) -> Floats:
    """No colours: how far the waves throw the mirrored picture off, down and to the side."""
    distance = 5.0 * np.log(np.maximum(sheet.y - WATERLINE, 0.0) + 0.06)
    waves = [_noise(sheet.x, distance, 14, seed, 5, 0.6) for seed in (51, 53)]
    return np.stack([*waves, *np.zeros_like(waves)], -1)


def _mirror(picture: Floats, ripples: Floats) -> Floats:
    """The picture above the waterline, and mirrored below it in the moving water."""
    rows, width = picture.shape[:2]
    first = math.ceil(WATERLINE * rows)
    wave = ripples[first:]
    depth = np.arange(rows - first, dtype=np.float32)[:, np.newaxis] / rows
    swing = 0.012 + 0.2 * depth
    row = rows * (WATERLINE - 1.1 * depth - 0.6 * swing * wave[..., 0])
    column = np.arange(width) + rows * 0.25 * swing * wave[..., 1]
    row = np.clip(np.rint(row), 0, first - 1).astype(np.intp)
    column = np.clip(np.rint(column), 0, width - 1).astype(np.intp)
    water = picture[row, column] * np.array([0.92, 0.83, 0.84, 1.0], np.float32)
    water *= (1 + np.clip(0.10 * wave[..., 0], -0.08, 0.2) - 0.9 * depth)[..., np.newaxis]
    return np.concatenate([picture[:first], water + np.array([0.0, 0.03, 0.07, 0.0], np.float32)])


def _boat(sheet: Sheet, x0: float, y0: float) -> Floats:
    """A sailing boat, and under its waterline the same upside down and broken by the waves."""
    x, y, _ = sheet
    wobble = 0.12 * _noise(x, 6 * y, 20, 61, 3) * np.maximum(y - y0, 0.0)
    return _over(_sails(sheet, x - x0, y0 - y), 0.6 * _sails(sheet, x - x0 + wobble, 1.05 * (y - y0)))


def _sails(sheet: Sheet, x: Floats, up: Floats) -> Floats:
    """The boat in coordinates of its own: `x` from the mast, `up` from the water."""
    weave = _noise(sheet.x, 0.4 * sheet.y, 120, 67, 3)
    hull = sheet.inside(up, 0.034 + 1.2 * x**2 - up, 0.10 + 0.6 * up - np.abs(x))
    planks = ramp(up / 0.04 + 0.12 * weave, "331214 6b241a cc5c33 fadbb2")
    main = sheet.inside(x - 0.006, up - 0.045, 0.105 * np.sqrt(np.clip(1 - up / 0.31, 0, 1)) - x)
    jib = sheet.inside(-0.004 - x, up - 0.055, x + 0.085 * (1 - up / 0.25))
    cloth = ramp(0.5 + 5.0 * x + 0.10 * weave + 0.10 * np.sin(90 * up), "c27a6b facc94 fff2cc")
    mast = sheet.inside(0.0035 - np.abs(x), up, 0.33 - up)
    return _over(_cut(planks, hull), _over(_cut(cloth, np.maximum(main, jib)), _cut("40211a", mast)))


def _meadow(sheet: Sheet) -> Floats:
    x, y, _ = sheet
    bank = 0.90 + 0.03 * _noise(x, None, 4, 71, 2)
    blades = 0.02 * np.abs(_noise(x, None, 400, 73, 2))
    grass = 0.2 * _noise(x, 0.2 * y, 240, 79, 2, 0.7) + 0.12 * _noise(x, y, 16, 83, 3)
    lit = 0.55 + grass - 2.5 * (y - bank)
    colour = ramp(lit, "0d171a 213d26 6b702b e0a842")
    paint = _cut(colour, sheet.inside(y - bank + blades))
    for seed, tone in ((89, "e63329"), (90, "faccdb"), (91, "a87ae6")):
        petals, _, high, dice = _dabs(sheet, 170, seed)
        paint = _over(_cut(tone, sheet.inside(petals, 1.0 * (dice < 0.15) - 0.5, high - bank)), paint)
    return paint


def _tree(sheet: Sheet, x0: float) -> Floats:
    """A tree in autumn that stands before everything: trunk, two boughs, and leaves in many tones."""
    x, y, _ = sheet
    bend = x - x0 - 0.03 * np.sin(3.0 * y)
    trunk = sheet.inside(0.024 + 0.05 * np.clip(y - 0.82, 0, 1) ** 1.2 - np.abs(bend))
    left = sheet.inside(0.010 - np.abs(bend + 2.2 * (0.36 - y) * (0.66 - y)), 0.355 - y, y - 0.12)
    right = sheet.inside(0.011 - np.abs(bend - 1.6 * (0.42 - y) * (0.62 - y)), 0.41 - y, y - 0.12)
    grain = 0.40 + 9.0 * np.clip(bend, -0.03, 0.03) + 0.2 * _noise(x, 0.2 * y, 140, 91, 3, 0.7)
    bark = ramp(grain, "170f14 452621 8c5233 ffa85c")
    paint = _cut(bark, np.maximum(trunk, np.maximum(left, right)))
    for depth, count in enumerate((104, 127, 111, 138, 119, 149, 131)):
        leaf, at_x, at_y, dice = _dabs(sheet, count, 97 + depth)
        aside = at_x - x0
        mass = np.max([size - np.hypot(aside - at, 1.25 * (at_y - high)) for at, high, size in CLUMPS], axis=0)
        lit = 0.08 + 0.08 * depth + 0.45 * dice - 1.2 * at_y + 0.6 * aside
        tone = ramp(lit, "40121f 94241a e6611a ffa829 ffdb6b")
        paint = _over(_cut(tone, sheet.inside(leaf, mass - 0.03 * dice)), paint)
    return paint
