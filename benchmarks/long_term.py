"""What was hidden for a while and comes back: does it look as before?

    python benchmarks/long_term.py CLIP STYLE --weights VGG19.weights.h5 --start 0 --end 24 --histories 1 1,5,10,20

Pixels that show the same thing in the first frame and in the last, and something else in between, came back. Beside
the root mean square of how much their paint differs between the two frames, that of the pixels that never changed: what
a still background changes anyway. Both need a clip whose camera stands still. The first and the last frame of each
history are kept in the folder `--out`, and a picture of which pixels came back.
"""

import pathlib
from collections.abc import Iterable

import numpy as np
from arguments import clip_parser
from scipy.ndimage import gaussian_filter

from styletransfer import load_model, read_video, stylize_frames, write_image

SAME, OTHER = 6.0, 30.0
"""Differences in grey levels, smoothed, under which a pixel shows the same thing, and above which another."""
SIGMA = 2.0
"""Of the smoothing, in pixels."""


def changes(frames: Iterable[np.ndarray], first: np.ndarray) -> np.ndarray:
    """How far each frame differs from the first: `(T, H, W)` in grey levels."""
    return np.stack([gaussian_filter(np.abs(frame.astype(np.float32) - first).mean(-1), SIGMA) for frame in frames])


def main() -> None:
    parser = clip_parser(__doc__)
    parser.add_argument("--histories", nargs="+", default=["1", "1,5,10,20"])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("long_term"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    size = arguments.max_size
    frames = list(read_video(arguments.source, max_size=size, start=arguments.start, end=arguments.end))
    moved = changes(frames, frames[0].astype(np.float32))
    back = (moved[-1] < SAME) & (moved.max(0) > OTHER)
    still = moved.max(0) < SAME
    write_image(arguments.out / "came_back.png", np.where(back[..., np.newaxis], frames[-1], 0))
    print(f"{len(frames)} frames, {back.mean():.1%} of the last one came back, {still.mean():.1%} never changed\n")
    print("| history | difference of what came back | of what never changed |\n|---|---:|---:|")
    model = load_model(arguments.weights)
    for history in arguments.histories:
        distances = tuple(int(n) for n in history.split(","))
        painted = list(stylize_frames(frames, arguments.style, model=model, max_size=size, history=distances))
        difference = np.square(painted[-1].astype(np.float32) - painted[0]).mean(-1)
        print(
            f"| {history} | {difference[back].mean() ** 0.5:.1f} | {difference[still].mean() ** 0.5:.1f} |", flush=True
        )
        for name, frame in ("first", painted[0]), ("last", painted[-1]):
            write_image(arguments.out / f"{history.replace(',', '_')}_{name}.png", frame)


if __name__ == "__main__":
    main()
