"""The words of the pages for phones, in the phone's language."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from urllib.parse import urlsplit

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from flask import Request
from markupsafe import Markup, escape

from device.language.catalogues import ENGLISH
from device.language.message import Message, message
from device.language.translate import Language

URL: Final = re.compile(r"https?://[^\s<>\"'.,;:!?)\]][^\s<>\"']*")
"""A web address in a credit, with what its sentence puts after it."""

LOCAL_DOMAINS: Final = (".local", ".lan", ".home.arpa", ".internal")
"""Ends of names that are of a local network."""

YOUR_GIF: Final = message("Your GIF")
DESCRIPTION: Final = message("You, and a photo of somebody else in your pose")
SAVE: Final = message("Save the GIF")
TOUCH_AND_HOLD: Final = message("Touch and hold the picture. Then choose to save it to your photos.")
CREDITS: Final = message("Photo credits")


@dataclass(frozen=True, slots=True)
class Notice:
    """A page without a GIF: a title, and sentences."""

    title: Message
    sentences: tuple[Message, ...]


MAKING: Final = Notice(message("Your GIF is being made …"), (message("It will appear here in a moment."),))
NO_GIF: Final = Notice(
    message("There is no GIF here"),
    (
        message("It has been deleted, or the address is incomplete. GIFs stay here for a short time only."),
        message("Stand in front of the mirror, and make a new one!"),
    ),
)
START: Final = Notice(
    message("Take your GIF home"),
    (message("Press the mirror's button, and then scan the code on its display: your GIF opens here."),),
)
WELCOME: Final = Notice(
    message("You are connected"),
    (
        message("Now scan the second code on the display: it opens your GIF."),
        message("This Wi-Fi has no internet. If your phone asks, stay connected until you have saved your GIF."),
    ),
)
TOO_MANY: Final = Notice(message("One moment, please"), (message("Please wait a minute, and open the page again."),))
READ_ONLY: Final = Notice(message("This page can only be read"), ())
FAILED: Final = Notice(message("Something went wrong"), (message("Please wait a minute, and open the page again."),))

Saving = Literal["hold", "link", "both"]
"""How a phone saves a GIF to its photos."""


def saving_on(user_agent: str) -> Saving:
    """Return how the phone saves a GIF: on an iPhone a link would put it among files, where nobody looks for it.

    An iPad calls itself a Macintosh, so that both get both.
    """
    if re.search(r"iPhone|iPad|iPod", user_agent):
        return "hold"
    return "both" if "Macintosh" in user_agent else "link"


def choose_language(request: Request, codes: list[str], default: str = ENGLISH) -> Language:
    """Return the first language of the phone's list that is spoken here, in whichever country; else the default one.

    A phone that takes any language, as `*` says, gets the default one, too.
    """
    spoken = {code.lower().replace("_", "-"): code for code in codes}
    for named, quality in request.accept_languages:  # the best one is first
        tag = named.lower().replace("_", "-")
        found = spoken.get(tag) or spoken.get(tag.partition("-")[0])
        if found and quality > 0:
            return Language(found)
    return Language(default if default in codes else ENGLISH)


def opens_only_here(host: str) -> bool:
    """Return whether a page's host is one of the local network, so that phones find it nowhere else."""
    try:
        return ipaddress.ip_address(urlsplit(f"//{host}").hostname or "").is_private
    except ValueError:  # a name
        name = host.partition(":")[0].lower()
        return "." not in name or name.endswith(LOCAL_DOMAINS)


def deleted_at(seconds: float, code: str, only_here: bool) -> Message:
    """Return until when to save a GIF, in the machine's time zone.

    It is deleted at `seconds` since 1970. `code` is the language's, and with `only_here` the page opens nowhere else.
    """
    try:
        locale = Locale.parse(code.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        locale = Locale(ENGLISH)
    moment = datetime.fromtimestamp(seconds)
    date, at = format_date(moment.date(), "full", locale), format_time(moment.time(), "short", locale=locale)
    if only_here:
        return message(
            "Save it before you leave: this page opens only here. It will be deleted on {date} at {time}.",
            date=date,
            time=at,
        )
    return message("It will be deleted on {date} at {time}. Save it before then.", date=date, time=at)


def link_addresses(credit: str) -> Markup:
    """Return a credit as HTML, with links where it has web addresses."""
    parts, end = [], 0
    for match in URL.finditer(credit):
        address = _without_sentence(match[0])
        link = Markup('<a href="{0}" rel="noopener noreferrer nofollow">{0}</a>').format(address)
        parts += [escape(credit[end : match.start()]), link]
        end = match.start() + len(address)
    return Markup().join([*parts, escape(credit[end:])])


def _without_sentence(address: str) -> str:
    """Return a web address without the sentence's full stop, and without brackets that do not open in it."""
    end = len(address)
    unopened = {")": address.count(")") - address.count("("), "]": address.count("]") - address.count("[")}
    while (last := address[end - 1]) in ".,;:!?" or unopened.get(last, 0) > 0:
        if last in unopened:
            unopened[last] -= 1
        end -= 1
    return address[:end]


def file_name(made_at: float) -> str:
    """Return the name under which phones save a GIF."""
    return f"pose-mirror-{datetime.fromtimestamp(made_at):%Y-%m-%d-%H%M}.gif"
