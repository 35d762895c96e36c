"""Decide on which device the estimator runs, when it starts, and what to tell the visitor.

Every function takes a `Plan`, an event and the time (seconds of a monotonic clock), and returns the next `Plan`. None
starts or stops a process: `models.estimator.watched` carries the plan out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Final, Literal

Device = Literal["cpu", "edgetpu"]
DevicePreference = Literal["auto", "cpu", "edgetpu"]

MAX_EDGE_TPU_FAILURES: Final = 3
"""Failures on the Edge TPU within `FAILURE_WINDOW` seconds after which the estimator runs on the CPU."""
FAILURE_WINDOW: Final = 60.0

STEADY_AFTER: Final = 2.0
"""Seconds of work after which a failure counts as the first: the next process then starts at once."""

INITIAL_BACKOFF, MAX_BACKOFF = 0.5, 10.0
"""Seconds to wait before the third start in a row, and at most before any start."""

NO_EDGE_TPU: Final = "No Edge TPU found: poses are estimated on the CPU."
NO_EDGE_TPU_MODEL: Final = "There is no model for the Edge TPU: poses are estimated on the CPU."
TOO_MANY_FAILURES: Final = "The Edge TPU failed three times in a minute: poses are estimated on the CPU."


@dataclass(frozen=True, slots=True)
class Plan:
    """The device to run on from `start_at`, and the time of the next search for an Edge TPU (`probe_at`; never: inf).

    `failures` counts failures in a row without steady work between them; `edgetpu_failures` holds the times of the Edge
    TPU's recent failures. `note` is a sentence to show once while the estimator does not run on the preferred device.
    """

    device: Device
    start_at: float
    probe_interval: float = inf
    probe_at: float = inf
    failures: int = 0
    edgetpu_failures: tuple[float, ...] = ()
    note: str | None = None


def initial_plan(
    preference: DevicePreference, now: float, *, has_edgetpu_model: bool, probe_interval: float = 60.0
) -> Plan:
    """Start at once, on the Edge TPU unless the CPU is preferred or there is no model for the Edge TPU."""
    if preference == "cpu" or not has_edgetpu_model:
        return Plan("cpu", now, note=NO_EDGE_TPU_MODEL if preference == "edgetpu" else None)
    return Plan("edgetpu", now, probe_interval)


def after_failure(plan: Plan, now: float, uptime: float) -> Plan:
    """Plan the next start of an estimator that failed after `uptime` seconds of work (0: it never started)."""
    failures = 1 if uptime >= STEADY_AFTER else plan.failures + 1
    plan = replace(plan, failures=failures, start_at=now + backoff(failures))
    if plan.device == "cpu":
        return plan
    recent = (*(time for time in plan.edgetpu_failures if now - time < FAILURE_WINDOW), now)
    if len(recent) >= MAX_EDGE_TPU_FAILURES:
        return without_edgetpu(plan, now, TOO_MANY_FAILURES)
    return replace(plan, edgetpu_failures=recent)


def backoff(failures: int) -> float:
    """Return the seconds to wait after a number of failures in a row: 0, then 0.5, 1, 2, 4, 8, then always 10."""
    if failures <= 1:
        return 0.0
    return min(INITIAL_BACKOFF * 2.0 ** min(failures - 2, 8), MAX_BACKOFF)


def without_edgetpu(plan: Plan, now: float, note: str) -> Plan:
    """Start on the CPU at once, because the Edge TPU is missing or unusable, and search for it again later."""
    return replace(
        plan,
        device="cpu",
        start_at=now,
        probe_at=now + plan.probe_interval,
        failures=0,
        edgetpu_failures=(),
        note=note,
    )


def after_probe(plan: Plan, now: float, note: str | None = None) -> Plan:
    """Search again later, after an Edge TPU was not found, or was unusable for the reason in `note`."""
    return replace(plan, probe_at=now + plan.probe_interval, note=note or plan.note)


def on_edgetpu(plan: Plan, now: float) -> Plan:
    """Stay on the Edge TPU, where an estimator has just started: stop searching, and show no note."""
    return replace(plan, device="edgetpu", start_at=now, probe_at=inf, failures=0, edgetpu_failures=(), note=None)
