"""Sidecars: files next to a photo that say something about it, as phones, cloud services and photo editors write them.

Their title, author, licence and source are used for the photo. Other files that such programs leave, such as previews,
edits and the moving part of a Live Photo, are neither photos nor faults.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from index import mojibake, web
from index.build.foreign_names import fold_name
from index.credit import NO_CREDIT, Credit, clean_date, clean_text
from index.picture_credit import read_xmp_credit
from index.pictures import PictureError, read_bytes

IGNORED_FOLDERS: Final = frozenset(
    map(
        fold_name,
        ("@eaDir", "__MACOSX", "$RECYCLE.BIN", "System Volume Information", "#recycle", "@Recycle", "lost+found"),
    )
)
"""Folders that systems make by themselves: previews, forks of files, and what somebody threw away."""

IGNORED_NAMES: Final = frozenset(
    map(fold_name, ("Thumbs.db", "ehthumbs.db", "desktop.ini", "Picasa.ini", "archive_browser.html", "Icon\r"))
)
"""Files that systems and exports put into folders of photos."""

IGNORED_SUFFIXES: Final = frozenset(
    (".aae", ".thm", ".lrv", ".xmp", ".pp3", ".dop", ".cos", ".vrd", ".on1", ".nksc", ".modd", ".moff", ".lnk", ".url")
)
"""Files of cameras and photo editors: edits without the picture, previews, subtitles of films, links."""

PICTURE_SUFFIXES: Final = frozenset((".heic", ".heif", ".jpg", ".jpeg", ".hif", ".dng"))
"""Pictures that phones store together with a film of the moment around them, a Live Photo or motion photo."""

MOTION_SUFFIXES: Final = frozenset((".mov", ".mp4", ".mp", ".mv"))
"""The film of such a pair, which has the picture's name."""

MAX_JSON_BYTES: Final = 1_000_000
"""Sidecars are much smaller. A larger JSON file is something else, such as a file of labels."""

TAKEOUT_SUFFIX: Final = ".supplemental-metadata"
"""What Google's export puts between a photo's name and `.json`; of long names, it drops what is over 46 characters."""

MIN_CUT_LENGTH: Final = 40
"""Characters from which a sidecar's name may be that of a photo, cut off."""

EDITED: Final = re.compile(
    r"(.+)-(?:edited|bearbeitet|modifié|editado|ha editado|editada|modificato|bewerkt|edytowane|redigerad|redigeret|"
    r"redigert|muokattu|upraveno|düzenlendi|изменено|編集済み|已修改|已編輯|수정됨|effects|smile|mix|collage)"
)
"""What Google's export appends to the name of an edited photo, by the language of its owner."""

JSON_KEYS: Final[Mapping[str, Sequence[str]]] = {
    "author": ("author", "creator", "artist", "photographer", "contentOwnerName", "owner", "uploader"),
    "licence": ("licence", "license"),
    "licence_url": ("licence_url", "license_url"),
    "source_url": ("source_url", "photopage", "url"),
}
"""Keys of the credit in a JSON sidecar, by the programs that write such files."""


class Sidecars:
    """Tells the photos among a folder's files from the rest, and gives the credit that a photo's sidecars have."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        """Sort the names of all files in a folder, and match sidecars with photos."""
        self._folder = folder
        self._xmp = {fold_name(name): name for name in names if name.lower().endswith(".xmp")}
        self._json = {_split_json_name(name): name for name in names if name.lower().endswith(".json")}
        self._json_by_photo: dict[str, str] = {}
        stems = {fold_name(Path(name).stem) for name in names if _suffix(name) in PICTURE_SUFFIXES}
        self.names = [name for name in names if not _is_ignored(name) and not _is_motion(name, stems)]
        for name in self.names:
            if not name.lower().endswith(".json") and (sidecar := self._find_json(name)) is not None:
                self._json_by_photo[name] = sidecar
        sidecars = set(self._json_by_photo.values())
        sidecars |= {name for name in self._json.values() if name not in sidecars and self._is_orphan(name)}
        self.names = [name for name in self.names if name not in sidecars]

    def credit(self, name: str) -> Credit:
        """Return the credit that the sidecars of a photo give; one of a photo editor counts before one of a service."""
        credit = NO_CREDIT
        stem = name.removesuffix(_suffix(name, fold=False))
        for candidate in (f"{name}.xmp", f"{stem}.xmp"):
            sidecar = self._xmp.get(fold_name(candidate))
            if sidecar is not None:
                credit = credit.completed_by(read_xmp_credit(self._read(sidecar)))
        if name in self._json_by_photo:
            document = self._load(self._json_by_photo[name]) or {}
            credit = credit.completed_by(_credit_from_json(document))
        return credit

    def _find_json(self, name: str) -> str | None:
        """Return the name of a photo's JSON sidecar.

        Besides `IMG.jpg.json` and `IMG.json` these are the names in Google's export: `IMG.jpg.supplemental-meta.json`,
        cut off anywhere; `IMG.jpg(1).json` for `IMG(1).jpg`; and the sidecar of `IMG.jpg` for `IMG-edited.jpg`.
        """
        suffix = _suffix(name, fold=False)
        stem = name.removesuffix(suffix)
        plain, number = _split_number(stem)
        edited = EDITED.fullmatch(plain)
        for base_stem, base_number in ((stem, ""), (plain, number), (edited[1] if edited else "", number)):
            if not base_stem:
                continue
            base = fold_name(base_stem + suffix)
            full = base + TAKEOUT_SUFFIX
            lengths = [*range(len(full), min(len(base), MIN_CUT_LENGTH) - 1, -1), len(fold_name(base_stem))]
            for length in lengths:
                if (length >= len(base) or length >= MIN_CUT_LENGTH or length == lengths[-1]) and (
                    sidecar := self._json.get((full[:length], base_number))
                ):
                    return sidecar
        return None

    def _is_orphan(self, name: str) -> bool:
        """Return whether a JSON file without a photo is a sidecar, or one about an album, and no file of labels."""
        document = self._load(name)
        return document is not None and "annotations" not in document

    def _load(self, name: str) -> Mapping[str, Any] | None:
        """Return a JSON sidecar's values; None if it is not one."""
        data = self._read(name)
        if not data or len(data) > MAX_JSON_BYTES:
            return None
        try:
            document = json.loads(data.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None

    def _read(self, name: str) -> bytes:
        try:
            return read_bytes(self._folder / name)
        except PictureError:  # the photo can be used without it
            return b""


def is_ignored_folder(name: str) -> bool:
    """Return whether a folder is hidden or made by a system for itself."""
    return name.startswith(".") or fold_name(name) in IGNORED_FOLDERS


def _is_ignored(name: str) -> bool:
    return name.startswith(".") or fold_name(name) in IGNORED_NAMES or _suffix(name) in IGNORED_SUFFIXES


def _is_motion(name: str, stems: set[str]) -> bool:
    """Return whether a file is the film of a pair; `stems` are the pictures' names without their endings."""
    stem, suffix = fold_name(Path(name).stem), _suffix(name)
    return suffix in MOTION_SUFFIXES and (stem in stems or (suffix == ".mp" and fold_name(name) in stems))


def _suffix(name: str, *, fold: bool = True) -> str:
    suffix = Path(name).suffix
    return suffix.lower() if fold else suffix


def _split_json_name(name: str) -> tuple[str, str]:
    """Return what a JSON sidecar's name begins with, and the number in brackets after it."""
    return _split_number(fold_name(name[: -len(".json")]))


def _split_number(stem: str) -> tuple[str, str]:
    match = re.fullmatch(r"(.+?)(\(\d+\))", stem)
    return (stem, "") if match is None else (match[1], match[2])


def _credit_from_json(document: Mapping[str, Any]) -> Credit:
    texts = {field: next(_texts(document, keys), None) for field, keys in JSON_KEYS.items()}
    if not web.is_url(texts["source_url"] or ""):
        texts["source_url"] = None
    return Credit(title=_title_from_json(document), date=_date_from_json(document), **texts)


def _title_from_json(document: Mapping[str, Any]) -> str | None:
    """Return a sidecar's title; in its place the description, if the title is only the name of a file."""
    title = next(_texts(document, ("title", "name")), None)
    description = next(_texts(document, ("description", "caption")), None)
    if title is None or not re.search(r"\.\w{2,5}$", title):
        return title or description
    return description or clean_text(Path(title).stem.replace("_", " "))


def _date_from_json(document: Mapping[str, Any]) -> str | None:
    """Return the day of a photo in UTC: Google's export gives seconds, other programs a date in figures."""
    taken = document.get("photoTakenTime")
    try:
        seconds = int(taken["timestamp"]) if isinstance(taken, dict) else None
        moment = None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        moment = None
    return clean_date(next(_texts(document, ("date_taken", "date", "created")), None) if moment is None else moment)


def _texts(document: Mapping[str, Any], keys: Sequence[str]) -> Iterator[str]:
    """Yield the texts under some keys; a person's name may be in an object of its own."""
    for key in keys:
        value = document.get(key)
        if isinstance(value, dict):
            value = value.get("name")
        if isinstance(value, str) and (text := clean_text(mojibake.repair(value))):
            yield text
