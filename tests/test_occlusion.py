"""Masks against motion whose disocclusion is known, and against the maps that Ruder et al. published."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from styletransfer.motion.fields import read_flow
from styletransfer.motion.occlusion import (
    STRETCHED,
    disocclusion,
    leaves_frame,
    motion_boundary,
    reliability,
    stretched,
)

SHIFT = 6


@pytest.fixture
def moving_square() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flow from frame a to b and back of a square that moves right over a still ground, and what it hides."""
    ab, ba = np.zeros((40, 60, 2), np.float32), np.zeros((40, 60, 2), np.float32)
    ab[10:30, 20:36, 0] = SHIFT
    ba[10:30, 20 + SHIFT : 36 + SHIFT, 0] = -SHIFT
    hidden = np.zeros((40, 60), bool)
    hidden[10:30, 36 : 36 + SHIFT] = True  # ground of a that the square covers in b
    return ab, ba, hidden


def test_finds_exactly_what_a_moving_square_hides(moving_square):
    ab, ba, hidden = moving_square
    np.testing.assert_array_equal(disocclusion(ab, ba), hidden)
    uncovered = np.zeros_like(hidden)
    uncovered[10:30, 20 : 20 + SHIFT] = True
    np.testing.assert_array_equal(disocclusion(ba, ab), uncovered)


def test_hidden_pixels_have_no_weight_at_all(moving_square):
    ab, ba, hidden = moving_square
    for soft in (True, False):
        certain = reliability(ab, ba, soft=soft)
        assert certain.dtype == np.float32 and certain.shape == hidden.shape
        assert (certain[hidden] == 0.0).all()
        np.testing.assert_allclose(certain[20, [5, 27, 50]], 1.0, atol=1e-6)  # ground, square, ground


def test_hard_maps_are_zero_or_one(moving_square):
    ab, ba, hidden = moving_square
    np.testing.assert_array_equal(np.unique(reliability(ab, ba, soft=False)), [0, 1])
    np.testing.assert_array_equal(reliability(ab, ba, soft=False, boundaries=False) == 0, hidden)


def test_boundaries_lie_along_the_square(moving_square):
    boundary = motion_boundary(moving_square[0])
    assert boundary[20, [19, 20, 35, 36]].all()
    assert not boundary[20, [17, 22, 33, 38]].any()


@given(*[st.floats(-0.5, 0.5)] * 4, st.integers(1, 4))
def test_a_flow_stretches_by_its_determinant(a, b, c, d, frames):
    most = STRETCHED**frames
    matrix = np.float32([[a, b], [c, d]])
    area = np.linalg.det(np.eye(2) + matrix)
    assume(min(abs(area), abs(area - most)) > 1e-3)
    y, x = np.indices((8, 9), np.float32)
    flow = np.stack([x, y], axis=-1) @ matrix.T + np.float32([7, -3])
    assert (stretched(flow, frames)[1:-1, 1:-1] == (0.0 < area < most)).all()


def test_what_a_smeared_flow_uncovers_is_stretched_where_there_and_back_leads_home():
    """A thing 10 pixels wide moves left by 2, and the flow says that the ground 6 pixels around it does in part."""
    x = np.arange(60.0)
    smeared = np.interp(x, [14, 20, 30, 36], [0, 2, 2, 0])  # from each frame's grid to the other
    back = np.interp(x, x + smeared, -smeared)
    ab, ba = (np.zeros((5, 60, 2), np.float32) for _ in range(2))
    ab[..., 0], ba[..., 0] = smeared, back
    assert not disocclusion(ab, ba).any()
    assert stretched(ab)[:, 31:36].all()  # what is uncovered
    assert not stretched(ab)[:, :30].any() and not stretched(ab)[:, 37:].any()


def test_a_uniform_pan_is_unreliable_only_where_it_leaves_the_frame():
    ab = np.broadcast_to(np.array([3.0, -2.0], np.float32), (20, 30, 2))
    expected = np.zeros((20, 30), bool)
    expected[:2], expected[:, -3:] = True, True
    np.testing.assert_array_equal(leaves_frame(ab), expected)
    np.testing.assert_array_equal(reliability(ab, -ab, soft=False) == 0, expected)


def test_what_leaves_the_frame_may_be_trusted_by_choice():
    ab = np.broadcast_to(np.array([3.0, -2.0], np.float32), (20, 30, 2))
    assert (reliability(ab, -ab, border=False) == 1).all()
    assert (reliability(ab, 0 * ab, border=False) == 0).all()  # what is occluded is not


@given(st.integers(0, 99), st.sampled_from([(1, 1), (1, 9), (6, 1), (12, 17)]), st.booleans())
def test_always_between_zero_and_one(seed, shape, soft):
    rng = np.random.default_rng(seed)
    ab, ba = rng.normal(0, 10 ** rng.uniform(-2, 2), (2, *shape, 2))
    certain = reliability(ab, ba, soft=soft)
    assert certain.dtype == np.float32 and certain.shape == shape
    assert (certain >= 0).all() and (certain <= 1).all()


def test_an_unknown_flow_is_unreliable():
    unknown = np.full((8, 9, 2), np.nan, np.float32)
    zero = np.zeros_like(unknown)
    assert (reliability(unknown, zero) == 0).all()
    assert (reliability(zero, unknown) == 0).all()


def test_inputs_are_not_changed(moving_square):
    ab, ba, _ = moving_square
    before = ab.copy(), ba.copy()
    reliability(ab, ba)
    np.testing.assert_array_equal((ab, ba), before)


def test_misfits_are_named():
    with pytest.raises(ValueError, match=r"flow_ab has shape \(4, 5\)"):
        reliability(np.zeros((4, 5)), np.zeros((4, 5, 2)))
    with pytest.raises(ValueError, match=r"flow_ba \(5, 4, 2\)"):
        reliability(np.zeros((4, 5, 2)), np.zeros((5, 4, 2)))


@pytest.mark.parametrize("a", range(1, 5))
def test_equals_the_published_maps(data, a):
    """The flow fields and maps that came with Ruder et al.'s code: within one grey level on 99.9 % of pixels."""
    folder = data / "flow" / "ruder_marple"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing: the flow fields and maps published by Ruder et al.")
    forward = read_flow(folder / f"forward_{a}_{a + 1}.flo")
    backward = read_flow(folder / f"backward_{a + 1}_{a}.flo")
    for (i, j), flows in (((a, a + 1), (forward, backward)), ((a + 1, a), (backward, forward))):
        published = _read_pgm(folder / f"reliable_{i}_{j}.pgm")
        ours = np.rint(255 * reliability(*flows))
        assert np.mean(np.abs(ours - published) <= 1) >= 0.999


def _read_pgm(path) -> np.ndarray:
    data = path.read_bytes()
    width, height = (int(n) for n in data.split(maxsplit=3)[1:3])
    return np.frombuffer(data[-width * height :], np.uint8).reshape(height, width).astype(int)
