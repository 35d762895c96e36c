"""What systemd hears of the mirror, and the files by which it runs it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from device.cameras.base import Frame
from device.mirror import Moment
from device.system.systemd import Heartbeat, Notifier, write_last_words
from tests.support.paths import ROOT

SYSTEMD = ROOT / "systemd"
UNIT = SYSTEMD / "pose-mirror.service"
SCRIPTS = ("install.sh", "pose-mirror", "say-why", "blank-console")
CANVAS = (64, 48)


class Ear:
    """The service manager's end of the socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        """Every line since the last call."""
        lines: list[str] = []
        while True:
            try:
                lines += self.socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return lines

    def wait_for(self, beginning: str, seconds: float) -> list[str]:
        """All lines up to one that begins so."""
        lines: list[str] = []
        until = time.monotonic() + seconds
        while not any(line.startswith(beginning) for line in lines):
            assert time.monotonic() < until, f"no {beginning} in {seconds} s, but {lines}"
            time.sleep(0.05)
            lines += self.heard()
        return lines


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    made = Ear(tmp_path / "notify")
    with made.socket:
        yield made


def moment(taken: float | None = None, *faults: str) -> Moment:
    image = np.zeros((48, 64, 3), np.uint8)
    return Moment(CANVAS, None if taken is None else Frame(image, image, taken, mirrored=True), faults=faults)


def pulse(ear: Ear) -> Heartbeat:
    return Heartbeat(Notifier(str(ear.path)), lambda: "cpu")


def test_the_mirror_is_ready_with_the_first_picture_that_was_sensed(ear: Ear) -> None:
    beating = pulse(ear)
    beating.on_drawn(moment(), 10.0)
    assert ear.heard() == [], "nothing was sensed yet: the picture is empty"
    beating.on_drawn(moment(9.9), 10.1)
    assert "READY=1" in ear.heard()
    beating.on_drawn(moment(10.1), 10.2)
    assert "READY=1" not in ear.heard(), "it is said once"


def test_a_mirror_that_says_that_there_is_no_camera_is_ready_too(ear: Ear) -> None:
    beating = pulse(ear)
    beating.on_drawn(moment(None, "No camera found."), 10.0)
    assert "READY=1" in ear.heard()
    beating.on_drawn(moment(None, "No camera found."), 16.0)
    assert {"WATCHDOG=1", "STATUS=No camera found."} <= set(ear.heard())


def test_the_watchdog_is_fed_by_new_moments_alone(ear: Ear) -> None:
    beating, last = pulse(ear), moment(10.0)
    beating.on_drawn(last, 10.0)
    ear.heard()
    for now in np.arange(10.0, 30.0, 0.1):
        beating.on_drawn(last, float(now))  # the thread that senses hangs, the other draws the same again and again
    assert ear.heard() == []
    beating.on_drawn(moment(30.0), 30.0)
    assert "WATCHDOG=1" in ear.heard()


def test_the_watchdog_is_not_fed_with_every_picture(ear: Ear) -> None:
    beating = pulse(ear)
    for now in np.arange(0, 10, 0.05):
        beating.on_drawn(moment(float(now)), float(now))
    assert 8 <= ear.heard().count("WATCHDOG=1") <= 10


def test_the_status_says_how_many_frames_how_late_and_what_estimates(ear: Ear) -> None:
    beating = pulse(ear)
    for now in np.arange(0, 10.5, 0.05):
        beating.on_drawn(moment(float(now) - 0.06), float(now))
    status = [line for line in ear.heard() if line.startswith("STATUS=")][-1]
    assert status == "STATUS=20 fps, 60 ms from camera to display, estimated on the CPU."


def test_the_status_names_what_is_wrong(ear: Ear) -> None:
    beating = pulse(ear)
    for now in np.arange(0, 6, 0.1):
        beating.on_drawn(moment(float(now), "The library is damaged."), float(now))
    assert "The library is damaged." in [line for line in ear.heard() if line.startswith("STATUS=")][-1]


def test_a_long_start_asks_for_more_time(ear: Ear) -> None:
    Notifier(str(ear.path)).notify_starting("Drawing the starter library: 3\nof 400", 30.0)
    assert ear.heard() == ["STATUS=Drawing the starter library: 3 of 400", "EXTEND_TIMEOUT_USEC=30000000"]


def test_a_name_without_a_file_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as abstract:
        abstract.bind(f"\0pose-mirror-test-{os.getpid()}")
        Notifier(f"@pose-mirror-test-{os.getpid()}").notify(READY="1")
        assert abstract.recv(100) == b"READY=1"


def test_nobody_need_listen(tmp_path: Path) -> None:
    Notifier().notify(READY="1")
    Notifier(str(tmp_path / "gone")).notify(READY="1")


def test_last_words_are_left_for_the_display_of_a_service_alone(tmp_path: Path) -> None:
    write_last_words("No.", {"RUNTIME_DIRECTORY": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []
    write_last_words("No.", {"RUNTIME_DIRECTORY": str(tmp_path), "NOTIFY_SOCKET": "/run/notify"})
    assert (tmp_path / "last-words").read_text() == "No.\n"


@pytest.fixture(scope="module")
def service(demo_home: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The real mirror, started as systemd does, and all that it says until its second status."""
    ear = Ear(tmp_path_factory.mktemp("service") / "notify")
    command = [sys.executable, "-m", "device.cli.main", "run", "--camera", "performer", "--display", "headless"]
    environment = {**os.environ, **demo_home, "NOTIFY_SOCKET": str(ear.path)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        said = ear.wait_for("READY", 60) + ear.wait_for("STATUS=", 30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        yield said + ear.heard()
    finally:
        ear.socket.close()
        process.kill()
        process.wait()


@pytest.mark.slow
def test_the_real_mirror_tells_of_itself(service: list[str]) -> None:
    assert service.count("READY=1") == 1
    assert "WATCHDOG=1" in service
    assert any("fps" in line and "from camera to display, estimated on the CPU" in line for line in service)
    assert service[-1] == "STOPPING=1"


@pytest.mark.slow
def test_a_mirror_that_cannot_start_leaves_its_sentence(demo_home: dict[str, str], tmp_path: Path) -> None:
    configuration = tmp_path / "pose-mirror.toml"
    configuration.write_text("[camera]\nsorce = 'usb'\n")
    command = [sys.executable, "-m", "device.cli.main", "run", "--config", str(configuration)]
    service = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "RUNTIME_DIRECTORY": str(tmp_path)}
    ran = subprocess.run(command, env={**os.environ, **demo_home, **service}, capture_output=True, check=False)
    assert ran.returncode == 1
    assert "did you mean 'source'?" in (tmp_path / "last-words").read_text()


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(["systemd-analyze", "--no-pager", *words], capture_output=True, text=True, check=False)


def test_the_service_is_exposed_as_little_as_was_promised() -> None:
    ran = analyze("security", "--offline=true", "--threshold=25", UNIT)
    assert ran.returncode == 0, ran.stdout


def test_a_service_without_its_sandbox_would_be_noticed(tmp_path: Path) -> None:
    bare = tmp_path / "bare.service"
    kept = [line for line in UNIT.read_text().splitlines() if not line.startswith(("Protect", "Private", "Capab"))]
    bare.write_text("\n".join(kept))
    assert analyze("security", "--offline=true", "--threshold=25", bare).returncode != 0


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """All but the paths, which are there once it is installed."""
    unit = tmp_path / UNIT.name
    program = shutil.which("true")
    lines = (
        f"{line.split('=')[0]}={program}" if line.startswith("Exec") else line for line in UNIT.read_text().split("\n")
    )
    unit.write_text("\n".join(lines))
    said = analyze("verify", unit).stderr
    assert "pose-mirror.service" not in said, said


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_sound(name: str) -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    ran = subprocess.run([shellcheck, SYSTEMD / name], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert os.access(SYSTEMD / name, os.X_OK)


def said_on_the_console(tmp_path: Path, **environment: str) -> str:
    """What `say-why` writes on its console."""
    console = tmp_path / "console"
    console.touch()
    here = {"PATH": os.environ["PATH"], "RUNTIME_DIRECTORY": str(tmp_path)}
    subprocess.run([SYSTEMD / "say-why", console], env={**here, **environment}, check=True)
    return console.read_text()


EMPTIED = "\033[2J"


def waited_for(tmp_path: Path) -> int:
    """The seconds that a start waits for, as `blank-console` would sleep them."""
    slept = tmp_path / "slept"
    slept.unlink(missing_ok=True)
    sleep = tmp_path / "sleep"
    sleep.write_text(f"#!/bin/sh\necho $1 >{slept}\n")
    sleep.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "RUNTIME_DIRECTORY": str(tmp_path)}
    subprocess.run([SYSTEMD / "blank-console", tmp_path / "console"], env=environment, check=True)
    return int(slept.read_text()) if slept.exists() else 0


def test_each_failure_in_a_row_is_waited_for_longer_up_to_half_a_minute(tmp_path: Path) -> None:
    waits = [waited_for(tmp_path)]
    for _ in range(7):
        said_on_the_console(tmp_path, SERVICE_RESULT="exit-code", EXIT_STATUS="1")
        waits.append(waited_for(tmp_path))
    assert waits == [0, 0, 1, 3, 7, 15, 30, 30]


def test_a_failure_after_some_minutes_is_the_first_of_others(tmp_path: Path) -> None:
    for _ in range(5):
        said_on_the_console(tmp_path, SERVICE_RESULT="exit-code", EXIT_STATUS="1")
    (tmp_path / "started").write_text(f"{time.clock_gettime(time.CLOCK_BOOTTIME) - 600:.0f}\n")
    said_on_the_console(tmp_path, SERVICE_RESULT="watchdog")
    assert waited_for(tmp_path) == 0


def test_a_mirror_that_was_stopped_starts_again_at_once(tmp_path: Path) -> None:
    for _ in range(5):
        said_on_the_console(tmp_path, SERVICE_RESULT="exit-code", EXIT_STATUS="1")
    said_on_the_console(tmp_path, SERVICE_RESULT="success")
    assert waited_for(tmp_path) == 0


def test_a_mirror_that_its_own_alarm_ended_was_told_to_end(tmp_path: Path) -> None:
    said = said_on_the_console(tmp_path, SERVICE_RESULT="signal", EXIT_STATUS="ALRM")
    assert "restarting" not in said


def test_a_mirror_that_was_stopped_leaves_the_display_empty(tmp_path: Path) -> None:
    assert said_on_the_console(tmp_path, SERVICE_RESULT="success") == f"{EMPTIED}\033[H"


def test_what_is_said_stays_while_it_is_tried_again(tmp_path: Path) -> None:
    console = tmp_path / "console"
    blank = [SYSTEMD / "blank-console", console]
    environment = {"PATH": os.environ["PATH"], "RUNTIME_DIRECTORY": str(tmp_path)}
    subprocess.run(blank, env=environment, check=True)
    assert EMPTIED in console.read_text(), "what was there is wiped away at first"
    said_on_the_console(tmp_path, SERVICE_RESULT="watchdog")
    subprocess.run(blank, env=environment, check=True)
    assert EMPTIED not in console.read_text()


def test_the_display_says_what_the_mirror_said_last(tmp_path: Path) -> None:
    (tmp_path / "last-words").write_text("The model is missing: pose-mirror models fetch.\n")
    said = said_on_the_console(tmp_path, SERVICE_RESULT="exit-code", EXIT_STATUS="1")
    assert "The mirror is restarting." in said
    assert "The model is missing: pose-mirror models fetch." in said
    assert not (tmp_path / "last-words").exists(), "it is not true of the next failure"


def test_the_display_takes_no_orders_from_last_words(tmp_path: Path) -> None:
    (tmp_path / "last-words").write_text("\033]0;title\007No.\n")
    said = said_on_the_console(tmp_path, SERVICE_RESULT="exit-code")
    assert "]0;titleNo." in said
    assert said.count("\033") == 2, "but those that empty the screen"


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        ("watchdog", "It stopped responding."),
        ("timeout", "It took too long to start or to stop."),
        ("signal", "It stopped unexpectedly (signal, SEGV)."),
    ],
)
def test_the_display_says_how_a_mirror_without_words_ended(tmp_path: Path, result: str, sentence: str) -> None:
    assert sentence in said_on_the_console(tmp_path, SERVICE_RESULT=result, EXIT_STATUS="SEGV")


def test_install_says_what_it_understands() -> None:
    ran = subprocess.run([SYSTEMD / "install.sh", "--help"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0
    assert all(word in ran.stdout for word in ("--check", "--uninstall", "--purge"))
    assert subprocess.run([SYSTEMD / "install.sh", "--purge"], capture_output=True, check=False).returncode == 2
    assert subprocess.run([SYSTEMD / "install.sh", "nonsense"], capture_output=True, check=False).returncode == 2
