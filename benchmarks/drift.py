"""Does a long clip stay as it began? Style loss and mean colour of each painted frame against the first one's.

    python benchmarks/drift.py CLIP STYLE --weights VGG19.weights.h5 --end 200 --max-size 256

Frames are painted as by default, or with `--preset`. A line for every 20th frame and the last: the style loss as a
share of that of the first, and the mean colour's distance from it in grey levels beside the source's own change.
"""

import numpy as np
from arguments import clip_parser
from steadiness import Reference

from styletransfer import StyleOptions, load_model, read_image, read_video, stylize_frames

EVERY = 20


def main() -> None:
    parser = clip_parser(__doc__, max_size=256)
    parser.add_argument("--preset", default="default")
    arguments = parser.parse_args()
    video = read_video(arguments.source, max_size=arguments.max_size, start=arguments.start, end=arguments.end)
    frames, style, model = list(video), read_image(arguments.style), load_model(arguments.weights)
    options = StyleOptions(preset=arguments.preset, max_size=arguments.max_size, weights=arguments.weights)
    reference = Reference(frames, style, options.replace(style_loss="gram"), model)

    def apart(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.linalg.norm(one.mean(axis=(0, 1)) - other.mean(axis=(0, 1))))

    taken: list[int] = []
    painting = stylize_frames(frames, style, model=model, options=options, on_step=lambda iterate: taken.append(1))
    print("| frame | style loss, of the first's | mean colour, from the first's | the source's own | evaluations |")
    print("|---:|---:|---:|---:|---:|")
    for place, painted in enumerate(painting):
        if place == 0:
            first, beginning = reference.style_loss(painted), painted
        if place % EVERY == 0 or place == len(frames) - 1:
            colours = f"{apart(painted, beginning):.1f} | {apart(frames[place], frames[0]):.1f}"
            print(f"| {place} | {reference.style_loss(painted) / first:.2f} | {colours} | {len(taken)} |", flush=True)
        taken.clear()


if __name__ == "__main__":
    main()
