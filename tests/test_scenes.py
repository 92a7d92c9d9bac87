"""Cuts are found, and nothing else is taken for one."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from styletransfer.motion.scenes import is_cut, similarity


def picture(seed, shape=(48, 64)):
    noise = np.random.default_rng(seed).normal(size=(*shape, 3))
    smooth = gaussian_filter(noise, (4, 4, 0))
    return (128 + 40 * smooth / smooth.std()).astype(np.float32)


def test_a_different_picture_is_a_cut():
    assert is_cut(picture(0), picture(1))


def test_the_same_picture_is_none():
    assert similarity(picture(0), picture(0)) == pytest.approx(1.0)


@pytest.mark.parametrize("gain, offset", [(0.5, 0.0), (1.0, 60.0), (0.3, 150.0)])
def test_fades_and_flashes_are_none(gain, offset):
    assert not is_cut(gain * picture(0) + offset, picture(0))


def test_noise_on_black_frames_is_none():
    noise = np.random.default_rng(0).normal(scale=1.0, size=(2, 48, 64, 3)).astype(np.float32)
    assert not is_cut(*noise)


def test_the_first_picture_after_black_is_a_cut():
    assert is_cut(picture(0), np.zeros((48, 64, 3), np.float32))


def test_a_new_object_over_a_fifth_of_the_frame_is_none():
    frame = picture(0)
    frame[:, :12] = picture(1)[:, :12]
    assert not is_cut(frame, picture(0))
