"""A library with one file of any bytes: it opens and gives everything it holds, or a LibraryError says why not.

An input's first line names the file, and says whether the manifest vouches for it (`lying`) or not. The program trusts
a file whose checksum is right, so those inputs reach the deepest code. Annoy's indexes are never vouched for: Annoy
crashes on a damaged one, and only the checksum protects the program from that.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from index import library, tables, vector
from index.barred import Barred, BarredEntry
from index.build import credits
from index.build.writer import LibraryWriter
from index.errors import LibraryError
from index.library import RemovedPicture
from index.manifest import ITEMS_FILE, KEYPOINTS_FILE, MANIFEST_FILE, PARTS_FILE, SHAPE_FILE, _dump, index_file
from index.match import Matcher
from models.pose import Pose
from tests.fuzz import odd
from tests.fuzz.promise import BrokenPromise, Mutator, Reader, check_sentence, pack_input, unpack_input
from tests.support.libraries import NewItem, add_item
from tests.support.sample_poses import sample_people

MAX_BYTES: Final = 65_536

MEMBERS_FILE: Final = "members-0.npy"

VOUCHED_FILES: Final = (MANIFEST_FILE, KEYPOINTS_FILE, PARTS_FILE, SHAPE_FILE, ITEMS_FILE, MEMBERS_FILE)
"""Files whose checksum in the manifest is made right, whatever they contain."""

UNVOUCHED_FILES: Final = (
    MANIFEST_FILE,
    KEYPOINTS_FILE,
    ITEMS_FILE,
    MEMBERS_FILE,
    index_file(next(iter(vector.REGIONS)), 0),
)
"""Files that are damaged while the manifest keeps the old checksum."""

INPUT_NAMES: Final = (*(f"{name} lying" for name in VOUCHED_FILES), *UNVOUCHED_FILES)

DICTIONARY: Final = (
    *INPUT_NAMES, *tables.ITEM_COLUMNS, "items", "indexed", "shards", "vectors", "version", "trees", "models",
    "sha256", "files", "bytes", "\\x93NUMPY", "{'descr': '<f4', 'fortran_order': False, 'shape': (", "'|O'", "PK",
    "CREATE TABLE item", "fingerprint", "removed", "barred", "SQLite format 3",
)  # fmt: skip

STATEMENTS: Final = (
    "UPDATE item SET {column} = {value}", "UPDATE item SET {column} = {value} WHERE number = 1", "DELETE FROM item",
    "UPDATE item SET number = {value} WHERE number = 2", "DROP TABLE {table}", "DELETE FROM {table}",
    "ALTER TABLE {table} RENAME TO other", "ALTER TABLE item DROP COLUMN {column}",
    "UPDATE fingerprint SET bits = {value}", "INSERT INTO removed VALUES ('a.jpg', {value}, {value})",
    "INSERT INTO barred VALUES ({value}, {value})", "UPDATE barred SET text = {value} WHERE kind = 'url'",
    "ALTER TABLE {table} RENAME TO t; CREATE VIEW {table} AS SELECT * FROM t",
    "UPDATE fingerprint SET picture = {value} WHERE picture = (SELECT min(picture) FROM fingerprint)",
)  # fmt: skip
"""SQL that damages a good table of items."""

SQL_VALUES: Final = (
    "NULL", "0", "-1", "7", "1e300", "9223372036854775807", "''", "'a'", "'../../a'", "x'00ff'", "CAST(x'ff' AS TEXT)",
    "'a' || char(10) || 'b'", "char(0)", "zeroblob(3000)", "'/etc/hostname'", "char(55296)",
)  # fmt: skip


def seeds(folder: Path) -> Iterator[bytes]:
    sample = _sample_library(folder)
    for name in VOUCHED_FILES:
        yield pack_input(f"{name} lying", (sample / name).read_bytes())
    for name in UNVOUCHED_FILES:
        yield pack_input(name, (sample / name).read_bytes()[:2000])
    changed = folder / "changed.sqlite"
    for statement in STATEMENTS:
        for value in SQL_VALUES if "{value}" in statement else SQL_VALUES[:1]:
            yield pack_input(f"{ITEMS_FILE} lying", _after_statement(sample / ITEMS_FILE, changed, statement, value))


def make_reader(folder: Path) -> Reader:
    sample, place = _sample_library(folder), folder / "library"
    shutil.copytree(sample, place, copy_function=os.link)
    document = json.loads((sample / MANIFEST_FILE).read_bytes())

    def read(data: bytes) -> None:
        name, content = unpack_input(data)
        if name not in INPUT_NAMES:
            return
        file = name.removesuffix(" lying")
        replaced = {file: content}
        if name == f"{MANIFEST_FILE} lying":
            replaced[file] = _with_checksum(content)
        elif name != file:
            files = {**document["files"], file: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}}
            replaced[MANIFEST_FILE] = _with_checksum(json.dumps({**document, "files": files}).encode())
        try:
            for filename, new_content in replaced.items():
                (place / filename).unlink()
                (place / filename).write_bytes(new_content)
            _read_library(place, damaged=name == file and content != (sample / file).read_bytes())
        finally:
            for filename in replaced:
                (place / filename).unlink()
                os.link(sample / filename, place / filename)

    return read


def mutate(data: bytes, rng: random.Random, bytewise: Mutator) -> bytes:
    """Change the manifest as JSON, an array's header as often as its numbers, and anything else as bytes."""
    name, content = unpack_input(data)
    if rng.random() < 0.02:
        name = rng.choice(INPUT_NAMES)
    if name.startswith(MANIFEST_FILE) and rng.random() < 0.8:
        return pack_input(name, odd.mutate_json(content, rng, bytewise))
    if ".npy" in name and rng.random() < 0.5:
        return pack_input(name, bytewise(content[:128])[:256] + content[128:])
    return pack_input(name, bytewise(content))


def _read_library(place: Path, *, damaged: bool) -> None:
    """Do everything with a library that the mirror, a build and the commands do."""
    try:
        library.load_manifest(place)
        with library.Library.open(place) as opened:
            if damaged:
                raise BrokenPromise("a damaged file went unnoticed")
            _use_library(opened)
        library.verify_library(place)
    except LibraryError as error:
        check_sentence(error, place)


def _use_library(opened: library.Library) -> None:
    for item in opened.items():
        _ = item.credit
    for number in range(min(len(opened), 4)):
        if opened.item(number).picture is not None:
            opened.picture(number)
    for name in opened.collections:
        opened.members(name)
    opened.removed_pictures()
    opened.barred()
    list(opened.fingerprints())
    "".join(credits.render_credits(opened.items()))
    query = Pose.from_keypoints(sample_people(1, 5)[0])
    Matcher(opened).find(query, 3)
    for region, _, near in opened.shape_model.queries(query.xy, query.scores > 0):
        opened.nearest(region, near, 5, 50)


def _sample_library(folder: Path) -> Path:
    """Write a small library, once: three pictures, nine people, and one picture that was taken down."""
    sample = folder / "sample"
    if not sample.exists():
        with LibraryWriter(sample) as writer:
            writer.add_removed(RemovedPicture("0" * 64 + ".jpg", bytes(32), "gone"))
            writer.add_barred(Barred((BarredEntry("author", "Ann"), BarredEntry("url", "https://photos.example/1"))))
            for number, pose in enumerate(sample_people(9, 3)):
                picture = np.full((40, 48, 3), 40 * number, np.uint8) if number < 3 else None
                credit = f"Photo {number}", "Ann", "CC BY 4.0", "http://cc.example"
                add_item(writer, NewItem(picture, pose, *credit))
            writer.finish([("posenet", "ab12")])
    return sample


def _with_checksum(content: bytes) -> bytes:
    """The manifest with a valid checksum of its own, if it is JSON."""
    try:
        document: dict[str, Any] = json.loads(content)
        document.pop("sha256", None)
        return _dump({**document, "sha256": hashlib.sha256(_dump(document)).hexdigest()})
    except (ValueError, AttributeError, TypeError, RecursionError):
        return content


def _after_statement(items: Path, changed: Path, statement: str, value: str) -> bytes:
    """The table of items after an SQL statement, whose column and table are picked at random by its text."""
    rng = random.Random(statement + value)
    shutil.copyfile(items, changed)
    tables_there = ("item", "fingerprint", "removed", "barred")
    words = {"column": rng.choice(tables.ITEM_COLUMNS), "table": rng.choice(tables_there)}
    table = sqlite3.connect(changed)
    try:
        table.executescript(statement.format(value=value, **words))
        table.commit()
    except sqlite3.Error:
        pass
    finally:
        table.close()
    return changed.read_bytes()
