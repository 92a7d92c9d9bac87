"""Files <-> frames. Clips are built here, at toy size, with the ffmpeg that imageio-ffmpeg brings."""

import errno
import gc
import itertools
import math
import os
import pickle
import stat
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from styletransfer import pictures
from styletransfer.times import parse_time
from styletransfer.video import ffmpeg, media
from styletransfer.video.media import (
    TruncatedVideoWarning,
    check_not_source,
    check_target,
    read_image,
    read_video,
    write_image,
    write_video,
)

SMALL = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def run(*arguments, data=None):
    """ffmpeg with `arguments`; what it writes to standard output."""
    command = [get_ffmpeg_exe(), "-hide_banner", "-v", "error", "-y", *map(str, arguments)]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def frame_number(frame):
    """Which of the frames of `clip` this is: see `numbered`."""
    return round(float(frame.mean()) / 4)


def numbered(count=24, height=48, width=64):
    """Flat grey frames; number k has grey level 4 k."""
    return np.stack([np.full((height, width, 3), 4 * k, np.uint8) for k in range(count)])


def smooth(count=12, height=48, width=64):
    """A coloured gradient that moves: no sharp edges, which 4:2:0 cannot hold."""
    y, x = np.mgrid[:height, :width]
    for k in range(count):
        waves = [np.sin(x / 11 + k / 3), np.cos(y / 9 - k / 4), np.sin((x + y) / 15 + k / 5)]
        yield np.rint(127 + 100 * np.stack(waves, -1)).astype(np.uint8)


@pytest.fixture
def clip(tmp_path):
    """Builds a clip of numbered frames: clip("name.mp4", options..., fps=, count=, sound=)."""

    def build(name="clip.mp4", *options, fps=12, count=24, shape=(48, 64), sound=None, codec="libx264", crf=1):
        frames = numbered(count, *shape).tobytes()
        video = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{shape[1]}x{shape[0]}", "-r", fps, "-i", "-"]
        tone = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={count / Fraction(fps)}"] if sound else []
        coding = ["-c:v", codec, "-pix_fmt", "yuv420p"] + (["-crf", crf] if codec == "libx264" else ["-q:v", 1])
        run(*video, *tone, *coding, *(["-c:a", sound] if sound else []), *options, tmp_path / name, data=frames)
        return tmp_path / name

    return build


FROM_ZERO = "aresample=async=1:first_pts=0"


def packets(path, stream="0:a:0"):
    """The packets of a stream, each as (size, checksum) without its times."""
    lines = run("-i", path, "-map", stream, "-c", "copy", "-f", "framemd5", "-").decode().splitlines()
    return [tuple(part.strip() for part in line.split(",")[4:6]) for line in lines if not line.startswith("#")]


def tone_start(path):
    """Seconds from the first picture of `path` to where its sound sets in."""
    header = ffmpeg.read_header(path)
    raw = run("-i", path, "-map", "0:a:0", "-af", FROM_ZERO, "-ac", 1, "-ar", 8000, "-f", "s16le", "-")
    loud = np.flatnonzero(np.abs(np.frombuffer(raw, np.int16).astype(int)) > 300)
    return loud[0] / 8000 - header.first.time


@pytest.fixture
def beep(tmp_path):
    """Builds a clip of 2 s at 25 fps whose picture turns white, and whose sound sets in, at 1 s."""

    def build(name, *options, video=("-c:v", "libx264", "-pix_fmt", "yuv420p"), audio=("-c:a", "aac")):
        light = "color=black:s=64x48:r=25:d=1[a];color=white:s=64x48:r=25:d=1[b];[a][b]concat"
        sound = "sine=f=440:d=1,adelay=1000"
        inputs = ["-f", "lavfi", "-i", light, "-f", "lavfi", "-i", sound]
        run(*inputs, *video, *audio, *options, tmp_path / name)
        return tmp_path / name

    return build


def light_start(video):
    return next(k for k, frame in enumerate(video) if frame.mean() > 128) / video.fps


# --- pictures ---

GREY_16 = np.full((4, 6), 100 * 257, np.uint16)


@pytest.mark.parametrize(
    ("name", "picture", "expected"),
    [
        ("grey.png", Image.new("L", (6, 4), 100), (100, 100, 100)),
        ("bilevel.png", Image.new("1", (6, 4), 1), (255, 255, 255)),
        ("grey_alpha.png", Image.new("LA", (6, 4), (100, 0)), (255, 255, 255)),
        (
            "palette.gif",
            Image.new("RGB", (6, 4), (10, 200, 30)).convert("P", palette=Image.Palette.ADAPTIVE),
            (10, 200, 30),
        ),
        ("alpha.png", Image.new("RGBA", (6, 4), (200, 100, 0, 51)), (244, 224, 204)),
        ("grey16.png", Image.fromarray(GREY_16), (100, 100, 100)),
        ("grey16.tiff", Image.fromarray(GREY_16), (100, 100, 100)),
        ("grey16.ppm", Image.fromarray(GREY_16.astype(np.int32)), (100, 100, 100)),
        ("cmyk.tiff", Image.new("CMYK", (6, 4), (255, 0, 0, 0)), (0, 255, 255)),
        ("plain.bmp", Image.new("RGB", (6, 4), (1, 2, 3)), (1, 2, 3)),
    ],
)
def test_every_kind_of_picture_is_read_as_rgb(tmp_path, name, picture, expected):
    picture.save(tmp_path / name)
    image = read_image(tmp_path / name)
    assert image.shape == (4, 6, 3)
    assert image.dtype == np.uint8
    assert np.array_equal(image, np.broadcast_to(np.uint8(expected), image.shape))


def test_colour_of_16_bits_is_scaled_to_8(tmp_path):
    values = np.arange(4 * 6 * 3, dtype=np.uint16).reshape(4, 6, 3) * 900
    run("-f", "rawvideo", "-pix_fmt", "rgb48le", "-s", "6x4", "-i", "-", tmp_path / "a.png", data=values.tobytes())
    assert np.abs(read_image(tmp_path / "a.png") - values / 257).max() <= 1


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff"])
def test_the_orientation_of_the_camera_is_applied(tmp_path, suffix):
    stored = np.zeros((40, 60, 3), np.uint8)
    stored[:, :20] = 255
    picture = Image.fromarray(stored)
    exif = picture.getexif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    picture.save(tmp_path / f"a.{suffix}", exif=exif)
    upright = np.rot90(stored, -1)
    assert np.abs(read_image(tmp_path / f"a.{suffix}").astype(int) - upright).mean() < 2
    assert pictures.upright_shape(tmp_path / f"a.{suffix}") == (60, 40)


def test_the_first_frame_of_an_animated_picture_is_read(tmp_path):
    first, second = Image.new("RGB", (6, 4), "red"), Image.new("RGB", (6, 4), "blue")
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert tuple(read_image(tmp_path / "a.gif")[0, 0]) == (255, 0, 0)


def test_scaling_down_does_not_alias(tmp_path):
    stripes = np.zeros((64, 96, 3), np.uint8)
    stripes[:, ::2] = 255
    write_image(tmp_path / "a.png", stripes)
    small = read_image(tmp_path / "a.png", max_size=32)
    assert small.shape == (21, 32, 3)
    assert np.abs(small.astype(int) - 127).max() < 16


@SMALL
@given(height=st.integers(1, 80), width=st.integers(1, 80), max_size=st.integers(1, 90))
def test_max_size_bounds_the_longer_side_and_keeps_the_aspect(tmp_path, height, width, max_size):
    write_image(tmp_path / "a.png", np.zeros((height, width, 3), np.uint8))
    found = read_image(tmp_path / "a.png", max_size=max_size).shape[:2]
    scale = min(1, max_size / max(height, width))
    assert max(found) == min(max(height, width), max_size)
    assert np.allclose(found, np.maximum(1, np.multiply((height, width), scale)), atol=0.5)


def test_a_picture_bomb_is_refused_and_a_large_picture_is_no_warning(tmp_path, monkeypatch):
    write_image(tmp_path / "a.png", np.zeros((10, 15, 3), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow warns from here on
    assert read_image(tmp_path / "a.png").shape == (10, 15, 3)
    monkeypatch.setattr(pictures, "MAX_PIXELS", 149)
    with pytest.raises(ValueError, match=r"a\.png holds more than .* pixels: scale it down"):
        read_image(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # and gives up from twice that
    with pytest.raises(ValueError, match=r"a\.png holds more than .* pixels: scale it down"):
        read_image(tmp_path / "a.png")


def test_bad_pictures_are_named(tmp_path):
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").touch()
    write_image(tmp_path / "whole.png", next(smooth()))
    content = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "half.png").write_bytes(content[: len(content) // 2])
    for name, error, words in [
        ("text.png", ValueError, r"not a picture that can be read \(unknown kind\)"),
        ("empty.png", ValueError, "is empty"),
        ("half.png", ValueError, "not a picture that can be read"),
        ("missing.png", FileNotFoundError, "check the name"),
        ("", IsADirectoryError, "is a folder"),
    ]:
        with pytest.raises(error, match=words) as caught:
            read_image(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
    with pytest.raises(ValueError, match="max_size=0"):
        read_image(tmp_path / "whole.png", max_size=0)


@pytest.mark.parametrize(("suffix", "error"), [(".png", 0), (".PNG", 0), (".tiff", 0), (".jpg", 3)])
def test_a_written_picture_reads_back(tmp_path, suffix, error):
    image = next(smooth())
    assert write_image(tmp_path / f"a{suffix}", image) == tmp_path / f"a{suffix}"
    assert np.abs(read_image(tmp_path / f"a{suffix}").astype(int) - image).mean() <= error
    assert os.listdir(tmp_path) == [f"a{suffix}"]


def test_a_picture_is_refused_before_anything_is_written(tmp_path):
    image = next(smooth())
    with pytest.raises(ValueError, match=r"a\.xyz has no known picture suffix"):
        write_image(tmp_path / "a.xyz", image)
    with pytest.raises(FileNotFoundError, match=r"nowhere for a\.png does not exist: create it first"):
        write_image(tmp_path / "nowhere" / "a.png", image)
    with pytest.raises(ValueError, match="shape"):
        write_image(tmp_path / "a.png", image[0])
    assert os.listdir(tmp_path) == []


# --- times ---


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (120, 120),
        (np.int64(7), 7),
        (1.5, 1.5),
        ("120", 120),
        ("1.5", 1.5),
        ("1.5s", 1.5),
        ("3s", 3.0),
        (".5", 0.5),
        ("1:30", 90.0),
        ("0:01:30", 90.0),
        ("1:00:00.25", 3600.25),
        (" 12 ", 12),
    ],
)
def test_an_int_is_a_frame_and_a_float_is_seconds(value, expected):
    assert parse_time(value) == expected
    assert type(parse_time(value)) is type(expected)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_clock_times_add_up(hours, minutes, seconds, thousandths):
    text = f"{hours}:{minutes:02}:{seconds:02}.{thousandths:03}"
    assert math.isclose(parse_time(text), hours * 3600 + minutes * 60 + seconds + thousandths / 1000)


@pytest.mark.parametrize("value", [-1, -0.5, math.nan, math.inf, True, None, "", "x", "1:2:3:4", "-3", "1e3", "²"])
def test_other_times_are_refused_in_a_sentence(value):
    with pytest.raises(ValueError, match="is not a place in a clip: expected a frame number"):
        parse_time(value)


@given(st.integers(1, 240), st.sampled_from([Fraction(1), Fraction(1000, 1001), Fraction(1, 2), Fraction(1, 3)]))
def test_the_rate_behind_two_printed_digits_is_found(base, factor):
    rate = base * factor
    assert abs(ffmpeg._exact_rate(float(f"{float(rate):.2f}")) - rate) < Fraction(1, 50)
    if factor in (1, Fraction(1000, 1001)) and base in (24, 30, 48, 60, 120):
        assert ffmpeg._exact_rate(float(f"{float(rate):.2f}")) == rate


# --- reading video ---


def test_a_clip_tells_its_rate_size_length_and_sound(clip):
    video = read_video(clip(sound="aac"))
    assert (video.fps, video.shape, video.length, video.sound) == (12.0, (48, 64), 24, True)
    assert (video.start, video.duration) == (0.0, 2.0)
    frames = list(video)
    assert [frame_number(frame) for frame in frames] == list(range(24))
    assert all(frame.shape == (48, 64, 3) and frame.dtype == np.uint8 for frame in frames)
    assert frames[0].flags.writeable
    assert not read_video(clip("silent.mp4")).sound


@pytest.mark.parametrize("fps", ["30000/1001", "24000/1001", "25/2", "60"])
def test_the_rate_is_exact(clip, fps):
    video = read_video(clip(fps=fps))
    assert video.fps == float(Fraction(fps))
    assert video.length == len(list(video)) == 24


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.webm", "libvpx"), ("a.mov", "mjpeg"), ("a.ts", "libx264")],
)
def test_containers_and_codecs(clip, name, codec):
    video = read_video(clip(name, "-b:v", "1M", codec=codec))
    assert (video.fps, video.length) == (12.0, 24)
    assert [frame_number(frame) for frame in video] == list(range(24))


def test_every_iteration_starts_anew_also_in_another_process(clip):
    video = pickle.loads(pickle.dumps(read_video(clip())))
    first, second = iter(video), iter(video)
    assert [frame_number(next(first)) for _ in range(3)] == [0, 1, 2]
    assert frame_number(next(second)) == 0
    assert len(list(video)) == 24


def test_frames_are_decoded_as_they_are_asked_for_and_the_process_ends_when_abandoned(clip, monkeypatch):
    started = []
    popen = subprocess.Popen

    def watched(*args, **kwargs):
        started.append(popen(*args, **kwargs))
        return started[-1]

    video = read_video(clip(count=60, shape=(480, 640)))
    monkeypatch.setattr(subprocess, "Popen", watched)
    frames = iter(video)
    assert not started
    next(frames)
    assert started[0].poll() is None  # 60 such frames do not fit into a pipe: it waits
    frames.close()
    assert started[0].poll() is not None
    for _ in itertools.islice(video, 2):
        pass
    gc.collect()  # an unclosed pipe would warn here, and warnings are errors
    assert started[1].poll() is not None


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_rotation_is_applied(tmp_path, turn):
    upright = np.zeros((48, 64, 3), np.uint8)
    upright[:24, :32] = 255
    write_video(tmp_path / "flat.mp4", [upright] * 3, fps=12)
    run("-display_rotation", turn, "-i", tmp_path / "flat.mp4", "-c", "copy", tmp_path / "turned.mp4")
    video = read_video(tmp_path / "turned.mp4")
    expected = np.rot90(upright, turn // 90)
    assert video.shape == expected.shape[:2]
    assert np.abs(next(iter(video)).astype(int) - expected).mean() < 4


def test_a_variable_rate_is_read_at_its_average_without_drift(tmp_path, beep):
    # Every second picture is missing in the first half: 12 or 13 there and 25 in the second.
    source = beep("vfr.mp4", "-vf", "select='gte(t,1)+not(mod(n,2))'", "-fps_mode", "vfr")
    video = read_video(source)
    assert video.fps == pytest.approx(38 / 2, abs=1)
    assert video.duration == pytest.approx(2, abs=1.5 / video.fps)
    assert video.length == len(list(video))
    assert light_start(video) == pytest.approx(1, abs=1 / video.fps)
    painted = write_video(tmp_path / "out.mp4", video, fps=video.fps, **video.sound_settings)
    assert tone_start(painted) == pytest.approx(1, abs=0.04)
    assert light_start(read_video(painted)) == pytest.approx(1, abs=1 / video.fps)


def test_a_clip_that_does_not_state_its_rate_is_counted(clip, tmp_path):
    run("-i", clip("a.mkv"), "-c", "copy", "-live", "1", "-bsf:v", "setts=duration=0", tmp_path / "live.webm.mkv")
    header = ffmpeg.read_header(tmp_path / "live.webm.mkv")
    assert ffmpeg.read_packets(tmp_path / "live.webm.mkv").fps == pytest.approx(12, abs=0.02)
    assert read_video(tmp_path / "live.webm.mkv").length == 24
    assert header.duration is None


@pytest.mark.parametrize("shape", [(47, 63), (48, 63), (47, 64)])
def test_odd_sizes_lose_a_row_or_column(clip, shape):
    path = clip("odd.mkv", "-pix_fmt", "yuv444p", shape=shape)
    video = read_video(path)
    assert video.shape == (shape[0] // 2 * 2, shape[1] // 2 * 2)
    assert all(frame.shape == (*video.shape, 3) for frame in video)


@SMALL
@given(height=st.integers(8, 70), width=st.integers(8, 70), max_size=st.integers(8, 80))
def test_the_working_size_is_even_and_bounded(height, width, max_size):
    first = ffmpeg.FirstFrame((height, width), Fraction(1), 0, 0.0, False)
    found = media._working_shape(first, max_size)
    assert all(side % 2 == 0 for side in found)
    assert max(found) <= max_size
    assert np.allclose(found, np.multiply((height, width), min(1, max_size / max(height, width))), atol=1.5)


def test_a_clip_is_scaled_down(clip):
    video = read_video(clip(), max_size=33)
    assert video.shape == (24, 32)
    assert [frame_number(frame) for frame in video] == list(range(24))


def test_pixels_are_made_square(clip):
    wide = read_video(clip("wide.mp4", "-vf", "setsar=128/117"))
    assert wide.shape == (48, 70)
    assert next(iter(wide)).shape == (48, 70, 3)
    assert read_video(clip("nearly.mp4", "-vf", "setsar=320/321")).shape == (48, 64)


@pytest.mark.parametrize("pix_fmt", ["gray", "yuv420p10le", "yuv422p", "rgb24"])
def test_other_pixel_formats_are_read(clip, pix_fmt):
    codec = "ffv1"
    video = read_video(clip("a.mkv", "-pix_fmt", pix_fmt, codec=codec))
    assert [frame_number(frame) for frame in video] == list(range(24))


def test_transparent_parts_lie_over_white(tmp_path):
    frames = np.zeros((5, 48, 64, 4), np.uint8)
    frames[:, :, 32:] = (200, 0, 0, 255)
    raw = ["-f", "rawvideo", "-pix_fmt", "rgba", "-s", "64x48", "-r", "12", "-i", "-"]
    run(*raw, "-c:v", "png", tmp_path / "a.mov", data=frames.tobytes())
    run(*raw, "-c:v", "apng", "-f", "apng", tmp_path / "a.png", data=frames.tobytes())
    run(*raw, "-vf", "split[a][b];[a]palettegen[p];[b][p]paletteuse", tmp_path / "a.gif", data=frames.tobytes())
    for name in ("a.mov", "a.png", "a.gif"):
        video = read_video(tmp_path / name)
        assert video.length == len(list(video)) == 5, name
        frame = next(iter(video))
        assert frame[:, :31].min() > 250, name
        assert np.abs(frame[:, 33:].astype(int) - (200, 0, 0)).max() < 6, name


def test_the_first_of_several_video_streams_is_read_and_a_cover_is_none(clip, tmp_path):
    small, large, cover = clip("small.mp4"), clip("large.mp4", shape=(96, 128)), tmp_path / "cover.png"
    write_image(cover, next(smooth()))
    run("-i", small, "-i", large, *["-map", "0", "-map", "1", "-c", "copy"], tmp_path / "two.mp4")
    assert read_video(tmp_path / "two.mp4").shape == (48, 64)
    covered = ["-i", cover, "-i", large, *["-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic"]]
    run(*covered, tmp_path / "covered.mp4")
    assert read_video(tmp_path / "covered.mp4").shape == (96, 128)
    assert read_video(tmp_path / "covered.mp4").length == 24


def test_pictures_that_start_after_the_sound_are_neither_held_nor_out_of_step(beep, tmp_path):
    # The container's clock starts with the sound; its first picture comes 0.3 s later.
    source = beep("late.mkv", "-ss", "0.32")
    inputs = ["-i", source, "-itsoffset", "0.3", "-i", source]
    run(*inputs, "-map", "1:v", "-map", "0:a", "-c", "copy", tmp_path / "l.mkv")
    video = read_video(tmp_path / "l.mkv")
    assert video.length == len(list(video)) == 42
    assert light_start(video) == pytest.approx(0.68)
    for name in ("o.mp4", "o.mkv", "o.webm"):
        painted = write_video(tmp_path / name, video, fps=video.fps, **video.sound_settings)
        assert tone_start(painted) == pytest.approx(tone_start(tmp_path / "l.mkv"), abs=0.04)
        assert read_video(painted).length == 42


# --- a part of a clip ---


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (3, 7, [3, 4, 5, 6]),
        (None, 2, [0, 1]),
        (22, None, [22, 23]),
        (0.5, 0.75, [6, 7, 8]),
        ("6", "0.75s", [6, 7, 8]),
        ("0:00:01.5", 99, [18, 19, 20, 21, 22, 23]),
    ],
)
def test_a_part_is_exact_and_its_end_exclusive(clip, start, end, expected):
    video = read_video(clip(), start=start, end=end)
    assert [frame_number(frame) for frame in video] == expected
    assert (video.length, video.start) == (len(expected), expected[0] / 12)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts", "a.gif"])
def test_a_part_far_into_a_clip_has_the_frames_of_the_whole(clip, name):
    # Long enough for seeking, few key frames, frames that depend on later ones.
    coding = [] if name.endswith("gif") else ["-g", "40", *(["-bf", "3"] if name != "a.avi" else [])]
    codec = {"a.avi": "mpeg4", "a.gif": "gif"}.get(name, "libx264")
    options = ["-pix_fmt", "rgb8"] if codec == "gif" else coding
    path = clip(name, *options, fps=10, count=60, codec=codec)
    whole = list(read_video(path))
    assert len(whole) == 60
    for start in (1, 25, 39, 40, 41, 57):
        part = list(read_video(path, start=start, end=start + 3))
        assert len(part) == 3
        assert np.array_equal(part, whole[start : start + 3]), start


def test_a_wrong_part_is_refused_in_a_sentence(clip):
    path = clip()
    for start, end, words in [
        (24, None, "start=24 is frame 24, but .*clip.mp4 has 24 frames"),
        ("0:05", None, "start='0:05' is frame 60"),
        (5, 5, "end=5 is not behind start=5"),
        (None, 0, "end=0 is not behind start"),
        ("soon", None, "'soon' is not a place in a clip"),
        (-1, None, "-1 is not a place in a clip"),
    ]:
        with pytest.raises(ValueError, match=words):
            read_video(path, start=start, end=end)


@pytest.mark.parametrize(("fps", "expected"), [(6, 12), (24, 48), (10, 20)])
def test_resampling_keeps_the_duration(clip, fps, expected):
    video = read_video(clip(), fps=fps)
    assert (video.fps, video.length, video.duration) == (fps, expected, 2.0)
    numbers = [frame_number(frame) for frame in video]
    assert len(numbers) == expected
    assert np.allclose(numbers, np.arange(expected) * 12 / fps, atol=1)


@pytest.mark.parametrize("fps", [0, -1, math.nan, math.inf, "25"])
def test_a_wrong_rate_is_refused(clip, fps, tmp_path):
    with pytest.raises(ValueError, match=r"fps=.*expected a number above 0"):
        read_video(clip(), fps=fps)
    with pytest.raises(ValueError, match=r"fps=.*expected a number above 0"):
        write_video(tmp_path / "a.mp4", smooth(), fps=fps)


# --- folders of pictures ---


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pics").mkdir()
    for k, frame in enumerate(numbered(12)):
        write_image(tmp_path / "pics" / f"shot_{k}.png", frame)
    (tmp_path / "pics" / "notes.txt").write_text("no picture")
    return tmp_path / "pics"


def test_a_folder_of_pictures_is_a_clip_in_natural_order(folder):
    for source in (folder, str(folder), folder / "shot_%d.png"):
        video = read_video(source)
        assert (video.fps, video.shape, video.length, video.sound) == (25.0, (48, 64), 12, False)
        assert [frame_number(frame) for frame in video] == list(range(12))
    part = read_video(folder, start=2, end=5, fps=10, max_size=32)
    assert (part.fps, part.start, part.shape) == (10.0, 0.2, (24, 32))
    assert [frame_number(frame) for frame in part] == [2, 3, 4]


def test_a_numbered_name_takes_numbers_of_its_width(folder):
    with pytest.raises(FileNotFoundError, match=r"shot_%04d\.png holds no pictures"):
        read_video(folder / "shot_%04d.png")
    assert read_video(folder / "shot_%02d.png").length == 2


def test_a_picture_of_another_size_is_named_at_the_door(folder):
    write_image(folder / "shot_7.png", np.zeros((48, 62, 3), np.uint8))
    with pytest.raises(ValueError, match=r"shot_7\.png is 62x48, expected 64x48 as shot_0\.png"):
        read_video(folder)


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no pictures, expected some of"):
        read_video(tmp_path)


# --- bad clips ---


def test_bad_clips_are_named_at_the_door(clip, tmp_path):
    (tmp_path / "text.mp4").write_text("hello, I am text\n" * 9)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:5,\nhttp://example.com/a.ts\n")
    run("-f", "lavfi", "-i", "sine=d=1", tmp_path / "sound.m4a")
    head, mark, body = clip("whole.mp4", "-movflags", "+faststart").read_bytes().partition(b"mdat")
    (tmp_path / "hollow.mp4").write_bytes(head + mark + bytes(len(body)))
    for name, error, words in [
        ("missing.mp4", FileNotFoundError, "there is no file .*: check the name"),
        ("empty.mp4", ValueError, "is empty"),
        ("text.mp4", ValueError, "is not a video"),
        ("list.m3u8", ValueError, "is not a video|holds no picture"),
        ("sound.m4a", ValueError, "has sound but no picture"),
        ("hollow.mp4", ValueError, "no frame of it decodes"),
    ]:
        with pytest.raises(error, match=words) as caught:
            read_video(tmp_path / name)
        message = str(caught.value)
        assert name in message
        assert "\n" not in message
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_files_and_folders_without_permission_are_named(clip, tmp_path, monkeypatch):
    path = clip()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root, who runs many a test, may do everything
    with pytest.raises(PermissionError, match=r"clip\.mp4 may not be read: change its permissions"):
        read_video(path)
    with pytest.raises(PermissionError, match=r"may not be written: choose another place for a\.mp4"):
        check_target(tmp_path / "a.mp4")
    with pytest.raises(PermissionError, match=r"may not be written: choose another place for a\.png"):
        write_image(tmp_path / "a.png", next(smooth()))


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.avi"])
def test_a_clip_that_was_cut_off_yields_what_decodes_and_says_so(clip, name):
    options = ["-movflags", "+faststart"] if name == "cut.mp4" else []
    path = clip(name, *options, count=60, codec="mpeg4")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.warns(TruncatedVideoWarning, match=rf"{name} is damaged or cut off: \d+ .*frames can be read"):
        video = read_video(path)
    assert 20 < video.length < 55
    assert abs(len(list(video)) - video.length) <= 2
    intact = read_video(path, end=10)  # no warning: that part is there
    assert len(list(intact)) == 10


def test_frames_that_fail_to_decode_are_told_at_the_end(clip, monkeypatch):
    video = read_video(clip())
    whole = ffmpeg.decode
    monkeypatch.setattr(ffmpeg, "decode", lambda reading: (frame for frame in list(whole(reading))[:9]))
    with pytest.warns(TruncatedVideoWarning, match=r"clip\.mp4 is damaged or cut off: 9 of about 24 frames"):
        assert len(list(video)) == 9


def test_a_clip_that_vanished_is_an_error_and_not_an_empty_one(clip):
    path = clip()
    video = read_video(path)
    path.unlink()
    with pytest.raises(ValueError, match="gave no frame, expected 24"):
        next(iter(video))


@pytest.mark.parametrize(
    "name",
    [
        "with space.mp4",
        "fílm ü 影.mp4",
        "-i.mp4",
        "100%d.mp4",
        "50%.mp4",
        "a:b.mp4",
        "http:x.mp4",
        "it's [1].mp4",
        "x;y.mp4",
    ],
)
def test_a_name_is_only_ever_a_name(clip, tmp_path, monkeypatch, name):
    clip().rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for source in (name, tmp_path / name):
        video = read_video(source)
        assert (video.length, len(list(video))) == (24, 24)
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    write_video(name, list(smooth(3)), fps=12, sound=tmp_path / name)
    assert os.listdir() == [name]
    assert read_video(name).length == 3


# --- writing video ---


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".gif", ""])
def test_an_unpainted_round_trip_is_within_two_grey_levels(tmp_path, suffix):
    frames = list(smooth())
    target = tmp_path / f"out{suffix}"
    assert write_video(target, frames, fps=25) == target
    video = read_video(target)
    assert (video.fps, video.shape, video.length, video.sound) == (25.0, (48, 64), 12, False)
    read = np.array(list(video), int)
    assert np.abs(read - frames).mean() < (8 if suffix == ".gif" else 2)
    assert abs((read - frames).mean()) < 0.5
    assert os.listdir(tmp_path) == [target.name]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_colours_are_labelled_as_what_they_are(tmp_path, suffix):
    write_video(tmp_path / f"a{suffix}", smooth(), fps=25)
    done = subprocess.run([get_ffmpeg_exe(), "-i", tmp_path / f"a{suffix}"], capture_output=True, check=False)
    assert b"yuv420p(tv, bt709" in done.stderr


def test_players_find_the_index_of_an_mp4_at_its_head(tmp_path):
    content = write_video(tmp_path / "a.mp4", smooth(), fps=25).read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_the_rate_is_written_exactly(tmp_path):
    write_video(tmp_path / "a.mp4", smooth(), fps=30000 / 1001)
    assert read_video(tmp_path / "a.mp4").fps == 30000 / 1001


@pytest.mark.parametrize(("fps", "length"), [(12, 40), (24, 40), (50, 40), (60, 33)])
def test_a_gif_keeps_its_duration_and_up_to_50_frames_a_second(tmp_path, fps, length):
    video = read_video(write_video(tmp_path / "a.gif", smooth(40), fps=fps))
    assert video.length == len(list(video)) == length
    assert video.duration == pytest.approx(40 / fps, abs=1 / fps)


def test_a_gif_of_one_picture_is_a_clip_of_one_frame(tmp_path):
    """It has no rate but how long the picture lasts."""
    Image.fromarray(next(iter(smooth(1)))).save(tmp_path / "a.gif", save_all=True, duration=200)
    video = read_video(tmp_path / "a.gif")
    assert (video.length, video.fps, len(list(video))) == (1, 5.0, 1)


def test_odd_frames_are_cropped_for_video_and_kept_for_pictures(tmp_path):
    frames = [frame[:47, :63] for frame in smooth(3)]
    assert read_video(write_video(tmp_path / "a.mp4", frames, fps=5)).shape == (46, 62)
    write_video(tmp_path / "pics", frames, fps=5)
    assert np.array_equal(read_image(tmp_path / "pics" / "000001.png"), frames[0])


def test_quality_trades_size_for_detail(tmp_path):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (6, 48, 64, 3), np.uint8)
    sizes = []
    for quality in (0, 40, None, 95):
        sizes.append(write_video(tmp_path / "a.mp4", frames, fps=5, quality=quality).stat().st_size)
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] / 3
    with pytest.raises(ValueError, match="quality=101, expected 0 to 100"):
        write_video(tmp_path / "a.mp4", frames, fps=5, quality=101)


def test_frames_are_taken_as_they_come(tmp_path):
    taken = 0

    def frames():
        nonlocal taken
        for frame in itertools.cycle(smooth()):  # endless
            taken += 1
            if taken == 40:
                raise InterruptedError
            yield frame

    with pytest.raises(InterruptedError):
        write_video(tmp_path / "a.mp4", frames(), fps=25)
    assert taken == 40
    assert os.listdir(tmp_path) == []


def test_floats_are_written_like_bytes(tmp_path):
    frames = list(smooth(3))
    write_video(tmp_path / "a", frames, fps=5)
    write_video(tmp_path / "b", [frame / 255 for frame in frames], fps=5)
    assert all(map(np.array_equal, read_video(tmp_path / "a"), read_video(tmp_path / "b")))


# --- sound ---


@pytest.mark.parametrize(
    ("source", "codec", "target"),
    [
        ("s.mp4", "aac", "o.mp4"),
        ("s.mp4", "libmp3lame", "o.mp4"),
        ("s.mp4", "ac3", "o.mov"),
        ("s.mkv", "libvorbis", "o.mkv"),
        ("s.mkv", "libopus", "o.webm"),
        ("s.mkv", "libvorbis", "o.webm"),
        ("s.mp4", "aac", "o.mkv"),
        ("s.mp4", "libmp3lame", "o.avi"),
    ],
)
def test_sound_is_copied_bit_for_bit_where_the_container_takes_it(clip, tmp_path, source, codec, target):
    video = read_video(clip(source, sound=codec))
    write_video(tmp_path / target, video, fps=video.fps, **video.sound_settings)
    assert packets(tmp_path / target) == packets(tmp_path / source)


@pytest.mark.parametrize(
    ("codec", "target", "expected"),
    [("aac", "o.webm", "opus"), ("libvorbis", "o.mp4", "aac"), ("pcm_s16le", "o.mp4", "aac"), ("aac", "o.avi", "ac3")],
)
def test_sound_is_encoded_where_the_container_does_not_take_it(clip, tmp_path, codec, target, expected):
    video = read_video(clip("s.mkv", sound=codec))
    write_video(tmp_path / target, video, fps=video.fps, **video.sound_settings)
    assert ffmpeg.read_header(tmp_path / target).audio_codec == expected
    assert read_video(tmp_path / target).duration == pytest.approx(2, abs=1 / 12)


@pytest.mark.parametrize("target", ["o.mp4", "o.mkv", "o.webm", "o.avi"])
@pytest.mark.parametrize("source", ["s.mp4", "s.mkv", "s.ts"])
def test_sound_stays_in_step(beep, tmp_path, source, target):
    video = read_video(beep(source))
    assert video.length == 50
    painted = write_video(tmp_path / target, video, fps=video.fps, **video.sound_settings)
    assert read_video(painted).length == 50
    assert light_start(read_video(painted)) == 1.0
    assert tone_start(painted) == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize("target", ["o.mp4", "o.mkv", "o.webm"])
def test_a_part_takes_its_part_of_the_sound(beep, tmp_path, target):
    video = read_video(beep("s.mp4"), start=18, end=38)
    painted = write_video(tmp_path / target, video, fps=video.fps, **video.sound_settings)
    assert read_video(painted).length == 20
    assert light_start(read_video(painted)) == pytest.approx(7 / 25)
    assert tone_start(painted) == pytest.approx(7 / 25, abs=0.04)
    assert ffmpeg.read_packets(painted).end == pytest.approx(20 / 25, abs=0.04)


def test_a_source_without_sound_gives_a_silent_clip(clip, tmp_path, folder):
    for source in (clip(), folder):
        write_video(tmp_path / "o.mp4", smooth(), fps=12, sound=source)
        assert not read_video(tmp_path / "o.mp4").sound
    write_video(tmp_path / "o.gif", smooth(), fps=12, sound=clip("loud.mp4", sound="aac"))
    assert read_video(tmp_path / "o.gif").length == 12
    assert read_video(folder).sound_settings == {}


def test_sound_comes_from_a_sound_file_too(tmp_path):
    run("-f", "lavfi", "-i", "sine=d=1", tmp_path / "a.mp3")
    write_video(tmp_path / "o.mp4", smooth(), fps=12, sound=tmp_path / "a.mp3")
    assert ffmpeg.read_header(tmp_path / "o.mp4").audio_codec == "mp3"


def test_bad_sound_is_refused_before_a_frame_is_taken(tmp_path):
    def frames():
        raise AssertionError("taken")
        yield

    (tmp_path / "text.mp3").write_text("la la la")
    for sound, error, words in [
        (tmp_path / "none.mp4", FileNotFoundError, "there is no file .*none.mp4"),
        (tmp_path / "text.mp3", ValueError, "text.mp3 is neither sound nor video"),
    ]:
        with pytest.raises(error, match=words):
            write_video(tmp_path / "o.mp4", frames(), fps=5, sound=sound)
    run("-f", "lavfi", "-i", "sine=d=1", tmp_path / "a.mp3")
    with pytest.raises(ValueError, match="sound_start=-1"):
        write_video(tmp_path / "o.mp4", frames(), fps=5, sound=tmp_path / "a.mp3", sound_start=-1)
    with pytest.raises(ValueError, match="sound_duration=0"):
        write_video(tmp_path / "o.mp4", frames(), fps=5, sound=tmp_path / "a.mp3", sound_duration=0)


# --- all or nothing ---


def broken(error, count=5):
    yield from smooth(count)
    raise error


@pytest.mark.parametrize("target", ["a.mp4", "a.webm", "a.gif", "pics"])
@pytest.mark.parametrize("error", [RuntimeError("out of paint"), KeyboardInterrupt(), BrokenPipeError("elsewhere")])
def test_a_failure_leaves_nothing_behind_and_the_earlier_result_as_it_was(tmp_path, target, error):
    path = tmp_path / target
    with pytest.raises(type(error)):
        write_video(path, broken(error), fps=5)
    assert os.listdir(tmp_path) == []
    write_video(path, smooth(2), fps=5)
    files = [path] if path.is_file() else sorted(path.iterdir())
    before = [file.read_bytes() for file in files]
    with pytest.raises(type(error)) as caught:
        write_video(path, broken(error), fps=5)
    assert caught.value is error
    assert os.listdir(tmp_path) == [target]
    assert [file.read_bytes() for file in files] == before
    assert files == ([path] if path.is_file() else sorted(path.iterdir()))


def test_a_result_takes_the_place_of_the_earlier_one(tmp_path):
    for target in (tmp_path / "a.mp4", tmp_path / "pics"):
        for count in (5, 3):
            write_video(target, smooth(count), fps=5)
            assert len(list(read_video(target))) == count


def test_a_result_can_be_read_by_whom_the_umask_allows(tmp_path):
    old = os.umask(0o022)
    try:
        for target in (tmp_path / "a.mp4", tmp_path / "a.png"):
            write = (
                write_video(target, smooth(2), fps=5)
                if target.suffix == ".mp4"
                else write_image(target, next(smooth()))
            )
            assert stat.S_IMODE(write.stat().st_mode) == 0o644
    finally:
        os.umask(old)


def test_frames_of_another_size_are_named(tmp_path):
    frames = [*smooth(3), np.zeros((48, 60, 3), np.uint8)]
    with pytest.raises(ValueError, match="frame 3 is 60x48, expected 64x48 as frame 0"):
        write_video(tmp_path / "a.mp4", frames, fps=5)
    with pytest.raises(ValueError, match=r"frame 1 has shape \(48, 64\)"):
        write_video(tmp_path / "a.mp4", [frames[0], frames[0][..., 0]], fps=5)
    with pytest.raises(ValueError, match=r"no frames to write to .*a\.mp4"):
        write_video(tmp_path / "a.mp4", [], fps=5)
    assert os.listdir(tmp_path) == []


def test_bad_targets_are_refused_at_the_door(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.doc").touch()
    for target, error, words in [
        (tmp_path / "a.xyz", ValueError, r"a\.xyz ends in \.xyz, expected one of \.mp4, .*\.gif, or a folder"),
        (tmp_path / "no" / "a.mp4", FileNotFoundError, r"no for a\.mp4 does not exist: create it first"),
        (tmp_path / "file" / "a.mp4", NotADirectoryError, "file is a file, expected a folder"),
        (tmp_path / "file", NotADirectoryError, "file is a file, expected a folder for pictures"),
        (tmp_path / "mine", FileExistsError, r"mine holds other files \(thesis\.doc\)"),
    ]:
        for attempt in (check_target, lambda name: write_video(name, broken(AssertionError), fps=5)):
            with pytest.raises(error, match=words):
                attempt(target)
    for target in (tmp_path / "a.mp4", tmp_path / "new", f"{tmp_path}/v1.5/", "relative.MP4"):
        assert check_target(target) is None
    assert sorted(os.listdir(tmp_path)) == ["file", "mine"]


def test_a_name_with_a_slash_at_its_end_is_a_folder(tmp_path):
    write_video(f"{tmp_path}/v1.5/", smooth(2), fps=5)
    assert sorted(os.listdir(tmp_path / "v1.5")) == ["000001.png", "000002.png"]


def test_the_source_is_never_the_target(tmp_path, clip):
    source = clip()
    os.link(source, tmp_path / "link.mp4")
    for target in (source, f"{tmp_path}/../{tmp_path.name}/clip.mp4", tmp_path / "link.mp4"):
        with pytest.raises(ValueError, match="is the source itself"):
            check_not_source(source, target)
    check_not_source(source, tmp_path / "other.mp4")
    check_not_source(tmp_path / "missing.mp4", tmp_path / "missing.mp4")


@pytest.mark.skipif(sys.platform == "win32", reason="stands in for ffmpeg with a shell script")
@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ("Unknown encoder 'libx264'", RuntimeError, "could not write the video .*Unknown encoder 'libx264'"),
        ("av_interleaved_write_frame(): No space left on device", OSError, "is full: make room"),
        ("", RuntimeError, "exit code 1"),
    ],
)
def test_a_dying_ffmpeg_is_quoted(tmp_path, monkeypatch, words, error, message):
    fake = tmp_path / "ffmpeg"
    fake.write_text(f'#!/bin/sh\nhead -c 20000 >/dev/null\necho "[out#0 @ 0x1] [error] {words}" >&2\nexit 1\n')
    fake.chmod(0o755)
    monkeypatch.setattr(ffmpeg, "get_ffmpeg_exe", lambda: str(fake))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.mp4").write_text("earlier")
    with pytest.raises(error, match=message) as caught:
        write_video(tmp_path / "out" / "a.mp4", smooth(200), fps=5)
    assert error is not OSError or caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path / "out") == ["a.mp4"]
    assert (tmp_path / "out" / "a.mp4").read_text() == "earlier"


def test_reading_and_writing_files_does_not_wait_for_tensorflow():
    code = "import sys, styletransfer.video.media; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- real clips ---

REAL = {
    "seed_1.avi": (24, (480, 856), 498, False),
    "squirrel.mp4": (25, (720, 1280), 250, True),
    "chaplin.mp4": (25, (360, 640), 241, True),
    "big_buck_bunny_0_30.webm": (24, (720, 1280), 720, True),
    "nasa_13013.mp4": (25, (180, 320), 325, True),
    "carphone.mp4": (30000 / 1001, (144, 192), 120, False),
}


@pytest.mark.parametrize("name", REAL)
def test_real_clips_tell_what_they_hold(data, name):
    video = read_video(data / "clips" / name)
    assert (video.fps, video.shape, video.length, video.sound) == REAL[name]
    assert sum(1 for _ in read_video(video.source, max_size=64)) == video.length
