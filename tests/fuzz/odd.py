"""Changes that keep a file's format valid, to reach the code behind checksums, compression and grammar."""

from __future__ import annotations

import contextlib
import io
import json
import random
import struct
import zipfile
import zlib
from typing import Any, Final

from tests.fuzz.promise import Mutator

JSON_VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e308, 2**31, 2**63, 2**64, -(2**63), 10**400, float("nan"),
    float("inf"), float("-inf"), "", "a", "0", "a\nb", "\x00", "\ud800", "\u202e", "é" * 3, "x" * 300, "../..", "/",
    "a" * 2000, [], {}, [[]], [None], {"": None}, {"a": 1}, [1, 2, 3],
)  # fmt: skip
"""Values that a JSON file may hold where another is expected."""

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"

COMPRESSIONS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def byte_mutator(rng: random.Random) -> Mutator:
    """Return a function that changes some bytes, for tests that run without a fuzzer."""

    def change(data: bytes) -> bytes:
        made = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            at, length = rng.randrange(len(made) + 1), rng.choice((1, 1, 1, 2, 4, 16))
            kept = rng.choice((0, length, length))
            made[at : at + kept] = rng.choice((rng.randbytes(length), bytes(length), b"\xff" * length, b""))
        return bytes(made)

    return change


def mutate_json(text: bytes, rng: random.Random, change: Mutator) -> bytes:
    """Replace one value or key of a JSON document; change some bytes if it is not valid JSON."""
    try:
        document = mutate_document(json.loads(text), rng)
        return json.dumps(document, ensure_ascii=rng.random() < 0.8).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return change(text)


def mutate_document(document: Any, rng: random.Random) -> Any:
    """Replace, remove, duplicate or deeply nest one entry of a parsed JSON document."""
    where = document
    while isinstance(where, (dict, list)) and where:
        key = rng.choice(list(where) if isinstance(where, dict) else range(len(where)))
        if not isinstance(where[key], (dict, list)) or not where[key] or rng.random() < 0.3:
            _mutate_entry(where, key, rng)
            return document
        where = where[key]
    return rng.choice(JSON_VALUES)


def _mutate_entry(where: Any, key: Any, rng: random.Random) -> None:
    what = rng.randrange(8)
    if what == 0:
        del where[key]
    elif what == 1:
        where[key] = _nest(where[key], rng.choice((1, 2, 30, 300, 700, 900, 960)))
    elif what == 2 and isinstance(where, dict):
        where[str(rng.choice(JSON_VALUES))] = where[key] if rng.random() < 0.5 else where.pop(key)
    elif what == 2:
        where.insert(rng.randrange(len(where)), where[key])
    elif what == 3:
        where[key] = rng.choice(list(where.values()) if isinstance(where, dict) else where)
    elif what == 4 and isinstance(where[key], int):
        where[key] += rng.choice((-1, 1, 1000))
    elif what == 5 and isinstance(where[key], str):
        where[key] = where[key] * rng.choice((2, 100)) + rng.choice("\n\t\x00\u2028é?/")
    else:
        where[key] = rng.choice(JSON_VALUES)


def _nest(value: Any, depth: int) -> Any:
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def mutate_png(data: bytes, rng: random.Random, change: Mutator) -> bytes:
    """Change one chunk of a PNG and update its checksum; IDAT is changed before compression."""
    chunks = _read_chunks(data)
    if not chunks:
        return change(data)
    at = rng.randrange(len(chunks))
    kind, content = chunks[at]
    if kind == b"IDAT" and rng.random() < 0.7:
        with contextlib.suppress(zlib.error):
            content = zlib.compress(change(zlib.decompress(content)))
    elif rng.random() < 0.1:
        chunks.insert(at, chunks[rng.randrange(len(chunks))])
    else:
        content = change(content)
    chunks[at] = kind, content
    return PNG_SIGNATURE + b"".join(_pack_chunk(*chunk) for chunk in chunks)


def _read_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], len(PNG_SIGNATURE)
    while data.startswith(PNG_SIGNATURE) and at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def _pack_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def mutate_zip(data: bytes, rng: random.Random, change: Mutator) -> bytes:
    """Change the content, name or compression of one member of a zip file, with valid checksums."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            members = [(name, opened.read(name)) for name in opened.namelist()]
    except Exception:  # the file is damaged already: change its bytes
        return change(data)
    if not members:
        return change(data)
    at = rng.randrange(len(members))
    name, content = members[at]
    if rng.random() < 0.15:
        name = rng.choice((f"{name}\n", name.removesuffix(".npy"), "é", "x" * 200, f"../{name}", "image_size.npy"))
    elif rng.random() < 0.9:
        content = change(content)
    members[at] = name, content
    made = io.BytesIO()
    try:
        with zipfile.ZipFile(made, "w", rng.choice(COMPRESSIONS)) as written:
            for name, content in members:
                written.writestr(name, content)
    except (ValueError, struct.error):  # zip files do not allow the name
        return change(data)
    return made.getvalue()
