"""Taking down by URL, author or list, and keeping it down in builds and merges."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from PIL import Image as Pillow

from index.barred import BarredEntry
from index.build import edit
from index.build.photo import SourceError
from index.build.picture_lookup import author_entries, read_targets
from index.build.pipeline import BuildOptions, build
from index.build.scan import ScanSettings
from index.errors import LibraryError
from index.library import Library, read_barred, verify_library
from tests.index.build.test_edit import URL, everything, library_of, names, photo, titles
from tests.support.finders import MARK_COLOUR, MarkFinder
from tests.support.libraries import NewItem

FLICKR: Final = "https://www.flickr.com/photos/"
MARKS: Final = ScanSettings(MarkFinder, ("marks", "1"))


def person(number: int) -> Pillow.Image:
    """Return a picture in which `MarkFinder` finds a person: a different place for each number."""
    patches = np.random.default_rng(number).integers(0, 180, (8, 8, 3), np.uint8)
    picture = Pillow.fromarray(patches).resize((200, 160), Pillow.Resampling.NEAREST)
    picture.paste(MARK_COLOUR, (60, 30, 120, 140))
    picture.paste((60, number * 16 + 8, 60), (0, 0, 16, 16))
    return picture


def credited(number: int, author: str, url: str | None) -> list[NewItem]:
    """Return the people of a picture by an author, from a URL."""
    return [replace(item, author=author, source_url=url) for item in photo(number, persons=1 + number % 2)]


@pytest.fixture
def collected(tmp_path: Path) -> Path:
    """A library of collected photos: two by Ann, two by Bo, and one whose author nobody knows."""
    return library_of(
        tmp_path / "library",
        credited(0, "Ann  Example", f"{FLICKR}ann/10"),
        credited(1, "Bo", f"{FLICKR}bo/11/"),
        credited(2, "ann example", "https://elsewhere.example/12"),
        credited(3, "", None),
        credited(4, "Bo", f"{FLICKR}bo/14"),
    )


def barred(folder: Path) -> list[tuple[str, str]]:
    return [(entry.kind, entry.text) for entry in read_barred(folder).entries]


def test_takes_down_all_pictures_by_an_author(collected: Path) -> None:
    result = edit.remove(collected, [], authors=["ANN EXAMPLE"])
    assert [item.title for item in result.taken_down] == ["Photo 0", "Photo 2"]
    assert titles(collected) == ["Photo 1", "Photo 1", "Photo 3", "Photo 3", "Photo 4"]
    assert ("author", "ANN EXAMPLE") in barred(collected)
    verify_library(collected)


@pytest.mark.parametrize("page", [f"{FLICKR}bo/", "http://flickr.com/people/bo", "www.flickr.com/people/bo/"])
def test_takes_down_all_pictures_below_a_page(collected: Path, page: str) -> None:
    result = edit.remove(collected, ["3"], authors=[page])
    assert [item.title for item in result.taken_down] == ["Photo 1", "Photo 2", "Photo 4"]
    assert [kind for kind, _ in barred(collected) if kind != "url"] == ["page"], "and no name that looks like it"


def test_remembers_where_pictures_came_from(collected: Path) -> None:
    edit.remove(collected, ["0", "4"])
    assert barred(collected) == [("url", f"{FLICKR}ann/10")], "the source of one, as the other has none"
    edit.remove(collected, [f"{FLICKR}bo/14"], authors=["Cy"])
    assert barred(collected) == [("author", "Cy"), ("url", f"{FLICKR}ann/10"), ("url", f"{FLICKR}bo/14")]


def test_does_not_bar_the_source_of_pictures_that_stay(tmp_path: Path) -> None:
    album = "https://photos.example/album"
    library = library_of(tmp_path / "library", *(photo(n, source=album) for n in range(3)), photo(9))
    edit.remove(library, [names(library)["Photo 0"]])
    assert barred(library) == []
    edit.remove(library, [names(library)["Photo 1"], names(library)["Photo 2"]])
    assert barred(library) == [("url", album)]


def test_bars_what_is_not_there_yet(collected: Path) -> None:
    result = edit.remove(collected, [f" {URL}77"], authors=["Di", "https://photos.example/ed/"])
    assert (result.taken_down, result.manifest.pictures) == ([], 5)
    assert result.without_picture == [f"{URL}77", "Di", "https://photos.example/ed/"]
    assert barred(collected) == [("author", "Di"), ("page", "https://photos.example/ed/"), ("url", f"{URL}77")]
    before = (collected / "manifest.json").stat()
    edit.remove(collected, [f"{URL}77"], authors=["DI"])
    assert (collected / "manifest.json").stat() == before, "a library that would be the same is not written again"


@pytest.mark.parametrize(
    ("targets", "authors", "message"),
    [
        ([f"{URL}77", "99"], ["Ann Example"], "99 names no picture"),
        ([f"{FLICKR}bo/"], [], "is above the URLs of 2 pictures of .* after --author"),
        ([], ["https://www.flickr.com/photos/"], "is a whole site, not one author's page"),
        ([], ["https://photos.example"], "is a whole site"),
        ([], [" \n"], "name is empty"),
        (["4"], ["Ann Example", "bo"], "No picture would be left"),
        (["file:///nowhere.jpg"], [], "names no picture"),
    ],
)
def test_changes_nothing_after_a_mistake(collected: Path, targets: list[str], authors: list[str], message: str) -> None:
    before = everything(collected)
    with pytest.raises(LibraryError, match=message) as error:
        edit.remove(collected, targets, authors=authors)
    assert "\n" not in str(error.value)
    assert everything(collected) == before


def test_a_picture_that_is_gone_may_be_named_again(collected: Path) -> None:
    gone = names(collected)["Photo 0"]
    edit.remove(collected, [gone])
    result = edit.remove(collected, [gone, "0"])
    assert ([item.title for item in result.taken_down], result.taken_down_before) == (["Photo 1"], 1)
    result = edit.remove(collected, [gone])
    assert (result.taken_down, result.taken_down_before) == ([], 1)


@pytest.mark.parametrize("name", ["A.Dupont/AFP", "J.Smith/Getty Images", "W.Eugene/", "flickr.com/photos/"])
def test_a_name_that_looks_like_a_url_is_found(tmp_path: Path, name: str) -> None:
    library = library_of(tmp_path / "library", credited(0, name, f"{FLICKR}x/1"), photo(1))
    result = edit.remove(library, [], authors=[name.upper()])
    assert ([item.title for item in result.taken_down], result.without_picture) == (["Photo 0"], [])
    assert barred(library) == [("author", name.upper()), ("url", f"{FLICKR}x/1")]


def test_what_may_be_a_name_or_a_page_is_barred_as_both(collected: Path) -> None:
    result = edit.remove(collected, [], authors=["M.Garcia/Reuters"])
    assert result.without_picture == ["M.Garcia/Reuters", "https://M.Garcia/Reuters"]
    assert barred(collected) == [("author", "M.Garcia/Reuters"), ("page", "https://M.Garcia/Reuters")]


def test_a_site_that_is_nobodys_name_is_refused(collected: Path) -> None:
    with pytest.raises(LibraryError, match=r"is a whole site.* no picture in the library has an author of this name"):
        edit.remove(collected, [], authors=["flickr.com/photos/"])


def test_an_author_by_url_or_name() -> None:
    assert author_entries(" Ann\n Example ") == [BarredEntry("author", "Ann Example")]
    assert author_entries("Example/Ann") == [BarredEntry("author", "Example/Ann")]
    assert author_entries("M.Garcia/Getty Images") == [BarredEntry("author", "M.Garcia/Getty Images")]
    assert author_entries("https://flickr.com/people/ann") == [BarredEntry("page", "https://flickr.com/people/ann")]
    ann = "flickr.com/people/ann"
    assert author_entries(ann) == [BarredEntry("author", ann), BarredEntry("page", f"https://{ann}")]


def test_reads_a_list(tmp_path: Path) -> None:
    file = tmp_path / "struck.txt"
    file.write_bytes("\ufeff# 12: Jump #1\r\n\r\nab.jpg\r\n  https://a.example/#b  \n#\n".encode())
    assert read_targets(file) == ["ab.jpg", "https://a.example/#b"]
    file.write_bytes(b"caf\xe9.jpg")
    with pytest.raises(SourceError, match=r"struck\.txt is not UTF-8: save it so"):
        read_targets(file)
    with pytest.raises(SourceError, match=r"nowhere\.txt cannot be read"):
        read_targets(tmp_path / "nowhere.txt")
    with pytest.raises(SourceError, match="is not a regular file"):
        read_targets(tmp_path)


# Keeping it down


def test_merging_skips_what_any_library_bars(tmp_path: Path, collected: Path) -> None:
    one = library_of(tmp_path / "one", photo(5), photo(6))
    out = library_of(tmp_path / "all", photo(8))
    edit.remove(one, [], authors=["BO"])
    edit.remove(out, [f"{FLICKR}ann/10"])
    result = edit.merge([one, collected], out)
    assert titles(out) == ["Photo 5", "Photo 6", "Photo 2", "Photo 3", "Photo 3"]
    assert result.skip_counts == {"taken down": 3}
    assert barred(out) == [("author", "BO"), ("url", f"{FLICKR}ann/10")]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A server of pictures, and what it was asked for."""
    asked: list[str] = []
    folder = tmp_path / "site"
    folder.mkdir()
    for number in range(1, 5):
        person(number).save(folder / f"{number}.png")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            data = (folder / self.path.strip("/")).read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        thread.join(30)
        server.server_close()


@pytest.mark.slow
def test_a_build_fetches_nothing_that_is_barred(tmp_path: Path, site: tuple[str, list[str]]) -> None:
    address, asked = site
    rows = ["picture,author,source_url"]
    rows += [f"{address}1.png,Ann,", f"{address}2.png,Bo,{FLICKR}bo/2", f"{address}3.png,,{URL}3", f"{address}4.png,,"]
    (tmp_path / "table.csv").write_text("\n".join(rows))
    out = tmp_path / "library"
    assert build([tmp_path / "table.csv"], out, MARKS).items == 4
    edit.remove(out, [], authors=["ann"])
    edit.remove(out, [f"{URL}3"], authors=[f"{FLICKR}bo"])
    before = barred(out)
    asked.clear()
    for _ in range(2):
        report = build([tmp_path / "table.csv"], out, MARKS, BuildOptions(fresh=True))
        assert (report.items, report.skip_counts) == (1, {"taken down": 3})
        assert report.skipped[0].reason == (
            f"{address}1.png is by an author, or from a URL, that was taken down from the library."
        )
    assert asked == ["/4.png"] * 2
    assert barred(out) == before


@pytest.mark.slow
def test_a_build_reads_authors_in_pictures_and_coco_files(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, artist in enumerate(["Ann", "Bo", "Cy"]):
        exif = Pillow.Exif()
        exif[0x013B] = artist
        person(number).save(folder / f"{number}.jpg", exif=exif, quality=95)
    out = tmp_path / "library"
    assert build([folder], out, MARKS).items == 3
    edit.remove(out, [], authors=["Ann"])
    assert build([folder], out, MARKS).skip_counts == {"taken down": 1}
    with Library.open(out) as library:
        assert sorted(item.author or "" for item in library.items()) == ["Bo", "Cy"]
    points = [number for n in range(17) for number in (60 + 7 * n % 60, 30 + 6 * n, 2)]
    document = {
        "images": [{"id": n, "file_name": f"{n}.jpg", "flickr_url": f"{FLICKR}ann/{n}"} for n in range(3)],
        "annotations": [{"image_id": n, "category_id": 1, "keypoints": points} for n in range(3)],
    }
    (folder / "labels.json").write_text(json.dumps(document))
    edit.remove(out, [f"{FLICKR}ann/1"])
    report = build([folder / "labels.json"], out, MARKS)
    reasons = [skipped.reason for skipped in report.skipped]
    assert f"{folder / '1.jpg'} is by an author, or from a URL, that was taken down from the library." in reasons
    assert report.pictures == 1
