"""What enters the frame takes fitting paint."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given
from hypothesis.extra.numpy import arrays

from styletransfer.motion.filling import borrow


def halves(height=40, width=60, split=20):
    """A picture that is dark above `split` and light below, and its painted version: red above, blue below."""
    frame = np.full((height, width, 3), 200, np.float32)
    frame[:split] = 30
    painted = np.zeros_like(frame)
    painted[:split, :, 0] = 255
    painted[split:, :, 2] = 255
    return frame, painted


def test_paint_comes_from_where_the_picture_looks_alike():
    frame, painted = halves()
    missing = np.zeros(frame.shape[:2], bool)
    missing[:, 50:] = True
    nothing = np.zeros_like(frame)
    filled = borrow(nothing, 255 - frame, painted, frame, frame, missing)
    away_from_the_seam = np.r_[0:14, 26:40]
    np.testing.assert_array_equal(filled[away_from_the_seam, 50:], painted[away_from_the_seam, 50:])


def test_the_flow_keeps_its_say_where_nothing_looks_more_alike():
    frame, painted = halves()
    everywhere = np.ones(frame.shape[:2], bool)
    filled = borrow(painted + 1, frame, painted, 255 - frame, frame, everywhere)
    np.testing.assert_array_equal(filled, painted + 1)


def test_only_missing_pixels_are_filled():
    frame, painted = halves()
    missing = np.zeros(frame.shape[:2], bool)
    missing[3:9, 5:7] = True
    nothing = np.zeros_like(frame)
    filled = borrow(nothing, 255 - frame, painted + 1, frame, frame, missing)
    assert (filled[~missing] == 0).all() and (filled[missing] > 0).any(axis=-1).all()


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_any_size_and_mask_gives_paint_that_was_there(missing):
    rng = np.random.default_rng(0)
    moved, seen, painted, frame = rng.uniform(1, 255, (4, *missing.shape, 3)).astype(np.float32)
    filled = borrow(moved, seen, painted, frame, frame, missing)
    assert filled.shape == painted.shape and np.isin(filled, [moved, painted]).all()
    np.testing.assert_array_equal(filled[~missing], moved[~missing])
