"""Disks without locks, links, syncing, mapping or replacing renames: everything comes out complete, or a sentence."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.support.paths import ROOT
from tests.support.poor_disk import compile_poor_disk, environment

LOCKLESS: Final = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EIO, errno.EACCES)
UNSUPPORTED: Final = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)

MISSING: Final = {
    "flock": LOCKLESS,
    "fcntl": LOCKLESS,
    "link": (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV, errno.EEXIST),
    "renameat2": (*UNSUPPORTED, errno.EEXIST, errno.EBUSY),
    "replace": (errno.EEXIST, errno.ENOTEMPTY, errno.EBUSY, errno.EPERM),
    "fsync": (*UNSUPPORTED, errno.EBADF),
    "fsync-folder": (*UNSUPPORTED, errno.EBADF, errno.EACCES, errno.EIO),
    "chmod": (errno.EPERM, errno.ENOSYS),
    "mmap": (errno.ENODEV, errno.EINVAL, errno.EACCES),
    "answer": (errno.ENOENT, errno.ESTALE),
}
"""What a disk may lack, with the errors that say so; `answer` loses the answer of a rename that happened."""

FAILING: Final = {"rename": (errno.EIO, errno.ESTALE, errno.EPERM), "fsync": (errno.EIO, errno.ENOSPC, errno.EDQUOT)}
"""What keeps everything from being saved."""

Trial = Callable[[list[dict[str, int]]], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """Return a function that saves everything on disks with these faults, and returns what came out."""
    folder = tmp_path_factory.mktemp("poor")
    try:
        library = compile_poor_disk(tmp_path_factory.mktemp("compiled"))
    except FileNotFoundError as error:
        pytest.skip(str(error))
    runs = iter(range(100))

    def run(faults: list[dict[str, int]]) -> list[dict[str, Any]]:
        place = folder / str(next(runs))
        place.mkdir()
        result = subprocess.run(
            [sys.executable, "-m", "tests.support.poor_disk_trial", place],
            input=json.dumps(faults),
            env={**os.environ, **environment(library, place, {})},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        outcomes = [json.loads(line) for line in result.stdout.splitlines()]
        assert [outcome["faults"] for outcome in outcomes] == faults
        return outcomes

    return run


@pytest.mark.slow
def test_saves_everything_without_any_one_ability(trial: Trial) -> None:
    faults = [{call: number} for call, numbers in MISSING.items() for number in numbers]
    for outcome in trial(faults):
        assert outcome["failures"] == outcome["problems"] == [], outcome


@pytest.mark.slow
def test_saves_everything_without_several_abilities(trial: Trial) -> None:
    rng = random.Random(14)
    faults = [
        {call: rng.choice(numbers) for call, numbers in MISSING.items() if call != "answer" and rng.random() < 0.5}
        for _ in range(40)
    ]
    for outcome in trial([{call: numbers[0] for call, numbers in MISSING.items() if call != "answer"}, *faults]):
        assert outcome["failures"] == outcome["problems"] == [], outcome


@pytest.mark.slow
def test_leaves_nothing_half_where_saving_fails(trial: Trial) -> None:
    rng = random.Random(15)
    faults = [
        {call: number, **{more: rng.choice(MISSING[more]) for more in ("link", "renameat2", "flock")}}
        for call, numbers in FAILING.items()
        for number in numbers
    ]
    for outcome in trial(faults):
        assert outcome["failures"], outcome
        assert outcome["problems"] == [], outcome
