"""Processes that draw: in order, ended by whatever stops them, and one that is killed is an error."""

from __future__ import annotations

import multiprocessing
import os
import signal

import numpy as np
import pytest

from index.build.drawing_workers import drawing_workers
from index.build.photo import NewPicture


def draw(number: int) -> NewPicture:
    if number == 7:
        raise ValueError("picture 7 cannot be drawn")
    if number == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    return NewPicture.encode(np.full((number + 1, 8, 3), number, np.uint8))


@pytest.mark.slow
def test_draws_in_order_again_and_again() -> None:
    with drawing_workers(draw, 2) as draw_all:
        assert [picture.height for picture in draw_all(range(5))] == [1, 2, 3, 4, 5]
        assert [picture.height for picture in draw_all(range(5, 6))] == [6]
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_ends_its_processes_when_it_is_stopped() -> None:
    def draw_first() -> None:
        with drawing_workers(draw, 2) as draw_all:
            next(draw_all(range(100, 200)))
            assert len(multiprocessing.active_children()) == 2
            raise SystemExit

    with pytest.raises(SystemExit):
        draw_first()
    assert multiprocessing.active_children() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "error", "sentence"),
    [(7, ValueError, "picture 7 cannot be drawn"), (8, ChildProcessError, "a process that draws ended with status -9")],
)
def test_raises_what_ends_the_drawing(number: int, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence), drawing_workers(draw, 2) as draw_all:
        list(draw_all(range(number, number + 1)))


def test_one_worker_draws_in_this_process() -> None:
    with drawing_workers(draw, 1) as draw_all:
        assert [picture.height for picture in draw_all(range(2))] == [1, 2]
    assert multiprocessing.active_children() == []
