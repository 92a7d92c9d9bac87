"""Flow over several frames: what is composed leads where the motion leads, and what is lost is found directly."""

import numpy as np
import pytest
from conftest import texture
from hypothesis import given
from hypothesis import strategies as st

from styletransfer.motion.gaps import CLEARLY, DRIFT, compose, drift, settle, to_first, to_last

SHAPE = (24, 32)


def shift(dx, dy=0.0):
    return np.broadcast_to(np.float32([dx, dy]), (*SHAPE, 2))


def pair(dx, dy=0.0):
    """From a frame whose picture lies `dx`, `dy` before that of the other."""
    return shift(dx, dy), shift(-dx, -dy)


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=6))
def test_the_flows_of_a_chain_of_shifts_are_their_sums(moves):
    steps = [pair(-dx, -dy) for dx, dy in moves]  # from each frame back to the one before it
    places = np.cumsum([(0, 0), *moves], axis=0)
    back, ahead = to_first(steps), to_last(steps)
    assert len(back) == len(ahead) == len(moves)
    for i, flows in enumerate(back, 1):
        for flow, expected in zip(flows, (places[0] - places[i], places[i] - places[0]), strict=True):
            np.testing.assert_allclose(flow, shift(*expected), atol=1e-5)
    for i, flows in enumerate(ahead):
        for flow, expected in zip(flows, (places[-1] - places[i], places[i] - places[-1]), strict=True):
            np.testing.assert_allclose(flow, shift(*expected), atol=1e-5)


def test_the_second_flow_is_read_where_the_first_one_leads():
    second = np.zeros((*SHAPE, 2), np.float32)
    second[:, 16:, 0] = 5.0
    composed = compose(shift(4.0), second)[..., 0]
    np.testing.assert_allclose(composed[:, :11], 4.0)
    np.testing.assert_allclose(composed[:, 12:], 9.0)


def lost(flows):
    """The same flows, of which the way back does not lead home."""
    return flows[0], flows[1] + 4.0


GROUND = texture(*SHAPE, seed=3).astype(np.float32)
BLANK = np.full((*SHAPE, 3), 100.0, np.float32)


@pytest.mark.parametrize(
    "chain, direct, pictures, followed",
    [
        (pair(2.0), pair(2.0 + DRIFT / 2), (BLANK, BLANK), "direct"),  # the chain has drifted
        (pair(2.0), pair(2.0 + 3 * DRIFT), (BLANK, BLANK), "chain"),
        (lost(pair(2.0)), pair(8.0), (BLANK, BLANK), "direct"),  # only the direct one leads back home
        (pair(2.0), lost(pair(2.0)), (BLANK, BLANK), "chain"),
        (lost(pair(2.0)), lost(pair(8.0)), (BLANK, BLANK), "chain"),
        (pair(2.0), pair(8.0), (GROUND, np.roll(GROUND, 8, axis=1)), "direct"),  # looks clearly more alike
        (pair(8.0), pair(2.0), (GROUND, np.roll(GROUND, 8, axis=1)), "chain"),
        (pair(2.0), pair(8.0), (BLANK, BLANK + CLEARLY), "chain"),  # both look as unlike
    ],
)
def test_the_chain_is_followed_unless_the_direct_flow_is_better(chain, direct, pictures, followed):
    settled = settle(chain, direct, *pictures)
    expected = chain if followed == "chain" else direct
    for flow, wanted in zip(settled, expected, strict=True):
        np.testing.assert_array_equal(flow[4:-4, 12:-12], wanted[4:-4, 12:-12])


@pytest.mark.parametrize(
    "chain, direct, expected",
    [
        (shift(2.5), pair(2.0), 0.5),
        (shift(2.0 + 2 * DRIFT), pair(2.0), 0.0),  # of another thing
        (shift(2.5), lost(pair(2.0)), 0.0),
    ],
)
def test_a_chain_has_drifted_by_what_it_is_off_a_direct_flow_of_the_same_motion(chain, direct, expected):
    np.testing.assert_allclose(drift(chain, direct), shift(expected), atol=1e-6)
