"""A painted clip beside its original, in a notebook: live while it is painted, and as what a cell shows.

Both are in one picture, so nothing can get out of step, one set of controls serves, and no script is needed. What a
notebook keeps is a small copy, whatever the size and length of the clip. Outside a notebook nothing here is used.
"""

import base64
import functools
import html
import itertools
import math
import os
import pathlib
import sys
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..pictures import Frame, PathLike, jpeg, smaller, write_image
from .media import Video, read_video, write_video

SIDE = 384
"""Longer side, in pixels, of each of the two pictures."""
SECONDS = 10.0
"""Longest excerpt."""
LARGEST = 2_000_000
"""Bytes of a video in a notebook, at most; what is too large is made shorter."""
QUALITY = 50.0
"""Of that video, 0 to 100."""
INTERVAL = 1.0
"""Seconds between two pictures of the live preview, at least."""

Show = Callable[[Frame, Frame], None]
"""Shows a frame and what became of it."""

if TYPE_CHECKING:
    _Path = pathlib.Path
else:
    _Path = type(pathlib.Path())  # before Python 3.12 only the platform's own class can be a base


class PaintedClip(_Path):
    """The path of a painted clip; where a notebook displays it, it is the clip, beside its original.

    Paths made from it, such as its `parent`, are of this class too, and are displayed as paths.
    """

    _fps: float | None = None
    _original: dict[str, Any] | None = None  # for read_video; None: there is no file

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self),), vars(self)

    def _repr_html_(self) -> str | None:
        if self._fps is None or not self.exists():
            return None
        painted = read_video(self, max_size=SIDE, fps=self._fps)
        words = html.escape(str(self))
        try:
            original = self._original and read_video(**self._original, max_size=max(painted.shape))
        except (OSError, ValueError) as error:
            original, words = None, f"{words}. The original cannot be shown: {html.escape(str(error))}"
        data, count = _excerpt(painted, original or None)
        if count < painted.length:
            words = f"the first {count / painted.fps:.3g} of {painted.duration:.3g} seconds of {words}"
        sides = "Left the original, right painted: " if original else "Painted: "
        width = painted.shape[1] * (2 if original else 1)
        return (
            f'<figure style="margin: 0"><video controls loop playsinline style="width: {width}px; max-width: 100%" '
            f'src="data:video/mp4;base64,{base64.b64encode(data).decode()}"></video>'
            f"<figcaption>{sides}{words}</figcaption></figure>"
        )


def painted_clip(
    target: PathLike, fps: float, source: Any = None, *, start: Any = None, end: Any = None, rate: float | None = None
) -> PaintedClip:
    """The clip that was painted at `target` from the part of `source` that `start`, `end` and `rate` name.

    `source` may be anything; if it is not the name of a file, the clip is shown alone.
    """
    clip = PaintedClip(target)
    clip._fps = fps
    if isinstance(source, str | os.PathLike):
        clip._original = {"source": os.path.abspath(source), "start": start, "end": end, "fps": rate}
    return clip


def preview_of(preview: PathLike | bool | None, progress: bool) -> Show | None:
    """What shows the frames of a job while they are painted.

    Parameters
    ----------
    preview
        A picture file that always holds the frame painted last; True for a live preview in the notebook; None for
        one where there is a notebook and a bar.
    progress
        Whether there is a bar.

    Raises
    ------
    ValueError
        If it is True and there is no notebook.
    """
    if isinstance(preview, str | os.PathLike):
        return functools.partial(_to_file, preview)
    if preview and not in_notebook():
        raise ValueError(
            "preview=True shows the frames in a notebook, and this is none: give the name of a picture file instead"
        )
    return live_preview() if preview or (preview is None and progress and in_notebook()) else None


def in_notebook() -> bool:
    """Whether the code runs in the kernel of a notebook, Jupyter's, Colab's or an editor's."""
    ipython = sys.modules.get("IPython")  # nobody is in a notebook who has not imported it
    shell = ipython and ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


def live_preview() -> Show:
    """Shows a frame beside what became of it below the present cell, each in the place of the one before."""
    from IPython import display

    handle, latest = None, -math.inf

    def show(source: Frame, painted: Frame) -> None:
        nonlocal handle, latest
        if time.monotonic() < latest + INTERVAL:
            return
        picture = display.Image(data=jpeg(smaller(beside(source, painted), 2 * SIDE, SIDE)), format="jpeg")
        if handle is None:
            handle = display.display(picture, display_id=True)
        else:
            handle.update(picture)
        latest = time.monotonic()

    return show


def beside(source: Frame, painted: Frame) -> Frame:
    """Both pictures, the painted one on the right, in its size."""
    height, width = painted.shape[:2]
    if source.shape != painted.shape:
        source = np.asarray(Image.fromarray(source).resize((width, height), Image.Resampling.LANCZOS))
    return np.concatenate([source, painted], axis=1)


def _to_file(file: PathLike, _: Frame, painted: Frame) -> None:
    write_image(file, painted)


def _excerpt(painted: Video, original: Video | None) -> tuple[bytes, int]:
    """The beginning of a clip as an MP4 of at most `LARGEST` bytes, beside its original, and its number of frames."""
    count = min(painted.length, max(1, round(SECONDS * painted.fps)))
    with tempfile.TemporaryDirectory(prefix="styletransfer-") as folder:
        part = pathlib.Path(folder, "excerpt.mp4")
        while True:
            both = itertools.starmap(beside, zip(original, painted, strict=False)) if original else painted
            sound: dict[str, Any] = {"sound": painted.source, "sound_duration": count / painted.fps}
            frames = itertools.islice(both, count)
            write_video(part, frames, fps=painted.fps, quality=QUALITY, **sound if painted.sound else {})
            size = part.stat().st_size
            if size <= LARGEST or count == 1:
                return part.read_bytes(), count
            count = max(1, int(0.9 * count * LARGEST / size))
