"""Without ground truth: does an optical flow agree with itself at another size, and does it explain the next frame?

    python benchmarks/flow_agreement.py CLIP --frames 102 108 116 --sizes 416 856 [--painting PAINTED.png]

For each frame and the one before it: the mean distance between the flow at the smaller size and the flow at the
larger, scaled down, and the mean difference of the frame and the warped earlier one, in grey levels. Both are taken
where OpenCV's DIS (extra `opencv`) counts as reliable at the smaller size.

With `--painting`, a picture painted on the first of `--frames`, also the warping errors that it has when it is only
moved from frame to frame, along each flow and as each flow judges, up to ten frames on: what is sharp cannot have less
where the judge is another flow than the one that carries.
"""

import argparse
import itertools

import numpy as np

from styletransfer import metrics, pixels, read_image, read_video
from styletransfer.motion.flow import named_flow
from styletransfer.motion.occlusion import reliability
from styletransfer.motion.warping import sharp_warp, warp
from styletransfer.options import StyleOptions
from styletransfer.pixels import resize
from styletransfer.video.carry import is_held

NAMES = ("dis", "builtin")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip")
    parser.add_argument("--frames", type=int, nargs="+", default=[1])
    parser.add_argument("--sizes", type=int, nargs=2, default=[416, 856])
    parser.add_argument("--painting")
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
    if arguments.painting:
        begin = arguments.frames[0]
        video = read_video(arguments.clip, max_size=arguments.sizes[0], start=begin, end=begin + 11)
        judged(list(video), read_image(arguments.painting))


def judged(frames: list[np.ndarray], painting: np.ndarray) -> None:
    """The table of carriers and judges."""
    judges = [(name, gap) for name in NAMES for gap in metrics.GAPS]
    print("\n| carried by | " + " | ".join(f"{name} judging, gap {gap}" for name, gap in judges) + " |")
    print("|---|" + "---:|" * len(judges))
    for carrier in NAMES:
        moved = [pixels.to_inside(painting)[0]]
        for before, now in itertools.pairwise(frames):
            held = is_held(pixels.to_inside(now), pixels.to_inside(before), StyleOptions().still_threshold)
            moved.append(moved[-1] if held else sharp_warp(moved[-1], named_flow(carrier)(now, before)))
        shown = [pixels.to_outside(picture) for picture in moved]
        errors = [metrics.warping_error(shown, frames, gap=gap, flow=named_flow(name)) for name, gap in judges]
        print(f"| {carrier} | " + " | ".join(f"{error:.6f}" for error in errors) + " |", flush=True)


def shrunk(flow: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A flow at a smaller size, in its pixels."""
    span = float(np.abs(flow).max()) or 1.0
    padded = np.concatenate([flow, flow[..., :1]], axis=-1) / (2.0 * span) + 0.5  # as a picture in [0, 1]
    return (resize(padded.astype(np.float32), shape)[..., :2] - 0.5) * (2.0 * span * shape[1] / flow.shape[1])


if __name__ == "__main__":
    main()
