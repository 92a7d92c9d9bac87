"""Small files that promise a lot, files that lead to others, and names that look like commands."""

import json
import pickle
import socket
import struct
import zipfile
import zlib

import h5py
import keras
import numpy as np
import pytest
from conftest import texture
from hostile import GIGABYTE, Confined, outcome, painted_frame, run_ffmpeg
from PIL import Image

from styletransfer.features import load_model
from styletransfer.motion.fields import read_flow, write_flow
from styletransfer.pictures import MAX_PIXELS, read_image, write_image
from styletransfer.video import media, state
from styletransfer.video.media import read_video, write_video

# --- small files that promise a lot ---


def png(width, height, depth=8, colour=2, data=b""):
    """A PNG picture, of zeros if nothing else is given, that claims to be of this size."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def npy(shape, kind="<f4"):
    """The header of a NumPy file, with nothing behind it."""
    header = str({"descr": kind, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def zeros_of_100_megapixels(path):
    path.write_bytes(png(10_000, 10_000, depth=1, colour=0, data=bytes(10_000 * 1251)))


def gif_of_65535(path):
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x48:r=12:d=0.5", path)
    data = bytearray(path.read_bytes())
    data[6:10] = b"\xff" * 4  # the size of the screen
    path.write_bytes(data)


def clip_of_30000(path):
    """A clip of PNG pictures, each of which claims 30000x30000."""
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x48:r=12:d=0.2", "-c:v", "png", "-pix_fmt", "rgb24", path)
    small, large = struct.pack(">II", 64, 48), struct.pack(">II", 30_000, 30_000)
    data = path.read_bytes().replace(b"IHDR" + small, b"IHDR" + large)
    path.write_bytes(data.replace(struct.pack(">HH", 64, 48), struct.pack(">HH", 30_000, 30_000)))


def clip_of_wide_pixels(path):
    run_ffmpeg("-f", "lavfi", "-i", "color=s=16384x4096:r=1:d=1", "-vf", "setsar=100", "-c:v", "mjpeg", path)


def clip_of_a_million_years(path):
    """Two pictures, the second of which comes much later."""
    late = "setpts='if(N,PTS+1e9/TB,PTS)'"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=0.08", "-vf", late, "-fps_mode", "vfr", path)


def dataset(path, name, shape, **how):
    with h5py.File(path, "w") as file:
        file.create_dataset(name, shape, np.float32, **how)


BOMBS = {
    "zeros.png": ("picture", zeros_of_100_megapixels),
    "claim.png": ("picture", lambda path: path.write_bytes(png(2**31 - 1, 2**31 - 1))),
    "claim.bmp": ("picture", lambda path: Image.new("RGB", (9, 9)).save(path) or _patch(path, 18, "<ii", 2**30, 2**30)),
    "claim.ppm": ("picture", lambda path: path.write_bytes(b"P6 999999 999999 255\n" + bytes(99))),
    "claim.tga": ("picture", lambda path: Image.new("RGB", (9, 9)).save(path) or _patch(path, 12, "<HH", 65535, 65535)),
    "screen.gif": ("picture", gif_of_65535),
    "moving.gif": ("video", gif_of_65535),
    "claim.mov": ("video", clip_of_30000),
    "wide.mkv": ("video", clip_of_wide_pixels),
    "long.mkv": ("video", clip_of_a_million_years),
    "claim.flo": ("flow", lambda path: path.write_bytes(b"PIEH" + struct.pack("<ii", 2**31 - 1, 2**31 - 1))),
    "sparse.flo": ("flow", lambda path: _sparse(path, b"PIEH" + struct.pack("<ii", 2**15, 2**14), 12 + 8 * 2**29)),
    "field.png": ("flow", lambda path: path.write_bytes(png(2**30, 2**30, depth=16))),
    "zeros_field.png": (
        "flow",
        lambda path: path.write_bytes(png(2**14, 2**13, 16, 2, bytes(2**13 * (1 + 6 * 2**14)))),
    ),
    "claim.npy": ("flow", lambda path: path.write_bytes(npy((2**40, 2**20, 2)))),
    "deep.npy": ("flow", lambda path: path.write_bytes(npy((1,) * 20))),
    "sparse.npy": ("flow", lambda path: _sparse(path, npy((2**15, 2**14, 2)), 128 + 8 * 2**29)),
    "claim.h5": ("weights", lambda path: dataset(path, "layers/conv2d/vars/0", (2**40,), chunks=(2**20,))),
    "chunk.h5": (
        "weights",
        lambda path: dataset(path, "a", (8,), chunks=(2**27,), maxshape=(None,), compression="gzip"),
    ),
    "claim.npz": ("stored", lambda path: _archive(path, npy((2**40, 9)))),
    "packed.npz": ("stored", lambda path: _archive(path, npy((2**22,)) + bytes(2**24), zipfile.ZIP_DEFLATED)),
}
"""What reads a file, and how it is made."""


def _patch(path, place, layout, *values):
    data = bytearray(path.read_bytes())
    struct.pack_into(layout, data, place, *values)
    path.write_bytes(data)


def _sparse(path, head, size):
    """As large as it says, without taking room."""
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)


def _archive(path, array, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name in ("passes", *painted_frame()._fields):
            archive.writestr(f"{name}.npy", array)


@pytest.fixture(scope="module")
def confined():
    """A process that may take a gigabyte."""
    with Confined(GIGABYTE) as process:
        yield process


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_little_memory(confined, tmp_path, name):
    reader, make = BOMBS[name]
    make(tmp_path / name)
    assert confined.outcome(reader, tmp_path / name) == "ValueError"


@pytest.mark.parametrize("name", ["zeros.png", "claim.mov", "moving.gif", "wide.mkv", "sparse.flo", "sparse.npy"])
def test_the_limit_of_pixels_is_told(tmp_path, name):
    reader, make = BOMBS[name]
    make(tmp_path / name)
    read = {"picture": read_image, "video": read_video, "flow": read_flow}[reader]
    with pytest.raises(
        ValueError, match=rf"{name} (is \d+x\d+|holds more than).* {MAX_PIXELS // 10**6} million pixels"
    ):
        read(tmp_path / name)


def test_the_limit_of_frames_is_told(tmp_path, monkeypatch):
    clip_of_a_million_years(tmp_path / "long.mkv")
    with pytest.raises(ValueError, match=r"long\.mkv promises \d+ frames, expected at most 1000000"):
        read_video(tmp_path / "long.mkv")
    write_video(tmp_path / "a.mp4", [texture(48, 64)] * 5, fps=5)
    monkeypatch.setattr(media, "MAX_FRAMES", 4)
    with pytest.raises(ValueError, match="promises 5 frames, expected at most 4"):
        read_video(tmp_path / "a.mp4")


# --- files that lead to others ---


@pytest.fixture
def secret(tmp_path):
    """Files that others lead to."""
    folder = tmp_path / "secret"
    folder.mkdir()
    for name in ("a.ts", "a.mp4"):
        run_ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x48:r=12:d=0.5", "-pix_fmt", "yuv420p", folder / name)
    for number in (1, 2, 3):
        write_image(folder / f"a{number}.png", texture(48, 64, seed=number))
    return folder


def playlists(secret, address):
    """Texts that make ffmpeg, left to itself, open a file or an address."""
    segment = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{}\n#EXT-X-ENDLIST\n"
    dash = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" mediaPresentationDuration="PT0.5S"><Period>'
        '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1000" width="64" height="48">'
        "<BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    )
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48"><image href="{}"/></svg>'
    return {
        "local list.m3u8": segment.format(secret / "a.ts"),
        "remote list.m3u8": segment.format(f"{address}/a.ts"),
        "list.mp4": segment.format(secret / "a.ts"),
        "script.mp4": f"ffconcat version 1.0\nfile {secret.name}/a.mp4\n",
        "script.ffconcat": f"ffconcat version 1.0\nfile {secret.name}/a.mp4\n",
        "dash.mpd": dash.format(f"{secret.name}/a.mp4"),
        "remote dash.mpd": dash.format(f"{address}/a.mp4"),
        "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "drawing.svg": drawing.format(secret / "a1.png"),
        "remote drawing.svg": drawing.format(f"{address}/a.png"),
        "drawing.eps": "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\n(x) run showpage\n",
        "text.txt": "hello, I am text\n" * 50,
        "script.avs": f'AVISource("{secret}/a.mp4")\n',
    }


def test_what_leads_to_other_files_or_addresses_is_refused_and_nothing_is_opened(tmp_path, secret):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        for name, text in playlists(secret, address).items():
            path = tmp_path / name
            path.write_text(text)
            for read, words in (
                (read_video, "is not a video"),
                (read_image, "is not a picture"),
                (
                    lambda path: write_video(tmp_path / "o.mp4", [texture(48, 64)], fps=5, sound=path),
                    "is neither sound",
                ),
            ):
                with pytest.raises(ValueError, match=words) as caught:
                    read(path)
                assert name in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 400
        with pytest.raises(BlockingIOError):
            server.accept()
    assert not (tmp_path / "o.mp4").exists()


def test_a_pattern_in_a_name_does_not_lead_to_other_pictures(tmp_path, secret):
    for name in ("a%d.png", "a*.png", "a?.png"):
        picture = write_image(secret / name, texture(48, 64, seed=9))
        np.testing.assert_array_equal(read_image(picture), texture(48, 64, seed=9))
        with pytest.raises(ValueError, match="is not a video"):
            read_video(picture)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/a.mp4",
        "https://127.0.0.1:9/a.mp4",
        "concat:{0}/a.mp4|{0}/a.mp4",
        "file:{0}/a.mp4",
        "file://{0}/a.mp4",
        "subfile,,start,0,end,999,,:{0}/a.mp4",
        "async:cache:{0}/a.mp4",
        "crypto:{0}/a.mp4",
        "data:video/mp4;base64,AAAA",
        "pipe:0",
        "fd:",
        "-i",
        "lavfi",
        "testsrc=s=64x48",
        "|cat {0}/a.mp4",
        "tee:{0}/a.mp4",
    ],
)
def test_an_address_is_a_name_of_no_file(tmp_path, secret, address):
    address = address.format(secret)
    for read in (read_video, read_image, lambda name: load_model(name + ".h5"), lambda name: read_flow(name + ".flo")):
        with pytest.raises(FileNotFoundError, match=r"no.* file"):
            read(address)


NAMES = (
    "-i",
    "-",
    "concat:a|b",
    "http:x",
    "pipe:0",
    "file,with:special'chars %d",
    "a\nb",
    "$(touch x)",
    "x;touch y",
    "\\",
)


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_file_may_have_any_name(tmp_path, monkeypatch, name):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    frames = [texture(48, 64, seed=seed) for seed in range(3)]
    write_video(f"{name}.mp4", frames, fps=5)
    assert len(list(read_video(f"{name}.mp4"))) == 3
    run_ffmpeg("-f", "lavfi", "-i", "sine=d=0.6", "sine.wav")
    (tmp_path / "here" / "sine.wav").rename(f"{name}.wav")
    assert read_video(write_video(f"{name} with sound.mkv", frames, fps=5, sound=f"{name}.wav")).sound
    write_image(f"{name}.png", frames[0])
    np.testing.assert_array_equal(read_image(f"{name}.png"), frames[0])
    write_flow(f"{name}.flo", np.ones((4, 5, 2)))
    assert read_flow(f"{name}.flo").shape == (4, 5, 2)
    assert len(list((tmp_path / "here").iterdir())) == 5


# --- files that would run code ---


class Trap:
    """Whoever unpickles it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_is_unpickled(tmp_path):
    sprung = tmp_path / "sprung"
    trap = np.array([Trap(sprung)], object)
    pickle.loads(pickle.dumps(Trap(sprung))).close()  # the test of the test
    sprung.unlink()
    np.save(tmp_path / "a.npy", trap, allow_pickle=True)
    np.savez(tmp_path / "a.npz", **dict.fromkeys(("passes", *painted_frame()._fields), trap))
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Trap(sprung)))
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Trap(sprung)))
    for name in ("a", "b"):
        with pytest.raises(ValueError, match="is not a NumPy file of numbers"):
            read_flow(tmp_path / f"{name}.npy")
        with pytest.raises(ValueError, match="is damaged"):
            state.load(tmp_path / f"{name}.npz")
    assert not sprung.exists()


def test_no_layer_is_made_from_a_file(tmp_path):
    """A whole model, whose layer would write a file, gives its weights or nothing."""
    sprung = tmp_path / "sprung"
    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x)])
    model.save(tmp_path / "a.keras")
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        config = archive.read("config.json").decode()
    parts = keras.src.utils.python_utils.func_dump(lambda x, path=str(sprung): (open(path, "w").close(), x)[1])
    keras.src.utils.python_utils.func_load(*parts)(0)  # the test of the test
    sprung.unlink()
    lambda_config = json.loads(config)
    for layer in lambda_config["config"]["layers"]:
        if layer["class_name"] == "Lambda":
            layer["config"]["function"] = {
                "class_name": "__lambda__",
                "config": dict(zip(("code", "defaults", "closure"), parts, strict=True)),
            }
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(lambda_config)
        file.attrs["keras_version"], file.attrs["backend"] = keras.__version__, "tensorflow"
        file.create_group("model_weights").attrs["layer_names"] = []
    (tmp_path / "a.weights.h5").write_bytes((tmp_path / "a.h5").read_bytes())
    for name in ("a.keras", "a.h5", "a.weights.h5"):
        with pytest.raises(ValueError, match=r"expected a file that ends in|does not hold the weights"):
            load_model(tmp_path / name)
    assert not sprung.exists()


def test_weights_do_not_come_from_other_files(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["a"] = np.zeros(9, np.float32)
    (tmp_path / "raw").write_bytes(bytes(36))
    layout = h5py.VirtualLayout((9,), np.float32)
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "a", (9,))

    def link(file):
        file["layers"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/a")

    def soft(file):
        file["layers"] = h5py.SoftLink("/elsewhere")

    def external(file):
        file.create_dataset("a", (9,), np.float32, external=[(str(tmp_path / "raw"), 0, 36)])

    def virtual(file):
        file.create_virtual_dataset("a", layout)

    for make, words in (
        (link, "leads elsewhere"),
        (soft, "leads elsewhere"),
        (external, "another"),
        (virtual, "another"),
    ):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            make(file)
        with pytest.raises(ValueError, match=rf"a\.h5 does not hold the weights .*{words}"):
            load_model(tmp_path / "a.h5")


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    network = keras.applications.VGG19(include_top=False, weights=None)
    kernel, bias = network.get_layer("block1_conv1").get_weights()
    kernel[0, 0, 0, 0] = np.nan
    network.get_layer("block1_conv1").set_weights([kernel, bias])
    network.save_weights(tmp_path / "a.weights.h5")
    assert outcome(load_model, tmp_path / "a.weights.h5") == "ValueError"
