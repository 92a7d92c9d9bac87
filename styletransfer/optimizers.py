"""L-BFGS and Adam, each as `init(x)` and `step(state, value_and_grad)`.

They know nothing of pictures. A step is a pure function of tensors with exactly one evaluation, to be
compiled by the caller; the state between two steps is a tuple of tensors, so a run can be stopped, looked
at and resumed anywhere.

`value_and_grad(x)` returns `(terms, gradient)`: `terms` is a vector whose sum is minimised (the optimiser
carries it along, so that every term of the accepted point is known), `gradient` has the shape of `x`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

ValueAndGrad = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
Preconditioner = Callable[[tf.Tensor], tf.Tensor]
"""P x of a symmetric positive definite P; both have the shape of x."""
Bounds = tuple[float, float] | None
"""The smallest and the largest value that an element of x may take; None for no bounds."""

MAX_REJECTIONS = 12
"""Consecutive halvings after which a run counts as stuck: the step is 4096 times smaller by then."""

MAX_STRETCH = 4.0
"""No step of L-BFGS changes any element by more than this many times the largest change of the step before."""


class Optimizer(NamedTuple):
    """A method: `init(x, terms, caution)` makes the state of a run from `x`, `step` advances it by one evaluation.

    `caution` shortens the first step of a method that has to guess its length.
    """

    init: Callable[..., Any]
    step: Callable[[Any, ValueAndGrad], Any]


class Point(NamedTuple):
    """The last accepted point and the next one to try; the part of a state that all methods share."""

    trial: tf.Tensor  # where the next step evaluates
    x: tf.Tensor  # the last point that was accepted
    terms: tf.Tensor  # (terms,) at x; infinite before the first step
    gradient: tf.Tensor  # at x
    direction: tf.Tensor  # trial = x + length * direction
    length: tf.Tensor  # scalar
    rejections: tf.Tensor  # scalar int32, consecutive: 0 after an accepted step


def _start(x: tf.Tensor, terms: int) -> Point:
    zero = tf.zeros_like(x)
    infinite = tf.fill([terms], tf.constant(float("inf"), x.dtype))
    return Point(x, x, infinite, zero, zero, tf.ones([], x.dtype), tf.zeros([], tf.int32))


def _accept(old: Point, terms: tf.Tensor, gradient: tf.Tensor, growth: float | None = None) -> tf.Tensor:
    """Whether the trial is finite and, with `growth`, its value at most `(1 + growth)` times the last accepted.

    Without a line search a value may rise a little on the way down; one that explodes comes from a step
    that curvature along the way has made too long.
    """
    value, before = tf.reduce_sum(terms), tf.reduce_sum(old.terms)
    finite = tf.math.is_finite(value) & tf.reduce_all(tf.math.is_finite(gradient))
    if growth is None:
        return finite
    return finite & (_is_first(old) | (value <= before + growth * tf.abs(before)))


def _is_first(point: Point) -> tf.Tensor:
    """Whether nothing has been accepted yet."""
    return tf.math.is_inf(tf.reduce_sum(point.terms))


def _halved(old: Point, bounds: Bounds) -> Point:
    """The same point, half the step."""
    length = 0.5 * old.length
    trial = _within(old.x + length * old.direction, bounds)
    return old._replace(trial=trial, length=length, rejections=old.rejections + 1)


def _within(x: tf.Tensor, bounds: Bounds) -> tf.Tensor:
    """The nearest point within the bounds."""
    return x if bounds is None else tf.clip_by_value(x, *bounds)


def _free(x: tf.Tensor, gradient: tf.Tensor, bounds: Bounds) -> tf.Tensor:
    """1 where a step against the gradient stays within the bounds, 0 where it is held by one (the active set)."""
    if bounds is None:
        return tf.ones_like(x)
    held = ((x <= bounds[0]) & (gradient > 0.0)) | ((x >= bounds[1]) & (gradient < 0.0))
    return tf.cast(~held, x.dtype)


def _choose(condition: tf.Tensor, yes: Any, no: Any) -> Any:
    """`yes` or `no`, structures of tensors, by a scalar condition, without leaving the graph."""
    return tf.nest.map_structure(lambda a, b: tf.where(condition, a, b), yes, no)


# ---------------------------------------------------------------- L-BFGS


class LBFGSState(NamedTuple):
    """A run of L-BFGS: a `Point` and the last `memory` pairs, newest first.

    A vector each: states share them, where one array of all would be copied in every step.
    """

    point: Point
    s: tuple[tf.Tensor, ...]  # (n,) each, steps x_{k+1} - x_k
    y: tuple[tf.Tensor, ...]  # (n,) each, changes of the gradient
    rho: tf.Tensor  # (memory,) 1 / s'y; 0 for pairs that are not there yet
    first_change: tf.Tensor  # scalar, see `lbfgs`
    pairs: tf.Tensor  # scalar int32, number of pairs ever stored


def _as_it_is(x: tf.Tensor) -> tf.Tensor:
    return x


def lbfgs(
    memory: int = 10,
    first_change: float = 5.0,
    growth: float = 1.0,
    bounds: Bounds = None,
    preconditioner: Preconditioner = _as_it_is,
) -> Optimizer:
    """Limited-memory BFGS without a line search (Nocedal and Wright 2006, algorithms 7.4 and 7.5).

    Parameters
    ----------
    memory
        Number of pairs (s, y) kept.
    first_change
        The first step goes along the gradient, preconditioned, and changes the element of x that changes most by this
        much, times the `caution` that `init` is given.
    growth
        A trial whose value exceeds the accepted one by more than this share, or is not finite, is
        rejected: the next step tries half of its length. After `MAX_REJECTIONS` in a row the caller
        should stop.
    bounds
        Smallest and largest value of an element. Elements that a bound holds take no part in a step, the others
        step along -H of the rest, and the trial is the nearest point within (two-metric projection, Bertsekas
        1982, "Projected Newton methods for optimization problems with simple constraints").
    preconditioner
        What the inverse Hessian is like, up to a factor, before any pair is learnt.

    Notes
    -----
    The step length is 1 from the second step on, unless that stretches the last step more than `MAX_STRETCH`
    times: for the losses here the scaled inverse Hessian is good
    enough that a line search costs more evaluations than it saves. A pair with s'y <= 0 would make the
    inverse Hessian indefinite and is skipped.
    """

    def init(x: tf.Tensor, terms: int = 1, caution: float = 1.0) -> LBFGSState:
        x = _within(tf.convert_to_tensor(x), bounds)
        none, change = (tf.zeros([tf.size(x)], x.dtype),) * memory, tf.constant(first_change * caution, x.dtype)
        return LBFGSState(_start(x, terms), none, none, tf.zeros([memory], x.dtype), change, tf.zeros([], tf.int32))

    def step(state: LBFGSState, value_and_grad: ValueAndGrad) -> LBFGSState:
        old = state.point
        terms, gradient = value_and_grad(old.trial)
        accepted = _accept(old, terms, gradient, growth)
        state = _store(state, old.trial - old.x, gradient - old.gradient, accepted & ~_is_first(old))

        free = _free(old.trial, gradient, bounds)
        # H is positive definite, so what is left of it between the free elements still leads downhill.
        direction = -free * inverse_hessian_product(state, free * gradient, preconditioner)
        largest = tf.reduce_max(tf.abs(direction))
        # Before any curvature is known the scale of the loss must not matter.
        cautious = tf.math.divide_no_nan(state.first_change, largest)
        # A pair of nearly no curvature asks for a step to the horizon; grow towards it instead.
        reach = MAX_STRETCH * tf.reduce_max(tf.abs(old.trial - old.x))
        bold = tf.math.divide_no_nan(reach, largest)
        length = tf.where(state.pairs > 0, tf.minimum(tf.ones_like(bold), bold), cautious)
        none = tf.zeros([], tf.int32)
        trial = _within(old.trial + length * direction, bounds)
        new = Point(trial, old.trial, terms, gradient, direction, length, none)
        return state._replace(point=_choose(accepted, new, _halved(old, bounds)))

    return Optimizer(init, step)


def _store(state: LBFGSState, s: tf.Tensor, y: tf.Tensor, wanted: tf.Tensor) -> LBFGSState:
    """The pairs with this one in front, without the oldest, if it is wanted and s'y > 0."""
    s, y = tf.reshape(s, [-1]), tf.reshape(y, [-1])
    curvature = tf.reduce_sum(s * y)
    keep = wanted & (curvature > 0.0)
    rho = tf.math.divide_no_nan(tf.ones_like(curvature), curvature)
    newest_first = tf.cond(
        keep,
        lambda: ((s, *state.s[:-1]), (y, *state.y[:-1]), tf.concat([rho[tf.newaxis], state.rho[:-1]], 0)),
        lambda: (state.s, state.y, state.rho),
    )
    s, y, rho = newest_first
    return state._replace(s=s, y=y, rho=rho, pairs=state.pairs + tf.cast(keep, tf.int32))


def inverse_hessian_product(
    state: LBFGSState, vector: tf.Tensor, preconditioner: Preconditioner = _as_it_is
) -> tf.Tensor:
    """H v by the two-loop recursion (Nocedal and Wright 2006, algorithm 7.4); `vector` has the shape of x.

    H_0 = s'y / y'Py P of the newest pair, which is their eq. 7.20 for x = P^(1/2) z, and P while there is none. Pairs
    that are not there yet have rho = 0 and drop out of both loops.
    """

    def conditioned(flat: tf.Tensor) -> tf.Tensor:
        return tf.reshape(preconditioner(tf.reshape(flat, tf.shape(vector))), [-1])

    rho = tf.unstack(state.rho)
    newest_first = list(zip(state.s, state.y, rho, strict=True))
    q = tf.reshape(vector, [-1])
    alphas = []
    for s, y, inverse in newest_first:
        alphas.append(inverse * tf.reduce_sum(s * q))
        q -= alphas[-1] * y
    newest = state.y[0]
    gamma = tf.math.divide_no_nan(tf.ones([], q.dtype), rho[0] * tf.reduce_sum(newest * conditioned(newest)))
    r = tf.where(state.pairs > 0, gamma, tf.ones_like(gamma)) * conditioned(q)
    for (s, y, inverse), alpha in zip(reversed(newest_first), reversed(alphas), strict=True):
        r += (alpha - inverse * tf.reduce_sum(y * r)) * s
    return tf.reshape(r, tf.shape(vector))


# ---------------------------------------------------------------- Adam


class AdamState(NamedTuple):
    """A run of Adam: a `Point`, both moments and the number of accepted steps."""

    point: Point
    mean: tf.Tensor  # first moment, shape of x
    square: tf.Tensor  # second moment, shape of x
    count: tf.Tensor  # scalar, the type of x


def adam(
    learning_rate: float = 5.0,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    bounds: Bounds = None,
) -> Optimizer:
    """Adam (Kingma and Ba 2015, algorithm 1); a trial that is not finite is halved and tried again.

    `learning_rate` is in the unit of x and bounds, roughly, the change of every element in a step. With `bounds`
    every trial is the nearest point within them.
    """

    def init(x: tf.Tensor, terms: int = 1, caution: float = 1.0) -> AdamState:
        x = _within(tf.convert_to_tensor(x), bounds)
        zero = tf.zeros_like(x)
        return AdamState(_start(x, terms), zero, zero, tf.zeros([], x.dtype))

    def step(state: AdamState, value_and_grad: ValueAndGrad) -> AdamState:
        old = state.point
        terms, gradient = value_and_grad(old.trial)
        count = state.count + 1.0
        mean = beta1 * state.mean + (1.0 - beta1) * gradient
        square = beta2 * state.square + (1.0 - beta2) * tf.square(gradient)
        unbiased = tf.sqrt(square / (1.0 - beta2**count)) + epsilon
        direction = -learning_rate * (mean / (1.0 - beta1**count)) / unbiased
        one = tf.ones([], old.trial.dtype)
        trial = _within(old.trial + direction, bounds)
        point = Point(trial, old.trial, terms, gradient, direction, one, tf.zeros([], tf.int32))
        accepted = _accept(old, terms, gradient)
        return _choose(accepted, AdamState(point, mean, square, count), state._replace(point=_halved(old, bounds)))

    return Optimizer(init, step)
