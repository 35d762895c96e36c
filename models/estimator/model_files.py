"""The files of models: find them on this machine, verify them, and choose the one to use.

A downloaded model is searched for in `$POSE_MIRROR_MODELS`, then in the cache folder, where `fetch_model` puts it. The
bundled model is only searched for in the program's own folder, so that it is always of the program's version.
"""

from __future__ import annotations

import hashlib
import logging
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import platformdirs

from models.estimator.catalogue import BUNDLED_MODEL, DEFAULT_MODEL, Model, find_in_catalogue, suggest_names
from models.estimator.surgery import ModelError
from models.home import PathError, absolute, user_folder
from models.permissions import explain_refusal

AUTO: Final = "auto"
"""Stands for a model's name: `DEFAULT_MODEL` if its file is here and undamaged, else `BUNDLED_MODEL`."""

WEIGHTS_FOLDER: Final = Path(__file__).parents[1] / "weights"
"""The folder of the bundled model."""

FOLDER_VARIABLE: Final = "POSE_MIRROR_MODELS"
"""The environment variable that names a user's own folder of models, or several, separated by colons."""

POSENET_MISSING_NOTE: Final = (
    "Poses come from the bundled model, which was trained only on drawn people: `pose-mirror models fetch` gets "
    "PoseNet, which finds real people better."
)
POSENET_DAMAGED_NOTE: Final = (
    "Poses come from the bundled model, because PoseNet's file is damaged: `pose-mirror models fetch` gets it again."
)
REINSTALL_HINT: Final = "install Pose Mirror again, or run `pose-mirror models fetch`"

log = logging.getLogger(__name__)


class SelectedModel(NamedTuple):
    """The file of the model to use.

    `note` is a sentence to show once if this is not the best model, and `fault` says what is wrong with the best
    model's file, if there is one.
    """

    file: Path
    note: str | None = None
    fault: str | None = None

    def log_warnings(self) -> None:
        """Log the fault and the note, if there are any."""
        for sentence in (self.fault, self.note):
            if sentence:
                log.warning("%s", sentence)


class ModelNotFoundError(FileNotFoundError):
    """The model is not on this machine; the message is a sentence that says what to do."""


def cache_folder() -> Path:
    """Return the folder of downloaded models. Raises PathError for a user without any folder of their own."""
    return user_folder(lambda: platformdirs.user_cache_path("pose-mirror") / "models", "XDG_CACHE_HOME", "models")


def find_model(name: str) -> Path:
    """Return the file of a model, by its name in the catalogue or by the path of a .tflite file.

    A file with a name of the catalogue is verified, wherever it is. Raises ModelNotFoundError if there is no such file,
    and ModelError if it is damaged.
    """
    model = None if os.sep in name else find_in_catalogue(name)
    if model is None:
        return _find_user_file(name)
    file = find_installed(model)
    if file is None:
        raise ModelNotFoundError(_missing_message(model))
    return verify(file, model)


def select_model(name: str = AUTO) -> SelectedModel:
    """Return the model of a name or path as `find_model` does, or with `AUTO` the best undamaged one.

    Raises what `find_model` raises; with `AUTO` only if the bundled model cannot be used either.
    """
    if name != AUTO:
        return SelectedModel(find_model(name))
    try:
        return SelectedModel(find_model(DEFAULT_MODEL))
    except ModelNotFoundError:
        return SelectedModel(find_model(BUNDLED_MODEL), POSENET_MISSING_NOTE)
    except ModelError as error:
        return SelectedModel(find_model(BUNDLED_MODEL), POSENET_DAMAGED_NOTE, str(error))


def require_model(name: str = AUTO) -> Path:
    """Return the file of `select_model`'s model for a command that a person waits for, and log its note.

    Raises ModelError also if the best model's file is damaged: a person can download it again, and then gets the better
    result. (A mirror cannot wait for that, and uses `select_model`.)
    """
    model = select_model(name)
    if model.fault:
        raise ModelError(model.fault)
    model.log_warnings()
    return model.file


def find_installed(model: Model) -> Path | None:
    """Return the first file of the model's name in the folders to search, unverified; None if there is none."""
    folders = _search_folders() if model.url else [WEIGHTS_FOLDER]
    files = (folder / model.file_name for folder in folders)
    return next((file for file in files if os.path.isfile(file)), None)


def verify(file: Path, model: Model, remedy: str | None = None) -> Path:
    """Return the file if its checksum is the catalogue's; raises ModelError, which names the remedy, otherwise."""
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            size = stream.tell()
    except OSError as error:
        raise ModelError(f"{file} {explain_refusal(file) or f'cannot be read ({error.strerror})'}.") from error
    if digest == model.sha256:
        return file
    fetch_hint = f"delete it and run `pose-mirror models fetch {model.name}`" if model.url else REINSTALL_HINT
    raise ModelError(
        f"{file} is damaged: it has {size} bytes with the sha256 {digest[:16]}…, and should have {model.bytes} bytes "
        f"with {model.sha256[:16]}…; {remedy or fetch_hint}."
    )


def _find_user_file(name: str) -> Path:
    file = absolute(name)
    if not os.path.isfile(file):
        raise ModelNotFoundError(_unknown_message(name, file))
    model = find_in_catalogue(file.name) if file.suffix == ".tflite" else None
    return verify(file, model, f"copy it again, or use {model.name} without a folder") if model else file


def _unknown_message(name: str, file: Path) -> str:
    refusal = explain_refusal(file) if os.sep in name else None
    if refusal:
        return f"{file} {refusal}."
    if os.path.isdir(file):
        return f"{file} is a folder: name the .tflite file in it."
    if os.sep in name:
        return f"There is no file {file}: name a .tflite file, or a model that `pose-mirror models list` shows."
    return f"There is no model or file {name}: {suggest_names(name)}."


def _missing_message(model: Model) -> str:
    if not model.url:
        return f"The bundled model {model.name} is missing from {WEIGHTS_FOLDER}: {REINSTALL_HINT}."
    place = next(iter(_search_folders()), f"a folder that {FOLDER_VARIABLE} names")
    return (
        f"The model {model.name} is not here: run `pose-mirror models fetch {model.name}`, "
        f"or put {model.file_name} into {place}."
    )


@cache
def _warn_once(sentence: str) -> None:
    log.warning("%s", sentence)


def _search_folders() -> list[Path]:
    """Return the folders that `FOLDER_VARIABLE` names, separated by colons, and then the cache folder."""
    named = os.environ.get(FOLDER_VARIABLE, "")
    names = [named] if os.path.isdir(named) else [name.strip() for name in named.split(os.pathsep)]
    try:
        folders = [absolute(name) for name in names if name]
    except PathError as error:
        raise PathError(f"{FOLDER_VARIABLE} names a folder that is not known: {error}") from error
    for folder in folders:
        problem = explain_refusal(folder) or ("" if os.path.isdir(folder) else "does not exist")
        if problem:
            _warn_once(f"{FOLDER_VARIABLE} names {folder}, which {problem}.")
    with suppress(PathError):  # a user without any folder of their own has no cache
        folders.append(cache_folder())
    return folders
