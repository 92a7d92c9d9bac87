"""Does the outermost paint flicker?

    python benchmarks/border.py CLIP STYLE --weights VGG19.weights.h5 --start 0 --end 24 --max-size 256

The mean absolute change from frame to frame, in grey levels, of the outermost pixels on each side and of all the
others: as it is, and with any part of a pixel that enters taken for new (`carry.DRAWN_OUT` 0).
"""

import numpy as np
from arguments import clip_parser

from styletransfer import load_model, read_image, read_video
from styletransfer.video import carry, keyframes
from styletransfer.video.frames import stylize_frames

SIDES = {
    "above": np.s_[:, :1],
    "below": np.s_[:, -1:],
    "left": np.s_[:, :, :1],
    "right": np.s_[:, :, -1:],
    "inside": np.s_[:, 1:-1, 1:-1],
}


def main() -> None:
    parser = clip_parser(__doc__, max_size=256)
    parser.add_argument("--preset", default="default")
    arguments = parser.parse_args()
    model, style = load_model(arguments.weights), read_image(arguments.style)
    clip = {"max_size": arguments.max_size, "start": arguments.start, "end": arguments.end}
    frames = list(read_video(arguments.source, **clip))
    settings = {"model": model, "preset": arguments.preset, "max_size": arguments.max_size}
    print(f"| drawn out by at most | {' | '.join(SIDES)} |\n|---|{'---:|' * len(SIDES)}")
    for pixels in (0.0, carry.DRAWN_OUT):
        carry.DRAWN_OUT = keyframes.DRAWN_OUT = pixels
        painted = np.stack(list(stylize_frames(frames, style, **settings))).astype(np.float32)
        change = np.abs(np.diff(painted, axis=0))
        print(f"| {pixels} | {' | '.join(f'{change[side].mean():.1f}' for side in SIDES.values())} |", flush=True)


if __name__ == "__main__":
    main()
