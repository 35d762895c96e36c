"""What a build passes on: a photo as a source names it, and a picture that is ready for a library."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple, Self
from urllib.parse import unquote, urlsplit

import numpy as np

from index import archives
from index.archives import ArchiveError
from index.credit import NO_CREDIT, clean_text
from index.credit import Credit as Credit
from index.fingerprint import fingerprint
from index.pictures import JPEG_QUALITY, LONG_SIDE, encode_jpeg
from models.pose import Floats, Image
from models.text import printable

Frame = Literal["stored", "upright"]
"""Which pixels labels are for, where a photo is turned to be upright."""


class SourceError(ValueError):
    """A source that a build cannot use at all. The text is one sentence that names the source and the problem."""


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A picture or video to scan: its file or URL, and its credit.

    Throughout a build "photo" includes videos; `index.build.scan.is_video` tells them apart.

    `people` are the key points (N×17×3) of the people whom somebody labelled in it, in pixels of a picture of `size`
    (width, height). Without labels it is None, and the estimator finds the people. `frame` says which pixels other
    labels from the same source are for, if that is known. A photo without labels is turned by `rotation` degrees
    anticlockwise, a multiple of 90, if its source says that it is stored on its side.
    """

    file: Path | str
    credit: Credit
    people: Floats | None = None
    size: tuple[int, int] | None = None
    frame: Frame | None = None
    rotation: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class NewPicture:
    """A picture that is ready for a library, with the people in it.

    `name` is its file's name in the library: the sha256 of the JPEG, and .jpg. `content` is the JPEG, or the file with
    that name in a journal or another library. Each of `people` is 17×3 key points in pixels of this JPEG, with a score
    ≤ 0 where unseen. `assumption` is a phrase about them if their labels were not clear.
    """

    name: str
    width: int
    height: int
    fingerprint: bytes
    content: bytes | Path
    people: Sequence[Floats] = ()
    credit: Credit = NO_CREDIT
    assumption: str = ""

    @classmethod
    def encode(cls, image: Image, *, long_side: int = LONG_SIDE, quality: int = JPEG_QUALITY) -> Self:
        """Encode an image as JPEG, its longer side at most `long_side` pixels; people and credit are added later."""
        jpeg, scaled = encode_jpeg(image, long_side, quality)
        height, width = scaled.shape[:2]
        return cls(f"{sha256(jpeg).hexdigest()}.jpg", width, height, fingerprint(scaled), jpeg)


@dataclass(frozen=True, slots=True, eq=False)
class NewPose:
    """One person for a library, without a picture: 17×3 key points, and the (width, height) they refer to if known."""

    keypoints: Floats
    credit: Credit = NO_CREDIT
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A photo or row that a build skips: its name, the kind of reason, and the reason as a sentence.

    `thumbnail` is a small JPEG of the photo, if it can be read. `count` is more than 1 if it stands for several of the
    same kind.
    """

    name: str
    kind: str
    reason: str
    thumbnail: bytes | None = None
    count: int = 1


class VideoProgress(NamedTuple):
    """How many frames of a video have been scanned, and how many there are, as far as its file tells."""

    done: int
    total: int


def scale_keypoints(keypoints: Floats, x: float, y: float) -> Floats:
    """Return 17×3 key points for their picture resized by `x` across and `y` down."""
    # Pixel centres have whole coordinates, so a picture's left edge is at -0.5 in every size.
    points = np.column_stack([(keypoints[:, :2] + 0.5) * (x, y) - 0.5, keypoints[:, 2]])
    return np.where(keypoints[:, 2:] > 0, points, 0).astype(np.float32)


def title_from_name(file: Path | str) -> str | None:
    """Make a title of a file's name, or of the name at the end of a URL."""
    if isinstance(file, str):
        try:
            file = Path(re.split(r"[/\\]", unquote(urlsplit(file).path).rstrip("/\\ "))[-1])
        except ValueError:  # not a valid URL, which fetching it will report
            return clean_text(file)
    return clean_text(file.stem.replace("_", " "))


def check_regular_file(file: Path) -> None:
    """Raise SourceError unless it is a regular file: opening a pipe would wait until somebody writes to it."""
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            raise SourceError(f"{printable(file)} is not a regular file.")
    except OSError as error:
        raise SourceError(f"{printable(file)} cannot be read ({error.strerror}).") from error


def is_file(file: Path) -> bool:
    """Return whether there is such a file; False for a name that no file can have, such as one that is too long."""
    try:
        return file.is_file() or archives.is_member(file)
    except OSError:
        return False


def read_file(file: Path) -> bytes:
    """Return the bytes of a regular file, or of one in an archive. Raises SourceError if there is none, and OSError."""
    place = archives.split(file)
    if place is None:
        check_regular_file(file)
        return file.read_bytes()
    try:
        return archives.read_member(*place)
    except ArchiveError as error:
        raise SourceError(f"{printable(file)} {error}.") from error


def describe_error(error: BaseException) -> str:
    """Return an error's text as a phrase for a sentence."""
    if isinstance(error, KeyError):
        return f"it has no `{printable(str(error.args[0]))}`"
    text = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
    return printable(text)[:200].rstrip(".") or type(error).__name__
