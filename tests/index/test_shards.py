"""Sharded indexes: together they find what one index finds, and damage is reported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from index import shards, vector
from index.build.indexes import findable, region_membership
from index.build.writer import LibraryWriter
from index.errors import LibraryError
from index.library import Library, verify_library
from index.manifest import MANIFEST_FILE, index_file, mapped_files, members_file
from models.pose import Floats
from tests.support.libraries import NewItem, add_item
from tests.support.sample_library import sign_again, write_manifest
from tests.support.sample_poses import sample_people

COUNT = 330
SHARD_SIZE = 50

PEOPLE = sample_people(COUNT, 3, unseen_share=0.3)
"""Many lack a region, and a few show too little to be found."""
PEOPLE[[0, 7, COUNT - 1], 2:] = 0


def write(folder: Path, people: Floats, shard_size: int) -> Path:
    with LibraryWriter(folder, shard_size=shard_size) as writer:
        for keypoints in people:
            add_item(writer, NewItem(None, keypoints))
        writer.finish()
    return folder


@pytest.fixture(scope="module")
def one_shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("one") / "library", PEOPLE, COUNT)


@pytest.fixture(scope="module")
def seven_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("seven") / "library", PEOPLE, SHARD_SIZE)


def test_verifies_a_library_of_several_shards(seven_shards: Path) -> None:
    manifest = verify_library(seven_shards)
    assert (manifest.items, manifest.shards) == (COUNT, 7)
    assert set(manifest.files) == set(mapped_files(7))


@pytest.mark.parametrize("region", vector.REGIONS)
def test_shards_find_the_nearest_items(one_shard: Path, seven_shards: Path, region: str) -> None:
    with Library.open(one_shard) as one, Library.open(seven_shards) as seven:
        points, seen = one.keypoints[:, :, :2], one.keypoints[:, :, 2] > 0
        vectors = vector.region_vectors(one.shape_model.complete(points, seen), region)
        column = list(vector.REGIONS).index(region)
        members = np.flatnonzero(region_membership(seen)[:, column] & findable(one.keypoints))
        assert 0 < len(members) < COUNT
        for query in vectors[:20]:
            distances = np.linalg.norm(vectors[members] - query, axis=1)
            nearest = members[np.argsort(distances, kind="stable")[:30]].tolist()
            for library in (one, seven):
                assert library.nearest(region, query.tolist(), 30, 1_000_000) == nearest


def test_a_shard_may_lack_a_region(tmp_path: Path) -> None:
    people = sample_people(30, 1)
    people[:10, 5:], people[10:20, :5] = 0, 0
    folder = write(tmp_path / "library", people, 10)
    sizes = [(folder / index_file("legs", shard)).stat().st_size for shard in range(3)]
    assert sizes[0] == 0 < sizes[1]
    with Library.open(folder) as library:
        completed = library.shape_model.complete(people[25:26, :, :2], people[25:26, :, 2] > 0)
        query = vector.region_vectors(completed, "legs")[0]
        nearest = library.nearest("legs", query.tolist(), 100, 1_000_000)
    assert nearest[0] == 25
    assert sorted(nearest) == list(range(10, 30))


@pytest.mark.parametrize("number", [-1, COUNT, 2**31 - 1])
def test_rejects_members_that_are_not_items(seven_shards: Path, tmp_path: Path, number: int) -> None:
    library = Path(shutil.copytree(seven_shards, tmp_path / "library"))
    members = np.load(library / members_file(3))
    members[5] = number
    np.save(library / members_file(3), members)
    sign_again(library)
    with pytest.raises(LibraryError, match=r"members-3\.npy cannot be used"):
        Library.open(library)


def test_rejects_an_index_of_another_shard(seven_shards: Path, tmp_path: Path) -> None:
    library = Path(shutil.copytree(seven_shards, tmp_path / "library"))
    shutil.copy(library / index_file("arms", 1), library / index_file("arms", 2))
    with pytest.raises(LibraryError, match=r"arms-2\.annoy"):
        Library.open(library)


def test_rejects_a_wrong_number_of_shards(seven_shards: Path, tmp_path: Path) -> None:
    library = Path(shutil.copytree(seven_shards, tmp_path / "library"))
    document = json.loads((library / MANIFEST_FILE).read_bytes())
    for count in (6, 8, 10**12):
        write_manifest(library, {**document, "shards": count})
        with pytest.raises(LibraryError, match="is incomplete"):
            Library.open(library)


@pytest.mark.parametrize(("shard_count", "each"), [(1, 400), (4, 200), (10, 127), (10**9, 1)])
def test_divides_the_search_among_shards(shard_count: int, each: int) -> None:
    assert shards.search_k_per_shard(400, shard_count) == each
