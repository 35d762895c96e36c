"""Licence patterns: a licence that is not known to match is not allowed."""

from __future__ import annotations

import pytest

from index.build.licences import deed_url, matches_licence, short_name


@pytest.mark.parametrize(
    ("licence", "url", "pattern", "fits"),
    [
        ("CC BY 4.0", None, "CC BY*", True),
        ("cc by 4.0", None, "CC BY 4.0", True),
        ("CC-BY-4.0", None, "CC BY 4.0", True),
        ("CC-BY-NC-SA-2.0", None, "CC BY-NC-SA 2.0", True),
        ("CC BY-NC 2.0", None, "CC BY*", True),
        ("CC BY-NC 2.0", None, "CC BY [0-9]*", False),
        ("CC BY 2.0", None, "CC BY [0-9]*", True),
        ("CC0 1.0", None, "CC0*", True),
        ("CC0 1.0", None, "CC BY*", False),
        ("All rights reserved", None, "CC*", False),
        (None, None, "*", False),
        ("", "", "*", False),
        ("Attribution License", "http://creativecommons.org/licenses/by/2.0/", "CC BY 2.0", True),
        ("Attribution-NonCommercial License", "http://creativecommons.org/licenses/by-nc/2.0/", "CC BY-NC *", True),
        ("Attribution-NonCommercial License", "http://creativecommons.org/licenses/by-nc/2.0/", "CC BY [0-9]*", False),
        (None, "https://creativecommons.org/publicdomain/zero/1.0/deed.de", "CC0*", True),
        (None, "https://creativecommons.org/publicdomain/mark/1.0/", "Public Domain*", True),
        (None, "https://unsplash.com/license", "*unsplash.com*", True),
        ("No known copyright restrictions", "http://flickr.com/commons/usage/", "No known*", True),
        ("CC0 1.0 Universal", None, "CC0 ?.?", True),
        ("cc0-1.0", None, "CC0 ?.?", True),
        ("CC0: Public Domain", None, "CC0", True),
        ("CC0-NC", None, "CC0", False),
        ("CC0 1.0 (non-commercial only)", None, "CC0 ?.?", False),
        ("Public Domain Mark 1.0 Universal", None, "Public Domain Mark ?.?", True),
    ],
)
def test_matches_by_name_url_or_short_name(licence: str | None, url: str | None, pattern: str, fits: bool) -> None:
    assert matches_licence(licence, [pattern], url) is fits


BY = "https://creativecommons.org/licenses/by/2.0/"
BY_NC = "https://creativecommons.org/licenses/by-nc/2.0/"
FREE = ("CC BY", "CC BY ?.?", "CC BY-SA ?.?", "CC0", "Public domain", "No known copyright restrictions")


@pytest.mark.parametrize(
    ("licence", "url"),
    [
        ("CC BY-NC 2.0", BY),
        ("CC BY 2.0", BY_NC),
        ("CC BY-ND 2.0", BY),
        ("CC0", BY_NC),
        ("All rights reserved", BY),
        ("© 2019 Ann. Alle Rechte vorbehalten.", BY),
        ("Attribution-NonCommercial License", BY),
        ("CC BY-NC-SA 3.0 de", BY),
        ("CC BY\u2011NC 4.0", BY),
        ("Not for commercial use", BY),
        ("Public domain", BY_NC),
        ("No known copyright restrictions", BY_NC),
        ("CC BY 2.0", BY.replace("by", "by_nc")),
    ],
)
def test_name_and_url_that_contradict_each_other_do_not_match(licence: str, url: str) -> None:
    assert not matches_licence(licence, FREE, url)


@pytest.mark.parametrize(
    ("licence", "url"),
    [
        ("CC BY", BY),
        ("CC BY 2.0", "https://creativecommons.org/licenses/by/"),
        ("cc-by-2.0", BY),
        ("CC BY-SA 2.0", BY),
        ("Attribution", BY),
        ("CC BY 2.0 de", BY),
        ("© 2019 Ann Example", BY),
        ("see website", BY),
        ("No rights reserved", BY),
        ("CC BY 2.0", "https://ann.example/nc/licence"),
        ("CC0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    ],
)
def test_name_and_url_that_go_together_match(licence: str, url: str) -> None:
    assert matches_licence(licence, FREE, url)


def test_other_version_in_the_url_must_match_too() -> None:
    assert not matches_licence("CC BY 4.0", ["CC BY 4.0"], BY)
    assert matches_licence("CC BY 4.0", ["CC BY 4.0", "CC BY 2.0"], BY)


@pytest.mark.parametrize("pattern", ["*unsplash.com*", "My terms"])
def test_patterns_for_other_licences_match_either(pattern: str) -> None:
    assert matches_licence("My terms", [pattern], "https://unsplash.com/license")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (BY, "CC BY 2.0"),
        ("HTTP://www.CreativeCommons.org/licenses/BY/2.0", "CC BY 2.0"),
        ("//creativecommons.org/licenses/by/2.0/", "CC BY 2.0"),
        ("creativecommons.org/licenses/by-sa/3.0/de/deed.en?ref=x#top", "CC BY-SA 3.0"),
        ("https://creativecommons.org/licenses/by", "CC BY"),
        ("https://creativecommons.org/licenses/by%2Dnc/2.0/", "CC BY-NC 2.0"),
        ("© Ann, licensed under http://creativecommons.org/licenses/by-nc/4.0/.", "CC BY-NC 4.0"),
        ("CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)", "CC BY 4.0"),
        ("<a href='https://creativecommons.org/licenses/by/4.0/'>", "CC BY 4.0"),
        ("https://creativecommons.org/licenses/by_nc/2.0/", None),
        ("https://creativecommons.org/licenses/by\u2011nc/4.0/", None),
        ("https://creativecommons.org/licenses/by nc/4.0/", None),
        ("https://creativecommons.org/licenses/by%20nc/4.0/", None),
        ("https://creativecommons.org/licenses/by/nc/4.0/", None),
        ("https://creativecommons.org/licenses/by/4.0-nc/", None),
        ("https://creativecommons.org/licenses/bync2/4.0/", None),
        ("https://evil.example/?creativecommons.org/licenses/by/2.0", None),
        ("https://evil.example/?%20https://creativecommons.org/licenses/by/2.0", None),
        ("https://evilcreativecommons.org/licenses/by/2.0", None),
        ("https://creativecommons.org.evil.example/licenses/by/2.0", None),
        (f"{BY} or {BY_NC}", None),
        (f"All rights reserved; not {BY}", None),
        (f"Non-commercial use, see {BY}", None),
    ],
)
def test_finds_the_licence_of_a_deed(text: str, name: str | None) -> None:
    assert next(short_name(text), None) == name


def test_one_matching_pattern_is_enough() -> None:
    assert matches_licence("CC0", ["CC BY*", "CC0*"])
    assert not matches_licence("CC0", [])


@pytest.mark.parametrize(
    ("licence", "url"),
    [
        ("CC BY-SA 4.0", "https://creativecommons.org/licenses/by-sa/4.0/"),
        ("cc-by-2.0", "https://creativecommons.org/licenses/by/2.0/"),
        ("CC0", "https://creativecommons.org/publicdomain/zero/1.0/"),
        ("CC BY", ""),
        ("CC0 1.0 Universal (CC0 1.0) Public Domain Dedication", "https://creativecommons.org/publicdomain/zero/1.0/"),
        ("CC0-NC", ""),
        ("Public Domain Mark 1.0", ""),
        ("All rights reserved", ""),
        ("", ""),
    ],
)
def test_finds_the_deeds_of_creative_commons(licence: str, url: str) -> None:
    assert deed_url(licence) == url
