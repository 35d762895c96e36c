"""Which of the configured languages the mirror speaks: those whose letters it can draw."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from device.display.fonts import missing_scripts
from device.language.translate import Language, load_language

log = logging.getLogger(__name__)


def load_spoken_languages(codes: Iterable[str]) -> list[Language]:
    """Return the languages to speak. Those without a font are logged. Raises LanguageError if one has no catalogue."""
    languages = [load_language(code) for code in codes]
    spoken = spoken_languages(languages)
    for language in languages:
        if language not in spoken:
            log.warning("No font has the letters of %s: `pose-mirror doctor` names the package.", language.code)
    return spoken


def spoken_languages(languages: Iterable[Language]) -> list[Language]:
    """Return those of some languages for whose letters there is a font; English if there are none.

    Visitors cannot read boxes.
    """
    return [language for language in languages if not missing_scripts(language.name)] or [Language()]
