"""The terms of the loss: tensors in, scalar out.

Symbols are those of Gatys, Ecker and Bethge 2016 ("Image Style Transfer Using Convolutional Neural
Networks") and of Ruder, Dosovitskiy and Brox 2016 ("Artistic Style Transfer for Videos"). A layer has N
filters and M positions; F and P are its activations for the painted picture and for the content.
"""

import tensorflow as tf


def gram_matrix(features: tf.Tensor) -> tf.Tensor:
    """Correlations of a layer's filters, per position: G_ij = 1/M sum_k F_ik F_jk (Gatys et al. 2016, eq. 3).

    Parameters
    ----------
    features
        `(..., h, w, N)`; all leading axes are positions.

    Returns
    -------
    tf.Tensor
        `(N, N)`. Dividing by M here, rather than in the loss, lets a style picture of another size serve.
    """
    flat = tf.reshape(features, (-1, features.shape[-1]))
    return tf.matmul(flat, flat, transpose_a=True) / tf.cast(tf.shape(flat)[0], flat.dtype)


def content_loss(features: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """1/2 sum (F - P)^2 (Gatys et al. 2016, eq. 1; the report, eq. 1). Both of one shape."""
    return 0.5 * tf.reduce_sum(tf.square(features - target))


def style_loss(features: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """E = 1/(4 N^2 M^2) sum (G - A)^2 of one layer (Gatys et al. 2016, eq. 4; the report's E_l).

    Parameters
    ----------
    features
        `(..., h, w, N)` of the painted picture.
    target
        `(N, N)`, the style picture's `gram_matrix`. Both Gram matrices are per position, which is where
        the 1/M^2 of the formula is.
    """
    filters = tf.cast(features.shape[-1], features.dtype)
    return tf.reduce_sum(tf.square(gram_matrix(features) - target)) / (4.0 * filters**2)


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
