"""Videos of any format are read, by their own times; what shows no video is named with the reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import Image as Pillow

from index import formats
from index.formats import VIDEO_SUFFIXES
from index.videos import VideoError, open_video
from models.pose import Image
from tests.support.held import held_resources
from tests.support.made_videos import grey, write_sound, write_video
from tests.support.stand_ins import camera_picture

LEVELS = [60, 100, 140, 180, 220]
RAMP = [grey(level) for level in LEVELS]
NOISE = np.random.default_rng(0).integers(0, 255, (50, 48, 64, 3), np.uint8)


def times(file: Path) -> list[float]:
    with open_video(file) as video:
        return [frame.time for frame in video.frames()]


def levels(file: Path) -> list[int]:
    """Return the brightness of each frame, rounded to twenty, by which the frames of these tests differ."""
    with open_video(file) as video:
        return [round(float(frame.make_image(None).mean()) / 20) * 20 for frame in video.frames()]


def first_picture(file: Path, max_side: int | None = None) -> Image:
    with open_video(file) as video:
        return next(video.frames()).make_image(max_side)


def problem(file: Path) -> tuple[str, str]:
    """Return the kind of error of a file that is no video, and the end of its sentence after the file's name."""
    before = held_resources()
    with pytest.raises(VideoError) as caught:
        open_video(file)
    assert held_resources() == before
    return caught.value.kind, str(caught.value).removeprefix(f"{file} ")


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.avi", "mjpeg"), ("a.flv", "flv"), ("a.ts", "mpeg2video"), ("a.mpg", "mpeg1video"),
        ("a.mkv", "ffv1"), ("a.mp4", "mpeg4"), ("a.mp4", "libx264"), ("a.mp4", "libsvtav1"), ("a.webm", "libvpx-vp9"),
        ("a.h264", "libx264"),
    ],
)  # fmt: skip
def test_reads_each_format(name: str, codec: str, tmp_path: Path) -> None:
    assert levels(write_video(tmp_path / name, RAMP * 5, codec=codec)) == LEVELS * 5
    assert times(tmp_path / name) == pytest.approx(np.arange(25) / 25, abs=0.05 if name == "a.mpg" else 1e-6)
    assert name == "a.h264" or (tmp_path / name).suffix in VIDEO_SUFFIXES


@pytest.mark.parametrize(
    "name",
    ["12:30 dance.mp4", "%03d.mp4", "-i.mp4", "http:x.mp4", "[a]*?.mp4", "a\nb.mp4", "caf\udce9.mp4", "写真.mp4"],
)
def test_reads_a_video_of_any_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a name from the command line may come without a folder
    assert levels(write_video(Path(name), RAMP)) == LEVELS


@pytest.mark.parametrize("fps", [Fraction(24_003, 100), Fraction(30_000, 1001), 0.5, 120])
def test_frames_have_the_times_of_an_odd_rate(fps: float | Fraction, tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.mkv", RAMP, fps, codec="ffv1")
    assert times(file) == pytest.approx([number / fps for number in range(5)], abs=0.001)


def test_frames_have_their_own_times(tmp_path: Path) -> None:
    """Phones vary the rate with the light."""
    expected = [0, 0.033, 0.1, 0.9, 1.0]
    assert times(write_video(tmp_path / "a.mkv", RAMP, 30, times=expected)) == pytest.approx(expected, abs=0.002)


def test_goes_on_where_recordings_were_joined(tmp_path: Path) -> None:
    part = write_video(tmp_path / "part.ts", RAMP, codec="mpeg2video").read_bytes()
    (tmp_path / "joined.ts").write_bytes(part + part)
    assert times(tmp_path / "joined.ts") == pytest.approx(np.arange(10) / 25)


def test_does_not_wait_for_frames_of_another_day(tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.mkv", RAMP, 25, times=[0, 0.04, 7200, 7200.04, 7200.08])
    assert times(file) == pytest.approx(np.arange(5) / 25, abs=0.002)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts"])
def test_tells_how_long_a_video_lasts(name: str, tmp_path: Path) -> None:
    with open_video(write_video(tmp_path / name, RAMP * 20, 50, codec="mpeg2video")) as video:
        assert video.duration == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_a_frame_outlives_its_video(name: str, tmp_path: Path) -> None:
    """A camera at the end of a video opens it again to see when the next frame is due, and then shows the last."""
    file = tmp_path / name
    if name == "a.gif":
        Pillow.fromarray(RAMP[0]).save(file, save_all=True, append_images=map(Pillow.fromarray, RAMP[1:]))
    else:
        write_video(file, RAMP)
    with open_video(file) as video:
        frames = list(video.frames())
    assert [round(float(frame.make_image(None).mean()) / 20) * 20 for frame in frames] == LEVELS


def test_shrinks_and_never_enlarges(tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.mp4", [camera_picture(320, 240)])
    assert first_picture(file, 160).shape == (120, 160, 3)
    assert first_picture(file, 1000).shape == (240, 320, 3)
    assert first_picture(file).flags.c_contiguous


UPRIGHT: dict[tuple[int, int, int, int], Callable[[Image], Image]] = {
    (1, 0, 0, 1): lambda image: image,
    (-1, 0, 0, 1): lambda image: image[:, ::-1],
    (1, 0, 0, -1): lambda image: image[::-1],
    (-1, 0, 0, -1): lambda image: image[::-1, ::-1],
    (0, 1, -1, 0): lambda image: np.rot90(image, -1),
    (0, -1, 1, 0): lambda image: np.rot90(image),
    (0, 1, 1, 0): lambda image: image.transpose(1, 0, 2),
    (0, -1, -1, 0): lambda image: image[::-1, ::-1].transpose(1, 0, 2),
}
"""How to turn a picture that is stored with a matrix a, b, c, d: x = a·x + c·y, y = b·x + d·y (ISO/IEC 14496-12)."""


@pytest.mark.parametrize("matrix", UPRIGHT)
def test_turns_and_mirrors_as_the_file_says(matrix: tuple[int, int, int, int], tmp_path: Path) -> None:
    a, b, c, d = (value << 16 for value in matrix)
    file = write_video(tmp_path / "a.mp4", [camera_picture(64, 48)])
    data = bytearray(file.read_bytes())
    start = data.index(b"tkhd") + 4 + 4 + 5 * 4 + 2 * 4 + 4 * 2
    data[start : start + 36] = b"".join(
        value.to_bytes(4, "big", signed=True) for value in (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    )
    file.write_bytes(data)
    expected = UPRIGHT[matrix](camera_picture(64, 48)).astype(int)
    picture = first_picture(file)
    assert picture.shape == expected.shape
    assert np.median(np.abs(picture - expected)) < 8


def test_shows_square_pixels(tmp_path: Path) -> None:
    """Of 720×576 pixels, a film on a DVD has those of a wide screen."""
    file = write_video(
        tmp_path / "a.mkv", [camera_picture(720, 576)], codec="mpeg2video", sample_aspect_ratio=Fraction(64, 45)
    )
    assert first_picture(file).shape == (576, 1024, 3)
    assert first_picture(file, 512).shape == (288, 512, 3)


@pytest.mark.parametrize(("name", "value"), [("ITU709", 1), ("ITU601", 6), ("BT2020", 9), ("ITU709", 2)])
def test_colours_are_right(name: str, value: int, tmp_path: Path) -> None:
    """2: of a large video that does not say which colours it has, they are those of HDTV."""
    scene = np.full((720, 1280, 3), (200, 30, 60), np.uint8)
    frame: Any = VideoFrame.from_ndarray(scene).reformat(format="yuv420p", dst_colorspace=name)
    frame.colorspace = value
    file = write_video(tmp_path / "a.mkv", [frame], codec="libx264", options={"crf": "4"}, colorspace=value)
    assert np.abs(first_picture(file)[300, 600].astype(int) - (200, 30, 60)).max() < 6


def test_an_interlaced_frame_has_no_teeth(tmp_path: Path) -> None:
    """A field of an interlaced frame shows the world a moment later, so that what moves gets an edge like a comb."""
    scene = grey(40, 320, 240)
    scene[0::2, 100:160] = 220
    scene[1::2, 130:190] = 220
    flags = 1 << 18 | 1 << 29  # AV_CODEC_FLAG_INTERLACED_DCT and _ME
    file = write_video(tmp_path / "a.mkv", [scene] * 3, codec="mpeg2video", flags=flags, bit_rate=8_000_000)
    picture = first_picture(file)
    assert picture.shape == scene.shape
    assert np.abs(np.diff(picture[10:-10].astype(int), axis=0)).max() < 30


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_is_a_video(format: str, tmp_path: Path) -> None:
    frames = [Pillow.fromarray(picture) for picture in RAMP]
    file = tmp_path / "a.mp4"
    frames[0].save(file, format, save_all=True, append_images=frames[1:], duration=[100, 200, 100, 0, 100])
    assert levels(file) == LEVELS
    assert times(file) == pytest.approx([0, 0.1, 0.3, 0.4, 0.5], abs=1e-6)


def test_what_is_transparent_in_an_animation_is_white(tmp_path: Path) -> None:
    frames = [Pillow.new("RGBA", (64, 48), (0, 0, 0, 40 * number)) for number in range(2)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert first_picture(tmp_path / "a.webp").min() == 255


def test_an_animation_of_too_many_pixels_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MAX_PIXELS", 64 * 48 - 1)
    frames = [Pillow.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:])
    with pytest.raises(VideoError, match=r"a\.webp has 64×48 pixels, more than .*: save it smaller") as error:
        open_video(tmp_path / "a.webp")
    assert error.value.kind == "too large"


def test_an_animation_ends_at_its_damage(tmp_path: Path) -> None:
    file = tmp_path / "a.gif"
    noise = [Pillow.fromarray(picture) for picture in NOISE[:5]]
    noise[0].save(file, save_all=True, append_images=noise[1:])
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 3 // 5])
    assert 1 < len(times(file)) < 5


def test_leaves_out_damaged_frames(tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.avi", RAMP * 20, codec="mjpeg")
    data = bytearray(file.read_bytes())
    frames = list(re.compile(rb"00dc(....)", re.DOTALL).finditer(data, data.index(b"movi"), data.index(b"idx1")))
    assert len(frames) == 100
    for found in frames[10:30]:
        length = int.from_bytes(found[1], "little")
        data[found.end() : found.end() + length] = bytes(length)
    file.write_bytes(data)
    seen = times(file)
    assert len(seen) == 80
    assert seen[-1] == pytest.approx(99 / 25), "the times of the others stay the same"


@pytest.mark.parametrize("name", ["a.avi", "a.ts", "a.mkv"])
def test_plays_what_is_there_of_a_video_cut_short(name: str, tmp_path: Path) -> None:
    file = write_video(tmp_path / name, NOISE, codec="mpeg2video")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert 10 < len(times(file)) < 40


def test_several_threads_give_the_same_frames(tmp_path: Path) -> None:
    file = write_video(tmp_path / "a.mp4", RAMP * 4, codec="libx264")
    with open_video(file) as one, open_video(file, threads=4) as four:
        for first, second in zip(one.frames(), four.frames(), strict=True):
            assert first.time == second.time
            np.testing.assert_array_equal(first.make_image(None), second.make_image(None))


def picture(format: str) -> Callable[[Path], object]:
    return lambda file: Pillow.fromarray(camera_picture(64, 48)).save(file, format)


def cut_off(file: Path) -> None:
    data = write_video(file, RAMP * 20).read_bytes()
    file.write_bytes(data[: len(data) // 2])


def without_frames(file: Path) -> None:
    """Make a file that announces a video and ends there."""
    write_video(file, RAMP, codec="mjpeg")
    data = file.read_bytes()
    file.write_bytes(data[: data.index(b"movi") + 4])


def encrypted(file: Path) -> None:
    key, number = "76a6c65c5ea762046bd749a2e632ccbb", "a7e61c373e219033c21091fa607bf3b8"
    options = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": key, "encryption_kid": number}
    write_video(file, NOISE, codec="libx264", container=options)


def unknown_codec(file: Path) -> None:
    data = write_video(file, RAMP, codec="libx264").read_bytes()
    file.write_bytes(data.replace(b"avc1", b"zzzz").replace(b"avcC", b"zzzC"))


def damaged(file: Path) -> None:
    data = bytearray(write_video(file, RAMP, codec="libx264").read_bytes())
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    data[start:end] = bytes(byte ^ 0x5A for byte in data[start:end])
    file.write_bytes(data)


SAVE = "save it as MP4 with H.264."
TEXT = "is a text, not a video: choose another."
PICTURE = "is a picture, not a video: give it a name that ends in .jpg or so."
PROBLEMS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "empty": (lambda file: file.write_bytes(b""), "not a video", "is empty: copy it again."),
    "zeros": (
        lambda file: file.write_bytes(bytes(9000)),
        "not a video",
        f"is not a video, or has a format that is not supported: {SAVE}",
    ),
    "text": (lambda file: file.write_text("Grüße\n" * 999), "not a video", TEXT),
    "text of Windows": (lambda file: file.write_text("Grüße" * 99, "utf-16"), "not a video", TEXT),
    "text of the last century": (lambda file: file.write_text("Grüße" * 999, "latin-1"), "not a video", TEXT),
    "page": (lambda file: file.write_text("<!DOCTYPE html>\n<p>Not found"), "not a video", TEXT),
    "zip": (
        lambda file: file.write_bytes(b"PK\3\4" + bytes(99)),
        "not a video",
        "is an archive, not a video: unpack it, and choose a video in it.",
    ),
    "JPEG": (picture("JPEG"), "not a video", PICTURE),
    "PNG": (picture("PNG"), "not a video", PICTURE),
    "HEIF": (picture("HEIF"), "not a video", PICTURE),
    "sound": (write_sound, "not a video", "has sound but no moving pictures: choose another."),
    "cut off": (
        cut_off,
        "not a video",
        "was cut off before its index, without which no frame can be found: copy it again.",
    ),
    "encrypted": (encrypted, "not a video", "is encrypted: choose one without copy protection."),
    "unknown codec": (unknown_codec, "not a video", f"needs a decoder that FFmpeg does not have: {SAVE}"),
    "damaged": (damaged, "damaged", "is damaged, so that no frame can be read: copy it again."),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_says_why_a_file_shows_no_video(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    make, kind, sentence = PROBLEMS[name]
    file = tmp_path / "a.mp4"
    make(file)
    capfd.readouterr()
    assert problem(file) == (kind, sentence)
    assert capfd.readouterr() == ("", ""), "FFmpeg must print nothing"
    assert caplog.records == []


@pytest.mark.parametrize(("name", "frames"), [("av1.mp4", 180), ("clip.ts", 61)])
def test_reads_odd_videos_of_makers(name: str, frames: int, shared_data: Path) -> None:
    assert len(times(shared_data / "odd" / name)) == frames


def test_says_that_a_film_of_a_camera_was_cut_off(shared_data: Path) -> None:
    kind, sentence = problem(shared_data / "odd" / "nomoov.mp4")
    assert (kind, sentence.partition(",")[0]) == ("not a video", "was cut off before its index")
