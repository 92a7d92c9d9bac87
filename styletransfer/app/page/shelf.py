"""What visitors of the page have brought, and our own pictures: checked, put away, and found again.

    own/                      our own pictures and example clip, for everybody
    VISITOR/things/THING/     thing.json, the file itself, and a small picture of it

A visitor is a token that nobody can guess, made by `new_token` and kept by the browser. So is the name of a thing.
Files are found by looking a name up among those that are there; no path is ever made of what a browser sends.
"""

import json
import re
import secrets
import shutil
import threading
import time
from pathlib import Path
from typing import NamedTuple

from ...pictures import Frame, PathLike, read_image, replacing, smaller, write_image
from ..terminal import WORDED, sentence
from . import own

CLIP, STYLE = "clip", "style"
EXAMPLE = "example"
THUMB = 480
"""Longer side of the small pictures, in pixels."""
MOST = 100
"""Things that a visitor may have on the shelf."""
SPARE = 1 << 30
"""Bytes of the disk that an upload must leave free."""
A_DAY = 24 * 3600.0


class Thing(NamedTuple):
    """A picture or a clip."""

    id: str
    kind: str
    name: str  # as its owner calls it: to be shown, never a path
    file: Path
    seconds: float = 0.0
    words: str = ""  # size, length

    @property
    def thumb(self) -> Path:
        """A small JPEG of it."""
        return self.file.with_name(f"{self.file.stem}.thumb.jpg")


class Shelf:
    """The things below the folder `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._own = {name: Thing(name, STYLE, name, file) for name, file in own.own_styles(root / "own").items()}
        clip = own.example_clip(root / "own")
        self._own[EXAMPLE] = _looked_at(CLIP, clip, EXAMPLE, "our example")
        for thing in self._own.values():
            if not thing.thumb.is_file():
                _write_thumb(thing)
        self._brought: dict[str, dict[str, Thing]] = {}
        for record in sorted(root.glob("*/things/*/thing.json")):
            if is_token(visitor := record.parents[2].name):
                self._brought.setdefault(visitor, {})[record.parent.name] = _stored(record)

    def styles(self, visitor: str) -> list[Thing]:
        """The pictures that a visitor can choose from, own ones first."""
        return [thing for thing in self._all(visitor).values() if thing.kind == STYLE]

    def find(self, visitor: str, thing: str) -> Thing:
        """What `visitor` means by the name `thing`.

        Raises
        ------
        ValueError
            If there is no such thing, or it is another visitor's.
        """
        found = self._all(visitor).get(thing)
        if found is None:
            raise ValueError("This picture or clip is no longer here: choose it again.")
        return found

    def public(self, thing: str) -> Thing | None:
        """The thing of this name, whosever it is: who knows the name of a brought one has been told it."""
        with self._lock:
            return next((shelf[thing] for shelf in (self._own, *self._brought.values()) if thing in shelf), None)

    def take(self, visitor: str, kind: str, file: PathLike, name: str) -> Thing:
        """Check an uploaded file and move it to the shelf.

        Raises
        ------
        ValueError
            If it is no picture or clip that can be read, or the shelf or the disk is full: one sentence for the page.
        """
        if len(self._all(visitor)) - len(self._own) >= MOST:
            raise ValueError(f"You have brought {MOST} things already: remove clips that you no longer need.")
        file = Path(file)
        folder = self.root / visitor / "things" / new_token()
        if shutil.disk_usage(self.root).free < SPARE + file.stat().st_size:
            raise ValueError("The disk of this page is full: nothing more can be brought.")
        folder.mkdir(parents=True)
        try:
            kept = folder / (kind + (file.suffix.lower() if re.fullmatch(r"\.\w{1,5}", file.suffix) else ""))
            if kind == CLIP:
                shutil.move(file, kept)
            else:  # only the pixels: neither where it was taken nor what else hides in a file
                kept = write_image(kept.with_suffix(".png"), read_image(file))
                file.unlink()
            thing = _looked_at(kind, kept, folder.name, name)
            _write_thumb(thing)
        except Exception as error:
            shutil.rmtree(folder)
            raise ValueError(as_said(error, {file: name, folder: name})) from error
        record = {"kind": kind, "name": name, "file": kept.name, "seconds": thing.seconds, "words": thing.words}
        with replacing(folder / "thing.json") as part:
            part.write_text(json.dumps(record), encoding="utf-8")
        with self._lock:
            self._brought.setdefault(visitor, {})[thing.id] = thing
        return thing

    def tidy(self, needed: set[str], older: float = A_DAY) -> None:
        """Remove what no job needs and was brought more than `older` seconds ago, and what is half there."""
        for folder in self.root.glob("*/things/*"):
            if folder.name not in needed and folder.stat().st_mtime < time.time() - older:
                self.remove(folder.name)
                shutil.rmtree(folder, ignore_errors=True)

    def remove(self, thing: str) -> None:
        """Take a brought thing off the shelf."""
        with self._lock:
            for shelf in self._brought.values():
                if gone := shelf.pop(thing, None):
                    shutil.rmtree(gone.file.parent)

    def _all(self, visitor: str) -> dict[str, Thing]:
        with self._lock:
            return self._own | self._brought.get(visitor, {})


def new_token() -> str:
    """A name that nobody can guess."""
    return secrets.token_hex(16)


def is_token(text: object) -> bool:
    """Whether `text` is of the kind that `new_token` makes."""
    return isinstance(text, str) and re.fullmatch("[0-9a-f]{32}", text) is not None


def as_said(error: Exception, names: dict[Path, str]) -> str:
    """An error as a sentence for the page, with the files as their owner calls them."""
    if not isinstance(error, WORDED):
        if isinstance(error, MemoryError) or "ResourceExhausted" in type(error).__name__:
            return "The memory of this machine is too small for it: choose a smaller size."
        return f"Something went wrong ({type(error).__name__}): the terminal says more."
    words = sentence(error)
    if words.split()[0].isalpha():  # not a setting, not a file
        words = words[0].upper() + words[1:]
    for path, name in names.items():
        words = re.sub(re.escape(str(path)) + r"[\w/\\.-]*", lambda _, name=name: name, words)  # type: ignore[misc]
    return words if words[-1] in ".?!" else words + "."


def _stored(record: Path) -> Thing:
    told = json.loads(record.read_text(encoding="utf-8"))
    return Thing(record.parent.name, **{**told, "file": record.with_name(Path(told["file"]).name)})


def _looked_at(kind: str, file: Path, thing: str, name: str) -> Thing:
    from ...video.media import read_video

    if kind == STYLE:
        return Thing(thing, kind, name, file)
    video = read_video(file)
    height, width = video.shape
    sound = "with sound" if video.sound else "no sound"
    words = f"{video.duration:.1f} s, {width}x{height}, {video.fps:.3g} frames a second, {sound}"
    return Thing(thing, kind, name, file, video.duration, words)


def _write_thumb(thing: Thing) -> None:
    write_image(thing.thumb, smaller(first_frame(thing), THUMB, THUMB))


def first_frame(thing: Thing) -> Frame:
    """A style picture, or the first frame of a clip."""
    from ...video.media import read_video

    return read_image(thing.file) if thing.kind == STYLE else next(iter(read_video(thing.file)))
