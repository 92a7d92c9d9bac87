"""The demo's own clip and style: made when asked for, always alike, alive, and with something to hide behind."""

import itertools
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from styletransfer.app.artwork import demo_clip, demo_style, mosaic, recoloured, woodcut
from styletransfer.app.artwork.landscape import PERIOD, Layer, landscape, slide
from styletransfer.pixels import LUMA

SHAPES = st.tuples(st.integers(2, 40), st.integers(2, 60))


@pytest.fixture(scope="module")
def clip():
    return np.stack(list(demo_clip(24, shape=(72, 128))))


@pytest.fixture(scope="module")
def style():
    return demo_style((96, 128))


def halved(picture):
    height, width = picture.shape[:2]
    return picture.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3))


def blurred(picture, times):
    for _ in range(times):
        picture = halved(picture)
    return picture


@settings(max_examples=6, deadline=None)
@given(shape=SHAPES)
def test_pictures_of_any_size(shape):
    for picture in (next(demo_clip(1, shape=shape)), demo_style(shape), mosaic(shape), woodcut(shape)):
        assert picture.shape == (*shape, 3)
        assert picture.dtype == np.uint8
        assert picture.mean() > 10


def test_as_many_frames_as_asked_for():
    assert len(list(demo_clip(3, shape=(8, 8)))) == 3
    assert list(demo_clip(0, shape=(8, 8))) == []


def test_frames_are_drawn_when_asked_for():
    endless = demo_clip(10**9, shape=(16, 24))
    assert isinstance(endless, types.GeneratorType)
    assert len(list(itertools.islice(endless, 2))) == 2


def test_the_clip_is_always_the_same(clip):
    np.testing.assert_array_equal(clip[:3], list(demo_clip(3, shape=(72, 128))))


def test_time_is_in_seconds(clip):
    every_other = list(demo_clip(3, shape=(72, 128), fps=6))
    np.testing.assert_array_equal(every_other, clip[:5:2])


def test_neighbouring_frames_differ_a_little(clip):
    change = np.abs(np.diff(clip.astype(float), axis=0)).mean(axis=(1, 2, 3))
    assert change.min() > 3
    assert change.max() < 25


def test_motion_is_smooth(clip):
    """Two frames apart is farther than one: nothing flickers."""
    frames = clip.astype(float)
    assert np.abs(frames[2:] - frames[:-2]).mean() > 1.2 * np.abs(frames[1:] - frames[:-1]).mean()


def test_the_clip_is_the_same_picture_at_every_size():
    small, large = (next(demo_clip(1, shape=shape)).astype(float) for shape in ((48, 80), (96, 160)))
    assert np.abs(halved(large) - small).mean() < 4


def test_the_tree_hides_the_boat_and_shows_it_again():
    layers, width = landscape(72), 256
    rows = len(layers["boat"].paint)

    def sail(seconds):
        """How much a spot of the mainsail, which moves with the boat, is covered by boat and by tree."""
        row, column = round(0.60 * rows), round((0.90 + layers["boat"].drift * seconds) * rows)
        return [slide(layers[name], seconds, width)[row, column, 3] for name in ("boat", "tree")]

    covers = np.array([sail(index / 12) for index in range(24)])
    assert covers[:, 0].min() > 0.99
    hidden = np.flatnonzero(covers[:, 1] > 0.99)
    assert 1 <= hidden.size <= 6
    assert covers[[0, -1], 1].max() == 0


def test_layers_slide_by_fractions_and_repeat():
    paint = np.random.default_rng(0).random((8, PERIOD * 8, 4), np.float32)
    layer = Layer(paint, drift=-1 / 8)  # one sample a second to the left
    np.testing.assert_array_equal(slide(layer, 0, 12), paint[:, :12])
    np.testing.assert_array_equal(slide(layer, 3, 12), paint[:, 3:15])
    np.testing.assert_allclose(slide(layer, 0.25, 12), 0.75 * paint[:, :12] + 0.25 * paint[:, 1:13], rtol=1e-5)
    np.testing.assert_array_equal(slide(layer, PERIOD * 8, 12), paint[:, :12])


def test_the_style_is_always_the_same_unless_another_seed_is_asked_for(style):
    np.testing.assert_array_equal(style, demo_style((96, 128)))
    other = demo_style((96, 128), seed=1)
    assert (other != style).mean() > 0.5
    assert np.abs(blurred(style, 4) - blurred(other, 4)).mean() < 25  # other strokes, the same picture


def test_the_style_is_the_same_picture_at_every_size(style):
    large = demo_style((192, 256))
    assert np.abs(blurred(large, 3) - blurred(style, 2)).mean() < 8


def test_the_style_has_texture_and_colour(style):
    picture = style.astype(float)
    local = picture - np.kron(halved(halved(picture)), np.ones((4, 4, 1)))
    assert local.std() > 12  # strokes
    assert (picture.reshape(-1, 3).std(axis=0) > 35).all()
    blue, yellow = picture[..., 2] - picture[..., 0] > 40, picture[..., 0] - picture[..., 2] > 40
    assert blue.mean() > 0.4
    assert yellow.mean() > 0.08


def test_other_colours_keep_the_strokes(style):
    dusk = recoloured(style, "000000 808080 ffffff")
    assert dusk.shape == style.shape and (dusk[..., 0] == dusk[..., 2]).all()
    assert np.corrcoef(dusk[..., 0].ravel(), (style @ LUMA).ravel())[0, 1] > 0.98


@pytest.mark.parametrize("draw", [mosaic, woodcut])
def test_the_other_styles_are_the_same_picture_at_every_size(draw):
    small, large = draw((96, 128)), draw((192, 256))
    assert np.abs(blurred(large, 3) - blurred(small, 2)).mean() < 12
    assert (small.reshape(-1, 3).std(axis=0) > 35).all()
