"""How QEMU runs the guest: with KVM where that really works, else by translating its instructions (TCG)."""

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
    # Mesa's software renderer crashes under TCG with the processor `max`.
    "tcg": ("-accel", "tcg,thread=multi", "-cpu", "Nehalem"),
}

KVM_TIMEOUT: Final = 10.0
"""Seconds that KVM has to start a kernel; it needs one or two. The presence of /dev/kvm proves little: inside a virtual
machine KVM may interpret the kernel a thousand times slower, or stop at its first instructions."""

STARTED_MARKER: Final = b"Kernel panic - not syncing: VFS"


@functools.cache
def select_accelerator(kernel: Path) -> str:
    """The accelerator to use, "kvm" or "tcg". $POSE_MIRROR_BOOT_ACCEL overrides the choice."""
    named = os.environ.get("POSE_MIRROR_BOOT_ACCEL", "auto")
    if named in ACCELERATORS:
        return named
    if named != "auto":
        raise ValueError(f'POSE_MIRROR_BOOT_ACCEL is "{named}": set it to "kvm", "tcg" or "auto".')
    return "kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) and _can_start(kernel, "kvm") else "tcg"


def _can_start(kernel: Path, accelerator: str) -> bool:
    """Whether a kernel without a disk gets far enough to miss it."""
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
