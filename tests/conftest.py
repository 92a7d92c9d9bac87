"""What all tests share: a network without a download, small pictures drawn by code, the optional real data."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # read by TensorFlow when it is imported

import hypothesis
import keras
import numpy as np
import pytest
from scipy import ndimage

from styletransfer.app.page.shelf import Shelf

# A shell that runs the tests in the background lets them ignore Ctrl-C, and so would what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, and no clock: a busy machine must not fail a test.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("steady")


@pytest.fixture(scope="session")
def data() -> pathlib.Path:
    """The folder of real clips and pictures that `STYLETRANSFER_DATA` names."""
    folder = os.environ.get("STYLETRANSFER_DATA")
    if not folder:
        pytest.skip("STYLETRANSFER_DATA is not set: it names the folder of real clips and pictures")
    return pathlib.Path(folder)


@pytest.fixture(scope="session")
def model() -> keras.Model:
    """VGG19 without its classifier and with seeded random weights, of the size that trained ones have.

    He-normal kernels keep the activations at the size of the pixels from layer to layer, and the biases are
    large enough to be seen if one is dropped or scaled wrongly.
    """
    network = keras.applications.VGG19(include_top=False, weights=None)
    rng = np.random.default_rng(19)
    for layer in network.layers:
        if layer.weights:
            kernel, bias = (variable.shape for variable in layer.weights)
            spread = np.sqrt(2.0 / np.prod(kernel[:3]))
            layer.set_weights([spread * rng.standard_normal(kernel, np.float32), 5 * rng.standard_normal(bias)])
    network.trainable = False
    return network


@pytest.fixture(scope="session")
def weights(model: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of these random weights."""
    path = tmp_path_factory.mktemp("weights") / "random.weights.h5"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Keras' own
        model.save_weights(path)
    return str(path)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The page's own pictures, drawn once for all tests."""
    root = tmp_path_factory.mktemp("drawn")
    Shelf(root)
    return root / "own"


@pytest.fixture
def page_root(tmp_path: pathlib.Path, drawn: pathlib.Path) -> pathlib.Path:
    """A folder of the page's jobs."""
    shutil.copytree(drawn, tmp_path / "page" / "own")
    return tmp_path / "page"


@contextmanager
def open_page(root: pathlib.Path, *words: str) -> Iterator[str]:
    """`styletransfer gui` on a folder of jobs, with these options, until the block ends; its address."""
    said = root.parent / f"{root.name}.log"
    command = [sys.executable, "-m", "styletransfer", "gui", "--no-browser", "--jobs", str(root), *words]
    with said.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    try:
        wait_for(lambda: "the page is at" in said.read_text() or process.poll() is not None)
        address = re.search(r"the page is at (\S+?)/?,", said.read_text())
        assert address, said.read_text()
        yield address[1]
        process.send_signal(signal.SIGINT)  # Ctrl-C
        assert process.wait(60) == 0, said.read_text()
    finally:
        process.kill()
        process.wait()


def wait_for(what: Callable[[], bool], seconds: float = 60.0) -> None:
    """Return as soon as `what` holds; fail if that takes longer."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


def texture(height: int, width: int, seed: int = 0, smooth: float = 2.0) -> np.ndarray:
    """A smooth random picture, `(height, width, 3)` uint8, that spans black to white in every channel."""
    noise = np.random.default_rng(seed).standard_normal((height, width, 3))
    noise = ndimage.gaussian_filter(noise, (smooth, smooth, 0.0), mode="wrap")
    low, high = noise.min(axis=(0, 1)), noise.max(axis=(0, 1))
    return np.rint(255.0 * (noise - low) / (high - low)).astype(np.uint8)


@pytest.fixture(scope="session")
def content() -> np.ndarray:
    """`(1, 32, 48, 3)` float32 in 0..255: a picture as the solver takes it."""
    return texture(32, 48, seed=1)[np.newaxis].astype(np.float32)


@pytest.fixture(scope="session")
def style() -> np.ndarray:
    """`(1, 40, 32, 3)` float32 in 0..255: finer than the content, and of another size."""
    return texture(40, 32, seed=2, smooth=1.0)[np.newaxis].astype(np.float32)
