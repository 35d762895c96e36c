"""The watched estimator process, really killed, stopped and hung."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tests.support.failing_estimators as failing
from models.estimator import supervision
from models.estimator.child import from_rows, to_rows
from models.estimator.estimator import Estimator
from models.estimator.supervision import NO_EDGE_TPU, TOO_MANY_FAILURES
from models.estimator.watched import EstimatorProcess, EstimatorUnavailable
from models.figures import perform
from models.pose import Image, Pose
from tests.support.failing_estimators import FailingEstimator, ModuleLister, pose_from_picture
from tests.support.held import held_resources

REPLACED_WITHIN = 3.0
"""Seconds from when a failure is known to when there are poses again."""


def picture(order: int = failing.SUCCEED, people: int = 1, size: tuple[int, int] = (48, 64)) -> Image:
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


@contextmanager
def obedient(model: Path, **options: Any) -> Iterator[EstimatorProcess]:
    """An estimator process, warm, that fails when told to."""
    with EstimatorProcess(model, **{"device": "cpu", "factory": FailingEstimator, **options}) as process:
        process.wait_until_ready()
        yield process


def seconds_until_poses(process: EstimatorProcess, image: Image, limit: float = 10.0) -> float:
    """How long a loop that goes on asking, as the mirror's does, is without poses."""
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


def wait_until(true: Callable[[], bool], limit: float = 3.0) -> bool:
    end = time.monotonic() + limit
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return true()


def test_poses_come_through_the_pipe_as_they_were() -> None:
    rng = np.random.default_rng(0)
    poses = [Pose(rng.random((17, 2), np.float32), rng.random(17, np.float32), rng.random()) for _ in range(3)]
    assert all(same(pose, back) for pose, back in zip(poses, from_rows(to_rows(poses)), strict=True))
    assert from_rows(to_rows([])) == []


def test_each_picture_arrives_whole_whatever_its_size_and_memory_order(model: Path) -> None:
    with obedient(model) as process:
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
def test_what_is_no_picture_is_refused_and_the_estimator_goes_on(model: Path, image: Any) -> None:
    with obedient(model) as process:
        pid = process.pid
        with pytest.raises(ValueError, match="a picture is H×W×3 of uint8, not"):
            process.estimate(image)
        assert process.estimate(picture())
        assert process.pid == pid


def test_the_child_is_told_the_model_the_device_the_size_and_the_threads(model: Path) -> None:
    with obedient(model, size=(96, 128), threads=2) as process:
        assert process.size == (96, 128)
        assert process.runtime == "model on cpu, size (96, 128), 2 threads"
        assert process.device == "cpu"
        assert process.note is None


def test_the_child_does_without_screen_camera_index_and_the_main_module(model: Path) -> None:
    with obedient(model, factory=ModuleLister) as process:
        modules = {name.partition(".")[0] for name in (process.runtime or "").split()}
    assert "models" in modules
    assert not modules & {"device", "index", "pygame", "annoy", "pytest", "hypothesis"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV])
def test_an_estimator_killed_between_two_frames_is_replaced(model: Path, number: signal.Signals) -> None:
    with obedient(model) as process:
        process.estimate(picture())
        first = process.pid
        assert first
        os.kill(first, number)
        assert wait_until(lambda: not alive(first))
        with pytest.raises(
            EstimatorUnavailable, match=rf"^The estimator stopped \({number.name}\) and is being started again"
        ):
            process.estimate(picture())
        assert seconds_until_poses(process, picture()) < REPLACED_WITHIN
        assert process.pid != first


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        (failing.ABORT, r"The estimator stopped \(SIGABRT\) and is being started again\."),
        (failing.SEGFAULT, r"The estimator stopped \(SIGSEGV\) and is being started again\."),
        (failing.EXIT, r"The estimator ended by itself \(status 3\) and is being started again\."),
        (failing.RAISE_OSERROR, r"The estimator is being started again: The Edge TPU has left\. Plug it in again\."),
        (failing.RAISE_KEYERROR, r"The estimator is being started again: KeyError: 'nobody thought of this'"),
        (failing.EXCEED_MEMORY_LIMIT, r"The estimator is being started again: \S*MemoryError: Unable to allocate .*"),
    ],
)
def test_an_estimator_that_dies_over_a_frame_is_replaced_and_says_why(model: Path, order: int, sentence: str) -> None:
    with obedient(model) as process:
        began = time.monotonic()
        with pytest.raises(EstimatorUnavailable, match=f"^{sentence}$"):
            process.estimate(picture(order))
        assert time.monotonic() - began < 2.5, "a death is known when it happens, not when patience ends"
        assert seconds_until_poses(process, picture()) < REPLACED_WITHIN


@pytest.mark.parametrize(
    "order", [failing.NO_ROWS, failing.NARROW_ROWS, failing.NAN_ROWS, failing.NO_PICKLE, failing.TOO_LONG]
)
def test_an_estimator_whose_answer_is_none_is_replaced(model: Path, order: int) -> None:
    with obedient(model) as process:
        first = process.pid
        with pytest.raises(
            EstimatorUnavailable, match=r"^The estimator answered with nonsense and is being started again\.$"
        ):
            process.estimate(picture(order))
        assert seconds_until_poses(process, picture()) < REPLACED_WITHIN
        assert process.pid != first
        image = picture()
        assert same(process.estimate(image)[0], pose_from_picture(image))


def test_an_estimator_that_begins_with_another_answer_is_replaced(model: Path) -> None:
    model.write_text(f"{failing.NO_PICKLE}\n")
    with EstimatorProcess(model, device="cpu", factory=FailingEstimator) as process:
        assert seconds_until_poses(process, picture()) < REPLACED_WITHIN
        assert model.read_text() == "", "the first was made and did as it was told"


def test_where_memory_runs_out_the_estimator_goes_before_the_mirror(model: Path) -> None:
    with obedient(model) as process:
        assert Path(f"/proc/{process.pid}/oom_score_adj").read_text() == "500\n"
    assert int(Path("/proc/self/oom_score_adj").read_text()) < 500


def test_an_unforeseen_error_leaves_its_traceback_in_the_log(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    with obedient(model) as process, pytest.raises(EstimatorUnavailable):
        process.estimate(picture(failing.RAISE_KEYERROR))
    assert 'raise KeyError("nobody thought of this")' in caplog.text


@pytest.mark.parametrize("order", [failing.HANG, failing.HANG_WITH_GIL], ids=["sleeping", "holding the lock"])
def test_an_estimator_that_hangs_is_given_up_after_the_patience_and_replaced(model: Path, order: int) -> None:
    with obedient(model, timeout=0.4) as process:
        first = process.pid
        assert first
        began = time.monotonic()
        with pytest.raises(
            EstimatorUnavailable, match=r"^The estimator did not answer for 0\.4 s and is being started again"
        ):
            process.estimate(picture(order))
        assert 0.4 <= time.monotonic() - began < 1.5
        assert seconds_until_poses(process, picture()) < REPLACED_WITHIN
        assert not alive(first)


def test_a_stopped_estimator_is_replaced_and_does_not_outlive_it(model: Path) -> None:
    with obedient(model, timeout=0.4) as process:
        first = process.pid
        assert first
        os.kill(first, signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(EstimatorUnavailable, match="did not answer"):
            process.estimate(picture())
        assert time.monotonic() - began < 1.5
        assert seconds_until_poses(process, picture()) < REPLACED_WITHIN
        assert not alive(first)


@pytest.mark.slow
def test_with_the_mirrors_own_patience_a_stopped_estimator_costs_five_seconds_and_the_start(model: Path) -> None:
    with obedient(model) as process:
        assert process.pid
        os.kill(process.pid, signal.SIGSTOP)
        assert seconds_until_poses(process, picture()) < 5.0 + REPLACED_WITHIN


def test_a_child_that_does_not_come_up_is_replaced_by_one_that_does(model: Path) -> None:
    model.write_text(f"{failing.HANG}\n")
    with EstimatorProcess(model, device="cpu", factory=FailingEstimator, start_timeout=2.0) as process:
        with pytest.raises(EstimatorUnavailable, match=r"^The estimator is being started\.$"):
            process.estimate(picture())
        with pytest.raises(EstimatorUnavailable, match=r"^The estimator is being started\.$"):
            process.wait_until_ready(timeout=0.1)
        assert 1.0 < seconds_until_poses(process, picture()) < 2.0 + REPLACED_WITHIN


def test_a_model_that_never_works_is_said_at_once_and_tried_ever_more_seldom(model: Path) -> None:
    model.write_text(f"{failing.RAISE_OSERROR}\n" * 1000)
    with EstimatorProcess(model, device="cpu", factory=FailingEstimator) as process:
        with pytest.raises(EstimatorUnavailable, match=r"^The Edge TPU has left\. Plug it in again\.$"):
            process.wait_until_ready()
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            with pytest.raises(EstimatorUnavailable):
                process.estimate(picture())
            time.sleep(0.01)
    starts = 1000 - model.read_text().count("\n")
    assert 2 <= starts <= 4, "at 0, 0, 0.5 and 1.5 s, and a little for each start"


def test_without_an_edge_tpu_the_cpu_is_used_and_it_is_said_once(
    model: Path, edgetpu_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"device": "auto", "edgetpu_model": edgetpu_model, "list_attached": list, "probe_interval": 0.05}
    with obedient(model, **options) as process:
        assert process.device == "cpu"
        assert process.note == NO_EDGE_TPU
        for _ in range(10):
            process.estimate(picture())
            time.sleep(0.02)
    assert [record.getMessage() for record in caplog.records].count(NO_EDGE_TPU) == 1


def test_an_attached_edge_tpu_is_used_with_the_model_compiled_for_it(model: Path, edgetpu_model: Path) -> None:
    options = {"device": "auto", "edgetpu_model": edgetpu_model, "list_attached": lambda: ["usb"], "size": (96, 128)}
    with obedient(model, **options) as process:
        assert process.device == "edgetpu"
        assert process.note is None
        assert process.runtime == "edgetpu-model on edgetpu, size None, None threads"


def test_an_edge_tpu_that_cannot_be_opened_gives_way_to_the_cpu_with_its_reason(
    model: Path, edgetpu_model: Path
) -> None:
    edgetpu_model.write_text(f"{failing.RAISE_OSERROR}\n")
    with obedient(model, device="edgetpu", edgetpu_model=edgetpu_model, list_attached=list) as process:
        assert process.device == "cpu"
        assert process.note is not None
        assert process.note.endswith("the Edge TPU cannot be used: The Edge TPU has left. Plug it in again.")
        assert process.estimate(picture())


def test_three_crashes_on_the_edge_tpu_within_a_minute_and_the_cpu_takes_over(
    model: Path, edgetpu_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"device": "auto", "edgetpu_model": edgetpu_model, "list_attached": lambda: ["usb"]}
    with obedient(model, **options) as process:
        for crash in range(3):
            assert process.device == "edgetpu", f"after {crash} crashes"
            with pytest.raises(EstimatorUnavailable, match="SIGABRT"):
                process.estimate(picture(failing.ABORT))
            assert seconds_until_poses(process, picture()) < REPLACED_WITHIN
        assert process.device == "cpu"
        assert process.note == TOO_MANY_FAILURES
    assert [record.getMessage() for record in caplog.records].count(TOO_MANY_FAILURES) == 1


def test_a_library_that_crashes_when_the_edge_tpu_is_opened_does_not_keep_the_mirror_from_poses(
    model: Path, edgetpu_model: Path
) -> None:
    edgetpu_model.write_text(f"{failing.SEGFAULT}\n" * 3)
    with obedient(model, device="auto", edgetpu_model=edgetpu_model, list_attached=lambda: ["usb"]) as process:
        assert process.device == "cpu"
        assert process.note == TOO_MANY_FAILURES


def test_an_edge_tpu_that_leaves_and_returns_is_used_again_without_a_frame_lost(
    model: Path, edgetpu_model: Path
) -> None:
    devices = ["usb"]
    options = {"device": "auto", "edgetpu_model": edgetpu_model, "list_attached": lambda: devices, "probe_interval": 0.2}
    with obedient(model, **options) as process:
        devices.clear()
        with pytest.raises(EstimatorUnavailable, match="SIGABRT"):  # what libedgetpu does when it is unplugged
            process.estimate(picture(failing.ABORT))
        assert seconds_until_poses(process, picture()) < REPLACED_WITHIN
        assert (process.device, process.note) == ("cpu", NO_EDGE_TPU)
        edgetpu_model.write_text(
            f"{failing.RAISE_OSERROR}\n{failing.SEGFAULT}\n"
        )  # it does not come back at the first try
        devices.append("usb")
        notes = set()

        def returned() -> bool:
            assert process.estimate(picture())
            notes.add(process.note)
            return process.device == "edgetpu"

        assert wait_until(returned, limit=10.0)
        assert process.note is None
        assert len(notes) == 3, "nothing found, then what was wrong with it, then none"
        assert edgetpu_model.read_text() == ""
        assert process.estimate(picture())


def test_a_wish_for_the_cpu_never_looks_for_an_edge_tpu(model: Path, edgetpu_model: Path) -> None:
    def asked() -> list[str]:
        pytest.fail("an Edge TPU was looked for")

    with obedient(model, edgetpu_model=edgetpu_model, list_attached=asked, probe_interval=0.01) as process:
        for _ in range(5):
            process.estimate(picture())
            time.sleep(0.02)


def test_twenty_replacements_leave_no_process_thread_descriptor_or_shared_memory_behind(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "STEADY_AFTER", 0.0)  # each start at once
    before, shared = held_resources(), set(os.listdir("/dev/shm"))
    with obedient(model) as process:
        process.estimate(picture())
        running = held_resources()
        for _ in range(20):
            assert process.pid
            os.kill(process.pid, signal.SIGKILL)
            seconds_until_poses(process, picture())
        now = held_resources()
        assert (now - before).total() == (running - before).total(), now - running
    assert held_resources() - before == Counter()
    assert wait_until(lambda: not set(os.listdir("/dev/shm")) - shared), "other tests' may be there for a moment"


@pytest.mark.parametrize("state", ["starting", "working", "stopped"])
def test_closing_ends_the_child_whatever_it_is_at_and_twice_is_once(model: Path, state: str) -> None:
    process = EstimatorProcess(model, device="cpu", factory=FailingEstimator)
    if state != "starting":
        process.wait_until_ready()
    pid = process.pid
    assert pid
    if state == "stopped":
        os.kill(pid, signal.SIGSTOP)
    process.close()
    assert not alive(pid)
    process.close()


def test_closing_from_another_thread_ends_a_call_under_way_and_starts_nothing_new(model: Path) -> None:
    before = held_resources()
    with obedient(model) as process:
        timer = threading.Timer(0.2, process.close)
        timer.start()
        with pytest.raises(EstimatorUnavailable, match=r"^The estimator is closed\.$"):
            process.estimate(picture(failing.HANG))
        timer.join()
        with pytest.raises(EstimatorUnavailable, match=r"^The estimator is closed\.$"):
            process.estimate(picture())
    assert held_resources() - before == Counter()


def test_an_interrupted_call_does_not_give_its_answer_to_the_next_picture(model: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with obedient(model) as process:
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
from models.estimator.watched import EstimatorProcess
import numpy as np
image = np.zeros((48, 64, 3), np.uint8)
with EstimatorProcess(Path(sys.argv[1]), device="cpu", factory=FailingEstimator) as process:
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
    """A program with an estimator process that is at work on a picture, and that process' id."""
    command = [sys.executable, "-c", PARENT, str(model), str(order)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, process_group=0) as program:
        try:
            assert program.stdout
            child = int(program.stdout.readline())
            if order == failing.SUCCEED:
                assert program.stdout.readline() == "idle\n"
            else:
                time.sleep(0.3)  # it sends the picture meanwhile
            yield program, child
        finally:
            program.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("state", ["idle", "in a driver", "stopped"])
def test_the_child_dies_with_its_parent_even_when_it_cannot_notice(
    model: Path, number: signal.Signals, state: str
) -> None:
    with parent(model, failing.HANG_WITH_GIL if state == "in a driver" else failing.SUCCEED) as (program, child):
        if state == "stopped":
            os.kill(child, signal.SIGSTOP)
        assert alive(child)
        program.send_signal(number)
        program.wait(3)
        assert wait_until(lambda: not alive(child))


def test_ctrl_c_reaches_the_parent_alone_which_can_still_estimate_and_then_cleans_up(model: Path) -> None:
    with parent(model, failing.SUCCEED) as (program, child):
        os.killpg(program.pid, signal.SIGINT)
        assert program.stdout
        assert program.stdout.readline() == f"{child} 1\n"
        assert program.wait(3) == 0
        assert not alive(child)


def test_a_dead_estimator_leaves_no_core_dump_with_the_visitors_picture(model: Path) -> None:
    with obedient(model) as process:
        limits = Path(f"/proc/{process.pid}/limits").read_text()
    limit = next(line.split()[4] for line in limits.splitlines() if line.startswith("Max core file size"))
    assert limit in ("0", "1")


def test_the_real_estimator_answers_through_the_process_as_it_does_without(each_posenet: Path) -> None:
    image, _ = perform(1.5, 640, 480)
    with Estimator(each_posenet) as estimator, EstimatorProcess(each_posenet, device="cpu") as process:
        process.wait_until_ready()
        expected, found = estimator.estimate(image), process.estimate(image)
        assert expected
        assert all(same(pose, other) for pose, other in zip(expected, found, strict=True))
        assert process.size == (353, 481)
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        assert seconds_until_poses(process, image) < REPLACED_WITHIN


def test_a_damaged_model_is_named_by_the_parent(
    bundled_posenet: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(bundled_posenet.read_bytes()[:1000])
    with (
        EstimatorProcess(damaged, device="cpu") as process,
        pytest.raises(EstimatorUnavailable, match=r"damaged\.tflite"),
    ):
        process.wait_until_ready()
    assert "Traceback" not in caplog.text
