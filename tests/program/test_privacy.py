"""What the camera sees stays in memory. strace watches the system calls of the whole demo from outside."""

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

PROBE_FILE = re.escape(tempfile.gettempdir()) + r"/[a-z0-9_]{8}$"
HARMLESS = re.compile(rf"^/(dev|proc|sys)/|^memfd:|__pycache__|^{PROBE_FILE}")
"""Paths that never hold a picture: devices and shared memory, compiled modules, and the four bytes with which Python
probes the folder for temporary files."""


@pytest.fixture(scope="module")
def trace(demo_home: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The demo's output folder, and the system calls of all its processes in a namespace without a network."""
    for tool in ("strace", "unshare"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not allow network namespaces")
    folder = tmp_path_factory.mktemp("demo")
    log = folder / "calls"
    calls = (
        "trace=socket,socketpair,connect,bind,open,openat,creat,rename,renameat,renameat2,link,linkat,symlink,symlinkat"
    )
    (folder / "short.toml").write_text("[gif]\ncountdown = 1\nseconds = 1.0\n")
    options: list[str | Path] = ["--display", "headless", "--seconds", "12", "--config", folder / "short.toml"]
    mirror: list[str | Path] = [
        sys.executable,
        "-m",
        "device.cli.main",
        "demo",
        *options,
        "--screenshots",
        folder / "out",
    ]
    result = subprocess.run(
        ["unshare", "-rn", "strace", "-f", "--seccomp-bpf", "-o", log, "-e", calls, *mirror],
        env={**os.environ, **demo_home},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return folder / "out", log.read_text(errors="replace")


@pytest.mark.slow
def test_the_demo_ran_and_saved_its_gif(trace: tuple[Path, str]) -> None:
    assert list(trace[0].glob("*.gif")), "without a GIF the other tests prove nothing"


def test_no_network_socket_is_opened(trace: tuple[Path, str]) -> None:
    sockets = re.findall(r"\bsocket\(([^)]*)\)", trace[1])
    # SDL listens to the kernel for keyboards and displays that are plugged in.
    kernel = [call for call in sockets if call.startswith("AF_NETLINK") and call.endswith("NETLINK_KOBJECT_UEVENT")]
    local = [call for call in sockets if call.startswith(("AF_UNIX", "AF_LOCAL"))]
    assert len(kernel) + len(local) == len(sockets), sockets
    assert "AF_INET" not in trace[1]


def test_writes_only_to_the_requested_folder(trace: tuple[Path, str]) -> None:
    folder, calls = trace
    opened = [m["path"] for m in OPENED.finditer(calls) if WRITES.search(m["flags"])]
    written = opened + [m["path"] for m in RENAMED.finditer(calls)]
    assert any(path.startswith(str(folder)) for path in written), "the trace does not show the GIF being written"
    elsewhere = [path for path in written if not path.startswith(str(folder)) and not HARMLESS.search(path)]
    assert elsewhere == []


def test_would_notice_a_picture_written_elsewhere() -> None:
    line = '123 openat(AT_FDCWD, "/tmp/frame.png", O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0666) = 5'
    (match,) = OPENED.finditer(line)
    assert WRITES.search(match["flags"])
    assert not HARMLESS.search(match["path"])
