"""Where a clip is cut, and how sure that is: the share of each frame that the one before it explains.

python benchmarks/cuts.py CLIP [CLIP ...] [--max-size 128]
"""

import argparse

import numpy as np

from styletransfer import read_video
from styletransfer.motion.flow import estimate_flow_pair
from styletransfer.motion.scenes import explained, is_cut
from styletransfer.motion.warping import warp


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", metavar="CLIP")
    parser.add_argument("--max-size", type=int, default=128)
    arguments = parser.parse_args()
    print("| clip | frames | first frames of new shots (share explained) | least share elsewhere |")
    print("|---|---:|---|---:|")
    for clip in arguments.clips:
        frames = read_video(clip, max_size=arguments.max_size)
        cuts, least, before, earlier = [], 1.0, 1.0, None
        for number, frame in enumerate(frames):
            if earlier is not None:
                back, _ = estimate_flow_pair(frame, earlier, quality="fast")
                warped = warp(earlier.astype(np.float32), back)
                share = explained(frame.astype(np.float32), warped)
                if is_cut(share, before):
                    cuts.append(f"{number} ({share:.2f})")
                    before = 1.0
                else:
                    least = min(least, share)
                    before = share
            earlier = frame
        print(f"| {clip} | {number + 1} | {', '.join(cuts) or 'none'} | {least:.2f} |", flush=True)


if __name__ == "__main__":
    main()
