"""The commands as their user meets them: what each prints, and how it reports errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from device import config, start
from device.cli import main as cli
from device.cli.progress_reporter import LineReporter
from index.library import load_manifest
from index.likeness import likeness
from models.estimator.catalogue import BUNDLED_MODEL, catalogue
from models.estimator.model_files import POSENET_MISSING_NOTE
from models.figures import perform
from models.pose import KEYPOINT_NAMES
from models.text import format_duration
from tests.device.test_mirror import STANDING
from tests.index.build.test_edit import URL, photo
from tests.support.libraries import NewItem, write_library
from tests.support.sample_poses import sample_people


def run(*arguments: object, env: dict[str, str] | None = None, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "device.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **(env or {})},
        check=False,
    )


def build(keypoints: Path, library: Path) -> None:
    assert cli.main(["index", "build", str(keypoints), "--out", str(library)]) == 0


@pytest.fixture
def keypoints(tmp_path: Path) -> Path:
    """A file of two poses: one person stands, and one twice as large stands elsewhere with an arm out."""
    other = STANDING * 2 + 300
    other[9] += (60, -120)
    file = tmp_path / "poses.npz"
    people = np.stack([np.column_stack([xy, np.ones(17)]) for xy in (STANDING, other)])
    np.savez(file, keypoints=people.astype(np.float32))
    return file


@pytest.mark.parametrize(
    ("arguments", "fragment"),
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
def test_reports_an_error_in_one_sentence(
    arguments: list[str],
    fragment: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 1
    error = capsys.readouterr().err.strip()
    assert fragment in error
    assert "\n" not in error
    assert "Traceback" not in error


def test_query_finds_each_pose_by_its_row(keypoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library = tmp_path / "library"
    build(keypoints, library)
    out, err = output_of(["index", "query", library, "--keypoints", keypoints, "--top", 2, "--json"], capsys)
    results = json.loads(out)
    assert [result["query"] for result in results] == [0, 1]
    assert [result["matches"][0]["item"] for result in results] == [0, 1]
    assert results[0]["matches"][0]["likeness"] == pytest.approx(1, abs=1e-4)
    assert err.strip().splitlines()[-1].startswith("median ")
    assert " ms, p95 " in err


def test_query_prints_the_likeness(keypoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library = tmp_path / "library"
    build(keypoints, library)
    out, _ = output_of(["index", "query", library, "--keypoints", keypoints, "--top", 4, "--json"], capsys)
    (best, *_), _ = (result["matches"] for result in json.loads(out))
    people = np.load(keypoints)["keypoints"]
    expected = likeness(people[0, :, :2], people[0, :, 2], people[best["item"], None, :, :2], np.ones((1, 17), bool))
    assert best["likeness"] == pytest.approx(float(expected[0]), abs=1e-4)


def test_info_and_verify_count_people(keypoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library = tmp_path / "library"
    build(keypoints, library)
    info, _ = output_of(["index", "info", library], capsys)
    assert "  can be found  2 people, 2 of them seen from shoulders to ankles\n" in info
    assert "  found by      people who labelled the key points\n" in info
    assert output_of(["index", "verify", library], capsys)[0].startswith("Every file is intact: 2 people")


def test_info_lists_collections(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = sample_people(3)
    names = ["dance", "dance", "martial arts"]
    items = [NewItem(None, person, collection=name) for person, name in zip(people, names, strict=True)]
    write_library(items, tmp_path / "library")
    info, _ = output_of(["index", "info", tmp_path / "library"], capsys)
    assert "  collections   dance (2 people), martial arts (1 person)\n" in info


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder where nothing is downloaded or configured."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CACHE_HOME", "POSE_MIRROR_MODELS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def write_photos(folder: Path, *numbers: int) -> Path:
    """Write a library of pictures; each has its number as its title and in its source URL."""
    write_library([item for number in numbers for item in photo(number)], folder)
    return folder


def output_of(arguments: list[object], capsys: pytest.CaptureFixture[str], status: int = 0) -> tuple[str, str]:
    """Return what a command prints on stdout and stderr."""
    capsys.readouterr()
    assert cli.main([str(argument) for argument in arguments]) == status
    return capsys.readouterr()


def test_remove_prints_what_it_took_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library = write_photos(tmp_path / "library", 1, 2, 3)
    out, err = output_of(["index", "remove", library, f"{URL}2"], capsys)
    taken_down, remaining = out.splitlines()
    assert taken_down.startswith(f"Taken down: Photo 2, from {URL}2 (")
    assert remaining.startswith(f"2 people in 2 pictures remain in {library}.")
    assert err == ""
    assert "taken down    1 picture" in output_of(["index", "info", library], capsys)[0]


def test_info_names_who_is_barred(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library = write_photos(tmp_path / "library", 1, 2, 3)
    assert "\n  barred" not in output_of(["index", "info", library], capsys)[0]
    output_of(["index", "remove", library, f"{URL}2", "--author", "Eve Example"], capsys)
    assert "  barred        Eve Example, 1 URL of pictures\n" in output_of(["index", "info", library], capsys)[0]


def test_remove_changes_nothing_if_a_picture_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library = write_photos(tmp_path / "library", 1, 2, 3)
    out, err = output_of(["index", "remove", library, f"{URL}2", "99"], capsys, status=1)
    assert out == ""
    assert err.startswith("pose-mirror: 99 names no picture")
    assert len(err.splitlines()) == 1
    assert "3 people in 3 pictures" in output_of(["index", "verify", library], capsys)[0]


def test_remove_takes_authors_and_a_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library = write_photos(tmp_path / "library", 1, 2, 3)
    (tmp_path / "struck.txt").write_text(f"# struck out\n\n{URL}2\n")
    command = ["index", "remove", library, "--from", tmp_path / "struck.txt", "--author", "Bo", "--author", "C. Dé"]
    lines = output_of(command, capsys)[0].splitlines()
    assert lines[0].startswith(f"Taken down: Photo 2, from {URL}2 (")
    assert lines[1:3] == [
        f"No picture in the library names {name} as its source or author; none will be taken in."
        for name in ("Bo", "C. Dé")
    ]
    err = output_of(["index", "remove", library, "--from", tmp_path / "none.txt"], capsys, status=1)[1]
    assert err == f"pose-mirror: {tmp_path / 'none.txt'} cannot be read (No such file or directory).\n"
    err = output_of(["index", "remove", library], capsys, status=1)[1]
    assert err == f"pose-mirror: No picture of {library} was named: nothing was taken down.\n"


def test_merge_prints_what_it_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = write_photos(tmp_path / "one", 1, 2), write_photos(tmp_path / "two", 2, 3)
    out, _ = output_of(["index", "merge", one, two, "--out", tmp_path / "both"], capsys)
    assert "3 people in 3 pictures" in out
    assert "Skipped 1 picture:\n  1 duplicate\n" in out
    assert f"pose-mirror run --library {tmp_path / 'both'}" in out


def test_a_build_without_any_person_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos").mkdir()
    Pillow.new("RGB", (320, 240)).save(tmp_path / "photos" / "nobody.png")
    command = ["index", "build", tmp_path / "photos", "--out", tmp_path / "library", "--workers", "1"]
    assert "no person" in output_of(command, capsys, status=1)[1]
    _, err = output_of([*command, "--licence", "CC?BY*"], capsys, status=1)
    assert err.startswith("pose-mirror: No library was written")
    assert "1 other licence" in err


def test_reports_a_folder_that_cannot_be_written(
    keypoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = write_photos(tmp_path / "one", 1), write_photos(tmp_path / "two", 2)
    for arguments in (["build", keypoints], ["merge", one, two]):
        _, err = output_of(["index", *arguments, "--out", "/proc/library"], capsys, status=1)
        assert err.startswith("pose-mirror: /proc/")
        assert "cannot be" in err
        assert len(err.splitlines()) == 1


def test_reports_that_dask_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "index.build.cluster", raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    (tmp_path / "photos").mkdir()
    Pillow.new("RGB", (320, 240)).save(tmp_path / "photos" / "a.png")
    _, err = output_of(
        ["index", "build", tmp_path / "photos", "--out", tmp_path / "library", "--dask", "tcp://x:1"], capsys, status=1
    )
    assert "pip install -e '.[dask]'" in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "library").exists()


def test_a_reader_may_close_the_pipe(tmp_path: Path) -> None:
    library = write_photos(tmp_path / "library", 1, 2)
    read_end, write_end = os.pipe()
    os.close(read_end)
    result = subprocess.run(
        [sys.executable, "-m", "device.cli", "index", "info", library],
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )
    os.close(write_end)
    assert result.returncode == 141
    assert result.stderr == ""


def test_a_log_has_a_line_each_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    report = LineReporter(lambda: now, interval=10)
    for done in range(0, 3001, 3):
        now = done / 50  # 50 a second
        report(done, 80_000, "Scanning photos")
    for done in range(7):
        now += 4
        report(done, 6, "Indexing")
    assert capsys.readouterr().err.splitlines() == [
        "Scanning photos: 501 of 80,000, 50.0 a second, 26 min left",
        "Scanning photos: 1,002 of 80,000, 50.0 a second, 26 min left",
        "Scanning photos: 1,503 of 80,000, 50.0 a second, 26 min left",
        "Scanning photos: 2,004 of 80,000, 50.0 a second, 26 min left",
        "Scanning photos: 2,505 of 80,000, 50.0 a second, 26 min left",
        "Indexing: 3 of 6, 0.2 a second, 12 s left",
        "Indexing: 6 of 6, 0.2 a second, 0 s left",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (5000, "83 min"), (7800, "2 h 10 min")]
)
def test_formats_the_time_left(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.slow
def test_poses_prints_json(posenet: Path, shared_data: Path) -> None:
    couple = shared_data / "reference" / "test_couple.jpg"
    result = run("poses", couple, "--model", posenet, "--json")
    assert result.returncode == 0, result.stderr
    (picture,) = json.loads(result.stdout)
    assert picture["image"] == str(couple)
    assert len(picture["people"]) == 2
    for person in picture["people"]:
        assert 0.5 < person["score"] <= 1
        assert len(person["keypoints"]) == len(KEYPOINT_NAMES)


@pytest.mark.slow
def test_poses_skips_a_damaged_picture(home: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    Pillow.fromarray(perform(1.5, 640, 480)[0]).save(tmp_path / "somebody.png")
    result = run("poses", tmp_path / "broken.jpg", tmp_path / "somebody.png", "--json")
    assert result.returncode == 1
    assert "broken.jpg" in result.stderr
    assert POSENET_MISSING_NOTE in result.stderr
    (picture,) = json.loads(result.stdout)
    assert picture["image"] == str(tmp_path / "somebody.png")
    assert len(picture["people"]) == 1


@pytest.mark.slow
def test_poses_are_in_pixels_of_a_huge_jpeg(home: Path, tmp_path: Path) -> None:
    """It is decoded at half its size, as there is no memory for all of it."""
    small = Pillow.fromarray(perform(1.5, 640, 480)[0])
    small.save(tmp_path / "small.png")
    small.resize((12_000, 9_000)).save(tmp_path / "huge.jpg")
    result = run("poses", tmp_path / "small.png", tmp_path / "huge.jpg", "--json")
    assert result.returncode == 0, result.stderr
    expected, found = (np.array(picture["people"][0]["keypoints"]) for picture in json.loads(result.stdout))
    assert np.abs(found[:, :2] - expected[:, :2] * 12_000 / 640).max() < 120


def test_models_list_marks_the_model_in_use(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = output_of(["models", "list"], capsys)[0].splitlines()
    assert len(rows) == len(catalogue())
    (used,) = (row for row in rows if row.startswith("in use "))
    assert BUNDLED_MODEL in used
    assert used.endswith("  bundled")
    mine = home / "mine.tflite"
    mine.touch()
    (home / ".config").mkdir()
    (home / ".config" / "pose-mirror.toml").write_text(f'[estimator]\nmodel = "{mine}"\n')
    rows = output_of(["models", "list"], capsys)[0].splitlines()
    assert [row for row in rows if row.startswith("in use ")] == [f"in use  {mine}"]
    assert output_of(["models", "list", "--config", os.devnull], capsys)[0].count("in use") == 1
    mine.unlink()
    assert "in use" not in output_of(["models", "list"], capsys)[0]


def test_models_list_marks_a_downloaded_model(
    posenet: Path, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSE_MIRROR_MODELS", str(posenet.parent))
    (used,) = (row for row in output_of(["models", "list"], capsys)[0].splitlines() if row.startswith("in use "))
    assert used.endswith(str(posenet))
    assert output_of(["models", "path"], capsys)[0] == f"{posenet}\n"


def test_models_fetch_finds_the_bundled_model(
    home: Path, bundled_posenet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert output_of(["models", "fetch", BUNDLED_MODEL], capsys)[0] == f"{BUNDLED_MODEL} is in {bundled_posenet}\n"
    assert output_of(["models", "path"], capsys)[0] == f"{bundled_posenet}\n"


@pytest.mark.slow
def test_build_notes_that_it_uses_the_bundled_model(
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
def test_the_log_notes_once_that_posenet_is_missing(
    demo_home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in demo_home.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "mirror.toml").write_text('[camera]\nsource = "performer"\n[screen]\ndisplay = "headless"\n')
    with start.open_mirror(config.load(tmp_path / "mirror.toml"), grow=False):
        pass
    assert caplog.messages.count(POSENET_MISSING_NOTE) == 1


@pytest.mark.slow
def test_shows_the_starter_library_for_a_damaged_one(demo_home: dict[str, str], tmp_path: Path) -> None:
    picture = np.full((240, 320, 3), 90, np.uint8)
    library = tmp_path / "library"
    write_library([NewItem(picture, np.column_stack([STANDING, np.ones(17)]).astype(np.float32))], library)
    index = next(library.glob("*.annoy"))
    index.write_bytes(index.read_bytes()[:-40])
    arguments = ("run", "--camera", "performer", "--library", library, "--display", "headless", "--seconds", 3)
    result = run(*arguments, env=demo_home)
    assert result.returncode == 0, result.stderr
    assert index.name in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_reports_a_library_without_pictures(keypoints: Path, demo_home: dict[str, str], tmp_path: Path) -> None:
    build(keypoints, tmp_path / "library")
    arguments = (
        "run",
        "--camera",
        "performer",
        "--library",
        tmp_path / "library",
        "--display",
        "headless",
        "--seconds",
        2,
    )
    result = run(*arguments, env=demo_home)
    assert result.returncode == 0, result.stderr
    assert "holds poses alone" in result.stderr
