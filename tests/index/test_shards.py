"""Indexes over shards: together they find what one finds, and any number of processes writes the same bytes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from index import shards, vector
from index.build.writer import LibraryWriter, NewItem
from index.library import Library, LibraryError, verify_library
from index.manifest import MANIFEST_FILE, SHAPE_FILE, index_file, mapped_files, members_file
from models.pose import Pose
from tests.index.test_library import signed_again, write_manifest
from tests.support.paths import ROOT
from tests.support.sample_poses import sample_people

COUNT = 330
SHARD = 50

SOME = sample_people(COUNT, 3, unseen_share=0.3)
"""Many of whom lack a region, and a few of whom nothing can be said."""
SOME[[0, 7, COUNT - 1], 2:] = 0


def written(folder: Path, shard: int) -> Path:
    with LibraryWriter(folder, shard_size=shard) as writer:
        for one in SOME:
            writer.add(NewItem(None, one))
        writer.finish()
    return folder


@pytest.fixture(scope="module")
def one_shard(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("one") / "library", COUNT)


@pytest.fixture(scope="module")
def seven_shards(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("seven") / "library", SHARD)


def test_a_library_of_several_shards_is_whole(seven_shards):
    manifest = verify_library(seven_shards)
    assert (manifest.items, manifest.shards) == (COUNT, 7)
    assert set(manifest.files) == set(mapped_files(7))


@pytest.mark.parametrize("region", vector.REGIONS)
def test_several_shards_find_what_one_finds_and_what_is_nearest(one_shard, seven_shards, region):
    with Library.open(one_shard) as one, Library.open(seven_shards) as seven:
        points, seen = one.keypoints[:, :, :2], one.keypoints[:, :, 2] > 0
        all_vectors = vector.region_vectors(one.shape_model.complete(points, seen), region)
        place = list(vector.REGIONS).index(region)
        members = np.flatnonzero(shards.region_membership(seen)[:, place] & shards.findable(one.keypoints))
        assert 0 < len(members) < COUNT
        for near in all_vectors[:20]:
            distances = np.linalg.norm(all_vectors[members] - near, axis=1)
            nearest = members[np.argsort(distances, kind="stable")[:30]].tolist()
            for library in (one, seven):
                assert library.nearest(region, near.tolist(), 30, 1_000_000) == nearest


def test_a_shard_in_which_nobody_shows_a_region_is_no_fault(tmp_path):
    some = sample_people(30, 1)
    some[:10, 5:], some[10:20, :5] = 0, 0
    with LibraryWriter(tmp_path / "library", shard_size=10) as writer:
        for one in some:
            writer.add(NewItem(None, one))
        writer.finish()
    sizes = [(tmp_path / "library" / index_file("legs", shard)).stat().st_size for shard in range(3)]
    assert sizes[0] == 0 < sizes[1]
    with Library.open(tmp_path / "library") as library:
        asked = vector.region_vectors(library.shape_model.complete(some[25:26, :, :2], some[25:26, :, 2] > 0), "legs")[
            0
        ]
        found = library.nearest("legs", asked.tolist(), 100, 1_000_000)
    assert found[0] == 25
    assert sorted(found) == list(range(10, 30))


def test_any_number_of_processes_writes_the_same_bytes(one_shard, tmp_path):
    again = Path(shutil.copytree(one_shard, tmp_path / "again"))
    names = [name for name in mapped_files(1) if name.endswith(".annoy")] + [SHAPE_FILE, members_file(0)]
    for name in names:
        (again / name).unlink()
    told = []
    count, indexed = shards.write_indexes(
        again, COUNT, shard_size=COUNT, processes=2, progress=lambda *words: told.append(words)
    )
    assert (count, indexed) == (1, COUNT - 3)
    assert told == [(done, 6, "Indexing") for done in range(1, 7)]
    for name in names:
        assert (again / name).read_bytes() == (one_shard / name).read_bytes(), name


def test_a_full_disk_is_an_error_and_no_signal(one_shard, tmp_path):
    again = Path(shutil.copytree(one_shard, tmp_path / "again"))
    code = (
        "import resource; from pathlib import Path; from index import shards\n"
        "if __name__ == '__main__':\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
        f"    shards.write_indexes(Path({str(again)!r}), {COUNT}, shard_size={COUNT}, processes=PROCESSES)\n"
    )
    for processes in (1, 2):
        script = tmp_path / "script.py"
        script.write_text(code.replace("PROCESSES", str(processes)))
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        ended = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 1, ended.stderr
        assert "OSError" in ended.stderr.splitlines()[-1], ended.stderr


def test_a_process_that_fails_or_is_ended_is_an_error(one_shard, tmp_path):
    again = Path(shutil.copytree(one_shard, tmp_path / "again"))
    (again / SHAPE_FILE).write_bytes(b"")
    job = shards.IndexJob(0, "whole", 0, 10)
    with pytest.raises(ChildProcessError, match="an error of its own"):
        list(shards._run_in_processes(again, [job, job], 2))
    (again / SHAPE_FILE).unlink()
    with pytest.raises(FileNotFoundError):
        list(shards._run_in_processes(again, [job], 1))


@pytest.mark.parametrize("number", [-1, COUNT, 2**31 - 1])
def test_members_that_are_no_items_are_told(seven_shards, tmp_path, number):
    library = Path(shutil.copytree(seven_shards, tmp_path / "library"))
    members = np.load(library / members_file(3))
    members[5] = number
    np.save(library / members_file(3), members)
    signed_again(library)
    with pytest.raises(LibraryError, match=r"members-3\.npy cannot be used"):
        Library.open(library)


def test_an_index_of_another_shard_is_told(seven_shards, tmp_path):
    library = Path(shutil.copytree(seven_shards, tmp_path / "library"))
    shutil.copy(library / index_file("arms", 1), library / index_file("arms", 2))
    with pytest.raises(LibraryError, match=r"arms-2\.annoy"):
        Library.open(library)


def test_a_manifest_with_fewer_or_more_shards_than_files_is_told(seven_shards, tmp_path):
    library = Path(shutil.copytree(seven_shards, tmp_path / "library"))
    document = json.loads((library / MANIFEST_FILE).read_bytes())
    for count in (6, 8, 10**12):
        write_manifest(library, {**document, "shards": count})
        with pytest.raises(LibraryError, match="is incomplete"):
            Library.open(library)


@pytest.mark.parametrize(("shard_count", "each"), [(1, 400), (4, 200), (10, 127), (10**9, 1)])
def test_the_search_is_divided_among_shards(shard_count, each):
    assert shards.search_k_per_shard(400, shard_count) == each


@settings(max_examples=50, deadline=None)
@given(
    arrays(np.float32, (4, 17, 3), elements=st.sampled_from([-5.0, 0.0, 0.0, 1.0, 2.5, 640.0])),
)
def test_whoever_can_be_found_is_in_an_index_and_has_a_box(keypoints):
    keypoints[keypoints[:, :, 2] <= 0] = 0
    seen = keypoints[:, :, 2] > 0
    assert shards.region_membership(seen).any(1).all()
    for one, found in zip(keypoints, shards.findable(keypoints), strict=True):
        box = Pose.from_keypoints(one).box()
        wide = box is not None and (box[2] > box[0] or box[3] > box[1])
        assert found == (wide and (one[:, 2] > 0).sum() >= shards.MIN_KEYPOINTS)
