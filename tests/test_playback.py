"""A painted clip in a notebook: a path like any other, shown beside its original, small, and live while it is made."""

import base64
import copy
import io
import os
import pathlib
import pickle
import re
import subprocess
import sys
import types

import imageio_ffmpeg
import numpy as np
import pytest
from conftest import texture
from PIL import Image

from styletransfer.video import playback
from styletransfer.video.job import stylize_video
from styletransfer.video.media import read_video, write_video
from styletransfer.video.playback import PaintedClip, beside, in_notebook, painted_clip, preview_of

STYLE = texture(40, 32, seed=2, smooth=1.0)
FEW = {"style_layers": ("block1_conv1",), "content_layers": ("block1_conv2",), "steps": 2}
DARK, LIGHT = (np.full((48, 64, 3), value, np.uint8) for value in (40, 200))


@pytest.fixture
def clips(tmp_path):
    """A dark clip of two seconds with a tone, and a light one in place of its painting."""
    source = tmp_path / "source.mp4"
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2", "-c:a", "libmp3lame", str(tmp_path / "tone.mp3")]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *tone], check=True)
    write_video(source, [DARK] * 20, fps=10, sound=tmp_path / "tone.mp3")
    return source, write_video(tmp_path / "painted.mp4", [LIGHT] * 20, fps=10, sound=source)


def embedded(clip, folder):
    """The video in what a notebook shows."""
    (data,) = re.findall(r'src="data:video/mp4;base64,([^"]+)"', clip._repr_html_())
    file = folder / "embedded.mp4"
    file.write_bytes(base64.b64decode(data))
    return read_video(file)


def sides(video):
    """The mean grey level of the left and of the right half of every frame."""
    half = video.shape[1] // 2
    return [(round(float(frame[:, :half].mean())), round(float(frame[:, half:].mean()))) for frame in video]


# ---------------------------------------------------------------- the path


def test_a_painted_clip_is_a_path_like_any_other(tmp_path):
    clip = painted_clip(tmp_path / "out.mp4", 25.0, tmp_path / "in.mp4")
    assert isinstance(clip, pathlib.Path) and clip == tmp_path / "out.mp4" and hash(clip) == hash(tmp_path / "out.mp4")
    assert (clip.parent, clip.suffix, clip.parent / "x") == (tmp_path, ".mp4", tmp_path / "x")
    assert str(clip.with_suffix(".webm")) == str(tmp_path / "out.webm")
    clip.write_bytes(b"1")
    assert os.path.getsize(clip) == 1 and list(tmp_path.iterdir()) == [clip]


def test_copies_are_shown_like_the_clip_itself(clips):
    source, painted = clips
    clip = painted_clip(painted, 10.0, source)
    for copied in (copy.copy(clip), copy.deepcopy(clip), pickle.loads(pickle.dumps(clip))):
        assert type(copied) is PaintedClip and copied == clip
        assert copied._repr_html_().endswith(clip._repr_html_()[-60:])


def test_what_is_derived_from_it_and_what_is_gone_is_shown_as_a_path(clips):
    clip = painted_clip(clips[1], 10.0, clips[0])
    assert clip.parent._repr_html_() is None and clip.with_suffix(".webm")._repr_html_() is None
    clip.unlink()
    assert clip._repr_html_() is None


# ---------------------------------------------------------------- what a notebook shows


def test_original_and_painted_clip_are_shown_side_by_side_in_step_with_sound(clips, tmp_path):
    source, painted = clips
    moving = [np.full((48, 64, 3), 20 * n, np.uint8) for n in range(10)]
    write_video(source, moving, fps=10)
    write_video(painted, [frame + 40 for frame in moving], fps=10, sound=tmp_path / "tone.mp3")
    shown = embedded(painted_clip(painted, 10.0, source), tmp_path)
    assert (shown.shape, shown.fps, shown.length, shown.sound) == ((48, 128), 10.0, 10, True)
    assert np.allclose(sides(shown), [(20 * n, 20 * n + 40) for n in range(10)], atol=4)


def test_the_part_that_was_painted_is_shown(clips, tmp_path):
    source, painted = clips
    write_video(source, [*[DARK] * 5, *[LIGHT] * 5], fps=10)
    write_video(painted, [LIGHT] * 5, fps=10)
    shown = embedded(painted_clip(painted, 10.0, source, start=5, end=10), tmp_path)
    assert np.allclose(sides(shown), [(200, 200)] * 5, atol=3)


def test_a_source_of_another_size_is_brought_to_that_of_its_painting(clips, tmp_path):
    source, painted = clips
    write_video(source, [np.full((480, 856, 3), 40, np.uint8)] * 2, fps=10)
    write_video(painted, [np.full((286, 512, 3), 200, np.uint8)] * 2, fps=10)
    shown = embedded(painted_clip(painted, 10.0, source), tmp_path)
    assert shown.shape == (214, 2 * playback.SIDE)
    assert np.allclose(sides(shown), [(40, 200)] * 2, atol=3)


def test_arrays_and_an_original_that_is_gone_leave_the_painted_clip_alone(clips, tmp_path):
    source, painted = clips
    assert embedded(painted_clip(painted, 10.0, [DARK] * 20), tmp_path).shape == (48, 64)
    source.unlink()
    clip = painted_clip(painted, 10.0, source)
    assert embedded(clip, tmp_path).shape == (48, 64)
    assert "The original cannot be shown: there is no file" in clip._repr_html_()


def test_pictures_in_a_folder_are_shown_as_a_clip(tmp_path):
    painted = write_video(tmp_path / "frames", [LIGHT] * 4, fps=8)
    shown = embedded(painted_clip(painted, 8.0, [DARK] * 4), tmp_path)
    assert (shown.fps, shown.length) == (8.0, 4)


def test_a_name_cannot_write_html(clips):
    painted = clips[1].rename(clips[1].with_name("<b>&.mp4"))
    assert "&lt;b&gt;&amp;.mp4</figcaption>" in painted_clip(painted, 10.0, clips[0])._repr_html_()


def test_what_a_notebook_keeps_is_bounded_in_bytes_and_seconds(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(40)]
    painted = write_video(tmp_path / "painted.mp4", noise, fps=10)
    clip = painted_clip(painted, 10.0, noise)
    whole = embedded(clip, tmp_path)
    assert whole.length == 40 and "seconds of" not in clip._repr_html_()
    monkeypatch.setattr(playback, "SECONDS", 2.0)
    part = embedded(clip, tmp_path)
    assert part.length == 20
    assert f"the first 2 of 4 seconds of {painted}" in clip._repr_html_()
    limit = part.source.stat().st_size // 2
    monkeypatch.setattr(playback, "LARGEST", limit)
    part = embedded(clip, tmp_path)
    assert 2 <= part.length < 20 and part.source.stat().st_size <= limit


def test_what_stylize_video_returns_is_shown_beside_its_source(model, clips, tmp_path):
    target = tmp_path / "out.mp4"
    clip = stylize_video(clips[0], STYLE, target, model=model, start=4, end="1.2s", progress=False, **FEW)
    assert isinstance(clip, pathlib.Path) and clip == target
    shown = embedded(clip, tmp_path)
    assert (shown.shape, shown.length) == ((48, 128), 8)
    assert np.allclose([left for left, _ in sides(shown)], 40, atol=3)


# ---------------------------------------------------------------- while it is painted


class Notebook:
    """IPython as far as it is used: a kernel, and the pictures that the output of the present cell has held."""

    def __init__(self, kernel=True):
        self.shell = types.SimpleNamespace(kernel=object()) if kernel else types.SimpleNamespace()
        self.pictures = []
        self.outputs = 0
        self.display = types.SimpleNamespace(display=self.show, Image=lambda **one: (one["format"], one["data"]))
        self.get_ipython = lambda: self.shell

    def show(self, picture, display_id):
        assert display_id is True
        self.outputs += 1
        self.update(picture)
        return self

    def update(self, picture):
        assert picture[0] == "jpeg"
        self.pictures.append(np.asarray(Image.open(io.BytesIO(picture[1]))))


@pytest.fixture
def notebook(monkeypatch):
    found = Notebook()
    monkeypatch.setitem(sys.modules, "IPython", found)
    return found


def test_a_notebook_is_one_whose_shell_has_a_kernel(monkeypatch, notebook):
    assert in_notebook()
    notebook.get_ipython = lambda: None
    assert not in_notebook()
    monkeypatch.setitem(sys.modules, "IPython", Notebook(kernel=False))
    assert not in_notebook()
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()


@pytest.mark.parametrize(
    "preview, progress, expected",
    [(None, True, True), (None, False, False), (True, False, True), (False, True, False)],
)
def test_a_notebook_has_a_live_preview_where_there_is_a_bar_or_it_is_asked_for(notebook, preview, progress, expected):
    assert (preview_of(preview, progress) is not None) == expected


def test_outside_a_notebook_there_is_none(monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert preview_of(None, True) is None and preview_of(False, True) is None
    with pytest.raises(ValueError, match="name of a picture file"):
        stylize_video([DARK], STYLE, tmp_path / "out.mp4", preview=True)


def test_the_live_preview_replaces_one_picture_at_most_once_a_second(notebook, monkeypatch):
    now = 100.0
    monkeypatch.setattr(playback, "time", types.SimpleNamespace(monotonic=lambda: now))
    show = preview_of(True, progress=False)
    for frame in range(31):
        now = 100.0 + frame / 10
        show(DARK, np.full((48, 64, 3), 8 * frame, np.uint8))
    assert notebook.outputs == 1 and len(notebook.pictures) == 4
    assert [round(picture[:, 64:].mean() / 8) for picture in notebook.pictures] == [0, 10, 20, 30]
    assert all(abs(picture[:, :64].mean() - 40) < 2 for picture in notebook.pictures)


def test_the_live_preview_is_small(notebook):
    preview_of(True, progress=False)(texture(480, 856), texture(480, 856, seed=1))
    assert notebook.pictures[0].shape[1] <= 2 * playback.SIDE and notebook.pictures[0].shape[0] <= playback.SIDE


def test_a_job_in_a_notebook_shows_its_frames_beside_their_sources(model, notebook, tmp_path):
    frames = [DARK, LIGHT]
    stylize_video(frames, STYLE, tmp_path / "out.mp4", model=model, preview=True, progress=False, **FEW)
    assert notebook.outputs == 1 and notebook.pictures[0].shape == (48, 128, 3)
    assert abs(notebook.pictures[0][:, :64].mean() - 40) < 2


def test_a_source_is_shown_in_the_size_of_its_painting():
    assert beside(texture(96, 128), texture(48, 64)).shape == (48, 128, 3)
