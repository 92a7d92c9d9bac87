"""A process that dies, or whose disk is full, at a file operation that a test names.

Python tells of every file that it opens for writing, renames or removes, and of every process that it starts, to audit
hooks, and what a hook raises stops the operation. What is synced is seen in `os.fsync`.
"""

import errno
import os
import pathlib
import sys
import threading

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "subprocess.Popen")
WATCHED = []
"""The `Machine` that runs, if one does: an audit hook cannot be taken away."""


class Killed(BaseException):
    """What `kill -9` looks like from inside: nothing is caught, nothing tidied up."""


class Machine:
    """While it runs, counts the operations of this thread under `root`, and fails at number `at`.

    Parameters
    ----------
    dies
        True: no operation has an effect from then on. False: that one finds the disk full, and so does opening its
        path again, as `zipfile` does in another mode; others may go on.

    Attributes
    ----------
    log
        What was seen: pairs of a kind of operation and a path.
    torn
        Paths that were renamed to what was not synced.
    hasty
        Paths that were removed while a new name elsewhere was not synced.
    """

    def __init__(self, root, at=None, *, dies=True):
        self.root, self.at, self.dies = os.fspath(root), at, dies
        self.log, self.synced, self.thread, self.full = [], set(), threading.get_ident(), None
        self.torn, self.hasty, self.pending = [], [], set()

    def __enter__(self):
        self.fsync, os.fsync = os.fsync, self._fsync
        WATCHED.append(self)
        return self

    def __exit__(self, *_):
        WATCHED.remove(self)
        os.fsync = self.fsync

    def _fsync(self, handle):
        path = os.readlink(f"/proc/self/fd/{handle}")
        self.see("fsync", path)
        self.fsync(handle)
        self.pending.discard(path)
        self.synced.add(os.fstat(handle).st_ino)

    def see(self, event, path):
        number = len(self.log)
        self.log.append((event, path))
        if self.at is None:
            return
        if self.dies and number > self.at:
            raise Killed
        if not self.dies and (number == self.at or (event, path) == ("open", self.full)):
            self.full = path
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    def rename(self, source, target):
        self.see("os.rename", target)
        self.pending.add(os.path.dirname(target))
        if [*self._unsynced(source)]:
            self.torn.append(target)

    def remove(self, path):
        self.see("os.remove", path)
        if os.path.isabs(path) and self.pending:
            self.hasty.append(path)

    def lose_power(self):
        """Take half of every file that was not synced: what a file system may do when the power goes."""
        for file in self._unsynced(self.root):
            os.truncate(file, file.stat().st_size // 2)

    def _unsynced(self, path):
        path = pathlib.Path(path)
        for file in path.rglob("*") if path.is_dir() else [path]:
            if file.is_file() and file.stat().st_ino not in self.synced:
                yield file


def _hook(event, args):
    if not WATCHED or (event != "open" and event not in CHANGES):
        return
    machine = WATCHED[-1]
    if threading.get_ident() != machine.thread or (event == "open" and not (args[2] or 0) & WRITING):
        return
    if isinstance(args[0], int):
        return
    paths = [os.fsdecode(path) for path in args[: 1 + (event == "os.rename")]]
    if event != "subprocess.Popen" and os.path.isabs(paths[-1]) and not paths[-1].startswith(machine.root):
        return  # `rmtree` goes by names in an open folder
    if event == "os.mkdir" and os.path.isdir(paths[0]):
        return  # nothing is to be made
    if event == "os.rename":
        machine.rename(*paths)
    elif event == "os.remove":
        machine.remove(*paths)
    else:
        machine.see(event, *paths)


sys.addaudithook(_hook)
