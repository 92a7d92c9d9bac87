"""The weighted sum of the terms, and the loop that minimises it for one picture or frame.

What differs from frame to frame is an argument of the compiled step (`Targets`), so a whole clip, first
frame included, runs on one graph per frame size: the first frame has reliability 0 everywhere.
"""

import functools
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy.ndimage import gaussian_filter1d

from . import losses
from .features import FeatureExtractor, stride
from .optimizers import MAX_REJECTIONS, Optimizer, Point, adam, lbfgs
from .options import StyleOptions
from .tiling import Tile

log = logging.getLogger(__name__)

TERMS = ("content", "style", "temporal", "tv")
WINDOW = 5
"""Accepted steps over which the improvement is averaged before a frame counts as settled."""

WARM = 0.2
"""The first step of L-BFGS from a picture that is nearly painted, as a share of that from a bare one."""

BROAD = 10.0
"""Sigma in pixels of the Gaussian that tells broad areas, see `broadly`."""
REACH = 5.0
"""Sigmas from which a Gaussian counts as 0."""


class Moments(NamedTuple):
    """What the style of a layer is: first and second moments of its activations, of R regions."""

    mean: tf.Tensor  # (R, N)
    gram: tf.Tensor  # (R, N, N); for the loss "wasserstein", see `Solver.aim`, the root of the covariance


class Style(NamedTuple):
    """The style that a frame is to have at one of its scales, in one region or several."""

    size: tuple[int, int]  # (height, width) of the frame at that scale
    layers: tuple[Moments, ...]  # one per style layer
    guides: tuple[tf.Tensor, ...] = ()  # (R, h, w) per style layer, how far a position is in a region; none: everywhere
    shares: tf.Tensor | None = None  # (R,) of the frame that the regions cover; None: all of it
    styled: tf.Tensor | None = None  # (height, width), how far any style goes to a pixel; None: everywhere


class Targets(NamedTuple):
    """What a frame is optimised towards."""

    content: tuple[tf.Tensor, ...]  # features of the frame, one per content layer
    styles: tuple[Style, ...]  # one per scale, the frame's own size last
    warped: tf.Tensor  # (K, H, W, 3) earlier results, each warped to this frame
    reliability: tf.Tensor  # (K, H, W) in [0, 1]


class Iterate(NamedTuple):
    """The state of a run after `step` evaluations."""

    step: int
    image: tf.Tensor  # (1, H, W, 3) float32, 0..255; beyond that only without `bounded`
    total: float  # the weighted sum at `image`
    terms: dict[str, float]  # its parts, already weighted, by the names in `TERMS`


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

    def style_targets(self, image: npt.ArrayLike) -> tuple[Style, ...]:
        """The style of `(1, H, W, 3)`, at one scale, as the options' loss takes it."""
        picture = tf.convert_to_tensor(image, tf.float32)
        return (Style((picture.shape[1], picture.shape[2]), self.aim(self.moments(picture))),)

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
        styles: Sequence[Style],
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
            tuple(styles),
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
        enough_style: float = math.inf,
        warm: bool = False,
    ) -> Iterator[Iterate]:
        """Minimise from `start`, `(1, H, W, 3)` in 0..255, yielding after every evaluation.

        Stops after `steps` evaluations (the options' by default), or earlier, but not before `at_least`, when
        the loss is at most `enough` and its style term at most `enough_style`, or when the loss improves by less than
        the options' `tolerance` per accepted step, averaged over `WINDOW` of them. `warm` says that `start` is painted
        already: the first step is a short one.

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
            terms, rejections = point.terms.numpy(), int(point.rejections)
            total = float(terms.sum(dtype=np.float64))
            if not np.isfinite(total):
                raise FloatingPointError(
                    f"the loss is {total} at the start: expected a finite one, lower the weights or use "
                    "precision='float32'"
                )
            yield Iterate(step, point.x, total, dict(zip(TERMS, terms.tolist(), strict=True)))
            if rejections >= MAX_REJECTIONS:
                log.warning("stopped after %d evaluations: no step, however short, lowers the loss", step)
                return
            if rejections == 0:
                totals.append(total)
            good = total <= enough and terms[TERMS.index("style")] <= enough_style
            if step >= at_least and (good or _settled(totals, self.options.tolerance)):
                return

    # The functions below are traced once per frame size.

    def _content_features(self, image: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return self.extractor.see(image, lambda features, tile: (), self.options.content_layers).maps

    def _style_moments(self, image: tf.Tensor) -> tuple[Moments, ...]:
        return self._see(image, (), ())[1]

    def _over_scales(self, image: tf.Tensor, own: tf.Tensor, styles: Sequence[Style]) -> tf.Tensor:
        """The term `style` of a picture, weighted, given its style loss at its own size."""
        total = own
        for smaller in styles[:-1]:
            total += self._style_at(resized(image, smaller.size), smaller)
        return self.options.style_weight / len(styles) * total

    def _style_at(self, image: tf.Tensor, style: Style) -> tf.Tensor:
        return self._style_loss(self._see(image, style.guides, self._centres(style))[1], style)

    def _see(
        self, image: tf.Tensor, guides: Sequence[tf.Tensor], centres: Sequence[tf.Tensor], maps: Sequence[str] = ()
    ) -> tuple[tuple[tf.Tensor, ...], tuple[Moments, ...]]:
        """Features of a picture at the layers `maps`, and its moments, in regions if there are guides.

        The moments are about 0, or, for every layer and region, about one of the centres `(R, N)`.
        """
        layers = self.options.style_layers

        def moments(features: Mapping[str, tf.Tensor], tile: Tile) -> tuple[tf.Tensor, ...]:
            found: list[tf.Tensor] = []
            for i, name in enumerate(layers):
                inside = tile.inside(features[name], stride(name))
                guide = tf.unstack(guides[i]) if guides else [None]
                apart = [inside - centre for centre in tf.unstack(centres[i])] if centres else [inside] * len(guide)
                each = [_moments(part, g, tile, stride(name)) for part, g in zip(apart, guide, strict=True)]
                found += map(tf.stack, zip(*each, strict=True))
            return tuple(found)

        seen = self.extractor.see(image, moments, maps)
        return seen.maps, tuple(map(Moments, seen.sums[::2], seen.sums[1::2]))

    def _step(self, state: NamedTuple, targets: Targets) -> NamedTuple:
        optimizer = _optimizer(self.options, targets.styles[-1].styled)  # the same, told where styles go
        return optimizer.step(state, lambda image: self.value_and_grad(image, targets))

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
        own = targets.styles[-1]
        maps, seen = self._see(image, own.guides, self._centres(own), options.content_layers)
        style = self._over_scales(image, self._style_loss(seen, own), targets.styles)
        content = tf.zeros([])
        for features, target in zip(maps, targets.content, strict=True):
            size = tf.cast(tf.size(target), tf.float32) if options.normalize else 1.0
            content += losses.content_loss(features, target) / size
        return tf.stack(
            [
                options.content_weight * content,
                style,
                options.temporal_weight * losses.temporal_loss(image, targets.warped, targets.reliability),
                options.tv_weight * losses.total_variation(image),
            ]
        )

    def _centres(self, style: Style) -> tuple[tf.Tensor, ...]:
        """What moments are taken about, see `losses.wasserstein_loss`."""
        return () if self.options.style_loss == "gram" else tuple(layer.mean for layer in style.layers)

    def _style_loss(self, seen: Sequence[Moments], style: Style) -> tf.Tensor:
        """The style loss at one scale: the sum over layers (Gatys et al. 2016, eq. 5), and over regions."""
        gram = self.options.style_loss == "gram"
        total = tf.zeros([])
        for weight, here, goal in zip(self.layer_weights, seen, style.layers, strict=True):
            total += weight * tf.reduce_sum(_style_term(here, goal, style.shares, gram))
        return total


def _moments(features: tf.Tensor, guide: tf.Tensor | None, tile: Tile, step: int) -> Moments:
    """What a tile adds to the moments of a layer: those of its own features, by its share of the region."""
    if guide is None:
        share, weights = tile.share(step), None
    else:
        weights = tile.of_whole(guide[tf.newaxis, ..., tf.newaxis], step)
        share = tf.math.divide_no_nan(tf.reduce_sum(weights), tf.reduce_sum(guide))
    return Moments(
        share * losses.mean_activation(features, weights),
        share * losses.gram_matrix(features, weights),
    )


def _style_term(here: Moments, goal: Moments, shares: tf.Tensor | None, gram: bool) -> tf.Tensor:
    """The style loss of a layer in each region, (R,), by its share of the frame, so that all pixels feel as much."""
    each = []
    for region in range(here.gram.shape[0]):
        if gram:
            each.append(losses.gram_distance(here.gram[region], goal.gram[region]))
        else:
            each.append(losses.normal_distance(here.mean[region], here.gram[region], goal.gram[region]))
    return tf.stack(each) if shares is None else shares * tf.stack(each)


def resized(images: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """`(n, h, w, C)` at `(height, width)`, without aliasing."""
    if images.shape[1:3] == size:
        return images
    return tf.image.resize(images, size, method="bicubic", antialias=True)


def scale_sizes(shape: tuple[int, int], options: StyleOptions, least: int) -> list[tuple[int, int]]:
    """`(height, width)` of every scale of a picture of `shape`, the smallest first and its own last.

    That a picture has a style at several sizes, in a pyramid, makes its large structures those of the style (Snelgrove
    2017, "High-Resolution Multi-Scale Neural Texture Synthesis"), and makes it look alike when it is made small.
    Each is half the next, or, with the option `coarsest`, they are evenly spaced from that size on, not closer than is
    needed for one to be at most twice the other. None has a side below `least`, which the network needs.
    """
    count = options.scales - 1
    whole = 2.0**count if options.coarsest is None else max(1.0, max(shape) / options.coarsest)
    count = min(count, math.ceil(math.log2(whole)))
    factors = [whole ** (-place / count) for place in range(count, 0, -1)]
    smaller = [(round(factor * shape[0]), round(factor * shape[1])) for factor in factors]
    return [*(size for size in smaller if min(size) >= least), shape]


def _compiled(method: Callable[..., Any]) -> Any:
    """A method as a graph. TensorFlow counts how often a method's code is traced, over all objects, and warns of the
    fifth time, as if one solver were traced anew; a partial has no code of its own.
    """
    return tf.function(functools.partial(method), autograph=False)


def _optimizer(options: StyleOptions, styled: tf.Tensor | None = None) -> Optimizer:
    bounds = (0.0, 255.0) if options.bounded else None
    if options.optimizer == "adam":
        return adam(options.learning_rate, bounds=bounds)
    precondition = functools.partial(broadly, share=options.preconditioning, styled=styled)
    return lbfgs(options.lbfgs_memory, options.learning_rate, bounds=bounds, preconditioner=precondition)


def broadly(picture: tf.Tensor, share: float, styled: tf.Tensor | None = None) -> tf.Tensor:
    """`(1, H, W, C)` and, times `share`, the same under a Gaussian, mirrored beyond the border: P x, see `lbfgs`.

    The losses are far steeper in single pixels than in broad areas, so that their inverse Hessian lets those change
    more. With nothing beyond the border they would change half as readily there, and what starts dark would keep a dark
    frame. Nothing is spread to or from where no style goes, by `styled`, `(H, W)` in [0, 1]: it is to stay as it is. A
    symmetric positive definite map, as a Gaussian is.
    """
    if share == 0.0:
        return picture
    where = 1.0 if styled is None else styled[..., tf.newaxis]
    down, across = (_gaussian(side) for side in picture.shape[1:3])
    return picture + share * where * tf.einsum("ij,njkc,kl->nilc", down, where * picture, across)


def _gaussian(length: int) -> npt.NDArray[np.float32]:
    """The filter along an axis, as a matrix `(length, length)`.

    The axis is mirrored half a pixel beyond its last one, which keeps the matrix symmetric: its eigenvectors are the
    cosines of DCT-II.
    """
    each = np.eye(length, dtype=np.float32)
    return np.asarray(gaussian_filter1d(each, BROAD, axis=0, mode="reflect", truncate=REACH))


def _settled(totals: list[float], tolerance: float) -> bool:
    """Whether the last `WINDOW` accepted steps hardly lowered the loss.

    The least loss counts, and the last one has to be about that: without a line search the loss rises now and then on
    its way down, and a run that stopped there would end where it is worse than it was.
    """
    if tolerance == 0.0 or len(totals) <= WINDOW:
        return False
    little, before, least = WINDOW * tolerance, min(totals[:-WINDOW]), min(totals)
    return before - least < little * abs(before) and totals[-1] - least <= little * abs(least)
