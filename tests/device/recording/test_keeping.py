"""Keeping GIFs: which ones go, and that nothing else does."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.recording.keeping import (
    DAY,
    LOW_SPACE_BYTES,
    SENDING_SECONDS,
    UNFINISHED_SECONDS,
    GifKeeper,
    KeptGif,
    Limits,
    choose_gifs,
)
from device.share.shared_gif import SharedGif, details_file, gif_file, new_name, open_gif, write_details

NOW = 1_800_000_000.0
UNLIMITED = Limits()

gifs = st.lists(
    st.builds(
        KeptGif,
        st.integers(0, 10_000).map(lambda number: Path(f"/gifs/{number}.gif")),
        st.integers(0, 3_000_000),
        st.floats(NOW - 10 * DAY, NOW),
        st.one_of(st.just(math.inf), st.floats(NOW - DAY, NOW + DAY)),
        st.none(),
        st.booleans(),
    ),
    max_size=30,
    unique_by=lambda gif: gif.file,
)
limits = st.builds(Limits, st.sampled_from([0.0, 0.5, 3.0]), st.integers(0, 12), st.integers(0, 20))
free_bytes = st.one_of(st.just(math.inf), st.floats(0, 2 * LOW_SPACE_BYTES))


@given(gifs, limits, free_bytes)
def test_the_rest_is_within_the_limits(all_gifs: list[KeptGif], limits: Limits, free: float) -> None:
    chosen = choose_gifs(all_gifs, limits, NOW, free)
    rest = [gif for gif in all_gifs if gif not in chosen]
    unprotected = [gif for gif in rest if not gif.is_protected]
    assert all(gif.expires_at > NOW for gif in unprotected)
    if unprotected:  # else there is nothing more to delete
        assert not limits.files or len(rest) <= limits.files
        assert not limits.megabytes or sum(gif.size for gif in rest) <= limits.megabytes * 1e6
        assert free + sum(gif.size for gif in chosen) >= LOW_SPACE_BYTES - 1
        assert not limits.days or min(gif.made_at for gif in unprotected) >= NOW - limits.days * DAY


@given(gifs, limits, free_bytes)
def test_the_oldest_go_first_and_no_more_than_needed(all_gifs: list[KeptGif], limits: Limits, free: float) -> None:
    chosen = choose_gifs(all_gifs, limits, NOW, free)
    assert not any(gif.is_protected for gif in chosen)
    assert [gif.made_at for gif in chosen] == sorted(gif.made_at for gif in chosen)
    oldest = NOW - limits.days * DAY if limits.days else -math.inf
    surplus = [gif for gif in chosen if gif.expires_at > NOW and gif.made_at >= oldest]
    rest = [gif for gif in all_gifs if gif not in chosen and not gif.is_protected]
    if surplus and rest:
        assert surplus[-1].made_at <= min(gif.made_at for gif in rest)
    if surplus:  # with the last of them there would be too much
        kept = [gif for gif in all_gifs if gif not in chosen] + [surplus[-1]]
        size, gone = sum(gif.size for gif in kept), sum(gif.size for gif in all_gifs) - sum(gif.size for gif in kept)
        assert (
            (limits.files and len(kept) > limits.files)
            or (limits.megabytes and size > limits.megabytes * 1e6)
            or free + gone < LOW_SPACE_BYTES + 1
        )


@given(gifs)
def test_without_limits_only_what_is_over_goes(all_gifs: list[KeptGif]) -> None:
    chosen = choose_gifs(all_gifs, UNLIMITED, NOW)
    assert set(chosen) == {gif for gif in all_gifs if gif.expires_at <= NOW and not gif.is_protected}


def own(folder: Path, number: int, age: float = 0.0, size: int = 100) -> Path:
    """Write a GIF that is not shared."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"pose-mirror-20261122-{number:06d}.gif"
    file.write_bytes(bytes(size))
    os.utime(file, (NOW - age, NOW - age))
    return file


def share(folder: Path, made_at: float = NOW, hours: float = 24.0, *, with_gif: bool = True) -> str:
    """Write a shared GIF."""
    name = new_name()
    write_details(folder / "shared", SharedGif(name, made_at, made_at + 3600 * hours))
    if with_gif:
        gif_file(folder / "shared", name).write_bytes(bytes(100))
    return name


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def keeper(folder: Path, limits: Limits = UNLIMITED, now: float = NOW) -> GifKeeper:
    return GifKeeper(folder, limits, lambda: now)


def test_deletes_shared_gifs_when_their_time_is_over(tmp_path: Path) -> None:
    ended, current = share(tmp_path, NOW - 3601, 1), share(tmp_path, NOW - 3599, 1)
    assert keeper(tmp_path).check() == 1
    assert names(tmp_path) == [f"shared/{current}.gif", f"shared/{current}.json"]
    assert not details_file(tmp_path / "shared", ended).exists()


def test_deletes_shared_gifs_of_the_future(tmp_path: Path) -> None:
    share(tmp_path, NOW + DAY)
    assert keeper(tmp_path).check() == 1
    assert names(tmp_path) == []


@pytest.mark.parametrize("limits", [Limits(days=1), Limits(files=2), Limits(megabytes=1)])
def test_keeps_within_each_limit(tmp_path: Path, limits: Limits) -> None:
    for number, age in enumerate((3 * DAY, 2 * DAY, 0.5 * DAY, 0)):
        own(tmp_path, number, age, 400_000)
    assert keeper(tmp_path, limits).check() == 2
    assert names(tmp_path) == ["pose-mirror-20261122-000002.gif", "pose-mirror-20261122-000003.gif"]
    assert keeper(tmp_path, limits).check() == 0


def test_makes_room_on_a_nearly_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        own(tmp_path, number, 100 - number, 1_000_000)
    monkeypatch.setattr("models.files.free_bytes", lambda folder: LOW_SPACE_BYTES - 1_500_000)
    assert keeper(tmp_path).check() == 2
    assert names(tmp_path) == ["pose-mirror-20261122-000002.gif", "pose-mirror-20261122-000003.gif"]


def test_touches_only_its_own_files(tmp_path: Path) -> None:
    kept = [
        "holiday.gif", "pose-mirror.gif", "pose-mirror-20261122-153045.png", "shared/notes.json", "shared/.hidden",
        "shared/photo.gif", "other/pose-mirror-20261122-153045.gif", f"shared/{'a' * 25}.gif",
    ]  # fmt: skip
    for name in kept:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
        os.utime(tmp_path / name, (0, 0))
    own(tmp_path, 1, 9 * DAY)
    assert keeper(tmp_path, Limits(days=1, files=1, megabytes=1)).check() == 1
    assert names(tmp_path) == sorted(kept)


def test_tidies_what_a_killed_process_left(tmp_path: Path) -> None:
    fresh = share(tmp_path, NOW - UNFINISHED_SECONDS + 9, with_gif=False)
    share(tmp_path, NOW - UNFINISHED_SECONDS - 9, with_gif=False)
    orphan, partial = (tmp_path / "shared" / f"{new_name()}{suffix}" for suffix in (".gif", ".part"))
    for file in (orphan, partial):
        file.write_bytes(b"left")
        os.utime(file, (NOW - UNFINISHED_SECONDS - 9,) * 2)
    keeper(tmp_path).check()
    assert names(tmp_path) == [f"shared/{fresh}.json"]


def test_never_deletes_the_gif_on_the_display(tmp_path: Path) -> None:
    shown, other = share(tmp_path, NOW - 7200, 1), share(tmp_path, NOW - 7200, 1)
    gif_keeper = keeper(tmp_path)
    gif_keeper.protect(shown)
    assert gif_keeper.check() == 1
    assert names(tmp_path) == [f"shared/{shown}.gif", f"shared/{shown}.json"]
    assert not gif_file(tmp_path / "shared", other).exists()


def test_waits_for_a_gif_that_is_sent_but_not_for_ever(tmp_path: Path) -> None:
    name = share(tmp_path, NOW - 3600, 1)
    sent = open_gif(tmp_path / "shared", name)
    assert sent is not None
    with sent:
        assert keeper(tmp_path, now=NOW + SENDING_SECONDS - 1).check() == 0
        assert len(names(tmp_path)) == 2
        assert keeper(tmp_path, now=NOW + SENDING_SECONDS + 1).check() == 1
        assert names(tmp_path) == []
        assert sent.read() == bytes(100), "whoever has opened it can read on"


def test_the_next_oldest_goes_if_one_is_being_sent(tmp_path: Path) -> None:
    oldest, second, newest = (share(tmp_path, NOW - age) for age in (300, 200, 100))
    sent = open_gif(tmp_path / "shared", oldest)
    assert sent is not None
    with sent:
        assert keeper(tmp_path, Limits(files=2)).check() == 1
    assert not gif_file(tmp_path / "shared", second).exists()
    assert gif_file(tmp_path / "shared", newest).exists()


@pytest.mark.parametrize("kind", ["missing", "a file"])
def test_needs_no_folder(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "gifs"
    if kind == "a file":
        folder.write_text("no folder")
    assert keeper(folder, Limits(1, 1, 1)).check() == 0


def test_goes_on_if_nothing_can_be_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [own(tmp_path, number, 9 * DAY) for number in range(3)]

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    assert keeper(tmp_path, Limits(days=1)).check() == 0
    assert all(file.exists() for file in files)


def test_writes_nothing_while_there_is_nothing_to_delete(tmp_path: Path) -> None:
    own(tmp_path, 1)
    share(tmp_path)
    before = [(path, path.stat().st_mtime_ns) for path in sorted([tmp_path, *tmp_path.rglob("*")])]
    assert keeper(tmp_path, Limits(1, 5, 5)).check() == 0
    assert [(path, path.stat().st_mtime_ns) for path in sorted([tmp_path, *tmp_path.rglob("*")])] == before


def test_the_thread_checks_at_the_start_and_when_woken(tmp_path: Path) -> None:
    def wait_until_gone(file: Path) -> None:
        deadline = time.monotonic() + 30
        while file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    first = own(tmp_path, 1, 9 * DAY)
    with keeper(tmp_path, Limits(days=1)) as gif_keeper:
        wait_until_gone(first)
        second = own(tmp_path, 2, 9 * DAY)
        gif_keeper.wake()
        wait_until_gone(second)
