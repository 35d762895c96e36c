"""Sort the words of a command line: options may stand before the command, after it, and among its arguments.

argparse alone accepts the options of a command only after it, and refuses an argument after an option that stands
among the arguments.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Final

NEGATIVE_NUMBER: Final = re.compile(r"-\d+|-\d*\.\d+")
"""A word that begins like an option, but is a value."""


def parse(top: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Parse the words with the parser of their command, which is one of those below `top`.

    Prints the error and exits with status 2 where that is not possible.
    """
    commands = dict(_commands(top))
    with_value = {name for parser in commands.values() for name in _option_names(parser, with_value=True)}
    parser, rest = top, list(words)
    while subparsers := _subparsers(parser):
        place = next((place for place, is_option in enumerate(_mark_options(rest, with_value)) if not is_option), None)
        if place is None or rest[place] not in subparsers:
            return parser.parse_args(rest if place is None else rest[place : place + 1])  # its own error, or its help
        parser = subparsers[rest.pop(place)]
    marks = _mark_options(rest, with_value)
    options = [word for word, is_option in zip(rest, marks, strict=True) if is_option]
    arguments = [word for word, is_option in zip(rest, marks, strict=True) if not is_option and word != "--"]
    for option in options:
        _check_option(option, parser, commands)
    args, unused = parser.parse_known_args([*options, "--", *arguments] if arguments else options)
    if unused:
        parser.error(f"these arguments are too many: {shlex.join(word for word in unused if word != '--')}")
    return args


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the commands or actions below a parser, by name."""
    groups = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(groups[0]) if groups else {}


def _commands(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield the name and the parser of each command, such as `index build`."""
    subparsers = _subparsers(parser)
    if not subparsers:
        yield name, parser
    for word, below in subparsers.items():
        yield from _commands(below, f"{name} {word}".strip())


def _option_names(parser: argparse.ArgumentParser, *, with_value: bool = False) -> set[str]:
    """Return the names of a parser's options; `with_value` only of those that a value follows."""
    return {
        name for action in parser._actions if not with_value or action.nargs is None for name in action.option_strings
    }


def _mark_options(words: Sequence[str], with_value: set[str]) -> list[bool]:
    """Return for each word whether it is an option or an option's value. After `--` none is."""
    marks: list[bool] = []
    takes_value = False
    for word in words:
        if word == "--":
            return marks + [False] * (len(words) - len(marks))
        is_option = _looks_like_option(word)
        marks.append(is_option or takes_value)
        # argparse takes the beginning of an option's name for the whole
        takes_value = is_option and len(word) > 2 and any(name.startswith(word) for name in with_value)
    return marks


def _looks_like_option(word: str) -> bool:
    return word.startswith("-") and word != "-" and NEGATIVE_NUMBER.fullmatch(word) is None


def _check_option(word: str, parser: argparse.ArgumentParser, commands: dict[str, argparse.ArgumentParser]) -> None:
    """Print an error and exit if a word looks like an option but is none of the parser's."""
    option = word.partition("=")[0]
    if not _looks_like_option(word) or any(name.startswith(option) for name in _option_names(parser)):
        return
    if os.path.lexists(word):
        parser.error(f"for the file {word} write ./{word}")
    owners = [name for name, other in commands.items() if option in _option_names(other)]
    if owners:
        parser.error(f"{option} is not an option of this command: it is for {', '.join(owners)}")
    similar = get_close_matches(option, _option_names(parser), n=1)
    hint = f"did you mean {similar[0]}?" if similar else f"`{parser.prog} --help` lists the options"
    parser.error(f"there is no option {option}; {hint}")
