"""The page on its address: what it serves beside Gradio's own, what it lets nobody have, and its end."""

import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .desk import Desk
from .studio import Studio

log = logging.getLogger("styletransfer")

MEGABYTE = 1 << 20
METHODS = ["GET", "POST"]  # GET stands for HEAD too
SHUT = ("file=", "file/", "proxy=", "stream/", "deep_link", "process_recording")
"""What Gradio would serve and the page does not need. No file of this machine, not even an upload, can be read so:
what may be seen goes over our own addresses."""
HEADERS = {
    # Nothing comes from another host, nor goes to one. Gradio's own scripts are inline and are evaluated.
    "content-security-policy": "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; object-src 'none'",
    # The names in the addresses are secrets.
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def serve(
    studio: Studio, *, host: str, port: int | None, share: bool, browser: bool, max_upload: float
) -> tuple[gr.Blocks, str]:
    """Put the page on its address, and return it with that address.

    Parameters
    ----------
    max_upload
        Largest file that may be brought, in megabytes.
    """
    uploads = studio.shelf.root / "uploads"
    shutil.rmtree(uploads, ignore_errors=True)  # of a page that was killed
    os.environ["GRADIO_TEMP_DIR"] = str(uploads.resolve())
    desk = Desk(studio)
    _, local, public = desk.blocks.queue(default_concurrency_limit=16).launch(
        server_name=host,
        server_port=port,
        share=share,
        inbrowser=browser,
        max_file_size=round(max_upload * MEGABYTE),
        app_kwargs={"routes": _routes(studio), "middleware": [Middleware(_Headers)]},
        prevent_thread_lock=True,
        quiet=True,
        footer_links=[],
        ssr_mode=False,
        enable_monitoring=False,
        run_history=False,
        **desk.looks,
    )
    return desk.blocks, public or local


def wait(page: gr.Blocks, studio: Studio) -> None:
    """Serve until Ctrl-C; then stop what is painted, and keep what is finished of it."""
    try:
        while True:
            time.sleep(0.5)
    except KeyboardInterrupt:
        log.info("closing the page; what is painted stops after this step and is kept")
    finally:
        close(page, studio)


def close(page: gr.Blocks, studio: Studio) -> None:
    """End the page, and remove what was uploaded and not used."""
    page.close(verbose=False)
    studio.close()
    shutil.rmtree(studio.shelf.root / "uploads", ignore_errors=True)


def _routes(studio: Studio) -> list[Route]:
    def thing(request: Request) -> Response:
        found = studio.shelf.public(request.path_params["thing"])
        return _file(found and found.thumb)

    def clip(request: Request) -> Response:
        job = studio.public(request.path_params["job"])
        names = {"original.mp4": "original", "painted.mp4": "result", "thumb.jpg": "thumb"}
        name = names.get(request.path_params["name"])
        return _file(getattr(job, name) if job and name else None)

    def live(request: Request) -> Response:
        job, side = studio.public(request.path_params["job"]), request.path_params["side"]
        if job is None or job.live is None or side not in (0, 1):
            return Response(status_code=404)
        return Response(job.live[side], media_type="image/jpeg", headers={"cache-control": "no-store"})

    def shut(request: Request) -> Response:
        return Response(status_code=404)

    return [
        *(Route(f"{base}/{name}{{rest:path}}", shut, methods=METHODS) for name in SHUT for base in ("", "/gradio_api")),
        Route("/page/things/{thing}.jpg", thing),
        Route("/page/jobs/{job}/live/{side:int}.jpg", live),
        Route("/page/jobs/{job}/{name}", clip),
    ]


def _file(path: Path | None) -> Response:
    if path is None or not path.is_file():
        return Response(status_code=404)
    return FileResponse(path, headers={"cache-control": "private, max-age=3600"})


class _Headers:
    """Adds `HEADERS` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    *((name.encode(), value.encode()) for name, value in HEADERS.items()),
                ]
            await send(message)

        await self.app(scope, receive, sending if scope["type"] == "http" else send)


def page_folder() -> Path:
    """Where a user's jobs are kept unless another folder is named."""
    if os.name == "nt":
        base: Any = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    else:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "styletransfer"
