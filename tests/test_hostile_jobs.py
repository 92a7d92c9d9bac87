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
from hostile import DAMAGE, READERS, Confined, confined_reader, outcome

from styletransfer.pictures import read_image, write_image
from styletransfer.video import state
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
    path = chance.choice([file for file in files(job) if file.stat().st_size])  # all but the lock
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


# --- laid there by a stranger ---


def deep_manifest(job, outside):
    (job / "manifest.json").write_text("[" * 100_000)


def list_for_options(job, outside):
    manifest = json.loads((job / "manifest.json").read_text())
    (job / "manifest.json").write_text(json.dumps(manifest | {"options": [1]}))


def long_words_in_the_manifest(job, outside):
    manifest = json.loads((job / "manifest.json").read_text())
    manifest["options"]["steps"] = "x\n" * 9999
    (job / "manifest.json").write_text(json.dumps(manifest))


def another_frame(job, outside):
    path = min((job / "frames").iterdir())
    write_image(path, 255 - read_image(path))


def smaller_frame(job, outside):
    write_image(min((job / "frames").iterdir()), np.zeros((16, 16, 3), np.uint8))


def lost_frame(job, outside):
    min((job / "frames").iterdir()).unlink()


def change_states(job, change):
    for path in (job / "state").glob("*.npz"):
        painted, passes = state.load(path)
        np.savez(path, passes=passes, **change(painted)._asdict())


def states_of_another_size(job, outside):
    change_states(job, lambda one: one._replace(source=one.source[:, :16, :16], result=one.result[:, :16, :16]))


def two_places(job, outside):
    change_states(job, lambda one: one._replace(place=np.array([1, 2])))


def states_of_no_numbers(job, outside):
    change_states(job, lambda one: one._replace(result=one.result * np.nan))


def state_of_no_number(job, outside):
    (job / "state" / "0x.npz").write_bytes(b"")


def file_for_the_frames(job, outside):
    shutil.rmtree(job / "frames")
    (job / "frames").write_text("x")


def file_for_the_state(job, outside):
    shutil.rmtree(job / "state")
    (job / "state").write_text("x")


def file_for_the_job(job, outside):
    shutil.rmtree(job)
    job.write_text("x")


def link(path, outside):
    shutil.move(path, outside / path.name)
    path.symlink_to(outside / path.name)


def link_for_the_frames(job, outside):
    link(job / "frames", outside)


def link_for_the_state(job, outside):
    link(job / "state", outside)


def link_for_the_job(job, outside):
    link(job, outside)


STRANGE = (
    deep_manifest,
    list_for_options,
    long_words_in_the_manifest,
    another_frame,
    smaller_frame,
    lost_frame,
    states_of_another_size,
    two_places,
    states_of_no_numbers,
    state_of_no_number,
    file_for_the_frames,
    file_for_the_state,
    file_for_the_job,
    link_for_the_frames,
    link_for_the_state,
    link_for_the_job,
)


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ("in order", "in passes"))
@pytest.mark.parametrize("lay", STRANGE)
def test_what_a_stranger_lays_ends_in_a_sentence_or_in_the_same_frames(jobs, tmp_path, lay, kind):
    shutil.copytree(jobs / kind, tmp_path / "here")
    (tmp_path / "here" / "kind").write_text(kind)
    (tmp_path / "outside").mkdir()
    job = job_folder(tmp_path / "here" / "out")
    lay(job, tmp_path / "outside")
    before = contents(tmp_path / "outside")
    outcome(READERS["resumed"], job)
    assert contents(tmp_path / "outside") == before
