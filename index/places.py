"""Where a library is on the disk, also while another one takes its place."""

from __future__ import annotations

import os
from pathlib import Path


def current_folder(folder: Path) -> Path:
    """Return where a library is: in its folder, or in the backup if power was cut between the two renames of a swap."""
    # these functions of os.path say no where a folder above may not be entered, and do not raise as those of Path do
    return folder if os.path.exists(folder) or not os.path.isdir(backup_folder(folder)) else backup_folder(folder)


def backup_folder(folder: Path) -> Path:
    """Return where the old library is kept during a swap by two renames."""
    return folder.parent / f".{folder.name}.old"


def open_folder(folder: Path) -> int:
    """Open the folder of a library, which stays accessible when another library takes its place. Raises OSError."""
    return os.open(current_folder(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def is_replaced(folder: Path, descriptor: int) -> bool:
    """Return whether another folder is where the one opened as `descriptor` was."""
    try:
        return not os.path.samestat(os.stat(current_folder(folder)), os.fstat(descriptor))
    except OSError:
        return False


def descriptor_path(descriptor: int) -> Path:
    """Return an ASCII path to the folder with this descriptor: Annoy takes no other."""
    return Path(f"/proc/self/fd/{descriptor}")
