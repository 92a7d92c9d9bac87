"""Key frames: where they are put, what the frames between are made of, and that nothing of it shows."""

import itertools
import tracemalloc

import numpy as np
import pytest
from conftest import texture
from scipy.ndimage import gaussian_filter
from test_carry import Flight
from test_frames import FEW, SCENE, STYLE, pan, still, true_flow

from styletransfer import metrics, pixels
from styletransfer.motion.filling import Lender
from styletransfer.options import StyleOptions
from styletransfer.video.between import Neighbour, blend, choose, mix
from styletransfer.video.carry import BEYOND, Painted, both_ways
from styletransfer.video.frames import stylize_frames
from styletransfer.video.keyframes import paint_keyframes, plan


def keys_of(frames, flow=true_flow, **settings):
    """Which frames of a clip are painted."""
    waiting = (Painted(pixels.to_inside(frame), None, 0, place, key=False) for place, frame in enumerate(frames))
    stretches = plan(waiting, both_ways(flow, "fast"), StyleOptions(**({"keyframes": "auto"} | settings)))
    return [stretch.key.place for stretch in stretches if not stretch.still]


def painted(frames, model, flow=true_flow, **settings):
    options = StyleOptions(**({"steps": 3, "tolerance": 0.0} | FEW | settings))
    return list(paint_keyframes(frames, STYLE, options, model=model, flow=both_ways(flow, "fast")))


# ---------------------------------------------------------------- where


def test_every_nth_frame_is_painted_and_the_last():
    assert keys_of(pan(9), keyframes=3) == [0, 3, 6, 8]
    assert keys_of(pan(7), keyframes=3) == [0, 3, 6]


def test_still_pictures_need_one_key_frame():
    assert keys_of([pan(1)[0]] * 30, max_gap=4) == [0]


def test_what_is_easily_carried_has_the_longest_gap():
    assert keys_of(pan(9, step=1), max_gap=4, min_carried=0.5) == [0, 4, 8]


def test_a_frame_of_which_too_little_can_be_carried_is_painted():
    # Two pixels of 64 enter at every frame: 9.4 % in three of them, 12.5 % in four.
    assert keys_of(pan(9, step=2), max_gap=8, min_carried=0.9) == [0, 4, 8]


def test_a_scene_is_painted_at_both_ends():
    other = [np.ascontiguousarray(texture(48, 96, seed=9, smooth=2.5)[:, 2 * i : 2 * i + 64]) for i in range(4)]

    def flow(a, b):
        return true_flow(a, b) if any(np.array_equal(a, f) for f in pan(5)) else still(a, b)

    assert keys_of([*pan(5), *other], flow=flow, max_gap=8, min_carried=0.0) == [0, 4, 5, 8]


def test_a_slow_fade_between_key_frames_changes_more_than_once():
    fade = [pan(1)[0] // 2 + np.uint8(level) for level in range(11)]
    frames = (Painted(pixels.to_inside(frame), None, 0, place, key=False) for place, frame in enumerate(fade))
    stretches = list(plan(frames, both_ways(still, "fast"), StyleOptions(keyframes=8, still_threshold=3.0)))
    assert len(stretches[-1].steps) == 3  # by three levels each


def test_a_long_hold_in_the_middle_does_not_delay():
    frames = [*pan(2), *[pan(2)[1]] * 20]
    assert keys_of(frames, max_gap=4) == [0, 4]


def test_a_number_or_auto_is_expected():
    for wrong in ("automatic", 0, 2.5):
        with pytest.raises(ValueError, match=f"keyframes={wrong!r}"):
            StyleOptions(keyframes=wrong)


# ---------------------------------------------------------------- the clip


def test_every_frame_comes_out_once_and_in_order(model):
    result = painted(pan(8), model, keyframes=3)
    assert [frame.place for frame in result] == list(range(8))
    assert [frame.key for frame in result] == [i in (0, 3, 6, 7) for i in range(8)]
    assert all(frame.steps == 0 for frame in result if not frame.key)


def test_frames_are_read_no_further_than_the_gap(model):
    asked = []

    def endless():
        for i in itertools.count():
            asked.append(i)
            yield pan(1)[0] if i % 2 else np.roll(pan(1)[0], 2, axis=1)

    settings = {"model": model, "flow": true_flow, "keyframes": "auto", "max_gap": 4, "steps": 1, **FEW}
    frames = stylize_frames(endless(), STYLE, **settings)
    for shown in range(9):
        next(frames)
        assert len(asked) <= shown + 1 + 4
    frames.close()


def test_memory_does_not_grow_with_the_clip(model):
    wide = texture(48, 400, seed=1, smooth=2.5)

    def peak(count):
        frames = (np.ascontiguousarray(wide[:, i : i + 64]) for i in range(count))
        tracemalloc.start()
        for _ in stylize_frames(frames, STYLE, model=model, flow=still, keyframes=4, steps=1, **FEW):
            pass
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return memory

    peak(8)
    # The sources and results of 96 more frames would be twice as much again as all of the shorter clip.
    assert peak(120) < 1.5 * peak(24)


def test_the_frames_between_show_their_neighbours_moved(model):
    result = painted(pan(5), model, keyframes=4, temporal_weight=1e3)
    first, middle = result[0].result[0], result[2].result[0]
    change = np.abs(middle[4:-4, 4:-12] - first[4:-4, 8:-8]).mean()
    assert change < 0.05 * first.std()


def test_what_one_neighbour_shows_is_taken_from_it(model):
    result = painted(pan(5), model, keyframes=4)
    # What has entered at the right by the fourth frame is in the last one only.
    np.testing.assert_allclose(result[3].result[0][6:-6, 60:62], result[4].result[0][6:-6, 58:60], atol=2.0)


def test_key_frames_are_steadier_than_the_chain_over_long_gaps(model):
    frames, settings = pan(9, step=1), {"steps": 12, "tolerance": 0.0, "flow": true_flow, "model": model, **FEW}
    chain, keyed = (list(stylize_frames(frames, STYLE, keyframes=n, **settings)) for n in (1, 4))
    errors = [metrics.warping_error(result, frames, gap=8, flow=true_flow) for result in (chain, keyed)]
    assert errors[1] < 0.8 * errors[0]


def test_a_held_frame_is_shown_as_the_one_before(model):
    frames = pan(5)
    frames.insert(2, frames[1])
    result = painted(frames, model, keyframes=5)
    np.testing.assert_array_equal(result[1].result, result[2].result)


def test_frames_that_show_the_key_frame_take_its_result(model):
    frames = [*pan(3), pan(3)[2], pan(3)[2]]
    result = painted(frames, model, keyframes=4)
    for frame in result[2:4]:
        np.testing.assert_array_equal(frame.result, result[4].result)


def test_a_flash_between_key_frames_comes_through(model):
    scene = [np.uint8(frame * 0.5) for frame in pan(5)]
    lit = list(scene)
    lit[2] = scene[2] + np.uint8(60)

    def dimmed(frame):
        return frame - np.uint8(60) if frame.mean() > 90 else frame

    settings = {
        "keyframes": 4,
        "flow": lambda a, b: true_flow(dimmed(a), dimmed(b)),
        "steps": 10,
    }
    dark, bright = painted(scene, model, **settings)[2], painted(lit, model, **settings)[2]
    gain = (bright.result - dark.result)[0, 4:-4, 8:-8].mean()
    colors = np.polyfit(
        scene[0].mean(-1).ravel(), painted(scene[:1], model, **settings)[0].result[0].mean(-1).ravel(), 1
    )
    assert gain > 0.4 * 60 * max(colors[0], 0.2)


def visitor():
    """A still ground, and a thing that only the middle frame shows."""
    frames = [SCENE[:, :64].copy() for _ in range(5)]
    frames[2][16:32, 24:40] = texture(16, 16, seed=5, smooth=1.0)
    return frames


def test_what_neither_neighbour_shows_is_painted(model):
    def flow(a, b):
        """No motion, and the way back does not lead home where the two differ."""
        field = np.zeros((48, 64, 2), np.float32)
        field[(np.abs(a.astype(int) - b).max(axis=-1) > 20)] = 5.0, 0.0
        return field

    settings = {"keyframes": 4, "flow": flow, "still_threshold": 0.0, "min_hole": 0.01, "steps": 20}
    bare, filled = (painted(visitor(), model, fill_steps=steps, **settings)[2] for steps in (0, 20))
    assert (bare.steps, filled.steps) == (0, 20)
    changed = np.abs(filled.result - bare.result)[0].max(axis=-1)
    assert changed[18:30, 26:38].mean() > 5.0
    assert changed[:8].max() < 1e-3 and changed[:, :14].max() < 1e-3


def test_refining_paints_every_frame(model):
    result = painted(pan(5), model, keyframes=4, refine_steps=2, slack=0.0)
    assert [frame.steps for frame in result] == [3, 2, 2, 2, 3]


def test_a_clip_taken_up_at_a_key_frame_goes_on_as_if_never_stopped(model):
    frames, options = pan(10), StyleOptions(steps=3, tolerance=0.0, keyframes=3, history=(1, 5), **FEW)
    flow = both_ways(true_flow, "fast")
    whole = list(paint_keyframes(frames, STYLE, options, model=model, flow=flow))
    earlier = [whole[0], whole[3], whole[6]]
    rest = paint_keyframes(frames[7:], STYLE, options, model=model, flow=flow, earlier=earlier, first=frames[0])
    for a, b in zip(whole[7:], rest, strict=True):
        assert a.place == b.place
        np.testing.assert_array_equal(a.result, b.result)


def test_a_history_looks_back_to_key_frames(model):
    flight = Flight((4, 8, 12, 28, 28, 44, 46))
    settings = {"steps": 12, "tolerance": 0.0, "flow": flight.flow, "keyframes": 2, "min_hole": 1.0, **FEW}
    change = {}
    for history in ((1,), (1, 3), (1, 30)):  # the last reaches beyond the clip: to its first frame
        result = list(stylize_frames(flight.frames, STYLE, model=model, history=history, **settings))
        before, after = result[2][14:30, 12:24], result[6][14:30, 46:58]
        change[history] = np.abs(before[3:-3, 3:-3].astype(float) - after[3:-3, 3:-3]).mean()
    assert max(change[1, 3], change[1, 30]) < 0.7 * change[1,]


# ---------------------------------------------------------------- the blend


ASIS = np.eye(4, 3, dtype=np.float32)  # the colours of a painting that are those of its source


def strokes(seed):
    noise = np.random.default_rng(seed).normal(size=(256, 384, 3)).astype(np.float32)
    noise = gaussian_filter(noise, (1.0, 1.0, 0.0))
    return 128.0 + 40.0 * noise / noise.std()


def test_unlike_strokes_are_mixed_to_strokes_of_the_same_strength():
    a, b = strokes(0), strokes(1)
    mixed = mix(a, b, np.full((256, 384), 0.5, np.float32))
    assert ((a + b) / 2).std() < 0.75 * a.std()
    assert 0.9 * a.std() < mixed.std() < 1.1 * a.std()


def test_equal_pictures_are_mixed_to_themselves():
    a = strokes(0)
    np.testing.assert_allclose(mix(a, a, np.full((256, 384), 0.3, np.float32)), a, atol=1e-3)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_whole_share_is_one_of_the_pictures(share):
    pictures = strokes(0), strokes(1)
    mixed = mix(*pictures, np.full((256, 384), share, np.float32))
    np.testing.assert_allclose(mixed, pictures[int(share)], atol=1e-2)


def test_one_of_two_things_is_chosen_and_alike_things_are_shared():
    dark, light = np.full((64, 96, 3), 40.0, np.float32), np.full((64, 96, 3), 200.0, np.float32)
    share = np.full((64, 96), 0.6, np.float32)
    assert choose(share, dark, light).min() > 0.99
    assert choose(1 - share, dark, light).max() < 0.01
    np.testing.assert_allclose(choose(share, dark, dark + 1), share, atol=0.01)


@pytest.mark.parametrize("unlike", [1.0, 0.5, 0.1])
def test_paint_changes_evenly_from_one_key_frame_to_the_next(unlike):
    source = np.full((256, 384, 3), 100, np.float32)
    frame = Painted(source[np.newaxis], source[np.newaxis], 0)
    other = (1.0 - unlike) * strokes(0) + unlike * strokes(1) - 128.0
    pictures = strokes(0), np.float32(128.0 + other * 40.0 / other.std())
    sides = [Neighbour(np.ones((256, 384), np.float32), source, picture, ASIS) for picture in pictures]
    lender = Lender(source, source)
    path = [blend(frame, *sides, when, lender).picture for when in (0.0, 0.25, 0.5, 0.75, 1.0)]
    changes = [np.square(b - a).mean() for a, b in itertools.pairwise(path)]
    assert max(changes) < 1.25 * min(changes)


def test_paint_near_what_lies_beyond_a_border_is_shared_as_elsewhere():
    source = np.full((256, 384, 3), 100, np.float32)
    frame = Painted(source[np.newaxis], source[np.newaxis], 0)
    before, after = (Neighbour(np.ones((256, 384), np.float32), source, strokes(seed), ASIS) for seed in (0, 1))
    beyond = np.arange(384) < 20
    cut = before._replace(certain=before.certain * ~beyond, source=np.where(beyond[:, np.newaxis], BEYOND, source))
    whole, part = (blend(frame, side, after, 0.3, Lender(source, source)).picture for side in (before, cut))
    np.testing.assert_allclose(part[:, 33:], whole[:, 33:], atol=0.5)


def lights(*levels):
    """Flat pictures."""
    return [np.full((64, 96, 3), level, np.float32) for level in levels]


@pytest.mark.parametrize(("gain", "paint"), [(1.0, 100.0), (3.0, 40.0)])
def test_a_flash_between_two_key_frames_comes_through_in_the_colours_of_the_painting(gain, paint):
    dark, flash, painting = lights(50.0, 90.0, paint)
    frame, everywhere = Painted(flash[np.newaxis], flash[np.newaxis], 0), np.ones((64, 96), np.float32)
    side = Neighbour(everywhere, dark, painting, gain * ASIS)
    np.testing.assert_allclose(
        blend(frame, side, side, 0.5, Lender(flash, flash)).picture, paint + gain * 40.0, atol=0.1
    )


@pytest.mark.parametrize("gain", [1.0, 12.0])
@pytest.mark.parametrize("level", [60.0, 120.0, 180.0])
def test_a_fade_changes_the_paint_between_two_key_frames_no_more_than_from_one_to_the_other(gain, level):
    """In nearly black a painting that is bright has colours of a great gain."""
    start, now, end, before, after = lights(20.0, level, 220.0, 130.0, 150.0)
    frame, everywhere = Painted(now[np.newaxis], now[np.newaxis], 0), np.ones((64, 96), np.float32)
    sides = [Neighbour(everywhere, *one, gain * ASIS) for one in ((start, before), (end, after))]
    picture = blend(frame, *sides, 0.5, Lender(now, now)).picture
    assert picture.min() > 125.0 and picture.max() < 155.0
