"""Style pictures: an impasto night sky, a mosaic, a woodcut.

Lengths are in picture heights (x to the right, y down, the top edge at 0), so that every size shows the same picture.
The night is drawn at `SUPERSAMPLING` times its size and averaged down.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from ...pixels import LUMA
from .drawing import SUPERSAMPLING, Colours, Floats, ramp, shrink, to_pixels

# The night: strokes of thick paint along the contours of a stream function ----------------------------------------

SWIRLS = (
    (0.30, 0.34, 0.17, 1.0), (0.57, 0.47, 0.15, -1.0),
    (0.97, 0.20, 0.10, 0.8), (0.02, 0.62, 0.12, 0.7), (0.80, 0.60, 0.10, 0.7),
)  # fmt: skip
"""`(x, y, radius, turn)`: x in picture widths, the rest in heights."""
STARS = (  # (x, y, radius)
    (0.88, 0.17, 0.085), (0.10, 0.13, 0.05), (0.33, 0.10, 0.035), (0.55, 0.14, 0.045), (0.70, 0.33, 0.04),
    (0.06, 0.42, 0.035), (0.93, 0.44, 0.045), (0.47, 0.66, 0.03), (0.72, 0.06, 0.03), (0.22, 0.62, 0.035),
)  # fmt: skip
NIGHT = "0a1440 142b73 214c9e 4080bd 85bdcc dbe6c2"
LAMP = "29669e 73a89e e0c75c f5a829 ffdb61 fff7cc"
FIELD = "081a2b 0f3845 295c47 808033 db9e33"
BRUSHES = ((0.24, 0.050, 0.5), (0.18, 0.032, 0.5), (0.13, 0.022, 0.55), (0.10, 0.016, 0.65))
"""Length and width of the strokes, and their spacing in units of both's geometric mean; the finest on top."""
BATCH = 400_000
"""Samples of paint in flight at once: bounds the memory, and stays in the cache."""


class Canvas(NamedTuple):
    """Wet paint: its colour `(rows, columns, 3)` and its thickness `(rows, columns)`, written by the strokes."""

    colour: Floats
    thickness: Floats


def demo_style(shape: tuple[int, int] = (256, 320), seed: int = 0) -> npt.NDArray[np.uint8]:
    """A night sky of swirls and stars over hills, in thick directional strokes of the brush.

    Parameters
    ----------
    shape : (int, int)
        Height and width, in pixels.
    seed : int
        Another seed sets other strokes of the same picture.

    Returns
    -------
    (H, W, 3) uint8
    """
    rows, columns = shape[0] * SUPERSAMPLING, shape[1] * SUPERSAMPLING
    canvas = Canvas(np.zeros((rows, columns, 3), np.float32), np.zeros((rows, columns), np.float32))
    for index, (length, width, spacing) in enumerate(BRUSHES):
        rng = np.random.default_rng((seed, index))
        _cover(canvas, rng, length, width, spacing * math.sqrt(length * width))
    return shrink(_light(canvas))


def _cover(canvas: Canvas, rng: np.random.Generator, length: float, width: float, spacing: float) -> None:
    """Lay strokes of one brush over the whole canvas in random order."""
    rows, columns = canvas.thickness.shape
    aspect = columns / rows
    edge = 0.6 * length
    x, y = np.meshgrid(np.arange(-edge, aspect + edge, spacing), np.arange(-edge, 1 + edge, spacing))
    start = np.stack([x.ravel(), y.ravel()], -1)
    start = rng.permutation(start + rng.uniform(-0.5, 0.5, start.shape) * spacing)
    along = np.linspace(0, 1, 4 + int(1.4 * length * rows), dtype=np.float32)
    aside = np.linspace(-1, 1, 3 + int(1.4 * width * rows), dtype=np.float32)
    path, normal = _follow(start, length * rng.uniform(0.5, 1.0, (len(start), 1)), along.size, aspect)
    tone = _tones(path[:, along.size // 2], aspect, rng)
    for few in np.array_split(np.arange(len(start)), math.ceil(len(start) * along.size * aside.size / BATCH)):
        spots = path[few, :, np.newaxis] + 0.5 * width * aside[:, np.newaxis] * normal[few, :, np.newaxis]
        thickness, streaks = _bristles(len(few), along, aside, rng)
        _press(canvas, spots, math.sqrt(width) * thickness, streaks * tone[few, np.newaxis])


def _follow(start: Floats, length: Floats, steps: int, aspect: float) -> tuple[Floats, Floats]:
    """Walk down the stream from each start: positions and unit normals, `(strokes, steps, 2)`."""
    at, path, normal = start, [], []
    for _ in range(steps):
        flow = _stream(at, aspect)[1]
        flow /= np.linalg.norm(flow, axis=-1, keepdims=True) + 1e-9
        path.append(at)
        normal.append(np.stack([-flow[:, 1], flow[:, 0]], -1))
        at = at + flow * (length / steps)
    return np.stack(path, 1).astype(np.float32), np.stack(normal, 1).astype(np.float32)


def _stream(at: Floats, aspect: float) -> tuple[Floats, Floats]:
    """The stream function at points `(n, 2)`, and the flow along its contours: `(d/dy, -d/dx)`."""
    x, y = at[:, 0], at[:, 1]
    value = 0.6 * y + 0.03 * np.sin(7 * x + 3 * y)
    flow_x, flow_y = 0.6 + 0.09 * np.cos(7 * x + 3 * y), -0.21 * np.cos(7 * x + 3 * y)
    for centre, high, radius, turn in (*SWIRLS, *((x, y, 0.9 * r, 4.0) for x, y, r in STARS)):
        right, below = x - centre * aspect, y - high
        bump = 1.4 * turn * radius * np.exp(-(right**2 + below**2) / (2 * radius**2))
        value = value + bump
        flow_x, flow_y = flow_x - bump * below / radius**2, flow_y + bump * right / radius**2
    ground = 1 / (1 + np.exp(-60 * (y - _hills(x, aspect))))
    slope = (_hills(x + 0.01, aspect) - _hills(x - 0.01, aspect)) / 0.02
    return value, np.stack([flow_x + ground * (1 - flow_x), flow_y + ground * (slope - flow_y)], -1)


def _hills(x: Floats, aspect: float) -> Floats:
    return 0.80 + 0.05 * np.sin(5 * x / aspect + 0.5) + 0.025 * np.sin(13 * x / aspect)


def _tones(at: Floats, aspect: float, rng: np.random.Generator) -> Floats:
    """Colours of strokes by their place: bands along the stream, haloes around the stars, furrows in the hills."""
    x, y = at[:, 0], at[:, 1]
    count = len(at)
    bands = 0.42 + 0.30 * np.sin(34 * _stream(at, aspect)[0]) + 0.12 * np.sin(11 * x + 5 * y) + 0.15 * (y - 0.4)
    colour = ramp(bands + rng.normal(0, 0.11, count), NIGHT)
    for centre, high, radius in STARS:
        away = np.hypot(x - centre * aspect, y - high) / radius
        near = rng.random(count) < 1.5 * (1.75 - away)
        colour[near] = ramp(1.05 - 0.55 * away + rng.normal(0, 0.09, count), LAMP)[near]
    depth = y - _hills(x, aspect)
    furrows = 0.40 + 0.30 * np.sin(55 * depth + 6 * x) + rng.normal(0, 0.14, count)
    colour[depth > 0] = ramp(furrows, FIELD)[depth > 0]
    return np.clip(colour + rng.normal(0, 0.025, colour.shape), 0, 1).astype(np.float32)


def _bristles(count: int, along: Floats, aside: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """What the hairs of a brush leave: thickness `(count, along, aside)`, and how bright each is `(count, aside, 1)`.

    Thickness is 0 where a hair does not touch yet, or has run dry.
    """
    each = (count, 1, aside.size)
    hair = ndimage.uniform_filter1d(rng.standard_normal(each, np.float32), 3, axis=-1)
    begins, ends = 0.1 * rng.random(each, np.float32), 1 - 0.25 * rng.random(each, np.float32)
    far = along[:, np.newaxis]
    touches = (far > begins) & (far < ends) & (np.abs(aside) < np.sqrt(far / 0.12))
    profile = np.maximum(0.5 + 0.5 * np.sqrt(1.02 - aside**2) + 0.35 * hair, 0.05)
    return touches * profile * (1.15 - 0.5 * far), 1 + 0.16 * np.moveaxis(hair, 1, 2)


def _press(canvas: Canvas, spots: Floats, thickness: Floats, tone: Floats) -> None:
    """Put strokes on the canvas, at `spots` `(strokes, along, aside, 2)`, every hair in a tone of its own.

    Of several samples on one spot the last one stays: the stroke on top.
    """
    rows, columns = canvas.thickness.shape
    column, row = np.moveaxis(np.floor(spots * rows).astype(np.int32), -1, 0)
    wet = (thickness > 0) & (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    stroke, _, hair = np.nonzero(wet)
    canvas.colour[row[wet], column[wet]] = tone[stroke, hair]
    canvas.thickness[row[wet], column[wet]] = thickness[wet]


def _light(canvas: Canvas) -> Floats:
    """Light from the upper left: slopes of the paint that face it shine, those behind them lie in shade."""
    bare = canvas.thickness == 0
    if bare.any():  # the eyes of swirls, which every stroke went round: the nearest paint flows in
        nearest = ndimage.distance_transform_edt(bare, return_distances=False, return_indices=True)
        canvas = Canvas(canvas.colour[tuple(nearest)], canvas.thickness[tuple(nearest)])
    down, right = np.gradient(ndimage.gaussian_filter(canvas.thickness, 0.8))
    facing = -(down + right)[..., np.newaxis]
    return canvas.colour * (1 + 3.0 * np.clip(facing, -0.15, 0.25)) + 0.8 * np.clip(facing, 0, 0.2)


# Others -----------------------------------------------------------------------------------------------------------

DAWN = "2b1640 6d1f52 b83a4b e8743b f7b955 fff3c9"
INK = "14110f 3d3831 7d7466 bdb4a3 f1eadb"
GLASS = "16324f 1f6f78 2a9d8f e9c46a f4a261 e76f51 9b2335"
INKS = "1d2d50 f3e6cf c8452f"
TILES = 18
"""Tiles of the mosaic along its height."""


def recoloured(picture: npt.NDArray[np.uint8], stops: Colours) -> npt.NDArray[np.uint8]:
    """The same strokes in other colours, such as `DAWN` or `INK`, from dark to light."""
    light = picture @ LUMA
    low, high = np.percentile(light, (1, 99))
    return to_pixels(ramp((light - low) / (high - low), stops))


def mosaic(shape: tuple[int, int] = (256, 320)) -> npt.NDArray[np.uint8]:
    """Tiles of glass with dark lead between them, in a wave of colours; `shape` is height and width."""
    rng, (y, x) = np.random.default_rng(5), _places(shape)
    rows, columns = np.mgrid[-1 : TILES + 2, -1 : math.ceil(TILES * shape[1] / shape[0]) + 2]
    corners = np.stack([rows, columns], -1).reshape(-1, 2)
    centres = (corners + rng.uniform(0.1, 0.9, corners.shape)) / TILES
    (nearest, second), (tile, _) = (np.moveaxis(pair, -1, 0) for pair in cKDTree(centres).query(np.dstack([y, x]), k=2))
    high, right = centres.T
    tone = 0.5 + 0.42 * np.sin(5 * right + 4 * np.sin(3 * high)) + rng.normal(0, 0.06, len(centres))
    lead = np.clip(4.7 * TILES * (second - nearest) - 0.3, 0, 1)[..., np.newaxis]
    return to_pixels(ramp(tone[tile], GLASS) * lead + 0.07 * (1 - lead))


def woodcut(shape: tuple[int, int] = (256, 320)) -> npt.NDArray[np.uint8]:
    """Waves in the cut of a wood block under a red sun, in three inks; `shape` is height and width."""
    y, x = _places(shape)
    swell = 0.06 * np.sin(6 * x) + 0.025 * np.sin(17 * x + 3) + 0.02 * np.sin(9 * x + 11 * y)
    cut = np.sin((y + swell) * (60 + 90 * y)) - 0.9 * (0.55 - y)
    ink = np.where(y + swell > 0.42, cut < 0.25, np.sin(150 * (y - 0.3 * swell)) < -0.93)
    sun = np.hypot(x - 0.85, y - 0.26) < 0.15 - 0.004 * np.sin(40 * np.arctan2(y - 0.26, x - 0.85))
    return to_pixels(ramp(np.where(ink, 0.0, np.where(sun, 1.0, 0.5)), INKS))


def _places(shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """`(y, x)` of every pixel, in heights."""
    y, x = np.mgrid[: shape[0], : shape[1]] / shape[0]
    return y, x
