"""The disk that the test machine boots from, and its kernel; built once for each state of the project.

`python -m tests.boot.image` builds it, or says that it is there. Root is needed: for the owners of files, and chroot.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Final, NamedTuple

from tests.boot.cache import Cache, Entry, content_key, print_progress
from tests.boot.chroot import BuildError, run_isolated
from tests.boot.layers import FIXTURES, app, overlay, unpack

DISK_SIZE: Final = "4G"

MKE2FS: Final = (
    "mke2fs",
    *("-q", "-F", "-t", "ext4", "-L", "rootfs"),
    # else the kernel goes on writing these tables for minutes after the first boot, between what the tests measure
    *("-E", "lazy_itable_init=0,lazy_journal_init=0"),
)


class DiskImage(NamedTuple):
    """A disk, as a raw image with one ext4 file system and no partitions, with the kernel and initrd to boot it."""

    disk: Path
    kernel: Path
    initrd: Path


def build_image(cache: Cache | None = None) -> DiskImage:
    """The image of the project as it is now; raises BuildError when it cannot be built.

    One built before is taken as it is where $POSE_MIRROR_BOOT_IMAGE names its folder.
    """
    if named := os.environ.get("POSE_MIRROR_BOOT_IMAGE"):
        return _image_in(Path(named))
    if os.geteuid():
        raise BuildError("The image of the test machine is built by root: run it as root.")
    cache = cache or Cache()
    with cache.lock():
        return _image_in(cache.get(_image_entry(cache)))


def _image_in(folder: Path) -> DiskImage:
    return DiskImage(folder / "disk", folder / "vmlinuz", folder / "initrd.img")


def _image_entry(cache: Cache) -> Entry:
    below, devices = app(cache), FIXTURES / "devices"

    def build(whole: Path, scratch: Path) -> None:
        root = unpack(cache, below, scratch / "root")
        overlay(devices, root)
        _enable(root)
        whole.mkdir()
        for name in ("vmlinuz", "initrd.img"):
            [found] = (root / "boot").glob(f"{name}-*")
            shutil.copy(found, whole / name)
        run_isolated(["truncate", "-s", DISK_SIZE, whole / "disk"], "Making room for the disk", scratch / "log")
        run_isolated([*MKE2FS, "-d", root, whole / "disk"], "Making the disk's file system", scratch / "log")

    return Entry("image", content_key(below.key, devices, DISK_SIZE, *MKE2FS), build, keep=3)


def _enable(root: Path) -> None:
    """Has the tests' own units start at boot, each under its own condition."""
    wanted = root / "etc/systemd/system/multi-user.target.wants"
    wanted.mkdir(parents=True, exist_ok=True)
    for unit in sorted((root / "etc/systemd/system").glob("test-*.service")):
        (wanted / unit.name).symlink_to(f"../{unit.name}")


def main() -> int:
    """Builds the image; the exit status."""
    try:
        found = build_image()
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    print_progress(f"{found.disk.parent} is ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
