"""Draw pictures in several processes, in their order."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from index.build.photo import NewPicture
from models.processes import init_worker, starting_workers

DrawOne = Callable[[int], NewPicture]
"""Draws the picture of a number. Another process has to find it by its name."""

DrawAll = Callable[[range], Iterator[NewPicture]]
"""Draws the pictures of these numbers, in their order."""


class DrawingWorker(NamedTuple):
    """A process, and this program's end of the pipe to it."""

    process: BaseProcess
    connection: Connection[Any, Any]


@contextmanager
def drawing_workers(draw: DrawOne, count: int) -> Iterator[DrawAll]:
    """Yield a function that draws pictures in `count` processes, which start with its first call; 1 draws here.

    The function raises what `draw` raises, and ChildProcessError if a process is killed. Whatever stops it, the
    processes are killed, because nobody needs their pictures then. (A ProcessPoolExecutor that is stopped so prints a
    traceback, and may hang.)
    """
    if count == 1:
        yield partial(map, draw)
        return
    workers: list[DrawingWorker] = []

    def draw_all(numbers: range) -> Iterator[NewPicture]:
        if not workers:
            _start(workers, draw, count)
        for place, (_, connection) in enumerate(workers):
            connection.send(numbers[place::count])
        for place in range(len(numbers)):
            yield _receive(workers[place % count])

    try:
        yield draw_all
    finally:
        for process, connection in workers:
            process.kill()
            connection.close()
        for process, _ in workers:
            process.join()


def _start(workers: list[DrawingWorker], draw: DrawOne, count: int) -> None:
    context = multiprocessing.get_context("spawn")  # a forked copy of a process with threads may hang
    with starting_workers():
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, draw), daemon=True)
            process.start()
            theirs.close()
            workers.append(DrawingWorker(process, ours))


def _receive(worker: DrawingWorker) -> NewPicture:
    process, connection = worker
    try:
        answer: NewPicture | Exception = connection.recv()
    except (EOFError, OSError):
        process.join()
        raise ChildProcessError(f"a process that draws ended with status {process.exitcode}") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _serve(connection: Connection[Any, Any], draw: DrawOne) -> None:
    """Run a worker: answer each range of numbers with its pictures, until the parent closes the connection.

    A full pipe makes it wait, so it is never more than a few pictures ahead of the others.
    """
    init_worker()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            for number in connection.recv():
                try:
                    answer: NewPicture | Exception = draw(number)
                except Exception as error:
                    answer = error
                connection.send(answer)
