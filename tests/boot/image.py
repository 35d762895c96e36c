"""The disk that the test machine boots from, and its kernel; built once for each state of the project.

`python -m tests.boot.image` builds it if it is missing. It needs root, for file owners and chroot.
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
    # Otherwise the kernel writes these tables for minutes after the first boot, and disturbs what the tests measure.
    *("-E", "lazy_itable_init=0,lazy_journal_init=0"),
)


class DiskImage(NamedTuple):
    """A raw disk image with one ext4 file system and no partitions, and the kernel and initrd to boot it."""

    disk: Path
    kernel: Path
    initrd: Path


def build_image(cache: Cache | None = None) -> DiskImage:
    """Return the image of the project as it is now. Raises BuildError when it cannot be built.

    If $POSE_MIRROR_BOOT_IMAGE names the folder of an image, that one is used as it is.
    """
    if named := os.environ.get("POSE_MIRROR_BOOT_IMAGE"):
        return _image_in(Path(named))
    if os.geteuid():
        raise BuildError("Building the test machine's image needs root: run this as root.")
    cache = cache or Cache()
    with cache.lock():
        return _image_in(cache.get(_image_entry(cache)))


def _image_in(folder: Path) -> DiskImage:
    return DiskImage(folder / "disk", folder / "vmlinuz", folder / "initrd.img")


def _image_entry(cache: Cache) -> Entry:
    below, devices = app(cache), FIXTURES / "devices"

    def build(result: Path, scratch: Path) -> None:
        root = unpack(cache, below, scratch / "root")
        overlay(devices, root)
        _enable(root)
        result.mkdir()
        for name in ("vmlinuz", "initrd.img"):
            [file] = (root / "boot").glob(f"{name}-*")
            shutil.copy(file, result / name)
        run_isolated(["truncate", "-s", DISK_SIZE, result / "disk"], "Making room for the disk", scratch / "log")
        run_isolated([*MKE2FS, "-d", root, result / "disk"], "Making the disk's file system", scratch / "log")

    return Entry("image", content_key(below.key, devices, DISK_SIZE, *MKE2FS), build, keep=3)


def _enable(root: Path) -> None:
    """Make the tests' own units start at boot; each has a condition of its own."""
    enabled = root / "etc/systemd/system/multi-user.target.wants"
    enabled.mkdir(parents=True, exist_ok=True)
    for unit in sorted((root / "etc/systemd/system").glob("test-*.service")):
        (enabled / unit.name).symlink_to(f"../{unit.name}")


def main() -> int:
    """Build the image; return the exit status."""
    try:
        image = build_image()
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    print_progress(f"{image.disk.parent} is ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
