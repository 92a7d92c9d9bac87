"""Several passes: what each starts from, how many steps it takes, and that a run may be killed in any of them."""

import numpy as np
import pytest
from conftest import texture

from styletransfer import metrics, pixels
from styletransfer.options import StyleOptions
from styletransfer.video.carry import both_ways
from styletransfer.video.frames import stylize_frames
from styletransfer.video.passes import paint_passes, stored

STYLE = texture(40, 32, seed=2, smooth=1.0)
SCENE = texture(48, 96, seed=1, smooth=2.5)
FRAMES = [np.ascontiguousarray(SCENE[:, 3 * i : 3 * i + 64]) for i in range(5)]
FEW = {"style_layers": ("block1_conv1", "block2_conv1"), "content_layers": ("block2_conv2",), "max_size": None}


def true_flow(source, target):
    a, b = (next(i for i, f in enumerate(FRAMES) if np.array_equal(f, x)) for x in (source, target))
    return np.broadcast_to(np.float32([3 * (a - b), 0]), (48, 64, 2))


def options(**settings):
    return StyleOptions(**FEW | {"tolerance": 0.0, "still_threshold": 0.0} | settings)


def run(folder, model, **settings):
    how = {key: settings.pop(key) for key in ("on_step",) if key in settings}
    return paint_passes(
        FRAMES, STYLE, options(**settings), folder, model=model, flow=both_ways(true_flow, "fast"), **how
    )


def test_passes_go_forward_and_backward_in_turn(model, tmp_path):
    visits = [(visit.passes, visit.place) for visit in run(tmp_path, model, passes=3, steps=3)]
    forward = list(range(5))
    assert visits == [(1, i) for i in forward] + [(2, i) for i in reversed(forward)] + [(3, i) for i in forward]


def test_the_first_pass_paints_every_frame_on_its_own(model, tmp_path):
    first = [visit.painted.result for visit in run(tmp_path, model, passes=2, steps=8) if visit.passes == 1]
    alone = stylize_frames(FRAMES, STYLE, model=model, options=options(steps=4, temporal_weight=0.0, warm_start=False))
    for a, b in zip(first, alone, strict=True):
        np.testing.assert_array_equal(pixels.to_outside(a), b)


def test_a_later_pass_starts_from_its_own_last_result_blended_with_its_neighbour(model, tmp_path):
    seen = []
    visits = list(run(tmp_path, model, passes=2, steps=2, blend=0.25, on_step=seen.append))
    begin = seen[6].image.numpy()[0]  # pass 2, the last frame but one: it was moved 3 pixels to the right
    own, neighbour = visits[3].painted.result[0], visits[5].painted.result[0]
    expected = 0.75 * own[:, 6:-2] + 0.25 * neighbour[:, 3:-5]
    np.testing.assert_allclose(begin[:, 6:-2], expected, atol=1e-2)


def test_the_temporal_loss_counts_from_its_pass_on(model, tmp_path):
    seen = []
    list(run(tmp_path, model, passes=3, steps=6, temporal_from=3, on_step=seen.append))
    temporal = np.reshape([iterate.terms["temporal"] for iterate in seen], (3, 5, 2))
    assert not temporal[:2].any() and (temporal[2, 1:, -1] > 0).all()


@pytest.mark.parametrize("passes", [2, 3])
def test_no_frame_takes_more_steps_than_asked_for(model, tmp_path, passes):
    seen = []
    list(run(tmp_path, model, passes=passes, steps=7, on_step=seen.append))
    assert len(seen) == 5 * passes * (7 // passes)


def test_passes_make_a_clip_steadier(model):
    settings = {"options": options(steps=24), "model": model, "flow": true_flow}
    errors = []
    for more in ({"passes": 4}, {"temporal_weight": 0.0, "warm_start": False}):
        errors.append(
            metrics.warping_error(list(stylize_frames(FRAMES, STYLE, **settings, **more)), FRAMES, flow=true_flow)
        )
    assert errors[0] < 0.3 * errors[1]


def test_both_ends_of_a_clip_know_of_each_other(model):
    """What enters at the right of the last frame was never in the first; what leaves at the left is only there."""
    settings = {"options": options(steps=24), "model": model, "flow": true_flow}
    chain = list(stylize_frames(FRAMES, STYLE, **settings))
    passes = list(stylize_frames(FRAMES, STYLE, **settings, passes=4))
    assert len(chain) == len(passes) == 5 and not np.array_equal(chain[0], passes[0])


def test_a_held_frame_takes_its_neighbours_result_in_every_pass(model, tmp_path):
    frames = [FRAMES[0], FRAMES[1], FRAMES[1].copy(), FRAMES[2]]
    seen = []
    both = both_ways(true_flow, "fast")
    settings = options(passes=2, steps=2, still_threshold=3.0)
    list(paint_passes(frames, STYLE, settings, tmp_path, model=model, flow=both, on_step=seen.append))
    held = list(stored(tmp_path))
    np.testing.assert_array_equal(held[1].result, held[2].result)
    assert len(seen) == 2 * 3


@pytest.mark.parametrize("after", [0, 3, 5, 8, 12])
def test_a_run_that_was_stopped_goes_on_to_the_same_result(model, tmp_path, after):
    whole = [visit.painted.result for visit in run(tmp_path / "whole", model, passes=3, steps=6)]
    visits = run(tmp_path / "again", model, passes=3, steps=6)
    for _ in range(after):
        next(visits)
    visits.close()
    seen = []
    list(run(tmp_path / "again", model, passes=3, steps=6, on_step=seen.append))
    assert len(seen) == (15 - after) * 2
    for a, b in zip(whole[10:], stored(tmp_path / "again"), strict=True):
        np.testing.assert_array_equal(a, b.result)


def test_no_frames_give_no_frames(model):
    assert list(stylize_frames([], STYLE, model=model, passes=2)) == []


@pytest.mark.parametrize("harm, stopped", [("lost", 4), ("lost", 13), ("exchanged", 8), ("a folder", 8)])
def test_frames_of_an_earlier_run_are_taken_up_as_they_were_or_refused(model, tmp_path, harm, stopped):
    settings = {"passes": 3, "steps": 3}
    expected = [visit.painted.result for visit in run(tmp_path / "whole", model, **settings)]
    for _ in zip(range(stopped), run(tmp_path / "again", model, **settings), strict=False):
        pass
    file, other = tmp_path / "again" / "000002.npz", tmp_path / "again" / "000004.npz"
    if harm == "exchanged":
        file.rename(tmp_path / "again" / "x")
        other.rename(file)
        (tmp_path / "again" / "x").rename(other)
    else:
        file.unlink()
        if harm == "a folder":
            file.mkdir()
    try:
        again = [visit.painted.result for visit in run(tmp_path / "again", model, **settings)]
    except ValueError as error:
        assert "start again" in str(error)
    else:
        np.testing.assert_array_equal(again[-5:], expected[-5:])
