"""Write TIFF files, and raw photos that are TIFF files, tag by tag."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image as Pillow

from models.pose import Image

LONG = 4
"""TIFF's type of a 32-bit number, which all tags here are."""

STRIP, STRIP_SIZE, CHILDREN = 273, 279, 330
"""Numbers of tags that say where a page's pixels and its child pages are."""


@dataclass
class Page:
    """A page: its tags but for those of places, the bytes of its pixels, and the pages in it."""

    tags: dict[int, tuple[int, ...]]
    pixels: bytes
    children: Sequence[Page] = field(default_factory=tuple)


def rgb_page(image: Image, *, children: Sequence[Page] = (), **more: int) -> Page:
    """Return an uncompressed page; `more` are tags such as t274=6."""
    height, width = image.shape[:2]
    tags = {256: (width,), 257: (height,), 258: (8, 8, 8), 259: (1,), 262: (2,), 277: (3,), 278: (height,)}
    return Page({**tags, **{int(name[1:]): (value,) for name, value in more.items()}}, image.tobytes(), children)


def sensor_page(width: int, height: int, pixels: bytes) -> Page:
    """Return a page of what a sensor recorded, in colours that nothing here can read."""
    return Page({256: (width,), 257: (height,), 258: (16,), 259: (7,), 262: (32803,)}, pixels)


def jpeg_page(image: Image, **options: object) -> Page:
    """Return a page that is a JPEG, as cameras write previews."""
    height, width = image.shape[:2]
    return Page({256: (width,), 257: (height,), 259: (7,), 262: (6,)}, jpeg(image, **options))


def jpeg(image: Image, **options: object) -> bytes:
    """Return an image as JPEG."""
    buffer = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(image)).save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def tiff(*pages: Page, start: bytes = b"II*\0", next_of_last: int = 0) -> bytes:
    """Return a TIFF file of pages one after the other. `next_of_last` is where the last one says that the next is."""
    order = "<" if start.startswith(b"I") else ">"
    body = bytearray(start + struct.pack(order + "I", 0))
    link = 4
    for page in pages:
        at = _append(body, page, order)
        struct.pack_into(order + "I", body, link, at)
        link = len(body) - 4
    struct.pack_into(order + "I", body, link, next_of_last)
    return bytes(body)


def _append(body: bytearray, page: Page, order: str) -> int:
    """Append a page with its pixels and children; return where its tags are. They end with the next page's place."""
    tags = dict(page.tags)
    if page.children:
        tags[CHILDREN] = tuple(_append(body, child, order) for child in page.children)
    tags[STRIP], tags[STRIP_SIZE] = (len(body),), (len(page.pixels),)
    body += page.pixels
    entries = b""
    for tag, values in sorted(tags.items()):
        data = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            data, place = struct.pack(order + "I", len(body)), data
            body += place
        entries += struct.pack(order + "HHI", tag, LONG, len(values)) + data
    at = len(body)
    body += struct.pack(order + "H", len(tags)) + entries + bytes(4)
    return at
