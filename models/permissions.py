"""Why this user may not read a file, and what lets them: the service's user is often not the one who made a library."""

from __future__ import annotations

import os
import pwd
import shlex
from pathlib import Path

from models.text import printable


def user_name() -> str:
    """Return this user's name, or the number of a user without a name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"number {os.geteuid()}"


def explain_refusal(path: Path) -> str | None:
    """Return why this user may not read a file or folder, and the remedy, as the end of a sentence; None if they may.

    The reason may be a folder above that this user may not enter.
    """
    whole = Path(os.path.abspath(path))
    blocked = next((folder for folder in reversed(whole.parents) if not os.access(folder, os.X_OK)), None)
    if blocked is not None and os.path.isdir(blocked):
        return (
            f"the user {user_name()} may not enter {printable(blocked)}: move it out of there, or run "
            f"`sudo chmod a+x {shlex.quote(printable(blocked))}`"
        )
    needed = os.R_OK | os.X_OK if os.path.isdir(whole) else os.R_OK
    if not os.path.lexists(whole) or os.access(whole, needed):
        return None
    return f"the user {user_name()} may not read it: run `sudo chmod -R a+rX {shlex.quote(printable(whole))}`"
