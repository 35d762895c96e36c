"""The paths of the project and of the data next to it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
"""The project's folder."""

SHARED: Final = ROOT.parent / "shared" / "data"
"""Real photos, videos, poses and models, which are not in the repository."""
