"""`CameraControls` as libcamera's controls, by the names and units of picamera2.

Sources: libcamera's control_ids_core.yaml, and the Raspberry Pi's src/ipa/rpi/common/ipa_base.cpp, which says what each
camera has: only a lens that moves has AfMode, and only a colour sensor AwbEnable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from device.cameras.controls import CameraControls, clip

Range = tuple[Any, Any, Any]
"""A control's smallest, largest and default value, as in picamera2's `camera_controls`."""

FRAME_MICROSECONDS: Final = (33_333, 66_667)
"""Shortest and longest time per picture: 30 a second, down to 15 in poor light, so that pictures are not dark."""

AF_MANUAL: Final = 0
AF_CONTINUOUS: Final = 2
AF_NORMAL: Final = 0
"""For AfRange, without the closest distances; for AfSpeed, without haste: a lens that hunts shows more than a soft
picture does."""

FLICKER_MANUAL: Final = 1

FLICKER_MICROSECONDS: Final = {50: 10_000, 60: 8_333}
"""Lamps flicker twice in each period of the mains."""


def start_controls(controls: CameraControls, available: Mapping[str, Range]) -> dict[str, Any]:
    """Return the controls to start a camera with, without those that it does not have (`available`)."""
    values: dict[str, Any] = {"FrameDurationLimits": FRAME_MICROSECONDS}
    if controls.focus == "auto":
        values |= {"AfMode": AF_CONTINUOUS, "AfRange": AF_NORMAL, "AfSpeed": AF_NORMAL}
    else:
        values |= {"AfMode": AF_MANUAL, "LensPosition": _clip("LensPosition", controls.dioptres, available)}
    if isinstance(controls.exposure, float):
        values["ExposureTime"] = round(_clip("ExposureTime", controls.exposure * 1000, available))
        if controls.gain:
            values["AnalogueGain"] = _clip("AnalogueGain", controls.gain, available)
    if isinstance(controls.white_balance, float) and "ColourTemperature" in available:
        values |= {
            "AwbEnable": False,
            "ColourTemperature": round(_clip("ColourTemperature", controls.white_balance, available)),
        }
    if controls.mains:
        values |= {"AeFlickerMode": FLICKER_MANUAL, "AeFlickerPeriod": FLICKER_MICROSECONDS[controls.mains]}
    return {name: value for name, value in values.items() if name in available}


def lock_controls(
    controls: CameraControls, metadata: Mapping[str, Any], available: Mapping[str, Range]
) -> dict[str, Any]:
    """Return the controls that keep what a picture's metadata says of its exposure and its white balance."""
    values: dict[str, Any] = {}
    if controls.exposure == "locked":
        values |= {"AeEnable": False} | {name: metadata.get(name) for name in ("ExposureTime", "AnalogueGain")}
    if controls.white_balance == "locked":
        values |= {"AwbEnable": False, "ColourGains": metadata.get("ColourGains")}
    return {name: value for name, value in values.items() if name in available and value is not None}


def missing_controls(controls: CameraControls, available: Mapping[str, Range]) -> list[str]:
    """Return the settings that were changed although a camera has no control for them."""
    needs = {
        "focus": (controls.focus != "auto", "LensPosition"),
        "exposure": (controls.exposure != "auto", "ExposureTime"),
        "gain": (isinstance(controls.exposure, float) and controls.gain > 0, "AnalogueGain"),
        "white_balance": (
            controls.white_balance != "auto",
            "ColourGains" if controls.white_balance == "locked" else "ColourTemperature",
        ),
        "mains": (controls.mains > 0, "AeFlickerPeriod"),
    }
    return [setting for setting, (changed, name) in needs.items() if changed and name not in available]


def describe_lock(controls: CameraControls, metadata: Mapping[str, Any]) -> str:
    """Return what `lock_controls` keeps, in the words of the configuration."""
    parts = []
    if controls.exposure == "locked" and "ExposureTime" in metadata:
        parts.append(f"exposure = {metadata['ExposureTime'] / 1000:.1f}")
        parts.append(f"gain = {metadata.get('AnalogueGain', 0):.1f}")
    if controls.white_balance == "locked" and "ColourTemperature" in metadata:
        parts.append(f"white_balance = {metadata['ColourTemperature']:.0f}")
    return ", ".join(parts)


def describe_abilities(available: Mapping[str, Range]) -> str:
    """Return what can be set of a camera, with its limits: "focus from 8 cm, exposure 0.1–66.7 ms"."""
    parts = []
    if "LensPosition" in available:
        parts.append(f"focus from {100 / available['LensPosition'][1]:.0f} cm")
    if "ExposureTime" in available:
        parts.append(f"exposure from {available['ExposureTime'][0] / 1000:.2g} ms")
    if "AnalogueGain" in available:
        low, high, _ = available["AnalogueGain"]
        parts.append(f"gain {low:.3g}–{high:.3g}")
    if "AwbEnable" in available:
        parts.append("white_balance" if "ColourTemperature" in available else 'white_balance = "locked"')
    if "AeFlickerPeriod" in available:
        parts.append("mains")
    return ", ".join(parts)


def _clip(name: str, value: float, available: Mapping[str, Range]) -> float:
    if name not in available:
        return value
    low, high, _ = available[name]
    return float(clip(value, low, high))
