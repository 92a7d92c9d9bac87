"""What the command line says: the log, the warnings and the errors of the library, on stderr and without noise."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

log = logging.getLogger("styletransfer")

WORDED = (OSError, ValueError, RuntimeError, ImportError, ArithmeticError)
"""Errors whose message is a sentence; of others the kind is named as well."""


class _Voice(logging.Handler):
    """Log records as `styletransfer: ...` on stderr, above a bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        tqdm.write(f"styletransfer: {kind}{record.getMessage()}", file=sys.stderr)


@contextmanager
def speaking() -> Iterator[logging.Handler]:
    """What the library logs, and what it warns of (once each), is said on stderr."""
    voice, level, propagate, said = _Voice(), log.level, log.propagate, set[str]()

    def warn(message: Warning | str, *where: object) -> None:
        if str(message) not in said:
            said.add(str(message))
            log.warning("%s", message)

    log.addHandler(voice)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", UserWarning)
            warnings.showwarning = warn  # type: ignore[assignment]
            yield voice
    finally:
        log.removeHandler(voice)
        log.setLevel(level)
        log.propagate = propagate


def sentence(error: Exception) -> str:
    """What went wrong, on one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    words = " ".join(str(error).split("\n"))
    return words if words and isinstance(error, WORDED) else f"{type(error).__name__}: {words}".rstrip(": ")


def load_tensorflow() -> None:
    """Import it without its remarks on the machine, unless the user has said which of them to print.

    Some are printed while it loads, before it reads the variable.
    """
    if "tensorflow" in sys.modules or "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        import tensorflow  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
