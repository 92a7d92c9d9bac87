"""The weighted sum of the terms, and the loop that minimises it for one picture or frame.

What differs from frame to frame is an argument of the compiled step (`Targets`), so a whole clip, first
frame included, runs on one graph per frame size: the first frame has reliability 0 everywhere.
"""

import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from . import losses
from .features import FeatureExtractor, stride
from .optimizers import MAX_REJECTIONS, Optimizer, Point, adam, lbfgs
from .options import StyleOptions

log = logging.getLogger(__name__)

TERMS = ("content", "style", "temporal", "tv")
WINDOW = 5
"""Evaluations over which the improvement is averaged before a frame counts as settled."""

WARM = 0.2
"""The first step of L-BFGS from a picture that is nearly painted, as a share of that from a bare one."""


class Moments(NamedTuple):
    """What the style of a layer is: first and second moments of its activations, of R regions."""

    mean: tf.Tensor  # (R, N)
    gram: tf.Tensor  # (R, N, N); for the loss "wasserstein", see `Solver.aim`, the root of the covariance


class Style(NamedTuple):
    """The style that a frame is to have, in one region or several."""

    layers: tuple[Moments, ...]  # one per style layer
    guides: tuple[tf.Tensor, ...] = ()  # (R, h, w) per style layer, how far a position is in a region; none: everywhere
    shares: tf.Tensor | None = None  # (R,) of the frame that the regions cover; None: all of it


class Targets(NamedTuple):
    """What a frame is optimised towards."""

    content: tuple[tf.Tensor, ...]  # features of the frame, one per content layer
    style: Style
    warped: tf.Tensor  # (K, H, W, 3) earlier results, each warped to this frame
    reliability: tf.Tensor  # (K, H, W) in [0, 1]


class Iterate(NamedTuple):
    """The state of a run after `step` evaluations."""

    step: int
    image: tf.Tensor  # (1, H, W, 3) float32, 0..255; beyond that only without `bounded`
    total: float  # the weighted sum at `image`
    terms: dict[str, float]  # its parts, already weighted: content, style, temporal, tv


class Solver:
    """Loss and optimiser of one clip: the network, the weights of the terms, and their compiled step.

    Parameters
    ----------
    extractor
        A network whose layers include the options' content and style layers.
    options
        The weights of the terms, the layers, the optimiser and its settings.
    """

    def __init__(self, extractor: FeatureExtractor, options: StyleOptions) -> None:
        self.extractor = extractor
        self.options = options
        weights = options.style_layer_weights or (1.0,) * len(options.style_layers)
        self.layer_weights = [weight / sum(weights) for weight in weights]
        self.optimizer = _optimizer(options)
        self.step = _compiled(self._step)
        self._content = _compiled(self._content_features)
        self._moments = _compiled(self._style_moments)

    def content_targets(self, image: npt.ArrayLike) -> tuple[tf.Tensor, ...]:
        """Features of `(1, H, W, 3)` at the content layers."""
        return self._content(tf.convert_to_tensor(image, tf.float32))

    def style_targets(self, image: npt.ArrayLike) -> Style:
        """The style of `(1, H, W, 3)`, as the options' loss takes it."""
        return Style(self.aim(self.moments(image)))

    def moments(self, image: npt.ArrayLike) -> tuple[Moments, ...]:
        """What the style of `(1, H, W, 3)` is, layer by layer; moments of several pictures may be mixed."""
        return self._moments(tf.convert_to_tensor(image, tf.float32))

    def aim(self, layers: tuple[Moments, ...]) -> tuple[Moments, ...]:
        """`layers` as the options' loss takes them."""
        if self.options.style_loss == "gram":
            return layers
        return tuple(
            layer._replace(gram=tf.stack([losses.covariance_root(*one) for one in zip(*layer, strict=True)]))
            for layer in layers
        )

    def guides(self, regions: npt.ArrayLike) -> tuple[tf.Tensor, ...]:
        """Regions `(R, H, W)` at the size of every style layer: the share of a position's area that is in them."""
        masks = tf.convert_to_tensor(regions, tf.float32)[..., tf.newaxis]
        height, width = masks.shape[1:3]
        sizes = [(height // stride(name), width // stride(name)) for name in self.options.style_layers]
        return tuple(tf.image.resize(masks, size, method="area")[..., 0] for size in sizes)

    def targets(
        self,
        content: npt.ArrayLike,
        style: Style,
        warped: npt.ArrayLike | None = None,
        reliability: npt.ArrayLike | None = None,
    ) -> Targets:
        """The targets of a frame; without an earlier result the temporal loss is there and always 0.

        `warped` and `reliability` have K = `len(history)` entries, whether or not there are as many earlier frames:
        another K is another graph.
        """
        image = tf.convert_to_tensor(content, tf.float32)
        if warped is None or reliability is None:
            earlier = len(self.options.history)
            warped = tf.zeros((earlier, *image.shape[1:]))
            reliability = tf.zeros((earlier, *image.shape[1:3]))
        return Targets(
            self.content_targets(image),
            style,
            tf.convert_to_tensor(warped, tf.float32),
            tf.convert_to_tensor(reliability, tf.float32),
        )

    def run(
        self,
        start: npt.ArrayLike,
        targets: Targets,
        *,
        steps: int | None = None,
        at_least: int = 0,
        enough: float = 0.0,
        warm: bool = False,
    ) -> Iterator[Iterate]:
        """Minimise from `start`, `(1, H, W, 3)` in 0..255, yielding after every evaluation.

        Stops after `steps` evaluations (the options' by default), or earlier, but not before `at_least`, when
        the loss is at most `enough`, or improves by less than the options' `tolerance` per evaluation, averaged over
        `WINDOW` of them. `warm` says that `start` is painted already: the first step is a short one.

        Raises
        ------
        FloatingPointError
            If the loss is not finite at `start`.
        """
        state = self.optimizer.init(tf.convert_to_tensor(start, tf.float32), len(TERMS), WARM if warm else 1.0)
        totals: list[float] = []
        for step in range(1, (self.options.steps if steps is None else steps) + 1):
            state = self.step(state, targets)
            point: Point = state.point
            terms = point.terms.numpy()
            totals.append(float(terms.sum(dtype=np.float64)))
            if not np.isfinite(totals[-1]):
                raise FloatingPointError(
                    f"the loss is {totals[-1]} at the start: expected a finite one, lower the weights or use "
                    "precision='float32'"
                )
            yield Iterate(step, point.x, totals[-1], dict(zip(TERMS, terms.tolist(), strict=True)))
            if int(point.rejections) >= MAX_REJECTIONS:
                log.warning("stopped after %d evaluations: no step, however short, lowers the loss", step)
                return
            if step >= at_least and (totals[-1] <= enough or _settled(totals, self.options.tolerance)):
                return

    # The two functions below are traced once per frame size.

    def _content_features(self, image: tf.Tensor) -> tuple[tf.Tensor, ...]:
        features = self.extractor(image)
        return tuple(features[name] for name in self.options.content_layers)

    def _style_moments(self, image: tf.Tensor) -> tuple[Moments, ...]:
        features = self.extractor(image)
        layers = [features[name] for name in self.options.style_layers]
        return tuple(Moments(losses.mean_activation(f)[tf.newaxis], losses.gram_matrix(f)[tf.newaxis]) for f in layers)

    def _step(self, state: NamedTuple, targets: Targets) -> NamedTuple:
        return self.optimizer.step(state, lambda image: self.value_and_grad(image, targets))

    def value_and_grad(self, image: tf.Tensor, targets: Targets) -> tuple[tf.Tensor, tf.Tensor]:
        """The weighted terms, `(4,)` in the order of `TERMS`, and the gradient of their sum."""
        with tf.GradientTape() as tape:
            tape.watch(image)
            terms = self._terms(image, targets)
            # float16 cannot hold the gradient of a mean over a picture: carry it per pixel.
            scale = float(np.prod(image.shape[1:3])) if self.extractor.precision == "float16" else 1.0
            total = scale * tf.reduce_sum(terms)
        return terms, tape.gradient(total, image) / scale

    def _terms(self, image: tf.Tensor, targets: Targets) -> tf.Tensor:
        options = self.options
        features = self.extractor(image)
        content = style = tf.zeros([])
        for name, target in zip(options.content_layers, targets.content, strict=True):
            size = tf.cast(tf.size(target), tf.float32) if options.normalize else 1.0
            content += losses.content_loss(features[name], target) / size
        for i, weight in enumerate(self.layer_weights):
            style += weight * self._style_term(features[options.style_layers[i]], targets.style, i)
        return tf.stack(
            [
                options.content_weight * content,
                options.style_weight * style,
                options.temporal_weight * losses.temporal_loss(image, targets.warped, targets.reliability),
                options.tv_weight * losses.total_variation(image),
            ]
        )

    def _style_term(self, features: tf.Tensor, style: Style, layer: int) -> tf.Tensor:
        """The style loss of a layer: each region counts by its share of the frame, so that all pixels feel as much."""
        gram = self.options.style_loss == "gram"
        mean, matrix = style.layers[layer]
        guides = tf.unstack(style.guides[layer]) if style.guides else [None]
        term = tf.zeros([])
        for region, guide in enumerate(guides):
            share = 1.0 if style.shares is None else style.shares[region]
            if gram:
                term += share * losses.style_loss(features, matrix[region], guide)
            else:
                term += share * losses.wasserstein_loss(features, mean[region], matrix[region], guide)
        return term


def _compiled(method: Callable[..., Any]) -> Any:
    """A method as a graph. TensorFlow counts how often a method's code is traced, over all objects, and warns of the
    fifth time, as if one solver were traced anew; a partial has no code of its own.
    """
    return tf.function(functools.partial(method), autograph=False)


def _optimizer(options: StyleOptions) -> Optimizer:
    bounds = (0.0, 255.0) if options.bounded else None
    if options.optimizer == "adam":
        return adam(options.learning_rate, bounds=bounds)
    return lbfgs(options.lbfgs_memory, options.learning_rate, bounds=bounds)


def _settled(totals: list[float], tolerance: float) -> bool:
    if tolerance == 0.0 or len(totals) <= WINDOW:
        return False
    return totals[-1 - WINDOW] - totals[-1] < WINDOW * tolerance * abs(totals[-1 - WINDOW])
