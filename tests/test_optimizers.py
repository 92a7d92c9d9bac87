"""L-BFGS and Adam against oracles: a dense inverse Hessian, SciPy's minima, the papers' algorithms in NumPy."""

import functools
import itertools
from collections.abc import Callable
from typing import NamedTuple

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf

from styletransfer.optimizers import MAX_REJECTIONS, MAX_STRETCH, adam, inverse_hessian_product, lbfgs

# ---------------------------------------------------------------- problems with known minima


class Problem(NamedTuple):
    """A function of a float64 vector, for both TensorFlow and SciPy, and where to begin."""

    value: Callable[[tf.Tensor], tf.Tensor]
    start: np.ndarray
    first_change: float = 1.0

    def value_and_grad(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = self.value(x)
        return value[tf.newaxis], tape.gradient(value, x)

    def scipy_minimum(self, bounds: tuple[float, float] | None = None) -> scipy.optimize.OptimizeResult:
        compiled = tf.function(self.value_and_grad, autograph=False)

        def both(x):
            terms, gradient = compiled(tf.constant(x))
            return float(terms[0]), gradient.numpy()

        limits = {"maxiter": 5000, "maxfun": 20000, "ftol": 1e-15, "gtol": 1e-9}
        box = None if bounds is None else [bounds] * self.start.size
        return scipy.optimize.minimize(both, self.start, jac=True, method="L-BFGS-B", bounds=box, options=limits)


def rosenbrock(x):
    return tf.reduce_sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def skewed_quadratic(size: int, condition: float, seed: int = 0) -> Callable[[tf.Tensor], tf.Tensor]:
    """1/2 x'Ax - b'x with axes in no particular direction and this ratio of the longest to the shortest."""
    rng = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(rng.normal(size=(size, size)))
    matrix = tf.constant(axes @ np.diag(np.geomspace(1.0, condition, size)) @ axes.T)
    shift = tf.constant(rng.normal(size=size))
    return lambda x: tf.tensordot(x, 0.5 * tf.linalg.matvec(matrix, x) - shift, 1)


def double_well(x):
    """Two minima in every direction and a maximum between them, where curvature is negative."""
    return tf.reduce_sum((x**2 - 1.0) ** 2) + 0.1 * tf.reduce_sum(x[1:] * x[:-1])


PROBLEMS = {
    "rosenbrock 2": Problem(rosenbrock, np.array([-1.2, 1.0])),
    "rosenbrock 5": Problem(rosenbrock, np.array([-1.2, 1.0, -1.2, 1.0, -1.2])),
    "rosenbrock 10": Problem(rosenbrock, np.array([-1.2, 1.0] * 5)),
    "rosenbrock 10, small first step": Problem(rosenbrock, np.array([-1.2, 1.0] * 5), 0.1),
    "rosenbrock 20, flat start": Problem(rosenbrock, np.zeros(20)),
    "quadratic bowl": Problem(lambda x: tf.reduce_sum((x - 3.0) ** 2), np.zeros(50)),
    "skewed quadratic 2": Problem(skewed_quadratic(2, 100.0), np.zeros(2)),
    "skewed quadratic 10": Problem(skewed_quadratic(10, 1000.0), np.zeros(10)),
    "skewed quadratic 30": Problem(skewed_quadratic(30, 1000.0), np.zeros(30)),
}


def compiled(optimizer, value_and_grad):
    return tf.function(lambda state: optimizer.step(state, value_and_grad), autograph=False)


def run(optimizer, value_and_grad, start, steps, *, compile_step=False, terms=1):
    """The states of a run, one after every step."""
    step = compiled(optimizer, value_and_grad) if compile_step else lambda s: optimizer.step(s, value_and_grad)
    state, states = optimizer.init(tf.constant(start), terms), []
    for _ in range(steps):
        state = step(state)
        states.append(state)
    return states


def same(a, b) -> bool:
    """Two states equal to the last bit, NaN included."""
    pairs = zip(tf.nest.flatten(a), tf.nest.flatten(b), strict=True)
    return all(np.asarray(x).tobytes() == np.asarray(y).tobytes() for x, y in pairs)


# ---------------------------------------------------------------- L-BFGS: minima


@pytest.mark.parametrize("name", PROBLEMS)
def test_lbfgs_reaches_scipys_minimum_without_a_line_search(name):
    """And, as every step is one evaluation, with at most twice as many of them."""
    problem = PROBLEMS[name]
    expected = problem.scipy_minimum()
    optimizer = lbfgs(10, problem.first_change)
    step, state = compiled(optimizer, problem.value_and_grad), optimizer.init(tf.constant(problem.start))
    for _ in range(2 * expected.nfev + 20):
        state = step(state)
        if float(tf.reduce_max(tf.abs(state.point.gradient))) < 1e-9:
            break
    assert state.point.x.dtype == tf.float64
    assert float(state.point.terms[0]) <= expected.fun + 1e-10
    np.testing.assert_allclose(state.point.x, expected.x, atol=2e-4)
    assert step.experimental_get_tracing_count() == 1


# ---------------------------------------------------------------- bounds

BOUNDED = {
    "rosenbrock 10": (-1.5, 0.8),
    "rosenbrock 10, small first step": (-1.2, 0.5),
    "quadratic bowl": (0.0, 2.0),
    "skewed quadratic 10": (-0.1, 0.1),
    "skewed quadratic 30": (-0.2, 0.3),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_lbfgs_reaches_scipys_minimum_within_bounds(name):
    problem, bounds = PROBLEMS[name], BOUNDED[name]
    expected = problem.scipy_minimum(bounds)
    assert np.isin(expected.x, bounds).any(), "no bound matters: the test says nothing"
    optimizer = lbfgs(10, problem.first_change, bounds=bounds)
    states = run(optimizer, problem.value_and_grad, problem.start, 10 * expected.nfev + 20, compile_step=True)
    assert float(states[-1].point.terms[0]) <= expected.fun + 1e-6 * (1.0 + abs(expected.fun))
    np.testing.assert_allclose(states[-1].point.x, expected.x, atol=2e-3)


@pytest.mark.parametrize("method", [lbfgs, adam])
@hypothesis.given(seed=st.integers(0, 2**16), low=st.floats(-2.0, 0.0), width=st.floats(0.1, 2.0))
@hypothesis.settings(max_examples=15, deadline=None)
def test_no_point_leaves_the_bounds(method, seed, low, width):
    start = np.random.default_rng(seed).normal(0.0, 3.0, 6)
    for state in run(method(bounds=(low, low + width)), Problem(rosenbrock, start).value_and_grad, start, 12):
        for point in (state.point.x, state.point.trial):
            assert low <= point.numpy().min() and point.numpy().max() <= low + width


@pytest.mark.parametrize("method", [lbfgs, adam])
def test_bounds_that_are_never_met_change_nothing(method):
    problem = PROBLEMS["rosenbrock 5"]
    free, bounded = (run(method(bounds=b), problem.value_and_grad, problem.start, 30) for b in (None, (-1e6, 1e6)))
    assert all(same(a, b) for a, b in zip(free, bounded, strict=True))


# ---------------------------------------------------------------- L-BFGS: the two-loop product


def dense_inverse_hessian(pairs: list[tuple[np.ndarray, np.ndarray]], P: np.ndarray | None = None) -> np.ndarray:
    """BFGS updates of the inverse Hessian (Nocedal and Wright 2006, eq. 6.17) from s'y/y'Py P, oldest pair first."""
    s, y = pairs[-1]
    identity = np.eye(len(s))
    P = identity if P is None else P
    H = (s @ y) / (y @ P @ y) * P
    for s, y in pairs:
        rho = 1.0 / (s @ y)
        H = (identity - rho * np.outer(s, y)) @ H @ (identity - rho * np.outer(y, s)) + rho * np.outer(s, s)
    return H


def changes(states) -> list[tuple[np.ndarray, np.ndarray]]:
    """The pairs (s, y) of a run, read off its accepted points alone."""
    points = [(s.point.x.numpy(), s.point.gradient.numpy()) for s in states if int(s.point.rejections) == 0]
    return [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(points)]


def pairs_of(states) -> list[tuple[np.ndarray, np.ndarray]]:
    """Those of them that L-BFGS may learn from: s'y > 0."""
    return [(s, y) for s, y in changes(states) if s @ y > 0.0]


@pytest.mark.parametrize("memory", [1, 3, 10])
def test_two_loop_product_equals_the_dense_inverse_hessian(memory):
    """After every step of a run: with the memory part full, just full, and renewed several times."""
    problem, vector = PROBLEMS["rosenbrock 5"], np.random.default_rng(0).normal(size=5)
    states = run(lbfgs(memory, 0.1), problem.value_and_grad, problem.start, 30, compile_step=True)
    product = tf.function(inverse_hessian_product, autograph=False)
    for count, state in enumerate(states[1:], 2):
        pairs = pairs_of(states[:count])
        assert int(state.pairs) == len(pairs) > 0
        H = dense_inverse_hessian(pairs[-memory:])
        np.testing.assert_allclose(product(state, vector), H @ vector, rtol=1e-7, atol=1e-9 * np.abs(H).max())
    assert len(pairs) > memory + 5


def test_two_loop_product_solves_a_quadratic_once_it_has_seen_every_direction():
    """In n dimensions n pairs of a quadratic satisfy all secant equations: H y = s for the newest."""
    problem = PROBLEMS["skewed quadratic 10"]
    last = run(lbfgs(10, 1.0), problem.value_and_grad, problem.start, 30, compile_step=True)[-1]
    np.testing.assert_allclose(inverse_hessian_product(last, last.y[0]), last.s[0], rtol=1e-8, atol=1e-14)


def test_two_loop_product_without_pairs_is_the_identity_and_keeps_the_shape():
    vector = tf.constant(np.random.default_rng(0).normal(size=(1, 2, 3, 3)))
    assert np.array_equal(inverse_hessian_product(lbfgs().init(vector), vector), vector)


def inverse_curvature(name: str) -> np.ndarray:
    """A symmetric positive definite matrix about as skewed as the inverse of a quadratic's."""
    problem = PROBLEMS[name]
    n = len(problem.start)
    columns = [problem.value_and_grad(tf.constant(unit))[1] for unit in np.eye(n)]
    hessian = np.array(columns) - problem.value_and_grad(tf.zeros(n, tf.float64))[1]
    return np.linalg.inv(hessian + np.diag(np.linspace(0.0, 5.0, n)))


def test_two_loop_product_of_a_preconditioned_run_equals_the_dense_inverse_hessian():
    name, vector = "skewed quadratic 10", np.random.default_rng(0).normal(size=10)
    problem, P = PROBLEMS[name], inverse_curvature(name)
    conditioned = functools.partial(tf.linalg.matvec, tf.constant(P))
    states = run(lbfgs(3, 0.1, preconditioner=conditioned), problem.value_and_grad, problem.start, 12)
    np.testing.assert_allclose(inverse_hessian_product(states[0], tf.constant(vector), conditioned), P @ vector)
    for count, state in enumerate(states[1:], 2):
        H = dense_inverse_hessian(pairs_of(states[:count])[-3:], P)
        product = inverse_hessian_product(state, tf.constant(vector), conditioned)
        np.testing.assert_allclose(product, H @ vector, rtol=1e-7, atol=1e-9 * np.abs(H).max())
        np.testing.assert_allclose(state.point.direction, -H @ state.point.gradient.numpy(), rtol=1e-6, atol=1e-9)


def test_a_preconditioner_like_the_inverse_hessian_takes_far_fewer_steps_to_the_same_minimum():
    name = "skewed quadratic 30"
    problem, P = PROBLEMS[name], tf.constant(inverse_curvature(name))
    best, taken = problem.scipy_minimum().fun, {}
    for how in ({}, {"preconditioner": functools.partial(tf.linalg.matvec, P)}):
        states = run(lbfgs(10, **how), problem.value_and_grad, problem.start, 120, compile_step=True)
        taken[bool(how)] = next(i for i, s in enumerate(states) if float(s.point.terms[0]) < best + 1e-4)
    assert taken[True] < 0.2 * taken[False]


def test_the_first_step_changes_no_element_by_more_than_asked_whatever_the_preconditioner():
    problem = PROBLEMS["skewed quadratic 10"]
    for factor in (1e-3, 1.0, 1e3):
        scaled = functools.partial(tf.multiply, tf.constant(np.linspace(factor, 2 * factor, 10)))
        first = run(lbfgs(first_change=0.5, preconditioner=scaled), problem.value_and_grad, problem.start, 1)[0]
        assert np.abs(first.point.trial - problem.start).max() == pytest.approx(0.5)


def test_every_step_goes_along_the_quasi_newton_direction():
    problem = PROBLEMS["rosenbrock 5"]
    states = run(lbfgs(4, 0.1), problem.value_and_grad, problem.start, 30)
    for count, state in enumerate(states, 1):
        pairs = pairs_of(states[:count])
        if int(state.point.rejections) or not pairs:
            continue
        expected = -dense_inverse_hessian(pairs[-4:]) @ state.point.gradient.numpy()
        np.testing.assert_allclose(state.point.direction, expected, rtol=1e-7, atol=1e-9)


def test_no_step_stretches_the_last_one_more_than_the_bound():
    problem = PROBLEMS["rosenbrock 10, small first step"]
    states = run(lbfgs(10, problem.first_change), problem.value_and_grad, problem.start, 60)
    steps = [np.abs(s).max() for s, _ in changes(states)]
    assert all(now <= 1.0001 * MAX_STRETCH * before for before, now in itertools.pairwise(steps))
    assert max(now / before for before, now in itertools.pairwise(steps)) > 2.0  # it is needed


def test_a_pair_without_positive_curvature_is_skipped():
    start = np.array([0.05, -0.03, 0.04])
    problem = Problem(double_well, start)
    states = run(lbfgs(5, 0.1), problem.value_and_grad, start, 40, compile_step=True)
    curvatures = [s @ y for s, y in changes(states)]
    assert min(curvatures) < 0.0  # the start lies on the maximum: there is something to skip
    assert int(states[-1].pairs) == sum(curvature > 0.0 for curvature in curvatures)
    assert np.all(states[-1].rho.numpy() >= 0.0)
    H = dense_inverse_hessian(pairs_of(states)[-5:])
    assert np.linalg.eigvalsh((H + H.T) / 2).min() > 0.0
    vector = np.array([1.0, -2.0, 3.0])
    np.testing.assert_allclose(inverse_hessian_product(states[-1], tf.constant(vector)), H @ vector, rtol=1e-6)
    assert float(states[-1].point.terms[0]) == pytest.approx(problem.scipy_minimum().fun, abs=1e-8)


# ---------------------------------------------------------------- both: runs


METHODS = {
    "lbfgs": lbfgs(4, 0.1),
    "lbfgs, bounded": lbfgs(4, 0.1, bounds=(-1e3, 1e3)),
    "lbfgs, preconditioned": lbfgs(4, 0.1, preconditioner=lambda x: x + 0.5 * tf.reduce_sum(x)),
    "adam": adam(0.1),
    "adam, bounded": adam(0.1, bounds=(-1e3, 1e3)),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("through_numpy", [False, True])
def test_a_run_stopped_and_resumed_is_the_uninterrupted_run(method, through_numpy):
    problem, optimizer = PROBLEMS["rosenbrock 5"], METHODS[method]
    whole = run(optimizer, problem.value_and_grad, problem.start, 30, compile_step=True)
    state = whole[11]
    if through_numpy:
        state = tf.nest.map_structure(lambda t: t.numpy().copy(), state)
        state = tf.nest.map_structure(tf.constant, state)
    step = compiled(optimizer, problem.value_and_grad)
    for expected in whole[12:]:
        state = step(state)
        assert same(state, expected)


@pytest.mark.parametrize("method", METHODS)
def test_a_step_does_not_change_the_state_it_is_given(method):
    problem, optimizer = PROBLEMS["rosenbrock 2"], METHODS[method]
    state = run(optimizer, problem.value_and_grad, problem.start, 5)[-1]
    before = tf.nest.map_structure(lambda t: t.numpy().copy(), state)
    first, second = (optimizer.step(state, problem.value_and_grad) for _ in range(2))
    assert same(state, before) and same(first, second)


@pytest.mark.parametrize("method", METHODS)
def test_a_step_is_one_evaluation(method):
    problem, calls = PROBLEMS["rosenbrock 5"], []

    def counted(x):
        calls.append(x)
        return problem.value_and_grad(x)

    states = run(METHODS[method], counted, problem.start, 25)
    assert len(calls) == 25
    assert np.array_equal(calls[0], problem.start)
    assert all(np.array_equal(x, s.point.trial) for x, s in zip(calls[1:], states, strict=False))


@pytest.mark.parametrize("method", METHODS)
def test_a_compiled_step_is_one_evaluation(method):
    problem, count = PROBLEMS["rosenbrock 5"], tf.Variable(0)

    def counted(x):
        count.assign_add(1)
        return problem.value_and_grad(x)

    run(METHODS[method], counted, problem.start, 25, compile_step=True)
    assert int(count) == 25


@pytest.mark.parametrize("method", METHODS)
def test_the_first_step_evaluates_and_keeps_the_start(method):
    problem = PROBLEMS["rosenbrock 5"]
    state = run(METHODS[method], problem.value_and_grad, problem.start, 1)[0]
    assert np.array_equal(state.point.x, problem.start)
    assert float(state.point.terms[0]) == pytest.approx(rosenbrock(problem.start).numpy())


@pytest.mark.parametrize("method", METHODS)
def test_the_terms_are_carried_along_with_their_point(method):
    def two_terms(x):
        return tf.stack([tf.reduce_sum(x**2), tf.reduce_sum(tf.abs(x - 1.0))]), 2 * x + tf.sign(x - 1.0)

    for state in run(METHODS[method], two_terms, np.array([3.0, -2.0]), 10, terms=2):
        np.testing.assert_allclose(state.point.terms, two_terms(state.point.x)[0], rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_the_shape_and_type_of_the_picture_are_kept(method):
    start = np.random.default_rng(0).uniform(0, 255, (1, 3, 4, 3)).astype(np.float32)
    flat = Problem(lambda x: tf.reduce_sum((x - 9.0) ** 2), start)
    for state in run(METHODS[method], flat.value_and_grad, start, 4, compile_step=True):
        for tensor in (state.point.x, state.point.trial, state.point.gradient):
            assert tensor.shape == start.shape and tensor.dtype == tf.float32


@pytest.mark.parametrize("method", METHODS)
def test_at_the_minimum_nothing_moves(method):
    states = run(METHODS[method], Problem(rosenbrock, np.ones(4)).value_and_grad, np.ones(4), 5)
    assert all(np.array_equal(state.point.x, np.ones(4)) for state in states)


# ---------------------------------------------------------------- L-BFGS: the scale of the loss


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_the_first_trial_does_not_depend_on_the_scale_of_the_loss(factor):
    problem = PROBLEMS["rosenbrock 5"]
    scaled = Problem(lambda x: factor * rosenbrock(x), problem.start)
    one, other = (run(lbfgs(4, 0.1), p.value_and_grad, p.start, 1)[0].point.trial for p in (problem, scaled))
    np.testing.assert_allclose(one, other, rtol=1e-14)
    assert np.abs(one - problem.start).max() == pytest.approx(0.1)


@pytest.mark.parametrize("factor", [2.0**-30, 2.0**30])
def test_a_run_does_not_depend_on_the_scale_of_the_loss(factor):
    """With a power of two every product is exact: the whole run is the same to the last bit."""
    problem = PROBLEMS["rosenbrock 5"]
    scaled = Problem(lambda x: factor * rosenbrock(x), problem.start)
    one, other = (run(lbfgs(4, 0.1), p.value_and_grad, p.start, 40, compile_step=True) for p in (problem, scaled))
    assert all(np.array_equal(a.point.x, b.point.x) for a, b in zip(one, other, strict=True))


def test_as_long_as_no_curvature_is_known_steps_are_cautious():
    """On a slope without curvature every step changes x by the first change, and no pair is stored."""
    slope = Problem(lambda x: tf.reduce_sum(1e6 * x), np.zeros(3))
    states = run(lbfgs(4, 0.5), slope.value_and_grad, slope.start, 6)
    np.testing.assert_allclose([state.point.x[0] for state in states], -0.5 * np.arange(6), rtol=1e-12)
    assert int(states[-1].pairs) == 0


# ---------------------------------------------------------------- guards


WALLED_START = np.array([3.0, 4.0])
BEHIND_THE_WALL = {"nan": np.nan, "inf": np.inf, "exploding": 1e12}


def walled(kind: str) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """A bowl around 10 with a wall at 11, behind which nothing good lies."""

    def value_and_grad(x):
        factor = tf.where(tf.reduce_any(x > 11.0), tf.constant(BEHIND_THE_WALL[kind], x.dtype), 1.0)
        return factor * tf.reduce_sum((x - 10.0) ** 2)[tf.newaxis], factor * 2.0 * (x - 10.0)

    return value_and_grad


@pytest.mark.parametrize("kind", BEHIND_THE_WALL)
def test_a_bad_trial_is_halved_and_retried_and_the_accepted_point_stays(kind):
    states = run(lbfgs(4, 20.0), walled(kind), WALLED_START, 25, compile_step=True)
    rejected = [i for i, state in enumerate(states) if int(state.point.rejections)]
    assert rejected and rejected[0] == 1  # the first step jumps far over the wall
    for i in rejected:
        before, after = states[i - 1].point, states[i].point
        assert int(after.rejections) == int(before.rejections) + 1
        for kept in ("x", "terms", "gradient", "direction"):
            assert np.array_equal(getattr(after, kept), getattr(before, kept)), kept
        assert float(after.length) == float(before.length) / 2
        np.testing.assert_allclose(after.trial - after.x, (before.trial - before.x) / 2, rtol=1e-12)
        assert int(states[i].pairs) == int(states[i - 1].pairs)
    np.testing.assert_allclose(states[-1].point.x, 10.0, atol=1e-6)
    assert int(states[-1].point.rejections) == 0


def test_adam_halves_a_trial_that_is_not_finite_and_forgets_it():
    states = run(adam(20.0), walled("nan"), WALLED_START, 3)
    assert [int(state.point.rejections) for state in states] == [0, 1, 2]
    for state in states[1:]:
        assert np.array_equal(state.point.x, WALLED_START)
        assert same((state.mean, state.square, state.count), (states[0].mean, states[0].square, states[0].count))
    np.testing.assert_allclose(states[2].point.trial - WALLED_START, (states[0].point.trial - WALLED_START) / 4)


@pytest.mark.parametrize("where", ["value", "gradient"])
@pytest.mark.parametrize("method", METHODS)
def test_nan_everywhere_but_at_the_start_ends_in_max_rejections_at_the_start(method, where):
    start = np.array([1.0, 2.0])

    def value_and_grad(x):
        fine = tf.reduce_all(x == start)
        value = tf.where(fine | (where == "gradient"), 5.0, np.nan)
        gradient = tf.where(fine | (where == "value"), tf.ones_like(x), np.nan * x)
        return tf.cast(value, tf.float64)[tf.newaxis], gradient

    states = run(METHODS[method], value_and_grad, start, MAX_REJECTIONS + 1, compile_step=True)
    assert [int(state.point.rejections) for state in states] == list(range(MAX_REJECTIONS + 1))
    last = states[-1].point
    assert np.array_equal(last.x, start) and float(last.terms[0]) == 5.0
    assert 0.0 < np.abs(last.trial - start).max() <= 0.1 / 2**MAX_REJECTIONS * (1 + 1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_start_that_is_not_finite_leaves_the_terms_infinite(method):
    nan = Problem(lambda x: np.nan * tf.reduce_sum(x), np.ones(2))
    state = run(METHODS[method], nan.value_and_grad, nan.start, 1)[0]
    assert np.isinf(state.point.terms).all() and np.array_equal(state.point.x, nan.start)


def test_growth_is_what_separates_a_rise_from_an_explosion():
    """A trial at 1.5 times the value is accepted with growth 1 and rejected with growth 0.1."""

    def cliff(x):
        return tf.where(x < 1.0, 1.5 - 0.001 * x, 1.0 - 0.001 * x), tf.ones_like(x)

    for growth, rejections in ((1.0, 0), (0.1, 1)):
        assert int(run(lbfgs(4, 1.5, growth), cliff, np.array([2.0]), 2)[-1].point.rejections) == rejections


# ---------------------------------------------------------------- Adam


def test_adam_is_the_papers_algorithm():
    """Algorithm 1 of Kingma and Ba 2015, line by line, with its default moments."""
    problem, rate, beta1, beta2, epsilon = PROBLEMS["rosenbrock 5"], 0.05, 0.9, 0.999, 1e-8
    states = run(adam(rate), problem.value_and_grad, problem.start, 50, compile_step=True)
    theta, m, v = problem.start.copy(), np.zeros(5), np.zeros(5)
    for t, state in enumerate(states, 1):
        np.testing.assert_allclose(state.point.x, theta, rtol=1e-9)
        g = problem.value_and_grad(tf.constant(theta))[1].numpy()
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        theta = theta - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
    np.testing.assert_allclose(states[-1].point.trial, theta, rtol=1e-9)


def test_adam_reaches_the_minimum_of_a_bowl():
    bowl = PROBLEMS["quadratic bowl"]
    last = run(adam(0.1), bowl.value_and_grad, bowl.start, 400, compile_step=True)[-1]
    np.testing.assert_allclose(last.point.x, 3.0, atol=1e-2)


def test_adams_first_step_changes_every_element_by_the_learning_rate():
    slope = tf.constant([1e-3, -1e6, 7.0], tf.float64)
    state = run(adam(5.0), lambda x: (tf.reduce_sum(slope * x)[tf.newaxis], slope), np.zeros(3), 1)[0]
    np.testing.assert_allclose(state.point.trial, [-5.0, 5.0, -5.0], rtol=1e-4)
