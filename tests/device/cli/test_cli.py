"""The command line as its user meets it: help, mistakes, and what each command prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import device.notices
from device import config, start
from device.cli import main as cli
from device.cli.progress import LineReporter
from index.agreement import agreement
from index.build.writer import NewItem, write_library
from index.library import load_manifest
from models.estimator.fetch import BUNDLED_MODEL, POSENET_MISSING_NOTE, catalogue
from models.figures import perform
from models.pose import KEYPOINT_NAMES
from models.text import format_duration
from tests.device.test_mirror import STANDING
from tests.index.build.test_edit import URL, photo


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
    ("words", "told"),
    [
        (["run", "--config", "none.toml"], "none.toml: cannot be read"),
        (["index", "query", "nowhere", "--keypoints", "none.npz"], "none.npz"),
        (["index", "info", "nowhere"], "nowhere"),
        (["index", "verify", "nowhere"], "nowhere"),
        (["index", "build", "nowhere", "--out", "out"], "nowhere"),
        (["index", "remove", "nowhere", "1"], "nowhere"),
        (["index", "merge", "nowhere", "elsewhere", "--out", "out"], "nowhere"),
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


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of somebody who has downloaded and configured nothing."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CACHE_HOME", "POSE_MIRROR_MODELS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def some_photos(folder: Path, *numbers: int) -> Path:
    """A library of pictures, each with its number as its title and in its source URL."""
    write_library([one for number in numbers for one in photo(number)], folder)
    return folder


def said(words: list[object], capsys: pytest.CaptureFixture[str], status: int = 0) -> tuple[str, str]:
    """What a command prints on stdout and stderr."""
    capsys.readouterr()
    assert cli.main([str(word) for word in words]) == status
    return capsys.readouterr()


def test_remove_says_what_it_took_down_and_what_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library = some_photos(tmp_path / "library", 1, 2, 3)
    out, err = said(["index", "remove", library, f"{URL}2"], capsys)
    gone, left = out.splitlines()
    assert gone.startswith(f"Taken down: Photo 2, from {URL}2 (")
    assert left.startswith("2 people in 2 pictures are left in ")
    assert err == ""
    assert "taken down    1 picture" in said(["index", "info", library], capsys)[0]


def test_remove_changes_nothing_when_one_picture_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library = some_photos(tmp_path / "library", 1, 2, 3)
    out, err = said(["index", "remove", library, f"{URL}2", f"{URL}9"], capsys, status=1)
    assert out == ""
    assert err.startswith(f"pose-mirror: {URL}9 names no picture")
    assert len(err.splitlines()) == 1
    assert "3 people in 3 pictures" in said(["index", "verify", library], capsys)[0]


def test_merge_says_what_it_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = some_photos(tmp_path / "one", 1, 2), some_photos(tmp_path / "two", 2, 3)
    out, _ = said(["index", "merge", one, two, "--out", tmp_path / "both"], capsys)
    assert "3 people in 3 pictures" in out
    assert "1 picture left out.\n  1 duplicate\n" in out
    assert f"pose-mirror run --library {tmp_path / 'both'}" in out


def test_a_build_of_which_nothing_is_left_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    Pillow.new("RGB", (320, 240)).save(tmp_path / "photos" / "nobody.png")
    build = ["index", "build", tmp_path / "photos", "--out", tmp_path / "library", "--workers", "1"]
    assert "no person" in said(build, capsys, status=1)[1]
    _, err = said([*build, "--licence", "CC?BY*"], capsys, status=1)
    assert err.startswith("pose-mirror: No library was written")
    assert "1 other licence" in err


def test_a_place_that_cannot_be_written_is_a_sentence(
    keypoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = some_photos(tmp_path / "one", 1), some_photos(tmp_path / "two", 2)
    for words in (["build", keypoints], ["merge", one, two]):
        _, err = said(["index", *words, "--out", "/proc/library"], capsys, status=1)
        assert err.startswith("pose-mirror: /proc/")
        assert "cannot be" in err
        assert len(err.splitlines()) == 1


def test_dask_that_is_missing_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "index.build.cluster", raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    (tmp_path / "photos").mkdir()
    Pillow.new("RGB", (320, 240)).save(tmp_path / "photos" / "a.png")
    _, err = said(
        ["index", "build", tmp_path / "photos", "--out", tmp_path / "library", "--dask", "tcp://x:1"], capsys, status=1
    )
    assert "pose-mirror[dask]" in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "library").exists()


def test_a_reader_who_has_read_enough_is_no_fault(tmp_path: Path) -> None:
    library = some_photos(tmp_path / "library", 1, 2)
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run(
        [sys.executable, "-m", "device.cli", "index", "info", library],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )
    os.close(writing)
    assert ran.returncode == 141
    assert ran.stderr == ""


def test_a_log_has_a_line_now_and_then_with_the_rate_and_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    lines = LineReporter(lambda: now, interval=10)
    for done in range(0, 3001, 3):
        now = done / 50  # 50 a second
        lines(done, 80_000, "Looking")
    for done in range(7):
        now += 4
        lines(done, 6, "Indexing")
    assert capsys.readouterr().err.splitlines() == [
        "Looking: 501 of 80,000, 50.0 a second, 26 min left",
        "Looking: 1,002 of 80,000, 50.0 a second, 26 min left",
        "Looking: 1,503 of 80,000, 50.0 a second, 26 min left",
        "Looking: 2,004 of 80,000, 50.0 a second, 26 min left",
        "Looking: 2,505 of 80,000, 50.0 a second, 26 min left",
        "Indexing: 3 of 6, 0.2 a second, 12 s left",
        "Indexing: 6 of 6, 0.2 a second, 0 s left",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (5000, "83 min"), (7800, "2 h 10 min")]
)
def test_a_time_left_is_said_in_words(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words


def test_poses_are_json_in_pixels_of_the_picture(posenet: Path, shared_data: Path) -> None:
    couple = shared_data / "reference" / "test_couple.jpg"
    ran = run("poses", couple, "--model", posenet, "--json")
    assert ran.returncode == 0, ran.stderr
    (answer,) = json.loads(ran.stdout)
    assert answer["image"] == str(couple)
    assert len(answer["people"]) == 2
    for person in answer["people"]:
        assert 0.5 < person["score"] <= 1
        assert len(person["keypoints"]) == len(KEYPOINT_NAMES)


def test_poses_says_which_picture_it_cannot_read_and_goes_on(home: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    Pillow.fromarray(perform(1.5, 640, 480)[0]).save(tmp_path / "somebody.png")
    ran = run("poses", tmp_path / "broken.jpg", tmp_path / "somebody.png", "--json")
    assert ran.returncode == 1
    assert "broken.jpg" in ran.stderr
    assert POSENET_MISSING_NOTE in ran.stderr
    (answer,) = json.loads(ran.stdout)
    assert answer["image"] == str(tmp_path / "somebody.png")
    assert len(answer["people"]) == 1


def test_the_list_of_models_marks_the_one_in_use(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = said(["models", "list"], capsys)[0].splitlines()
    assert len(rows) == len(catalogue())
    (used,) = (row for row in rows if row.startswith("in use "))
    assert BUNDLED_MODEL in used
    assert used.endswith("  with the program")
    mine = home / "mine.tflite"
    mine.touch()
    (home / ".config").mkdir()
    (home / ".config" / "pose-mirror.toml").write_text(f'[estimator]\nmodel = "{mine}"\n')
    rows = said(["models", "list"], capsys)[0].splitlines()
    assert [row for row in rows if row.startswith("in use ")] == [f"in use  {mine}"]
    mine.unlink()
    assert "in use" not in said(["models", "list"], capsys)[0]


def test_a_downloaded_model_is_marked_as_in_use(
    posenet: Path, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSE_MIRROR_MODELS", str(posenet.parent))
    (used,) = (row for row in said(["models", "list"], capsys)[0].splitlines() if row.startswith("in use "))
    assert used.endswith(str(posenet))
    assert said(["models", "path"], capsys)[0] == f"{posenet}\n"


def test_our_own_model_need_not_be_fetched(home: Path, bundled_posenet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(["models", "fetch", BUNDLED_MODEL], capsys)[0] == f"{BUNDLED_MODEL} is here: {bundled_posenet}\n"
    assert said(["models", "path"], capsys)[0] == f"{bundled_posenet}\n"


def test_a_build_says_that_our_own_model_looks_where_anything_is_to_be_looked_at(
    home: Path, keypoints: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build(keypoints, tmp_path / "poses")
    assert POSENET_MISSING_NOTE not in caplog.messages
    (tmp_path / "photos").mkdir()
    Pillow.fromarray(perform(1.5, 640, 480)[0]).save(tmp_path / "photos" / "somebody.png")
    build(tmp_path / "photos", tmp_path / "library")
    assert caplog.messages.count(POSENET_MISSING_NOTE) == 1
    assert [name for name, _ in load_manifest(tmp_path / "library").models] == [BUNDLED_MODEL]


@pytest.mark.slow
@pytest.mark.parametrize(("camera", "note"), [("pictures", POSENET_MISSING_NOTE), ("performer", None)])
def test_a_mirror_that_sees_real_people_says_once_on_the_screen_that_it_has_our_own_model_alone(
    camera: str,
    note: str | None,
    demo_home: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name, value in demo_home.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(device.notices, "NOTICE_SECONDS", 1.0)
    (tmp_path / "pictures").mkdir()
    Pillow.fromarray(perform(1.5, 640, 480)[0]).save(tmp_path / "pictures" / "somebody.png")
    (tmp_path / "mirror.toml").write_text(
        f'[camera]\nsource = "{tmp_path / camera if note else camera}"\n[screen]\ndisplay = "headless"\n'
    )
    notices: list[str | None] = []
    with start.open_mirror(config.load(tmp_path / "mirror.toml"), grow=False) as parts:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            moment = parts.sense.latest_moment()
            if moment.frame is not None and notices[-1:] != [moment.note]:
                notices.append(moment.note)
            time.sleep(0.02)
    assert notices == ([note, None] if note else [None])
    assert caplog.messages.count(POSENET_MISSING_NOTE) == 1


@pytest.mark.slow
def test_a_damaged_library_is_said_and_the_starter_library_shown(demo_home: dict[str, str], tmp_path: Path) -> None:
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
