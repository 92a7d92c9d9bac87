"""One picture: what it starts from, what is kept on the way, what is refused."""

import numpy as np
import pytest
from conftest import texture

from styletransfer import pixels
from styletransfer.image import prepare, start_picture, stylize_image
from styletransfer.options import StyleOptions

CONTENT, STYLE = texture(32, 48, seed=1), texture(40, 32, seed=2)
DOT = np.zeros((1, 1, 3), np.uint8)
FEW = {"style_layers": ("block1_conv1", "block2_conv1"), "content_layers": ("block2_conv2",), "tolerance": 0.0}


def test_the_result_has_the_contents_size_and_is_uint8(model):
    painted = stylize_image(CONTENT, STYLE, model=model, steps=3, **FEW)
    assert painted.shape == CONTENT.shape and painted.dtype == np.uint8


def test_max_size_bounds_the_longer_side(model):
    assert stylize_image(CONTENT, STYLE, model=model, steps=1, max_size=24, **FEW).shape == (16, 24, 3)


def test_the_loss_falls(model):
    seen = []
    stylize_image(CONTENT, STYLE, model=model, steps=12, on_step=seen.append, **FEW)
    assert [iterate.step for iterate in seen] == list(range(1, 13))
    assert seen[-1].total < 0.3 * seen[0].total


def test_the_first_evaluation_is_at_the_content(model):
    _, kept = stylize_image(CONTENT, STYLE, model=model, steps=2, snapshots=[1], **FEW)
    np.testing.assert_array_equal(kept[1], CONTENT)


def test_noise_is_seeded():
    content = pixels.to_inside(CONTENT)
    first, again, other = (start_picture(content, StyleOptions(init="noise", seed=s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 50


def test_a_given_picture_is_where_it_starts(model, tmp_path):
    given = texture(16, 24, seed=7)
    start = start_picture(pixels.to_inside(CONTENT), StyleOptions(init=given))
    np.testing.assert_allclose(start[0], pixels.resize(given / 255.0, (32, 48)) * 255.0, atol=0.01)
    from styletransfer.pictures import write_image

    written = write_image(tmp_path / "start.png", given)
    same = start_picture(pixels.to_inside(CONTENT), StyleOptions(init=str(written)))
    np.testing.assert_allclose(start, same, atol=0.01)


def test_snapshots_are_the_pictures_of_those_iterations(model):
    seen = {}
    final, kept = stylize_image(
        CONTENT,
        STYLE,
        model=model,
        steps=6,
        snapshots=(2, 4, 6),
        on_step=lambda i: seen.update({i.step: i.image}),
        **FEW,
    )
    assert sorted(kept) == [2, 4, 6]
    for step, picture in kept.items():
        np.testing.assert_array_equal(picture, pixels.to_outside(seen[step]))
    np.testing.assert_array_equal(kept[6], final)


def test_a_snapshot_keeps_the_run_from_settling_before_it(model):
    settings = FEW | {"tolerance": 0.9}
    _, kept = stylize_image(CONTENT, STYLE, model=model, steps=30, snapshots=(15,), **settings)
    assert list(kept) == [15]


def test_snapshots_beyond_the_last_step_are_refused(model):
    with pytest.raises(ValueError, match=r"snapshots has 50.*steps=20"):
        stylize_image(CONTENT, STYLE, model=model, steps=20, snapshots=(10, 50))


def test_the_same_call_gives_the_same_bytes(model):
    first, again = (stylize_image(CONTENT, STYLE, model=model, steps=5, **FEW) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("content, style, name", [(DOT, STYLE, "content"), (CONTENT, DOT, "style")])
def test_a_picture_too_small_for_the_network_is_refused(model, content, style, name):
    with pytest.raises(ValueError, match=f"the {name} is 1x1 pixels, expected at least 32"):
        stylize_image(content, style, model=model, steps=1)


def test_unknown_layers_are_refused_before_the_weights_are_loaded():
    with pytest.raises(ValueError, match="'block9_conv1' is not in VGG19: expected one of block1_conv1"):
        stylize_image(CONTENT, STYLE, content_layers=("block9_conv1",), weights="/nowhere.h5")


def test_normalisation_ignores_a_content_without_contrast(model):
    black = np.zeros((1, 32, 48, 3), np.float32)
    options = StyleOptions(**FEW)
    solver = prepare(black, STYLE, options, model).solver
    alone = prepare(pixels.to_inside(CONTENT), STYLE, options, model).solver
    painting = pixels.to_inside(pixels.resize(STYLE, pixels.equal_area(STYLE.shape[:2], 32 * 48)))
    mean = float(np.mean(solver.extractor(painting)["block1_conv1"]))
    assert mean == pytest.approx(1.0, abs=1e-4)
    assert float(np.mean(alone.extractor(painting)["block1_conv1"])) != pytest.approx(1.0, abs=1e-4)


def test_the_report_preset_runs_on_the_raw_network(model):
    solver = prepare(pixels.to_inside(CONTENT), STYLE, StyleOptions(preset="report"), model).solver
    network = solver.extractor
    assert (network.scales, network.pooling, network.padding) == ({}, "max", "zero")


def test_the_network_is_padded_as_the_options_say(model):
    for padding in ("reflect", "zero"):
        styles = prepare(pixels.to_inside(CONTENT), STYLE, StyleOptions(padding=padding, **FEW), model)
        assert styles.solver.extractor.padding == padding
