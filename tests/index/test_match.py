"""Matching, compared with an exhaustive search."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import match as matching
from index import members as in_members
from index.library import Library
from index.likeness import likeness
from index.match import EXHAUSTIVE_LIMIT, Match, Matcher, find_exhaustively
from index.members import Indices
from models.pose import MIRROR_ORDER, Floats, Pose
from tests.support.libraries import NewItem, write_library
from tests.support.sample_poses import sample_people

LEGS, HEAD, LEFT_ARM = range(13, 17), range(5), (7, 9)
LEFT_ARM_AND_SHOULDER = (5, 7, 9)

ROUNDING = 1e-6


def poses(count: int, seed: int, hidden: tuple[int, ...] = ()) -> list[Pose]:
    people = sample_people(count, seed)
    people[:, list(hidden)] = 0
    return [Pose.from_keypoints(person) for person in people]


def all_but(seen: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(set(range(17)) - set(seen))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """4,000 people, with a tenth of their key points unseen."""
    folder = tmp_path_factory.mktemp("match") / "library"
    write_library((NewItem(None, person) for person in sample_people(4000, 1, unseen_share=0.1)), folder)
    with Library.open(folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("match") / "small"
    write_library((NewItem(None, person) for person in sample_people(EXHAUSTIVE_LIMIT, 1)), folder)
    with Library.open(folder) as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hidden", "share"),
    [
        ((), 0.995),
        (tuple(LEGS), 0.98),
        (tuple(HEAD), 0.98),
        (LEFT_ARM, 0.98),
        ((*HEAD, 6, 8, 10), 0.97),
        ((0, 7, 12, 15), 0.97),
    ],
)
def test_the_shortlist_misses_little(library: Library, hidden: tuple[int, ...], share: float) -> None:
    matcher, queries = Matcher(library), poses(60, 77, hidden)
    found = [matcher.find(pose, 1)[0].likeness for pose in queries]
    best = [find_exhaustively(library, pose, 1)[0].likeness for pose in queries]
    assert all(f <= b + ROUNDING for f, b in zip(found, best, strict=True))
    assert np.mean(found) >= share * np.mean(best)


hidden_points = st.sets(st.sampled_from([k for k in range(17) if k not in LEFT_ARM_AND_SHOULDER])).map(tuple)


@pytest.mark.slow
@given(seed=st.integers(0, 1000), hidden=hidden_points)
@settings(max_examples=50)
def test_never_beats_exhaustive_search(library: Library, seed: int, hidden: tuple[int, ...]) -> None:
    pose = poses(1, seed, hidden)[0]
    found, best = Matcher(library).find(pose, 5), find_exhaustively(library, pose, 5)
    assert all(f.likeness <= b.likeness + ROUNDING for f, b in zip(found, best, strict=True))


@given(
    seed=st.integers(0, 1000),
    hidden=hidden_points,
    scale=st.floats(0.2, 10),
    shift=st.tuples(*[st.floats(-2e3, 2e3)] * 2),
)
@settings(max_examples=50)
def test_scale_and_shift_hardly_change_the_likeness(
    library: Library, seed: int, hidden: tuple[int, ...], scale: float, shift: tuple[float, float]
) -> None:
    pose = poses(1, seed, hidden)[0]
    moved = replace(pose, xy=(pose.xy * scale + shift).astype(np.float32))
    before, after = (Matcher(library).find(one, 1)[0].likeness for one in (pose, moved))
    assert after == pytest.approx(before, abs=2e-3)


@given(seed=st.integers(0, 1000), hidden=hidden_points)
@settings(max_examples=50)
def test_a_mirrored_pose_finds_the_same_photo_mirrored(library: Library, seed: int, hidden: tuple[int, ...]) -> None:
    pose = poses(1, seed, hidden)[0]
    straight, turned = Matcher(library).find(pose, 1)[0], Matcher(library).find(pose.mirrored(640), 1)[0]
    assert turned.likeness == pytest.approx(straight.likeness, abs=2e-3)
    if turned.item == straight.item:
        assert turned.mirrored != straight.mirrored


def test_exhaustive_search_tries_everyone_mirrored_too(small: Library) -> None:
    pose = poses(1, 5)[0]
    expected = []
    for number in range(len(small)):
        for candidate in (small.pose(number), small.pose(number).mirrored(640)):
            expected.append(likeness(pose.xy, pose.visibility, candidate.xy[None], candidate.scores[None] > 0)[0])
    best = int(np.argmax(expected))
    first = find_exhaustively(small, pose, 5)[0]
    assert first[:2] == (best // 2, best % 2 == 1)
    assert first.likeness == pytest.approx(expected[best], abs=1e-5)


def test_searches_a_small_library_exhaustively(small: Library) -> None:
    for pose in poses(5, 6, tuple(LEGS)):
        assert Matcher(small).find(pose) == find_exhaustively(small, pose)


def test_finds_a_person_of_the_library_straight(library: Library) -> None:
    for number in (0, 1234, 3999):
        found = Matcher(library).find(library.pose(number), 1)[0]
        assert found[:2] == (number, False)
        assert found.likeness == pytest.approx(1, abs=1e-5)


def test_finds_a_mirror_image_mirrored(library: Library) -> None:
    for number in (0, 1234, 3999):
        query = library.pose(number).mirrored(640)
        found = Matcher(library).find(query, 1)[0]
        assert found[:2] == (number, True)
        assert found.likeness == pytest.approx(1, abs=1e-5)
        shown = library.pose(found.item).mirrored(library.item(found.item).width)
        raised, expected = shown.xy[9] - shown.xy[10], query.xy[9] - query.xy[10]
        assert raised == pytest.approx(expected, abs=0.01), "the same hand is up, on the same side"


def test_matches_are_sorted_and_unique(library: Library) -> None:
    found = Matcher(library).find(poses(1, 9)[0], 32)
    assert len(found) == 32
    assert len({match.item for match in found}) == 32
    assert [match.likeness for match in found] == sorted((match.likeness for match in found), reverse=True)


def test_matches_state_their_true_likeness(library: Library) -> None:
    pose = poses(1, 10)[0]
    for match in Matcher(library).find(pose, 10):
        shown = library.pose(match.item)
        shown = shown.mirrored(library.item(match.item).width) if match.mirrored else shown
        assert likeness(pose.xy, pose.visibility, shown.xy[None], shown.scores[None] > 0)[0] == pytest.approx(
            match.likeness, abs=1e-4
        )


def test_orders_equal_people_by_number(tmp_path: Path) -> None:
    crowd = sample_people(EXHAUSTIVE_LIMIT + 100, 3)
    crowd[40:60] = crowd[40]
    write_library((NewItem(None, person) for person in crowd), tmp_path / "library")
    with Library.open(tmp_path / "library") as opened:
        assert [match.item for match in Matcher(opened).find(opened.pose(50), 20)] == list(range(40, 60))
        assert [match.item for match in Matcher(opened).find(opened.pose(50), 3)] == [40, 41, 42]


def test_results_are_reproducible(library: Library) -> None:
    for pose in poses(5, 11):
        assert Matcher(library).find(pose) == Matcher(library).find(pose)


def test_ignores_the_visitors_place_and_size(library: Library) -> None:
    for pose in poses(5, 12):
        moved = replace(pose, xy=pose.xy * 4 + np.array((1000, 50), np.float32))
        assert [m[:2] for m in Matcher(library).find(moved, 3)] == [m[:2] for m in Matcher(library).find(pose, 3)]


def test_points_with_low_scores_hardly_count(library: Library) -> None:
    """A wild guess with a score of 0.02 does not change who is found."""
    pose = library.pose(321)
    scores, xy = pose.scores * np.float32(0.9), pose.xy.copy()
    scores[16], xy[16] = 0.02, (600, 10)
    assert Matcher(library).find(Pose(xy, scores, 0.8), 1)[0].item == 321


def test_top_may_exceed_the_library(small: Library) -> None:
    found = Matcher(small).find(poses(1, 13)[0], 10_000)
    assert len(found) == EXHAUSTIVE_LIMIT
    assert len({match.item for match in found}) == EXHAUSTIVE_LIMIT


@pytest.mark.parametrize("seen", [(), (3,), (5, 7), (1, 9, 15), (0, 1, 2)])
def test_finds_nothing_from_one_part(library: Library, small: Library, seen: tuple[int, ...]) -> None:
    pose = poses(1, 14, all_but(seen))[0]
    assert Matcher(library).find(pose) == []
    assert Matcher(small).find(pose) == []


@pytest.mark.parametrize("seen", [(5, 7, 9), (12, 14, 16), (5, 6, 7, 8), (0, 3, 4, 6, 8)])
def test_finds_something_from_two_parts(library: Library, seen: tuple[int, ...]) -> None:
    pose = poses(1, 15, all_but(seen))[0]
    assert Matcher(library).find(pose, 1)[0].likeness > 0.5


def test_finds_nothing_from_points_in_one_place(library: Library, small: Library) -> None:
    pose = Pose(np.full((17, 2), 50, np.float32), np.ones(17, np.float32), 1.0)
    assert Matcher(library).find(pose) == []
    assert Matcher(small).find(pose) == []


@pytest.mark.parametrize(("which", "value"), [("xy", np.nan), ("xy", np.inf), ("xy", 1e20), ("scores", np.nan)])
def test_rejects_a_pose_that_is_not_finite(library: Library, small: Library, which: str, value: float) -> None:
    pose = poses(1, 16)[0]
    numbers = getattr(pose, which).copy()
    numbers.flat[4] = value
    for searched in (library, small):
        with pytest.raises(ValueError, match="not a finite number"):
            Matcher(searched).find(replace(pose, **{which: numbers}))


def test_searches_a_large_library_by_annoy(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "find_exhaustively", None)
    assert Matcher(library).find(library.pose(5), 1)[0].item == 5


def test_finds_mirror_images_as_well_as_people(library: Library) -> None:
    people = poses(60, 78)
    flip = np.array((-1, 1), np.float32)
    mirrored = [replace(p, xy=p.xy[MIRROR_ORDER] * flip, scores=p.scores[MIRROR_ORDER]) for p in people]
    matcher = Matcher(library)
    straight, turned = (np.mean([matcher.find(p, 1)[0].likeness for p in queries]) for queries in (people, mirrored))
    assert turned == pytest.approx(straight, rel=0.005)


# Several visitors, and some of the items


def assert_same(found: list[Match], expected: list[Match]) -> None:
    """The same matches in the same order, however the sums were rounded."""
    assert [match[:2] for match in found] == [match[:2] for match in expected]
    assert [match.likeness for match in found] == pytest.approx([match.likeness for match in expected], abs=1e-6)


def some_items(count: int) -> Indices:
    """Numbers of `count` of the 4,000 items, sorted."""
    return np.sort(np.random.default_rng(8).permutation(4000)[:count])


@pytest.mark.parametrize("count", [300, 2000, 4000])
def test_several_poses_find_what_each_finds_alone(library: Library, count: int) -> None:
    matcher = Matcher(library, some_items(count))
    crowd = [*poses(2, 20), *poses(1, 21, tuple(LEGS)), poses(1, 22, all_but((3,)))[0], *poses(1, 23)]
    for found, pose in zip(matcher.find_all(crowd, 12), crowd, strict=True):
        assert_same(found, matcher.find(pose, 12))


def test_several_poses_find_what_each_finds_in_all(library: Library, small: Library) -> None:
    crowd = [*poses(2, 20), *poses(1, 21, LEFT_ARM), poses(1, 22, all_but((3,)))[0], *poses(1, 23)]
    for searched in (library, small):
        matcher = Matcher(searched)
        for found, pose in zip(matcher.find_all(crowd, 12), crowd, strict=True):
            assert_same(found, matcher.find(pose, 12))


def test_nobody_finds_nothing(library: Library) -> None:
    assert Matcher(library).find_all([]) == []
    assert Matcher(library).find_all([poses(1, 14, all_but((3,)))[0]]) == [[]]


@pytest.mark.parametrize("count", [1, 20, 500, 501, 3000])
def test_finds_only_members(library: Library, count: int) -> None:
    members = some_items(count)
    for pose in poses(5, 24):
        found = Matcher(library, members).find(pose, 32)
        assert len(found) == min(count, 32)
        assert set(members.tolist()) >= {match.item for match in found}


def test_no_members_find_nothing(library: Library) -> None:
    assert Matcher(library, some_items(0)).find(poses(1, 24)[0]) == []


def test_few_members_are_searched_exhaustively(library: Library) -> None:
    members = some_items(EXHAUSTIVE_LIMIT)
    for pose in poses(10, 25, LEFT_ARM):
        assert Matcher(library, members).find(pose) == find_exhaustively(library, pose, members=members)


@pytest.mark.parametrize("hidden", [(), tuple(LEGS), LEFT_ARM, (*HEAD, 6, 8, 10)])
@pytest.mark.parametrize(("limit", "share"), [(100_000, 0.995), (700, 0.98)])
def test_a_search_among_members_misses_little(
    library: Library, hidden: tuple[int, ...], limit: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with more members than vectors are kept, where Annoy adds some."""
    monkeypatch.setattr(in_members, "MAX_VECTORS", limit)
    monkeypatch.setattr(matching, "MAX_VECTORS", limit)
    members = some_items(2000)
    matcher, queries = Matcher(library, members), poses(40, 26, hidden)
    found = [[match.likeness for match in matcher.find(pose, 12)] for pose in queries]
    best = [[match.likeness for match in find_exhaustively(library, pose, 12, members)] for pose in queries]
    assert np.mean([few[0] for few in found]) >= share * np.mean([few[0] for few in best])
    assert np.mean(found) >= (share - 0.01) * np.mean(best)


def test_members_alike_are_all_found(library: Library) -> None:
    """Those most like one pose: Annoy would return mostly others for a different pose."""
    like = find_exhaustively(library, poses(1, 27)[0], 800)
    members = np.sort(np.array([match.item for match in like]))
    matcher = Matcher(library, members)
    for pose in poses(10, 28):
        assert matcher.find(pose, 1)[0].likeness == pytest.approx(
            find_exhaustively(library, pose, 1, members)[0].likeness, rel=0.01
        )


def test_members_are_found_mirrored_too(library: Library) -> None:
    members = some_items(2000)
    for number in members[::500].tolist():
        found = Matcher(library, members).find(library.pose(number).mirrored(640), 1)[0]
        assert found[:2] == (number, True)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "share"), [("whole", 0.99), ("upper", 0.98), ("partial", 0.98)])
def test_real_people_find_nearly_the_best_photo(
    coco_library: tuple[Library, dict[str, Floats]], kind: str, share: float
) -> None:
    library, queries = coco_library
    matcher, people = Matcher(library), [Pose.from_keypoints(person) for person in queries[kind]]
    found = [match.likeness for pose in people for match in matcher.find(pose, 1)]
    best = [match.likeness for pose in people for match in find_exhaustively(library, pose, 1)]
    assert len(found) == len(best) >= 55, "nearly everybody shows two parts"
    assert np.mean(found) >= share * np.mean(best)


@pytest.fixture(scope="module")
def coco_library(
    shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Library, dict[str, Floats]]]:
    """8,000 of COCO's people with a labelled body, and 60 other people for each kind of query."""
    with np.load(shared_data / "poses" / "coco2017_people.npz") as coco:
        keypoints, held_out = coco["keypoints"].astype(np.float32), coco["is_val"].astype(bool)
    seen = keypoints[:, :, 2] > 0
    folder = tmp_path_factory.mktemp("coco") / "library"
    write_library((NewItem(None, person) for person in keypoints[~held_out & seen[:, 5:].all(1)][:8_000]), folder)
    size = np.where(seen[:, :, None], keypoints[:, :, :2], -np.inf).max(1)
    size = size - np.where(seen[:, :, None], keypoints[:, :, :2], np.inf).min(1)
    queries = held_out & (size > 0).all(1) & (np.abs(np.prod(size, 1)) > 60**2)
    of_kind = {
        "whole": seen[:, 5:].all(1),
        "upper": seen[:, 5:9].all(1) & ~seen[:, 13:].any(1),
        "partial": (seen.sum(1) >= 8) & (seen.sum(1) <= 13) & seen[:, 5:7].any(1) & seen[:, 11:].any(1),
    }
    with Library.open(folder) as opened:
        yield opened, {kind: keypoints[queries & mask][:60] for kind, mask in of_kind.items()}
