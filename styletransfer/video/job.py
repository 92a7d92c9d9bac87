"""A whole clip as a job: file in, file out, stopped and taken up again without losing a frame.

While it runs, a job lives in a folder beside its target, see `folder`, which is removed when the target is there.
"""

import hashlib
import itertools
import json
import logging
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from .. import __version__
from ..image import load_picture, shown
from ..options import StyleOptions, resolve
from ..pictures import Frame
from ..pixels import to_outside
from ..solver import Iterate
from ..styles import StyleLike, count_styles, in_frames
from ..times import check_mix
from . import space
from .carry import FlowLike, Painted, both_ways
from .dissolve import visible
from .folder import JobFolder
from .keyframes import painter_of
from .media import PICTURE_RATE, check_not_source, check_target, read_video, video_suffix, write_video
from .passes import paint_passes
from .playback import painted_clip, preview_of
from .regions import RegionsLike, check_length, open_regions

log = logging.getLogger(__name__)

FINGERPRINT_BYTES = 1 << 20

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
    check_mix(options.mix, count_styles(style))
    both = both_ways(flow, options.flow_quality)
    show = preview_of(preview, progress)
    check_target(target)
    suffix, target = video_suffix(target), pathlib.Path(target)
    clip = _open_clip(source, target, options)
    options = in_frames(options, clip.fps)
    if isinstance(regions, Iterator):
        raise TypeError("regions can be gone through once, and a stopped job needs them again: pass a list of masks")
    masks = open_regions(regions, options)
    check_length(masks, clip.length)
    folder = JobFolder(target)
    manifest = _manifest(source, style, options, flow, regions)
    how = {"model": model, "flow": both}
    with folder.held():
        if not (resume and folder.is_of(manifest)):
            folder.clear()
        _tell_space(clip, options, folder.path, 0 if masks is None else count_styles(style) + 1, bool(suffix))
        count = 0
        for told in _painted(clip, style, masks, options, folder, manifest, progress, on_step, how):
            count = max(count, told.place + 1)
            if show is not None:
                show(told.source, told.painted)
            if on_frame is not None:
                on_frame(told)
        count = count or min(folder.finished(), clip.length or 0)  # all were finished before
        folder.complete(suffix, lambda path: write_video(path, folder.pictures(count), fps=clip.fps, **clip.sound))
    return painted_clip(target, clip.fps, source, start=options.start, end=options.end, rate=options.fps)


def job_folder(target: str | os.PathLike[str]) -> pathlib.Path:
    """Where an unfinished job on `target` keeps its frames."""
    return JobFolder(target).path


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
    folder = JobFolder(target)
    count = folder.finished()
    if not count:
        raise ValueError(f"{folder.path} holds no finished frame: go on with the job first")
    sound = clip.sound | {"sound_duration": count / clip.fps} if clip.sound else {}
    write_video(part, folder.pictures(count), fps=clip.fps, **sound)
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


def _painted(
    clip: Clip,
    style: StyleLike,
    regions: Masks,
    options: StyleOptions,
    folder: JobFolder,
    manifest: dict[str, Any],
    progress: bool,
    on_step: Callable[[Iterate], None] | None,
    how: dict[str, Any],
) -> Iterator[Progress]:
    """The frames that are still to be painted, with a bar, each told when it is kept."""
    total = clip.length and clip.length * options.passes
    with tqdm(total=total, unit="frame", disable=not progress, smoothing=0.1) as bar:
        how |= {"on_step": _told(bar, on_step)}
        if options.passes > 1:
            visits = paint_passes(clip.frames, style, options, folder.states, regions=regions, **how)
            painting: Iterator[tuple[Painted, bool]] = (
                (visit.painted, visit.passes == options.passes) for visit in visits
            )
        else:
            painting = _in_order(clip, style, regions, options, folder, bar, how)
        for count, (painted, last) in enumerate(painting, 1):
            picture = shown(visible(painted), painted.source, options)
            folder.begin(manifest)  # not earlier: a job that fails at the door leaves no folder
            if last:
                folder.keep_frame(painted.place + 1, picture)
            if painted.key and options.passes == 1:
                folder.keep_state(painted.place + 1, painted, max(options.history))
            bar.update()
            done = count if options.passes > 1 else painted.place + 1  # passes that were done are gone through again
            yield Progress(done, total, painted.place, to_outside(painted.source), picture)


def _in_order(
    clip: Clip,
    style: StyleLike,
    regions: Masks,
    options: StyleOptions,
    folder: JobFolder,
    bar: Any,
    how: dict[str, Any],
) -> Iterator[tuple[Painted, bool]]:
    """The frames that are still to be painted in one pass. Those between key frames are made again, alike, from these.

    Raises
    ------
    ValueError
        If what is finished is not of this clip.
    """
    done, earlier = folder.state()
    bar.update(done)
    frames = iter(clip.frames)
    first = next(frames) if done else None
    if first is not None and load_picture(first, options.max_size, "frame 0").shape != earlier[-1].source.shape:
        raise ValueError(f"{folder.path} is of another clip: start again with resume=False (--restart)")
    rest = itertools.islice(frames, done - 1, None) if done else frames
    masks = regions and itertools.islice(regions, done, None)
    for painted in painter_of(options)(rest, style, options, regions=masks, earlier=earlier, first=first, **how):
        yield painted, True


def _tell_space(clip: Clip, options: StyleOptions, folder: pathlib.Path, regions: int, film: bool) -> None:
    """Say what the job may take of the disk and of memory, and warn if it is not there."""
    shape = getattr(clip.frames, "shape", None)
    if shape is None:
        shape = load_picture(clip.frames[0], options.max_size, "frame 0").shape[1:]  # type: ignore[index]
    height, width = shape[:2]
    disk = space.disk_needed((height, width), clip.length or 1, options, regions=regions, film=film)
    space.tell(folder, disk, space.memory_needed((height, width), options))


# ---------------------------------------------------------------- what is painted with what


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
