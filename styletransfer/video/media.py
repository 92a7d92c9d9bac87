"""Files <-> frames: pictures with Pillow, video with the ffmpeg of imageio-ffmpeg.

A video is an iterable of `(H, W, 3)` uint8 frames. Reading decodes them as they are asked for and writing takes
them as they come, so that nothing here holds a whole clip. Whatever is written appears at its name when it is
complete; until then, and if anything goes wrong, what stood there before stays.

>>> video = read_video("clip.mp4", max_size=480)
>>> write_video("copy.mp4", video, fps=video.fps, **video.sound_settings)
"""

import math
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import chain
from numbers import Real
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy.typing as npt
from PIL import Image

from .. import pixels
from ..pictures import (
    MAX_PIXELS,
    PART,
    PICTURES,
    Frame,
    PathLike,
    check_folder,
    check_max_size,
    existing_file,
    read_image,
    replacing,
    to_disk,
    upright_shape,
    write_image,
)
from ..times import Time, parse_time
from . import ffmpeg

PICTURE_RATE = 25.0
NEARLY_SQUARE = 0.01
MAX_FRAMES = 1_000_000
"""That a clip may have, eleven hours at 25 a second: times in a damaged file can promise billions."""
_TOO_LARGE = f"expected at most {MAX_PIXELS // 10**6} million pixels: scale it down first"
_NUMBERED = re.compile(r"%0?([0-9]*)d")


__all__ = [
    "TruncatedVideoWarning",
    "Video",
    "check_not_source",
    "check_target",
    "read_image",
    "read_video",
    "write_image",
    "write_video",
]


class TruncatedVideoWarning(UserWarning):
    """A clip is damaged or cut off: fewer frames can be read than it promises."""


# --- reading video ---


@dataclass(frozen=True)
class Video:
    """Frames of a clip, `(H, W, 3)` uint8, decoded anew by every `iter`; see `read_video`."""

    source: Path
    fps: float
    shape: tuple[int, int]
    """`(height, width)` of the frames, both even."""
    length: int
    """Number of frames, as well as it can be known without decoding them."""
    start: float
    """Where the frames begin, in seconds from the clip's first frame."""
    sound: bool
    """Whether the source has sound."""
    whole: bool
    """Whether these are all frames of the source."""
    _frames: Callable[[], Iterator[Frame]] = field(repr=False)

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.length / self.fps

    @property
    def sound_settings(self) -> dict[str, Any]:
        """The keywords of `write_video` that lay the sound of these frames under them; none if there is none."""
        if not self.sound:
            return {}
        if self.whole:
            return {"sound": self.source}
        return {"sound": self.source, "sound_start": self.start, "sound_duration": self.duration}

    def __iter__(self) -> Iterator[Frame]:
        return self._frames()


def read_video(
    source: PathLike,
    *,
    max_size: int | None = None,
    start: Time | None = None,
    end: Time | None = None,
    fps: float | None = None,
) -> Video:
    """The frames of a clip, upright, with square pixels, at a constant rate, decoded as they are asked for.

    Parameters
    ----------
    source
        A video file; or a folder of pictures of one size, in natural order; or a numbered name such as
        `frames/%04d.png`. Of several video streams the first is read. Transparent parts are laid over white.
        Pixels within 1 % of square are taken as square.
    max_size
        Scale down so that the longer side has at most this many pixels. Both sides of a frame are even in any case:
        an unscaled frame loses its last row or column where they are not.
    start, end
        The part to read, without `end`: see `parse_time`. Frame k of the part is frame `start + k` of the whole at
        the same `fps`. An `end` beyond the last frame stands for the end of the clip.
    fps
        Resample to this many frames per second of the same duration; None keeps the clip's own, average rate.
        Pictures have no rate: for them it is what they are meant for, 25 if not given.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or no picture in the folder.
    ValueError
        If the file is not a video, has no picture or none that decodes; if pictures differ in size; if `start`,
        `end`, `fps` or `max_size` do not fit; if a frame has more than `MAX_PIXELS`, or the clip more than
        `MAX_FRAMES`.

    Warns
    -----
    TruncatedVideoWarning
        If the clip is damaged or cut off within the part that was asked for. What decodes is read.
    """
    check_max_size(max_size, least=2)
    if fps is not None:
        _check_positive("fps", fps)
    path = Path(source)
    if path.is_dir() or (not path.exists() and _NUMBERED.search(path.name)):
        return _picture_video(path, max_size, start, end, float(fps or PICTURE_RATE))
    return _clip_video(existing_file(path), max_size, start, end, fps)


def _clip_video(path: Path, max_size: int | None, start: Time | None, end: Time | None, fps: float | None) -> Video:
    header = ffmpeg.read_header(path)
    first = _first_frame(path, header)
    packets = ffmpeg.read_packets(path)
    rate = ffmpeg.as_rate(fps) if fps else header.fps or packets.fps or ffmpeg.as_rate(PICTURE_RATE)
    whole = max(1, round(packets.lasting * rate))
    if whole > MAX_FRAMES:
        raise ValueError(
            f"{path} promises {whole} frames, expected at most {MAX_FRAMES}: pass an intact clip, or a lower fps"
        )
    begin, stop = _part(path, start, end, whole, rate)
    promised = header.duration or 0.0
    cut_off = packets.damaged or packets.end < 0.99 * promised - 0.5
    if cut_off and (stop is None or stop > whole):
        _warn_truncated(path, whole, round(promised * rate))
    shape = _working_shape(first, max_size)
    if math.prod(shape) > MAX_PIXELS:
        raise ValueError(f"{path} is {_size(shape)} with square pixels, {_TOO_LARGE}")
    reading = ffmpeg.Reading(path, header.container or "", first, rate, begin, stop, shape)
    length = min(whole, whole if stop is None else stop) - begin
    return Video(
        source=path,
        fps=float(rate),
        shape=shape,
        length=length,
        start=float(begin / rate),
        sound=header.audio_codec is not None,
        whole=length == whole,
        _frames=partial(_clip_frames, reading, length, told=cut_off),
    )


def _first_frame(path: Path, header: ffmpeg.Header) -> ffmpeg.FirstFrame:
    if header.first:
        return header.first
    if header.size and math.prod(header.size) > MAX_PIXELS:
        raise ValueError(f"{path} is {_size(header.size)}, {_TOO_LARGE}")
    because = _because(header)
    if header.container is None:
        raise ValueError(f"{path} is not a video{because}: pass a clip such as .mp4, .mov, .webm or .gif")
    if header.has_video:
        raise ValueError(f"{path} holds a video stream but no frame of it decodes{because}: pass an intact clip")
    if header.audio_codec:
        raise ValueError(f"{path} has sound but no picture: pass a video")
    raise ValueError(f"{path} holds no picture: pass a video")


def _because(header: ffmpeg.Header) -> str:
    return f" ({header.complaint})" if header.complaint else ""


def _working_shape(first: ffmpeg.FirstFrame, max_size: int | None) -> tuple[int, int]:
    height, width = first.shape
    if abs(first.pixel_aspect - 1) > NEARLY_SQUARE:
        width = max(1, round(width * first.pixel_aspect))
    height, width = pixels.fit((height, width), max_size)
    return height - height % 2 or 1, width - width % 2 or 1


def _clip_frames(reading: ffmpeg.Reading, length: int, *, told: bool) -> Iterator[Frame]:
    read = 0
    with closing(ffmpeg.decode(reading)) as frames:
        for frame in frames:
            read += 1
            yield frame
    if read == 0:
        raise ValueError(f"{reading.path} gave no frame, expected {length}: has it changed since it was opened?")
    if read < length - 1 and not told:
        _warn_truncated(reading.path, read, length)


def _warn_truncated(path: Path, read: int, promised: int) -> None:
    among = f"{read} of about {promised}" if promised > read else f"{read}"
    message = f"{path} is damaged or cut off: {among} frames can be read, the rest is left out"
    warnings.warn(message, TruncatedVideoWarning, stacklevel=4)


def _picture_video(source: Path, max_size: int | None, start: Time | None, end: Time | None, fps: float) -> Video:
    paths = _pictures(source)
    begin, stop = _part(source, start, end, len(paths), ffmpeg.as_rate(fps))
    shapes = [upright_shape(path) for path in paths]
    for path, shape in zip(paths, shapes, strict=True):
        if shape != shapes[0]:
            raise ValueError(
                f"{path} is {_size(shape)}, expected {_size(shapes[0])} as {paths[0].name}: "
                "bring all pictures to one size"
            )
    height, width = pixels.fit(shapes[0], max_size)
    chosen = paths[begin:stop]
    return Video(
        source=source,
        fps=fps,
        shape=(height - height % 2 or 1, width - width % 2 or 1),
        length=len(chosen),
        start=begin / fps,
        sound=False,
        whole=len(chosen) == len(paths),
        _frames=partial(_picture_frames, chosen, max_size),
    )


def _pictures(source: Path) -> list[Path]:
    """The pictures in a folder, or those whose names fit a numbered one, in the order of their numbers."""
    if source.is_dir():
        found = [p for p in source.iterdir() if p.suffix.lower() in PICTURES and not p.name.startswith(".")]
    else:
        before, digits, after = _NUMBERED.split(source.name, maxsplit=1)
        name = re.compile(re.escape(before) + rf"[0-9]{{{digits or 1},}}" + re.escape(after))
        found = [p for p in source.parent.glob("*") if name.fullmatch(p.name)]
    if not found:
        raise FileNotFoundError(f"{source} holds no pictures, expected some of {', '.join(PICTURES)}: check the name")
    return sorted(found, key=lambda p: [int(s) if s.isdecimal() else s for s in re.split(r"([0-9]+)", p.name)])


def _picture_frames(paths: list[Path], max_size: int | None) -> Iterator[Frame]:
    for path in paths:
        yield pixels.crop_to_even(read_image(path, max_size=max_size))


def _part(source: Path, start: Time | None, end: Time | None, length: int, rate: Fraction) -> tuple[int, int | None]:
    """`start` and `end` as frame numbers; the end may lie behind the last frame."""

    def frame(time: Time) -> int:
        place = parse_time(time)
        return place if isinstance(place, int) else round(place * rate)

    begin = 0 if start is None else frame(start)
    stop = None if end is None else frame(end)
    if begin >= length:
        raise ValueError(f"start={start!r} is frame {begin}, but {source} has {length} frames: start earlier")
    if stop is not None and stop <= begin:
        raise ValueError(f"end={end!r} is not behind start={start!r}: a part of {source} needs at least one frame")
    return begin, stop


# --- writing video ---


def write_video(
    target: PathLike,
    frames: Iterable[npt.ArrayLike],
    *,
    fps: float,
    sound: PathLike | None = None,
    sound_start: float = 0.0,
    sound_duration: float | None = None,
    quality: float | None = None,
) -> Path:
    """Write frames, as they come, to a video that players and browsers show.

    Parameters
    ----------
    target
        `.mp4`, `.m4v`, `.mov`, `.mkv` or `.avi` (H.264), `.webm` (VP9), `.gif`; or a folder, that is a name without
        suffix or with a slash at its end, for pictures `000001.png`, ... The last two have no sound.
    frames
        `(H, W, 3)` RGB of one size, uint8 or float in [0, 1]. Video files cut an odd last row or column off.
    fps
        Frames per second.
    sound
        A file whose first sound stream is laid under the pictures, so that they are in step as in that file; if it
        has none, the result is silent. The stream is copied unchanged where the target's container takes it, and
        encoded as AAC, Opus or AC-3 where not. It is not cut where the pictures end: a clip painted from end to end
        keeps the length of its source.
    sound_start, sound_duration
        The part of the sound, in seconds from the first picture of the file `sound`; encoded anew, to be exact.
    quality
        0 to 100, None for one at which no loss is seen. GIF and PNG have no such choice.

    Raises
    ------
    FileNotFoundError, FileExistsError, NotADirectoryError, PermissionError
        See `check_target`; or there is no file `sound`.
    ValueError
        If there are no frames, one of them differs in size, or a setting does not fit.
    OSError
        If the disk is full.
    RuntimeError
        If ffmpeg fails for another reason.
    """
    check_target(target)
    _check_positive("fps", fps)
    if quality is not None and not 0 <= quality <= 100:
        raise ValueError(f"quality={quality!r}, expected 0 to 100: leave it out for the usual one")
    path, container = Path(target), _container(target)
    options = _sound_options(sound, container, sound_start, sound_duration) if container and sound else []
    checked = _same_size(frames)
    first = next(checked, None)
    if first is None:
        raise ValueError(f"there are no frames to write to {path}, expected at least one")
    pictures = chain([first], checked)
    if container is None:
        _write_pictures(path, pictures)
        return path
    even = map(pixels.crop_to_even, pictures)
    rate, shape = ffmpeg.as_rate(fps), pixels.crop_to_even(first).shape[:2]
    with replacing(path) as part:
        ffmpeg.encode(even, part, container, shape=shape, fps=rate, quality=quality, sound=options)
    return path


def _write_pictures(folder: Path, pictures: Iterable[Frame]) -> None:
    """All of them under another name first; then they take the place of those that an earlier call wrote."""
    with TemporaryDirectory(dir=folder if folder.is_dir() else folder.absolute().parent, prefix=PART) as beside:
        part = Path(beside, "part")
        part.mkdir()
        for number, picture in enumerate(pictures, 1):
            file = part / f"{number:06}.png"
            Image.fromarray(picture).save(file)
            to_disk(file)
        to_disk(part)
        if not folder.is_dir():
            part.rename(folder)
            to_disk(folder.absolute().parent)
            return
        for earlier in filter(_is_result, folder.iterdir()):
            earlier.unlink()
        for file in part.iterdir():
            file.rename(folder / file.name)
        to_disk(folder)


def _is_result(path: Path) -> bool:
    return re.fullmatch(r"[0-9]{6,}\.png", path.name) is not None


def _sound_options(sound: PathLike, container: ffmpeg.Container, start: float, duration: float | None) -> list[str]:
    if not (0 <= start < math.inf):
        raise ValueError(f"sound_start={start!r}, expected seconds from 0 on")
    if duration is not None:
        _check_positive("sound_duration", duration)
    if Path(sound).is_dir():  # a clip in pictures is silent
        return []
    path = existing_file(sound)
    header = ffmpeg.read_header(path)
    if header.container is None:
        raise ValueError(f"sound={path} is neither sound nor video{_because(header)}: pass the source of the frames")
    return ffmpeg.sound_options(path, header, container, start=start, duration=duration)


def _same_size(frames: Iterable[npt.ArrayLike]) -> Iterator[Frame]:
    expected = None
    for index, frame in enumerate(frames):
        picture = pixels.as_uint8(frame, f"frame {index}")
        expected = expected or picture.shape[:2]
        if picture.shape[:2] != expected:
            raise ValueError(
                f"frame {index} is {_size(picture.shape[:2])}, expected {_size(expected)} as frame 0: "
                "bring all frames to one size"
            )
        yield picture


def check_target(target: PathLike) -> None:
    """Raise what `write_video` would raise for this name, without writing anything: ask before hours of work.

    Raises
    ------
    ValueError
        If the suffix is unknown.
    FileNotFoundError, NotADirectoryError, PermissionError
        If the folder that is to hold `target` does not exist, is none or cannot be written.
    FileExistsError
        If `target` is a folder with something else in it than pictures that an earlier call wrote.
    """
    path = Path(target)
    if _container(target) is not None:
        check_folder(path.absolute().parent, path.name)
    elif path.is_dir():
        strangers = [p.name for p in path.iterdir() if not _is_result(p) and not p.name.startswith(".")]
        if strangers:
            raise FileExistsError(f"{path} holds other files ({min(strangers)}): name a new or an empty folder")
        check_folder(path, "pictures")
    elif path.exists():
        raise NotADirectoryError(f"{path} is a file, expected a folder for pictures: give the name a video suffix")
    else:
        check_folder(path.absolute().parent, path.name)


def check_not_source(source: PathLike, target: PathLike) -> None:
    """Raise `ValueError` if `target` is the file or folder `source`, by whatever name."""
    if os.path.exists(source) and os.path.exists(target) and os.path.samefile(source, target):
        raise ValueError(f"{os.fspath(target)} is the source itself: give the result another name")


def video_suffix(target: PathLike) -> str:
    """What kind of video `target` names; nothing for a folder of pictures."""
    path, suffix = Path(target), Path(target).suffix.lower()
    if path.is_dir() or os.fspath(target).endswith(("/", os.sep)):
        return ""
    if suffix and suffix not in ffmpeg.CONTAINERS:
        known = ", ".join(ffmpeg.CONTAINERS)
        raise ValueError(f"{path} ends in {suffix}, expected one of {known}, or a folder (no suffix) for pictures")
    return suffix


def _container(target: PathLike) -> ffmpeg.Container | None:
    """How to write `target`; None for a folder of pictures."""
    suffix = video_suffix(target)
    return ffmpeg.CONTAINERS[suffix] if suffix else None


# --- checks ---


def _check_positive(name: str, value: float) -> None:
    if not (isinstance(value, Real) and 0 < value < math.inf):
        raise ValueError(f"{name}={value!r}, expected a number above 0")


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
