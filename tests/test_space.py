"""What a job takes of disk and memory is told before it begins, is never more, and does not grow with its length."""

import logging
import subprocess
import sys

import numpy as np
import pytest
from conftest import texture

from styletransfer import StyleOptions
from styletransfer.video import space
from styletransfer.video.job import job_folder, stylize_video

STYLE = texture(24, 24, seed=2, smooth=1.0)
FEW = {"style_layers": ("block1_conv1",), "content_layers": (), "steps": 2, "flow_quality": "fast", "progress": False}


def noise(frames, shape=(48, 64)):
    """What takes most: neither PNG nor a film holds it in less, and nothing of it is held still."""
    return np.random.default_rng(0).integers(0, 256, (frames, *shape, 3), np.uint8)


def taken(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("name", ["out.mp4", "out"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"history": (1, 3, 7)}, {"passes": 2}, {"keyframes": 3}, {"regions": True}, {"lbfgs_memory": 1, "steps": 1}],
    ids=str,
)
def test_the_disk_holds_what_was_told(model, tmp_path, monkeypatch, name, settings):
    frames, most, told = noise(12), [0], []
    if "regions" in settings:
        settings = {"regions": [np.full((48, 64), 255 * (np.arange(64) % 2), np.uint8)] * 12}
    monkeypatch.setattr(space, "tell", lambda folder, disk, memory: told.append(disk))
    unlink = space.pathlib.Path.unlink

    def look(path, missing_ok=False):  # before anything is dropped
        most.append(taken(tmp_path))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(space.pathlib.Path, "unlink", look)
    stylize_video(list(frames), STYLE, tmp_path / name, model=model, **FEW | settings)
    assert told[0] / 3 < max(most) <= told[0]


def test_a_disk_and_a_memory_that_will_not_do_are_told_in_advance(model, tmp_path, monkeypatch, caplog):
    usage = space.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(space.shutil, "disk_usage", lambda path: usage._replace(free=10_000))
    monkeypatch.setattr(space, "memory_available", lambda: 500_000_000)
    with caplog.at_level(logging.INFO, "styletransfer"):
        stylize_video(list(noise(3)), STYLE, tmp_path / "out.mp4", model=model, **FEW)
    told, *warned = [record for record in caplog.records if record.name == "styletransfer.video.space"]
    assert "takes up to 0.00 GB of the disk while the job runs, and the job 1." in told.getMessage()
    assert [record.levelname for record in warned] == ["WARNING", "WARNING"]
    assert "make room" in warned[0].getMessage() and "0.50 GB are free" in warned[1].getMessage()


def test_memory_grows_with_the_picture_and_is_bounded_by_tiles():
    small, large = ((n * 9, n * 16) for n in (16, 256))
    options = StyleOptions()
    untiled, tiled = options.replace(max_tile=None), options.replace(max_tile=1024)
    assert space.memory_needed(small, options) == space.memory_needed(small, untiled)
    assert space.memory_needed(large, tiled) < space.memory_needed(large, options) < space.memory_needed(large, untiled)


def test_every_frame_that_the_history_reaches_back_to_is_counted():
    near, far = (space.memory_needed((90, 160), StyleOptions(history=(1, reach))) for reach in (10, 40))
    assert far - near == pytest.approx(30 * 90 * 160 * (space.STATE_BYTES + space.FLOW_MEMORY), abs=1)


@pytest.mark.skipif(sys.platform != "linux", reason="is read from /proc")
def test_the_memory_of_a_container_counts(tmp_path, monkeypatch):
    free = space.memory_available()
    assert 1e6 < free < 1e15
    monkeypatch.setattr(space, "CGROUP", tmp_path)
    assert space.memory_available() == pytest.approx(free, rel=0.5)
    for name, text in (("max", "max\n"), ("current", "300000\n"), ("stat", "anon 5\ninactive_file 100000\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert space.memory_available() == pytest.approx(free, rel=0.5)
    (tmp_path / "memory.max").write_text("900000\n")
    assert space.memory_available() == 700_000


LONG = """
import pathlib, sys
sys.path.insert(0, {tests!r})
from test_hostile_jobs import network
from test_space import FEW, STYLE, taken
from conftest import texture
from styletransfer import write_video
from styletransfer.video.job import job_folder, stylize_video

folder = pathlib.Path(sys.argv[1])
wide = texture(24, 32 + 2000 * 2 // 10, seed=4)
frames = (wide[:, i // 5 : i // 5 + 32] if i % 5 else wide[:, i // 5 : i // 5 + 32] // 2 for i in range(2000))
clip = write_video(folder / "clip.mkv", frames, fps=25)

def note(progress):
    if progress.done % 100 == 0:
        resident = int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096
        print(progress.done, resident, taken(job_folder(folder / "out.mp4") / "state"), flush=True)

stylize_video(clip, STYLE, folder / "out.mp4", model=network(), on_frame=note, **FEW | {{"still_threshold": 0.0}})
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="what is resident is read from /proc")
def test_memory_and_state_stay_as_they_are_over_two_thousand_frames(tmp_path):
    script = tmp_path / "long.py"
    script.write_text(LONG.format(tests=str(space.pathlib.Path(__file__).parent)))
    done = subprocess.run([sys.executable, script, tmp_path], check=True, stdout=subprocess.PIPE, text=True)
    rows = np.array([list(map(int, line.split())) for line in done.stdout.splitlines()])
    print(done.stdout)
    assert rows[-1, 0] == 2000
    assert rows[-5:, 1].mean() - rows[2:7, 1].mean() < 24e6
    assert rows[:, 2].max() < 1.1 * rows[2, 2]
    assert not job_folder(tmp_path / "out.mp4").exists()
