"""Changes that keep a file's form, so that what lies behind checksums, compression and grammar is reached."""

from __future__ import annotations

import contextlib
import io
import json
import random
import struct
import zipfile
import zlib
from typing import Any, Final

from tests.fuzz.promise import Mutate

VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e308, 2**31, 2**63, 2**64, -(2**63), 10**400, float("nan"),
    float("inf"), float("-inf"), "", "a", "0", "a\nb", "\x00", "\ud800", "\u202e", "é" * 3, "x" * 300, "../..", "/",
    "a" * 2000, [], {}, [[]], [None], {"": None}, {"a": 1}, [1, 2, 3],
)  # fmt: skip
"""What a JSON file can hold in the place of anything else."""

PNG: Final = b"\x89PNG\r\n\x1a\n"

COMPRESSIONS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def bytewise(chance: random.Random) -> Mutate:
    """A change of some bytes, for where there is no fuzzer to make one."""

    def change(data: bytes) -> bytes:
        made = bytearray(data)
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            at, length = chance.randrange(len(made) + 1), chance.choice((1, 1, 1, 2, 4, 16))
            kept = chance.choice((0, length, length))
            made[at : at + kept] = chance.choice((chance.randbytes(length), bytes(length), b"\xff" * length, b""))
        return bytes(made)

    return change


def json_changed(text: bytes, chance: random.Random, change: Mutate) -> bytes:
    """A JSON document with one value, or key, put in another's place; with other bytes when it is none."""
    try:
        document = changed(json.loads(text), chance)
        return json.dumps(document, ensure_ascii=chance.random() < 0.8).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return change(text)


def changed(document: Any, chance: random.Random) -> Any:
    """What JSON gave, with one thing in it another, gone, doubled or deep within lists."""
    where = document
    while isinstance(where, (dict, list)) and where:
        key = chance.choice(list(where) if isinstance(where, dict) else range(len(where)))
        if not isinstance(where[key], (dict, list)) or not where[key] or chance.random() < 0.3:
            _change(where, key, chance)
            return document
        where = where[key]
    return chance.choice(VALUES)


def _change(where: Any, key: Any, chance: random.Random) -> None:
    what = chance.randrange(8)
    if what == 0:
        del where[key]
    elif what == 1:
        where[key] = _nested(where[key], chance.choice((1, 2, 30, 300, 700, 900, 960)))
    elif what == 2 and isinstance(where, dict):
        where[str(chance.choice(VALUES))] = where[key] if chance.random() < 0.5 else where.pop(key)
    elif what == 2:
        where.insert(chance.randrange(len(where)), where[key])
    elif what == 3:
        where[key] = chance.choice(list(where.values()) if isinstance(where, dict) else where)
    elif what == 4 and isinstance(where[key], int):
        where[key] += chance.choice((-1, 1, 1000))
    elif what == 5 and isinstance(where[key], str):
        where[key] = where[key] * chance.choice((2, 100)) + chance.choice("\n\t\x00\u2028é?/")
    else:
        where[key] = chance.choice(VALUES)


def _nested(value: Any, depth: int) -> Any:
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def png_changed(data: bytes, chance: random.Random, change: Mutate) -> bytes:
    """A PNG of which one chunk is another, with the sum that goes with it; IDAT is changed as it was compressed."""
    chunks = _chunks(data)
    if not chunks:
        return change(data)
    at = chance.randrange(len(chunks))
    kind, content = chunks[at]
    if kind == b"IDAT" and chance.random() < 0.7:
        with contextlib.suppress(zlib.error):
            content = zlib.compress(change(zlib.decompress(content)))
    elif chance.random() < 0.1:
        chunks.insert(at, chunks[chance.randrange(len(chunks))])
    else:
        content = change(content)
    chunks[at] = kind, content
    return PNG + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], len(PNG)
    while data.startswith(PNG) and at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def zip_changed(data: bytes, chance: random.Random, change: Mutate) -> bytes:
    """A zip file of which one member's content, name or compression is another, with the sums that go with it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            members = [(name, opened.read(name)) for name in opened.namelist()]
    except Exception:  # what is damaged already is changed as it is
        return change(data)
    if not members:
        return change(data)
    at = chance.randrange(len(members))
    name, content = members[at]
    if chance.random() < 0.15:
        name = chance.choice((f"{name}\n", name.removesuffix(".npy"), "é", "x" * 200, f"../{name}", "image_size.npy"))
    elif chance.random() < 0.9:
        content = change(content)
    members[at] = name, content
    made = io.BytesIO()
    try:
        with zipfile.ZipFile(made, "w", chance.choice(COMPRESSIONS)) as written:
            for name, content in members:
                written.writestr(name, content)
    except (ValueError, struct.error):  # a name that zip files cannot have
        return change(data)
    return made.getvalue()
