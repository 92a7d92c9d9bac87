"""Accuracy and seconds of the optical flow, against ground truth: ours in each quality, and what others use.

    STYLETRANSFER_DATA=folder python benchmarks/flow_accuracy.py [fast balanced best dis deepflow tvl1] [--light 0.9]

`deepflow` is OpenCV's (`opencv-contrib-python-headless`, in place of `opencv-python-headless`), `tvl1` that of
`scikit-image`; only the first four are run when none is named.

The folder holds `flow/<pair>/frame1.png frame2.png flow.flo`, and for Sintel `occ.png` (255 = not visible in
the second frame) and `invalid.png`. The pairs are grouped by the first word of their name, Sintel also by its
mean motion. Both directions are estimated, and the first is measured. Errors are mean end-point errors in
pixels. Seconds are the median of a few runs after the first, at 416x240; compiling is the first run less that. With
`--light` the second frame is darker, as in a fade, and the truth is the same.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import imageio.v3 as iio
import numpy as np

from styletransfer.motion.fields import read_flow
from styletransfer.motion.flow import QUALITIES, named_flow, there_and_back
from styletransfer.motion.occlusion import disocclusion, leaves_frame
from styletransfer.pixels import resize

UNKNOWN = 1e9
SMALL = (240, 416)


class Pair(NamedTuple):
    """Two frames and the flow between them."""

    group: str
    first: np.ndarray
    second: np.ndarray
    truth: np.ndarray  # (H, W, 2)
    known: np.ndarray  # (H, W) bool
    hidden: np.ndarray | None  # (H, W) bool


class Row(NamedTuple):
    """What one estimator did on one pair."""

    error: float
    visible: float  # the error of the pixels that the second frame shows
    occlusion: float  # F1 of the forward-backward check, NaN without ground truth


def load(folder: Path) -> Pair:
    """One pair of the data."""
    truth = read_flow(folder / "flow.flo")
    known = (np.abs(truth) < UNKNOWN).all(-1)
    if (folder / "invalid.png").exists():
        known &= iio.imread(folder / "invalid.png") == 0
    hidden = iio.imread(folder / "occ.png") > 0 if (folder / "occ.png").exists() else None
    first, second = iio.imread(folder / "frame1.png"), iio.imread(folder / "frame2.png")
    group = folder.name.split("_")[0]
    if group == "sintel":
        motion = np.linalg.norm(truth, axis=-1)[known].mean()
        group += " < 5 px" if motion < 5 else " 5-30 px" if motion < 30 else " > 30 px"
    return Pair(group, first, second, truth, known, hidden)


def seconds(function: Callable[[], Any], repeats: int = 9) -> tuple[float, float]:
    """Of the first run, and the median of the next."""
    times = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return times[0], float(np.median(times[1:]))


def f1(found: np.ndarray, true: np.ndarray) -> float:
    """Harmonic mean of precision and recall."""
    return 2 * float((found & true).sum()) / max(1, int(found.sum() + true.sum()))


def measure(name: str, pair: Pair) -> Row:
    """An estimator on a pair."""
    _, both_ways = estimator(name)
    there, back = both_ways(pair.first, pair.second)
    error = np.linalg.norm(np.where(pair.known[..., None], there - pair.truth, 0), axis=-1)
    if pair.hidden is None:
        whole = float(error[pair.known].mean())
        return Row(whole, whole, float("nan"))
    true = (pair.hidden | leaves_frame(pair.truth))[pair.known]
    occluded = (disocclusion(there, back) | leaves_frame(there))[pair.known]
    visible = pair.known & ~pair.hidden
    return Row(float(error[pair.known].mean()), float(error[visible].mean()), f1(occluded, true))


def deepflow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Weinzaepfel et al. 2013, without its matching, which is OpenCV's version."""
    import cv2

    grey = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (first, second)]
    return cv2.optflow.createOptFlow_DeepFlow().calc(*grey, None)


def tvl1(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Zach et al. 2007."""
    from skimage.color import rgb2gray
    from skimage.registration import optical_flow_tvl1

    down, across = optical_flow_tvl1(rgb2gray(first), rgb2gray(second))
    return np.stack([across, down], axis=-1)


OTHERS = {"deepflow": deepflow, "tvl1": tvl1}


def estimator(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The functions for one direction and for both."""
    builtin = name in QUALITIES
    one_way = OTHERS.get(name) or (named_flow("builtin", quality=name) if builtin else named_flow(name))
    return one_way, there_and_back(one_way)


def in_light(pair: Pair, gain: float) -> Pair:
    """A pair whose second frame has another light, in whole grey levels."""
    return pair._replace(second=np.rint(gain * pair.second).clip(0, 255).astype(np.uint8))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[*QUALITIES, "dis"], help="estimators to measure")
    parser.add_argument("--light", type=float, default=1.0, help="gain of the second frame")
    arguments = parser.parse_args()
    names = arguments.names
    if not os.environ.get("STYLETRANSFER_DATA"):
        sys.exit("set STYLETRANSFER_DATA to the folder that holds flow/<pair>/")
    folders = sorted(file.parent for file in Path(os.environ["STYLETRANSFER_DATA"], "flow").glob("*/flow.flo"))
    pairs = [in_light(load(folder), arguments.light) for folder in folders]
    rows = {name: [measure(name, pair) for pair in pairs] for name in names}
    titles = {
        "error": "mean end-point error, px",
        "visible": "of visible pixels, px",
        "occlusion": "occlusion F1",
    }
    for field, title in titles.items():
        print(f"\n| {title} | " + " | ".join(names) + " |\n|---|" + "---:|" * len(names))
        for group in dict.fromkeys(pair.group for pair in pairs):
            members = [k for k, pair in enumerate(pairs) if pair.group == group]
            means = [np.mean([getattr(rows[name][k], field) for k in members]) for name in names]
            if not np.isnan(means[0]):
                print(f"| {group} ({len(members)}) | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")
    print("\n| at 416x240, seconds | one direction | both | compiling |\n|---|---:|---:|---:|")
    first, second = (resize(picture, SMALL) for picture in (pairs[0].first, pairs[0].second))
    for name in names:
        one_way, both_ways = estimator(name)
        repeats = 3 if name in OTHERS else 9
        start, single = seconds(lambda: one_way(first, second), repeats)  # noqa: B023 - runs at once
        _, double = seconds(lambda: both_ways(first, second), repeats)  # noqa: B023
        print(f"| {name} | {single:.3f} | {double:.3f} | {max(0.0, start - single):.1f} |")


if __name__ == "__main__":
    main()
