"""Downloads side by side: what arrives, what goes wrong, and that nothing is left behind."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from index import web
from index.collect.candidate import Candidate
from index.collect.download import Downloads
from index.credit import NO_CREDIT
from models.text import printable

URL = "https://photos.example/1.jpg"


def candidate(picture: Path | str = URL) -> Candidate:
    return Candidate(printable(picture), picture, NO_CREDIT)


def test_what_arrives_after_the_end_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, may_arrive, arrived = threading.Event(), threading.Event(), threading.Event()

    def fetch(url: str) -> bytes:
        asked.set()
        may_arrive.wait(60)
        return b"a picture"

    monkeypatch.setattr(web, "fetch_picture", fetch)
    with Downloads(tmp_path / "downloads", 1) as downloads:
        waiting = downloads.start([candidate()])
        asked.wait(60)
    may_arrive.set()

    def drain() -> None:
        list(waiting)
        arrived.set()

    threading.Thread(target=drain, daemon=True).start()
    assert arrived.wait(60)
    assert not (tmp_path / "downloads").exists()


def test_whoever_waits_learns_of_any_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(url: str) -> bytes:
        raise MemoryError

    monkeypatch.setattr(web, "fetch_picture", fetch)
    with Downloads(tmp_path / "downloads", 1) as downloads, pytest.raises(MemoryError):
        list(downloads.start([candidate()]))


def test_a_file_on_this_machine_stays_where_it_is(tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    file.touch()
    with Downloads(tmp_path / "downloads", 1) as downloads:
        (arrival,) = downloads.start([candidate(file)])
        assert arrival.file == file
        downloads.forget(file)
    assert file.exists()
