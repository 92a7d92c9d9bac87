"""The page's server: what it hands out, to whom, and what it takes."""

import pathlib
import re
import shutil
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import pytest
from conftest import open_page, texture, wait_for

from styletransfer.app import cli
from styletransfer.app.page.jobs import FINISHED, Job
from styletransfer.app.page.shelf import CLIP, new_token
from styletransfer.app.page.studio import Studio
from styletransfer.video.media import write_image, write_video

gradio = pytest.importorskip("gradio", reason="the extra gui is not installed")
httpx = pytest.importorskip("httpx", reason="the extra gui is not installed")

from styletransfer.app.page.desk import Desk  # noqa: E402
from styletransfer.app.page.settings import Settings  # noqa: E402

ANNA, BERT = {"visitor": new_token()}, {"visitor": new_token()}
QUICK = {"content_layers": ("block2_conv1",), "style_layers": ("block1_conv1",), "steps": 2, "precision": "float32"}


class Served(NamedTuple):
    """A page on its address, with a finished job of Anna's; the studio here sees the same folder."""

    studio: Studio
    desk: Desk
    address: str
    job: Job

    @property
    def uploads(self) -> pathlib.Path:
        return self.studio.shelf.root / "uploads"

    def get(self, path: str, **how: Any) -> Any:
        return httpx.get(self.address + path, timeout=20, **how)

    def post(self, path: str, **how: Any) -> Any:
        return httpx.post(self.address + path, timeout=20, **how)


@pytest.fixture(scope="module")
def served(
    drawn: pathlib.Path, model: keras.Model, weights: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("served") / "page"
    shutil.copytree(drawn, root / "own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Studio, "_network", lambda self, weights: model)
        studio = Studio(root, QUICK)
        studio.start()
        clip = write_video(root / "clip.mp4", [texture(32, 60)[:, i : i + 48] for i in range(0, 12, 2)], fps=10)
        thing = studio.shelf.take(ANNA["visitor"], CLIP, clip, "holiday.mp4")
        job = studio.paint(ANNA["visitor"], thing.id, ["night"], {})
        wait_for(lambda: not job.active)
        assert job.state == FINISHED, job.error
        desk = Desk(studio)
        studio.close()
        with open_page(root, "--max-upload", "0.5", "--weights", weights) as address:
            yield Served(studio, desk, address, job)
        assert not (root / "uploads").exists()


def test_the_page_lets_nothing_come_from_another_host(served):
    answer = served.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'self' data: blob:")
    assert "http" not in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', answer.text)


def test_what_is_painted_is_handed_out_also_in_parts(served):
    address = f"/page/jobs/{served.job.id}/painted.mp4"
    whole = served.get(address)
    assert whole.status_code == 200 and whole.content == served.job.target.read_bytes()
    part = served.get(address, headers={"range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == whole.content[10:20]
    assert served.get(f"/page/jobs/{served.job.id}/original.mp4").content == served.job.original.read_bytes()
    assert served.get(f"/page/jobs/{served.job.id}/thumb.jpg").content == served.job.thumb.read_bytes()
    assert served.get("/page/things/night.jpg").headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize(
    "path",
    [
        "/page/jobs/{job}/job.json",
        "/page/jobs/{job}/..%2fjob.json",
        "/page/jobs/{job}/%2e%2e/%2e%2e/things",
        "/page/jobs/{job}/painted.mp4.job",
        "/page/jobs/{job}/live/2.jpg",
        "/page/jobs/{visitor}/painted.mp4",
        "/page/jobs/%2e%2e/painted.mp4",
        "/page/jobs/{other}/painted.mp4",
        "/page/things/{visitor}.jpg",
        "/page/things/..%2f..%2fetc%2fpasswd.jpg",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file={root}/{visitor}/jobs/{job}/job.json",
        "/gradio_api/file={root}/{visitor}/jobs/{job}/painted.mp4",
        "/gradio_api/file={root}/own/night.png",
        "/gradio_api/file={code}",
        "/gradio_api/file=../../../../etc/passwd",
        "/gradio_api/file%3d/etc/passwd",
        "/gradio_api/stream/x/y/0/playlist-file",
        "/gradio_api/deep_link",
        "/gradio_api/proxy=http://127.0.0.1:1/",
        "/monitoring",
        "/gradio_api/runs",
    ],
)
def test_nothing_else_is_handed_out(served, path):
    names = {"job": served.job.id, "visitor": served.job.visitor, "other": new_token(), "code": __file__}
    answer = served.get(path.format(root=served.studio.shelf.root.resolve(), **names))
    assert answer.status_code in (400, 403, 404, 405, 501), answer.text[:200]


def upload(served: Served, name: str, data: bytes) -> Any:
    return served.post("/gradio_api/upload", files={"files": (name, data)})


def test_an_upload_cannot_be_read_back_and_a_large_one_is_refused(served):
    answer = upload(served, "a.png", b"x" * 1000)
    assert answer.status_code == 200
    (path,) = answer.json()
    assert pathlib.Path(path).is_relative_to(served.uploads)
    assert pathlib.Path(path).read_bytes() == b"x" * 1000
    for address in ("/gradio_api/file=", "/file=", "/gradio_api/file/", "//gradio_api/file=", "/gradio_api//file="):
        assert served.get(address + path).status_code == 404
    before = sorted(served.uploads.rglob("*"))
    answer = upload(served, "b.png", b"x" * 600_000)
    assert answer.status_code == 413
    assert sorted(served.uploads.rglob("*")) == before


def test_the_name_of_an_upload_leads_nowhere(served):
    (path,) = upload(served, "../../../../tmp/evil.png", b"x").json()
    assert pathlib.Path(path).resolve().is_relative_to(served.uploads.resolve())


def event(served: Served, target: str) -> int:
    """The number of the event that calls the desk's function of this name."""
    functions = served.desk.blocks.fns.items()
    return next(number for number, function in functions if getattr(function.fn, "__name__", "") == target)


def call(served: Served, target: str, data: list[Any]) -> Any:
    """Call an event as a browser would, or somebody who knows how one does."""
    body = {"data": data, "fn_index": event(served, target), "session_hash": "x"}
    return served.post("/gradio_api/run/predict", json=body)


def test_a_visitor_sees_nothing_of_another_who_asks_by_hand(served):
    told = call(served, "look", [None, ANNA | {"job": served.job.id}, "", "default"]).text
    assert served.job.id in told and "holiday.mp4" in told
    for desk in (BERT | {"job": served.job.id}, BERT, {"visitor": "../" + ANNA["visitor"], "job": served.job.id}):
        told = call(served, "look", [None, desk, "", "default"])
        assert served.job.id not in told.text and "holiday" not in told.text


@pytest.mark.parametrize("path", ["/etc/passwd", "{root}/own/night.png", "{root}/{visitor}/jobs/{job}/job.json"])
def test_a_file_of_this_machine_cannot_be_brought(served, path):
    path = path.format(root=served.studio.shelf.root.resolve(), visitor=served.job.visitor, job=served.job.id)
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    things = len(served.studio.shelf.styles(BERT["visitor"]))
    assert call(served, "bring_styles", [None, BERT, [file]]).status_code >= 400
    assert len(served.studio.shelf.styles(BERT["visitor"])) == things
    assert pathlib.Path(path).exists()


# --- what the desk does, without a browser ---


@pytest.fixture(scope="module")
def desk(served: Served) -> Desk:
    return served.desk


def test_who_arrives_without_a_token_gets_one_and_who_has_one_keeps_it(desk):
    new = desk.arrive({}, None)[desk.desk]
    assert re.fullmatch("[0-9a-f]{32}", new["visitor"])
    assert desk.arrive({}, ANNA)[desk.memory]["visitor"] == ANNA["visitor"]
    assert desk.arrive(BERT, ANNA)[desk.desk]["visitor"] == BERT["visitor"]
    for forged in ("x", {"visitor": "../.."}, {"visitor": 7}, []):
        assert desk.arrive({}, forged)[desk.desk]["visitor"] not in ("../..", 7)


def test_nothing_stays_on_the_desk_that_is_no_longer_there(desk, served):
    gone = ANNA | {"clip": new_token(), "styles": ["night", new_token()], "job": new_token()}
    kept = desk.arrive({}, gone)[desk.desk]
    assert kept == ANNA | {"clip": None, "styles": ["night"], "job": None}
    strange = BERT | {"clip": served.job.request.clip, "job": served.job.id}
    assert desk.arrive({}, strange)[desk.desk] == BERT | {"clip": None, "styles": [], "job": None}


def test_a_file_that_is_brought_leaves_nothing_behind_and_a_wrong_one_is_told(desk, tmp_path):
    good, bad = tmp_path / "a.png", tmp_path / "b.png"
    write_image(good, texture(8, 8))
    bad.write_text("dear diary")
    new = desk.bring_styles(BERT, None, [str(good), str(bad)])
    assert "b.png is not a picture" in new[desk.say] and len(new[desk.brought]) == 1
    laid = desk.lay_down(BERT, None, new[desk.brought])
    assert laid[desk.desk]["styles"] == laid[desk.styles]["chosen"] == new[desk.brought]
    assert desk.say not in laid  # what was said stays
    assert not good.exists() and not bad.exists()
    other = tmp_path / "c.mp4"
    other.write_text("dear diary")
    assert "c.mp4 is not a video" in desk.bring_clip(BERT, None, str(other))[desk.say] and not other.exists()


def test_the_job_on_the_desk_brings_its_settings_back_and_they_are_the_same_job(desk, served):
    visitor = served.job.visitor
    style, clip = ["night"], served.job.request.clip
    thing = served.studio.shelf.find(visitor, clip)
    widgets = ["fast", 0.1, 0.3, 96, 2.5, "match", *[""] * len(desk.settings.rest)]
    widgets[6 + desk.settings.names.index("history")] = "1, 3"
    widgets[6 + desk.settings.names.index("warm_start")] = "no"
    job = served.studio.paint(visitor, clip, style, desk.settings.read(tuple(widgets), thing))
    options = job.request.options
    assert (options.preset, options.start, options.end, options.max_size) == ("fast", 0.1, 0.4, 96)
    assert (options.temporal_weight, options.preserve_color, options.history) == (3.75e-3, "match", (1, 3))
    assert options.warm_start is False and options.steps == QUICK["steps"]
    served.studio.stop(job)
    new = desk.arrive(None, ANNA | {"job": job.id, "clip": clip, "styles": style})
    shown = [new[widget] for widget in desk.settings.widgets]
    assert shown == widgets
    assert served.studio.paint(visitor, clip, style, desk.settings.read(tuple(shown), thing)) is job
    served.studio.remove(job)


def test_every_option_is_on_the_page_and_what_is_left_empty_is_not_given(desk):
    from dataclasses import fields

    from styletransfer.options import StyleOptions

    in_front = {"preset", "max_size", "preserve_color", "temporal_weight", "start", "end"}
    assert {*desk.settings.names} | in_front == {field.name for field in fields(StyleOptions)}
    empty = ("default", 0, None, 512, 1, "none", *[""] * len(desk.settings.rest))
    assert desk.settings.read(empty, None) == {"preset": "default", "max_size": 512, "preserve_color": "none"}


def test_the_hints_follow_the_quality():
    with gradio.Blocks():
        settings = Settings({"seed": 7})
    fast = dict(zip(settings.names, settings.hints("fast"), strict=True))
    assert fast["max_gap"]["placeholder"] == "6" and fast["seed"]["placeholder"] == "7"
    assert fast["flow_quality"]["choices"][0][0] == "as the quality says (fast)"


def test_missing_weights_are_told_once_and_the_way_out_is_chosen(desk, served, monkeypatch):
    monkeypatch.setattr(served.studio, "missing", "They cannot be had.")
    new = desk.look(BERT, None, "", "default")
    assert "the quality is set to offline" in new[desk.say] and new[desk.settings.preset] == "offline"
    assert desk.say not in desk.look(BERT, None, new[desk.worry], "default")
    new = desk.look(BERT, None, "", "fine")
    assert desk.settings.preset not in new and new[desk.say] == "They cannot be had."


# --- the command ---


def test_without_gradio_the_command_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setattr(cli, "_has_gradio", lambda: False)
    assert cli.main(["gui"]) == 2
    assert "pip install 'video-style-transfer[gui]'" in capsys.readouterr().err


def test_two_pages_do_not_share_a_folder(served, capsys):
    assert cli.main(["gui", "--jobs", str(served.studio.shelf.root)]) == 2
    assert "another page keeps its clips in" in capsys.readouterr().err


def test_other_addresses_are_warned_of(monkeypatch, capsys, page_root):
    seen: dict[str, Any] = {}
    monkeypatch.setattr("styletransfer.app.page.server.serve", lambda studio, **how: (seen.update(how), "there"))
    monkeypatch.setattr("styletransfer.app.page.server.wait", lambda page, studio: studio.close())
    monkeypatch.setattr(Studio, "_network", lambda self, weights: None)
    for words, warned in ([], 0), (["--host", "0.0.0.0"], 1), (["--share"], 1), (["--host", "::", "--share"], 2):
        assert cli.main(["gui", "--jobs", str(page_root), *words]) == 0
        assert capsys.readouterr().err.count("warning: whoever") == warned
    assert seen["host"] == "::"
