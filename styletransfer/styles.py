"""What a clip is painted in: one style picture or several, mixed, changing over time, or each in its own region.

The style of a frame depends on nothing but the frame, its place and its regions, so that a job that was stopped, or a
pass that runs backward, finds the same.
"""

import functools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from . import pixels
from .options import StyleOptions
from .pictures import read_image
from .solver import Moments, Solver, Style, Targets, resized, scale_sizes
from .times import check_mix, parse_mix

PictureLike = str | os.PathLike[str] | npt.ArrayLike
"""A picture file, or an `(H, W, 3)` array, uint8 or float in [0, 1]."""
StyleLike = PictureLike | Sequence[PictureLike]
"""A style picture, or a list of several."""

Array = npt.NDArray[np.float32]

MOST_REGIONS = 3
"""Styles that a mask picture can tell apart: by its red, green and blue."""
FAINT = 1.0
"""Added to the variance of colours in grey levels squared: a picture of one colour has a range of colours, too."""


class Styles:
    """The style pictures of a clip, and what they ask of each of its frames.

    Parameters
    ----------
    solver
        Whose network sees the pictures.
    pictures
        `(H, W, 3)` arrays of the outside convention.
    options
        `mix`, in frames only, see `in_frames`; `style_scale`, `preserve_color`.

    Raises
    ------
    ValueError
        If `mix` has not a weight for each picture.
    """

    def __init__(self, solver: Solver, pictures: Sequence[pixels.Picture], options: StyleOptions) -> None:
        self.solver, self.pictures, self.options = solver, tuple(pictures), options
        check_mix(options.mix, len(pictures))
        self.mix = parse_mix(options.mix)
        # A style that neither changes nor takes the frame's colours is measured once for every size.
        self._seen = functools.lru_cache(maxsize=4 * len(pictures))(self._moments)
        self._known = functools.lru_cache(maxsize=16)(self._goal)

    def targets(
        self,
        content: Array,
        place: int = 0,
        regions: Array | None = None,
        warped: Array | None = None,
        reliability: Array | None = None,
        sizes: Sequence[tuple[int, int]] | None = None,
    ) -> Targets:
        """The targets of a frame, see `Solver.targets`.

        Parameters
        ----------
        content
            `(1, H, W, 3)` float32 in 0..255.
        place
            Of the frame in the clip, from 0: styles may change over time.
        regions
            `(R, H, W)`, see `region_shares`; None for one style everywhere.
        warped, reliability
            Earlier results, as for `Solver.targets`.
        sizes
            `(height, width)` of the scales at which the frame is to have the style, its own last; those of the options
            by default.
        """
        sizes = self.sizes((content.shape[1], content.shape[2])) if sizes is None else sizes
        styles = [self._style(size, content, place, regions) for size in sizes]
        return self.solver.targets(content, styles, warped, reliability)

    def sizes(self, shape: tuple[int, int]) -> list[tuple[int, int]]:
        """The scales of frames of `shape`, see `scale_sizes`."""
        return scale_sizes(shape, self.options, self.solver.extractor.minimum_size)

    def _style(self, size: tuple[int, int], content: Array, place: int, regions: Array | None) -> Style:
        """The style of a frame at one of its sizes."""
        weights = self._weights(place) if regions is None or not regions.size else None
        if self.options.preserve_color == "none":
            layers = self._known(size, weights)
        else:
            layers = self._goal(size, weights, content)
        if regions is None or weights is not None:
            return Style(size, layers)
        masks = np.asarray(resized(regions[..., np.newaxis], size))[..., 0]
        shares, styled = masks.mean(axis=(1, 2)), np.clip(masks.sum(axis=0), 0.0, 1.0)
        each = (tf.constant(one, tf.float32) for one in (shares, styled))
        return Style(size, layers, self.solver.guides(masks), *each)

    def _goal(
        self,
        shape: tuple[int, int],
        weights: tuple[float, ...] | None,
        content: Array | None = None,
    ) -> tuple[Moments, ...]:
        """What the loss aims at: the styles mixed by `weights`, or, where those are None, each for its own region."""
        measure = self._seen if content is None else functools.partial(self._moments, content=content)
        each = [measure(index, shape) for index in range(len(self.pictures))]
        if weights is None:
            return self.solver.aim(tf.nest.map_structure(lambda *one: tf.concat(one, axis=0), *each))
        return self.solver.aim(tf.nest.map_structure(lambda *one: _weighted(one, weights), *each))

    def _moments(self, index: int, shape: tuple[int, int], content: Array | None = None) -> tuple[Moments, ...]:
        """The moments of a style picture as frames of `shape` take it, in the colours of `content` if that is given."""
        picture = at_size(self.pictures[index], shape, self.options.style_scale, self.solver.extractor.minimum_size)
        if content is not None:
            picture = recolored(picture, content, self.options.preserve_color)
        return self.solver.moments(picture)

    def _weights(self, place: int) -> tuple[float, ...]:
        """The shares of the styles in a frame, which sum to 1: linear between the times that are given."""
        if not self.mix:
            return (1.0 / len(self.pictures),) * len(self.pictures)
        times = sorted(self.mix)
        given = np.array([self.mix[time] for time in times])
        weights = np.array([np.interp(place, times, one) for one in given.T])
        return tuple((weights / weights.sum()).tolist())


def _weighted(tensors: Sequence[tf.Tensor], weights: Sequence[float]) -> tf.Tensor:
    """The mean of moments: what the sum of the style losses, so weighted, is least at (Gatys et al. 2016, eq. 5)."""
    return tensors[0] if len(tensors) == 1 else tf.add_n([w * one for w, one in zip(weights, tensors, strict=True)])


# ---------------------------------------------------------------- pictures


def read_styles(style: Any) -> list[pixels.Picture]:
    """The style pictures, read and checked.

    Raises
    ------
    FileNotFoundError, ValueError
        If one of them is not a picture, or the list is empty.
    """
    named = {f"style {index}": one for index, one in enumerate(style, 1)} if is_several(style) else {"style": style}
    if not named:
        raise ValueError("style is an empty list: expected at least one picture")
    return [_read_style(one, name) for name, one in named.items()]


def count_styles(style: StyleLike) -> int:
    """How many pictures a style is, without reading them."""
    return len(style) if is_several(style) else 1  # type: ignore[arg-type]


def is_several(style: Any) -> bool:
    """Whether `style` is a list of pictures, not one picture written as nested lists of numbers."""
    if not isinstance(style, list | tuple):
        return False
    return not style or isinstance(style[0], str | os.PathLike) or np.ndim(style[0]) == 3


def _read_style(style: Any, name: str) -> pixels.Picture:
    return read_image(style) if isinstance(style, str | os.PathLike) else pixels.check_picture(style, name)


def at_size(picture: pixels.Picture, shape: tuple[int, int], scale: float, least: int) -> Array:
    """A style picture `(1, h, w, 3)` for frames of `shape`.

    Of `scale` squared times their area (Ruder et al. 2016 take it equal), so that strokes keep their size relative to
    the frame; no side is shorter than `least`, which the deepest layer needs.
    """
    size = pixels.equal_area(picture.shape[:2], scale**2 * shape[0] * shape[1])
    return pixels.to_inside(pixels.resize(picture, (max(least, size[0]), max(least, size[1]))), "style")


def recolored(picture: Array, content: Array, how: str) -> Array:
    """A style picture in colours of the content, so that painting in it keeps those; both `(1, h, w, 3)` in 0..255.

    `"match"`: its colours x become A (x - m) + m', of the mean and covariance of the content's, with A the symmetric
    C^(-1/2) (C^(1/2) C' C^(1/2))^(1/2) C^(-1/2), which moves colours least (Gatys et al. 2016, "Preserving Color
    in Neural Artistic Style Transfer", section 3.1, where the choice of A is left open). `"luminance"`: it becomes
    grey, of the mean and variance of the content's luminance (section 3.2).
    """
    if how == "luminance":
        grey, light = pixels.luminance(picture), pixels.luminance(content)
        scaled = (grey - grey.mean()) * np.sqrt((light.var() + FAINT) / (grey.var() + FAINT)) + light.mean()
        return np.repeat(np.clip(scaled, 0.0, 255.0)[..., np.newaxis], 3, axis=-1).astype(np.float32)
    ours, theirs = (one.reshape(-1, 3).astype(np.float64) for one in (picture, content))
    mine, wanted = (np.cov(one, rowvar=False, bias=True) + FAINT * np.eye(3) for one in (ours, theirs))
    root, inverse = _power(mine, 0.5), _power(mine, -0.5)
    turn = inverse @ _power(root @ wanted @ root, 0.5) @ inverse
    moved = (ours - ours.mean(axis=0)) @ turn + theirs.mean(axis=0)
    return np.clip(moved, 0.0, 255.0).reshape(picture.shape).astype(np.float32)


def _power(matrix: npt.NDArray[np.float64], exponent: float) -> npt.NDArray[np.float64]:
    """A power of a symmetric positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * values**exponent) @ vectors.T)


def with_colors_of(painted: Array, content: Array) -> Array:
    """The luminance of a painted picture with the colours of the content (Gatys et al. 2016, as above, section 3.2)."""
    return content + (pixels.luminance(painted) - pixels.luminance(content))[..., np.newaxis]


# ---------------------------------------------------------------- regions


def region_shares(mask: npt.ArrayLike, styles: int, shape: tuple[int, int], name: str = "regions") -> Array:
    """Which style goes where, `(R, H, W)` in [0, 1], from a mask.

    Parameters
    ----------
    mask
        `(h, w)` or `(h, w, C)`, uint8 or float in [0, 1], of any size. With one style: it goes where the mask is white,
        and where it is black the frame is left as it is. With two: the first where it is black, the second where it is
        white. With three: the first where it is red, the second where it is green, the third where it is blue; where it
        is black, none. With C = R > 3: a channel for each.
    styles
        R, the number of style pictures.
    shape
        `(H, W)` of the frames.
    name
        Stands in the message.

    Raises
    ------
    ValueError
        If it is not such an array.
    """
    given = np.asarray(mask)
    values: npt.NDArray[Any] = given / 255.0 if given.dtype == np.uint8 else given
    if values.ndim == 2:
        values = values[..., np.newaxis]
    channels = values.shape[-1] if values.ndim == 3 else 0
    if styles > MOST_REGIONS and channels != styles:
        raise ValueError(
            f"{name} has shape {given.shape}, expected a channel for each of the {styles} styles: a picture tells "
            f"{MOST_REGIONS} apart, pass an array of shape (height, width, {styles})"
        )
    if channels not in (1, 3, styles) or 0 in values.shape:
        raise ValueError(f"{name} has shape {given.shape}, expected (height, width) or (height, width, 3)")
    if not np.issubdtype(values.dtype, np.floating) or not (values.min() >= 0.0 and values.max() <= 1.0):
        raise ValueError(f"{name} holds {given.dtype} values, expected uint8, or floats in [0, 1]")
    if styles < MOST_REGIONS and channels == 3:
        values = (values @ pixels.LUMA)[..., np.newaxis]
    values = tf.image.resize(values.astype(np.float32), shape, antialias=True).numpy().clip(0.0, 1.0)
    if styles == 2 and channels != 2:
        values = np.concatenate([1.0 - values, values], axis=-1)
    elif values.shape[-1] != styles:
        raise ValueError(
            f"{name} is grey, expected colours: red, green and blue say where each of {styles} styles goes"
        )
    shares = np.moveaxis(values, -1, 0)
    return np.asarray(shares / np.maximum(shares.sum(axis=0), 1.0), np.float32)


# ---------------------------------------------------------------- over time


def in_frames(options: StyleOptions, fps: float | None) -> StyleOptions:
    """`options` with every time of `mix` a frame number, for a clip of `fps` frames a second.

    While the style changes no frame is a held one, or as good as the frame that opened the scene: in that case
    `still_threshold` and `slack` are 0.

    Raises
    ------
    ValueError
        If there are seconds and no `fps`.
    """
    mix = parse_mix(options.mix)
    if len(mix) < 2:
        return options
    if fps is None and any(isinstance(time, float) for time in mix):
        raise ValueError(f"mix={options.mix!r} has seconds, and these frames have no rate: give frame numbers, or fps")
    frames = {round(time * fps) if isinstance(time, float) and fps else int(time): mix[time] for time in mix}
    return options.replace(mix=frames, still_threshold=0.0, slack=0.0)
