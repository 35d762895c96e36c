"""Paths of the configuration and the command line, and the folders used when they name none.

Those are the user's own, found by the XDG rules of the desktop. `platformdirs` knows these rules: for example, a German
desktop's `user-dirs.dirs` says that pictures are in `~/Bilder`.
"""

from __future__ import annotations

import logging
import os
import re
from functools import cache
from pathlib import Path
from typing import Final

import platformdirs

from models.estimator.catalogue import find_in_catalogue
from models.estimator.model_files import AUTO
from models.home import absolute, is_in_stand_in, user_folder

CAMERA_NAME: Final = re.compile(r"auto|performer|(pi|usb)(:.*)?|[a-zA-Z]+://.*", re.DOTALL)
"""A source of frames that is not a path: a camera's name, or an address, which no camera has."""

log = logging.getLogger(__name__)


def library_folder(folder: str) -> Path:
    """Return the library's folder. Empty means the starter library."""
    return absolute(folder) if folder else starter_folder()


def starter_folder() -> Path:
    """Return the folder of the starter library. Raises PathError for a user without any folder of their own."""
    return _warn_of_stand_in(
        user_folder(lambda: platformdirs.user_data_path("pose-mirror") / "starter", "XDG_DATA_HOME", "starter")
    )


def language_folder() -> Path:
    """Return the folder for translations of the maker's own. Raises PathError as `starter_folder` does."""
    return user_folder(lambda: platformdirs.user_data_path("pose-mirror") / "languages", "XDG_DATA_HOME", "languages")


def gif_folder(folder: str) -> Path:
    """Return the folder for GIFs. Empty means "Pose Mirror" in the user's pictures."""
    if folder:
        return absolute(folder)
    return _warn_of_stand_in(
        user_folder(lambda: platformdirs.user_pictures_path() / "Pose Mirror", "XDG_PICTURES_DIR", "Pose Mirror")
    )


def named_folder(folder: str, base: Path | None = None) -> str:
    """Return a folder's path completed; an empty one stays empty. Raises PathError."""
    return str(absolute(folder, base)) if folder else ""


def camera_source(source: str, base: Path | None = None) -> str:
    """Return a source of frames with its path completed, if it is a path. Raises PathError."""
    return source if not source or CAMERA_NAME.fullmatch(source) else str(absolute(source, base))


def model_source(name: str, base: Path | None = None) -> str:
    """Return a model's name as it is, and the path of a model's file completed. Raises PathError.

    Whatever is neither a name of the catalogue nor looks like a path stays as it is, so that the error about a mistyped
    name quotes what was typed.
    """
    if name == AUTO or (os.sep not in name and find_in_catalogue(name)):
        return name
    path = absolute(name, base) if name else Path()
    is_path = os.sep in name or name.startswith("~") or name.endswith(".tflite") or os.path.isfile(path)
    return str(path) if name and is_path else name


def _warn_of_stand_in(folder: Path) -> Path:
    if is_in_stand_in(folder):
        _log_stand_in(folder.parent)
    return folder


@cache
def _log_stand_in(folder: Path) -> None:
    log.warning(
        "This user has no home folder that can be written to, so the starter library and GIFs are kept in %s: "
        "set HOME to keep them elsewhere.",
        folder,
    )
