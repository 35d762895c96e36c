"""The faults that `soak.py` injects into a running mirror: each strikes on entering its context, and ends on leaving
it."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from tests.support.jumping_clock import YEAR_SECONDS, JumpingClock

CONNECTOR: Final = "card1-HDMI-A-1"
"""The display's connector in the stand-in for /sys/class/drm."""
DISPLAY_SIZES: Final = ("1280x720", "720x1280")
"""Displays that are plugged in by turns. Both have as many pixels, because these decide how much memory is needed.
"""


@dataclass
class Workspace:
    """All that the mirror under test needs, in one folder; `pid` is its process."""

    folder: Path
    clock: JumpingClock | None
    mounted: bool
    """Whether the folder for GIFs is a small disk of its own, so that it can be filled."""
    pid: int = 0
    display_count: int = 0

    @property
    def can_fill_disk(self) -> bool:
        """Whether writing GIFs can be made to fail: root can write even to a folder without write permission."""
        return self.mounted or os.geteuid() != 0

    @property
    def video(self) -> Path:
        return self.folder / "video.avi"

    @property
    def library(self) -> Path:
        return self.folder / "library"

    @property
    def model(self) -> Path:
        return self.folder / "model.tflite"

    @property
    def gifs(self) -> Path:
        return self.folder / "gifs"

    @property
    def drm(self) -> Path:
        return self.folder / "drm"

    def set_display(self, connected: bool) -> None:
        """Plug the display in or out; each time another display is plugged in."""
        connector = self.drm / CONNECTOR
        connector.mkdir(parents=True, exist_ok=True)
        if connected:
            (connector / "modes").write_text(f"{DISPLAY_SIZES[self.display_count % len(DISPLAY_SIZES)]}\n")
            self.display_count += 1
        (connector / "status").write_text("connected\n" if connected else "disconnected\n")


@dataclass(frozen=True)
class Fault:
    """One kind of fault: how it is injected, and for how many seconds it lasts (least, most).

    `message_pattern` matches the sentence that must be on the screen. With `needs_press` the button is pressed a
    second before. With `may_spoil_gif` a sentence may replace a GIF.
    """

    name: str
    inject: Callable[[Workspace], AbstractContextManager[None]]
    seconds: tuple[float, float] = (0.0, 0.0)
    message_pattern: str = ""
    needs_press: bool = False
    may_spoil_gif: bool = False


def process_tree(pid: int) -> dict[int, str]:
    """Return a process and all its descendants by their numbers, with the role of each."""
    roles = {pid: _role(pid)}
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            children = (task / "children").read_text().split()
        except OSError:
            continue
        for child in children:
            roles.update(process_tree(int(child)))
    return roles


def _role(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return "gone"
    roles = {b"models.estimator.child": "estimator", b"device.recording.saving": "gif", b"soak_mirror": "mirror"}
    return next((role for module, role in roles.items() if module in command), "other")


def wait_for_process(workspace: Workspace, role: str, timeout: float = 20.0) -> int | None:
    """Wait for a process with this role, and return its number, or None after `timeout` seconds."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        for pid, found_role in process_tree(workspace.pid).items():
            if found_role == role:
                return pid
        time.sleep(0.02)
    return None


def send_signal(role: str, number: signal.Signals) -> Callable[[Workspace], AbstractContextManager[None]]:
    """Return a fault that sends a signal to one of the mirror's processes."""

    @contextmanager
    def inject(workspace: Workspace) -> Iterator[None]:
        pid = wait_for_process(workspace, role)
        if pid is not None:
            os.kill(pid, number)
        yield

    return inject


def move_away(path_of: Callable[[Workspace], Path]) -> Callable[[Workspace], AbstractContextManager[None]]:
    """Return a fault that moves a file or folder away, and back."""

    @contextmanager
    def inject(workspace: Workspace) -> Iterator[None]:
        path = path_of(workspace)
        aside = path.with_name(f"aside-{path.name}")
        path.rename(aside)
        try:
            yield
        finally:
            aside.rename(path)

    return inject


@contextmanager
def video_damaged(place: Workspace) -> Iterator[None]:
    """The camera's file holds no picture at all."""
    with move_away(lambda place: place.video)(place):
        place.video.write_bytes(os.urandom(200_000))
        try:
            yield
        finally:
            place.video.unlink()


@contextmanager
def video_of_noise(place: Workspace) -> Iterator[None]:
    """The camera gives noise, black pictures, and pictures that are half missing."""
    noise = place.folder / "noise.avi"
    if not noise.exists():
        write_video(noise, _noise_frames())
    with move_away(lambda place: place.video)(place):
        shutil.copy(noise, place.video)
        try:
            yield
        finally:
            place.video.unlink()


def _noise_frames() -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for number in range(60):
        picture = rng.integers(0, 256, (480, 640, 3), np.uint8)
        picture[number * 8 :] = 0
        yield picture


def write_video(path: Path, pictures: Iterator[np.ndarray], fps: float = 30.0) -> None:
    """Write H×W×3 RGB pictures of one size as a video."""
    writer = None
    for picture in pictures:
        if writer is None:
            size = picture.shape[1], picture.shape[0]
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, size)
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    assert writer is not None, "a video needs at least one picture"
    writer.release()


@contextmanager
def library_damaged(place: Workspace) -> Iterator[None]:
    """A damaged library replaces the one in use."""
    with move_away(lambda place: place.library)(place):
        shutil.copytree(place.folder / "aside-library", place.library)
        index = next(place.library.glob("*.annoy"))
        index.write_bytes(index.read_bytes()[:-100])
        try:
            yield
        finally:
            shutil.rmtree(place.library)


@contextmanager
def library_replaced(place: Workspace) -> Iterator[None]:
    """Another intact library replaces the one in use."""
    other, between = place.folder / "other", place.folder / "between"
    place.library.rename(between)
    other.rename(place.library)
    between.rename(other)
    yield


@contextmanager
def model_damaged(place: Workspace) -> Iterator[None]:
    """The model's file is cut short, and the estimator restarted."""
    content = place.model.read_bytes()
    _replace_file(place.model, content[: len(content) // 2])
    pid = wait_for_process(place, "estimator")
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
    try:
        yield
    finally:
        _replace_file(place.model, content)


def _replace_file(path: Path, data: bytes) -> None:
    """Replace a file as a careful program does: those who have the old file open keep it intact."""
    new = path.with_suffix(".new")
    new.write_bytes(data)
    new.rename(path)


@contextmanager
def disk_full(place: Workspace) -> Iterator[None]:
    """The disk of the GIFs is full; if it cannot be filled, the folder gets no write permission."""
    filler = place.gifs / "filler"
    if place.mounted:
        with filler.open("wb") as file:
            file.write(bytes(max(shutil.disk_usage(place.gifs).free - 30_000_000, 0)))
    else:
        place.gifs.chmod(0o555)
    try:
        yield
    finally:
        filler.unlink(missing_ok=True)
        place.gifs.chmod(0o755)


def jump_clock(years: float) -> Callable[[Workspace], AbstractContextManager[None]]:
    """Return a fault that moves the time of day by some years, and back."""

    @contextmanager
    def inject(workspace: Workspace) -> Iterator[None]:
        if workspace.clock is not None:
            workspace.clock.jump(years * YEAR_SECONDS)
        yield
        if workspace.clock is not None:
            workspace.clock.jump(0)

    return inject


@contextmanager
def display_away(place: Workspace) -> Iterator[None]:
    """The display is unplugged, and another one plugged in."""
    place.set_display(False)
    yield
    place.set_display(True)


FAULTS: Final = (
    Fault(
        "estimator killed (SIGKILL)",
        send_signal("estimator", signal.SIGKILL),
        message_pattern=r"estimator stopped \(SIGKILL\)",
    ),
    Fault(
        "estimator aborts (SIGABRT)",
        send_signal("estimator", signal.SIGABRT),
        message_pattern=r"estimator stopped \(SIGABRT\)",
    ),
    Fault(
        "estimator hangs (SIGSTOP)",
        send_signal("estimator", signal.SIGSTOP),
        message_pattern="estimator did not answer for 5 s",
    ),
    Fault("model file damaged", model_damaged, (4, 8), r"model\.tflite"),
    Fault("library gone", move_away(lambda place: place.library), (7, 10), "no library at"),
    Fault("library damaged", library_damaged, (7, 10), r"\.annoy"),
    Fault("library replaced", library_replaced),
    Fault("camera gone", move_away(lambda place: place.video), (16, 20), "video.avi", may_spoil_gif=True),
    Fault("camera damaged", video_damaged, (16, 20), "video.avi ", may_spoil_gif=True),
    Fault("camera gives noise", video_of_noise, (16, 20), may_spoil_gif=True),
    Fault(
        "disk of the GIFs full",
        disk_full,
        (14, 16),
        "The GIF could not be saved",
        needs_press=True,
        may_spoil_gif=True,
    ),
    Fault("GIF's process killed", send_signal("gif", signal.SIGKILL), (1, 1), "The GIF could not be saved", True, True),
    Fault("clock 5 years ahead", jump_clock(5), (14, 16), needs_press=True),
    Fault("clock 30 years back", jump_clock(-30), (14, 16), needs_press=True),
    Fault("display unplugged", display_away, (3, 8)),
)
"""All faults. The patterns are parts of the mirror's own sentences."""
