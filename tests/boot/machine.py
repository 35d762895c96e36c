"""A virtual machine with the mirror installed: QEMU with a display of 800×480, keyboard and mouse.

The disk keeps what was written to it between the starts of one `Machine`; the image never changes.
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from tests.boot import accelerator
from tests.boot.agent import Agent, ChannelError, CommandResult, Monitor
from tests.boot.image import DiskImage

WIDTH: Final = 800
HEIGHT: Final = 480

MEMORY_MB: Final = 2048
"""As much as the smaller Pi 4 has."""

BOOT_SECONDS: Final = 600.0
"""Seconds until the guest's agent must answer. Without KVM it takes half a minute on two idle cores, minutes on busy
ones."""

POLL_SECONDS: Final = 0.5

KERNEL_ARGUMENTS: Final = "root=/dev/vda rw rootfstype=ext4 console=tty0 console=ttyS0 panic=5 net.ifnames=0"

DEVICES: Final = ("button", "csi", "usb")
"""What can be plugged in: a button on GPIO 17, a camera on the Pi's own connector, a USB camera that shows a clip."""

GUEST_ADDRESS: Final = "10.0.2.15"
"""The guest's address in the network of QEMU's own that `network` plugs in; nothing else is there."""

TAIL_LINES: Final = 40
"""Last lines of the journal to show when something goes wrong."""


class MachineError(AssertionError):
    """The machine did not do what a test needs; the message ends with its last lines."""


class DiskWrites(NamedTuple):
    """What the guest has written to its disk since it was started."""

    bytes: int
    operations: int
    flushes: int


class Machine:
    """A running machine; a context manager that starts it and removes it.

    `devices` are some of DEVICES. `clip` is what the USB camera shows (see clip.py). `network` plugs a cable in, over
    which the guest's port 80 is this host's `web_port`, and nothing else is reached. `kernel_arguments` are added to
    the kernel's command line.
    """

    def __init__(
        self,
        image: DiskImage,
        *,
        devices: Collection[str] = (),
        clip: Path | None = None,
        network: bool = False,
        kernel_arguments: Sequence[str] = (),
    ) -> None:
        if unknown := set(devices) - set(DEVICES):
            raise ValueError(f"{sorted(unknown)[0]} is not a device: plug in some of {', '.join(DEVICES)}.")
        self._image = image
        self._clip = clip
        self.web_port: Final = _free_port() if network else None
        self._kernel_arguments = [*(f"test.{device}" for device in devices), *kernel_arguments]
        self._qemu: subprocess.Popen[bytes] | None = None
        self._channels = contextlib.ExitStack()
        self.accelerator: Final = accelerator.select_accelerator(image.kernel)

    def __enter__(self) -> Self:
        # A socket's path has room for a hundred characters: hence /tmp, whatever TMPDIR says.
        self._folder = Path(tempfile.mkdtemp(prefix="pose-mirror-boot-", dir="/tmp"))
        try:
            self._run_on_host(
                "qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", self._image.disk, self._disk
            )
            self.power_on()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self._folder)

    @property
    def serial(self) -> str:
        """Everything that came over the serial line since the machine exists."""
        log = self._folder / "serial"
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

    @property
    def is_running(self) -> bool:
        """Whether it has power and has not switched itself off."""
        return self._qemu is not None and self._qemu.poll() is None

    def power_on(self, seconds: float = BOOT_SECONDS) -> None:
        """Start the machine; return when it can run commands."""
        if self.is_running:
            raise ValueError("The machine is already on.")
        self.kill()
        with (self._folder / "qemu.log").open("ab") as log:
            self._qemu = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + seconds
        while not (self._folder / "agent").exists():
            self._check_running(deadline, "QEMU does not start")
            time.sleep(0.05)
        self._monitor = self._channels.enter_context(Monitor(self._folder / "monitor"))
        self._agent = self._channels.enter_context(Agent(self._folder / "agent"))
        while not self._ping_agent():
            self._check_running(deadline, f"The guest's agent does not answer within {seconds:g} s")

    def kill(self) -> None:
        """Cut the power: what the guest has not flushed is lost."""
        self._channels.close()
        if self._qemu is not None:
            self._qemu.kill()
            self._qemu.wait()
            self._qemu = None
        for name in ("agent", "monitor"):
            (self._folder / name).unlink(missing_ok=True)

    def shutdown(self, seconds: float = 120.0) -> None:
        """Shut the machine down in order; return when it is off."""
        with contextlib.suppress(MachineError):  # it may be off before it answers
            self.run("systemctl --no-block poweroff")
        self.wait_until_off(seconds)

    def wait_until_off(self, seconds: float = 120.0) -> None:
        """Wait until the machine has switched itself off, which it also does instead of rebooting."""
        assert self._qemu is not None, "the machine is off"
        try:
            self._qemu.wait(seconds)
        except subprocess.TimeoutExpired:
            raise MachineError(self._with_tail(f"It is not off after {seconds:g} s")) from None
        self.kill()

    def run(self, command: str, timeout: float = 60.0, *, stdin: bytes | None = None) -> CommandResult:
        """Run a shell command as root. After `timeout` seconds it is killed, and its status is 124."""
        status, output, errors = self._exec(command, stdin, timeout)
        return CommandResult(status, output.decode(errors="replace"), errors.decode(errors="replace"))

    def check_output(self, command: str, timeout: float = 60.0) -> str:
        """Run a command that must succeed, and return its output."""
        result = self.run(command, timeout)
        if result.status:
            raise MachineError(f"{command}: exit status {result.status}\n{result.stdout}{result.stderr}")
        return result.stdout

    def read(self, path: str) -> bytes:
        """Return the contents of a file."""
        status, output, errors = self._exec(f"cat -- {shlex.quote(path)}", None, 60.0)
        if status:
            raise MachineError(errors.decode(errors="replace").strip())
        return output

    def write(self, path: str, data: bytes | str) -> None:
        """Write a file, and create its folder if necessary."""
        target = shlex.quote(path)
        content = data.encode() if isinstance(data, str) else data
        status, _, errors = self._exec(f'mkdir -p "$(dirname {target})" && cat >{target}', content, 60.0)
        if status:
            raise MachineError(errors.decode(errors="replace").strip())

    def screendump(self) -> NDArray[np.uint8]:
        """Return what the display shows: height×width×3, RGB."""
        file = self._folder / "screen.png"
        self._monitor.execute("screendump", {"filename": str(file), "format": "png"})
        with Picture.open(file) as picture:
            return np.asarray(picture.convert("RGB"), np.uint8)

    def press(self, key: str, seconds: float = 0.1) -> None:
        """Press a key of the keyboard by QEMU's name for it: "spc", "ret", "a"."""
        arguments = {"keys": [{"type": "qcode", "data": key}], "hold-time": round(seconds * 1000)}
        self._monitor.execute("send-key", arguments)

    def connect(self) -> None:
        """Give the guest its address on the cable, as DHCP would."""
        self.check_output(f"ip link set eth0 up && ip address replace {GUEST_ADDRESS}/24 dev eth0")

    def throttle_disk(self, writes_per_second: int) -> None:
        """Limit the disk's writes until the power is cut, as a worn memory card does."""
        limits = dict.fromkeys(("bps", "bps_rd", "bps_wr", "iops", "iops_rd"), 0)
        self._monitor.execute("block_set_io_throttle", {"device": "disk", **limits, "iops_wr": writes_per_second})

    def disk_writes(self) -> DiskWrites:
        """Return what the guest has written since it was started."""
        disks = {disk["qdev"].split("/")[-2]: disk["stats"] for disk in self._monitor.execute("query-blockstats")}
        stats = disks["disk"]
        return DiskWrites(stats["wr_bytes"], stats["wr_operations"], stats["flush_operations"])

    def journal(self, lines: int = TAIL_LINES, *, unit: str | None = None) -> str:
        """Return the journal's last lines since this start, of one unit or of all."""
        selection = f"--unit {shlex.quote(unit)}" if unit else ""
        return self.run(f"journalctl --boot --no-pager --output short-monotonic --lines {lines} {selection}").stdout

    def wait_for(
        self, condition: str | Callable[[], bool], seconds: float, what: str, pause: float = POLL_SECONDS
    ) -> float:
        """Wait until a shell command succeeds or a function returns true, and return the seconds it took.

        After `seconds` raises MachineError, which names `what` was waited for and has the journal's last lines.
        """
        start = time.monotonic()

        def holds() -> bool:
            return condition() if callable(condition) else self.run(condition).status == 0

        while not holds():
            if time.monotonic() - start > seconds:
                raise MachineError(self._with_tail(f"{what}: not within {seconds:g} s"))
            time.sleep(pause)
        return time.monotonic() - start

    @property
    def _disk(self) -> Path:
        return self._folder / "disk.qcow2"

    def _command(self) -> list[str | Path]:
        """QEMU's command line."""
        # A write cache, as a real disk has: when QEMU is killed, only what was not flushed may be lost.
        disk = f"if=none,id=disk,file={self._disk},format=qcow2,cache=writeback"
        command: list[str | Path] = [
            *("setpriv", "--pdeathsig", "KILL"),  # QEMU dies with the tests, however they end
            *("qemu-system-x86_64", "-machine", "q35", *accelerator.ACCELERATORS[self.accelerator]),
            *("-smp", "2", "-m", str(MEMORY_MB), "-nodefaults", "-display", "none", "-no-reboot"),
            *("-kernel", self._image.kernel, "-initrd", self._image.initrd),
            *("-append", " ".join([KERNEL_ARGUMENTS, *self._kernel_arguments])),
            *("-drive", disk, "-device", "virtio-blk-pci,id=disk,drive=disk"),
            *("-device", f"virtio-gpu-pci,xres={WIDTH},yres={HEIGHT}"),
            *("-device", "virtio-keyboard-pci", "-device", "virtio-mouse-pci", "-device", "virtio-rng-pci"),
            *("-chardev", f"file,id=serial,path={self._folder / 'serial'},append=on", "-serial", "chardev:serial"),
            *("-qmp", f"unix:{self._folder / 'monitor'},server=on,wait=off"),
            *("-chardev", f"socket,id=agent,path={self._folder / 'agent'},server=on,wait=off"),
            *("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
        ]
        if self._clip is not None:
            clip = f"if=none,id=clip,file={self._clip},format=raw,readonly=on"
            command += ["-drive", clip, "-device", "virtio-blk-pci,id=clip,drive=clip,serial=clip"]
        if self.web_port is not None:
            forward = f"hostfwd=tcp:127.0.0.1:{self.web_port}-{GUEST_ADDRESS}:80"
            command += ["-netdev", f"user,id=net,restrict=on,{forward}", "-device", "virtio-net-pci,netdev=net"]
        return command

    def _exec(self, command: str, stdin: bytes | None, seconds: float) -> tuple[int, bytes, bytes]:
        try:
            return self._agent.run(command, stdin, seconds)
        except ChannelError as error:
            raise MachineError(self._with_tail(f"{command}: {error}")) from error

    def _ping_agent(self) -> bool:
        try:
            return self._agent.ping(2.0)
        except ChannelError:  # QEMU has ended; `_check_running` reports it
            time.sleep(0.1)
            return False

    def _check_running(self, deadline: float, timeout_message: str) -> None:
        if not self.is_running:
            log = (self._folder / "qemu.log").read_text(encoding="utf-8", errors="replace")
            raise MachineError(self._with_tail(f"The machine is off again. {log.strip()}"))
        if time.monotonic() > deadline:
            raise MachineError(self._with_tail(timeout_message))

    def _with_tail(self, sentence: str) -> str:
        """A sentence followed by the journal's last lines, or the serial line's if the guest does not answer."""
        lines: list[str] = []
        with contextlib.suppress(ChannelError):
            if self.is_running and self._agent.ping(5.0):
                lines = (
                    self._agent.run(f"journalctl -b --no-pager -n {TAIL_LINES}", None, 20.0)[1].decode().splitlines()
                )
        return "\n".join([sentence, *(lines or self.serial.splitlines())[-TAIL_LINES:]])

    def _run_on_host(self, *command: str | Path) -> None:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise MachineError(f"{command[0]}: {result.stderr.strip()}")


def _free_port() -> int:
    """A port of this host that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
