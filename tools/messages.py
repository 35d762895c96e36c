"""The template and the catalogues of translations, brought up to date with the messages in the code.

`make messages` runs it. What is new in the code is added to each catalogue without a translation, and what is gone from
the code is removed from it.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

from device.language.catalogues import DOMAIN, TEMPLATE, shipped_catalogues
from device.language.translate import is_translated, parse_catalogue

ROOT: Final = Path(__file__).parents[1]
CODE: Final = "device"

KEYWORDS: Final = {"message": None, "plural_message": (1, 2)}
"""The functions whose literals are messages; of `plural_message`, the first two."""

HEADER: Final = """\
# The messages that visitors of PROJECT read.
# This file is under the same licence as PROJECT.
#"""


def extract_messages() -> Catalog:
    """Return the messages in the code, in the order of its files."""
    template = Catalog(
        project="Pose Mirror", domain=DOMAIN, header_comment=HEADER, charset="utf-8", fuzzy=False, version="1"
    )
    found = extract_from_dir(ROOT / CODE, keywords=KEYWORDS, comment_tags=("Translators:",))
    for name, line, text, comments, _ in sorted(found, key=lambda item: item[:2]):
        template.add(text, None, [(f"{CODE}/{name}", line)], auto_comments=comments)
    return template


def update_catalogue(file: Path, template: Catalog) -> bytes:
    """Return a catalogue's file with the messages of the template and its own translations of them."""
    catalogue = parse_catalogue(file)
    catalogue.update(template, no_fuzzy_matching=True)
    return as_bytes(catalogue)


def as_bytes(catalogue: Catalog) -> bytes:
    """Return a catalogue as a file. It names files, but not lines, which would change with each edit of the code."""
    opened = io.BytesIO()
    write_po(opened, catalogue, width=120, ignore_obsolete=True, include_lineno=False)
    return opened.getvalue()


def main() -> int:
    """Write the template and all catalogues anew, and say what is left to translate."""
    template = extract_messages()
    template.creation_date = parse_catalogue(TEMPLATE).creation_date
    TEMPLATE.write_bytes(as_bytes(template))
    for code, file in sorted(shipped_catalogues().items()):
        file.write_bytes(update_catalogue(file, template))
        missing = sum(not is_translated(message) for message in parse_catalogue(file) if message.id)
        print(f"{code}: {len(template)} messages, {missing} to translate")
    return 0


if __name__ == "__main__":
    sys.exit(main())
