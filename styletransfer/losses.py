"""The terms of the loss: tensors in, scalar out.

Symbols are those of Gatys, Ecker and Bethge 2016 ("Image Style Transfer Using Convolutional Neural
Networks") and of Ruder, Dosovitskiy and Brox 2016 ("Artistic Style Transfer for Videos"). A layer has N
filters and M positions; F and P are its activations for the painted picture and for the content. Where positions have
weights, a region of the picture counts and the rest does not (Gatys et al. 2017, "Controlling Perceptual Factors in
Neural Style Transfer", section 4).
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

RIDGE = 1e-2
"""Added to the variance of every filter in `wasserstein_loss`; where layers are normalised, their mean is 1."""


def gram_matrix(features: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """Correlations of a layer's filters, per position: G_ij = 1/M sum_k F_ik F_jk (Gatys et al. 2016, eq. 3).

    Parameters
    ----------
    features
        `(..., h, w, N)`; all leading axes are positions.
    weights
        `(..., h, w)`, how much each position counts: G_ij = sum_k w_k F_ik F_jk / sum_k w_k, the guided Gram matrix
        (Gatys et al. 2017, section 4, with w the square of their guide). 0 where nothing counts.

    Returns
    -------
    tf.Tensor
        `(N, N)`. Dividing by M here, rather than in the loss, lets a style picture of another size serve.
    """
    flat = tf.reshape(features, (-1, features.shape[-1]))
    if weights is None:
        return tf.matmul(flat, flat, transpose_a=True) / tf.cast(tf.shape(flat)[0], flat.dtype)
    weights = tf.reshape(weights, (-1, 1))
    return tf.math.divide_no_nan(tf.matmul(weights * flat, flat, transpose_a=True), tf.reduce_sum(weights))


def mean_activation(features: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """The mean of each filter over the positions, `(N,)`; arguments as for `gram_matrix`."""
    flat = tf.reshape(features, (-1, features.shape[-1]))
    if weights is None:
        return tf.reduce_mean(flat, axis=0)
    weights = tf.reshape(weights, (-1, 1))
    return tf.math.divide_no_nan(tf.reduce_sum(weights * flat, axis=0), tf.reduce_sum(weights))


def content_loss(features: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """1/2 sum (F - P)^2 (Gatys et al. 2016, eq. 1; the report, eq. 1). Both of one shape."""
    return 0.5 * tf.reduce_sum(tf.square(features - target))


def style_loss(features: tf.Tensor, target: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """E = 1/(4 N^2 M^2) sum (G - A)^2 of one layer (Gatys et al. 2016, eq. 4; the report's E_l).

    Parameters
    ----------
    features
        `(..., h, w, N)` of the painted picture.
    target
        `(N, N)`, the style picture's `gram_matrix`. Both Gram matrices are per position, which is where
        the 1/M^2 of the formula is.
    weights
        As for `gram_matrix`.
    """
    return gram_distance(gram_matrix(features, weights), target)


def gram_distance(gram: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """`style_loss` of a picture of which only the Gram matrix is known; `(N, N)` both."""
    filters = tf.cast(gram.shape[-1], gram.dtype)
    return tf.reduce_sum(tf.square(gram - target)) / (4.0 * filters**2)


def wasserstein_loss(
    features: tf.Tensor, mean: tf.Tensor, root: tf.Tensor, weights: tf.Tensor | None = None
) -> tf.Tensor:
    """The squared Wasserstein-2 distance of two normal distributions of activations, per filter.

    1/N (|m - m'|^2 + tr(C) + tr(C') - 2 tr (R C R)^(1/2)) with R = C'^(1/2) (Dowson and Landau 1982, "The Frechet
    distance between multivariate normal distributions"). `RIDGE` is added to the diagonal of C, as in R: with
    fewer positions than filters C is singular, and the distance has no gradient there.

    Parameters
    ----------
    features
        `(..., h, w, N)` of the painted picture.
    mean
        `(N,)`, the style picture's `mean_activation`.
    root
        `(N, N)`, the root of its covariance, see `covariance_root`.
    weights
        As for `gram_matrix`.
    """
    # About the style's mean: a difference of large second moments would lose the small variances in float32.
    apart = features - mean
    return normal_distance(mean_activation(apart, weights), gram_matrix(apart, weights), root)


def normal_distance(offset: tf.Tensor, moment: tf.Tensor, root: tf.Tensor) -> tf.Tensor:
    """`wasserstein_loss` of a picture of which only two moments about the style's mean are known.

    Parameters
    ----------
    offset
        `(N,)`, the `mean_activation` of features - m'.
    moment
        `(N, N)`, the `gram_matrix` of features - m'.
    root
        As for `wasserstein_loss`.
    """
    spread = moment - tf.tensordot(offset, offset, axes=0) + RIDGE * tf.eye(offset.shape[0], dtype=offset.dtype)
    traces = tf.linalg.trace(spread) + tf.reduce_sum(tf.square(root)) - 2.0 * _trace_of_root(spread, root)
    return (tf.reduce_sum(tf.square(offset)) + traces) / tf.cast(offset.shape[0], offset.dtype)


def covariance_root(mean: tf.Tensor, gram: tf.Tensor) -> tf.Tensor:
    """The symmetric root of the covariance G - m m', plus `RIDGE`; `(N,)` and `(N, N)` in, `(N, N)` out."""
    wide = tf.cast(gram, tf.float64) - tf.tensordot(tf.cast(mean, tf.float64), tf.cast(mean, tf.float64), axes=0)
    values, vectors = tf.linalg.eigh(wide)
    roots = tf.sqrt(tf.maximum(values, 0.0) + RIDGE)
    return tf.cast(tf.matmul(vectors * roots, vectors, transpose_b=True), gram.dtype)


@tf.custom_gradient
def _trace_of_root(matrix: tf.Tensor, root: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[Any, None]]]:
    """tr (R X R)^(1/2) and its gradient in X, 1/2 R (R X R)^(-1/2) R.

    In float64: the eigenvalues span the square of the range of a covariance's. The gradient of `eigh` itself
    would divide by the differences of eigenvalues, which may be 0.
    """
    wide = tf.cast(root, tf.float64)
    values, vectors = tf.linalg.eigh(tf.matmul(wide, tf.matmul(tf.cast(matrix, tf.float64), wide)))
    roots = tf.sqrt(tf.maximum(values, RIDGE**2))

    def gradient(upstream: tf.Tensor) -> tuple[Any, None]:
        turned = tf.matmul(wide, vectors)
        inner = 0.5 * tf.matmul(turned / roots, turned, transpose_b=True)
        return upstream * tf.cast(inner, matrix.dtype), None

    return tf.cast(tf.reduce_sum(roots), matrix.dtype), gradient


def temporal_loss(image: tf.Tensor, warped: tf.Tensor, reliability: tf.Tensor) -> tf.Tensor:
    """1/D sum c (x - w)^2, D = H W C (Ruder et al. 2016, eq. 7), summed over the earlier frames.

    Parameters
    ----------
    image
        `(1, H, W, C)`, the picture being painted.
    warped
        `(K, H, W, C)`, K earlier results, each warped to this frame.
    reliability
        `(K, H, W)` in [0, 1]. The square comes first, then the mask, then the sum: where c is 0 the
        gradient is exactly 0, whatever the warped picture holds there (it must be finite).
    """
    size = tf.cast(tf.size(image), image.dtype)
    return tf.reduce_sum(reliability[..., tf.newaxis] * tf.square(image - warped)) / size


def total_variation(image: tf.Tensor) -> tf.Tensor:
    """Mean squared difference of neighbours, down plus across; `(1, H, W, C)` in, a scalar out.

    The quadratic form of the total variation of Mahendran and Vedaldi 2015 (beta = 2), per value, so that
    its weight means the same at every size.
    """
    down = image[:, 1:] - image[:, :-1]
    across = image[:, :, 1:] - image[:, :, :-1]
    size = tf.cast(tf.size(image), image.dtype)
    return (tf.reduce_sum(tf.square(down)) + tf.reduce_sum(tf.square(across))) / size
