"""Light against gains and offsets that are known, and motion, which is none."""

import numpy as np
import pytest
from conftest import texture
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from styletransfer.motion.lighting import in_one_light


def picture(seed: int = 5, height: int = 64, width: int = 96) -> np.ndarray:
    return texture(height, width, seed).astype(np.float32) / np.float32(255)


@given(
    hnp.arrays(np.float32, 3, elements=st.floats(0.125, 0.75, width=32)),
    hnp.arrays(np.float32, 3, elements=st.floats(-0.125, 0.25, width=32)),
)
def test_a_gain_and_an_offset_of_every_channel_are_taken_back(gain, offset):
    bright = picture()
    dull = gain * bright + offset
    lit, other = in_one_light(dull, bright)
    assert other is bright
    np.testing.assert_allclose(lit, bright, atol=0.03)


def test_the_order_does_not_matter():
    bright, dull = picture(), 0.5 * picture() + np.float32(0.1)
    there, back = in_one_light(dull, bright), in_one_light(bright, dull)
    np.testing.assert_array_equal(there[0], back[1])
    np.testing.assert_array_equal(there[1], back[0])


@pytest.mark.parametrize("shift", [0, 1, 5, 20])
def test_motion_is_left_as_it_is(shift):
    wide = picture(width=128)
    first, second = wide[:, :96], wide[:, shift : 96 + shift]
    lit, other = in_one_light(first, second)
    assert lit is first and other is second


def test_a_fade_is_told_from_the_motion_that_goes_with_it():
    wide = picture(width=128)
    bright, dull = wide[:, :96], 0.5 * wide[:, 2:98]
    lit, _ = in_one_light(dull, bright)
    assert np.abs(lit - wide[:, 2:98]).max() < 0.1


@given(st.sampled_from([(1, 1), (1, 7), (5, 2), (33, 18)]).flatmap(
    lambda shape: st.tuples(*[hnp.arrays(np.float32, (*shape, 3), elements=st.floats(0, 1, width=32))] * 2)
))  # fmt: skip
def test_any_picture_of_any_size_stays_finite(pictures):
    for lit, given_one in zip(in_one_light(*pictures), pictures, strict=True):
        assert lit.shape == given_one.shape and lit.dtype == np.float32
        assert np.isfinite(lit).all()
