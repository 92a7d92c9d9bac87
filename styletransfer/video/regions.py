"""Which style goes where in a clip: one mask for all frames, or a mask video in step with it."""

import itertools
import os
import pathlib
from collections.abc import Iterable, Sized

import numpy as np
import numpy.typing as npt

from ..options import StyleOptions
from ..pictures import PICTURES, read_image
from ..times import check_regions
from .media import Video, read_video

RegionsLike = str | os.PathLike[str] | npt.ArrayLike | Iterable[npt.ArrayLike] | None
"""A mask picture or mask video, an array for all frames, or an iterable of one for each; see `styles.region_shares`."""

MOVING = (".gif", ".webp")
"""Kinds of pictures that may hold a clip."""


def open_regions(regions: RegionsLike, options: StyleOptions) -> Iterable[npt.ArrayLike] | None:
    """A mask for every frame of a clip, read as the clip is: from `start` to `end`, at `fps`.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or it is neither a picture nor a video.
    """
    if regions is None:
        return None
    check_regions(options.mix)
    if isinstance(regions, str | os.PathLike):
        path = pathlib.Path(regions)
        if path.suffix.lower() in PICTURES and path.suffix.lower() not in MOVING and "%" not in path.name:
            return itertools.repeat(read_image(path))
        return read_video(path, start=options.start, end=options.end, fps=options.fps)
    if isinstance(regions, np.ndarray) and regions.ndim <= 3:
        return itertools.repeat(regions)
    if not isinstance(regions, Iterable):
        raise TypeError(f"regions is a {type(regions).__name__}, expected a file, an array or masks one by one")
    return regions


def check_length(masks: Iterable[npt.ArrayLike] | None, frames: int | None) -> None:
    """Raise ValueError if it is known that there are fewer masks than frames: ask before the work."""
    count = masks.length if isinstance(masks, Video) else len(masks) if isinstance(masks, Sized) else None
    if count is not None and frames is not None and count < frames:
        raise ValueError(f"regions has {count} masks, expected {frames}: one for every frame, or one picture for all")
