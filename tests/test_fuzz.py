"""The targets of the fuzzer (tests/fuzz) without it: their seeds are read, and some hundred changes of them."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from fuzz import odd
from fuzz.promise import LONGEST_SENTENCE, TARGETS, Broken, as_file, check_sentence, in_time, of_file, target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CHANGES = 150
"""Of seeds, for each target: some seconds in all."""

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module", params=TARGETS)
def fuzzed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A target's name, its module, its seeds, and what reads an input."""
    module, folder = target(request.param), tmp_path_factory.mktemp("fuzz")
    return request.param, module, list(module.seeds(folder)), quiet(in_time(module.reader(folder)))


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
    chance = random.Random(name)
    changed = 0
    for _ in range(CHANGES):
        seed = chance.choice(seeds)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zip files whose members have one name
            made = module.mutated(seed, chance, odd.bytewise(chance))
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
        "a.csv" + "x" * (LONGEST_SENTENCE + 1),
        "a.csv: Traceback (most recent call last)",
        "it is wrong",
    ],
)
def test_what_is_no_sentence_about_the_thing_breaks_the_promise(said):
    with pytest.raises(Broken):
        check_sentence(said, "a.csv")


def test_an_input_of_several_files_says_which(fuzzed):
    assert of_file(as_file("a.csv", b"one\ntwo")) == ("a.csv", b"one\ntwo")


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fuzz", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": "tests"}, timeout=100)


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
def test_ctrl_c_ends_the_fuzzing_in_order(tmp_path):
    pytest.importorskip("atheris", reason="the fuzzer is not installed: make fuzz does it")
    command = [sys.executable, "-m", "fuzz", "config", "model", "--folder", str(tmp_path)]
    environment = {"PYTHONPATH": "tests"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as fuzzing:
        logs = [tmp_path / name / "log" for name in ("config", "model")]
        while not all(log.is_file() and b"INITED" in log.read_bytes() for log in logs):
            time.sleep(0.1)
        fuzzing.send_signal(signal.SIGINT)
        said, _ = fuzzing.communicate(timeout=100)
    assert fuzzing.returncode == 0, said
    assert len(re.findall("0 found", said)) >= 2
