"""The jobs of all visitors: who may see which, who is next, and the one thread that paints them in turn.

Nothing here knows of the page that shows it.
"""

import json
import logging
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from ...options import StyleOptions
from ...pictures import Frame, jpeg, locked, smaller, write_image
from ...times import parse_time
from ..terminal import load_tensorflow
from .jobs import FAILED, FINISHED, PAINTING, STOPPED, WAITING, Job, Request, stored_jobs
from .shelf import THUMB, Shelf, as_said, is_token, new_token

log = logging.getLogger("styletransfer")

INIT = ("content", "noise")
WEIGHTS = ("imagenet", "hed")
LARGEST = 1920
"""Longer side in pixels that may be asked for."""
IN_LINE = 3
"""Jobs of one visitor that may wait or be painted at a time."""
NO_DOWNLOAD = "ImageNet's weights cannot be downloaded here: choose the quality offline, which needs no download."
LIVE_SIDE = 640
"""Longer side of the live pictures, in pixels."""
LIVE_EVERY = 0.4
"""Seconds between two of them, at least, while a frame is painted."""


class _StoppedError(Exception):
    """The visitor, or the end of the page, has stopped the job that is painted."""


class Studio:
    """Everything below a folder of jobs, and the thread that paints.

    Parameters
    ----------
    root
        The folder; made if it is not there.
    settings
        Fields of `StyleOptions` that all jobs start from.

    Raises
    ------
    ValueError
        If another page works in the folder.
    """

    def __init__(self, root: Path, settings: dict[str, Any] | None = None) -> None:
        self.settings = settings or {}
        self.options = StyleOptions(**self.settings)
        root.mkdir(parents=True, exist_ok=True)
        self._lock = (root / "lock").open("a+b")
        if not locked(self._lock):
            self._lock.close()
            raise ValueError(f"another page keeps its clips in {root}: close it, or name another folder with --jobs")
        self.shelf = Shelf(root)
        self.missing = ""
        """Why the network that jobs use by default cannot be had, if that is so."""
        self._jobs = {job.id: job for job in stored_jobs(root) if is_token(job.visitor)}
        self._interrupted = [job for job in self._jobs.values() if job.state == STOPPED and job.done and not job.result]
        self._line: list[Job] = []
        self._changed = threading.Condition()
        self._closing = False
        self._model: tuple[str, Any] = ("", None)
        self.shelf.tidy(self._needed())
        self._thread = threading.Thread(target=self._work, name="painter", daemon=True)

    def start(self) -> None:
        """Begin to paint."""
        self._thread.start()

    # ------------------------------------------------------------ for the page

    def jobs(self, visitor: str) -> list[Job]:
        """A visitor's own, newest first."""
        with self._changed:
            return [job for job in reversed(self._jobs.values()) if job.visitor == visitor]

    def job(self, visitor: str, name: str | None) -> Job | None:
        """The visitor's job of this name."""
        return next((job for job in self.jobs(visitor) if job.id == name), None)

    def public(self, name: str) -> Job | None:
        """The job of this name, whosever it is: who knows the name has been told it."""
        with self._changed:
            return self._jobs.get(name)

    def place(self, job: Job) -> int:
        """How many are before it in the line, itself included."""
        with self._changed:
            return self._line.index(job) + 1 if job in self._line else 0

    def paint(self, visitor: str, clip: str, styles: list[str], settings: dict[str, Any]) -> Job:
        """Put a job in the line: the same one again if it was there before, to go on or to be looked at.

        Raises
        ------
        ValueError
            If something is missing or wrong: one sentence for the page.
        """
        if not styles or not clip:
            missing = "a style picture" if clip else "a clip" if styles else "a style picture and a clip"
            raise ValueError(f"Choose {missing} first.")
        source = self.shelf.find(visitor, clip)
        for style in styles:
            self.shelf.find(visitor, style)
        request = Request(clip, tuple(styles), self._checked(settings, len(styles)))
        with self._changed:
            same = next((job for job in self.jobs(visitor) if job.request == request), None)
            if same is not None and (same.active or same.state == FINISHED):
                return same
            if sum(job.active for job in self.jobs(visitor)) >= IN_LINE:
                raise ValueError(f"{IN_LINE} of your clips are waiting already: let one finish, or stop it, first.")
            folder = self.shelf.root / visitor / "jobs" / new_token()
            job: Job = same or Job(folder, request, source.name)
            job.state, job.error, job.stopping = WAITING, "", False
            job.save()
            self._jobs[job.id] = job
            self._line.append(job)
            self._changed.notify_all()
        return job

    def stop(self, job: Job) -> None:
        """Take a job out of the line, or end it after the present step; what is finished is kept."""
        with self._changed:
            if job in self._line:
                self._line.remove(job)
                job.state = STOPPED
                self._save(job)
            elif job.state == PAINTING:
                job.stopping = True

    def remove(self, job: Job) -> None:
        """Stop a job and remove all that is left of it."""
        self.stop(job)
        with self._changed:
            self._changed.wait_for(lambda: job.state != PAINTING)
            self._jobs.pop(job.id, None)
            shutil.rmtree(job.folder, ignore_errors=True)
            left = job.request.things - self._needed()
        for thing in left:
            self.shelf.remove(thing)

    def close(self) -> None:
        """Stop what is painted, keep what is finished of it, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()
        self._lock.close()

    def _needed(self) -> set[str]:
        """The things of which there are jobs."""
        return set[str]().union(*(job.request.things for job in self._jobs.values()))

    def _checked(self, settings: dict[str, Any], styles: int) -> dict[str, Any]:
        """The settings of a job, as JSON gives them back.

        Raises
        ------
        ValueError
            If one is wrong, or names a file: those of this machine are nobody's business on the page.
        """
        try:
            options = StyleOptions(**(self.settings | settings))
        except (TypeError, ValueError) as error:
            raise ValueError(as_said(ValueError(str(error)), {})) from None
        if options.init not in INIT or options.weights not in (*WEIGHTS, self.options.weights):
            raise ValueError("The page reads no files of this machine: choose one of what init and weights offer.")
        if options.max_size is None or options.max_size > LARGEST:
            raise ValueError(f"The size must be {LARGEST} pixels at most.")
        weights = options.mix if isinstance(options.mix, tuple) else ()
        if weights and len(weights) != styles:
            raise ValueError(f"Mix has {len(weights)} weights for {styles} style pictures: give one to each.")
        for place in (options.start, options.end):
            if place is not None:
                try:
                    parse_time(place)
                except ValueError as error:
                    raise ValueError(as_said(error, {})) from None
        return dict(json.loads(json.dumps(self.settings | settings)))

    # ------------------------------------------------------------ the thread

    def _work(self) -> None:
        self._prepare()
        for job in self._interrupted:
            self._end(job, STOPPED)
        while following := self._next():
            self._work_on(following)

    def _work_on(self, job: Job) -> None:
        try:
            self._paint(job)
            state = FINISHED
        except _StoppedError:
            state = STOPPED
        except Exception as error:
            state = self._failed(job, error)
        self._end(job, state)

    def _prepare(self) -> None:
        """Load what the first job will need, so that it does not wait for it."""
        load_tensorflow()
        try:
            self._network(self.options.weights)
        except Exception as error:
            self.missing = NO_DOWNLOAD if isinstance(error, ConnectionError) else as_said(error, {})
            log.warning("%s", error)

    def _next(self) -> Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._line or self._closing)
            if self._closing:
                return None
            job = self._line.pop(0)
            job.state = PAINTING
            job.step, job.live = 0, None
            job.marks.clear()
            self._save(job)
            return job

    def _network(self, weights: str) -> Any:
        from ...features import load_model

        if self._model[0] != weights:
            self._model = (weights, load_model(weights))
        return self._model[1]

    def _paint(self, job: Job) -> None:
        from ...video.job import Progress, stylize_video
        from ...video.media import read_video

        options = job.request.options
        clip = self.shelf.find(job.visitor, job.request.clip).file
        styles = [self.shelf.find(job.visitor, style).file for style in job.request.styles]
        video = read_video(clip, max_size=options.max_size, start=options.start, end=options.end, fps=options.fps)
        job.total, job.fps = video.length, video.fps
        first: Frame | None = None if job.done else next(iter(video))
        self._go_on(job)

        def on_step(iterate: Any) -> None:
            self._go_on(job)
            job.step = iterate.step
            if first is not None and not job.marks and time.monotonic() > latest + LIVE_EVERY:
                show(first, np.clip(iterate.image[0], 0, 255).astype(np.uint8))

        def on_frame(progress: Progress) -> None:
            job.note(time.monotonic(), progress.done)
            show(progress.source, progress.painted)
            self._go_on(job)

        latest = 0.0

        def show(source: Frame, painted: Frame) -> None:
            nonlocal latest
            job.live = _live(source), _live(painted)
            job.shown += 1
            latest = time.monotonic()

        how: dict[str, Any] = {"model": self._network(options.weights), "progress": False, "preview": False}
        stylize_video(clip, styles, job.target, options=options, on_step=on_step, on_frame=on_frame, **how)

    def _go_on(self, job: Job) -> None:
        if job.stopping or self._closing:
            raise _StoppedError

    def _end(self, job: Job, state: str) -> None:
        """Make what can be played of a job, and then say that it has ended."""
        from ...video.folder import JobFolder

        try:
            job.done = (job.total or 0) if state == FINISHED else JobFolder(job.target).finished()
            self._make_playable(job, state)
        except Exception as error:
            state = self._failed(job, error)
        with self._changed:
            job.stopping, job.state = False, state
            self._save(job)
            self._changed.notify_all()

    def _save(self, job: Job) -> None:
        try:
            job.save()
        except OSError as error:
            log.error("a job of the page will be forgotten with the page: %s", error)

    def _make_playable(self, job: Job, state: str) -> None:
        from ...video.job import write_finished
        from ...video.media import read_video, write_video

        options = job.request.options
        clip = self.shelf.find(job.visitor, job.request.clip).file
        part: dict[str, Any] = {"start": options.start, "end": options.end, "fps": options.fps}
        if job.done and not job.original.is_file():
            video = read_video(clip, max_size=options.max_size, **part)
            write_video(job.original, video, fps=video.fps)
        if state == FINISHED:
            job.part.unlink(missing_ok=True)
        elif job.done:
            write_finished(clip, job.target, job.part, options=options)
        if job.result:
            write_image(job.thumb, smaller(next(iter(read_video(job.result))), THUMB, THUMB))

    def _failed(self, job: Job, error: Exception) -> str:
        """Note why a job failed, as a sentence for the page; the first reason counts."""
        log.error("a job of the page failed", exc_info=error)
        things = filter(None, map(self.shelf.public, job.request.things))
        names = {thing.file: thing.name for thing in things} | {job.folder: "the job"}
        job.error = job.error or (NO_DOWNLOAD if isinstance(error, ConnectionError) else as_said(error, names))
        return FAILED


def _live(picture: Frame) -> bytes:
    return jpeg(smaller(picture, LIVE_SIDE, LIVE_SIDE))
