"""A sentence for visitors, in English, before it is translated.

The code passes messages around. Only what draws them knows the language, because that may change while they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence in English, with the values for its placeholders.

    `text` has placeholders in braces, such as `{count}`. `plural` is the sentence for other numbers than one, empty if
    the sentence counts nothing; `count` then chooses between them. `values` are pairs of a placeholder and its value.
    """

    text: str
    plural: str = ""
    count: int = 0
    values: tuple[tuple[str, str | int], ...] = ()


def message(text: str, /, **values: str | int) -> Message:
    """Return a message. The catalogues are made from the calls of this function, so `text` must be a literal."""
    return Message(text, values=tuple(values.items()))


def plural_message(text: str, plural: str, count: int, /, **values: str | int) -> Message:
    """Return a message about `count` things: `text` for one, `plural` for other numbers; both may use `{count}`."""
    return Message(text, plural, count, (("count", count), *values.items()))
