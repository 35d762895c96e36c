"""A build keeps the frames of a video in which the pose has changed."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from index.build.photo import Credit, Photo, VideoProgress
from index.build.pipeline import BuildOptions, build
from index.build.scan import ScanSettings, scan_photo
from index.library import Library
from models.pose import Image, Pose
from tests.support.finders import MarkFinder, marked_scene
from tests.support.made_videos import write_sound, write_video

MARKS = ScanSettings(MarkFinder)


def video(file: Path, boxes: list[tuple[int, int, int, int]], each: int = 10, fps: float = 25) -> Path:
    """Write a video with a person in each of the boxes, for `each` frames."""
    scenes = [np.asarray(marked_scene(number + 1, (320, 240), box)) for number, box in enumerate(boxes)]
    return write_video(file, [scene for scene in scenes for _ in range(each)], fps, codec="png")


@pytest.mark.slow
def test_keeps_a_frame_wherever_the_pose_changes(tmp_path: Path) -> None:
    file = video(tmp_path / "my_dance.avi", [(60, 30, 160, 200), (90, 30, 210, 210), (0, 0, 0, 0), (100, 20, 220, 220)])
    report = build([file], tmp_path / "library", MARKS)
    assert (report.items, report.pictures) == (3, 3)
    with Library.open(tmp_path / "library") as library:
        assert [library.item(i).credit for i in range(3)] == ["my dance"] * 3
        assert library.item(1).box == pytest.approx((90, 30, 209, 209), abs=6)
        assert library.picture(1).shape == (240, 320, 3)


@pytest.mark.slow
def test_keeps_one_frame_of_a_still_video(tmp_path: Path) -> None:
    still = Photo(video(tmp_path / "a.avi", [(60, 30, 160, 200)], 60), Credit())
    result = scan_photo(still, MarkFinder(), 1920)
    assert isinstance(result, list)
    assert len(result) == 1


class CountingFinder(MarkFinder):
    """Counts the frames that it is asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def estimate(self, image: Image) -> list[Pose]:
        self.count += 1
        return super().estimate(image)


@pytest.mark.parametrize(("fps", "frames"), [(240.03, 480), (Fraction(30_000, 1001), 60), (50, 100), (2, 4)])
def test_scans_five_frames_a_second_of_any_rate(fps: float, frames: int, tmp_path: Path) -> None:
    estimator = CountingFinder()
    file = video(tmp_path / "a.avi", [(60, 30, 160, 200)], frames, fps)
    scan_photo(Photo(file, Credit()), estimator, 1920)
    assert estimator.count == min(frames, 10)


def test_scans_five_frames_a_second_of_a_varying_rate(tmp_path: Path) -> None:
    scene = np.asarray(marked_scene(1, (320, 240), (60, 30, 160, 200)))
    times = [*np.arange(0, 1, 1 / 120), *np.arange(1, 3, 1 / 10)]
    file = write_video(tmp_path / "a.mkv", [scene] * len(times), times=times)
    estimator = CountingFinder()
    scan_photo(Photo(file, Credit()), estimator, 1920)
    assert estimator.count == 15


def test_reports_each_frame_of_a_long_video(tmp_path: Path) -> None:
    seen: list[VideoProgress] = []
    file = video(tmp_path / "a.avi", [(60, 30, 160, 200)], 50)
    scan_photo(Photo(file, Credit()), MarkFinder(), 1920, report_progress=seen.append)
    assert seen == [(number, 10) for number in range(11)]


def test_keeps_large_frames_no_larger_than_other_photos(tmp_path: Path) -> None:
    file = video(tmp_path / "a.avi", [(60, 30, 160, 200)])
    result = scan_photo(Photo(file, Credit()), MarkFinder(), 240)
    assert isinstance(result, list)
    assert (result[0].width, result[0].height) == (240, 180)
    assert np.asarray(result[0].people[0])[:, 0].max() < 240


@pytest.mark.slow
@pytest.mark.parametrize("name", ["写真.avi", "caf\udce9.avi", "a%03d.avi", "12:30 a.avi", "-i.avi", "a\nb.avi"])
def test_reads_a_video_of_any_name(tmp_path: Path, name: str) -> None:
    video(tmp_path / name, [(60, 30, 160, 200)])
    assert build([tmp_path / name], tmp_path / "library", MARKS).items == 1


def test_skips_bad_videos(photos: Path, tmp_path: Path) -> None:
    complete = video(tmp_path / "whole.avi", [(60, 30, 160, 200), (90, 30, 210, 210)]).read_bytes()
    (tmp_path / "cut.avi").write_bytes(complete[: len(complete) * 2 // 3])
    (tmp_path / "text.mp4").write_text("hello")
    write_sound(tmp_path / "song.mp4")
    (tmp_path / "empty.mkv").write_text("")
    os.mkfifo(tmp_path / "pipe.mov")
    video(tmp_path / "nobody.avi", [(0, 0, 0, 0)])
    names = ["cut.avi", "text.mp4", "song.mp4", "empty.mkv", "pipe.mov", "nobody.avi"]
    report = build([photos, *(tmp_path / name for name in names)], tmp_path / "library", MARKS)
    assert {Path(skipped.name).name: skipped.kind for skipped in report.skipped} == {
        "text.mp4": "not a video", "song.mp4": "not a video", "empty.mkv": "not a video",
        "pipe.mov": "cannot be read", "nobody.avi": "no person",
    }  # fmt: skip
    assert report.items >= 7, "frames before the damage are used"


@pytest.mark.slow
def test_keeps_the_order_of_videos_with_several_workers(photos: Path, tmp_path: Path) -> None:
    boxes = [(60, 30, 160, 200), (90, 30, 210, 210), (100, 20, 220, 220)]
    names = ["c.avi", "a.avi", "b.avi"]
    for number, name in enumerate(names):
        moved = [(left + 45 * number, top, right + 45 * number, bottom) for left, top, right, bottom in boxes[number:]]
        video(tmp_path / name, moved, 10 + 20 * (2 - number))
    sources = [tmp_path / "c.avi", photos, tmp_path / "a.avi", tmp_path / "b.avi"]
    updates: list[tuple[int, int | None, str]] = []
    report = build(
        sources, tmp_path / "library", MARKS, BuildOptions(workers=2), lambda *update: updates.append(update)
    )
    scanned = [update for update in updates if update[2] == "Scanning photos"]
    assert scanned[0] == (0, 9, "Scanning photos")
    frames = 30 + 12 + 2  # each frame of a video counts as a photo
    assert scanned[-1] == (6 + frames, 6 + frames, "Scanning photos")
    assert (report.scanned, report.items) == (9, 12)
    with Library.open(tmp_path / "library") as library:
        titles = [item.title for item in library.items()]
    assert titles == ["c"] * 3 + [f"photo {n}" for n in (2, 4, 6, 1, 3, 5)] + ["a"] * 2 + ["b"]
