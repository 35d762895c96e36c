"""XMP: the properties of a packet in a picture or in a sidecar file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

MAX_BYTES: Final = 4_000_000
"""Maximum size of a packet. Photo editors keep a picture's whole history in it, which can be a megabyte."""

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
LANGUAGE: Final = "http://www.w3.org/XML/1998/namespace}lang"

PREFIXES: Final = {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/xap/1.0/rights/": "xmpRights",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://creativecommons.org/ns#": "cc",
    "http://web.resource.org/cc/": "cc",
}
"""The prefixes that the standard gives to the schemas that are read."""

PACKET: Final = re.compile(rb"<x:xmpmeta\b.*?</x:xmpmeta>", re.DOTALL)
"""A packet, as all programs write it into pictures."""

Properties = Mapping[str, Sequence[str]]
"""The values of each property, such as `dc:creator`; of a text in several languages, the default one first."""


def read_properties(packet: bytes) -> Properties:
    """Return the properties of a packet; none if it is damaged or too large."""
    try:
        root = _parse(packet)
    except (expat.ExpatError, ValueError, LookupError, AssertionError):
        return {}
    properties: dict[str, list[str]] = {}
    for description in root.iter(f"{RDF}Description"):
        for name, value in description.attrib.items():
            _add(properties, name, [value])
        for element in description:
            _add(properties, element.tag, _values(element))
    return properties


def find_packet(data: bytes) -> bytes:
    """Return the packet in a file of any format; an empty one if it has none."""
    match = PACKET.search(data)
    return match[0] if match is not None else b""


def _parse(packet: bytes) -> Element:
    """Return the root of a packet. Raises ValueError if it declares entities, which could fill the memory."""
    if len(packet) > MAX_BYTES:
        raise ValueError("the packet is too large")
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse
    is_utf_16 = b"\0" in packet[:4]  # half of whose bytes are zero
    parser.Parse(packet if is_utf_16 else packet.strip(b"\0 \t\r\n"), True)
    return builder.close()


def _refuse(*_: object) -> None:
    raise ValueError("a packet has no document type")


def _add(properties: dict[str, list[str]], name: str, values: Sequence[str]) -> None:
    namespace, _, local = name.rpartition("}")
    if namespace in PREFIXES:
        properties.setdefault(f"{PREFIXES[namespace]}:{local}", []).extend(values)


def _values(element: Element) -> list[str]:
    """Return the texts of a property: its own, that of a resource, or those of the list in it."""
    items = list(element.iter(f"{RDF}li"))
    items.sort(key=lambda item: item.get(LANGUAGE, "") != "x-default")
    texts = [element.get(f"{RDF}resource")] if not items else []
    texts += [item.text or item.get(f"{RDF}resource") for item in items or [element]]
    return [text.strip() for text in texts if text and text.strip()]
