"""Clips of every common kind, read and written: frames, length, upright, sound in step, colour.

The clips are made here of known pictures, and the results are looked at with a plain call of ffmpeg, so that neither
end shares a mistake with the reader and the writer between them. Every picture is a gradient that differs in each
direction; two in the middle are white, and with the first of them begins a tone.
"""

import re
import subprocess
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
from conftest import texture
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from styletransfer.video.job import stylize_video
from styletransfer.video.media import read_video, write_video

FRAMES, FLASH = 10, 5
SAMPLES = 48000  # of sound per second
STYLE = texture(40, 32, seed=2, smooth=1.0)
FEW = {
    "style_layers": ("block1_conv1", "block2_conv1"),
    "content_layers": ("block2_conv2",),
    "steps": 1,
    "warm_start": False,  # every frame starts from the source
    "flow_quality": "fast",
    "progress": False,
}


def ffmpeg(*arguments, data=None):
    """What ffmpeg writes to standard output."""
    command = [get_ffmpeg_exe(), "-hide_banner", "-v", "error", "-y", *map(str, arguments)]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


# --- the clips ---

H264 = "-c:v libx264 -crf 1 -pix_fmt yuv420p"
LOSSLESS = "-c:v ffv1"
AAC = "-c:a aac -b:a 192k"


class Case(NamedTuple):
    """How a clip is made, and what of it must come back."""

    suffix: str = ".mkv"
    video: str = H264
    sound: str | None = AAC
    matrix: str = "bt709"  # of the colours, and their range
    fps: str = "25"
    shape: tuple[int, int] = (48, 64)
    turn: int = 0  # degrees counter-clockwise, as the container says
    pixel: Fraction = Fraction(1)  # width : height of one
    lasting: float = 1.0  # of the sound, in lengths of the pictures
    channels: str = "stereo"
    alpha: bool = False  # the left third of the picture is transparent
    gray: bool = False
    palette: bool = False  # the colours are those of the file, not of the pictures it was made of
    kept: tuple[int, ...] = tuple(range(FRAMES))  # the frames, others are missing: a variable rate


CASES = {
    "h264": Case(".mp4"),
    "hevc": Case(".mp4", "-c:v libx265 -crf 4 -x265-params log-level=error -pix_fmt yuv420p"),
    "vp8": Case(".webm", "-c:v libvpx -crf 4 -b:v 4M -pix_fmt yuv420p", "-c:a libvorbis", "smpte170m"),
    "vp9": Case(".webm", "-c:v libvpx-vp9 -crf 4 -b:v 0 -cpu-used 8 -pix_fmt yuv420p", "-c:a libopus"),
    "av1": Case(".webm", "-c:v libaom-av1 -crf 8 -cpu-used 8 -pix_fmt yuv420p", "-c:a libopus"),
    "mpeg4": Case(".avi", "-c:v mpeg4 -q:v 1 -pix_fmt yuv420p -avoid_negative_ts 0", "-c:a libmp3lame", "smpte170m"),
    "mpeg4 in mp4": Case(".mp4", "-c:v mpeg4 -q:v 1 -pix_fmt yuv420p", AAC, "smpte170m"),
    "mjpeg": Case(".avi", "-c:v mjpeg -q:v 1 -pix_fmt yuvj420p", "-c:a pcm_s16le", "smpte170m full"),
    "prores": Case(".mov", "-c:v prores_ks -profile:v 3 -pix_fmt yuv422p10le", "-c:a pcm_s16le"),
    "gif": Case(".gif", "-c:v gif", None, palette=True),
    "apng": Case(".apng", "-c:v apng -pix_fmt rgb24", None),
    "transport stream": Case(".ts"),
    "yuv422p": Case(video="-c:v libx264 -crf 1 -pix_fmt yuv422p"),
    "yuv444p": Case(video="-c:v libx264 -crf 1 -pix_fmt yuv444p"),
    "yuv420p10le": Case(video="-c:v libx264 -crf 1 -pix_fmt yuv420p10le"),
    "yuv444p12le": Case(video="-c:v libx265 -crf 4 -x265-params log-level=error -pix_fmt yuv444p12le"),
    "rgb24": Case(video="-c:v png -pix_fmt rgb24"),
    "gbrp": Case(video="-c:v libx264rgb -crf 1 -pix_fmt rgb24"),
    "rgba": Case(".mov", "-c:v png -pix_fmt rgba", alpha=True),
    "prores with alpha": Case(".mov", "-c:v prores_ks -profile:v 4444 -pix_fmt yuva444p10le", alpha=True),
    "gray": Case(video=f"{LOSSLESS} -pix_fmt gray", gray=True, matrix="bt709 full"),
    "gray10le": Case(video=f"{LOSSLESS} -pix_fmt gray10le", gray=True, matrix="bt709 full"),
    "12 fps": Case(".mp4", fps="12"),
    "23.976 fps": Case(".mp4", fps="24000/1001"),
    "29.97 fps": Case(".mp4", fps="30000/1001"),
    "59.94 fps": Case(".mp4", fps="60000/1001"),
    "variable rate": Case(".mp4", kept=(0, 1, 3, 5, 6, 8, 9)),
    "variable rate in matroska": Case(kept=(0, 2, 3, 4, 5, 6, 9)),
    "turned by 90": Case(".mp4", turn=90),
    "turned by 180": Case(".mov", turn=180),
    "turned by 270": Case(".mp4", turn=270),
    "odd size": Case(".mkv", "-c:v libx264 -crf 1 -pix_fmt yuv444p", shape=(47, 63)),
    "odd height in vp9": Case(
        ".webm", "-c:v libvpx-vp9 -crf 4 -b:v 0 -pix_fmt yuv420p", "-c:a libopus", shape=(47, 64)
    ),
    "wide pixels": Case(".mp4", pixel=Fraction(4, 3)),
    "tall pixels, turned": Case(".mp4", pixel=Fraction(3, 4), turn=90),
    "mp3": Case(".mp4", sound="-c:a libmp3lame"),
    "opus": Case(sound="-c:a libopus"),
    "vorbis": Case(sound="-c:a libvorbis"),
    "pcm": Case(".mov", sound="-c:a pcm_s24le"),
    "flac": Case(sound="-c:a flac"),
    "5.1": Case(".mp4", sound="-c:a aac -b:a 384k", channels="5.1"),
    "5.1 in opus": Case(sound="-c:a libopus -mapping_family 1", channels="5.1"),
    "mono": Case(".mp4", channels="mono"),
    "no sound": Case(".mp4", sound=None),
    "long sound": Case(".mp4", lasting=2.5),
    "short sound": Case(".mp4", lasting=0.8),
    "full range": Case(".mp4", f"{H264} -color_range pc", matrix="bt709 full"),
    "full range of 10 bits": Case(".mp4", "-c:v libx264 -crf 1 -pix_fmt yuv420p10le", matrix="bt709 full"),
    "bt601": Case(".mp4", matrix="smpte170m"),
    "HDR10": Case(
        ".mp4",
        "-c:v libx265 -crf 4 -x265-params log-level=error -pix_fmt yuv420p10le "
        "-color_trc smpte2084 -color_primaries bt2020",
        matrix="bt2020nc",
    ),
    "HLG": Case(
        ".mp4",
        "-c:v libx265 -crf 4 -x265-params log-level=error -pix_fmt yuv420p10le "
        "-color_trc arib-std-b67 -color_primaries bt2020",
        matrix="bt2020nc",
    ),
}


def pictures(case):
    """The frames that a clip is made of, `(N, H, W, 4)` uint8 RGBA."""
    height, width = case.shape
    y, x = np.mgrid[:height, :width]
    frames = np.full((FRAMES, height, width, 4), 255, np.uint8)
    for k, frame in enumerate(frames):
        frame[..., 0] = 30 + 180 * x / width
        frame[..., 1] = 40 + 150 * y / height
        frame[..., 2] = 60 + 10 * k
        if case.gray:
            frame[..., :3] = frame[..., :1] // 2 + frame[..., 1:2] // 2
    frames[FLASH : FLASH + 2] = 255
    if case.alpha:
        frames[:, :, : width // 3, 3] = 0
    return frames


def make(case, folder):
    """The clip of a case."""
    path, lasting = folder / f"made{case.suffix}", Fraction(FRAMES) / Fraction(case.fps)
    height, width = case.shape
    picture = ["-f", "rawvideo", "-pix_fmt", "rgba", "-s", f"{width}x{height}", "-r", case.fps, "-i", "pipe:0"]
    beep = f"0.5*sin(2*PI*1000*t)*gte(t,{float(FLASH / Fraction(case.fps)):.6f})"
    voices = {"mono": 1, "stereo": 2, "5.1": 6}[case.channels]
    voice = f"aevalsrc={'|'.join([beep] * voices)}:c={case.channels}:s={SAMPLES}:d={float(lasting * case.lasting):.6f}"
    sound = ["-f", "lavfi", "-i", voice.replace(",", "\\,")] if case.sound else []
    ffmpeg(*picture, *sound, *_coding(case), path, data=pictures(case).tobytes())
    if case.turn:
        flat = path.rename(path.with_stem("flat"))
        ffmpeg("-display_rotation", case.turn, "-i", flat, "-c", "copy", path)
    return path


def _coding(case):
    steps = [f"select='{'+'.join(f'eq(n,{k})' for k in case.kept)}'"] if len(case.kept) < FRAMES else []
    if case.palette:
        steps.append("split[p][q];[p]palettegen[r];[q][r]paletteuse=dither=none")
    elif " rgb" not in case.video:
        matrix, _, full = case.matrix.partition(" ")
        scale_range = "pc" if full else "tv"
        scaled = f"scale=out_color_matrix={matrix}:out_range={scale_range}:flags=accurate_rnd+full_chroma_inp+bicubic"
        layout = re.search(r"-pix_fmt (\w+)", case.video)[1]
        steps += [scaled, f"format={layout}", f"setparams=colorspace={matrix}:range={scale_range}"]
    steps.append(f"setsar={case.pixel.numerator}/{case.pixel.denominator}")
    rate = ["-fps_mode", "vfr"] if len(case.kept) < FRAMES else []
    return ["-vf", ",".join(steps), *case.video.split(), *rate, *(case.sound.split() if case.sound else [])]


# --- the results ---


class Seen(NamedTuple):
    """What a plain ffmpeg finds in a clip."""

    frames: np.ndarray
    lasting: float  # of the pictures, in seconds
    beep: float | None  # where the tone begins, in seconds from the first picture


def look(path, shape, fps, sound):
    raw = ffmpeg("-i", path, "-map", "0:V:0", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    frames = np.frombuffer(raw, np.uint8).reshape(-1, *shape, 3)
    listing = ffmpeg("-i", path, "-map", "0:V:0", "-c", "copy", "-copyts", "-f", "framecrc", "-").decode()
    tick = Fraction(*map(int, re.search(r"#tb 0: (\d+)/(\d+)", listing).groups()))
    times = sorted(int(line.split(",")[2]) for line in listing.splitlines() if not line.startswith("#"))
    lasting = float((times[-1] - times[0]) * tick + 1 / fps)
    beep = _beep(path) - float(times[0] * tick) if sound else None
    return Seen(frames, lasting, beep)


def _beep(path):
    """Seconds on the clock of the container at which the tone reaches half of its height."""
    fill = "aresample=48000:async=1:first_pts=0"
    arguments = ["-copyts", "-i", path, "-map", "0:a:0", "-af", fill, "-ac", 1, "-f", "s16le", "-"]
    wave = np.abs(np.frombuffer(ffmpeg(*arguments), np.int16).astype(int))
    return float(np.argmax(wave > wave.max() / 2)) / SAMPLES


def expected(case, source, shape):
    """The frames that should come back: those the clip was made of, or with a palette those that ffmpeg decodes."""
    frames = pictures(case)
    clear = frames[..., 3:] == 0
    colours = np.where(clear, 255, frames[..., :3])
    if case.palette:
        raw = ffmpeg("-i", source, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
        colours = np.frombuffer(raw, np.uint8).reshape(colours.shape)
    upright = np.rot90(colours, case.turn // 90, axes=(1, 2))
    if case.pixel != 1:
        return np.stack([np.asarray(Image.fromarray(frame).resize(shape[::-1])) for frame in upright])
    return upright[:, : shape[0], : shape[1]]


def upright_shape(case):
    height, width = case.shape
    if case.turn % 180:
        height, width, pixel = width, height, 1 / case.pixel
    else:
        pixel = case.pixel
    width = round(width * pixel)
    return height - height % 2, width - width % 2


def smoothed(frames, case):
    """Means of 4x4 pixels for a palette: 4:2:0 cannot hold the colours of its single pixels."""
    if not case.palette:
        return frames.astype(float)
    count, height, width, _ = frames.shape
    return frames.reshape(count, height // 4, 4, width // 4, 4, 3).mean(axis=(2, 4))


def check(case, source, target, *, off):
    """Everything that must hold for a result; its colours may be `off` by so many grey levels on average."""
    shape, lasting, begins = upright_shape(case), FRAMES / Fraction(case.fps), FLASH / Fraction(case.fps)
    video = read_video(source)
    frame = 1 / video.fps
    assert (video.shape, video.sound) == (shape, case.sound is not None)
    seen = look(target, shape, video.fps, video.sound)
    assert seen.lasting == pytest.approx(float(lasting), abs=1.01 * frame)
    light = seen.frames.mean(axis=(1, 2, 3))
    flash = int(np.argmax(light > (light.min() + light.max()) / 2)) * frame
    assert flash == pytest.approx(float(begins), abs=1.01 * frame)
    if case.sound:
        assert seen.beep == pytest.approx(flash, abs=frame)
    original = expected(case, source, shape)
    if len(case.kept) == FRAMES:
        assert (video.fps, video.length, len(seen.frames)) == (float(Fraction(case.fps)), FRAMES, FRAMES)
        assert abs(smoothed(seen.frames, case) - smoothed(original, case)).mean() <= off
    else:
        assert video.length == len(seen.frames)
        assert abs(seen.frames[0].astype(int) - original[0]).mean() <= off


@pytest.mark.parametrize("name", CASES)
def test_an_unpainted_round_trip_keeps_everything(tmp_path, name):
    case = CASES[name]
    source = make(case, tmp_path)
    video = read_video(source)
    target = write_video(tmp_path / "out.mp4", video, fps=video.fps, **video.sound_settings)
    check(case, source, target, off=2)


def painted(model, folder, name):
    """One step of painting moves no pixel by more than some grey levels, so the picture is still to be known."""
    case = CASES[name]
    source = make(case, folder)
    target = stylize_video(source, STYLE, folder / "out.mp4", model=model, **FEW)
    check(case, source, target, off=12)


QUICK = ("hevc", "gif", "variable rate", "turned by 90", "tall pixels, turned", "5.1 in opus", "long sound", "HDR10")


@pytest.mark.parametrize("name", QUICK)
def test_a_painted_clip_keeps_everything(model, tmp_path, name):
    painted(model, tmp_path, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name not in QUICK])
def test_every_other_painted_clip_keeps_everything(model, tmp_path, name):
    painted(model, tmp_path, name)


def test_of_several_streams_the_first_picture_and_the_first_sound_are_taken(model, tmp_path):
    first = make(CASES["h264"], tmp_path).rename(tmp_path / "first.mp4")
    other = make(Case(".mp4", shape=(96, 128), lasting=2.0), tmp_path)
    (tmp_path / "words.srt").write_text("1\n00:00:00,000 --> 00:00:00,200\nWords\n")
    ffmpeg("-itsoffset", 0.2, "-i", other, "-c", "copy", tmp_path / "late.mkv")
    inputs = ["-i", first, "-i", tmp_path / "late.mkv", "-i", tmp_path / "words.srt"]
    streams = ["-map", "0:v", "-map", "1:v", "-map", "0:a", "-map", "1:a", "-map", "2:s"]
    ffmpeg(*inputs, *streams, "-c", "copy", "-c:s", "srt", tmp_path / "several.mkv")
    target = stylize_video(tmp_path / "several.mkv", STYLE, tmp_path / "out.mp4", model=model, **FEW)
    check(CASES["h264"], tmp_path / "several.mkv", target, off=12)
