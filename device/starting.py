"""A long start: the screen, systemd and the log say how far it is."""

from __future__ import annotations

import logging
import time
from typing import Final

from device.display.screen import Event, Screen
from device.display.views import View
from device.language.message import message
from device.system.systemd import Notifier
from models.progress import ProgressCallback

STARTING: Final = message("The mirror is starting …")

log = logging.getLogger(__name__)


def screen_progress_reporter(screen: Screen) -> ProgressCallback:
    """Return a callback that shows the progress of a long start: on the screen, to systemd, and each tenth in the log.

    It raises SystemExit if the screen is closed meanwhile.
    """
    logged_tenth, notifier = -1, Notifier.from_environ()

    def report(done: int, total: int | None, what: str) -> None:
        nonlocal logged_tenth
        if Event.QUIT in screen.poll_events(time.monotonic()):
            raise SystemExit(0)
        text = f"{what}: {done} of {total}" if total else f"{what}: {done}"
        screen.draw(View(starting=STARTING, started=done / total if total else None), time.monotonic())
        notifier.notify_starting(text)
        tenth = 10 * done // total if total else 0
        if tenth != logged_tenth:
            logged_tenth = tenth
            log.info("%s", text)

    return report
