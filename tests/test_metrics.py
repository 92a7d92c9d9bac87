"""Clips get the warping error they deserve."""

import itertools

import numpy as np
import pytest
from conftest import texture

from styletransfer import pixels
from styletransfer.metrics import warping_error, warping_errors
from styletransfer.motion.flow import estimate_flow, estimate_flow_pair
from styletransfer.motion.warping import warp

SCENE = texture(40, 120, seed=3, smooth=2.5)
SOURCE = [np.ascontiguousarray(SCENE[:, 2 * i : 2 * i + 64]) for i in range(6)]


def flow(source, target):
    """The source moves left by 2 pixels a frame; frames are known by identity of their first column."""
    place = {frame[:, 0].tobytes(): i for i, frame in enumerate(SOURCE)}
    shift = 2 * (place[source[:, 0].tobytes()] - place[target[:, 0].tobytes()])
    return np.broadcast_to(np.float32([shift, 0]), (*source.shape[:2], 2))


def test_a_clip_that_moves_with_its_source_is_perfectly_steady():
    negative = [255 - frame for frame in SOURCE]
    assert warping_error(negative, SOURCE, flow=flow) == pytest.approx(0.0, abs=1e-12)
    assert warping_error(negative, SOURCE, gap=3, flow=flow) == pytest.approx(0.0, abs=1e-12)


def test_a_sharp_clip_that_moves_by_parts_of_a_pixel_is_steady():
    """Strokes of a few pixels, shifted by Fourier's theorem, wrapping around; a linear judge finds them unsteady."""
    strokes = texture(40, 64, seed=8, smooth=0.8) / 255.0
    waves, along = np.fft.fft(strokes, axis=1), np.fft.fftfreq(64)[:, np.newaxis]
    clip = [np.clip(np.fft.ifft(waves * np.exp(-2j * np.pi * 0.4 * i * along), axis=1).real, 0, 1) for i in range(3)]

    place = {pixels.as_uint8(frame).tobytes(): i for i, frame in enumerate(clip)}

    def right(source, target):
        shift = 0.4 * (place[target.tobytes()] - place[source.tobytes()])
        return np.broadcast_to(np.float32([shift, 0.0]), (40, 64, 2))

    steady = warping_error(clip, clip, flow=right)
    linear = np.mean(
        [np.square(warp(a, right(*map(pixels.as_uint8, (b, a)))) - b).mean() for a, b in itertools.pairwise(clip)]
    )
    assert steady < 0.1 * linear


def test_a_motion_that_is_not_found_at_once_is_followed_from_frame_to_frame():
    """As most flows are lost over ten frames, when things move far."""

    def short_sighted(source, target):
        found = flow(source, target)
        return found if np.abs(found).max() <= 2.0 else np.zeros_like(found)

    assert warping_error(SOURCE, SOURCE, gap=4, flow=short_sighted) == pytest.approx(0.0, abs=1e-10)
    assert warping_error([SOURCE[0]] * 6, SOURCE, gap=4, flow=short_sighted) > 0.005


def test_by_default_the_ways_there_and_back_are_found_together():
    """Each then knows what the other frame hides, here what stands before the pan."""
    clip = [frame.copy() for frame in SOURCE]
    for frame in clip:
        frame[8:32, 24:40] = texture(24, 16, seed=9)
    pairs = {}

    def together(source, target):
        key = source.tobytes(), target.tobytes()
        if key not in pairs:
            pairs[key], pairs[key[::-1]] = estimate_flow_pair(source, target)
        return pairs[key]

    for gap in (1, 3):
        assert warping_error(clip, clip, gap=gap) == warping_error(clip, clip, gap=gap, flow=together)
    assert warping_error(clip, clip) != warping_error(clip, clip, flow=estimate_flow)


def test_steps_that_drift_are_mended_by_a_motion_that_is_found_at_once():
    def drifting(source, target):
        found = flow(source, target)
        return found + np.float32(0.2 if np.abs(found).max() <= 2.0 else 0.0)

    assert warping_error(SOURCE, SOURCE, gap=4, flow=drifting) == pytest.approx(0.0, abs=1e-10)


def test_flicker_of_a_known_size_is_measured_exactly():
    flicker = [np.full((40, 64, 3), 0.5 + 0.1 * (i % 2)) for i in range(6)]
    assert warping_error(flicker, SOURCE, flow=flow) == pytest.approx(0.01, rel=1e-5)
    assert warping_error(flicker, SOURCE, gap=2, flow=flow) == pytest.approx(0.0, abs=1e-10)


def test_what_sticks_to_the_screen_is_not_steady():
    assert warping_error([SOURCE[0]] * 6, SOURCE, flow=flow) > 0.005


def test_with_our_own_flow_a_copy_has_a_small_error():
    assert warping_error(SOURCE, SOURCE) < 0.001 < warping_error([SOURCE[0]] * 6, SOURCE)


def test_there_is_an_error_for_every_frame_from_the_gap_on():
    assert len(list(warping_errors(SOURCE, SOURCE, gap=2, flow=flow))) == 4


@pytest.mark.parametrize("result, gap", [(SOURCE[:1], 1), (SOURCE[:3], 3)])
def test_too_few_frames_are_refused(result, gap):
    with pytest.raises(ValueError, match="expected more"):
        warping_error(result, SOURCE[: len(result)], gap=gap, flow=flow)


def test_clips_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="the result has 3 frames, and the source has more"):
        warping_error(SOURCE[:3], SOURCE, flow=flow)
    with pytest.raises(ValueError, match="expected"):
        warping_error([frame[:20] for frame in SOURCE], SOURCE, flow=flow)
