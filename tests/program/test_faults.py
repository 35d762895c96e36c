"""Faults end to end: the real program, or all of the mirror, before whatever can befall it; see docs/faults.md.

What one part does about its own faults is tested with that part; here is what takes several to get over.
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
from device.cameras import film
from device.cameras.performer import Performance
from device.display import panel, screen
from device.display.panel import DisplayKind, HotplugDisplay
from device.mirror import Moment, run_mirror
from device.recording import saving
from device.start import MirrorParts, open_mirror
from models.figures import perform
from tests.models.estimator.test_watched import wait_until
from tests.support.held import child_pids
from tests.support.jumping_clock import YEAR_SECONDS, JumpingClock
from tests.support.paths import ROOT

ENDS_WITHIN = 5.0
"""Seconds that a service manager is patient for after SIGTERM."""

SHORT = "[gif]\ncountdown = 0\nseconds = 1.0\n"


def words(*asked: object) -> list[str]:
    return [sys.executable, "-m", "device.cli.main", *map(str, asked)]


def members(session: int) -> dict[int, str]:
    """The processes of a session, and their command lines; zombies are none."""
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
def started(*asked: object, env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The program in a session of its own, so that all its processes can be found when it has ended."""
    with log.open("wb") as told:
        process = subprocess.Popen(words(*asked), env={**os.environ, **env}, stderr=told, start_new_session=True)
        try:
            yield process
        finally:
            for pid in members(process.pid):
                with suppress(ProcessLookupError):  # it has ended since
                    os.kill(pid, signal.SIGKILL)
            process.wait(5)


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
"""What is waited for, and how many seconds after that, at least and at most, the signal comes."""


def _runs(session: int, what: str) -> bool:
    return any(what in command for command in members(session).values())


def _catches(pid: int, number: signal.Signals) -> bool:
    caught = re.search(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_sigterm_ends_it_in_time_and_leaves_nothing_at_any_moment(
    moment: str, demo_home: dict[str, str], tmp_path: Path
) -> None:
    come, least, most = MOMENTS[moment]
    delay = random.uniform(least, most)
    asked: list[object] = ["run", "--camera", "performer", "--display", "headless"]
    env, settings = dict(demo_home), tmp_path / "mirror.toml"
    settings.write_text(SHORT)
    if moment == "the first library is drawn":
        env |= {"XDG_DATA_HOME": str(tmp_path / "data")}
    if moment == "a GIF is made":
        asked = ["demo", "--display", "headless", "--seconds", "12", "--screenshots", tmp_path / "out"]
    if moment == "a display is waited for":
        asked = ["run", "--camera", "performer", "--display", "kiosk"]
        env |= dict.fromkeys(("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"), "")
        if panel.connected_cards():
            pytest.skip("there is a display here")
    home = tmp_path if "XDG_DATA_HOME" in env and moment == "the first library is drawn" else Path(env["HOME"])
    with started(*asked, "--config", settings, env=env, log=tmp_path / "log") as process:
        assert wait_until(lambda: come(process.pid, home), 40), (tmp_path / "log").read_text()
        time.sleep(delay)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        status = process.wait(20)
        took = time.monotonic() - began
        said = f"{delay:.3f} s after {moment!r}, in {took:.2f} s:\n{(tmp_path / 'log').read_text()}"
        # Before Python has read a line of the program, the signal ends it as it ends any: systemd takes that for well.
        assert status == 0 or (moment == "Python starts" and status == -signal.SIGTERM), said
        assert took < ENDS_WITHIN, said
        assert wait_until(lambda: not members(process.pid), 1.0), (members(process.pid), said)
        assert "Traceback" not in said, said
    unfinished = [*home.rglob(".*.building"), *tmp_path.rglob("*.part"), *Path(env["XDG_PICTURES_DIR"]).rglob("*.part")]
    assert unfinished == [], said
    for gif in tmp_path.rglob("*.gif"):
        with Pillow.open(gif) as whole:
            whole.seek(whole.n_frames - 1)  # type: ignore[attr-defined]


def test_a_second_sigterm_does_not_disturb_the_end(demo_home: dict[str, str], tmp_path: Path) -> None:
    asked = ("run", "--camera", "performer", "--display", "headless")
    with started(*asked, env=demo_home, log=tmp_path / "log") as process:
        assert wait_until(lambda: _runs(process.pid, "device.system.starter_growth"), 40)
        for _ in range(5):
            process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
        assert process.wait(ENDS_WITHIN) == 0
        assert wait_until(lambda: not members(process.pid), 1.0)
        assert "Traceback" not in (tmp_path / "log").read_text()


# The clock on the wall


@pytest.mark.slow
def test_a_clock_that_jumps_by_years_changes_nothing_but_the_names_of_gifs(
    demo_home: dict[str, str], tmp_path: Path
) -> None:
    try:
        clock = JumpingClock(tmp_path)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    settings, out = tmp_path / "mirror.toml", tmp_path / "out"
    settings.write_text(SHORT)
    asked = ("demo", "--display", "headless", "--seconds", 6, "--screenshots", out, "--config", settings)
    begun = time.localtime().tm_year
    with started(*asked, env={**demo_home, **clock.environment}, log=tmp_path / "log") as process:
        for number, years in enumerate((40, -20, 5)):  # while it runs, records, and writes
            assert wait_until(lambda name=f"screen-{number:04d}.png": (out / name).exists(), 40)  # type: ignore[misc]
            clock.jump(years * YEAR_SECONDS)
        assert process.wait(20) == 0, (tmp_path / "log").read_text()
    (gif,) = out.glob("*.gif")
    year = int(re.findall(r"\d{4}", gif.name)[0])
    assert abs(year - begun) > 3, "the clock had jumped when the GIF got its name"
    assert 5 <= len(list(out.glob("screen-*.png"))) <= 7, "a picture a second, by a clock that nobody sets"
    assert "Traceback" not in (tmp_path / "log").read_text()


# All of the mirror in this process


@contextmanager
def running(
    home: dict[str, str], monkeypatch: pytest.MonkeyPatch, folder: Path, source: str, *more: str
) -> Iterator[tuple[MirrorParts, list[tuple[Moment, float]]]]:
    """All of the mirror, and what it has shown; its loop runs as long as `pump` is asked to."""
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    settings = folder / "mirror.toml"
    settings.write_text(
        "\n".join([f'[camera]\nsource = "{source}"', *more, SHORT.strip(), f'folder = "{folder}/gifs"'])
    )
    shown: list[tuple[Moment, float]] = []
    with open_mirror(config.load(settings), grow=False) as parts:
        yield parts, shown


def pump(parts: MirrorParts, shown: list[tuple[Moment, float]], until: Callable[[], bool], limit: float = 20.0) -> None:
    """Let the mirror's own loop run until something holds."""
    end = time.monotonic() + limit
    while not until():
        assert time.monotonic() < end, f"it did not come to pass: {shown[-1] if shown else 'nothing was shown'}"
        run_mirror(*parts, fps=30, seconds=0.2, callbacks=[lambda moment, now: shown.append((moment, now))])


def test_pictures_that_are_rubbish_do_not_keep_the_mirror_from_the_next_visitor(
    demo_home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    somebody = perform(1.5, 640, 480)[0]
    half = somebody.copy()
    half[240:] = 128  # as a JPEG that ends too early is decoded
    pictures = {
        "a-noise": np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8),
        "b-black": np.zeros((480, 640, 3), np.uint8),
        "c-half": half,
        "e-one-pixel": somebody[:1, :1],
        "f-a-line": np.ascontiguousarray(somebody[:1]),
        "g-somebody": somebody,
    }
    (tmp_path / "camera").mkdir()
    for name, picture in pictures.items():
        Pillow.fromarray(picture).save(tmp_path / "camera" / f"{name}.png")
    (tmp_path / "camera" / "d-torn.png").write_bytes((tmp_path / "camera" / "g-somebody.png").read_bytes()[:3000])
    monkeypatch.setattr(film, "SECONDS_PER_PICTURE", 0.4)
    with running(demo_home, monkeypatch, tmp_path, str(tmp_path / "camera")) as (parts, shown):
        seen: set[tuple[int, ...]] = set()

        def all_of_it() -> bool:
            for moment, _ in shown[-20:]:
                if moment.frame is not None:
                    seen.add((*moment.frame.image.shape[:2], int(moment.frame.image.mean())))
            return len(seen) >= len(pictures) and shown[-1][0].visitor is not None

        pump(parts, shown, all_of_it)
    assert not any(moment.faults for moment, _ in shown)
    assert re.search(r"d-torn\.png .*skipped", caplog.text)


def test_while_the_display_is_unplugged_the_mirror_goes_on_and_another_display_is_filled(
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
        lit = time.monotonic()
        pump(parts, shown, lambda: not parts.screen.display_missing)
        assert time.monotonic() - lit < 2.5
        pump(parts, shown, lambda: (photo := shown[-1][0].photo) is not None and photo.picture.shape == (400, 300, 3))
        assert parts.screen.snapshot().shape == (400, 300, 3)
        pump(parts, shown, lambda: any((tmp_path / "gifs").glob("*.gif")))


def test_whatever_hangs_when_the_mirror_ends_it_ends_in_time(
    demo_home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Camera, estimator and GIF at once, as after a USB hub has gone."""
    let_go = threading.Event()
    monkeypatch.setattr(Performance, "close", lambda _: let_go.wait(60))
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
        mine = [estimator, *_own("device.recording.saving")]
        began = time.monotonic()
    assert time.monotonic() - began < ENDS_WITHIN
    assert "The camera hangs while it is opened or closed" in caplog.text
    assert not any(Path(f"/proc/{pid}").exists() for pid in mine)
    assert not {"sense", "camera", "estimator", "gif"} & _threads()
    assert "camera keeper" in _threads(), "it hung until the end"
    let_go.set()
    assert wait_until(lambda: "camera keeper" not in _threads(), 5.0)
    assert not list((tmp_path / "gifs").glob("*")), "what was not finished is not there"


def _threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def _own(program: str) -> list[int]:
    """The children of this process that run a program by now; before, the kernel still calls them as their parent."""
    commands = members(os.getsid(0))
    return [pid for pid in child_pids() if program in commands.get(pid, "")]


# A memory limit

HUNGRY = """
import sys
from pathlib import Path
import numpy as np
from tests.support.failing_estimators import HUNGRY, WELL, Obedient
from models.estimator.watched import EstimatorLost, EstimatorProcess
image = np.zeros((48, 64, 3), np.uint8)
held = np.ones(200_000_000, np.uint8)  # by size alone this process would be taken
with EstimatorProcess(Path(sys.argv[1]), device="cpu", make=Obedient) as process:
    process.warm()
    image[0, 0] = HUNGRY, 1, 0
    try:
        process.estimate(image)
    except EstimatorLost as lost:
        print(lost, flush=True)
    process.warm()
    image[0, 0] = WELL, 1, 0
    print(len(process.estimate(image)))
"""


@contextmanager
def control_group(limit: int) -> Iterator[Path]:
    """A control group of at most so many bytes, of either version, none of them swapped out.

    Skips where none can be made.
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
            there = {file: most for file, most in limits.items() if (group / file).exists()}
            for file, most in there.items():  # without swap in the kernel there is no second
                (group / file).write_text(str(most))
            if there:
                yield group
                return
        finally:
            wait_until(lambda group=group: _removed(group))  # type: ignore[misc]
    pytest.skip("control groups can be made only by root, and not in every container")


def _removed(group: Path) -> bool:
    try:
        group.rmdir()
    except OSError:
        return False
    return True


def test_at_the_memory_limit_the_kernel_takes_the_estimator_and_the_mirror_goes_on(tmp_path: Path) -> None:
    """Also where the mirror has more of it: the estimator gives way."""
    (tmp_path / "model").write_text("")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with control_group(400_000_000) as group:
        join = f"import os; open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))"
        ran = subprocess.run(
            [sys.executable, "-c", f"{join}\n{HUNGRY}", tmp_path / "model"],
            env=env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ran.stdout.splitlines() == ["The estimator stopped (SIGKILL) and is being started again.", "1"], ran.stderr


def test_the_table_of_faults_names_tests_that_there_are() -> None:
    named = re.findall(r"\[(\w+)\]\(\.\./(tests/[\w/]+\.py)\)", (ROOT / "docs" / "faults.md").read_text())
    assert len(named) > 20
    missing = [(name, file) for name, file in named if f"def test_{name}(" not in (ROOT / file).read_text()]
    assert missing == []
