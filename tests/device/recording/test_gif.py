"""GIFs: one palette, photos stored once, figures without a dither, and never too large."""

from __future__ import annotations

import io
import struct
import time
from collections.abc import Sequence
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

from device.display.style import COOL, INK, SLATE, WARM
from device.recording import gif
from device.recording.frames import FLOOR, Composer, pane_slices
from device.recording.gif import CLOSING_SECONDS, QUALITY_LEVELS, GifError, encode
from device.recording.gif_palette import Palette
from device.recording.stills import Recording, Still
from models.pose import Floats, Image
from tests.support.recordings import lively_recording, record, snapshot, soft_picture, standing

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


def blur(picture: Image) -> Floats:
    """Blur a picture as the eye does, which cannot see single dots of a dither."""
    return cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1.5).astype(np.float32, copy=False)


def visitor_pane(recording: Recording, shown: Image) -> Image:
    """Return the visitor's pane of a frame."""
    return shown[pane_slices(recording.layout.visitor, recording.layout.pane)]


def camera_recording(noise: int, count: int = 12) -> Recording:
    """Return a recording with a camera that sees a still scene, with so much noise, and a hand that moves."""
    random, photo, scene = np.random.default_rng(3), soft_picture(1), soft_picture(2, (64, 48), 0)
    snapshots = []
    for number in range(count):
        picture = np.clip(scene.astype(int) + random.integers(-noise, noise + 1, scene.shape), 0, 255).astype(np.uint8)
        picture[20:26, 20 + number : 26 + number] = (250, 200, 170)
        snapshots.append(snapshot(photo, camera_image=picture))
    return record(snapshots, camera=True)


def test_all_frames_share_one_colour_table() -> None:
    blocks = read(encode(lively_recording(), NO_LIMIT).data)
    assert blocks.table == 256
    assert blocks.local_tables == 0
    assert len(blocks.lengths) == 12 + 1


def test_loops_for_ever_and_keeps_each_frame() -> None:
    blocks = read(encode(lively_recording(), NO_LIMIT).data)
    assert blocks.loops == 0
    assert set(blocks.disposals) == {1}


def test_frames_are_what_the_composer_draws() -> None:
    sample = lively_recording()
    composer = Composer(sample)
    shown = frames(encode(sample, NO_LIMIT).data)
    expected = [*(composer.frame(still) for still in sample.stills), *composer.titles.closing]
    for (picture, _), drawn in zip(shown, expected, strict=True):
        assert np.abs(blur(picture) - blur(drawn)).max() < 40
        assert np.abs(blur(picture) - blur(drawn)).mean() < 2.5


def test_a_figure_is_not_dithered() -> None:
    sample = lively_recording()
    shown, _ = frames(encode(sample, NO_LIMIT).data)[3]
    pane = visitor_pane(sample, shown)
    for colour in (COOL, WARM, SLATE, FLOOR):
        assert (pane == colour).all(-1).mean() > 0.01, f"an area of {colour}"
    assert len(np.unique(pane.reshape(-1, 3), axis=0)) < 60
    drawn = Composer(sample).visitor(sample.stills[3])
    assert (pane[(drawn == SLATE).all(-1)] == SLATE).all()


def test_the_frame_around_the_panes_is_ink() -> None:
    sample = lively_recording()
    shown, _ = frames(encode(sample, NO_LIMIT).data)[0]
    gap = sample.layout.gap
    for edge in (shown[:gap], shown[-gap:], shown[:, :gap], shown[:, -gap:]):
        assert (edge == INK).all()


def test_stores_a_photo_once_and_then_only_changes() -> None:
    lengths = read(encode(lively_recording(2, 10), NO_LIMIT).data).lengths
    assert max(lengths[1:10]) < 0.2 * lengths[0]
    assert lengths[10] > 0.5 * lengths[0]


def test_an_unchanged_still_lengthens_the_delay() -> None:
    photo = soft_picture(1)
    made = encode(record([snapshot(photo)] * 12), NO_LIMIT)
    assert made.frames == 2
    assert read(made.data).delays == [100, round(100 * CLOSING_SECONDS)]


def test_a_gif_lasts_as_long_as_the_recording_and_credits() -> None:
    data = encode(lively_recording(5, 12), NO_LIMIT).data
    assert sum(read(data).delays) == 500 + 100 * CLOSING_SECONDS
    assert [seconds for _, seconds in frames(data)][-1] == CLOSING_SECONDS


@given(st.lists(st.floats(0.0, 30.0), min_size=1, max_size=50), st.floats(0.0, 2.0))
def test_delays_suit_browsers_and_do_not_drift(times: list[float], after: float) -> None:
    times = sorted(times)
    end = times[-1] + after
    delays = gif._delays(times, end)
    assert len(delays) == len(times)
    assert all(2 <= delay <= 0xFFFF for delay in delays)
    if all(later - earlier > 0.03 for earlier, later in pairwise([*times, end])):
        assert sum(delays) == pytest.approx(100 * (end - times[0]), abs=1.01)


def test_the_camera_picture_replaces_the_figure() -> None:
    sample = camera_recording(0)
    shown, _ = frames(encode(sample, NO_LIMIT).data)[5]
    pane = visitor_pane(sample, shown)
    assert (pane == COOL).all(-1).mean() < 0.001
    drawn = Composer(sample).visitor(sample.stills[5])
    assert np.abs(blur(pane) - blur(drawn)).mean() < 4


def test_a_cameras_noise_costs_hardly_any_bytes() -> None:
    still, noisy = (read(encode(camera_recording(noise), NO_LIMIT).data).lengths for noise in (0, 5))
    assert sum(noisy[1:-1]) < 1.5 * sum(still[1:-1]), "only the hand moves"
    assert sum(noisy[1:-1]) < noisy[0], "eleven frames are smaller than the first"


@pytest.mark.slow
def test_reduces_colours_then_rate_then_size() -> None:
    # a small GIF needs more pictures for many credits
    sample = replace(lively_recording(noise=20), credits=("Somebody",))
    best = len(encode(sample, NO_LIMIT).data)
    gifs = [encode(sample, round(best * share)) for share in (1.0, 0.9, 0.75, 0.4, 0.2, 0.1)]
    assert [made.colours for made in gifs] == sorted((made.colours for made in gifs), reverse=True)
    assert [made.frames for made in gifs] == sorted((made.frames for made in gifs), reverse=True)
    assert [made.size for made in gifs] == sorted((made.size for made in gifs), reverse=True)
    assert gifs[0].colours == 256
    assert gifs[1].colours < 256
    assert gifs[1].size == gifs[0].size
    assert gifs[-1].size < gifs[0].size
    assert {made.titles.closing[0].shape[:2][::-1] for made in gifs} == {sample.layout.size}, (
        "the replay has the full size"
    )
    assert list(QUALITY_LEVELS) == sorted(QUALITY_LEVELS, key=lambda level: (-level.scale, -level.fps, -level.colours))


@pytest.mark.slow
@settings(max_examples=12)
@given(st.floats(0.06, 1.1), st.integers(0, 40), st.integers(1, 6))
def test_never_exceeds_the_size_limit(share: float, noise: int, photos: int) -> None:
    sample = lively_recording(photos, noise=noise)
    limit = round(share * len(encode(sample, NO_LIMIT).data))
    try:
        made = encode(sample, limit)
    except GifError:
        assert share < 0.2
    else:
        assert len(made.data) <= limit
        assert read(made.data).size == made.size


@pytest.mark.slow
def test_encodes_hardly_more_than_two_gifs_completely(monkeypatch: pytest.MonkeyPatch) -> None:
    sample, complete = lively_recording(12, 3, noise=30), []
    encode_at_level = gif._encode_at_level

    def count(stills: Sequence[Still], level: gif.QualityLevel, composer: Composer, palette: Palette) -> gif.Gif:
        if len(stills) == len(sample.stills):
            complete.append(level)
        return encode_at_level(stills, level, composer, palette)

    limits = [round(len(encode(sample, NO_LIMIT).data) * share) for share in (0.8, 0.6, 0.4, 0.2)]
    monkeypatch.setattr(gif, "_encode_at_level", count)
    for limit in limits:
        encode(sample, limit)
    assert len(complete) <= 2 * len(limits) + 1


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.85, 0.5, 0.3])
def test_gives_up_no_more_quality_than_needed(share: float) -> None:
    sample = lively_recording(24, 2, noise=30)
    limit = round(share * len(encode(sample, NO_LIMIT).data))
    made = encode(sample, limit)
    assert 0.6 * limit < len(made.data) <= limit


def test_rejects_a_recording_that_cannot_fit() -> None:
    with pytest.raises(GifError, match=r"has \d+ bytes, but only 500 are allowed: record fewer"):
        encode(lively_recording(2), 500)


def test_rejects_an_empty_recording() -> None:
    with pytest.raises(GifError, match="nothing was recorded"):
        encode(replace(lively_recording(), stills=()), NO_LIMIT)


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (2, 2), (7, 333)])
def test_encodes_canvases_of_any_shape(size: tuple[int, int]) -> None:
    sample = lively_recording(2, 1, size=size)
    data = encode(sample, NO_LIMIT).data
    assert read(data).size == sample.layout.size
    assert max(sample.layout.size) <= 640
    assert frames(data)


def test_encodes_pictures_of_one_colour() -> None:
    sample = record([snapshot(np.full((240, 320, 3), 128, np.uint8))])
    shown, _ = frames(encode(sample, NO_LIMIT).data)[0]
    x, y = (corner + side // 2 for corner, side in zip(sample.layout.answer, sample.layout.pane, strict=True))
    assert np.abs(shown[y, x].astype(int) - 128).max() <= 1


def test_the_transparent_index_is_not_a_colour() -> None:
    composer = Composer(lively_recording())
    for count in (256, 64):
        palette = Palette.for_frames(composer, count)
        assert palette.transparent_index < count
        picture = composer.frame(composer.recording.stills[0])
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
        scale = max(1280 / picture.shape[1], 720 / picture.shape[0])
        size = max(round(picture.shape[1] * scale), 1280), max(round(picture.shape[0] * scale), 720)
        pictures.append(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)[:720, :1280].astype(np.uint8))
    count = round(12 * seconds)
    return record(
        [
            snapshot(
                pictures[k * photos // count], standing(5 * np.sin(k), 3.0), credit=names[k * photos // count].stem
            )
            for k in range(count)
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["lspet", "coco"])
def test_twenty_photos_fit_into_three_megabytes(shared_data: Path, folder: str) -> None:
    sample = real_recording(shared_data, folder)
    started_at = time.process_time()
    made = encode(sample, 3_000_000)
    assert time.process_time() - started_at < 4
    assert len(made.data) <= 3_000_000
    assert made.size == sample.layout.size
    assert made.colours == 256
    composer = Composer(sample)
    errors = []
    for still, (shown, _) in zip(sample.stills, frames(made.data), strict=False):
        expected = composer.frame(still)
        errors.append(((blur(shown) - blur(expected)) ** 2).mean())
    assert 10 * np.log10(255**2 / np.mean(errors)) > 40


def test_every_picture_of_credits_stays_long_enough() -> None:
    sample = replace(lively_recording(2, 3), credits=tuple(f"Photo {number}, Ann Example" for number in range(40)))
    made = encode(sample, 3_000_000)
    pages = len(made.titles.closing)
    assert pages > 1
    with Pillow.open(io.BytesIO(made.data)) as film:
        delays = []
        for number in range(made.frames - pages, made.frames):
            film.seek(number)
            delays.append(film.info["duration"])
    assert delays == [1000 * CLOSING_SECONDS] * pages
