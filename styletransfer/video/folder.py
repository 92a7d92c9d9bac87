"""The folder of an unfinished job, `OUT.mp4.job/`, beside its target.

    lock             held by the process that works on the job
    manifest.json    what is painted with what: a job is only taken up with the same arguments
    frames/          the finished frames, 000001.png and on
    frames.sha256    a line for each of them, as `sha256sum` writes it; of several for one frame the last holds
    state/           000001.npz and on: float32 results, of the last frames or key frames, from which the next one
                     starts, or, with several passes, of all frames; opening_000001.npz: the frame that the scene of the
                     next one began with

Every file is written under another name, carried to the disk, and renamed: whatever happens, it is there and whole, or
not there. A frame is complete when its state is: what a killed process did beyond that is done again, alike. Nothing in
the folder is trusted that does not fit the rest.
"""

import hashlib
import itertools
import json
import logging
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from ..pictures import PART, Frame, check_folder, locked, read_image, replacing, to_disk, write_image
from . import state
from .carry import Painted

log = logging.getLogger(__name__)

MOST_DIFFERENCES = 4
"""Of its arguments that are named when a job differs in more of them."""
LONGEST_VALUE = 60
"""Characters of one of them."""


class JobFolder:
    """The files of the job on a target; nothing is written before `begin`.

    Parameters
    ----------
    target
        What the job paints.
    """

    def __init__(self, target: str | os.PathLike[str]) -> None:
        self.target = target = pathlib.Path(target)
        self.path = target.with_name(target.name + ".job")
        self.frames, self.states = self.path / "frames", self.path / "state"
        self.manifest, self.digests = self.path / "manifest.json", self.path / "frames.sha256"

    # ------------------------------------------------------------ one process at a time

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes off the job while the block runs.

        Raises
        ------
        BlockingIOError
            If one is at work on it.
        ValueError
            If something lies there that no job has left.
        """
        self._check()
        check_folder(self.path.absolute().parent, self.path.name)
        lock = self._lock()
        try:
            self._tidy()
            yield
        finally:
            self._let_go(lock)

    def _lock(self) -> IO[bytes]:
        lock = self.path / "lock"
        while True:
            self.path.mkdir(exist_ok=True)
            with suppress(FileNotFoundError):  # the folder was removed meanwhile
                file = lock.open("a+b")
                if not locked(file):
                    file.close()
                    raise BlockingIOError(f"another process works on {self.path}: wait for it, or stop it first")
                if lock.exists() and os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                    return file
                file.close()

    def _tidy(self) -> None:
        """Remove the half-written files of a process that was killed, and end the line that it was writing."""
        for folder in (self.path, self.target):
            for part in [*folder.rglob(PART + "*")]:
                _remove(part)
        if self.digests.is_file() and self.digests.read_bytes()[-1:] not in (b"", b"\n"):
            with self.digests.open("a", encoding="ascii") as lines:
                lines.write("\n")

    def _let_go(self, lock: IO[bytes]) -> None:
        """Release the job; without a manifest nothing is lost with its folder, which goes."""
        file, over = self.path / "lock", not self.manifest.exists()
        try:
            if over:
                self.clear()
                if sys.platform != "win32":  # which cannot remove what is open; later it might be another's
                    file.unlink()
        finally:
            lock.close()
        if over:
            with suppress(OSError):  # another process may have begun
                if sys.platform == "win32":
                    file.unlink()
                self.path.rmdir()

    def _check(self) -> None:
        folders, files = (self.path, self.frames, self.states), (self.path / "lock", self.manifest, self.digests)
        for path, right in [(path, path.is_dir()) for path in folders] + [(path, path.is_file()) for path in files]:
            if path.is_symlink() or (path.exists() and not right):
                raise ValueError(f"{path} is not what a job has made: remove it, or name another target")

    def clear(self) -> None:
        """Remove everything but the lock."""
        self.manifest.unlink(missing_ok=True)  # first: what is left of a job that is half removed is none
        for path in self.path.iterdir():
            if path.name != "lock":
                _remove(path)

    # ------------------------------------------------------------ what the job is

    def begin(self, manifest: dict[str, Any]) -> None:
        """Say, before the first frame is kept, what the job is; later calls do nothing."""
        if self.manifest.exists():
            return
        for folder in (self.frames, self.states):
            folder.mkdir(exist_ok=True)
        with replacing(self.manifest) as part:
            part.write_text(json.dumps(manifest, indent=1), encoding="utf-8")

    def is_of(self, manifest: dict[str, Any]) -> bool:
        """Whether a job can be taken up here.

        Raises
        ------
        ValueError
            If there is one with other arguments.
        """
        try:
            earlier = json.loads(self.manifest.read_bytes())
        except (OSError, ValueError, RecursionError):
            return False
        differing = _differences(earlier, manifest)
        if differing:
            raise ValueError(
                f"{self.path} holds an unfinished job with other arguments ({differing}): call it with those to finish "
                "it, or with resume=False (--restart) to start again"
            )
        return True

    # ------------------------------------------------------------ frames

    def keep_frame(self, number: int, picture: Frame) -> None:
        """Write finished frame `number`, from 1."""
        file = write_image(self._frame(number), picture)
        line = f"{_digest(file)}  {file.relative_to(self.path).as_posix()}\n"
        with self.digests.open("a", encoding="ascii") as lines:
            lines.write(line)
            lines.flush()
            os.fsync(lines.fileno())

    def finished(self) -> int:
        """How many frames are finished, from the first on without a gap."""
        files = (self._frame(number) for number in itertools.count(1))
        return sum(1 for _ in itertools.takewhile(pathlib.Path.is_file, files))

    def pictures(self, count: int) -> Iterator[Frame]:
        """The first `count` of the finished frames."""
        return (read_image(self._frame(number)) for number in range(1, count + 1))

    def check_frames(self, count: int) -> None:
        """Raise ValueError unless the first `count` frames are there as they were finished."""
        noted = dict(self._noted())
        for number in range(1, count + 1):
            file = self._frame(number)
            if not file.is_file() or _digest(file) != noted.get(file.name):
                raise ValueError(
                    f"{file} is lost or changed since it was finished: put it back, or start again with resume=False "
                    "(--restart)"
                )

    def _noted(self) -> Iterator[tuple[str, str]]:
        try:
            lines = self.digests.read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            return
        for line in lines:
            digest, _, name = line.partition("  ")
            yield pathlib.PurePosixPath(name).name, digest

    def _frame(self, number: int) -> pathlib.Path:
        return self.frames / f"{number:06d}.png"

    # ------------------------------------------------------------ the result

    def complete(self, suffix: str, write: Callable[[pathlib.Path], Any]) -> None:
        """Let `write` make the result, a file with `suffix` or a folder, move it to the target, and remove the job.

        It is made inside the folder, so that a process that is killed leaves nothing elsewhere.
        """
        if self.target.is_dir():
            write(self.target)  # new pictures for old ones
        else:
            made = self.path / f"result{suffix}"
            write(made)
            os.replace(made, self.target)
            to_disk(self.target.absolute().parent)
        self.clear()

    # ------------------------------------------------------------ state

    def keep_state(self, number: int, painted: Painted, reach: int) -> None:
        """Write what the next frames start from after frame `number`; drop what lies more than `reach` before them.

        One frame beyond that is kept, and the opening of the scene.
        """
        if painted.opens:
            state.store(self._opening(number), painted)
        state.store(self._state(number), painted)
        for old in [n for n in self._numbers("") if n <= number + 1 - reach][:-1]:
            self._state(old).unlink()
        for old in self._numbers("opening_")[:-1]:
            self._opening(old).unlink()

    def state(self) -> tuple[int, list[Painted]]:
        """How many frames need not be made again, and, of these, those that are kept; (0, []) for none.

        A damaged state is reported, and none.

        Raises
        ------
        ValueError
            If a finished frame is lost or changed.
        """
        numbers = self._numbers("")
        if not numbers:
            return 0, []
        done = numbers[-1]
        openings = [number for number in self._numbers("opening_") if number <= done]
        files = {number: self._opening(number) for number in openings[-1:]}
        files |= {number: self._state(number) for number in numbers}
        try:
            earlier = [state.load(files[number])[0] for number in sorted(files)]
            if [one.place + 1 for one in earlier] != sorted(files) or len({one.source.shape for one in earlier}) > 1:
                raise ValueError(f"{self.states} holds states of other frames")
        except (OSError, ValueError) as error:
            log.warning("%s: painting from the first frame again", error)
            return 0, []
        self.check_frames(done)
        log.info("going on after frame %d of the job in %s", done, self.path)
        return done, earlier

    def _numbers(self, prefix: str) -> list[int]:
        """Of the frames whose results are kept, rising."""
        stems = (file.stem.removeprefix(prefix) for file in self.states.glob(prefix + "[0-9]*.npz"))
        return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdecimal())

    def _state(self, number: int) -> pathlib.Path:
        return self.states / f"{number:06d}.npz"

    def _opening(self, number: int) -> pathlib.Path:
        return self.states / f"opening_{number:06d}.npz"


def _remove(path: pathlib.Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _digest(file: pathlib.Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _differences(earlier: Any, now: dict[str, Any]) -> str:
    if not isinstance(earlier, dict) or not isinstance(earlier.get("options", {}), dict):
        return "its manifest is not readable"
    old, new = ({**m, **m.get("options", {})} for m in (earlier, now))
    names = [name for name in new if name != "options" and old.get(name) != new[name]]
    words = [f"{name}: {_short(old.get(name))}, now {_short(new[name])}" for name in names[:MOST_DIFFERENCES]]
    more = len(names) - len(words)
    return ", ".join([*words, f"and {more} more"] if more else words)


def _short(value: Any) -> str:
    words = repr(value)
    return words if len(words) <= LONGEST_VALUE else words[:LONGEST_VALUE] + "..."
