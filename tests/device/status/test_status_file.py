"""The file with the status: written, read back, and read by programs that trust nobody."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.status import status_file
from device.status.fault_log import FAULTS_KEPT, MAX_SENTENCE
from device.status.hourly import HOURS_KEPT
from device.status.status_file import (
    FILE_NAME,
    MAX_BYTES,
    Hour,
    PastFault,
    find_status,
    is_in_memory,
    own_folder,
    parse_status,
    read_status,
    user_folder,
    write_status,
)
from tests.support.paths import ROOT
from tests.support.sample_status import SAMPLE

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_reads_what_it_wrote(tmp_path: Path) -> None:
    assert read_status(tmp_path) is None
    write_status(tmp_path, SAMPLE)
    assert read_status(tmp_path) == SAMPLE
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]
    bare = replace(SAMPLE, frames=None, library=None, hours=(), past_faults=())
    write_status(tmp_path, bare)
    assert read_status(tmp_path) == bare


def test_anybody_may_read_the_file(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_status(tmp_path, SAMPLE)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o644


def test_a_full_status_is_small(tmp_path: Path) -> None:
    full = replace(
        SAMPLE,
        hours=tuple(Hour(1_800_000_000 + 3600 * hour, 9999, 9999, 9999) for hour in range(HOURS_KEPT)),
        past_faults=tuple(PastFault(f"{'é' * MAX_SENTENCE}", 1e9 + n, 1e9 + n, 9999) for n in range(FAULTS_KEPT)),
    )
    write_status(tmp_path, full)
    assert (tmp_path / FILE_NAME).stat().st_size < MAX_BYTES / 5
    assert read_status(tmp_path) == full


def test_a_fault_may_name_any_file(tmp_path: Path) -> None:
    write_status(tmp_path, replace(SAMPLE, faults=(os.fsdecode(b"/srv/caf\xe9.mp4 cannot be played."),)))
    status = read_status(tmp_path)
    assert status is not None
    assert status.faults == ("/srv/caf?.mp4 cannot be played.",)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_refuses_what_is_not_a_status(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_status(content)


@given(st.data(), JSON)
def test_any_wrong_field_is_refused_or_read(data: st.DataObject, value: Any) -> None:
    document: Any = json.loads(json.dumps(dataclasses.asdict(SAMPLE)))
    place = document
    while True:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
        if isinstance(place[key], (dict, list)) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = value
        break
    try:
        status = parse_status(json.dumps(document).encode())
    except ValueError:
        return
    assert parse_status(json.dumps(dataclasses.asdict(status)).encode()) == status


@pytest.mark.parametrize("text", ["[" * 100_000, '{"version": 1e999}', "NaN", "", "null", "\ufeff{}"])
def test_refuses_odd_json(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    assert read_status(tmp_path) is None


def test_knows_which_folders_are_in_memory(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    line = f"36 35 {os.major(device)}:{os.minor(device)} / /run rw,noatime shared:1 - KIND none rw\n"
    other = "40 35 999:9 / / rw - tmpfs none rw\n"
    for kind, expected in (("tmpfs", True), ("ramfs", True), ("ext4", False), ("nfs4", False)):
        mounts.write_text(other + line.replace("KIND", kind))
        assert is_in_memory(tmp_path, mounts) is expected
    mounts.write_text(other)
    assert not is_in_memory(tmp_path, mounts), "an unknown file system may be a disk"


def test_a_folder_on_a_disk_gets_no_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_file, "is_in_memory", lambda folder: False)
    assert own_folder({"RUNTIME_DIRECTORY": str(tmp_path)}) is None
    assert own_folder({"XDG_RUNTIME_DIR": str(tmp_path)}) is None
    assert list(tmp_path.iterdir()) == []


def test_chooses_the_folder_of_the_service_or_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_file, "is_in_memory", lambda folder: folder.is_dir())
    assert own_folder({"RUNTIME_DIRECTORY": f"{tmp_path}:/run/other"}) == tmp_path
    assert own_folder({"XDG_RUNTIME_DIR": str(tmp_path)}) == tmp_path / "pose-mirror"
    assert stat.S_IMODE((tmp_path / "pose-mirror").stat().st_mode) == 0o700
    assert own_folder({"XDG_RUNTIME_DIR": str(tmp_path / "missing")}) is None


def test_finds_the_users_folder_where_no_variable_names_it() -> None:
    assert user_folder({}) == Path(f"/run/user/{os.getuid()}/pose-mirror")


def test_finds_the_newest_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service, own = tmp_path / "service", tmp_path / "pose-mirror"
    monkeypatch.setattr(status_file, "SERVICE_FOLDER", service)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert find_status() is None
    for folder, uptime in ((service, 100.0), (own, 50.0)):
        folder.mkdir()
        write_status(folder, replace(SAMPLE, written_uptime=uptime))
    found = find_status()
    assert found is not None
    assert found.written_uptime == 100.0
    (service / FILE_NAME).write_text("{")
    found = find_status()
    assert found is not None
    assert found.written_uptime == 50.0


def test_the_reference_has_every_field() -> None:
    rows = re.findall(r"^\| `([\w.\[\]]+)` \|", (ROOT / "docs/reference/status.md").read_text("utf-8"), re.MULTILINE)
    assert set(rows) == set(_fields(json.loads(json.dumps(dataclasses.asdict(SAMPLE)))))


def _fields(value: Any, prefix: str = "") -> list[str]:
    """Every field, as the reference writes it: `disk.gifs`, and `hours[].start` in a list."""
    found = []
    for name, inner in value.items():
        if isinstance(inner, dict):
            found += _fields(inner, f"{prefix}{name}.")
        elif isinstance(inner, list) and inner and isinstance(inner[0], dict):
            found += _fields(inner[0], f"{prefix}{name}[].")
        else:
            found.append(f"{prefix}{name}")
    return found
