"""The targets of the fuzzer (tests/fuzz) without it: their seeds are read, and some hundred changes of them."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import odd
from tests.fuzz.__main__ import STOP_SECONDS, start_runs, wait_for_runs
from tests.fuzz.finds import record_finds
from tests.fuzz.promise import (
    MAX_SENTENCE_LENGTH,
    TARGETS,
    BrokenPromise,
    check_sentence,
    load_target,
    pack_input,
    unpack_input,
    with_time_limit,
)
from tests.models.estimator.test_watched import wait_until
from tests.support.paths import ROOT

CHANGES = 150
"""Of seeds, for each target: some seconds in all."""


@pytest.fixture(scope="module", params=TARGETS)
def fuzzed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A target's name, its module, its seeds, and what reads an input."""
    module, folder = load_target(request.param), tmp_path_factory.mktemp("fuzz")
    return request.param, module, list(module.seeds(folder)), quiet(with_time_limit(module.make_reader(folder)))


def quiet(read: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """The same without NumPy's and Pillow's warnings, which are lines of a log elsewhere."""

    def reading(data: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(data)

    return reading


def test_seeds_are_read_and_not_too_long(fuzzed):
    _, module, seeds, read = fuzzed
    assert len(set(seeds)) >= 5
    for seed in seeds:
        assert len(seed) <= module.LONGEST
        read(seed)


def test_seeds_are_changed_and_read(fuzzed):
    name, module, seeds, read = fuzzed
    rng = random.Random(name)
    changed = 0
    for _ in range(CHANGES):
        seed = rng.choice(seeds)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zip files whose members have one name
            made = module.mutated(seed, rng, odd.byte_mutator(rng))
        changed += made != seed
        read(made[: module.LONGEST])
    assert changed > CHANGES / 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.integers(0, 2**32))
def test_any_bytes_are_read_and_can_be_changed(fuzzed, data, seed):
    _, module, _, read = fuzzed
    read(data)
    read(module.mutated(data, random.Random(seed), lambda some: some)[: module.LONGEST])


@pytest.mark.parametrize(
    "said",
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
def test_what_is_no_sentence_about_the_thing_breaks_the_promise(said):
    with pytest.raises(BrokenPromise):
        check_sentence(said, "a.csv")


def test_an_input_of_several_files_says_which(fuzzed):
    assert unpack_input(pack_input("a.csv", b"one\ntwo")) == ("a.csv", b"one\ntwo")


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={}, timeout=100)


def test_an_input_is_read_again_by_one_command(tmp_path):
    (tmp_path / "input").write_text("[gif]\nseconds = 4\n")
    assert run("config", "--input", tmp_path / "input").stdout == f"{tmp_path}/input is read as it should be.\n"
    assert "name it" in run("--input", tmp_path / "input").stderr
    assert "there is no target 'confg'" in run("confg").stderr


@pytest.mark.slow
def test_a_target_is_fuzzed_and_what_it_did_is_told(tmp_path):
    pytest.importorskip("atheris", reason="the fuzzer is not installed: make fuzz does it")
    ended = run("config", "--seconds", 5, "--folder", tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 found" in ended.stdout
    assert "s of the processor" in ended.stdout
    assert any((tmp_path / "config" / "corpus").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_fuzzing_in_order(tmp_path: Path, number: signal.Signals) -> None:
    pytest.importorskip("atheris", reason="the fuzzer is not installed: make fuzz does it")
    command = [sys.executable, "-m", "tests.fuzz", "config", "model", "--seconds", "60", "--folder", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={}) as fuzzing:
        logs = [tmp_path / name / "log" for name in ("config", "model")]
        while not all(log.is_file() and b"INITED" in log.read_bytes() for log in logs):
            assert fuzzing.poll() is None, [log.read_text() for log in logs if log.is_file()]
            time.sleep(0.1)
        fuzzing.send_signal(number)
        said, _ = fuzzing.communicate(timeout=STOP_SECONDS + 10)
    assert fuzzing.returncode == 0, said
    assert len(re.findall("0 found", said)) >= 2
    assert wait_until(lambda: not commands_about(tmp_path))


# How targets are run, with a shell's few lines in the fuzzer's place: it is called as Python would be, -m fuzz.driver …

FINDING = 'mkdir -p "$4/found"; echo an input > "$4/found/crash-1"'
STUBBORN = 'trap "" INT TERM; touch "$4/begun"; while :; do sleep 0.1; done'


@contextmanager
def fuzzer(script: str, folder: Path) -> Iterator[None]:
    """Whatever is fuzzed meanwhile is this script."""
    file = folder / "fuzzer"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(file))
        yield


def commands_about(folder: Path) -> list[str]:
    """The command lines of all processes that name a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found.append((process / "cmdline").read_text(errors="replace").replace("\0", " "))
    return [command for command in found if str(folder) in command]


def test_what_an_earlier_run_found_counts_when_it_is_found_again_and_only_then(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for script, status in ((FINDING, 1), (FINDING, 1), ("exit 0", 0)):
        with fuzzer(script, tmp_path), start_runs(["config"], 60, tmp_path) as runs:
            assert wait_for_runs(runs) == status
        assert f"{status} found" in capsys.readouterr().out
    assert (tmp_path / "config" / "found" / "crash-1").exists(), "it stays to be read again"


def test_each_run_writes_the_first_input_of_each_kind(tmp_path: Path) -> None:
    def read(data: bytes) -> None:
        if data.startswith(b"broken"):
            raise KeyError(data)
        if data.startswith(b"odd"):
            raise BrokenPromise(data)

    for first in (b"broken in one run", b"broken in another"):
        noted = record_finds(read, tmp_path)
        for data in (first, b"broken again", b"well", b"odd"):
            noted(data)
        found = sorted(file.read_bytes() for file in tmp_path.iterdir() if file.suffix != ".txt")
        assert found == [first, b"odd"]
        assert any(repr(first) in file.read_text() for file in tmp_path.glob("*.txt"))


def test_no_fuzzer_outlives_a_second_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names, pressed, pause = ["config", "model"], [], threading.Event()

    def ctrl_c(seconds: float) -> None:
        while not all((tmp_path / name / "begun").exists() for name in names):
            pause.wait(0.01)
        pressed.append(seconds)
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", ctrl_c)
    with fuzzer(STUBBORN, tmp_path), pytest.raises(KeyboardInterrupt), start_runs(names, 60, tmp_path) as runs:
        wait_for_runs(runs)
    assert len(pressed) == 2
    assert wait_until(lambda: not commands_about(tmp_path))


def test_no_fuzzer_outlives_another_that_cannot_be_started(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("no folder")
    with fuzzer(STUBBORN, tmp_path), pytest.raises(FileExistsError), start_runs(["config", "model"], 60, tmp_path):
        pytest.fail("one of them was not started")
    assert wait_until(lambda: not commands_about(tmp_path))
