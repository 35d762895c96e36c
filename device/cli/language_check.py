"""The doctor's check of the languages: are they translated completely, and do the fonts have their letters?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from device.cli.finding import Finding, State
from device.config import Config
from device.display.fonts import has_japanese_font, missing_scripts
from device.language.catalogues import ENGLISH, TEMPLATE, LanguageError, find_catalogues, parse_codes
from device.language.spoken import spoken_languages
from device.language.translate import (
    Language,
    is_translated,
    load_language,
    parse_catalogue,
    read_catalogue,
    translations_of,
)


def check_languages(config: Config) -> Finding:
    """Check every language that the configuration names."""
    try:
        codes = parse_codes(config.screen.language)
        for file in itertools.chain(*map(find_catalogues, codes)):
            read_catalogue(file)  # which, unlike the mirror, does not go on without a bad one
        languages = [load_language(code) for code in codes]
        boxes = [sentence for language in languages for sentence in _explain_boxes(language)]
        notes = [sentence for language in languages for sentence in _explain_gaps(language)]
    except LanguageError as error:
        return Finding("bad", str(error))
    spoken = spoken_languages(languages)
    names = " and ".join(f"{language.name} ({language.code})" for language in spoken)
    turns = ", in turns" if len(spoken) > 1 else ""
    state: State = "bad" if boxes else "note" if notes else "ok"
    return Finding(state, " ".join([f"Visitors read {names}{turns}.", *boxes, *notes]))


def _explain_boxes(language: Language) -> Iterator[str]:
    """Yield a sentence if letters of a language cannot be drawn, because no font has them."""
    if missing := missing_scripts(_characters(language)):
        scripts, packages = ", ".join(sorted(missing)), " ".join(sorted(set(missing.values())))
        fault = "are boxes on the screen, for want of a font"
        if missing_scripts(language.name):
            fault = f"have no font, so visitors do not read {language.name} ({language.code})"
        yield f"{scripts} letters {fault}: run `sudo apt install {packages}`."


def _explain_gaps(language: Language) -> Iterator[str]:
    """Yield what visitors can read, but is not as it should be."""
    if language.code.startswith("ja") and not has_japanese_font():
        yield "Some characters have their Chinese shapes: run `sudo apt install fonts-vlgothic`."
    if language.code.replace("-", "_").partition("_")[0].lower() == ENGLISH:
        return
    total = {message.id for message in parse_catalogue(TEMPLATE) if message.id}
    if missing := len(total - _translated(language)):
        yield f"{missing} of {len(total)} sentences are not translated into {language.name}, and stay English."


def _translated(language: Language) -> set[object]:
    catalogues = map(parse_catalogue, find_catalogues(language.code))
    return {message.id for catalogue in catalogues for message in catalogue if is_translated(message)}


def _characters(language: Language) -> set[str]:
    """Return all characters of a language's messages and numbers."""
    characters = set(language.number(1_234_567_890))
    for catalogue in map(parse_catalogue, find_catalogues(language.code)):
        for message in catalogue:
            if message.id:
                characters.update(*translations_of(message))
    return characters
