"""Reading folders and key-point files; each problem is one sentence."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.build.importers import read_keypoints, read_poses
from index.build.photo import SourceError
from index.build.writer import LibraryWriter
from index.library import Library
from tests.support.sample_poses import sample_people


def failure(read: Callable[..., object], *args: Path) -> str:
    """Return the message of the SourceError that reading a file raises."""
    with pytest.raises(SourceError) as error:
        read(*args)
    message = str(error.value)
    assert "\n" not in message
    message.encode("utf-8")
    return message


# Key points


def test_reads_key_points_unchanged(tmp_path: Path) -> None:
    people = sample_people(5, unseen_share=0.2)
    np.savez_compressed(tmp_path / "a.npz", keypoints=people.astype(np.float64), image_size=[[640, 480]] * 5)
    assert np.allclose(read_keypoints(tmp_path / "a.npz"), people)
    poses = list(read_poses(tmp_path / "a.npz"))
    assert len(poses) == 5
    assert poses[3].size == (640, 480)
    assert np.allclose(poses[3].keypoints, people[3])


def test_keeps_the_place_of_a_row_with_invalid_numbers(tmp_path: Path) -> None:
    people = sample_people(4)
    people[1, 3, 0], people[2, 5, 1] = np.nan, 1e30
    people[3, 7] = (np.inf, np.nan, 0)
    np.savez(tmp_path / "a.npz", keypoints=people)
    with LibraryWriter(tmp_path / "library") as writer:
        for pose in read_poses(tmp_path / "a.npz"):
            writer.add_pose(pose)
        writer.finish()
    with Library.open(tmp_path / "library") as library:
        assert len(library) == 4
        assert library.manifest.indexed == 2
        assert not library.keypoints[1:3].any()
        assert library.pose(3).scores.sum() == 16


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"points": np.zeros((1, 17, 3))}, "has no `keypoints`, but points"),
        ({}, "but nothing"),
        ({"keypoints": np.zeros((17, 3))}, "must be N×17×3 numbers, not 17×3 of float64"),
        ({"keypoints": np.zeros((2, 17, 2))}, "not 2×17×2"),
        ({"keypoints": np.array(["a"])}, "not 1 of <U1"),
        ({"keypoints": np.array([{}])}, "not a key-point file"),
        ({"keypoints": np.zeros((2, 17, 3), complex)}, "of complex128"),
    ],
)
def test_rejects_other_arrays(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    assert message in failure(read_keypoints, tmp_path / "a.npz")


def test_rejects_damaged_key_point_files(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "whole.npz", keypoints=sample_people(50))
    complete = (tmp_path / "whole.npz").read_bytes()
    flipped = bytearray(complete)
    flipped[len(complete) // 2] ^= 1
    np.save(tmp_path / "array.npy", sample_people(2))
    for data in (
        b"",
        b"x",
        complete[:-30],
        complete[: len(complete) // 2],
        bytes(flipped),
        (tmp_path / "array.npy").read_bytes(),
    ):
        (tmp_path / "a.npz").write_bytes(data)
        assert "a.npz" in failure(read_keypoints, tmp_path / "a.npz")
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "folder.npz").mkdir()
    for name in ("pipe.npz", "folder.npz", "missing.npz", "caf\udce9.npz"):
        failure(read_keypoints, tmp_path / name)


HEAD = "\x01\x00\x41\x00{'descr': '<\x9c,=', 'fortran_order': False, 'shape': (2, 17, 3), }\n"


def zipped(file: Path, name: str, content: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    """Write a zip file with one member."""
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr(name, content)
    return file


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rejects_damaged_arrays_of_any_compression(tmp_path: Path, compression: int) -> None:
    array = io.BytesIO()
    np.save(array, sample_people(50))
    file = zipped(tmp_path / "a.npz", "keypoints.npy", array.getvalue(), compression)
    data = bytearray(file.read_bytes())
    data[200:240] = bytes(40)
    file.write_bytes(data)
    assert failure(read_keypoints, file)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("keypoints", b"no array", "is not a key-point file (.npz): `keypoints` is not an array"),
        ("key\npoints.npy", b"", "has no `keypoints`, but key�points."),
        ("x" * 3000, b"", "has no `keypoints`, but xxx"),
        ("keypoints.npy", b"\x93NUMPY\x01\x00\x06\x00{'a': ", "is a damaged .npz"),
        ("keypoints.npy", b"\x93NUMPY" + HEAD.encode("latin-1"), 'format number 1 of "<�,=" is not recognized'),
    ],
)
def test_rejects_members_that_are_not_arrays(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    assert message in failure(read_keypoints, zipped(tmp_path / "a.npz", name, content))


def test_ignores_sizes_that_are_not_an_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", keypoints=sample_people(1))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("image_size", "640 480")
    assert [pose.size for pose in read_poses(tmp_path / "a.npz")] == [None]


def test_accepts_a_file_without_people(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", keypoints=np.zeros((0, 17, 3)))
    assert read_keypoints(tmp_path / "a.npz").shape == (0, 17, 3)
