"""Damage of any kind to a library: from every command that opens one a sentence and status 1, or the right answer.

Annoy maps its files and believes them, so damage that is not told would end the program by a signal. The commands run
in children of one process that has everything imported: starting Python anew for each would take minutes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
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
"""Without pictures: with those a library of more than are searched through, so that Annoy's indexes are asked."""

PHOTOS = 5

PART = st.integers(0, 999_999).map(lambda millionths: millionths / 1_000_000)


def examples_of(count: int) -> settings:
    """So many examples, each of which runs some commands."""
    return settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


RUNNER = """
import io, json, os, signal, sys, traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
import index.build.pipeline, index.build.edit, index.match
from device import collection
from device.cli import index_commands, main as cli

os.sync = os.fsync = lambda *_: None  # the power stays on

def mirror(folder, count):
    try:
        with collection.Collection(collection.open_library(Path(folder))) as shown:
            pictures = sum(shown.picture(number) is not None for number in range(int(count)))
            last = shown.pose(collection.Match(len(shown.keypoints) - 1, False, 0))
            print(len(shown.keypoints), pictures, round(shown.find(last, 3)[0].agreement, 3))
    except collection.LibraryError as error:
        print(f"pose-mirror: {error}", file=sys.stderr)
        return 1
    return 0

def run(words):
    said, told = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(told):
        try:
            status = mirror(*words[1:]) if words[0] == "mirror" else cli.main(words)
        except BaseException:
            status = 70
            traceback.print_exc()
    return status, said.getvalue(), told.getvalue()

for line in sys.stdin:
    child = os.fork()
    if not child:
        signal.alarm(30)  # who waits for somebody to write to a pipe ends by this signal
        for words in json.loads(line):
            print(json.dumps(run(words)), flush=True)
        os._exit(0)
    print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])), flush=True)
"""


class Said(NamedTuple):
    """What came of one command."""

    status: int
    out: str
    err: str


@dataclass
class Place:
    """A library to be damaged, another one of the same size, and the process that runs commands on them."""

    folder: Path
    whole: Path
    other: Path
    poses: Path
    runner: subprocess.Popen[str]
    right: list[Said] = field(default_factory=list)

    def renewed(self) -> Path:
        """The library whole again, as links: damage replaces files, and changes none that are linked."""
        for left in (self.folder, self.merged):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
            left.unlink(missing_ok=True)
        shutil.copytree(self.whole, self.folder, copy_function=os.link)
        return self.folder

    def run(self, *commands: list[object]) -> list[Said]:
        """What each command said; a signal fails the test."""
        assert self.runner.stdin is not None
        assert self.runner.stdout is not None
        print(json.dumps([[str(word) for word in words] for words in commands]), file=self.runner.stdin, flush=True)
        answers: list[Said] = []
        while isinstance(answer := json.loads(self.runner.stdout.readline()), list):
            answers.append(Said(*answer))
        assert answer == 0, f"{commands[len(answers)]} ended by signal {-answer}"
        return answers

    def reading(self) -> list[list[object]]:
        """The commands that open a library and leave it as it is; `mirror` is as `run` opens it."""
        return [
            ["index", "verify", self.folder],
            ["index", "info", self.folder],
            ["index", "query", self.folder, "--keypoints", self.poses, "--json", "--top", 3],
            ["mirror", self.folder, PHOTOS],
        ]

    def changing(self) -> list[list[object]]:
        """The others."""
        return [
            ["index", "merge", self.other, self.folder, "--out", self.merged],
            ["index", "remove", self.folder, f"{URL}0"],
        ]

    @property
    def merged(self) -> Path:
        """Where a merged library goes."""
        return self.folder.parent / "merged"


def written(folder: Path, seed: int) -> Path:
    """A library of two shards with some pictures and both pages."""
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
        whole, other = written(home / "whole", 0), written(home / "other", 100)
        found = Place(home / "library", whole, other, home / "poses.npz", runner)
        found.renewed()
        found.right = found.run(*found.reading())
        yield found


def check(place: Place, *, may_be_right: bool = False) -> None:
    """Whether verify tells of the damage, and the other commands do or answer as if there were none."""
    for words, said, right in zip(place.reading(), place.run(*place.reading()), place.right, strict=True):
        if said.status:
            check_sentence(said)
        elif not may_be_right:
            assert words[:2] != ["index", "verify"], "the damage was not told"
            assert words[:2] != ["index", "query"] or said.out == right.out
            assert words[0] != "mirror" or said.out.split()[::2] == right.out.split()[::2], "but for pictures"


def check_sentence(said: Said) -> None:
    assert said.status == 1, said
    assert said.err.startswith("pose-mirror: "), said
    assert said.err.endswith(".\n"), said
    assert len(said.err.splitlines()) == 1, said
    assert len(said.err) < 1000, said


def test_the_commands_answer_when_nothing_is_damaged(place):
    assert [one.err for one in place.right if one.status] == []
    assert place.right[3].out == f"{POSES + PHOTOS} {PHOTOS} 1.0\n"


# One damaged file


def part_of(some: list[Any], where: float) -> Any:
    """The one that lies `where`, 0 to 1, among some."""
    return some[int(where * len(some))]


def flip(data: bytes, where: float, bit: int) -> bytes:
    """One bit of a file, the last one at `where` 1."""
    at = min(int(where * len(data)), len(data) - 1)
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def cut(data: bytes, where: float, bit: int) -> bytes:
    return data[: int(where * (len(data) - 1))]


def lengthen(data: bytes, where: float, bit: int) -> bytes:
    return data + bytes([bit]) * (1 + int(where * 99))


def overwrite(data: bytes, where: float, bit: int) -> bytes:
    """A block of zeros or ones, as a disk that fails gives."""
    at = int(where * (len(data) - 1))
    block = bytes([(0, 255)[bit % 2]]) * len(data[at : at + 512])
    found = data[:at] + block + data[at + 512 :]
    return found if found != data else flip(data, where, bit)


def remove(file: Path) -> None: ...


def make_empty(file: Path) -> None:
    file.write_bytes(b"")


def make_folder(file: Path) -> None:
    file.mkdir()


def make_link(file: Path) -> None:
    file.symlink_to("nowhere")


NO_FILES = (remove, make_empty, make_folder, os.mkfifo, make_link)


@examples_of(45)
@given(PART, st.sampled_from([flip, flip, flip, cut, lengthen, overwrite, *NO_FILES]), PART, st.integers(0, 7))
def test_any_damage_to_any_file_is_told(place: Place, which: float, damage: Any, where: float, bit: int) -> None:
    folder = place.renewed()
    file = part_of(sorted(file for file in folder.rglob("*") if file.is_file()), which)
    data = file.read_bytes()
    file.unlink()
    if damage in NO_FILES:
        damage(file)
    else:
        file.write_bytes(damage(data, where, bit))
    check(place)


@pytest.mark.parametrize("damage", [flip, remove])
@pytest.mark.parametrize("name", [MANIFEST_FILE, REPORT_FILE, "legs-1.annoy", "picture"])
def test_a_damaged_library_is_merged_or_changed_rightly_or_not_at_all(place, name, damage):
    """Pages are written anew; a damaged picture can be taken down, and stays out of a merged library with a word."""
    folder = place.renewed()
    with Library.open(folder) as library:
        file = library.item(0).picture if name == "picture" else folder / name
    data = file.read_bytes()
    file.unlink()
    if damage in NO_FILES:
        damage(file)
    else:
        file.write_bytes(damage(data, 0.5, 3))
    merged, removed = place.run(*place.changing())
    assert (merged.status, removed.status) == {REPORT_FILE: (0, 0), "picture": (1, 0)}.get(name, (1, 1))
    for said, written_anew in ((merged, place.merged), (removed, folder)):
        if said.status:
            check_sentence(said)
        else:
            verify_library(written_anew)
    assert place.merged.exists() == (not merged.status)


# Files in the wrong place


@examples_of(20)
@given(PART, PART)
def test_two_files_in_each_other_s_place_are_told(place: Place, one: float, other: float) -> None:
    folder = place.renewed()
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    first, second = part_of(files, one), part_of(files, other)
    if first.read_bytes() != second.read_bytes():
        first.rename(folder / "x")
        second.rename(first)
        (folder / "x").rename(second)
        check(place)


def test_a_file_of_another_library_is_told(place):
    for file in place.other.iterdir():
        if file.is_file() and file.read_bytes() != (place.whole / file.name).read_bytes():
            folder = place.renewed()
            (folder / file.name).unlink()
            shutil.copy(file, folder)
            check(place)


@pytest.mark.parametrize("name", ["notes.txt", f"{PICTURES_FOLDER}/{'0' * 64}.jpg", ".hidden", "whole-7.annoy", "x/y"])
def test_a_file_that_does_not_belong_there_is_told(place, name):
    stray = place.renewed() / name
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"x")
    check(place)


@pytest.mark.parametrize("put", [remove, make_empty, os.mkfifo, make_link])
def test_a_folder_of_pictures_that_is_none_is_told(place, put):
    folder = place.renewed()
    shutil.rmtree(folder / PICTURES_FOLDER)
    put(folder / PICTURES_FOLDER)
    check(place)


@pytest.mark.parametrize("put", NO_FILES)
def test_a_library_that_is_none_at_all_is_told(place, put):
    shutil.rmtree(place.renewed())
    put(place.folder)
    check(place)


# Manifests


def signed(document: Any) -> bytes:
    """A manifest that vouches for itself, whatever it says."""
    document = {key: value for key, value in document.items() if key != "sha256"}
    text = json.dumps(document, indent=2) + "\n"
    document["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    return (json.dumps(document, indent=2) + "\n").encode()


def put_manifest(folder: Path, data: bytes) -> None:
    (folder / MANIFEST_FILE).unlink()
    (folder / MANIFEST_FILE).write_bytes(data)


def manifest_of(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / MANIFEST_FILE).read_bytes())
    return document


NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
    | st.sampled_from(["pose-mirror library", 2, "manifest.json", "../x", "\0", "a\nb", "\ud800", 10**400]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["format", "version", "files", "name", "sha256", "bytes", "é"]), inner),
    max_leaves=6,
)  # fmt: skip


@examples_of(20)
@given(NONSENSE, st.booleans())
def test_a_manifest_of_nonsense_is_told(place: Place, nonsense: Any, called_a_library: bool) -> None:
    folder = place.renewed()
    if called_a_library and isinstance(nonsense, dict):
        nonsense = {"format": "pose-mirror library", "version": 2, "vectors": {"version": 1}, **nonsense}
        put_manifest(folder, signed(nonsense))
    else:
        put_manifest(folder, json.dumps(nonsense).encode())
    check(place)


@pytest.mark.parametrize("key", ["items", "indexed", "pictures", "shards", "vectors", "models", "files"])
@pytest.mark.parametrize("value", [None, -1, [], {"name": 1}])
def test_a_manifest_whose_values_are_of_another_kind_is_told(place, key, value):
    folder = place.renewed()
    put_manifest(folder, signed({**manifest_of(folder), key: value}))
    check(place, may_be_right=key == "models" and value in ([], {}))


@examples_of(30)
@given(st.lists(PART, min_size=2, max_size=3), st.none() | NONSENSE.map(lambda value: [value]))
def test_a_manifest_that_lies_and_vouches_for_itself_is_told_or_does_no_harm(
    place: Place, way: list[float], other: list[Any] | None
) -> None:
    """Any one of its values is another or gone. It may be right all the same: the number of trees is for people."""
    folder = place.renewed()
    document = inner = manifest_of(folder)
    *outer, last = way
    for where in outer:
        found: Any = inner[part_of(list(inner) if isinstance(inner, dict) else range(len(inner)), where)]
        if not found or not isinstance(found, dict | list):
            break
        inner = found
    key = part_of(list(inner) if isinstance(inner, dict) else range(len(inner)), last)
    if other is None:
        del inner[key]
    else:
        inner[key] = other[0]
    put_manifest(folder, signed(document))
    check(place, may_be_right=True)


@pytest.mark.parametrize("version", [1, 3, 2.5, "2", None, 10**30, "x" * 10_000, "\n"])
def test_another_version_s_library_is_told(place, version):
    folder = place.renewed()
    put_manifest(folder, signed({**manifest_of(folder), "version": version}))
    check(place)


@pytest.mark.parametrize("depth", [100, 900, 960, 980, 990, 100_000])
def test_a_manifest_that_is_deep_is_told(place, depth):
    folder = place.renewed()
    deep = '{"format": "pose-mirror library", "version": 2, "vectors": {"version": 1}, "files": '
    put_manifest(folder, (deep + "[" * depth + "]" * depth + "}").encode())
    check(place)
