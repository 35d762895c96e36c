"""Writing indexes: who is in which, the same bytes for any number of processes, and errors of those processes."""

from __future__ import annotations

import errno
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

from index import mapping, vector
from index.build import indexes
from index.library import Library
from index.manifest import SHAPE_FILE, mapped_files, members_file
from models.pose import Floats, Pose
from tests.support.libraries import NewItem, write_library
from tests.support.paths import ROOT
from tests.support.sample_poses import sample_people

COUNT = 330


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of one shard; three of its people show too little to be found."""
    people = sample_people(COUNT, 3, unseen_share=0.3)
    people[[0, 7, COUNT - 1], 2:] = 0
    folder = tmp_path_factory.mktemp("built") / "library"
    write_library((NewItem(None, keypoints) for keypoints in people), folder)
    return folder


@pytest.fixture
def library(built: Path, tmp_path: Path) -> Path:
    """A copy whose indexes may be written again."""
    return Path(shutil.copytree(built, tmp_path / "library"))


@pytest.mark.slow
def test_processes_do_not_change_the_bytes(built: Path, library: Path) -> None:
    names = [name for name in mapped_files(1) if name.endswith(".annoy")] + [SHAPE_FILE, members_file(0)]
    for name in names:
        (library / name).unlink()
    progress: list[tuple[int, int | None, str]] = []
    shard_count, indexed = indexes.write_indexes(
        library, COUNT, shard_size=COUNT, processes=2, progress=lambda *update: progress.append(update)
    )
    assert (shard_count, indexed) == (1, COUNT - 3)
    assert progress == [(done, 6, "Indexing") for done in range(1, 7)]
    for name in names:
        assert (library / name).read_bytes() == (built / name).read_bytes(), name


def test_a_disk_that_cannot_map_gets_the_same_bytes(
    built: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Annoy does not notice that it cannot map a file, and crashes."""
    query = [0.1] * 2 * len(vector.REGIONS["whole"])
    job = indexes.IndexJob(0, "whole", 0, 50)
    with Library.open(built) as mapped:
        keypoints, nearest = np.array(mapped.keypoints), mapped.nearest("whole", query, 20, 1000)
    indexes.write_index(library, job)
    expected = (library / "whole-0.annoy").read_bytes()
    monkeypatch.setattr(mapping, "_can_map", lambda descriptor, protection: False)
    monkeypatch.setattr(np, "memmap", refuse_to_map)
    for on_disk in (False, True):
        indexes.write_index(library, job, on_disk=on_disk)
        assert (library / "whole-0.annoy").read_bytes() == expected
    with Library.open(built) as read:
        assert np.array_equal(read.keypoints, keypoints)
        assert read.nearest("whole", query, 20, 1000) == nearest
        with pytest.raises(ValueError, match="read-only"):
            read.keypoints[0] = 0


def refuse_to_map(*_: object, **__: object) -> None:
    raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))


@pytest.mark.parametrize("on_disk", [False, True])
def test_an_index_has_the_modes_of_other_files(library: Path, on_disk: bool) -> None:
    """Annoy creates files for one user alone, and the mirror's service may be another."""
    indexes.write_index(library, indexes.IndexJob(0, "whole", 0, 10), on_disk=on_disk)
    (library / "other").write_bytes(b"")
    assert (library / "whole-0.annoy").stat().st_mode == (library / "other").stat().st_mode


@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_disk_raises_os_error(library: Path, tmp_path: Path, processes: int) -> None:
    """Annoy alone would end the process by SIGBUS."""
    script = tmp_path / "script.py"
    script.write_text(
        "import resource; from pathlib import Path; from index.build import indexes\n"
        "if __name__ == '__main__':\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
        f"    indexes.write_indexes(Path({str(library)!r}), {COUNT}, shard_size={COUNT}, processes={processes})\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1, ended.stderr
    assert "OSError" in ended.stderr.splitlines()[-1], ended.stderr


def test_a_failed_process_raises_an_error(library: Path) -> None:
    (library / SHAPE_FILE).write_bytes(b"")
    job = indexes.IndexJob(0, "whole", 0, 10)
    with pytest.raises(ChildProcessError, match="an error of its own"):
        list(indexes._run_in_processes(library, [job, job], 2))
    (library / SHAPE_FILE).unlink()
    with pytest.raises(FileNotFoundError):
        list(indexes._run_in_processes(library, [job], 1))


@settings(max_examples=50)
@given(
    arrays(np.float32, (4, 17, 3), elements=st.sampled_from([-5.0, 0.0, 0.0, 1.0, 2.5, 640.0])),
)
def test_findable_people_have_a_region_and_a_box(keypoints: Floats) -> None:
    keypoints[keypoints[:, :, 2] <= 0] = 0
    seen = keypoints[:, :, 2] > 0
    assert indexes.region_membership(seen).any(1).all()
    found = indexes.findable(keypoints)
    for person, person_found in zip(keypoints, found, strict=True):
        box = Pose.from_keypoints(person).box()
        extends = box is not None and (box[2] > box[0] or box[3] > box[1])
        assert person_found == (extends and (person[:, 2] > 0).sum() >= indexes.MIN_KEYPOINTS_TO_INDEX)
    assert indexes.count_findable(keypoints) == found.sum()
