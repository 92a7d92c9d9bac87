"""Repaint video in the style of a picture.

>>> from styletransfer import stylize_video
>>> stylize_video("clip.mp4", "painting.jpg", "painted.mp4")

The names below are imported when they are first used: TensorFlow takes seconds to load, and listing the
command line's options or reading a docstring should not wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .features import load_model
    from .image import stylize_image
    from .options import StyleOptions
    from .video.frames import stylize_frames
    from .video.job import stylize_video
    from .video.media import read_image, read_video, write_image, write_video

_HOME = {
    "stylize_image": ".image",
    "stylize_frames": ".video.frames",
    "stylize_video": ".video.job",
    "StyleOptions": ".options",
    "load_model": ".features",
    "read_image": ".video.media",
    "write_image": ".video.media",
    "read_video": ".video.media",
    "write_video": ".video.media",
}

__all__ = [
    "StyleOptions",
    "load_model",
    "read_image",
    "read_video",
    "stylize_frames",
    "stylize_image",
    "stylize_video",
    "write_image",
    "write_video",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(_HOME[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
