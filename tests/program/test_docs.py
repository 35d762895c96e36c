"""The documents: their commands are valid, the quick ones run, links lead somewhere, and drawings are fresh."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from PIL import Image as Pillow

from device.cli.parser import parse_args
from device.config import DEFAULTS_FILE
from models.figures.starter_pictures import draw_picture
from tests.support.paths import ROOT
from tools.drawings import DRAWINGS, IMAGES

PAGES: Final = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.md"), ROOT / "models/weights/README.md"]
)

WALKTHROUGH: Final = (
    "pose-mirror --help",
    "pose-mirror --version",
    "pose-mirror models list",
    "pose-mirror models path",
    "pose-mirror doctor",
    "pose-mirror poses holiday.jpg",
    "pose-mirror poses holiday.jpg --json",
    "pose-mirror index build ~/Photos --out ~/pose-library",
    "pose-mirror index info ~/pose-library",
    "pose-mirror index verify ~/pose-library",
    "pose-mirror index query ~/pose-library --keypoints poses.npz --top 3",
    "pose-mirror index query ~/pose-library --keypoints poses.npz --top 3 --json",
    "pose-mirror index remove ~/pose-library photo.jpg",
    "pose-mirror index merge ~/pose-library ~/dance-library --out ~/both",
)
"""Commands of the documents that need no hardware, no network and no patience, in an order in which they work."""

FAULTS_ALLOWED: Final = ("pose-mirror doctor",)
"""Commands that may exit with status 1: a test machine has neither a camera nor a Pi's button."""

INDEX_ACTIONS: Final = (
    *("build", "collect", "info", "verify", "query", "remove", "sheets", "merge"),
    *("pack", "unpack", "fetch", "starter"),
)

COMMANDS: Final = [
    *(["run"], ["demo"], ["doctor"], ["status"], ["poses"], ["bench"]),
    *(["models", action] for action in ("list", "fetch", "path")),
    *(["index", action] for action in INDEX_ACTIONS),
]


@cache
def page_text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def code_lines(page: Path) -> Iterator[str]:
    """The lines of a page's code blocks, and code within its text."""
    for line in page_text(page).splitlines():
        if re.match(r" {4,}\S", line):
            yield line.strip()
        else:
            yield from re.findall(r"`([^`]+)`", line)


def command_words(line: str) -> list[str]:
    """The words of a shell command, without `sudo`, variables, the environment's folder, comments and redirections."""
    words = shlex.split(line, comments=True)
    words = words[: words.index(">")] if ">" in words else words
    while words and (words[0] == "sudo" or re.fullmatch(r"[A-Z_]+=.*", words[0])):
        words = words[3:] if words[:2] == ["sudo", "-u"] else words[1:]
    return [words[0].removeprefix(".venv/bin/"), *words[1:]] if words else []


def documented_commands(program: str) -> list[tuple[Path, list[str]]]:
    """Every page and command of it that starts with a program's name; text such as `pose-mirror …` is not a command."""
    found = []
    for page in PAGES:
        for line in code_lines(page):
            if program in line and "…" not in line and "..." not in line:
                try:
                    words = command_words(line)
                except ValueError:  # code that is no shell's
                    continue
                if words[:1] == [program] and len(words) > 1:
                    found.append((page, words))
    return found


def is_valid(words: list[str]) -> bool:
    """Whether `pose-mirror` understands a command line, or it is the bare name of a command."""
    try:
        parse_args(words[1:])
    except SystemExit as exited:
        if exited.code == 0:  # --help and --version
            return True
        return words[1:] in COMMANDS
    return True


def test_documented_commands_are_valid(capsys: pytest.CaptureFixture[str]) -> None:
    commands = documented_commands("pose-mirror")
    assert len(commands) > 60
    wrong = [(str(page.relative_to(ROOT)), shlex.join(words)) for page, words in commands if not is_valid(words)]
    assert wrong == []


def test_knows_every_documented_make_target() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = documented_commands("make")
    assert len(commands) > 15
    wrong = [
        (str(page.relative_to(ROOT)), word)
        for page, words in commands
        for word in words[1:]
        if "=" not in word and word not in targets
    ]
    assert wrong == []


def test_has_every_documented_module() -> None:
    modules = {words[2]: page for page, words in documented_commands("python") if words[1] == "-m"}
    assert {"models.train", "tools.drawings", "benchmarks.scale"} <= modules.keys()
    missing = []
    for name, page in modules.items():
        spec = find_spec(name)
        if spec is None or (spec.submodule_search_locations and find_spec(f"{name}.__main__") is None):
            missing.append((str(page.relative_to(ROOT)), name))
    assert missing == []


# Links


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings get."""
    headings = re.findall(r"^#+ (.+)$", page_text(page), re.MULTILINE)
    plain = (re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in plain}


def links(page: Path) -> Iterator[str]:
    """A page's relative links, code left out."""
    text = re.sub(r"`[^`\n]*`", "", re.sub(r"^ {4,}.*$", "", page_text(page), flags=re.MULTILINE))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_reached() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page in PAGES:
            reached.add(page)
            waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]
    unreached = [page for page in PAGES if page not in reached and ".github" not in page.parts]
    assert unreached == []


def is_defined(name: str) -> bool:
    """Whether a dotted name is a module, or a name in one such as `device.mirror.FramePipeline.next_moment`."""
    parts = name.split(".")
    value: object = import_module(parts[0])
    for depth, part in enumerate(parts[1:], 2):
        if not hasattr(value, part):
            try:
                import_module(".".join(parts[:depth]))
            except ModuleNotFoundError:
                return False
        value = getattr(value, part)
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_code_exists(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        pytest.skip("it tells of names as they were")
    missing = []
    for code in re.findall(r"`([^`\n]+)`", page_text(page)):
        is_path = re.fullmatch(r"(?:models|index|device|tests|tools|benchmarks|systemd|docs)/[\w/.-]+", code)
        is_name = re.fullmatch(r"(?:models|index|device)(?:\.\w+)+", code)
        if (is_path and not (ROOT / code).exists()) or (is_name and not is_defined(code)):
            missing.append(code)
    assert missing == []


# Reference


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_reference_has_every_option(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_args([*command, "--help"])
    options = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    documented = re.findall(r"--[a-z-]+", page_text(ROOT / "docs/reference/command-line.md"))
    assert options <= {*documented, "--help"}


def test_reference_has_every_setting() -> None:
    text = page_text(ROOT / "docs/reference/settings.md")
    sections = dict(re.findall(r"^## \[(\w+)\]\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    defaults = tomllib.loads(DEFAULTS_FILE.read_text(encoding="utf-8"))
    assert sections.keys() == defaults.keys()
    for section, keys in defaults.items():
        rows = re.findall(r"^\| (`.+?) \| (`.+?`) \|", sections[section], re.MULTILINE)
        documented = {
            name.strip("`"): value.strip("`")
            for names, values in rows
            for name, value in zip(names.split(", "), values.split(", "), strict=True)
        }
        assert {name: tomllib.loads(f"value = {value}")["value"] for name, value in documented.items()} == keys


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawings_are_fresh(name: str) -> None:
    assert (IMAGES / name).read_text(encoding="utf-8") == DRAWINGS[name]().render(), "run python -m tools.drawings"


# What the commands do


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with a few drawn photos, and what else the documents' commands name."""
    for folder, numbers in (("Photos", range(8)), ("Dance", range(8, 12))):
        (tmp_path / folder).mkdir()
        for number in numbers:
            Pillow.fromarray(draw_picture(number).image).save(tmp_path / folder / f"{number}.jpg", quality=95)
    program = tmp_path / "bin/pose-mirror"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m device.cli "$@"\n')
    program.chmod(0o755)
    shutil.copy(tmp_path / "Photos/0.jpg", tmp_path / "photo.jpg")
    shutil.copy(tmp_path / "Photos/1.jpg", tmp_path / "holiday.jpg")
    np.savez(tmp_path / "poses.npz", keypoints=draw_picture(2).poses[0].keypoints[None])
    status, output = run_in_shell("pose-mirror index build ~/Dance --out ~/dance-library", tmp_path)
    assert status == 0, output
    return tmp_path


@pytest.mark.slow
def test_documented_commands_work(home: Path) -> None:
    documented = {shlex.join(words) for _, words in documented_commands("pose-mirror")}
    assert {shlex.join(shlex.split(line)) for line in WALKTHROUGH} <= documented
    for line in WALKTHROUGH:
        status, output = run_in_shell(line, home)
        assert status == 0 or (line in FAULTS_ALLOWED and status == 1), f"{line}\n{output}"
        assert "Traceback" not in output, f"{line}\n{output}"


def run_in_shell(line: str, home: Path) -> tuple[int, str]:
    """Exit status and output of a command line, in a home folder, without any downloaded model."""
    environment = {
        **os.environ,
        "HOME": str(home),
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "POSE_MIRROR_MODELS": "",
        **{f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("DATA", "CACHE", "CONFIG")},
    }
    ran = subprocess.run(
        ["bash", "-c", line], cwd=home, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    return ran.returncode, ran.stdout + ran.stderr
