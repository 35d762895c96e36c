"""The layers of the test machine's disk, each built on the one below: Debian, Raspberry Pi OS's part, the mirror.

A layer is the whole root folder, packed. Debian changes while a layer stays as it was built; `key` tells layers apart
by how they are made.
"""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.boot.cache import Cache, Entry, content_key, is_content
from tests.boot.chroot import BuildError, run_in_root, run_isolated

PROJECT: Final = Path(__file__).parents[2]
FIXTURES: Final = Path(__file__).parent / "fixtures"
RECIPES: Final = FIXTURES / "recipes"

ARCHIVE_SUFFIX: Final = ".tar.zst"
ZSTD: Final = "zstd -1 -T0"
"""Soon done: a layer is packed once and unpacked for each that is built on it."""

TAR: Final = ("tar", "-I", ZSTD, "--numeric-owner", "--xattrs", "--xattrs-include=*")

MMDEBSTRAP: Final = (
    *("mmdebstrap", "--mode=root", "--variant=minbase", '--aptopt=Acquire::Retries "3"'),
    "--skip=cleanup/apt/lists",  # the installer asks apt what there is, and would go for lists where there are none
    "--dpkgopt=force-unsafe-io",
    *(f"--dpkgopt=path-exclude=/usr/share/{unread}/*" for unread in ("doc", "man", "locale", "info", "lintian")),
)

NOT_INSTALLED: Final = (".ci/", "benchmarks/", "docs/", "tests/")
"""Folders of the project that its installation does without: changing a test is to build nothing."""

WHEEL_COMMAND: Final = (
    *("sh", "-ec", 'python3 -m venv /tmp/pip; exec /tmp/pip/bin/pip wheel "$@"', "sh"),
    *("--cache-dir", "/run/pip", "--wheel-dir", "/run/out", "--constraint", "/run/constraints"),
)
"""Builds wheels, with its pip made anew as Debian's Python has none."""

EXTRAS: Final = ("pi",)
"""The extras of which the guest has the wheels."""


def base() -> Entry:
    """Debian 13 with the packages that are listed."""
    packages = [
        word
        for line in (RECIPES / "packages").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
        for word in line.split()
    ]

    def build(whole: Path, scratch: Path) -> None:
        included = f"--include={','.join(packages)}"
        packed = ["bash", "-o", "pipefail", "-c", f'"$@" | {ZSTD} >{shlex.quote(str(whole))}', "bash"]
        command = ["env", f"TMPDIR={scratch}", *packed, *MMDEBSTRAP, included, "trixie", "-"]
        run_isolated(command, "Installing Debian with mmdebstrap", scratch / "log")

    return Entry("base", content_key(*MMDEBSTRAP, *packages), build, ARCHIVE_SUFFIX)


def modules(cache: Cache) -> Entry:
    """What Debian leaves out: kernel modules for the tests' devices, and lgpio. Of what builds them nothing is kept."""
    below, recipe = base(), RECIPES / "build.sh"

    def build(whole: Path, scratch: Path) -> None:
        root = unpack(cache, below, scratch / "root")
        whole.mkdir()
        run_in_root(
            root,
            ["bash", "/run/build.sh"],
            "Building kernel modules",
            scratch / "log",
            read_only={"build.sh": recipe},
            writable={"out": whole},
        )

    return Entry("modules", content_key(below.key, recipe), build)


def system(cache: Cache) -> Entry:
    """Debian with what Raspberry Pi OS brings, as far as the mirror sees it."""
    below, parts, recipe = base(), modules(cache), RECIPES / "system.sh"

    def build(whole: Path, scratch: Path) -> None:
        reads = {"system.sh": recipe, "built": cache.get(parts)}
        root = unpack(cache, below, scratch / "root")
        overlay(FIXTURES / "os", root)
        run_in_root(root, ["bash", "/run/system.sh"], "Installing picamera2", scratch / "log", read_only=reads)
        _pack(root, whole, scratch / "log")

    return Entry("system", content_key(parts.key, recipe, FIXTURES / "os"), build, ARCHIVE_SUFFIX)


def wheels(cache: Cache) -> Entry:
    """All wheels that the mirror needs, so that it can be installed without a network."""
    wanted = [*_requirements(), "pip", "setuptools", "wheel"]
    constraints = PROJECT / "constraints.txt"
    below, annoy = base(), _annoy_compiler_args()

    def build(whole: Path, scratch: Path) -> None:
        root = unpack(cache, below, scratch / "root")
        downloads = cache.folder / "pip"
        for folder in (whole, downloads):
            folder.mkdir(exist_ok=True)
        run_in_root(
            root,
            [*WHEEL_COMMAND, *wanted],
            "Building wheels",
            scratch / "log",
            read_only={"constraints": constraints},
            writable={"out": whole, "pip": downloads},
            environment={"ANNOY_COMPILER_ARGS": annoy},
        )

    return Entry("wheels", content_key(below.key, *wanted, constraints, annoy), build)


def _annoy_compiler_args() -> str:
    """How the installer compiles Annoy: for any processor. A wheel made for this one's would end the guest's mirror."""
    found = re.search(r"ANNOY_COMPILER_ARGS=(\S+)", (PROJECT / "systemd" / "install.sh").read_text(encoding="utf-8"))
    assert found, "systemd/install.sh says how Annoy is compiled"
    return found[1]


def starter() -> Entry:
    """The starter library of the drawing program as it is now, all of it."""
    from index.build.starter import program_version

    def build(whole: Path, scratch: Path) -> None:
        program = Path(sys.executable).with_name("pose-mirror")
        environment = {**os.environ, "XDG_DATA_HOME": str(scratch)}
        run_isolated([program, "index", "starter"], "Drawing the starter library", scratch / "log", environment)
        (scratch / "pose-mirror" / "starter").rename(whole)

    return Entry("starter", program_version()[:16], build)


def app(cache: Cache) -> Entry:
    """The mirror, installed by its own installer as on a Pi: with the wheels at hand, and its library drawn."""
    below, packages, library = system(cache), wheels(cache), starter()
    sources = list(_sources())

    def build(whole: Path, scratch: Path) -> None:
        found, drawn = cache.get(packages), cache.get(library)
        root = unpack(cache, below, scratch / "root")
        for source in sources:
            there = root / "usr/src/pose-mirror" / source.relative_to(PROJECT)
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, there)
        shutil.copytree(found, root / "usr/src/wheels")
        shutil.copytree(drawn, root / "var/lib/pose-mirror/starter")
        run_in_root(
            root,
            ["bash", "/usr/src/pose-mirror/systemd/install.sh"],
            "systemd/install.sh",
            scratch / "log",
            environment={"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/usr/src/wheels"},
        )
        _pack(root, whole, scratch / "log")

    names = [part for source in sources for part in (str(source.relative_to(PROJECT)), source)]
    return Entry("app", content_key(below.key, packages.key, library.key, *names), build, ARCHIVE_SUFFIX, keep=3)


def overlay(files: Path, root: Path) -> None:
    """Copies a folder's files over a root folder; they belong to root there."""
    for source in sorted(path for path in files.rglob("*") if path.is_symlink() or is_content(path)):
        there = root / source.relative_to(files)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.unlink(missing_ok=True)
        shutil.copy(source, there, follow_symlinks=False)
        os.chown(there, 0, 0, follow_symlinks=False)


def unpack(cache: Cache, entry: Entry, root: Path) -> Path:
    """A layer's root folder, at `root`."""
    root.mkdir()
    packed = cache.get(entry)
    run_isolated(
        [*TAR, "--extract", "--file", packed, "--directory", root],
        f"Unpacking {packed}",
        root.with_suffix(".log"),
    )
    return root


def _pack(root: Path, whole: Path, log: Path) -> None:
    run_isolated(
        [*TAR, "--create", "--file", whole, "--directory", root, "."],
        f"Packing {whole.name}",
        log,
    )


def _requirements() -> list[str]:
    """What pip is to find wheels for: the project's own list, and that of the extras."""
    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg", encoding="utf-8")
    lists = [setup["options"]["install_requires"], *(setup["options.extras_require"][extra] for extra in EXTRAS)]
    return [line for text in lists for line in text.split("\n") if line]


def _sources() -> Iterator[Path]:
    """The project's files that its installation may look at, as they are now, committed or not."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        raise BuildError(f"git does not list the project's files: {listed.stderr.decode().strip()}")
    for name in sorted(set(listed.stdout.decode().split("\0"))):
        if name and not name.startswith(NOT_INSTALLED) and (PROJECT / name).is_file():
            yield PROJECT / name
