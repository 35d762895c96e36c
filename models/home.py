"""The user's own folders: below the home folder, or below a stand-in for a user who has no usable home.

A program in a container often runs as a user that the system does not know, with a HOME that is missing, or that is
root's. Everything works for such a user too: what would be kept in the home folder is kept in /var/tmp instead.
"""

from __future__ import annotations

import os
import pwd
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

STAND_IN_PARENT: Final = Path("/var/tmp")
"""Where the stand-in for a home is: everybody may write there, and it outlasts a restart."""


class PathError(ValueError):
    """A path cannot be made complete. The message is a sentence that says why, and what to do."""


def home() -> Path | None:
    """Return the user's home folder, which need not exist: $HOME, else what the system's list of users says.

    A HOME that is empty or relative does not count. None for a user who has no home.
    """
    named = os.environ.get("HOME", "")
    if not os.path.isabs(named):
        try:
            named = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            return None
    return Path(named) if os.path.isabs(named) else None


def expand_home(text: str) -> Path:
    """Return the path with `~` and `~user` at its start replaced, as a shell does.

    A name such as `~copy`, of which no user has the name, stays as it is. Raises PathError for `~` without a home.
    """
    first, _, rest = text.partition("/")
    if first != "~":
        return Path(os.path.expanduser(text))
    folder = home()
    if folder is None:
        raise PathError(f"{text} cannot be found, because this user has no home folder: set HOME, or write it in full.")
    return folder / rest.lstrip("/")


def absolute(path: str | Path, base: Path | None = None) -> Path:
    """Return the whole path: `~` replaced, and if it is relative, below `base` (without it the working folder).

    Paths are completed when the program starts, because a library may change the working folder (lgpio does). Raises
    PathError if that is not possible.
    """
    if "\0" in str(path):
        raise PathError(f"{path} cannot be found, because no path has a NUL character: write it again.")
    expanded = expand_home(str(path))
    if not expanded.is_absolute():
        try:
            expanded = (base or Path.cwd()) / expanded
        except FileNotFoundError:
            raise PathError(
                f"{path} cannot be found, because the working folder was deleted: change to another folder."
            ) from None
    # the ".." of `a/link/..` is the folder above the link's target, so it cannot just be crossed out
    return expanded.resolve() if ".." in expanded.parts else expanded


def user_folder(find: Callable[[], Path], variable: str, name: str) -> Path:
    """Return the folder that `find` finds by the rules of platformdirs, or else `name` in the stand-in for the home.

    It is in the stand-in if the home folder cannot be written to, unless the folder exists or the environment
    variable of platformdirs' rule names its place. Raises PathError if there is neither a home nor a stand-in.
    """
    try:
        folder: Path | None = find().expanduser()  # some versions of platformdirs leave a "~"
    except RuntimeError:
        folder = None
    is_named = os.path.isabs(os.environ.get(variable, ""))
    if folder is not None and (is_named or has_usable_home() or os.path.isdir(folder)):
        return folder
    stand_in = stand_in_home()
    if stand_in is not None:
        return stand_in / name
    if folder is not None:
        return folder
    raise PathError(
        f"The user {os.getuid()} has no home folder: set HOME or {variable} to a folder that this user can write to."
    )


def has_usable_home() -> bool:
    """Return whether the user's home folder can be written to, or created."""
    folder = home()
    if folder is None:
        return False
    return is_writable(existing_parent(folder))


def existing_parent(folder: Path) -> Path:
    """Return the folder itself, or the nearest above it that exists, as far as this user may know."""
    return next(parent for parent in (folder, *folder.parents) if os.path.exists(parent))


def is_writable(folder: Path) -> bool:
    """Return whether this is a folder in which this user may create files."""
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def is_in_stand_in(folder: Path) -> bool:
    """Return whether `user_folder` gave a folder in the stand-in for the home."""
    return folder.parent.name == _stand_in_name()


def stand_in_home() -> Path | None:
    """Return a folder of this user alone that stands in for a home, and create it; None where that is not possible.

    It is in `STAND_IN_PARENT`, else in the folder for temporary files. Everybody can write there, so a folder of the
    name is only used if it belongs to this user.
    """
    parents = [STAND_IN_PARENT]
    with suppress(FileNotFoundError):  # no folder for temporary files can be written to
        parents.append(Path(tempfile.gettempdir()))
    for parent in parents:
        folder = parent / _stand_in_name()
        with suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
            status = folder.lstat()
            is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022
            if is_own and os.access(folder, os.W_OK | os.X_OK):
                return folder
    return None


def _stand_in_name() -> str:
    return f"pose-mirror-{os.getuid()}"
