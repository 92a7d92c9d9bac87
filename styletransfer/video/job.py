"""A whole clip as a job: file in, file out, stopped and taken up again without losing a frame.

While it runs, a job lives in a folder beside its target, `OUT.mp4.job/`:

    manifest.json    what is painted with what: a job is only taken up with the same arguments
    frames/          the finished frames, 000001.png and on
    state.npz        the last frame and its float32 result, from which the next one starts

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

from .. import __version__, pixels
from ..image import PictureLike
from ..options import StyleOptions, resolve
from ..pictures import read_image, replacing, write_image
from ..solver import Iterate
from .frames import FlowLike, Painted, both_ways, paint
from .media import PICTURE_RATE, check_not_source, check_target, read_video, write_video

log = logging.getLogger(__name__)

FINGERPRINT_BYTES = 1 << 20


class Clip(NamedTuple):
    """What a job reads, whether it comes from a file or from arrays."""

    frames: Iterable[npt.ArrayLike]
    fps: float
    length: int | None
    sound: dict[str, Any]  # for write_video: where the sound comes from


def stylize_video(
    source: str | os.PathLike[str] | Sequence[npt.ArrayLike],
    style: PictureLike,
    target: str | os.PathLike[str],
    *,
    options: StyleOptions | None = None,
    model: keras.Model | None = None,
    flow: FlowLike = None,
    progress: bool = True,
    resume: bool = True,
    preview: str | os.PathLike[str] | None = None,
    on_step: Callable[[Iterate], None] | None = None,
    **settings: Any,
) -> pathlib.Path:
    """Repaint a clip in the style of a picture, with its sound, frame rate and length.

    Parameters
    ----------
    source
        A video file, a folder of pictures, a pattern such as `frame%04d.png`, or a sequence of `(H, W, 3)`
        arrays (whose rate is the option `fps`, 25 by default).
    style
        A picture file or array.
    target
        `.mp4`, `.mov`, `.mkv`, `.webm`, `.gif`, or a folder for PNGs. It appears when the clip is complete.
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
        A picture file that always holds the frame painted last.
    on_step
        Called with an `Iterate` after every evaluation.

    Returns
    -------
    pathlib.Path
        The target.

    Raises
    ------
    FileNotFoundError, PermissionError, ValueError
        For anything wrong with the arguments, before work begins.
    KeyboardInterrupt
        After Ctrl-C; the finished frames are kept, and the same call goes on from there.
    """
    options = resolve(options, settings)
    both = both_ways(flow, options.flow_quality)
    check_target(target)
    target = pathlib.Path(target)
    clip = _open_clip(source, target, options)
    folder = job_folder(target)
    manifest = _manifest(source, style, options, flow)
    done, previous = _take_up(folder, manifest) if resume else (0, None)
    if not done:
        shutil.rmtree(folder, ignore_errors=True)

    bar = tqdm(total=clip.length, initial=done, unit="frame", disable=not progress, smoothing=0.1)
    frames = iter(clip.frames)
    first = next(frames) if done else None
    rest = itertools.islice(frames, done - 1, None) if done else frames
    with bar:
        painting = paint(
            rest, style, options, model=model, flow=both, on_step=_told(bar, on_step), previous=previous, first=first
        )
        for number, painted in enumerate(painting, done + 1):
            if number == 1:  # not earlier: a job that fails at the door leaves no folder
                _begin(folder, manifest)
            _keep(folder, number, painted)
            if preview is not None:
                write_image(preview, pixels.to_outside(painted.result))
            bar.update()
    write_video(target, _finished(folder), fps=clip.fps, **clip.sound)
    shutil.rmtree(folder)
    return target


def job_folder(target: str | os.PathLike[str]) -> pathlib.Path:
    """Where an unfinished job on `target` keeps its frames."""
    target = pathlib.Path(target)
    return target.with_name(target.name + ".job")


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


# ---------------------------------------------------------------- the folder


def _begin(folder: pathlib.Path, manifest: dict[str, Any]) -> None:
    (folder / "frames").mkdir(parents=True)
    with replacing(folder / "manifest.json") as part:
        part.write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _keep(folder: pathlib.Path, number: int, painted: Painted) -> None:
    """A finished frame, then the state: a job killed between the two paints that frame again, alike."""
    write_image(_frame_file(folder, number), pixels.to_outside(painted.result))
    with replacing(folder / "state.npz") as part:
        np.savez(part, number=number, source=painted.source, result=painted.result)


def _frame_file(folder: pathlib.Path, number: int) -> pathlib.Path:
    return folder / "frames" / f"{number:06d}.png"


def _finished(folder: pathlib.Path) -> Iterator[npt.NDArray[np.uint8]]:
    for number in itertools.count(1):
        file = _frame_file(folder, number)
        if not file.exists():
            return
        yield read_image(file)


def _take_up(folder: pathlib.Path, manifest: dict[str, Any]) -> tuple[int, Painted | None]:
    """How many frames of the job in `folder` are done, and the last of them; `(0, None)` without a job.

    Raises
    ------
    ValueError
        If the folder holds a job with other arguments.
    """
    try:
        earlier = json.loads((folder / "manifest.json").read_bytes())
        with (folder / "state.npz").open("rb") as file, np.load(file, allow_pickle=False) as state:
            number, source, result = int(state["number"]), state["source"], state["result"]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return 0, None
    differing = _differences(earlier, manifest)
    if differing:
        raise ValueError(
            f"{folder} holds an unfinished job with other arguments ({differing}): call it with those to finish it, "
            "or with resume=False (--no-resume) to start again"
        )
    log.info("going on after frame %d of the job in %s", number, folder)
    return number, Painted(source, result, 0)


def _differences(earlier: Any, now: dict[str, Any]) -> str:
    if not isinstance(earlier, dict):
        return "its manifest is not readable"
    old, new = ({**m, **m.get("options", {})} for m in (earlier, now))
    names = [name for name in new if name != "options" and old.get(name) != new[name]]
    return ", ".join(f"{name}: {old.get(name)!r}, now {new[name]!r}" for name in names)


def _manifest(source: Any, style: PictureLike, options: StyleOptions, flow: FlowLike) -> dict[str, Any]:
    """What decides how the frames look, as JSON would give it back."""
    settings = options.asdict() | {"init": _fingerprint(options.init)}
    name = getattr(flow, "__qualname__", None) or flow or "builtin"
    manifest = {
        "version": __version__,
        "source": _fingerprint(source),
        "style": _fingerprint(style),
        "flow": str(name),
        "options": settings,
    }
    return dict(json.loads(json.dumps(manifest)))


def _fingerprint(data: Any) -> str:
    """A short text that tells one file, folder or array from another."""
    digest = hashlib.sha256()
    if not isinstance(data, str | os.PathLike):
        for item in data if isinstance(data, list | tuple) else [data]:
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
