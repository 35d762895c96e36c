"""The fuzzing targets without a fuzzer: their seeds and some hundred changes of each break no promise."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import __main__ as fuzz
from tests.fuzz import odd
from tests.fuzz.__main__ import STOP_SECONDS, start_runs, wait_for_runs
from tests.fuzz.finds import record_finds
from tests.fuzz.promise import (
    MAX_SENTENCE_LENGTH,
    TARGETS,
    BrokenPromise,
    Reader,
    Target,
    check_sentence,
    load_target,
    pack_input,
    unpack_input,
    with_time_limit,
)
from tests.models.estimator.test_watched import wait_until
from tests.support.paths import ROOT

CHANGES = 150
"""Changed seeds for each target; they take some seconds in all."""


class Loaded(NamedTuple):
    """A target, its seeds, and the function that reads an input."""

    name: str
    target: Target
    seeds: list[bytes]
    read: Reader


@pytest.fixture(scope="module", params=TARGETS)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """Each target in turn."""
    name: str = request.param
    target, folder = load_target(name), tmp_path_factory.mktemp("fuzz")
    return Loaded(name, target, list(target.seeds(folder)), quiet(with_time_limit(target.make_reader(folder))))


def quiet(read: Reader) -> Reader:
    """Wrap a reader to silence the warnings of NumPy and Pillow."""

    def reading(data: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(data)

    return reading


@pytest.mark.slow
def test_seeds_are_valid_and_short_enough(loaded: Loaded) -> None:
    assert len(set(loaded.seeds)) >= 5
    for seed in loaded.seeds:
        assert len(seed) <= loaded.target.MAX_BYTES
        loaded.read(seed)


@pytest.mark.slow
def test_changed_seeds_break_no_promise(loaded: Loaded) -> None:
    rng = random.Random(loaded.name)
    changed = 0
    for _ in range(CHANGES):
        seed = rng.choice(loaded.seeds)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zipfile warns of members with the same name
            data = loaded.target.mutate(seed, rng, odd.byte_mutator(rng))
        changed += data != seed
        loaded.read(data[: loaded.target.MAX_BYTES])
    assert changed > CHANGES / 2


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.integers(0, 2**32))
def test_any_bytes_break_no_promise(loaded: Loaded, data: bytes, seed: int) -> None:
    loaded.read(data)
    loaded.read(loaded.target.mutate(data, random.Random(seed), lambda part: part)[: loaded.target.MAX_BYTES])


@pytest.mark.parametrize(
    "message",
    [
        "",
        " ",
        "a.csv\n",
        "a.csv\x1b[0m",
        "a.csv" + "x" * (MAX_SENTENCE_LENGTH + 1),
        "a.csv: Traceback (most recent call last)",
        "it is wrong",
    ],
)
def test_rejects_a_bad_message(message: str) -> None:
    with pytest.raises(BrokenPromise):
        check_sentence(message, "a.csv")


def test_packs_a_file_name_with_its_content() -> None:
    assert unpack_input(pack_input("a.csv", b"one\ntwo")) == ("a.csv", b"one\ntwo")


def run(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={}, timeout=100)


def test_one_command_reads_an_input_again(tmp_path: Path) -> None:
    (tmp_path / "input").write_text("[gif]\nseconds = 4\n")
    assert run("config", "--input", tmp_path / "input").stdout == f"{tmp_path}/input breaks no promise.\n"
    assert "name it" in run("--input", tmp_path / "input").stderr
    assert "there is no target 'confg'" in run("confg").stderr


@pytest.mark.slow
def test_fuzzes_a_target_and_reports(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="the fuzzer is not installed: make fuzz does it")
    result = run("config", "--seconds", 5, "--folder", tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 found" in result.stdout
    assert "s of CPU time" in result.stdout
    assert any((tmp_path / "config" / "corpus").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_fuzzing_in_order(tmp_path: Path, number: signal.Signals) -> None:
    pytest.importorskip("atheris", reason="the fuzzer is not installed: make fuzz does it")
    command = [sys.executable, "-m", "tests.fuzz", "config", "model", "--seconds", "60", "--folder", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={}) as fuzzing:
        logs = [tmp_path / name / "log" for name in ("config", "model")]
        while not all(log.is_file() and b"INITED" in log.read_bytes() for log in logs):
            assert fuzzing.poll() is None, [log.read_text() for log in logs if log.is_file()]
            time.sleep(0.1)
        fuzzing.send_signal(number)
        output, _ = fuzzing.communicate(timeout=STOP_SECONDS + 10)
    assert fuzzing.returncode == 0, output
    assert len(re.findall("0 found", output)) >= 2
    assert wait_until(lambda: not commands_about(tmp_path))


# How runs are managed. A few lines of shell stand in for the fuzzer and are called as Python is: -m tests.fuzz.driver …

FINDING = 'mkdir -p "$4/found"; echo an input > "$4/found/crash-1"'
STUBBORN = 'trap "" INT TERM; touch "$4/started"; while :; do sleep 0.1; done'


@contextmanager
def fuzzer(script: str, folder: Path) -> Iterator[None]:
    """Run a shell script in place of the fuzzer."""
    file = folder / "fuzzer"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(file))
        yield


def commands_about(folder: Path) -> list[str]:
    """The command lines that name a folder, of all processes."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            lines.append((process / "cmdline").read_text(errors="replace").replace("\0", " "))
    return [line for line in lines if str(folder) in line]


@pytest.mark.slow
def test_an_old_find_counts_only_when_found_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for script, status in ((FINDING, 1), (FINDING, 1), ("exit 0", 0)):
        with fuzzer(script, tmp_path), start_runs(["config"], 60, tmp_path) as runs:
            assert wait_for_runs(runs) == status
        assert f"{status} found" in capsys.readouterr().out
    assert (tmp_path / "config" / "found" / "crash-1").exists(), "the input is kept for reading it again"


def test_records_the_first_input_of_each_kind(tmp_path: Path) -> None:
    def read(data: bytes) -> None:
        if data.startswith(b"broken"):
            raise KeyError(data)
        if data.startswith(b"odd"):
            raise BrokenPromise(data)

    for first in (b"broken in one run", b"broken in another"):
        recording = record_finds(read, tmp_path)
        for data in (first, b"broken again", b"well", b"odd"):
            recording(data)
        found = sorted(file.read_bytes() for file in tmp_path.iterdir() if file.suffix != ".txt")
        assert found == [first, b"odd"]
        assert any(repr(first) in file.read_text() for file in tmp_path.glob("*.txt"))


def test_a_second_ctrl_c_kills_every_fuzzer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names, pressed, pause = ["config", "model"], list[float](), threading.Event()

    def ctrl_c(seconds: float) -> None:
        while not all((tmp_path / name / "started").exists() for name in names):
            pause.wait(0.01)
        pressed.append(seconds)
        raise KeyboardInterrupt

    # only what waits for the fuzzers: a thread that another test left behind may sleep, too
    monkeypatch.setattr(fuzz, "time", SimpleNamespace(sleep=ctrl_c, monotonic=time.monotonic))
    with fuzzer(STUBBORN, tmp_path), pytest.raises(KeyboardInterrupt), start_runs(names, 60, tmp_path) as runs:
        wait_for_runs(runs)
    assert len(pressed) == 2
    assert wait_until(lambda: not commands_about(tmp_path))


def test_a_failed_start_kills_the_other_fuzzers(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("not a folder")
    with fuzzer(STUBBORN, tmp_path), pytest.raises(FileExistsError), start_runs(["config", "model"], 60, tmp_path):
        pytest.fail("both fuzzers started")
    assert wait_until(lambda: not commands_about(tmp_path))
