"""The credit in a picture's own metadata: EXIF, XMP, IPTC-IIM and PNG's texts.

Where several of them name an author or a copyright, the Metadata Working Group's Guidelines for Handling Image Metadata
(2.0, 2010) say which one counts: EXIF, then XMP, then IPTC-IIM; but IPTC-IIM before XMP if a program that does not know
XMP has changed it since. Titles are in XMP and IPTC-IIM alone; Windows and PNG have fields of their own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from PIL import ExifTags, IptcImagePlugin, PngImagePlugin
from PIL import Image as Pillow

from index import mojibake, xmp
from index.credit import AFTER_URL, Credit, clean_date, clean_text

MAX_TITLE_LENGTH: Final = 100
"""Characters up to which a description stands for a title, and terms for a licence's name. Longer ones are stories."""

IPTC_RESOURCE, IPTC_DIGEST_RESOURCE = 0x0404, 0x0425
"""Photoshop's resources with IPTC-IIM records, and with the MD5 of those that the XMP was written from."""

WITHOUT_XMP: Final = ("GIF", "JPEG2000")
"""Formats in which Pillow skips XMP."""

CODED_CHARACTER_SET: Final = (1, 90)
"""The IPTC-IIM record that names the encoding of the others."""

ISO_8859_PARTS: Final = {b"A": 1, b"B": 2, b"C": 3, b"D": 4, b"L": 5, b"G": 6, b"F": 7, b"H": 8, b"M": 9}
"""Parts of ISO 8859 by the last byte of the escape sequence (ISO 2022) that names them."""

USER_COMMENT_ENCODINGS: Final = {b"ASCII": None, b"UNICODE": "utf-16", b"JIS": "iso2022_jp"}
"""Encodings of EXIF's UserComment by its first eight bytes. Without one, the comment may be anything."""

WRITTEN_BY_CAMERAS: Final = re.compile(
    r".*digital camera|.*\bdsc|dcim.*|.*jpeg.picture|<.*>|[a-z_]+|samsung.*|screenshot|untitled|default|created with.*"
)
"""Descriptions, in small letters, that a camera or a program gives all its pictures, as “OLYMPUS DIGITAL CAMERA”."""

CC_URL: Final = re.compile(
    r"(?<![^\s(<\[\"'“„])https?://(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/[^\s<>\"]*", re.IGNORECASE
)
"""The URL of a Creative Commons licence as a whole, also in a sentence, but not within another URL."""


@dataclass(frozen=True, slots=True)
class _Texts:
    """What one kind of metadata has."""

    title: str | None = None
    author: str | None = None
    description: str | None = None
    copyright: str | None = None
    licence: str | None = None
    licence_url: str | None = None
    source_url: str | None = None
    date: str | None = None


def read_credit(opened: Pillow.Image, data: bytes = b"") -> Credit:
    """Return the credit in the metadata of a picture that Pillow has loaded. Damaged metadata counts as missing.

    `data` is its file, in which XMP is looked for if Pillow does not do so.
    """
    if opened.format in WITHOUT_XMP:
        opened.info.setdefault("xmp", xmp.find_packet(data))
    newest = [_read(_read_xmp, opened), _read(_read_iim, opened)]
    if _is_iim_newer(opened):
        newest.reverse()
    return _combine([_read(_read_exif, opened), *newest, _read(_read_windows, opened), _read(_read_png, opened)])


def read_xmp_credit(packet: bytes) -> Credit:
    """Return the credit in a sidecar file of XMP."""
    return _combine([_texts_from_xmp(packet)])


def _combine(kinds: Sequence[_Texts]) -> Credit:
    """Return the credit from several kinds of metadata, of which the first counts most."""
    title = _first(kind.title for kind in kinds) or _first(map(_title_from_description, kinds))
    author = _first(kind.author for kind in kinds)
    notice = _first(kind.copyright for kind in kinds)
    terms = _first(kind.licence for kind in kinds)
    url = _first([_find_cc_url(text) for kind in kinds for text in (kind.licence_url, kind.licence, kind.copyright)])
    if url is not None:
        licence = terms if terms is not None and len(terms) <= MAX_TITLE_LENGTH else None
    else:
        # No licence in words: the notice says at least whose the picture is.
        licence = terms or (f"© {author}" if notice is not None and notice == author else notice)
    licence_url = url or _first(kind.licence_url for kind in kinds)
    source_url, date = (_first(getattr(kind, field) for kind in kinds) for field in ("source_url", "date"))
    return Credit(title, author, licence, licence_url, source_url, date)


def _first(texts: Iterable[str | None]) -> str | None:
    return next((text for text in texts if text), None)


def _title_from_description(kind: _Texts) -> str | None:
    text = kind.description
    if text is None or len(text) > MAX_TITLE_LENGTH or WRITTEN_BY_CAMERAS.fullmatch(text.lower()):
        return None
    return text


def _find_cc_url(text: str | None) -> str | None:
    match = CC_URL.search(text or "")
    return None if match is None else match[0].rstrip(AFTER_URL)


def _read(read: Callable[[Any], _Texts], opened: Pillow.Image) -> _Texts:
    try:
        return read(opened)
    except Exception:  # the picture may be fine even if its metadata is damaged
        return _Texts()


def _read_exif(opened: Pillow.Image) -> _Texts:
    exif = opened.getexif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    description = _exif_text(exif.get(ExifTags.Base.ImageDescription))
    return _Texts(
        author=_exif_text(exif.get(ExifTags.Base.Artist)),
        copyright=_exif_text(exif.get(ExifTags.Base.Copyright)),
        description=description or _user_comment(details.get(ExifTags.Base.UserComment)),
        date=clean_date(details.get(ExifTags.Base.DateTimeOriginal)),
    )


def _exif_text(value: object) -> str | None:
    """Return an EXIF text, which Pillow decodes as Latin-1. Of several parts, the first that is not blank.

    EXIF asks for ASCII, but the guidelines, and most programs, write UTF-8. A copyright may be in two parts, the
    photographer's and the editor's.
    """
    if isinstance(value, str):
        value = value.encode("latin-1", "replace")
    return (
        _first(clean_text(mojibake.decode(part)) for part in value.split(b"\0")) if isinstance(value, bytes) else None
    )


def _user_comment(value: object) -> str | None:
    if not isinstance(value, bytes):
        return None
    name, text = value[:8].rstrip(b"\0 "), value[8:]
    if name not in USER_COMMENT_ENCODINGS:
        return None
    encoding = USER_COMMENT_ENCODINGS[name]
    if encoding == "utf-16" and not text.startswith((b"\xff\xfe", b"\xfe\xff")):
        # EXIF does not say which byte comes first. In most scripts the high byte of a blank or full stop tells.
        encoding = "utf-16-be" if text[::2].count(0) > text[1::2].count(0) else "utf-16-le"
    return clean_text(mojibake.decode(text) if encoding is None else text.decode(encoding, "replace"))


def _read_windows(opened: Pillow.Image) -> _Texts:
    exif = opened.getexif()
    title, author = (_utf16(exif.get(tag)) for tag in (ExifTags.Base.XPTitle, ExifTags.Base.XPAuthor))
    return _Texts(title, author)


def _utf16(value: object) -> str | None:
    if isinstance(value, tuple):
        value = bytes(value)
    if not isinstance(value, bytes):
        return None
    return clean_text(mojibake.repair(value.decode("utf-16-le", "replace").split("\0")[0]))


def _read_xmp(opened: Pillow.Image) -> _Texts:
    packet = opened.info.get("xmp") or opened.info.get("XML:com.adobe.xmp") or b""
    return _texts_from_xmp(packet.encode() if isinstance(packet, str) else packet)


def _texts_from_xmp(packet: bytes) -> _Texts:
    properties = xmp.read_properties(packet)

    def text(*names: str) -> str | None:
        return _first(clean_text(mojibake.repair(value)) for name in names for value in properties.get(name, ()))

    authors = (clean_text(mojibake.repair(value)) for value in properties.get("dc:creator", ()))
    source = text("cc:attributionURL", "dc:source")
    return _Texts(
        title=text("dc:title"),
        author="; ".join(dict.fromkeys(filter(None, authors))) or text("cc:attributionName", "photoshop:Credit"),
        description=text("dc:description"),
        copyright=text("dc:rights"),
        licence=text("xmpRights:UsageTerms"),
        licence_url=text("cc:license", "xmpRights:WebStatement"),
        source_url=source if source is not None and re.match("https?://", source) else None,
        date=clean_date(text("photoshop:DateCreated", "exif:DateTimeOriginal", "xmp:CreateDate")),
    )


def _read_iim(opened: Pillow.Image) -> _Texts:
    """Return title (2:05), date (2:55), by-line (2:80), credit (2:110), copyright (2:116) and caption (2:120)."""
    records: dict[tuple[int, int], Any] = IptcImagePlugin.getiptcinfo(opened) or {}  # type: ignore[arg-type]
    escape = records.get(CODED_CHARACTER_SET)
    part = ISO_8859_PARTS.get(escape[-1:]) if isinstance(escape, bytes) and escape[1:2] in (b"-", b".") else None

    def text(number: int) -> str | None:
        values = records.get((2, number)) or []
        values = [value for value in (values if isinstance(values, list) else [values]) if value]
        decoded = (mojibake.decode(value) if part is None else value.decode(f"iso8859-{part}") for value in values)
        return "; ".join(filter(None, map(clean_text, decoded))) or None

    author, date = text(80) or text(110), clean_date(text(55))
    return _Texts(title=text(5), author=author, description=text(120), copyright=text(116), date=date)


def _is_iim_newer(opened: Pillow.Image) -> bool:
    """Return whether a program has changed the IPTC-IIM records after the XMP was written from them."""
    resources = opened.info.get("photoshop")
    if not isinstance(resources, dict):
        return False
    records, digest = resources.get(IPTC_RESOURCE), resources.get(IPTC_DIGEST_RESOURCE)
    if not isinstance(records, bytes) or not isinstance(digest, bytes) or not any(digest):
        return False
    return hashlib.md5(records, usedforsecurity=False).digest() != digest


def _read_png(opened: Pillow.Image) -> _Texts:
    if opened.format != "PNG":
        return _Texts()

    def text(keyword: str) -> str | None:
        value = opened.info.get(keyword)
        if isinstance(value, PngImagePlugin.iTXt):
            return clean_text(mojibake.repair(value))
        return _exif_text(value)  # tEXt is Latin-1 by its standard, and UTF-8 from many programs

    return _Texts(text("Title"), text("Author"), text("Description"), text("Copyright"))
