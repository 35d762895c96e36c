"""`pose-mirror status`: print how the mirror is doing, from the status that it writes."""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Iterator, Sequence
from typing import Final

from device.status.status_file import Hardware, Hour, PastFault, Status, find_status
from device.system.hardware import BETTER_SUPPLY, COOL
from device.system.systemd import SERVICE_NAME, describe_device, query_service
from models.text import format_duration, format_people, format_pictures, printable

STALE_SECONDS: Final = 30.0
"""Seconds after which a mirror that has written no status does not respond. It writes one every five seconds."""

BAR_LENGTH: Final = 24
"""Characters of the longest bar."""

FAULTS_SHOWN: Final = 5

DAY: Final = 86_400.0


def status(args: argparse.Namespace) -> int:
    """Print the status; return 1 unless a mirror runs and is well."""
    found = find_status()
    problem = find_problem(found, time.clock_gettime(time.CLOCK_BOOTTIME))
    if args.json:
        print(json.dumps(found and dataclasses.asdict(found), ensure_ascii=False))
        return int(bool(problem) or found is None or not found.well)
    if problem or found is None:
        print(problem)
        return 1
    for line in describe(found, found.clock_offset + time.clock_gettime(time.CLOCK_BOOTTIME)):
        print(printable(line))
    return int(not found.well)


def find_problem(found: Status | None, uptime: float) -> str:
    """Return why there is no mirror to report about; empty if there is one. `uptime` is the machine's, in seconds."""
    if found is None or not found.running:
        return f"No mirror is running here: {_how_to_start()}"
    age = uptime - found.written_uptime
    if age > STALE_SECONDS:
        return (
            f"The mirror does not respond: its last status is {format_duration(age)} old. `journalctl -u "
            f"{SERVICE_NAME}` may say why; `sudo systemctl restart {SERVICE_NAME}` starts it again."
        )
    return ""


def _how_to_start() -> str:
    service = query_service()
    if service is None:
        return "start it with `pose-mirror run`."
    if service.state in ("inactive", "active"):  # active: its status is about to come, or may not be read
        verb = "start" if service.state == "inactive" else "restart"
        return f"start it with `sudo systemctl {verb} {SERVICE_NAME}`."
    return f"its service does not come up ({service.state}), and `journalctl -u {SERVICE_NAME} -b` says why."


def describe(found: Status, now: float) -> Iterator[str]:
    """Yield the report's lines. `now` is in seconds since 1970."""
    state = "well" if found.well else "unwell"
    yield f"The mirror has been {state} since {_clock(found.since, now)} ({format_duration(now - found.since)})."
    yield from (f"  {fault}" for fault in found.faults)
    yield ""
    for name, text in _parts(found):
        yield f"{name:<12} {text}"
    yield ""
    yield from _describe_hours(found.hours, now)
    if found.past_faults:
        yield ""
        yield "Last faults:"
        yield from (f"  {_describe_fault(fault, now)}" for fault in found.past_faults[:FAULTS_SHOWN])


def _parts(found: Status) -> Iterator[tuple[str, str]]:
    """Yield the name of each part, and what there is to say about it."""
    if found.frames is None:
        yield "frames", "not measured yet"
    else:
        yield (
            "frames",
            f"{found.frames.per_second:.0f} a second, {found.frames.latency_ms:.0f} ms from camera to display",
        )
    yield "poses", f"{describe_device(found.estimator.device)}, with {found.estimator.model}"
    yield "machine", _describe_hardware(found.hardware)
    if library := found.library:
        collection = f", in the collection {library.collection}" if library.collection else ""
        counts = f"{format_people(library.people)} in {format_pictures(library.pictures)}"
        yield "library", f"{library.name}: {counts}{collection}"
    free = found.disk.free_bytes
    space = "how much is free is unknown" if free is None else f"{free / 1e9:.1f} GB free"
    yield "disk", f"{space}, {_count(found.disk.gifs, 'GIF')}"
    if not found.sharing.enabled:
        yield "sharing", "off"
    else:
        yield "sharing", f"phones find the page at {found.sharing.address}" if found.sharing.address else "not served"
    yield "version", found.version


def _describe_hardware(hardware: Hardware) -> str:
    degrees = hardware.temperature
    parts = ["its temperature is unknown" if degrees is None else f"{degrees:.0f} °C"]
    if hardware.too_hot or hardware.too_hot_earlier:
        parts.append(f"too hot{'' if hardware.too_hot else ' earlier'} ({COOL})")
    if hardware.under_voltage or hardware.under_voltage_earlier:
        parts.append(f"under-voltage{'' if hardware.under_voltage else ' earlier'} ({BETTER_SUPPLY})")
    return ", ".join(parts)


def _describe_hours(hours: Sequence[Hour], now: float) -> Iterator[str]:
    """Yield a table of today's hours, with bars for the visitors."""
    today = [hour for hour in hours if time.localtime(hour.start)[:3] == time.localtime(now)[:3]]
    most = max((hour.visitors for hour in today), default=0)
    yield f"{'Today':<12} visitors  presses  GIFs"
    for hour in today:
        bar = "#" * round(BAR_LENGTH * hour.visitors / most) if most else ""
        start, end = (time.strftime("%H:%M", time.localtime(hour.start + seconds)) for seconds in (0, 3600))
        yield f"{f'{start}-{end}':<12} {hour.visitors:>8,} {hour.presses:>8,} {hour.gifs:>5,}  {bar}".rstrip()
    totals = (sum(hour.visitors for hour in today), sum(hour.presses for hour in today), sum(h.gifs for h in today))
    yield "{:<12} {:>8,} {:>8,} {:>5,}".format("together", *totals)


def _describe_fault(fault: PastFault, now: float) -> str:
    times = "once" if fault.count == 1 else f"{fault.count:,} times"
    return f"{_clock(fault.last_seen, now)}, {times}: {fault.sentence}"


def _clock(at: float, now: float) -> str:
    """Return a time of the last day as 14:05, and any other with its date."""
    return time.strftime("%H:%M" if 0 <= now - at < DAY / 2 else "%Y-%m-%d %H:%M", time.localtime(at))


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
