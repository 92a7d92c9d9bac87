"""Picture files <-> arrays, and what every reading and writing of files has in common.

Whatever is written appears at its name when it is complete; until then, and if anything goes wrong, what stood
there before stays.
"""

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, TypeAlias

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from . import pixels

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

PathLike: TypeAlias = str | os.PathLike[str]
Frame: TypeAlias = npt.NDArray[np.uint8]
"""`(H, W, 3)` RGB."""

MAX_PIXELS = 2**26
"""Of a picture, of a frame of video and of a flow field: 8192x8192. Whatever promises more is refused before any
memory is taken for it."""

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TGA", "TIFF", "WEBP")
"""The decoders of Pillow that are used: none that starts another program, as the one for EPS does."""

LONGEST_WORDS = 160
PART = ".styletransfer-"  # how the names of unfinished files begin
PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tga", ".tif", ".tiff", ".webp")


def read_image(source: PathLike, *, max_size: int | None = None) -> Frame:
    """The picture in a file as `(H, W, 3)` uint8 RGB, the way up its camera was held.

    Parameters
    ----------
    source
        A picture in one of the `FORMATS`, of any mode: grey, palette, 16 bits, CMYK, ... Transparent pictures are
        laid over white; of animated ones the first frame is read.
    max_size
        Scale down, smoothly, so that the longer side has at most this many pixels.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a picture, is damaged, or holds more than `MAX_PIXELS`.
    """
    path = existing_file(source)
    check_max_size(max_size, least=1)
    with _opened(path) as picture:
        upright = _as_rgb(ImageOps.exif_transpose(picture))
        height, width = pixels.fit((upright.height, upright.width), max_size)
        if upright.size != (width, height):
            upright = upright.resize((width, height), Image.Resampling.LANCZOS)
        return np.array(upright)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture in `path`; whatever its decoder stumbles over becomes one sentence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files; the size is checked below
        try:
            with Image.open(path, formats=FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                yield picture
        except Image.DecompressionBombError:
            raise ValueError(
                f"{path} holds more than {MAX_PIXELS // 10**6} million pixels: scale it down first"
            ) from None
        except Exception as error:  # decoders raise whatever their parsing meets
            raise ValueError(
                f"{path} is not a picture that can be read ({in_short(error)}): pass a PNG or JPEG"
            ) from None


def in_short(error: Exception) -> str:
    """What another library says of a file, as a part of our sentence: it may quote the file at any length."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "unknown kind"
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= LONGEST_WORDS else words[:LONGEST_WORDS] + "..."


def _as_rgb(picture: Image.Image) -> Image.Image:
    """Any mode of Pillow as RGB; its own `convert` clips 16 bits and drops transparency."""
    if picture.mode == "F":
        raise ValueError("floats of unknown range")
    if picture.mode.startswith("I"):  # 16 bits, also where Pillow keeps them in 32
        grey = np.rint(np.asarray(picture, np.float64) / 257.0)
        return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("RGB")


def upright_shape(path: Path) -> tuple[int, int]:
    """`(height, width)` from the head of the file alone."""
    with _opened(path) as picture:
        lies = picture.getexif().get(0x0112, 1) >= 5 and picture.format != "TIFF"  # Pillow has turned TIFF already
        return picture.size if lies else (picture.height, picture.width)


def write_image(target: PathLike, image: npt.ArrayLike) -> Path:
    """Write a picture in the format that the suffix names; JPEG at quality 95 with full colour.

    Parameters
    ----------
    image
        `(H, W, 3)` RGB, uint8 or float in [0, 1].

    Raises
    ------
    FileNotFoundError, NotADirectoryError, PermissionError
        If the folder of `target` does not exist, is none or cannot be written.
    ValueError
        If the suffix is unknown or `image` is not a picture.
    """
    path = Path(target)
    if path.suffix.lower() not in PICTURES:
        raise ValueError(f"{path} has no known picture suffix: end its name with one of {', '.join(PICTURES)}")
    check_folder(path.absolute().parent, path.name)
    picture = pixels.as_uint8(image)
    options: dict[str, Any] = {"quality": 95, "subsampling": 0} if path.suffix.lower() in (".jpg", ".jpeg") else {}
    with replacing(path) as part:
        iio.imwrite(part, picture, plugin="pillow", **options)
    return path


def smaller(image: Frame, width: int, height: int) -> Frame:
    """The picture, scaled down so far that it fits into `width` by `height` pixels."""
    picture = Image.fromarray(image)
    picture.thumbnail((width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def jpeg(image: Frame) -> bytes:
    """The picture as a JPEG to be looked at for a moment."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, "JPEG", quality=85)
    return data.getvalue()


# --- files ---


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; it takes the place of `path` if the block ends well, and goes if not.

    What it takes the place with is on the disk before: a machine that is switched off leaves one or the other, whole.
    """
    with TemporaryDirectory(dir=path.absolute().parent, prefix=PART) as beside:
        part = Path(beside, "part" + path.suffix)
        yield part
        to_disk(part)
        os.replace(part, path)
        to_disk(path.absolute().parent)


def to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, would survive a power failure."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def locked(file: IO[bytes]) -> bool:
    """Lock `file` until it is closed or the process ends, however it ends; False if another has."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def existing_file(source: PathLike) -> Path:
    """`source`, if it is a file that can be read and is not empty."""
    path = Path(source)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, expected a file: name one in it")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: check the name (only local files are read)")
    if not os.access(path, os.R_OK):
        raise PermissionError(f"{path} may not be read: change its permissions")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty: pass a file with something in it")
    return path


def check_folder(folder: Path, name: str) -> None:
    """Raise unless `name` can be written into `folder`."""
    if not folder.exists():
        raise FileNotFoundError(f"the folder {folder} for {name} does not exist: create it first")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, expected a folder for {name}: choose another place")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"the folder {folder} may not be written: choose another place for {name}")


def check_max_size(max_size: int | None, *, least: int) -> None:
    """Raise unless `max_size` is None or a whole number of at least `least`."""
    if max_size is not None and not (isinstance(max_size, Integral) and max_size >= least):
        raise ValueError(f"max_size={max_size!r}, expected a whole number of pixels from {least} on")
