"""A web server on this machine with files, which can break off, change its mind and ignore what it is asked for."""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PIECE = 4096
"""Bytes that are sent at a time."""


class FileServer(ThreadingHTTPServer):
    """Serves `files`, content by path, and records the header Range of each request.

    `headers` come with every file, such as an ETag; if it `changes`, each answer has an ETag of its own. The next
    answers are `answers`, status and headers, as long as there are any; the next files break off after as many bytes as
    `breaks` says. `pause` are seconds between pieces; `says` is what to claim as the length of a file that is sent
    whole.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.headers: dict[str, str] = {}
        self.changes = False
        self.knows_ranges = True
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.breaks: list[int] = []
        self.pause = 0.0
        self.says: int | None = None
        self.ranges: list[str | None] = []
        super().__init__(("127.0.0.1", 0), _Answer)

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that hang up or are killed; a bug of the server makes a test fail anyway."""


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FileServer

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers["Range"])
        if self.server.answers:
            self._send(*self.server.answers.pop(0), b"")
        elif self.path not in self.server.files:
            self._send(404, {}, b"not here")
        else:
            self._send_file(self.server.files[self.path])

    def _send_file(self, content: bytes) -> None:
        headers, size = dict(self.server.headers), len(content)
        if self.server.changes:
            headers["ETag"] = f'"{len(self.server.ranges)}"'
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        condition = self.headers["If-Range"]
        matches = condition is None or condition in (headers.get("ETag"), headers.get("Last-Modified"))
        if asked is None or not self.server.knows_ranges or not matches:
            self._send(200, headers, content, self.server.says)
        elif int(asked[1]) >= size:
            self._send(416, {"Content-Range": f"bytes */{size}"}, b"")
        else:
            start = int(asked[1])
            self._send(206, {**headers, "Content-Range": f"bytes {start}-{size - 1}/{size}"}, content[start:])

    def _send(self, status: int, headers: dict[str, str], content: bytes, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        end = self.server.breaks.pop(0) if self.server.breaks and status in (200, 206) else None
        try:
            for start in range(0, len(content), PIECE):
                self.wfile.write(content[start : start + PIECE][: None if end is None else max(0, end - start)])
                time.sleep(self.server.pause)
        except OSError:
            return  # the client has hung up
        if end is not None:
            # closing sends a reset, which loses what is on the way
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        elif length is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def file_server() -> Iterator[FileServer]:
    """Run a server in a thread."""
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
