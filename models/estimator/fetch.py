"""Download a model of the catalogue into the cache folder: the only module of this package that opens a connection."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import IO, Final
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from models import files
from models.estimator.catalogue import Model, find_in_catalogue, suggest_names
from models.estimator.model_files import (
    FOLDER_VARIABLE,
    ModelNotFoundError,
    cache_folder,
    find_installed,
    find_model,
    verify,
)
from models.estimator.surgery import ModelError

SERVER_TIMEOUT: Final = 30.0
"""Seconds that a server may stay silent: long enough for a slow one, short enough for a person who waits."""

CHUNK_BYTES: Final = 1 << 16
"""Bytes to read at a time: small, so that progress is reported often."""

DownloadCallback = Callable[[int, int], object]
"""Called with the bytes received so far, and the total."""


class FetchError(OSError):
    """A model cannot be downloaded; the message is a sentence that says why, and what to do."""


def fetch_model(name: str, progress: DownloadCallback | None = None) -> Path:
    """Return the file of a model of the catalogue; download it if it is missing, or damaged in the cache folder.

    A download that fails or is interrupted leaves no file behind. Raises FetchError; ModelNotFoundError if the
    catalogue has no such model; ModelError if the file in `$POSE_MIRROR_MODELS`, or the bundled model, is damaged.
    """
    model = find_in_catalogue(name)
    if model is None:
        raise ModelNotFoundError(f"There is no model {name}: {suggest_names(name)}.")
    if not model.url:
        return find_model(name)
    target = cache_folder() / model.file_name
    installed = find_installed(model)
    if installed is not None:
        try:
            return verify(installed, model)
        except ModelError:
            if installed != target:  # a user's own file is not replaced
                raise
    _download(model, target, progress or (lambda done, total: None))
    return target


def _download(model: Model, target: Path, progress: DownloadCallback) -> None:
    """Download into a file next to the target, and rename it once it is complete and on the disk."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=target.parent, prefix=f"{model.file_name}.", suffix=".part", delete=False
        ) as part:
            try:
                _receive(model, part, progress)
                with suppress(OSError):  # FAT and some network disks have no modes
                    os.fchmod(part.fileno(), 0o644)
                _put(Path(part.name), target, model)
            except BaseException:
                with suppress(OSError):
                    os.unlink(part.name)
                raise
        files.sync_folder(target.parent)
    except FetchError:
        raise
    except OSError as error:
        raise _fetch_error(model, _disk_error(error, target.parent, model)) from error


def _put(part: Path, target: Path, model: Model) -> None:
    """Give a complete download its name. Another download of the same model may have been quicker. Raises OSError."""
    try:
        files.replace(part, target)
    except OSError as error:
        try:
            verify(target, model)
        except (OSError, ModelError):
            raise error from None
        part.unlink(missing_ok=True)


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
        raise _fetch_error(model, f"the download has the sha256 {digest.hexdigest()[:16]}…, not {model.sha256[:16]}…")
    part.flush()
    files.sync_file(part.fileno())


def _download_chunks(model: Model) -> Iterator[bytes]:
    """Yield what the server sends. Raises FetchError for every fault of the network or the server."""
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


def _fetch_error(model: Model, reason: str) -> FetchError:
    return FetchError(
        f"{model.name} cannot be downloaded: {reason}; try again, or put {model.file_name} from {model.url} into "
        f"{cache_folder()} or a folder that {FOLDER_VARIABLE} names."
    )


def _disk_error(error: OSError, folder: Path, model: Model) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"there is no room for {model.bytes / 1e6:.1f} MB in {folder}"
    return f"{folder} cannot be written to ({files.explain(error, folder) or error.strerror or error})"
