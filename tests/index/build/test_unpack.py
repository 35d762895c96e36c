"""Unpacking packed libraries, of which any byte may be wrong, and fetching them from a web server."""

from __future__ import annotations

import errno
import hashlib
import io
import itertools
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import connections
from index.build import edit
from index.build import unpack as unpack_module
from index.build.pack import pack
from index.build.swap import lock_folder
from index.build.unpack import PackedLibraryError, fetch_library, unpack
from index.build.writer import building_folder
from index.downloads import DownloadError
from index.errors import LibraryBusyError, LibraryError
from index.library import Library, RemovedPicture, read_removed_pictures, read_taken_down, verify_library
from index.manifest import ITEMS_FILE, KEYPOINTS_FILE, MANIFEST_FILE, PICTURES_FOLDER, REPORT_FILE
from models import files
from tests.support.file_server import FileServer, file_server
from tests.support.libraries import write_library
from tests.support.paths import ROOT
from tests.support.sample_library import flip, items, sign_again

PICTURE = f"{PICTURES_FOLDER}/{'0' * 64}.jpg"

Member = tuple[tarfile.TarInfo, bytes]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "library"
    write_library(items(20), folder, models=[("posenet", "ab12")])
    pack(folder, folder.with_name("library.tar"))
    return folder


@pytest.fixture(scope="module")
def packed(built: Path) -> Path:
    return built.with_name("library.tar")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder to unpack into, with another library in it."""
    write_library(items(6), tmp_path / "out" / "library")
    return tmp_path / "out" / "library"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def members(packed: Path) -> list[Member]:
    with tarfile.open(packed, "r:") as tar:
        return [(entry, tar.extractfile(entry).read()) for entry in tar]  # type: ignore[union-attr]


def write_tar(file: Path, members: list[Member], format: int = tarfile.USTAR_FORMAT) -> Path:
    with tarfile.open(file, "w", format=format) as tar:
        for entry, content in members:
            tar.addfile(entry, io.BytesIO(content))
    return file


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Member:
    entry = tarfile.TarInfo(name)
    entry.size, entry.type, entry.linkname = len(content), kind, link
    return entry, content


def assert_refused(file: Path, out: Path, message: str) -> None:
    """Assert that a file is refused in one sentence that names it, and that the older library is as it was."""
    before = contents(out.parent)
    with pytest.raises(PackedLibraryError, match=message) as error:
        unpack(file, out)
    assert str(error.value).startswith(str(file))
    assert "unpacking" not in str(error.value)
    assert "\n" not in str(error.value)
    assert contents(out.parent) == before
    assert os.listdir(out.parent) == [out.name]


# Unpacking


def test_unpacks_the_same_library(built: Path, packed: Path, tmp_path: Path) -> None:
    result = unpack(packed, tmp_path / "new" / "library")
    assert contents(tmp_path / "new" / "library") == contents(built)
    assert verify_library(tmp_path / "new" / "library") == result.manifest
    assert result.left_out == 0
    assert os.listdir(tmp_path / "new") == ["library"]


def test_replaces_a_library(built: Path, packed: Path, out: Path) -> None:
    unpack(packed, out)
    assert contents(out) == contents(built)
    assert os.listdir(out.parent) == ["library"]


def test_replaces_what_a_link_points_to(built: Path, packed: Path, out: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(out)
    unpack(packed, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert contents(out) == contents(built)


def test_replaces_nothing_but_a_library(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").write_bytes(b"precious")
    with pytest.raises(LibraryError, match=r"photos holds mine.jpg, so it is not a library and is not replaced"):
        unpack(packed, tmp_path / "photos")
    assert contents(tmp_path) == {"photos/mine.jpg": b"precious"}


def test_unpacks_poses_without_pictures(tmp_path: Path) -> None:
    write_library(items(20)[5:], tmp_path / "poses")
    pack(tmp_path / "poses", tmp_path / "poses.tar")
    unpack(tmp_path / "poses.tar", tmp_path / "again")
    assert contents(tmp_path / "again") == contents(tmp_path / "poses")


def test_needs_room(packed: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "free_bytes", lambda folder: 1000)
    with pytest.raises(LibraryError, match=r"library.tar needs 0\.\d MB, and the disk of .* has 0\.0 MB left"):
        unpack(packed, out)
    assert os.listdir(out.parent) == ["library"]


def test_says_which_of_two_places_is_to_blame(packed: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (out.parent / "file").touch()
    with pytest.raises(LibraryError, match=r"^/.*/file/library cannot be written \(/.*/file is a file, not a folder\)"):
        unpack(packed, out.parent / "file" / "library")
    real = Path.open

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name in refused:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    refused = {packed.name}
    with pytest.raises(LibraryError, match=rf"^{packed} cannot be read \(Permission denied\)\.$"):
        unpack(packed, out)
    refused = {ITEMS_FILE}
    with pytest.raises(LibraryError, match=rf"^{out} cannot be written \(Permission denied\)\.$"):
        unpack(packed, out)


def test_waits_for_a_build(packed: Path, out: Path) -> None:
    before, lock = contents(out), lock_folder(building_folder(out))
    try:
        with pytest.raises(LibraryBusyError):
            unpack(packed, out)
    finally:
        os.close(lock)
    assert contents(out) == before


def test_removes_what_a_killed_process_left(built: Path, packed: Path, out: Path) -> None:
    left = unpack_module._unpacking_folder(out)
    (left / "pictures").mkdir(parents=True)
    (left / "pictures" / "half").write_bytes(b"half")
    unpack(packed, out)
    assert contents(out) == contents(built)
    assert os.listdir(out.parent) == ["library"]


# What was taken down stays down


def test_keeps_down_what_was_taken_down(built: Path, packed: Path, out: Path) -> None:
    unpack(packed, out)
    (taken_down,) = edit.remove(out, ["0"]).taken_down
    result = unpack(packed, out)
    assert result.left_out == 1
    assert verify_library(out).pictures == result.manifest.pictures == 4
    with Library.open(out) as library:
        assert taken_down.picture is not None
        assert taken_down.picture.name not in set(library.picture_names())
        assert [removed.picture for removed in library.removed_pictures()] == [taken_down.picture.name]
    report = (out / REPORT_FILE).read_text()
    assert f"Sources: {packed}." in report
    assert "unpacking" not in report
    assert os.listdir(out.parent) == ["library"]


def test_keeps_barred_who_is_barred(packed: Path, out: Path) -> None:
    unpack(packed, out)
    edit.remove(out, ["https://elsewhere.example/1"])
    unpack(packed, out)
    with Library.open(out) as library:
        assert [entry.text for entry in library.barred().entries] == ["https://elsewhere.example/1"]


def test_takes_over_a_library_that_knows_what_was_taken_down(packed: Path, out: Path, tmp_path: Path) -> None:
    unpack(packed, out)
    edit.remove(out, ["0"])
    pack(out, tmp_path / "less.tar")
    expected = contents(out)
    edit.remove(out, ["1"])
    unpack(tmp_path / "less.tar", tmp_path / "other")
    unpack(tmp_path / "less.tar", tmp_path / "other")
    assert contents(tmp_path / "other") == expected
    unpack(tmp_path / "less.tar", out)
    assert len(read_removed_pictures(out)) == 2
    assert verify_library(out).pictures == 3


def claim_taken_down(library: Path, picture: RemovedPicture, urls: list[str], tar: Path) -> Path:
    """Pack a library that says that it knows of a picture that was taken down, and still holds it."""
    with closing(sqlite3.connect(library / ITEMS_FILE)) as tables, tables:
        tables.execute("INSERT INTO removed VALUES (?, ?, ?)", picture)
        tables.executemany("INSERT INTO barred VALUES ('url', ?)", [(url,) for url in urls])
    sign_again(library)
    pack(library, tar)
    return tar


@pytest.mark.parametrize("lies", [True, False])
def test_believes_no_library_that_says_that_it_knows(built: Path, packed: Path, out: Path, lies: bool) -> None:
    unpack(packed, out)
    edit.remove(out, ["0"])
    before = read_taken_down(out)
    (picture,) = before.pictures
    claimed = picture._replace(fingerprint=bytes(32)) if lies else picture
    hostile = Path(shutil.copytree(built, out.with_name("hostile")))
    tar = claim_taken_down(hostile, claimed, ["https://0"], out.with_name("hostile.tar"))
    assert unpack(tar, out).left_out == 1
    assert read_taken_down(out) == before
    with Library.open(out) as library:
        assert picture.picture not in set(library.picture_names())


@pytest.mark.parametrize("name", ["0" * 64 + ".jpg", None])
def test_leaves_out_what_a_library_says_is_taken_down(built: Path, tmp_path: Path, name: str | None) -> None:
    """By the picture's name, or by the URL that is barred."""
    with Library.open(built) as library:
        held, bits = min(library.fingerprints())
    odd = Path(shutil.copytree(built, tmp_path / "odd"))
    picture = RemovedPicture(name or held, bytes(32) if name else bits, None)
    tar = claim_taken_down(odd, picture, ["https://0"] if name else [], tmp_path / "odd.tar")
    assert unpack(tar, tmp_path / "library").left_out == 1
    assert verify_library(tmp_path / "library").pictures == 4


@pytest.mark.parametrize("name", [ITEMS_FILE, KEYPOINTS_FILE])
def test_keeps_down_what_a_damaged_library_lists(packed: Path, out: Path, name: str) -> None:
    unpack(packed, out)
    edit.remove(out, ["0"])
    before = read_taken_down(out)
    flip(out / name, (out / name).read_bytes().index(b"Item 3") if name == ITEMS_FILE else 500)
    assert unpack(packed, out).left_out == 1
    assert read_taken_down(out) == before


# Hostile files

HOSTILE: dict[str, tuple[Callable[[list[Member]], list[Member]], str]] = {
    "link": (lambda m: [*m, member(PICTURE, kind=tarfile.SYMTYPE, link="/etc/passwd")], "is not a regular file"),
    "hard link": (lambda m: [*m, member(PICTURE, kind=tarfile.LNKTYPE, link=MANIFEST_FILE)], "is not a regular file"),
    "folder": (lambda m: [*m, member("pictures", kind=tarfile.DIRTYPE)], "is not a regular file"),
    "pipe": (lambda m: [*m, member("pipe", kind=tarfile.FIFOTYPE)], "is not a regular file"),
    "device": (lambda m: [*m, member("device", kind=tarfile.CHRTYPE)], "is not a regular file"),
    "up": (lambda m: [*m, member("../evil.jpg", b"evil")], r"\.\./evil.jpg does not belong to a library"),
    "up in pictures": (lambda m: [*m, member("pictures/../../evil.jpg")], "does not belong to a library"),
    "absolute": (lambda m: [*m, member("/tmp/evil.jpg", b"evil")], "/tmp/evil.jpg does not belong to a library"),
    "extra page": (lambda m: [*m, member("index.html", b"evil")], "index.html does not belong to a library"),
    "extra picture": (
        lambda m: [*m, member(PICTURE, b"evil")],
        "it holds more than the 5 pictures that its manifest lists",
    ),
    "second manifest": (lambda m: [*m, m[0]], "manifest.json does not belong to a library"),
    "second file": (lambda m: [*m, m[1]], "CREDITS.html does not belong to a library"),
    "second picture": (lambda m: [*m[:-1], m[-2]], "is in it twice"),
    "other picture": (lambda m: [*m[:-1], member(PICTURE, b"evil")], f"{PICTURE} has another sha256"),
    "no manifest": (lambda m: m[1:], "is not a library that `pose-mirror index pack` packed"),
    "empty": (lambda m: [], "is not a library that `pose-mirror index pack` packed"),
    "empty manifest": (lambda m: [member(MANIFEST_FILE), *m[1:]], r"manifest.json is not valid JSON"),
    "large manifest": (lambda m: [member(MANIFEST_FILE, bytes(1_000_001)), *m[1:]], "is not a library that"),
    "no page": (lambda m: [m[0], *m[2:]], "CREDITS.html is missing"),
    "no picture": (lambda m: m[:-1], "a picture is missing"),
    "longer file": (
        lambda m: [m[0], member(m[1][0].name, m[1][1] + b" "), *m[2:]],
        r"CREDITS.html has [\d,]+ bytes, not [\d,]+",
    ),
    "other page": (lambda m: [m[0], member(m[1][0].name, b"x" * len(m[1][1])), *m[2:]], "has another sha256"),
    "odd name": (lambda m: [*m, member("a\nb")], "a�b does not belong to a library"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_refuses_a_hostile_file(packed: Path, out: Path, tmp_path: Path, case: str) -> None:
    change, message = HOSTILE[case]
    assert_refused(write_tar(tmp_path / "hostile.tar", change(members(packed))), out, message)


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_refuses_extended_headers(packed: Path, out: Path, tmp_path: Path, format: int) -> None:
    file = write_tar(tmp_path / "long.tar", [*members(packed), member("x" * 300)], format)
    assert_refused(file, out, "is not a regular file")


@pytest.mark.parametrize("size", [10**12, 2**62, 10**6])
def test_refuses_sizes_beyond_its_end(packed: Path, out: Path, tmp_path: Path, size: int) -> None:
    entry, _ = member(PICTURE)
    entry.size = size
    data = b"".join(e.tobuf(tarfile.GNU_FORMAT) + c + bytes(-len(c) % 512) for e, c in members(packed)[:-1])
    (tmp_path / "huge.tar").write_bytes(data + entry.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    assert_refused(tmp_path / "huge.tar", out, "it ends too early")


def test_refuses_a_sparse_file(packed: Path, out: Path, tmp_path: Path) -> None:
    entry, _ = member(PICTURE, kind=tarfile.GNUTYPE_SPARSE)
    entry.size = 512
    block = bytearray(entry.tobuf(tarfile.GNU_FORMAT))
    block[386:398], block[483:495] = b"00000000000\0", b"77777777777\0"  # offset and whole size: 8 GB
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + sum(block[156:]) + 8 * 32)
    data = b"".join(e.tobuf(tarfile.GNU_FORMAT) + c + bytes(-len(c) % 512) for e, c in members(packed)[:-1])
    (tmp_path / "sparse.tar").write_bytes(data + block + bytes(2048))
    assert_refused(tmp_path / "sparse.tar", out, "is not a regular file")


def test_refuses_what_follows_the_end(packed: Path, out: Path, tmp_path: Path) -> None:
    for name, more in {"more.tar": packed.read_bytes(), "zeros.tar": bytes(100_000)}.items():
        (tmp_path / name).write_bytes(packed.read_bytes() + more)
        assert_refused(tmp_path / name, out, "something follows its end")


def test_refuses_what_is_not_a_tar(packed: Path, out: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.tar").write_bytes(b"")
    (tmp_path / "page.tar").write_bytes(b"<html>log in first</html>" * 100)
    assert_refused(tmp_path / "empty.tar", out, "it ends too early")
    assert_refused(tmp_path / "page.tar", out, "it is not a tar, or a damaged one")
    assert_refused(tmp_path / "missing.tar", out, "is not a file: name one")
    os.mkfifo(tmp_path / "pipe.tar")
    assert_refused(tmp_path / "pipe.tar", out, "is not a file: name one")


def test_refuses_another_version(built: Path, out: Path, packed: Path, tmp_path: Path) -> None:
    old = Path(shutil.copytree(built, tmp_path / "old"))
    text = (old / MANIFEST_FILE).read_text().replace('"version": 3', '"version": 2')
    (old / MANIFEST_FILE).write_text(text)
    changed = [member(MANIFEST_FILE, text.encode()), *members(packed)[1:]]
    assert_refused(
        write_tar(tmp_path / "old.tar", changed), out, "manifest.json has format version 2, but this program"
    )


@pytest.mark.parametrize("name", ["items.sqlite", "keypoints.npy", "members-0.npy"])
def test_refuses_damage_that_the_manifest_vouches_for(built: Path, out: Path, tmp_path: Path, name: str) -> None:
    damaged = Path(shutil.copytree(built, tmp_path / "damaged"))
    (damaged / name).write_bytes(b"nonsense")
    sign_again(damaged)
    names = [MANIFEST_FILE, *sorted(set(contents(damaged)) - {MANIFEST_FILE})]
    file = write_tar(tmp_path / "damaged.tar", [member(name, (damaged / name).read_bytes()) for name in names])
    assert_refused(file, out, name)


def test_refuses_pages_that_lead_in_circles(built: Path, out: Path, tmp_path: Path) -> None:
    """Each page of the table leads 400 times to the next: counting what is below would take for ever."""
    circles = Path(shutil.copytree(built, tmp_path / "circles"))
    with closing(sqlite3.connect(circles / ITEMS_FILE)) as tables, tables:
        (size,), (first,) = (
            tables.execute("PRAGMA page_size").fetchone(),
            tables.execute("PRAGMA page_count").fetchone(),
        )
        tables.execute("PRAGMA writable_schema = ON")
        tables.execute("UPDATE sqlite_master SET rootpage = ? WHERE name = 'item'", (first + 1,))
    pages = [_page_above(first + 2 + depth, size) for depth in range(15)] + [_page_with_a_row(size)]
    data = bytearray((circles / ITEMS_FILE).read_bytes() + b"".join(pages))
    data[28:32] = (first + len(pages)).to_bytes(4)
    (circles / ITEMS_FILE).write_bytes(data)
    sign_again(circles)
    names = [MANIFEST_FILE, *sorted(set(contents(circles)) - {MANIFEST_FILE})]
    file = write_tar(tmp_path / "circles.tar", [member(name, (circles / name).read_bytes()) for name in names])
    before = contents(out)
    program = "import sys, pathlib, index.build.unpack as u; u.unpack(*map(pathlib.Path, sys.argv[1:]))"
    command = [sys.executable, "-c", program, str(file), str(out)]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert re.search(r"PackedLibraryError: .*circles.tar cannot be used \(items.sqlite", finished.stderr), finished
    assert contents(out) == before


def _page_above(below: int, size: int) -> bytes:
    """Return a page of SQLite's that leads to another one many times (its file format's "interior table page")."""
    cells = [below.to_bytes(4) + bytes([0x81, number]) for number in range(100)] * 4
    start = size - sum(map(len, cells))
    places = b"".join((start + 6 * number).to_bytes(2) for number in range(len(cells)))
    head = b"\x05\0\0" + len(cells).to_bytes(2) + start.to_bytes(2) + b"\0" + below.to_bytes(4) + places
    return head.ljust(start, b"\0") + b"".join(cells)


def _page_with_a_row(size: int) -> bytes:
    """Return a page of SQLite's with one row, whose number is 0 (its file format's "leaf table page")."""
    start = size - 4
    return (b"\x0d\0\0\0\x01" + start.to_bytes(2) + b"\0" + start.to_bytes(2)).ljust(start, b"\0") + b"\x01\0\x01\0"


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.slow
def test_survives_any_changed_byte(packed: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A changed byte is refused, or it is one that says nothing, such as a header's owner."""
    content = bytearray(packed.read_bytes())
    headers = [entry.offset for entry, _ in members(packed)]
    place = data.draw(
        st.one_of(
            st.integers(0, len(content) - 1),
            st.builds(int.__add__, st.sampled_from(headers), st.integers(0, tarfile.BLOCKSIZE - 1)),
        )
    )
    content[place] ^= data.draw(st.integers(1, 255))
    folder = tmp_path_factory.mktemp("changed")
    (folder / "changed.tar").write_bytes(content)
    try:
        unpack(folder / "changed.tar", folder / "library")
    except PackedLibraryError:
        assert os.listdir(folder) == ["changed.tar"]
    else:
        verify_library(folder / "library")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.99])
def test_refuses_a_file_that_was_cut_off(packed: Path, out: Path, tmp_path: Path, share: float) -> None:
    content = packed.read_bytes()
    (tmp_path / "cut.tar").write_bytes(content[: int(share * (len(content) - tarfile.RECORDSIZE))])
    assert_refused(tmp_path / "cut.tar", out, "it ends too early|is not a library")


# Fetching


@pytest.fixture
def server(packed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setattr(connections, "RETRY_DELAY_SECONDS", 0.0)
    with file_server() as running:
        running.headers["ETag"] = '"one"'
        running.files["/library.tar"] = packed.read_bytes()
        running.files["/library.tar.sha256"] = packed.with_name("library.tar.sha256").read_bytes()
        yield running


def test_fetches_a_library(server: FileServer, built: Path, out: Path) -> None:
    server.breaks = [10, 10_000, 20_000]  # the first is in the sum
    fetch_library(server.url("/library.tar"), out)
    assert contents(out) == contents(built)
    assert os.listdir(out.parent) == ["library"]


def test_finds_the_sum_beside_an_address_with_a_query(server: FileServer, built: Path, out: Path) -> None:
    for path in ("/library.tar", "/library.tar.sha256"):
        server.files[f"{path}?token=1"] = server.files.pop(path)
    fetch_library(server.url("/library.tar?token=1"), out)
    assert contents(out) == contents(built)


def test_fetches_a_library_by_its_sum(server: FileServer, built: Path, packed: Path, out: Path) -> None:
    del server.files["/library.tar.sha256"]
    with pytest.raises(
        DownloadError, match=r"library.tar.sha256 cannot be fetched .*404.*, or give its sum with --sha256"
    ):
        fetch_library(server.url("/library.tar"), out)
    fetch_library(server.url("/library.tar"), out, hashlib.sha256(packed.read_bytes()).hexdigest())
    assert contents(out) == contents(built)


def test_asks_to_try_a_busy_server_again(server: FileServer, out: Path) -> None:
    server.answers = [(503, {})] * 3
    with pytest.raises(DownloadError, match=r"library.tar.sha256 cannot be fetched \(.* 503 .*\): try again later"):
        fetch_library(server.url("/library.tar"), out)


@pytest.mark.parametrize("sums", [b"", b"<html>", b"0" * 63, b"0" * 65])
def test_needs_a_sum(server: FileServer, out: Path, sums: bytes) -> None:
    server.files["/library.tar.sha256"] = sums
    with pytest.raises(DownloadError, match="does not hold a sha256"):
        fetch_library(server.url("/library.tar"), out)


def test_refuses_another_sum(server: FileServer, out: Path) -> None:
    before = contents(out)
    with pytest.raises(DownloadError, match=r"has the sha256 .*, not 000000000000…"):
        fetch_library(server.url("/library.tar"), out, "0" * 64)
    assert contents(out) == before
    assert os.listdir(out.parent) == ["library"]


def test_keeps_no_file_that_is_not_a_library(server: FileServer, out: Path) -> None:
    server.files["/library.tar"] = b"nonsense" * 1000
    sha256 = hashlib.sha256(server.files["/library.tar"]).hexdigest()
    with pytest.raises(PackedLibraryError, match=f"^{server.url('/library.tar')} cannot be used"):
        fetch_library(server.url("/library.tar"), out, sha256)
    assert os.listdir(out.parent) == ["library"]


def test_downloads_once_for_a_folder_in_use(server: FileServer, built: Path, out: Path) -> None:
    lock = lock_folder(building_folder(out))
    try:
        with pytest.raises(LibraryBusyError):
            fetch_library(server.url("/library.tar"), out)
    finally:
        os.close(lock)
    server.ranges.clear()
    fetch_library(server.url("/library.tar"), out)
    assert len(server.ranges) == 1  # the sum's
    assert contents(out) == contents(built)


@pytest.mark.parametrize("url", ["/media/library.tar", "library.tar", "file:///media/library.tar", "s3://b/l.tar", ""])
def test_fetches_from_the_web_alone(out: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="is not an address on the web: unpack a file of this machine"):
        fetch_library(url, out)


def test_rejects_an_invalid_address(out: Path) -> None:
    with pytest.raises(DownloadError, match=r"http://\[.sha256 cannot be fetched"):
        fetch_library("http://[", out)


def test_downloads_nothing_for_a_folder_of_photos(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "mine.jpg").write_bytes(b"precious")
    with pytest.raises(LibraryError, match="is not a library and is not replaced"):
        fetch_library(server.url("/library.tar"), tmp_path)
    assert server.ranges == []


def test_another_process_may_remove_what_both_fetched(
    server: FileServer, built: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = unpack_module._put

    def put_and_remove(*args: Any) -> Any:
        out.with_name(".library.tar").unlink()
        return real(*args)

    monkeypatch.setattr(unpack_module, "_put", put_and_remove)
    fetch_library(server.url("/library.tar"), out)
    assert contents(out) == contents(built)


@pytest.mark.slow
def test_fetches_after_being_killed_anywhere(server: FileServer, built: Path, out: Path) -> None:
    """Kill process after process, each a little later, until one is done; all the while the library is whole."""
    server.pause = 0.001
    program = (
        "import sys, pathlib, index.build.unpack as u; print(flush=True); "
        "u.fetch_library(sys.argv[1], pathlib.Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, server.url("/library.tar"), str(out)]
    old, new = contents(out), contents(built)
    for seconds in (0.001 * 1.5**tries for tries in itertools.count()):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
        assert contents(out) in (old, new)
        if process.returncode == 0:
            break
    assert contents(out) == new
    assert verify_library(out)
    assert os.listdir(out.parent) == ["library"]
