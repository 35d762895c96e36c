"""The pages for phones: a GIF, how to save it, whose photos are in it, and when it is deleted.

They need no JavaScript, and load nothing from elsewhere. Nobody finds a GIF without its name, and a GIF that has
expired cannot be told from one that never was.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.wsgi import wrap_file

from device.language.catalogues import ENGLISH, available_codes
from device.share import page
from device.share.page import Notice
from device.share.portal import WELCOME_PATH, Portal
from device.share.shared_gif import NAME, SharedGif, gif_file, open_gif, read_details
from device.share.visitors import RateLimit, visitor_key

STYLE_FILE: Final = Path(__file__).with_name("static") / "style.css"

MAKING_SECONDS: Final = 300.0
"""How long a GIF may be in the making: after that the mirror has failed, and nobody need wait any longer."""

REFRESH_SECONDS: Final = 2

METHODS: Final = ("GET", "HEAD")

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; style-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
}
"""Sent with every answer: a browser runs nothing, shows the page in no other, and leaves no trace of it elsewhere."""


def _nowhere() -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Pages:
    """What the pages are made of: the folder of shared GIFs, the limits, the portal, and the time since 1970."""

    folder: Path
    limit: RateLimit = field(default_factory=RateLimit)
    portal: Portal = field(default_factory=lambda: Portal(_nowhere))
    clock: Callable[[], float] = time.time
    codes: list[str] = field(default_factory=available_codes)

    def find(self, name: str) -> SharedGif | None:
        """Return a GIF that may be fetched now, or soon; None for all others. Looks at the disk each time."""
        details = read_details(self.folder, name) if NAME.fullmatch(name) else None
        return None if details is None or details.has_expired(self.clock()) else details

    def start_page(self) -> Response:
        return self.notice(page.START, 200)

    def welcome_page(self) -> Response:
        if not self.portal.is_open:
            return self.notice(page.NO_GIF, 404)
        self.portal.welcome(request)
        return self.notice(page.WELCOME, 200)

    def gif_page(self, name: str) -> Response:
        """Return the page of a GIF; while it is being made, one that looks for it again."""
        gif = self.find(name)
        if gif is None:
            return self.notice(page.NO_GIF, 404)
        if not gif_file(self.folder, name).is_file():
            is_late = self.clock() > gif.made_at + MAKING_SECONDS
            return self.notice(page.NO_GIF, 404) if is_late else self.notice(page.MAKING, 200, gif.language)
        language = page.choose_language(request, self.codes, gif.language)
        return self.render(
            "gif.html",
            gif.language,
            name=name,
            saving=page.saving_on(request.user_agent.string),
            deleted=page.deleted_at(gif.expires_at, language.code, page.opens_only_here(request.host)),
            credits=[page.link_addresses(credit) for credit in gif.credits],
        )

    def gif(self, name: str) -> Response:
        """Return a GIF, or the part that is asked for, as a file that the server sends by itself."""
        details = self.find(name)
        file = open_gif(self.folder, name) if details is not None else None
        if details is None or file is None:
            return self.notice(page.NO_GIF, 404)
        try:
            response = _send_file(file)
        except BaseException:
            file.close()
            raise
        kind = "attachment" if "save" in request.args else "inline"
        response.headers["Content-Disposition"] = f'{kind}; filename="{page.file_name(details.made_at)}"'
        return response

    def check(self) -> Response | None:
        """Refuse what is not answered, and answer phones that look for the internet."""
        if not self.limit.allows(visitor_key(request.remote_addr or "")):
            return self.notice(page.TOO_MANY, 429, headers={"Retry-After": "60"})
        if request.method not in METHODS:
            return self.notice(page.READ_ONLY, 405, headers={"Allow": ", ".join(METHODS)})
        return self.portal.answer(request)

    def fail(self, error: Exception) -> Response:
        """Return the page for an error, which is unknown to visitors; those in the code are logged before."""
        if isinstance(error, HTTPException) and (error.code or 500) < 500:
            return self.notice(page.NO_GIF, 404)
        return self.notice(page.FAILED, 500)

    def notice(
        self, notice: Notice, status: int, default: str = ENGLISH, headers: dict[str, str] | None = None
    ) -> Response:
        response = self.render("notice.html", default, notice=notice, refresh=notice is page.MAKING and REFRESH_SECONDS)
        response.status_code = status
        response.headers.update(headers or {})
        return response

    def render(self, template: str, default: str, **values: object) -> Response:
        language = page.choose_language(request, self.codes, default)
        up = "../" * (request.path.count("/") - 1)  # no path from the root: the page may be behind a proxy
        return Response(render_template(template, language=language, page=page, up=up, **values), mimetype="text/html")


def create_app(pages: Pages) -> Flask:
    """Return the WSGI application that serves the pages."""
    app = Flask("device.share", static_folder=None)
    app.url_map.merge_slashes = False
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    style = STYLE_FILE.read_bytes()
    app.add_url_rule("/", "start", pages.start_page)
    app.add_url_rule(f"/{WELCOME_PATH}", "welcome", pages.welcome_page)
    app.add_url_rule("/style.css", "style", lambda: Response(style, mimetype="text/css"))
    app.add_url_rule("/<string(length=26):name>", "page", pages.gif_page)
    app.add_url_rule("/<string(length=26):name>.gif", "gif", pages.gif)
    app.before_request(pages.check)
    app.after_request(_protect)
    app.register_error_handler(HTTPException, pages.fail)
    return app


def _protect(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response


def _send_file(file: BinaryIO) -> Response:
    """Return a file, or the one range of it that is asked for. The response closes the file."""
    size = os.fstat(file.fileno()).st_size
    start, stop = 0, size
    wanted = request.range
    if wanted is not None and wanted.units == "bytes" and len(wanted.ranges) == 1 and wanted.ranges[0][0] >= -size:
        found = wanted.range_for_length(size)
        if found is None:
            file.close()
            return Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        start, stop = found[0], found[1] or size
    headers = {"Content-Length": str(stop - start), "Accept-Ranges": "bytes"}
    is_part = (start, stop) != (0, size)
    if is_part:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    status = 206 if is_part else 200
    if request.method == "HEAD":  # nobody would close the file
        file.close()
        return Response(status=status, headers=headers, mimetype="image/gif")
    file.seek(start)
    body = wrap_file(request.environ, file)
    return Response(body, status, headers, mimetype="image/gif", direct_passthrough=True)
