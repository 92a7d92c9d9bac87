"""Motion that a pyramid misses: an exhaustive search for small patches, on a coarse grid.

A pyramid sees nothing that is smaller than its own displacement: on the level at which the displacement is a
pixel or two, the object has vanished. Brox and Malik 2011, "Large displacement optical flow", let matched
descriptors pull at the flow; here matches replace it where they fit far better, and the variational
refinement goes on from there, as it would from the level above.

Pictures are planes `(B, C, H, W)` and flows `(2, B, H, W)`, as in `flow`.
"""

import tensorflow as tf

from .warping import bilinear, last_pixel, positions, within_frame

REACH = 8  # pixels of the level searched, each way: at a quarter of the resolution, 32 pixels of the frame
PATCH = 3  # pixels along the sides of what is compared
BEYOND = -1.0  # what the frame is surrounded by: unlike any picture, though in another's light they may be below 0
OUTLIER = 0.5  # difference of pixels from which it counts no more: a patch may hold pixels of two motions
CLEARLY = 0.75  # a match must have less than this share of the cost of the flow that it replaces
NOISE = 0.03  # and be this much below it
AGREE = 1.5  # pixels by which the ways there and back may miss each other


def fuse(source: tf.Tensor, target: tf.Tensor, flow: tf.Tensor) -> tf.Tensor:
    """The flow, replaced by the best match where that fits clearly better and leads back to where it came from.

    The pictures of a batch are one direction or both, the second the reverse of the first.
    """
    first, second = _describe(source), _describe(target)
    matches, costs = search(first[:1], second[:1])
    home = _round_trip(matches) <= AGREE**2
    batch = tf.shape(flow)[1]
    matches, costs, home = matches[:, :batch], costs[:batch], home[:batch]
    better = costs < CLEARLY * _cost(first, _moved(second, flow)) - NOISE
    return tf.where(better & home, matches, flow)


def search(first: tf.Tensor, second: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The best whole displacement within reach, `(2, 2, H, W)`: there and back, and what each costs, `(2, H, W)`.

    What a displacement costs from here to there, it costs from there to here: one pass serves both ways.
    """
    height, width = tf.unstack(tf.shape(first)[2:])
    margin = [(0, 0), (REACH, REACH), (REACH, REACH)]
    padded = tf.pad(second, [(0, 0), *margin], constant_values=BEYOND)
    side = 2 * REACH + 1

    def step(k: tf.Tensor, least: tf.Tensor, best: tf.Tensor) -> tuple[tf.Tensor, ...]:
        down, right = k // side - REACH, k % side - REACH
        moved = tf.slice(padded, [0, 0, REACH + down, REACH + right], [1, -1, height, width])
        there = tf.where(moved[:, 0] == BEYOND, OUTLIER, _cost(first, moved))  # nothing is found beyond the frame
        back = tf.slice(
            tf.pad(there, margin, constant_values=OUTLIER), [0, REACH - down, REACH - right], [1, height, width]
        )
        cost = tf.concat([there, back], 0)
        ways = tf.reshape([1.0, -1.0], (1, 2, 1, 1)) * tf.reshape(tf.cast([right, down], tf.float32), (2, 1, 1, 1))
        return k + 1, tf.minimum(cost, least), tf.where(cost < least, ways, best)

    start = tf.constant(0), tf.fill([2, height, width], OUTLIER), tf.zeros([2, 2, height, width])
    shapes = tf.TensorShape(()), tf.TensorShape((2, None, None)), tf.TensorShape((2, 2, None, None))
    _, least, best = tf.while_loop(lambda k, *_: k < side * side, step, start, shapes, parallel_iterations=1)
    return best, least


def to_planes(images: tf.Tensor) -> tf.Tensor:
    """`(B, H, W, C)` -> `(B, C, H, W)`."""
    return tf.transpose(images, (0, 3, 1, 2))


def _describe(planes: tf.Tensor) -> tf.Tensor:
    """The channels and the gradient of their mean: what stays the same along the motion."""
    grey = tf.reduce_mean(planes, 1, keepdims=True)
    padded = tf.pad(grey, [(0, 0), (0, 0), (1, 1), (1, 1)], "SYMMETRIC")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    return tf.concat([planes, across, down], 1)


def _cost(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """How far patches around each pixel differ, `(B, H, W)`: beyond the frame as far as they can, there as back."""
    difference = tf.minimum(tf.reduce_sum(tf.abs(first - second), 1), OUTLIER)
    rows, columns = tf.unstack(tf.shape(difference)[1:])
    half = PATCH // 2
    padded = tf.pad(difference, [(0, 0), (half, half), (half, half)], constant_values=OUTLIER)
    across = sum(tf.slice(padded, [0, 0, k], [-1, -1, columns]) for k in range(PATCH))
    return sum(tf.slice(across, [0, k, 0], [-1, rows, -1]) for k in range(PATCH)) / PATCH**2


def _moved(planes: tf.Tensor, flow: tf.Tensor) -> tf.Tensor:
    """Planes seen along the flow; unlike any picture beyond the frame."""
    interleaved = tf.transpose(planes, (0, 2, 3, 1))
    x, y = positions(tf.transpose(flow, (1, 2, 3, 0)))
    last_x, last_y = last_pixel(interleaved)
    moved = bilinear(interleaved, tf.clip_by_value(x, 0.0, last_x), tf.clip_by_value(y, 0.0, last_y))
    moved = tf.where(within_frame(x, y, last_x, last_y)[..., tf.newaxis], moved, BEYOND)
    return to_planes(moved)


def _round_trip(flows: tf.Tensor) -> tf.Tensor:
    """Squared distance from home after going there and back, for both ways of `(2, 2, H, W)`."""
    interleaved = tf.transpose(flows, (1, 2, 3, 0))
    last_x, last_y = last_pixel(interleaved)
    x, y = positions(interleaved)
    back = bilinear(tf.reverse(interleaved, [0]), tf.clip_by_value(x, 0.0, last_x), tf.clip_by_value(y, 0.0, last_y))
    return tf.reduce_sum((interleaved + back) ** 2, -1)
