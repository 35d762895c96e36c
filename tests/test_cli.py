"""The command line as its user meets it: help, mistakes, and what each command prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_mirror import STANDING

from device import cli
from index.agreement import agreement
from index.writer import NewItem, write_library
from models.pose import KEYPOINTS


def run(*words: object, env: dict[str, str] | None = None, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "device.cli", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **(env or {})},
        check=False,
    )


def build(keypoints: Path, library: Path) -> None:
    assert cli.main(["index", "build", str(keypoints), "--out", str(library)]) == 0


def query(library: Path, keypoints: Path, top: int) -> int:
    return cli.main(["index", "query", str(library), "--keypoints", str(keypoints), "--top", str(top), "--json"])


@pytest.fixture
def keypoints(tmp_path: Path) -> Path:
    """Somebody standing, and the same twice as large elsewhere with an arm out."""
    other = STANDING * 2 + 300
    other[9] += (60, -120)
    file = tmp_path / "poses.npz"
    people = np.stack([np.column_stack([xy, np.ones(17)]) for xy in (STANDING, other)])
    np.savez(file, keypoints=people.astype(np.float32))
    return file


@pytest.mark.parametrize(
    "words", [[], ["run"], ["demo"], ["poses"], ["index"], ["index", "build"], ["models"], ["doctor"]]
)
def test_help_is_there_for_every_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--help"])
    assert ended.value.code == 0
    assert "usage: pose-mirror" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [["dance"], ["run", "--seconds", "-1"], ["run", "--seconds", "nan"], ["poses"], ["poses", "a.jpg", "--size", "9"]],
)
def test_words_it_does_not_understand_are_refused_with_status_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "--config", "none.toml"], "none.toml: cannot be read"),
        (["index", "query", "nowhere", "--keypoints", "none.npz"], "none.npz"),
        (["index", "info", "nowhere"], "nowhere"),
        (["index", "verify", "nowhere"], "nowhere"),
        (["index", "build", "nowhere", "--out", "out"], "nowhere"),
        (["models", "path", "posenet_xyz"], "posenet_xyz"),
    ],
)
def test_a_fault_is_one_sentence_and_status_1(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 1
    error = capsys.readouterr().err.strip()
    assert told in error
    assert "\n" not in error
    assert "Traceback" not in error


def test_a_library_of_key_points_answers_with_row_numbers(
    keypoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(keypoints, tmp_path / "library")
    capsys.readouterr()
    assert (
        cli.main(["index", "query", str(tmp_path / "library"), "--keypoints", str(keypoints), "--top", "2", "--json"])
        == 0
    )
    told = capsys.readouterr()
    answers = json.loads(told.out)
    assert [answer["query"] for answer in answers] == [0, 1]
    assert [answer["matches"][0]["item"] for answer in answers] == [0, 1]
    assert answers[0]["matches"][0]["agreement"] == pytest.approx(1, abs=1e-4)
    assert told.err.strip().splitlines()[-1].startswith("median ")
    assert " ms, p95 " in told.err


def test_what_the_query_says_is_the_agreement(
    keypoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(keypoints, tmp_path / "library")
    capsys.readouterr()
    assert (
        cli.main(["index", "query", str(tmp_path / "library"), "--keypoints", str(keypoints), "--top", "4", "--json"])
        == 0
    )
    (best, *_), _ = (answer["matches"] for answer in json.loads(capsys.readouterr().out))
    people = np.load(keypoints)["keypoints"]
    found = agreement(people[0, :, :2], people[0, :, 2], people[best["item"], None, :, :2], np.ones((1, 17), bool))
    assert best["agreement"] == pytest.approx(float(found[0]), abs=1e-4)


def test_info_and_verify_know_a_whole_library(
    keypoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(keypoints, tmp_path / "library")
    assert cli.main(["index", "info", str(tmp_path / "library")]) == 0
    assert cli.main(["index", "verify", str(tmp_path / "library")]) == 0
    assert "2" in capsys.readouterr().out


def test_poses_are_json_in_pixels_of_the_picture(posenet: Path, shared_data: Path) -> None:
    couple = shared_data / "reference" / "test_couple.jpg"
    ran = run("poses", couple, "--model", posenet, "--json")
    assert ran.returncode == 0, ran.stderr
    (answer,) = json.loads(ran.stdout)
    assert answer["image"] == str(couple)
    assert len(answer["people"]) == 2
    for person in answer["people"]:
        assert 0.5 < person["score"] <= 1
        assert len(person["keypoints"]) == len(KEYPOINTS)


def test_poses_says_which_picture_it_cannot_read_and_goes_on(posenet: Path, shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    couple = shared_data / "reference" / "test_couple.jpg"
    ran = run("poses", tmp_path / "broken.jpg", couple, "--model", posenet, "--json")
    assert ran.returncode == 1
    assert "broken.jpg" in ran.stderr
    assert [answer["image"] for answer in json.loads(ran.stdout)] == [str(couple)]


@pytest.mark.slow
def test_a_damaged_library_is_said_and_the_starter_library_shown(
    posenet: Path, demo_home: dict[str, str], tmp_path: Path
) -> None:
    picture = np.full((240, 320, 3), 90, np.uint8)
    library = tmp_path / "library"
    write_library([NewItem(picture, np.column_stack([STANDING, np.ones(17)]).astype(np.float32))], library)
    index = next(library.glob("*.annoy"))
    index.write_bytes(index.read_bytes()[:-40])
    ran = run(
        "run", "--camera", "performer", "--library", library, "--display", "headless", "--seconds", 3, env=demo_home
    )
    assert ran.returncode == 0, ran.stderr
    assert index.name in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.slow
def test_a_library_of_poses_alone_is_said_to_have_nothing_to_show(
    keypoints: Path, demo_home: dict[str, str], tmp_path: Path
) -> None:
    build(keypoints, tmp_path / "library")
    asked = ("run", "--camera", "performer", "--library", tmp_path / "library", "--display", "headless", "--seconds", 2)
    ran = run(*asked, env=demo_home)
    assert ran.returncode == 0, ran.stderr
    assert "holds poses alone" in ran.stderr
