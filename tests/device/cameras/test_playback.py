"""Videos, pictures and folders as cameras: in real time or not, upright, whatever the files contain."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from device.cameras.base import Camera, CameraError, EndOfVideo
from device.cameras.opening import open_camera
from device.cameras.paced import ClipPicture, PacedCamera, advance_number
from device.cameras.playback import STILL_FPS
from models.pose import Image
from tests.support import made_videos
from tests.support.stand_ins import camera_picture

SIZE = 320, 240


def grey(level: int, width: int = 64, height: int = 48) -> Image:
    return np.full((height, width, 3), level, np.uint8)


def write_video(path: Path, levels: list[int], fps: float = 30, code: str = "MJPG") -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), fps, (64, 48))
    for level in levels:
        writer.write(grey(level))
    writer.release()
    return path


def level(camera: Camera) -> int:
    """Return the brightness of the next frame, rounded to ten: frames in these tests differ by it."""
    return round(float(camera.latest().image.mean()) / 10) * 10


@pytest.fixture
def ramp(tmp_path: Path) -> Path:
    """A video of ten pictures at ten a second, each brighter than the last."""
    return write_video(tmp_path / "ramp.avi", list(range(10, 210, 20)), fps=10)


def test_plays_every_frame_by_the_videos_own_time(ramp: Path) -> None:
    with open_camera(str(ramp), size=SIZE, real_time=False, loop=False) as camera:
        frames = [camera.latest() for _ in range(10)]
        for _ in range(2):
            with pytest.raises(EndOfVideo):
                camera.latest()
    assert [round(float(frame.image.mean()) / 10) * 10 for frame in frames] == list(range(10, 210, 20))
    assert np.diff([frame.captured_at for frame in frames]) == pytest.approx([0.1] * 9)


def test_waits_for_no_frame_when_not_in_real_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "slow.avi", [100] * 60, fps=1)
    started_at = time.monotonic()
    with open_camera(str(path), size=SIZE, real_time=False) as camera:
        for _ in range(60):
            camera.latest()
    assert time.monotonic() - started_at < 30


@pytest.mark.parametrize("fps", [Fraction(24_003, 100), Fraction(30_000, 1001), 7])
def test_plays_an_odd_rate_at_its_true_speed(fps: Fraction | int, tmp_path: Path) -> None:
    """240.03 frames a second once counted as damage, and played at 30: eight times too slowly."""
    path = made_videos.write_video(tmp_path / "a.avi", [grey(100)] * 80, fps, codec="mjpeg")
    with open_camera(str(path), size=SIZE, real_time=False) as camera:
        times = [camera.latest().captured_at for _ in range(100)]
    assert np.diff(times) == pytest.approx([1 / fps] * 99, abs=1e-4), "also from the end to the start"


def test_plays_frames_at_their_own_times(tmp_path: Path) -> None:
    times = [0, 0.03, 0.06, 0.5, 0.52, 0.9]
    path = made_videos.write_video(tmp_path / "a.mkv", [grey(100)] * 6, 30, times=times)
    with open_camera(str(path), size=SIZE, real_time=False) as camera:
        seen = [camera.latest().captured_at for _ in range(6)]
    assert np.array(seen) - seen[0] == pytest.approx(times, abs=0.002)
    with open_camera(str(path), size=SIZE) as camera:
        seen = [camera.latest().captured_at for _ in range(4)]
    assert seen[3] - seen[0] > 0.3, "a busy machine may leave some out"


def test_loops_when_not_in_real_time(ramp: Path) -> None:
    with open_camera(str(ramp), size=SIZE, real_time=False) as camera:
        assert [level(camera) for _ in range(23)] == [*range(10, 210, 20), *range(10, 210, 20), 10, 30, 50]


def test_plays_frames_when_due_and_drops_late_ones(ramp: Path) -> None:
    with open_camera(str(ramp), size=SIZE) as camera:
        started_at = time.monotonic()
        assert level(camera) == 10
        second = level(camera)
        assert second > 10
        assert time.monotonic() - started_at > 0.05
        time.sleep(0.4)
        assert (level(camera) - second) % 200 >= 80, "four frames were due meanwhile, and are dropped"


@pytest.mark.slow
def test_continues_where_it_was_after_a_long_break(ramp: Path) -> None:
    with open_camera(str(write_video(ramp.with_name("long.avi"), [100] * 300, fps=100)), size=SIZE) as camera:
        camera.latest()
        time.sleep(1.5)
        before = time.monotonic()
        frame = camera.latest()
        assert time.monotonic() - before < 1.4
        assert time.monotonic() - frame.captured_at < 1.4
        assert camera.latest().captured_at > frame.captured_at


@pytest.mark.slow
def test_ends_after_playing_once(ramp: Path) -> None:
    with open_camera(str(ramp), size=SIZE, loop=False) as camera:
        started_at = time.monotonic()
        with pytest.raises(EndOfVideo):
            play(camera)
        assert time.monotonic() - started_at > 0.75


def play(camera: Camera) -> None:
    """Ask for frames until the camera raises."""
    while True:
        camera.latest()


class SlowClip:
    """A clip whose pictures take longer to read than to show."""

    def __init__(self) -> None:
        self.number = -1

    def next_due(self) -> float:
        return (self.number + 1) / 50

    def advance(self, until: float) -> ClipPicture:
        number = advance_number(self.number, until, 50)
        time.sleep(0.04 * (number - self.number))
        self.number = number
        return ClipPicture(number / 50, grey(0))

    def close(self) -> None:
        pass


def test_plays_slower_when_reading_is_too_slow() -> None:
    with PacedCamera(SlowClip(), None, real_time=True) as camera:
        for _ in range(12):
            before = time.monotonic()
            frame = camera.latest()
            now = time.monotonic()
            assert now - before < 0.5
            assert 0 <= now - frame.captured_at < 0.5


def test_repeats_a_picture_that_is_shown_for_long() -> None:
    """A camera that returns no picture for two seconds counts as lost, and would begin again at the start."""

    class StillClip(SlowClip):
        def next_due(self) -> float:
            return 100 * (self.number + 1)

    with PacedCamera(StillClip(), None, real_time=True) as camera:
        frames = [camera.latest(timeout=1.0) for _ in range(4)]
        assert camera.latest(timeout=1.0).captured_at <= time.monotonic()
    gaps = np.diff([frame.captured_at for frame in frames])
    assert gaps.min() > 0
    assert np.median(gaps) < 0.7, "after which the picture leaves the screen"


def test_a_hanging_close_does_not_block_the_reader() -> None:
    closing, release = threading.Event(), threading.Event()

    class HangingClip(SlowClip):
        def close(self) -> None:
            closing.set()
            release.wait(20)

    camera = PacedCamera(HangingClip(), None, real_time=True)
    closer = threading.Thread(target=camera.close)
    closer.start()
    assert closing.wait(60)
    before = time.monotonic()
    with pytest.raises(CameraError, match="closed"):
        camera.latest()
    assert time.monotonic() - before < 10
    release.set()
    closer.join()


@pytest.mark.parametrize(("turn", "degrees"), [(0, 0), (1, 90), (2, 180), (3, 270)])
def test_turns_a_phones_video_upright(turn: int, degrees: int, tmp_path: Path) -> None:
    """The matrix in a video's track header says how the phone was held (ISO/IEC 14496-12)."""
    path = tmp_path / "phone.mp4"
    turned = np.ascontiguousarray(np.rot90(camera_picture(64, 48), turn))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, turned.shape[1::-1])
    for _ in range(5):
        writer.write(cv2.cvtColor(turned, cv2.COLOR_RGB2BGR))
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


def test_shrinks_a_large_video(tmp_path: Path) -> None:
    path = tmp_path / "large.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (1280, 720))
    writer.write(camera_picture(1280, 720))
    writer.release()
    with open_camera(str(path), size=SIZE, small_shape=(193, 257)) as camera:
        frame = camera.latest()
    assert frame.image.shape == (180, 320, 3)
    assert frame.small.shape == (193, 257, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty: copy it again"),
        (b"A text.", "a text, not a video: choose another"),
        (bytes(5000), "not a video, or "),
    ],
)
def test_explains_a_file_that_cannot_be_played(
    content: bytes, reason: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    with pytest.raises(CameraError) as caught:
        open_camera(str(path), size=SIZE)
    assert str(caught.value).startswith(f"{path} is {reason}")
    assert capfd.readouterr().err == "", "FFmpeg must print nothing"


def test_plays_a_truncated_video_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.avi", [100] * 40)
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


def test_explains_a_video_that_is_gone(ramp: Path) -> None:
    with open_camera(str(ramp), size=SIZE, real_time=False) as camera:
        ramp.unlink()
        for _ in range(10):
            camera.latest()
        with pytest.raises(CameraError, match=r"ramp\.avi is gone: put it back\.$"):
            camera.latest()


def test_repeats_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "Bühne 舞台.png"
    Pillow.fromarray(camera_picture(64, 48)).save(path)
    with open_camera(str(path), size=SIZE, small_shape=(33, 49)) as camera:
        frames = [camera.latest() for _ in range(4)]
    for frame in frames:
        np.testing.assert_array_equal(frame.image, camera_picture(64, 48))
    periods = np.diff([frame.captured_at for frame in frames]) * STILL_FPS
    assert periods == pytest.approx(periods.round(), abs=0.05), "a busy machine leaves some out"
    assert periods.min() > 0.9


def test_plays_a_folder_by_name_and_skips_damaged_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
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
    assert re.search(r"broken\.jpg is damaged \(.+\): copy it again from the original\. It is skipped\.$", skipped[0])
    reason = "is not a picture, or has a format that is not supported: save it as JPEG or PNG"
    assert skipped[1].endswith(f"notes.txt {reason}. It is skipped.")


def test_shows_each_picture_of_a_folder_for_two_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device.cameras.playback.SECONDS_PER_PICTURE", 0.2)
    for number, level_ in enumerate((50, 100, 150)):
        Pillow.fromarray(grey(level_)).save(tmp_path / f"{number}.png")
    with open_camera(str(tmp_path), size=SIZE) as camera:
        started_at, seen = time.monotonic(), [level(camera)]
        changes: list[tuple[int, float]] = []
        while len(changes) < 4:
            seen.append(level(camera))
            if seen[-1] != seen[-2]:
                changes.append((seen[-1], time.monotonic() - started_at))
    assert [level_ for level_, _ in changes] == [100, 150, 50, 100]
    for number, (_, seconds) in enumerate(changes, 1):
        assert seconds > 0.2 * number - 0.05, "a busy machine may be late, and never early"


def test_a_folder_ends_after_playing_once(tmp_path: Path) -> None:
    for number in range(3):
        Pillow.fromarray(grey(100)).save(tmp_path / f"{number}.png")
    with open_camera(str(tmp_path), size=SIZE, real_time=False, loop=False) as camera:
        for _ in range(3):
            camera.latest()
        for _ in range(2):
            with pytest.raises(EndOfVideo):
                camera.latest()


@pytest.mark.parametrize("fill", [lambda folder: None, lambda folder: (folder / "a.txt").write_text("a")])
def test_explains_a_folder_without_pictures(fill: Callable[[Path], object], tmp_path: Path) -> None:
    fill(tmp_path)
    with pytest.raises(CameraError, match=r"holds no picture that can be read: choose another\.$"):
        open_camera(str(tmp_path), size=SIZE)


STORED: dict[int, Callable[[Image], Image]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}
"""How a picture is stored, by its Exif orientation (tag 0x0112)."""


@pytest.mark.parametrize("orientation", STORED)
def test_turns_a_phones_picture_upright(orientation: int, tmp_path: Path) -> None:
    tags = Pillow.Exif()
    tags[0x0112] = orientation
    path = tmp_path / "phone.png"
    Pillow.fromarray(np.ascontiguousarray(STORED[orientation](camera_picture(64, 48)))).save(path, exif=tags)
    with open_camera(str(path), size=SIZE) as camera:
        np.testing.assert_array_equal(camera.latest().image, camera_picture(64, 48))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "F"])
def test_converts_any_colour_mode_to_rgb(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.tiff"
    white = grey(255)
    white[0, 0] = 0  # in 32 bits, white is the largest value in the picture
    Pillow.fromarray(white).convert(mode).save(path)
    with open_camera(str(path), size=SIZE) as camera:
        image = camera.latest().image
    assert image.shape == (48, 64, 3)
    assert image.mean() > 250


def test_an_animation_repeats_at_its_speed(tmp_path: Path) -> None:
    path = tmp_path / "video.webp"
    frames = [Pillow.fromarray(grey(level_)) for level_ in (50, 100, 150)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[100, 500, 300], lossless=True)
    with open_camera(str(path), size=SIZE, real_time=False) as camera:
        times = [camera.latest().captured_at for _ in range(5)]
    assert np.diff(times) == pytest.approx([0.1, 0.5, 0.3, 0.1], abs=1e-6)


def test_a_video_of_one_frame_does_not_repeat_at_once(tmp_path: Path) -> None:
    path = write_video(tmp_path / "short.avi", [100], fps=1000)
    with open_camera(str(path), size=SIZE, real_time=False) as camera:
        times = [camera.latest().captured_at for _ in range(3)]
    assert np.diff(times) == pytest.approx([0.25] * 2)


def test_plays_a_gif_that_ends_in_its_second_picture(tmp_path: Path) -> None:
    path = tmp_path / "video.gif"
    Pillow.fromarray(grey(100)).save(path)
    path.write_bytes(path.read_bytes().removesuffix(b";") + b",\x00")
    with open_camera(str(path), size=SIZE, real_time=False) as camera:
        assert level(camera) == 100


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "avif"])
def test_plays_an_animation(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"video.{ending}"
    frames = [Pillow.fromarray(grey(level_)) for level_ in (50, 100, 150)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    with open_camera(str(path), size=SIZE, real_time=False) as camera:
        assert [level(camera) for _ in range(4)] == [50, 100, 150, 50]


@pytest.mark.parametrize(
    ("name", "frames", "size"),
    [("pose_squats.mp4", 65, (360, 640)), ("ta_chi.mp4", 300, (256, 340)), ("exercise.avi", 393, (288, 384))],
)
def test_plays_real_videos_completely(name: str, frames: int, size: tuple[int, int], shared_data: Path) -> None:
    seen = 0
    with open_camera(str(shared_data / "videos" / name), size=(640, 480), real_time=False, loop=False) as camera:
        try:
            while True:
                assert camera.latest().image.shape[:2] in (size, size[::-1])
                seen += 1
        except EndOfVideo:
            pass
    assert seen == frames
