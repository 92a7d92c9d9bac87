"""The command line: `styletransfer image`, `video`, `flow`, `evaluate`, `demo` and `gui`.

What can be refused is refused before TensorFlow is imported, so that a typing error is answered at once. Exit
status: 0 done, 1 the job failed, 2 the call was wrong, 130 stopped with Ctrl-C.
"""

import argparse
import importlib.metadata
import importlib.util
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from tqdm import tqdm

from .. import __version__, pixels
from ..options import VIDEO_ONLY, StyleOptions
from ..times import check_mix, check_regions
from .arguments import Command, Parser, add_settings, given_settings, numbers, shape
from .terminal import load_tensorflow, log, sentence, speaking

FLOWS = "optical flow: our own (default), OpenCV's DIS, or a folder of files such as forward_1_2.flo"
MOTION_SETTINGS = (
    "max_size",
    "history",
    "flow_quality",
    "mask_softness",
    "mask_boundaries",
    "mask_border",
    "start",
    "end",
    "fps",
)

PLOTS = (".png", ".svg", ".pdf")
EVALUATION_SETTINGS = ("start", "end", "fps", "flow_quality", "weights")

WRONG_CALL = (
    ValueError,
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
"""What the library raises at its door. Anything else is a job that failed."""

EXAMPLES = {
    "": """examples:
  styletransfer demo
  styletransfer image photo.jpg painting.jpg -o painted.png
  styletransfer video clip.mp4 painting.jpg -o painted.mp4
  styletransfer video --help""",
    "image": """examples:
  styletransfer image photo.jpg painting.jpg -o painted.png
  styletransfer image photo.jpg painting.jpg -o painted.png --max-size 1024 --steps 300 --snapshots steps
  styletransfer image photo.jpg painting.jpg -o painted.png --init noise --seed 7 --content-layers block4_conv2
  styletransfer image photo.jpg painting.jpg -o painted.png --preset report --steps 500
  styletransfer image photo.jpg sky.jpg ground.jpg -o painted.png --regions ground_is_white.png
  styletransfer image -o painted.png -- -photo.jpg painting.jpg    (after --, a dash begins a name)""",
    "video": """examples:
  styletransfer video clip.mp4 painting.jpg -o painted.mp4
  styletransfer video clip.mp4 painting.jpg -o painted.mp4 --start 0:01:30 --end 0:01:40 --max-size 640
  styletransfer video clip.mp4 painting.jpg -o painted.webm --start 100 --end 124 --preview
  styletransfer video frames/%04d.png painting.jpg -o painted/ --fps 24
  styletransfer video clip.mp4 painting.jpg -o painted.mp4 --preset report --steps 60
  styletransfer video clip.mp4 day.jpg night.jpg -o painted.mp4 --mix "1,0@0; 0,1@0:00:05"
  styletransfer video clip.mp4 painting.jpg -o painted.mp4 --history 1,10,20,40
  styletransfer video clip.mp4 painting.jpg -o painted.mp4 --passes 4 --steps 120

A job that was stopped is kept in a folder beside OUT, and the same command goes on with it.""",
    "flow": """examples:
  styletransfer flow clip.mp4 -o motion/
  styletransfer flow clip.mp4 -o motion/ --flow-quality best --end 48
  styletransfer video clip.mp4 painting.jpg -o painted.mp4 --flow motion/ --end 48

OUT holds forward_A_B.flo and backward_B_A.flo, which --flow takes again, for every two neighbours and as far back as
--history reaches; the flow in colours, the reliability masks, and difference.mp4: what lights up in it is what the flow
does not explain, and will smear.""",
    "evaluate": """examples:
  styletransfer evaluate clip.mp4 painted.mp4
  styletransfer evaluate clip.mp4 painted.mp4 --style painting.jpg --json measures.json --plot measures.png
  styletransfer evaluate clip.mp4 painted.mp4 --start 0:01:30 --end 0:01:40

The part that was painted is named as it was for `styletransfer video`. docs/metrics.md defines every measure.""",
    "gui": """examples:
  styletransfer gui
  styletransfer gui --preset offline --max-size 256
  styletransfer gui --share                        (in Colab: prints an address that anybody can open)
  styletransfer gui --jobs /media/large/jobs

The settings are those that the page begins with. Finished and stopped clips are kept in the folder of jobs, and are
there again when the page is opened again.""",
    "demo": """examples:
  styletransfer demo
  styletransfer demo -o somewhere --size 416x240 --frames 48
  styletransfer demo --weights hed --steps 30""",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with `argv`, by default the program's own, and return the exit status."""
    with speaking() as voice:
        try:
            arguments = build_parser().parse_args(argv)
            voice.setLevel(logging.WARNING if arguments.quiet else logging.INFO)
            arguments.run(arguments)
        except KeyboardInterrupt as stop:
            log.warning("stopped: %s", stop.args[0] if stop.args else "no result was written")
            return 130
        except Exception as error:
            log.error("%s", sentence(error))
            return 2 if isinstance(error, WRONG_CALL) else 1
    return 0


# ---------------------------------------------------------------- commands


def paint_image(arguments: argparse.Namespace) -> None:
    """`styletransfer image`."""
    from ..video.media import check_not_source, read_image, write_image

    options, target = StyleOptions(**given_settings(arguments)), Path(arguments.output)
    snapshots = _snapshots(arguments, options.steps)
    _check_picture(target)
    for source in _read(arguments, arguments.content):
        check_not_source(source, target)
    content, style = read_image(arguments.content), [read_image(name) for name in arguments.style]
    check_mix(options.mix, len(style))
    regions = read_image(arguments.regions) if arguments.regions else None
    if regions is not None:
        check_regions(options.mix)
    if snapshots:
        Path(arguments.snapshots).mkdir(parents=True, exist_ok=True)
    height, width = pixels.fit(content.shape[:2], options.max_size)
    log.info("%s at %dx%d, weights %s", arguments.content, width, height, options.weights)

    load_tensorflow()
    from ..image import stylize_image

    began = time.monotonic()
    with tqdm(total=options.steps, unit="step", disable=arguments.quiet) as bar:

        def advance(iterate: Any) -> None:
            bar.set_postfix_str(f"loss {iterate.total:.4g}", refresh=False)
            bar.update()

        how: dict[str, Any] = {"regions": regions, "snapshots": snapshots, "on_step": advance}
        painted, kept = stylize_image(content, style, options=options, **how)
    write_image(target, painted)
    log.info("wrote %s, %.1f s", target, time.monotonic() - began)
    if snapshots:
        _write_snapshots(Path(arguments.snapshots), kept, {"content": content, "style": style[0]})


def _snapshots(arguments: argparse.Namespace, steps: int) -> tuple[int, ...]:
    """The iterations to keep: those asked for, or 10, 50, 100, 200, 300, ... as far as the run may go."""
    if arguments.snapshots is None:
        if arguments.snapshot_steps is not None:
            raise ValueError("--snapshot-steps needs --snapshots DIR: say where the pictures go")
        return ()
    usual = tuple(step for step in (10, 50, *range(100, steps + 1, 100)) if step <= steps)
    return arguments.snapshot_steps or usual or (steps,)


def _check_picture(target: Path) -> None:
    """Raise what `write_image` would raise for this name: ask before the work."""
    from ..pictures import PICTURES, check_folder

    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder, expected the name of a picture: name a file in it")
    if target.suffix.lower() not in PICTURES:
        raise ValueError(f"{target} has no known picture suffix: end its name with one of {', '.join(PICTURES)}")
    check_folder(target.parent, target.name)


def _write_snapshots(folder: Path, kept: Mapping[int, pixels.Picture], originals: Mapping[str, pixels.Picture]) -> None:
    from ..video.media import write_image
    from .sheet import contact_sheet

    steps = sorted(kept)
    for step in steps:
        write_image(folder / f"iteration_{step:04d}.png", kept[step])
    sheet = contact_sheet({**originals, **{f"iteration {step}": kept[step] for step in steps}}, columns=4)
    written = write_image(folder / "contact_sheet.png", sheet)
    log.info("wrote snapshots of iteration %s beside %s", ", ".join(map(str, steps)), written)


def paint_video(arguments: argparse.Namespace) -> None:
    """`styletransfer video`."""
    from ..video.media import check_not_source, check_target, read_image, read_video
    from ..video.regions import open_regions

    options, target = StyleOptions(**given_settings(arguments)), Path(arguments.output)
    check_target(arguments.output)
    for source in _read(arguments, arguments.source):
        check_not_source(source, target)
    style = [read_image(name) for name in arguments.style]
    check_mix(options.mix, len(style))
    open_regions(arguments.regions, options)
    video = read_video(
        arguments.source, max_size=options.max_size, start=options.start, end=options.end, fps=options.fps
    )
    height, width = video.shape
    log.info("%s at %dx%d, %d frames, weights %s", arguments.source, width, height, video.length, options.weights)

    load_tensorflow()
    from ..video.job import job_folder, stylize_video

    def finished() -> int:
        return len(list((job_folder(target) / "frames").glob("*.png")))

    began, before = time.monotonic(), finished() if arguments.resume else 0
    try:
        stylize_video(
            arguments.source,
            style,
            arguments.output,
            options=options,
            regions=arguments.regions,
            flow=arguments.flow,
            progress=not arguments.quiet,
            resume=arguments.resume,
            preview=f"{target}.preview.png" if arguments.preview else None,
        )
    except KeyboardInterrupt:
        if not (job_folder(target) / "manifest.json").exists():
            raise
        again = "the same command" if arguments.resume else "the same command without --restart"
        raise KeyboardInterrupt(
            f"{finished()} of {video.length} frames are finished, what is done is kept in {job_folder(target)}, "
            f"{again} goes on from there"
        ) from None
    seconds = time.monotonic() - began
    log.info("wrote %s, %.1f s, %.2f s per frame", target, seconds, seconds / max(1, video.length - before))


def show_motion(arguments: argparse.Namespace) -> None:
    """`styletransfer flow`."""
    from ..pictures import check_folder

    options, target = StyleOptions(**given_settings(arguments)), Path(arguments.output)
    check_folder(target if target.exists() else target.absolute().parent, target.name)
    load_tensorflow()
    from .motion_report import write_motion

    pairs = write_motion(arguments.source, target, options, flow=arguments.flow, progress=not arguments.quiet)
    log.info("wrote the motion between %d pairs of frames to %s", pairs, target)


def evaluate_clip(arguments: argparse.Namespace) -> None:
    """`styletransfer evaluate`."""
    from ..pictures import check_folder, read_image
    from ..video.media import check_not_source, read_video

    options = StyleOptions(**given_settings(arguments))
    outputs = [Path(name) for name in (arguments.json, arguments.plot) if name]
    for target in outputs:
        check_folder(target.absolute().parent, target.name)
        for name in filter(None, (arguments.source, arguments.result, arguments.style)):
            check_not_source(name, target)
    if len(set(outputs)) < len(outputs):
        raise ValueError(f"--json and --plot are both {outputs[0]}: name two files")
    if arguments.plot and Path(arguments.plot).suffix.lower() not in PLOTS:
        raise ValueError(f"--plot {arguments.plot}: expected a name that ends in one of {', '.join(PLOTS)}")
    if arguments.plot and importlib.util.find_spec("matplotlib") is None:
        raise ModuleNotFoundError("--plot needs matplotlib: `pip install 'video-style-transfer[plot]'`")
    style = None if arguments.style is None else read_image(arguments.style)
    result = read_video(arguments.result)
    part: dict[str, Any] = {"start": options.start, "end": options.end, "fps": options.fps}
    source = read_video(arguments.source, max_size=max(*result.shape, 16), **part)

    load_tensorflow()
    from ..metrics import evaluate
    from ..motion.flow import named_flow
    from .evaluation import as_text, like, write_json, write_plot

    flow = named_flow(arguments.flow, quality=options.flow_quality)
    watched = tqdm(result, total=result.length, unit="frame", disable=arguments.quiet)
    found = evaluate(watched, like(source, result.shape), style=style, weights=options.weights, flow=flow)
    print(as_text(found))
    if arguments.json:
        write_json(arguments.json, found)
    if arguments.plot:
        write_plot(arguments.plot, found)
    for target in outputs:
        log.info("wrote %s", target)


def paint_demo(arguments: argparse.Namespace) -> None:
    """`styletransfer demo`."""
    from .demo import run_demo

    settings = given_settings(arguments)
    StyleOptions(**settings)
    load_tensorflow()
    demo = run_demo(
        arguments.output, frames=arguments.frames, shape=arguments.size, progress=not arguments.quiet, **settings
    )
    log.info("painted with the weights %r, %.2f s per frame", demo.weights, demo.seconds_per_frame)
    for path in (demo.clip, demo.style, demo.painted, demo.sheet):
        log.info("wrote %s", path)


def open_page(arguments: argparse.Namespace) -> None:
    """`styletransfer gui`."""
    settings = given_settings(arguments)
    StyleOptions(**settings)
    if not _has_gradio():
        raise ValueError("the page needs gradio 6 or newer: `pip install 'video-style-transfer[gui]'`")
    if not arguments.max_upload > 0:
        raise ValueError(f"--max-upload {arguments.max_upload:g}, expected megabytes above 0")

    from .page.server import page_folder, serve, wait
    from .page.studio import Studio

    if arguments.host not in ("127.0.0.1", "localhost", "::1"):
        log.warning("whoever can reach %s can use this page and this machine's time", arguments.host)
    if arguments.share:
        log.warning("whoever is told the page's public address can use it and this machine's time")
    studio = Studio(Path(arguments.jobs) if arguments.jobs else page_folder(), settings)
    how = {"share": arguments.share, "browser": arguments.browser, "max_upload": arguments.max_upload}
    page, address = serve(studio, host=arguments.host, port=arguments.port, **how)
    log.info("the page is at %s, its clips in %s; Ctrl-C ends it", address, studio.shelf.root)
    studio.start()
    wait(page, studio)


def _has_gradio() -> bool:
    try:
        return int(importlib.metadata.version("gradio").split(".")[0]) >= 6
    except importlib.metadata.PackageNotFoundError:
        return False


# ---------------------------------------------------------------- parser


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = Parser(
        prog="styletransfer",
        description="Repaint pictures and video in the style of a picture.",
        epilog=EXAMPLES[""],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("-q", "--quiet", action="store_true", help="no bar, nothing but warnings and errors")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Command)

    image = _command(commands, "image", "CONTENT STYLE [STYLE ...] -o OUT", paint_image, "Repaint a picture.")
    image.add_argument("content", metavar="CONTENT", help="the picture to repaint")
    _add_style(image, "a picture that says which style goes where")
    image.add_argument("-o", "--output", metavar="OUT", required=True, help="where the result goes: .png, .jpg, ...")
    image.add_argument("--snapshots", metavar="DIR", help="write the picture at some iterations, and a sheet of them")
    usual = "the iterations of the snapshots (default: 10,50,100,200,300,...)"
    image.add_argument("--snapshot-steps", metavar="N,N,...", type=numbers, help=usual)
    add_settings(image, without=VIDEO_ONLY)

    flow: dict[str, Any] = {"metavar": "{builtin,dis,DIR}", "help": FLOWS}
    video = _command(
        commands, "video", "SOURCE STYLE [STYLE ...] -o OUT", paint_video, "Repaint a clip, steadily, with its sound."
    )
    video.add_argument("source", metavar="SOURCE", help="a video, a folder of pictures, or a pattern such as %%04d.png")
    _add_style(video, "a picture or a video that says which style goes where")
    targets = "where the result goes: .mp4, .mov, .mkv, .webm, .gif, or a folder for pictures"
    video.add_argument("-o", "--output", metavar="OUT", required=True, help=targets)
    video.add_argument("--flow", **flow)
    video.add_argument("--preview", action="store_true", help="keep the frame painted last in OUT.preview.png")
    again = "start again, even where a job with this target was stopped"
    video.add_argument("--restart", "--no-resume", dest="resume", action="store_false", help=again)
    add_settings(video)

    motion = _command(commands, "flow", "SOURCE -o DIR", show_motion, "Write a clip's optical flow and masks.")
    motion.add_argument("source", metavar="SOURCE", help="a video, a folder of pictures, or a pattern")
    motion.add_argument("-o", "--output", metavar="DIR", required=True, help="the folder to write to")
    motion.add_argument("--flow", **flow)
    names = [field.name for field in fields(StyleOptions)]
    add_settings(motion, without=[name for name in names if name not in MOTION_SETTINGS])

    words = "How steady, how painted, and how like its source a painted clip is."
    judged = _command(commands, "evaluate", "SOURCE RESULT [--style STYLE]", evaluate_clip, words)
    judged.add_argument("source", metavar="SOURCE", help="the clip that was painted")
    judged.add_argument("result", metavar="RESULT", help="the painted clip")
    judged.add_argument("--style", metavar="STYLE", help="the style picture: how much of it there is, and the score")
    judged.add_argument("--json", metavar="FILE", help="write every measure of every frame to a file")
    judged.add_argument("--plot", metavar="FILE", help="draw them over the frames, as .png, .svg or .pdf")
    judge = "the optical flow that judges: our own (default), or OpenCV's DIS"
    judged.add_argument("--flow", choices=("builtin", "dis"), default="builtin", help=judge)
    add_settings(judged, without=[name for name in names if name not in EVALUATION_SETTINGS])

    demo = _command(commands, "demo", "[-o DIR]", paint_demo, "Paint a short clip of our own: needs no file.")
    demo.add_argument("-o", "--output", metavar="DIR", default="styletransfer-demo", help="(default: %(default)s)")
    demo.add_argument("--frames", metavar="N", type=int, default=24, help="length of the clip (default: %(default)s)")
    demo.add_argument("--size", metavar="WxH", type=shape, default=(144, 256), help="its size (default: 256x144)")
    add_settings(demo)

    page = _command(commands, "gui", "", open_page, "Open a page in the browser: choose, paint, watch.")
    here = "the address to serve on; any but this machine's own lets others in (default: %(default)s)"
    page.add_argument("--host", metavar="ADDRESS", default="127.0.0.1", help=here)
    page.add_argument("--port", metavar="N", type=int, help="(default: the first free one from 7860 on)")
    page.add_argument("--share", action="store_true", help="make a public address, for Colab")
    page.add_argument("--jobs", metavar="FOLDER", help="where clips are kept (default: a folder of this user's own)")
    largest = "largest file that may be brought, in megabytes (default: %(default)s)"
    page.add_argument("--max-upload", metavar="N", type=float, default=500, help=largest)
    page.add_argument("--no-browser", dest="browser", action="store_false", help="print the address and open nothing")
    add_settings(page)
    return parser


def _add_style(command: Command, regions: str) -> None:
    several = "the picture in whose style; of several each has a weight (--mix) or a region (--regions)"
    command.add_argument("style", metavar="STYLE", nargs="+", help=several)
    where = "; one style: where it is white; two: black the first, white the second; three: red, green, blue"
    command.add_argument("--regions", metavar="MASK", help=regions + where)


def _read(arguments: argparse.Namespace, first: str) -> list[str]:
    """The files that a command reads."""
    return [first, *arguments.style, *([arguments.regions] if arguments.regions else [])]


def _command(commands: Any, name: str, words: str, run: Callable[[argparse.Namespace], None], summary: str) -> Command:
    command: Command = commands.add_parser(
        name,
        usage=f"styletransfer {name} {words} [options]",
        help=summary[0].lower() + summary[1:-1],
        description=summary,
        epilog=EXAMPLES[name],
    )
    command.set_defaults(run=run)
    command.add_argument("-q", "--quiet", action="store_true", default=argparse.SUPPRESS, help="no bar, only warnings")
    return command
