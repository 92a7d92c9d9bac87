"""What lies on the page before anybody has brought anything: style pictures and a clip, drawn by our own code.

They are drawn once and kept, as files, for the next time.
"""

from collections.abc import Callable
from pathlib import Path

from ...pictures import Frame, read_image, write_image
from .. import artwork

EXAMPLE_FRAMES, EXAMPLE_FPS = 36, 12.0
EXAMPLE_SHAPE = (144, 256)


def own_styles(folder: Path) -> dict[str, Path]:
    """The style pictures by name; those that are not in `folder` yet are drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    night = folder / "night.png"
    draw: dict[str, Callable[[], Frame]] = {
        "night": artwork.demo_style,
        "dawn": lambda: artwork.recoloured(read_image(night), artwork.DAWN),
        "ink": lambda: artwork.recoloured(read_image(night), artwork.INK),
        "mosaic": artwork.mosaic,
        "print": artwork.woodcut,
    }
    files = {name: folder / f"{name}.png" for name in draw}
    for name, file in files.items():
        if not file.is_file():
            write_image(file, draw[name]())
    return files


def example_clip(folder: Path) -> Path:
    """Three seconds of an evening at a lake, drawn if they are not in `folder` yet."""
    from ...video.media import write_video

    file = folder / "example.mp4"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        clip = artwork.demo_clip(EXAMPLE_FRAMES, shape=EXAMPLE_SHAPE, fps=EXAMPLE_FPS)
        write_video(file, clip, fps=EXAMPLE_FPS)
    return file
