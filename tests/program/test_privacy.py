"""What the camera sees stays in the machine's memory: watched from outside, by the system calls of the whole demo."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT")
OPENED = re.compile(r'open(?:at)?\((?:AT_FDCWD, |\d+(?:<[^>]*>)?, )?"(?P<path>[^"]*)", (?P<flags>[A-Z_|0-9x]+)')
RENAMED = re.compile(r'rename(?:at2?)?\(.*?"[^"]*".*?"(?P<path>[^"]*)"')

TRIED = re.escape(tempfile.gettempdir()) + r"/[a-z0-9_]{8}$"
NO_PICTURE = re.compile(rf"^/(dev|proc|sys)/|^memfd:|__pycache__|^{TRIED}")
"""Devices and shared memory are no disk; compiled modules are the installation's; and Python tries with four bytes
whether it can write to the folder for temporary files."""


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
    (folder / "short.toml").write_text("[gif]\ncountdown = 1\nseconds = 1.0\n")
    asked = ["--display", "headless", "--seconds", "8", "--config", folder / "short.toml"]
    mirror = [sys.executable, "-m", "device.cli.main", "demo", *asked, "--screenshots", folder / "out"]
    ran = subprocess.run(
        ["unshare", "-rn", "strace", "-f", "--seccomp-bpf", "-o", log, "-e", calls, *mirror],
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
    sockets = re.findall(r"\bsocket\(([^)]*)\)", trace[1])
    # SDL hears from the kernel, and from nobody else, which keyboards and displays are plugged in
    from_the_kernel = [
        one for one in sockets if one.startswith("AF_NETLINK") and one.endswith("NETLINK_KOBJECT_UEVENT")
    ]
    on_this_machine = [one for one in sockets if one.startswith(("AF_UNIX", "AF_LOCAL"))]
    assert len(from_the_kernel) + len(on_this_machine) == len(sockets), sockets
    assert "AF_INET" not in trace[1]


def test_no_file_is_written_outside_the_folder_that_was_asked_for(trace: tuple[Path, str]) -> None:
    folder, calls = trace
    opened = [m["path"] for m in OPENED.finditer(calls) if WRITES.search(m["flags"])]
    written = opened + [m["path"] for m in RENAMED.finditer(calls)]
    assert any(path.startswith(str(folder)) for path in written), "the trace must show the GIF being written"
    elsewhere = [path for path in written if not path.startswith(str(folder)) and not NO_PICTURE.search(path)]
    assert elsewhere == []


def test_a_picture_written_elsewhere_would_be_noticed() -> None:
    line = '123 openat(AT_FDCWD, "/tmp/frame.png", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0666) = 5'
    (found,) = OPENED.finditer(line)
    assert WRITES.search(found["flags"])
    assert not NO_PICTURE.search(found["path"])
