"""How QEMU is to run the guest: by KVM where that really works, else by translating its instructions (TCG)."""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

ACCELERATORS: Final = {
    "kvm": ("-accel", "kvm", "-cpu", "host"),
    # with `max` Mesa's software renderer crashes under TCG
    "tcg": ("-accel", "tcg,thread=multi", "-cpu", "Nehalem"),
}

KVM_TIMEOUT: Final = 10.0
"""Seconds in which KVM must have started a kernel; it takes one or two. /dev/kvm alone tells little: inside a virtual
machine it can be there and interpret the guest's kernel, a thousand times slower, or stop at its first instructions."""

STARTED_MARKER: Final = b"Kernel panic - not syncing: VFS"


@functools.cache
def select_accelerator(kernel: Path) -> str:
    """The accelerator to use: "kvm" or "tcg", or what $POSE_MIRROR_BOOT_ACCEL says."""
    named = os.environ.get("POSE_MIRROR_BOOT_ACCEL", "auto")
    if named in ACCELERATORS:
        return named
    if named != "auto":
        raise ValueError(f'POSE_MIRROR_BOOT_ACCEL is "{named}": make it "kvm", "tcg" or "auto".')
    return "kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) and _can_start(kernel, "kvm") else "tcg"


def _can_start(kernel: Path, accelerator: str) -> bool:
    """Whether a kernel without a disk comes as far as missing it."""
    with tempfile.NamedTemporaryFile() as serial:
        command = ["qemu-system-x86_64", "-machine", "q35", *ACCELERATORS[accelerator], "-smp", "2", "-m", "512"]
        command += ["-nodefaults", "-display", "none", "-no-reboot", "-serial", f"file:{serial.name}"]
        command += ["-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as qemu:
            deadline = time.monotonic() + KVM_TIMEOUT
            try:
                while time.monotonic() < deadline and qemu.poll() is None:
                    time.sleep(0.1)
            finally:
                qemu.kill()
        return STARTED_MARKER in Path(serial.name).read_bytes()
