"""`pose-mirror index collect`, from a server with Open Images' tables and photographs to the library."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.build.starter import grow
from index.collect.ledger import Ledger
from index.library import Library, verify_library
from models.estimator.catalogue import BUNDLED_MODEL
from tests.index.collect.open_images_tables import Sample, TableMaker
from tests.index.collect.table_server import TableServer, serve

COUNT = 60
"""Photographs on the server. Each is a drawn picture, in which the bundled model finds somebody."""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as Open Images' servers have it: tables, and photographs by their parts and ids."""
    folder = tmp_path_factory.mktemp("open images")
    grow(folder / "drawn", COUNT)
    pictures = sorted((folder / "drawn" / "pictures").iterdir())
    maker = TableMaker()
    for number, picture in enumerate(pictures):
        sample = Sample(title=f"Leap {number}", labels=("Dance",) if number % 2 else (), author="Ann")
        if number == 5:
            sample.title = "Naked ambition"
        place = folder / f"{maker.add(sample)}.jpg"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(picture.read_bytes())
    return maker.write(folder)


@pytest.fixture
def server(images: Path) -> Iterator[TableServer]:
    with serve(images) as server:
        yield server


def command(server: TableServer, *arguments: object) -> list[str]:
    places = ["--model", BUNDLED_MODEL]
    if "--from" not in arguments:
        places += ["--tables", server.url, "--photos", server.url]
    return [sys.executable, "-m", "device.cli", "index", "collect", *map(str, arguments), *places]


def run(server: TableServer, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(server, *arguments), capture_output=True, text=True, timeout=110, check=False)


def photos_asked_for(server: TableServer) -> list[str]:
    return [path for path, _ in server.starts if path.endswith(".jpg")]


@pytest.mark.slow
def test_makes_a_library_with_credits(server: TableServer, tmp_path: Path) -> None:
    out = tmp_path / "library"
    result = run(server, out, "--count", 15)
    assert result.returncode == 0, result.stderr
    assert "The rules allow 59 photographs of Open Images." in result.stdout
    assert "Kept 15 of 15." in result.stdout
    assert f"pose-mirror index sheets {out}" in result.stdout
    verify_library(out)
    with Library.open(out) as library:
        items = list(library.items())
    assert {item.author for item in items} == {"Ann"}
    assert {item.licence for item in items} == {"CC BY 2.0"}
    assert {item.collection for item in items} <= {"Dance", None}
    assert all(item.source_url and item.source_url.startswith("https://www.flickr.com/photos/ann/") for item in items)
    assert "Naked ambition" not in (out / "CREDITS.html").read_text()
    assert "https://www.flickr.com/photos/ann/" in (out / "CREDITS.html").read_text()


@pytest.mark.slow
def test_a_killed_one_goes_on_and_asks_for_no_photograph_twice(server: TableServer, tmp_path: Path) -> None:
    out = tmp_path / "library"
    server.delay = 0.02
    with subprocess.Popen(command(server, out, "--count", 12), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "The rules allow" in line:
                break
        process.send_signal(signal.SIGKILL)
    server.delay = 0
    tables = [path for path, _ in server.starts if path.endswith(".csv")]
    result = run(server, out, "--count", 12)
    assert result.returncode == 0, result.stderr
    assert [path for path, _ in server.starts if path.endswith(".csv")] == tables, "no table is read again"
    again = run(server, out, "--count", 12)
    assert again.returncode == 0, again.stderr
    verify_library(out)


@pytest.mark.slow
def test_what_was_taken_down_stays_out(server: TableServer, tmp_path: Path) -> None:
    out = tmp_path / "library"
    assert run(server, out, "--count", 8).returncode == 0
    with Library.open(out) as library:
        item = library.item(0)
    assert item.picture is not None
    url, stored = item.source_url, Ledger.folder_of(out) / "pictures" / item.picture.name
    assert stored.exists()
    remove = [sys.executable, "-m", "device.cli", "index", "remove", str(out), str(url)]
    subprocess.run(remove, check=True, capture_output=True, timeout=110)
    assert not stored.exists(), "it is on the disk no more"
    result = run(server, out, "--count", 8)
    assert result.returncode == 0, result.stderr
    with Library.open(out) as library:
        assert url not in {item.source_url for item in library.items()}
        assert library.manifest.pictures == 8, "another one takes its place"


@pytest.mark.slow
def test_goes_on_with_the_same_count_and_rules(server: TableServer, tmp_path: Path) -> None:
    out, rules = tmp_path / "library", tmp_path / "rules.toml"
    rules.write_text('[leave_out]\nlabels = ["Dance"]\n')
    assert run(server, out, "--count", 9).returncode == 0
    with Library.open(out) as library:
        dances = {item.title for item in library.items() if item.collection == "Dance"}
    result = run(server, out, "--rules", rules)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^\d photographs? given back, because the rules have changed", result.stdout, re.M)
    rules.unlink()
    again = run(server, out)
    assert again.returncode == 0, again.stderr
    assert "given back" not in again.stdout
    with Library.open(out) as library:
        assert dances
        assert dances.isdisjoint(item.title for item in library.items())
        assert library.manifest.pictures == 9


@pytest.mark.slow
def test_slips_are_not_remembered(server: TableServer, images: Path, tmp_path: Path) -> None:
    out, rules = tmp_path / "library", tmp_path / "rules.toml"
    slip = run(server, out, "--from", tmp_path / "typo.csv")
    assert (slip.returncode, "typo.csv" in slip.stderr) == (1, True)
    rules.write_text('[leave_out]\nlabels = ["Dansce"]\n')
    slip = run(server, out, "--count", 3, "--rules", rules)
    assert (slip.returncode, "Dansce" in slip.stderr) == (1, True)
    result = run(server, out, "--count", 3)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "photos.csv", "--tables", "x"], "--tables is for Open Images, not for --from photos.csv: leave it"),
        (["--from", "photos.csv", "--photos", "x"], "--photos is for Open Images, not for --from photos.csv: leave it"),
        (["--images", "x"], "--images is for a COCO file, not for Open Images: leave it out, or name the file."),
    ],
)
def test_an_option_that_does_not_fit_is_named(
    arguments: list[str], message: str, server: TableServer, tmp_path: Path
) -> None:
    result = run(server, tmp_path / "library", *arguments)
    assert result.returncode == 1
    assert result.stderr.startswith(f"pose-mirror: {message}")


def test_a_dry_run_asks_no_server_and_writes_nothing(server: TableServer, tmp_path: Path) -> None:
    result = run(server, tmp_path / "library", "--count", 100, "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "This would keep 100 photographs of Open Images. Nothing is downloaded now." in result.stdout
    boxes = re.escape(f"{server.url}/v6/oidv6-train-annotations-bbox.csv")
    assert re.search(rf"^  {boxes}  \([\d,]+ MB\)$", result.stdout, re.MULTILINE)
    assert f"The photographs are at {server.url}/SPLIT/IMAGE_ID.jpg." in result.stdout
    assert "It looks at about 500 photographs: 150 MB to download" in result.stdout
    assert server.starts == []
    assert os.listdir(tmp_path) == []


def test_a_library_that_was_not_collected_is_not_replaced(server: TableServer, tmp_path: Path, images: Path) -> None:
    result = run(server, images / "drawn")
    assert result.returncode == 1
    assert result.stderr == (
        f"pose-mirror: {images / 'drawn'} is a library that was not collected, and would be replaced: collect into "
        "another folder, and merge the two with `pose-mirror index merge`.\n"
    )


def test_pictures_of_another_origin_are_not_replaced(server: TableServer, tmp_path: Path, images: Path) -> None:
    out = tmp_path / "library"
    with Ledger(out, "Open Images"):
        shutil.copytree(images / "drawn", out)
    result = run(server, out)
    assert result.returncode == 1
    assert result.stderr == (
        f"pose-mirror: {out} has pictures that were not collected, and would be replaced: collect into another folder, "
        "and merge the two with `pose-mirror index merge`.\n"
    )


def test_prints_its_rules_to_change_them(server: TableServer, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(run(server, "--print-rules").stdout)
    assert "[leave_out]" in rules.read_text()
    result = run(server, tmp_path / "library", "--rules", rules, "--dry-run")
    assert result.returncode == 0, result.stderr


def test_prints_no_rules_that_are_not_utf_8(server: TableServer, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_bytes(b"# caf\xe9\n")
    result = run(server, "--print-rules", "--rules", rules)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == f"pose-mirror: {rules} is not UTF-8 text: save it as UTF-8.\n"


def test_prints_changed_rules_as_they_are_written(server: TableServer, tmp_path: Path) -> None:
    rules, text = tmp_path / "rules.toml", "# at most four\n[people]\nmax = 4\n"
    rules.write_text(text)
    assert run(server, "--print-rules", "--rules", rules).stdout == text


def test_says_which_folder_is_missing(server: TableServer) -> None:
    result = run(server)
    assert result.returncode == 1
    assert result.stderr.startswith("pose-mirror: Name the library's folder: pose-mirror index collect ")


@pytest.mark.slow
def test_collects_from_a_folder_and_from_commons(server: TableServer, images: Path, tmp_path: Path) -> None:
    page = {
        "title": "File:A leap.jpg",
        "imageinfo": [
            {
                "url": f"{server.url}/{next((images / 'train').glob('*.jpg')).relative_to(images)}",
                "mime": "image/jpeg",
                "extmetadata": {"LicenseShortName": {"value": "CC BY 4.0"}, "Artist": {"value": "<b>Ann</b>"}},
            }
        ],
    }
    commons = tmp_path / "commons.json"
    commons.write_text(json.dumps({"query": {"pages": [page]}}))
    for name, source, count in (("a", images / "train", 10), ("b", commons, 1)):
        result = run(server, tmp_path / name, "--from", source, "--count", count)
        assert result.returncode == 0, result.stderr
        with Library.open(tmp_path / name) as library:
            assert library.manifest.pictures == count
    with Library.open(tmp_path / "b") as library:
        assert library.item(0).author == "Ann"
