"""What commands print: any name, in any encoding, to any terminal and to none."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

ENVIRONMENTS = {
    "UTF-8": {"LC_ALL": "C.UTF-8"},
    "C": {"LC_ALL": "C"},
    "C, and nothing else": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "POSIX": {"LC_ALL": "POSIX"},
    "ASCII": {"PYTHONIOENCODING": "ascii"},
    "Latin-1": {"PYTHONIOENCODING": "latin-1"},
    "strict": {"PYTHONIOENCODING": "utf-8:strict"},
}

ODD_NAMES = (b"caf\xe9.jpg", "naïve ☃.jpg".encode(), b"two\nlines.jpg", b"-x.jpg", b"100%d.jpg", b"12:30.jpg")


def run(arguments: list[bytes | str], folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the program in a folder."""
    modules = {"PYTHONPATH": os.pathsep.join(sys.path), "POSE_MIRROR_MODELS": ""}
    return subprocess.run(
        [sys.executable, "-m", "device.cli", *arguments],
        cwd=folder,
        env=os.environ | modules | environment,
        capture_output=True,
        check=False,
    )


def run_shell(line: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of shell, in which PROGRAM is the program."""
    program = f"{shlex.quote(sys.executable)} -m device.cli"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        ["bash", "-c", line.replace("PROGRAM", program)], env=environment, capture_output=True, check=False
    )


@pytest.fixture
def odd_names(tmp_path: Path) -> Path:
    """A folder of pictures with odd names."""
    for name in ODD_NAMES:
        Pillow.fromarray(np.full((90, 120, 3), 90, np.uint8)).save(tmp_path / os.fsdecode(name))
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_any_name_can_be_printed(odd_names: Path, environment: dict[str, str]) -> None:
    for arguments in (["poses", "--model", "bundled"], ["poses", "--model", "bundled", "--json"]):
        result = run([*arguments, "--", *ODD_NAMES, b"no\xff.jpg"], odd_names, **environment)
        assert (result.returncode, result.stderr.count(b"\n")) == (1, 1), result.stderr
        assert result.stderr.startswith(b"pose-mirror: no")
        lines = result.stdout.count(b"\n")
        assert lines == (1 if "--json" in arguments else len(ODD_NAMES)), "a name with a line break makes no line"


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_a_message_may_name_anything(tmp_path: Path, environment: dict[str, str]) -> None:
    result = run(["index", "info", b"nowh\xe9re \xe2\x98\x83"], tmp_path, **environment)
    assert result.returncode == 1
    assert result.stderr.startswith(b"pose-mirror: There is no library at ")
    assert (result.stderr.count(b"\n"), b"Traceback" in result.stderr) == (1, False)


def test_fetching_prints_only_where_a_model_is(tmp_path: Path) -> None:
    result = run(["models", "fetch", "bundled"], tmp_path)
    assert (result.returncode, result.stdout.count(b"\n"), result.stderr) == (0, 1, b"")


def test_a_printed_path_is_the_files_name(tmp_path: Path) -> None:
    name = b"mod\xe9l.tflite"
    (tmp_path / os.fsdecode(name)).write_bytes(b"")
    for environment in ENVIRONMENTS.values():
        result = run(["models", "path", name], tmp_path, **environment)
        assert result.stdout == os.fsencode(tmp_path) + b"/" + name + b"\n", result.stderr


@pytest.mark.parametrize(
    ("line", "status", "message"),
    [
        ("PROGRAM models list >&-", 0, b""),
        ("PROGRAM models list 2>&-", 0, b""),
        ("PROGRAM models list <&- >&- 2>&-", 0, b""),
        ("PROGRAM index info /nowhere 2>&-", 1, b""),
        (
            "PROGRAM models list >/dev/full",
            1,
            b"pose-mirror: The output or a file cannot be written (No space left on device).\n",
        ),
        ("PROGRAM models list | true; exit ${PIPESTATUS[0]}", 141, b""),
    ],
)
def test_stdout_and_stderr_may_be_gone(line: str, status: int, message: bytes) -> None:
    result = run_shell(line)
    assert (result.returncode, result.stderr) == (status, message)


def test_a_closed_stdout_is_no_other_file() -> None:
    """Without stdout, the first file that is opened would be number 1, and what C code prints would go there."""
    program = (
        "import os, sys; from device.cli.output import prepare_output; prepare_output(); print(1); "
        "sys.exit(os.open(os.devnull, os.O_RDONLY) != 3)"
    )
    for closed in (">&-", "<&- >&- 2>&-"):
        assert run_shell(f'PYTHON -c "{program}" {closed}'.replace("PYTHON", sys.executable)).returncode == 0
