"""The folder of an unfinished job, damaged or laid there by a stranger: the same frames, or one sentence."""

import collections
import json
import random
import shutil
import zlib

import keras
import numpy as np
import pytest
from conftest import texture
from hostile import DAMAGE, Confined, confined_reader

from styletransfer.pictures import read_image
from styletransfer.video.job import job_folder, stylize_video

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


def network():
    """The same in every process."""
    keras.utils.set_random_seed(19)
    return keras.applications.VGG19(include_top=False, weights=None)


def stopped(folder, model, **settings):
    """A job that was stopped on the way."""
    left = [None] * 5

    def stop(iterate):
        if not left:
            raise KeyboardInterrupt
        left.pop()

    with pytest.raises(KeyboardInterrupt):
        stylize_video(FRAMES, STYLE, folder / "out", model=model, on_step=stop, **FEW, **settings)


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """A folder for each kind, with an unfinished job and with the frames that an uninterrupted one gives."""
    root, model = tmp_path_factory.mktemp("jobs"), network()
    for kind, settings in KINDS.items():
        (root / kind).mkdir()
        stylize_video(FRAMES, STYLE, root / kind / "expected", model=model, **FEW, **settings)
        stopped(root / kind, model, **settings)
    return root


MODELS = []
"""The network of a confined process."""


@confined_reader
def resumed(path):
    """Take up the job in a folder, which says its kind, and compare."""
    if not MODELS:
        MODELS.append(network())
    folder, kind = path.parent, (path.parent / "kind").read_text()
    (folder / "kind").unlink()
    stylize_video(FRAMES, STYLE, folder / "out", model=MODELS[0], **FEW, **KINDS[kind])
    for number in range(1, len(FRAMES) + 1):
        name = f"{number:06}.png"
        np.testing.assert_array_equal(read_image(folder / "out" / name), read_image(folder / "expected" / name))


# --- damage ---


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def damage_a_file(job, chance):
    path = chance.choice(files(job))
    path.write_bytes(chance.choice(DAMAGE)(path.read_bytes(), chance, chance.choice(files(job)).read_bytes()))


def lose_a_file(job, chance):
    chance.choice(files(job)).unlink()


def exchange_two_files(job, chance):
    one, other = (chance.choice(files(job)) for _ in range(2))
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


def add_a_file(job, chance):
    path = chance.choice(files(job))
    name = chance.choice(("000009" + path.suffix, "999999" + path.suffix, "0" + path.suffix, "x" + path.suffix, ".x"))
    (path.parent / name).write_bytes(path.read_bytes())


def make_a_folder_of_a_file(job, chance):
    path = chance.choice(files(job))
    path.unlink()
    path.mkdir()


def change_the_manifest(job, chance):
    path = job / "manifest.json"
    manifest = json.loads(path.read_text())
    part = chance.choice((manifest, manifest["options"]))
    part[chance.choice(sorted(part))] = chance.choice((None, [], {}, -1, 1e308, "x" * 9999, [[[]]], {"a": {"b": "c"}}))
    path.write_text(json.dumps(manifest))


HARM = (damage_a_file,) * 5 + (
    lose_a_file,
    exchange_two_files,
    add_a_file,
    make_a_folder_of_a_file,
    change_the_manifest,
)


def harmed(jobs, folder, number):
    """A copy of a job with one kind of harm, decided by a number; the kind of the job, and what was done."""
    chance = random.Random(zlib.crc32(f"job {number}".encode()))
    kind, harm = chance.choice(sorted(KINDS)), chance.choice(HARM)
    shutil.copytree(jobs / kind, folder)
    (folder / "kind").write_text(kind)
    harm(job_folder(folder / "out"), chance)
    return f"{number} {kind}: {harm.__name__}"


def check_harmed(process, jobs, tmp_path, numbers):
    counts, faults = collections.Counter(), []
    for number in numbers:
        what = harmed(jobs, tmp_path / "here", number)
        result = process.outcome("resumed", job_folder(tmp_path / "here" / "out"), 120)
        counts[result if len(result) < 40 else "fault"] += 1
        if result in ("crash", "hang") or len(result) >= 40:
            faults.append(f"{what}: {result}")
        assert {path.name for path in tmp_path.iterdir()} == {"here"}
        assert {path.name for path in (tmp_path / "here").iterdir()} <= {"expected", "out", "out.job"}, what
        shutil.rmtree(tmp_path / "here")
    print("jobs", dict(counts))
    assert not faults, "\n\n".join(faults)


def test_a_harmed_job_ends_in_a_sentence_or_in_the_same_frames(jobs, tmp_path):
    with Confined() as process:
        check_harmed(process, jobs, tmp_path, range(8))


@pytest.mark.slow
def test_many_harmed_jobs_end_in_a_sentence_or_in_the_same_frames(jobs, tmp_path):
    with Confined() as process:
        check_harmed(process, jobs, tmp_path, range(1000, 1200))
