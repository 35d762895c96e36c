"""Where things are kept when the configuration does not say: the user's own folders, by the XDG rules."""

from __future__ import annotations

import os
from pathlib import Path


def library_folder(folder: str) -> Path:
    """The library's folder; empty: the starter library."""
    return Path(folder).expanduser() if folder else starter_folder()


def starter_folder() -> Path:
    """Where the drawn starter library is kept."""
    return _xdg_folder("XDG_DATA_HOME", "~/.local/share") / "pose-mirror" / "starter"


def gif_folder(folder: str) -> Path:
    """The folder for GIFs; empty: one in the user's pictures."""
    return Path(folder).expanduser() if folder else _xdg_folder("XDG_PICTURES_DIR", "~/Pictures") / "Pose Mirror"


def _xdg_folder(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or default).expanduser()
