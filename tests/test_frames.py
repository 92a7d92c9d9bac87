"""The video loop: what is carried from frame to frame, what is recognised, what is refused."""

import itertools

import numpy as np
import pytest
from conftest import texture
from hypothesis import given
from hypothesis import strategies as st

from styletransfer import metrics, pixels
from styletransfer.image import stylize_image
from styletransfer.motion.fields import write_flow
from styletransfer.options import StyleOptions
from styletransfer.video.carry import LOOSE, SETTLING, Opening, Painted, both_ways, carry, is_held
from styletransfer.video.chain import held_by, paint
from styletransfer.video.frames import stylize_frames
from styletransfer.video.state import load, store

STYLE = texture(40, 32, seed=2, smooth=1.0)
SCENE = texture(48, 96, seed=1, smooth=2.5)
FEW = {"style_layers": ("block1_conv1", "block2_conv1"), "content_layers": ("block2_conv2",), "max_size": None}


def pan(count, step=2):
    """A window that moves right over a scene: the picture moves left by `step` pixels a frame."""
    return [np.ascontiguousarray(SCENE[:, step * i : step * i + 64]) for i in range(count)]


def true_flow(source, target):
    """The flow of `pan`, whichever of its frames are given, found by trying."""
    errors = {}
    for shift in range(-8, 9):
        a = source[:, max(0, -shift) : 64 - max(0, shift)].astype(float)
        b = target[:, max(0, shift) : 64 + min(0, shift)].astype(float)
        errors[shift] = np.abs(a - b).mean()
    shift = min(errors, key=errors.get)
    return np.broadcast_to(np.float32([shift, 0]), (*source.shape[:2], 2))


def still(source, target):
    return np.zeros((*source.shape[:2], 2), np.float32)


def test_one_painted_frame_comes_out_per_frame(model):
    painted = list(stylize_frames(pan(3), STYLE, model=model, flow=still, steps=2, **FEW))
    assert [p.shape for p in painted] == [(48, 64, 3)] * 3 and painted[0].dtype == np.uint8


def test_the_frame_that_opens_a_clip_is_the_frame_painted_alone(model):
    frame, half = pan(1)[0], np.zeros((48, 64), np.uint8)
    half[:, :32] = 255
    for settings in ({}, {"regions": half}, {"warm_start": False, "temporal_weight": 0.0}):
        how = {"model": model, "steps": 8, **FEW} | settings
        opened = next(iter(stylize_frames([frame], STYLE, flow=still, **how)))
        np.testing.assert_array_equal(opened, stylize_image(frame, STYLE, **how))


def test_a_frame_that_is_as_good_as_the_first_is_painted_no_further(model):
    steps, losses, styles = {}, {}, {}
    for slack in (0.0, 0.1, 1.0):
        options, seen = StyleOptions(steps=12, tolerance=0.0, slack=slack, **FEW), []
        how = {"model": model, "flow": both_ways(true_flow, "fast"), "on_step": seen.append}
        painted = list(paint(pan(4), STYLE, options, **how))
        ends = np.cumsum([frame.steps for frame in painted]) - 1
        styles[slack] = [seen[end].terms["style"] for end in ends]
        steps[slack], losses[slack] = [frame.steps for frame in painted], [frame.loss for frame in painted]
    assert steps[1.0][1:] == [1, 1, 1] and steps[1.0][0] == steps[0.0][0]
    ended = [style for style, step in zip(styles[0.1], steps[0.1], strict=True) if step < 12]
    assert all(style <= 1.2 * styles[0.1][0] for style in ended)
    done = [loss for loss, step in zip(losses[0.1], steps[0.1], strict=True) if step < 12]
    assert all(loss <= 1.1 * losses[0.1][0] for loss in done)
    assert sum(steps[1.0]) < sum(steps[0.1]) <= sum(steps[0.0])


def test_paint_on_what_came_into_sight_is_held_the_more_the_longer_it_is_there(model):
    options = StyleOptions(steps=1, history=(1,), **FEW)
    flow = both_ways(true_flow, "fast")
    painted = list(paint(pan(13), STYLE, options, model=model, flow=flow))
    assert painted[0].fresh.size == 0  # all of it, so none of it more than the rest
    fresh = painted[-1].fresh
    for frames in range(12):  # since a strip of two pixels entered at the right
        entered = fresh[:, 62 - 2 * frames : 64 - 2 * frames]
        assert entered.max() == pytest.approx(max(1.0 - frames / SETTLING, 0.0))
        assert frames >= SETTLING or (entered > 0.0).mean() > 0.5
    assert (fresh[:, :40] == 0.0).all()
    carried = carry(painted[:-1], painted[-1], (1,), flow)
    np.testing.assert_array_equal(carried.fresh, fresh)
    assert (carried.reliability <= 1.0 - (1.0 - LOOSE) * fresh + 1e-6).all()  # rounding
    assert carried.reliability[0, :, 8:40].min() > 0.9
    assert carried.reliability[0][fresh == 1.0] == pytest.approx(LOOSE)  # what entered in this very frame


def test_a_job_that_goes_on_knows_what_is_fresh(model, tmp_path):
    options = StyleOptions(steps=2, history=(1,), **FEW)
    how = {"model": model, "flow": both_ways(true_flow, "fast")}
    whole = list(paint(pan(6), STYLE, options, **how))
    store(tmp_path / "state.npz", whole[3])
    earlier = [whole[0], load(tmp_path / "state.npz")[0]]
    rest = list(paint(pan(6)[4:], STYLE, options, earlier=earlier, first=pan(1)[0], **how))
    assert 0.0 < whole[3].fresh.mean() < 0.5
    for a, b in zip(whole[4:], rest, strict=True):
        np.testing.assert_array_equal(a.fresh, b.fresh)
        np.testing.assert_array_equal(a.result, b.result)


def test_frames_are_read_one_at_a_time(model):
    asked = []

    def endless():
        for i in itertools.count():
            asked.append(i)
            yield pan(1)[0] if i % 2 else texture(48, 64, seed=i)

    frames = stylize_frames(endless(), STYLE, model=model, flow=still, steps=1, **FEW)
    assert asked == []
    next(frames)
    assert asked == [0]
    next(frames)
    assert asked == [0, 1]
    frames.close()


def test_the_report_method_paints_every_frame_on_its_own(model):
    frames, settings = pan(3), {"temporal_weight": 0.0, "warm_start": False, "steps": 4, "normalize": False, **FEW}
    together = list(stylize_frames(frames, STYLE, model=model, **settings))
    alone = [next(stylize_frames([frame], STYLE, model=model, **settings)) for frame in frames]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_report_method_never_asks_for_flow(model):
    def flow(source, target):
        raise AssertionError("asked for flow")

    list(stylize_frames(pan(2), STYLE, model=model, flow=flow, preset="report", steps=1, max_size=None))


def test_the_whole_clip_is_steadier_than_its_frames(model):
    frames, settings = pan(4), {"steps": 15, "tolerance": 0.0, **FEW}
    held = list(stylize_frames(frames, STYLE, model=model, flow=true_flow, **settings))
    alone = list(stylize_frames(frames, STYLE, model=model, warm_start=False, temporal_weight=0.0, **settings))
    errors = [metrics.warping_error(painted, frames, flow=true_flow) for painted in (held, alone)]
    assert errors[0] < 0.2 * errors[1]


def test_a_warm_start_begins_at_the_moved_result(model):
    seen = []
    options = StyleOptions(steps=2, tolerance=0.0, temporal_weight=1.0, **FEW)
    painted = list(paint(pan(2), STYLE, options, model=model, flow=both_ways(true_flow, "fast"), on_step=seen.append))
    begin = seen[2].image.numpy()[0]
    np.testing.assert_allclose(begin[:, :60], painted[0].result[0][:, 2:62], atol=1e-2)
    assert seen[2].terms["temporal"] == pytest.approx(0.0, abs=1e-6)


def test_what_enters_the_frame_is_not_held_to_anything(model):
    first = pixels.to_inside(pan(1)[0])
    second = pixels.to_inside(pan(2)[1])
    carried = carry([Painted(first, first, 1)], Painted(second, second, 0), (1,), both_ways(true_flow, "fast"))
    assert (carried.reliability[0, :, -1] < 0.1).all()
    assert (carried.reliability[0, :, 4:-6] == 1).all()


def test_after_a_cut_a_frame_starts_afresh(model):
    other = texture(48, 64, seed=9, smooth=2.5)
    settings = {"steps": 3, "tolerance": 0.0, "normalize": False, "flow": still, **FEW}
    after = list(stylize_frames([pan(1)[0], other], STYLE, model=model, **settings))[1]
    np.testing.assert_array_equal(after, next(stylize_frames([other], STYLE, model=model, **settings)))


def test_a_flow_that_leads_nowhere_is_told_and_holds_nothing(model, caplog):
    def lost(source, target):
        return np.full((*source.shape[:2], 2), 1e6, np.float32)

    settings = {"steps": 3, "tolerance": 0.0, "normalize": False, **FEW}
    with caplog.at_level("INFO", "styletransfer"):
        painted = list(stylize_frames(pan(3), STYLE, model=model, flow=lost, **settings))
    alone = [next(stylize_frames([frame], STYLE, model=model, **settings)) for frame in pan(3)]
    np.testing.assert_array_equal(painted, alone)
    assert [f"frame {k} begins a new scene" in caplog.text for k in range(3)] == [False, True, True]


def test_a_held_frame_takes_the_earlier_result_and_no_step(model):
    frame, noise = pan(1)[0], np.random.default_rng(0).integers(-2, 3, (48, 64, 3))
    again = np.clip(frame.astype(int) + noise, 0, 255).astype(np.uint8)
    seen = []
    first, second = stylize_frames([frame, again], STYLE, model=model, steps=3, on_step=seen.append, **FEW)
    np.testing.assert_array_equal(first, second)
    assert len(seen) <= 3


def test_a_small_moving_thing_is_not_held():
    frame = pixels.to_inside(pan(1)[0])
    changed = frame.copy()
    changed[0, 20:24, 20:24] += 40
    assert not is_held(changed, frame, StyleOptions().still_threshold)


def test_slow_changes_add_up_until_they_are_painted(model):
    frame = pan(1)[0] // 2
    fade = [frame + np.uint8(i) for i in range(12)]
    options = StyleOptions(steps=1, **FEW)
    painted = list(paint(fade, STYLE, options, model=model, flow=both_ways(still, "fast")))
    steps = [p.steps for p in painted]
    assert steps[1] == 0 and sum(s > 0 for s in steps) >= 3


def test_a_threshold_of_zero_paints_every_frame(model):
    frame = pan(1)[0]
    seen = []
    list(stylize_frames([frame] * 3, STYLE, model=model, steps=1, still_threshold=0.0, on_step=seen.append, **FEW))
    assert len(seen) == 3


def test_a_clip_taken_up_again_goes_on_as_if_never_stopped(model):
    frames, options = pan(4), StyleOptions(steps=4, **FEW)
    flow = both_ways(true_flow, "fast")
    whole = list(paint(frames, STYLE, options, model=model, flow=flow))
    rest = list(paint(frames[2:], STYLE, options, model=model, flow=flow, earlier=whole[:2], first=frames[0]))
    for a, b in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(a.result, b.result)


def test_frames_of_changing_size_are_refused(model):
    frames = stylize_frames([pan(1)[0], texture(40, 64)], STYLE, model=model, flow=still, steps=1, **FEW)
    next(frames)
    with pytest.raises(ValueError, match="frame 1 is 64x40 pixels, expected 64x48"):
        next(frames)


def test_a_wrong_setting_is_refused_at_the_call():
    with pytest.raises(TypeError, match="did you mean 'steps'"):
        stylize_frames([], STYLE, setps=3)


@pytest.mark.parametrize(
    "field", [np.zeros((48, 64)), np.zeros((2, 2, 2)), np.full((48, 64, 2), np.nan)], ids=["shape", "size", "nan"]
)
def test_a_flow_of_the_wrong_kind_is_refused(model, field):
    frames = stylize_frames(pan(2), STYLE, model=model, steps=1, flow=lambda a, b: field, **FEW)
    next(frames)
    with pytest.raises(ValueError, match=r"flow returned .* expected finite values of shape \(48, 64, 2\)"):
        next(frames)


def test_flow_from_a_folder_is_as_good_as_from_a_function(model, tmp_path):
    frames = pan(3)
    frames.insert(2, frames[1])  # held: its own flow is never asked for, but what is farther back lies behind it
    for a, b in ((1, 0), (2, 1), (3, 2)):
        write_flow(tmp_path / f"backward_{a + 1}_{b + 1}.flo", true_flow(frames[a], frames[b]))
        write_flow(tmp_path / f"forward_{b + 1}_{a + 1}.npy", true_flow(frames[b], frames[a]))
    settings = {"model": model, "steps": 3, **FEW}
    expected = stylize_frames(frames, STYLE, flow=true_flow, **settings)
    for a, b in zip(expected, stylize_frames(frames, STYLE, flow=tmp_path, **settings), strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_frames_give_no_frames(model):
    assert list(stylize_frames([], STYLE, model=model)) == []


def lacking(times, place, hold=1.0, **settings):
    """The hold of the frame at `place` after frame 4, whose style loss is `times` that of the frame that opened."""
    options, picture = StyleOptions(**settings), np.zeros((1, 8, 8, 3), np.float32)
    opening = Opening(Painted(picture, picture, 1, opens=True, style=2.0))
    return held_by(Painted(picture, picture, 1, place=4, style=2.0 * times, hold=hold), place, opening, options)


@given(st.floats(0.01, 100.0), st.floats(0.05, 1.0), st.integers(1, 20), st.floats(0.01, 1.0))
def test_a_frame_is_held_less_while_style_is_lacking_and_more_again_when_it_is_not(times, hold, gap, slack):
    held = lacking(times, 4 + gap, hold, slack=slack)
    assert held <= hold if times > 1.0 + slack else held >= hold
    assert StyleOptions().min_hold <= held <= 1.0


def test_how_fast_frames_are_held_less_does_not_depend_on_how_many_are_painted():
    once = lacking(1.5, 7)  # a key frame, three frames on
    each = lacking(1.5, 5, lacking(1.5, 5, lacking(1.5, 5)))
    assert once == pytest.approx(each) and once < 0.85


def test_frames_are_held_alike_where_that_is_asked_for_or_nothing_tells_what_they_lack():
    assert lacking(9.0, 5, min_hold=1.0) == lacking(9.0, 5, slack=0.0) == lacking(0.0, 5) == 1.0
    assert held_by(Painted(*[np.zeros((1, 8, 8, 3), np.float32)] * 2, 1, style=9.0), 1, None, StyleOptions()) == 1.0


def test_in_a_long_pan_style_is_not_lost(model):
    scene = np.concatenate([texture(48, 80, seed=3, smooth=9.0), texture(48, 80, seed=4, smooth=1.0)], axis=1)
    frames = [np.ascontiguousarray(scene[:, 2 * i : 2 * i + 64]) for i in range(48)]

    def flow(a, b):
        field = np.broadcast_to(np.float32([2 * (a.place - b.place), 0]), (48, 64, 2))
        return field, -field

    def last(**settings):
        options = StyleOptions(steps=6, history=(1,), temporal_weight=1.0, **FEW, **settings)
        return list(paint(frames, STYLE, options, model=model, flow=flow))[-1]

    alike, eased = last(min_hold=1.0), last()
    assert alike.hold == 1.0 and eased.hold < 0.5
    assert eased.style < 0.7 * alike.style


def test_a_job_that_goes_on_holds_frames_as_firmly(model, tmp_path):
    options = StyleOptions(steps=3, history=(1,), temporal_weight=1.0, **FEW)
    how = {"model": model, "flow": both_ways(true_flow, "fast")}
    whole = list(paint(pan(8), STYLE, options, **how))
    store(tmp_path / "state.npz", whole[4])
    earlier = [whole[0], load(tmp_path / "state.npz")[0]]
    rest = list(paint(pan(8)[5:], STYLE, options, earlier=earlier, first=pan(1)[0], **how))
    assert whole[4].hold < 1.0
    assert [frame.hold for frame in rest] == [frame.hold for frame in whole[5:]]
    np.testing.assert_array_equal(rest[-1].result, whole[-1].result)
