"""Clips get the scores that they deserve, as numbers, text, JSON and a plot."""

import json
import math
import weakref

import numpy as np
import pytest
from conftest import texture
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from styletransfer import metrics, write_video
from styletransfer.app import cli
from styletransfer.app.evaluation import as_text, like, write_json
from styletransfer.metrics import MEASURES, evaluate, flicker, ssim, stands_still, stroke_correlation

HEIGHT, WIDTH, SPEED = 48, 64, 2
SCENE = texture(HEIGHT, 120, seed=3, smooth=4.0)
STYLE = texture(64, 64, seed=5, smooth=0.8)
STROKES = np.tile(STYLE, (1, 2, 1))[:HEIGHT, :120]


def clip(picture: np.ndarray) -> list[np.ndarray]:
    """A camera moves over a picture."""
    return [np.ascontiguousarray(picture[:, SPEED * i : SPEED * i + WIDTH]) for i in range(6)]


SOURCE = clip(SCENE)
PAINTED = clip((0.15 * SCENE + 0.85 * STROKES).astype(np.uint8))  # strokes that stick to the scene
BLURRED = [gaussian_filter(frame, (1.5, 1.5, 0)) for frame in PAINTED]
LOOSE = [
    (0.15 * frame + 0.85 * np.roll(STROKES[:, :WIDTH], 17 * i, axis=0)).astype(np.uint8)
    for i, frame in enumerate(SOURCE)
]


def flow(source, target):
    """The motion of the scene, known by the first column of its frames."""
    place = {frame[:, 0].tobytes(): i for i, frame in enumerate(SOURCE)}
    shift = SPEED * (place[source[:, 0].tobytes()] - place[target[:, 0].tobytes()])
    return np.broadcast_to(np.float32([shift, 0]), (*source.shape[:2], 2))


@pytest.fixture(scope="module")
def found(model):
    """Every clip's evaluation by name."""
    clips = {
        "copy": SOURCE,
        "painted": PAINTED,
        "blurred": BLURRED,
        "loose": LOOSE,
        "shuffled": PAINTED[::2] + PAINTED[1::2],
    }
    how = {"style": STYLE, "model": model, "gaps": (1, 3), "flow": flow}
    return {name: evaluate(iter(frames), iter(SOURCE), **how).overall for name, frames in clips.items()}


def test_an_unpainted_copy_is_steady_and_like_its_source_and_has_no_style(found):
    copy = found["copy"]
    assert copy["ssim"] == pytest.approx(1.0, abs=1e-5)
    assert copy["content_similarity"] == pytest.approx(1.0, abs=1e-5)
    for name in ("warping_error_1", "stroke_correlation_3", "style_distance"):
        assert copy[name] == copy[f"source_{name}"]
    assert copy["score"] == 0.0


def test_strokes_that_stick_to_the_scene_are_steady(found):
    assert found["painted"]["warping_error_1"] < 1e-6
    assert found["painted"]["stroke_correlation_3"] > 0.99
    assert found["loose"]["stroke_correlation_1"] < 0.3
    assert found["shuffled"]["stroke_correlation_1"] < 0.9 * found["painted"]["stroke_correlation_1"]
    assert found["shuffled"]["warping_error_1"] > 100 * found["painted"]["warping_error_1"]


def test_the_steady_painting_wins_over_all_others(found):
    scores = {name: one["score"] for name, one in found.items()}
    assert max(scores, key=scores.__getitem__) == "painted"
    assert scores["shuffled"] < scores["painted"]
    assert scores["loose"] < scores["painted"]


def test_blurring_an_unsteady_clip_lowers_its_error_and_not_its_score(model):
    """The warping error alone would call the blurred one the better."""
    half = [((a.astype(float) + b) / 2).astype(np.uint8) for a, b in zip(PAINTED, LOOSE, strict=True)]
    blurred = [gaussian_filter(frame, (1.5, 1.5, 0)) for frame in half]
    how = {"style": STYLE, "model": model, "gaps": (1, 3), "flow": flow}
    sharp, soft = (evaluate(frames, SOURCE, **how).overall for frames in (half, blurred))
    assert sharp["score"] > 0.2
    assert soft["warping_error_1"] < 0.7 * sharp["warping_error_1"]
    assert soft["score"] < sharp["score"]
    assert soft["style_distance"] > sharp["style_distance"]


def test_the_blurred_painting_does_not_win(found):
    assert found["blurred"]["score"] < found["painted"]["score"]


def test_a_grey_clip_and_a_copy_score_nothing(model):
    grey = [np.full_like(frame, 128) for frame in SOURCE]
    found = evaluate(grey, SOURCE, style=STYLE, model=model, gaps=(1, 3), flow=flow).overall
    assert found["score"] == 0.0
    assert math.isnan(found["stroke_correlation_1"])


def test_where_no_flow_is_reliable_nothing_is_said():
    """As at a cut: neither a perfect value nor a bad one."""
    found = evaluate(
        PAINTED[:2], SOURCE[:2], gaps=(1,), flow=lambda a, b: np.full((HEIGHT, WIDTH, 2), 500.0, np.float32)
    )
    assert math.isnan(found.overall["warping_error_1"])
    assert math.isnan(found.overall["stroke_correlation_1"])


def test_detail_of_noise_is_most_of_its_variance_and_of_a_flat_picture_none():
    noise = np.random.default_rng(0).normal(0.5, 0.1, (200, 200, 3)).astype(np.float32)
    # A Gaussian window keeps 1 / (4 pi sigma^2) of the variance in its mean.
    assert metrics.detail(noise) == pytest.approx(0.01 * (1 - 1 / (4 * np.pi * metrics.DETAIL**2)), rel=0.03)
    assert metrics.detail(np.full((20, 20, 3), 0.3, np.float32)) == pytest.approx(0.0, abs=1e-6)


def test_without_a_style_no_network_is_needed():
    found = evaluate(PAINTED, SOURCE, flow=flow, gaps=(1,), weights="no such file.h5")
    assert "score" not in found.overall
    assert "style_distance" not in found.overall


def test_there_is_a_value_for_every_frame_and_none_where_there_is_no_earlier_one():
    found = evaluate(PAINTED, SOURCE, flow=flow, gaps=(1, 3))
    for name, values in found.frames.items():
        assert len(values) == len(SOURCE), name
    assert [math.isnan(v) for v in found.frames["warping_error_3"]] == [True] * 3 + [False] * 3
    each = list(metrics.warping_errors(PAINTED, SOURCE, gap=3, flow=flow))
    np.testing.assert_allclose(found.frames["warping_error_3"][3:], each)
    assert found.overall["warping_error_3"] == pytest.approx(np.mean(each))


def test_only_so_many_frames_are_in_memory_as_the_largest_gap_has():
    alive: set[int] = set()
    most = 0

    def frames():
        nonlocal most
        for number, frame in enumerate(SOURCE * 5):
            one = frame.copy()
            alive.add(number)
            weakref.finalize(one, alive.discard, number)
            yield one
            most = max(most, len(alive))

    evaluate(SOURCE * 5, frames(), flow=lambda a, b: np.zeros((HEIGHT, WIDTH, 2), np.float32), gaps=(1, 2))
    assert 2 <= most <= 4


def test_clips_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="the result has 5 frames, and the source has more"):
        evaluate(PAINTED[:5], SOURCE, flow=flow)
    with pytest.raises(ValueError, match="the source has 5 frames, and the result has more"):
        evaluate(PAINTED, SOURCE[:5], flow=flow)
    with pytest.raises(ValueError, match="fewer than two frames"):
        evaluate(PAINTED[:1], SOURCE[:1], flow=flow)
    with pytest.raises(ValueError, match="fewer than two frames"):
        evaluate([], [], flow=flow)
    with pytest.raises(ValueError, match="gaps="):
        evaluate(PAINTED, SOURCE, flow=flow, gaps=(0,))


# ---------------------------------------------------------------- one measure at a time

NO_MOTION = np.zeros((HEIGHT, WIDTH, 2), np.float32)
EVERYWHERE = np.ones((HEIGHT, WIDTH), bool)


def as_float(picture):
    return picture.astype(np.float32) / np.float32(255)


def test_ssim_is_that_of_scikit_image():
    structural = pytest.importorskip("skimage.metrics").structural_similarity
    one, other = as_float(SOURCE[0]), as_float(PAINTED[0])
    luma = [x @ np.float32([0.299, 0.587, 0.114]) for x in (one, other)]
    how = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0, "full": True}
    _, picture = structural(*luma, **how)
    assert ssim(one, other) == pytest.approx(picture[5:-5, 5:-5].mean(), abs=1e-3)


def test_ssim_of_black_and_white_is_that_of_the_formula():
    """Flat pictures: only the first factor is left, C1 / (1 + C1)."""
    black, white = np.zeros((16, 16, 3), np.float32), np.ones((16, 16, 3), np.float32)
    assert ssim(black, white) == pytest.approx(1e-4 / (1.0 + 1e-4), rel=1e-2)
    assert ssim(white, white) == pytest.approx(1.0)


@given(st.floats(0.2, 1.0), st.floats(0.0, 0.5))
def test_stroke_correlation_does_not_care_for_contrast_and_light(contrast, light):
    one = as_float(PAINTED[0])
    faint = (contrast * one + light).astype(np.float32)
    assert stroke_correlation(faint, one, NO_MOTION, EVERYWHERE) == pytest.approx(1.0, abs=1e-3)


def test_stroke_correlation_of_unrelated_strokes_is_none_and_of_their_negative_minus_one():
    one, other = as_float(texture(HEIGHT, WIDTH, 1, smooth=0.8)), as_float(texture(HEIGHT, WIDTH, 2, smooth=0.8))
    assert abs(stroke_correlation(one, other, NO_MOTION, EVERYWHERE)) < 0.15
    assert stroke_correlation(one, 1.0 - one, NO_MOTION, EVERYWHERE) == pytest.approx(-1.0, abs=1e-4)
    flat = np.full_like(one, 0.5)
    assert math.isnan(stroke_correlation(flat, flat, NO_MOTION, EVERYWHERE))


def test_flicker_is_the_change_where_the_source_stands_still_and_nowhere_else():
    here = SOURCE[0].copy()
    there = here.copy()
    there[:, 40:] = 255 - there[:, 40:]  # something happens on the right
    before = as_float(PAINTED[0])
    now = before + np.float32(5 / 255)
    now[:, 40:] += 0.5
    still = stands_still(here, there, NO_MOTION)
    assert still[:, :34].all()
    assert not still[:, 46:].any()
    assert flicker(now, before, still & (np.arange(WIDTH) < 40)) == pytest.approx(5.0, rel=1e-3)
    assert math.isnan(flicker(now, before, ~EVERYWHERE))


def test_what_moves_does_not_stand_still_however_blurred_it_is():
    flat = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    assert stands_still(flat, flat, NO_MOTION).all()
    assert not stands_still(flat, flat, NO_MOTION + np.float32(0.5)).any()


# ---------------------------------------------------------------- text, JSON, plot, command line


def test_text_shows_every_measure_beside_the_source_s_own(found, model):
    evaluation = evaluate(PAINTED, SOURCE, style=STYLE, model=model, flow=flow, gaps=(1, 3))
    lines = as_text(evaluation).splitlines()
    names = [name for name in evaluation.overall if not name.startswith("source_")]
    assert [line.split()[0] for line in lines[1 : 1 + len(names)]] == names
    assert {name.rstrip("_13") for name in names} == set(MEASURES)
    assert "frames 3 apart" in lines[names.index("warping_error_3") + 1]
    assert any(line.startswith("worst style_distance: frame ") for line in lines)


def test_json_is_read_back_with_null_for_no_value(tmp_path):
    evaluation = evaluate(PAINTED, SOURCE, flow=flow, gaps=(1,))
    write_json(tmp_path / "found.json", evaluation)
    read = json.loads((tmp_path / "found.json").read_text())
    assert read["frames"]["warping_error_1"][0] is None
    assert read["frames"]["ssim"] == evaluation.frames["ssim"]
    assert read["overall"]["ssim"] == evaluation.overall["ssim"]


def test_the_source_is_brought_to_the_size_of_the_result():
    frames = list(like(SOURCE, (HEIGHT // 2, WIDTH // 2)))
    assert frames[0].shape == (HEIGHT // 2, WIDTH // 2, 3)
    with pytest.raises(ValueError, match="expected the same aspect"):
        list(like(SOURCE, (HEIGHT, HEIGHT)))


def test_the_command_prints_a_table_and_writes_both_files(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    for name, frames in {"source": SOURCE, "result": [frame[::2, ::2] for frame in PAINTED]}.items():
        write_video(tmp_path / f"{name}.mkv", frames, fps=25)
    files = ["--json", str(tmp_path / "a.json"), "--plot", str(tmp_path / "a.png")]
    call = [
        "evaluate",
        str(tmp_path / "source.mkv"),
        str(tmp_path / "result.mkv"),
        *files,
        "-q",
        "--flow-quality",
        "fast",
    ]
    assert cli.main(call) == 0
    assert "warping_error_1" in capsys.readouterr().out
    assert json.loads((tmp_path / "a.json").read_text())["overall"]["ssim"] < 1.0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    before = (tmp_path / "result.mkv").read_bytes()
    assert cli.main([*call[:3], "--json", call[2]]) == 2
    assert (tmp_path / "result.mkv").read_bytes() == before
    capsys.readouterr()
    assert cli.main([*call, "--end", "3"]) == 2
    assert "the source has 3 frames, and the result has more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.mp4", "none.mp4"], "none.mp4"),
        (["a.mp4", "b.mp4", "--json", "no/where.json"], "no"),
        (["a.mp4", "b.mp4", "--flow", "deep"], "invalid choice"),
        (["a.mp4", "b.mp4", "--style", "none.png"], "none.png"),
        (["a.mp4", "b.mp4", "--steps", "3"], "unknown option '--steps'"),
        (["a.mp4", "b.mp4", "--json", "b.mp4"], "b.mp4"),
        (["a.mp4", "b.mp4", "--plot", "plot.txt"], "expected a name that ends in one of .png"),
        (["a.mp4", "b.mp4", "--plot", "x.png", "--json", "x.png"], "--json and --plot are both x.png"),
    ],
)
def test_a_wrong_call_is_answered_in_one_sentence(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["evaluate", *words]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("styletransfer: error: ")
    assert message in line


def test_a_plot_without_matplotlib_names_the_extra(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(cli.importlib.util, "find_spec", lambda name: None)
    assert cli.main(["evaluate", "a.mp4", "b.mp4", "--plot", str(tmp_path / "a.png")]) == 1
    assert "video-style-transfer[plot]" in capsys.readouterr().err
