"""A picture seen in tiles is the picture seen whole."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import texture
from hypothesis import given
from hypothesis import strategies as st

from styletransfer import stylize_image
from styletransfer.features import LAYERS, FeatureExtractor, reach, stride
from styletransfer.options import StyleOptions
from styletransfer.solver import Solver
from styletransfer.styles import region_shares
from styletransfer.tiling import tiles

STYLE = texture(40, 56, seed=2, smooth=1.0)[np.newaxis].astype(np.float32)
SETTINGS = {
    "style_layers": ("block1_conv1", "block2_conv1"),
    "content_layers": ("block1_conv2", "block2_conv2"),
    "content_weight": 100.0,
}


@pytest.mark.parametrize("name", ["block1_conv1", "block2_pool", "block3_conv2"])
def test_a_position_sees_as_far_as_its_reach_and_no_farther(model, name):
    extractor = FeatureExtractor(model, (name,))
    image, size, position = (
        tf.constant(texture(96, 96)[np.newaxis].astype(np.float32)),
        stride(name),
        48 // stride(name),
    )
    with tf.GradientTape() as tape:
        tape.watch(image)
        seen = tf.reduce_sum(extractor(image)[name][0, position, position])
    rows = np.flatnonzero(np.abs(tape.gradient(seen, image)).sum(axis=(0, 2, 3)))
    first, last = position * size, position * size + size - 1
    assert first - reach(name) <= rows.min() and rows.max() <= last + reach(name)
    assert max(first - rows.min(), rows.max() - last) > reach(name) - size


@given(
    shape=st.tuples(st.integers(16, 400), st.integers(16, 400)),
    name=st.sampled_from(LAYERS[:10]),
    largest=st.integers(96, 300),
)
def test_every_position_counts_in_one_tile(shape, name, largest):
    grid = tiles(shape, largest, reach("block3_pool"), stride("block3_pool"))
    size = stride(name)
    counted = np.zeros((shape[0] // size, shape[1] // size), int)
    whole = np.arange(counted.size).reshape(1, *counted.shape, 1)
    for tile in (tile for row in grid for tile in row):
        rows, columns = tile.shown
        assert max(rows.stop - rows.start, columns.stop - columns.start) <= largest
        shown = whole[:, rows.start // size : rows.stop // size, columns.start // size : columns.stop // size]
        part = tile.inside(shown, size)
        np.testing.assert_array_equal(part, tile.of_whole(whole, size))
        counted.flat[part.ravel()] += 1
        assert tile.share(size) == pytest.approx(part.size / whole.size)
    assert (counted == 1).all()


@pytest.mark.parametrize(("pooling", "padding"), [("avg", "reflect"), ("avg", "zero"), ("max", "zero")])
@pytest.mark.parametrize("loss", ["gram", "wasserstein"])
@pytest.mark.parametrize("regions", [False, True], ids=["everywhere", "in regions"])
def test_loss_and_gradient_in_tiles_are_those_of_the_whole(model, pooling, padding, loss, regions):
    content = texture(51, 70, seed=1)[np.newaxis].astype(np.float32)
    image = tf.constant(texture(51, 70, seed=5)[np.newaxis].astype(np.float32))
    mask = region_shares(texture(51, 70, seed=9, smooth=9.0), 2, (51, 70))
    options = StyleOptions(style_loss=loss, **SETTINGS)
    found = []
    for largest in (None, 48):
        layers = (*options.content_layers, *options.style_layers)
        extractor = FeatureExtractor(model, layers, pooling=pooling, padding=padding, max_tile=largest)
        solver = Solver(extractor.normalized([content, STYLE]), options)
        moments = solver.moments(STYLE)
        if regions:
            other = solver.moments(STYLE[:, ::-1, ::-1] * np.float32(0.5))
            moments = tf.nest.map_structure(lambda *one: tf.concat(one, axis=0), moments, other)
        style = [one._replace(layers=solver.aim(moments)) for one in solver.style_targets(STYLE)]
        if regions:
            guides, shares = solver.guides(mask), tf.reduce_mean(mask, axis=(1, 2))
            style = [one._replace(guides=guides, shares=shares) for one in style]
        targets = solver.targets(content, style)
        assert len(targets.content) == 2
        found.append([np.asarray(x) for x in tf.function(solver.value_and_grad)(image, targets)])
    (terms, gradient), (tiled_terms, tiled_gradient) = found
    np.testing.assert_allclose(tiled_terms, terms, rtol=1e-4)
    np.testing.assert_allclose(tiled_gradient, gradient, atol=2e-4 * np.abs(gradient).max())


def test_a_picture_painted_in_tiles_is_the_picture_painted_whole(model):
    content, style = texture(70, 90, seed=1), texture(40, 56, seed=2, smooth=1.0)
    how = {
        "model": model,
        "steps": 4,
        "tolerance": 0.0,
        "precision": "float32",
        "max_size": None,
        **SETTINGS,
        "content_weight": 0.05,
    }
    whole, tiled = (stylize_image(content, style, max_tile=largest, **how) for largest in (None, 64))
    change = np.abs(whole.astype(int) - content).mean()
    assert change > 3.0
    assert np.abs(tiled.astype(int) - whole).max() <= 1


def test_a_tile_that_is_all_margin_is_refused(model):
    with pytest.raises(ValueError, match="max_tile=64, expected at least 240"):
        stylize_image(texture(64, 72), STYLE[0].astype(np.uint8), model=model, max_tile=64)


@pytest.mark.parametrize(
    ("height", "match"), [(64, "max_tile=64, expected at least"), (8, "the content is 72x8 pixels")]
)
def test_what_is_too_small_is_refused_before_the_network_is_loaded(monkeypatch, height, match):
    monkeypatch.setattr("styletransfer.image.load_model", lambda weights: pytest.fail("loaded"))
    with pytest.raises(ValueError, match=match):
        stylize_image(texture(height, 72), texture(64, 72), max_tile=64)
