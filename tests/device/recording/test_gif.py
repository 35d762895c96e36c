"""GIFs: one palette, photos stored once, skeletons in place, and never too large."""

from __future__ import annotations

import io
import struct
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL.GifImagePlugin import GifImageFile

from device.display.draw import draw_skeleton
from device.display.style import COOL, WARM
from device.recording import gif
from device.recording.gif import QUALITY_LEVELS, GifError, Palette, Recording, Still, encode, inset_size
from models.pose import LEFT_ELBOW, LEFT_WRIST, RIGHT_ELBOW, RIGHT_WRIST, Floats, Image, Pose

SIZE = 160, 120
NO_LIMIT = 10**9


class Blocks(NamedTuple):
    """The contents of a GIF's blocks, read as the specification says."""

    size: tuple[int, int]
    table: int
    loops: int | None
    delays: list[int]
    disposals: list[int]
    local_tables: int
    lengths: list[int]


def read(data: bytes) -> Blocks:
    signature, width, height, flags, _, _ = struct.unpack_from("<6sHHBBB", data)
    assert signature == b"GIF89a"
    assert flags & 0x80
    table = 2 << (flags & 7)
    blocks = Blocks((width, height), table, None, [], [], 0, [])
    at = 13 + 3 * table
    while data[at : at + 1] != b";":
        if data[at] == 0x21:
            label, body, at = data[at + 1], *_sub_blocks(data, at + 2)
            if label == 0xFF and body.startswith(b"NETSCAPE2.0\x01"):
                blocks = blocks._replace(loops=int.from_bytes(body[12:14], "little"))
            if label == 0xF9:
                blocks.delays.append(int.from_bytes(body[1:3], "little"))
                blocks.disposals.append(body[0] >> 2 & 7)
        else:
            assert data[at] == 0x2C
            x, y, w, h, flags = struct.unpack_from("<HHHHB", data, at + 1)
            assert x + w <= width
            assert y + h <= height
            local = flags >> 7
            start = at + 10 + local * 3 * (2 << (flags & 7))
            _, at = _sub_blocks(data, start + 1)
            blocks = blocks._replace(local_tables=blocks.local_tables + local)
            blocks.lengths.append(at - start)
    assert at == len(data) - 1
    return blocks


def _sub_blocks(data: bytes, at: int) -> tuple[bytes, int]:
    body = b""
    while size := data[at]:
        body += data[at + 1 : at + 1 + size]
        at += 1 + size
    return body, at + 1


def frames(data: bytes) -> list[tuple[Image, float]]:
    """Return each frame as a browser shows it, and its seconds."""
    with Pillow.open(io.BytesIO(data)) as file:
        assert isinstance(file, GifImageFile)
        shown_frames = []
        for number in range(file.n_frames):
            file.seek(number)
            shown = np.asarray(file.convert("RGBA"))
            assert (shown[..., 3] == 255).all()
            shown_frames.append((shown[..., :3].copy(), file.info["duration"] / 1000))
        return shown_frames


def photo(seed: int, size: tuple[int, int] = SIZE, noise: int = 8) -> Image:
    """Return soft patches of colour with some noise, about as hard to compress as a photo."""
    random = np.random.default_rng(seed)
    patches = cv2.resize(random.integers(0, 256, (5, 6, 3), np.uint8), size, interpolation=cv2.INTER_CUBIC)
    return np.clip(patches.astype(int) + random.integers(-noise, noise + 1, patches.shape), 0, 255).astype(np.uint8)


def pose(shift: float = 0.0) -> Pose:
    """Return a pose with both arms stretched out, in the middle of a picture of `SIZE`."""
    xy = np.array([(80, 50), (83, 47), (77, 47), (88, 49), (72, 49), (92, 62), (68, 62), (112, 62), (48, 62), (132, 62),
                   (28, 62), (88, 90), (72, 90), (89, 102), (71, 102), (90, 114), (70, 114)], np.float32)  # fmt: skip
    return Pose(xy + np.array([0, shift], np.float32), np.ones(17, np.float32), 1.0)


def recording(photos: int = 4, each: int = 3, *, noise: int = 8, camera: Image | None = None) -> Recording:
    stills = [Still(k // each, pose(k % 7 - 3), camera, k / 12) for k in range(photos * each)]
    return Recording(tuple(photo(k, noise=noise) for k in range(photos)), tuple(stills), photos * each / 12)


def blur(picture: Image) -> Floats:
    """Blur a picture as the eye does, which cannot see single dots of a dither."""
    return cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1.5).astype(np.float32, copy=False)


def test_all_frames_share_one_colour_table() -> None:
    blocks = read(encode(recording(), NO_LIMIT).data)
    assert blocks.table == 256
    assert blocks.local_tables == 0
    assert len(blocks.lengths) == 12


def test_loops_for_ever_and_keeps_each_frame() -> None:
    blocks = read(encode(recording(), NO_LIMIT).data)
    assert blocks.loops == 0
    assert set(blocks.disposals) == {1}


def test_each_frame_is_its_photo_with_the_skeleton() -> None:
    sample = recording()
    for still, (shown, _) in zip(sample.stills, frames(encode(sample, NO_LIMIT).data), strict=True):
        expected = sample.photos[still.photo_index].copy()
        assert still.visitor is not None
        draw_skeleton(expected, still.visitor, 2.0)
        assert np.abs(blur(shown) - blur(expected)).max() < 36
        assert np.abs(blur(shown) - blur(expected)).mean() < 2.5


def test_the_skeleton_has_the_screens_colours() -> None:
    shown, _ = frames(encode(recording(), NO_LIMIT).data)[3]
    for joints, colour in (((LEFT_ELBOW, LEFT_WRIST), COOL), ((RIGHT_ELBOW, RIGHT_WRIST), WARM)):
        x, y = np.round(pose(0).xy[list(joints)].mean(0)).astype(int)
        assert np.abs(shown[y, x].astype(int) - colour).max() <= 4


def test_does_not_draw_unseen_key_points() -> None:
    unseen = Pose(pose().xy, np.full(17, 0.29, np.float32), 0.29)
    sample = recording(1, 1)
    with_skeleton = encode(replace(sample, stills=(replace(sample.stills[0], visitor=unseen),)), NO_LIMIT)
    without = encode(replace(sample, stills=(replace(sample.stills[0], visitor=None),)), NO_LIMIT)
    assert with_skeleton.data == without.data


def test_stores_a_photo_once_and_then_only_changes() -> None:
    lengths = read(encode(recording(2, 10), NO_LIMIT).data).lengths
    assert max(lengths[1:10]) < 0.2 * lengths[0]
    assert lengths[10] > 0.5 * lengths[0]


def test_an_unchanged_still_lengthens_the_delay() -> None:
    sample = recording(1, 12)
    made = encode(replace(sample, stills=tuple(replace(still, visitor=pose()) for still in sample.stills)), NO_LIMIT)
    assert made.frames == 1
    assert read(made.data).delays == [100]


def test_a_gif_lasts_as_long_as_the_recording() -> None:
    sample = recording(5, 12)
    assert sum(read(encode(sample, NO_LIMIT).data).delays) == 500
    assert sum(seconds for _, seconds in frames(encode(sample, NO_LIMIT).data)) == pytest.approx(5)


@given(st.lists(st.floats(0.0, 30.0), min_size=1, max_size=50), st.floats(0.0, 2.0))
def test_delays_suit_browsers_and_do_not_drift(times: list[float], after: float) -> None:
    times = sorted(times)
    end = times[-1] + after
    delays = gif._delays(times, end)
    assert len(delays) == len(times)
    assert all(2 <= delay <= 0xFFFF for delay in delays)
    if all(later - earlier > 0.03 for earlier, later in pairwise([*times, end])):
        assert sum(delays) == pytest.approx(100 * (end - times[0]), abs=1.01)


@pytest.mark.slow
def test_reduces_colours_then_rate_then_size() -> None:
    sample = recording(noise=20)
    best = len(encode(sample, NO_LIMIT).data)
    gifs = [encode(sample, round(best * share)) for share in (1.0, 0.9, 0.75, 0.4, 0.2, 0.1)]
    assert [made.colours for made in gifs] == sorted((made.colours for made in gifs), reverse=True)
    assert [made.frames for made in gifs] == sorted((made.frames for made in gifs), reverse=True)
    assert [made.size for made in gifs] == sorted((made.size for made in gifs), reverse=True)
    assert gifs[0].colours == 256
    assert gifs[1].colours < 256
    assert gifs[1].size == gifs[0].size
    assert gifs[-1].size < gifs[0].size
    assert list(QUALITY_LEVELS) == sorted(QUALITY_LEVELS, key=lambda level: (-level.scale, -level.fps, -level.colours))


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.floats(0.06, 1.1), st.integers(0, 40), st.integers(1, 6))
def test_never_exceeds_the_size_limit(share: float, noise: int, photos: int) -> None:
    sample = recording(photos, noise=noise)
    limit = round(share * len(encode(sample, NO_LIMIT).data))
    try:
        made = encode(sample, limit)
    except GifError:
        assert share < 0.15
    else:
        assert len(made.data) <= limit
        assert read(made.data).size == made.size


@pytest.mark.slow
def test_encodes_hardly_more_than_two_gifs_completely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sample, complete = recording(12, 3, noise=30), []
    encode_at_level = gif._encode_at_level

    def count(part: Recording, level: gif.QualityLevel, palette: Palette) -> gif.Gif:
        if len(part.stills) == len(sample.stills):
            complete.append(level)
        return encode_at_level(part, level, palette)

    limits = [round(len(encode(sample, NO_LIMIT).data) * share) for share in (0.8, 0.6, 0.4, 0.2, 0.1)]
    monkeypatch.setattr(gif, "_encode_at_level", count)
    for limit in limits:
        encode(sample, limit)
    assert len(complete) <= 2 * len(limits) + 1


@pytest.mark.slow
@pytest.mark.parametrize("each", [1, 3])
@pytest.mark.parametrize("share", [0.85, 0.5, 0.3])
def test_gives_up_no_more_quality_than_needed(each: int, share: float) -> None:
    sample = recording(24, each, noise=30)
    limit = round(share * len(encode(sample, NO_LIMIT).data))
    made = encode(sample, limit)
    assert 0.6 * limit < len(made.data) <= limit


def test_rejects_a_recording_that_cannot_fit() -> None:
    with pytest.raises(GifError, match=r"has \d+ bytes, but only 500 are allowed: record fewer"):
        encode(recording(), 500)


def test_rejects_an_empty_recording() -> None:
    with pytest.raises(GifError, match="nothing was recorded"):
        encode(Recording((), (), 5.0), NO_LIMIT)


def test_draws_the_inset_in_the_lower_left_corner() -> None:
    pink = np.full((48, 64, 3), (230, 60, 160), np.uint8)
    width, height = inset_size((64, 48), SIZE)
    y, x = SIZE[1] - 4 - height // 2, 4 + width // 2
    with_inset, _ = frames(encode(recording(camera=pink), NO_LIMIT).data)[0]
    without, _ = frames(encode(recording(), NO_LIMIT).data)[0]
    assert np.abs(with_inset[y - 5 : y + 5, x - 5 : x + 5].mean((0, 1)) - (230, 60, 160)).max() < 6
    assert np.abs(without[y - 5 : y + 5, x - 5 : x + 5].mean((0, 1)) - (230, 60, 160)).max() > 20
    assert 0.05 < width * height / (SIZE[0] * SIZE[1]) < 0.07


@pytest.mark.slow
@pytest.mark.parametrize("camera", [(640, 480), (480, 640), (1920, 100), (10, 4000), (1, 1)])
@pytest.mark.parametrize("canvas", [(640, 360), (360, 640), (64, 36)])
def test_an_inset_of_any_shape_fits(camera: tuple[int, int], canvas: tuple[int, int]) -> None:
    width, height = inset_size(camera, canvas)
    inset = np.zeros((height, width, 3), np.uint8)
    sample = Recording((photo(1, canvas),), (Still(0, None, inset, 0.0),), 1.0)
    assert encode(sample, NO_LIMIT).size == canvas


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (1, 1), (7, 333)])
def test_encodes_pictures_of_any_shape(size: tuple[int, int]) -> None:
    sample = Recording(
        (photo(1, size), photo(2, size)), (Still(0, pose(), None, 0.0), Still(1, pose(), None, 0.5)), 1.0
    )
    data = encode(sample, NO_LIMIT).data
    assert read(data).size == size
    assert len(frames(data)) == 2


def test_encodes_pictures_of_one_colour() -> None:
    grey = np.full((40, 60, 3), 128, np.uint8)
    shown, _ = frames(encode(Recording((grey,), (Still(0, None, None, 0.0),), 1.0), NO_LIMIT).data)[0]
    assert np.abs(shown.astype(int) - 128).max() <= 1


def test_the_transparent_index_is_not_a_colour() -> None:
    sample = recording()
    for count in (256, 64):
        palette = Palette.from_recording(sample, count)
        assert palette.transparent_index < count
        for picture in sample.photos:
            assert palette.dither(picture).max() < palette.transparent_index
            assert palette.quantize(picture).max() < palette.transparent_index


def real_recording(shared_data: Path, folder: str, photos: int = 20, seconds: float = 5.0) -> Recording:
    """Return a recording on a 16:9 display of a visitor so lively that the photo changes as often as it can."""
    names = sorted((shared_data / "photos" / folder).glob("*.jpg"))
    names = names[:: len(names) // photos][:photos]
    pictures = []
    for name in names:
        with Pillow.open(name) as file:
            picture = np.asarray(file.convert("RGB"))
        scale = max(640 / picture.shape[1], 360 / picture.shape[0])
        size = max(round(picture.shape[1] * scale), 640), max(round(picture.shape[0] * scale), 360)
        pictures.append(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)[:360, :640].astype(np.uint8))
    count = round(12 * seconds)
    stills = [Still(k * photos // count, pose(5 * np.sin(k)).scaled(3, 3), None, k / 12) for k in range(count)]
    return Recording(tuple(pictures), tuple(stills), seconds)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["lspet", "coco"])
def test_twenty_photos_fit_into_three_megabytes(shared_data: Path, folder: str) -> None:
    sample = real_recording(shared_data, folder)
    started_at = time.process_time()
    made = encode(sample, 3_000_000)
    assert time.process_time() - started_at < 3
    assert len(made.data) <= 3_000_000
    assert made.size == (640, 360)
    assert read(made.data).local_tables == 0
    errors = []
    for still, (shown, _) in zip(sample.stills, frames(made.data), strict=True):
        expected = sample.photos[still.photo_index].copy()
        assert still.visitor is not None
        draw_skeleton(expected, still.visitor, 3.6)
        errors.append(((blur(shown) - blur(expected)) ** 2).mean())
    assert 10 * np.log10(255**2 / np.mean(errors)) > 40
