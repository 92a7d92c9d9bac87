"""Killed at any file operation, without power, on a full disk, with an ffmpeg that dies: the next run ends the job."""

import pathlib
import subprocess
import sys
import time
from random import Random

import numpy as np
import pytest
from conftest import texture
from faults import Killed, Machine
from test_hostile_jobs import network

from styletransfer.pictures import read_image
from styletransfer.video.job import job_folder, stylize_video

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is synced is looked up in /proc")

STYLE = texture(24, 24, seed=2, smooth=1.0)
SCENE = texture(32, 64, seed=1, smooth=2.5)
FRAMES = [np.ascontiguousarray(SCENE[:, 3 * i : 3 * i + 40]) for i in range(4)]
FEW = {
    "style_layers": ("block1_conv1",),
    "content_layers": ("block1_conv2",),
    "steps": 2,
    "flow_quality": "fast",
    "progress": False,
}
KINDS = {"in order": {}, "in passes": {"passes": 2}, "with key frames": {"keyframes": 2}}
TESTS = str(pathlib.Path(__file__).parent)
TARGETS = ("out.mp4", "out")


def paint(target, model, **settings):
    return stylize_video(FRAMES, STYLE, target, model=model, **FEW, **settings)


def same(target, expected):
    if target.is_dir():
        assert [p.name for p in sorted(target.iterdir())] == [p.name for p in sorted(expected.iterdir())]
        for file in expected.iterdir():
            np.testing.assert_array_equal(read_image(target / file.name), read_image(file))
    else:
        assert target.read_bytes() == expected.read_bytes()


@pytest.fixture(scope="module")
def expected(model, tmp_path_factory):
    """What an uninterrupted run gives, and how many operations it takes, by kind and target."""
    root, found = tmp_path_factory.mktemp("expected"), {}
    for kind, settings in KINDS.items():
        for name in TARGETS:
            (root / kind).mkdir(exist_ok=True)
            with Machine(root) as machine:
                found[kind, name] = paint(root / kind / name, model, **settings), machine
    return found


def interrupted(folder, model, wanted, kind, name, at, *, dies=True, power=True):
    """Fail at operation `at`, go on, and compare; the target holds an earlier result, or nothing."""
    folder.mkdir()
    target, settings = folder / name, KINDS[kind]
    with Machine(folder, at, dies=dies) as machine, pytest.raises((Killed, OSError)):
        paint(target, model, **settings)
    if dies and not power:
        machine.lose_power()
    if target.exists():  # then it is whole
        same(target, wanted)
    paint(target, model, **settings)
    same(target, wanted)
    assert [path.name for path in folder.iterdir()] == [name]


CASES = [("in order", "out.mp4"), ("in order", "out"), ("in passes", "out.mp4"), ("with key frames", "out")]


def moments(machine, case, step, events=None):
    """Every so many operations (of these kinds), from another on for each case.

    But for the last: a job that dies after it has ended.
    """
    numbers = [at for at, (event, _) in enumerate(machine.log[:-2]) if events is None or event in events]
    return numbers[Random(str(case)).randrange(step) :: step]


@pytest.mark.parametrize("power", [True, False], ids=["killed", "without power"])
@pytest.mark.parametrize("kind, name", CASES)
def test_a_job_that_died_at_some_moments_gives_the_same_clip(model, expected, tmp_path, kind, name, power):
    wanted, machine = expected[kind, name]
    for at in moments(machine, (kind, name, power), 29):
        interrupted(tmp_path / str(at), model, wanted, kind, name, at, power=power)


@pytest.mark.slow
@pytest.mark.parametrize("power", [True, False], ids=["killed", "without power"])
@pytest.mark.parametrize("kind, name", CASES)
def test_a_job_that_died_at_any_moment_gives_the_same_clip(model, expected, tmp_path, kind, name, power):
    wanted, machine = expected[kind, name]
    for at in moments(machine, (kind, name, power), 1):
        interrupted(tmp_path / str(at), model, wanted, kind, name, at, power=power)
    print(f"{kind}, {name}: {at + 1} moments")


@pytest.mark.parametrize(
    "step", [19, pytest.param(1, marks=pytest.mark.slow)], ids=["at some moments", "at any moment"]
)
@pytest.mark.parametrize("kind, name", CASES)
def test_a_disk_that_was_full_loses_nothing(model, expected, tmp_path, kind, name, step):
    wanted, machine = expected[kind, name]
    for at in moments(machine, (kind, name), step, ("open", "os.mkdir", "fsync")):
        interrupted(tmp_path / str(at), model, wanted, kind, name, at, dies=False)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_takes_a_place_is_synced_before_and_its_name_before_more_is_removed(expected, kind, name):
    machine = expected[kind, name][1]
    assert sum(event == "os.rename" for event, _ in machine.log) > 2 * len(FRAMES)
    assert machine.torn == machine.hasty == []


def test_a_second_process_on_the_same_job_says_so(model, tmp_path):
    def again(progress):
        with pytest.raises(BlockingIOError, match=r"another process works on .*out\.job"):
            paint(tmp_path / "out", model)

    stylize_video(FRAMES[:2], STYLE, tmp_path / "out", model=model, on_frame=again, **FEW)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_ffmpeg_that_dies_leaves_a_job_that_goes_on(model, expected, tmp_path, monkeypatch):
    dying = tmp_path / "ffmpeg"
    dying.write_text("#!/bin/sh\nhead -c 5000 > /dev/null\nkill -9 $$\n")
    dying.chmod(0o755)
    target = tmp_path / "out.mp4"
    with monkeypatch.context() as context:
        context.setenv("IMAGEIO_FFMPEG_EXE", str(dying))
        with pytest.raises((RuntimeError, OSError), match=r"ffmpeg|Broken pipe"):
            paint(target, model)
    assert len(list((job_folder(target) / "frames").iterdir())) == len(FRAMES) and not target.exists()
    paint(target, model, on_step=lambda _: pytest.fail("painted again"))
    same(target, expected["in order", "out.mp4"][0])


CHILD = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import faults
from test_hostile_jobs import network
from test_killed import paint

class Suicide(faults.Machine):
    def see(self, event, path):
        if len(self.log) == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.log.append((event, path))

model = network()
print("ready", flush=True)
with Suicide(os.path.dirname(sys.argv[1]), int(sys.argv[2])):
    paint(sys.argv[1], model)
"""


@pytest.mark.slow
def test_a_process_that_is_killed_fifty_times_gives_the_same_clip(tmp_path):
    """Half of them at a random operation, the others at a random time, which is in the middle of one."""
    wanted, random = paint(tmp_path / "expected.mp4", network()), Random(50)
    begun = time.monotonic()
    paint(tmp_path / "again.mp4", network())
    seconds, target, operations = time.monotonic() - begun, tmp_path / "work" / "out.mp4", 150
    target.parent.mkdir()
    kills = complete = 0
    while kills < 50:
        at = random.randrange(operations) if kills % 2 else -1
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD.format(tests=TESTS), str(target), str(at)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout.readline() == "ready\n"
        if at < 0:
            time.sleep(random.uniform(0.0, seconds))
            child.kill()
        child.stdout.close()
        assert child.wait() in (0, -9)
        kills += child.returncode == -9
        if target.exists():
            same(target, wanted)
            complete += not job_folder(target).exists()
            target.unlink()
    paint(target, network())
    same(target, wanted)
    assert [path.name for path in target.parent.iterdir()] == ["out.mp4"]
    print(f"{kills} kills, {complete} clips complete between them")


FULL = """
import sys
sys.path.insert(0, {tests!r})
from test_killed import FRAMES, paint, np
from test_hostile_jobs import network
import shutil, pathlib
disk, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[1], "out.mp4")
(disk / "ballast").write_bytes(bytes(int(sys.argv[2])))
model = network()
try:
    paint(target, model)
except OSError as error:
    print(error)
else:
    sys.exit("the disk was not full")
assert not target.exists()
(disk / "ballast").unlink()
paint(target, model)
shutil.move(target, sys.argv[3])
"""


@pytest.mark.slow
def test_a_small_disk_that_is_full_leaves_a_job_that_goes_on(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=2m none "{disk}"'
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    paint(tmp_path / "expected.mp4", network())
    script = tmp_path / "script.py"
    script.write_text(FULL.format(tests=TESTS))
    for ballast in (2_090_000, 2_040_000, 1_990_000, 1_940_000):  # full in the first frame, ..., in the result
        command = f'{mount} && "{sys.executable}" "{script}" "{disk}" {ballast} "{tmp_path}/{ballast}.mp4"'
        done = subprocess.run(["unshare", "-rm", "sh", "-c", command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "No space left" in done.stdout or "full" in done.stdout, done.stdout
        same(tmp_path / f"{ballast}.mp4", tmp_path / "expected.mp4")
