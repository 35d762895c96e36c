"""A packed library of any bytes: it is unpacked as it was packed, or a LibraryError says why not; nothing else is left.

Changes get past the checksums of headers, files and the manifest, except those of Annoy's indexes: see `library`.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tarfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from index.build.pack import pack
from index.build.unpack import unpack
from index.errors import LibraryError
from index.library import verify_library
from index.manifest import MANIFEST_FILE, PICTURES_FOLDER, _dump
from tests.fuzz import odd
from tests.fuzz.promise import BrokenPromise, Mutator, Reader, check_sentence
from tests.support.libraries import NewItem, write_library
from tests.support.sample_library import picture
from tests.support.sample_poses import sample_people

MAX_BYTES: Final = 131_072

ODD_NAMES: Final = (
    "", "/", ".", "..", "../a.jpg", "pictures", "pictures/", "pictures/../a", f"pictures/{'0' * 64}.jpg", "/tmp/a.jpg",
    f"./pictures/{'0' * 64}.jpg", f"pictures/{'A' * 64}.jpg", "CREDITS.html", "whole-0.annoy", "whole-1.annoy", "a\nb",
)  # fmt: skip

DICTIONARY: Final = ("manifest.json", "pictures/", ".jpg", "ustar\\x0000", "ustar  \\x00", "path=", "GNU.sparse.size")

KINDS: Final = (b"0", b"\0", b"1", b"2", b"3", b"5", b"6", b"7", b"D", b"K", b"L", b"S", b"V", b"g", b"x")
"""What headers say an entry is: files, links, devices, folders, pipes, long names, sparse files, extended headers."""

Member = tuple[bytes, bytes]
"""A header and the content after it, filled up to whole blocks."""


def seeds(folder: Path) -> Iterator[bytes]:
    for pictures in (0, 1, 2):
        for people in (2, 3):
            library = folder / f"library-{pictures}-{people}"
            found = sample_people(people)
            write_library(
                [NewItem(picture(i) if i < pictures else None, one, f"Item {i}") for i, one in enumerate(found)],
                library,
            )
            pack(library, library.with_suffix(".tar"))
            yield library.with_suffix(".tar").read_bytes()


def make_reader(folder: Path) -> Reader:
    place = folder / "place"
    file, out = place / "packed.tar", place / "library"

    def read(data: bytes) -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        file.write_bytes(data)
        try:
            unpack(file, out)
        except LibraryError as error:
            check_sentence(error, file)
            left = {"packed.tar"}
        else:
            verify_library(out)
            left = {"packed.tar", "library"}
        if set(os.listdir(place)) != left or file.read_bytes() != data:
            raise BrokenPromise(f"left {os.listdir(place)}")

    return read


def mutate(data: bytes, rng: random.Random, bytewise: Mutator) -> bytes:
    """Change the order, the headers or the content of the entries, or the bytes of all."""
    if rng.random() < 0.2:
        return bytewise(data)
    members = list(_split(data))
    if not members:
        return bytewise(data)
    number = rng.randrange(len(members))
    header, content = members[number]
    choice = rng.random()
    if choice < 0.1:
        members.insert(rng.randrange(len(members) + 1), members.pop(number))
    elif choice < 0.2:
        members.insert(rng.randrange(len(members) + 1), members[number])
    elif choice < 0.25:
        del members[number]
    elif choice < 0.6:
        members[number] = _change_header(header, rng, bytewise), content
    else:
        members = _change_content(members, number, rng, bytewise)
    return b"".join(header + content for header, content in members) + bytes(2 * tarfile.BLOCKSIZE)


def _split(data: bytes) -> Iterator[Member]:
    """Yield the entries of a tar as far as they can be made out."""
    place = 0
    while place + tarfile.BLOCKSIZE <= len(data) and any(data[place : place + tarfile.BLOCKSIZE]):
        header = data[place : place + tarfile.BLOCKSIZE]
        try:
            size = max(0, tarfile.TarInfo.frombuf(header, "ascii", "replace").size)
        except (tarfile.HeaderError, ValueError):
            return
        place += tarfile.BLOCKSIZE
        size += -size % tarfile.BLOCKSIZE
        yield header, data[place : place + size]
        place += size


def _change_header(header: bytes, rng: random.Random, bytewise: Mutator) -> bytes:
    """Change an entry's name, kind, size or any bytes of its header, and make the header's checksum right."""
    changed = bytearray(header)
    choice = rng.random()
    if choice < 0.3:
        changed[:100] = rng.choice(ODD_NAMES).encode().ljust(100, b"\0")
    elif choice < 0.6:
        changed[156:157] = rng.choice(KINDS)
    elif choice < 0.8:
        size = rng.choice((0, 1, 511, 512, 513, 10**9, 8**11 - 1))
        changed[124:136] = rng.choice((b"%011o\0" % size, b"\x80" + size.to_bytes(11, "big"), b"\xff" * 12))
    else:
        changed = bytearray(bytewise(bytes(changed))[: tarfile.BLOCKSIZE].ljust(tarfile.BLOCKSIZE, b"\0"))
    changed[148:156] = b"%06o\0 " % (sum(changed[:148]) + sum(changed[156:]) + 8 * ord(" "))
    return bytes(changed)


def _change_content(members: list[Member], number: int, rng: random.Random, bytewise: Mutator) -> list[Member]:
    """Change an entry's content, and make what vouches for it right; Annoy crashes on an index that is damaged."""
    files: dict[str, bytes] = {}
    for header, content in members:
        entry = tarfile.TarInfo.frombuf(header, "ascii", "replace")
        files[entry.name] = content[: entry.size]
    name = list(files)[number % len(files)]
    changed = odd.mutate_json(files[name], rng, bytewise) if name == MANIFEST_FILE else bytewise(files[name])
    if name.startswith(f"{PICTURES_FOLDER}/") and rng.random() < 0.8:
        del files[name]
        name = f"{PICTURES_FOLDER}/{sha256(changed).hexdigest()}.jpg"
    files[name] = changed
    if not name.endswith(".annoy") and rng.random() < 0.9:
        files[MANIFEST_FILE] = _sign(files)
    return [
        (_header(name, len(content)), content + bytes(-len(content) % tarfile.BLOCKSIZE))
        for name, content in files.items()
    ]


def _sign(files: dict[str, bytes]) -> bytes:
    """Return the manifest with the checksums of the files as they are, but for those of Annoy's indexes."""
    try:
        document = json.loads(files[MANIFEST_FILE])
        for name, content in files.items():
            if name in document["files"] and not name.endswith(".annoy"):
                document["files"][name] = {"bytes": len(content), "sha256": sha256(content).hexdigest()}
        document.pop("sha256", None)
        return _dump({**document, "sha256": sha256(_dump(document)).hexdigest()})
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return files.get(MANIFEST_FILE, b"")


def _header(name: str, size: int) -> bytes:
    header = tarfile.TarInfo(name[:100])
    header.size = size
    return header.tobuf(tarfile.USTAR_FORMAT, "ascii", "replace")
