"""Estimates: how much a collection downloads, keeps and works."""

from __future__ import annotations

from pathlib import Path

import pytest

from index.build.photo import Skipped
from index.build.scan import ScanSettings
from index.collect.collector import CollectOptions
from index.collect.estimate import Prospect, estimate, measure_scan
from index.collect.ledger import Ledger
from tests.index.collect.collecting import Listing
from tests.support.finders import MarkFinder

OPTIONS = CollectOptions(count=80_000, workers=4)


def test_counts_photographs_that_show_nobody_well() -> None:
    needed = estimate(OPTIONS, Prospect(10**9, is_remote=True, usable_share=0.5), 0.1)
    assert needed.looks == 480_000
    assert needed.seconds == pytest.approx(12_000)
    assert str(needed) == (
        "It looks at about 480,000 photographs: 144.0 GB to download, and the library will take about 20.0 GB. Finding "
        "the people in them takes about 3 h 20 min on this machine; with less than 96 Mbit/s, downloading takes longer."
    )


def test_counts_no_more_than_there_are() -> None:
    needed = estimate(OPTIONS, Prospect(1_000, is_remote=True), 0.1)
    assert needed.looks == 1_000
    assert needed.disk_bytes < 1e9


def test_says_nothing_of_downloads_where_all_is_here() -> None:
    needed = estimate(OPTIONS, Prospect(1_000, is_remote=False), 0.1)
    assert needed.download_bytes == 0
    assert "download" not in str(needed)


def test_learns_the_share_from_the_collection(tmp_path: Path) -> None:
    source = Listing("http://photos.example", [f"{number}.jpg" for number in range(1_000)])
    with Ledger(tmp_path / "library", "test") as ledger:
        assert Prospect.of(source, ledger) == Prospect(1_000, is_remote=True)
        for number in range(300):
            ledger.add(f"{number}.jpg", Skipped("x", "no person", "x: nobody was found in it."))
        assert Prospect.of(source, ledger).candidates == 700


def test_measures_a_scan() -> None:
    assert measure_scan(ScanSettings()) == 0
    assert 0 < measure_scan(ScanSettings(MarkFinder)) < 60
