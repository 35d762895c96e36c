"""Packing libraries into one file."""

from __future__ import annotations

import errno
import io
import os
import resource
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from index.build import pack as pack_module
from index.build.pack import is_packed_library, pack
from index.errors import LibraryError
from index.library import Library
from index.manifest import MANIFEST_FILE, PICTURES_FOLDER
from models import files
from tests.support.libraries import write_library
from tests.support.sample_library import DAMAGES, items


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "library"
    write_library(items(20), folder, models=[("posenet", "ab12")])
    return folder


@pytest.fixture
def library(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "library"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "packed" / "library.tar"


def test_packs_every_file(library: Path, file: Path) -> None:
    checksum = pack(library, file)
    assert file.stat().st_size == checksum.bytes
    with tarfile.open(file, "r:") as tar:
        entries = {entry.name: entry for entry in tar}
        contents = {name: tar.extractfile(name).read() for name in entries}  # type: ignore[union-attr]
    expected = {str(path.relative_to(library)): path.read_bytes() for path in library.rglob("*") if path.is_file()}
    assert contents == expected
    assert next(iter(entries)) == MANIFEST_FILE
    assert all(
        (entry.type, entry.mode, entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname)
        == (tarfile.REGTYPE, 0o644, 0, 0, 0, "", "")
        for entry in entries.values()
    )
    assert sorted(os.listdir(file.parent)) == ["library.tar", "library.tar.sha256"]


def test_packs_the_same_bytes_twice(library: Path, built: Path, file: Path, tmp_path: Path) -> None:
    os.utime(library / MANIFEST_FILE, (1, 1))
    assert pack(library, file) == pack(built, tmp_path / "again.tar")
    assert file.read_bytes() == (tmp_path / "again.tar").read_bytes()


@pytest.mark.parametrize("name", ["library.tar", "meine Bücherei.tar", "new\nline and \\.tar"])
def test_writes_the_sum_that_sha256sum_checks(library: Path, tmp_path: Path, name: str) -> None:
    pack(library, tmp_path / name)
    subprocess.run(["sha256sum", "--check", "--strict", f"{name}.sha256"], cwd=tmp_path, check=True, timeout=30)


def test_replaces_a_packed_library(library: Path, file: Path) -> None:
    pack(library, file)
    before = file.read_bytes()
    file.with_name("library.tar.sha256").write_text("old")
    pack(library, file)
    assert file.read_bytes() == before
    assert file.with_name("library.tar.sha256").read_text() != "old"


def test_replaces_nothing_else(library: Path, tmp_path: Path) -> None:
    (tmp_path / "photos.tar").write_bytes(b"precious")
    (tmp_path / "folder.tar").mkdir()
    os.mkfifo(tmp_path / "pipe.tar")
    for name, message in {
        "photos.tar": "is not a packed library, and is not replaced",
        "pipe.tar": "is not a packed library, and is not replaced",
        "folder.tar": "is a folder: name a file",
        "library.zip": r"does not end in .tar: name a file such as .*library.zip.tar",
        "library/library.tar": "is inside the library",
    }.items():
        with pytest.raises(LibraryError, match=message):
            pack(library, tmp_path / name)
    assert (tmp_path / "photos.tar").read_bytes() == b"precious"


@pytest.mark.parametrize("damage", DAMAGES)
def test_packs_no_damaged_picture(library: Path, file: Path, damage: object) -> None:
    picture = min((library / PICTURES_FOLDER).iterdir())
    damage(picture)  # type: ignore[operator]
    with pytest.raises(LibraryError, match=picture.name):
        pack(library, file)
    assert not file.parent.exists() or os.listdir(file.parent) == []


@pytest.mark.parametrize("name", ["CREDITS.html", MANIFEST_FILE, "keypoints.npy"])
def test_packs_no_damaged_file(library: Path, file: Path, name: str) -> None:
    (library / name).write_bytes((library / name).read_bytes()[:-1])
    with pytest.raises(LibraryError, match=name):
        pack(library, file)
    assert not file.exists()


def test_notices_that_another_library_is_there(library: Path, built: Path, file: Path, tmp_path: Path) -> None:
    def replace(done: int, total: int | None, what: str) -> None:
        if what == "Packing" and done == 1:
            library.rename(tmp_path / "old")
            write_library(items(19), library)

    with pytest.raises(LibraryError, match="was built again in the meantime, so nothing was packed: try again"):
        pack(library, file, replace)
    assert os.listdir(file.parent) == []


def test_packs_nothing_without_room(library: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "free_bytes", lambda folder: 1000)
    with pytest.raises(LibraryError, match=r"library.tar takes 0\.\d MB, and its disk has 0\.0 MB left"):
        pack(library, file)
    assert os.listdir(file.parent) == []


def test_says_that_a_disk_takes_no_such_file(library: Path, file: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(LibraryError, match=r"library.tar cannot be written \(a file would become too large"):
            pack(library, file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(file.parent) == []


def test_says_which_file_cannot_be_read(library: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "CREDITS.html":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(LibraryError, match=r"library/CREDITS.html cannot be used \(Input/output error\)"):
        pack(library, file)


def test_waits_for_another_process(library: Path, file: Path) -> None:
    def pack_again(done: int, total: int | None, what: str) -> None:
        if what == "Packing":
            with pytest.raises(LibraryError, match="Another process is writing"):
                pack(library, file)

    pack(library, file, pack_again)
    assert is_packed_library(file)


def test_leaves_alone_what_another_process_has_just_packed(
    library: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one is done between the moment this one opens the draft and the moment it locks it."""
    real, packed = files.try_lock, list[bytes]()

    def pack_before(descriptor: int) -> bool:
        monkeypatch.setattr(files, "try_lock", real)
        pack(library, file)
        packed.append(file.read_bytes())
        return real(descriptor)

    def look(done: int, total: int | None, what: str) -> None:
        if packed:
            assert file.read_bytes() == packed[0]

    monkeypatch.setattr(files, "try_lock", pack_before)
    pack(library, file, look)
    assert [file.read_bytes()] == packed
    assert sorted(os.listdir(file.parent)) == ["library.tar", "library.tar.sha256"]


def test_overwrites_what_a_killed_process_left(library: Path, file: Path) -> None:
    file.parent.mkdir()
    file.with_name(".library.tar.part").write_bytes(bytes(10_000_000))
    checksum = pack(library, file)
    assert file.stat().st_size == checksum.bytes < 10_000_000
    assert sorted(os.listdir(file.parent)) == ["library.tar", "library.tar.sha256"]


def test_packs_a_library_of_poses(tmp_path: Path) -> None:
    write_library(items(20)[5:], tmp_path / "poses")
    pack(tmp_path / "poses", tmp_path / "poses.tar")
    with Library.open(tmp_path / "poses") as library, tarfile.open(tmp_path / "poses.tar") as tar:
        assert set(tar.getnames()) == {MANIFEST_FILE, *library.manifest.files}


def test_says_which_file_is_too_large_for_a_tar() -> None:
    with pytest.raises(LibraryError, match=r"items.sqlite has 9.0 GB"):
        pack_module._write_entry(pack_module._HashedOutput(io.BytesIO()), "items.sqlite", 9_000_000_000, [])
