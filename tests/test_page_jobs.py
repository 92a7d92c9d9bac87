"""The jobs of the page: what is brought, what is painted, who sees it, and what outlives the page."""

import json
import pathlib
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
from conftest import texture, wait_for

from styletransfer.app.page import jobs as jobs_module
from styletransfer.app.page.jobs import FAILED, FINISHED, PAINTING, STOPPED, WAITING, Job, Request, in_words, time_left
from styletransfer.app.page.shelf import CLIP, EXAMPLE, STYLE, Shelf, as_said, is_token, new_token
from styletransfer.app.page.studio import IN_LINE, Studio
from styletransfer.video.media import read_image, read_video, write_image, write_video

FRAMES = 6
ANNA, BERT = new_token(), new_token()


@pytest.fixture
def quick(weights: str) -> dict[str, Any]:
    """The least that paints."""
    layers = {"content_layers": ("block2_conv1",), "style_layers": ("block1_conv1",)}
    return {"steps": 2, "weights": weights, "precision": "float32", "history": (1,), "flow_quality": "fast", **layers}


@pytest.fixture
def open_studio(
    page_root: pathlib.Path, quick: dict[str, Any], model: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Studio]]:
    """Opens the page's studio on the folder; whatever is open at the end is closed."""
    monkeypatch.setattr(Studio, "_network", lambda self, weights: model)
    opened: list[Studio] = []

    def make(start: bool = True) -> Studio:
        for one in opened:
            one.close()
        opened.append(Studio(page_root, quick))
        if start:
            opened[-1].start()
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def bring_clip(studio: Studio, visitor: str, folder: pathlib.Path, frames: int = FRAMES) -> str:
    scene = texture(32, 48 + 2 * frames, 3)
    file = write_video(folder / "upload.mp4", [scene[:, 2 * i : 2 * i + 48] for i in range(frames)], fps=10)
    return studio.shelf.take(visitor, CLIP, file, "holiday.mp4").id


def files(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def settle(job: Job) -> Job:
    wait_for(lambda: not job.active)
    return job


# --- what is brought ---


def test_a_clip_is_moved_to_the_shelf_and_nothing_stays_behind(page_root, tmp_path):
    shelf = Shelf(page_root)
    file = write_video(tmp_path / "upload.mp4", [texture(32, 48)] * 5, fps=10)
    thing = shelf.take(ANNA, CLIP, file, "../../my holiday.mp4")
    assert not file.exists()
    assert thing.file.is_relative_to(page_root / ANNA) and is_token(thing.id)
    assert thing.seconds == pytest.approx(0.5) and thing.words == "0.5 s, 48x32, 10 frames a second, no sound"
    assert read_image(thing.thumb).shape == (32, 48, 3)
    assert shelf.find(ANNA, thing.id) == thing == Shelf(page_root).find(ANNA, thing.id)


def test_of_a_style_only_the_pixels_are_kept(page_root, tmp_path):
    from PIL import Image

    picture, exif = Image.fromarray(texture(32, 48)), Image.Exif()
    exif[0x010E] = "where we live"
    picture.save(tmp_path / "photo.jpg", exif=exif)
    thing = Shelf(page_root).take(ANNA, STYLE, tmp_path / "photo.jpg", "photo.jpg")
    assert not (tmp_path / "photo.jpg").exists() and b"where we live" not in thing.file.read_bytes()
    assert read_image(thing.file).shape == (32, 48, 3)


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        (CLIP, b"dear diary", "notes.txt is not a video"),
        (CLIP, b"", "notes.txt is empty"),
        (STYLE, b"dear diary", "notes.txt is not a picture"),
        (STYLE, b"", "notes.txt is empty"),
        (CLIP, b"#EXTM3U\nfile:///etc/passwd\n", "notes.txt is not a video"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence_and_leaves_nothing(page_root, tmp_path, kind, data, words):
    (tmp_path / "tmp 1.txt").write_bytes(data)
    shelf = Shelf(page_root)
    before = files(page_root)
    with pytest.raises(ValueError, match=words) as error:
        shelf.take(ANNA, kind, tmp_path / "tmp 1.txt", "notes.txt")
    said = str(error.value)
    assert str(tmp_path) not in said and "\n" not in said and said.endswith(".")
    assert [path for path in sorted(page_root.rglob("*")) if path.is_file()] == [
        path for path in before if path.is_file()
    ]


def test_a_full_shelf_and_a_full_disk_refuse(page_root, tmp_path, monkeypatch):
    shelf = Shelf(page_root)

    def bring() -> None:
        shelf.take(ANNA, STYLE, write_image(tmp_path / "a.png", texture(8, 8)), "a.png")

    monkeypatch.setattr("styletransfer.app.page.shelf.MOST", 1)
    bring()
    with pytest.raises(ValueError, match="brought 1 things already"):
        bring()
    monkeypatch.setattr("styletransfer.app.page.shelf.MOST", 9)
    monkeypatch.setattr("styletransfer.app.page.shelf.SPARE", 1 << 60)
    with pytest.raises(ValueError, match="disk of this page is full"):
        bring()


def test_a_thing_is_found_by_its_owner_alone(page_root, tmp_path):
    shelf = Shelf(page_root)
    thing = shelf.take(ANNA, STYLE, write_image(tmp_path / "a.png", texture(8, 8)), "a.png")
    assert thing in shelf.styles(ANNA) and thing not in shelf.styles(BERT)
    for name in (thing.id, "../" + ANNA, str(thing.file), "", None):
        with pytest.raises(ValueError, match="no longer here"):
            shelf.find(BERT, name)


def test_what_no_job_needs_goes_after_a_day(page_root, tmp_path):
    shelf = Shelf(page_root)
    old, needed = (shelf.take(ANNA, STYLE, write_image(tmp_path / f"{name}.png", texture(8, 8)), name) for name in "ab")
    (page_root / ANNA / "things" / new_token()).mkdir()  # half there
    shelf.tidy({needed.id})
    assert old in shelf.styles(ANNA)
    shelf.tidy({needed.id}, older=-1)
    assert [path.name for path in (page_root / ANNA / "things").iterdir()] == [needed.id]
    assert old not in shelf.styles(ANNA) and needed in shelf.styles(ANNA)


def test_an_unknown_error_is_one_sentence_without_its_text():
    assert as_said(KeyError("x" * 999), {}) == "Something went wrong (KeyError): the terminal says more."
    assert "choose a smaller size" in as_said(MemoryError("8 GB"), {})


# --- time left, in words ---


def test_time_left_is_exact_at_a_steady_speed_and_silent_before_it_can_be_known():
    marks = [(100.0 + 2.5 * i, 10 + i) for i in range(5)]
    assert time_left(marks, 24) == pytest.approx(10 * 2.5)
    assert [time_left(marks[:i], 24) for i in range(3)] == [None] * 3


def test_time_left_follows_a_change_of_speed():
    job = Job(pathlib.Path("v/jobs/j"), Request("c", ("s",), {}), "c")
    now = 0.0
    for done in range(1, 101):
        now += 1.0 if done <= 50 else 3.0
        job.note(now, done)
    assert time_left(job.marks, 200) == pytest.approx(300.0)


def test_times_are_told_no_finer_than_they_are_known():
    assert [in_words(s) for s in (1, 61, 100, 3000, 7200)] == [
        "5 seconds",
        "60 seconds",
        "2 minutes",
        "50 minutes",
        "2.0 hours",
    ]


# --- painting ---


def test_a_job_is_painted_and_both_clips_have_the_same_frames(open_studio, tmp_path):
    studio = open_studio()
    clip = bring_clip(studio, ANNA, tmp_path)
    job = studio.paint(ANNA, clip, ["night"], {})
    assert settle(job).state == FINISHED, job.error
    painted, original = read_video(job.result), read_video(job.original)
    assert job.result == job.target and not job.part.exists()
    assert (painted.length, painted.fps, painted.shape) == (original.length, original.fps, original.shape)
    assert painted.length == FRAMES and job.words() == "Finished: 6 frames."
    assert read_image(job.thumb).shape == (32, 48, 3)
    source, result = job.live
    assert source[:2] == result[:2] == b"\xff\xd8"  # JPEG


def test_progress_is_told_while_a_job_is_painted(open_studio, tmp_path):
    studio = open_studio()
    job = studio.paint(ANNA, bring_clip(studio, ANNA, tmp_path, 8), ["night"], {})
    said = set()
    while job.active:
        said.add(job.words(studio.place(job)).split(".")[0])
        time.sleep(0.005)
    assert any(words.endswith("of 8 frames painted") for words in said)
    assert "Waiting: number 1 in line" in said or "Getting ready" in said


def test_a_stopped_job_is_playable_and_the_same_call_goes_on(open_studio, tmp_path):
    studio = open_studio()
    clip = bring_clip(studio, ANNA, tmp_path, 12)
    job = studio.paint(ANNA, clip, ["night"], {"seed": 1})
    wait_for(lambda: job.done >= 3)
    studio.stop(job)
    assert settle(job).state == STOPPED
    kept = job.done
    assert 3 <= kept < 12 and read_video(job.result).length == kept
    assert job.words() == f"Stopped after {kept} of 12 frames. PAINT goes on from there."
    first = read_image(job.folder / "painted.mp4.job" / "frames" / "000001.png")
    begun = (job.folder / "painted.mp4.job" / "frames" / "000001.png").stat().st_mtime_ns
    again = studio.paint(ANNA, clip, ["night"], {"seed": 1})
    assert again is job and job.active
    wait_for(lambda: job.done > kept or not job.active)
    frame = job.folder / "painted.mp4.job" / "frames" / "000001.png"
    assert not frame.exists() or frame.stat().st_mtime_ns == begun
    assert settle(job).state == FINISHED
    assert read_video(job.result).length == 12 and not job.part.exists()
    assert np.abs(next(iter(read_video(job.result))).astype(int) - first).mean() < 12


def test_other_settings_make_another_job_and_a_finished_one_is_shown_again(open_studio, tmp_path):
    studio = open_studio()
    clip = bring_clip(studio, ANNA, tmp_path, 2)
    job = settle(studio.paint(ANNA, clip, ["night"], {}))
    assert studio.paint(ANNA, clip, ["night"], {}) is job and job.state == FINISHED
    other = settle(studio.paint(ANNA, clip, ["night", "ink"], {"mix": "0.5,0.5"}))
    assert other is not job and other.state == FINISHED
    assert studio.jobs(ANNA) == [other, job]


def test_jobs_wait_in_line_and_may_leave_it(open_studio, tmp_path):
    studio = open_studio(start=False)
    clip = bring_clip(studio, ANNA, tmp_path, 2)
    one, two, three = (studio.paint(ANNA, clip, ["night"], {"seed": seed}) for seed in range(3))
    assert [studio.place(job) for job in (one, two, three)] == [1, 2, 3]
    assert two.words(studio.place(two)) == "Waiting: number 2 in line."
    with pytest.raises(ValueError, match=f"{IN_LINE} of your clips are waiting"):
        studio.paint(ANNA, clip, ["night"], {"seed": 9})
    studio.stop(two)
    assert (two.state, studio.place(three)) == (STOPPED, 2)
    studio.start()
    assert [settle(job).state for job in (one, three)] == [FINISHED, FINISHED]
    assert two.result is None and two.words() == "Stopped before its first frame."


def test_a_job_that_fails_says_why_and_the_next_one_is_painted(open_studio, tmp_path):
    studio = open_studio()
    clip = bring_clip(studio, ANNA, tmp_path, 2)
    bad = settle(studio.paint(ANNA, clip, ["night"], {"content_layers": ["block9_conv9"]}))
    assert bad.state == FAILED and "block9_conv9" in bad.words() and str(tmp_path) not in bad.words()
    assert settle(studio.paint(ANNA, clip, ["night"], {})).state == FINISHED


def test_a_job_whose_clip_is_gone_says_so(open_studio, tmp_path):
    studio = open_studio(start=False)
    clip = bring_clip(studio, ANNA, tmp_path, 2)
    job = studio.paint(ANNA, clip, ["night"], {})
    studio.shelf.remove(clip)
    studio.start()
    assert settle(job).words() == "This picture or clip is no longer here: choose it again."


def test_weights_that_cannot_be_had_are_named_with_the_way_out(page_root, monkeypatch):
    def unreachable(self, weights):
        raise ConnectionError("no network")

    monkeypatch.setattr(Studio, "_network", unreachable)
    studio = Studio(page_root, {})
    studio.start()
    job = studio.paint(ANNA, EXAMPLE, ["night"], {"steps": 1})
    assert "choose the quality offline" in settle(job).words() and "choose the quality offline" in studio.missing
    studio.close()


# --- what is refused ---


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"steps": 0}, "steps=0"),
        ({"stepz": 3}, "Unknown option 'stepz': did you mean 'steps'"),
        ({"weights": "/etc/passwd"}, "reads no files of this machine"),
        ({"init": "/etc/passwd"}, "reads no files of this machine"),
        ({"max_size": None}, "at most"),
        ({"max_size": 100_000}, "at most"),
        ({"mix": "1,2,3"}, "3 weights for 1 style pictures"),
        ({"start": "noon"}, "'noon'"),
        ({"preset": "splendid"}, "preset='splendid'"),
    ],
)
def test_wrong_settings_are_refused_at_the_door(open_studio, settings, words):
    studio = open_studio(start=False)
    with pytest.raises(ValueError, match=words):
        studio.paint(ANNA, EXAMPLE, ["night"], settings)
    assert studio.jobs(ANNA) == []


@pytest.mark.parametrize(
    ("clip", "styles", "words"),
    [
        ("", [], "Choose a style picture and a clip first."),
        ("", ["night"], "Choose a clip first."),
        (EXAMPLE, [], "Choose a style picture first."),
        ("nothing", ["night"], "no longer here"),
        (EXAMPLE, ["nothing"], "no longer here"),
    ],
)
def test_what_is_missing_is_named(open_studio, clip, styles, words):
    with pytest.raises(ValueError, match=words):
        open_studio(start=False).paint(ANNA, clip, styles, {})


def test_a_job_and_its_clip_are_its_visitors_alone(open_studio, tmp_path):
    studio = open_studio(start=False)
    clip = bring_clip(studio, ANNA, tmp_path, 2)
    job = studio.paint(ANNA, clip, ["night"], {})
    assert studio.job(ANNA, job.id) is job
    assert studio.job(BERT, job.id) is None and studio.jobs(BERT) == []
    with pytest.raises(ValueError, match="no longer here"):
        studio.paint(BERT, clip, ["night"], {})


# --- what outlives the page ---


def test_finished_and_stopped_jobs_outlive_the_page(open_studio, tmp_path):
    studio = open_studio()
    clip = bring_clip(studio, ANNA, tmp_path, 12)
    short = settle(studio.paint(ANNA, clip, ["night"], {"end": 2}))
    long = studio.paint(ANNA, clip, ["night"], {})
    wait_for(lambda: long.done >= 2)
    studio = open_studio()  # closes the first, as the end of the page does
    finished, stopped = studio.job(ANNA, short.id), studio.job(ANNA, long.id)
    assert finished.state == FINISHED and read_video(finished.result).length == 2
    assert stopped.state == STOPPED and read_video(stopped.result).length == stopped.done >= 2
    assert stopped.request == long.request and stopped.name == "holiday.mp4"
    assert settle(studio.paint(ANNA, clip, ["night"], {})) is stopped
    assert stopped.state == FINISHED and read_video(stopped.result).length == 12


def test_a_job_that_was_killed_is_stopped_and_playable_when_the_page_is_back(open_studio, page_root, tmp_path):
    studio = open_studio()
    clip = bring_clip(studio, ANNA, tmp_path, 12)
    job = studio.paint(ANNA, clip, ["night"], {})
    wait_for(lambda: job.done >= 2)
    snapshot = tmp_path / "killed"
    shutil.copytree(job.folder, snapshot)  # as it lies there while it is painted
    studio.close()
    shutil.rmtree(job.folder)
    shutil.copytree(snapshot, job.folder)
    assert json.loads((job.folder / "job.json").read_text())["state"] == PAINTING
    again = open_studio().job(ANNA, job.id)
    wait_for(lambda: again.result is not None)
    assert again.state == STOPPED and 2 <= again.done == read_video(again.result).length


def test_removing_a_job_leaves_nothing_of_it_nor_of_its_clip(open_studio, page_root, tmp_path):
    studio = open_studio()
    clip = bring_clip(studio, ANNA, tmp_path, 12)
    one = studio.paint(ANNA, clip, ["night"], {})
    two = studio.paint(ANNA, clip, ["ink"], {})
    wait_for(lambda: one.done >= 1)
    studio.remove(one)
    assert not one.folder.exists() and studio.jobs(ANNA) == [two]
    assert studio.shelf.find(ANNA, clip)
    studio.remove(two)
    assert files(page_root / ANNA) == []
    assert studio.shelf.find(ANNA, "night")


def test_a_visitor_that_is_no_token_is_not_read_from_the_disk(open_studio, page_root):
    (page_root / "jobs").mkdir()
    folder = page_root / "stranger" / "jobs" / new_token()
    job = Job(folder, Request(EXAMPLE, ("night",), {}), "x")
    job.save()
    assert open_studio(start=False).public(job.id) is None
    assert jobs_module.stored_jobs(page_root)  # it is there
    assert json.loads((folder / "job.json").read_text())["state"] == WAITING


def test_a_damaged_record_is_left_alone_and_reported(open_studio, page_root, caplog):
    file = page_root / ANNA / "jobs" / new_token() / "job.json"
    file.parent.mkdir(parents=True)
    file.write_text("{")
    assert open_studio(start=False).jobs(ANNA) == []
    assert "left alone" in caplog.text and file.read_text() == "{"
