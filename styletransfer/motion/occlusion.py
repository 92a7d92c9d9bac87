"""Which pixels of a frame may be held to another frame.

Ruder, Dosovitskiy and Brox 2016, "Artistic style transfer for videos", section 3.2, after Sundaram, Brox and
Keutzer 2010. Written from the equations; the maps equal those that the authors published with their code.

In all of it `flow_ab` leads from frame a to frame b, and the masks are on a's grid.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from .warping import Flow, inside, warp

Mask = npt.NDArray[np.bool_]
"""`(H, W)` bool."""

OCCLUDED = -1.0
"""An occluded pixel counts less than 0 before the map is smoothed, so that its neighbours are doubted too."""

STRETCHED = 0.8
"""Share of its area below which a surface has come from where something else was, a frame: no zoom is as fast."""

TRUNCATE = 2.0
"""Where the Gaussian is cut off, in sigmas: radius 2 at sigma 0.8, as in the published maps."""


def reliability(
    flow_ab: npt.ArrayLike,
    flow_ba: npt.ArrayLike,
    *,
    soft: bool = True,
    boundaries: bool = True,
    border: bool = True,
    sigma: float = 0.8,
) -> npt.NDArray[np.float32]:
    """How far each pixel of frame a can be trusted to be seen in frame b, at `position + flow_ab`.

    0 where the pixel is occluded in b, leaves the frame (`border`), or where the motion has a boundary
    (`boundaries`) and the flow is likely to be wrong; 1 elsewhere.

    Parameters
    ----------
    flow_ab, flow_ba : (H, W, 2), pixels
        From frame a to frame b, and back.
    soft : bool
        Smooth the map with a Gaussian, as Ruder et al. do; else it is 0 or 1.
    boundaries : bool
        Distrust motion boundaries (eq. 6).
    border : bool
        Distrust pixels that leave the frame; else they are held to the nearest pixel of its edge.
    sigma : float
        Of the Gaussian, in pixels.

    Returns
    -------
    (H, W) float32 in [0, 1]. Exactly 0 inside what is occluded.

    Raises
    ------
    ValueError
        If the flows are not two of one shape (H, W, 2).
    """
    ab, ba = _as_flow(flow_ab, "flow_ab"), _as_flow(flow_ba, "flow_ba")
    certain = np.ones(ab.shape[:2], np.float32)
    if boundaries:
        certain[motion_boundary(ab)] = 0.0
    certain[disocclusion(ab, ba)] = OCCLUDED
    if border:
        certain[leaves_frame(ab)] = 0.0
    if soft and sigma > 0.0:
        certain = gaussian_filter(certain, sigma, mode="reflect", truncate=TRUNCATE)
    return np.clip(certain, 0.0, 1.0)


def disocclusion(flow_ab: npt.ArrayLike, flow_ba: npt.ArrayLike) -> Mask:
    """Pixels of a that b does not show: going there and back does not lead home (Ruder et al. 2016, eq. 5).

    With w^ = flow_ab and w~(x) = flow_ba(x + w^(x)), where |w~ + w^|^2 > 0.01 (|w~|^2 + |w^|^2) + 0.5.
    """
    there = _as_flow(flow_ab, "flow_ab")
    back = _as_flow(flow_ba, "flow_ba")
    if there.shape != back.shape:
        raise ValueError(f"flow_ab has shape {there.shape}, flow_ba {back.shape}: expected the same")
    back = warp(back, there, border="nearest")
    agree = _square(back + there) <= 0.01 * (_square(back) + _square(there)) + 0.5
    return ~agree  # so that an unknown flow (NaN) is occluded


def motion_boundary(flow: npt.ArrayLike) -> Mask:
    """Where the flow changes abruptly: |grad u|^2 + |grad v|^2 > 0.01 |w|^2 + 0.002 (Ruder et al. 2016, eq. 6).

    The flow of a boundary is smeared over both sides.
    """
    flow = _as_flow(flow, "flow")
    across, down = _slopes(flow)
    smooth = _square(across) + _square(down) <= 0.01 * _square(flow) + 0.002
    return ~smooth


def stretched(flow: npt.ArrayLike, frames: int = 1) -> Mask:
    """Where a flow spreads what it leads to over more pixels than it had: 0 < det(I + grad w) < `STRETCHED`, per frame.

    Not among their masks. Beside a thing that slowly uncovers the ground a smeared flow does that, instead of leading
    out of sight. It leads there and back again, so that eq. 5 does not tell; where the flow tears, det <= 0, it does.
    On the side where the thing covers the ground it draws together.
    """
    across, down = _slopes(_as_flow(flow, "flow"))
    area = (1.0 + across[..., 0]) * (1.0 + down[..., 1]) - across[..., 1] * down[..., 0]
    return (area > 0.0) & (area < STRETCHED**frames)


def leaves_frame(flow: npt.ArrayLike) -> Mask:
    """Pixels that move out of the frame."""
    return ~inside(_as_flow(flow, "flow"))


def _slopes(flow: Flow) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Its changes from pixel to pixel, to the right and down: central differences, the edge repeated."""
    padded = np.pad(flow, ((1, 1), (1, 1), (0, 0)), mode="edge")
    return (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2, (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2


def _square(vectors: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Squared lengths: (H, W, 2) -> (H, W)."""
    return np.einsum("hwc,hwc->hw", vectors, vectors)


def _as_flow(flow: npt.ArrayLike, name: str) -> Flow:
    flow = np.asarray(flow, np.float32)
    if flow.ndim != 3 or flow.shape[-1] != 2 or 0 in flow.shape:
        raise ValueError(f"{name} has shape {flow.shape}, expected (height, width, 2)")
    return flow
