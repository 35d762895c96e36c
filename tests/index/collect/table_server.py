"""A server of files on the loopback, with ranges as real ones have them, and with every fault that a test asks for."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class TableServer(ThreadingHTTPServer):
    """Serves the files of a folder, and records from which byte on they were asked for.

    The first `resets` answers break off after `reset_after` bytes. A `delay` in seconds comes before each piece.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.starts: list[tuple[str, int]] = []
        self.resets = 0
        self.reset_after = 50_000
        self.delay = 0.0
        self.has_ranges = True
        self.has_etags = True
        super().__init__(("127.0.0.1", 0), _Answer)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up, as those of stopped readings do."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serve(folder: Path) -> Iterator[TableServer]:
    """Serve a folder until the context ends."""
    with TableServer(folder) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()


class _Answer(BaseHTTPRequestHandler):
    server: TableServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        file = self.server.folder / self.path.lstrip("/")
        if not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        is_same = self.headers.get("If-Range", etag) == etag
        start = int(wanted[1]) if wanted and is_same and self.server.has_ranges else 0
        self.server.starts.append((file.name, start))
        if start >= len(content) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
        else:
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.server.has_etags:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(max(0, len(content) - start)))
        self.end_headers()
        self._send(content[start:])

    def _send(self, content: bytes) -> None:
        is_reset = self.server.resets > 0
        self.server.resets -= is_reset
        if is_reset:
            content = content[: self.server.reset_after]
        try:
            for begin in range(0, len(content), 1 << 15):
                time.sleep(self.server.delay)
                self.wfile.write(content[begin : begin + (1 << 15)])
            if is_reset:
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
        except OSError:
            self.close_connection = True  # the client has hung up

    def log_message(self, format: str, *args: Any) -> None:
        pass
