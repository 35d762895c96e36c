"""The mirror's own Wi-Fi has no internet: what phones get that look whether it has.

A phone that joins a Wi-Fi asks for a page of its maker's, and every name leads to the mirror. The first time it is sent
to a page that welcomes the visitor; afterwards it gets the answer it hopes for, because it would leave the Wi-Fi
otherwise, or send the second code's page over the mobile network.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from flask import Request, Response, redirect

from device.share.visitors import Welcomed, visitor_key

APPLE: Final = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"
FIREFOX: Final = '<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>'

PROBES: Final[Mapping[str, tuple[int, str, str]]] = {
    "/generate_204": (204, "", "text/plain"),
    "/gen_204": (204, "", "text/plain"),
    "/hotspot-detect.html": (200, APPLE, "text/html"),
    "/library/test/success.html": (200, APPLE, "text/html"),
    "/connecttest.txt": (200, "Microsoft Connect Test", "text/plain"),
    "/ncsi.txt": (200, "Microsoft NCSI", "text/plain"),
    "/success.txt": (200, "success\n", "text/plain"),
    "/canonical.html": (200, FIREFOX, "text/html"),
}
"""What Android, iOS, Windows and Firefox ask for, and the status, text and type that tell them all is well."""

WELCOME_PATH: Final = "welcome"

GUEST_BITS: Final = 24
"""The hotspot's guests have addresses that begin with as many bits as its own does."""


@dataclass(frozen=True, slots=True)
class Portal:
    """Answers for guests of the hotspot. `url` returns its page's address while the hotspot is up, else None."""

    url: Callable[[], str | None]
    welcomed: Welcomed = field(default_factory=Welcomed)

    def answer(self, request: Request) -> Response | None:
        """Return the answer to a probe, or to a request for another machine's page; None for the mirror's own pages."""
        url, key = self.url(), visitor_key(request.remote_addr or "")
        if url is None or not _is_guest(url, key):
            return None
        if (probe := PROBES.get(request.path)) is not None and key in self.welcomed:
            status, text, mimetype = probe
            return Response(text, status, mimetype=mimetype)
        if probe is not None:
            return _redirect(url + WELCOME_PATH)
        return _redirect(url) if request.host != urlsplit(url).netloc else None

    def welcome(self, request: Request) -> None:
        """Remember that a visitor has been sent the welcome page."""
        self.welcomed.add(visitor_key(request.remote_addr or ""))

    @property
    def is_open(self) -> bool:
        """Whether the hotspot is up."""
        return self.url() is not None


def _is_guest(url: str, key: str) -> bool:
    """Return whether a visitor came by the hotspot's Wi-Fi; others, by a cable, could not open its address."""
    try:
        guests = ipaddress.ip_network(f"{urlsplit(url).hostname}/{GUEST_BITS}", strict=False)
        return ipaddress.ip_address(key) in guests
    except ValueError:
        return False


def _redirect(url: str) -> Response:
    response = redirect(url, 302, Response)
    response.set_data("")
    assert isinstance(response, Response)
    return response
