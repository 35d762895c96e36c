"""The actions that carry a library to another machine, from their command lines to what they print."""

from __future__ import annotations

import argparse
import hashlib
import re
import shlex
from pathlib import Path

import pytest

from device.cli import main as cli
from device.cli.parser import parse_args
from index.build import edit
from index.library import verify_library
from tests.support.file_server import file_server
from tests.support.libraries import write_library
from tests.support.sample_library import items

ACTIONS = ("pack", "unpack", "fetch")


def parse(*arguments: object) -> argparse.Namespace:
    return parse_args(["index", *map(str, arguments)])


def run(*arguments: object) -> None:
    assert cli.main(["index", *map(str, arguments)]) == 0


@pytest.fixture
def library(tmp_path: Path) -> Path:
    write_library(items(20), tmp_path / "my library")
    return tmp_path / "my library"


@pytest.mark.parametrize("action", ACTIONS)
def test_help_has_an_example(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        parse(action, "--help")
    assert exited.value.code == 0
    assert re.search(rf"^examples?:\n  pose-mirror index {action} ", capsys.readouterr().out, re.MULTILINE)


def test_packs_next_to_the_library(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("pack", library)
    file = library.with_name("my library.tar")
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"{file}: 0.1 MB. Its checksum is in my library.tar.sha256.",
        "Carry it to the other machine, and run there: pose-mirror index unpack 'my library.tar' --out ~/pose-library",
        "Or put both files on a web server: "
        "pose-mirror index fetch https://SERVER/my%20library.tar --out ~/pose-library",
    ]
    assert file.exists()


def test_says_commands_that_work(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("pack", library, "--out", tmp_path / "packed.tar")
    for line in capsys.readouterr().out.splitlines()[1:]:
        args = parse(*shlex.split(line.partition(": pose-mirror index ")[2]))
        assert args.out == Path.home() / "pose-library"


def test_unpacks(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("pack", library, "--out", tmp_path / "packed.tar")
    capsys.readouterr()
    run("unpack", tmp_path / "packed.tar", "--out", tmp_path / "new")
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path / 'new'}: 20 people in 5 pictures.",
        f"See it in the mirror: pose-mirror run --library {tmp_path / 'new'}",
    ]
    verify_library(tmp_path / "new")


def test_says_what_stays_down(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("pack", library, "--out", tmp_path / "packed.tar")
    edit.remove(library, ["0", "3"])
    capsys.readouterr()
    run("unpack", tmp_path / "packed.tar", "--out", library)
    assert "Left out 2 pictures that had been taken down from this library.\n" in capsys.readouterr().out


@pytest.mark.parametrize("gives_sum", [True, False])
def test_fetches(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], gives_sum: bool) -> None:
    run("pack", library, "--out", tmp_path / "packed.tar")
    content = (tmp_path / "packed.tar").read_bytes()
    options = ["--sha256", hashlib.sha256(content).hexdigest().upper()] if gives_sum else []
    with file_server() as server:
        server.files["/packed.tar"] = content
        if not gives_sum:
            server.files["/packed.tar.sha256"] = (tmp_path / "packed.tar.sha256").read_bytes()
        run("fetch", server.url("/packed.tar"), "--out", tmp_path / "new", *options)
    assert "20 people in 5 pictures" in capsys.readouterr().out
    verify_library(tmp_path / "new")


def test_refuses_what_is_no_sum(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("fetch", "https://museum.example/a.tar", "--out", "library", "--sha256", "abc")
    assert "abc is not a sha256, which has 64 hexadecimal digits" in capsys.readouterr().err
