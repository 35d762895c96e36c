"""Colours of pictures: whatever a file holds, with or without a colour profile, as eight bits of sRGB."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageCms

from models.pose import Floats

PROFILED_MODES: Final = ("RGB", "CMYK", "L")
"""Pillow's modes of pictures that a colour profile is applied to."""


def to_eight_bits(picture: Pillow.Image) -> Pillow.Image:
    """Return a picture of any mode as L, RGB, RGBA or CMYK."""
    if picture.mode in ("L", "RGB", "RGBA", "CMYK"):
        return picture
    if picture.mode.startswith("I;16"):
        return Pillow.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        return Pillow.fromarray(_to_grey(np.array(picture, np.float32), picture.mode))
    if picture.mode == "LAB":
        return _convert(picture, ImageCms.createProfile("LAB"))
    transparent = picture.mode in ("LA", "PA", "La", "RGBa") or "transparency" in picture.info
    return picture.convert("RGBA" if transparent else "RGB")


def to_srgb(picture: Pillow.Image, profile: bytes | None) -> Pillow.Image:
    """Return a picture of `to_eight_bits` in sRGB: its colour profile applied, transparent parts on white."""
    if picture.mode == "RGBA":
        white = Pillow.new("RGBA", picture.size, "white")
        picture = Pillow.alpha_composite(white, picture).convert("RGB")
    if profile and picture.mode in PROFILED_MODES:
        try:
            embedded = ImageCms.getOpenProfile(io.BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(embedded):
                picture = _convert(picture, embedded)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # the profile is damaged or is for other colours: keep the colours as they are
    return picture.convert("RGB")


def _convert(picture: Pillow.Image, profile: ImageCms._CmsProfileCompatible) -> Pillow.Image:
    converted = ImageCms.profileToProfile(picture, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    return picture if converted is None else converted


def _to_grey(numbers: Floats, mode: str) -> npt.NDArray[np.uint8]:
    """Return 32-bit numbers as bytes, and overwrite the numbers: there may not be enough memory for a copy."""
    np.nan_to_num(numbers, copy=False)
    low, high = float(numbers.min()), float(numbers.max())
    # PNG and TIFF store 16-bit grey in 32-bit integers. Nothing defines other ranges: spread them from black to white.
    if mode == "I" and low >= 0:
        low, high = 0, 65535
    scale = 255 / (high - low) if high > low else 0
    numbers *= scale
    numbers -= low * scale
    return np.clip(numbers, 0, 255, out=numbers).astype(np.uint8)
