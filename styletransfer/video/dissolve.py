"""A painting that begins anew where the clip does not cut: the one before it dissolves, as the clip does.

In a cross-fade, or a slow fade, the picture becomes another one while nothing moves, and the painting has to become
another one, too, see `carry.OTHER`. What is painted is the new one from the first frame on. What is seen of it is the
old one, moved along, which gives way within a few frames.
"""

import numpy as np

from ..motion.scenes import explained, is_cut
from ..motion.warping import sharp_warp, warp
from .between import mix
from .carry import UNTOLD, Array, FlowPair, Painted

FRAMES = 8
"""In which the old painting gives way: a cross-fade begins anew about that often."""


def dissolved(frame: Painted, before: Painted, flow: FlowPair) -> Painted:
    """A painted frame with what is still to be seen of another painting.

    Parameters
    ----------
    frame, before
        A frame and the one before it, painted.
    flow
        Both flows between them.
    """
    if not frame.opens and before.left == 0.0:
        return frame
    back, _ = flow(frame, before)
    if not frame.opens:
        old, left = before.leaving, before.left
    elif is_cut(explained(frame.source[0], warp(before.source[0], back)), before.explained):
        return frame
    else:
        old, left = visible(before)[0], 1.0
    left = max(left - 1.0 / FRAMES, 0.0)
    return frame._replace(leaving=sharp_warp(old, back), left=left) if left else without(frame)


def without(frame: Painted) -> Painted:
    """A painted frame without the painting that dissolves: only the next frame needs it."""
    return frame._replace(leaving=UNTOLD, left=0.0)


def visible(frame: Painted) -> Array:
    """What is seen of a painted frame, `(1, H, W, 3)`, with strokes as strong as those of both paintings."""
    if frame.left == 0.0:
        return frame.result
    share = np.full(frame.leaving.shape[:2], frame.left, np.float32)
    return np.clip(mix(frame.result[0], frame.leaving, share), 0.0, 255.0)[np.newaxis]
