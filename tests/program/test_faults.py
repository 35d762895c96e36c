"""Faults end to end: the real program meets each fault that several parts must handle together.

How one part handles its own faults is tested with that part; docs/explanation/faults.md lists all of them.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from device import config
from device.cameras import playback
from device.cameras.performer import Performance
from device.display import panel, screen
from device.display.panel import DisplayKind, HotplugDisplay
from device.display.panes import arrange
from device.mirror import MirrorParts, run_mirror
from device.moment import Moment
from device.recording import saving
from device.start import open_mirror
from models.figures import perform
from tests.models.estimator.test_watched import wait_until
from tests.support.held import child_pids
from tests.support.jumping_clock import YEAR_SECONDS, JumpingClock
from tests.support.paths import ROOT

EXIT_SECONDS = 20.0
"""Seconds after SIGTERM in which the program must end on a busy machine. On a quiet one, they are less than five."""

SHORT_GIF = "[gif]\ncountdown = 0\nseconds = 1.0\n"


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "device.cli.main", *map(str, args)]


def processes_of(session: int) -> dict[int, str]:
    """The living processes of a session and their command lines; zombies do not count."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] not in "ZX":
                found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
        except (OSError, IndexError):
            continue
    return found


@contextmanager
def started(*args: object, env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the program in a session of its own, so that the processes it leaves behind can be found."""
    with log.open("wb") as stderr:
        process = subprocess.Popen(command(*args), env={**os.environ, **env}, stderr=stderr, start_new_session=True)
        try:
            yield process
        finally:
            for pid in processes_of(process.pid):
                with suppress(ProcessLookupError):  # it ended meanwhile
                    os.kill(pid, signal.SIGKILL)
            process.wait(60)


# SIGTERM at any moment

MOMENTS: dict[str, tuple[Callable[[int, Path], bool], float, float]] = {
    "Python starts": (lambda *_: True, 0.02, 0.4),
    "it is imported": (lambda pid, _: _catches(pid, signal.SIGTERM), 0.0, 0.8),
    "its parts are opened": (lambda pid, _: _runs(pid, "models.estimator.child"), 0.0, 0.5),
    "the first library is drawn": (lambda _, home: (home / "data/pose-mirror/.starter.building").exists(), 0.0, 1.5),
    "the library grows": (lambda pid, _: _runs(pid, "device.system.starter_growth"), 0.0, 1.5),
    "a GIF is made": (lambda pid, _: _runs(pid, "device.recording.saving"), 0.0, 0.6),
    "a display is waited for": (lambda pid, _: _runs(pid, "models.estimator.child"), 0.5, 1.5),
}
"""For each moment: the condition that starts it, then the least and the most seconds until the signal."""


def _runs(session: int, module: str) -> bool:
    return any(module in line for line in processes_of(session).values())


def _catches(pid: int, number: signal.Signals) -> bool:
    caught = re.search(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_sigterm_ends_the_program_cleanly_at_any_moment(moment: str, demo_home: dict[str, str], tmp_path: Path) -> None:
    has_come, shortest, longest = MOMENTS[moment]
    delay = random.uniform(shortest, longest)
    args: list[object] = ["run", "--camera", "performer", "--display", "headless"]
    env, settings = dict(demo_home), tmp_path / "mirror.toml"
    settings.write_text(SHORT_GIF)
    if moment == "the first library is drawn":
        env |= {"XDG_DATA_HOME": str(tmp_path / "data")}
    if moment == "a GIF is made":
        args = ["demo", "--display", "headless", "--seconds", "12", "--screenshots", tmp_path / "out"]
    if moment == "a display is waited for":
        args = ["run", "--camera", "performer", "--display", "kiosk"]
        env |= dict.fromkeys(("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"), "")
        if panel.connected_cards():
            pytest.skip("there is a display here")
    home = tmp_path if "XDG_DATA_HOME" in env and moment == "the first library is drawn" else Path(env["HOME"])
    with started(*args, "--config", settings, env=env, log=tmp_path / "log") as process:
        assert wait_until(lambda: has_come(process.pid, home), 90), (tmp_path / "log").read_text()
        time.sleep(delay)
        sent = time.monotonic()
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
        took = time.monotonic() - sent
        story = f"{delay:.3f} s after {moment!r}, in {took:.2f} s:\n{(tmp_path / 'log').read_text()}"
        # Before Python reads the first line of the program, the signal kills it. systemd counts that as a clean end.
        assert status == 0 or (moment == "Python starts" and status == -signal.SIGTERM), story
        assert took < EXIT_SECONDS, story
        assert wait_until(lambda: not processes_of(process.pid), 20.0), (processes_of(process.pid), story)
        assert "Traceback" not in story, story
    unfinished = [*home.rglob(".*.building"), *tmp_path.rglob("*.part"), *Path(env["XDG_PICTURES_DIR"]).rglob("*.part")]
    assert unfinished == [], story
    for gif in tmp_path.rglob("*.gif"):
        with Pillow.open(gif) as opened:
            opened.seek(opened.n_frames - 1)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_more_sigterms_do_not_disturb_the_exit(demo_home: dict[str, str], tmp_path: Path) -> None:
    args = ("run", "--camera", "performer", "--display", "headless")
    with started(*args, env=demo_home, log=tmp_path / "log") as process:
        assert wait_until(lambda: _runs(process.pid, "device.system.starter_growth"), 90)
        for _ in range(5):
            process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
        assert process.wait(EXIT_SECONDS) == 0
        assert wait_until(lambda: not processes_of(process.pid), 20.0)
        assert "Traceback" not in (tmp_path / "log").read_text()


# The system clock


@pytest.mark.slow
def test_a_jumping_clock_changes_only_the_names_of_gifs(demo_home: dict[str, str], tmp_path: Path) -> None:
    try:
        clock = JumpingClock(tmp_path)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    settings, out = tmp_path / "mirror.toml", tmp_path / "out"
    settings.write_text(SHORT_GIF)
    args = ("demo", "--display", "headless", "--seconds", 10, "--screenshots", out, "--config", settings)
    year_before = time.localtime().tm_year
    with started(*args, env={**demo_home, **clock.environment}, log=tmp_path / "log") as process:
        for number, years in enumerate((40, -20, 5)):  # while it runs, records and writes
            file = out / f"screen-{number:04d}.png"
            is_written = wait_until(lambda file=file: file.exists(), 90)  # type: ignore[misc]
            assert is_written, (tmp_path / "log").read_text()
            clock.jump(years * YEAR_SECONDS)
        assert process.wait(20) == 0, (tmp_path / "log").read_text()
    (gif,) = out.glob("*.gif")
    year = int(re.findall(r"\d{4}", gif.name)[0])
    assert abs(year - year_before) > 3, "the clock had not jumped when the GIF got its name"
    assert 9 <= len(list(out.glob("screen-*.png"))) <= 11, "there should be one picture a second by the monotonic clock"
    assert "Traceback" not in (tmp_path / "log").read_text()


# The whole mirror in this process


@contextmanager
def running(
    home: dict[str, str], monkeypatch: pytest.MonkeyPatch, folder: Path, source: str, *more: str
) -> Iterator[tuple[MirrorParts, list[tuple[Moment, float]]]]:
    """Open the whole mirror; yield its parts and the list of moments it shows. `pump` runs its loop."""
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    settings = folder / "mirror.toml"
    settings.write_text(
        "\n".join([f'[camera]\nsource = "{source}"', *more, SHORT_GIF.strip(), f'folder = "{folder}/gifs"'])
    )
    shown: list[tuple[Moment, float]] = []
    with open_mirror(config.load(settings), grow=False) as parts:
        yield parts, shown


def pump(parts: MirrorParts, shown: list[tuple[Moment, float]], until: Callable[[], bool], limit: float = 60.0) -> None:
    """Run the mirror's own loop until a condition holds."""
    end = time.monotonic() + limit
    while not until():
        assert time.monotonic() < end, f"the condition never held; shown last: {shown[-1] if shown else None}"
        run_mirror(parts, fps=30, seconds=0.2, callbacks=[lambda moment, now: shown.append((moment, now))])


@pytest.mark.slow
def test_broken_pictures_do_not_keep_the_next_visitor_waiting(
    demo_home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    person = perform(1.5, 640, 480)[0]
    half = person.copy()
    half[240:] = 128  # a truncated JPEG decodes to this
    pictures = {
        "a-noise": np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8),
        "b-black": np.zeros((480, 640, 3), np.uint8),
        "c-half": half,
        "e-one-pixel": person[:1, :1],
        "f-a-line": np.ascontiguousarray(person[:1]),
        "g-person": person,
    }
    (tmp_path / "camera").mkdir()
    for name, picture in pictures.items():
        Pillow.fromarray(picture).save(tmp_path / "camera" / f"{name}.png")
    (tmp_path / "camera" / "d-torn.png").write_bytes((tmp_path / "camera" / "g-person.png").read_bytes()[:3000])
    monkeypatch.setattr(playback, "SECONDS_PER_PICTURE", 0.4)
    with running(demo_home, monkeypatch, tmp_path, str(tmp_path / "camera")) as (parts, shown):
        seen: set[tuple[int, ...]] = set()

        def saw_all_pictures() -> bool:
            for moment, _ in shown[-20:]:
                if moment.frame is not None:
                    seen.add((*moment.frame.image.shape[:2], int(moment.frame.image.mean())))
            return len(seen) >= len(pictures) and shown[-1][0].visitor is not None

        pump(parts, shown, saw_all_pictures)
    assert not any(moment.faults for moment, _ in shown)
    assert re.search(r"d-torn\.png .*skipped", caplog.text)


@pytest.mark.slow
def test_survives_unplugging_and_fills_another_display(
    demo_home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = tmp_path / "drm" / "card1-HDMI-A-1"
    connector.mkdir(parents=True)

    def plug(modes: str | None) -> None:
        (connector / "modes").write_text(modes or "")
        (connector / "status").write_text("connected\n" if modes else "disconnected\n")

    def mode(kind: DisplayKind, size: tuple[int, int] | None) -> tuple[tuple[int, int], int]:
        if kind != "kiosk":
            return size or panel.DEFAULT_SIZE, 0
        width, _, height = panel.connected_displays(connector.parent)[0].modes.split()[0].partition("x")
        return (int(width), int(height)), 0

    monkeypatch.setattr(panel, "KIOSK_DRIVER", "dummy")
    monkeypatch.setattr(panel, "_mode", mode)
    monkeypatch.setattr(screen, "HotplugDisplay", partial(HotplugDisplay, drm=connector.parent))
    home = {**demo_home, "SDL_VIDEODRIVER": "", "DISPLAY": "", "WAYLAND_DISPLAY": ""}
    plug(None)
    with running(home, monkeypatch, tmp_path, "performer", '[screen]\ndisplay = "kiosk"') as (parts, shown):
        assert parts.screen.display_missing
        pump(parts, shown, lambda: bool(shown) and shown[-1][0].visitor is not None)
        parts.recorder.press(time.monotonic())
        plug("400x300\n")
        pump(parts, shown, lambda: not parts.screen.display_missing and shown[-1][0].canvas == (400, 300))
        plug(None)
        pump(parts, shown, lambda: parts.screen.display_missing)
        last = shown[-1][0]
        pump(parts, shown, lambda: shown[-1][0].frame is not last.frame)
        plug("300x400\n")
        plugged_in = time.monotonic()
        pump(parts, shown, lambda: not parts.screen.display_missing)
        assert time.monotonic() - plugged_in < 10
        pane = arrange((300, 400), "side").answers[0]
        pump(parts, shown, lambda: (photo := shown[-1][0].photo) is not None and photo.canvas == pane.size)
        assert parts.screen.snapshot().shape == (400, 300, 3)
        pump(parts, shown, lambda: any((tmp_path / "gifs").glob("*.gif")))


@pytest.mark.slow
def test_exits_in_time_when_every_part_hangs(
    demo_home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Camera, estimator and GIF hang at once, as after a USB hub is unplugged."""
    release = threading.Event()
    monkeypatch.setattr(Performance, "close", lambda _: release.wait(60))
    start = saving._start_process

    def hanging() -> subprocess.Popen[bytes]:
        process = start()
        process.send_signal(signal.SIGSTOP)
        return process

    monkeypatch.setattr(saving, "_start_process", hanging)
    with running(demo_home, monkeypatch, tmp_path, "performer") as (parts, shown):
        pump(parts, shown, lambda: bool(shown) and shown[-1][0].visitor is not None)
        parts.recorder.press(time.monotonic())
        pump(parts, shown, lambda: bool(_own("device.recording.saving")))
        (estimator,) = _own("models.estimator.child")
        os.kill(estimator, signal.SIGSTOP)
        children = [estimator, *_own("device.recording.saving")]
        closing = time.monotonic()
    assert time.monotonic() - closing < EXIT_SECONDS
    assert "The camera hangs while it is opened or closed" in caplog.text
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    assert not {"sense", "camera", "estimator", "gif"} & _threads()
    assert "camera keeper" in _threads(), "the camera should still hang"
    release.set()
    assert wait_until(lambda: "camera keeper" not in _threads(), 5.0)
    assert not list((tmp_path / "gifs").glob("*")), "an unfinished GIF was left"


def _threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def _own(module: str) -> list[int]:
    """This process's children that run a module. Before exec, the kernel still shows their parent's command line."""
    lines = processes_of(os.getsid(0))
    return [pid for pid in child_pids() if module in lines.get(pid, "")]


# A memory limit

EXHAUSTS_MEMORY = """
import sys
from pathlib import Path
import numpy as np
from tests.support.failing_estimators import EXHAUST_MEMORY, SUCCEED, FailingEstimator
from models.estimator.watched import EstimatorOptions, EstimatorProcess, EstimatorUnavailable
image = np.zeros((48, 64, 3), np.uint8)
held = np.ones(200_000_000, np.uint8)  # larger than the estimator: by size alone the kernel would kill this process
with EstimatorProcess(Path(sys.argv[1]), options=EstimatorOptions(device="cpu"), factory=FailingEstimator) as process:
    process.wait_until_ready()
    image[0, 0] = EXHAUST_MEMORY, 1, 0
    try:
        process.estimate(image)
    except EstimatorUnavailable as error:
        print(error, flush=True)
    process.wait_until_ready()
    image[0, 0] = SUCCEED, 1, 0
    print(len(process.estimate(image)))
"""


@contextmanager
def control_group(limit: int) -> Iterator[Path]:
    """Make a control group with a memory limit in bytes and no swap, of cgroup version 2 or 1.

    Skips the test where none can be made.
    """
    name = f"pose-mirror-test-{os.getpid()}"
    for root, limits in (
        (Path("/sys/fs/cgroup"), {"memory.max": limit, "memory.swap.max": 0}),
        (Path("/sys/fs/cgroup/memory"), {"memory.limit_in_bytes": limit, "memory.memsw.limit_in_bytes": limit}),
    ):
        group = root / name
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            supported = {file: value for file, value in limits.items() if (group / file).exists()}
            for file, value in supported.items():  # a kernel without swap lacks the second file
                (group / file).write_text(str(value))
            if supported:
                yield group
                return
        finally:
            wait_until(lambda group=group: _removed(group))  # type: ignore[misc]
    pytest.skip("only root can make control groups, and not in every container")


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except OSError:
        return False
    return True


@pytest.mark.slow
def test_the_memory_limit_kills_the_estimator_not_the_mirror(tmp_path: Path) -> None:
    """Even when the mirror uses more memory than the estimator."""
    (tmp_path / "model").write_text("")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with control_group(400_000_000) as group:
        join = f"import os; open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))"
        result = subprocess.run(
            [sys.executable, "-c", f"{join}\n{EXHAUSTS_MEMORY}", tmp_path / "model"],
            env=env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert result.stdout.splitlines() == ["The estimator stopped (SIGKILL) and is restarting.", "1"], result.stderr


def test_the_table_of_faults_names_existing_tests() -> None:
    named = re.findall(r"\[(\w+)\]\((?:\.\./)+(tests/[\w/]+\.py)\)", (ROOT / "docs/explanation/faults.md").read_text())
    assert len(named) > 20
    missing = [(name, file) for name, file in named if f"def test_{name}(" not in (ROOT / file).read_text()]
    assert missing == []
