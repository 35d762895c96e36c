"""The mirror on a Raspberry Pi's processor: `python -m tests.boot.arm [SUITE …]` runs it in an arm64 Debian.

QEMU translates each program for this machine's processor, so this takes about an hour. It needs root, for chroot.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.boot.cache import Cache, Entry, content_key
from tests.boot.chroot import BuildError, run_in_root
from tests.boot.layers import (
    ARCHIVE_SUFFIX,
    MMDEBSTRAP,
    PROJECT,
    copy_project,
    install_debian,
    pack,
    project_files,
    unpack,
)

SUITES: Final = ("trixie", "bookworm")
"""Debian's versions that a Raspberry Pi runs: with Python 3.13, and with 3.11."""

PACKAGES: Final = ("ca-certificates", "git", "make")
"""The packages that the README says to install, and certificates for pip. `make` installs the others."""

PROCESSOR: Final = "cortex-a72"
"""QEMU's name of the Raspberry Pi 4's processor. Newer ones can do more; what runs on this one runs on those."""

SET_UP_BY: Final = ("setup.cfg", "pyproject.toml", "constraints.txt", "Makefile", "tools/system-packages")
"""The files that decide which packages the virtual environment has."""

HOME: Final = "usr/src/pose-mirror"
"""The project's folder inside."""

ENTER: Final = f"cd /{HOME} && touch .venv/.ready .venv/.ready-to-test"
"""Enters the project's folder, whose virtual environment is ready although the files just copied may be newer."""

SMALL: Final = r"[estimator]\nsize = \"161x225\"\n[screen]\nwidth = 800\nheight = 480\n"
"""The demo's configuration: translated, the model at its own size would take longer than a hang may take."""

TARGETS: Final = {
    "demo": f"printf '{SMALL}' >/tmp/small.toml && .venv/bin/pose-mirror demo --config /tmp/small.toml "
    "--display headless --seconds 120 --screenshots /run/results",
    "tests": ".venv/bin/python -m pytest -n auto --dist loadfile -m 'not slow and not real_machine'",
}
"""What runs inside, by name. The demo has the time to write its GIF. The tests are those of `make test-quick`, but for
a few that need a real machine."""

LOGS: Final = PROJECT / "build" / "arm"


def base(suite: str) -> Entry:
    """Debian for arm64."""
    args = ["--architecture=arm64", f"--include={','.join(PACKAGES)}", suite]

    def build(result: Path, scratch: Path) -> None:
        install_debian(args, result, scratch)

    return Entry(f"arm-{suite}", content_key(*MMDEBSTRAP, *args), build, ARCHIVE_SUFFIX)


def ready(cache: Cache, suite: str) -> Entry:
    """The same with the virtual environment in which the mirror and its tests run."""
    below, files = base(suite), [PROJECT / name for name in SET_UP_BY]

    def build(result: Path, scratch: Path) -> None:
        root = unpack(cache, below, scratch / "root")
        copy_project(project_files(), root / HOME)
        downloads = cache.folder / "pip"
        downloads.mkdir(exist_ok=True)
        run_in_root(
            root,
            ["make", "-C", f"/{HOME}", ".venv/.ready-to-test"],
            "make setup",
            scratch / "log",
            writable={"pip": downloads},
            environment={"QEMU_CPU": PROCESSOR, "PIP_CACHE_DIR": "/run/pip"},
        )
        pack(root, result, scratch / "log")

    return Entry(f"arm-ready-{suite}", content_key(below.key, *files), build, ARCHIVE_SUFFIX)


def run_targets(cache: Cache, suite: str) -> None:
    """Run the demo and the quick tests in a fresh copy of a system. Raises BuildError if one of them fails."""
    results = LOGS / suite
    results.mkdir(parents=True, exist_ok=True)
    shared = PROJECT.parent / "shared"
    read_only = {"shared": shared} if shared.is_dir() else {}
    with tempfile.TemporaryDirectory(prefix="pose-mirror-arm-", dir="/var/tmp") as folder:
        root = unpack(cache, ready(cache, suite), Path(folder) / "root")
        copy_project(project_files(), root / HOME)
        if read_only:
            (root / "usr/src/shared").symlink_to("/run/shared")
        for name, command in TARGETS.items():
            start = time.monotonic()
            print(f"{suite}: {name}, with its output in {results / name}.log", flush=True)
            run_in_root(
                root,
                ["bash", "-c", f"{ENTER} && {command}"],
                f"{suite}: {name}",
                results / f"{name}.log",
                read_only=read_only,
                writable={"results": results},
                environment={"QEMU_CPU": PROCESSOR, "POSE_MIRROR_MODELS": "/run/shared/data/models"},
            )
            last = (results / f"{name}.log").read_text(errors="replace").strip().rpartition("\n")[2]
            print(f"{suite}: {name} took {(time.monotonic() - start) / 60:.0f} minutes: {last}", flush=True)


def main() -> int:
    """Run the mirror on arm64; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.boot.arm", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"Debian's version (default: {SUITES[0]})")
    cache = Cache()
    try:
        for suite in parser.parse_args().suites or SUITES[:1]:
            with cache.lock():
                cache.get(ready(cache, suite))
                run_targets(cache, suite)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
