"""Contact sheets: a page that shows all pictures of a library in small, on which people strike out what they reject.

The page is one file, because some browsers keep apart what two files on a disk store. It loads each sheet, a script
with the credits of some pictures, when somebody turns to it; so it opens at once however many pictures there are.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from index import pictures
from index.build import swap
from index.build.sheets_page import FIRST_LINE, SheetsFacts, render_page, render_sheet
from index.collection import collection_key
from index.errors import LibraryError
from index.library import Item, Library
from index.manifest import PICTURE_NAME_PATTERN
from index.pictures import PictureError
from models import files
from models.progress import ProgressCallback
from models.text import printable, shell_word

PICTURES_PER_SHEET: Final = 200

THUMBNAIL_SIDE, THUMBNAIL_QUALITY = 240, 72
"""Pixels of a thumbnail's longer side, so that one sees what people do in it, and its JPEG quality. It takes 8 kB."""

JPEG_END: Final = b"\xff\xd9"
"""The last bytes of a JPEG. After a power cut, a file may lack them."""

PAGE: Final = "index.html"
SHEETS_FOLDER, THUMBNAILS_FOLDER = "sheets", "thumbnails"

OWN_FILES: Final = re.compile(
    rf"{PAGE}|{SHEETS_FOLDER}/\d{{4,}}\.js|{THUMBNAILS_FOLDER}/[0-9a-f]{{2}}/{PICTURE_NAME_PATTERN.pattern}"
)
"""The files of contact sheets. A `.part` after such a name is what a stopped run left half-written."""


@dataclass(frozen=True, slots=True)
class SheetsResult:
    """The page that was written, how many pictures are on how many sheets, and how many of them cannot be read."""

    page: Path
    pictures: int
    sheets: int
    unreadable: int


def write_sheets(
    folder: Path,
    out: Path | None = None,
    collection: str | None = None,
    progress: ProgressCallback | None = None,
    *,
    per_sheet: int = PICTURES_PER_SHEET,
) -> SheetsResult:
    """Write contact sheets of a library, or of one of its collections, to the folder `out`.

    Without `out`, that is the folder beside the library whose name ends with `-sheets`. Thumbnails that are there stay,
    and those of pictures that are no longer in the library are removed. The page is written last, so a folder whose
    sheets are incomplete has none. The same library gives the same files.

    Raises LibraryError if the library cannot be used, or has no such collection or no pictures, if `out` holds anything
    else than contact sheets, or if another process writes there; OSError if the disk is full.
    """
    out = Path(os.path.realpath(out or folder.with_name(f"{folder.name}-sheets")))
    with Library.open(folder) as library, contextlib.ExitStack() as stack:
        title, members = _choose(library, collection)
        names = [name for name, _ in _shown(library, members)]
        if not names:
            raise LibraryError(f"{printable(folder)} has no pictures to show, only poses.")
        _check_place(out, folder)
        stack.callback(os.close, swap.lock_folder(out))
        _remove_stale(out, set(names))
        threads = stack.enter_context(ThreadPoolExecutor())  # decoding releases the interpreter's lock
        shown = _shown(library, members)
        ranges, unreadable = [], 0
        while batch := list(islice(shown, per_sheet)):
            has_thumbnail = list(threads.map(partial(_make_thumbnail, library, out), [name for name, _ in batch]))
            unreadable += has_thumbnail.count(False)
            items = [item for _, item in batch]
            ranges.append((items[0].number, items[-1].number))
            script = render_sheet(len(ranges), items, has_thumbnail)
            _write(out / SHEETS_FOLDER / f"{len(ranges):04}.js", script.encode())
            if progress is not None:
                progress(min(len(ranges) * per_sheet, len(names)), len(names), "Making thumbnails")
        facts = SheetsFacts(printable(folder.name), title, shell_word(folder), ranges, names)
        _write(out / PAGE, render_page(facts).encode())
    return SheetsResult(out / PAGE, len(names), len(ranges), unreadable)


def _choose(library: Library, collection: str | None) -> tuple[str | None, Set[int] | None]:
    """Return the name of a collection, as the library spells it, and its items; None and None for the whole library."""
    if collection is None:
        return None, None
    for name in library.collections:
        if collection_key(name) == collection_key(collection):
            return name, frozenset(library.members(name).tolist())
    place = printable(library.folder)
    if not library.collections:
        raise LibraryError(f"{place} has no collections, so leave out --collection {printable(collection)}.")
    raise LibraryError(
        f"{place} has no collection {printable(collection)}: name one of {printable(', '.join(library.collections))}."
    )


def _shown(library: Library, members: Set[int] | None) -> Iterator[tuple[str, Item]]:
    """Yield the name of each picture, in order, with the first person in it, of `members` if that is not None."""
    seen: set[str] = set()
    for item in library.items():
        if item.picture is not None and item.picture.name not in seen and (members is None or item.number in members):
            seen.add(item.picture.name)
            yield item.picture.name, item


def _check_place(out: Path, folder: Path) -> None:
    """Check that `out` is missing, empty or has contact sheets alone, so that a mistyped command overwrites no page.

    Raises LibraryError.
    """
    if Path(os.path.realpath(folder)) in (out, *out.parents):
        raise LibraryError(f"{printable(out)} is in the library, where no other files belong: name another folder.")
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise LibraryError(f"{printable(out)} is a file: name a folder for the contact sheets.")
    for name in _names_in(out):
        is_page = name == PAGE and not (out / name).read_bytes().startswith(FIRST_LINE.encode())
        if is_page or not OWN_FILES.fullmatch(name.removesuffix(".part")):
            raise LibraryError(
                f"{printable(out)} holds {printable(name)}, which is not of contact sheets and might be lost: name a "
                "new folder."
            )


def _names_in(out: Path) -> Iterator[str]:
    """Yield the paths of all files in a folder, as they are named from there."""
    for place, _, names in os.walk(out):
        for name in names:
            yield os.path.relpath(Path(place) / name, out)


def _remove_stale(out: Path, names: Set[str]) -> None:
    """Remove the page, the sheets, and the thumbnails that are half-written or of pictures that are not in `names`."""
    (out / PAGE).unlink(missing_ok=True)
    shutil.rmtree(out / SHEETS_FOLDER, ignore_errors=True)
    for file in [out / name for name in _names_in(out)]:
        if file.name not in names:
            file.unlink()


def _make_thumbnail(library: Library, out: Path, name: str) -> bool:
    """Write the thumbnail of a picture unless it is there; return whether the picture can be read."""
    file = out / THUMBNAILS_FOLDER / name[:2] / name
    with contextlib.suppress(OSError):
        if file.read_bytes().endswith(JPEG_END):
            return True
    try:
        image = pictures.load_picture(library.picture_file(name, check=False), THUMBNAIL_SIDE).image
    except (LibraryError, PictureError):
        return False
    _write(file, pictures.encode_jpeg(image, THUMBNAIL_SIDE, THUMBNAIL_QUALITY)[0])
    return True


def _write(file: Path, content: bytes) -> None:
    """Write a file completely or not at all, and the folder that it is in. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    part.write_bytes(content)
    files.replace(part, file)
