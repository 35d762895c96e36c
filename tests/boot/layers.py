"""The layers of the test machine's disk, each built on the one below: Debian, what Raspberry Pi OS adds, the mirror.

A layer is a complete root folder, packed. Its key is a hash of how it is built, so a layer stays as it is when Debian's
packages change.
"""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tests.boot.cache import Cache, Entry, content_key, is_content
from tests.boot.chroot import BuildError, run_in_root, run_isolated

PROJECT: Final = Path(__file__).parents[2]
FIXTURES: Final = Path(__file__).parent / "fixtures"
RECIPES: Final = FIXTURES / "recipes"

ARCHIVE_SUFFIX: Final = ".tar.zst"
ZSTD: Final = "zstd -1 -T0"
"""The fastest level: a layer is packed once, and unpacked for each layer built on it."""

TAR: Final = ("tar", "-I", ZSTD, "--numeric-owner", "--xattrs", "--xattrs-include=*")

MMDEBSTRAP: Final = (
    *("mmdebstrap", "--mode=root", "--variant=minbase", '--aptopt=Acquire::Retries "3"'),
    "--skip=cleanup/apt/lists",  # without lists the installer would download them to see which packages exist
    "--dpkgopt=force-unsafe-io",
    *(f"--dpkgopt=path-exclude=/usr/share/{unread}/*" for unread in ("doc", "man", "locale", "info", "lintian")),
)

NOT_INSTALLED: Final = (".ci/", "benchmarks/", "docs/", "tests/")
"""Folders that an installation does not need. A changed test therefore rebuilds nothing."""

WHEEL_SCRIPT: Final = """
python3 -m venv /tmp/pip
pip() { command /tmp/pip/bin/pip "$1" --cache-dir /run/pip --constraint /run/constraints "${@:2}"; }
PYPI=1 pip wheel --wheel-dir /run/out "$@"
rm /run/out/lgpio-*.whl
pip download --dest /run/out --no-deps --no-binary lgpio lgpio
"""
"""Builds wheels with a pip of its own, as Debian's Python has none. lgpio comes as source, as it does from PyPI: the
installer has to compile it."""

EXTRAS: Final = ("pi",)
"""The extras whose wheels are in the guest."""


def base() -> Entry:
    """Debian 13 with the packages of recipes/packages."""
    packages = [
        word
        for line in (RECIPES / "packages").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
        for word in line.split()
    ]

    def build(result: Path, scratch: Path) -> None:
        included = f"--include={','.join(packages)}"
        install_debian([included, "trixie"], result, scratch)

    return Entry("base", content_key(*MMDEBSTRAP, *packages), build, ARCHIVE_SUFFIX)


def modules(cache: Cache) -> Entry:
    """The kernel modules for the tests' devices, which Debian lacks. The tools that build them are not kept."""
    below, recipe = base(), RECIPES / "build.sh"

    def build(result: Path, scratch: Path) -> None:
        root = unpack(cache, below, scratch / "root")
        result.mkdir()
        run_in_root(
            root,
            ["bash", "/run/build.sh"],
            "Building kernel modules",
            scratch / "log",
            read_only={"build.sh": recipe},
            writable={"out": result},
        )

    return Entry("modules", content_key(below.key, recipe), build)


def system(cache: Cache) -> Entry:
    """Debian with what Raspberry Pi OS adds, as far as the mirror notices."""
    below, parts, recipe = base(), modules(cache), RECIPES / "system.sh"

    def build(result: Path, scratch: Path) -> None:
        reads = {"system.sh": recipe, "built": cache.get(parts)}
        root = unpack(cache, below, scratch / "root")
        overlay(FIXTURES / "os", root)
        run_in_root(root, ["bash", "/run/system.sh"], "Installing picamera2", scratch / "log", read_only=reads)
        pack(root, result, scratch / "log")

    return Entry("system", content_key(parts.key, recipe, FIXTURES / "os"), build, ARCHIVE_SUFFIX)


def wheels(cache: Cache) -> Entry:
    """All packages that the mirror needs to be installed without a network."""
    requirements = [*_requirements(), "pip", "setuptools", "wheel"]
    constraints = PROJECT / "constraints.txt"
    below, annoy = base(), _annoy_compiler_args()

    def build(result: Path, scratch: Path) -> None:
        root = unpack(cache, below, scratch / "root")
        downloads = cache.folder / "pip"
        for folder in (result, downloads):
            folder.mkdir(exist_ok=True)
        run_in_root(
            root,
            ["bash", "-euc", WHEEL_SCRIPT, "bash", *requirements],
            "Building wheels",
            scratch / "log",
            read_only={"constraints": constraints},
            writable={"out": result, "pip": downloads},
            environment={"ANNOY_COMPILER_ARGS": annoy},
        )

    return Entry("wheels", content_key(below.key, WHEEL_SCRIPT, *requirements, constraints, annoy), build)


def _annoy_compiler_args() -> str:
    """The installer's options for compiling Annoy for any processor: a wheel for the host's may crash in the guest."""
    match = re.search(r"ANNOY_COMPILER_ARGS=(\S+)", (PROJECT / "systemd" / "install.sh").read_text(encoding="utf-8"))
    assert match, "systemd/install.sh sets no ANNOY_COMPILER_ARGS"
    return match[1]


def starter() -> Entry:
    """The complete starter library, drawn by the program as it is now."""
    from index.build.starter import program_version

    def build(result: Path, scratch: Path) -> None:
        program = Path(sys.executable).with_name("pose-mirror")
        environment = {**os.environ, "XDG_DATA_HOME": str(scratch)}
        run_isolated([program, "index", "starter"], "Drawing the starter library", scratch / "log", environment)
        (scratch / "pose-mirror" / "starter").rename(result)

    return Entry("starter", program_version()[:16], build)


def app(cache: Cache) -> Entry:
    """The mirror, installed by its own installer as on a Pi, from the wheels and the drawn starter library."""
    below, packages, library = system(cache), wheels(cache), starter()
    sources = [name for name in project_files() if not name.startswith(NOT_INSTALLED)]

    def build(result: Path, scratch: Path) -> None:
        wheel_folder, drawn = cache.get(packages), cache.get(library)
        root = unpack(cache, below, scratch / "root")
        copy_project(sources, root / "usr/src/pose-mirror")
        shutil.copytree(wheel_folder, root / "usr/src/wheels")
        shutil.copytree(drawn, root / "var/lib/pose-mirror/starter")
        run_in_root(
            root,
            ["bash", "/usr/src/pose-mirror/systemd/install.sh"],
            "systemd/install.sh",
            scratch / "log",
            environment={"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/usr/src/wheels"},
        )
        pack(root, result, scratch / "log")

    parts = [part for name in sources for part in (name, PROJECT / name)]
    return Entry("app", content_key(below.key, packages.key, library.key, *parts), build, ARCHIVE_SUFFIX, keep=3)


def install_debian(args: Sequence[str], archive: Path, scratch: Path) -> None:
    """Pack the root folder that mmdebstrap makes with these arguments."""
    packed = ["bash", "-o", "pipefail", "-c", f'"$@" | {ZSTD} >{shlex.quote(str(archive))}', "bash"]
    run_isolated(
        ["env", f"TMPDIR={scratch}", *packed, *MMDEBSTRAP, *args, "-"],
        "Installing Debian with mmdebstrap",
        scratch / "log",
    )


def overlay(files: Path, root: Path) -> None:
    """Copy a folder's files over a root folder, owned by root."""
    for source in sorted(path for path in files.rglob("*") if path.is_symlink() or is_content(path)):
        target = root / source.relative_to(files)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy(source, target, follow_symlinks=False)
        os.chown(target, 0, 0, follow_symlinks=False)


def unpack(cache: Cache, entry: Entry, root: Path) -> Path:
    """Unpack a layer to the new folder `root`, and return it."""
    root.mkdir()
    packed = cache.get(entry)
    run_isolated(
        [*TAR, "--extract", "--file", packed, "--directory", root],
        f"Unpacking {packed}",
        root.with_suffix(".log"),
    )
    return root


def pack(root: Path, archive: Path, log: Path) -> None:
    """Pack a root folder as a layer."""
    run_isolated(
        [*TAR, "--create", "--file", archive, "--directory", root, "."],
        f"Packing {archive.name}",
        log,
    )


def _requirements() -> list[str]:
    """The requirements to build wheels for: the project's own and those of its extras."""
    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg", encoding="utf-8")
    lists = [setup["options"]["install_requires"], *(setup["options.extras_require"][extra] for extra in EXTRAS)]
    return [line for text in lists for line in text.split("\n") if line]


def project_files() -> list[str]:
    """The names of the project's files as they are now, committed or not."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        raise BuildError(f"git cannot list the project's files: {listed.stderr.decode().strip()}")
    return [name for name in sorted(set(listed.stdout.decode().split("\0"))) if name and (PROJECT / name).is_file()]


def copy_project(names: Iterable[str], target: Path) -> None:
    """Copy files of the project into a folder."""
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, target / name)
