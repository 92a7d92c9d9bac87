"""A whole clip as a job: file in, file out, stopped and taken up again without losing a frame.

While it runs, a job lives in a folder beside its target, `OUT.mp4.job/`:

    manifest.json    what is painted with what: a job is only taken up with the same arguments
    frames/          the finished frames, 000001.png and on
    state/           000001.npz and on: float32 results, of the last frames or key frames, from which the next one
                     starts, or, with several passes, of all frames; opening.npz: the frame that the scene began with

Every file is written under another name and renamed when complete. The folder is removed when the target
is there.
"""

import hashlib
import itertools
import json
import logging
import os
import pathlib
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from .. import __version__
from ..image import shown
from ..options import StyleOptions, resolve
from ..pictures import Frame, read_image, replacing, write_image
from ..pixels import to_outside
from ..solver import Iterate
from ..styles import StyleLike, in_frames
from .carry import FlowLike, Painted, both_ways
from .keyframes import painter_of
from .media import PICTURE_RATE, check_not_source, check_target, read_video, write_video
from .passes import paint_passes
from .playback import painted_clip, preview_of
from .regions import RegionsLike, check_length, open_regions

log = logging.getLogger(__name__)

FINGERPRINT_BYTES = 1 << 20
OPENING = "opening.npz"


Masks = Iterable[npt.ArrayLike] | None


class Clip(NamedTuple):
    """What a job reads, whether it comes from a file or from arrays."""

    frames: Iterable[npt.ArrayLike]
    fps: float
    length: int | None
    sound: dict[str, Any]  # for write_video: where the sound comes from


class Progress(NamedTuple):
    """Where a job is, told after every frame."""

    done: int  # frames so far, those of an earlier run included; with several passes each counts once a pass
    total: int | None  # frames in all
    place: int  # of this frame in the clip, from 0
    source: Frame  # (H, W, 3)
    painted: Frame  # (H, W, 3)


def stylize_video(
    source: str | os.PathLike[str] | Sequence[npt.ArrayLike],
    style: StyleLike,
    target: str | os.PathLike[str],
    *,
    regions: RegionsLike = None,
    options: StyleOptions | None = None,
    model: keras.Model | None = None,
    flow: FlowLike = None,
    progress: bool = True,
    resume: bool = True,
    preview: str | os.PathLike[str] | bool | None = None,
    on_step: Callable[[Iterate], None] | None = None,
    on_frame: Callable[[Progress], None] | None = None,
    **settings: Any,
) -> pathlib.Path:
    """Repaint a clip in the style of a picture, with its sound, frame rate and length.

    Parameters
    ----------
    source
        A video file, a folder of pictures, a pattern such as `frame%04d.png`, or a sequence of `(H, W, 3)`
        arrays (whose rate is the option `fps`, 25 by default).
    style
        A picture file or array, or a list of several, see the option `mix`.
    target
        `.mp4`, `.mov`, `.mkv`, `.webm`, `.gif`, or a folder for PNGs. It appears when the clip is complete.
    regions
        As for `stylize_frames`; an iterable must be one that can be gone through again, such as a list.
    options, settings
        `StyleOptions`, and fields of it by keyword that override it.
    model
        What `load_model` returned; without it the options' `weights` are loaded.
    flow
        As for `stylize_frames`.
    progress
        Show a bar with the time left.
    resume
        Take up a job on this target that was stopped; False starts again.
    preview
        A picture file that always holds the frame painted last. In a notebook, without such a name, the frame is shown
        beside its original while there is a bar: True shows it without one too, False never.
    on_step
        Called with an `Iterate` after every evaluation.
    on_frame
        Called with a `Progress` after every frame, which is then safe: an exception raised there, or in `on_step`,
        stops the job, and the same call goes on from there.

    Returns
    -------
    pathlib.Path
        The target. A notebook displays it as the clip, beside its original.

    Raises
    ------
    FileNotFoundError, PermissionError, ValueError
        For anything wrong with the arguments, before work begins.
    KeyboardInterrupt
        After Ctrl-C; the finished frames are kept, and the same call goes on from there.
    """
    options = resolve(options, settings)
    both = both_ways(flow, options.flow_quality)
    show = preview_of(preview, progress)
    check_target(target)
    target = pathlib.Path(target)
    clip = _open_clip(source, target, options)
    options = in_frames(options, clip.fps)
    if isinstance(regions, Iterator):
        raise TypeError("regions can be gone through once, and a stopped job needs them again: pass a list of masks")
    masks = open_regions(regions, options)
    check_length(masks, clip.length)
    folder = job_folder(target)
    manifest = _manifest(source, style, options, flow, regions)
    if not (resume and _is_unfinished(folder, manifest)):
        shutil.rmtree(folder, ignore_errors=True)
    visits = clip.length and clip.length * options.passes
    with tqdm(total=visits, unit="frame", disable=not progress, smoothing=0.1) as bar:
        paint_job = _in_passes if options.passes > 1 else _in_order
        how = {"model": model, "flow": both, "on_step": _told(bar, on_step)}
        painting = paint_job(clip, style, masks, options, folder, bar, **how)
        for count, painted in enumerate(painting, 1):
            if not (folder / "manifest.json").exists():  # not earlier: a job that fails at the door leaves no folder
                _write_manifest(folder, manifest)
            bar.update()
            if show is None and on_frame is None:
                continue
            done = count if options.passes > 1 else painted.place + 1  # passes that were done are gone through again
            picture = shown(painted.result, painted.source, options)
            told = Progress(done, visits, painted.place, to_outside(painted.source), picture)
            if show is not None:
                show(told.source, told.painted)
            if on_frame is not None:
                on_frame(told)
    write_video(target, _finished(folder), fps=clip.fps, **clip.sound)
    shutil.rmtree(folder)
    return painted_clip(target, clip.fps, source, start=options.start, end=options.end, rate=options.fps)


def job_folder(target: str | os.PathLike[str]) -> pathlib.Path:
    """Where an unfinished job on `target` keeps its frames."""
    target = pathlib.Path(target)
    return target.with_name(target.name + ".job")


def write_finished(
    source: str | os.PathLike[str] | Sequence[npt.ArrayLike],
    target: str | os.PathLike[str],
    part: str | os.PathLike[str],
    *,
    options: StyleOptions | None = None,
    **settings: Any,
) -> pathlib.Path:
    """Write what an unfinished job on `target` has finished, with its sound, to the clip `part`.

    The job is left as it is, to be taken up later. `source`, `options` and `settings` are those of the job.

    Raises
    ------
    ValueError
        If the job has not finished its first frame.
    """
    options = resolve(options, settings)
    clip = _open_clip(source, pathlib.Path(part), options)
    folder = job_folder(target)
    count = sum(1 for _ in _finished_files(folder))
    if not count:
        raise ValueError(f"{folder} holds no finished frame: go on with the job first")
    sound = clip.sound | {"sound_duration": count / clip.fps} if clip.sound else {}
    write_video(part, _finished(folder), fps=clip.fps, **sound)
    return painted_clip(part, clip.fps, source, start=options.start, end=options.end, rate=options.fps)


def _open_clip(source: Any, target: pathlib.Path, options: StyleOptions) -> Clip:
    if isinstance(source, str | os.PathLike):
        check_not_source(source, target)
        video = read_video(source, max_size=options.max_size, start=options.start, end=options.end, fps=options.fps)
        return Clip(video, video.fps, video.length, video.sound_settings)
    if options.start is not None or options.end is not None:
        raise ValueError("start and end select from a file, and source is a sequence of arrays: pass a slice of it")
    if not len(source):
        raise ValueError("source has no frames: expected at least one")
    return Clip(source, options.fps or PICTURE_RATE, len(source), {})


def _told(bar: Any, on_step: Callable[[Iterate], None] | None) -> Callable[[Iterate], None]:
    """`on_step`, which also shows the evaluation in the bar: a first frame can take minutes."""

    def tell(iterate: Iterate) -> None:
        bar.set_postfix_str(f"step {iterate.step}, loss {iterate.total:.3g}")
        if on_step is not None:
            on_step(iterate)

    return tell


def _in_order(
    clip: Clip, style: StyleLike, regions: Masks, options: StyleOptions, folder: pathlib.Path, bar: Any, **how: Any
) -> Iterator[Painted]:
    """The frames that are still to be painted, each kept before it is yielded."""
    done, earlier = _state(folder)
    paint_from = painter_of(options)
    bar.update(done)
    frames = iter(clip.frames)
    first = next(frames) if done else None
    rest = itertools.islice(frames, done - 1, None) if done else frames
    how |= {"regions": regions and itertools.islice(regions, done, None), "earlier": earlier, "first": first}
    for number, painted in enumerate(paint_from(rest, style, options, **how), done + 1):
        _keep(folder, number, painted, options)
        yield painted


def _in_passes(
    clip: Clip, style: StyleLike, regions: Masks, options: StyleOptions, folder: pathlib.Path, bar: Any, **how: Any
) -> Iterator[Painted]:
    """Every frame of every pass, kept as a picture when the last pass is through with it."""
    for visit in paint_passes(clip.frames, style, options, folder / "state", regions=regions, **how):
        if visit.passes == options.passes:
            _write_frame(folder, visit.place + 1, visit.painted, options)
        yield visit.painted


# ---------------------------------------------------------------- the folder


def _write_manifest(folder: pathlib.Path, manifest: dict[str, Any]) -> None:
    with replacing(folder / "manifest.json") as part:
        part.write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _write_frame(folder: pathlib.Path, number: int, painted: Painted, options: StyleOptions) -> None:
    (folder / "frames").mkdir(parents=True, exist_ok=True)
    write_image(_frame_file(folder, number), shown(painted.result, painted.source, options))


def _keep(folder: pathlib.Path, number: int, painted: Painted, options: StyleOptions) -> None:
    """A finished frame, then the state: a job killed between the two paints that frame again, alike.

    Frames between key frames leave no state: they are made again, alike, from the key frame before them. Of others
    those are kept that the next frame may look back to: the last ones, as the `history` reaches, and one before them.
    """
    _write_frame(folder, number, painted, options)
    if not painted.key:
        return
    (folder / "state").mkdir(exist_ok=True)
    names = (OPENING, _state_file(folder, number).name) if painted.opens else (_state_file(folder, number).name,)
    for name in names:
        with replacing(folder / "state" / name) as part:
            np.savez(part, **painted._asdict())
    reach = number + 1 - max(options.history)
    for old in [n for n in _state_numbers(folder) if n <= reach][:-1]:
        _state_file(folder, old).unlink()


def _frame_file(folder: pathlib.Path, number: int) -> pathlib.Path:
    return folder / "frames" / f"{number:06d}.png"


def _state_file(folder: pathlib.Path, number: int) -> pathlib.Path:
    return folder / "state" / f"{number:06d}.npz"


def _finished(folder: pathlib.Path) -> Iterator[Frame]:
    return map(read_image, _finished_files(folder))


def _finished_files(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    files = (_frame_file(folder, number) for number in itertools.count(1))
    return itertools.takewhile(pathlib.Path.exists, files)


def _is_unfinished(folder: pathlib.Path, manifest: dict[str, Any]) -> bool:
    """Whether `folder` holds a job that can be taken up.

    Raises
    ------
    ValueError
        If it is one with other arguments.
    """
    try:
        earlier = json.loads((folder / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return False
    differing = _differences(earlier, manifest)
    if differing:
        raise ValueError(
            f"{folder} holds an unfinished job with other arguments ({differing}): call it with those to finish it, "
            "or with resume=False (--no-resume) to start again"
        )
    return True


def _state_numbers(folder: pathlib.Path) -> list[int]:
    """The numbers of the frames whose float32 results are kept, rising."""
    return sorted(int(file.stem) for file in (folder / "state").glob("[0-9]*.npz"))


def _state(folder: pathlib.Path) -> tuple[int, list[Painted]]:
    """How many frames need not be made again, and, of these, those that are kept; (0, []) for none."""
    numbers = _state_numbers(folder)
    if not numbers:
        return 0, []
    done = numbers[-1]
    try:
        kept = (folder / "state" / OPENING, *(_state_file(folder, number) for number in numbers))
        frames = {frame.place: frame for frame in map(_load, kept)}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        log.warning("the state in %s is damaged: painting from the first frame again", folder)
        return 0, []
    log.info("going on after frame %d of the job in %s", done, folder)
    return done, [frames[place] for place in sorted(frames) if place < done]


def _load(path: pathlib.Path) -> Painted:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as state:
        return Painted(**{name: state[name][()] for name in Painted._fields})


def _differences(earlier: Any, now: dict[str, Any]) -> str:
    if not isinstance(earlier, dict):
        return "its manifest is not readable"
    old, new = ({**m, **m.get("options", {})} for m in (earlier, now))
    names = [name for name in new if name != "options" and old.get(name) != new[name]]
    return ", ".join(f"{name}: {old.get(name)!r}, now {new[name]!r}" for name in names)


def _manifest(
    source: Any, style: StyleLike, options: StyleOptions, flow: FlowLike, regions: RegionsLike
) -> dict[str, Any]:
    """What decides how the frames look, as JSON would give it back."""
    settings = options.asdict() | {"init": _fingerprint(options.init)}
    name = getattr(flow, "__qualname__", None) or (_fingerprint(flow) if flow else "builtin")
    manifest = {
        "version": __version__,
        "source": _fingerprint(source),
        "style": _fingerprint(style),
        "flow": str(name),
        "regions": None if regions is None else _fingerprint(regions),
        "options": settings,
    }
    return dict(json.loads(json.dumps(manifest)))


def _fingerprint(data: Any) -> str:
    """A short text that tells one file, folder or array from another."""
    digest = hashlib.sha256()
    if not isinstance(data, str | os.PathLike):
        for item in data if isinstance(data, list | tuple) else [data]:
            if isinstance(item, str | os.PathLike):
                digest.update(_fingerprint(item).encode())
            else:
                digest.update(repr(np.shape(item)).encode() + np.ascontiguousarray(item).tobytes())
        return digest.hexdigest()[:16]
    path = pathlib.Path(data)
    if path.is_dir():
        digest.update("\n".join(f"{p.name} {p.stat().st_size}" for p in sorted(path.iterdir())).encode())
    elif path.is_file():
        size = path.stat().st_size
        with path.open("rb") as file:
            digest.update(file.read(FINGERPRINT_BYTES))
            file.seek(max(0, size - FINGERPRINT_BYTES))
            digest.update(file.read(FINGERPRINT_BYTES))
        digest.update(str(size).encode())
    else:
        return str(data)
    return f"{path.name} {digest.hexdigest()[:16]}"
