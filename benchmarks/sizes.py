"""Does a small preview look like the large painting? One picture painted at two sizes, compared at the small one.

    python benchmarks/sizes.py PICTURE STYLE --weights VGG19.weights.h5 --sizes 256,768 --scales 1 2 3

PICTURE may be a clip, whose frame `--start` is painted. For each number of scales, the coarsest of which is the size of
the small painting: the style distance (see docs/metrics.md) of the small painting, that of the large one made small,
their ratio, and the evaluations that the large one took.
`--out` gets a sheet: the small one and the large ones at its size.
"""

import pathlib

import numpy as np
from arguments import clip_parser

from styletransfer import load_model, pixels, read_image, read_video, stylize_image, write_image
from styletransfer.app.arguments import numbers
from styletransfer.metrics import FeatureJudge


def main() -> None:
    parser = clip_parser(__doc__)
    parser.add_argument("--sizes", type=numbers, default=(256, 768), help="longer sides, small and large")
    parser.add_argument("--scales", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("sizes.png"))
    arguments = parser.parse_args()
    picture = next(iter(read_video(arguments.source, start=arguments.start)))
    style, model = read_image(arguments.style), load_model(arguments.weights)
    small, large = (pixels.resize(picture, pixels.fit(picture.shape[:2], size)) for size in arguments.sizes)
    judge = FeatureJudge(style, small / np.float32(255), model)
    evaluations: list[int] = []

    def painted(frame: np.ndarray, scales: int) -> np.ndarray:
        evaluations.clear()
        how = {"model": model, "max_size": None, "scales": scales, "coarsest": max(small.shape)}
        result = stylize_image(frame, style, on_step=lambda iterate: evaluations.append(iterate.step), **how)
        return pixels.resize(result, small.shape[:2])

    def distance(result: np.ndarray) -> float:
        return judge.style_distance(judge.features(result / np.float32(255)))

    preview = painted(small, 1)
    own, shown = distance(preview), [preview]
    print("| scales | style distance small | large, made small | ratio | evaluations |\n|---:|---:|---:|---:|---:|")
    for scales in arguments.scales:
        shown.append(painted(large, scales))
        there = distance(shown[-1])
        print(f"| {scales} | {own:.4f} | {there:.4f} | {there / own:.2f} | {len(evaluations)} |", flush=True)
    write_image(arguments.out, np.concatenate(shown, axis=1))


if __name__ == "__main__":
    main()
