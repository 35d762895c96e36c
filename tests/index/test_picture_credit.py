"""Credits in pictures' own metadata: the standard's precedence, every encoding, damaged metadata."""

from __future__ import annotations

import hashlib
import io
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, PngImagePlugin
from PIL import Image as Pillow

from index.credit import NO_CREDIT, Credit
from index.formats import open_picture
from index.picture_credit import read_credit, read_xmp_credit
from index.pictures import load_credit, load_picture
from tests.support.paths import SHARED

PLAIN = Pillow.new("RGB", (64, 48), "grey")

XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/"
 xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:cc="http://creativecommons.org/ns#">
<rdf:Description rdf:about="" {attributes}>{elements}</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


UUID_OF_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""The kind of a JPEG 2000 box with XMP."""


def xmp(elements: str = "", attributes: str = "") -> bytes:
    return XMP.format(elements=elements, attributes=attributes).encode()


def alternatives(name: str, **texts: str) -> str:
    """Return a text in several languages; the name `x_default` stands for the default."""
    items = "".join(f'<rdf:li xml:lang="{lang.replace("_", "-")}">{text}</rdf:li>' for lang, text in texts.items())
    return f"<{name}><rdf:Alt>{items}</rdf:Alt></{name}>"


def iim(*records: tuple[int, int, bytes]) -> bytes:
    return b"".join(struct.pack(">BBBH", 0x1C, record, number, len(data)) + data for record, number, data in records)


def photoshop(*resources: tuple[int, bytes]) -> bytes:
    """Return a JPEG segment with Photoshop's resources."""
    body = b"Photoshop 3.0\0"
    for number, data in resources:
        body += b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + b"\0" * (len(data) % 2)
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body


def exif(tags: dict[int, Any], comment: bytes | None = None) -> bytes:
    """Return EXIF with these tags. Pillow writes bytes as they are, so that a text may have any encoding."""
    made = Pillow.Exif()
    for tag, value in tags.items():
        made[tag] = value.decode("latin-1") if isinstance(value, bytes) and tag < 0x9000 else value
    if comment is not None:
        made.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    return _in_latin_1(made)


def _in_latin_1(made: Pillow.Exif) -> bytes:
    """Return EXIF with its texts in Latin-1: Pillow writes ASCII, with question marks for all else."""
    texts = {tag: value for tag, value in made.items() if isinstance(value, str)}
    for tag, value in texts.items():
        made[tag] = f"<{tag}>".ljust(len(value), "~") if len(value) > 7 else value
    data = made.tobytes()
    for tag, value in texts.items():
        if len(value) > 7:
            data = data.replace(f"<{tag}>".ljust(len(value), "~").encode(), value.encode("latin-1"))
    return data


def jpeg(segments: bytes = b"", **options: Any) -> Pillow.Image:
    """Return an opened JPEG with these segments after its first two bytes."""
    file = io.BytesIO()
    PLAIN.save(file, "JPEG", **options)
    data = file.getvalue()
    return reopen(data[:2] + segments + data[2:])


def saved(kind: str, **options: Any) -> Pillow.Image:
    file = io.BytesIO()
    PLAIN.save(file, kind, **options)
    return reopen(file.getvalue())


def reopen(data: bytes) -> Pillow.Image:
    with open_picture(io.BytesIO(data)) as opened:
        opened.load()
        return opened


# Encodings


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("José Müller".encode(), "José Müller"),
        ("José Müller".encode("latin-1"), "José Müller"),
        ("José Müller".encode().decode("latin-1").encode(), "José Müller"),
        ("写真家の名前".encode(), "写真家の名前"),
        (b"Ann Example\0\xff\xff", "Ann Example"),
        (b"        \0", None),
    ],
    ids=["UTF-8", "Latin-1", "UTF-8 twice", "Japanese", "rest of a buffer", "blank"],
)
def test_reads_exif_texts_in_their_encoding(written: bytes, name: str | None) -> None:
    assert read_credit(jpeg(exif=exif({ExifTags.Base.Artist: written}))).author == name


def test_reads_windows_tags_as_utf_16() -> None:
    tags = {tag: f"{text}\0".encode("utf-16-le") for tag, text in ((0x9C9B, "Große Sprünge"), (0x9C9D, "Łukasz"))}
    assert read_credit(jpeg(exif=exif(tags)))[:2] == ("Große Sprünge", "Łukasz")


@pytest.mark.parametrize(
    ("comment", "title"),
    [
        (b"ASCII\0\0\0Ann jumps", "Ann jumps"),
        (b"UNICODE\0" + "跳ぶ Ann".encode("utf-16-be"), "跳ぶ Ann"),
        (b"UNICODE\0" + "跳ぶ Ann".encode("utf-16-le"), "跳ぶ Ann"),
        (b"UNICODE\0" + "跳ぶ".encode("utf-16"), "跳ぶ"),
        (b"JIS\0\0\0\0\0" + "跳ぶ人".encode("iso2022_jp"), "跳ぶ人"),
        (b"\0\0\0\0\0\0\0\0Ann jumps", None),
        (b"ASCII\0\0\0     \0\0", None),
    ],
)
def test_reads_a_user_comment_by_its_charset(comment: bytes, title: str | None) -> None:
    assert read_credit(jpeg(exif=exif({}, comment))).title == title


@pytest.mark.parametrize(
    ("escape", "written"),
    [
        (b"\x1b%G", "Łódź Müller".encode()),
        (b"", "Łódź Müller".encode()),
        (b"\x1b-B", "Łódź Müller".encode("iso8859-2")),
        (b"\x1b.B", "Łódź Müller".encode("iso8859-2")),
    ],
    ids=["UTF-8", "UTF-8 unsaid", "Latin-2", "Latin-2 as G2"],
)
def test_reads_iptc_by_its_charset(escape: bytes, written: bytes) -> None:
    records = iim(*([(1, 90, escape)] if escape else []), (2, 5, b"A title"), (2, 80, written))
    assert read_credit(jpeg(photoshop((0x0404, records))))[:2] == ("A title", "Łódź Müller")


@pytest.mark.parametrize("text_type", [str, PngImagePlugin.iTXt])
def test_reads_the_texts_of_a_png(text_type: type[str]) -> None:
    texts = PngImagePlugin.PngInfo()
    for keyword, value in (("Title", "Sprünge"), ("Author", "José"), ("Copyright", "© 2020 José")):
        if text_type is str:
            texts.add_text(keyword, value.encode().decode("latin-1"))  # UTF-8 where Latin-1 should be
        else:
            texts.add_itxt(keyword, value)
    assert read_credit(saved("PNG", pnginfo=texts))[:3] == ("Sprünge", "José", "© 2020 José")


# Formats


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "JXL"])
def test_reads_exif_of_each_format(kind: str) -> None:
    assert read_credit(saved(kind, exif=exif({ExifTags.Base.Artist: "José Müller".encode()}))).author == "José Müller"


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "HEIF", "AVIF", "TIFF", "PNG"])
def test_reads_xmp_of_each_format(kind: str) -> None:
    packet = xmp("<dc:creator><rdf:Seq><rdf:li>José</rdf:li><rdf:li>Bo</rdf:li></rdf:Seq></dc:creator>")
    options: dict[str, Any] = {"xmp": packet}
    if kind == "TIFF":
        options = {"tiffinfo": {700: packet}}
    if kind == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", packet.decode())
        options = {"pnginfo": texts}
    assert read_credit(saved(kind, **options)).author == "José; Bo"


@pytest.mark.parametrize("kind", ["GIF", "JPEG2000"])
def test_reads_xmp_that_pillow_skips(tmp_path: Path, kind: str) -> None:
    file = io.BytesIO()
    PLAIN.save(file, kind)
    place = -1 if kind == "GIF" else len(file.getvalue())  # before the last byte, or in a box at the end
    data, packet = file.getvalue(), xmp("<dc:creator><rdf:Seq><rdf:li>José</rdf:li></rdf:Seq></dc:creator>")
    if kind == "GIF":
        packet = b"\x21\xff\x0bXMP DataXMP" + packet + b"\1" + bytes(range(255, -1, -1)) + b"\0"
    else:
        packet = struct.pack(">I", 24 + len(packet)) + b"uuid" + UUID_OF_XMP + packet
    (tmp_path / "a").write_bytes(data[:place] + packet + data[place:])
    assert load_picture(tmp_path / "a", None).credit.author == "José"
    assert load_credit(tmp_path / "a").author == "José"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_reads_xmp_in_each_encoding(encoding: str) -> None:
    packet = xmp("<dc:creator><rdf:Seq><rdf:li>José</rdf:li></rdf:Seq></dc:creator>").decode() + "\n"
    assert read_xmp_credit(packet.encode(encoding)).author == "José"


def test_reads_exif_and_iptc_of_a_tiff() -> None:
    records = iim((2, 5, "Sprünge".encode()), (2, 80, b"somebody else"))
    opened = saved("TIFF", tiffinfo={ExifTags.Base.Artist: "Ann Example", 33723: records})
    assert read_credit(opened)[:2] == ("Sprünge", "Ann Example")


# Precedence


def test_takes_exif_before_xmp_before_iptc() -> None:
    records = iim((2, 5, b"title in IPTC"), (2, 80, b"IPTC"), (2, 116, b"(c) IPTC"))
    packet = xmp("<dc:creator><rdf:Seq><rdf:li>XMP</rdf:li></rdf:Seq></dc:creator>")
    segments = photoshop((0x0404, records))
    tags = {ExifTags.Base.Artist: "EXIF", 0x9C9D: "Windows\0".encode("utf-16-le")}
    assert read_credit(jpeg(segments, exif=exif(tags), xmp=packet))[:3] == ("title in IPTC", "EXIF", "(c) IPTC")
    assert read_credit(jpeg(segments, xmp=packet)).author == "XMP"
    assert read_credit(jpeg(segments)).author == "IPTC"
    assert read_credit(jpeg(exif=exif({0x9C9D: tags[0x9C9D]}))).author == "Windows"


@pytest.mark.parametrize(("changed", "author"), [(False, "XMP"), (True, "IPTC")])
def test_takes_iptc_that_changed_after_the_xmp(changed: bool, author: str) -> None:
    records = iim((2, 80, b"IPTC"))
    digest = hashlib.md5(b"before" if changed else records, usedforsecurity=False).digest()
    packet = xmp("<dc:creator><rdf:Seq><rdf:li>XMP</rdf:li></rdf:Seq></dc:creator>")
    assert read_credit(jpeg(photoshop((0x0404, records), (0x0425, digest)), xmp=packet)).author == author


def test_takes_the_default_language_and_joins_by_lines() -> None:
    packet = xmp(alternatives("dc:title", de="Sprung", x_default="Jump", fr="Saut"))
    assert read_xmp_credit(packet).title == "Jump"
    assert read_xmp_credit(xmp(alternatives("dc:title", de="Sprung", fr="Saut"))).title == "Sprung"
    assert read_credit(jpeg(photoshop((0x0404, iim((2, 80, b"Ann"), (2, 80, b"Bo")))))).author == "Ann; Bo"


@pytest.mark.parametrize(
    ("description", "title"),
    [
        ("Ann jumps over the fence", "Ann jumps over the fence"),
        ("OLYMPUS DIGITAL CAMERA         ", None),
        ("SONY DSC", None),
        ("cof_vivid", None),
        ("DCIM\\100GOPRO\\G0012.JPG", None),
        ("It was a long day in the mountains, " * 5, None),
    ],
)
def test_takes_a_short_description_for_a_title(description: str, title: str | None) -> None:
    assert read_credit(jpeg(exif=exif({ExifTags.Base.ImageDescription: description}))).title == title


@pytest.mark.parametrize(
    ("written", "date"),
    [("2019:07:14 15:30:00", "2019-07-14"), ("0000:00:00 00:00:00", None), ("1980:01:01 00:00:00", None), ("?", None)],
)
def test_reads_when_a_photo_was_taken(written: str, date: str | None) -> None:
    made = Pillow.Exif()
    made.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = written
    assert read_credit(jpeg(exif=made.tobytes())).date == date


def test_reads_the_date_in_xmp_and_iptc() -> None:
    packet = xmp(attributes='photoshop:DateCreated="2019-07"')
    records = photoshop((0x0404, iim((2, 55, b"20180102"))))
    assert read_credit(jpeg(records, xmp=packet)).date == "2019-07"
    assert read_credit(jpeg(records)).date == "2018-01-02"


# Licences


BY = "https://creativecommons.org/licenses/by/4.0/"


@pytest.mark.parametrize(
    ("packet", "licence"),
    [
        (xmp(f'<cc:license rdf:resource="{BY}"/>' + alternatives("dc:rights", x_default="© Ann")), (None, BY)),
        (xmp(attributes=f'xmpRights:WebStatement="{BY}"'), (None, BY)),
        (xmp(alternatives("xmpRights:UsageTerms", x_default="CC BY 4.0"), f'cc:license="{BY}"'), ("CC BY 4.0", BY)),
        (xmp(alternatives("xmpRights:UsageTerms", x_default=f"Free to use, see {BY}. " * 3)), (None, BY)),
        (xmp(alternatives("dc:rights", x_default=f"Ann ({BY}).")), (None, BY)),
        (xmp(alternatives("dc:rights", x_default=BY.replace("by", "by%2Dnc"))), (None, BY.replace("by", "by%2Dnc"))),
        (xmp(alternatives("dc:rights", x_default=f"https://ann.example/?{BY}")), (f"https://ann.example/?{BY}", None)),
        (xmp(alternatives("dc:rights", x_default="© 2020 Ann")), ("© 2020 Ann", None)),
        (xmp("<dc:creator>Ann</dc:creator><dc:rights>Ann</dc:rights>"), ("© Ann", None)),
        (xmp(attributes='xmpRights:WebStatement="https://ann.example"'), (None, "https://ann.example")),
    ],
)
def test_finds_the_licence_or_else_the_notice(packet: bytes, licence: tuple[str | None, str | None]) -> None:
    assert read_xmp_credit(packet)[2:4] == licence


def test_takes_the_photographers_part_of_a_copyright() -> None:
    assert read_credit(jpeg(exif=exif({ExifTags.Base.Copyright: b"Ann Example\0The Editor"}))).licence == "Ann Example"
    assert read_credit(jpeg(exif=exif({ExifTags.Base.Copyright: b" \0The Editor"}))).licence == "The Editor"


# Damage


BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/">
<rdf:Description><dc:title>&b;</dc:title></rdf:Description></rdf:RDF>"""


@pytest.mark.parametrize(
    "packet",
    [BOMB, BOMB.decode().replace("<?xml version=\"1.0\"?>", "").encode("utf-16"), b"", b"<", xmp()[:300], b"\0" * 9,
     b"<a>" * 100_000, b"x" * 5_000_000, b'<?xml version="1.0" encoding="no-such"?><a/>'],
    ids=["entities", "entities in UTF-16", "empty", "cut", "cut later", "zeros", "deep", "large", "encoding"],
)  # fmt: skip
def test_takes_nothing_from_a_damaged_packet(packet: bytes) -> None:
    assert read_xmp_credit(packet) == NO_CREDIT


@given(st.binary(max_size=200))
def test_reads_a_picture_with_any_iptc_and_exif(data: bytes) -> None:
    credit = read_credit(jpeg(photoshop((0x0404, data)), exif=b"Exif\0\0II*\0" + data))
    assert all(text is None or text.isprintable() for text in credit)


def test_a_damaged_packet_leaves_the_rest() -> None:
    opened = jpeg(photoshop((0x0404, b"\x1c\x02")), exif=exif({ExifTags.Base.Artist: "Ann Example"}), xmp=b"<x")
    assert read_credit(opened) == Credit(author="Ann Example")


def test_reads_an_artist_that_a_current_tool_wrote() -> None:
    file = SHARED / "odd" / "artist_utf8.jpg"
    if not file.exists():
        pytest.skip(f"{file} is missing")
    assert load_picture(Path(file), 64).credit.author == "José Müller"
