"""What the tests of hostile files share: damage, readers, and a process in which they can do no harm."""

import contextlib
import multiprocessing
import os
import pathlib
import subprocess
import sys
import traceback
import warnings
from typing import NamedTuple

import h5py
import keras
import numpy as np
import pytest
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

import styletransfer
from styletransfer.features import PARAMETERS, load_model
from styletransfer.motion.fields import read_flow, write_flow
from styletransfer.options import StyleOptions
from styletransfer.pictures import read_image, upright_shape
from styletransfer.video import state
from styletransfer.video.carry import Painted
from styletransfer.video.media import TruncatedVideoWarning, read_video, write_video
from styletransfer.video.regions import open_regions

PACKAGE = pathlib.Path(styletransfer.__file__).parent
SECONDS = 30
"""For a file, on a busy machine: what takes longer hangs."""
GIGABYTE = 2**30

# --- damage ---

FOREIGN = (
    b"",
    b"\0",
    b"hello, I am text\n" * 40,
    b"PK\x03\x04" + bytes(26) + b"a file in an archive" * 9,
    b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\0>\0\x01\0\0\0" + bytes(200),
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",
    b"<html><script>alert(1)</script></html>",
    b"#EXTM3U\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n",
    b"\x80\x04\x95\x1d\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85\x94R\x94.",
)
"""Nothing, text, an archive, a program, a drawing, a page, a list, a pickle: in the wrong clothes."""

EXTREMES = [bytes([value]) * size for value in (0, 0x7F, 0x80, 0xFF) for size in (1, 2, 4, 8)]
HEADER = 512
"""Bytes at the head of a file, where most fields lie that say how large things are."""


def truncated(data, random, other):
    return data[: random.randrange(len(data))]


def flipped(data, random, other):
    result = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        result[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(result)


def header_flipped(data, random, other):
    head = min(HEADER, len(data))
    return flipped(data[:head], random, other) + data[head:]


def extreme(data, random, other):
    value, place = random.choice(EXTREMES), random.randrange(min(HEADER, len(data)))
    return data[:place] + value + data[place + len(value) :]


def spliced(data, random, other):
    a, b = sorted(random.randrange(len(data) + 1) for _ in range(2))
    place = random.randrange(len(data) + 1)
    return data[:place] + random.choice((data, other))[a:b] + data[place:]


def cut_out(data, random, other):
    a, b = sorted(random.randrange(len(data) + 1) for _ in range(2))
    return data[:a] + data[b:]


def overwritten(data, random, other):
    place, size = random.randrange(len(data)), random.choice((1, 16, 256, 4096))
    return data[:place] + random.choice((bytes(size), b"\xff" * size, other[:size])) + data[place + size :]


def foreign(data, random, other):
    return random.choice(FOREIGN)


def dressed(data, random, other):
    """Another kind of file, whole, under the name of this one."""
    return other


DAMAGE = (truncated, flipped, header_flipped, extreme, extreme, spliced, cut_out, overwritten, foreign, dressed)


# --- readers ---


def picture(path):
    """Read a picture in both ways."""
    shape = upright_shape(path)
    image = read_image(path)
    assert image.shape == (*shape, 3) and image.dtype == np.uint8


def video(path):
    """Read a clip to its end."""
    clip, count = read_video(path), 0
    for frame in clip:
        assert frame.shape == (*clip.shape, 3)
        count += 1
    assert count <= clip.length + 2


def sound(path):
    """Lay the sound of a file under pictures."""
    with contextlib.suppress(RuntimeError):  # in ffmpeg's words: the frames were fed, and its sound does not decode
        write_video(path.with_suffix(".out.mp4"), [np.zeros((16, 16, 3), np.uint8)] * 3, fps=12, sound=path)
    path.with_suffix(".out.mp4").unlink(missing_ok=True)


def mask(path):
    """Read a mask, which may be a picture or a clip."""
    masks = open_regions(path, StyleOptions())
    assert next(iter(masks)).ndim == 3


def flow(path):
    """Read a flow field."""
    field = read_flow(path)
    assert field.ndim == 3 and field.shape[2] == 2 and field.dtype == np.float32


def weights(path):
    """Load a network."""
    network = load_model(path)
    assert network.count_params() == PARAMETERS
    assert all(np.isfinite(weight).all() for weight in network.get_weights())
    del network
    keras.backend.clear_session()  # Keras' graphs are cycles of large things


def stored(path):
    """Load what a job stored."""
    painted, _ = state.load(path)
    assert painted.source.shape == painted.result.shape


READERS = {reader.__name__: reader for reader in (picture, video, sound, mask, flow, weights, stored)}


def confined_reader(function):
    """Make a function one of the `READERS`."""
    READERS[function.__name__] = function
    return function


def outcome(reader, path):
    """`"read"`, or the type of our own one-sentence error; anything else raises AssertionError."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", TruncatedVideoWarning)
        try:
            reader(path)
        except AssertionError:
            raise
        except Exception as error:
            check_sentence(error, path)
            return type(error).__name__
    return "read"


def check_sentence(error, path):
    """Raise AssertionError unless an error was raised by us, in one sentence that names the file."""
    words, raised = str(error), pathlib.Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    ours = raised.is_relative_to(PACKAGE) and isinstance(error, ValueError | OSError)
    one_sentence = path.name in words and "\n" not in words and len(words) < 600
    enough = "Memory" not in words and "allocate" not in words  # else it was asked for too much
    assert ours and one_sentence and enough, "".join(traceback.format_exception(error))


# --- a process apart ---


class Confined:
    """A process that reads files with a limit of memory; it is replaced where one of them ends it or hangs it."""

    def __init__(self, memory=4 * GIGABYTE):
        self.memory = memory
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._end()

    def outcome(self, reader, path, seconds=SECONDS):
        """As `outcome`; "crash", "hang", or the words of the AssertionError."""
        if self.process is None:
            self._begin()
        self.pipe.send((READERS[reader], path))
        try:
            if self.pipe.poll(seconds):
                return self.pipe.recv()
            words = "hang"
        except (EOFError, ConnectionError):
            words = "crash"
        self._end()
        return words

    def _begin(self):
        if sys.platform != "linux":
            pytest.skip("memory is limited as Linux does it")
        spawn = multiprocessing.get_context("spawn")
        self.pipe, theirs = spawn.Pipe()
        self.process = spawn.Process(target=_serve, args=(theirs, self.memory), daemon=True)
        self.process.start()
        theirs.close()
        assert self.pipe.poll(120) and self.pipe.recv() == "ready"

    def _end(self):
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.pipe.close()
        self.process = None


def _serve(pipe, memory):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import resource  # not on Windows

    taken = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + memory, taken + memory))
    pipe.send("ready")
    while True:
        reader, path = pipe.recv()
        try:
            pipe.send(outcome(reader, path))
        except AssertionError as error:
            pipe.send(str(error) or "assertion")


# --- whole files to begin with ---


class Seed(NamedTuple):
    """A whole file, and what reads it."""

    reader: str
    name: str
    data: bytes

    def __repr__(self):
        return f"{self.name} for {self.reader}"


def run_ffmpeg(*arguments):
    """Make a file with ffmpeg."""
    subprocess.run([get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)], check=True)


def still(folder):
    """Pictures of every kind."""
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8))
    for suffix in ("png", "jpg", "bmp", "ppm", "tga", "webp"):
        image.save(folder / f"a.{suffix}")
    image.save(folder / "packed.tiff", compression="tiff_lzw")
    image.convert("P").save(folder / "a.gif", save_all=True, append_images=[image.rotate(90).convert("P")])
    image.convert("RGBA").save(folder / "alpha.png")


def moving(folder):
    """Clips of every kind, half a second long."""
    inputs = ["-f", "lavfi", "-i", "testsrc=s=64x48:r=12:d=0.5", "-f", "lavfi", "-i", "sine=d=0.5"]
    plain = ["-pix_fmt", "yuv420p"]
    for name, options in {
        "a.mp4": ["-c:v", "libx264", *plain],
        "fast.mp4": ["-c:v", "libx264", *plain, "-movflags", "+faststart"],
        "a.mkv": ["-c:v", "mpeg4", *plain, "-c:a", "libvorbis"],
        "a.webm": ["-c:v", "libvpx", *plain, "-c:a", "libopus"],
        "a.avi": ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-c:a", "libmp3lame"],
        "a.mov": ["-c:v", "prores_ks", "-c:a", "pcm_s16le"],
        "a.ts": ["-c:v", "libx264", *plain],
        "a.gif": ["-map", "0:v"],
    }.items():
        run_ffmpeg(*inputs, *options, folder / name)


def fields(folder):
    """Flow fields of every kind."""
    field = np.random.default_rng(0).uniform(-9, 9, (12, 16, 2)).astype(np.float32)
    for suffix in ("flo", "png", "npy"):
        write_flow(folder / f"field.{suffix}", field)


def painted_frame():
    """As a job stores it."""
    picture = np.random.default_rng(0).uniform(0, 255, (1, 12, 16, 3)).astype(np.float32)
    return Painted(picture, picture[:, ::-1], 2, made_for=picture[0])


def networks(folder):
    """Weight files in both of Keras' layouts, of zeros, packed: small files that hold all of VGG19."""
    network = keras.applications.VGG19(include_top=False, weights=None)
    network.save_weights(folder / "large.weights.h5")
    with h5py.File(folder / "large.weights.h5") as large, h5py.File(folder / "new.weights.h5", "w") as small:
        large.visititems(lambda name, item: _zeros(small, name, item.shape) if isinstance(item, h5py.Dataset) else None)
    (folder / "large.weights.h5").unlink()
    with h5py.File(folder / "old.h5", "w") as small:
        layers = [layer for layer in network.layers if layer.weights]
        small.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        for layer in layers:
            names = [f"{layer.name}/{part}:0" for part in ("kernel", "bias")]
            small.require_group(layer.name).attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.weights, strict=True):
                _zeros(small[layer.name], name, weight.shape)


def _zeros(group, name, shape):
    group.create_dataset(name, shape, np.float32, np.zeros(shape, np.float32), chunks=tuple(shape), compression="gzip")


def seeds(folder):
    """Every whole file, and what reads it."""
    for make in (still, moving, fields, networks):
        make(folder)
    state.store(folder / "frame.npz", painted_frame())
    found = []
    for path in sorted(folder.iterdir()):
        found += [Seed(reader, path.name, path.read_bytes()) for reader in _readers(path)]
    return found


def _readers(path):
    if path.stem == "field":
        return ["flow"]
    if path.suffix == ".h5":
        return ["weights"]
    if path.suffix == ".npz":
        return ["stored"]
    if path.suffix in (".mp4", ".mkv", ".webm", ".avi", ".mov", ".ts"):
        return ["video", "sound"]
    return {".gif": ["picture", "video", "mask"], ".webp": ["picture", "mask"]}.get(path.suffix, ["picture"])
