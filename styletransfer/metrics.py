"""How steady a painted clip is."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt

from . import pixels
from .motion.flow import estimate_flow
from .motion.occlusion import reliability
from .motion.warping import sharp_warp

Flow = Callable[[npt.NDArray[np.uint8], npt.NDArray[np.uint8]], npt.ArrayLike]


def warping_error(
    result: Iterable[npt.ArrayLike], source: Iterable[npt.ArrayLike], *, gap: int = 1, flow: Flow = estimate_flow
) -> float:
    """Mean squared change of a painted clip along the motion of its source, in units of full scale squared.

    E = sum M (W(s_{t-gap}) - s_t)^2 / (3 sum M), averaged over the pairs of frames (Lai et al. 2018,
    "Learning Blind Video Temporal Consistency", section 4.2; Ruder et al. 2016, section 5.2). W warps by the
    optical flow of the source, and M is 1 where that flow is reliable. 0 is perfectly steady; the source's
    own error, `warping_error(source, source)`, is the floor that a faithful copy has. W interpolates sharply (see
    `motion.warping.BandLimited`), not linearly as in the papers: linear interpolation blurs the frame that it
    moves, which counts as a change wherever a clip is sharp.

    Parameters
    ----------
    result, source
        Frames `(H, W, 3)` of one size, uint8 or float in [0, 1]; read lazily, in step.
    gap
        Distance in frames: 1 shows flicker, 10 shows drift.
    flow
        `flow(source, target) -> (H, W, 2)`; pass another estimator than the one that made the clip for an
        independent judgement.

    Raises
    ------
    ValueError
        If there are not more than `gap` frames, or the two clips differ in length or size.
    """
    errors = list(warping_errors(result, source, gap=gap, flow=flow))
    if not errors:
        raise ValueError(f"the clip has at most gap={gap} frames, expected more: no two can be compared")
    return float(np.mean(errors))


def warping_errors(
    result: Iterable[npt.ArrayLike], source: Iterable[npt.ArrayLike], *, gap: int = 1, flow: Flow = estimate_flow
) -> Iterator[float]:
    """The warping error of every frame from the `gap`-th on; parameters as for `warping_error`."""
    if gap < 1:
        raise ValueError(f"gap={gap}: expected a whole number of at least 1")
    earlier: deque[tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]] = deque(maxlen=gap)
    for index, (painted, frame) in enumerate(zip(result, source, strict=True)):
        here, now = pixels.as_uint8(frame, "source"), pixels.to_inside(painted, "result")[0] / np.float32(255)
        if here.shape != now.shape:
            raise ValueError(f"frame {index} of the result is {now.shape}, expected {here.shape} like the source's")
        if len(earlier) == gap:
            yield _error(now, here, *earlier[0], flow)
        earlier.append((here, now))


def _error(
    now: npt.NDArray[np.float32],
    here: npt.NDArray[np.uint8],
    there: npt.NDArray[np.uint8],
    before: npt.NDArray[np.float32],
    flow: Flow,
) -> float:
    back, forth = (np.asarray(f, np.float32) for f in (flow(here, there), flow(there, here)))
    mask = reliability(back, forth, soft=False)
    difference = np.square(sharp_warp(before, back) - now).sum(axis=-1)
    return float((mask * difference).sum() / max(3.0 * mask.sum(), 1.0))
