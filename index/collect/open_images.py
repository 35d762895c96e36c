"""Open Images V7 as a source: photographs from Flickr under CC BY 2.0, with boxes and labels that people checked.

All is chosen from tables of six gigabytes, which are read once and not kept; the photographs are downloaded later, one
by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from index.build.licences import short_name
from index.build.photo import SourceError
from index.collect.candidate import Candidate, Download
from index.collect.open_images_choice import check_labels, choose, is_chosen
from index.collect.open_images_store import Store, StoredPhoto
from index.collect.open_images_tables import NAMES, TABLES, Table, read_table
from index.collect.rules import SPLITS, Rules
from index.credit import Credit, clean_text
from index.web import is_url
from models.progress import ProgressCallback

TABLES_PLACE: Final = "https://storage.googleapis.com/openimages"
"""Where the tables are."""

PHOTOS_PLACE: Final = "https://open-images-dataset.s3.amazonaws.com"
"""Where the photographs are, 1024 pixels on their longer side."""

PAGE: Final = 1000
"""Candidates that are read from the store at a time. In between, nothing of it is open."""


class OpenImages:
    """Open Images V7; see `index.collect.candidate.Source`."""

    name = "Open Images"

    def __init__(self, tables: str | Path = TABLES_PLACE, photos: str | Path = PHOTOS_PLACE) -> None:
        """Name where the tables and the photographs are: a URL, or a folder.

        A folder has the tables in folders as at the URL, or all of them in itself.
        """
        self._tables, self._photos = str(tables), str(photos)
        self._folder: Path | None = None
        self._count = 0

    @property
    def photos_place(self) -> str:
        """The pattern of the photographs' URLs."""
        return f"{self._photos.rstrip('/')}/SPLIT/IMAGE_ID.jpg"

    def downloads(self, rules: Rules, folder: Path | None = None) -> Sequence[Download]:
        """Return the tables that `prepare` would still read with this folder, or with a new one. Asks no server."""
        tables = _tables_of(rules.splits)
        if folder is not None:
            with Store(folder) as store:
                tables = [table for table in tables if store.position(table.path) is not None]
        return [self._download(table) for table in tables]

    def prepare(self, folder: Path, rules: Rules, progress: ProgressCallback | None = None) -> None:
        """Read the tables and choose the photos that the rules allow; what is in `folder` is not read again.

        Raises SourceError if a table cannot be read, if the rules name an unknown label or allow no photo, or if
        another process is using the folder; OSError if the disk is full.
        """
        self._folder, self._count = folder, 0
        with Store(folder) as store:
            for table in NAMES:
                read_table(store, table, self._place(table), progress)
            check_labels(store, rules)  # before hours of reading
            for table in _tables_of(rules.splits):
                read_table(store, table, self._place(table), progress)
            if not is_chosen(store, rules):
                choose(store, rules, progress)
            self._count = store.count_chosen()
        if not self._count:
            raise SourceError(f"The rules allow no photo of {self.name}: allow more kinds, labels or licences.")

    def __len__(self) -> int:
        """Return how many candidates there are, after `prepare`."""
        return self._count

    def candidates(self, start: int = 0) -> Iterator[Candidate]:
        """Yield the candidates from number `start` on, always in the same order, after `prepare`.

        Raises SourceError if another process is using the folder.
        """
        if self._folder is None:
            raise RuntimeError(f"{self.name} is not prepared")
        for number in range(start, self._count, PAGE):
            with Store(self._folder) as store:
                page = store.chosen(number, PAGE)
            yield from (self._candidate(*row) for row in page)

    def _candidate(self, photo: StoredPhoto, collection: str | None) -> Candidate:
        key = f"{photo.split}/{photo.name}"
        picture = f"{self._photos.rstrip('/')}/{key}.jpg"
        return Candidate(
            key,
            picture if is_url(picture) else Path(picture),
            _credit(photo, collection),
            clean_text(photo.author_url),
            photo.rotation,
        )

    def _place(self, table: Table) -> str:
        if is_url(self._tables):
            return f"{self._tables.rstrip('/')}/{table.path}"
        nested, flat = Path(self._tables, table.path), Path(self._tables, Path(table.path).name)
        return str(flat if flat.exists() and not nested.exists() else nested)

    def _download(self, table: Table) -> Download:
        place = self._place(table)
        return Download(place, Path(place).stat().st_size if Path(place).is_file() else table.bytes)


def _tables_of(splits: Sequence[str]) -> list[Table]:
    """Return the tables of some parts, in the order in which they are read."""
    return [*NAMES, *(table for split in SPLITS if split in splits for table in TABLES[split])]


def _credit(photo: StoredPhoto, collection: str | None) -> Credit:
    """Return whom to credit: an author without a name by the page at Flickr."""
    author_url = clean_text(photo.author_url)
    return Credit(
        title=clean_text(photo.title),
        author=clean_text(photo.author) or author_url,
        licence=next(short_name(photo.licence), None),
        licence_url=clean_text(photo.licence),
        source_url=clean_text(photo.page),
        collection=collection,
    )
