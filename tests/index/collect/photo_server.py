"""A server on the loopback with photographs, and the faults that servers of photographs have."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

DELAY_SECONDS: Final = 0.2
"""How long the slow paths wait."""


@dataclass(slots=True)
class PhotoServer:
    """What a server has by path, and how often each path was asked for."""

    url: str
    requests: Counter[str] = field(default_factory=Counter)
    most_at_once: int = 0


@contextmanager
def serve_photos(photos: Mapping[str, bytes]) -> Iterator[PhotoServer]:
    """Serve JPEG files by path, or with a fault before it.

    `/slow/…` waits, `/gone/…` is missing, `/page/…` answers with HTML, `/unavailable/…` leads to a picture that stands
    for one that is gone, `/down/…` says 503; the first time, `/busy/…` says 503, and `/reset/…` breaks off in the
    middle.
    """
    lock = threading.Lock()
    now = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            nonlocal now
            with lock:
                now += 1
                server.most_at_once = max(server.most_at_once, now)
                server.requests[self.path] += 1
                is_first = server.requests[self.path] == 1
            try:
                self._answer(is_first)
            finally:
                with lock:
                    now -= 1

        def _answer(self, is_first: bool) -> None:
            fault, _, name = self.path.removeprefix("/").partition("/")
            data = photos.get(name if name else fault, photos.get(self.path.removeprefix("/")))
            if fault == "slow":
                time.sleep(DELAY_SECONDS)
            if fault == "photo_unavailable.jpg":
                self._send(200, "image/jpeg", next(iter(photos.values())))
            elif fault == "gone" or data is None:
                self._send(404, "text/plain", b"gone")
            elif fault == "page":
                self._send(200, "text/html", b"<html>This photo is no longer available</html>")
            elif fault == "unavailable":
                self._send(302, "text/plain", b"", {"Location": "/photo_unavailable.jpg"})
            elif fault == "down" or (fault == "busy" and is_first):
                self._send(503, "text/plain", b"busy", {"Retry-After": "0"})
            elif fault == "reset" and is_first:
                self.send_response(200)
                self.send_header("Content-Type", "image/jpeg")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
            else:
                self._send(200, "image/jpeg", data)

        def _send(self, status: int, kind: str, data: bytes, headers: Mapping[str, str] = {}) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    server = PhotoServer(f"http://127.0.0.1:{httpd.server_port}")
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
