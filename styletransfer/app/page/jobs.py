"""What is to be painted, how far it is, and where it lies on the disk.

    VISITOR/jobs/JOB/
      job.json            what is painted with what, and how it ended
      original.mp4        the clip, frame by frame as it is painted
      painted.mp4         the result
      painted.mp4.job/    the library's own folder of an unfinished job
      part.mp4            what an unfinished job has finished
      thumb.jpg           a small picture of either

Whatever happens to the page, these folders are all that it needs to go on.
"""

import json
import logging
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ...options import StyleOptions
from ...pictures import replacing

log = logging.getLogger("styletransfer")

WAITING, PAINTING, STOPPED, FINISHED, FAILED = "waiting", "painting", "stopped", "finished", "failed"
MARKS = 25
"""Frames over which the speed is taken: more than lie between two key frames."""


class Request(NamedTuple):
    """What is to be painted: names of things, and the settings that were given, by field of `StyleOptions`."""

    clip: str
    styles: tuple[str, ...]
    settings: dict[str, Any]

    @property
    def things(self) -> set[str]:
        """All that is painted, or painted with."""
        return {self.clip, *self.styles}

    @property
    def options(self) -> StyleOptions:
        """The settings, checked."""
        return StyleOptions(**self.settings)


@dataclass(eq=False)
class Job:
    """A clip of a visitor that is to be painted, is painted, or was."""

    folder: Path
    request: Request
    name: str  # of the clip, as its owner calls it
    state: str = WAITING
    error: str = ""
    total: int | None = None  # frames
    fps: float = 0.0
    made: float = field(default_factory=time.time)
    done: int = 0
    step: int = 0  # evaluations of the frame that is painted
    stopping: bool = False
    live: tuple[bytes, bytes] | None = None  # JPEGs of a frame and what has become of it
    shown: int = 0  # counts them
    marks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=MARKS))

    @property
    def id(self) -> str:
        """Its name, which nobody can guess."""
        return self.folder.name

    @property
    def visitor(self) -> str:
        """Whose it is."""
        return self.folder.parents[1].name

    @property
    def target(self) -> Path:
        """Where the result goes."""
        return self.folder / "painted.mp4"

    @property
    def part(self) -> Path:
        """What is playable of an unfinished one."""
        return self.folder / "part.mp4"

    @property
    def original(self) -> Path:
        """The clip as it is painted: the same size, rate and number of frames."""
        return self.folder / "original.mp4"

    @property
    def thumb(self) -> Path:
        """A small picture of what can be played."""
        return self.folder / "thumb.jpg"

    @property
    def result(self) -> Path | None:
        """The clip that can be played."""
        return next((path for path in (self.target, self.part) if path.is_file()), None)

    @property
    def work(self) -> int:
        """Frames to be painted; with several passes each counts once a pass."""
        return (self.total or 0) * self.request.options.passes

    @property
    def active(self) -> bool:
        """Whether it waits or is painted."""
        return self.state in (WAITING, PAINTING)

    def save(self) -> None:
        """Write what must outlive the page."""
        told = {name: getattr(self, name) for name in ("name", "state", "error", "total", "made", "done", "fps")}
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / "job.json") as file:
            file.write_text(json.dumps({**told, "request": self.request._asdict()}), encoding="utf-8")

    def note(self, now: float, done: int) -> None:
        """`done` frames are finished at the time `now`."""
        self.done, self.step = done, 0
        self.marks.append((now, done))

    def words(self, place: int = 0) -> str:
        """How it is, in a sentence or two; `place` in the line, 1 for the next."""
        if self.state == WAITING:
            return f"Waiting: number {place} in line."
        if self.stopping:
            return "Stopping after this step."
        if self.state == PAINTING:
            return self._progress()
        if self.state == FINISHED:
            return f"Finished: {_count(self.done)}."
        if self.state == FAILED:
            return self.error
        if not self.done:
            return "Stopped before its first frame."
        return f"Stopped after {self.done} of {_count(self.total or 0)}. PAINT goes on from there."

    def _progress(self) -> str:
        if not self.marks:
            first = f"frame {self.done + 1}" if self.done else "the first frame"
            most = self.request.options.steps
            return f"Painting {first}, step {self.step} of at most {most}." if self.step else "Getting ready."
        left = time_left(self.marks, self.work)
        return f"{self.done} of {_count(self.work)} painted." + (f" About {in_words(left)} left." if left else "")


def time_left(marks: Iterable[tuple[float, int]], total: int) -> float | None:
    """Seconds until `total` frames are done, at the speed of the latest `marks` (time, frames done).

    None as long as it cannot be said: the first mark only begins the count, as the frame before it took longer than
    others do.
    """
    marks = list(marks)
    if len(marks) < 3:
        return None
    (begin, first), (now, done) = marks[0], marks[-1]
    return (total - done) * (now - begin) / (done - first) if done > first else None


def in_words(seconds: float) -> str:
    """A time as coarse as it is certain: seconds by fives, minutes, hours."""
    if seconds < 90:
        return f"{max(5, 5 * round(seconds / 5))} seconds"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"


def stored_jobs(root: Path) -> list[Job]:
    """The jobs below `root`, oldest first; those that the end of the page has interrupted are stopped."""
    jobs = []
    for file in root.glob("*/jobs/*/job.json"):
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            request = told.pop("request")
            job = Job(file.parent, Request(request["clip"], tuple(request["styles"]), request["settings"]), **told)
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s is not what the page has written: left alone (%s)", file, error)
            continue
        if job.active:
            job.state = STOPPED
            job.part.unlink(missing_ok=True)  # of an earlier stop
            job.done = len([*job.folder.glob("painted.mp4.job/frames/*.png")])
        jobs.append(job)
    return sorted(jobs, key=lambda job: job.made)


def _count(frames: int) -> str:
    return "1 frame" if frames == 1 else f"{frames} frames"
