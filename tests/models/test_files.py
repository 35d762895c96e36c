"""Files on disks that lack something: locks, names, renames, room. See also `tests/program/test_poor_disks.py`."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from models import files
from tests.support.paths import ROOT
from tests.support.poor_disk import compile_poor_disk, environment


def refuse(number: int) -> object:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_locks_a_folder_where_there_are_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", refuse(errno.ENOLCK))
    lock = files.lock_folder(tmp_path / "folder")
    with pytest.raises(BlockingIOError):
        files.lock_folder(tmp_path / "folder")
    os.close(files.lock_folder(tmp_path / "other"))
    os.close(lock)
    os.close(files.lock_folder(tmp_path / "folder"))


def test_a_lock_ends_with_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", refuse(errno.ENOLCK))
    code = (
        "import errno, fcntl, os, sys; from pathlib import Path; from models import files\n"
        "def fail(*_): raise OSError(errno.ENOLCK, 'none')\n"
        f"fcntl.flock = fail; files.lock_folder(Path({str(tmp_path / 'folder')!r}))\n"
        "print(); sys.stdout.flush(); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(BlockingIOError):
            files.lock_folder(tmp_path / "folder")
        process.kill()
    os.close(files.lock_folder(tmp_path / "folder"))


def test_machines_share_no_folder_on_a_network_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "missing" / "library"
    monkeypatch.setattr(os, "major", lambda device: 8)
    assert files.own_name(out) == ""
    monkeypatch.setattr(os, "major", lambda device: 0)
    monkeypatch.setattr("socket.gethostname", lambda: "left")
    name = files.own_name(out)
    assert len(name) == len("-12345678")
    assert files.own_name(out) == name
    monkeypatch.setattr("socket.gethostname", lambda: "right")
    assert files.own_name(out) != name


@pytest.mark.slow
def test_processes_never_take_each_others_names(tmp_path: Path) -> None:
    """Neither links nor exclusive renames work; every process saves its files under the same name."""
    try:
        library = compile_poor_disk(tmp_path)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    folder = tmp_path / "gifs"
    folder.mkdir()
    code = (
        "import sys; from pathlib import Path; from device.recording.saving import write_atomically\n"
        "for number in range(25):\n"
        f"    write_atomically(f'{{sys.argv[1]}} {{number}}'.encode(), Path({str(folder)!r}), 'a.gif')"
    )
    faults = {"renameat2": errno.EINVAL, "link": errno.EPERM, "flock": errno.ENOLCK}
    env = {**os.environ, **environment(library, folder, faults)}
    processes = [subprocess.Popen([sys.executable, "-c", code, str(k)], env=env, cwd=ROOT) for k in range(6)]
    assert [process.wait() for process in processes] == [0] * 6
    contents = sorted(file.read_text() for file in folder.iterdir())
    assert contents == sorted(f"{k} {number}" for k in range(6) for number in range(25))


def test_a_crash_while_renaming_leaves_no_visible_file(tmp_path: Path) -> None:
    code = (
        "import os; from pathlib import Path; from models import files; from device.recording import saving\n"
        "def refuse(*_): raise PermissionError(1, 'no')\n"
        "files._renameat2 = os.link = refuse; os.rename = lambda *_: os._exit(9)\n"
        f"saving.write_atomically(b'GIF', Path({str(tmp_path)!r}), 'pose-mirror-1.gif')"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 9
    names = [file.name for file in tmp_path.iterdir()]
    assert len(names) == 2
    assert all(name.startswith(".pose-mirror-") and name.endswith(".part") for name in names)


@pytest.mark.parametrize("fails", [False, True])
def test_replaces_where_renaming_cannot_replace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    (tmp_path / "new").write_text("new")
    (tmp_path / "old").write_text("old")
    rename = os.rename

    def rename_to_free(source: Path, target: Path) -> None:
        if target.exists() or (fails and source.name == "new"):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        rename(source, target)

    monkeypatch.setattr(os, "replace", rename_to_free)
    monkeypatch.setattr(os, "rename", rename_to_free)
    if fails:
        with pytest.raises(FileExistsError):
            files.replace(tmp_path / "new", tmp_path / "old")
    else:
        files.replace(tmp_path / "new", tmp_path / "old")
    expected = {"old": "old", "new": "new"} if fails else {"old": "new"}
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == expected


def test_a_disk_that_does_not_know_its_room_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert files.free_bytes(tmp_path) == shutil.disk_usage(tmp_path).free
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(total=0, free=0))
    assert files.free_bytes(tmp_path) is None
    monkeypatch.setattr(shutil, "disk_usage", refuse(errno.ENOSYS))
    assert files.free_bytes(tmp_path) is None


def test_recognizes_fat_in_the_kernels_list(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    for kind, is_fat in (("vfat", True), ("ext4", False)):
        lines = [
            "22 1 0:5 / /proc rw - proc proc rw",
            f"36 22 {os.major(device)}:{os.minor(device)} / /media/a\\040stick rw shared:1 - {kind} /dev/sda1 rw",
        ]
        (tmp_path / "mountinfo").write_text("\n".join(lines))
        monkeypatch.setattr(files, "MOUNTS", tmp_path / "mountinfo")
        assert files.is_fat(tmp_path) == is_fat


@pytest.mark.parametrize("name", ["12:30", "who?", "a*", 'say "hi"', "a|b", "end.", "end ", "NUL", "con.d", "\udcff"])
def test_explains_a_name_that_fat_does_not_take(name: str) -> None:
    reason = files.explain(OSError(errno.EINVAL, "Invalid argument"), Path("/media/stick") / name)
    assert reason is not None
    assert "does not take this name" in reason


@pytest.mark.parametrize("number", [errno.EEXIST, errno.ENOTDIR])
def test_explains_a_file_in_the_place_of_a_folder(tmp_path: Path, number: int) -> None:
    (tmp_path / "file").touch()
    error = OSError(number, os.strerror(number))
    assert files.explain(error, tmp_path / "file" / "more" / "library") == f"{tmp_path}/file is a file, not a folder"
    assert files.explain(error, tmp_path / "other") is None


@pytest.mark.parametrize("name", ["library", "naïve ünïcode", "console", "a.b", "日本"])
def test_blames_no_name_that_every_disk_takes(name: str) -> None:
    assert files.explain(OSError(errno.EINVAL, "Invalid argument"), Path("/media/stick") / name) is None


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.EFBIG, "exFAT or ext4"), (errno.ESTALE, "check the network"), (errno.EIO, None)]
)
def test_gives_a_remedy_for_a_disks_error(number: int, remedy: str | None) -> None:
    reason = files.explain(OSError(number, os.strerror(number)), Path("/media/stick/library"))
    assert remedy in reason if remedy and reason else reason is None
