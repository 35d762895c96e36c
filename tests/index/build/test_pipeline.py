"""A build makes a library and a report from sources of any kind, and skips, counts and lists what it cannot use."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from index.build import photo_workers
from index.build.edit import remove
from index.build.people import estimator_factory
from index.build.photo import SourceError
from index.build.pipeline import BuildOptions, build
from index.build.scan import ScanSettings
from index.errors import LibraryError
from index.library import Library, verify_library
from index.manifest import MANIFEST_FILE, PICTURES_FOLDER, mapped_files
from tests.support import building
from tests.support.finders import CrashingFinder, MarkFinder, UnopenableFinder, marked_scene
from tests.support.paths import ROOT
from tests.support.sample_poses import STANDING_POSE, sample_people

MARKS = ScanSettings(MarkFinder)


@pytest.mark.slow
def test_builds_a_library_with_a_report_from_a_folder(photos: Path, tmp_path: Path) -> None:
    updates: list[tuple[int, int | None, str]] = []
    report = build(
        [photos],
        tmp_path / "library",
        ScanSettings(MarkFinder, ("m", "1")),
        progress=lambda *update: updates.append(update),
    )
    assert (report.items, report.indexed, report.pictures, report.scanned, report.skipped) == (6, 6, 6, 6, [])
    assert verify_library(tmp_path / "library").models == (("m", "1"),)
    with Library.open(tmp_path / "library") as library:
        assert [library.item(i).title for i in range(6)] == [f"photo {n}" for n in (2, 4, 6, 1, 3, 5)]
        assert library.item(0).box == pytest.approx((60, 30, 119, 139), abs=2)
        assert library.picture(0).shape == (160, 200, 3)
    assert [update for update in updates if update[2] == "Scanning photos"][-1] == (6, 6, "Scanning photos")
    assert "6 people in 6 pictures" in str(report)


@pytest.mark.slow
def test_any_number_of_workers_builds_the_same_library(photos: Path, tmp_path: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"x")
    libraries = [tmp_path / str(n) / "library" for n in (1, 2)]
    reports = [build([photos], out, MARKS, BuildOptions(workers=n)) for n, out in enumerate(libraries, 1)]
    assert reports[0].skipped == reports[1].skipped
    for name in (MANIFEST_FILE, *mapped_files(1)):
        assert (libraries[0] / name).read_bytes() == (libraries[1] / name).read_bytes(), name
    pictures = [sorted(os.listdir(out / PICTURES_FOLDER)) for out in libraries]
    assert pictures[0] == pictures[1]


def write_bad_files(folder: Path) -> dict[str, str]:
    """Write bad files of every kind; return why each is skipped, by its name."""
    marked_scene().save(folder / "whole.jpg", quality=95)
    complete = (folder / "whole.jpg").read_bytes()
    (folder / "whole.jpg").unlink()
    (folder / "text.txt").write_text("hello")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "cut.jpg").write_bytes(complete[: len(complete) // 2])
    Pillow.new("L", (10_000, 10_000)).save(folder / "huge.png")
    Pillow.new("RGB", (200, 160), "gray").save(folder / "landscape.png")
    marked_scene(1, (80, 64), (20, 10, 60, 60)).save(folder / "thumbnail.png")
    marked_scene(1, box=(60, 30, 80, 50)).save(folder / "far away.png")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "dangling.jpg").symlink_to("nowhere")
    (folder / "dance.mp4").write_bytes(b"x")
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    (folder / "фото 写真.jpg").write_bytes(b"x")
    marked_scene(1).save(folder / "x twin.png")
    return {
        "text.txt": "not a picture", "empty.jpg": "not a picture", "cut.jpg": "damaged", "huge.png": "too large",
        "landscape.png": "no person", "thumbnail.png": "too small", "far away.png": "person too small",
        "pipe.jpg": "cannot be read", "dangling.jpg": "cannot be read", "dance.mp4": "video",
        "caf�.jpg": "not a picture", "фото 写真.jpg": "not a picture", "x twin.png": "duplicate",
    }  # fmt: skip


@pytest.mark.slow
def test_skips_and_lists_bad_files_with_reasons(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    expected = write_bad_files(folder)
    marked_scene(1).save(folder / "good.png")
    (folder / "folder.jpg").mkdir()
    marked_scene(2).save(folder / "folder.jpg" / "写真 ж صورة.png")
    marked_scene(3).save(folder / "folder.jpg" / os.fsdecode(b"na\xefve.png"))
    report = build([folder], tmp_path / "library", MARKS)
    assert {Path(skipped.name).name: skipped.kind for skipped in report.skipped} == expected
    assert report.items == 3
    assert report.scanned == 3 + len(expected)
    assert sum(report.skip_counts.values()) == len(expected)
    for skipped in report.skipped:
        assert Path(skipped.name).name in skipped.reason
        assert skipped.reason.endswith(".")
    str(report).encode("utf-8")
    json.dumps([(skipped.name, skipped.reason) for skipped in report.skipped]).encode("utf-8")
    with Library.open(tmp_path / "library") as library:
        assert [library.item(i).title for i in range(3)] == ["good", "na�ve", "写真 ж صورة"]


def test_reads_turned_cmyk_and_animated_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    exif = Pillow.Exif()
    exif[0x0112] = 6
    marked_scene(1).transpose(Pillow.Transpose.ROTATE_90).save(folder / "turned.jpg", exif=exif, quality=95)
    marked_scene(2).convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    marked_scene(3).save(folder / "animated.gif", save_all=True, append_images=[Pillow.new("RGB", (200, 160))])
    report = build([folder], tmp_path / "library", MARKS)
    assert (report.items, report.skipped) == (3, [])
    with Library.open(tmp_path / "library") as library:
        for number in range(3):
            assert library.picture(number).shape == (160, 200, 3)
            assert library.item(number).box == pytest.approx((60, 30, 119, 139), abs=3)


@pytest.mark.slow
def test_scales_key_points_with_a_large_picture(tmp_path: Path) -> None:
    marked_scene(1, (3000, 2000), (1000, 500, 2000, 1500)).save(tmp_path / "large.jpg")
    build([tmp_path / "large.jpg"], tmp_path / "library", ScanSettings(MarkFinder, long_side=600))
    with Library.open(tmp_path / "library") as library:
        assert (library.item(0).width, library.item(0).height) == (600, 400)
        assert library.item(0).box == pytest.approx((200, 100, 400, 300), abs=3)


@pytest.mark.slow
def test_keeps_the_order_of_the_sources(photos: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", keypoints=sample_people(4))
    report = build([tmp_path / "a.npz", photos, tmp_path / "a.npz"], tmp_path / "library", MARKS)
    assert (report.items, report.pictures) == (14, 6)
    with Library.open(tmp_path / "library") as library:
        assert [library.item(i).picture is None for i in range(14)] == [True] * 4 + [False] * 6 + [True] * 4


def test_numbers_items_like_the_rows_of_a_key_point_file(tmp_path: Path) -> None:
    people = sample_people(20)
    people[3] = 0
    np.savez(tmp_path / "a.npz", keypoints=people)
    report = build([tmp_path / "a.npz"], tmp_path / "library")
    assert (report.items, report.indexed) == (20, 19)
    with Library.open(tmp_path / "library") as library:
        assert np.allclose(library.keypoints, people)


@pytest.mark.slow
def test_labelled_pictures_need_no_estimator(tmp_path: Path) -> None:
    standing = np.column_stack([STANDING_POSE * 0.8 + (100, 70), np.full(17, 2)])
    small = np.column_stack([STANDING_POSE * 0.1 + (100, 70), np.full(17, 2)])
    pictures = [("a.png", standing), ("b.png", small), ("c.png", standing), ("d.png", standing), ("e.png", standing)]
    document = {
        "images": [{"id": i, "file_name": n, "width": 200, "height": 160} for i, (n, _) in enumerate(pictures)],
        "annotations": [{"image_id": i, "keypoints": k.ravel().tolist()} for i, (_, k) in enumerate(pictures)],
    }
    (tmp_path / "person_keypoints_x.json").write_text(json.dumps(document))
    (tmp_path / "x").mkdir()
    for number, (name, _) in enumerate(pictures[:4]):
        size = {"c.png": (400, 320), "d.png": (160, 200)}.get(name, (200, 160))
        marked_scene(number, size).save(tmp_path / "x" / name)
    report = build([tmp_path / "person_keypoints_x.json"], tmp_path / "library")
    assert report.skip_counts == {"person too small": 1, "wrong size": 1, "cannot be read": 1}
    with Library.open(tmp_path / "library") as library:
        assert np.allclose(library.keypoints[0, :, :2], standing[:, :2], atol=1e-3)
        assert np.allclose(library.keypoints[1, :, :2] + 0.5, (standing[:, :2] + 0.5) * 2, atol=1e-3), (
            "the labels are for half the size"
        )


@pytest.mark.parametrize("name", ["missing", "missing.npz", "missing.json"])
def test_rejects_a_missing_source_before_the_build(photos: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        build([photos, tmp_path / name], tmp_path / "library", MARKS)
    assert not (tmp_path / "library").exists()


def test_rejects_unlabelled_pictures_without_an_estimator(photos: Path, tmp_path: Path) -> None:
    for source in (photos, photos / "photo_2.png", tmp_path / "dance.mp4"):
        source.touch()
        with pytest.raises(SourceError, match="no model was given"):
            build([source], tmp_path / "library")


def test_writes_no_library_if_nobody_is_found(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(LibraryError, match="the sources hold no photos"):
        build([tmp_path / "photos"], tmp_path / "library", MARKS)
    Pillow.new("RGB", (200, 160)).save(tmp_path / "photos" / "a.png")
    with pytest.raises(LibraryError, match=r"none of 1 photos can be used \(1 no person; the first: .*a\.png"):
        build([tmp_path / "photos"], tmp_path / "library", MARKS)
    assert [file.name for file in tmp_path.iterdir()] == ["photos"]


@pytest.mark.slow
def test_skips_only_the_photo_that_crashes_a_worker(photos: Path, tmp_path: Path) -> None:
    picture = np.asarray(marked_scene(9)).copy()
    picture[0, 0] = 0
    Pillow.fromarray(picture).save(photos / "fatal.png")
    report = build([photos], tmp_path / "library", ScanSettings(CrashingFinder), BuildOptions(workers=2))
    assert [Path(skipped.name).name for skipped in report.skipped] == ["fatal.png"]
    assert "crashes the process" in report.skipped[0].reason
    assert report.items == 6


def test_stops_if_workers_keep_crashing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_workers, "MAX_CRASHES", 3)
    (tmp_path / "photos").mkdir()
    for number in range(8):
        Pillow.new("RGB", (200, 160), (0, 0, number)).save(tmp_path / "photos" / f"{number}.png")
    with pytest.raises(LibraryError, match="keep crashing"):
        build([tmp_path / "photos"], tmp_path / "library", ScanSettings(CrashingFinder), BuildOptions(workers=2))


@pytest.mark.parametrize("count", [1, 2])
def test_raises_the_error_of_opening_the_estimator(photos: Path, tmp_path: Path, count: int) -> None:
    with pytest.raises(FileNotFoundError, match="models fetch"):
        build([photos], tmp_path / "library", ScanSettings(UnopenableFinder), BuildOptions(workers=count))
    assert [file.name for file in tmp_path.iterdir()] == ["photos"]


def test_refuses_the_root_folder_as_a_library(photos: Path) -> None:
    with pytest.raises(LibraryError, match=r"^/ is a whole disk, which no library can replace"):
        build([photos], Path("/"), ScanSettings(UnopenableFinder))


INTERRUPTED = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from tests.support.finders import MarkFinder
from index.build.pipeline import BuildOptions, build
from index.build.scan import ScanSettings
if __name__ == "__main__":
    progress = lambda done, total, step: print(done, flush=True)
    build([Path({photos!r})], Path({out!r}), ScanSettings(MarkFinder), BuildOptions(workers={workers}), progress)
"""


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_ctrl_c_leaves_only_the_old_library(photos: Path, tmp_path: Path, count: int) -> None:
    """The whole process group gets the signal, as from a terminal."""
    build([photos], tmp_path / "library", MARKS)
    for number in range(100):
        marked_scene(number % 15, (200 + number, 160)).save(photos / f"more_{number}.png", compress_level=0)
    path = [str(ROOT)]
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED.format(path=path, photos=str(photos), out=str(tmp_path / "library"), workers=count))
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        while process.stdout.readline().strip() != "5":
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        errors = process.communicate(timeout=30)[1]
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors
    script.unlink()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["library", "photos"]
    assert verify_library(tmp_path / "library").items == 6


# Skipped photos


@pytest.mark.slow
def test_skips_pictures_under_other_licences(photos: Path, tmp_path: Path) -> None:
    rows = [("photo_2.png", "CC BY 4.0"), ("photo_4.png", "CC BY-NC 2.0"), ("photo_6.png", "")]
    table = "\n".join(["picture,licence", *(f"{name},{licence}" for name, licence in rows)])
    (photos / "table.csv").write_text(table)
    report = build([photos / "table.csv"], tmp_path / "library", MARKS, BuildOptions(licences=["CC BY [0-9]*"]))
    assert (report.items, report.skip_counts) == (1, {"other licence": 2})
    assert [skipped.reason.partition("photo_")[2] for skipped in report.skipped] == [
        "4.png is under CC BY-NC 2.0.",
        "6.png has no known licence.",
    ]


@pytest.mark.slow
def test_does_not_bring_back_a_removed_picture(photos: Path, tmp_path: Path) -> None:
    build([photos], tmp_path / "library", MARKS)
    with Library.open(tmp_path / "library") as library:
        picture = library.item(2).picture
        assert picture is not None
    remove(tmp_path / "library", [picture.name])
    for _ in range(2):
        report = build([photos], tmp_path / "library", MARKS)
        assert (report.items, report.skip_counts) == (5, {"taken down": 1})
        with Library.open(tmp_path / "library") as library:
            assert [removed.picture for removed in library.removed_pictures()] == [picture.name]


@pytest.mark.slow
def test_counts_all_skipped_photos_and_shows_the_first(photos: Path, tmp_path: Path) -> None:
    for number in range(30):
        Pillow.new("RGB", (200, 160), (0, 0, number)).save(photos / f"nobody_{number:02}.png")
    report = build([photos], tmp_path / "library", MARKS, BuildOptions(workers=2))
    assert report.skip_counts == {"no person": 30}
    assert [Path(skipped.name).name for skipped in report.skipped] == [
        f"nobody_{number:02}.png" for number in range(12)
    ]
    for skipped in report.skipped:
        assert skipped.thumbnail is not None
        with Pillow.open(io.BytesIO(skipped.thumbnail)) as thumbnail:
            assert thumbnail.size == (160, 128)
    assert f"30 no person; the first: {report.skipped[0].reason}" in str(report)


# A full disk

ON_A_SMALL_DISK = """
mount -t tmpfs -o size={size}k tmpfs {disk} || exit 99
cp -r {old} {disk}/library || exit 1
{python} {building} {photos} {disk}/library 2 2>&1
ls -A {disk}
{python} -c "{verify}"
"""

VERIFY = "from index.library import verify_library; from pathlib import Path; print(verify_library(Path('{}')).items)"


@pytest.mark.slow
@pytest.mark.parametrize("room", [300, 1000])
def test_a_full_disk_leaves_the_old_library(tmp_path: Path, room: int) -> None:
    """With little space it is full while scanning, with more while writing the library."""
    photos, disk, old = tmp_path / "photos", tmp_path / "disk", tmp_path / "old"
    photos.mkdir()
    disk.mkdir()
    marked_scene(3).save(photos / "3.png")
    build([photos], old, MARKS)
    for number in range(40):
        marked_scene(number % 15, (200 + 4 * number, 160)).save(photos / f"more_{number}.png", compress_level=1)
    size = room + sum(4 + file.stat().st_size // 1024 for file in old.rglob("*"))
    script = ON_A_SMALL_DISK.format(
        size=size,
        disk=disk,
        old=old,
        python=sys.executable,
        building=building.__file__,
        photos=photos,
        verify=VERIFY.format(disk / "library"),
    )
    environment = {**os.environ, "NOTES": "/dev/null", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "bash", "-c", script],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if result.returncode == 99 or "unshare" in result.stderr:
        pytest.skip(f"cannot mount a small disk: {result.stderr.strip()}")
    *output, names, item_count = result.stdout.splitlines()
    assert output[-1] == (
        f"index.build.pipeline.WriteError: There is no space left for {disk}/library: "
        "free some, and run the same command again."
    )
    assert (names, item_count) == ("library", "1")


# Real photos


@pytest.mark.slow
def test_builds_libraries_from_real_photos_and_a_video(shared_data: Path, posenet: Path, tmp_path: Path) -> None:
    """With the real estimator in two processes. Most photos with labelled people give some items."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for file in sorted((shared_data / "photos" / "coco").glob("*.jpg"))[:60]:
        (folder / file.name).symlink_to(file)
    start = time.monotonic()
    settings = ScanSettings(estimator_factory(posenet))
    report = build([folder], tmp_path / "photos library", settings, BuildOptions(workers=2))
    print(f"{report.scanned / (time.monotonic() - start):.1f} photos a second")
    assert report.pictures >= 25
    assert set(report.skip_counts) <= {"no person", "person too small", "too few points", "crowd"}
    video_report = build([shared_data / "videos" / "pose_squats.mp4"], tmp_path / "squats", settings)
    assert 3 <= video_report.items <= 60
    with Library.open(tmp_path / "squats") as library:
        hips = [library.keypoints[i, 11:13, 1].mean() for i in range(len(library))]
        height = np.ptp(library.keypoints[:, :, 1])
        assert np.ptp(hips) > 0.1 * height, "the person goes down and up"
