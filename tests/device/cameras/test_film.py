"""Films, pictures and folders as cameras: in real time and as fast as possible, upright, whatever is in the files."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from device.cameras.base import Camera, CameraError, EndOfVideo, fit_within
from device.cameras.film import STILL_FPS
from device.cameras.opening import open_camera
from device.cameras.paced import PacedCamera
from models.pose import Image
from tests.support.stand_ins import camera_picture

SIZE = 320, 240


def grey(level: int, width: int = 64, height: int = 48) -> Image:
    return np.full((height, width, 3), level, np.uint8)


def film(path: Path, levels: list[int], fps: float = 30, code: str = "MJPG") -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), fps, (64, 48))
    for level in levels:
        writer.write(grey(level))
    writer.release()
    return path


def level(camera: Camera) -> int:
    """How bright the next frame is, to the ten: the films here tell their frames apart by it."""
    return round(float(camera.latest().image.mean()) / 10) * 10


@pytest.fixture
def ramp(tmp_path: Path) -> Path:
    """Ten pictures, each brighter than the last, ten a second."""
    return film(tmp_path / "ramp.avi", list(range(10, 210, 20)), fps=10)


def test_as_fast_as_possible_shows_every_frame_in_order_and_in_the_films_own_time(ramp: Path) -> None:
    began = time.monotonic()
    with open_camera(str(ramp), size=SIZE, real_time=False, loop=False) as camera:
        frames = [camera.latest() for _ in range(10)]
        for _ in range(2):
            with pytest.raises(EndOfVideo):
                camera.latest()
    assert time.monotonic() - began < 0.9
    assert [round(float(frame.image.mean()) / 10) * 10 for frame in frames] == list(range(10, 210, 20))
    assert np.diff([frame.captured_at for frame in frames]) == pytest.approx([0.1] * 9)


def test_as_fast_as_possible_goes_round_and_round(ramp: Path) -> None:
    with open_camera(str(ramp), size=SIZE, real_time=False) as camera:
        assert [level(camera) for _ in range(23)] == [*range(10, 210, 20), *range(10, 210, 20), 10, 30, 50]


def test_in_real_time_frames_are_shown_when_they_are_due_and_late_ones_dropped(ramp: Path) -> None:
    with open_camera(str(ramp), size=SIZE) as camera:
        began = time.monotonic()
        assert level(camera) == 10
        assert level(camera) == 30
        assert time.monotonic() - began == pytest.approx(0.15, abs=0.1)
        time.sleep(0.4)
        assert level(camera) in range(110, 191, 20), "four were due meanwhile, and are not made up for"


def test_a_film_that_nobody_looked_at_for_long_goes_on_where_it_was(ramp: Path) -> None:
    with open_camera(str(film(ramp.with_name("long.avi"), [100] * 300, fps=100)), size=SIZE) as camera:
        camera.latest()
        time.sleep(1.5)
        asked = time.monotonic()
        frame = camera.latest()
        assert time.monotonic() - asked < 0.4
        assert time.monotonic() - frame.captured_at < 0.4
        assert camera.latest().captured_at > frame.captured_at


def test_a_film_in_real_time_ends_when_it_is_shown_once(ramp: Path) -> None:
    with open_camera(str(ramp), size=SIZE, loop=False) as camera:
        began, seen = time.monotonic(), 0
        with pytest.raises(EndOfVideo):
            seen = count(camera)
        assert time.monotonic() - began == pytest.approx(1.0, abs=0.25)
    assert seen == 0


def count(camera: Camera) -> int:
    """Looks until there is nothing more; never returns otherwise."""
    while True:
        camera.latest()


class Slow:
    """A film whose pictures take longer to make than they last."""

    fps = 50.0

    def __init__(self) -> None:
        self.number = -1

    def advance(self, count: int) -> Image | None:
        self.number += count
        time.sleep(0.04 * count)
        return grey(0)

    def close(self) -> None:
        pass


def test_a_film_slower_to_read_than_to_show_slows_down_and_does_not_fall_ever_further_behind() -> None:
    with PacedCamera(Slow(), None, real_time=True) as camera:
        for _ in range(12):
            asked = time.monotonic()
            frame = camera.latest()
            now = time.monotonic()
            assert now - asked < 0.2
            assert 0 <= now - frame.captured_at < 0.2


def test_a_film_that_hangs_as_it_is_closed_keeps_nobody_who_asks_for_a_picture() -> None:
    closing, let_go = threading.Event(), threading.Event()

    class Hanging(Slow):
        def close(self) -> None:
            closing.set()
            let_go.wait(20)

    camera = PacedCamera(Hanging(), None, real_time=True)
    closer = threading.Thread(target=camera.close)
    closer.start()
    assert closing.wait(5)
    asked = time.monotonic()
    with pytest.raises(CameraError, match="closed"):
        camera.latest()
    assert time.monotonic() - asked < 2
    let_go.set()
    closer.join()


@pytest.mark.parametrize(("turn", "degrees"), [(0, 0), (1, 90), (2, 180), (3, 270)])
def test_a_phones_film_stands_upright(turn: int, degrees: int, tmp_path: Path) -> None:
    """The file says how the phone was held, in its track header's matrix (ISO/IEC 14496-12)."""
    path = tmp_path / "phone.mp4"
    lying = np.ascontiguousarray(np.rot90(camera_picture(64, 48), turn))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, lying.shape[1::-1])
    for _ in range(5):
        writer.write(cv2.cvtColor(lying, cv2.COLOR_RGB2BGR))
    writer.release()
    one = 1 << 16
    cos, sin = {0: (one, 0), 90: (0, one), 180: (-one, 0), 270: (0, -one)}[degrees]
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 4 + 5 * 4 + 2 * 4 + 4 * 2
    values = (cos, sin, 0, -sin, cos, 0, 0, 0, 1 << 30)
    data[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in values)
    path.write_bytes(data)
    with open_camera(str(path), size=SIZE) as camera:
        image = camera.latest().image
    assert image.shape == (48, 64, 3)
    assert np.abs(image.astype(int) - camera_picture(64, 48))[4:20, 4:28].max() < 40
    assert np.abs(image.astype(int) - camera_picture(64, 48))[28:44, 36:60].max() < 40


def test_a_large_film_is_made_smaller_and_a_small_one_left(tmp_path: Path) -> None:
    path = tmp_path / "large.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (1280, 720))
    writer.write(camera_picture(1280, 720))
    writer.release()
    with open_camera(str(path), size=SIZE, small_shape=(193, 257)) as camera:
        frame = camera.latest()
    assert frame.image.shape == (180, 320, 3)
    assert frame.small.shape == (193, 257, 3)


@pytest.mark.parametrize("content", [b"", b"Not a film.", b"RIFF\x00\x00\x10\x00AVI LIST", bytes(5000)])
def test_a_file_that_is_neither_film_nor_picture_is_a_sentence(
    content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(
        CameraError, match=r"film\.mp4 is neither a video nor a picture that can be read: choose another\.$"
    ):
        open_camera(str(path), size=SIZE)
    assert capfd.readouterr().err == "", "OpenCV and FFmpeg keep their own words to themselves"


def test_a_film_that_breaks_off_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    path = film(tmp_path / "film.avi", [100] * 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    seen = 0
    with open_camera(str(path), size=SIZE, real_time=False, loop=False) as camera:
        try:
            while True:
                camera.latest()
                seen += 1
        except EndOfVideo:
            pass
    assert 5 < seen < 40


def test_a_film_that_is_taken_away_is_a_sentence_when_it_would_start_again(ramp: Path) -> None:
    with open_camera(str(ramp), size=SIZE, real_time=False) as camera:
        ramp.unlink()
        for _ in range(10):
            camera.latest()
        with pytest.raises(CameraError, match=r"ramp\.avi is gone: put it back\.$"):
            camera.latest()


def test_a_picture_is_filmed_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "Bühne 舞台.png"
    Pillow.fromarray(camera_picture(64, 48)).save(path)
    with open_camera(str(path), size=SIZE, small_shape=(33, 49)) as camera:
        frames = [camera.latest() for _ in range(4)]
    for frame in frames:
        np.testing.assert_array_equal(frame.image, camera_picture(64, 48))
    assert np.diff([frame.captured_at for frame in frames]) == pytest.approx([1 / STILL_FPS] * 3, abs=0.002)


def test_a_folders_pictures_are_shown_by_name_and_what_cannot_be_read_is_left_out_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, level_ in [("b.png", 50), ("c.jpg", 100), ("a.webp", 200)]:
        Pillow.fromarray(grey(level_)).save(tmp_path / name)
    (tmp_path / "broken.jpg").write_bytes((tmp_path / "c.jpg").read_bytes()[:200])
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    with open_camera(str(tmp_path), size=SIZE, real_time=False) as camera:
        assert [level(camera) for _ in range(7)] == [200, 50, 100, 200, 50, 100, 200]
    skipped = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(skipped) == 2
    assert re.search(r"broken\.jpg is damaged \(.+\)\. It is skipped\.$", skipped[0])
    assert skipped[1].endswith("notes.txt is not a picture that can be read here. It is skipped.")


def test_each_picture_of_a_folder_is_shown_for_two_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device.cameras.film.SECONDS_PER_PICTURE", 0.2)
    for number, level_ in enumerate((50, 100, 150)):
        Pillow.fromarray(grey(level_)).save(tmp_path / f"{number}.png")
    with open_camera(str(tmp_path), size=SIZE) as camera:
        began = time.monotonic()
        seen = [level(camera) for _ in range(24)]
        assert time.monotonic() - began == pytest.approx(0.77, abs=0.2)
    assert [seen.count(level_) for level_ in (50, 100, 150)] == pytest.approx([12, 6, 6], abs=2)
    assert sorted(set(seen), key=seen.index) == [50, 100, 150]


def test_a_folder_shown_once_ends(tmp_path: Path) -> None:
    for number in range(3):
        Pillow.fromarray(grey(100)).save(tmp_path / f"{number}.png")
    with open_camera(str(tmp_path), size=SIZE, real_time=False, loop=False) as camera:
        for _ in range(3):
            camera.latest()
        for _ in range(2):
            with pytest.raises(EndOfVideo):
                camera.latest()


@pytest.mark.parametrize("fill", [lambda folder: None, lambda folder: (folder / "a.txt").write_text("a")])
def test_a_folder_without_a_picture_is_a_sentence(fill: Callable[[Path], object], tmp_path: Path) -> None:
    fill(tmp_path)
    with pytest.raises(CameraError, match=r"holds no picture that can be read: choose another\.$"):
        open_camera(str(tmp_path), size=SIZE)


LYING: dict[int, Callable[[Image], Image]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}
"""How a picture lies in its file, by the number that Exif has for it (tag 0x0112)."""


@pytest.mark.parametrize("orientation", LYING)
def test_a_phones_picture_stands_upright(orientation: int, tmp_path: Path) -> None:
    tags = Pillow.Exif()
    tags[0x0112] = orientation
    path = tmp_path / "phone.png"
    Pillow.fromarray(np.ascontiguousarray(LYING[orientation](camera_picture(64, 48)))).save(path, exif=tags)
    with open_camera(str(path), size=SIZE) as camera:
        np.testing.assert_array_equal(camera.latest().image, camera_picture(64, 48))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "F"])
def test_a_picture_in_any_colours_becomes_rgb(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.tiff"
    white = grey(255)
    white[0, 0] = 0  # numbers of 32 bits have no white of their own: it is the largest of them
    Pillow.fromarray(white).convert(mode).save(path)
    with open_camera(str(path), size=SIZE) as camera:
        image = camera.latest().image
    assert image.shape == (48, 64, 3)
    assert image.mean() > 250


def test_a_gif_that_ends_within_its_second_picture_is_a_film_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    Pillow.fromarray(grey(100)).save(path)
    path.write_bytes(path.read_bytes().removesuffix(b";") + b",\x00")
    with open_camera(str(path), size=SIZE, real_time=False) as camera:
        assert level(camera) == 100


def test_an_animated_gif_is_a_film(tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    frames = [Pillow.fromarray(grey(level_)) for level_ in (50, 100, 150)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    with open_camera(str(path), size=SIZE, real_time=False) as camera:
        assert [level(camera) for _ in range(4)] == [50, 100, 150, 50]


def test_fitting_keeps_the_shape_and_never_enlarges() -> None:
    assert fit_within(grey(0, 1000, 500), 100).shape == (50, 100, 3)
    assert fit_within(grey(0, 3, 3000), 100).shape == (100, 1, 3)
    small = grey(0, 10, 20)
    assert fit_within(small, 100) is small


@pytest.mark.parametrize(
    ("name", "frames", "size"),
    [("pose_squats.mp4", 65, (360, 640)), ("ta_chi.mp4", 300, (256, 340)), ("exercise.avi", 393, (288, 384))],
)
def test_real_films_are_shown_whole(name: str, frames: int, size: tuple[int, int], shared_data: Path) -> None:
    seen = 0
    with open_camera(str(shared_data / "videos" / name), size=(640, 480), real_time=False, loop=False) as camera:
        try:
            while True:
                assert camera.latest().image.shape[:2] in (size, size[::-1])
                seen += 1
        except EndOfVideo:
            pass
    assert seen == frames
