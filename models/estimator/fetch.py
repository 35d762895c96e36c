"""The models: which there are, where they lie, and how they come from the network; each checked wherever it came from.

A model is looked for in `$POSE_MIRROR_MODELS`, then in the cache, `$XDG_CACHE_HOME/pose-mirror/models`, where `fetch_model`
puts it. One comes with the program, and is looked for there alone. Nothing but `fetch_model` opens a connection.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from difflib import get_close_matches
from functools import cache
from http.client import HTTPException
from importlib.resources import files
from pathlib import Path
from typing import IO, Final, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from models.estimator.surgery import ModelError

DEFAULT_MODEL: Final = "posenet_mobilenet_v1_075_353_481_quant_decoder"
"""The model that `fetch_model` is to get, and the one to take wherever it is."""

BUNDLED_MODEL: Final = "posenet_drawn"
"""The model that comes with the program, for wherever the other is not."""

AUTO: Final = "auto"
"""Said in place of a model's name: DEFAULT where it is here and whole, else OWN."""

WEIGHTS_FOLDER: Final = Path(__file__).parents[1] / "weights"
"""Where the models lie that come with the program."""

FOLDER_VARIABLE: Final = "POSE_MIRROR_MODELS"

BUNDLED_NOTE: Final = "Poses are estimated by the program's own network, trained on drawn people alone"
POSENET_MISSING_NOTE: Final = (
    f"{BUNDLED_NOTE}: `pose-mirror models fetch` gets PoseNet, which finds real people better."
)
POSENET_DAMAGED_NOTE: Final = (
    f"{BUNDLED_NOTE}, for PoseNet's file is damaged: `pose-mirror models fetch` gets it again."
)

REINSTALL_HINT: Final = "install Pose Mirror again, or run `pose-mirror models fetch`"

SERVER_TIMEOUT: Final = 30.0
"""Seconds that a server may say nothing."""

CHUNK_BYTES: Final = 1 << 16

DownloadCallback = Callable[[int, int], object]
"""Called with the bytes that are here, and of how many."""

log = logging.getLogger(__name__)


class Model(NamedTuple):
    """A model of the catalogue."""

    name: str
    url: str
    """Empty: it comes with the program."""
    sha256: str
    bytes: int
    licence: str
    size: tuple[int, int]
    """Height and width of its input, in pixels."""
    edgetpu: str | None
    """The name of the same model compiled for the Edge TPU."""
    about: str

    @property
    def file_name(self) -> str:
        return f"{self.name}.tflite"


class SelectedModel(NamedTuple):
    """The file of a model to use.

    `note` is a sentence to say once where it is not the one to wish for, and `fault` what is wrong with that one's file
    where there is one.
    """

    file: Path
    note: str | None = None
    fault: str | None = None

    def log_warnings(self) -> None:
        """Say in the log what there is to say."""
        for sentence in (self.fault, self.note):
            if sentence:
                log.warning("%s", sentence)


class ModelNotFoundError(FileNotFoundError):
    """There is no such model here; the message is a sentence that says what to do."""


class FetchError(OSError):
    """A model cannot be fetched; the message is a sentence that says why, and what to do."""


@cache
def catalogue() -> list[Model]:
    """The models there are, in the order in which to list them."""
    text = files("models").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return [
        Model(
            name=name,
            url=entry.get("url", ""),
            sha256=entry["sha256"],
            bytes=entry["bytes"],
            licence=entry["licence"],
            size=(entry["size"][0], entry["size"][1]),
            edgetpu=entry.get("edgetpu"),
            about=entry["about"],
        )
        for name, entry in tomllib.loads(text).items()
    ]


def edgetpu_variant(name: str) -> str | None:
    """The name of the same model compiled for the Edge TPU; None where the catalogue has none, or has not the model."""
    model = _find_in_catalogue(Path(name).name)
    return model.edgetpu if model else None


def cache_folder() -> Path:
    """Where `fetch_model` puts models."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "pose-mirror" / "models"


def find_model(name: str) -> Path:
    """The file of a model, by its name in the catalogue or a path of a .tflite file.

    Raises ModelMissing when it is not here, and ModelError when a file of the catalogue's name is not the catalogue's.
    """
    model = None if os.sep in name else _find_in_catalogue(name)
    if model is None:
        return _find_user_file(Path(name).expanduser())
    file = _find_installed(model)
    if file is None:
        raise ModelNotFoundError(_missing_message(model))
    return _verify(file, model)


def select_model(name: str = AUTO) -> SelectedModel:
    """The model of a name or a path, as `find_model` has it, or with AUTO the best that is here and whole.

    Raises as `find_model`; with AUTO only where the program's own model cannot be used either.
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
    """The file of the `select_model` model, for work that somebody waits for; its note is said in the log.

    Raises ModelError also where the file to wish for is damaged: they can get it again, and work with the better one.
    """
    model = select_model(name)
    if model.fault:
        raise ModelError(model.fault)
    model.log_warnings()
    return model.file


def fetch_model(name: str, progress: DownloadCallback | None = None) -> Path:
    """The file of a model of the catalogue, downloaded when it is not here, or damaged in the cache.

    A download that fails, or is interrupted, leaves nothing behind. Raises FetchError; ModelMissing when the catalogue
    has no such model; ModelError when the file in `$POSE_MIRROR_MODELS`, or one of the program's own, is damaged.
    """
    model = _find_in_catalogue(name)
    if model is None:
        raise ModelNotFoundError(f"There is no model {name} in the catalogue; {_suggestion(name)}.")
    if not model.url:
        return find_model(name)
    target = cache_folder() / model.file_name
    here = _find_installed(model)
    if here is not None:
        try:
            return _verify(here, model)
        except ModelError:
            if here != target:
                raise
    _download(model, target, progress or (lambda done, total: None))
    return target


def _download(model: Model, target: Path, progress: DownloadCallback) -> None:
    """Into a file beside the target, and renamed when it is whole and on the disk."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=target.parent, prefix=f"{model.file_name}.", suffix=".part", delete=False
        ) as part:
            try:
                _receive(model, part, progress)
                os.fchmod(part.fileno(), 0o644)
                os.replace(part.name, target)
            except BaseException:
                with suppress(OSError):
                    os.unlink(part.name)
                raise
        _sync_folder(target.parent)
    except FetchError:
        raise
    except OSError as error:
        raise _fetch_error(model, _disk_error(error, target.parent, model)) from error


def _receive(model: Model, part: IO[bytes], progress: DownloadCallback) -> None:
    digest, done = hashlib.sha256(), 0
    progress(0, model.bytes)
    for chunk in _download_chunks(model):
        part.write(chunk)
        digest.update(chunk)
        done += len(chunk)
        if done > model.bytes:
            raise _fetch_error(model, f"the server sends more than its {model.bytes} bytes")
        progress(done, model.bytes)
    if done < model.bytes:
        raise _fetch_error(model, f"the connection ended after {done} of {model.bytes} bytes")
    if digest.hexdigest() != model.sha256:
        raise _fetch_error(model, f"what came has the sha256 {digest.hexdigest()[:16]}…, not {model.sha256[:16]}…")
    part.flush()
    os.fsync(part.fileno())


def _download_chunks(model: Model) -> Iterator[bytes]:
    """What the server sends. Raises FetchError for all that can go wrong between here and there."""
    try:
        with urlopen(model.url, timeout=SERVER_TIMEOUT) as answer:
            while chunk := answer.read(CHUNK_BYTES):
                yield chunk
    except HTTPError as error:
        error.close()
        raise _fetch_error(model, f"the server answers {error.code} {error.reason}") from error
    except URLError as error:
        raise _fetch_error(model, f"the server cannot be reached ({error.reason})") from error
    except (OSError, HTTPException) as error:
        raise _fetch_error(model, f"the connection was lost ({error})") from error


def _fetch_error(model: Model, why: str) -> FetchError:
    return FetchError(
        f"{model.name} cannot be fetched: {why}; try again, or put {model.file_name} from {model.url} into {cache_folder()} "
        f"or a folder that {FOLDER_VARIABLE} names."
    )


def _disk_error(error: OSError, folder: Path, model: Model) -> str:
    if error.errno == errno.ENOSPC:
        return f"there is no room for {model.bytes / 1e6:.1f} MB in {folder}"
    return f"{folder} cannot be written to ({error.strerror or error})"


def _sync_folder(folder: Path) -> None:
    """Have the new name on the disk as well."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _find_user_file(file: Path) -> Path:
    """A file of one's own; one that has a catalogue's name has to be the catalogue's."""
    if not file.is_file():
        raise ModelNotFoundError(f"There is no model, and no file, {file}; {_suggestion(file.name)}.")
    model = _find_in_catalogue(file.name)
    return _verify(file, model) if model else file


def _find_installed(model: Model) -> Path | None:
    """The first file of its name in the folders where it is looked for."""
    folders = _search_folders() if model.url else [WEIGHTS_FOLDER]
    return next((folder / model.file_name for folder in folders if (folder / model.file_name).is_file()), None)


def _missing_message(model: Model) -> str:
    if not model.url:
        return f"The model {model.name}, which comes with Pose Mirror, is not in {WEIGHTS_FOLDER}: {REINSTALL_HINT}."
    return (
        f"The model {model.name} is not here: run `pose-mirror models fetch {model.name}`, "
        f"or put {model.file_name} into {_search_folders()[0]}."
    )


def _verify(file: Path, model: Model) -> Path:
    """The file, once it is known to be the catalogue's."""
    try:
        with file.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
            size = opened.tell()
    except OSError as error:
        raise ModelError(f"{file} cannot be read ({error.strerror}).") from error
    if found == model.sha256:
        return file
    remedy = f"delete it and run `pose-mirror models fetch {model.name}`" if model.url else REINSTALL_HINT
    raise ModelError(
        f"{file} is damaged: its {size} bytes have the sha256 {found[:16]}…, and should be {model.bytes} bytes with "
        f"{model.sha256[:16]}…; {remedy}."
    )


def _search_folders() -> list[Path]:
    own = os.environ.get(FOLDER_VARIABLE)
    return [Path(own).expanduser(), cache_folder()] if own else [cache_folder()]


def _find_in_catalogue(name: str) -> Model | None:
    stem = name.removesuffix(".tflite")
    return next((model for model in catalogue() if model.name == stem), None)


def _suggestion(name: str) -> str:
    names = [model.name for model in catalogue()]
    near = get_close_matches(name.removesuffix(".tflite"), names, n=3, cutoff=0.5) or names
    return f"the catalogue has {', '.join(near)}"
