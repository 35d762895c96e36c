"""The rules of a collection: the defaults, a file that changes them, and one sentence for each mistake in it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from index.build.photo import SourceError
from index.collect.rules import DEFAULTS_FILE, closest_name, default_rules_text, load_rules
from index.credit import Credit

DEFAULTS = load_rules()
BY = Credit("Jump", "Ann", "CC BY 2.0", "https://creativecommons.org/licenses/by/2.0/")


def write(folder: Path, text: str | bytes) -> Path:
    file = folder / "rules.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def failure(folder: Path, text: str | bytes) -> str:
    file = write(folder, text)
    with pytest.raises(SourceError) as error:
        load_rules(file)
    sentence = str(error.value)
    assert sentence.startswith(str(file))
    assert re.search(r"[^.?][.?]$", sentence)
    assert "\n" not in sentence
    return sentence


def test_the_defaults_as_a_file_change_nothing(tmp_path: Path) -> None:
    assert load_rules(write(tmp_path, default_rules_text())).digest == DEFAULTS.digest


def test_each_key_is_explained() -> None:
    """What an owner may change has a comment above it or above its section."""
    lines = default_rules_text().split("\n")
    for section, keys in tomllib.loads(default_rules_text()).items():
        assert f"[{section}]" in lines
        for key in keys if section != "collections" else ():
            number = next(n for n, line in enumerate(lines) if line.startswith(f"{key} = "))
            assert lines[number - 1].startswith("#")


def test_lines_fit_a_terminal() -> None:
    assert max(map(len, DEFAULTS_FILE.read_text(encoding="utf-8").split("\n"))) <= 120


def test_a_file_changes_what_it_names(tmp_path: Path) -> None:
    rules = load_rules(write(tmp_path, "[people]\r\nmax = 4\r\nmin_height = 1\r\n[shares]\r\nseated = 0.2\r\n"))
    assert rules == replace(DEFAULTS, max_people=4, min_height=1.0, seated_share=0.2)
    assert rules.digest != DEFAULTS.digest


def test_own_collections_replace_all(tmp_path: Path) -> None:
    rules = load_rules(write(tmp_path, '[collections]\n"Tai chi" = ["Martial arts"]\nBall = ["Dance", "dance *"]\n'))
    assert rules.collections == {"Tai chi": ("Martial arts",), "Ball": ("Dance", "dance *")}


def test_the_order_of_collections_counts(tmp_path: Path) -> None:
    first = load_rules(write(tmp_path, '[collections]\nA = ["Dance"]\nB = ["Ballet"]\n'))
    second = load_rules(write(tmp_path, '[collections]\nB = ["Ballet"]\nA = ["Dance"]\n'))
    assert first.digest != second.digest


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[peple]\nmax = 2", "there is no section [peple]; did you mean people?"),
        ("[xyz]\nmax = 2", "there are pictures, people, shares, seated, collections, leave_out"),
        ("people = 2", "people must be a section, [people], not 2"),
        ("[people]\nmaximum = 2", '[people] has no key "maximum"; did you mean max?'),
        ("[people]\nmax = 0", "[people] max must be from 1 to 100, not 0"),
        ("[people]\nmax = 1.5", "[people] max must be a whole number, not 1.5"),
        ("[people]\nmin_height = nan", "[people] min_height must be from 0 to 1, not NaN"),
        ("[people]\nmin_height = true", "[people] min_height must be a number, not true"),
        ('[people]\nminors = "no"', '[people] minors must be one of allowed, avoid, not "no"'),
        ('[pictures]\nsplits = ["trian"]', 'splits may list train, validation, test, not "trian"'),
        ("[pictures]\nsplits = []", "splits must not be empty"),
        ('[pictures]\nlicences = "CC BY"', 'licences must be a list of texts in quotes, not "CC BY"'),
        ('[leave_out]\nwords = ["war", 3]', "words must be a list of texts in quotes, but 3 is in it"),
        ('[leave_out]\nlabels = [" "]', 'but " " is in it'),
        ('[collections]\nDance = "Dance"', 'collections] "Dance" must be a list of texts in quotes'),
        ('[collections]\n"" = ["Dance"]', '"" is not a collection\'s name'),
        ('[collections]\n"a\\nb" = ["Dance"]', "is not a collection's name"),
        ("[shares]\nseated = 0.5", "[shares] add up to 1.15: they may add up to 1 at most"),
        ("[people\nmax = 2", "is not TOML"),
        (b"# caf\xe9", "is not UTF-8"),
        ("[people]\nwhen = 2020-01-01", 'has no key "when"'),
        ("[people]\nmax = 2020-01-01", 'max must be a whole number, not "2020-01-01"'),
        (f"x = {'[' * 5000}", "is not TOML"),
        (b"#" * 1_000_001, "is larger than rules can be (1 MB)"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, text: str | bytes, part: str) -> None:
    assert part in failure(tmp_path, text)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"missing\.toml cannot be read"):
        load_rules(tmp_path / "missing.toml")


@pytest.mark.parametrize(
    "title",
    [
        "The WAR museum",
        "Nackt!",
        "…(nude)…",
        "R.I.P. Joe",
        "strip\nclub",
        "病院にて",
        "My Kids",
        "viole\u0302ncia hoje",
        "violencia",
        "Nude_woman",
        "nude_01",
        "IMG_kids_3",
        "school_trip",
        "Kids2012",
        "2012kids",
        "DSC0042war",
        "strip_club_2",
        "__High__School__",
        "Strip Club2",
        "R.I.P._Joe",
        "r.i.p.2012",
    ],
)
def test_words_leave_a_title_out(title: str) -> None:
    assert not DEFAULTS.allows(BY._replace(title=title))


@pytest.mark.parametrize(
    "title", [None, "", "A warm day", "Essex", "Grip", "DSC_0042.jpg", "Kidney beans", "скоро", "IMG_warm_2"]
)
def test_other_titles_stay(title: str | None) -> None:
    assert DEFAULTS.allows(BY._replace(title=title))


def test_words_for_children_count_only_to_avoid_them() -> None:
    allowed = replace(DEFAULTS, minors="allowed")
    assert allowed.allows_title("My kids")
    assert not allowed.allows_title("War")
    assert set(DEFAULTS.labels_left_out) - set(allowed.labels_left_out) == set(DEFAULTS.minor_labels)


@pytest.mark.parametrize(
    ("word", "title", "is_allowed"),
    [
        ("strip_club", "A strip club", False),
        ("covid19", "Covid19_ward", False),
        ("covid19", "covid1918", True),
        ("covid19", "A covid 19", True),
        ("69", "IMG_69", False),
        ("69", "IMG_6900", True),
        ("_", "A_title with spaces", True),
    ],
)
def test_own_words_with_digits_and_underscores(word: str, title: str, is_allowed: bool) -> None:
    assert replace(DEFAULTS, leave_out_words=(word,)).allows_title(title) is is_allowed


def test_no_words_leave_nothing_out() -> None:
    assert replace(DEFAULTS, leave_out_words=(), minor_words=()).allows_title("war")


@pytest.mark.parametrize(
    ("licence", "url", "is_allowed"),
    [
        ("CC BY 2.0", None, True),
        (None, "https://creativecommons.org/licenses/by/2.0/", True),
        (None, "http://creativecommons.org/publicdomain/zero/1.0/", True),
        ("CC BY-NC 2.0", None, False),
        ("CC BY-SA 4.0", None, True),
        ("CC BY-ND 4.0", None, False),
        ("CC0", None, True),
        ("CC0 1.0", None, True),
        ("CC0-NC", None, False),
        ("CC0 1.0 (non-commercial only)", None, False),
        ("Public Domain Mark 1.0", None, True),
        ("Public Domain Mark (non-commercial only)", None, False),
        ("CC BY 2.0", "https://creativecommons.org/licenses/by-nc/2.0/", False),
        ("All rights reserved", None, False),
        (None, None, False),
    ],
)
def test_licences(licence: str | None, url: str | None, is_allowed: bool) -> None:
    assert DEFAULTS.allows(Credit("Jump", licence=licence, licence_url=url)) is is_allowed


def test_the_closest_name() -> None:
    assert closest_name("balet", ["Ballet", "Dance"]) == "Ballet"
    assert closest_name("xyz", ["Ballet", "Dance"]) is None
