"""Flow fields in files and as pictures, for exchange with other tools and with the eye."""

import functools
import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ..pictures import MAX_PIXELS, existing_file, replacing
from .gaps import compose
from .warping import Flow

KITTI_STEPS, KITTI_ZERO = 64.0, 2**15
"""Steps of a pixel, and what stands for 0, in the 16-bit pictures of the KITTI benchmark."""

# How many hues lie between red, yellow, green, cyan, blue, magenta and red again: more where the eye tells them apart.
WHEEL = ((255, 0, 0), 15, (255, 255, 0), 6, (0, 255, 0), 4, (0, 255, 255), 11, (0, 0, 255), 13, (255, 0, 255), 6)


def read_flow(path: str | os.PathLike[str]) -> Flow:
    """A flow field from a file.

    Parameters
    ----------
    path
        `.flo` (Middlebury; Baker et al. 2011), `.png` (KITTI, 16 bits; Geiger et al. 2012) or `.npy`
        (an array `(H, W, 2)` of numbers).

    Returns
    -------
    (H, W, 2) float32
        In pixels; NaN where a KITTI picture says that nothing is known.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        If there is no such file.
    ValueError
        If its ending is another, it is not what its ending says, or it has more than `MAX_PIXELS`.
    """
    reader, _ = _kind(path)
    return reader(existing_file(path))


def write_flow(path: str | os.PathLike[str], flow: npt.ArrayLike) -> None:
    """Write a flow field `(H, W, 2)` in the format that the name ends in: `.flo`, `.png` or `.npy`.

    `.flo` and `.npy` keep float32 exactly. A KITTI `.png` keeps 1/64 px, from -512 to 511.98, and NaN as unknown.

    Raises
    ------
    ValueError
        If `flow` has another shape, the ending is another, or a displacement is too long for a KITTI picture.
    """
    _, writer = _kind(path)
    field = np.asarray(flow, np.float32)
    if field.ndim != 3 or field.shape[-1] != 2 or 0 in field.shape:
        raise ValueError(f"flow has shape {field.shape}, expected (height, width, 2)")
    with replacing(Path(path)) as part:
        writer(part, field)


class FlowFolder:
    """Flow fields that were made before, by any tool: a file for each ordered pair of frames.

    Parameters
    ----------
    folder
        Files whose names end in `<from>_<to>.flo`, `.png` or `.npy`, such as `forward_1_2.flo`,
        `backward_2_1.flo`, `0001_0002.png`; the first painted frame is 1.

    Raises
    ------
    NotADirectoryError
        If it is no folder.
    ValueError
        If it holds no such file, or two for one pair of frames.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise NotADirectoryError(f"{folder} is no folder: expected one of flow files")
        self.files: dict[tuple[int, int], Path] = {}
        for path in sorted(self.folder.iterdir()):
            found = re.search(r"(\d+)_(\d+)\.(flo|png|npy)$", path.name)
            if found:
                pair = int(found[1]), int(found[2])
                if pair in self.files:
                    raise ValueError(f"{folder} holds {self.files[pair].name} and {path.name}: expected one of them")
                self.files[pair] = path
        if not self.files:
            raise ValueError(f"{folder} holds no flow: expected files such as forward_1_2.flo and backward_2_1.flo")

    def __call__(self, source: int, target: int, shape: tuple[int, int]) -> Flow:
        """The flow between two frames, counted from 0, which must have `shape` (H, W) and be known everywhere.

        Where there is no file for two frames that are no neighbours, it is composed from those between neighbours.

        Raises
        ------
        ValueError
            If there is no file for them, or it does not fit.
        """
        path = self.files.get((source + 1, target + 1))
        if path is None and abs(target - source) > 1:
            step = 1 if target > source else -1
            places = itertools.pairwise(range(source, target + step, step))
            return functools.reduce(compose, (self(a, b, shape) for a, b in places))
        if path is None:
            raise ValueError(
                f"{self.folder} holds no flow from frame {source + 1} to frame {target + 1}: expected a file such as "
                f"flow_{source + 1}_{target + 1}.flo"
            )
        field = read_flow(path)
        if field.shape[:2] != shape:
            raise ValueError(
                f"{path} is {field.shape[1]}x{field.shape[0]}, expected {shape[1]}x{shape[0]} like the painted frames: "
                "make it at that size, or set max_size"
            )
        if not np.isfinite(field).all():
            raise ValueError(f"{path} says nothing about some pixels: expected a dense field of finite numbers")
        return field


def flow_colors(flow: npt.ArrayLike, *, largest: float | None = None) -> npt.NDArray[np.uint8]:
    """A flow field in the usual colours: the hue is the direction, white is no motion (Baker et al. 2011, fig. 7).

    Parameters
    ----------
    flow : (H, W, 2), pixels
    largest : float
        The motion, in pixels, that gets full colour; by default the longest in the field, but at least 1. Longer
        is darker.

    Returns
    -------
    uint8 (H, W, 3)
        Black where the flow is unknown (NaN).
    """
    field = np.asarray(flow, np.float32)
    known = np.asarray(np.isfinite(field).all(-1, keepdims=True))
    field = np.where(known, field, 0.0)
    length = np.hypot(field[..., 0], field[..., 1])
    share = length / (max(float(length.max()), 1.0) if largest is None else largest)
    wheel = _wheel()
    place = (np.arctan2(-field[..., 1], -field[..., 0]) / np.pi + 1.0) / 2.0 * (len(wheel) - 1)
    low = np.floor(place).astype(int)
    rest = (place - low)[..., np.newaxis]
    hue = (1.0 - rest) * wheel[low] + rest * wheel[(low + 1) % len(wheel)]
    share = share[..., np.newaxis]
    color = np.where(share <= 1.0, 1.0 - share * (1.0 - hue), 0.75 * hue)
    return np.rint(255.0 * color * known).astype(np.uint8)


def _wheel() -> npt.NDArray[np.float64]:
    """The hues in a circle: `(55, 3)` in [0, 1]."""
    corners, counts = np.array(WHEEL[::2]) / 255.0, WHEEL[1::2]
    around = zip(corners, np.roll(corners, -1, axis=0), counts, strict=True)
    return np.concatenate([a + np.linspace(0.0, 1.0, n, endpoint=False)[:, np.newaxis] * (b - a) for a, b, n in around])


# ---------------------------------------------------------------- formats


def _kind(path: str | os.PathLike[str]) -> tuple[Callable[[Path], Flow], Callable[[Path, Flow], Any]]:
    formats = {".flo": (_read_flo, _write_flo), ".png": (_read_kitti, _write_kitti), ".npy": (_read_npy, _write_npy)}
    ending = Path(path).suffix.lower()
    if ending not in formats:
        raise ValueError(f"{path} has no known ending of a flow file: expected one of {', '.join(formats)}")
    return formats[ending]


def _read_flo(path: Path) -> Flow:
    with path.open("rb") as file:
        header, size = file.read(12), path.stat().st_size
        if header[:4] != b"PIEH" or len(header) < 12:
            raise ValueError(f"{path} is not a .flo file: it begins with {header[:4]!r}, expected b'PIEH'")
        width, height = (int(n) for n in np.frombuffer(header, "<i4", 2, 4))
        if width < 1 or height < 1 or size != 12 + 8 * width * height:
            raise ValueError(
                f"{path} is damaged: its header says {width}x{height}, and it has {size} bytes, "
                f"expected {12 + 8 * width * height}"
            )
        _check_size(path, (height, width))
        data = file.read(8 * width * height)
    return np.frombuffer(data, "<f4").reshape(height, width, 2).astype(np.float32)


def _check_size(path: Path, shape: tuple[int, int]) -> None:
    if shape[0] * shape[1] > MAX_PIXELS:
        raise ValueError(
            f"{path} is {shape[1]}x{shape[0]}, expected at most {MAX_PIXELS // 10**6} million pixels: make it smaller"
        )


def _write_flo(path: Path, flow: Flow) -> None:
    height, width = flow.shape[:2]
    header = b"PIEH" + np.array([width, height], "<i4").tobytes()
    path.write_bytes(header + flow.astype("<f4").tobytes())


def _read_kitti(path: Path) -> Flow:
    """Red and green are dx and dy in 1/64 px around 2^15; blue is 0 where nothing is known."""
    with path.open("rb") as file:
        header = file.read(26)
    if header[:8] != b"\x89PNG\r\n\x1a\n" or len(header) < 26:
        raise ValueError(f"{path} is not a PNG picture: expected a flow field of 16 bits, as KITTI writes them")
    if header[24:] != b"\x10\x02":  # bits per channel, colour type
        raise ValueError(f"{path} is no flow field: expected a PNG of three channels of 16 bits, as KITTI writes them")
    width, height = (int(n) for n in np.frombuffer(header, ">u4", 2, 16))
    _check_size(path, (height, width))
    try:
        picture = tf.io.decode_png(path.read_bytes(), channels=0, dtype=tf.uint16).numpy()
    except tf.errors.InvalidArgumentError:
        raise ValueError(f"{path} is damaged: expected a whole PNG picture, as KITTI writes flow fields") from None
    field = (picture[..., :2].astype(np.float32) - KITTI_ZERO) / np.float32(KITTI_STEPS)
    return np.where(picture[..., 2:] > 0, field, np.float32(np.nan))


def _write_kitti(path: Path, flow: Flow) -> None:
    known = np.asarray(np.isfinite(flow).all(-1, keepdims=True))
    finite = np.where(known, flow, 0.0)
    steps = np.rint(finite * KITTI_STEPS) + KITTI_ZERO
    if steps.min() < 0 or steps.max() >= 2**16:
        raise ValueError(
            f"flow has displacements of {np.abs(finite).max():.0f} px, expected under 512 in a KITTI picture: write "
            ".flo or .npy"
        )
    picture = np.concatenate([np.where(known, steps, 0.0), known], axis=-1).astype(np.uint16)
    path.write_bytes(tf.io.encode_png(picture).numpy())


def _read_npy(path: Path) -> Flow:
    try:
        field = np.lib.format.open_memmap(path, mode="r")  # nothing is read yet, and nothing is ever unpickled
    except Exception:  # the parser of its header raises whatever it meets
        raise ValueError(
            f"{path} is not a NumPy file of numbers: expected an array of shape (height, width, 2)"
        ) from None
    if field.ndim != 3 or field.shape[-1] != 2 or 0 in field.shape:
        raise ValueError(f"{path} has shape {field.shape}, expected (height, width, 2)")
    if field.dtype.kind not in "fiu":
        raise ValueError(f"{path} holds {field.dtype}, expected numbers")
    _check_size(path, field.shape[:2])
    return np.array(field, np.float32)


def _write_npy(path: Path, flow: Flow) -> None:
    np.save(path, flow)
