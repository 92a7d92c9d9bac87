"""What a frame takes over from earlier ones: long-term weights, and what each part of the start comes from."""

import numpy as np
import pytest
from conftest import texture

from styletransfer import pixels
from styletransfer.motion.filling import ALIKE, light, misfit
from styletransfer.motion.occlusion import disocclusion, reliability
from styletransfer.motion.warping import warp
from styletransfer.options import StyleOptions
from styletransfer.solver import Solver
from styletransfer.video.carry import (
    LOOSE,
    OTHER,
    OTHERWISE,
    STALE,
    Painted,
    both_ways,
    carry,
    latest_opening,
    masks_of,
)
from styletransfer.video.chain import paint
from styletransfer.video.dissolve import visible
from styletransfer.video.frames import stylize_frames
from styletransfer.video.state import load, store

STYLE = texture(40, 32, seed=2, smooth=1.0)
GROUND = texture(48, 64, seed=1, smooth=2.5)
FEW = {"style_layers": ("block1_conv1", "block2_conv1"), "content_layers": ("block2_conv2",), "max_size": None}
TREE = slice(26, 42)
HEAD = slice(14, 30)


def scene(bird):
    """A ground, a bird whose left edge is at `bird`, and a tree before it: the frame, and what each pixel shows."""
    frame, shown = GROUND.copy(), np.zeros((48, 64), int)
    feathers, bark = texture(16, 12, seed=5, smooth=1.0), texture(48, 16, seed=6, smooth=1.0)
    frame[HEAD, bird : bird + 12], shown[HEAD, bird : bird + 12] = feathers, 1
    frame[:, TREE], shown[:, TREE] = bark, 2
    return frame, shown


def still(a, b):
    return np.zeros((*a.shape[:2], 2), np.float32)


class Flight:
    """A bird that flies behind a tree and comes out on the other side, with the true flow between any two frames."""

    def __init__(self, places):
        self.places = list(places)
        self.frames, self.shown = zip(*(scene(place) for place in self.places), strict=True)

    def flow(self, source, target):
        a, b = (next(i for i, f in enumerate(self.frames) if np.array_equal(f, x)) for x in (source, target))
        field = np.zeros((48, 64, 2), np.float32)
        field[self.shown[a] == 1] = self.places[b] - self.places[a], 0
        return field


def lone(frames, opens=0):
    """Some frames, in order, each with paint of its own; one opens a scene."""
    rng = np.random.default_rng(0)
    return [
        Painted(
            pixels.to_inside(f), rng.uniform(0, 255, (1, 48, 64, 3)).astype(np.float32), 1, place, opens=place == opens
        )
        for place, f in enumerate(frames)
    ]


@pytest.fixture(scope="module")
def flight():
    return Flight((4, 8, 12, 28, 28, 44, 46))  # hidden in the fourth and fifth frame


def test_what_comes_back_from_behind_a_tree_looks_as_before(model, flight):
    settings = {"steps": 12, "tolerance": 0.0, "flow": flight.flow, **FEW}
    change = {}
    for history in ((1,), (1, 3, 4)):
        painted = list(stylize_frames(flight.frames, STYLE, model=model, history=history, **settings))
        before, after = painted[2][HEAD, 12:24], painted[5][HEAD, 44:56]
        inner = np.s_[3:-3, 3:-3]
        change[history] = np.abs(before[inner].astype(float) - after[inner]).mean()
    assert change[1, 3, 4] < 0.35 * change[1,]


def test_an_earlier_frame_counts_for_what_nearer_ones_do_not_show_or_show_otherwise(flight):
    inside = [Painted(pixels.to_inside(f), pixels.to_inside(f), 1, place) for place, f in enumerate(flight.frames)]
    carried = carry(inside[:5], inside[5], (1, 3, 4), both_ways(flight.flow, "fast"))
    certain, apart = [], []
    for i in (4, 2, 1):
        there, back = flight.flow(flight.frames[5], flight.frames[i]), flight.flow(flight.frames[i], flight.frames[5])
        apart.append(misfit(inside[5].source[0], warp(inside[i].source[0], there)))
        alike = apart[-1] <= ALIKE  # where a motion boundary is held; and a farther frame at all
        one = np.where(alike, reliability(there, back, boundaries=False), reliability(there, back))
        certain.append(one if i == 4 else one * alike)
    otherwise = apart[0] > OTHERWISE
    assert otherwise.any()
    certain[0] = np.where(otherwise, 0, certain[0])
    left = [certain[0], np.maximum(certain[1] - certain[0], 0), np.maximum(certain[2] - certain[0] - certain[1], 0)]
    np.testing.assert_array_equal(carried.reliability, left)
    assert not carried.fresh.any()  # along the true flow nothing has to be borrowed
    assert (carried.reliability[1][18:26, 48:52] == 1).all()  # the bird, which the frame before hides


def test_the_start_of_what_was_hidden_is_its_paint_from_when_it_was_last_seen(flight):
    memory = lone(flight.frames)
    carried = carry(memory[:5], memory[5], (1, 3), both_ways(flight.flow, "fast"))
    np.testing.assert_allclose(carried.start[0, 18:26, 47:53], memory[2].result[0, 18:26, 15:21], atol=1e-2)


def test_a_farther_frame_lends_no_paint_where_it_shows_another_thing():
    """A wrong flow that leads there and back again: from the ground to the bird that has been there."""
    flight = Flight((10, 8, 20))
    memory = lone(flight.frames)

    def flow(source, target):
        far = any(np.array_equal(one, flight.frames[0]) for one in (source, target))
        return np.zeros((48, 64, 2), np.float32) if far else flight.flow(source, target)

    carried = carry(memory[:2], memory[2], (1, 2), both_ways(flow, "fast"))
    uncovered = np.s_[18:26, 12:18]
    assert not carried.reliability[1][uncovered].any()
    assert np.abs(carried.start[0][uncovered] - memory[0].result[0][uncovered]).mean() > 20


@pytest.mark.parametrize("others", [0, 3, 12])
def test_while_a_scene_is_younger_than_the_history_its_first_frame_is_looked_back_to(flight, others):
    """After a cut, too, from as many frames as the history reaches back to or fewer."""
    elsewhere = [texture(48, 64, seed=30 + i) for i in range(others)]
    *memory, frame = lone([*elsewhere, *flight.frames[:6]], opens=others)
    carried = carry(memory, frame, (1, 10), both_ways(flight.flow, "fast"))  # it knows the frames of the flight alone
    bird, then = np.s_[18:26, 47:53], np.s_[18:26, 7:13]
    assert (carried.reliability[1][bird] == 1).all()
    np.testing.assert_allclose(carried.start[0][bird], memory[others].result[0][then], atol=1e-2)


@pytest.mark.parametrize("distance", [1, 4])
def test_paint_of_what_has_passed_is_not_laid_over_what_a_farther_frame_shows_uncovered(distance):
    """A flow that is 0 there and back again, though a bird has left; in the farther frame it was not there yet."""
    each = lone([scene(bird)[0] for bird in (2, 14, 0)])
    *memory, frame = [one._replace(place=distance * one.place) for one in each]  # as key frames are
    uncovered = np.s_[HEAD, 15:25]
    carried = carry(memory, frame, (1, 2), both_ways(still, "fast"))
    np.testing.assert_allclose(carried.start[0][uncovered], memory[0].result[0][uncovered], atol=1e-2)
    assert not carried.reliability[0][uncovered].any() and (carried.reliability[1][uncovered] == 1).all()


@pytest.mark.parametrize(("darker", "gone"), [(18, False), (36, True)])
def test_paint_of_a_small_thing_that_is_plainly_gone_is_not_laid_over_what_it_uncovers(darker, gone):
    """Without a trace in the flow, and no farther frame tells."""
    before = GROUND.astype(int)
    before[20:25, 30:35] -= darker
    memory, frame = lone([before.clip(0).astype(np.uint8), GROUND])
    carried = carry([memory], frame, (1,), both_ways(still, "fast"), latest_opening([memory]))
    assert carried.borrowed[21:24, 31:34].all() == carried.borrowed.any() == gone
    assert carried.news == 0.0  # no cross-fade


def test_what_paint_was_not_made_for_is_borrowed_anew():
    """A dark thing has left, without a trace in the flow, and the ground is much lighter."""
    dark = GROUND.copy()
    dark[18:30, 26:38] //= 4
    memory, frame = lone([dark, GROUND])
    carried = carry([memory], frame, (1,), both_ways(still, "fast"), latest_opening([memory]))
    assert carried.borrowed[21:27, 29:35].all() and not carried.borrowed[:, :8].any()
    assert (carried.reliability[0][carried.borrowed] == np.float32(LOOSE)).all()


def carried_on(motion, frames):
    """What each of some frames of one still picture, but for its light, takes over along the motion at its border."""
    rng = np.random.default_rng(0)
    sources = [pixels.to_inside(np.clip(GROUND.astype(int) + 8 * (i % 2), 0, 255).astype(np.uint8)) for i in range(2)]
    before = Painted(sources[0], rng.uniform(0, 255, (1, 48, 64, 3)).astype(np.float32), 1, opens=True)
    for place in range(1, frames + 1):
        frame = Painted(sources[place % 2], sources[place % 2], 0, place)
        field = np.broadcast_to(np.array(motion, np.float32), (48, 64, 2))
        carried = carry([before], frame, (1,), lambda a, b, field=field: (field, -field))
        yield before, carried
        told = {name: getattr(carried, name) for name in ("fresh", "drawn_out", "made_for")}
        before = frame._replace(result=carried.start, **told)


def test_a_border_that_trembles_keeps_its_paint():
    for motion in ((0.2, 0.1), (-0.3, 0.2), (0.01, -0.4)):
        before, carried = next(carried_on(motion, 1))
        assert not carried.borrowed.any()
        assert (carried.reliability[0] == 1.0).all()
        edges = np.zeros((48, 64), bool)
        edges[0] = edges[-1] = edges[:, 0] = edges[:, -1] = True
        moved = warp(before.result[0], np.broadcast_to(np.array(motion, np.float32), (48, 64, 2)), border="nearest")
        assert np.corrcoef(carried.start[0][edges].ravel(), moved[edges].ravel())[0, 1] > 0.9


def test_what_enters_by_parts_of_a_pixel_is_new_by_whole_ones():
    borrowed = [carried.borrowed for _, carried in carried_on((0.2, 0.0), 9)]
    assert [one[:, -1].any() for one in borrowed] == 3 * [False, False, True]
    assert not any(one[:, :-1].any() for one in borrowed)


def test_strips_that_enter_one_after_the_other_take_strokes_that_lay_side_by_side():
    """Six strips of two pixels come in from the right over flat ground, where nothing tells one source from another."""
    flat, rng = np.full((1, 48, 64, 3), 90, np.float32), np.random.default_rng(0)
    memory = [Painted(flat, rng.uniform(0, 255, flat.shape).astype(np.float32), 1, opens=True)]

    def moving(a, b):
        there = np.zeros((48, 64, 2), np.float32)
        there[..., 0] = 2 * (a.place - b.place)
        return there, -there

    for place in range(1, 7):
        frame = Painted(flat, flat, 1, place)
        carried = carry(memory, frame, (1,), moving, latest_opening(memory))
        memory.append(frame._replace(result=carried.start, lent=carried.lent, fresh=carried.fresh))
    places = np.arange(64) + carried.lent[..., 0]
    assert (places[:, :-12] == np.arange(12, 64)).all()  # what has been there since the first frame
    assert (places >= 0).all() and (places <= 63).all()
    assert (np.diff(places[:, -12:], axis=1) == 1).mean() > 0.8


def test_flow_is_asked_where_something_is_left_to_cover_and_once_for_the_drift(model):
    frame = GROUND
    asked = []

    def flow(a, b):
        asked.append(1)
        return np.zeros((*a.shape[:2], 2), np.float32)

    changed = [np.clip(frame.astype(int) + 8 * i, 0, 255).astype(np.uint8) for i in range(4)]
    list(stylize_frames(changed, STYLE, model=model, flow=flow, history=(1, 2, 3), steps=1, **FEW))
    assert len(asked) == 2 * (3 + 2)  # both ways to the frame before, which shows everything, and to the farthest


def test_a_held_frame_is_looked_back_to_once(flight):
    memory = [Painted(pixels.to_inside(flight.frames[2]), pixels.to_inside(flight.frames[2]), 1)] * 3
    asked = []

    def flow(a, b):
        asked.append(1)
        return flight.flow(a, b)

    carried = carry(memory, Painted(pixels.to_inside(flight.frames[3]), None, 0), (1, 2, 3), both_ways(flow, "fast"))
    assert len(asked) == 2 and not carried.reliability[1:].any()


def test_a_clip_with_a_long_history_is_one_graph(model, flight):
    traces = []
    options = StyleOptions(steps=2, history=(1, 3, 4), **FEW)
    original = Solver._terms

    def counted(self, *arguments):
        traces.append(1)
        return original(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Solver, "_terms", counted)
        list(paint(flight.frames, STYLE, options, model=model, flow=both_ways(flight.flow, "fast")))
    assert len(traces) == 1


def test_a_scene_that_comes_back_after_a_cut_is_held_to_its_first_visit():
    visit, other = (
        Painted(pixels.to_inside(f), pixels.to_inside(255 - f), 1) for f in (GROUND, texture(48, 64, seed=9))
    )
    carried = carry([visit, other], visit, (1, 2), both_ways(still, "fast"))
    np.testing.assert_allclose(carried.start, visit.result, atol=1e-2)
    assert not carried.reliability[0].any() and carried.reliability[1].all()
    assert carry([visit, other], visit, (1,), both_ways(still, "fast")) is None


def test_the_masks_are_as_the_options_want_them(flight):
    a, b = flight.frames[0], flight.frames[1]
    there, back = flight.flow(a, b), flight.flow(b, a)
    np.testing.assert_array_equal(masks_of(StyleOptions())(there, back), reliability(there, back))
    hard = masks_of(StyleOptions(mask_softness=0.0))(there, back)
    np.testing.assert_array_equal(hard, reliability(there, back, soft=False))
    assert set(np.unique(hard)) == {0.0, 1.0}
    unbounded = masks_of(StyleOptions(mask_softness=0.0, mask_boundaries=False))(there, back)
    np.testing.assert_array_equal(unbounded, ~disocclusion(there, back))
    away = np.full_like(there, 3.0)
    assert (masks_of(StyleOptions())(away, -away)[:, -2:] < 0.1).all()
    assert masks_of(StyleOptions(mask_border=False))(away, -away).all()


def test_a_frame_is_carried_under_the_masks_it_is_given(flight):
    inside = [Painted(pixels.to_inside(f), pixels.to_inside(f), 1, place) for place, f in enumerate(flight.frames)]
    flow = both_ways(flight.flow, "fast")

    def doubtful(there, back, **how):
        return np.full(there.shape[:2], 0.5, np.float32)

    half = carry(inside[:2], inside[2], (1,), flow, masks=doubtful)
    assert set(np.unique(half.reliability[0][~half.borrowed])) <= {0.0, 0.5}
    assert set(np.unique(half.reliability[0][half.borrowed])) == {np.float32(LOOSE)}
    moved = warp(inside[1].source[0], flight.flow(flight.frames[2], flight.frames[1]))
    np.testing.assert_array_equal(half.reliability[0] == 0.5, misfit(inside[2].source[0], moved) <= OTHERWISE)


def test_a_motion_boundary_is_doubted_only_where_the_flow_leads_to_what_looks_otherwise(flight):
    """The bird's flow, smeared over the three rows of ground above it, which it does not move."""
    ring, clear = slice(11, 14), slice(14, 22)  # rows; columns beside neither the bird's ends nor the tree

    def smeared(source, target):
        field = flight.flow(source, target)
        field[ring] = field[14]
        return field

    inside = [Painted(pixels.to_inside(f), pixels.to_inside(f), 1, place) for place, f in enumerate(flight.frames[1:3])]
    true, wrong = (carry(inside[:1], inside[1], (1,), both_ways(flow, "fast")) for flow in (flight.flow, smeared))
    flows = [smeared(*pair) for pair in (flight.frames[2:0:-1], flight.frames[1:3])]
    assert reliability(*flows)[10:12, clear].max() < 0.5  # the boundary, on both of its sides
    assert true.reliability[0][10:14, clear].min() == 1.0
    assert wrong.reliability[0][10, clear].mean() > 0.7 > 0.3 > wrong.reliability[0][11, clear].mean()


@pytest.mark.parametrize(("darker", "taken"), [(0, True), (10, False)])
def test_what_a_smeared_flow_uncovers_is_the_paint_of_a_farther_frame_that_looks_as_alike(darker, taken):
    """A trunk moves left by 2 pixels a frame over faint ground, and its flow draws the paint behind it out over it."""
    places = range(40, 24, -2)
    ground = np.random.default_rng(3).integers(115, 126, (48, 64, 1), np.uint8).repeat(3, axis=2)
    frames = [ground.copy() for _ in places]
    for frame, place in zip(frames, places, strict=True):
        frame[:, place : place + 6] = 40
    frames[0][:, 30:40] -= np.uint8(darker)
    x = np.arange(64.0)

    def flow(source, target):
        a, b = (places[next(i for i, f in enumerate(frames) if np.array_equal(f, g))] for g in (source, target))
        if abs(b - a) > 2:
            along = np.where((x >= a) & (x < a + 6), b - a, 0)
        else:  # smeared over 6 pixels on both sides, and the same way back
            left = min(a, b)
            there = np.interp(x, [left - 6, left, left + 5, left + 11], [0, 2, 2, 0])
            along = there if a == left else np.interp(x, x + there, -there)
        field = np.zeros((48, 64, 2), np.float32)
        field[..., 0] = along
        return field

    first, *others = lone(frames)
    painted = [first]
    for frame in others:
        carried = carry(painted, frame, (1, 10), both_ways(flow, "fast"), latest_opening(painted))
        painted.append(frame._replace(result=carried.start))
    difference = np.abs(carried.start[0] - first.result[0])[:, 34:40]  # what the trunk has uncovered
    assert (np.median(difference) < 1.0) == taken


@pytest.mark.parametrize("smeared", [False, True])
def test_a_farther_frame_is_looked_back_to_where_a_flow_is_smeared_though_it_covers_the_frame(smeared):
    frames = [np.full((48, 64, 3), 120 + i, np.uint8) for i in range(3)]
    field = np.zeros((48, 64, 2), np.float32)
    field[..., 0] = smeared * np.interp(np.arange(64), [20, 30, 40], [0, 4, 0])

    def flow(source, target):
        return field if np.array_equal(target, frames[1]) else 0 * field

    *memory, frame = lone(frames)
    how = {"masks": lambda *flows, **_: np.ones((48, 64), np.float32)}
    near, far = carry(memory, frame, (1, 2), both_ways(flow, "fast"), **how).reliability
    assert (far[:, 32:39] == smeared).all() and (near[:, 32:39] == (not smeared)).all()
    assert not far[:, :30].any() and (near[:, :30] == 1.0).all()


def opened(frames, model):
    """The frames at which the chain began anew, when no flow is seen, and what the last one was painted for."""
    options = StyleOptions(steps=2, **FEW)
    painted = list(paint(frames, STYLE, options, model=model, flow=both_ways(still, "fast")))
    return [frame.place for frame in painted if frame.opens], painted[-1]


def cross_fade(a, b, count):
    return [np.uint8(np.rint(a + (b.astype(float) - a) * i / (count - 1))) for i in range(count)]


def test_a_cross_fade_is_painted_anew_though_nothing_moves(model):
    other = texture(48, 64, seed=12, smooth=6.0)
    frames = cross_fade(texture(48, 64, seed=11, smooth=6.0), other, 14) + [other] * 2
    places, last = opened(frames, model)
    assert 2 <= len(places) <= 5 and max(places) < 14
    made_for = last.made_for if last.made_for.size else light(last.source[0])
    assert np.abs(made_for - light(other.astype(np.float32))).mean() < STALE / 2


@pytest.mark.parametrize("threshold", [0.0, 3.0], ids=["every frame painted", "held at the end"])
def test_where_the_painting_begins_anew_without_a_cut_the_one_before_dissolves(model, threshold):
    scene, other = (texture(48, 64, seed=seed, smooth=6.0) for seed in (11, 12))
    frames = cross_fade(scene, other, 14) + [other] * 10
    options = StyleOptions(steps=2, still_threshold=threshold, **FEW)
    painted = list(paint(frames, STYLE, options, model=model, flow=both_ways(still, "fast")))
    anew = [frame.place for frame in painted if frame.opens][1:]
    assert anew
    for place in anew:
        old, new = painted[place - 1], painted[place]
        jump, seen = (np.abs(b - a).mean() for a, b in ((old.result, new.result), (visible(old), visible(new))))
        assert seen < jump / 3
    assert painted[-1].left == 0.0 and visible(painted[-1]) is painted[-1].result


def test_a_clip_taken_up_while_a_painting_dissolves_goes_on_as_if_never_stopped(model, tmp_path):
    frames = cross_fade(*(texture(48, 64, seed=seed, smooth=6.0) for seed in (11, 12)), 14)
    options, how = StyleOptions(steps=2, history=(1,), **FEW), {"model": model, "flow": both_ways(still, "fast")}
    whole = list(paint(frames, STYLE, options, **how))
    stop = next(place for place, frame in enumerate(whole) if 0.0 < frame.left < 0.8)
    opening = next(frame for frame in reversed(whole[: stop + 1]) if frame.opens)
    for number, frame in enumerate((opening, whole[stop])):
        store(tmp_path / f"{number}.npz", frame)
    earlier = [load(tmp_path / f"{number}.npz")[0] for number in range(2)]
    rest = paint(frames[stop + 1 :], STYLE, options, earlier=earlier, first=frames[0], **how)
    for a, b in zip(whole[stop + 1 :], rest, strict=True):
        np.testing.assert_array_equal(visible(a), visible(b))


def test_at_a_cut_nothing_dissolves(model):
    frames = [texture(48, 64, seed=seed, smooth=2.5) for seed in (11, 12)]
    painted = list(paint(frames, STYLE, StyleOptions(steps=1, **FEW), model=model, flow=both_ways(still, "fast")))
    assert painted[1].opens and painted[1].left == 0.0


def test_frames_that_are_not_held_do_not_dissolve(model):
    options = StyleOptions(steps=1, warm_start=False, temporal_weight=0.0, still_threshold=0.0, **FEW)
    painted = list(paint([GROUND, GROUND], STYLE, options, model=model, flow=both_ways(still, "fast")))
    assert painted[1].opens and painted[1].left == 0.0


@pytest.mark.parametrize("end", [lambda x: 0.3 * x, lambda x: 0.5 * x + 120.0], ids=["dark", "bright"])
def test_a_fade_of_one_scene_is_not(model, end):
    scene = texture(48, 64, seed=11, smooth=6.0)
    assert opened(cross_fade(scene, np.uint8(end(scene.astype(float))), 14), model)[0] == [0]


def test_a_thing_that_moves_is_not(flight):
    inside = [Painted(pixels.to_inside(f), pixels.to_inside(f), 1, place) for place, f in enumerate(flight.frames)]
    carried = carry(inside[:2], inside[2], (1,), both_ways(flight.flow, "fast"))
    assert carried.news < OTHER / 4


def test_a_large_thing_that_is_gone_at_once_is_not_and_leaves_no_ghost(model):
    """A fifth of the frame, and nothing of it in the flow: were it another scene, it would be seen to dissolve."""
    full = GROUND.copy()
    full[12:36, 20:46] //= 4
    options, how = StyleOptions(steps=2, **FEW), {"model": model, "flow": both_ways(still, "fast")}
    first, *rest = paint([full, GROUND, GROUND], STYLE, options, **how)
    assert not any(frame.opens for frame in rest)
    assert all(visible(frame) is frame.result for frame in rest)
    assert carry([first], rest[0], (1,), how["flow"]).borrowed[18:30, 26:40].all()
