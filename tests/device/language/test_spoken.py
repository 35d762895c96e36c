"""Which languages the mirror speaks: those whose letters it can draw."""

from __future__ import annotations

import pytest

from device.display import fonts
from device.language.catalogues import LanguageError
from device.language.spoken import load_spoken_languages


@pytest.mark.parametrize(
    ("codes", "spoken"),
    [(("ar",), ["en"]), (("ja", "de"), ["de"]), (("de", "fr"), ["de", "fr"]), (("zh", "ar"), ["en"])],
)
def test_speaks_no_language_without_letters(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, codes: tuple[str, ...], spoken: list[str]
) -> None:
    monkeypatch.setattr(fonts, "system_fonts", lambda: ())
    assert [language.code for language in load_spoken_languages(codes)] == spoken
    assert [f"letters of {code}:" in caplog.text for code in codes] == [code not in spoken for code in codes]


def test_a_language_without_a_catalogue_is_an_error() -> None:
    with pytest.raises(LanguageError, match="there is no language 'xx'"):
        load_spoken_languages(["de", "xx"])
