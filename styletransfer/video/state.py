"""Float32 results in files: what a job that was stopped goes on from.

A file is an archive of NumPy arrays, as `np.savez` makes it. It may have been damaged, or come from a stranger: nothing
in it is unpickled or unpacked, and no memory is taken on the word of a header.
"""

import io
import math
import pathlib
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from ..pictures import in_short, replacing
from .carry import Painted


def store(path: pathlib.Path, painted: Painted, *, passes: int = 1) -> None:
    """Write a frame, and how many passes it has seen."""
    with replacing(path) as part:
        np.savez(part, passes=passes, **painted._asdict())


def load(path: pathlib.Path) -> tuple[Painted, int]:
    """What `store` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, or holds something else.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            fields: dict[str, Any] = {name: _array(archive, name)[()] for name in Painted._fields}
            passes = int(_array(archive, "passes"))
        painted = Painted(**fields)
        _check(painted)
    except FileNotFoundError:
        raise
    except Exception as error:  # the parsers of archives raise whatever they meet
        raise ValueError(f"{path} is damaged ({in_short(error)}): remove its folder and start again") from None
    return painted, passes


def _array(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is packed")
    data = archive.read(member)
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError(f"{name} is of another version")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    begin = stream.tell()
    if dtype.kind not in "biuf" or math.prod(shape) * dtype.itemsize != len(data) - begin:
        raise ValueError(f"{name} is not {shape} of {dtype}")
    return np.frombuffer(data, dtype, offset=begin).reshape(shape, order="F" if fortran else "C").copy()


def _check(painted: Painted) -> None:
    """Raise ValueError unless the arrays are what `Painted` says, and fit together."""
    height, width = np.shape(painted.source)[1:3]
    picture, none = (1, height, width, 3), (0,)
    allowed: dict[str, tuple[tuple[int, ...], ...]] = {
        "source": (picture,),
        "result": (picture,),
        "fresh": (picture[1:3], none),
        "lent": ((height, width, 2), none),
        "drawn_out": (picture[1:3], none),
        "made_for": (picture[1:], none),
        "leaving": (none if painted.left == 0.0 else picture[1:],),
        "regions": ((*np.shape(painted.regions)[:1], height, width), none),
    }
    for name, value in painted._asdict().items():
        shape = np.shape(value)
        if shape not in allowed.get(name, ((),)) or not np.isfinite(value).all():
            raise ValueError(f"{name} has shape {shape}, or is not finite")
        if name in allowed and value.dtype != np.float32:
            raise ValueError(f"{name} holds {value.dtype}")
