"""One picture: from content and style to the painted picture."""

import os
from collections.abc import Callable, Sequence
from typing import Any, overload

import keras
import numpy as np
import numpy.typing as npt

from . import pixels
from .features import FeatureExtractor, check_layers, choose_precision, load_model
from .options import StyleOptions, resolve
from .pictures import read_image
from .solver import Iterate, Solver

PictureLike = str | os.PathLike[str] | npt.ArrayLike
"""A picture file, or an `(H, W, 3)` array, uint8 or float in [0, 1]."""

FLAT = 4.0
"""Standard deviation in grey levels below which a picture says nothing about a network's mean activation."""


@overload
def stylize_image(
    content: PictureLike,
    style: PictureLike,
    *,
    snapshots: Sequence[int],
    options: StyleOptions | None = None,
    model: keras.Model | None = None,
    on_step: Callable[[Iterate], None] | None = None,
    **settings: Any,
) -> tuple[npt.NDArray[np.uint8], dict[int, npt.NDArray[np.uint8]]]: ...


@overload
def stylize_image(
    content: PictureLike,
    style: PictureLike,
    *,
    snapshots: None = None,
    options: StyleOptions | None = None,
    model: keras.Model | None = None,
    on_step: Callable[[Iterate], None] | None = None,
    **settings: Any,
) -> npt.NDArray[np.uint8]: ...


def stylize_image(
    content: PictureLike,
    style: PictureLike,
    *,
    snapshots: Sequence[int] | None = None,
    options: StyleOptions | None = None,
    model: keras.Model | None = None,
    on_step: Callable[[Iterate], None] | None = None,
    **settings: Any,
) -> npt.NDArray[np.uint8] | tuple[npt.NDArray[np.uint8], dict[int, npt.NDArray[np.uint8]]]:
    """Repaint one picture in the style of another (Gatys et al. 2016).

    Parameters
    ----------
    content, style
        Picture files, or arrays of the convention in `pixels`.
    snapshots
        Iterations whose pictures are kept, such as `(10, 50, 100)`. The run goes on at least to the last.
    options, settings
        `StyleOptions`, and fields of it by keyword that override it.
    model
        What `load_model` returned; without it the options' `weights` are loaded.
    on_step
        Called with an `Iterate` after every evaluation.

    Returns
    -------
    uint8 (H, W, 3)
        At the size of the content, or smaller where `max_size` says so. With `snapshots`: a pair of it and
        a dict from iteration to picture.

    Raises
    ------
    ValueError
        If a setting, a picture or a layer name is wrong, or a snapshot lies beyond `steps`.
    """
    options = resolve(options, settings)
    wanted = _check_snapshots(snapshots or (), options.steps)
    image = load_picture(content, options.max_size, "content")
    solver, style_grams = prepare(image, style, options, model)
    kept: dict[int, npt.NDArray[np.uint8]] = {}
    targets = solver.targets(image, style_grams)
    for iterate in solver.run(start_picture(image, options), targets, at_least=max(wanted, default=0)):
        if iterate.step in wanted:
            kept[iterate.step] = pixels.to_outside(iterate.image)
        if on_step is not None:
            on_step(iterate)
    result = pixels.to_outside(iterate.image)
    return result if snapshots is None else (result, kept)


def load_picture(source: PictureLike, max_size: int | None = None, name: str = "image") -> npt.NDArray[np.float32]:
    """A file or an array as `(1, H, W, 3)` float32 in 0..255, its longer side at most `max_size`."""
    if isinstance(source, str | os.PathLike):
        image: pixels.Picture = read_image(source, max_size=max_size)
    else:
        image = pixels.check_picture(source, name)
    return pixels.to_inside(pixels.resize(image, pixels.fit(image.shape[:2], max_size)), name)


def prepare(
    content: npt.NDArray[np.float32], style: PictureLike, options: StyleOptions, model: keras.Model | None
) -> tuple[Solver, tuple[Any, ...]]:
    """The solver for pictures like `content`, and the Gram matrices of the style.

    The style picture is scaled to the area of the content (Ruder et al. 2016). With `normalize` the mean
    activations are measured here, on style and content; a content without contrast (a clip that fades in
    from black) is left out.
    """
    layers = check_layers(dict.fromkeys((*options.content_layers, *options.style_layers)))
    height, width = content.shape[1:3]
    painting = pixels.check_picture(
        read_image(style) if isinstance(style, str | os.PathLike) else np.asarray(style), "style"
    )
    precision = choose_precision(options.precision, normalize=options.normalize)
    model = model if model is not None else load_model(options.weights)
    extractor = FeatureExtractor(model, layers, pooling=options.pooling, precision=precision)
    for name, shape in (("content", (height, width)), ("style", painting.shape[:2])):
        if min(shape) < extractor.minimum_size:
            raise ValueError(
                f"the {name} is {shape[1]}x{shape[0]} pixels, expected at least {extractor.minimum_size} on each side "
                "for these layers: use a larger picture"
            )
    # A style much longer than the content must keep enough rows for the deepest layer.
    scaled = [max(extractor.minimum_size, side) for side in pixels.equal_area(painting.shape[:2], height * width)]
    painting = pixels.to_inside(pixels.resize(painting, (scaled[0], scaled[1])), "style")
    if options.normalize:
        extractor = extractor.normalized([painting] if content.std() < FLAT else [painting, content])
    solver = Solver(extractor, options)
    return solver, solver.style_targets(painting)


def start_picture(content: npt.NDArray[np.float32], options: StyleOptions) -> npt.NDArray[np.float32]:
    """What the optimisation starts from: the content, seeded white noise, or a picture of the user's."""
    if isinstance(options.init, str) and options.init == "content":
        return content
    if isinstance(options.init, str) and options.init == "noise":
        noise = np.random.default_rng(options.seed).uniform(0.0, 255.0, content.shape)
        return noise.astype(np.float32)
    picture = load_picture(options.init, name="init")[0] / np.float32(255.0)
    return pixels.to_inside(pixels.resize(picture, content.shape[1:3]))


def _check_snapshots(snapshots: Sequence[int], steps: int) -> frozenset[int]:
    for step in snapshots:
        if not 1 <= step <= steps:
            raise ValueError(f"snapshots has {step}, expected iterations from 1 to steps={steps}: raise steps")
    return frozenset(snapshots)
