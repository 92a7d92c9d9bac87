"""Warping against what a bilinear warp must do: shift, keep ramps, agree with SciPy."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import map_coordinates

from styletransfer.motion.warping import BandLimited, bicubic, drawn_in, inside, nearest_pixels, sharp_warp, warp

SHAPES = [(1, 1), (1, 6), (5, 1), (7, 9)]


def constant_flow(shape: tuple[int, int], dx: float, dy: float) -> np.ndarray:
    return np.broadcast_to(np.array([dx, dy], np.float32), (*shape, 2))


def random_flow(shape: tuple[int, int], spread: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, spread, (*shape, 2)).astype(np.float32)


@given(hnp.arrays(np.uint8, st.sampled_from([(*s, 3) for s in SHAPES])), st.sampled_from(["reflect", "nearest", 0.5]))
def test_zero_flow_is_the_identity(image, border):
    moved = warp(image, constant_flow(image.shape[:2], 0, 0), border=border)
    assert moved.dtype == np.float32
    np.testing.assert_array_equal(moved, image)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spread", [0.7, 1e12])
def test_the_nearest_pixel_is_scipys(shape, spread):
    flow, image = random_flow(shape, spread), np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    y, x = np.indices(shape)
    expected = map_coordinates(image, [y + flow[..., 1], x + flow[..., 0]], order=0, mode="nearest")
    np.testing.assert_array_equal(image[nearest_pixels(flow)], expected)


@given(st.integers(-12, 12), st.integers(-12, 12))
def test_integer_flow_is_a_shift(dx, dy):
    image = np.random.default_rng(1).random((7, 9, 3)).astype(np.float32)
    flow = constant_flow((7, 9), dx, dy)
    mirrored = np.pad(image, ((12, 12), (12, 12), (0, 0)), mode="reflect")
    np.testing.assert_allclose(warp(image, flow), mirrored[12 + dy : 19 + dy, 12 + dx : 21 + dx], atol=1e-6)
    repeated = np.pad(image, ((12, 12), (12, 12), (0, 0)), mode="edge")
    np.testing.assert_allclose(
        warp(image, flow, border="nearest"), repeated[12 + dy : 19 + dy, 12 + dx : 21 + dx], atol=1e-6
    )


@given(st.integers(0, 99))
def test_linear_ramps_are_reproduced_exactly(seed):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:7, :9].astype(np.float32)
    flow = random_flow((7, 9), 1.5, seed)
    a, b, c = rng.normal(size=3)
    within = inside(flow)
    expected = a * (x + flow[..., 0]) + b * (y + flow[..., 1]) + c
    np.testing.assert_allclose(warp(a * x + b * y + c, flow)[within], expected[within], atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("border, mode", [("reflect", "mirror"), ("nearest", "nearest")])
def test_agrees_with_scipy(shape, border, mode):
    image = np.random.default_rng(2).random((*shape, 3)).astype(np.float32)
    flow = random_flow(shape, 9.0)
    y, x = np.mgrid[: shape[0], : shape[1]]
    at = [y + flow[..., 1], x + flow[..., 0]]
    expected = np.stack([map_coordinates(image[..., k], at, order=1, mode=mode) for k in range(3)], -1)
    np.testing.assert_allclose(warp(image, flow, border=border), expected, atol=1e-4)


def test_a_number_fills_what_lies_outside():
    image = np.ones((4, 5), np.float32)
    flow = constant_flow((4, 5), 2.0, 0.0)
    np.testing.assert_array_equal(warp(image, flow, border=0.25), [[1, 1, 1, 0.25, 0.25]] * 4)
    np.testing.assert_array_equal(inside(flow), [[True] * 3 + [False] * 2] * 4)


def test_every_rank_keeps_its_shape_and_its_kind():
    flow = random_flow((6, 8), 2.0)
    image = np.random.default_rng(3).random((6, 8, 3)).astype(np.float32)
    colour = warp(image, flow)
    np.testing.assert_allclose(warp(image[np.newaxis], flow), colour[np.newaxis])
    np.testing.assert_allclose(warp(image[..., 1], flow), colour[..., 1])
    assert isinstance(colour, np.ndarray)
    tensor = warp(tf.constant(image), flow)
    assert tf.is_tensor(tensor)
    np.testing.assert_allclose(tensor, colour)


def test_works_within_a_graph_and_has_a_gradient():
    flow = random_flow((6, 8), 2.0)
    image = tf.random.stateless_uniform((1, 6, 8, 3), (1, 2))

    @tf.function
    def value_and_gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(warp(x, flow))
        return value, tape.gradient(value, x)

    value, gradient = value_and_gradient(image)
    np.testing.assert_allclose(value, warp(image.numpy(), flow).sum(), rtol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(gradient), image.numpy().size, rtol=1e-5)  # weights add up to 1


@pytest.mark.parametrize("border", ["reflect", "nearest", 0.0])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1e9, 1e30])
def test_a_wild_flow_stays_within_the_picture_values(border, value):
    image = np.full((5, 6, 3), 7.0, np.float32)
    moved = warp(image, constant_flow((5, 6), value, 0.0), border=border)
    np.testing.assert_array_equal(moved, 0.0 if border == 0.0 else 7.0)
    assert not inside(constant_flow((5, 6), value, 0.0)).any()


@given(
    st.sampled_from(SHAPES).flatmap(
        lambda shape: hnp.arrays(np.float32, (*shape, 2), elements=st.floats(-4, 4, width=32))
    ),
    st.floats(0, 3),
)
def test_a_flow_is_drawn_in_to_the_edge_where_it_leads_a_little_beyond_the_frame(flow, reach):
    drawn, beyond = drawn_in(flow, reach)
    assert drawn.dtype == beyond.dtype == np.float32
    np.testing.assert_array_equal(beyond == 0, inside(flow))
    near = (beyond > 0) & (beyond <= reach)
    assert inside(drawn)[near].all()
    np.testing.assert_array_equal(drawn[~near], flow[~near])
    assert np.abs(drawn - flow).max() <= reach + 1e-5  # rounding


def test_misfits_are_named():
    with pytest.raises(ValueError, match=r"\(4, 5, 3\).*\(5, 4, 2\)"):
        warp(np.zeros((4, 5, 3)), np.zeros((5, 4, 2)))
    with pytest.raises(ValueError, match=r"'wrap'.*reflect"):
        warp(np.zeros((4, 5, 3)), np.zeros((4, 5, 2)), border="wrap")


def test_bicubic_is_exact_for_a_parabola_and_finite_at_the_edges():
    y, x = np.mgrid[:9, :12].astype(np.float32)

    def parabola(x, y):
        return 0.1 * x * x - 0.2 * x * y + 0.3 * y * y + y

    picture = tf.constant(parabola(x, y)[np.newaxis, ..., np.newaxis])
    found = bicubic(picture, (x + 0.3)[np.newaxis], (y + 0.6)[np.newaxis])[0, ..., 0].numpy()
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[1:-2, 1:-2], parabola(x + 0.3, y + 0.6)[1:-2, 1:-2], rtol=1e-4, atol=1e-4)


# ---------------------------------------------------------------- sharp


@given(
    hnp.arrays(np.uint8, st.sampled_from([*((*s, 3) for s in SHAPES), (2, 2, 1), (2, 7, 3), (9, 8, 2)])),
    st.integers(-3, 3),
)
def test_whole_pixels_are_moved_exactly(image, dx):
    moved = sharp_warp(image, constant_flow(image.shape[:2], dx, 0))
    assert moved.dtype == np.float32
    mirrored = np.pad(image, ((0, 0), (9, 9), (0, 0)), mode="reflect")
    np.testing.assert_allclose(moved, mirrored[:, 9 + dx : 9 + dx + image.shape[1]], atol=0.01)


@pytest.mark.parametrize("offset", [0.25, 0.5, 0.8])
@pytest.mark.parametrize("frequency", [0.1, 0.3, 0.4])
def test_waves_are_moved_as_they_are(frequency, offset):
    """Up to 0.4 of the sampling rate, at which a linear warp keeps a third of a wave moved by half a pixel."""
    x = np.arange(96)
    wave, expected = (
        np.broadcast_to(np.cos(2 * np.pi * frequency * at)[:, np.newaxis], (8, 96, 1)) for at in (x, x + offset)
    )
    flow = constant_flow((8, 96), offset, 0)
    middle = np.s_[:, 20:-20]
    error = np.abs(sharp_warp(wave, flow) - expected)[middle].max()
    assert error < 0.04
    assert error < np.abs(warp(wave, flow) - expected)[middle].max()


def test_a_picture_moved_there_and_back_many_times_stays_sharp():
    image = np.random.default_rng(5).normal(size=(40, 48, 3)).astype(np.float32)
    sharp = linear = image
    for step in range(10):
        flow = constant_flow((40, 48), 0.5 * (-1) ** step, 0.3 * (-1) ** step)
        sharp, linear = sharp_warp(sharp, flow), warp(linear, flow)
    assert sharp[8:-8, 8:-8].std() > 0.7 * image.std()
    assert linear[8:-8, 8:-8].std() < 0.5 * image.std()


def test_what_the_border_shows_does_not_ring_through_the_picture():
    image = np.zeros((8, 96, 1), np.float32)
    image[:, 0] = 255.0
    moved = sharp_warp(image, constant_flow((8, 96), 0.5, 0))
    assert np.abs(moved[:, 24:]).max() < 0.01  # under a sinc without a window, 2.8 there


def test_a_pixel_whose_motion_is_not_known_stays():
    image, flow = np.random.default_rng(6).random((9, 8, 3)).astype(np.float32), np.zeros((9, 8, 2), np.float32)
    flow[2, 3] = np.nan
    flow[5, 6, 1] = np.inf
    np.testing.assert_allclose(sharp_warp(image, flow), image, atol=1e-5)


def test_a_prepared_picture_may_be_moved_again_and_again():
    image, flow = np.random.default_rng(6).random((9, 8, 3)), random_flow((9, 8), 1.0)
    prepared = BandLimited(image)
    np.testing.assert_array_equal(prepared.warp(flow), prepared.warp(flow))
    np.testing.assert_array_equal(prepared.warp(flow), sharp_warp(image, flow))
