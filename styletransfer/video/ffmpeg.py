"""The ffmpeg process behind `media`: what a clip holds, frames out of a clip, frames and sound into one.

The program is the one that imageio-ffmpeg brings. Files are always named to it as `file:` and an absolute path, so
that no name is read as an option or an address. Only kinds of files are read that hold their pictures and sound
themselves: no playlist, script or pattern that leads to other files.
"""

import errno
import os
import re
import subprocess
import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import chain, count
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from imageio_ffmpeg import get_ffmpeg_exe

from ..pictures import MAX_PIXELS

Frame = npt.NDArray[np.uint8]
"""`(H, W, 3)` RGB."""

# Without the last two, pictures come out two grey levels too dark; they cost 15 ms per 1280x720 frame.
SWSCALE = "flags=bicubic+accurate_rnd+full_chroma_int"
NO_TIMESTAMP = -(2**63)
SEEK_MARGIN = 2.0  # seconds
OWN_CLOCK = "-copyts"  # times as they stand in the file, whatever is left out or skipped
KINDS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "asf", "flv", "mxf", "ogg", "ivf", "nut", "dv", "wtv"),
    *("h264", "hevc", "m4v", "obu", "yuv4mpegpipe"),  # pictures without a container
    *("gif", "apng", "webp_anim", "bmp_pipe", "jpeg_pipe", "png_pipe", "tiff_pipe", "webp_pipe"),
    *("aac", "ac3", "aiff", "caf", "eac3", "flac", "mp3", "w64", "wav"),
)
"""ffmpeg's names for the kinds of files that are read. Its others include playlists, patterns of names, programs for
old computers, drawings that name other files, and plain text."""

STREAMS = ("-map", "0:V", "-map", "0:a?", "-map", "0:s?")
OVER_WHITE = "format=rgba,split[p][q];[p]drawbox=t=fill:c=white:replace=1[w];[w][q]overlay=format=rgb"


# --- what a clip holds ---


class FirstFrame(NamedTuple):
    """The first picture that decodes, upright; `pixel_aspect` is width : height of one pixel."""

    shape: tuple[int, int]
    pixel_aspect: Fraction
    timestamp: int  # in ticks of the stream
    time: float  # the same in seconds
    has_alpha: bool


class Header(NamedTuple):
    """What the head of a clip promises, with its first frame; None stands for what it does not say."""

    container: str | None  # None: not a media file
    size: tuple[int, int] | None  # (height, width) of its first video stream, as it lies in the file
    duration: float | None  # seconds, of the longest stream
    fps: Fraction | None  # the average rate of the first video stream
    has_video: bool
    audio_codec: str | None  # of the first audio stream
    first: FirstFrame | None
    complaint: str  # ffmpeg's own words, "" if it had none


def read_header(path: Path) -> Header:
    """Open `path` and decode its first picture."""
    showinfo = ["-map", "0:V:0", "-vf", "showinfo", "-frames:v", "1", "-f", "null", "-"]
    log = _run("info", [OWN_CLOCK, *_open(path), *showinfo]).stderr.decode("utf-8", "replace")
    head = log.partition("Stream mapping:")[0]
    container = re.search(r"Input #0, (.+), from ", head)
    duration = re.search(r"Duration: (\d+):(\d+):([\d.]+)", head)
    audio = re.search(r"Stream #0:.*: Audio: (\w+)", head)
    videos = [line for line in re.findall(r"Stream #0:.*: Video: .*", head) if "(attached pic)" not in line]
    too_large = re.search(r"Picture size (\d+)x(\d+)", log)  # where it is, the stream is listed without one
    size = too_large or (re.search(r", (\d+)x(\d+)(?![\dx])", videos[0]) if videos else None)
    delays_only = container and container[1] in ("gif", "apng")  # ffmpeg's rate is a guess from the first of them
    fps = re.search(r" ([\d.]*[1-9][\d.]*) fps", videos[0]) if videos and not delays_only else None
    return Header(
        container=container[1] if container else None,
        size=(int(size[2]), int(size[1])) if size else None,
        duration=_seconds(duration) if duration and "duration from bitrate" not in head else None,
        fps=_exact_rate(float(fps[1])) if fps else None,
        has_video=bool(videos),
        audio_codec=audio[1] if audio else None,
        first=_first_frame(log),
        complaint=_complaint(log) if container or "on whitelist" not in log else "",  # it would list all `KINDS`
    )


def _first_frame(log: str) -> FirstFrame | None:
    found = re.search(r"pts: *(-?\d+) +pts_time:(\S+).* fmt:(\w+).* sar:(\d+)/(\d+) s:(\d+)x(\d+)", log)
    if found is None:
        return None
    sar_width, sar_height, width, height = map(int, found.groups()[3:])
    return FirstFrame(
        shape=(height, width),
        pixel_aspect=Fraction(sar_width, sar_height) if sar_width and sar_height else Fraction(1),
        timestamp=int(found[1]),
        time=float(found[2]),
        has_alpha=bool(re.match(r"yuva|ya\d|gbrap|rgba|bgra|argb|abgr|pal8", found[3])),
    )


def _seconds(found: re.Match[str]) -> float:
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])


def _exact_rate(printed: float) -> Fraction:
    """The simplest rate that ffmpeg prints, rounded to two digits, as `printed`: 29.97 -> 30000/1001."""
    for denominator in chain((Fraction(1), Fraction(1001, 1000)), map(Fraction, count(2))):
        rate = round(printed * denominator) / denominator
        if abs(rate - Fraction(printed)) < Fraction(51, 10000):
            return rate
    raise AssertionError("100 is always a denominator")


def as_rate(fps: float) -> Fraction:
    """The fraction behind a float: 29.97002997002997 -> 30000/1001."""
    return Fraction(fps).limit_denominator(10_000)


class Packets(NamedTuple):
    """What is really there, found without decoding."""

    fps: Fraction | None  # the average rate of the pictures, None where nothing tells it
    lasting: Fraction  # seconds from the start of the first picture to the end of the last
    end: Fraction  # seconds from the start of the clip to the end of its longest stream
    damaged: bool


def read_packets(path: Path) -> Packets:
    """Read through `path` to its end: the head of a clip that was cut off still promises the whole of it."""
    done = _run("warning", [*_open(path), *STREAMS, "-c", "copy", "-f", "framecrc", "-"])
    ticks: dict[bytes, Fraction] = {}
    pictures: list[tuple[int, int]] = []  # (start, duration) in ticks
    end = Fraction(0)
    for line in done.stdout.splitlines():
        if found := re.match(rb"#tb (\d+): (\d+)/(\d+)", line):
            ticks[found[1]] = Fraction(int(found[2]), int(found[3]))
        elif not line.startswith(b"#"):
            stream, *times = line.split(b",")[:4]
            decoded, shown, duration = map(int, times)
            start = decoded if shown == NO_TIMESTAMP else shown
            end = max(end, (start + duration) * ticks[stream])
            if stream == b"0":
                pictures.append((start, duration))
    fps, lasting = _pace(pictures, ticks.get(b"0", Fraction(1)))
    damaged = re.search(rb"Packet corrupt|partial file|ended prematurely", done.stderr) is not None
    return Packets(fps, lasting, end, damaged)


def _pace(pictures: list[tuple[int, int]], tick: Fraction) -> tuple[Fraction | None, Fraction]:
    """The average rate of pictures, and how long all of them last; one that does not say lasts as the others."""
    if not pictures:
        return None, Fraction(0)
    (first, _), (last, lasting) = min(pictures), max(pictures)
    # A single picture shows as long as it lasts.
    count, span = (len(pictures) - 1, last - first) if last > first else (1, lasting)
    fps = count / (span * tick) if span else None
    return fps, (last - max(0, first)) * tick + (lasting * tick or (1 / fps if fps else 0))


# --- frames out of a clip ---


class Reading(NamedTuple):
    """How to turn a clip into equal, upright frames of one rate."""

    path: Path
    container: str
    first_frame: FirstFrame
    fps: Fraction
    start: int  # frame, counted at `fps`
    stop: int | None  # the frame after the last one, None for the end of the clip
    shape: tuple[int, int]  # of the frames, both sides even


def decode(reading: Reading) -> Generator[Frame, None, None]:
    """The frames, decoded as they are asked for; the process ends when the iteration ends or is abandoned."""
    # The rate is told once more: after `setpts` ffmpeg 7 has forgotten it, and would deal frames out 25 to a second.
    raw = ["-map", "0:V:0", "-vf", _filters(reading), "-r", str(reading.fps), "-f", "rawvideo", "pipe:1"]
    with _running([*_seek(reading), *_open(reading.path), *raw], stdout=PIPE) as (process, _):
        while True:
            frame = np.empty((*reading.shape, 3), np.uint8)
            if process.stdout.readinto(frame.data.cast("B")) < frame.nbytes:
                return
            yield frame


def _filters(reading: Reading) -> str:
    first, (height, width) = reading.first_frame, reading.shape
    origin = first.timestamp if _seek(reading) else "STARTPTS"
    stop = "" if reading.stop is None else f":end_frame={reading.stop}"
    unscaled = (height, width) == (first.shape[0] & ~1, first.shape[1] & ~1)
    steps = [
        # Pictures are dealt out by their times onto an even grid that starts at the first of them. A frame keeps
        # its number on that grid wherever decoding starts, because `fps` fills the grid from 0.
        f"setpts=PTS-({origin}),fps={reading.fps}:start_time=0",
        f"trim=start_frame={reading.start}{stop},setpts=PTS-STARTPTS",
        *([OVER_WHITE] if first.has_alpha else []),
        f"crop={width}:{height}:0:0,scale={SWSCALE}" if unscaled else f"scale={width}:{height}:{SWSCALE}",
        "format=rgb24",
    ]
    return ",".join(steps)


def _seek(reading: Reading) -> list[str]:
    """Start decoding shortly before the first frame, in containers whose index leads to whole key frames."""
    start = float(reading.start / reading.fps) - SEEK_MARGIN
    if start > 0 and re.match(r"mov|matroska|avi", reading.container):
        return [OWN_CLOCK, "-noaccurate_seek", "-ss", f"{start:.3f}"]
    return []


# --- frames and sound into a clip ---


class Container(NamedTuple):
    """How pictures and sound lie in one kind of file."""

    muxer: str
    video: tuple[str, ...]  # "{crf}" stands for the quality
    worst_crf: int = 51
    default_crf: int = 17
    copied: str = ""  # sound codecs that are taken over unchanged, as a pattern; "" for files without sound
    sound: tuple[str, ...] = ()  # how any other sound is encoded


BT709 = "color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
YUV420 = f"scale=out_color_matrix=bt709:out_range=tv:{SWSCALE}+full_chroma_inp,format=yuv420p,setparams={BT709}"
H264 = ("-vf", YUV420, "-c:v", "libx264", "-crf", "{crf}")
VP9 = ("-vf", YUV420, "-c:v", "libvpx-vp9", "-crf", "{crf}", "-b:v", "0", "-row-mt", "1", "-cpu-used", "3")
# A palette for the whole clip would keep all of it in memory. Browsers slow down above 50 fps.
ONE_PALETTE_EACH = "split[p][q];[p]palettegen=stats_mode=single[c];[q][c]paletteuse=new=1:dither=bayer:bayer_scale=5"
GIF = ("-vf", f"fps='min(source_fps,50)',{ONE_PALETTE_EACH}")
NO_DELAYS = ("-bf", "0", "-avoid_negative_ts", "disabled")  # AVI counts frames, it cannot shift them
FAST_START = ("-movflags", "+faststart")
AAC = ("-c:a", "aac", "-b:a", "192k")
OPUS = ("-c:a", "libopus", "-b:a", "160k", "-ac", "2")  # libopus refuses some surround layouts
AC3 = ("-c:a", "ac3", "-b:a", "192k")

CONTAINERS = {
    ".mp4": Container("mp4", H264 + FAST_START, copied="aac|mp3|e?ac3|alac", sound=AAC),
    ".m4v": Container("mp4", H264 + FAST_START, copied="aac|mp3|e?ac3|alac", sound=AAC),
    ".mov": Container("mov", H264 + FAST_START, copied="aac|mp3|e?ac3|alac|pcm_.*", sound=AAC),
    ".mkv": Container("matroska", H264, copied=".*", sound=AAC),
    ".avi": Container("avi", (*H264, *NO_DELAYS), copied="mp3|ac3|pcm_s16le", sound=AC3),
    ".webm": Container("webm", VP9, worst_crf=63, default_crf=24, copied="opus|vorbis", sound=OPUS),
    ".gif": Container("gif", GIF),
}


def encode(
    frames: Iterable[Frame],
    path: Path,
    container: Container,
    *,
    shape: tuple[int, int],
    fps: Fraction,
    quality: float | None,
    sound: Sequence[str],
) -> None:
    """Write frames of one shape to `path`, with the inputs and options in `sound` (see `sound_options`).

    Raises
    ------
    OSError
        If the disk is full.
    RuntimeError
        If ffmpeg fails for another reason; its own words stand in the message.
    """
    crf = container.default_crf if quality is None else round(container.worst_crf * (1 - quality / 100))
    pipe = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{shape[1]}x{shape[0]}", "-framerate", str(fps)]
    video = [option.format(crf=crf) for option in container.video]
    # bitexact: no random identifiers, the same bytes again
    target = ["-fflags", "+bitexact", "-f", container.muxer, _local(path)]
    arguments = [*pipe, "-i", "pipe:0", *sound, *video, *target]
    with _running(arguments, stdin=PIPE) as (process, log):
        fed = _feed(process.stdin, frames)
        code = process.wait()
        if fed and code == 0:
            return
        log.seek(0)
        words = _complaint(log.read().decode("utf-8", "replace")) or f"exit code {code}"
    if "No space left" in words:
        raise OSError(errno.ENOSPC, f"the disk of {path.parent.parent} is full: make room and start again")
    raise RuntimeError(f"ffmpeg could not write the video ({words}): check the target and its disk")


def _feed(pipe: IO[bytes], frames: Iterable[Frame]) -> bool:
    """Hand all frames to ffmpeg; False if it stopped listening, and its log says why."""
    for frame in frames:
        try:
            pipe.write(np.ascontiguousarray(frame).data)
        except OSError:
            return False
    try:
        pipe.close()
    except OSError:
        return False
    return True


def sound_options(
    path: Path, header: Header, container: Container, *, start: float, duration: float | None
) -> list[str]:
    """The input and options that lay the first sound stream of `path` under pictures that begin at `start`.

    Times count from the first picture of `path`, where a painted clip begins. The whole stream is copied packet by
    packet if the container takes its codec; a part, or another codec, is encoded anew to begin exactly.
    """
    if not (header.audio_codec and container.copied):
        return []
    clock, zero = ([OWN_CLOCK], header.first.time) if header.first else ([], 0.0)
    use = [*_open(path), "-map", "0:v", "-map", "1:a:0"]
    if start == 0 and duration is None and re.fullmatch(container.copied, header.audio_codec):
        return [*clock, "-itsoffset", f"{-zero:.6f}", *use, "-c:a", "copy"]
    begin, end = zero + start, "" if duration is None else f":end={zero + start + duration:.6f}"
    part = f"atrim=start={begin:.6f}{end},asetpts=PTS-{begin:.6f}/TB,aresample=async=1:first_pts=0"
    return [*clock, *use, "-af", part, *container.sound]


# --- the process ---


def _local(path: Path) -> str:
    return f"file:{os.path.abspath(path)}"


def _open(path: Path) -> list[str]:
    only = ["-protocol_whitelist", "file", "-format_whitelist", ",".join(KINDS), "-max_pixels", str(MAX_PIXELS)]
    return [*only, "-i", _local(path)]


def _command(level: str, arguments: Sequence[str]) -> list[str]:
    return [get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-nostats", "-loglevel", f"level+{level}", *arguments]


def _run(level: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(_command(level, arguments), stdin=DEVNULL, capture_output=True, check=False)


@contextmanager
def _running(
    arguments: Sequence[str], *, stdin: int = DEVNULL, stdout: int | None = None
) -> Iterator[tuple[Any, IO[bytes]]]:
    """ffmpeg at work, and its log; it does not outlive the block."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(_command("error", arguments), stdin=stdin, stdout=stdout, stderr=log)
        try:
            yield process, log
        finally:
            process.kill()
            process.wait()
            for pipe in filter(None, (process.stdin, process.stdout)):
                with suppress(OSError):
                    pipe.close()


def _complaint(log: str) -> str:
    """The first error in ffmpeg's log: what follows it is usually its consequence."""
    found = re.search(r"^(?:\[[^\]]* @ [^\]]*\] )*\[(?:error|fatal)\] (.+)", log, re.MULTILINE)
    return found[1].strip(" .") if found else ""
