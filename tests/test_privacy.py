"""What the camera sees stays in the machine's memory: watched from outside, by the system calls of the whole demo."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT")
OPENED = re.compile(r'open(?:at)?\((?:AT_FDCWD, |\d+(?:<[^>]*>)?, )?"(?P<path>[^"]*)", (?P<flags>[A-Z_|0-9x]+)')
RENAMED = re.compile(r'rename(?:at2?)?\(.*?"[^"]*".*?"(?P<path>[^"]*)"')


@pytest.fixture(scope="module")
def trace(demo_home: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The demo's folder, and the system calls that it and all its processes made without any network."""
    for tool in ("strace", "unshare"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody make a network namespace")
    folder = tmp_path_factory.mktemp("demo")
    log = folder / "calls"
    calls = (
        "trace=socket,socketpair,connect,bind,open,openat,creat,rename,renameat,renameat2,link,linkat,symlink,symlinkat"
    )
    mirror = [sys.executable, "-m", "device.cli", "demo", "--display", "headless", "--seconds", "22"]
    ran = subprocess.run(
        [
            "unshare",
            "-rn",
            "strace",
            "-f",
            "--seccomp-bpf",
            "-o",
            log,
            "-e",
            calls,
            *mirror,
            "--screenshots",
            folder / "out",
        ],
        env={**os.environ, **demo_home},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return folder / "out", log.read_text(errors="replace")


def test_the_demo_ran_and_saved_its_gif(trace: tuple[Path, str]) -> None:
    assert list(trace[0].glob("*.gif")), "the demo must have got as far as a GIF for the rest to say anything"


def test_no_network_socket_is_opened(trace: tuple[Path, str]) -> None:
    families = re.findall(r"\bsocket\((\w+)", trace[1])
    assert set(families) <= {"AF_UNIX", "AF_LOCAL"}
    assert "connect(" not in trace[1] or "AF_INET" not in trace[1]


def test_no_file_is_written_outside_the_folder_that_was_asked_for(trace: tuple[Path, str]) -> None:
    folder, calls = trace
    opened = [m["path"] for m in OPENED.finditer(calls) if WRITES.search(m["flags"])]
    written = opened + [m["path"] for m in RENAMED.finditer(calls)]
    assert any(path.startswith(str(folder)) for path in written), "the trace must show the GIF being written"
    # shared memory and devices are no disk; compiled modules are the installation's
    no_disk = ("/dev/", "/proc/", "/sys/", "memfd:")
    elsewhere = [p for p in written if not p.startswith((str(folder), *no_disk)) and "__pycache__" not in p]
    assert elsewhere == []
