"""What enters the frame takes fitting paint."""

import hypothesis.strategies as st
import numpy as np
import pytest
from conftest import texture
from hypothesis import given
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter

from styletransfer.motion.filling import (
    EDGE,
    GOES_ON,
    Lender,
    borrow,
    colors_of,
    recolored,
    smooth,
    strays,
    whence,
)


def halves(height=40, width=60, split=20):
    """A picture that is dark above `split` and light below, and its painted version: red above, blue below."""
    frame = np.full((height, width, 3), 200, np.float32)
    frame[:split] = 30
    painted = np.zeros_like(frame)
    painted[:split, :, 0] = 255
    painted[split:, :, 2] = 255
    return frame, painted


def test_strokes_come_from_where_the_picture_looks_alike():
    frame, painted = halves()
    strokes = np.random.default_rng(0).normal(0, 20, painted.shape).astype(np.float32)
    painted[:] = 128
    strokes[20:] = 0  # the dark half is painted in rough strokes, the light half is smooth
    missing = np.zeros(frame.shape[:2], bool)
    missing[:, 50:] = True
    filled = borrow(painted, frame, missing, Lender(frame, painted + strokes))
    assert filled[:14, 50:].std(axis=(0, 1)).min() > 10 and filled[30:, 50:].std(axis=(0, 1)).max() < 2


def test_the_light_under_the_strokes_is_the_frames_in_the_paintings_colours():
    model = texture(48, 64, seed=3, smooth=6.0).astype(np.float32)
    mix = np.float32([[0.2, 0.5, 0.1], [0.1, 0.1, 0.6], [0.6, 0.2, 0.1]])
    missing = np.zeros((48, 64), bool)
    missing[:, 50:] = True
    frame = model.copy()
    frame[:, 50:] = texture(48, 14, seed=4, smooth=6.0)  # what enters was never there before
    painting = model @ mix + 9
    filled = borrow(painting, frame, missing, Lender(model, painting))
    expected = frame @ mix + 9
    assert np.abs(filled - expected)[2:-2, 52:-2].mean() < 0.35 * np.abs(expected - expected.mean((0, 1))).mean()


def lines(places):
    """A grey picture with light lines, a pixel wide."""
    frame = np.full((40, 60, 3), 90, np.float32)
    frame[5:35, list(places)] = 250
    return frame


def test_a_thin_thing_that_comes_out_of_hiding_is_as_sharp_as_it_is_elsewhere():
    """The painting has one line; a second comes out of hiding."""
    model, frame = lines([20]), lines([20, 52])
    painting = 30.0 + 0.6 * model
    missing = np.zeros((40, 60), bool)
    missing[:, 46:] = True
    filled = borrow(painting, frame, missing, Lender(model, painting))
    np.testing.assert_allclose(filled[10:30, 50:55], 30.0 + 0.6 * frame[10:30, 50:55], atol=8.0)


def test_letters_lie_under_borrowed_strokes_and_finer_grain_does_not():
    """400 pixels wide, letters have lines of two. The painting is its frame, so what is new is the new frame's."""
    model = texture(40, 400, seed=3, smooth=6.0).astype(np.float32)
    missing = np.zeros((40, 400), bool)
    missing[:, 300:] = True
    letter, grain = np.zeros_like(model), np.zeros_like(model)
    letter[10:30, 340:342] = 40.0
    grain[:, 360:] = 20.0 * (1.0 - 2.0 * (np.indices((40, 40)).sum(axis=0) % 2))[..., np.newaxis]
    plain, frame = (recolored(each, model, missing, Lender(model, model)) for each in (model, model + letter + grain))
    added = frame - plain
    assert added[15:25, 340:342].mean() > 0.6 * 40.0
    assert np.abs(added[5:-5, 365:-5]).mean() < 0.2 * 20.0


def test_what_the_frame_itself_has_is_no_stroke():
    """A painting that is its frame in other colours has none, and the lines of the frame are not lent."""
    model = lines([20])
    assert np.abs(Lender(model, 30.0 + 0.6 * model).strokes).max() < 3.0


def test_in_a_fade_from_black_the_colours_are_those_of_the_light_that_there_is():
    """The model is nearly black, and yet it was painted in full colours: in daylight they would be far beyond white."""
    frame = texture(48, 64, seed=3, smooth=6.0).astype(np.float32)
    model, painted = 0.02 * frame, 40.0 + 0.6 * frame
    missing = np.zeros((48, 64), bool)
    missing[:, 50:] = True
    filled = borrow(painted, frame, missing, Lender(model, painted))
    assert np.abs(filled - painted)[missing].mean() < 0.25 * painted.std()
    assert filled.min() >= 0.0 and filled.max() <= 255.0


def test_the_colours_are_the_openings_as_long_as_they_tell_those_of_the_paint():
    """Paint that has gone pale on its way does not make what is new pale."""
    frame = texture(48, 64, seed=3, smooth=6.0).astype(np.float32)
    painting = 40.0 + 0.6 * frame
    strokes = np.random.default_rng(0).normal(0, 30, frame.shape).astype(np.float32)
    pale = painting.mean() + 0.8 * (painting - painting.mean()) + strokes
    missing = np.zeros((48, 64), bool)
    missing[:, 50:] = True
    ground = recolored(frame, pale, missing, Lender(frame, painting))
    np.testing.assert_allclose(ground, painting, atol=2.0)


def test_where_nothing_is_left_the_colours_are_those_of_the_opening():
    frame, painted = halves()
    missing = np.ones(frame.shape[:2], bool)
    filled = borrow(np.zeros_like(frame), frame, missing, Lender(frame, painted))
    assert np.abs(filled - painted)[5:12].mean() < 12.0


def test_what_looks_alike_beside_it_tints_what_is_missing():
    """Water is painted blue on the left and yellow on the right, and land red: what enters at the left becomes blue."""
    frame = np.full((40, 60, 3), 100, np.float32)
    frame[20:] = 220
    painting = np.zeros_like(frame)
    painting[:20, :30], painting[:20, 30:], painting[20:] = (0, 0, 200), (200, 200, 0), (200, 0, 0)
    missing = np.zeros((40, 60), bool)
    missing[:, :4] = True
    moved = np.where(missing[..., np.newaxis], np.float32(0), painting)
    filled = borrow(moved, frame, missing, Lender(frame, painting))
    assert np.abs(filled[2:16, :4] - (0, 0, 200)).mean() < 25
    assert np.abs(filled[24:38, :4] - (200, 0, 0)).mean() < 25


def test_paint_beside_it_tints_what_is_missing_only_as_far_as_it_is_of_one_colour():
    """The paint beside it is 20 levels off the painting's colours on average: evenly, or in rows of -40 and 80."""
    frame, painting = np.full((2, 60, 90, 3), 100, np.float32)
    missing = np.zeros((60, 90), bool)
    missing[:, :6] = True
    moved = {
        "even": painting + 20,
        "rows": painting + np.where(np.arange(60) % 2 == 0, -40, 80)[:, None, None],
    }
    tints = {}
    for name, paint in moved.items():
        assert (paint - painting).mean() == 20
        filled = borrow(np.float32(paint), frame, missing, Lender(frame, painting), ground=painting)
        tints[name] = filled[missing].mean() - 100
    assert tints["even"] == pytest.approx(20, abs=1)
    assert 0 < tints["rows"] < 5


def test_paint_that_a_thing_leaves_on_the_ground_is_told_from_that_of_the_ground():
    """A light thing painted yellow on dark ground painted blue; its paint goes beyond its outline at both sides."""
    frame = np.full((60, 90, 3), 60, np.float32)
    frame[20:40, 40:55] = 220
    painting = np.zeros_like(frame) + np.float32((20, 40, 200))
    painting[20:40, 36:59] = 230, 200, 20
    painting += np.random.default_rng(0).normal(0, 8, painting.shape).astype(np.float32)
    doubtful = np.zeros((60, 90), bool)
    doubtful[16:44, 32:63], doubtful[22:38, 42:53] = True, False  # a band around the outline
    found = strays(painting, frame, doubtful, recolored(frame, painting, doubtful, Lender(frame, painting)))
    assert not found[~doubtful].any()
    assert found[24:36, 37:39].mean() > 0.9 and found[24:36, 56:58].mean() > 0.9  # beyond the outline
    assert not found[24:36, 32:34].any() and not found[24:36, 61:63].any()  # paint of the ground


def test_strokes_go_on_where_those_beside_them_did_not_end_in_their_painting():
    """What is missing at the right, beside paint that came from 20 pixels farther left, comes from there, too."""
    frame = np.full((40, 60, 3), 90, np.float32)
    lender = Lender(frame, frame + np.random.default_rng(0).normal(0, 20, frame.shape).astype(np.float32))
    missing = np.zeros((40, 60), bool)
    missing[:, 50:] = True
    beside = np.zeros((40, 60, 2), np.float32)
    beside[:, 40:50] = -20.3, 0.4
    lent = whence(frame, missing, lender, beside=beside)
    np.testing.assert_array_equal(lent[missing], np.broadcast_to(np.float32([-20.3, 0.4]), (400, 2)))
    filled = borrow(lender.painting, frame, missing, lender, ground=frame, lent=lent)
    paint, source = filled[:, 50:-2] - frame[:, 50:-2], lender.strokes[:, 30:38]
    assert np.std(paint - source, axis=(0, 1)).max() < 0.2 * source.std()


@pytest.mark.parametrize("levels, goes_on", [(0.5 * GOES_ON, True), (2.0 * GOES_ON, False)])
def test_strokes_go_on_only_to_what_looks_about_right(levels, goes_on):
    """The painting is of two grounds; what is missing is of the lighter one, beside paint from the darker one."""
    model = np.full((64, 96, 3), 90, np.float32)
    model[:, :48] -= levels
    frame, missing = np.full_like(model, 90), np.zeros((64, 96), bool)
    missing[:, 72:] = True
    beside = np.zeros((64, 96, 2), np.float32)
    beside[..., 0] = -64.0
    lent = whence(frame, missing, Lender(model, model), beside=beside)
    assert (lent[missing] == (-64.0, 0.0)).all() == goes_on


def test_a_small_thing_that_has_left_does_not_come_back_with_the_strokes_of_its_place():
    """In a window around it, its surroundings fit."""
    frame = np.full((96, 128, 3), 90, np.float32)
    model, missing = frame.copy(), np.zeros((96, 128), bool)
    model[40:44, 60:64], missing[40:44, 60:64] = 20.0, True
    lent = whence(frame, missing, Lender(model, model), beside=np.zeros((96, 128, 2), np.float32))
    y, x = (np.argwhere(missing) + lent[missing][:, ::-1].astype(int)).T
    assert (model[y, x] == 90.0).all()


def test_strokes_whose_neighbours_ended_at_the_edge_come_from_elsewhere_in_one_piece():
    rng = np.random.default_rng(0)
    frame = (90 + rng.normal(0, 1, (96, 128, 3))).astype(np.float32)
    missing = np.zeros((96, 128), bool)
    missing[:, 112:] = True
    lent = whence(frame, missing, Lender(frame, frame), beside=np.zeros((96, 128, 2), np.float32))
    y, x = np.nonzero(missing)
    there = np.stack([x, y], axis=-1) + lent[missing]
    assert (there >= 0).all() and (there < (128, 96)).all()
    taken, counts = np.unique(lent[missing], axis=0, return_counts=True)
    assert counts.max() > 0.6 * missing.sum() and len(taken) <= 4


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))), st.floats(0.01, 100.0))
def test_no_ground_is_beyond_the_colours_of_the_paint(missing, brighter):
    moved, painting, frame, model = np.random.default_rng(0).uniform(1, 255, (4, *missing.shape, 3)).astype(np.float32)
    ground = recolored(np.float32(brighter) * frame, moved, missing, Lender(model, painting))
    assert ground.min() >= min(moved.min(), painting.min()) - 1e-3
    assert ground.max() <= max(moved.max(), painting.max()) + 1e-3


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_only_what_is_doubtful_is_a_stray_at_any_size(doubtful):
    moved, painting, frame = np.random.default_rng(0).uniform(1, 255, (3, *doubtful.shape, 3)).astype(np.float32)
    found = strays(moved, frame, doubtful, recolored(frame, moved, doubtful, Lender(frame, painting)))
    assert found.shape == doubtful.shape and not (found & ~doubtful).any()


def test_what_a_moving_thing_uncovers_loses_its_paint_however_well_the_surroundings_fit():
    frame, painted = halves()
    missing = np.zeros(frame.shape[:2], bool)
    missing[:, 30:33] = True  # behind a thing with black paint
    dragged = np.where(missing[..., np.newaxis], np.float32(0), painted)
    filled = borrow(dragged, frame, missing, Lender(frame, painted))
    middle = slice(5, 12)  # far from where the halves meet
    np.testing.assert_allclose(filled[middle, 30:33], painted[middle, 30:33], atol=12)


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.3, 9.0))
def test_a_picture_is_smoothed_as_by_scipy(height, width, sigma):
    picture = np.random.default_rng(2).uniform(0, 255, (height, width, 3)).astype(np.float32)
    expected = gaussian_filter(picture, (sigma, sigma, 0.0), mode="nearest")
    np.testing.assert_allclose(smooth(picture, sigma), expected, atol=2e-3)


def test_only_missing_pixels_are_filled():
    frame, painted = halves()
    missing = np.zeros(frame.shape[:2], bool)
    missing[3:9, 5:7] = True
    moved = np.where(missing[..., np.newaxis], np.float32(0), painted + 1)
    filled = borrow(moved, frame, missing, Lender(frame, painted + 1))
    assert (filled == moved)[~missing].all() and (filled[missing] > 0).any(axis=-1).all()
    np.testing.assert_allclose(filled[missing], (painted + 1)[missing], atol=1.0)


def test_no_strokes_come_from_the_border_of_a_painting():
    frame = texture(48, 64, seed=3, smooth=6.0).astype(np.float32)
    painting = texture(48, 64, seed=4, smooth=1.0).astype(np.float32)
    other = np.full_like(painting, 255.0)
    inside = np.s_[EDGE:-EDGE, EDGE:-EDGE]
    other[inside] = painting[inside]
    missing = np.zeros((48, 64), bool)
    missing[-4:] = missing[:, :6] = True
    for turn in range(8):
        how = {"ground": frame, "turn": turn}
        one, same = (borrow(painting, frame, missing, Lender(frame, each), **how) for each in (painting, other))
        np.testing.assert_array_equal(one, same)


def test_broad_strokes_are_borrowed_with_the_fine_ones():
    """On what is flat nothing but strokes tells what is new from the rest, broad or fine."""
    frame = np.full((96, 128, 3), 90, np.float32)
    missing = np.zeros((96, 128), bool)
    missing[:, 100:] = True
    for size in (0.5, 1.0):
        painting = texture(96, 128, seed=5, smooth=size).astype(np.float32)
        filled = borrow(painting, frame, missing, Lender(frame, painting))
        assert filled[:, 102:-2].std() > 0.8 * painting[:, :100].std()


def test_strips_that_enter_one_after_the_other_take_strokes_from_different_places():
    frame = np.full((40, 60, 3), 90, np.float32)
    painting = frame + np.random.default_rng(0).normal(0, 20, frame.shape).astype(np.float32)
    missing = np.zeros((40, 60), bool)
    missing[:, 55:] = True
    lender = Lender(frame, painting)
    strips = [borrow(painting, frame, missing, lender, turn=turn)[:, 55:] for turn in range(6)]
    for i, a in enumerate(strips):
        assert all(np.abs(a - b).mean() > 5 for b in strips[:i])


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))), st.integers(0, 100))
def test_any_size_and_mask_is_filled_with_finite_paint(missing, turn):
    rng = np.random.default_rng(0)
    moved, painted, frame = rng.uniform(1, 255, (3, *missing.shape, 3)).astype(np.float32)
    filled = borrow(moved, frame, missing, Lender(frame, painted), turn=turn)
    assert filled.shape == painted.shape and filled.dtype == np.float32 and np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[~missing], moved[~missing])


def test_the_colours_of_a_grey_clip_are_found_however_its_channels_are_rounded():
    rng = np.random.default_rng(7)
    grey = rng.uniform(0, 255, (20, 30, 1)).astype(np.float32) + rng.normal(0, 1e-3, (20, 30, 3)).astype(np.float32)
    painted = grey * np.float32([0.5, 0.2, 0.8]) + np.float32([9, 90, 20]) + rng.normal(0, 5, grey.shape)
    colors = colors_of(grey, painted)
    assert np.abs(colors[:3]).max() < 1.0
    np.testing.assert_allclose(grey @ colors[:3] + colors[3], painted, atol=25)
