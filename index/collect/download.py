"""Download photographs side by side, a wave at a time, into files."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from index import web
from index.build.photo import Skipped
from index.collect.candidate import Candidate
from index.formats import UNREACHABLE
from models.text import printable


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A candidate whose picture is in `file`, or at this URL for a worker of a cluster to fetch; or why it is not."""

    candidate: Candidate
    file: Path | str | Skipped


class Downloads:
    """Threads that download photographs; a context manager. What is still on its way when it ends is given up."""

    def __init__(self, folder: Path, connections: int) -> None:
        """Download into a folder over at most so many connections."""
        self._folder = folder
        folder.mkdir(exist_ok=True)
        self._clear()
        self._tasks: SimpleQueue[tuple[Candidate, Path, SimpleQueue[Arrival | Exception]] | None] = SimpleQueue()
        self._connections, self._started = connections, 0
        self._lock, self._is_closed = threading.Lock(), False
        # They are daemons: a server may take minutes to answer, and nobody waits for that after Ctrl-C.
        for _ in range(connections):
            threading.Thread(target=self._serve, name="download", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(Empty):
            while True:
                self._tasks.get_nowait()
        for _ in range(self._connections):
            self._tasks.put(None)
        with self._lock, suppress(OSError):
            self._is_closed = True
            self._clear()
            self._folder.rmdir()

    def start(self, candidates: Sequence[Candidate]) -> Iterator[Arrival]:
        """Start to download a wave; yield what has arrived, as it does. Raises OSError if a file cannot be written."""
        arrivals: SimpleQueue[Arrival | Exception] = SimpleQueue()
        for candidate in candidates:
            self._tasks.put((candidate, self._folder / f"{self._started}.jpg", arrivals))
            self._started += 1
        return _take(arrivals, len(candidates))

    def forget(self, file: Path) -> None:
        """Delete a download that has been looked at; leave a file that was not downloaded."""
        if file.parent == self._folder:
            file.unlink(missing_ok=True)

    def _serve(self) -> None:
        """Download, as one of the threads, until there is nothing more to do."""
        while (task := self._tasks.get()) is not None:
            candidate, file, arrivals = task
            try:
                arrivals.put(self._download(candidate, file))
            except Exception as error:  # whatever it is, who waits for the arrival has to know
                arrivals.put(error)

    def _download(self, candidate: Candidate, file: Path) -> Arrival:
        """Download a candidate's picture into a file. Raises OSError if it cannot be written."""
        if isinstance(candidate.picture, Path):
            return Arrival(candidate, candidate.picture)
        try:
            data = web.fetch_picture(candidate.picture)
        except web.FetchError as error:
            return Arrival(candidate, _explain(printable(candidate.picture), error))
        with self._lock:
            if not self._is_closed:
                file.write_bytes(data)
        return Arrival(candidate, file)

    def _clear(self) -> None:
        for file in self._folder.iterdir():
            file.unlink(missing_ok=True)


def _take(arrivals: SimpleQueue[Arrival | Exception], count: int) -> Iterator[Arrival]:
    for _ in range(count):
        arrival = arrivals.get()
        if isinstance(arrival, Exception):
            raise arrival
        yield arrival


def _explain(name: str, error: web.FetchError) -> Skipped:
    """Return why a picture did not arrive."""
    if isinstance(error, web.TemporaryError):
        return Skipped(name, UNREACHABLE, f"{name} cannot be reached ({error}).")
    kind = "gone" if isinstance(error, web.GoneError) else "cannot be read"
    return Skipped(name, kind, f"{name} cannot be read ({error}).")
