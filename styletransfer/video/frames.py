"""Frames in, painted frames out."""

import pathlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from ..image import shown
from ..options import StyleOptions, resolve
from ..solver import Iterate
from ..styles import StyleLike, count_styles, in_frames
from ..times import check_mix
from .carry import FlowLike, Painted, both_ways
from .dissolve import visible
from .keyframes import painter_of
from .passes import paint_passes, stored
from .regions import RegionsLike, open_regions


def stylize_frames(
    frames: Iterable[npt.ArrayLike],
    style: StyleLike,
    *,
    regions: RegionsLike = None,
    options: StyleOptions | None = None,
    model: keras.Model | None = None,
    flow: FlowLike = None,
    on_step: Callable[[Iterate], None] | None = None,
    **settings: Any,
) -> Iterator[npt.NDArray[np.uint8]]:
    """Repaint frames in the style of a picture, steady from one to the next (Ruder et al. 2016).

    Parameters
    ----------
    frames
        `(H, W, 3)` arrays, uint8 or float in [0, 1], all of one size; any iterable, read lazily.
    style
        A picture file or array, or a list of several, see the option `mix`.
    regions
        Which style goes where: a mask picture for all frames, a mask video, or an iterable of masks, see
        `styles.region_shares`.
    options, settings
        `StyleOptions`, and fields of it by keyword that override it.
    model
        What `load_model` returned; without it the options' `weights` are loaded.
    flow
        `"builtin"` (the default), `"dis"` (OpenCV's, with the extra `opencv`), or any callable
        `flow(source, target) -> (H, W, 2)` with `target[y + dy, x + dx] ~ source[y, x]`.
    on_step
        Called with an `Iterate` after every evaluation.

    Yields
    ------
    uint8 (H, W, 3)
        One painted frame per frame, each as soon as it is done. With `passes` above 1 none comes before the last
        pass; what lies between the passes is kept in a temporary folder.

    Raises
    ------
    ValueError
        At the call for a wrong setting; while iterating for a frame of another shape than the first.
    """
    options = resolve(options, settings)
    check_mix(options.mix, count_styles(style))
    options = in_frames(options, options.fps)
    how: dict[str, Any] = {
        "model": model,
        "flow": both_ways(flow, options.flow_quality),
        "on_step": on_step,
        "regions": open_regions(regions, options),
    }
    if options.passes > 1:
        painted = _several(frames, style, options, **how)
    else:
        painted = painter_of(options)(frames, style, options, **how)
    return (shown(visible(frame), frame.source, options) for frame in painted)


def _several(frames: Iterable[npt.ArrayLike], style: StyleLike, options: StyleOptions, **how: Any) -> Iterator[Painted]:
    with tempfile.TemporaryDirectory(prefix="styletransfer-") as name:
        folder = pathlib.Path(name)
        for _ in paint_passes(frames, style, options, folder, **how):
            pass
        yield from stored(folder)
