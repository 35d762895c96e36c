"""A real Dask scheduler and real workers on this machine find what one process finds."""

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
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from distributed import Future

from index.build import cluster
from index.build.cluster import Cluster
from index.build.people import estimator_factory
from index.build.photo import Credit, NewPicture, Photo, Skipped, VideoProgress
from index.build.photo_workers import PhotoWorkers
from index.build.pipeline import BuildOptions, build
from index.build.scan import ScanResult, ScanSettings
from index.collect.collector import CollectOptions, fill
from index.collect.ledger import KEPT, Ledger
from index.errors import LibraryError
from index.library import Library
from index.manifest import REPORT_FILE
from models.figures import perform
from tests.index.collect.collecting import Listing, make_photos
from tests.index.collect.photo_server import serve_photos
from tests.support.finders import MARK_COLOUR, CrashingFinder, MarkFinder
from tests.support.paths import ROOT
from tests.support.sample_poses import sample_people

LONG_SIDE = 320
NO_ESTIMATOR = ScanSettings(long_side=LONG_SIDE)
MARKS = ScanSettings(MarkFinder, long_side=LONG_SIDE)

pytestmark = pytest.mark.slow


class Processes:
    """A scheduler and workers, each in its own process, as `dask scheduler` and `dask worker` start them."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._names = folder, itertools.count()
        self._all: list[subprocess.Popen[bytes]] = []
        self._with_nanny: list[subprocess.Popen[bytes]] = []
        self.workers: list[subprocess.Popen[bytes]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--dashboard-address", "127.0.0.1:0"
        )

    def start_worker(self, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start another worker."""
        arguments = ("worker", self.address, "--nthreads", "1", "--no-dashboard", "--death-timeout", "60")
        self.workers.append(self._start(*arguments, *options, **environment))
        if "--nanny" in options:
            self._with_nanny.append(self.workers[-1])
        return self.workers[-1]

    def wait_for_scheduler(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.05)

    def close(self) -> None:
        for process in self._all:
            if process in self._with_nanny:  # a nanny must end the worker that it started
                process.terminate()
            else:
                process.kill()
        for process in self._all:
            process.wait()

    def _start(self, command: str, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{command}-{next(self._names)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{command}", *options],
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
    processes = Processes(tmp_path_factory.mktemp("dask"))
    try:
        yield processes
    finally:
        processes.close()


@pytest.fixture(autouse=True)
def _collect_lost_clients() -> Iterator[None]:
    """Collect clients that found no scheduler: each takes a lock of all clients, which the next test may hold."""
    yield
    gc.collect()


def photos_in(folder: Path, count: int, deadly: int | None = None) -> list[tuple[int, Photo]]:
    """Write photos with one person each. Every seventh shows nobody, and one may crash the process that scans it."""
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


def comparable(results: Iterable[tuple[int, ScanResult | VideoProgress]]) -> dict[int, object]:
    """Return results in a form that can be compared."""
    return {
        number: result.kind if isinstance(result, Skipped) else _contents(result)
        for number, result in results
        if not isinstance(result, VideoProgress)
    }


def _contents(pictures: list[NewPicture]) -> list[object]:
    return [
        (picture.name, np.array(picture.people).tobytes(), picture.credit.title, picture.credit.author)
        for picture in pictures
    ]


@pytest.fixture(scope="module")
def two_workers(processes: Processes) -> list[subprocess.Popen[bytes]]:
    """Two workers without a nanny, which would restart them. One test kills the first."""
    return [processes.start_worker("--no-nanny"), processes.start_worker("--no-nanny")]


def wait_for_workers(scanner: Cluster, processes: Processes) -> None:
    """Wait until the cluster has all workers that were started and are still running."""
    deadline = time.monotonic() + 60
    while scanner._count_threads() != sum(worker.poll() is None for worker in processes.workers):
        assert time.monotonic() < deadline, "the workers do not start"
        time.sleep(0.05)


def failure(address: str, photos: Iterable[tuple[int, Photo]] = ()) -> str:
    """Return the error of scanning photos on a cluster."""
    with pytest.raises(LibraryError) as error, Cluster(address, MARKS) as scanner:
        list(scanner.scan(photos))
    sentence = str(error.value)
    assert re.fullmatch(r"[^\n]+\.", sentence)
    return sentence


@pytest.mark.slow
def test_builds_the_same_library_although_a_worker_is_killed(
    processes: Processes, two_workers: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    photos_in(tmp_path / "photos", 60)
    alone = build([tmp_path / "photos"], tmp_path / "alone", MARKS)
    with Cluster(processes.address, NO_ESTIMATOR) as scanner:
        wait_for_workers(scanner, processes)

    def kill_a_worker(done: int, total: int | None, step: str) -> None:
        if step == "Scanning photos" and done >= 9:
            two_workers[0].send_signal(signal.SIGKILL)

    options = BuildOptions(dask=processes.address)
    by_cluster = build([tmp_path / "photos"], tmp_path / "by-cluster", MARKS, options, kill_a_worker)
    assert two_workers[0].wait() == -signal.SIGKILL
    assert by_cluster.skip_counts == alone.skip_counts
    assert alone.skip_counts["no person"] == 9
    assert alone.items > 30
    assert files(tmp_path / "by-cluster") == files(tmp_path / "alone")


def files(library: Path) -> dict[str, str]:
    """Return the checksums of a library's files, without the report."""
    with Library.open(library) as opened:
        pictures = {f"pictures/{name}": name for name in opened.picture_names()}
        return pictures | {name: file.sha256 for name, file in opened.manifest.files.items() if name != REPORT_FILE}


@pytest.mark.slow
def test_sends_the_model_to_the_workers(
    processes: Processes, two_workers: list[subprocess.Popen[bytes]], bundled_posenet: Path, tmp_path: Path
) -> None:
    model, photo = tmp_path / "model.tflite", tmp_path / "somebody.png"
    shutil.copyfile(bundled_posenet, model)
    cv2.imwrite(str(photo), perform(1.5, 640, 480)[0][:, :, ::-1])
    photos = [(0, Photo(photo, Credit()))]
    with PhotoWorkers(ScanSettings(estimator_factory(model), long_side=LONG_SIDE), 1) as workers:
        alone = comparable(workers.scan(photos))
    assert isinstance(alone[0], list)
    assert len(alone[0]) == 1, "the person is found"
    with Cluster(processes.address, ScanSettings(estimator_factory(model), long_side=LONG_SIDE)) as scanner:
        model.unlink()
        assert comparable(scanner.scan(photos)) == alone


@pytest.mark.slow
def test_labelled_photos_need_no_model(
    processes: Processes, two_workers: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    ((_, photo),) = photos_in(tmp_path, 1)
    labelled = replace(photo, people=sample_people(1) % 200 + 20, size=(320, 240))
    with PhotoWorkers(NO_ESTIMATOR, 1) as workers:
        alone = comparable(workers.scan([(5, labelled)]))
    with Cluster(processes.address, NO_ESTIMATOR) as scanner:
        assert comparable(scanner.scan([(5, labelled)])) == alone


@pytest.mark.slow
def test_a_collection_downloads_on_the_cluster(
    processes: Processes, two_workers: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    names = [f"{number}.jpg" for number in range(20)]
    with serve_photos(make_photos(20)) as server, Ledger(tmp_path / "library", "test") as ledger:
        source, options = Listing(server.url, [*names, "gone/1.jpg"]), CollectOptions(count=8, dask=processes.address)
        collected = fill(ledger, source, MARKS, options)
        assert collected.kept == 8
        assert ledger.skips(1)["cannot be read"][0] == 1
        assert sum(1 for _ in ledger.pictures(KEPT)) == len(list(ledger.picture_folder.iterdir())) == 8


def test_cancels_unfinished_chunks_on_leaving(
    processes: Processes, two_workers: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    with Cluster(processes.address, MARKS) as scanner:
        for _ in scanner.scan(photos_in(tmp_path, 50)):
            break
    with Cluster(processes.address, NO_ESTIMATOR) as scanner:
        for _ in range(100):
            if not scanner._client.run_on_scheduler(_task_count):
                break
            time.sleep(0.05)
        assert not scanner._client.run_on_scheduler(_task_count)


def test_rejects_photos_that_only_this_machine_has(
    processes: Processes, two_workers: list[subprocess.Popen[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    photos_in(tmp_path, 1)
    here = Path("/proc/self/cwd/000.png")  # another folder for each process
    message = failure(processes.address, [(0, Photo(here, Credit()))])
    assert message.startswith(f"{here} cannot be read (No such file or directory) on a worker")


def test_skips_a_missing_photo(
    processes: Processes, two_workers: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    with Cluster(processes.address, MARKS) as scanner:
        ((number, result),) = scanner.scan([(7, Photo(tmp_path / "missing.jpg", Credit()))])
    assert number == 7
    assert isinstance(result, Skipped)
    assert result.kind == "cannot be read"


@pytest.mark.slow
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
def test_rejects_a_worker_with_another_program(
    processes: Processes, two_workers: list[subprocess.Popen[bytes]], preload: str, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "preload.py").write_text(preload)
    with Cluster(processes.address, NO_ESTIMATOR) as scanner:
        worker = processes.start_worker("--no-nanny", "--preload", str(tmp_path / "preload.py"))
        wait_for_workers(scanner, processes)
    assert re.search(sentence, failure(processes.address))
    worker.kill()
    worker.wait()


def test_a_late_worker_with_another_version_scans_nothing() -> None:
    with pytest.raises(LibraryError, match="has another version"):
        cluster._scan("another", [], None, LONG_SIDE)


def test_says_how_to_install_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "index.build.cluster")
    with pytest.raises(LibraryError, match=r"pip install -e '\.\[dask\]'"):
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
def test_reports_a_missing_scheduler(address: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_TIMEOUT", 0.3)
    assert re.search(rf"^There is no Dask scheduler at {address} \(.*({why}).*\): start one with", failure(address))


@pytest.mark.slow
def test_skips_only_the_photo_that_crashes_every_worker(
    processes: Processes, two_workers: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    photos = photos_in(tmp_path, 20, deadly=5)
    for worker in two_workers:
        worker.kill()
    with PhotoWorkers(ScanSettings(CrashingFinder, long_side=LONG_SIDE), 1) as workers:
        alone = comparable(workers.scan(photos))
    processes.start_worker("--nanny", "--name", "restarted")
    with Cluster(processes.address, ScanSettings(CrashingFinder, long_side=LONG_SIDE)) as scanner:
        scanner._client.run_on_scheduler(_allow_no_failure)
        assert comparable(scanner.scan(photos)) == alone
    assert alone[5] == "damaged"
    assert list(alone.values()).count("damaged") == 1


def _task_count(dask_scheduler: Any) -> int:
    return len(dask_scheduler.tasks)


def _allow_no_failure(dask_scheduler: Any) -> None:
    """Report a chunk after its first crash. Dask's default is after 3 more, each of which crashes a worker."""
    dask_scheduler.allowed_failures = 0


@pytest.mark.slow
def test_reports_a_lost_cluster(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_TIMEOUT", 0.3)
    monkeypatch.setattr(cluster, "NO_WORKER_TIMEOUT", 0.5)
    processes = Processes(tmp_path_factory.mktemp("lost"))
    try:
        processes.wait_for_scheduler()
        assert "has no workers: start some with `dask worker tcp://127.0.0.1:" in failure(processes.address)
        monkeypatch.setattr(cluster, "CONNECT_TIMEOUT", 60)
        worker = processes.start_worker("--no-nanny")
        sentence = failure(processes.address, kill_after_half(photos_in(tmp_path, 40), worker))
        assert "No worker is left at the Dask scheduler" in sentence
        processes.start_worker("--no-nanny")
        sentence = failure(processes.address, kill_after_half(photos_in(tmp_path, 40), processes.scheduler))
        assert "was lost: start it again" in sentence
    finally:
        processes.close()


def kill_after_half(photos: list[tuple[int, Photo]], process: subprocess.Popen[bytes]) -> Iterator[tuple[int, Photo]]:
    """Yield the photos, and kill a process after half of them."""
    half = len(photos) // 2
    yield from photos[:half]
    process.kill()
    yield from photos[half:]


@pytest.mark.slow
@pytest.mark.parametrize("another", [True, False])
def test_repeats_a_chunk_whose_results_are_lost(
    another: bool, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_TIMEOUT", 60)
    monkeypatch.setattr(cluster, "NO_WORKER_TIMEOUT", 60 if another else 0.5)
    photos = photos_in(tmp_path, 3)
    with PhotoWorkers(MARKS, 1) as workers:
        alone = comparable(workers.scan(photos))
    processes = Processes(tmp_path_factory.mktemp("unfetched"))
    try:
        processes.wait_for_scheduler()
        worker = processes.start_worker("--no-nanny")
        with Cluster(processes.address, MARKS) as scanner:
            next_done = scanner._next_done

            def next_done_without_its_worker() -> Future:
                future = next_done()
                worker.kill()
                while scanner._client.nthreads():
                    time.sleep(0.05)
                if another:
                    processes.start_worker("--no-nanny")
                return future

            monkeypatch.setattr(scanner, "_next_done", next_done_without_its_worker)
            if another:
                assert comparable(scanner.scan(photos)) == alone
            else:
                with pytest.raises(LibraryError, match="No worker is left at the Dask scheduler"):
                    list(scanner.scan(photos))
    finally:
        processes.close()
