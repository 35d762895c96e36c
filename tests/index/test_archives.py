"""Files in zip and tar archives: names in any encoding, damage, passwords, bombs; and nothing outside the archive."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index import archives
from index.archives import ArchiveError, list_members, read_member
from index.pictures import PictureError, read_bytes

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
ENDINGS = (".zip", *TAR_ENDINGS)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    archives.close_all()


def make_archive(file: Path, contents: dict[str, bytes]) -> Path:
    if file.suffix == ".zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
            for name, data in contents.items():
                opened.writestr(name, data)
    else:
        unpacked = io.BytesIO()
        with tarfile.open(fileobj=unpacked, mode="w") as tar:
            for name, data in contents.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        module = {".gz": gzip, ".tgz": gzip, ".bz2": bz2, ".tbz2": bz2, ".xz": lzma, ".txz": lzma}.get(file.suffix)
        file.write_bytes(unpacked.getvalue() if module is None else module.compress(unpacked.getvalue()))
    return file


def names(archive: Path) -> list[str]:
    return [member.name for member in list_members(archive)[0]]


def problems(archive: Path) -> list[str]:
    return [f"{name}: {problem}" for name, problem in list_members(archive)[1]]


@pytest.mark.parametrize("ending", ENDINGS)
def test_reads_files_in_any_order(tmp_path: Path, ending: str) -> None:
    contents = {f"2019/{number}.jpg": os.urandom(3000) for number in range(5)}
    archive = make_archive(tmp_path / f"a{ending}", contents)
    assert names(archive) == list(contents)
    for name in reversed(contents):
        assert read_bytes(archive / name) == contents[name]
    with pytest.raises(PictureError, match=r"2020/1\.jpg is not in the archive\.$") as error:
        read_bytes(archive / "2020/1.jpg")
    assert error.value.kind == "cannot be read"


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_the_last_of_several_files_counts(tmp_path: Path, ending: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # zipfile warns of what this test makes
        if ending == ".zip":
            with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
                opened.writestr("a.jpg", b"1")
                opened.writestr("a.jpg", b"2")
        else:
            with tarfile.open(tmp_path / "a.tar", "w") as tar:
                for data in (b"1", b"2"):
                    info = tarfile.TarInfo("a.jpg")
                    info.size = 1
                    tar.addfile(info, io.BytesIO(data))
    assert names(tmp_path / f"a{ending}") == ["a.jpg"]
    assert read_member(tmp_path / f"a{ending}", "a.jpg") == b"2"


def test_notices_an_archive_that_changes(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a.zip", {"a.jpg": b"before"})
    assert read_member(archive, "a.jpg") == b"before"
    make_archive(tmp_path / "b.zip", {"a.jpg": b"after"}).rename(archive)
    assert read_member(archive, "a.jpg") == b"after"


@pytest.mark.parametrize(
    "name",
    ["../evil.jpg", "a/../../evil.jpg", "..\\evil.jpg"],
)
@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_refuses_names_that_lead_out(tmp_path: Path, ending: str, name: str) -> None:
    (tmp_path / "evil.jpg").write_bytes(b"outside")
    archive = make_archive(tmp_path / f"a{ending}", {name: b"x", "good.jpg": b"y"})
    assert names(archive) == ["good.jpg"]
    assert problems(archive) == [f"{name}: leads out of the archive"]


@pytest.mark.parametrize("name", ["/etc/a.jpg", "./etc//a.jpg", "etc\\a.jpg"])
def test_takes_other_names_from_the_archives_top(tmp_path: Path, name: str) -> None:
    for ending in (".zip", ".tar"):
        archive = make_archive(tmp_path / f"a{ending}", {name: b"x"})
        assert names(archive) == ["etc/a.jpg"]
        assert read_bytes(archive / "etc/a.jpg") == b"x"


def test_ignores_links_and_devices(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, kind in (("link.jpg", tarfile.SYMTYPE), ("pipe.jpg", tarfile.FIFOTYPE), ("dir", tarfile.DIRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    assert names(tmp_path / "a.tar") == []
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "/etc/passwd")
        opened.mkdir("dir")
    assert names(tmp_path / "a.zip") == []


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        ("José.jpg".encode(), "José.jpg"),
        ("写真/猫.jpg".encode(), "写真/猫.jpg"),
        ("José.jpg".encode("cp437"), "José.jpg"),
        ("Köln.jpg".encode("cp437"), "Köln.jpg"),
        ("写真の猫.jpg".encode("cp932"), "写真の猫.jpg"),
    ],
    ids=["UTF-8 unsaid", "UTF-8 unsaid, Japanese", "cp437", "cp437 that is Shift-JIS", "Shift-JIS"],
)
def test_reads_names_of_a_zip_that_says_no_encoding(tmp_path: Path, stored: bytes, name: str) -> None:
    placeholder = "x" * len(stored)
    archive = make_archive(tmp_path / "a.zip", {placeholder: b"data"})
    archive.write_bytes(archive.read_bytes().replace(placeholder.encode(), stored))
    assert names(archive) == [name]
    assert read_bytes(archive / name) == b"data"


def test_reads_names_of_a_zip_that_says_utf_8(tmp_path: Path) -> None:
    assert names(make_archive(tmp_path / "a.zip", {"写真.jpg": b"", "é.jpg": b""})) == ["写真.jpg", "é.jpg"]


def test_skips_files_with_a_password(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a.zip", {"secret.jpg": b"x" * 50})
    data = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    archive.write_bytes(data)
    assert names(archive) == []
    assert problems(archive) == ["secret.jpg: is encrypted: unpack it with its password"]


def test_names_a_compression_that_is_not_supported(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a.zip", {"a.jpg": b"x" * 50})
    data = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        struct.pack_into("<H", data, data.index(signature) + offset, 9)
    archive.write_bytes(data)
    with pytest.raises(PictureError, match=r"a\.jpg is compressed in a way that is not supported"):
        read_bytes(archive / "a.jpg")


@pytest.mark.parametrize("ending", TAR_ENDINGS)
def test_reads_what_a_tar_holds_before_its_cut(tmp_path: Path, ending: str) -> None:
    contents = {f"{number}.jpg": os.urandom(200_000) for number in range(8)}
    archive = make_archive(tmp_path / f"a{ending}", contents)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size * 2 // 3])
    (problem,) = problems(archive)
    assert "is cut off or damaged" in problem
    assert "copy it again" in problem
    found = names(archive)
    assert len(found) >= 2
    assert read_member(archive, found[0]) == contents[found[0]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty: copy it again"),
        (b"<html>" * 200, "is neither a zip nor a tar archive"),
        (b"PK\x03\x04" + b"x" * 500, "is not a complete zip archive: copy it again"),
        (gzip.compress(b"x" * 2000), "is neither a zip nor a tar archive"),
        (b"\x1f\x8b" + b"x" * 500, "is neither a zip nor a tar archive"),
        (b"\x28\xb5\x2f\xfd" + b"x" * 500, "is neither a zip nor a tar archive"),
    ],
    ids=["empty", "web page", "cut zip", "no tar", "damaged", "zstd"],
)
def test_says_what_is_wrong_with_an_archive(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(ArchiveError, match=message):
        list_members(tmp_path / "a.zip")


def test_reads_a_zip_that_unpacks_itself(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a.zip", {"a.jpg": b"x"})
    archive.write_bytes(b"MZ" + bytes(500) + archive.read_bytes())
    assert read_member(archive, "a.jpg") == b"x"


def test_reads_a_tar_that_ends_in_a_zip(tmp_path: Path) -> None:
    inner = make_archive(tmp_path / "b.zip", {"b.jpg": b"x"}).read_bytes()
    assert names(make_archive(tmp_path / "a.tar", {"a.jpg": b"x", "b.zip": inner})) == ["a.jpg", "b.zip"]


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_says_that_a_file_in_it_is_damaged(tmp_path: Path, ending: str) -> None:
    archive = make_archive(tmp_path / f"a{ending}", {"a.jpg": os.urandom(5000)})
    data = bytearray(archive.read_bytes())
    if ending == ".zip":
        data[1000] ^= 1
    else:
        del data[3000:]
    archive.write_bytes(data)
    with pytest.raises(ArchiveError, match="is damaged in its archive"):
        read_member(archive, "a.jpg")


def test_refuses_a_file_that_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 100_000)
    for ending in (".zip", ".tar.gz"):
        archive = make_archive(tmp_path / f"a{ending}", {"bomb.jpg": bytes(100_001), "good.jpg": b"x"})
        with pytest.raises(ArchiveError, match="too large") as error:
            read_member(archive, "bomb.jpg")
        assert error.value.kind == "too large"
        assert read_member(archive, "good.jpg") == b"x"


def test_refuses_a_tar_that_unpacks_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "FREE_EXPANSION", 100_000)
    archive = make_archive(tmp_path / "a.tar.gz", {"bomb.jpg": bytes(5_000_000), "b.jpg": b""})
    with pytest.raises(ArchiveError, match="unpacks to more than 100 times its size"):
        list_members(archive)


def test_refuses_a_tar_with_a_header_that_fills_the_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 10**11
    (tmp_path / "a.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(2000))
    with pytest.raises(ArchiveError, match="has a part of more than 200 MB"):
        list_members(tmp_path / "a.tar")


def test_refuses_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    with pytest.raises(ArchiveError, match="holds more than 3 files"):
        list_members(make_archive(tmp_path / "a.zip", {f"{number}.jpg": b"" for number in range(4)}))


@given(st.binary(max_size=2000), st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"BZh9"]))
def test_reads_or_refuses_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes, start: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.zip"
    file.write_bytes(start + data)
    with suppress(ArchiveError):
        for member in list_members(file)[0]:
            read_member(file, member.name)


def test_a_folder_with_an_archives_name_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.zip").mkdir()
    (tmp_path / "a.zip" / "a.jpg").write_bytes(b"x")
    assert archives.split(tmp_path / "a.zip" / "a.jpg") is None
    assert read_bytes(tmp_path / "a.zip" / "a.jpg") == b"x"
