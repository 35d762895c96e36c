"""A real Dask scheduler and real workers on this machine: what they find is what one process finds."""

from __future__ import annotations

import gc
import importlib
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from index.build import cluster
from index.build.cluster import Cluster
from index.build.people import estimator_factory
from index.build.photo import Credit, Photo, Skipped
from index.build.photo_workers import PhotoWorkers
from index.build.pipeline import BuildOptions, build
from index.build.scan import ScanSettings
from index.errors import LibraryError
from index.library import Library
from index.manifest import REPORT_FILE
from models.figures import perform
from tests.support.finders import MARK_COLOUR, CrashingFinder, MarkFinder
from tests.support.paths import ROOT
from tests.support.sample_poses import sample_people

LONG_SIDE = 320
NO_ESTIMATOR = ScanSettings(long_side=LONG_SIDE)
MARKS = ScanSettings(MarkFinder, long_side=LONG_SIDE)

pytestmark = pytest.mark.slow


class Processes:
    """A scheduler and workers, each a process of its own, as `dask scheduler` and `dask worker` start them."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._names = folder, itertools.count()
        self._all: list[subprocess.Popen[bytes]] = []
        self.workers: list[subprocess.Popen[bytes]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--dashboard-address", "127.0.0.1:0"
        )

    def work(self, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        """Starts one more worker."""
        begun = ("worker", self.address, "--nthreads", "1", "--no-dashboard", "--death-timeout", "60")
        self.workers.append(self._start(*begun, *options, **environment))
        return self.workers[-1]

    def wait_for_the_scheduler(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.05)

    def close(self) -> None:
        for process in self._all:
            if "--nanny" in process.args:  # it has a process of its own to end
                process.terminate()
            else:
                process.kill()
        for process in self._all:
            process.wait()

    def _start(self, what: str, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{what}-{next(self._names)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{what}", *options],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    **environment,
                },
            )
        self._all.append(process)
        return process


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    started = Processes(tmp_path_factory.mktemp("dask"))
    try:
        yield started
    finally:
        started.close()


@pytest.fixture(autouse=True)
def _lost_clients_are_collected() -> Iterator[None]:
    """One that found no scheduler takes a lock of all clients as it goes: now, and not while another has that lock."""
    yield
    gc.collect()


def photos_in(folder: Path, count: int, deadly: int | None = None) -> list[tuple[int, Photo]]:
    """Pictures with one person each; every seventh shows nobody, and one may end the process that looks at it."""
    photos = []
    for number in range(count):
        picture = np.full((240, 320, 3), 90, np.uint8)
        picture[:8, :8] = 0 if number == deadly else (70, 16 * (number % 14) + 20, 90)
        if number % 7 != 3:
            picture[40:200, 60 + number : 140 + number] = MARK_COLOUR
        picture[-9:, : 5 * number + 1] = 200
        cv2.imwrite(str(folder / f"{number:03}.png"), picture[..., ::-1])
        photos.append((number, Photo(folder / f"{number:03}.png", Credit(f"picture {number}", "Ann"))))
    return photos


def said(found) -> dict:
    """What can be compared of what was found."""
    return {
        number: one.kind
        if isinstance(one, Skipped)
        else [(one.name, np.array(one.people).tobytes(), one.credit.title, one.credit.author) for one in one]
        for number, one in found
    }


@pytest.fixture(scope="module")
def two_workers(processes: Processes) -> list[subprocess.Popen[bytes]]:
    """Two workers without a nanny, who would start them again; the first is killed on the way."""
    return [processes.work("--no-nanny"), processes.work("--no-nanny")]


def wait_for_workers(lookers: Cluster, processes: Processes) -> None:
    """Until all workers that were started, and have not ended, are at work."""
    until = time.monotonic() + 60
    while lookers._count_threads() != sum(worker.poll() is None for worker in processes.workers):
        assert time.monotonic() < until, "the workers do not start"
        time.sleep(0.05)


def failure(processes: Processes | str, photos=(), finder=MarkFinder) -> str:
    address = processes if isinstance(processes, str) else processes.address
    with pytest.raises(LibraryError) as error, Cluster(address, ScanSettings(finder, long_side=LONG_SIDE)) as lookers:
        list(lookers.scan(photos))
    sentence = str(error.value)
    assert re.fullmatch(r"[^\n]+\.", sentence)
    return sentence


def test_the_same_library_comes_out_of_a_cluster_of_which_one_worker_is_killed(processes, two_workers, tmp_path):
    (tmp_path / "photos").mkdir()
    photos_in(tmp_path / "photos", 60)
    alone = build([tmp_path / "photos"], tmp_path / "alone", MARKS)
    with Cluster(processes.address, NO_ESTIMATOR) as lookers:
        wait_for_workers(lookers, processes)

    def kill_one_on_the_way(done: int, total: int | None, what: str) -> None:
        if what == "Scanning photos" and done >= 9:
            two_workers[0].send_signal(signal.SIGKILL)

    options = BuildOptions(dask=processes.address)
    by_cluster = build([tmp_path / "photos"], tmp_path / "by-cluster", MARKS, options, kill_one_on_the_way)
    assert two_workers[0].wait() == -signal.SIGKILL
    assert by_cluster.skip_counts == alone.skip_counts
    assert alone.skip_counts["no person"] == 9
    assert alone.items > 30
    assert files(tmp_path / "by-cluster") == files(tmp_path / "alone")


def files(library: Path) -> dict[str, str]:
    """The checksums of all of a library's files but the report, which says how long it took."""
    with Library.open(library) as opened:
        pictures = {f"pictures/{name}": name for name in opened.picture_names()}
        return pictures | {name: one.sha256 for name, one in opened.manifest.files.items() if name != REPORT_FILE}


def test_the_model_comes_with_the_work(processes, two_workers, bundled_posenet, tmp_path):
    model, photo = tmp_path / "model.tflite", tmp_path / "somebody.png"
    shutil.copyfile(bundled_posenet, model)
    cv2.imwrite(str(photo), perform(1.5, 640, 480)[0][:, :, ::-1])
    photos = [(0, Photo(photo, Credit()))]
    with PhotoWorkers(ScanSettings(estimator_factory(model), long_side=LONG_SIDE), 1) as lookers:
        alone = said(lookers.scan(photos))
    assert len(alone[0]) == 1, "somebody is found"
    with Cluster(processes.address, ScanSettings(estimator_factory(model), long_side=LONG_SIDE)) as lookers:
        model.unlink()
        assert said(lookers.scan(photos)) == alone


def test_labelled_photos_need_no_model(processes, two_workers, tmp_path):
    ((_, photo),) = photos_in(tmp_path, 1)
    labelled = replace(photo, people=sample_people(1) % 200 + 20, size=(320, 240))
    with PhotoWorkers(NO_ESTIMATOR, 1) as lookers:
        alone = said(lookers.scan([(5, labelled)]))
    with Cluster(processes.address, NO_ESTIMATOR) as lookers:
        assert said(lookers.scan([(5, labelled)])) == alone


def test_what_is_under_way_is_cancelled_when_it_is_left(processes, two_workers, tmp_path):
    with Cluster(processes.address, MARKS) as lookers:
        for _ in lookers.scan(photos_in(tmp_path, 50)):
            break
    with Cluster(processes.address, NO_ESTIMATOR) as lookers:
        for _ in range(100):
            if not lookers._client.run_on_scheduler(_tasks):
                break
            time.sleep(0.05)
        assert not lookers._client.run_on_scheduler(_tasks)


def test_a_photo_that_only_this_machine_has_is_told(processes, two_workers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photos_in(tmp_path, 1)
    here = Path("/proc/self/cwd/000.png")  # each process has a folder of its own there
    said = failure(processes, [(0, Photo(here, Credit()))])
    assert said.startswith(f"{here} cannot be read (No such file or directory) on a worker")


def test_a_photo_that_is_nowhere_is_skipped(processes, two_workers, tmp_path):
    with Cluster(processes.address, MARKS) as lookers:
        ((number, found),) = lookers.scan([(7, Photo(tmp_path / "missing.jpg", Credit()))])
    assert number == 7
    assert isinstance(found, Skipped)
    assert found.kind == "cannot be read"


@pytest.mark.parametrize(
    ("preload", "sentence"),
    [
        ("import sys; sys.modules['index'] = None", r"cannot load Pose Mirror \(.*index.*\): install the same"),
        (
            "import index.build.cluster; index.build.cluster.PROGRAM = 'another'",
            "has another version of Pose Mirror: install the ",
        ),
    ],
)
def test_a_worker_without_this_very_program_is_told(processes, two_workers, preload, sentence, tmp_path):
    (tmp_path / "preload.py").write_text(preload)
    with Cluster(processes.address, NO_ESTIMATOR) as lookers:
        worker = processes.work("--no-nanny", "--preload", str(tmp_path / "preload.py"))
        wait_for_workers(lookers, processes)
    assert re.search(sentence, failure(processes))
    worker.kill()
    worker.wait()


def test_a_worker_that_comes_later_with_another_version_looks_at_nothing():
    with pytest.raises(LibraryError, match="has another version"):
        cluster._scan("another", [], None, LONG_SIDE)


def test_without_dask_it_is_told_how_to_have_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "index.build.cluster")
    with pytest.raises(LibraryError, match=r"pip install 'pose-mirror\[dask\]'"):
        importlib.import_module("index.build.cluster")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("tcp://127.0.0.1:1", "Timed out"),
        ("tcp://no.such.host.invalid:8786", "Timed out|not known|resolution"),
        ("127.0.0.1", "port"),
        ("nonsense://here:1", "nonsense"),
        ("tcp://127.0.0.1:port", "port"),
        ("", "."),
    ],
)
def test_a_scheduler_that_is_not_there_is_told(address, why, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_TIMEOUT", 0.3)
    assert re.search(rf"^There is no Dask scheduler at {address} \(.*({why}).*\): start one with", failure(address))


def test_a_photo_that_ends_every_worker_is_skipped_and_no_other(processes, two_workers, tmp_path):
    photos = photos_in(tmp_path, 20, deadly=5)
    for worker in two_workers:
        worker.kill()
    with PhotoWorkers(ScanSettings(CrashingFinder, long_side=LONG_SIDE), 1) as lookers:
        alone = said(lookers.scan(photos))
    processes.work("--nanny", "--name", "started again")
    with Cluster(processes.address, ScanSettings(CrashingFinder, long_side=LONG_SIDE)) as lookers:
        lookers._client.run_on_scheduler(_allow_no_failure)
        assert said(lookers.scan(photos)) == alone
    assert alone[5] == "damaged"
    assert list(alone.values()).count("damaged") == 1


def _tasks(dask_scheduler) -> int:
    return len(dask_scheduler.tasks)


def _allow_no_failure(dask_scheduler) -> None:
    """Dask's own number is 3; each takes a worker."""
    dask_scheduler.allowed_failures = 0


def test_a_cluster_that_is_lost_on_the_way_is_told(tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_TIMEOUT", 0.3)
    monkeypatch.setattr(cluster, "NO_WORKER_TIMEOUT", 0.5)
    processes = Processes(tmp_path_factory.mktemp("lost"))
    try:
        processes.wait_for_the_scheduler()
        assert "has no workers: start some with `dask worker tcp://127.0.0.1:" in failure(processes)
        monkeypatch.setattr(cluster, "CONNECT_TIMEOUT", 60)
        worker = processes.work("--no-nanny")
        sentence = failure(processes, kill_after_the_first(photos_in(tmp_path, 40), worker))
        assert "No worker is left at the Dask scheduler" in sentence
        processes.work("--no-nanny")
        sentence = failure(processes, kill_after_the_first(photos_in(tmp_path, 40), processes.scheduler))
        assert "was lost: start it again" in sentence
    finally:
        processes.close()


def kill_after_the_first(photos, process):
    """The photos, and in the middle of their being handed out the process ends."""
    yield from photos[:20]
    process.kill()
    yield from photos[20:]


@pytest.mark.parametrize("another", [True, False])
def test_work_whose_worker_ends_before_it_was_fetched_is_done_again(another, tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_TIMEOUT", 60)
    monkeypatch.setattr(cluster, "NO_WORKER_TIMEOUT", 60 if another else 0.5)
    photos = photos_in(tmp_path, 3)
    with PhotoWorkers(MARKS, 1) as lookers:
        alone = said(lookers.scan(photos))
    processes = Processes(tmp_path_factory.mktemp("unfetched"))
    try:
        processes.wait_for_the_scheduler()
        worker = processes.work("--no-nanny")
        with Cluster(processes.address, MARKS) as lookers:
            next_done = lookers._next_done

            def done_but_its_worker_ends():
                future = next_done()
                worker.kill()
                while lookers._client.nthreads():
                    time.sleep(0.05)
                if another:
                    processes.work("--no-nanny")
                return future

            monkeypatch.setattr(lookers, "_next_done", done_but_its_worker_ends)
            if another:
                assert said(lookers.scan(photos)) == alone
            else:
                with pytest.raises(LibraryError, match="No worker is left at the Dask scheduler"):
                    list(lookers.scan(photos))
    finally:
        processes.close()
