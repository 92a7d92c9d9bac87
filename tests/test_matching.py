"""The search against shifts that are known."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import texture

from styletransfer.motion import matching
from styletransfer.motion.matching import fuse, search

HEIGHT, WIDTH = 40, 56
RIGHT, DOWN = 5, -3
INNER = (..., slice(10, -10), slice(10, -10))


def planes(picture: np.ndarray) -> tf.Tensor:
    return tf.transpose(tf.cast(picture[np.newaxis], tf.float32) / 255.0, (0, 3, 1, 2))


@pytest.fixture(scope="module")
def still() -> np.ndarray:
    return texture(HEIGHT, WIDTH, seed=3, smooth=1.0)


@pytest.fixture(scope="module")
def shifted(still) -> np.ndarray:
    return np.roll(still, (DOWN, RIGHT), (0, 1))


@pytest.fixture(scope="module")
def square(still) -> tuple[np.ndarray, np.ndarray]:
    """A square of 6 pixels that moves over a still ground, by more than its size."""
    frames = []
    for row, column in ((18, 22), (18 - 7, 22 + 8)):
        frame = still.copy()
        frame[row : row + 6, column : column + 6] = texture(6, 6, seed=4, smooth=1.0)
        frames.append(frame)
    return frames[0], frames[1]


def test_the_search_finds_a_shift_and_the_way_back(still, shifted):
    matches, costs = search(planes(still), planes(shifted))
    there, back = np.moveaxis(matches.numpy()[INNER], 1, 0)
    np.testing.assert_array_equal(there, np.broadcast_to(np.reshape([RIGHT, DOWN], (2, 1, 1)), there.shape))
    np.testing.assert_array_equal(back, -there)
    np.testing.assert_allclose(costs.numpy()[INNER], 0.0, atol=1e-6)


def test_the_search_costs_the_same_from_either_side_up_to_the_border(still, shifted, square):
    """To the bit; so do the matches agree, but where two cost the same."""
    darker = planes(still) - 0.5, planes(shifted) - 0.5  # as `lighting` may leave them
    for first, second in (darker, [planes(frame) for frame in square]):
        matches, costs = search(first, second)
        swapped, swapped_costs = search(second, first)
        np.testing.assert_array_equal(costs, swapped_costs[::-1])
        assert (matches == swapped[:, ::-1]).numpy().all(0).mean() > 0.999


def test_the_search_goes_as_far_as_its_reach_and_no_farther(still):
    for shift, found in ((matching.REACH, True), (matching.REACH + 1, False)):
        matches, _ = search(planes(still), planes(np.roll(still, shift, 1)))
        assert (matches.numpy()[0, 0][INNER[1:]] == shift).all() == found


@pytest.mark.parametrize("directions", [1, 2])
def test_a_square_that_outruns_its_size_is_found(square, directions):
    first, second = (planes(frame) for frame in square)
    pictures = (tf.concat([first, second], 0), tf.concat([second, first], 0)) if directions == 2 else (first, second)
    fused = fuse(*pictures, tf.zeros((2, directions, HEIGHT, WIDTH))).numpy()
    assert (fused[:, 0, 19:23, 23:27] == np.reshape([8, -7], (2, 1, 1))).all()
    if directions == 2:
        assert (fused[:, 1, 12:16, 31:35] == np.reshape([-8, 7], (2, 1, 1))).all()
    moved = np.abs(fused[:, 0]).sum(0) > 0
    moved[17:25, 21:29] = False
    assert moved.mean() < 0.01


def test_a_flow_that_fits_stays(still, shifted):
    truth = tf.ones((2, 1, HEIGHT, WIDTH)) * tf.reshape([float(RIGHT), float(DOWN)], (2, 1, 1, 1))
    fused = fuse(planes(still), planes(shifted), truth)
    np.testing.assert_array_equal(fused.numpy()[INNER], truth.numpy()[INNER])


def test_what_has_no_match_mostly_keeps_its_flow(still):
    """Chance matches of patches this small do lead home now and then."""
    other = texture(HEIGHT, WIDTH, seed=8, smooth=1.0)
    flow = tf.ones((2, 1, HEIGHT, WIDTH))
    fused = fuse(planes(still), planes(other), flow)
    assert (fused.numpy() != 1.0).any(0).mean() < 0.2


def test_flat_pictures_have_no_matches():
    for values in ((0.0, 0.0), (0.0, 1.0), (0.4, 0.5)):
        first, second = (tf.fill((1, 3, 12, 9), value) for value in values)
        assert not fuse(first, second, tf.zeros((2, 1, 12, 9))).numpy()[..., 1:-1, 1:-1].any()
