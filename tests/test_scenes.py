"""Cuts are found, and nothing else is taken for one."""

import numpy as np
import pytest
from conftest import texture
from scipy.ndimage import gaussian_filter

from styletransfer.motion.flow import estimate_flow_pair
from styletransfer.motion.scenes import Cuts, explained, is_cut
from styletransfer.motion.warping import warp

SIZE = 96, 144


def picture(seed, shape=(48, 64)):
    noise = np.random.default_rng(seed).normal(size=(*shape, 3))
    smooth = gaussian_filter(noise, (4, 4, 0))
    return (128 + 40 * smooth / smooth.std()).astype(np.float32)


def by_the_detector(frames):
    """The frames that begin a shot, by the detector that is told one frame after the other."""
    detector = Cuts()
    return [i for i, frame in enumerate(frames) if detector.is_cut(frame.astype(np.float32))]


def by_the_chain(frames):
    """The same as the chain finds them, which estimates the flow at full size anyway."""
    found, before = [], 1.0
    for i in range(1, len(frames)):
        back, _ = estimate_flow_pair(frames[i], frames[i - 1], quality="fast")
        now, warped = frames[i].astype(np.float32), warp(frames[i - 1].astype(np.float32), back)
        share = explained(now, warped)
        if is_cut(share, before):
            found.append(i)
        before = 1.0 if found[-1:] == [i] else share
    return found


@pytest.fixture(params=[by_the_detector, by_the_chain], ids=["detector", "chain"])
def cuts(request):
    return request.param


def shot(seed, count=3, step=2):
    """A slow pan over large and small texture."""
    wide = (
        texture(SIZE[0], 2 * SIZE[1], seed=seed, smooth=6.0) // 2 + texture(SIZE[0], 2 * SIZE[1], seed=seed + 50) // 2
    )
    return [np.ascontiguousarray(wide[:, step * i : step * i + SIZE[1]]) for i in range(count)]


def test_a_different_picture_is_a_cut():
    assert is_cut(explained(picture(0), picture(1)))


def test_the_same_picture_is_none():
    assert explained(picture(0), picture(0)) == 1.0


@pytest.mark.parametrize("gain, offset", [(0.5, 0.0), (1.0, 60.0), (0.3, 150.0)])
def test_fades_and_flashes_are_none(gain, offset):
    assert not is_cut(explained(gain * picture(0) + offset, picture(0)))


def test_noise_on_black_frames_is_none():
    noise = np.random.default_rng(0).normal(scale=1.0, size=(2, 48, 64, 3)).astype(np.float32)
    assert not is_cut(explained(*noise))


def test_the_first_picture_after_black_is_a_cut():
    assert is_cut(explained(picture(0), np.zeros((48, 64, 3), np.float32)))


def test_a_new_object_over_a_third_of_the_frame_is_none():
    frame = picture(0)
    frame[:, :21] = picture(1)[:, :21]
    assert not is_cut(explained(frame, picture(0)))


def test_pictures_of_any_size_are_compared():
    for shape in ((1, 1, 3), (1, 9, 3), (5, 7, 3), (16, 16, 3)):
        noise = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
        assert explained(noise, noise) == 1.0


def test_cuts_between_shots_of_the_same_colours_are_found(cuts):
    assert cuts([*shot(1), *shot(2), *shot(3)]) == [3, 6]


def test_shots_of_two_frames_are_told_apart(cuts):
    assert cuts([*shot(1, 2), *shot(2, 2), *shot(3, 2)]) == [2, 4]


def test_a_whip_pan_is_none(cuts):
    wide = texture(SIZE[0], 1200, seed=4, smooth=6.0) // 2 + texture(SIZE[0], 1200, seed=5) // 2
    frames, x = [], 0
    for speed in (0, 4, 15, 40, 80, 100, 100, 80, 40, 15, 4, 0):
        exposures = [wide[:, x + k : x + k + SIZE[1]].astype(float) for k in range(max(1, speed))]
        frames.append(np.mean(exposures, axis=0).astype(np.uint8))  # the shutter is open all the time
        x += speed
    assert cuts(frames) == []


@pytest.mark.parametrize("speed", [12, 30])
def test_a_thing_that_passes_close_by_and_fills_the_picture_is_none(cuts, speed):
    (ground,), thing, margin = shot(6, 1), texture(SIZE[0], 200, seed=8, smooth=4.0), 200
    frames = []
    for left in range(SIZE[1], -margin, -speed):
        wide = np.pad(ground, ((0, 0), (margin, margin), (0, 0)))
        wide[:, margin + left : 2 * margin + left] = thing
        frames.append(wide[:, margin : margin + SIZE[1]])
    assert cuts(frames) == []


def test_a_cross_fade_is_none(cuts):
    (a,), (b,) = shot(1, 1), shot(2, 1)
    assert cuts([np.uint8((1 - k / 10) * a + k / 10 * b) for k in range(11)]) == []


def test_a_bright_flash_is_none(cuts):
    (a,) = shot(1, 1)
    assert cuts([a, a, np.clip(a.astype(int) + 100, 0, 255).astype(np.uint8), a, a]) == []
