"""What the mirror reports to systemd, and the files with which systemd runs it."""

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
from device.moment import Moment
from device.system.systemd import Beat, Heartbeat, Notifier, write_last_words
from tests.support.paths import ROOT

SYSTEMD = ROOT / "systemd"
UNIT = SYSTEMD / "pose-mirror.service"
SCRIPTS = ("install.sh", "pose-mirror", "say-why", "blank-console")
CANVAS = (64, 48)


class ServiceManager:
    """The service manager's end of the socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    def received(self) -> list[str]:
        """Return every line since the last call."""
        lines: list[str] = []
        while True:
            try:
                lines += self.socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return lines

    def wait_for(self, beginning: str, seconds: float) -> list[str]:
        """Return all lines up to one with this beginning."""
        lines: list[str] = []
        end = time.monotonic() + seconds
        while not any(line.startswith(beginning) for line in lines):
            assert time.monotonic() < end, f"no {beginning} in {seconds} s, but {lines}"
            time.sleep(0.05)
            lines += self.received()
        return lines


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    manager = ServiceManager(tmp_path / "notify")
    with manager.socket:
        yield manager


def moment(captured_at: float | None = None, *faults: str) -> Moment:
    image = np.zeros((48, 64, 3), np.uint8)
    return Moment(
        CANVAS, None if captured_at is None else Frame(image, image, captured_at, mirrored=True), faults=faults
    )


def heartbeat_to(manager: ServiceManager) -> Heartbeat:
    return Heartbeat(Notifier(str(manager.path)), lambda: "cpu")


def test_is_ready_with_the_first_frame(manager: ServiceManager) -> None:
    heartbeat = heartbeat_to(manager)
    heartbeat.on_drawn(moment(), 10.0)
    assert manager.received() == [], "there is no frame yet, so the picture is empty"
    heartbeat.on_drawn(moment(9.9), 10.1)
    assert "READY=1" in manager.received()
    heartbeat.on_drawn(moment(10.1), 10.2)
    assert "READY=1" not in manager.received(), "READY is sent once"


def test_is_ready_when_it_reports_a_missing_camera(manager: ServiceManager) -> None:
    heartbeat = heartbeat_to(manager)
    heartbeat.on_drawn(moment(None, "No camera found."), 10.0)
    assert "READY=1" in manager.received()
    heartbeat.on_drawn(moment(None, "No camera found."), 16.0)
    assert {"WATCHDOG=1", "STATUS=No camera found."} <= set(manager.received())


def test_only_new_moments_feed_the_watchdog(manager: ServiceManager) -> None:
    heartbeat, last = heartbeat_to(manager), moment(10.0)
    heartbeat.on_drawn(last, 10.0)
    manager.received()
    for now in np.arange(10.0, 30.0, 0.1):
        heartbeat.on_drawn(last, float(now))  # the sensing thread hangs, and the main thread draws the same moment
    assert manager.received() == []
    heartbeat.on_drawn(moment(30.0), 30.0)
    assert "WATCHDOG=1" in manager.received()


def test_feeds_the_watchdog_once_a_second(manager: ServiceManager) -> None:
    heartbeat = heartbeat_to(manager)
    for now in np.arange(0, 10, 0.05):
        heartbeat.on_drawn(moment(float(now)), float(now))
    assert 8 <= manager.received().count("WATCHDOG=1") <= 10


def test_the_status_has_frame_rate_latency_and_device(manager: ServiceManager) -> None:
    heartbeat = heartbeat_to(manager)
    for now in np.arange(0, 10.5, 0.05):
        heartbeat.on_drawn(moment(float(now) - 0.06), float(now))
    status = [line for line in manager.received() if line.startswith("STATUS=")][-1]
    assert status == "STATUS=20 fps, 60 ms from camera to display, estimated on the CPU."


def test_the_status_names_the_faults(manager: ServiceManager) -> None:
    heartbeat = heartbeat_to(manager)
    for now in np.arange(0, 6, 0.1):
        heartbeat.on_drawn(moment(float(now), "The library is damaged."), float(now))
    assert "The library is damaged." in [line for line in manager.received() if line.startswith("STATUS=")][-1]


def test_each_beat_has_averages_of_its_own(manager: ServiceManager) -> None:
    beats: list[Beat] = []
    heartbeat = Heartbeat(Notifier(), lambda: "cpu", lambda: True, beats.append)
    for now in np.arange(0, 10.5, 0.05):
        late = 0.06 if now < 5.01 else 0.2
        heartbeat.on_drawn(moment(float(now) - late, "No button."), float(now))
    assert beats[0].averages is None, "the first drawing is one frame"
    assert [beat.averages and round(beat.averages.latency_ms) for beat in beats[1:]] == [60, 200]
    assert [beat.averages and round(beat.averages.fps) for beat in beats[1:]] == [20, 20]
    assert {beat.faults for beat in beats} == {("No button.", "No display is plugged in.")}


def test_a_fault_may_name_any_file(manager: ServiceManager, tmp_path: Path) -> None:
    fault = os.fsdecode(b"/srv/caf\xe9.mp4 cannot be played.")
    Notifier(str(manager.path)).notify(STATUS=fault)
    assert manager.received() == ["STATUS=/srv/caf?.mp4 cannot be played."]
    write_last_words(fault, {"RUNTIME_DIRECTORY": str(tmp_path), "NOTIFY_SOCKET": "x"})
    assert (tmp_path / "last-words").read_text(encoding="utf-8") == "/srv/caf?.mp4 cannot be played.\n"


def test_a_long_start_asks_for_more_time(manager: ServiceManager) -> None:
    Notifier(str(manager.path)).notify_starting("Drawing the starter library: 3\nof 400", 30.0)
    assert manager.received() == ["STATUS=Drawing the starter library: 3 of 400", "EXTEND_TIMEOUT_USEC=30000000"]


def test_understands_an_abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as abstract:
        abstract.bind(f"\0pose-mirror-test-{os.getpid()}")
        Notifier(f"@pose-mirror-test-{os.getpid()}").notify(READY="1")
        assert abstract.recv(100) == b"READY=1"


def test_works_without_a_service_manager(tmp_path: Path) -> None:
    Notifier().notify(READY="1")
    Notifier(str(tmp_path / "gone")).notify(READY="1")


def test_only_a_service_leaves_last_words(tmp_path: Path) -> None:
    write_last_words("No.", {"RUNTIME_DIRECTORY": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []
    write_last_words("No.", {"RUNTIME_DIRECTORY": str(tmp_path), "NOTIFY_SOCKET": "/run/notify"})
    assert (tmp_path / "last-words").read_text() == "No.\n"


@pytest.fixture(scope="module")
def service(demo_home: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The lines that a real mirror sends, started as systemd does, until it is stopped after its first status."""
    manager = ServiceManager(tmp_path_factory.mktemp("service") / "notify")
    command = [sys.executable, "-m", "device.cli.main", "run", "--camera", "performer", "--display", "headless"]
    environment = {**os.environ, **demo_home, "NOTIFY_SOCKET": str(manager.path)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        lines = manager.wait_for("READY", 60) + manager.wait_for("STATUS=", 30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        yield lines + manager.received()
    finally:
        manager.socket.close()
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_real_mirror_reports_to_systemd(service: list[str]) -> None:
    assert service.count("READY=1") == 1
    assert "WATCHDOG=1" in service
    assert any("fps" in line and "from camera to display, estimated on the CPU" in line for line in service)
    assert service[-1] == "STOPPING=1"


def test_others_may_read_the_status_and_list_nothing() -> None:
    lines = UNIT.read_text().splitlines()
    assert "RuntimeDirectoryMode=0711" in lines
    assert "RuntimeDirectoryPreserve=restart" in lines


@pytest.mark.slow
def test_a_mirror_that_cannot_start_leaves_its_reason(demo_home: dict[str, str], tmp_path: Path) -> None:
    configuration = tmp_path / "pose-mirror.toml"
    configuration.write_text("[camera]\nsorce = 'usb'\n")
    command = [sys.executable, "-m", "device.cli.main", "run", "--config", str(configuration)]
    service = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "RUNTIME_DIRECTORY": str(tmp_path)}
    result = subprocess.run(command, env={**os.environ, **demo_home, **service}, capture_output=True, check=False)
    assert result.returncode == 1
    assert "did you mean 'source'?" in (tmp_path / "last-words").read_text()


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, check=False)


def test_the_service_is_sandboxed_as_promised() -> None:
    result = analyze("security", "--offline=true", "--threshold=25", UNIT)
    assert result.returncode == 0, result.stdout


def test_notices_a_service_without_its_sandbox(tmp_path: Path) -> None:
    bare = tmp_path / "bare.service"
    kept = [line for line in UNIT.read_text().splitlines() if not line.startswith(("Protect", "Private", "Capab"))]
    bare.write_text("\n".join(kept))
    assert analyze("security", "--offline=true", "--threshold=25", bare).returncode != 0


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """The paths are replaced, because they exist only on an installed kiosk."""
    unit = tmp_path / UNIT.name
    program = shutil.which("true")
    lines = (
        f"{line.split('=')[0]}={program}" if line.startswith("Exec") else line for line in UNIT.read_text().split("\n")
    )
    unit.write_text("\n".join(lines))
    errors = analyze("verify", unit).stderr
    assert "pose-mirror.service" not in errors, errors


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_script_is_executable(name: str) -> None:
    assert os.access(SYSTEMD / name, os.X_OK)


def run_say_why(tmp_path: Path, **environment: str) -> str:
    """Return what `say-why` writes on its console."""
    console = tmp_path / "console"
    console.touch()
    base = {"PATH": os.environ["PATH"], "RUNTIME_DIRECTORY": str(tmp_path)}
    subprocess.run([SYSTEMD / "say-why", console], env={**base, **environment}, check=True)
    return console.read_text()


CLEAR = "\033[2J"


def seconds_before_start(tmp_path: Path) -> int:
    """Return the seconds that `blank-console` sleeps before a start."""
    log = tmp_path / "slept"
    log.unlink(missing_ok=True)
    sleep = tmp_path / "sleep"
    sleep.write_text(f"#!/bin/sh\necho $1 >{log}\n")
    sleep.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "RUNTIME_DIRECTORY": str(tmp_path)}
    subprocess.run([SYSTEMD / "blank-console", tmp_path / "console"], env=environment, check=True)
    return int(log.read_text()) if log.exists() else 0


def test_waits_longer_after_each_failure_in_a_row(tmp_path: Path) -> None:
    waits = [seconds_before_start(tmp_path)]
    for _ in range(7):
        run_say_why(tmp_path, SERVICE_RESULT="exit-code", EXIT_STATUS="1")
        waits.append(seconds_before_start(tmp_path))
    assert waits == [0, 0, 1, 3, 7, 15, 30, 30]


def test_a_failure_after_minutes_starts_a_new_count(tmp_path: Path) -> None:
    for _ in range(5):
        run_say_why(tmp_path, SERVICE_RESULT="exit-code", EXIT_STATUS="1")
    (tmp_path / "started").write_text(f"{time.clock_gettime(time.CLOCK_BOOTTIME) - 600:.0f}\n")
    run_say_why(tmp_path, SERVICE_RESULT="watchdog")
    assert seconds_before_start(tmp_path) == 0


def test_a_stopped_mirror_starts_again_at_once(tmp_path: Path) -> None:
    for _ in range(5):
        run_say_why(tmp_path, SERVICE_RESULT="exit-code", EXIT_STATUS="1")
    run_say_why(tmp_path, SERVICE_RESULT="success")
    assert seconds_before_start(tmp_path) == 0


def test_a_mirror_ended_by_its_alarm_was_stopped(tmp_path: Path) -> None:
    text = run_say_why(tmp_path, SERVICE_RESULT="signal", EXIT_STATUS="ALRM")
    assert "restarting" not in text


def test_a_stopped_mirror_leaves_the_display_empty(tmp_path: Path) -> None:
    assert run_say_why(tmp_path, SERVICE_RESULT="success") == f"{CLEAR}\033[H"


def test_the_text_stays_while_starts_fail(tmp_path: Path) -> None:
    console = tmp_path / "console"
    blank = [SYSTEMD / "blank-console", console]
    environment = {"PATH": os.environ["PATH"], "RUNTIME_DIRECTORY": str(tmp_path)}
    subprocess.run(blank, env=environment, check=True)
    assert CLEAR in console.read_text(), "the first start clears the console"
    run_say_why(tmp_path, SERVICE_RESULT="watchdog")
    subprocess.run(blank, env=environment, check=True)
    assert CLEAR not in console.read_text()


def test_the_display_shows_the_last_words(tmp_path: Path) -> None:
    (tmp_path / "last-words").write_text("The model is missing: pose-mirror models fetch.\n")
    text = run_say_why(tmp_path, SERVICE_RESULT="exit-code", EXIT_STATUS="1")
    assert "The mirror is restarting." in text
    assert "The model is missing: pose-mirror models fetch." in text
    assert not (tmp_path / "last-words").exists(), "the next failure may have another reason"


def test_last_words_cannot_control_the_console(tmp_path: Path) -> None:
    (tmp_path / "last-words").write_text("\033]0;title\007No.\n")
    text = run_say_why(tmp_path, SERVICE_RESULT="exit-code")
    assert "]0;titleNo." in text
    assert text.count("\033") == 2, "only those that clear the screen"


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        ("watchdog", "It stopped responding."),
        ("timeout", "It took too long to start or to stop."),
        ("signal", "It stopped unexpectedly (signal, SEGV)."),
    ],
)
def test_the_display_says_how_a_mirror_ended(tmp_path: Path, result: str, sentence: str) -> None:
    assert sentence in run_say_why(tmp_path, SERVICE_RESULT=result, EXIT_STATUS="SEGV")


def test_install_explains_and_checks_its_options() -> None:
    result = subprocess.run([SYSTEMD / "install.sh", "--help"], capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert all(option in result.stdout for option in ("--check", "--uninstall", "--purge", "--hotspot", "--no-hotspot"))
    assert subprocess.run([SYSTEMD / "install.sh", "--purge"], capture_output=True, check=False).returncode == 2
    assert subprocess.run([SYSTEMD / "install.sh", "nonsense"], capture_output=True, check=False).returncode == 2
    both = f"{SYSTEMD / 'install.sh'} --hotspot --check".split()
    assert subprocess.run(both, capture_output=True, check=False).returncode == 2
