"""The page itself: what lies where on it, and what happens when something is pressed.

Every tab has a `desk`: who its visitor is, and the names of the clip, the styles and the job that lie on it. The server
holds it while the tab is open, and the browser remembers it for the next time. The studio decides what of it this
visitor may see.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from .jobs import FAILED, FINISHED, STOPPED, Job
from .settings import Settings, shortened
from .shelf import CLIP, EXAMPLE, STYLE, Thing, is_token, new_token
from .studio import Studio

HERE = Path(__file__).parent
TICK = 1.0
"""Seconds between two looks at the job."""
CAMERA = {"width": {"ideal": 1280}, "height": {"ideal": 720}}
"""What is asked of a camera: without, some give 4K, of which a busy machine records a frame or two a second."""

Updates = dict[Any, Any]
"""What is new on the page, by component."""

INSTEAD = "ImageNet's weights cannot be had here: the quality is set to offline, which needs no download."
PICKER = "<fieldset class='st-picker'></fieldset>"
NOTICE = "<p role='alert' class='st-notice'></p>"
SAYING = """
const show = () => { element.querySelector('p').textContent = props.value ?? ''; };
watch('value', show);
show();
"""
SURE = "(desk, memory) => [desk, memory, confirm('Remove this clip, and all that was painted of it?')]"


class Desk:
    """The page of a studio; `blocks` is it, and `looks` is how Gradio is to show it."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
        theme = gr.themes.Soft(primary_hue="indigo", neutral_hue="slate", **fonts)
        self.looks = {"css": _text("page.css"), "theme": theme}
        with gr.Blocks(title="styletransfer", analytics_enabled=False, delete_cache=(600, 3600)) as self.blocks:
            self._lay_out()
            self._connect()

    # ------------------------------------------------------------ what lies where

    def _lay_out(self) -> None:
        self.desk = gr.State({})
        self.memory = gr.BrowserState({}, storage_key="styletransfer", secret="styletransfer")
        self.brought = gr.State([])
        gr.HTML("<h1>Paint a video in the style of a picture</h1>", elem_classes="st-title")
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                self._lay_out_form()
            with gr.Column(scale=3, min_width=320, elem_classes="st-right"):
                self._lay_out_stage()

    def _lay_out_form(self) -> None:
        self.styles = _custom(PICKER, "picker.js", "styles")
        drop: dict[str, Any] = {"height": 120, "elem_classes": "st-drop"}
        self.new_styles = gr.File(label="Your own style pictures", file_count="multiple", elem_id="new-styles", **drop)
        self.clip = _custom(PICKER, "picker.js", "clip")
        self.new_clip = gr.File(label="Your own clip", elem_id="new-clip", **drop)
        self.example = gr.Button("Use our example clip", size="sm", elem_id="example")
        with gr.Accordion("Record with the camera", open=False):
            how = gr.WebcamOptions(mirror=False, constraints={"video": CAMERA})
            self.camera = gr.Video(sources=["webcam"], webcam_options=how, include_audio=True, show_label=False)
        self.settings = Settings(self.studio.settings)

    def _lay_out_stage(self) -> None:
        with gr.Row():
            self.paint = gr.Button("PAINT", variant="primary", elem_id="paint")
            self.stop = gr.Button("STOP", variant="stop", interactive=False, elem_id="stop")
        self.say = gr.HTML("", html_template=NOTICE, js_on_load=SAYING, elem_id="say", elem_classes="st-own")
        self.stage = _custom(_text("stage.html"), "stage.js", "stage")
        self.works = _custom(PICKER, "picker.js", "works")
        self.remove = gr.Button("Remove this clip", size="sm", visible=False, elem_id="remove")
        self.sure = gr.Checkbox(visible=False)
        self.clock = gr.Timer(TICK)
        self.worry = gr.State("")

    # ------------------------------------------------------------ what happens

    def _connect(self) -> None:
        widgets = self.settings.widgets
        seen = [self.stage, self.works, self.stop, self.remove]
        desk = [self.desk, self.memory]
        form = [*desk, self.say, self.styles, self.clip, *seen]
        everything = [*form, *widgets]
        hidden: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

        # One after the other, so that each finds the desk as the one before has left it.
        in_turn: dict[str, Any] = {**hidden, "concurrency_id": "desk", "concurrency_limit": 1}

        def on(event: Callable[..., Any], act: Callable[..., Any], more: list[Any], outputs: list[Any]) -> None:
            event(act, [*desk, *more], outputs, **in_turn)

        on(self.blocks.load, self.arrive, [], everything)
        on(self.styles.select, self.choose_styles, [], form)
        on(self.example.click, self.take_example, [], everything)
        on(self.paint.click, self.start_painting, [self.styles, *widgets], form)
        on(self.stop.click, self.stop_painting, [], form)
        on(self.works.select, self.choose_work, [], everything)
        clips = [self.new_clip, self.camera]
        for event, act, file, cleared in (
            (self.new_styles.upload, self.bring_styles, self.new_styles, [self.new_styles]),
            (self.new_clip.upload, self.bring_clip, self.new_clip, clips),
            (self.camera.stop_recording, self.bring_clip, self.camera, clips),
        ):
            brought = event(act, [*desk, file], [self.brought, self.say, *cleared], **hidden)
            on(brought.success, self.lay_down, [self.brought], everything)
        removed = self.remove.click(self.remove_work, [*desk, self.sure], None, js=SURE, **hidden)
        on(removed.success, self.arrive, [], everything)
        watched = [*seen, self.worry, self.say, self.settings.preset]
        self.clock.tick(self.look, [*desk, self.worry, self.settings.preset], watched, queue=False, **hidden)

    def arrive(self, desk: Any, memory: Any) -> Updates:
        """A browser opens the page, or opens it again."""
        desk = _owned(desk, memory)
        return self._shown(desk) | self._settings_of(desk)

    def choose_styles(self, desk: Any, memory: Any, event: gr.EventData) -> Updates:
        """Style pictures are ticked; another work begins."""
        desk = _owned(desk, memory)
        return self._shown(desk | {"styles": list(event.chosen), "job": None})

    def bring_styles(self, desk: Any, memory: Any, files: list[str] | None) -> Updates:
        """Style pictures are uploaded."""
        desk = _owned(desk, memory)
        return self._bring(desk, STYLE, files or []) | {self.new_styles: None}

    def bring_clip(self, desk: Any, memory: Any, file: str | None) -> Updates:
        """A clip is uploaded or recorded."""
        desk = _owned(desk, memory)
        return self._bring(desk, CLIP, [file] if file else []) | {self.new_clip: None, self.camera: None}

    def _bring(self, desk: dict[str, Any], kind: str, files: list[str]) -> Updates:
        """Check what is uploaded, which may take a while, and put it on the shelf."""
        said, things = "", []
        for file in map(Path, files):
            try:
                things.append(self.studio.shelf.take(desk["visitor"], kind, file, file.name).id)
            except ValueError as error:
                said = str(error)
            finally:
                file.unlink(missing_ok=True)
        return {self.brought: things, self.say: said}

    def lay_down(self, desk: Any, memory: Any, brought: list[str]) -> Updates:
        """What was brought is what is to be painted, or painted with."""
        desk = _owned(desk, memory)
        things = [thing for thing in map(self.studio.shelf.public, brought) if thing is not None]
        if not things:
            return self._seen(desk)
        if things[0].kind == CLIP:
            return self._with_clip(desk, things[0])
        told = self._shown(desk | {"styles": brought, "job": None})
        del told[self.say]  # why another one was refused
        return told

    def take_example(self, desk: Any, memory: Any) -> Updates:
        """Our own clip is to be painted."""
        desk = _owned(desk, memory)
        return self._with_clip(desk, self.studio.shelf.find(desk["visitor"], EXAMPLE))

    def start_painting(self, desk: Any, memory: Any, styles: Any, *values: Any) -> Updates:
        """PAINT: a new job, or the one that was stopped."""
        desk = _owned(desk, memory)
        visitor, clip = desk["visitor"], desk.get("clip") or ""
        desk = desk | {"styles": styles["chosen"]}
        try:
            thing = self.studio.shelf.find(visitor, clip) if clip else None
            settings = self.settings.read(values, thing)
            job = self.studio.paint(visitor, clip, desk["styles"], settings)
        except ValueError as error:
            return {self.say: str(error)}
        return self._shown(desk | {"job": job.id})

    def stop_painting(self, desk: Any, memory: Any) -> Updates:
        """STOP."""
        desk = _owned(desk, memory)
        if job := self._job(desk):
            self.studio.stop(job)
        return self._shown(desk)

    def choose_work(self, desk: Any, memory: Any, event: gr.EventData) -> Updates:
        """Another of the visitor's jobs is to be seen: what it was made of lies on the desk again."""
        desk = _owned(desk, memory)
        job = self.studio.job(desk["visitor"], next(iter(event.chosen), None))
        if job is None:
            return self._shown(desk)
        desk = desk | {"job": job.id, "clip": job.request.clip, "styles": list(job.request.styles)}
        return self._shown(desk) | self._settings_of(desk)

    def remove_work(self, desk: Any, memory: Any, sure: bool) -> None:
        """The job on the desk goes, with all that was made of it; this may take a step of the painting."""
        desk = _owned(desk, memory)
        if sure and (job := self._job(desk)):
            self.studio.remove(job)

    def look(self, desk: Any, memory: Any, worry: str, preset: str) -> Updates:
        """The clock ticks: how far is it?"""
        desk = _owned(desk, memory)
        new = self._seen(desk)
        new[self.works]["chosen"] = None  # a choice may be on its way that the desk does not know yet
        if self.studio.missing and not worry:  # told once, and the way out is taken where nothing else was chosen
            own = preset != self.studio.options.preset or "weights" in self.studio.settings
            new |= {self.worry: "told", self.say: self.studio.missing}
            new |= {} if own else {self.say: INSTEAD, self.settings.preset: "offline"}
        return new

    # ------------------------------------------------------------ what is seen

    def _shown(self, desk: dict[str, Any]) -> Updates:
        """Everything that depends on the desk, on which nothing stays that is no longer there."""
        styles, clip, job = self.studio.shelf.styles(desk["visitor"]), self._clip(desk), self._job(desk)
        chosen = [style.id for style in styles if style.id in (desk.get("styles") or [])]
        desk = {"visitor": desk["visitor"], "clip": clip and clip.id, "styles": chosen, "job": job and job.id}
        return {
            self.desk: desk,
            self.memory: desk,
            self.say: "",
            self.styles: _picks("Style", styles, chosen),
            self.clip: _picks("Clip", [clip] if clip else [], None),
            **self._seen(desk),
        }

    def _seen(self, desk: dict[str, Any]) -> Updates:
        """Everything that depends on the jobs."""
        job, jobs = self._job(desk), self.studio.jobs(desk["visitor"])
        works = [_pick(one.id, f"{one.name}: {one.state}", self._thumb(one)) for one in jobs]
        return {
            self.stage: self._stage(desk, job),
            self.works: {"label": "Your clips", "kind": "radio", "things": works, "chosen": [job.id] if job else []},
            self.stop: gr.update(interactive=bool(job and job.active and not job.stopping)),
            self.remove: gr.update(visible=job is not None),
        }

    def _stage(self, desk: dict[str, Any], job: Job | None) -> dict[str, Any]:
        """What the stage needs to show the desk, or the job."""
        visitor, clip = desk["visitor"], self._clip(desk)
        styles = [style for style in self.studio.shelf.styles(visitor) if style.id in (desk.get("styles") or [])]
        missing = [name for name, there in (("a style picture", styles), ("a clip", clip)) if not there]
        return {
            "clip": clip and _address(clip),
            "styles": [_address(style) for style in styles],
            "words": f"Choose {' and '.join(missing)}." if missing else "Press PAINT.",
            "job": job and self._progress(job),
        }

    def _progress(self, job: Job) -> dict[str, Any]:
        address = f"page/jobs/{job.id}"
        told: dict[str, Any] = {"words": job.words(self.studio.place(job)), "state": job.state, "id": job.id}
        told["share"] = job.done / job.work if job.work else 0
        told["live"] = job.active and job.live and [f"{address}/live/{side}.jpg?{job.shown}" for side in (0, 1)]
        if job.state in (FINISHED, STOPPED, FAILED) and job.result and job.original.is_file():
            version = job.result.stat().st_mtime_ns
            told["play"] = {
                "original": f"{address}/original.mp4",
                "painted": f"{address}/painted.mp4?{version}",
                "frames": job.done,
                "fps": job.fps,
                "name": re.sub(r"[^\w.-]+", "_", Path(job.name).stem) + "_painted.mp4",
            }
        return told

    def _with_clip(self, desk: dict[str, Any], clip: Thing) -> Updates:
        length = {self.settings.start: 0, self.settings.length: shortened(clip)}
        return self._shown(desk | {"clip": clip.id, "job": None}) | length

    def _settings_of(self, desk: dict[str, Any]) -> Updates:
        """The widgets as the job on the desk was asked for."""
        job = self._job(desk)
        if job is None:
            clip = self._clip(desk)
            return {self.settings.length: shortened(clip)} if clip else {}
        values = self.settings.write(job.request.settings, self._clip(desk))
        return dict(zip(self.settings.widgets, values, strict=True))

    def _job(self, desk: dict[str, Any]) -> Job | None:
        return self.studio.job(desk["visitor"], desk.get("job"))

    def _clip(self, desk: dict[str, Any]) -> Thing | None:
        try:
            return self.studio.shelf.find(desk["visitor"], desk.get("clip") or "")
        except ValueError:
            return None

    def _thumb(self, job: Job) -> str:
        if job.thumb.is_file():
            return f"page/jobs/{job.id}/thumb.jpg?{job.done}"
        clip = self.studio.shelf.public(job.request.clip)
        return _address(clip) if clip else ""


def _owned(desk: Any, memory: Any) -> dict[str, Any]:
    """A desk that has a visitor, whatever a browser sends: the tab's, the one that is remembered, or a new one."""
    known = (one for one in (desk, memory) if isinstance(one, dict) and is_token(one.get("visitor")))
    return dict(next(known, {"visitor": new_token()}))


def _custom(template: str, script: str, name: str) -> gr.HTML:
    """A component of our own. Its template never changes and its script writes values as text.

    Gradio evaluates what it puts into a template, and the names of files come from anywhere.
    """
    looks: dict[str, Any] = {"apply_default_css": False, "elem_id": name, "elem_classes": "st-own"}
    return gr.HTML(html_template=template, js_on_load=_text(script), **looks)


def _picks(label: str, things: list[Thing], chosen: list[str] | None) -> dict[str, Any]:
    """Several things to be ticked; None: to be looked at only."""
    shown = [_pick(thing.id, thing.name, _address(thing), thing.words) for thing in things]
    return {"label": label, "kind": "" if chosen is None else "checkbox", "things": shown, "chosen": chosen or []}


def _pick(name: str, title: str, picture: str, words: str = "") -> dict[str, str]:
    return {"id": name, "title": title, "picture": picture, "words": words}


def _address(thing: Thing) -> str:
    return f"page/things/{thing.id}.jpg"


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
