"""The folders used when the configuration names none: the user's own, found by the XDG rules of the desktop.

`platformdirs` knows those rules: for example, a German desktop's `user-dirs.dirs` says that pictures are in `~/Bilder`.
"""

from __future__ import annotations

from pathlib import Path

import platformdirs


def library_folder(folder: str) -> Path:
    """Return the library's folder. Empty means the starter library."""
    return Path(folder).expanduser() if folder else starter_folder()


def starter_folder() -> Path:
    """Return the folder of the starter library. Raises RuntimeError for a user without a home folder."""
    # where there is no home, some versions of platformdirs leave a "~", which expanduser refuses
    return platformdirs.user_data_path("pose-mirror").expanduser() / "starter"


def gif_folder(folder: str) -> Path:
    """Return the folder for GIFs. Empty means "Pose Mirror" in the user's pictures."""
    return Path(folder).expanduser() if folder else platformdirs.user_pictures_path().expanduser() / "Pose Mirror"
