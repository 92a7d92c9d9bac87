"""Memory, time and seams of a large picture painted in tiles, against the same picture painted whole.

    python benchmarks/tiles.py --weights VGG19.weights.h5 --size 3840x2160 --max-tiles 2048
    python benchmarks/tiles.py --weights VGG19.weights.h5 --size 1280x720 --max-tiles none 512 --precision float32

Each paints a picture of the demo in a process of its own. The difference is to the first of them: the mean of all
pixels, in grey levels, and the largest mean of a row or column, which a seam would stand out in.
"""

import argparse
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--size", default="3840x2160")
    parser.add_argument("--steps", default="2")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--max-tiles", nargs="+", default=["2048"])
    parser.add_argument("--child", type=pathlib.Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(*paint(arguments))
        return
    print(f"{arguments.size}, {arguments.steps} evaluations, {arguments.precision}\n")
    print("| max_tile | peak memory, GiB | s per evaluation | difference | largest of a row or column |")
    print("|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        pictures = []
        for tile in arguments.max_tiles:
            file = pathlib.Path(folder, f"{tile}.npy")
            command = [sys.executable, __file__, "--child", file, "--max-tiles", tile, "--weights", arguments.weights]
            command += ["--size", arguments.size, "--steps", arguments.steps, "--precision", arguments.precision]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            memory, seconds = map(float, done.stdout.split())
            pictures.append(np.load(file).astype(np.float32))
            apart = np.abs(pictures[-1] - pictures[0]).mean(axis=-1)
            worst = max(apart.mean(axis=0).max(), apart.mean(axis=1).max())
            print(f"| {tile} | {memory:.1f} | {seconds:.1f} | {apart.mean():.3f} | {worst:.3f} |", flush=True)


def paint(arguments: argparse.Namespace) -> tuple[float, float]:
    """Paint in this process; its largest resident set in GiB, and the seconds of the later evaluations."""
    from styletransfer import pixels, stylize_image
    from styletransfer.app.artwork import demo_clip, demo_style

    width, height = map(int, arguments.size.split("x"))
    content = pixels.resize(next(demo_clip(2)), (height, width))
    tile = arguments.max_tiles[0]
    times: list[float] = []
    painted = stylize_image(
        content,
        demo_style(),
        max_size=None,
        max_tile=None if tile == "none" else int(tile),
        weights=arguments.weights,
        precision=arguments.precision,
        steps=int(arguments.steps),
        tolerance=0.0,
        on_step=lambda iterate: times.append(time.perf_counter()),
    )
    np.save(arguments.child, painted)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return memory, (times[-1] - times[0]) / max(1, len(times) - 1)


if __name__ == "__main__":
    main()
