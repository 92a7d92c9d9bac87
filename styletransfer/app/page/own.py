"""What lies on the page before anybody has brought anything: style pictures and a clip, drawn by our own code.

They are drawn once and kept, as files, for the next time.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from ...pictures import Frame, read_image, write_image

SHAPE = (256, 320)
EXAMPLE_FRAMES, EXAMPLE_FPS = 36, 12.0
EXAMPLE_SHAPE = (144, 256)

DAWN = "2b1640 6d1f52 b83a4b e8743b f7b955 fff3c9"
INK = "14110f 3d3831 7d7466 bdb4a3 f1eadb"
GLASS = "16324f 1f6f78 2a9d8f e9c46a f4a261 e76f51 9b2335"
PRINT = "1d2d50 f3e6cf c8452f"


def own_styles(folder: Path) -> dict[str, Path]:
    """The style pictures by name; those that are not in `folder` yet are drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    night = folder / "night.png"
    draw: dict[str, Callable[[], Frame]] = {
        "night": _night,
        "dawn": lambda: _recoloured(read_image(night), DAWN),
        "ink": lambda: _recoloured(read_image(night), INK),
        "mosaic": _mosaic,
        "print": _print,
    }
    files = {name: folder / f"{name}.png" for name in draw}
    for name, file in files.items():
        if not file.is_file():
            write_image(file, draw[name]())
    return files


def example_clip(folder: Path) -> Path:
    """Three seconds of an evening at a lake, drawn if they are not in `folder` yet."""
    from ...video.media import write_video
    from ..artwork import demo_clip

    file = folder / "example.mp4"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_video(file, demo_clip(EXAMPLE_FRAMES, shape=EXAMPLE_SHAPE, fps=EXAMPLE_FPS), fps=EXAMPLE_FPS)
    return file


def _night() -> Frame:
    from ..artwork import demo_style

    return demo_style(SHAPE)


def _recoloured(picture: Frame, stops: str) -> Frame:
    """The same strokes in other colours, from dark to light."""
    light = picture @ np.array([0.299, 0.587, 0.114])
    low, high = np.percentile(light, (1, 99))
    return _ramp((light - low) / (high - low), stops)


def _mosaic() -> Frame:
    """Tiles of glass with dark lead between them, in a wave of colours."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float64)
    rows, columns = np.mgrid[-1 : SHAPE[0] // 14 + 2, -1 : SHAPE[1] // 14 + 2]
    centres = 14 * (np.stack([rows, columns], -1).reshape(-1, 2) + rng.uniform(0.1, 0.9, (rows.size, 2)))
    away, which = cKDTree(centres).query(np.stack([y, x], -1), k=2)
    high, right = centres[which[..., 0]].T / SHAPE[0]
    tone = 0.5 + 0.42 * np.sin(5 * right.T + 4 * np.sin(3 * high.T)) + rng.normal(0, 0.06, len(centres))[which[..., 0]]
    lead = np.clip((away[..., 1] - away[..., 0]) / 3 - 0.3, 0, 1)[..., np.newaxis]
    return np.asarray(_ramp(tone, GLASS) * lead + 18 * (1 - lead), np.uint8)


def _print() -> Frame:
    """Waves in the cut of a wood block under a red sun, in three inks."""
    y, x = (places / SHAPE[0] for places in np.mgrid[: SHAPE[0], : SHAPE[1]])
    swell = 0.06 * np.sin(6 * x) + 0.025 * np.sin(17 * x + 3) + 0.02 * np.sin(9 * x + 11 * y)
    cut = np.sin((y + swell) * (60 + 90 * np.clip(y, 0, 1))) - 0.9 * (0.55 - y)
    ink = np.where(y + swell > 0.42, cut < 0.25, np.sin(150 * (y - 0.3 * swell)) < -0.93)
    sun = np.hypot(x - 0.85, y - 0.26) < 0.15 - 0.004 * np.sin(40 * np.arctan2(y - 0.26, x - 0.85))
    tone = np.where(ink, 0.0, np.where(sun, 1.0, 0.5))
    return _ramp(tone, PRINT)


def _ramp(value: npt.NDArray[Any], stops: str) -> Frame:
    """Colours for values from 0 to 1."""
    colours = np.array([list(bytes.fromhex(stop)) for stop in stops.split()], np.float64)
    at = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(value, at, channel) for channel in colours.T], -1).astype(np.uint8)
