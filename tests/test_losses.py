"""Every term against the report's formula in plain NumPy, and its gradient against finite differences."""

import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from styletransfer import losses


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


# ---------------------------------------------------------------- the report's formulas, symbol by symbol


def matrix(features: np.ndarray) -> np.ndarray:
    """F of the report: `[i, j]` is filter i at position j."""
    return features.reshape(-1, features.shape[-1]).T


def report_content_loss(F, P):
    return 0.5 * sum((F[i, j] - P[i, j]) ** 2 for i in range(F.shape[0]) for j in range(F.shape[1]))


def report_gram(F):
    return np.array([[sum(f * g for f, g in zip(a, b, strict=True)) for b in F] for a in F])


def report_layer_loss(F, S):
    """E_l = 1/(4 N^2 M^2) sum_ij (G_ij - A_ij)^2, for two pictures of one size."""
    (N, M), G, A = F.shape, report_gram(F), report_gram(S)
    return 1.0 / (4.0 * N**2 * M**2) * np.sum((G - A) ** 2)


def report_temporal_loss(x, w, c):
    """1/D sum_k c_k (x_k - w_k)^2, with the pixel's weight for each of its three values."""
    x, w, c = x.ravel(), w.ravel(), np.repeat(c.ravel(), 3)
    return sum(c[k] * (x[k] - w[k]) ** 2 for k in range(x.size)) / x.size


def squared_differences(x):
    """Mean over all values of the squared steps down and across."""
    _, H, W, C = x.shape
    total = 0.0
    for i in range(H):
        for j in range(W):
            total += np.sum((x[0, i + 1, j] - x[0, i, j]) ** 2) if i + 1 < H else 0.0
            total += np.sum((x[0, i, j + 1] - x[0, i, j]) ** 2) if j + 1 < W else 0.0
    return total / (H * W * C)


def test_content_loss_is_the_reports():
    F, P = random(1, 4, 5, 3), random(1, 4, 5, 3, seed=1)
    assert losses.content_loss(F, P).numpy() == pytest.approx(report_content_loss(matrix(F), matrix(P)), rel=1e-12)


def test_style_loss_is_the_reports():
    F, S = random(1, 4, 5, 6), random(1, 4, 5, 6, seed=1)
    expected = report_layer_loss(matrix(F), matrix(S))
    assert losses.style_loss(F, losses.gram_matrix(S)).numpy() == pytest.approx(expected, rel=1e-12)


def test_temporal_loss_is_the_reports():
    x, w, c = random(1, 4, 5, 3), random(1, 4, 5, 3, seed=1), np.random.default_rng(2).uniform(size=(1, 4, 5))
    assert losses.temporal_loss(x, w, c).numpy() == pytest.approx(report_temporal_loss(x, w, c), rel=1e-12)


@pytest.mark.parametrize("shape", [(1, 4, 5, 3), (1, 1, 6, 3), (1, 6, 1, 3), (1, 1, 1, 3)])
def test_total_variation_is_the_mean_squared_difference_of_neighbours(shape):
    x = random(*shape)
    assert losses.total_variation(tf.constant(x)).numpy() == pytest.approx(squared_differences(x), rel=1e-12)


# ---------------------------------------------------------------- gradients

TARGET = random(1, 3, 4, 3, seed=1)
RELIABILITY = np.random.default_rng(2).uniform(size=(2, 3, 4))
GUIDE = np.random.default_rng(4).uniform(size=(1, 3, 4))


def distribution(features, weights=None):
    """What `wasserstein_loss` compares with."""
    mean = losses.mean_activation(features, weights)
    return mean, losses.covariance_root(mean, losses.gram_matrix(features, weights))


TERMS = {
    "content": lambda x: losses.content_loss(x, TARGET),
    "style": lambda x: losses.style_loss(x, losses.gram_matrix(TARGET)),
    "style of a picture of another size": lambda x: losses.style_loss(x, losses.gram_matrix(random(1, 5, 2, 3))),
    "style of a region": lambda x: losses.style_loss(x, losses.gram_matrix(TARGET), GUIDE),
    "distribution": lambda x: losses.wasserstein_loss(x, *distribution(TARGET)),
    "distribution in a region": lambda x: losses.wasserstein_loss(x, *distribution(TARGET), GUIDE),
    "distribution of fewer positions than filters": lambda x: losses.wasserstein_loss(
        x[:, :1, :2], *distribution(TARGET)
    ),
    "temporal": lambda x: losses.temporal_loss(x, TARGET, RELIABILITY[:1]),
    "temporal, two frames": lambda x: losses.temporal_loss(x, random(2, 3, 4, 3, seed=3), RELIABILITY),
    "total variation": losses.total_variation,
}


def gradient(term, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = term(x)
    return tape.gradient(value, x).numpy()


@pytest.mark.parametrize("name", TERMS)
def test_gradient_is_that_of_central_differences(name):
    term, x, h = TERMS[name], random(1, 3, 4, 3), 1e-5
    numeric = np.zeros(x.size)
    for k, unit in enumerate(np.eye(x.size)):
        step = h * unit.reshape(x.shape)
        numeric[k] = (term(tf.constant(x + step)) - term(tf.constant(x - step))) / (2 * h)
    exact = gradient(term, x)
    np.testing.assert_allclose(exact.ravel(), numeric, rtol=1e-6, atol=1e-8 * np.abs(exact).max())


@pytest.mark.parametrize("name", ["content", "style", "temporal"])
def test_loss_and_gradient_are_zero_at_the_target(name):
    assert TERMS[name](tf.constant(TARGET)).numpy() == 0.0
    assert np.array_equal(gradient(TERMS[name], TARGET), np.zeros_like(TARGET))


# ---------------------------------------------------------------- distributions


def frechet(one, other, ridge=losses.RIDGE):
    """1/N (|m - m'|^2 + tr(C + C' - 2 (C C')^(1/2))), by SciPy."""
    (m, C), (n, D) = ((x.mean(axis=0), np.cov(x.T, bias=True) + ridge * np.eye(x.shape[1])) for x in (one, other))
    cross = scipy.linalg.sqrtm(C @ D).real
    return (np.sum((m - n) ** 2) + np.trace(C + D - 2.0 * cross)) / len(m)


@given(st.integers(2, 5), st.integers(0, 999))
def test_wasserstein_loss_is_the_distance_of_normal_distributions(filters, seed):
    one, other = random(1, 6, 5, filters, seed=seed), 2.0 * random(1, 4, 9, filters, seed=seed + 1) + 0.5
    loss = losses.wasserstein_loss(one, *distribution(other)).numpy()
    assert loss == pytest.approx(frechet(*(x.reshape(-1, filters) for x in (one, other))), rel=1e-6)


def test_wasserstein_loss_of_spread_along_axes_is_that_of_the_deviations():
    """Of independent filters: the squared differences of their means and standard deviations, over N."""
    grid = np.stack(np.meshgrid([-1.0, 1.0], [-1.0, 1.0], indexing="ij"), axis=-1)[np.newaxis]
    one, other = grid * [1.0, 3.0], grid * [2.0, 0.5] + [4.0, 0.0]
    expected = (4.0**2 + (1.0 - 2.0) ** 2 + (3.0 - 0.5) ** 2) / 2.0
    assert losses.wasserstein_loss(one, *distribution(other)).numpy() == pytest.approx(expected, rel=0.02)


def test_wasserstein_loss_in_float32_is_that_in_float64():
    """256 filters, correlated and of means far above their spread, fewer positions than filters."""
    mixing = np.random.default_rng(0).normal(size=(8, 256))
    one, other = (5.0 + random(1, 12, 12, 8, seed=seed) @ mixing * 0.1 for seed in (1, 2))
    wide = losses.wasserstein_loss(one, *distribution(other)).numpy()
    narrow = losses.wasserstein_loss(*(tf.cast(x, tf.float32) for x in (one, *distribution(other)))).numpy()
    assert narrow == pytest.approx(wide, rel=1e-3)


def test_wasserstein_loss_is_zero_at_the_target():
    target = random(1, 20, 20, 16)
    loss = losses.wasserstein_loss(target, *distribution(target)).numpy()
    assert abs(loss) < 1e-6
    np.testing.assert_allclose(
        gradient(lambda x: losses.wasserstein_loss(x, *distribution(target)), target), 0.0, atol=1e-6
    )


# ---------------------------------------------------------------- regions


def test_a_guided_gram_matrix_is_that_of_the_cut_out():
    x = random(1, 4, 6, 3)
    inside = np.zeros((1, 4, 6))
    inside[:, :, 2:5] = 1.0
    np.testing.assert_allclose(losses.gram_matrix(x, inside), losses.gram_matrix(x[:, :, 2:5]), rtol=1e-12)
    np.testing.assert_allclose(losses.mean_activation(x, inside), losses.mean_activation(x[:, :, 2:5]), rtol=1e-12)
    np.testing.assert_allclose(losses.gram_matrix(x, 0.3 * np.ones((1, 4, 6))), losses.gram_matrix(x), rtol=1e-12)


def test_an_empty_region_has_no_style_and_no_gradient():
    nowhere = np.zeros((1, 3, 4))
    assert not losses.gram_matrix(TARGET, nowhere).numpy().any()
    for name in (losses.style_loss, losses.wasserstein_loss):
        goal = [losses.gram_matrix(TARGET)] if name is losses.style_loss else distribution(TARGET)
        slope = gradient(lambda x, name=name, goal=goal: name(x, *goal, nowhere), random(1, 3, 4, 3))
        assert np.array_equal(slope, np.zeros_like(slope))


# ---------------------------------------------------------------- Gram matrices

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 6))


@given(SHAPES, st.integers(0, 999))
def test_gram_matrix_is_symmetric_and_positive_semidefinite(shape, seed):
    G = losses.gram_matrix(random(1, *shape, seed=seed)).numpy()
    assert G.shape == (shape[-1], shape[-1])
    np.testing.assert_allclose(G, G.T, rtol=1e-12)
    assert np.linalg.eigvalsh(G).min() > -1e-12 * np.trace(G)


@given(SHAPES, st.integers(0, 999))
def test_gram_matrix_does_not_care_where_things_are(shape, seed):
    x = random(1, *shape, seed=seed)
    places = x.reshape(-1, shape[-1])
    shuffled = np.random.default_rng(seed).permutation(places).reshape(x.shape)
    np.testing.assert_allclose(losses.gram_matrix(shuffled), losses.gram_matrix(x), rtol=1e-9, atol=1e-12)


def test_gram_matrix_is_per_position():
    """A picture tiled from another has its Gram matrix, so the sizes of style and content may differ."""
    x = random(1, 3, 4, 5)
    np.testing.assert_allclose(losses.gram_matrix(np.tile(x, (1, 2, 3, 1))), losses.gram_matrix(x), rtol=1e-12)


# ---------------------------------------------------------------- the temporal loss


@given(st.integers(0, 999), st.sampled_from([0.0, 1e15, -1e15, 3e18]))
def test_unreliable_pixels_have_exactly_zero_gradient_whatever_was_warped_there(seed, garbage):
    rng = np.random.default_rng(seed)
    reliability = (rng.uniform(size=(1, 4, 5)) > 0.5).astype(np.float32)
    warped = np.where(reliability[..., np.newaxis] > 0, 100.0, garbage) * np.ones((1, 4, 5, 3))
    x = rng.uniform(0, 255, size=(1, 4, 5, 3)).astype(np.float32)
    found = gradient(lambda image: losses.temporal_loss(image, warped.astype(np.float32), reliability), x)
    assert np.array_equal(found[reliability == 0], np.zeros_like(found[reliability == 0]))
    np.testing.assert_allclose(found[reliability == 1], 2 * (x - 100.0)[reliability == 1] / x.size, rtol=1e-5)


def test_nowhere_reliable_is_no_loss():
    x = tf.constant(random(1, 4, 5, 3))
    assert losses.temporal_loss(x, tf.zeros_like(x), tf.zeros((1, 4, 5), tf.float64)).numpy() == 0.0


def test_earlier_frames_sum_up():
    x, w, c = random(1, 4, 5, 3), random(3, 4, 5, 3, seed=1), np.random.default_rng(2).uniform(size=(3, 4, 5))
    singly = [losses.temporal_loss(x, w[k : k + 1], c[k : k + 1]).numpy() for k in range(3)]
    assert losses.temporal_loss(x, w, c).numpy() == pytest.approx(sum(singly), rel=1e-12)


def test_temporal_loss_means_the_same_at_every_size():
    x, w, c = random(1, 4, 5, 3), random(1, 4, 5, 3, seed=1), np.random.default_rng(2).uniform(size=(1, 4, 5))
    large = losses.temporal_loss(np.tile(x, (1, 3, 2, 1)), np.tile(w, (1, 3, 2, 1)), np.tile(c, (1, 3, 2)))
    assert large.numpy() == pytest.approx(losses.temporal_loss(x, w, c).numpy(), rel=1e-12)


# ---------------------------------------------------------------- the total variation


@given(st.integers(1, 5), st.integers(1, 5), st.floats(-1e6, 1e6))
def test_flat_pictures_have_no_variation(height, width, grey):
    flat = np.full((1, height, width, 3), grey)
    assert losses.total_variation(flat).numpy() == 0.0
    assert np.array_equal(gradient(losses.total_variation, flat), np.zeros_like(flat))


def test_a_checkerboard_varies_more_than_a_ramp():
    ramp = np.broadcast_to(np.linspace(0.0, 255.0, 16)[:, np.newaxis, np.newaxis], (1, 16, 16, 3))
    board = 255.0 * np.indices((16, 16)).sum(axis=0)[np.newaxis, ..., np.newaxis].repeat(3, axis=-1) % 510.0
    assert losses.total_variation(board).numpy() > 100 * losses.total_variation(ramp).numpy()


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_terms_are_scalars_in_the_type_of_the_picture(dtype):
    x, w, c = (tf.cast(a, dtype) for a in (random(1, 4, 5, 3), random(1, 4, 5, 3, seed=1), np.ones((1, 4, 5))))
    for value in (
        losses.content_loss(x, w),
        losses.style_loss(x, losses.gram_matrix(w)),
        losses.temporal_loss(x, w, c),
        losses.total_variation(x),
    ):
        assert value.shape == () and value.dtype == dtype
