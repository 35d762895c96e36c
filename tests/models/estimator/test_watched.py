"""The watched estimator process: these tests kill, stop and hang real processes."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

import tests.support.failing_estimators as failing
from models.estimator import supervision
from models.estimator.child import EstimatorFactory, from_rows, to_rows
from models.estimator.estimator import Estimator
from models.estimator.supervision import NO_EDGE_TPU, TOO_MANY_FAILURES
from models.estimator.watched import EstimatorOptions, EstimatorProcess, EstimatorUnavailable
from models.figures import perform
from models.pose import Image, Pose
from tests.support.failing_estimators import FailingEstimator, ModuleLister, pose_from_picture
from tests.support.held import held_resources

REPLACED_WITHIN = 30.0
"""Seconds at most from a failure's report to the next poses: one or two, but a busy machine takes longer."""


def picture(order: int = failing.SUCCEED, people: int = 1, size: tuple[int, int] = (48, 64)) -> Image:
    """Return a picture that gives `FailingEstimator` its order, and the number of people to find."""
    image = np.random.default_rng(order + people).integers(0, 256, (*size, 3), np.uint8)
    image[0, 0, :2] = order, people
    return image


@pytest.fixture
def model(tmp_path: Path) -> Path:
    file = tmp_path / "model"
    file.write_text("")
    return file


@pytest.fixture
def edgetpu_model(tmp_path: Path) -> Path:
    file = tmp_path / "edgetpu-model"
    file.write_text("")
    return file


CPU: Final = EstimatorOptions(device="cpu")


@contextmanager
def ready_process(
    model: Path,
    edgetpu_model: Path | None = None,
    options: EstimatorOptions = CPU,
    *,
    factory: EstimatorFactory = FailingEstimator,
    list_attached: Callable[[], list[str]] = list,
) -> Iterator[EstimatorProcess]:
    """An estimator process that is ready, and fails on command."""
    with EstimatorProcess(model, edgetpu_model, options, factory=factory, list_attached=list_attached) as process:
        process.wait_until_ready()
        yield process


def one_edge_tpu() -> list[str]:
    return ["usb"]


def seconds_until_poses(process: EstimatorProcess, image: Image, limit: float = 60.0) -> float:
    """Ask for poses in a loop, as the mirror does, and return how many seconds it gets none."""
    began = time.monotonic()
    while time.monotonic() < began + limit:
        try:
            process.estimate(image)
            return time.monotonic() - began
        except EstimatorUnavailable:
            time.sleep(0.01)
    pytest.fail(f"no poses within {limit} s")


def same(pose: Pose, other: Pose) -> bool:
    return np.array_equal(pose.xy, other.xy) and np.array_equal(pose.scores, other.scores) and pose.score == other.score


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def wait_until(condition: Callable[[], bool], limit: float = 60.0) -> bool:
    end = time.monotonic() + limit
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_poses_survive_the_pipe_unchanged() -> None:
    rng = np.random.default_rng(0)
    poses = [Pose(rng.random((17, 2), np.float32), rng.random(17, np.float32), rng.random()) for _ in range(3)]
    assert all(same(pose, back) for pose, back in zip(poses, from_rows(to_rows(poses)), strict=True))
    assert from_rows(to_rows([])) == []


def test_pictures_of_any_size_and_memory_order_arrive(model: Path) -> None:
    with ready_process(model) as process:
        for number, size in enumerate([(48, 64), (480, 640), (1, 1), (353, 481), (1080, 1920)]):
            image = picture(people=number, size=size)
            found = process.estimate(image)
            assert len(found) == number
            assert all(same(pose, pose_from_picture(image)) for pose in found)
        mirrored = picture()[:, ::-1]
        mirrored[0, 0, :2] = failing.SUCCEED, 1
        assert same(process.estimate(mirrored)[0], pose_from_picture(mirrored))


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
    ids=["grey", "four channels", "float", "empty"],
)
def test_rejects_what_is_not_a_picture_and_goes_on(model: Path, image: Any) -> None:
    with ready_process(model) as process:
        pid = process.pid
        with pytest.raises(ValueError, match="a picture must be H×W×3 of uint8, not"):
            process.estimate(image)
        assert process.estimate(picture())
        assert process.pid == pid


def test_passes_the_options_to_the_child(model: Path) -> None:
    with ready_process(model, options=replace(CPU, size=(96, 128), threads=2)) as process:
        assert process.size == (96, 128)
        assert process.runtime == "model on cpu, size (96, 128), 2 threads"
        assert process.device == "cpu"
        assert process.note is None


def test_says_in_words_when_the_estimator_is_ready(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with ready_process(model):
        pass
    line = r"The estimator is ready on the CPU after \d+\.\d s: it sees \d+×\d+ pixels, with [^()]+\."
    assert [message for message in caplog.messages if re.fullmatch(line, message)]


def test_child_imports_no_screen_camera_or_index(model: Path) -> None:
    with ready_process(model, factory=ModuleLister) as process:
        modules = {name.partition(".")[0] for name in (process.runtime or "").split()}
    assert "models" in modules
    assert not modules & {"device", "index", "pygame", "annoy", "pytest", "hypothesis"}


@pytest.mark.real_machine
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV])
def test_replaces_a_process_killed_between_frames(model: Path, number: signal.Signals) -> None:
    with ready_process(model) as process:
        process.estimate(picture())
        first = process.pid
        assert first
        os.kill(first, number)
        assert wait_until(lambda: not alive(first))
        with pytest.raises(EstimatorUnavailable, match=rf"^The estimator stopped \({number.name}\) and is restarting"):
            process.estimate(picture())
        assert seconds_until_poses(process, picture()) < REPLACED_WITHIN
        assert process.pid != first


@pytest.mark.slow
@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        (failing.ABORT, r"The estimator stopped \(SIGABRT\) and is restarting\."),
        (failing.SEGFAULT, r"The estimator stopped \(SIGSEGV\) and is restarting\."),
        (failing.EXIT, r"The estimator ended by itself \(status 3\) and is restarting\."),
        (failing.RAISE_OSERROR, r"The estimator is restarting: The Edge TPU was unplugged\. Plug it in again\."),
        (failing.RAISE_KEYERROR, r"The estimator is restarting: KeyError: 'an unexpected error'"),
        (failing.EXCEED_MEMORY_LIMIT, r"The estimator is restarting: \S*MemoryError: Unable to allocate .*"),
    ],
)
def test_replaces_a_process_that_dies_over_a_frame(model: Path, order: int, sentence: str) -> None:
    with ready_process(model, options=replace(CPU, timeout=60.0)) as process:
        began = time.monotonic()
        with pytest.raises(EstimatorUnavailable, match=f"^{sentence}$"):
            process.estimate(picture(order))
        assert time.monotonic() - began < 30, "a death is reported when it happens, not after the timeout"
        assert seconds_until_poses(process, picture()) < REPLACED_WITHIN


@pytest.mark.slow
@pytest.mark.parametrize(
    "order", [failing.NO_ROWS, failing.NARROW_ROWS, failing.NAN_ROWS, failing.NO_PICKLE, failing.TOO_LONG]
)
def test_replaces_a_process_that_answers_garbage(model: Path, order: int) -> None:
    with ready_process(model) as process:
        first = process.pid
        with pytest.raises(EstimatorUnavailable, match=r"^The estimator sent an invalid answer and is restarting\.$"):
            process.estimate(picture(order))
        assert seconds_until_poses(process, picture()) < REPLACED_WITHIN
        assert process.pid != first
        image = picture()
        assert same(process.estimate(image)[0], pose_from_picture(image))


@pytest.mark.real_machine
def test_replaces_a_process_that_starts_with_garbage(model: Path) -> None:
    model.write_text(f"{failing.NO_PICKLE}\n")
    with EstimatorProcess(model, options=CPU, factory=FailingEstimator) as process:
        assert seconds_until_poses(process, picture()) < REPLACED_WITHIN
        assert model.read_text() == "", "the first process has obeyed its order"


def test_out_of_memory_ends_the_estimator_first(model: Path) -> None:
    with ready_process(model) as process:
        assert Path(f"/proc/{process.pid}/oom_score_adj").read_text() == "500\n"
    assert int(Path("/proc/self/oom_score_adj").read_text()) < 500


def test_logs_the_traceback_of_an_unexpected_error(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    with ready_process(model) as process, pytest.raises(EstimatorUnavailable):
        process.estimate(picture(failing.RAISE_KEYERROR))
    assert 'KeyError("an unexpected error")' in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("order", [failing.HANG, failing.HANG_WITH_GIL], ids=["sleeping", "holding the GIL"])
def test_replaces_a_process_that_hangs(model: Path, order: int) -> None:
    with ready_process(model, options=replace(CPU, timeout=0.4)) as process:
        first = process.pid
        assert first
        began = time.monotonic()
        with pytest.raises(EstimatorUnavailable, match=r"^The estimator did not answer for 0\.4 s and is restarting"):
            process.estimate(picture(order))
        assert 0.4 <= time.monotonic() - began < 30
        assert seconds_until_poses(process, picture()) < REPLACED_WITHIN
        assert not alive(first)


@pytest.mark.slow
def test_replaces_and_ends_a_stopped_process(model: Path) -> None:
    with ready_process(model, options=replace(CPU, timeout=0.4)) as process:
        first = process.pid
        assert first
        os.kill(first, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(EstimatorUnavailable, match="did not answer"):
            process.estimate(picture())
        assert time.monotonic() - began < 30
        assert seconds_until_poses(process, picture()) < REPLACED_WITHIN
        assert not alive(first)


@pytest.mark.slow
def test_a_hang_costs_five_seconds_by_default(model: Path) -> None:
    with ready_process(model) as process:
        assert process.pid
        os.kill(process.pid, signal.SIGSTOP)
        assert seconds_until_poses(process, picture()) < 5.0 + REPLACED_WITHIN


@pytest.mark.slow
def test_replaces_a_process_that_does_not_start(model: Path) -> None:
    model.write_text(f"{failing.HANG}\n")
    with EstimatorProcess(model, options=replace(CPU, start_timeout=2.0), factory=FailingEstimator) as process:
        with pytest.raises(EstimatorUnavailable, match=r"^The estimator is starting\.$"):
            process.estimate(picture())
        with pytest.raises(EstimatorUnavailable, match=r"^The estimator is starting\.$"):
            process.wait_until_ready(timeout=0.1)
        assert 1.0 < seconds_until_poses(process, picture()) < 2.0 + REPLACED_WITHIN


def _starts(model: Path) -> int:
    """Return how often a model of 1,000 lines, of which each start takes one, was started."""
    return 1000 - model.read_text().count("\n")


@pytest.mark.slow
def test_tries_a_broken_model_less_and_less_often(model: Path) -> None:
    model.write_text(f"{failing.RAISE_OSERROR}\n" * 1000)
    with EstimatorProcess(model, options=CPU, factory=FailingEstimator) as process:
        with pytest.raises(EstimatorUnavailable, match=r"^The Edge TPU was unplugged\. Plug it in again\.$"):
            process.wait_until_ready()
        end = time.monotonic() + 2.5
        while time.monotonic() < end or _starts(model) < 2:
            with pytest.raises(EstimatorUnavailable):
                process.estimate(picture())
            time.sleep(0.01)
    assert _starts(model) <= 4, "it starts after 0, 0, 0.5 and 1.5 s, plus the time of each start"


def test_uses_the_cpu_without_an_edge_tpu_and_logs_it_once(
    model: Path, edgetpu_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ready_process(model, edgetpu_model, EstimatorOptions(probe_interval=0.05), list_attached=list) as process:
        assert process.device == "cpu"
        assert process.note == NO_EDGE_TPU
        for _ in range(10):
            process.estimate(picture())
            time.sleep(0.02)
    assert [record.getMessage() for record in caplog.records].count(NO_EDGE_TPU) == 1


def test_uses_an_attached_edge_tpu_with_its_model(model: Path, edgetpu_model: Path) -> None:
    with ready_process(model, edgetpu_model, EstimatorOptions(size=(96, 128)), list_attached=one_edge_tpu) as process:
        assert process.device == "edgetpu"
        assert process.note is None
        assert process.runtime == "edgetpu-model on edgetpu, size None, None threads"


def test_uses_the_cpu_when_the_edge_tpu_cannot_be_opened(model: Path, edgetpu_model: Path) -> None:
    edgetpu_model.write_text(f"{failing.RAISE_OSERROR}\n")
    with ready_process(model, edgetpu_model, EstimatorOptions(device="edgetpu"), list_attached=list) as process:
        assert process.device == "cpu"
        assert process.note is not None
        assert process.note.endswith("the Edge TPU cannot be used: The Edge TPU was unplugged. Plug it in again.")
        assert process.estimate(picture())


@pytest.mark.slow
def test_uses_the_cpu_after_three_edge_tpu_crashes_a_minute(
    model: Path, edgetpu_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ready_process(model, edgetpu_model, EstimatorOptions(), list_attached=one_edge_tpu) as process:
        for crash in range(3):
            assert process.device == "edgetpu", f"after {crash} crashes"
            with pytest.raises(EstimatorUnavailable, match="SIGABRT"):
                process.estimate(picture(failing.ABORT))
            assert seconds_until_poses(process, picture()) < REPLACED_WITHIN
        assert process.device == "cpu"
        assert process.note == TOO_MANY_FAILURES
    assert [record.getMessage() for record in caplog.records].count(TOO_MANY_FAILURES) == 1


@pytest.mark.slow
def test_uses_the_cpu_when_opening_the_edge_tpu_crashes(model: Path, edgetpu_model: Path) -> None:
    edgetpu_model.write_text(f"{failing.SEGFAULT}\n" * 3)
    with ready_process(model, edgetpu_model, EstimatorOptions(), list_attached=one_edge_tpu) as process:
        assert process.device == "cpu"
        assert process.note == TOO_MANY_FAILURES


@pytest.mark.slow
def test_returns_to_a_replugged_edge_tpu_without_losing_a_frame(model: Path, edgetpu_model: Path) -> None:
    devices = ["usb"]
    options = EstimatorOptions(probe_interval=0.2)
    with ready_process(model, edgetpu_model, options, list_attached=lambda: devices) as process:
        devices.clear()
        with pytest.raises(EstimatorUnavailable, match="SIGABRT"):  # what libedgetpu does when it is unplugged
            process.estimate(picture(failing.ABORT))
        assert seconds_until_poses(process, picture()) < REPLACED_WITHIN
        assert (process.device, process.note) == ("cpu", NO_EDGE_TPU)
        edgetpu_model.write_text(f"{failing.RAISE_OSERROR}\n{failing.SEGFAULT}\n")  # the first two tries fail
        devices.append("usb")
        notes = set()

        def returned() -> bool:
            assert process.estimate(picture())
            notes.add(process.note)
            return process.device == "edgetpu"

        assert wait_until(returned)
        assert process.note is None
        assert len(notes) == 3, "not found, then what was wrong with it, then no note"
        assert edgetpu_model.read_text() == ""
        assert process.estimate(picture())


def test_device_cpu_never_searches_for_an_edge_tpu(model: Path, edgetpu_model: Path) -> None:
    def fail() -> list[str]:
        pytest.fail("it searched for an Edge TPU")

    with ready_process(model, edgetpu_model, replace(CPU, probe_interval=0.01), list_attached=fail) as process:
        for _ in range(5):
            process.estimate(picture())
            time.sleep(0.02)


@pytest.mark.slow
def test_twenty_replacements_leak_nothing(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "STEADY_AFTER", 0.0)  # every start is at once
    before, shared = held_resources(), set(os.listdir("/dev/shm"))
    with ready_process(model) as process:
        process.estimate(picture())
        running = held_resources()
        for _ in range(20):
            assert process.pid
            os.kill(process.pid, signal.SIGKILL)
            seconds_until_poses(process, picture())
        now = held_resources()
        assert (now - before).total() == (running - before).total(), now - running
    assert held_resources() - before == Counter()
    assert wait_until(lambda: not set(os.listdir("/dev/shm")) - shared), (
        "other tests may use shared memory for a moment"
    )


@pytest.mark.slow
@pytest.mark.parametrize("state", ["starting", "working", "stopped"])
def test_close_ends_the_child_in_any_state(model: Path, state: str) -> None:
    process = EstimatorProcess(model, options=CPU, factory=FailingEstimator)
    if state != "starting":
        process.wait_until_ready()
    pid = process.pid
    assert pid
    if state == "stopped":
        os.kill(pid, signal.SIGSTOP)
    process.close()
    assert not alive(pid)
    process.close()


@pytest.mark.slow
def test_close_from_another_thread_ends_a_call(model: Path) -> None:
    before = held_resources()
    with ready_process(model) as process:
        timer = threading.Timer(0.2, process.close)
        timer.start()
        with pytest.raises(EstimatorUnavailable, match=r"^The estimator is closed\.$"):
            process.estimate(picture(failing.HANG))
        timer.join()
        with pytest.raises(EstimatorUnavailable, match=r"^The estimator is closed\.$"):
            process.estimate(picture())
    assert held_resources() - before == Counter()


@pytest.mark.slow
def test_answer_of_an_interrupted_call_is_dropped(model: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with ready_process(model) as process:
        handler = signal.signal(signal.SIGALRM, interrupt)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(KeyboardInterrupt):
                process.estimate(picture(failing.RESPOND_SLOWLY))
        finally:
            signal.signal(signal.SIGALRM, handler)
        time.sleep(0.4)
        process.wait_until_ready()
        image = picture()
        assert same(process.estimate(image)[0], pose_from_picture(image))


PARENT = """
import sys, time
from pathlib import Path
from tests.support.failing_estimators import FailingEstimator
from models.estimator.watched import EstimatorOptions, EstimatorProcess
import numpy as np
image = np.zeros((48, 64, 3), np.uint8)
with EstimatorProcess(Path(sys.argv[1]), options=EstimatorOptions(device="cpu"), factory=FailingEstimator) as process:
    process.wait_until_ready()
    print(process.pid, flush=True)
    image[0, 0, 0] = int(sys.argv[2])
    try:
        process.estimate(image)
        print("idle", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        image[0, 0, 1] = 1
        print(process.pid, len(process.estimate(image)), flush=True)
"""


@contextmanager
def parent(model: Path, order: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A program whose estimator process works on a picture, and that process's id."""
    command = [sys.executable, "-c", PARENT, str(model), str(order)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, process_group=0) as program:
        try:
            assert program.stdout
            child = int(program.stdout.readline())
            if order == failing.SUCCEED:
                assert program.stdout.readline() == "idle\n"
            else:
                time.sleep(0.3)  # the program sends the picture in this time
            yield program, child
        finally:
            program.kill()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("state", ["idle", "in a driver", "stopped"])
def test_child_dies_with_its_parent_in_any_state(model: Path, number: signal.Signals, state: str) -> None:
    with parent(model, failing.HANG_WITH_GIL if state == "in a driver" else failing.SUCCEED) as (program, child):
        if state == "stopped":
            os.kill(child, signal.SIGSTOP)
        assert alive(child)
        program.send_signal(number)
        program.wait(60)
        assert wait_until(lambda: not alive(child))


def test_ctrl_c_leaves_the_estimator_to_its_parent(model: Path) -> None:
    with parent(model, failing.SUCCEED) as (program, child):
        os.killpg(program.pid, signal.SIGINT)
        assert program.stdout
        assert program.stdout.readline() == f"{child} 1\n"
        assert program.wait(60) == 0
        assert not alive(child)


def test_a_crash_leaves_no_core_dump(model: Path) -> None:
    with ready_process(model) as process:
        limits = Path(f"/proc/{process.pid}/limits").read_text()
    limit = next(line.split()[4] for line in limits.splitlines() if line.startswith("Max core file size"))
    assert limit in ("0", "1")


@pytest.mark.slow
def test_answers_as_the_estimator_does_without_a_process(each_posenet: Path) -> None:
    image, _ = perform(1.5, 640, 480)
    with Estimator(each_posenet) as estimator, EstimatorProcess(each_posenet, options=CPU) as process:
        process.wait_until_ready()
        expected, found = estimator.estimate(image), process.estimate(image)
        assert expected
        assert all(same(pose, other) for pose, other in zip(expected, found, strict=True))
        assert process.size == (353, 481)
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        assert seconds_until_poses(process, image) < REPLACED_WITHIN


def test_names_a_damaged_model(bundled_posenet: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(bundled_posenet.read_bytes()[:1000])
    with (
        EstimatorProcess(damaged, options=CPU) as process,
        pytest.raises(EstimatorUnavailable, match=r"damaged\.tflite"),
    ):
        process.wait_until_ready()
    assert "damaged.tflite" not in caplog.text, "the caller prints the sentence"
    assert "Traceback" not in caplog.text
