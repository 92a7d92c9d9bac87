"""Without ground truth: does an optical flow agree with itself at another size, and does it explain the next frame?

    python benchmarks/flow_agreement.py CLIP --frames 102 108 116 --sizes 416 856

For each frame and the one before it: the mean distance between the flow at the smaller size and the flow at the
larger, scaled down, and the mean difference of the frame and the warped earlier one, in grey levels. Both are taken
where OpenCV's DIS (extra `opencv`) counts as reliable at the smaller size.
"""

import argparse

import numpy as np

from styletransfer import read_video
from styletransfer.motion.flow import named_flow
from styletransfer.motion.occlusion import reliability
from styletransfer.motion.warping import warp
from styletransfer.pixels import resize

NAMES = ("dis", "builtin")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip")
    parser.add_argument("--frames", type=int, nargs="+", default=[1])
    parser.add_argument("--sizes", type=int, nargs=2, default=[416, 856])
    arguments = parser.parse_args()
    print("| frame | " + " | ".join(f"{n}: px between sizes | {n}: grey levels" for n in NAMES) + " |")
    print("|---|" + "---:|" * 2 * len(NAMES))
    for number in arguments.frames:
        small, large = (
            list(read_video(arguments.clip, max_size=size, start=number - 1, end=number + 1))[::-1]
            for size in arguments.sizes
        )
        dis = named_flow("dis")
        certain = reliability(dis(*small), dis(*small[::-1]))
        cells = []
        for name in NAMES:
            fine, coarse = named_flow(name)(*small), named_flow(name)(*large)
            apart = np.linalg.norm(fine - shrunk(coarse, fine.shape[:2]), axis=-1)
            residual = np.abs(warp(small[1].astype(np.float32), fine) - small[0]).mean(axis=-1)
            cells += [f"{(values * certain).sum() / certain.sum():.2f}" for values in (apart, residual)]
        print(f"| {number} | " + " | ".join(cells) + " |", flush=True)


def shrunk(flow: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A flow at a smaller size, in its pixels."""
    span = float(np.abs(flow).max()) or 1.0
    padded = np.concatenate([flow, flow[..., :1]], axis=-1) / (2.0 * span) + 0.5  # as a picture in [0, 1]
    return (resize(padded.astype(np.float32), shape)[..., :2] - 0.5) * (2.0 * span * shape[1] / flow.shape[1])


if __name__ == "__main__":
    main()
