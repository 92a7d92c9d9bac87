"""One picture: from content and style to the painted picture."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import keras
import numpy as np
import numpy.typing as npt

from . import pixels
from .features import FeatureExtractor, check_layers, choose_precision, grid_of, load_model, smallest
from .options import StyleOptions, resolve
from .pictures import read_image
from .solver import Iterate, Solver, resized
from .styles import (
    PictureLike,
    StyleLike,
    Styles,
    at_size,
    read_styles,
    recolored,
    region_shares,
    with_colors_of,
)
from .times import check_mix, check_regions

Array = npt.NDArray[np.float32]

FLAT = 4.0
"""Standard deviation in grey levels below which a picture says nothing about a network's mean activation."""


@overload
def stylize_image(
    content: PictureLike,
    style: StyleLike,
    *,
    regions: PictureLike | None = None,
    snapshots: Sequence[int],
    options: StyleOptions | None = None,
    model: keras.Model | None = None,
    on_step: Callable[[Iterate], None] | None = None,
    **settings: Any,
) -> tuple[npt.NDArray[np.uint8], dict[int, npt.NDArray[np.uint8]]]: ...


@overload
def stylize_image(
    content: PictureLike,
    style: StyleLike,
    *,
    regions: PictureLike | None = None,
    snapshots: None = None,
    options: StyleOptions | None = None,
    model: keras.Model | None = None,
    on_step: Callable[[Iterate], None] | None = None,
    **settings: Any,
) -> npt.NDArray[np.uint8]: ...


def stylize_image(
    content: PictureLike,
    style: StyleLike,
    *,
    regions: PictureLike | None = None,
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
        Picture files, or arrays of the convention in `pixels`; `style` also a list of several, see the option `mix`.
    regions
        A mask, as a file or an array, that says which style goes where, see `styles.region_shares`.
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
    pictures = read_styles(style)
    check_mix(options.mix, len(pictures))
    if regions is not None:
        check_regions(options.mix)
    shares = None if regions is None else load_regions(regions, len(pictures), image, "regions")
    styles = prepare(image, pictures, options, model)
    kept: dict[int, npt.NDArray[np.uint8]] = {}
    start = start_picture(image, options)
    for iterate in coarse_to_fine(styles, image, start, options, regions=shares, at_least=max(wanted, default=0)):
        if iterate.step in wanted:
            kept[iterate.step] = shown(np.asarray(resized(iterate.image, image.shape[1:3])), image, options)
        if on_step is not None:
            on_step(iterate)
    result = shown(iterate.image.numpy(), image, options)
    return result if snapshots is None else (result, kept)


def load_picture(source: PictureLike, max_size: int | None = None, name: str = "image") -> npt.NDArray[np.float32]:
    """A file or an array as `(1, H, W, 3)` float32 in 0..255, its longer side at most `max_size`."""
    if isinstance(source, str | os.PathLike):
        image: pixels.Picture = read_image(source, max_size=max_size)
    else:
        image = pixels.check_picture(source, name)
    return pixels.to_inside(pixels.resize(image, pixels.fit(image.shape[:2], max_size)), name)


def load_regions(mask: PictureLike, styles: int, content: Array, name: str) -> Array:
    """A mask in a file or an array as the shares of `styles` in a frame `(1, H, W, 3)`, see `styles.region_shares`."""
    read = read_image(mask) if isinstance(mask, str | os.PathLike) else mask
    return region_shares(read, styles, (content.shape[1], content.shape[2]), name)


def prepare(content: Array, style: StyleLike, options: StyleOptions, model: keras.Model | None) -> Styles:
    """The styles for pictures like `content`, with the solver that paints them.

    With `normalize` the mean activations are measured here, on styles and content; a content without contrast (a clip
    that fades in from black) is left out.
    """
    layers = check_layers(dict.fromkeys((*options.content_layers, *options.style_layers)))
    height, width = content.shape[1:3]
    pictures = read_styles(style)
    precision = choose_precision(options.precision, normalize=options.normalize)
    # What is too small is refused before the network is loaded, perhaps over the net.
    least = smallest(layers, options.padding)
    for name, shape in (("content", (height, width)), *(("style", one.shape[:2]) for one in pictures)):
        if min(shape) < least:
            raise ValueError(
                f"the {name} is {shape[1]}x{shape[0]} pixels, expected at least {least} on each side for these layers: "
                "use a larger picture"
            )
    grid_of((height, width), layers, options.max_tile)
    model = model if model is not None else load_model(options.weights)
    network: dict[str, Any] = {"pooling": options.pooling, "padding": options.padding, "max_tile": options.max_tile}
    extractor = FeatureExtractor(model, layers, precision=precision, **network)
    if options.normalize:
        seen = [at_size(one, (height, width), options.style_scale, least) for one in pictures]
        if content.std() >= FLAT:
            if options.preserve_color != "none":
                seen = [recolored(one, content, options.preserve_color) for one in seen]
            seen.append(content)
        extractor = extractor.normalized(seen)
    return Styles(Solver(extractor, options), pictures, options)


def coarse_to_fine(
    styles: Styles,
    content: Array,
    start: Array,
    options: StyleOptions,
    *,
    place: int = 0,
    regions: Array | None = None,
    steps: int | None = None,
    at_least: int = 0,
) -> Iterator[Iterate]:
    """Paint a picture that nothing is carried to, at the options' `scales`, the smallest first.

    Large strokes and shapes appear where they are small enough for the network to see them as a whole (Gatys et al.
    2017, section 6), and are then painted finer; they stay, because the picture has to have the style at the smaller
    sizes, too (`Solver`). Each size but the last takes at most its part of the `steps`. Each starts from `start` with
    what the one before it changed, enlarged: what is left as it was stays sharp. Iterates before the last size are
    smaller pictures.
    """
    steps, solver = options.steps if steps is None else steps, styles.solver
    sizes = styles.sizes((content.shape[1], content.shape[2]))[-steps:]
    done, change = 0, np.zeros((1, *sizes[0], 3), np.float32)
    for level, size in enumerate(sizes, 1):
        here, begin = (np.asarray(resized(picture, size), np.float32) for picture in (content, start))
        last = level == len(sizes)
        limit, least = (steps - done, at_least - done) if last else (steps // len(sizes), 0)
        targets = styles.targets(here, place, regions, sizes=sizes[:level])
        for iterate in solver.run(begin + resized(change, size), targets, steps=limit, at_least=least):
            yield iterate._replace(step=done + iterate.step)
        done, change = done + iterate.step, iterate.image.numpy() - begin


def shown(result: Array, content: Array, options: StyleOptions) -> npt.NDArray[np.uint8]:
    """A painted picture as it is given out, `(H, W, 3)` uint8: in the content's colours, and over it, if so asked."""
    painted = with_colors_of(result, content) if options.preserve_color == "luminance" else result
    if options.strength < 1.0:
        painted = content + np.float32(options.strength) * (np.clip(painted, 0.0, 255.0) - content)
    return pixels.to_outside(painted)


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
