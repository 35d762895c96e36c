"""The mirror that `soak.py` runs: complete, as `pose-mirror run` starts it, with a witness of what is on the screen.

Only `soak.py` starts it. The display is SDL's "dummy" driver, whose cable is a folder like the kernel's
/sys/class/drm. SIGUSR1 presses the space bar. A line of JSON goes to standard output each second, and whenever the
screen shows something else. If nobody reads the output any more, because `soak.py` was killed, writing fails and the
mirror ends.
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
from unittest import mock

import pygame

from device.config import load
from device.display import panel, screen
from device.display.layout import Size
from device.display.panel import DisplayKind, HotplugDisplay
from device.display.views import View
from device.mirror import MirrorParts, run_mirror
from device.moment import Moment
from device.start import open_mirror

REPORT_SECONDS = 1.0
"""Seconds between two reports while the screen shows the same."""


class Witness:
    """Watches each view that is drawn, and how old its frame is when the next one replaces it."""

    def __init__(self, parts: MirrorParts) -> None:
        self._parts = parts
        self._draw = parts.screen.draw
        self._view = View()
        self._shown: Moment | None = None
        self._oldest = self._longest = 0.0
        self._pictures = self._frames = 0
        self._last: Moment | None = None
        self._last_state: object = None
        self._reported_at = self._drawn_at = time.monotonic()
        self.presses = 0

    def draw(self, view: View, now: float) -> None:
        """Replaces the screen's `draw`."""
        self._view = view
        self._draw(view, now)

    def watch(self, moment: Moment, now: float) -> None:
        """The mirror calls this after every picture."""
        if self._shown is not None and self._shown.frame is not None:
            self._oldest = max(self._oldest, now - self._shown.frame.captured_at)
        seen = self._view.camera_image is not None and not self._parts.screen.display_missing
        self._shown = moment if seen else None
        self._longest, self._drawn_at = max(self._longest, now - self._drawn_at), now
        self._pictures += 1
        self._frames += moment is not self._last
        self._last = moment
        if self.presses:
            self.presses -= 1
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_SPACE, mod=0, unicode=" ", scancode=0))
        state = (
            moment.faults,
            self._view.recorded.notice,
            seen,
            self._parts.screen.display_missing,
            self._parts.recorder.phase,
        )
        if state != self._last_state or now - self._reported_at >= REPORT_SECONDS:
            self._report(now)
            self._last_state = state

    def _report(self, now: float) -> None:
        report = {
            "at": now,
            "faults": self._last.faults if self._last else (),
            "notice": self._view.recorded.notice and self._view.recorded.notice.text,
            "dark": self._parts.screen.display_missing,
            "live": self._view.camera_image is not None,
            "somebody": bool(self._view.answers),
            "phase": self._parts.recorder.phase,
            "oldest": round(self._oldest, 3),
            "longest": round(self._longest, 3),
            "pictures": self._pictures,
            "frames": self._frames,
            "seconds": round(now - self._reported_at, 3),
        }
        print(json.dumps(report), flush=True)
        self._oldest = self._longest = 0.0
        self._pictures = self._frames = 0
        self._reported_at = now


def use_dummy_display(drm: Path) -> None:
    """Let the mirror find its display in `drm`, and open it with a driver that needs no display."""

    def mode(kind: DisplayKind, size: Size | None) -> tuple[Size, int]:
        displays = panel.connected_displays(drm)
        if kind != "kiosk" or not displays:
            return size or panel.DEFAULT_SIZE, 0
        width, _, height = displays[0].modes.split()[0].partition("x")
        return (int(width), int(height)), 0

    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        os.environ.pop(name, None)
    mock.patch.object(panel, "KIOSK_DRIVER", "dummy").start()
    mock.patch.object(panel, "_mode", mode).start()
    mock.patch.object(screen, "HotplugDisplay", partial(HotplugDisplay, drm=drm)).start()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak_mirror", description=__doc__)
    parser.add_argument("config", type=Path, metavar="CONFIG.toml", help="the mirror's configuration")
    parser.add_argument("drm", type=Path, metavar="FOLDER", help="a folder like /sys/class/drm")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    use_dummy_display(args.drm)
    settings = load(args.config)
    with open_mirror(settings) as parts:
        witness = Witness(parts)
        mock.patch.object(parts.screen, "draw", witness.draw).start()
        signal.signal(signal.SIGUSR1, lambda *_: setattr(witness, "presses", witness.presses + 1))
        run_mirror(parts, fps=settings.screen.fps, callbacks=[witness.watch])
    return 0


if __name__ == "__main__":
    sys.exit(main())
