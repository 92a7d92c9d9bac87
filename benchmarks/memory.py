"""Peak memory of painting a short and a long clip: it must not grow with the length.

    python benchmarks/memory.py --weights VGG19.weights.h5 --frames 24 240

Each length runs in a process of its own, end to end from file to file, on the demo's clip.
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
    parser.add_argument("--size", type=int, default=144, help="height of the clip")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(peak(arguments))
        return
    print("| frames | peak memory, MiB |\n|---:|---:|")
    for count in arguments.frames:
        command = [sys.executable, __file__, "--child", "--frames", str(count), "--weights", arguments.weights]
        command += ["--size", str(arguments.size), "--steps", str(arguments.steps)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        print(f"| {count} | {done.stdout.strip()} |", flush=True)


def peak(arguments: argparse.Namespace) -> int:
    """Paint in this process; its largest resident set in MiB."""
    from styletransfer import stylize_video, write_video
    from styletransfer.app.artwork import demo_clip, demo_style

    shape = arguments.size, arguments.size * 16 // 9
    with tempfile.TemporaryDirectory() as folder:
        clip = write_video(pathlib.Path(folder, "clip.mp4"), demo_clip(arguments.frames[0], shape=shape), fps=12)
        stylize_video(
            clip,
            demo_style(),
            pathlib.Path(folder, "painted.mp4"),
            weights=arguments.weights,
            steps=arguments.steps,
            progress=False,
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
