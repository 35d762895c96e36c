"""The mirror that `soak.py` watches: all of it as `pose-mirror run` starts it, with a witness of what is on the screen.

Started by `soak.py` alone. The display is SDL's "dummy" driver, whose cable is a folder like the kernel's
/sys/class/drm. SIGUSR1 presses the space bar. On standard output goes a line of JSON each second, and whenever it is
another thing that the screen says; where nobody reads it any more, as `soak.py` was killed, the mirror ends by that.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import pygame

from device.config import load
from device.display import panel, screen
from device.display.layout import Size
from device.display.panel import DisplayKind, HotplugDisplay
from device.display.scene import View
from device.mirror import Moment, run_mirror
from device.start import MirrorParts, open_mirror

REPORT_SECONDS = 1.0
"""Seconds between two reports of a screen that says the same."""


class Witness:
    """Sees each view that is drawn, and how old its frame has become when another one takes its place."""

    def __init__(self, parts: MirrorParts) -> None:
        self._parts = parts
        self._draw = parts.screen.draw
        self._view = View()
        self._shown: Moment | None = None
        self._oldest = self._longest = 0.0
        self._pictures = self._frames = 0
        self._last: Moment | None = None
        self._said: object = None
        self._told = self._drew = time.monotonic()
        self.presses = 0

    def draw(self, view: View, now: float) -> None:
        """In the place of the screen's own."""
        self._view = view
        self._draw(view, now)

    def watch(self, moment: Moment, now: float) -> None:
        """What the mirror calls after every picture."""
        if self._shown is not None and self._shown.frame is not None:
            self._oldest = max(self._oldest, now - self._shown.frame.captured_at)
        seen = self._view.camera_image is not None and not self._parts.screen.display_missing
        self._shown = moment if seen else None
        self._longest, self._drew = max(self._longest, now - self._drew), now
        self._pictures += 1
        self._frames += moment is not self._last
        self._last = moment
        if self.presses:
            self.presses -= 1
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_SPACE, mod=0, unicode=" ", scancode=0))
        said = (
            self._view.faults,
            self._view.notice,
            seen,
            self._parts.screen.display_missing,
            self._parts.recorder.phase,
        )
        if said != self._said or now - self._told >= REPORT_SECONDS:
            self._report(now)
            self._said = said

    def _report(self, now: float) -> None:
        report = {
            "at": now,
            "faults": self._view.faults,
            "notice": self._view.notice,
            "dark": self._parts.screen.display_missing,
            "live": self._view.camera_image is not None,
            "somebody": self._view.visitor_present,
            "phase": self._parts.recorder.phase,
            "oldest": round(self._oldest, 3),
            "longest": round(self._longest, 3),
            "pictures": self._pictures,
            "frames": self._frames,
            "seconds": round(now - self._told, 3),
        }
        print(json.dumps(report), flush=True)
        self._oldest = self._longest = 0.0
        self._pictures = self._frames = 0
        self._told = now


def use_dummy_display(drm: Path) -> None:
    """Have the mirror find its display in `drm`, and open it by a driver that needs none."""

    def mode(kind: DisplayKind, size: Size | None) -> tuple[Size, int]:
        displays = panel.connected_displays(drm)
        if kind != "kiosk" or not displays:
            return size or panel.DEFAULT_SIZE, 0
        width, _, height = displays[0].modes.split()[0].partition("x")
        return (int(width), int(height)), 0

    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        os.environ.pop(name, None)
    panel.KIOSK_DRIVER = "dummy"
    panel._mode = mode
    screen.HotplugDisplay = partial(HotplugDisplay, drm=drm)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("drm", type=Path)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    use_dummy_display(asked.drm)
    settings = load(asked.config)
    with open_mirror(settings) as parts:
        witness = Witness(parts)
        parts.screen.draw = witness.draw
        signal.signal(signal.SIGUSR1, lambda *_: setattr(witness, "presses", witness.presses + 1))
        run_mirror(*parts, fps=settings.screen.fps, callbacks=[witness.watch])
    return 0


if __name__ == "__main__":
    sys.exit(main())
