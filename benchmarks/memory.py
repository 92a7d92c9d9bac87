"""Peak memory of painting clips: it must not grow with their length, and what it takes at each size.

    python benchmarks/memory.py --weights VGG19.weights.h5 --frames 24 240
    python benchmarks/memory.py --weights VGG19.weights.h5 --frames 4 --sizes 256 512 1024 2048 --steps 12

Each clip, 16:9, is made in one process and painted in another, end to end from file to file. Beside the peak stands
what `styletransfer` foretells (`video/space.py`).
"""

import argparse
import pathlib
import resource
import subprocess
import sys
import tempfile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--frames", type=int, nargs="+", default=[24, 240])
    parser.add_argument("--sizes", type=int, nargs="+", default=[256], help="longer sides in pixels")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--precision", default="auto")
    parser.add_argument(
        "--settings", nargs="*", default=[], metavar="NAME=NUMBER", help="other options, such as passes=2"
    )
    parser.add_argument("--child", nargs=2, metavar=("DO", "CLIP"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        what, clip = arguments.child
        print({"make": make, "paint": paint}[what](pathlib.Path(clip), arguments))
        return
    print("| size | frames | peak memory, MiB | foretold, MiB |\n|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for size in arguments.sizes:
            for count in arguments.frames:
                clip = pathlib.Path(folder, f"{size}_{count}.mp4")
                child("make", clip, size, count, arguments)
                peak = child("paint", clip, size, count, arguments)
                print(f"| {size}x{size * 9 // 16} | {count} | {peak} |", flush=True)


def child(what: str, clip: pathlib.Path, size: int, count: int, arguments: argparse.Namespace) -> str:
    """A process that makes or paints a clip; what it printed."""
    command = [sys.executable, __file__, "--child", what, clip, "--sizes", str(size), "--frames", str(count)]
    command += ["--weights", arguments.weights, "--steps", str(arguments.steps), "--precision", arguments.precision]
    command += ["--settings", *arguments.settings]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def make(clip: pathlib.Path, arguments: argparse.Namespace) -> str:
    from styletransfer import write_video
    from styletransfer.app.artwork import demo_clip

    shape = arguments.sizes[0] * 9 // 16, arguments.sizes[0]
    return str(write_video(clip, demo_clip(arguments.frames[0], shape=shape), fps=12))


def paint(clip: pathlib.Path, arguments: argparse.Namespace) -> str:
    """The largest resident set of this process, and what is foretold of it, as cells of a table."""
    from styletransfer import StyleOptions, stylize_video
    from styletransfer.app.artwork import demo_style
    from styletransfer.video.space import memory_needed

    options = StyleOptions(
        weights=arguments.weights, steps=arguments.steps, precision=arguments.precision, max_size=None
    )
    options = options.replace(**{name: int(value) for name, value in (one.split("=") for one in arguments.settings)})
    stylize_video(clip, demo_style(), clip.with_name("painted.mp4"), options=options, progress=False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    shape = arguments.sizes[0] * 9 // 16, arguments.sizes[0]
    return f"{peak:.0f} | {memory_needed(shape, options) / 2**20:.0f}"


if __name__ == "__main__":
    main()
