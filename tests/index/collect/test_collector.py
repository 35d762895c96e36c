"""Collections, with a real server: what is kept, what is skipped, and that a stopped one resumes."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags
from PIL import Image as Pillow

from index.barred import Barred, BarredEntry
from index.build.photo import Skipped
from index.collect import collector, selection
from index.collect.candidate import Candidate
from index.collect.collector import Collected, CollectOptions, fill
from index.collect.ledger import KEPT, Ledger
from index.collect.publish import publish
from index.errors import LibraryError
from index.library import Library, RemovedPicture, TakenDown, verify_library
from tests.index.collect.collecting import COUNT, SETTINGS, Listing, make_photos
from tests.index.collect.photo_server import PhotoServer, serve_photos

PHOTOS = make_photos()
NAMES = list(PHOTOS)


@pytest.fixture
def server() -> Iterator[PhotoServer]:
    with serve_photos(PHOTOS) as server:
        yield server


def run(out: Path, server: PhotoServer, count: int, paths: Sequence[str] = NAMES, **options: Any) -> Collected:
    with Ledger(out, "test") as ledger:
        return fill(ledger, Listing(server.url, paths), SETTINGS, CollectOptions(count=count, **options))


def outcomes(out: Path) -> dict[str, int]:
    with Ledger(out, "test") as ledger:
        return {kind: count for kind, (count, _) in ledger.skips(1).items()} | {KEPT: ledger.count(KEPT)}


def test_keeps_as_many_as_asked_for(tmp_path: Path, server: PhotoServer) -> None:
    collected = run(tmp_path / "library", server, 20)
    assert collected.kept == 20
    assert collected.ending == "Kept 20 of 20."
    assert len(list((tmp_path / ".library.collected/pictures").iterdir())) == 20, "the others were given back"


def test_looks_at_about_as_many_as_it_may(tmp_path: Path, server: PhotoServer) -> None:
    assert run(tmp_path / "library", server, 20, tries=4).looked in range(80, 101)


def test_says_when_the_source_has_no_more(tmp_path: Path, server: PhotoServer) -> None:
    collected = run(tmp_path / "library", server, 90, NAMES[:30])
    assert collected.looked == 30
    assert collected.ending == f"Kept {collected.kept} of 90: the source has no more photographs."


def test_goes_on_with_a_greater_count(tmp_path: Path, server: PhotoServer) -> None:
    out = tmp_path / "library"
    run(out, server, 10)
    before = sum(server.requests.values())
    assert run(out, server, 25).kept == 25
    assert max(server.requests.values()) <= 2, "only those of a wave that was given up may be asked for again"
    assert sum(server.requests.values()) > before


def test_finishes_at_once_when_all_are_there(tmp_path: Path, server: PhotoServer) -> None:
    out = tmp_path / "library"
    run(out, server, 10)
    before = sum(server.requests.values())
    assert run(out, server, 10).kept == 10
    assert sum(server.requests.values()) == before


def test_a_greater_count_takes_what_added_little(tmp_path: Path, server: PhotoServer) -> None:
    paths = NAMES[:12]
    fresh = run(tmp_path / "fresh", server, 12, paths)
    out = tmp_path / "library"
    assert run(out, server, 2, paths, tries=6).kept == 2
    grown = run(out, server, 12, paths)
    assert (grown.kept, grown.looked) == (fresh.kept, 12)
    before = sum(server.requests.values())
    assert run(out, server, 12, paths).kept == grown.kept
    assert sum(server.requests.values()) == before, "those that are left add nothing, so nobody asks for them again"


def test_something_takes_the_place_of_what_was_taken_down(tmp_path: Path, server: PhotoServer) -> None:
    paths, out = NAMES[:12], tmp_path / "library"
    run(out, server, 4, paths, tries=6)
    with Ledger(out, "test") as ledger:
        gone = next(ledger.pictures(KEPT))
        ledger.take_down(TakenDown([RemovedPicture(gone.name, gone.fingerprint, None)], Barred()))
        assert ledger.count(KEPT) == 3
        taken_down = TakenDown([RemovedPicture(gone.name, gone.fingerprint, None)], Barred())
        fill(ledger, Listing(server.url, paths), SETTINGS, CollectOptions(count=4), taken_down=taken_down)
        assert ledger.count(KEPT) == 4
        assert gone.name not in {picture.name for picture in ledger.pictures(KEPT)}


def test_corrected_credits_reach_what_is_kept(tmp_path: Path, server: PhotoServer) -> None:
    out = tmp_path / "library"
    run(out, server, 3, NAMES[:3])
    before = dict(server.requests)
    with Ledger(out, "test") as ledger:
        fill(ledger, Listing(server.url, NAMES[:3], "Anna", "CC0 1.0"), SETTINGS, CollectOptions(count=3))
        credits_ = [picture.credit for picture in ledger.pictures(KEPT)]
    assert {(credit.author, credit.licence) for credit in credits_} == {("Anna", "CC0 1.0")}
    assert {credit.title for credit in credits_} == {f"Photo {name}" for name in NAMES[:3]}
    assert dict(server.requests) == before


def test_gives_back_what_is_barred_by_where_it_was_downloaded(tmp_path: Path, server: PhotoServer) -> None:
    out = tmp_path / "library"
    run(out, server, 3, NAMES[:3])
    taken_down = TakenDown([], Barred((BarredEntry("url", f"{server.url}/{NAMES[1]}"),)))
    with Ledger(out, "test") as ledger:
        fill(ledger, Listing(server.url, NAMES[:3]), SETTINGS, CollectOptions(count=3), taken_down=taken_down)
        left = {picture.credit.title for picture in ledger.pictures(KEPT)}
    assert left == {f"Photo {NAMES[0]}", f"Photo {NAMES[2]}"}


def test_skips_what_servers_do_not_give(tmp_path: Path, server: PhotoServer) -> None:
    paths = ["gone/1.jpg", "page/2.jpg", "busy/3.jpg", "reset/4.jpg", "slow/5.jpg", "missing.jpg", "unavailable/6.jpg"]
    run(tmp_path / "library", server, 6, paths)
    assert outcomes(tmp_path / "library") == {"gone": 3, "cannot be read": 1, KEPT: 3}
    assert server.requests["/gone/1.jpg"] == 1, "what is gone is not asked for again"


def test_leaves_what_cannot_be_reached_for_later(tmp_path: Path, server: PhotoServer) -> None:
    collected = run(tmp_path / "library", server, 6, ["1.jpg", "down/2.jpg", "3.jpg"])
    assert collected.ending == "Kept 2 of 6: 1 could not be downloaded, so run the same command again later."
    assert run(tmp_path / "library", server, 6, ["1.jpg", "down/2.jpg", "3.jpg"]).looked == 2
    assert server.requests["/1.jpg"] == 1
    assert server.requests["/down/2.jpg"] == 6, "three times in each run"


@pytest.mark.parametrize("fault", ["down", "gone", "page"])
def test_stops_when_nothing_arrives(tmp_path: Path, server: PhotoServer, fault: str) -> None:
    out, paths = tmp_path / "library", NAMES[:60]
    with pytest.raises(LibraryError, match=r"^20 photographs in a row could not be downloaded\. The last one: .*"):
        run(out, server, 5, [f"{fault}/{path}" for path in paths])
    with Ledger(out, "test") as ledger:
        assert ledger.count() == 0
    assert run(out, server, 5, paths).kept == 5


def test_records_nothing_of_a_source_that_gives_nothing(tmp_path: Path, server: PhotoServer) -> None:
    out = tmp_path / "library"
    collected = run(out, server, 5, [f"gone/{path}" for path in NAMES[:9]])
    assert collected.ending == "Kept 0 of 5: 9 could not be downloaded, so run the same command again later."
    assert collected.looked == 0


def test_looks_once_at_what_is_listed_twice(tmp_path: Path, server: PhotoServer) -> None:
    collected = run(tmp_path / "library", server, 5, ["1.jpg", "2.jpg", "1.jpg", "3.jpg", "1.jpg"])
    assert (collected.looked, collected.kept) == (3, 3)


def test_keeps_nothing_that_is_nearly_what_was_taken_down(tmp_path: Path, server: PhotoServer) -> None:
    run(tmp_path / "first", server, 1, ["1.jpg"])
    with Ledger(tmp_path / "first", "test") as ledger:
        (picture,) = ledger.pictures(KEPT)
    taken_down = TakenDown([RemovedPicture("0" * 64, picture.fingerprint, None)], Barred())
    with Ledger(tmp_path / "library", "test") as ledger:
        fill(ledger, Listing(server.url, NAMES[1:2]), SETTINGS, CollectOptions(count=1), taken_down=taken_down)
    assert outcomes(tmp_path / "library") == {"taken down": 1, KEPT: 0}


def signed(jpeg: bytes, author: str) -> bytes:
    """Return a JPEG file that names its author."""
    exif, file = Pillow.Exif(), io.BytesIO()
    exif[ExifTags.Base.Artist] = author
    Pillow.open(io.BytesIO(jpeg)).save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


def test_keeps_nothing_by_an_author_who_is_named_in_the_file_alone(tmp_path: Path) -> None:
    class Unnamed(Listing):
        def candidates(self, start: int = 0) -> Iterator[Candidate]:
            for candidate in super().candidates(start):
                yield replace(candidate, credit=candidate.credit._replace(author=None, source_url=None))

    taken_down = TakenDown([], Barred((BarredEntry("author", "eve"),)))
    photos = {"eve.jpg": signed(PHOTOS["2.jpg"], "Eve"), "ann.jpg": signed(PHOTOS["3.jpg"], "Ann")}
    with Ledger(tmp_path / "library", "test") as ledger, serve_photos(photos) as server:
        source = Unnamed(server.url, list(photos))
        fill(ledger, source, SETTINGS, CollectOptions(count=2), taken_down=taken_down)
    assert outcomes(tmp_path / "library") == {"taken down": 1, KEPT: 1}


def test_opens_no_more_connections_than_allowed(tmp_path: Path, server: PhotoServer) -> None:
    run(tmp_path / "library", server, 20, [f"slow/{name}" for name in NAMES[:40]], connections=3)
    assert server.most_at_once <= 3


def test_never_asks_for_what_is_barred(tmp_path: Path, server: PhotoServer) -> None:
    taken_down = TakenDown([], Barred((BarredEntry("url", f"{server.url}/7.jpg"),)))
    with Ledger(tmp_path / "library", "test") as ledger:
        fill(ledger, Listing(server.url, NAMES[:20]), SETTINGS, CollectOptions(count=20), taken_down=taken_down)
    assert server.requests["/7.jpg"] == 0
    assert server.requests["/8.jpg"] == 1


def test_skips_nearly_the_same_photographs(tmp_path: Path, server: PhotoServer) -> None:
    run(tmp_path / "library", server, 10, ["1.jpg", "slow/1.jpg", "2.jpg"])
    assert outcomes(tmp_path / "library") == {"near-duplicate": 1, KEPT: 2}


def test_turns_photographs_that_are_stored_on_their_side(tmp_path: Path, server: PhotoServer) -> None:
    class Turned(Listing):
        def candidates(self, start: int = 0) -> Iterator[Candidate]:
            for candidate in super().candidates(start):
                yield replace(candidate, rotation=90)

    with Ledger(tmp_path / "library", "test") as ledger:
        fill(ledger, Turned(server.url, NAMES[:3]), SETTINGS, CollectOptions(count=3))
        sizes = {(picture.width, picture.height) for picture in ledger.pictures(KEPT)}
    assert sizes == {(160, 200)}


def test_ends_early_when_more_would_add_too_little(
    tmp_path: Path, server: PhotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "GAIN_SPAN", 5)
    monkeypatch.setattr(collector, "MIN_WAVE_SIZE", 10)
    monkeypatch.setattr(selection, "MAX_JUDGES", 2)
    collected = run(tmp_path / "library", server, 40, min_gain=1e9)
    assert collected.kept < 40
    assert collected.ending.endswith("less than 1e+09 (--min-gain).")


def test_stops_before_the_disk_is_full(tmp_path: Path, server: PhotoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "RESERVE_BYTES", 1 << 60)
    with pytest.raises(
        LibraryError, match=r"^Only .* GB are free on the disk of .*: free some, and run the same command"
    ):
        run(tmp_path / "library", server, 10)


def test_the_library_has_the_credits_and_a_report_with_the_curve(tmp_path: Path, server: PhotoServer) -> None:
    out = tmp_path / "library"
    with Ledger(out, "test") as ledger:
        fill(ledger, Listing(server.url, NAMES), SETTINGS, CollectOptions(count=12))
        manifest = publish(ledger, out, 12)
    verify_library(out)
    assert manifest.pictures == 12
    assert manifest.models == (("marks", "ab12"),)
    with Library.open(out) as library:
        credits = {(item.author, item.licence, item.source_url) for item in library.items()}
    assert len(credits) == 12
    assert {(author, licence) for author, licence, _ in credits} == {("Ann", "CC BY 2.0")}
    report = (out / "report.html").read_text()
    assert "<h2>Collecting</h2>" in report
    assert "Adds little" in report


def test_the_ledger_is_for_one_source_and_one_process(tmp_path: Path) -> None:
    with Ledger(tmp_path / "library", "one"), pytest.raises(LibraryError, match=r"^Another command is collecting into"):
        Ledger(tmp_path / "library", "one")
    with Ledger(tmp_path / "library", "two") as ledger:
        ledger.add("a", Skipped("a", "no person", "a: nobody was found in it."))
    with pytest.raises(LibraryError, match=r"was collected from two: collect from one into another folder"):
        Ledger(tmp_path / "library", "one")


def start(server: PhotoServer, out: Path, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.index.collect.collecting", server.url, str(out), str(count)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "NOTES": str(out.parent / "notes")}
    )


def wait_until_looked_at(process: subprocess.Popen[str], count: int) -> None:
    assert process.stdout is not None
    for _, _line in zip(range(count), process.stdout, strict=False):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("looked", [5, 40, 75])
def test_a_killed_collection_resumes_and_ends_as_one_that_was_not(
    tmp_path: Path, server: PhotoServer, looked: int
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    with start(server, whole, 30) as process:
        assert process.wait(120) == 0
    with start(server, killed, 30) as process:
        wait_until_looked_at(process, looked)
        process.send_signal(signal.SIGKILL)
    with start(server, killed, 30) as process:
        output, _ = process.communicate(timeout=120)
    assert output.splitlines()[-1].startswith("done ")
    with Library.open(whole) as first, Library.open(killed) as second:
        assert second.manifest.pictures == first.manifest.pictures
    verify_library(killed)
    with Ledger(killed, "test") as ledger:
        numbers = [seen.number for seen in ledger.seen(KEPT)]
        assert ledger.count() <= COUNT
        assert len(set(numbers)) == len(numbers)
        assert np.isfinite(ledger.waves()[-1].coverage)


@pytest.mark.slow
def test_ctrl_c_leaves_no_downloads(tmp_path: Path, server: PhotoServer) -> None:
    with start(server, tmp_path / "library", 30) as process:
        wait_until_looked_at(process, 20)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert sorted(os.listdir(tmp_path / ".library.collected")) == ["ledger.sqlite", "pictures"]
    assert not (tmp_path / "library").exists()
