"""Damaged libraries and the commands: each command prints one sentence and exits with 1, or gives the right result.

Annoy maps its files and trusts them, so undetected damage would crash the program by a signal. The commands run in
children of one process that has imported everything, because starting Python for each of them would take minutes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index.build.writer import LibraryWriter
from index.library import Library, verify_library
from index.manifest import MANIFEST_FILE, PICTURES_FOLDER, REPORT_FILE
from tests.index.build.test_edit import URL, photo
from tests.support.libraries import NewItem, add_item
from tests.support.paths import ROOT
from tests.support.sample_poses import sample_people

POSES = 520
"""People without a picture. With the others they are more than `EXHAUSTIVE_LIMIT`, so that Annoy's indexes are used."""

PHOTOS = 5

PART = st.integers(0, 999_999).map(lambda millionths: millionths / 1_000_000)
"""A position from 0 to below 1."""


def examples_of(count: int) -> settings:
    """Settings for a number of examples, each of which runs several commands."""
    return settings(max_examples=count, suppress_health_check=[HealthCheck.function_scoped_fixture])


RUNNER = """
import io, json, os, signal, sys, traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
import index.build.pipeline, index.build.edit, index.match
from device import current_library
from device.cli import index_commands, main as cli
from models import files

files.sync_disk = os.fsync = lambda *_: None  # the power stays on

def mirror(folder, count):
    try:
        with current_library.CurrentLibrary(current_library.open_library(Path(folder))) as shown:
            pictures = sum(shown.picture(number) is not None for number in range(int(count)))
            last = shown.pose(current_library.Match(len(shown.keypoints) - 1, False, 0))
            print(len(shown.keypoints), pictures, round(shown.find(last, 3)[0].likeness, 3))
    except current_library.LibraryError as error:
        print(f"pose-mirror: {error}", file=sys.stderr)
        return 1
    return 0

def run(args):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status = mirror(*args[1:]) if args[0] == "mirror" else cli.main(args)
        except BaseException:
            status = 70
            traceback.print_exc()
    return status, out.getvalue(), err.getvalue()

for line in sys.stdin:
    child = os.fork()
    if not child:
        signal.alarm(30)  # ends a command that waits for a writer to a pipe
        for args in json.loads(line):
            print(json.dumps(run(args)), flush=True)
        os._exit(0)
    print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])), flush=True)
"""


class Result(NamedTuple):
    """The exit status and output of one command."""

    status: int
    out: str
    err: str


@dataclass
class Place:
    """A library to damage, another one of the same size, and the process that runs commands on them."""

    folder: Path
    whole: Path
    other: Path
    poses: Path
    runner: subprocess.Popen[str]
    expected: list[Result] = field(default_factory=list)

    def renew(self) -> Path:
        """Restore the library by hard links: the tests replace files, and never change a linked one."""
        for folder in (self.folder, self.merged):
            if folder.is_dir() and not folder.is_symlink():
                shutil.rmtree(folder)
            folder.unlink(missing_ok=True)
        shutil.copytree(self.whole, self.folder, copy_function=os.link)
        return self.folder

    def run(self, *commands: list[object]) -> list[Result]:
        """Run commands and return their results; a command that ends by a signal fails the test."""
        assert self.runner.stdin is not None
        assert self.runner.stdout is not None
        print(json.dumps([[str(arg) for arg in args] for args in commands]), file=self.runner.stdin, flush=True)
        results: list[Result] = []
        while isinstance(line := json.loads(self.runner.stdout.readline()), list):
            results.append(Result(*line))
        assert line == 0, f"{commands[len(results)]} ended by signal {-line}"
        return results

    def reading_commands(self) -> list[list[object]]:
        """The commands that read the library; `mirror` opens it as the mirror does."""
        return [
            ["index", "verify", self.folder],
            ["index", "info", self.folder],
            ["index", "query", self.folder, "--keypoints", self.poses, "--json", "--top", 3],
            ["mirror", self.folder, PHOTOS],
        ]

    def changing_commands(self) -> list[list[object]]:
        """The commands that write the library or a new one."""
        return [
            ["index", "merge", self.other, self.folder, "--out", self.merged],
            ["index", "remove", self.folder, f"{URL}0"],
        ]

    @property
    def merged(self) -> Path:
        """The folder of a merged library."""
        return self.folder.parent / "merged"


def write(folder: Path, seed: int) -> Path:
    """Write a library of two shards with some pictures and both pages."""
    with LibraryWriter(folder, shard_size=300) as writer:
        for number in range(PHOTOS):
            add_item(writer, photo(number + seed)[0])
        for pose in sample_people(POSES, seed):
            add_item(writer, NewItem(None, pose))
        writer.write_page(REPORT_FILE, "<!doctype html><title>Report</title>")
        writer.finish([("posenet", "ab12")])
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("damage")
    np.savez(home / "poses.npz", keypoints=sample_people(3, 7))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with ExitStack() as stack:
        runner = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", RUNNER],
                text=True,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        )
        stack.callback(runner.kill)
        whole, other = write(home / "whole", 0), write(home / "other", 100)
        place = Place(home / "library", whole, other, home / "poses.npz", runner)
        place.renew()
        place.expected = place.run(*place.reading_commands())
        yield place


def check(place: Place, *, may_be_valid: bool = False) -> None:
    """Check that verify reports the damage, and that the other commands report it or give the right result."""
    commands = place.reading_commands()
    for args, result, expected in zip(commands, place.run(*commands), place.expected, strict=True):
        if result.status:
            check_error(result)
        elif not may_be_valid:
            assert args[:2] != ["index", "verify"], "the damage was not reported"
            assert args[:2] != ["index", "query"] or result.out == expected.out
            assert args[0] != "mirror" or result.out.split()[::2] == expected.out.split()[::2], "except for pictures"


def check_error(result: Result) -> None:
    assert result.status == 1, result
    assert result.err.startswith("pose-mirror: "), result
    assert result.err.endswith(".\n"), result
    assert len(result.err.splitlines()) == 1, result
    assert len(result.err) < 1000, result


def test_commands_succeed_without_damage(place: Place) -> None:
    assert [result.err for result in place.expected if result.status] == []
    assert place.expected[3].out == f"{POSES + PHOTOS} {PHOTOS} 1.0\n"


# One damaged file


def pick(values: Sequence[Any], where: float) -> Any:
    """Return the value at a position from 0 to 1."""
    return values[int(where * len(values))]


def flip(data: bytes, where: float, bit: int) -> bytes:
    """Flip one bit of a file."""
    at = min(int(where * len(data)), len(data) - 1)
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def cut(data: bytes, where: float, bit: int) -> bytes:
    return data[: int(where * (len(data) - 1))]


def lengthen(data: bytes, where: float, bit: int) -> bytes:
    return data + bytes([bit]) * (1 + int(where * 99))


def overwrite(data: bytes, where: float, bit: int) -> bytes:
    """Overwrite a block with zeros or ones, as a failing disk does."""
    at = int(where * (len(data) - 1))
    block = bytes([(0, 255)[bit % 2]]) * len(data[at : at + 512])
    damaged = data[:at] + block + data[at + 512 :]
    return damaged if damaged != data else flip(data, where, bit)


def remove(file: Path) -> None: ...


def make_empty(file: Path) -> None:
    file.write_bytes(b"")


def make_folder(file: Path) -> None:
    file.mkdir()


def make_link(file: Path) -> None:
    file.symlink_to("nowhere")


REPLACEMENTS = (remove, make_empty, make_folder, os.mkfifo, make_link)


@pytest.mark.slow
@examples_of(45)
@given(PART, st.sampled_from([flip, flip, flip, cut, lengthen, overwrite, *REPLACEMENTS]), PART, st.integers(0, 7))
def test_detects_any_damage_to_any_file(place: Place, which: float, damage: Any, where: float, bit: int) -> None:
    folder = place.renew()
    file = pick(sorted(file for file in folder.rglob("*") if file.is_file()), which)
    data = file.read_bytes()
    file.unlink()
    if damage in REPLACEMENTS:
        damage(file)
    else:
        file.write_bytes(damage(data, where, bit))
    check(place)


@pytest.mark.slow
@pytest.mark.parametrize("damage", [flip, remove])
@pytest.mark.parametrize("name", [MANIFEST_FILE, REPORT_FILE, "legs-1.annoy", "picture"])
def test_never_writes_a_damaged_library(place: Place, name: str, damage: Any) -> None:
    """Pages are written again, so their damage does not matter. A damaged picture can be taken down."""
    folder = place.renew()
    with Library.open(folder) as library:
        file = library.item(0).picture if name == "picture" else folder / name
    assert file is not None
    data = file.read_bytes()
    file.unlink()
    if damage in REPLACEMENTS:
        damage(file)
    else:
        file.write_bytes(damage(data, 0.5, 3))
    merged, removed = place.run(*place.changing_commands())
    assert (merged.status, removed.status) == {REPORT_FILE: (0, 0), "picture": (1, 0)}.get(name, (1, 1))
    for result, written in ((merged, place.merged), (removed, folder)):
        if result.status:
            check_error(result)
        else:
            verify_library(written)
    assert place.merged.exists() == (not merged.status)


# Files in the wrong place


@examples_of(20)
@given(PART, PART)
def test_detects_swapped_files(place: Place, here: float, there: float) -> None:
    folder = place.renew()
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    first, second = pick(files, here), pick(files, there)
    if first.read_bytes() != second.read_bytes():
        first.rename(folder / "x")
        second.rename(first)
        (folder / "x").rename(second)
        check(place)


@pytest.mark.slow
def test_detects_a_file_of_another_library(place: Place) -> None:
    for file in place.other.iterdir():
        if file.is_file() and file.read_bytes() != (place.whole / file.name).read_bytes():
            folder = place.renew()
            (folder / file.name).unlink()
            shutil.copy(file, folder)
            check(place)


@pytest.mark.parametrize("name", ["notes.txt", f"{PICTURES_FOLDER}/{'0' * 64}.jpg", ".hidden", "whole-7.annoy", "x/y"])
def test_detects_a_foreign_file(place: Place, name: str) -> None:
    stray = place.renew() / name
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"x")
    check(place)


@pytest.mark.parametrize("put", [remove, make_empty, os.mkfifo, make_link])
def test_detects_a_missing_folder_of_pictures(place: Place, put: Callable[[Path], None]) -> None:
    folder = place.renew()
    shutil.rmtree(folder / PICTURES_FOLDER)
    put(folder / PICTURES_FOLDER)
    check(place)


@pytest.mark.parametrize("put", REPLACEMENTS)
def test_detects_a_missing_library(place: Place, put: Callable[[Path], None]) -> None:
    shutil.rmtree(place.renew())
    put(place.folder)
    check(place)


# Manifests


def sign(document: Any) -> bytes:
    """Return a manifest with the right checksum of itself, whatever it says."""
    document = {key: value for key, value in document.items() if key != "sha256"}
    text = json.dumps(document, indent=2) + "\n"
    document["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    return (json.dumps(document, indent=2) + "\n").encode()


def put_manifest(folder: Path, data: bytes) -> None:
    (folder / MANIFEST_FILE).unlink()
    (folder / MANIFEST_FILE).write_bytes(data)


def read_document(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / MANIFEST_FILE).read_bytes())
    return document


GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
    | st.sampled_from(["pose-mirror library", 2, "manifest.json", "../x", "\0", "a\nb", "\ud800", 10**400]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["format", "version", "files", "name", "sha256", "bytes", "é"]), inner),
    max_leaves=6,
)  # fmt: skip


@pytest.mark.slow
@examples_of(20)
@given(GARBAGE, st.booleans())
def test_detects_a_manifest_of_garbage(place: Place, garbage: Any, claims_a_library: bool) -> None:
    folder = place.renew()
    if claims_a_library and isinstance(garbage, dict):
        garbage = {"format": "pose-mirror library", "version": 3, "vectors": {"version": 2}, **garbage}
        put_manifest(folder, sign(garbage))
    else:
        put_manifest(folder, json.dumps(garbage).encode())
    check(place)


@pytest.mark.parametrize("key", ["items", "indexed", "pictures", "shards", "vectors", "models", "files"])
@pytest.mark.parametrize("value", [None, -1, [], {"name": 1}])
def test_detects_manifest_values_of_wrong_types(place: Place, key: str, value: Any) -> None:
    folder = place.renew()
    put_manifest(folder, sign({**read_document(folder), key: value}))
    check(place, may_be_valid=key == "models" and value in ([], {}))


@pytest.mark.slow
@examples_of(30)
@given(st.lists(PART, min_size=2, max_size=3), st.none() | GARBAGE.map(lambda value: [value]))
def test_a_false_manifest_does_no_harm(place: Place, way: list[float], other: list[Any] | None) -> None:
    """One of its values is changed or removed. Some values may be: the number of trees is only for people."""
    folder = place.renew()
    document = read_document(folder)
    inner: Any = document
    *outer, last = way
    for where in outer:
        value = inner[pick(list(inner) if isinstance(inner, dict) else range(len(inner)), where)]
        if not value or not isinstance(value, dict | list):
            break
        inner = value
    key = pick(list(inner) if isinstance(inner, dict) else range(len(inner)), last)
    if other is None:
        del inner[key]
    else:
        inner[key] = other[0]
    put_manifest(folder, sign(document))
    check(place, may_be_valid=True)


@pytest.mark.parametrize("version", [1, 2, 4, 2.5, "3", None, 10**30, "x" * 10_000, "\n"])
def test_detects_another_version(place: Place, version: Any) -> None:
    folder = place.renew()
    put_manifest(folder, sign({**read_document(folder), "version": version}))
    check(place)


@pytest.mark.parametrize("depth", [100, 900, 960, 980, 990, 100_000])
def test_detects_a_deeply_nested_manifest(place: Place, depth: int) -> None:
    folder = place.renew()
    deep = '{"format": "pose-mirror library", "version": 3, "vectors": {"version": 2}, "files": '
    put_manifest(folder, (deep + "[" * depth + "]" * depth + "}").encode())
    check(place)
