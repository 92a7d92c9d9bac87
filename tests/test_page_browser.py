"""The page in a real browser: Chromium does what a visitor does, and what it sees is checked."""

import io
import pathlib
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from conftest import open_page, texture, wait_for
from PIL import Image

from styletransfer.video.media import read_video, write_image, write_video

pytestmark = pytest.mark.browser
pytest.importorskip("gradio", reason="the extra gui is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

FRAMES, FPS = 16, 8
PATIENCE = 30_000
"""Milliseconds that anything may take on a busy machine."""
IN_STEP = """(seconds) => new Promise((done) => {
  const [before, after] = document.querySelectorAll('.st-pair video');
  const seen = [], end = performance.now() + 1000 * seconds;
  const look = () => {
    if (!after.paused) seen.push([before.currentTime, after.currentTime]);
    if (performance.now() < end) requestAnimationFrame(look); else done(seen);
  };
  look();
})"""


@pytest.fixture(scope="session")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("there is no Chromium: `apt-get install chromium`")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    camera = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", *camera])
        yield running
        running.close()


@pytest.fixture(scope="module")
def quick(weights: str) -> list[str]:
    """Options with which a frame takes tenths of a second."""
    layers = ["--content-layers", "block2_conv1", "--style-layers", "block1_conv1"]
    strong = ["--content-weight", "0", "--learning-rate", "40"]
    exact = ["--tolerance", "0", "--slack", "0", "--history", "1", "--flow-quality", "fast", "--precision", "float32"]
    return ["--weights", weights, "--steps", "4", *layers, *exact, *strong, "--max-upload", "1"]


@pytest.fixture(scope="module")
def root(drawn: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("browser") / "page"
    shutil.copytree(drawn, folder / "own")
    return folder


@pytest.fixture(scope="module")
def address(root: pathlib.Path, quick: list[str]) -> Iterator[str]:
    with open_page(root, *quick) as where:
        yield where
    log = (root.parent / "page.log").read_text()
    assert "Traceback" not in log, log


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """What a visitor has at home."""
    folder = tmp_path_factory.mktemp("files")
    scene = texture(64, 96 + 4 * FRAMES, 3)
    write_video(folder / "my holiday.mp4", [scene[:, 4 * i : 4 * i + 96] for i in range(FRAMES)], fps=FPS)
    write_image(folder / "wall.png", texture(64, 80, 5))
    (folder / "notes.txt").write_text("dear diary")
    (folder / "empty.mp4").touch()
    (folder / "${alert(1)} `<b>.txt").write_text("dear diary")
    (folder / "large.mp4").write_bytes(bytes(1 << 21))
    return folder


class Visit:
    """A visitor's tab."""

    def __init__(self, page: Any) -> None:
        self.page = page
        page.set_default_timeout(PATIENCE)
        self.hosts: set[str] = set()
        self.errors: list[str] = []
        page.on("request", lambda request: self.hosts.add(request.url.partition("//")[2].partition("/")[0]))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda dialog: dialog.accept())

    def open(self, address: str) -> "Visit":
        self.page.goto(address)
        self.page.locator("#styles input").first.wait_for()
        return self

    def bring_clip(self, file: pathlib.Path) -> None:
        self.page.locator("#new-clip input[type=file]").set_input_files(file)

    def choose(self, style: str = "night") -> None:
        self.page.locator("#styles label", has_text=style).locator("input").check()

    def ready(self, files: pathlib.Path) -> "Visit":
        """With a style and a clip on the desk."""
        self.choose()
        self.bring_clip(files / "my holiday.mp4")
        self.page.locator("#clip .st-pick").wait_for()
        return self

    def paint(self) -> None:
        self.page.locator("#paint").click()

    def option(self, name: str) -> Any:
        return self.page.locator(f"#option-{name} :is(input, textarea)")

    def resize(self, size: int) -> None:
        number = self.page.locator("#size input[type=number]")
        number.fill(str(size))
        number.press("Tab")

    def until(self, state: str) -> None:
        self.page.locator(f".st-stage[data-state={state}]").wait_for()

    def wait_for_mode(self, mode: str) -> None:
        self.page.locator(f".st-stage[data-mode={mode}]").wait_for()

    def wait_for_frames(self) -> None:
        """Until at least three are painted."""
        told = "document.querySelector('.st-how [role=status]').textContent"
        self.page.wait_for_function(f"/^([3-9]|1\\d) of/.test({told})")

    def words(self) -> str:
        return str(self.page.locator(".st-how [role=status]").inner_text())

    def notice(self) -> str:
        self.page.locator("#say p:not(:empty)").wait_for()
        return str(self.page.locator("#say p").inner_text())

    def times(self) -> tuple[float, float]:
        before, after = self.page.eval_on_selector_all(".st-pair video", "all => all.map(v => v.currentTime)")
        return before, after

    def settled(self) -> None:
        """Both clips have loaded, and nothing seeks."""
        ready = "[...document.querySelectorAll('.st-pair video')].every(v => v.readyState >= 2 && !v.seeking)"
        self.page.wait_for_function(ready)

    def job(self, root: pathlib.Path) -> pathlib.Path:
        """The folder of the job on the stage."""
        name = self.page.locator("#works input:checked").get_attribute("value")
        return next(root.glob(f"*/jobs/{name}"))


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Visit]]:
    """Opens the page for a new visitor, or for one whose browser has a memory."""
    contexts = []

    def make(memory: Any = None, **looks: Any) -> Visit:
        contexts.append(browser.new_context(storage_state=memory, **looks))
        return Visit(contexts[-1].new_page()).open(address)

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def finished(browser: Any, address: str, files: pathlib.Path) -> Any:
    """The memory of a browser whose visitor has painted a clip to its end, and what was seen on the way."""
    context = browser.new_context()
    one = Visit(context.new_page()).open(address).ready(files)
    one.paint()
    one.until("finished")
    one.wait_for_mode("play")
    memory = context.storage_state()
    context.close()
    return memory


# --- choose and paint ---


def test_style_and_clip_are_seen_before_anything_is_painted(visit, files):
    one = visit()
    assert one.words() == "Choose a style picture and a clip."
    one.page.locator("#new-styles input[type=file]").set_input_files([files / "wall.png"])
    one.page.locator("#styles label", has_text="wall.png").wait_for()
    assert one.page.locator("#styles input:checked").count() == 1
    one.bring_clip(files / "my holiday.mp4")
    one.page.locator("#clip", has_text="my holiday.mp4").wait_for()
    assert "2.0 s, 96x64, 8 frames a second, no sound" in one.page.locator("#clip").inner_text()
    loaded = "[...document.querySelectorAll('.st-pictures img')].filter(i => i.naturalWidth > 0).length == 2"
    one.page.wait_for_function(loaded)
    assert one.words() == "Press PAINT." and one.page.locator("#length input").input_value() == "2"


def test_frames_are_seen_while_they_are_painted(visit, files, root):
    one = visit().ready(files)
    one.paint()
    one.wait_for_mode("live")
    one.page.wait_for_function("[...document.querySelectorAll('.st-pictures img')].every(i => i.naturalWidth == 96)")
    said, shares = set(), []
    while one.page.locator(".st-stage").get_attribute("data-state") == "painting":
        said.add(re.sub(r"\d+", "N", one.words()))
        shares.append(one.page.locator(".st-how progress").evaluate("bar => bar.value"))
        one.page.wait_for_timeout(100)
    one.until("finished")
    assert "N of N frames painted. About N seconds left." in said, said
    assert shares == sorted(shares) and any(0 < share < 1 for share in shares)
    assert one.words() == f"Finished: {FRAMES} frames."
    assert read_video(one.job(root) / "painted.mp4").length == FRAMES
    assert not one.errors


def test_stop_keeps_a_clip_that_plays_and_paint_goes_on(visit, files, root):
    one = visit().ready(files)
    one.page.get_by_text("More", exact=True).click()
    one.option("steps").fill("20")
    one.paint()
    one.wait_for_frames()
    one.page.locator("#stop").click()
    one.until("stopped")
    kept = int(re.fullmatch(rf"Stopped after (\d+) of {FRAMES} frames\. PAINT goes on from there\.", one.words())[1])
    assert 3 <= kept < FRAMES
    one.settled()
    job = one.job(root)
    assert read_video(job / "part.mp4").length == kept
    assert one.page.locator(".st-scrub").get_attribute("max") == str(kept - 1)
    first = (job / "painted.mp4.job" / "frames" / "000001.png").stat().st_mtime_ns
    one.paint()
    one.until("painting")
    assert one.job(root) == job
    frame = job / "painted.mp4.job" / "frames" / "000001.png"
    assert frame.stat().st_mtime_ns == first
    one.until("finished")
    assert read_video(job / "painted.mp4").length == FRAMES
    assert one.page.locator("#works .st-pick").count() == 1


def test_a_clip_of_the_camera_is_painted(visit, root):
    one = visit()
    one.choose("mosaic")
    one.page.get_by_text("Record with the camera").click()
    one.page.get_by_text("Click to Access Webcam").click()
    one.page.get_by_role("button", name="capture photo").or_(one.page.get_by_text("Record", exact=True)).first.click()
    camera = "[...document.querySelectorAll('video')].find(video => video.srcObject)"
    begun = one.page.evaluate(f"{camera}.currentTime")
    one.page.wait_for_function(f"{camera}.currentTime > {begun + 1.5}")  # of what the camera shows: a busy machine lags
    one.page.get_by_text("Stop", exact=True).first.click()
    one.page.locator("#clip .st-pick").wait_for()
    one.page.locator("#length input").fill("0.5")
    one.resize(96)
    one.paint()
    one.until("finished")
    painted = read_video(one.job(root) / "painted.mp4")
    assert painted.length >= 2 and max(painted.shape) == 96


def test_several_styles_are_mixed(visit, files, root):
    one = visit().ready(files)
    one.choose("ink")
    one.page.get_by_text("More", exact=True).click()
    one.option("mix").fill("1, 2, 3")
    one.paint()
    assert one.notice() == "Mix has 3 weights for 2 style pictures: give one to each."
    one.option("mix").fill("0.2, 0.8")
    one.page.locator("#length input").fill("0.3")
    one.paint()
    one.until("finished")
    assert '"mix": "0.2, 0.8"' in (one.job(root) / "job.json").read_text()


# --- watch ---


def test_both_clips_play_in_step(visit, finished):
    one = visit(finished)
    one.wait_for_mode("play")
    one.settled()
    one.page.locator(".st-play").click()
    seen = np.array(one.page.evaluate(IN_STEP, 1.2))
    assert len(seen) > 10 and np.ptp(seen[:, 1]) > 0.5
    assert np.abs(seen[:, 0] - seen[:, 1]).max() < 1 / FPS
    one.page.locator(".st-play").click()
    one.settled()
    before, after = one.times()
    assert before == after and 0 < after < FRAMES / FPS
    one.page.locator(".st-play").click()  # to the end, and from the beginning again
    one.page.wait_for_function("document.querySelector('.st-play').textContent == 'PLAY'")
    assert one.page.locator(".st-scrub").input_value() == str(FRAMES - 1)
    one.page.locator(".st-play").click()
    assert np.array(one.page.evaluate(IN_STEP, 0.4))[:, 1].min() < 0.5


def test_one_slider_scrubs_both_frame_by_frame(visit, finished):
    one = visit(finished)
    one.wait_for_mode("play")
    slider = one.page.locator(".st-scrub")
    for key, frame in (("End", FRAMES - 1), ("ArrowLeft", FRAMES - 2), ("Home", 0), ("ArrowRight", 1)):
        slider.press(key)
        one.settled()
        before, after = one.times()
        assert before == after and int(after * FPS) == frame
    box = slider.bounding_box()
    one.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    one.settled()
    before, after = one.times()
    assert before == after and abs(after * FPS - FRAMES / 2) <= 1.5


def test_the_divider_wipes_between_them(visit, finished):
    one = visit(finished)
    one.wait_for_mode("play")
    one.page.locator(".st-wipe").check()
    left, right = (one.page.locator(f".st-pair {side} video") for side in (".st-left", ".st-right-side"))
    assert left.bounding_box() == right.bounding_box()

    def colour(share: float) -> np.ndarray:
        """Of the stage, at a share of its width."""
        box = right.bounding_box()
        clip = {"x": box["x"] + share * box["width"] - 4, "y": box["y"] + 20, "width": 8, "height": box["height"] - 40}
        return np.asarray(Image.open(io.BytesIO(one.page.screenshot(clip=clip))).convert("RGB"), np.float64)

    one.page.locator(".st-divider").fill("100")
    original = [colour(0.25), colour(0.75)]
    one.page.locator(".st-divider").fill("0")
    painted = [colour(0.25), colour(0.75)]
    apart = [np.abs(a - b).mean() for a, b in zip(original, painted, strict=True)]
    assert min(apart) > 3, apart
    one.page.locator(".st-divider").fill("50")
    assert np.abs(colour(0.25) - original[0]).mean() < 1 and np.abs(colour(0.75) - painted[1]).mean() < 1
    box = right.bounding_box()
    one.page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 30)
    one.page.mouse.down()
    one.page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 30, steps=3)
    one.page.mouse.up()
    assert abs(float(one.page.locator(".st-divider").input_value()) - 90) <= 1
    assert np.abs(colour(0.75) - original[1]).mean() < 1


def test_what_is_downloaded_is_the_painted_clip(visit, finished, root, tmp_path):
    one = visit(finished)
    one.wait_for_mode("play")
    with one.page.expect_download() as waiting:
        one.page.locator(".st-save").click()
    assert waiting.value.suggested_filename == "my_holiday_painted.mp4"
    waiting.value.save_as(tmp_path / "got.mp4")
    got = read_video(tmp_path / "got.mp4")
    assert (got.length, got.fps, got.shape) == (FRAMES, FPS, (64, 96))
    assert (tmp_path / "got.mp4").read_bytes() == (one.job(root) / "painted.mp4").read_bytes()


# --- what goes wrong ---


def test_wrong_files_are_refused_in_the_pages_own_words(visit, files):
    one = visit()
    one.bring_clip(files / "notes.txt")
    assert one.notice().startswith("notes.txt is not a video")
    one.bring_clip(files / "empty.mp4")
    one.page.locator("#say", has_text="empty.mp4 is empty").wait_for()
    one.page.locator("#new-styles input[type=file]").set_input_files([files / "notes.txt"])
    one.page.locator("#say", has_text="notes.txt is not a picture").wait_for()
    assert "\n" not in one.notice() and "/" not in one.notice().replace(" / ", "")
    one.paint()
    one.page.locator("#say", has_text="Choose a style picture and a clip first.").wait_for()
    assert not one.errors


def test_the_name_of_a_file_is_text_and_nothing_else(visit, files):
    one = visit()
    dialogs: list[str] = []
    one.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    one.bring_clip(files / "${alert(1)} `<b>.txt")
    assert "is not a video" in one.notice()
    assert not dialogs and one.page.locator("#say b").count() == 0


def test_a_file_that_is_too_large_is_refused(visit, files):
    one = visit()
    one.bring_clip(files / "large.mp4")
    one.page.get_by_text(re.compile("maximum allowed size|exceeds", re.IGNORECASE)).first.wait_for()
    assert one.page.locator("#clip .st-pick").count() == 0


def test_a_wrong_setting_is_told(visit, files):
    one = visit().ready(files)
    one.page.get_by_text("More", exact=True).click()
    one.option("steps").fill("many")
    one.paint()
    assert one.notice() == "steps='many': expected a whole number of at least 1."
    one.option("steps").fill("")
    one.page.locator("#length input").fill("0.2")
    one.paint()
    one.until("finished")
    assert one.page.locator("#say p").text_content() == ""


# --- several tabs, several visitors, later ---


def test_a_second_job_waits_and_says_its_place_and_both_tabs_see_it(visit, files):
    one = visit().ready(files)
    one.page.get_by_text("More", exact=True).click()
    one.option("steps").fill("40")
    one.paint()
    one.until("painting")
    one.choose("ink")
    one.paint()
    one.until("waiting")
    assert one.words() == "Waiting: number 1 in line."
    other = Visit(one.page.context.new_page()).open(one.page.url)
    other.until("waiting")
    assert other.page.locator("#works .st-pick").count() == 2
    stranger = visit()
    assert stranger.page.locator("#works .st-pick").count() == 0
    assert stranger.page.locator("#styles .st-pick").count() == 5
    other.page.locator("#works .st-pick", has_text="painting").locator("input").check()
    other.until("painting")
    other.page.locator("#stop").click()
    other.until("stopped")
    one.page.locator(".st-stage[data-state=painting], .st-stage[data-state=finished]").wait_for()
    one.page.locator("#stop").click()
    one.page.locator(".st-stage[data-state=stopped], .st-stage[data-state=finished]").wait_for()


def test_a_reload_finds_the_running_job_and_its_settings(visit, files):
    one = visit().ready(files)
    one.page.get_by_text("fast", exact=True).click()
    one.page.get_by_text("More", exact=True).click()
    one.option("steps").fill("40")
    one.paint()
    one.wait_for_mode("live")
    one.page.reload()
    one.wait_for_mode("live")
    assert one.page.locator("#styles input:checked").count() == 1
    assert "my holiday.mp4" in one.page.locator("#clip").inner_text()
    one.page.get_by_text("More", exact=True).click()
    assert one.option("steps").input_value() == "40"
    assert one.page.get_by_label("fast", exact=True).is_checked()
    one.page.locator("#stop").click()
    one.page.locator(".st-stage[data-state=stopped], .st-stage[data-state=finished]").wait_for()


def test_finished_and_stopped_jobs_are_there_when_the_page_is_opened_again(browser, files, drawn, quick, tmp_path):
    root = tmp_path / "page"
    shutil.copytree(drawn, root / "own")
    context = browser.new_context()
    with open_page(root, *quick) as address:
        one = Visit(context.new_page()).open(address).ready(files)
        one.page.locator("#length input").fill("0.3")
        one.paint()
        one.until("finished")
        one.choose("print")
        one.page.locator("#length input").fill("2")
        one.page.get_by_text("More", exact=True).click()
        one.option("steps").fill("20")
        one.paint()
        one.wait_for_frames()
    port = address.rpartition(":")[2]
    with open_page(root, *quick, "--port", port) as address:
        one.open(address)
        one.until("stopped")
        kept = int(re.search(r"after (\d+) of", one.words())[1])
        assert kept >= 3
        one.wait_for_mode("play")
        one.settled()
        assert read_video(one.job(root) / "part.mp4").length == kept
        one.page.locator("#works .st-pick", has_text="finished").locator("input").check()
        one.until("finished")
        one.settled()
        one.page.locator("#works .st-pick", has_text="stopped").locator("input").check()
        one.until("stopped")
        playwright.expect(one.page.locator("#length input")).to_have_value("2")
        one.paint()
        one.until("finished")
        assert read_video(one.job(root) / "painted.mp4").length == FRAMES
    context.close()
    assert not (root / "uploads").exists()


def test_a_job_is_removed_with_all_that_was_made_of_it(visit, files, root):
    one = visit().ready(files)
    one.page.locator("#length input").fill("0.2")
    one.paint()
    one.until("finished")
    job = one.job(root)
    one.page.locator("#remove").click()
    wait_for(lambda: not job.exists())
    one.page.locator("#works .st-pick").wait_for(state="detached")
    visitor = job.parents[1]
    assert not [path for path in visitor.rglob("*") if path.is_file()]


# --- how it looks ---


@pytest.mark.parametrize("width", [390, 320])
def test_on_a_phone_nothing_is_wider_than_the_screen(visit, finished, width):
    one = visit(finished, viewport={"width": width, "height": 800}, is_mobile=True, has_touch=True)
    one.wait_for_mode("play")
    for wiping in (False, True):
        one.page.locator(".st-wipe").set_checked(wiping)
        assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    one.page.get_by_text("More", exact=True).click()
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_is_dark_where_the_system_is_dark(visit):
    light, dark = (visit(color_scheme=scheme) for scheme in ("light", "dark"))
    colour = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    assert min(light.page.evaluate(colour)) > 200 and max(dark.page.evaluate(colour)) < 60


def test_everything_can_be_done_with_the_keyboard(visit, files):
    one = visit()
    keyboard = one.page.keyboard

    def tab_to(selector: str) -> None:
        for _ in range(60):
            if one.page.evaluate("(s) => document.activeElement?.matches(s)", selector):
                return
            keyboard.press("Tab")
        raise AssertionError(f"{selector} is not reached with the keyboard")

    tab_to("#styles input")
    keyboard.press("Space")
    one.page.locator("#styles input:checked").wait_for()
    tab_to("#example")
    keyboard.press("Enter")
    one.page.locator("#clip .st-pick").wait_for()
    tab_to("#length input")
    keyboard.press("Control+A")
    keyboard.type("0.2")
    tab_to("#paint")
    keyboard.press("Enter")
    one.until("finished")
    one.wait_for_mode("play")
    tab_to(".st-play")
    keyboard.press("Enter")
    one.page.wait_for_function("document.querySelector('.st-play').textContent == 'PLAY'")
    tab_to(".st-wipe")
    keyboard.press("Space")
    tab_to(".st-divider")
    keyboard.press("ArrowRight")
    assert one.page.locator(".st-divider").input_value() == "51"
    tab_to(".st-save")


def test_nothing_comes_from_another_host(visit, finished, address):
    one = visit(finished)
    one.wait_for_mode("play")
    one.page.wait_for_timeout(1500)
    assert one.hosts <= {address.partition("//")[2], ""}
    assert not one.errors
