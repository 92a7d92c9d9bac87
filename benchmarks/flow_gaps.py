"""Flow between frames some frames apart: along the frames between, directly, or as key frames settle it.

    python benchmarks/flow_gaps.py CLIP:START [CLIP:START ...] [--gaps 4 8 12] [--max-size 416]

For each clip and gap: the share of the later frame that the flow calls reliable, and by how much that differs along the
flow (root mean square, grey levels): a flow may call itself reliable and be wrong.
"""

import argparse
import itertools

import numpy as np

from styletransfer import read_video
from styletransfer.motion.flow import estimate_flow_pair
from styletransfer.motion.gaps import settle, to_first
from styletransfer.motion.occlusion import reliability
from styletransfer.motion.warping import warp


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", metavar="CLIP:START")
    parser.add_argument("--gaps", type=int, nargs="+", default=[4, 8, 12])
    parser.add_argument("--max-size", type=int, default=416)
    parser.add_argument("--quality", default="balanced")
    arguments = parser.parse_args()
    titles = "clip", "gap", "reliable: chain", "direct", "settled", "difference: chain", "direct", "settled"
    print(f"| {' | '.join(titles)} |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for clip in arguments.clips:
        name, _, start = clip.rpartition(":")
        end = int(start) + max(arguments.gaps) + 1
        frames = list(read_video(name, max_size=arguments.max_size, start=int(start), end=end))
        for gap in arguments.gaps:
            row(f"{name} from {start}", frames[: gap + 1], arguments.quality)


def row(name: str, frames: list[np.ndarray], quality: str) -> None:
    first, last = frames[0], frames[-1]
    steps = [estimate_flow_pair(now, before, quality=quality) for before, now in itertools.pairwise(frames)]
    chain = to_first(steps)[-1]
    direct = estimate_flow_pair(last, first, quality=quality)
    pairs = chain, direct, settle(chain, direct, last.astype(np.float32), first.astype(np.float32))
    masks = [reliability(*pair) >= 0.5 for pair in pairs]

    def difference(flow: np.ndarray, mask: np.ndarray) -> str:
        error = np.square(warp(first, flow) - last.astype(np.float32))[mask]
        return f"{np.sqrt(error.mean()):.2f}" if error.size else "-"

    cells = [f"{mask.mean():.3f}" for mask in masks]
    cells += [difference(pair[0], mask) for pair, mask in zip(pairs, masks, strict=True)]
    print(f"| {name} | {len(frames) - 1} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
