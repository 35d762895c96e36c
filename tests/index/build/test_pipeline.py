"""From sources of any sort to a library and a report; the bad is skipped, counted and listed."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from index.build import photo_workers as workers
from index.build.edit import remove
from index.build.people import estimator_factory, select_prominent
from index.build.photo import Credit, Photo, SourceError
from index.build.pipeline import BuildOptions, build
from index.build.scan import ScanSettings, scan_photo
from index.errors import LibraryError
from index.library import Library, verify_library
from index.manifest import MANIFEST_FILE, PICTURES_FOLDER, mapped_files
from models.pose import Pose
from tests.support import building
from tests.support.finders import MARK_COLOUR, CrashingFinder, MarkFinder, UnopenableFinder
from tests.support.paths import ROOT
from tests.support.sample_poses import STANDING_POSE, sample_people

MARKS = ScanSettings(MarkFinder)


def scene(number: int = 1, size: tuple[int, int] = (200, 160), box: tuple[int, int, int, int] = (60, 30, 120, 140)):
    """A picture in which `Marked` sees one person, another one for each number to 15."""
    picture = np.full((size[1], size[0], 3), (60, number * 16 + 8, 60), np.uint8)
    left, top, right, bottom = box
    picture[top:bottom, left:right] = MARK_COLOUR
    rng = np.random.default_rng(number)
    grain = rng.integers(0, 25, size[::-1], np.uint8)  # what is smooth is blurred
    patches = rng.integers(0, 25, (8, 8), np.uint8)  # and what differs in its grain alone is nearly the same
    grain += np.asarray(Pillow.fromarray(patches).resize(size, Pillow.Resampling.NEAREST))
    grain[0, 0] = 0
    picture[:, :, ::2] -= grain[:, :, None]
    return Pillow.fromarray(picture)


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "photos"
    (folder / "inner").mkdir(parents=True)
    for number in range(1, 7):
        scene(number).save(folder / ("inner" if number % 2 else "") / f"photo_{number}.png")
    return folder


def test_a_folder_becomes_a_library_with_its_people_credits_and_a_report(photos, tmp_path):
    seen = []
    report = build(
        [photos],
        tmp_path / "library",
        ScanSettings(MarkFinder, ("m", "1")),
        progress=lambda *told: seen.append(told),
    )
    assert (report.items, report.indexed, report.pictures, report.scanned, report.skipped) == (6, 6, 6, 6, [])
    assert verify_library(tmp_path / "library").models == (("m", "1"),)
    with Library.open(tmp_path / "library") as library:
        assert [library.item(i).title for i in range(6)] == [f"photo {n}" for n in (2, 4, 6, 1, 3, 5)]
        assert library.item(0).box == pytest.approx((60, 30, 119, 139), abs=2)
        assert library.picture(0).shape == (160, 200, 3)
    assert [told for told in seen if told[2] == "Scanning photos"][-1] == (6, 6, "Scanning photos")
    assert "6 people in 6 pictures" in str(report)


def test_any_number_of_workers_makes_the_same_library(photos, tmp_path):
    (photos / "broken.jpg").write_bytes(b"x")
    libraries = [tmp_path / str(n) / "library" for n in (1, 2)]
    reports = [build([photos], out, MARKS, BuildOptions(workers=n)) for n, out in enumerate(libraries, 1)]
    assert reports[0].skipped == reports[1].skipped
    for name in (MANIFEST_FILE, *mapped_files(1)):
        assert (libraries[0] / name).read_bytes() == (libraries[1] / name).read_bytes(), name
    kept = [sorted(os.listdir(out / PICTURES_FOLDER)) for out in libraries]
    assert kept[0] == kept[1]


def every_sort_of_bad_file(folder: Path) -> dict[str, str]:
    """Bad files of each sort, and why each is skipped."""
    scene().save(folder / "whole.jpg", quality=95)
    whole = (folder / "whole.jpg").read_bytes()
    (folder / "whole.jpg").unlink()
    (folder / "text.txt").write_text("hello")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    Pillow.new("L", (10_000, 10_000)).save(folder / "huge.png")
    Pillow.new("RGB", (200, 160), "gray").save(folder / "landscape.png")
    scene(1, (80, 64), (20, 10, 60, 60)).save(folder / "thumbnail.png")
    scene(1, box=(60, 30, 80, 50)).save(folder / "far away.png")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "dangling.jpg").symlink_to("nowhere")
    (folder / "dance.mp4").write_bytes(b"x")
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    (folder / "фото 写真.jpg").write_bytes(b"x")
    scene(1).save(folder / "x twin.png")
    return {
        "text.txt": "not a picture", "empty.jpg": "not a picture", "cut.jpg": "damaged", "huge.png": "too large",
        "landscape.png": "no person", "thumbnail.png": "too small", "far away.png": "person too small",
        "pipe.jpg": "cannot be read", "dangling.jpg": "cannot be read", "dance.mp4": "video",
        "caf�.jpg": "not a picture", "фото 写真.jpg": "not a picture", "x twin.png": "duplicate",
    }  # fmt: skip


def test_bad_files_are_skipped_counted_and_listed_each_with_its_reason(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    expected = every_sort_of_bad_file(folder)
    scene(1).save(folder / "good.png")
    (folder / "folder.jpg").mkdir()
    scene(2).save(folder / "folder.jpg" / "写真 ж صورة.png")
    scene(3).save(folder / "folder.jpg" / os.fsdecode(b"na\xefve.png"))
    report = build([folder], tmp_path / "library", MARKS)
    assert {Path(one.name).name: one.kind for one in report.skipped} == expected
    assert report.items == 3
    assert report.scanned == 3 + len(expected)
    assert sum(report.skip_counts.values()) == len(expected)
    for one in report.skipped:
        assert Path(one.name).name in one.reason
        assert one.reason.endswith(".")
    str(report).encode("utf-8")
    json.dumps([(one.name, one.reason) for one in report.skipped]).encode("utf-8")
    with Library.open(tmp_path / "library") as library:
        assert [library.item(i).title for i in range(3)] == ["good", "na�ve", "写真 ж صورة"]


def test_turned_cmyk_16_bit_and_animated_pictures_are_used_as_people_see_them(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    exif = Pillow.Exif()
    exif[0x0112] = 6
    scene(1).transpose(Pillow.Transpose.ROTATE_90).save(folder / "turned.jpg", exif=exif, quality=95)
    scene(2).convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    scene(3).save(folder / "animated.gif", save_all=True, append_images=[Pillow.new("RGB", (200, 160))])
    report = build([folder], tmp_path / "library", MARKS)
    assert (report.items, report.skipped) == (3, [])
    with Library.open(tmp_path / "library") as library:
        for number in range(3):
            assert library.picture(number).shape == (160, 200, 3)
            assert library.item(number).box == pytest.approx((60, 30, 119, 139), abs=3)


def test_a_large_picture_s_key_points_are_those_of_the_stored_one(tmp_path):
    scene(1, (3000, 2000), (1000, 500, 2000, 1500)).save(tmp_path / "large.jpg")
    build([tmp_path / "large.jpg"], tmp_path / "library", ScanSettings(MarkFinder, long_side=600))
    with Library.open(tmp_path / "library") as library:
        assert (library.item(0).width, library.item(0).height) == (600, 400)
        assert library.item(0).box == pytest.approx((200, 100, 400, 300), abs=3)


def test_several_sources_follow_each_other(photos, tmp_path):
    np.savez(tmp_path / "a.npz", keypoints=sample_people(4))
    report = build([tmp_path / "a.npz", photos, tmp_path / "a.npz"], tmp_path / "library", MARKS)
    assert (report.items, report.pictures) == (14, 6)
    with Library.open(tmp_path / "library") as library:
        assert [library.item(i).picture is None for i in range(14)] == [True] * 4 + [False] * 6 + [True] * 4


def test_an_item_s_number_is_its_row_s_in_a_key_point_file(tmp_path):
    some = sample_people(20)
    some[3] = 0
    np.savez(tmp_path / "a.npz", keypoints=some)
    report = build([tmp_path / "a.npz"], tmp_path / "library")
    assert (report.items, report.indexed) == (20, 19)
    with Library.open(tmp_path / "library") as library:
        assert np.allclose(library.keypoints, some)


def test_coco_s_labelled_pictures_need_no_finder_and_pass_the_same_gates(tmp_path):
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
        scene(number, size).save(tmp_path / "x" / name)
    report = build([tmp_path / "person_keypoints_x.json"], tmp_path / "library")
    assert report.skip_counts == {"person too small": 1, "wrong size": 1, "cannot be read": 1}
    with Library.open(tmp_path / "library") as library:
        assert np.allclose(library.keypoints[0, :, :2], standing[:, :2], atol=1e-3)
        assert np.allclose(library.keypoints[1, :, :2] + 0.5, (standing[:, :2] + 0.5) * 2, atol=1e-3), (
            "labelled at half"
        )


@pytest.mark.parametrize("name", ["missing", "missing.npz", "missing.json"])
def test_a_source_that_is_missing_is_told_before_anything_is_done(photos, tmp_path, name):
    with pytest.raises(SourceError, match="does not exist"):
        build([photos, tmp_path / name], tmp_path / "library", MARKS)
    assert not (tmp_path / "library").exists()


def test_pictures_without_a_finder_are_refused(photos, tmp_path):
    for source in (photos, photos / "photo_2.png", tmp_path / "dance.mp4"):
        source.touch()
        with pytest.raises(SourceError, match="no model was given"):
            build([source], tmp_path / "library")


def test_nobody_found_leaves_no_library_and_says_why(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(LibraryError, match="the sources hold no photos"):
        build([tmp_path / "photos"], tmp_path / "library", MARKS)
    Pillow.new("RGB", (200, 160)).save(tmp_path / "photos" / "a.png")
    with pytest.raises(LibraryError, match=r"none of 1 photos can be used \(1 no person; the first: .*a\.png"):
        build([tmp_path / "photos"], tmp_path / "library", MARKS)
    assert [file.name for file in tmp_path.iterdir()] == ["photos"]


def test_a_photo_that_ends_its_process_is_skipped_and_no_other(photos, tmp_path):
    picture = np.asarray(scene(9)).copy()
    picture[0, 0] = 0
    Pillow.fromarray(picture).save(photos / "fatal.png")
    report = build([photos], tmp_path / "library", ScanSettings(CrashingFinder), BuildOptions(workers=2))
    assert [Path(one.name).name for one in report.skipped] == ["fatal.png"]
    assert "crashes the process" in report.skipped[0].reason
    assert report.items == 6


def test_processes_that_always_end_end_the_build(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "MAX_CRASHES", 3)
    (tmp_path / "photos").mkdir()
    for number in range(8):
        Pillow.new("RGB", (200, 160), (0, 0, number)).save(tmp_path / "photos" / f"{number}.png")
    with pytest.raises(LibraryError, match="keep crashing"):
        build([tmp_path / "photos"], tmp_path / "library", ScanSettings(CrashingFinder), BuildOptions(workers=2))


@pytest.mark.parametrize("count", [1, 2])
def test_a_finder_that_cannot_be_opened_ends_the_build_with_its_own_error(photos, tmp_path, count):
    with pytest.raises(FileNotFoundError, match="models fetch"):
        build([photos], tmp_path / "library", ScanSettings(UnopenableFinder), BuildOptions(workers=count))
    assert [file.name for file in tmp_path.iterdir()] == ["photos"]


INTERRUPTED = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from tests.support.finders import MarkFinder
from index.build.pipeline import BuildOptions, build
from index.build.scan import ScanSettings
if __name__ == "__main__":
    told = lambda done, total, note: print(done, flush=True)
    build([Path({photos!r})], Path({out!r}), ScanSettings(MarkFinder), BuildOptions(workers={workers}), told)
"""


@pytest.mark.parametrize("count", [1, 2])
def test_ctrl_c_leaves_the_old_library_and_nothing_else(photos, tmp_path, count):
    """Sent to the whole group, as the terminal does."""
    build([photos], tmp_path / "library", MARKS)
    for number in range(100):
        scene(number % 15, (200 + number, 160)).save(photos / f"more_{number}.png", compress_level=0)
    path = [str(ROOT)]
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED.format(path=path, photos=str(photos), out=str(tmp_path / "library"), workers=count))
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        assert running.stdout is not None
        while running.stdout.readline().strip() != "5":
            assert running.poll() is None
        os.killpg(running.pid, signal.SIGINT)
        said = running.communicate(timeout=30)[1]
    assert running.returncode != 0
    assert "KeyboardInterrupt" in said
    script.unlink()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["library", "photos"]
    assert verify_library(tmp_path / "library").items == 6


# Videos


def video(file: Path, boxes: list[tuple[int, int, int, int]], each: int = 10) -> Path:
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 25, (320, 240))
    for number, box in enumerate(boxes):
        for _ in range(each):
            writer.write(cv2.cvtColor(np.asarray(scene(number + 1, (320, 240), box)), cv2.COLOR_RGB2BGR))
    writer.release()
    return file


def test_of_a_video_a_frame_is_kept_wherever_the_pose_has_changed(tmp_path):
    file = video(tmp_path / "my_dance.avi", [(60, 30, 160, 200), (90, 30, 210, 210), (0, 0, 0, 0), (100, 20, 220, 220)])
    report = build([file], tmp_path / "library", MARKS)
    assert (report.items, report.pictures) == (3, 3)
    with Library.open(tmp_path / "library") as library:
        assert [library.item(i).credit for i in range(3)] == ["my dance"] * 3
        assert library.item(1).box == pytest.approx((90, 30, 209, 209), abs=6)
        assert library.picture(1).shape == (240, 320, 3)


def test_a_still_video_gives_one_frame(tmp_path):
    still = Photo(video(tmp_path / "a.avi", [(60, 30, 160, 200)], 60), Credit())
    assert len(scan_photo(still, MarkFinder(), 1920)) == 1


@pytest.mark.parametrize("name", ["写真.avi", "caf\udce9.avi", "a%03d.avi", "http:x.avi", "-i.avi"])
def test_a_video_may_have_any_name(tmp_path, name):
    video(tmp_path / "a.avi", [(60, 30, 160, 200)]).rename(tmp_path / name)
    assert build([tmp_path / name], tmp_path / "library", MARKS).items == 1


def test_bad_videos_are_skipped(photos, tmp_path):
    whole = video(tmp_path / "whole.avi", [(60, 30, 160, 200), (90, 30, 210, 210)]).read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) * 2 // 3])
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "empty.mkv").write_text("")
    os.mkfifo(tmp_path / "pipe.mov")
    video(tmp_path / "nobody.avi", [(0, 0, 0, 0)])
    names = ["cut.avi", "text.mp4", "empty.mkv", "pipe.mov", "nobody.avi"]
    report = build([photos, *(tmp_path / name for name in names)], tmp_path / "library", MARKS)
    assert {Path(one.name).name: one.kind for one in report.skipped} == {
        "text.mp4": "not a video", "empty.mkv": "not a video", "pipe.mov": "cannot be read", "nobody.avi": "no person",
    }  # fmt: skip
    assert report.items >= 7, "what a cut video has is used"


def test_several_videos_are_looked_at_by_several_processes_and_come_in_their_order(photos, tmp_path):
    boxes = [(60, 30, 160, 200), (90, 30, 210, 210), (100, 20, 220, 220)]
    names = ["c.avi", "a.avi", "b.avi"]
    for number, name in enumerate(names):
        moved = [(left + 45 * number, top, right + 45 * number, bottom) for left, top, right, bottom in boxes[number:]]
        video(tmp_path / name, moved, 10 + 20 * (2 - number))
    sources = [tmp_path / "c.avi", photos, tmp_path / "a.avi", tmp_path / "b.avi"]
    told = []
    report = build(
        sources, tmp_path / "library", MARKS, BuildOptions(workers=2), lambda *one: told.append(one)
    )
    assert [one for one in told if one[2] == "Scanning photos"][-1] == (9, 9, "Scanning photos")
    assert (report.scanned, report.items) == (9, 12)
    with Library.open(tmp_path / "library") as library:
        titles = [item.title for item in library.items()]
    assert titles == ["c"] * 3 + [f"photo {n}" for n in (2, 4, 6, 1, 3, 5)] + ["a"] * 2 + ["b"]


# What is left out


def test_only_pictures_of_the_licences_asked_for_are_looked_at(photos, tmp_path):
    rows = [("photo_2.png", "CC BY 4.0"), ("photo_4.png", "CC BY-NC 2.0"), ("photo_6.png", "")]
    table = "\n".join(["picture,licence", *(f"{name},{licence}" for name, licence in rows)])
    (photos / "table.csv").write_text(table)
    report = build([photos / "table.csv"], tmp_path / "library", MARKS, BuildOptions(licences=["CC BY [0-9]*"]))
    assert (report.items, report.skip_counts) == (1, {"other licence": 2})
    assert [one.reason.partition("photo_")[2] for one in report.skipped] == [
        "4.png is under CC BY-NC 2.0.",
        "6.png is under an unknown licence.",
    ]


def test_a_picture_that_was_taken_down_stays_out_when_the_library_is_built_again(photos, tmp_path):
    build([photos], tmp_path / "library", MARKS)
    with Library.open(tmp_path / "library") as library:
        name = library.item(2).picture.name
    remove(tmp_path / "library", [name])
    for _ in range(2):
        report = build([photos], tmp_path / "library", MARKS)
        assert (report.items, report.skip_counts) == (5, {"taken down": 1})
        with Library.open(tmp_path / "library") as library:
            assert [one.picture for one in library.removed_pictures()] == [name]


def test_of_many_that_are_skipped_all_are_counted_and_the_first_are_told_with_thumbnails(photos, tmp_path):
    for number in range(30):
        Pillow.new("RGB", (200, 160), (0, 0, number)).save(photos / f"nobody_{number:02}.png")
    report = build([photos], tmp_path / "library", MARKS, BuildOptions(workers=2))
    assert report.skip_counts == {"no person": 30}
    assert [Path(one.name).name for one in report.skipped] == [f"nobody_{number:02}.png" for number in range(12)]
    for one in report.skipped:
        with Pillow.open(io.BytesIO(one.thumbnail)) as thumbnail:
            assert thumbnail.size == (160, 128)
    assert f"30 no person; the first: {report.skipped[0].reason}" in str(report)


# A disk that is full

ON_A_SMALL_DISK = """
mount -t tmpfs -o size={size}k tmpfs {disk} || exit 99
cp -r {old} {disk}/library || exit 1
{python} {building} {photos} {disk}/library 2 2>&1
ls -A {disk}
{python} -c "from index.library import verify_library; from pathlib import Path; print(verify_library(Path('{disk}/library')).items)"
"""


@pytest.mark.slow
@pytest.mark.parametrize("room", [300, 1000])
def test_a_full_disk_is_one_sentence_and_leaves_the_old_library_alone(tmp_path, room):
    """Full while the photos are looked at, and while the library is written."""
    photos, disk, old = tmp_path / "photos", tmp_path / "disk", tmp_path / "old"
    photos.mkdir()
    disk.mkdir()
    scene(3).save(photos / "3.png")
    build([photos], old, MARKS)
    for number in range(40):
        scene(number % 15, (200 + 4 * number, 160)).save(photos / f"more_{number}.png", compress_level=1)
    size = room + sum(4 + file.stat().st_size // 1024 for file in old.rglob("*"))
    script = ON_A_SMALL_DISK.format(
        size=size, disk=disk, old=old, python=sys.executable, building=building.__file__, photos=photos
    )
    environment = {**os.environ, "NOTES": "/dev/null", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "bash", "-c", script],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if ran.returncode == 99 or "unshare" in ran.stderr:
        pytest.skip(f"a small disk cannot be had here: {ran.stderr.strip()}")
    *said, names, people_in_it = ran.stdout.splitlines()
    assert said[-1] == (
        f"index.build.pipeline.WriteError: There is no space left for {disk}/library: "
        "free some, and run the same command again."
    )
    assert (names, people_in_it) == ("library", "1")


# Who of the people in a photo


def standing(scale: float = 1.0, x: float = 100.0, score: float = 0.9, points: float = 0.9) -> Pose:
    xy = STANDING_POSE * np.float32(scale) + np.float32((x, 120))
    return Pose(xy, np.full(17, points, np.float32), score)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ([], "no person"),
        ([standing(score=0.3)], "no person"),
        ([standing(0.3)], "person too small"),
        ([standing(), standing(0.3)], 1),
        ([standing(), standing(0.8)], 2),
        ([standing(0.4, score=0.8), standing(1.2, score=0.3)], "person too small"),
        ([standing(x=10 * i) for i in range(4)], 4),
        ([standing(x=10 * i) for i in range(5)], "crowd"),
        ([standing(points=0.2)], "person too small"),
    ],
)
def test_those_are_items_whom_the_photo_shows_well(found, wanted):
    shown = select_prominent(found, 320, 240)
    assert (shown if isinstance(shown, str) else len(shown)) == wanted


def test_points_that_the_estimator_guessed_are_unseen_in_the_library():
    pose = standing(1.4)
    pose.scores[13:] = 0.2
    (points,) = select_prominent([pose], 320, 240)
    assert not points[13:].any()
    assert np.array_equal(points[:13, :2], pose.xy[:13])


def test_of_half_a_person_too_little_is_seen():
    pose = standing()
    pose.scores[[5, 7, 9, 11, 13, 15, 1, 3, 2, 4]] = 0.1
    assert select_prominent([pose], 320, 240) == "too few points"


@pytest.mark.slow
def test_real_photos_and_a_real_video_become_a_library(shared_data, posenet, tmp_path):
    """By the real estimator in two processes; most photos with people labelled in them give some."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for file in sorted((shared_data / "photos" / "coco").glob("*.jpg"))[:60]:
        (folder / file.name).symlink_to(file)
    start = time.monotonic()
    finder = estimator_factory(posenet)
    report = build([folder], tmp_path / "photos library", ScanSettings(finder), BuildOptions(workers=2))
    print(f"{report.scanned / (time.monotonic() - start):.1f} photos a second")
    assert report.pictures >= 25
    assert set(report.skip_counts) <= {"no person", "person too small", "too few points", "crowd"}
    video_report = build([shared_data / "videos" / "pose_squats.mp4"], tmp_path / "squats", ScanSettings(finder))
    assert 3 <= video_report.items <= 60
    with Library.open(tmp_path / "squats") as library:
        hips = [library.keypoints[i, 11:13, 1].mean() for i in range(len(library))]
        height = np.ptp(library.keypoints[:, :, 1])
        assert np.ptp(hips) > 0.1 * height, "somebody goes down and up"
