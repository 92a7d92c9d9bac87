"""What a job takes of the disk and of memory, told before it begins.

The numbers were measured: `python benchmarks/memory.py`, see `docs/jobs.md`.
"""

import logging
import math
import os
import pathlib
import shutil

import tensorflow as tf

from ..options import StyleOptions
from ..solver import scale_sizes
from . import dissolve

log = logging.getLogger(__name__)

FRAME_BYTES = 3.1
"""Of a pixel of a finished frame, a PNG: paint is nearly noise."""
FILM_BYTES = 1.0
"""Of a pixel of a frame in a film."""
STATE_BYTES = 52
"""Of a pixel of a float32 result with its source, what it was made for, how fresh it is, whence lent, and drawn out; a
region is 4 more."""
LEAVING_BYTES = 12
"""Of a pixel of a painting that dissolves, in the results of `dissolve.FRAMES` frames."""
FILE_BYTES = 8192
"""Of any file, beside its pixels."""
EXTRA_STATES = 4
"""Beside those that `history` reaches back to: one further back, the scene's opening and the next one's, and the one
that is being written."""

BASE_MEMORY = 1.9e9
"""Of a process that paints a tiny clip: TensorFlow, the network, and building the graph of its gradients."""
NETWORK_MEMORY = 2300
"""Of a pixel of what the network sees at once."""
PIXEL_MEMORY = 700
"""Of a pixel beyond that: frames, flow, masks."""
FLOW_MEMORY = 8
"""Of a pixel of the flow to the frame before, which is kept with every frame that `history` reaches back to."""
CGROUP = pathlib.Path("/sys/fs/cgroup")
MEMINFO = pathlib.Path("/proc/meminfo")


def disk_needed(
    shape: tuple[int, int], frames: int, options: StyleOptions, *, regions: int = 0, film: bool = True
) -> int:
    """Bytes that a job takes of the disk at most while it runs, its result among them.

    Parameters
    ----------
    shape
        `(height, width)` of the result.
    regions
        How many regions there are, see `stylize_video`; 0 without.
    film
        Whether the result is a film; else a folder of pictures.
    """
    kept = max(options.history) + EXTRA_STATES
    states = frames + 1 if options.passes > 1 else min(frames + 2, kept)
    pictures = frames * (FRAME_BYTES + (FILM_BYTES if film else FRAME_BYTES))
    results = states * (STATE_BYTES + 4 * regions) + min(states, dissolve.FRAMES) * LEAVING_BYTES
    files = 2 * frames + states + 3
    return math.ceil(math.prod(shape) * (pictures + results) + files * FILE_BYTES)


def memory_needed(shape: tuple[int, int], options: StyleOptions) -> int:
    """Bytes of memory that painting a clip takes at most, however long it is: of the processor, without a GPU."""
    pixels = math.prod(shape)
    sizes = scale_sizes(shape, options, least=1)
    at_once = sum(math.prod(min(side, options.max_tile or side) for side in size) for size in sizes)
    steps = 24 * options.lbfgs_memory if options.optimizer == "lbfgs" else 24
    kept = max(options.history) * (STATE_BYTES + FLOW_MEMORY)
    return math.ceil(BASE_MEMORY + NETWORK_MEMORY * at_once + (PIXEL_MEMORY + steps + kept) * pixels)


def memory_available() -> int | None:
    """Bytes of memory that this process may still take, those of its container's limit; None where that is not told."""
    if MEMINFO.exists():
        lines = (line.split() for line in MEMINFO.read_text().splitlines())
        free = next((int(line[1]) * 1024 for line in lines if line[0] == "MemAvailable:"), None)
        return min((room for room in (free, _container_room()) if room is not None), default=None)
    try:  # macOS: all there is
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows, and others that do not say
        return None


def _container_room() -> int | None:
    """What control groups, version 2, leave to this container; None without a limit."""
    try:
        limit, used = ((CGROUP / f"memory.{name}").read_text().strip() for name in ("max", "current"))
        cached = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())["inactive_file"]
    except (OSError, KeyError, ValueError):
        return None
    return None if limit == "max" else int(limit) - int(used) + int(cached)


def tell(folder: pathlib.Path, disk: int, memory: int) -> None:
    """Say what the job in `folder` may take, and warn of what is not there."""
    free, gpu = shutil.disk_usage(folder).free, bool(tf.config.list_physical_devices("GPU"))
    log.info(
        "%s takes up to %s of the disk while the job runs, and the job %s of memory", folder, _gb(disk), _gb(memory)
    )
    if free < disk:
        log.warning(
            "%s may take %s and %s are free: make room, or paint a part (start, end), or smaller (max_size)",
            folder,
            _gb(disk),
            _gb(free),
        )
    available = None if gpu else memory_available()
    if available is not None and available < memory:
        log.warning(
            "the job may take %s of memory and %s are free: close other programs, paint smaller (max_size), or in "
            "smaller tiles (max_tile)",
            _gb(memory),
            _gb(available),
        )


def _gb(count: float) -> str:
    return f"{count / 1e9:.2f} GB"
