"""A whole clip: what of the source is kept, and that no finished frame is ever lost."""

import json
import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
from conftest import texture

from styletransfer.pictures import read_image, write_image
from styletransfer.video import job
from styletransfer.video.job import job_folder, stylize_video, write_finished
from styletransfer.video.media import read_video

STYLE = texture(40, 32, seed=2, smooth=1.0)
FEW = {
    "style_layers": ("block1_conv1", "block2_conv1"),
    "content_layers": ("block2_conv2",),
    "steps": 2,
    "progress": False,
}
FEW_OPTIONS = {name: value for name, value in FEW.items() if name != "progress"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Half a second of a moving test picture with a tone, 64x48, 12 frames per second."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    picture, tone = "testsrc=size=64x48:rate=12:duration=0.5", "sine=frequency=440:duration=0.5"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone]
    subprocess.run([*command, "-pix_fmt", "yuv420p", str(path)], check=True)
    return path


def sound_of(path):
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-i",
        str(path),
        "-map",
        "0:a",
        "-c",
        "copy",
        "-f",
        "md5",
    ]
    return subprocess.run([*command, "-"], check=True, capture_output=True).stdout


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_sound_rate_length_and_size_are_the_sources(model, clip, tmp_path):
    target = stylize_video(clip, STYLE, tmp_path / "out.mp4", model=model, **FEW)
    source, result = read_video(clip), read_video(target)
    assert (result.fps, result.length, result.shape) == (source.fps, source.length, source.shape)
    assert sound_of(target) == sound_of(clip)


def test_only_the_target_is_left(model, clip, tmp_path):
    stylize_video(clip, STYLE, tmp_path / "out.mp4", model=model, end=2, **FEW)
    assert names(tmp_path) == ["out.mp4"]


def test_a_part_is_painted(model, clip, tmp_path):
    target = stylize_video(clip, STYLE, tmp_path / "out.mp4", model=model, start=2, end=5, **FEW)
    assert read_video(target).length == 3


def test_arrays_are_a_source(model, tmp_path):
    frames = [texture(32, 48, seed=i) for i in range(3)]
    target = stylize_video(frames, STYLE, tmp_path / "out.mp4", model=model, fps=10, **FEW)
    result = read_video(target)
    assert (result.fps, result.length, result.shape) == (10.0, 3, (32, 48))
    with pytest.raises(ValueError, match="pass a slice"):
        stylize_video(frames, STYLE, tmp_path / "out.mp4", model=model, start=1, **FEW)


def test_a_folder_of_pictures_is_a_target(model, clip, tmp_path):
    stylize_video(clip, STYLE, tmp_path / "frames", model=model, end=3, **FEW)
    assert names(tmp_path / "frames") == ["000001.png", "000002.png", "000003.png"]


def test_the_preview_holds_the_frame_painted_last(model, clip, tmp_path):
    preview = tmp_path / "preview.png"
    stylize_video(clip, STYLE, tmp_path / "frames", model=model, end=3, preview=preview, **FEW)
    np.testing.assert_array_equal(read_image(preview), read_image(tmp_path / "frames" / "000003.png"))


def test_every_frame_is_told_with_its_place_and_both_pictures(model, clip, tmp_path):
    told = []
    stylize_video(clip, STYLE, tmp_path / "out", model=model, on_frame=told.append, **FEW)
    assert [(one.done, one.total, one.place) for one in told] == [(n, 6, n - 1) for n in range(1, 7)]
    for one, source, name in zip(told, read_video(clip), names(tmp_path / "out"), strict=True):
        np.testing.assert_array_equal(one.source, source)
        np.testing.assert_array_equal(one.painted, read_image(tmp_path / "out" / name))


def test_what_is_finished_can_be_played_and_the_job_goes_on(model, clip, tmp_path):
    with pytest.raises(ValueError, match="no finished frame"):
        write_finished(clip, tmp_path / "out.mp4", tmp_path / "part.mp4")
    with pytest.raises(KeyboardInterrupt):
        stylize_video(clip, STYLE, tmp_path / "out.mp4", model=model, on_step=stopped_at(3), **FEW)
    part = write_finished(clip, tmp_path / "out.mp4", tmp_path / "part.mp4", **FEW_OPTIONS)
    assert (read_video(part).length, read_video(part).fps, read_video(part).sound) == (3, 12.0, True)
    told = []
    stylize_video(clip, STYLE, tmp_path / "out.mp4", model=model, on_frame=told.append, **FEW)
    assert [one.done for one in told] == [4, 5, 6]


def stopped_at(frame):
    """An `on_step` that presses Ctrl-C while the given frame is painted."""
    begun = []

    def stop(iterate):
        if iterate.step == 1:
            begun.append(iterate)
        if len(begun) > frame:
            raise KeyboardInterrupt

    return stop


def stopped_after(evaluations):
    """An `on_step` that presses Ctrl-C after so many evaluations."""
    left = [None] * evaluations

    def stop(iterate):
        if not left:
            raise KeyboardInterrupt
        left.pop()

    return stop


MOVING = [np.ascontiguousarray(texture(48, 96, seed=1, smooth=2.5)[:, 3 * i : 3 * i + 64]) for i in range(5)]


@pytest.mark.parametrize("frame", [0, 1, 3])
def test_a_job_that_was_stopped_gives_the_same_frames(model, tmp_path, frame):
    settings = FEW | {"tolerance": 0.0, "still_threshold": 0.0}
    whole = []
    stylize_video(MOVING, STYLE, tmp_path / "whole", model=model, on_step=whole.append, **settings)
    with pytest.raises(KeyboardInterrupt):
        stylize_video(MOVING, STYLE, tmp_path / "again", model=model, on_step=stopped_at(frame), **settings)
    assert not (tmp_path / "again").exists()
    assert len(list((job_folder(tmp_path / "again") / "frames").glob("*.png"))) == frame
    seen = []
    stylize_video(MOVING, STYLE, tmp_path / "again", model=model, on_step=seen.append, **settings)
    begun = [i for i, iterate in enumerate(whole) if iterate.step == 1]
    assert len(begun) == 5 and len(seen) == len(whole) - begun[frame]
    for name in names(tmp_path / "whole"):
        np.testing.assert_array_equal(read_image(tmp_path / "whole" / name), read_image(tmp_path / "again" / name))
    assert names(tmp_path) == ["again", "whole"]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("more", [{"history": (1, 2, 3)}, {"passes": 2}], ids=["history", "passes"])
def test_a_job_with_a_long_memory_that_was_stopped_gives_the_same_frames(model, tmp_path, share, more):
    settings = FEW | {"tolerance": 0.0, "flow_quality": "fast"} | more
    moving = [*MOVING[:2], MOVING[1], *MOVING[2:]]  # one of them held
    whole, again = [], []
    stylize_video(moving, STYLE, tmp_path / "whole", model=model, on_step=whole.append, **settings)
    stop = stopped_after(int(share * len(whole)))
    with pytest.raises(KeyboardInterrupt):
        stylize_video(moving, STYLE, tmp_path / "again", model=model, on_step=stop, **settings)
    stylize_video(moving, STYLE, tmp_path / "again", model=model, on_step=again.append, **settings)
    assert len(again) <= (1 - share) * len(whole) + 2
    for name in names(tmp_path / "whole"):
        np.testing.assert_array_equal(read_image(tmp_path / "whole" / name), read_image(tmp_path / "again" / name))
    assert names(tmp_path) == ["again", "whole"]


def test_the_state_on_disk_reaches_no_further_back_than_the_history(model, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        stylize_video(MOVING, STYLE, tmp_path / "out", model=model, on_step=stopped_at(4), history=(1, 2), **FEW)
    state = job_folder(tmp_path / "out") / "state"
    assert names(state) == ["000003.npz", "000004.npz", "opening_000001.npz"]


def test_a_job_with_other_arguments_is_not_taken_up(model, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        stylize_video(MOVING, STYLE, tmp_path / "out.mp4", model=model, on_step=stopped_at(1), **FEW)
    with pytest.raises(ValueError, match=r"other arguments \(steps: 2, now 3\)"):
        stylize_video(MOVING, STYLE, tmp_path / "out.mp4", model=model, **FEW | {"steps": 3})
    stylize_video(MOVING, STYLE, tmp_path / "out.mp4", model=model, resume=False, **FEW | {"steps": 3})
    assert names(tmp_path) == ["out.mp4"]


@pytest.mark.parametrize("name", ["manifest.json", "state/000001.npz"])
@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04 not really"])
def test_a_damaged_job_starts_again(model, tmp_path, name, content):
    with pytest.raises(KeyboardInterrupt):
        stylize_video(MOVING, STYLE, tmp_path / "out.mp4", model=model, on_step=stopped_at(1), **FEW)
    (job_folder(tmp_path / "out.mp4") / name).write_bytes(content)
    if (name, content) == ("manifest.json", b"{}"):
        with pytest.raises(ValueError, match="other arguments"):
            stylize_video(MOVING, STYLE, tmp_path / "out.mp4", model=model, **FEW)
    else:
        stylize_video(MOVING, STYLE, tmp_path / "out.mp4", model=model, **FEW)
        assert names(tmp_path) == ["out.mp4"]


def test_an_earlier_target_stays_until_the_new_one_is_complete(model, tmp_path):
    target = tmp_path / "out.mp4"
    target.write_bytes(b"earlier")
    with pytest.raises(KeyboardInterrupt):
        stylize_video(MOVING, STYLE, target, model=model, on_step=stopped_at(1), **FEW)
    assert target.read_bytes() == b"earlier"


def test_the_manifest_is_plain_json_and_names_every_option(model, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        stylize_video(MOVING, STYLE, tmp_path / "out.mp4", model=model, on_step=stopped_at(1), **FEW)
    manifest = json.loads((job_folder(tmp_path / "out.mp4") / "manifest.json").read_text())
    assert manifest["options"]["steps"] == 2 and manifest["options"]["init"] == "content"


def test_the_same_style_from_file_and_changed_file_differ(tmp_path):
    file = write_image(tmp_path / "style.png", STYLE)
    before = job._fingerprint(file)
    assert job._fingerprint(str(file)) == before
    write_image(file, STYLE[::-1])
    assert job._fingerprint(file) != before


@pytest.mark.parametrize(
    "source, target, kind, words",
    [
        ("nowhere.mp4", "out.mp4", FileNotFoundError, "nowhere.mp4"),
        ("clip.mp4", "nowhere/out.mp4", FileNotFoundError, "nowhere"),
        ("clip.mp4", "clip.mp4", ValueError, "clip.mp4"),
        ("clip.mp4", "out.doc", ValueError, "mp4"),
    ],
)
def test_wrong_files_are_refused_and_nothing_is_written(model, clip, tmp_path, source, target, kind, words):
    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    with pytest.raises(kind, match=words):
        stylize_video(tmp_path / source, STYLE, tmp_path / target, model=model, **FEW)
    assert names(tmp_path) == ["clip.mp4"]


def test_what_fails_before_the_first_frame_leaves_nothing(model, clip, tmp_path):
    with pytest.raises(ValueError, match="block9"):
        stylize_video(clip, STYLE, tmp_path / "out.mp4", model=model, content_layers=("block9",), progress=False)
    for passes in (1, 2):
        with pytest.raises(FileNotFoundError, match=r"nowhere\.h5"):
            stylize_video(clip, STYLE, tmp_path / "out.mp4", weights="nowhere.h5", passes=passes, progress=False)
    assert names(tmp_path) == []


def test_the_bar_knows_the_length_and_shows_the_loss(model, capsys, tmp_path):
    stylize_video(MOVING, STYLE, tmp_path / "out.mp4", model=model, **FEW | {"progress": True})
    shown = capsys.readouterr().err
    assert "5/5" in shown and "loss" in shown
