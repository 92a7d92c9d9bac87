"""What every setting does: a labelled sheet for each, the default among what else was tried, on pictures of our own.

    python benchmarks/default_sheets.py --weights VGG19.weights.h5 --out docs/default_sheets
    python benchmarks/default_sheets.py --weights VGG19.weights.h5 --out docs/default_sheets --only history passes

A setting of a picture is tried on a frame of the demo's clip: below each painting its style distance and content
similarity (see docs/metrics.md) and the evaluations that it took. A setting of a clip is tried on its first `--frames`
frames: the last of them as it is painted; below it, one row of pixels over all frames, from top to bottom (what moves
draws slanted lines, what flickers frays them); and the warping error from one frame to the next, the style distance of
the last frame and the evaluations per frame.
"""

import argparse
import json
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from steadiness import remembered, run

from styletransfer import StyleOptions, load_model, metrics, pixels, read_image, stylize_image
from styletransfer.app.artwork import demo_clip, demo_style
from styletransfer.app.sheet import grid, labelled
from styletransfer.motion.flow import named_flow
from styletransfer.video.carry import both_ways

SIZE = 256
"""Longer side, in pixels, of what is painted."""
Show = Callable[[StyleOptions], tuple[np.ndarray, str]]
"""Options to a picture of what they make, and to what was measured."""


class Tried(NamedTuple):
    """The values of a setting that are shown beside each other, and what else is set meanwhile."""

    values: tuple[Any, ...]
    meanwhile: Mapping[str, Any] = MappingProxyType({})


SHORT = {"steps": 30, "tolerance": 0.0}
"""What an optimiser reaches with few evaluations tells more than where all of them end."""

PICTURE = {
    "max_size": Tried((256, 512)),
    "content_weight": Tried((0.01, 0.05, 0.2)),
    "style_weight": Tried((0.25, 1.0, 4.0)),
    "tv_weight": Tried((0.0, 1e-5, 1e-4)),
    "content_layers": Tried((("block3_conv2",), ("block4_conv2",), ("block5_conv2",))),
    "style_layers": Tried(tuple(tuple(f"block{i}_conv1" for i in range(1, deepest + 1)) for deepest in (2, 3, 5))),
    "style_layer_weights": Tried(((), (4.0, 2.0, 1.0, 0.5, 0.25), (0.25, 0.5, 1.0, 2.0, 4.0))),
    "style_loss": Tried(("gram", "wasserstein")),
    "style_scale": Tried((0.5, 1.0, 2.0)),
    "strength": Tried((0.3, 0.7, 1.0)),
    "preserve_color": Tried(("none", "luminance", "match")),
    "scales": Tried((1, 2, 3)),
    "coarsest": Tried((None, 128), {"scales": 2, "max_size": 512}),
    "init": Tried(("content", "noise")),
    "steps": Tried((30, 100, 300), {"tolerance": 0.0}),
    "tolerance": Tried((0.02, 0.004, 0.001), {"steps": 300}),
    "optimizer": Tried(("lbfgs", "adam"), SHORT),
    "lbfgs_memory": Tried((3, 10, 30), SHORT),
    "preconditioning": Tried((0.0, 10.0, 100.0), SHORT),
    "learning_rate": Tried((1.0, 5.0, 20.0), SHORT),
    "bounded": Tried((True, False)),
    "pooling": Tried(("avg", "max")),
    "padding": Tried(("reflect", "zero")),
    "normalize": Tried((True, False)),
    "precision": Tried(("auto", "float32", "bfloat16")),
    "max_tile": Tried((2048, 400), {"max_size": 512}),
}
AUTO = {"keyframes": "auto"}
CLIP = {
    "preset": Tried(("fast", "default", "fine", "report")),
    "temporal_weight": Tried((0.0, 1.5e-3, 0.1)),
    "min_hold": Tried((0.05, 1.0)),
    "slack": Tried((0.0, 0.05, 0.2)),
    "warm_start": Tried((True, False)),
    "history": Tried(((1,), (1, 10), (1, 5, 10))),
    "keyframes": Tried((1, 4, "auto")),
    "max_gap": Tried((4, 8, 16), AUTO),
    "min_carried": Tried((0.2, 0.6, 0.95), AUTO),
    "fill_steps": Tried((0, 5, 20), AUTO | {"min_hole": 0.0}),
    "min_hole": Tried((0.0, 0.02, 1.0), AUTO),
    "refine_steps": Tried((0, 3, 10), AUTO),
    "passes": Tried((1, 2, 4), {"steps": 60}),
    "blend": Tried((0.2, 0.5, 0.8), {"passes": 3, "steps": 45}),
    "temporal_from": Tried((2, 3), {"passes": 3, "steps": 45}),
    "flow_quality": Tried(("fast", "balanced", "best")),
    "mask_softness": Tried((0.0, 0.8, 3.0)),
    "mask_boundaries": Tried((True, False)),
    "mask_border": Tried((True, False)),
    "still_threshold": Tried((0.0, 3.0, 12.0)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("default_sheets"))
    parser.add_argument("--only", nargs="+", choices=[*PICTURE, *CLIP], default=[*PICTURE, *CLIP], metavar="SETTING")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    model = load_model(arguments.weights)
    picture, clip = once(PictureBench(model).show), once(ClipBench(model, arguments.frames).show)
    for name in arguments.only:
        tried, show = (PICTURE[name], picture) if name in PICTURE else (CLIP[name], clip)
        sheet = grid(list(columns(name, tried, show)), len(tried.values))
        Image.fromarray(sheet).save(arguments.out / f"{name}.jpg", quality=85)


def columns(name: str, tried: Tried, show: Show) -> Iterator[np.ndarray]:
    """What every value of a setting makes, with the value and what was measured below it."""
    usual = getattr(StyleOptions(), name)
    for value in tried.values:
        shown, measured = show(StyleOptions(**{"max_size": SIZE, **tried.meanwhile, name: value}))
        told = words(value) + (" (default)" if value == usual else "")
        print(f"{name} {told}: {measured}", flush=True)
        for line in (told, measured):
            shown = labelled(shown, line, max_size=2 * SIZE)
        yield shown


def once(show: Show) -> Show:
    """The same, painted once for the same options: the defaults are on every sheet."""
    known: dict[str, tuple[np.ndarray, str]] = {}

    def recall(options: StyleOptions) -> tuple[np.ndarray, str]:
        key = repr(options)
        if key not in known:
            known[key] = show(options)
        return known[key]

    return recall


def words(value: Any) -> str:
    """A value as it is written on a sheet; style layers by the numbers of their blocks."""
    if isinstance(value, tuple):
        return ", ".join(str(one).removeprefix("block").removesuffix("_conv1") for one in value) or "none"
    return str(value)


def held(drawings: list[np.ndarray]) -> list[np.ndarray]:
    """A clip in which every fourth drawing is shown for two frames, the second time as compression might leave it."""
    noise = np.random.default_rng(0)
    for i in range(4, len(drawings), 4):
        again = drawings[i - 1] + noise.normal(0.0, 0.7, drawings[i].shape)
        drawings[i] = np.clip(np.rint(again), 0, 255).astype(np.uint8)
    return drawings


class PictureBench:
    """One frame of the demo's clip, painted with some settings."""

    def __init__(self, model: object) -> None:
        self.model, self.style = model, demo_style()
        self.content = next(iter(demo_clip(1, shape=(2 * SIZE * 9 // 16, 2 * SIZE))))
        self.small = pixels.resize(self.content, pixels.fit(self.content.shape[:2], SIZE)) / np.float32(255)
        self.judge = metrics.FeatureJudge(self.style, self.small, model)

    def show(self, options: StyleOptions) -> tuple[np.ndarray, str]:
        evaluations: list[int] = []
        how = {"model": self.model, "on_step": lambda iterate: evaluations.append(iterate.step)}
        painted = stylize_image(self.content, self.style, options=options, **how)
        seen, wanted = map(self.judge.features, (pixels.resize(painted, self.small.shape[:2]) / 255, self.small))
        style, content = self.judge.style_distance(seen), self.judge.content_similarity(seen, wanted)
        return painted, f"style {style:.3f}, content {content:.2f}, {len(evaluations)}"


class ClipBench:
    """The first frames of the demo's clip, painted with some settings."""

    def __init__(self, model: object, frames: int) -> None:
        self.model, self.style = model, demo_style()
        self.frames = held(list(demo_clip(frames, shape=(SIZE * 9 // 16, SIZE))))
        self.judge = metrics.FeatureJudge(self.style, self.frames[0] / np.float32(255), model)
        self.flow = remembered(named_flow("builtin"))

    def show(self, options: StyleOptions) -> tuple[np.ndarray, str]:
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder, "painted")
            run(out, self.frames, self.style, options, self.model, both_ways(None, options.flow_quality))
            cost = json.loads((out / "run.json").read_text())
            painted = [read_image(path) for path in sorted(out.glob("*.png"))]
        error = metrics.warping_error(painted, self.frames, flow=self.flow)
        style = self.judge.style_distance(self.judge.features(painted[-1] / np.float32(255)))
        over_time = np.repeat([frame[frame.shape[0] // 2] for frame in painted], 4, axis=0)
        measured = f"warping {error:.5f}, style {style:.3f}, {cost['steps'] / len(painted):.1f}"
        return np.concatenate([painted[-1], over_time]), measured


if __name__ == "__main__":
    main()
