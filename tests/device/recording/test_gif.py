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

from device.display.draw import LEFT_COLOUR, RIGHT_COLOUR, draw_skeleton
from device.recording import gif
from device.recording.gif import QUALITY_LEVELS, GifError, Palette, Recording, Still, encode, inset_size
from models.pose import LEFT_ELBOW, LEFT_WRIST, RIGHT_ELBOW, RIGHT_WRIST, Image, Pose

SIZE = 160, 120
NO_LIMIT = 10**9


class Blocks(NamedTuple):
    """What a GIF's bytes say, read block by block as the specification has it."""

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
    found = Blocks((width, height), table, None, [], [], 0, [])
    at = 13 + 3 * table
    while data[at : at + 1] != b";":
        if data[at] == 0x21:
            label, body, at = data[at + 1], *_sub_blocks(data, at + 2)
            if label == 0xFF and body.startswith(b"NETSCAPE2.0\x01"):
                found = found._replace(loops=int.from_bytes(body[12:14], "little"))
            if label == 0xF9:
                found.delays.append(int.from_bytes(body[1:3], "little"))
                found.disposals.append(body[0] >> 2 & 7)
        else:
            assert data[at] == 0x2C
            x, y, w, h, flags = struct.unpack_from("<HHHHB", data, at + 1)
            assert x + w <= width
            assert y + h <= height
            local = flags >> 7
            start = at + 10 + local * 3 * (2 << (flags & 7))
            _, at = _sub_blocks(data, start + 1)
            found = found._replace(local_tables=found.local_tables + local)
            found.lengths.append(at - start)
    assert at == len(data) - 1
    return found


def _sub_blocks(data: bytes, at: int) -> tuple[bytes, int]:
    body = b""
    while size := data[at]:
        body += data[at + 1 : at + 1 + size]
        at += 1 + size
    return body, at + 1


def frames(data: bytes) -> list[tuple[Image, float]]:
    """Each frame as a browser would show it, and for how many seconds."""
    with Pillow.open(io.BytesIO(data)) as file:
        found = []
        for number in range(file.n_frames):  # type: ignore[attr-defined]
            file.seek(number)
            shown = np.asarray(file.convert("RGBA"))
            assert (shown[..., 3] == 255).all()
            found.append((shown[..., :3].copy(), file.info["duration"] / 1000))
        return found


def photo(seed: int, size: tuple[int, int] = SIZE, noise: int = 8) -> Image:
    """Soft patches of colour, with some noise: as hard to compress as a photo."""
    random = np.random.default_rng(seed)
    patches = cv2.resize(random.integers(0, 256, (5, 6, 3), np.uint8), size, interpolation=cv2.INTER_CUBIC)
    return np.clip(patches.astype(int) + random.integers(-noise, noise + 1, patches.shape), 0, 255).astype(np.uint8)


def pose(shift: float = 0.0) -> Pose:
    """Arms stretched out to both sides, in the lower half of a picture of `SIZE`."""
    xy = np.array([(80, 50), (83, 47), (77, 47), (88, 49), (72, 49), (92, 62), (68, 62), (112, 62), (48, 62), (132, 62),
                   (28, 62), (88, 90), (72, 90), (89, 102), (71, 102), (90, 114), (70, 114)], np.float32)  # fmt: skip
    return Pose(xy + np.array([0, shift], np.float32), np.ones(17, np.float32), 1.0)


def recording(photos: int = 4, each: int = 3, *, noise: int = 8, camera: Image | None = None) -> Recording:
    stills = [Still(k // each, pose(k % 7 - 3), camera, k / 12) for k in range(photos * each)]
    return Recording(tuple(photo(k, noise=noise) for k in range(photos)), tuple(stills), photos * each / 12)


def seen(picture: Image) -> Image:
    """As the eye sees it, which does not tell a dither's dots apart."""
    return cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1.5)  # type: ignore[return-value]


def test_all_frames_share_one_colour_table_and_none_has_its_own() -> None:
    blocks = read(encode(recording(), NO_LIMIT).data)
    assert blocks.table == 256
    assert blocks.local_tables == 0
    assert len(blocks.lengths) == 12


def test_it_loops_for_ever_and_no_frame_is_wiped() -> None:
    blocks = read(encode(recording(), NO_LIMIT).data)
    assert blocks.loops == 0
    assert set(blocks.disposals) == {1}


def test_each_frame_is_its_photo_with_the_visitors_skeleton_and_no_trace_of_the_frame_before() -> None:
    film = recording()
    for still, (shown, _) in zip(film.stills, frames(encode(film, NO_LIMIT).data), strict=True):
        wanted = film.photos[still.photo_index].copy()
        assert still.visitor is not None
        draw_skeleton(wanted, still.visitor, 2.0)
        assert np.abs(seen(shown) - seen(wanted)).max() < 36
        assert np.abs(seen(shown) - seen(wanted)).mean() < 2.5


def test_the_skeleton_has_the_screens_colours_exactly() -> None:
    shown, _ = frames(encode(recording(), NO_LIMIT).data)[3]
    for joints, colour in (((LEFT_ELBOW, LEFT_WRIST), LEFT_COLOUR), ((RIGHT_ELBOW, RIGHT_WRIST), RIGHT_COLOUR)):
        x, y = np.round(pose(0).xy[list(joints)].mean(0)).astype(int)
        assert np.abs(shown[y, x].astype(int) - colour).max() <= 4


def test_points_that_are_not_seen_are_not_drawn() -> None:
    unseen = Pose(pose().xy, np.full(17, 0.29, np.float32), 0.29)
    film = recording(1, 1)
    with_them = encode(replace(film, stills=(replace(film.stills[0], visitor=unseen),)), NO_LIMIT)
    without = encode(replace(film, stills=(replace(film.stills[0], visitor=None),)), NO_LIMIT)
    assert with_them.data == without.data


def test_a_held_photo_is_stored_once_and_then_only_what_the_skeleton_changes() -> None:
    lengths = read(encode(recording(2, 10), NO_LIMIT).data).lengths
    assert max(lengths[1:10]) < 0.2 * lengths[0]
    assert lengths[10] > 0.5 * lengths[0]


def test_a_still_like_the_one_before_is_a_longer_delay_and_no_frame() -> None:
    film = recording(1, 12)
    still = encode(replace(film, stills=tuple(replace(still, visitor=pose()) for still in film.stills)), NO_LIMIT)
    assert still.frames == 1
    assert read(still.data).delays == [100]


def test_a_gif_lasts_as_long_as_the_recording() -> None:
    film = recording(5, 12)
    assert sum(read(encode(film, NO_LIMIT).data).delays) == 500
    assert sum(seconds for _, seconds in frames(encode(film, NO_LIMIT).data)) == pytest.approx(5)


@given(st.lists(st.floats(0.0, 30.0), min_size=1, max_size=50), st.floats(0.0, 2.0))
def test_delays_are_never_too_short_for_browsers_and_add_up_without_drift(times: list[float], after: float) -> None:
    times = sorted(times)
    end = times[-1] + after
    delays = gif._delays(times, end)
    assert len(delays) == len(times)
    assert all(2 <= delay <= 0xFFFF for delay in delays)
    if all(later - earlier > 0.03 for earlier, later in pairwise([*times, end])):
        assert sum(delays) == pytest.approx(100 * (end - times[0]), abs=1.01)


def test_it_lowers_colours_first_then_the_rate_then_the_size() -> None:
    film = recording(noise=20)
    best = len(encode(film, NO_LIMIT).data)
    chosen = [encode(film, round(best * share)) for share in (1.0, 0.9, 0.75, 0.4, 0.2, 0.1)]
    assert [one.colours for one in chosen] == sorted((one.colours for one in chosen), reverse=True)
    assert [one.frames for one in chosen] == sorted((one.frames for one in chosen), reverse=True)
    assert [one.size for one in chosen] == sorted((one.size for one in chosen), reverse=True)
    assert chosen[0].colours == 256
    assert chosen[1].colours < 256
    assert chosen[1].size == chosen[0].size
    assert chosen[-1].size < chosen[0].size
    assert list(QUALITY_LEVELS) == sorted(QUALITY_LEVELS, key=lambda rung: (-rung.scale, -rung.fps, -rung.colours))


@settings(max_examples=15, deadline=None)
@given(st.floats(0.06, 1.1), st.integers(0, 40), st.integers(1, 6))
def test_no_gif_is_larger_than_its_limit(share: float, noise: int, photos: int) -> None:
    film = recording(photos, noise=noise)
    limit = round(share * len(encode(film, NO_LIMIT).data))
    try:
        made = encode(film, limit)
    except GifError:
        assert share < 0.15
    else:
        assert len(made.data) <= limit
        assert read(made.data).size == made.size


def test_a_few_photos_foretell_what_fits_so_that_hardly_more_than_two_gifs_are_made_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    film, whole = recording(12, 3, noise=30), []
    plain = gif._encode_at_level

    def counted(part: Recording, rung: gif.QualityLevel, palette: Palette) -> gif.Gif:
        whole.extend([rung] * (len(part.stills) == len(film.stills)))
        return plain(part, rung, palette)

    limits = [round(len(encode(film, NO_LIMIT).data) * share) for share in (0.8, 0.6, 0.4, 0.2, 0.1)]
    monkeypatch.setattr(gif, "_encode_at_level", counted)
    for limit in limits:
        encode(film, limit)
    assert len(whole) <= 2 * len(limits) + 1


@pytest.mark.parametrize("each", [1, 3])
@pytest.mark.parametrize("share", [0.85, 0.5, 0.3])
def test_no_more_is_given_up_than_must_be(each: int, share: float) -> None:
    film = recording(24, each, noise=30)
    limit = round(share * len(encode(film, NO_LIMIT).data))
    chosen = encode(film, limit)
    assert 0.6 * limit < len(chosen.data) <= limit


def test_what_cannot_fit_is_refused_with_the_size_it_would_have() -> None:
    with pytest.raises(GifError, match=r"has \d+ bytes, but only 500 are allowed: record fewer"):
        encode(recording(), 500)


def test_nothing_recorded_is_refused() -> None:
    with pytest.raises(GifError, match="nothing was recorded"):
        encode(Recording((), (), 5.0), NO_LIMIT)


def test_the_camera_picture_is_laid_into_the_lower_left_corner_where_there_is_one() -> None:
    pink = np.full((48, 64, 3), (230, 60, 160), np.uint8)
    width, height = inset_size((64, 48), SIZE)
    y, x = SIZE[1] - 4 - height // 2, 4 + width // 2
    with_it, _ = frames(encode(recording(camera=pink), NO_LIMIT).data)[0]
    without, _ = frames(encode(recording(), NO_LIMIT).data)[0]
    assert np.abs(with_it[y - 5 : y + 5, x - 5 : x + 5].mean((0, 1)) - (230, 60, 160)).max() < 6
    assert np.abs(without[y - 5 : y + 5, x - 5 : x + 5].mean((0, 1)) - (230, 60, 160)).max() > 20
    assert 0.05 < width * height / (SIZE[0] * SIZE[1]) < 0.07


@pytest.mark.parametrize("camera", [(640, 480), (480, 640), (1920, 100), (10, 4000), (1, 1)])
@pytest.mark.parametrize("canvas", [(640, 360), (360, 640), (64, 36)])
def test_a_camera_picture_of_any_shape_finds_room(camera: tuple[int, int], canvas: tuple[int, int]) -> None:
    width, height = inset_size(camera, canvas)
    own = np.zeros((height, width, 3), np.uint8)
    film = Recording((photo(1, canvas),), (Still(0, None, own, 0.0),), 1.0)
    assert encode(film, NO_LIMIT).size == canvas


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (1, 1), (7, 333)])
def test_pictures_of_any_shape_become_a_gif(size: tuple[int, int]) -> None:
    film = Recording((photo(1, size), photo(2, size)), (Still(0, pose(), None, 0.0), Still(1, pose(), None, 0.5)), 1.0)
    data = encode(film, NO_LIMIT).data
    assert read(data).size == size
    assert len(frames(data)) == 2


def test_pictures_of_one_colour_become_a_gif() -> None:
    grey = np.full((40, 60, 3), 128, np.uint8)
    shown, _ = frames(encode(Recording((grey,), (Still(0, None, None, 0.0),), 1.0), NO_LIMIT).data)[0]
    assert np.abs(shown.astype(int) - 128).max() <= 1


def test_the_transparent_index_is_no_colour_of_the_palette() -> None:
    film = recording()
    for count in (256, 64):
        palette = Palette.from_recording(film, count)
        assert palette.transparent_index < count
        for picture in film.photos:
            assert palette.dither(picture).max() < palette.transparent_index
            assert palette.quantize(picture).max() < palette.transparent_index


def real_recording(shared_data: Path, folder: str, photos: int = 20, seconds: float = 5.0) -> Recording:
    """As on a display of 16:9 in front of somebody so lively that the photo changes as often as it may."""
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


@pytest.mark.parametrize("folder", ["lspet", "coco"])
def test_five_seconds_of_twenty_photos_fit_into_three_megabytes_at_full_size_and_look_like_them(
    shared_data: Path, folder: str
) -> None:
    film = real_recording(shared_data, folder)
    began = time.process_time()
    made = encode(film, 3_000_000)
    assert time.process_time() - began < 3
    assert len(made.data) <= 3_000_000
    assert made.size == (640, 360)
    assert read(made.data).local_tables == 0
    errors = []
    for still, (shown, _) in zip(film.stills, frames(made.data), strict=True):
        wanted = film.photos[still.photo_index].copy()
        assert still.visitor is not None
        draw_skeleton(wanted, still.visitor, 3.6)
        errors.append(((seen(shown) - seen(wanted)) ** 2).mean())
    assert 10 * np.log10(255**2 / np.mean(errors)) > 40
