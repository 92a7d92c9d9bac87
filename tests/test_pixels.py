"""The array convention: what goes in comes out, and nothing else gets in."""

import numpy as np
import pytest
from conftest import texture
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from styletransfer import pixels

SIDES = st.integers(1, 7)
PICTURES = st.tuples(SIDES, SIDES).flatmap(lambda side: hnp.arrays(np.uint8, (*side, 3)))
FRACTIONS = hnp.arrays(np.float32, (4, 5, 3), elements=st.floats(0.0, 1.0, width=32))


@given(PICTURES)
def test_inside_and_back_is_the_same_picture(image):
    inside = pixels.to_inside(image)
    assert inside.shape == (1, *image.shape) and inside.dtype == np.float32
    assert np.array_equal(inside[0], image)
    assert np.array_equal(pixels.to_outside(inside), image)


@given(PICTURES)
def test_fractions_of_a_picture_are_the_same_picture(image):
    for dtype in (np.float32, np.float64):
        fractions = (image / 255.0).astype(dtype)
        assert np.array_equal(pixels.as_uint8(fractions), image)
        np.testing.assert_allclose(pixels.to_inside(fractions)[0], image, atol=1e-4)


@given(FRACTIONS)
def test_fractions_go_inside_unrounded(image):
    np.testing.assert_allclose(pixels.to_inside(image)[0], image * 255.0, rtol=1e-6)


def test_outside_is_rounded_and_clipped_not_wrapped():
    values = np.array([-300.0, -0.4, 0.6, 127.4, 254.6, 256.0, 1e9], np.float32)
    image = np.broadcast_to(values[:, np.newaxis, np.newaxis], (7, 1, 3))
    assert pixels.to_outside(image)[:, 0, 0].tolist() == [0, 0, 1, 127, 255, 255, 255]


def test_going_inside_never_shares_memory_with_the_input():
    for image in (texture(4, 6), np.zeros((4, 6, 3), np.float32)):
        pixels.to_inside(image)[:] = 7.0
        assert not (image == 7).all()


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 4), (1, 4, 6, 3), (0, 6, 3), (4, 0, 3), (3,), ()])
def test_other_shapes_are_refused_by_name(shape):
    for check in (pixels.check_picture, pixels.as_uint8, pixels.to_inside):
        with pytest.raises(ValueError, match=r"the frame has shape .*expected \(height, width, 3\)") as caught:
            check(np.zeros(shape, np.uint8), "the frame")
        assert str(shape) in str(caught.value)


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.bool_, np.complex64])
def test_other_types_are_refused(dtype):
    with pytest.raises(ValueError, match=f"type {np.dtype(dtype)}, expected uint8 or floats"):
        pixels.check_picture(np.zeros((4, 6, 3), dtype))


@pytest.mark.parametrize("bad", [-0.01, 1.01, 255.0, np.nan, np.inf])
def test_floats_outside_zero_to_one_are_refused_with_the_way_out(bad):
    image = np.full((4, 6, 3), 0.5)
    image[2, 3, 1] = bad
    with pytest.raises(ValueError, match=r"expected \[0, 1\]: divide by 255 or pass uint8"):
        pixels.check_picture(image)


def test_uint8_is_passed_on_without_a_copy():
    image = texture(4, 6)
    assert pixels.as_uint8(image) is image
    assert pixels.check_picture(image) is image


@given(st.integers(1, 5000), st.integers(1, 5000), st.none() | st.integers(16, 2000))
def test_fit_bounds_the_longer_side_and_keeps_the_aspect(height, width, max_size):
    fitted = pixels.fit((height, width), max_size)
    assert min(fitted) >= 1
    if max_size is None or max(height, width) <= max_size:
        assert fitted == (height, width)
    else:
        scale = max_size / max(height, width)
        assert max(fitted) == max_size
        assert abs(fitted[0] - height * scale) <= 1 and abs(fitted[1] - width * scale) <= 1


@given(st.integers(8, 3000), st.integers(8, 3000), st.integers(32**2, 1000**2))
def test_equal_area_has_the_area_and_the_aspect(height, width, area):
    new = pixels.equal_area((height, width), area)
    exact = np.array([height, width]) * np.sqrt(area / (height * width))
    assert min(new) >= 1
    assert np.all(np.abs(np.maximum(exact, 1.0) - new) <= 0.5 + 1e-9)


def test_resizing_to_the_same_size_changes_nothing():
    image = texture(8, 12)
    assert pixels.resize(image, (8, 12)) is image


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(16, 24), (7, 50), (1, 1), (64, 96)])
def test_resizing_keeps_type_range_and_mean(dtype, shape):
    image = texture(32, 48)
    image = image if dtype == np.uint8 else (image / 255.0).astype(dtype)
    resized = pixels.resize(image, shape)
    assert resized.shape == (*shape, 3) and resized.dtype == dtype
    pixels.check_picture(resized)
    whole = 255.0 if dtype == np.uint8 else 1.0
    np.testing.assert_allclose(resized.mean(axis=(0, 1)), image.mean(axis=(0, 1)), atol=0.05 * whole)


def test_making_a_fine_pattern_smaller_gives_its_average_and_no_moire():
    board = np.zeros((64, 64, 3), np.uint8)
    board[::2, ::2] = board[1::2, 1::2] = 255
    inner = pixels.resize(board, (13, 13))[2:-2, 2:-2]
    np.testing.assert_allclose(inner, 127.5, atol=3.0)


def test_resizing_keeps_a_ramp_in_place():
    """No shift by half a pixel: a ramp stays the ramp of its pixel centres, away from the border."""
    ramp = np.broadcast_to(np.linspace(0.1, 0.9, 40)[:, np.newaxis, np.newaxis], (40, 6, 3)).astype(np.float32)
    half = pixels.resize(ramp, (20, 6))
    np.testing.assert_allclose(half[3:-3, 2], ramp.reshape(20, 2, 6, 3).mean(axis=1)[3:-3, 2], atol=1e-3)


def test_resizing_checks_its_input():
    with pytest.raises(ValueError, match="style has shape"):
        pixels.resize(np.zeros((4, 6), np.uint8), (2, 3), "style")


@given(PICTURES)
def test_cropping_leaves_even_sides_and_the_pixels_alone(image):
    cropped = pixels.crop_to_even(image)
    height, width = cropped.shape[:2]
    assert np.array_equal(cropped, image[:height, :width])
    for new, old in zip((height, width), image.shape[:2], strict=True):
        assert new == 1 if old == 1 else new % 2 == 0 and old - new <= 1
