"""The mirror's side of sharing: it announces a GIF as soon as its recording has ended, and names the page for phones.

Everything here waits for a disk or computes for a while, so the thread that writes GIFs does it.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path

from device.display.code import encode_code, wifi_text
from device.display.views import ShownPage
from device.recording.stills import Recording
from device.share.address import Address, read_address, runtime_folder
from device.share.shared_gif import SharedGif, details_file, write_details


@dataclass(frozen=True, slots=True)
class Sharing:
    """Where shared GIFs are written, for how many hours they are kept, and where the page's server says its address."""

    folder: Path
    hours: float
    server_folder: Path = field(default_factory=runtime_folder)

    @property
    def whole_hours(self) -> int:
        """The whole hours that visitors read. The GIF stays at least that long."""
        return int(self.hours)

    def announce(self, name: str, recording: Recording) -> None:
        """Write the details of a GIF that is going to be made. Raises OSError."""
        now = time.time()
        language = recording.words.language
        write_details(self.folder, SharedGif(name, now, now + 3600 * self.hours, recording.credits, language))

    def withdraw(self, name: str) -> None:
        """Remove the details of a GIF that could not be made."""
        with contextlib.suppress(OSError):
            details_file(self.folder, name).unlink()

    def page(self, name: str) -> ShownPage | None:
        """Return the page of a GIF; None while it is not being served, or its address fits into no code."""
        address = read_address(self.server_folder)
        if address is None:
            return None
        try:
            return shown_page(address, name, self.whole_hours)
        except ValueError:  # too long, or no text
            return None


def shown_page(address: Address, name: str, hours: int) -> ShownPage:
    """Return the page of a GIF as the display shows it: with codes."""
    code, wifi = encode_code(address.url + name), address.wifi
    if wifi is None:
        return ShownPage(code, hours)
    return ShownPage(code, hours, wifi.name, encode_code(wifi_text(wifi.name, wifi.password)))
