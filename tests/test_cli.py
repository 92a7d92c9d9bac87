"""The command line: what it offers, what it refuses, what it writes and says."""

import argparse
import os
import pathlib
import subprocess
import sys
import warnings
from dataclasses import fields

import keras
import numpy as np
import pytest

import styletransfer
from styletransfer.app import cli
from styletransfer.app.arguments import given_settings
from styletransfer.options import PRESETS, VIDEO_ONLY, StyleOptions
from styletransfer.video.media import read_image, read_video, write_image, write_video

FIELDS = [field.name for field in fields(StyleOptions)]
FRAMES = 3


def option(name: str) -> str:
    return "--" + name.replace("_", "-")


def parse(*words: str) -> argparse.Namespace:
    return cli.build_parser().parse_args(words)


def texture(shape: tuple[int, int], seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (shape[0] // 8, shape[1] // 8, 3), np.uint8)
    return coarse.repeat(8, axis=0).repeat(8, axis=1)


@pytest.fixture
def desk(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The working folder, with a picture, a style and a clip that pans."""
    monkeypatch.chdir(tmp_path)
    write_image("photo.png", texture((32, 48), 1))
    write_image("style.png", texture((40, 40), 2))
    scene = texture((32, 64), 3)
    write_video("clip.mp4", [scene[:, i : i + 48] for i in range(0, 2 * FRAMES, 2)], fps=10)
    return tmp_path


@pytest.fixture
def quick(weights: str) -> list[str]:
    """The least that paints."""
    layers = ["--content-layers", "block2_conv1", "--style-layers", "block1_conv1"]
    return ["--steps", "2", "--weights", weights, "--precision", "float32", *layers]


# --- what is offered ---


@pytest.mark.parametrize("command", ["image", "video", "demo"])
def test_help_lists_every_field_with_its_text_and_default(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for field in fields(StyleOptions):
        offered = command != "image" or field.name not in VIDEO_ONLY
        assert (f"{option(field.name)} " in text.replace(",", " ")) == offered
        assert (" ".join(field.metadata["help"].split()) in text) == offered
    assert f"styletransfer {command}" in text.split("examples:")[1]
    assert f"(default: {StyleOptions().temporal_weight})" in text or command == "image"
    assert f"(default: {', '.join(StyleOptions().style_layers)})" in text


def test_without_options_the_settings_are_the_defaults() -> None:
    for words in (["image", "a", "b", "-o", "c.png"], ["video", "a", "b", "-o", "c.mp4"], ["demo"]):
        assert given_settings(parse(*words)) == {}


OTHERS = {
    "preset": "report",
    "max_size": None,
    "content_layers": ("block3_conv1", "block4_conv2"),
    "style_layers": (),
    "init": "noise",
    "history": (1, 10),
    "keyframes": "auto",
    "min_carried": 0.25,
    "min_hold": 0.25,
    "min_hole": 0.25,
    "blend": 0.25,
    "style_layer_weights": (1.0, 0.5, 0.5, 0.25, 0.0),
    "style_loss": "wasserstein",
    "mix": "1.0,0.0@0; 0.0,1.0@2.5s",
    "strength": 0.25,
    "preserve_color": "match",
    "scales": 3,
    "coarsest": 96,
    "flow_quality": "best",
    "optimizer": "adam",
    "pooling": "max",
    "padding": "zero",
    "precision": "float32",
    "weights": "some file.h5",
    "start": 12,
    "end": "0:01:30",
    "fps": 12.5,
}
"""A value other than the default, for fields whose default is no number."""


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_given_as_text_and_arrives_in_its_type(name: str) -> None:
    default = StyleOptions().asdict()[name]
    value = not default if isinstance(default, bool) else OTHERS[name] if name in OTHERS else default + 1
    if isinstance(value, bool):
        words = [option(name) if value else "--no-" + option(name)[2:]]
    else:
        words = [option(name), ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    given = given_settings(parse("video", "a", "b", "-o", "c.mp4", *words))
    assert given == {name: value}
    assert type(given[name]) is type(value)
    assert StyleOptions(**given).asdict()[name] == value


@pytest.mark.parametrize(
    ("text", "value"), [("12", 12), ("2.5", 2.5), ("2.5s", "2.5s"), ("0:01:30", "0:01:30"), ("none", None)]
)
def test_whole_numbers_are_frames_and_the_rest_are_seconds(text: str, value: object) -> None:
    given = given_settings(parse("video", "a", "b", "-o", "c.mp4", "--start", text))["start"]
    assert given == value
    assert type(given) is type(value)


def test_what_is_given_overrides_the_preset_and_nothing_else_does() -> None:
    given = given_settings(parse("video", "a", "b", "-o", "c.mp4", "--preset", "report", "--steps", "7"))
    assert StyleOptions(**given) == StyleOptions(**PRESETS["report"] | {"preset": "report", "steps": 7})


def test_names_that_begin_with_a_dash_and_hold_anything() -> None:
    read = parse("video", "-o", "-ö ut=1 %d.mp4", "--steps", "3", "--", "-a b.mp4", "--é%s.jpg")
    assert (read.source, read.style, read.output, read.steps) == ("-a b.mp4", ["--é%s.jpg"], "-ö ut=1 %d.mp4", 3)
    assert parse("video", "./-a.mp4", "b", "--output=-o.mp4").output == "-o.mp4"
    assert parse("video", "a", "b", "-o", "c.mp4", "--content-weight", "-1e-4").content_weight == -1e-4


def test_quiet_may_stand_before_or_after_the_command() -> None:
    assert [parse(*words).quiet for words in (["-q", "demo"], ["demo", "-q"], ["demo"])] == [True, True, False]


# --- what is refused ---

IMAGE = ["image", "photo.png", "style.png", "-o", "out.png"]
VIDEO = ["video", "clip.mp4", "style.png", "-o", "out.mp4"]
ALONE = ["--temporal-weight", "0", "--no-warm-start"]
"""Every frame on its own: no flow to wait for."""

REFUSED = {
    "no command": ([], "COMMAND"),
    "unknown command": (["vidoe"], "'video'"),
    "nothing but the command": (["video"], "SOURCE, STYLE, -o/--output"),
    "no value": ([*VIDEO, "--steps"], "--steps: expected one argument"),
    "misspelt option": ([*VIDEO, "--stpes", "10"], "unknown option '--stpes': did you mean '--steps'?"),
    "misspelt option with a value": ([*VIDEO, "--max_size=10"], "did you mean '--max-size'?"),
    "misspelt switch": ([*VIDEO, "--no-warmstart"], "did you mean '--no-warm-start'?"),
    "name that looks like an option": (["video", "-clip.mp4", "style.png", "-o", "out.mp4"], "write ./-clip.mp4"),
    "too many names": ([*VIDEO, "more"], "unrecognized arguments: more"),
    "option of video for a picture": ([*IMAGE, "--temporal-weight", "1"], "unknown option '--temporal-weight'"),
    "negative weight": (
        [*VIDEO, "--content-weight", "-1"],
        "content_weight=-1.0: expected a finite number of at least 0",
    ),
    "weight that is not a number": ([*VIDEO, "--style-weight", "nan"], "style_weight=nan: expected a finite number"),
    "infinite weight": ([*VIDEO, "--tv-weight", "inf"], "tv_weight=inf: expected a finite number"),
    "text for a number": ([*VIDEO, "--steps", "many"], "steps='many': expected a whole number of at least 1"),
    "no steps": ([*IMAGE, "--steps", "0"], "steps=0: expected a whole number of at least 1"),
    "unknown choice": ([*VIDEO, "--pooling", "mean"], "pooling='mean': expected one of 'avg', 'max'"),
    "unknown preset": ([*VIDEO, "--preset", "best"], "preset='best': expected one of 'default'"),
    "unknown layer": ([*IMAGE, "--content-layers", "block9_conv1"], "'block9_conv1' is not in VGG19: expected one of"),
    "unknown layer for a video": (
        [*VIDEO, "--content-layers", "block9_conv1"],
        "'block9_conv1' is not in VGG19: expected one of",
    ),
    "history of nothing": ([*VIDEO, "--history", "0"], "history=(0,): expected a tuple of whole numbers of at least 1"),
    "history of words": ([*VIDEO, "--history", "1,all"], "history=(1, 'all'): expected a tuple of whole numbers"),
    "history in no order": ([*VIDEO, "--history", "3,1"], "history=(3, 1): expected rising distances"),
    "more passes than steps": ([*VIDEO, "--steps", "2", "--passes", "3"], "passes=3 with steps=2"),
    "too much blend": ([*VIDEO, "--blend", "2"], "blend=2.0: expected a finite number of at least 0 and at most 1"),
    "unknown flow": ([*VIDEO, "--flow", "farneback"], "flow is 'farneback', expected one of"),
    "folder without flow": ([*VIDEO, "--flow", "nothing"], "nothing holds no flow"),
    "motion of nothing": (["flow", "no.mp4", "-o", "motion"], "no.mp4"),
    "motion into a file": (["flow", "clip.mp4", "-o", "photo.png"], "photo.png is a file, expected a folder"),
    "motion into no folder": (["flow", "clip.mp4", "-o", "no/motion"], "does not exist"),
    "missing weights": ([*IMAGE, "--weights", "no.h5"], "no.h5"),
    "wrong time": ([*VIDEO, "--start", "soon"], "soon"),
    "start after the end": ([*VIDEO, "--start", "2", "--end", "1"], "start"),
    "start after the last frame": ([*VIDEO, "--start", "100"], "start"),
    "missing source": (["video", "no.mp4", "style.png", "-o", "out.mp4"], "no.mp4"),
    "missing content": (["image", "no.png", "style.png", "-o", "out.png"], "no.png"),
    "missing style": (["video", "clip.mp4", "no.png", "-o", "out.mp4"], "no.png"),
    "folder for a picture": (["image", ".", "style.png", "-o", "out.png"], ". is a folder"),
    "empty file": (["video", "empty.mp4", "style.png", "-o", "out.mp4"], "empty.mp4 is empty"),
    "text named .mp4": (["video", "text.mp4", "style.png", "-o", "out.mp4"], "text.mp4"),
    "text named .png": (["image", "photo.png", "text.png", "-o", "out.png"], "text.png"),
    "sound only": (["video", "sound.wav", "style.png", "-o", "out.mp4"], "sound.wav"),
    "folder without pictures": (["video", "nothing", "style.png", "-o", "out.mp4"], "nothing"),
    "picture of one pixel": (["image", "dot.png", "style.png", "-o", "out.png"], "1x1"),
    "target is the source": (["video", "clip.mp4", "style.png", "-o", "./clip.mp4"], "clip.mp4 is the source itself"),
    "target is the style": (["image", "photo.png", "style.png", "-o", "style.png"], "style.png is the source itself"),
    "target in no folder": (["video", "clip.mp4", "style.png", "-o", "no/out.mp4"], "folder"),
    "picture in no folder": (["image", "photo.png", "style.png", "-o", "no/out.png"], "folder"),
    "folder for the result": (["image", "photo.png", "style.png", "-o", "nothing"], "nothing is a folder"),
    "unknown kind of video": (["video", "clip.mp4", "style.png", "-o", "out.txt"], "out.txt ends in .txt"),
    "unknown kind of picture": (["image", "photo.png", "style.png", "-o", "out.mp4"], "no known picture suffix"),
    "snapshots beyond the end": ([*IMAGE, "--snapshots", "s", "--snapshot-steps", "500"], "500"),
    "snapshots of words": ([*IMAGE, "--snapshots", "s", "--snapshot-steps", "all"], "such as 10,50,100"),
    "snapshots nowhere": ([*IMAGE, "--snapshot-steps", "10"], "--snapshot-steps needs --snapshots DIR"),
    "snapshots in a file": ([*IMAGE, "--snapshots", "photo.png"], "photo.png"),
    "size without a height": (["demo", "--size", "256"], "expected WIDTHxHEIGHT"),
    "demo without frames": (["demo", "--frames", "0"], "frames=0"),
    "demo into a file": (["demo", "-o", "photo.png"], "photo.png"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_call_gets_one_sentence_and_leaves_nothing(
    name: str,
    desk: pathlib.Path,
    model: keras.Model,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (desk / "empty.mp4").touch()
    (desk / "text.mp4").write_text("not a video")
    (desk / "text.png").write_text("not a picture")
    (desk / "sound.wav").write_bytes(
        b"RIFF$\x08\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0@\x1f\0\0\x80>\0\0\x02\0\x10\0data\0\x08\0\0" + bytes(2048)
    )
    (desk / "nothing").mkdir()
    write_image("dot.png", np.zeros((1, 1, 3), np.uint8))
    words, sentence = REFUSED[name]
    if "--weights" not in words:
        monkeypatch.setattr("styletransfer.image.load_model", lambda weights: model)
    before = sorted(desk.iterdir())
    assert cli.main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    errors = [line for line in shown.err.splitlines() if "error" in line]
    assert len(errors) == 1
    assert errors[0].startswith("styletransfer: error: ")
    assert sentence in errors[0]
    assert "Traceback" not in shown.err
    assert [path for path in sorted(desk.iterdir()) if path.name != "s"] == before


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (
            ConnectionError("the weights could not be downloaded: do this"),
            1,
            "the weights could not be downloaded: do this",
        ),
        (OSError(28, "No space left on device", "out.mp4"), 1, "out.mp4: No space left on device"),
        (RuntimeError("ffmpeg ended with 1:\nno such codec"), 1, "ffmpeg ended with 1: no such codec"),
        (KeyError("x"), 1, "KeyError: 'x'"),
        (MemoryError(), 1, "MemoryError"),
        (ValueError("frame 3 is 32x32 pixels"), 2, "frame 3 is 32x32 pixels"),
    ],
)
def test_a_failed_job_gets_one_sentence(
    error: Exception,
    status: int,
    sentence: str,
    desk: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*data: object, **settings: object) -> None:
        raise error

    monkeypatch.setattr("styletransfer.image.stylize_image", fail)
    assert cli.main(["-q", *IMAGE]) == status
    assert capsys.readouterr().err == f"styletransfer: error: {sentence}\n"
    assert not (desk / "out.png").exists()


def test_ctrl_c_says_what_is_kept(
    desk: pathlib.Path, quick: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*data: object, **settings: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("styletransfer.video.job.write_video", stop)
        assert cli.main([*VIDEO, *quick, *ALONE]) == 130
    said = capsys.readouterr().err
    assert f"stopped: {FRAMES} of {FRAMES} frames are finished, what is done is kept in out.mp4.job" in said
    assert "the same command goes on from there" in said
    assert cli.main([*VIDEO, *quick, *ALONE]) == 0
    assert read_video("out.mp4").length == FRAMES
    assert not (desk / "out.mp4.job").exists()


def test_warnings_are_said_in_one_line_and_the_log_is_left_as_it_was(
    desk: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def warn(*data: object, **settings: object) -> tuple[np.ndarray, dict]:
        warnings.warn("clip.mp4 is cut off", UserWarning, stacklevel=1)
        return np.zeros((16, 16, 3), np.uint8), {}

    monkeypatch.setattr("styletransfer.image.stylize_image", warn)
    state = (cli.log.level, cli.log.propagate, list(cli.log.handlers))
    assert cli.main(["-q", *IMAGE]) == 0
    assert capsys.readouterr().err == "styletransfer: warning: clip.mp4 is cut off\n"
    assert (cli.log.level, cli.log.propagate, list(cli.log.handlers)) == state


def test_a_truncated_clip_is_painted_as_far_as_it_goes_and_the_user_is_told_once(
    desk: pathlib.Path, quick: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (12, 32, 48, 3), np.uint8)
    whole = write_video("clip.mkv", noise, fps=10).read_bytes()
    pathlib.Path("cut.mkv").write_bytes(whole[: len(whole) // 2])
    assert cli.main(["video", "cut.mkv", "style.png", "-o", "out.mp4", *quick, *ALONE, "--steps", "1", "-q"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("styletransfer: warning: cut.mkv is damaged or cut off")
    assert 1 < read_video("out.mp4").length < 12


# --- what is written ---


def test_image_with_snapshots(desk: pathlib.Path, quick: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = [*IMAGE, *quick, "--snapshots", "shots/here", "--snapshot-steps", "1,2", "--max-size", "32"]
    assert cli.main(words) == 0
    painted = read_image("out.png")
    assert painted.shape == (21, 32, 3)
    shots = desk / "shots/here"
    assert sorted(path.name for path in shots.iterdir()) == [
        "contact_sheet.png",
        "iteration_0001.png",
        "iteration_0002.png",
    ]
    assert np.array_equal(read_image(shots / "iteration_0002.png"), painted)
    assert not np.array_equal(read_image(shots / "iteration_0001.png"), painted)
    said = capsys.readouterr().err
    assert "styletransfer: photo.png at 32x21" in said
    assert "random.weights.h5" in said
    assert "2/2" in said
    assert "loss" in said
    assert "styletransfer: wrote out.png" in said
    assert (
        f"styletransfer: wrote snapshots of iteration 1, 2 beside {pathlib.Path('shots/here/contact_sheet.png')}"
        in said
    )


def test_snapshots_by_default_are_those_of_the_report() -> None:
    def usual(steps: int) -> tuple[int, ...]:
        return cli._snapshots(parse(*IMAGE, "--snapshots", "s"), steps)

    assert usual(1000) == (10, 50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000)
    assert usual(120) == (10, 50, 100)
    assert usual(7) == (7,)
    assert cli._snapshots(parse(*IMAGE), 1000) == ()


def test_video_with_preview(desk: pathlib.Path, quick: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*VIDEO, *quick, "--preview", "--start", "1", "--flow-quality", "fast"]) == 0
    painted = read_video("out.mp4")
    assert (painted.length, painted.shape, painted.fps) == (FRAMES - 1, (32, 48), 10)
    assert read_image("out.mp4.preview.png").shape == (32, 48, 3)
    said = capsys.readouterr().err
    assert f"styletransfer: clip.mp4 at 48x32, {FRAMES - 1} frames" in said
    assert f"{FRAMES - 1}/{FRAMES - 1}" in said
    assert "styletransfer: wrote out.mp4" in said
    assert "s per frame" in said


def test_flow_writes_what_the_video_command_takes_again(
    desk: pathlib.Path, quick: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["flow", "clip.mp4", "-o", "motion", "--flow-quality", "fast"]) == 0
    assert f"wrote the motion between {FRAMES} pairs of frames to motion" in capsys.readouterr().err
    assert sorted(path.name for path in pathlib.Path("motion").glob("*.flo")) == [
        "backward_000002_000001.flo",
        "backward_000003_000001.flo",  # which tells how far the paint has drifted since the scene began
        "backward_000003_000002.flo",
        "forward_000001_000002.flo",
        "forward_000001_000003.flo",
        "forward_000002_000003.flo",
    ]
    assert read_image("motion/colors/000002.png").shape == read_image("motion/reliability/000003.png").shape
    difference = list(read_video("motion/difference.mp4"))
    assert len(difference) == FRAMES and np.mean(difference) < 8
    for flow, target in (("motion", "a"), ("builtin", "b")):
        again = ["video", "clip.mp4", "style.png", "-o", target, "--flow", flow, "--flow-quality", "fast"]
        assert cli.main([*again, *quick]) == 0
    for path in pathlib.Path("a").iterdir():
        np.testing.assert_array_equal(read_image(path), read_image(pathlib.Path("b", path.name)))


def test_quiet_says_nothing(desk: pathlib.Path, quick: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*VIDEO, *quick, *ALONE, "-q", "--end", "2", "--steps", "1"]) == 0
    assert capfd.readouterr() == ("", "")


# --- as a program ---


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "styletransfer", *words]
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=240, env=environment)


def test_help_and_typing_errors_do_not_import_tensorflow(desk: pathlib.Path) -> None:
    script = (
        "import sys; from styletransfer.app.cli import main\n"
        "assert main(['video', 'clip.mp4', 'no.png', '-o', 'out.mp4']) == 2\n"
        "assert main(['video', 'no.mp4', 'style.png', '-o', 'out.mp4']) == 2\n"
        "assert main(['image', 'photo.png', 'style.png', '-o', 'out.png', '--steps', '0']) == 2\n"
        "image, video = ['image', 'photo.png'], ['video', 'clip.mp4']\n"
        "for paint in ([*image, 'style.png', '-o', 'a.png'], [*video, 'style.png', '-o', 'a.mp4']):\n"
        "    assert main([*paint, '--regions', 'no.png']) == 2\n"
        "    assert main([*paint, '--mix', '1,2']) == 2\n"
        "    assert main([*paint, '--regions', 'style.png', '--mix', '1']) == 2\n"
        "try: main(['video', '--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules), sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=60)


def test_version() -> None:
    assert run("--version").stdout == f"styletransfer {styletransfer.__version__}\n"


def test_the_program_paints_a_picture_whose_name_begins_with_a_dash(desk: pathlib.Path, quick: list[str]) -> None:
    os.rename("photo.png", "-photo %d ö.png")
    done = run("image", "-o", "-out %s ü.png", *quick, "--steps", "1", "--", "-photo %d ö.png", "style.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert all("styletransfer: " in line or "step" in line for line in done.stderr.split("\n") if line), done.stderr
    assert read_image("-out %s ü.png").shape == (32, 48, 3)
