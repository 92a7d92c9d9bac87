"""`styletransfer flow`: what the flow and the masks of a clip are, to be looked at and to be used again."""

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from .. import pixels
from ..motion.fields import flow_colors, write_flow
from ..motion.warping import warp
from ..options import StyleOptions
from ..pictures import write_image
from ..video.carry import FlowLike, Masks, Painted, both_ways, masks_of
from ..video.media import read_video, write_video

LOUDER = 4.0
"""The warped difference is shown so many times as strong: a tenth of the range is plain to see."""


def write_motion(source: str, target: Path, options: StyleOptions, *, flow: FlowLike, progress: bool) -> int:
    """Write the motion of a clip into the folder `target`, and return the number of pairs of frames.

    `forward_A_B.flo` and `backward_B_A.flo`, which `flow=target` takes again, for every two neighbours and for what a
    clip of one scene is asked for beyond, see `drift.WithoutDrift`; `colors/`, the backward flow in the usual colours;
    `reliability/`, the mask of each frame against the one before; `difference.mp4`, each frame less the one before,
    moved along the flow, where it is reliable: what lights up there will smear.
    """
    video = read_video(source, max_size=options.max_size, start=options.start, end=options.end, fps=options.fps)
    both, masks = both_ways(flow, options.flow_quality), masks_of(options)
    for folder in (target, target / "colors", target / "reliability"):
        folder.mkdir(exist_ok=True)
    seen = 0

    def differences() -> Any:
        nonlocal seen
        earlier = deque[Painted](maxlen=max(options.history))
        for place, picture in enumerate(tqdm(video, total=video.length, unit="frame", disable=not progress)):
            inside = pixels.to_inside(picture)
            frame = Painted(inside, inside, 0, place)
            found = {}
            for distance in sorted({min(each, len(earlier)) for each in (1, *options.history)} - {0}):
                found[distance] = both(frame, earlier[-distance])
                _write_flows(target, earlier[-distance], frame, *found[distance])
                seen += 1
            yield _shown(target, earlier[-1], frame, *found[1], masks) if earlier else np.zeros_like(picture)
            earlier.append(frame)

    write_video(target / "difference.mp4", differences(), fps=video.fps)
    return seen


def _write_flows(
    target: Path, before: Painted, frame: Painted, back: npt.NDArray[np.float32], forth: npt.NDArray[np.float32]
) -> None:
    """The flow from a frame to one before it, and back."""
    a, b = f"{before.place + 1:06d}", f"{frame.place + 1:06d}"
    write_flow(target / f"forward_{a}_{b}.flo", forth)
    write_flow(target / f"backward_{b}_{a}.flo", back)


def _shown(
    target: Path,
    before: Painted,
    frame: Painted,
    back: npt.NDArray[np.float32],
    forth: npt.NDArray[np.float32],
    masks: Masks,
) -> npt.NDArray[np.uint8]:
    """The pictures of a frame and the one before it; what is returned is their warped difference."""
    certain, name = masks(back, forth), f"{frame.place + 1:06d}.png"
    write_image(target / "colors" / name, flow_colors(back))
    write_image(target / "reliability" / name, np.repeat(certain[..., np.newaxis], 3, axis=-1))
    difference = np.abs(warp(before.source[0], back) - frame.source[0]) * certain[..., np.newaxis]
    return np.clip(LOUDER * difference, 0.0, 255.0).astype(np.uint8)
