"""Sharing a GIF: its page is there as soon as its recording has ended, and what fails leaves nothing behind."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from device.recording import saving
from device.recording.keeping import GifKeeper, Limits
from device.recording.saving import GifWriter, Outcome
from device.recording.sharing import Sharing, shown_page
from device.recording.stills import Words
from device.share.address import NOT_SERVED, Address, Wifi, write_address
from device.share.shared_gif import read_details
from tests.device.recording.test_saving import wait_for, wait_for_outcome
from tests.support.recordings import lively_recording

ADDRESS = Address("http://192.168.178.20/")


@pytest.fixture
def sharing(tmp_path: Path) -> Sharing:
    write_address(tmp_path / "server", ADDRESS)
    return Sharing(tmp_path / "gifs" / "shared", 24.0, tmp_path / "server")


def names(sharing: Sharing) -> list[str]:
    return sorted(path.name for path in sharing.folder.parent.rglob("*") if path.is_file())


@pytest.mark.slow
def test_a_shared_gif_has_details_and_no_other_copy(sharing: Sharing) -> None:
    sample = lively_recording(3, 1, size=(64, 48), words=Words("ar", True))
    with GifWriter(sharing.folder.parent, sharing=sharing) as writer:
        before = time.time()
        writer.start(sample)
        outcome = wait_for_outcome(writer)
    assert outcome.path is not None
    assert outcome.failure == ""
    name = outcome.path.stem
    assert names(sharing) == [f"{name}.gif", f"{name}.json"]
    details = read_details(sharing.folder, name)
    assert details is not None
    assert before <= details.made_at <= time.time()
    assert details.expires_at == details.made_at + 24 * 3600
    assert (details.credits, details.language) == (sample.credits, "ar")


def test_the_page_is_there_before_the_gif(sharing: Sharing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "_start_process", fail_later)
    with GifWriter(sharing.folder.parent, sharing=sharing) as writer:
        writer.start(lively_recording(3, 1, size=(64, 48)))
        page = wait_for(writer.poll_page)
        assert writer.poll_page() is None
        assert page.hours == 24
        outcome = wait_for_outcome(writer)
    assert outcome.path is None
    assert names(sharing) == [], "a failure removes the details"


def fail_later() -> None:
    raise RuntimeError("no process")


def test_without_a_server_there_is_no_code(sharing: Sharing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "server" / "address.json").unlink()
    monkeypatch.setattr(saving, "_start_process", FakeProcess)
    monkeypatch.setattr(saving, "_run_job", lambda process, job: Outcome(job.folder / job.name))
    with GifWriter(sharing.folder.parent, sharing=sharing) as writer:
        writer.start(lively_recording(3, 1, size=(64, 48)))
        outcome = wait_for_outcome(writer)
        assert writer.poll_page() is None
    assert outcome.path is not None
    assert outcome.failure == NOT_SERVED
    assert [Path(name).suffix for name in names(sharing)] == [".json"], "phones find it when the server is back"


class FakeProcess:
    """A process that does nothing."""

    pid = 1

    def __enter__(self) -> FakeProcess:
        return self

    def __exit__(self, *_: object) -> None: ...

    def kill(self) -> None: ...


def test_explains_details_that_cannot_be_written(sharing: Sharing) -> None:
    sharing.folder.parent.write_text("a file, where the folder should be")
    with GifWriter(sharing.folder.parent, sharing=sharing) as writer:
        writer.start(lively_recording(3, 1, size=(64, 48)))
        outcome = wait_for_outcome(writer)
    assert outcome.path is None
    assert "set another folder under [gif] in the configuration" in outcome.failure


def test_the_keeper_spares_the_gif_that_is_made(sharing: Sharing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "_start_process", FakeProcess)
    monkeypatch.setattr(saving, "_run_job", lambda process, job: Outcome(job.folder / job.name))
    keeper = GifKeeper(sharing.folder.parent, Limits(), lambda: time.time() + 10**6)
    with GifWriter(sharing.folder.parent, sharing=sharing, keeper=keeper) as writer:
        writer.start(lively_recording(3, 1, size=(64, 48)))
        wait_for_outcome(writer)
    assert keeper.check() == 0
    assert GifKeeper(sharing.folder.parent, Limits(), lambda: time.time() + 10**6).check() == 1


def test_a_page_behind_a_wifi_has_two_codes() -> None:
    page = shown_page(Address("http://10.41.0.1/", Wifi("Pose Mirror", "kite-rosy-54")), "a" * 26, 24)
    assert page.wifi_name == "Pose Mirror"
    assert page.wifi_code is not None
    assert shown_page(ADDRESS, "a" * 26, 24).wifi_code is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 9000,
        '{"url": 3',
        json.dumps({"url": "http://mirror/" + "x" * 9000}),
        json.dumps({"url": "http://mirror/", "wifi": {"name": "\ud800", "password": ""}}),
        json.dumps({"url": "http://mirror/", "wifi": [1]}),
    ],
)
def test_a_damaged_address_is_none(text: str, sharing: Sharing) -> None:
    file = sharing.server_folder / "address.json"
    file.write_text(text)
    assert sharing.page("a" * 26) is None


def test_an_address_is_read_from_a_file_alone(sharing: Sharing, tmp_path: Path) -> None:
    file = sharing.server_folder / "address.json"
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert sharing.page("a" * 26) is None
    file.unlink()
    os.mkfifo(file)
    assert sharing.page("a" * 26) is None, "nobody waits for a pipe"


@pytest.mark.parametrize(("hours", "whole"), [(24.0, 24), (1.0, 1), (1.9, 1), (47.6, 47)])
def test_visitors_read_whole_hours(hours: float, whole: int) -> None:
    assert Sharing(Path("/gifs/shared"), hours).whole_hours == whole
