"""Which device the estimator is to run on, when it is to be started, and what to tell: decided, not done.

Every function takes a `Plan`, what happened and the time (seconds of a clock that never goes back), and answers with
the next `Plan`. Processes are `models.estimator.watched`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Final, Literal

Device = Literal["cpu", "edgetpu"]
DevicePreference = Literal["auto", "cpu", "edgetpu"]

MAX_EDGE_TPU_FAILURES: Final = 3
"""So many failures on the Edge TPU within `FAILURE_WINDOW` seconds, and the estimator runs on the CPU."""
FAILURE_WINDOW: Final = 60.0

STEADY_AFTER: Final = 2.0
"""An estimator that worked for so many seconds before it failed is started again at once."""

INITIAL_BACKOFF, MAX_BACKOFF = 0.5, 10.0
"""Seconds before the third start in a row, and before any."""

NO_EDGE_TPU: Final = "No Edge TPU found: poses are estimated on the CPU."
NO_EDGE_TPU_MODEL: Final = "There is no model for the Edge TPU: poses are estimated on the CPU."
TOO_MANY_FAILURES: Final = "The Edge TPU failed three times in a minute: poses are estimated on the CPU."


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to run, from `start_at` on, and when to look for an Edge TPU (`probe_at`; infinity is never).

    `failures` counts failures in a row without steady work between them, `edgetpu_failures` holds the times of the
    Edge TPU's last ones. `note` is a sentence to say once, while the estimator does not run where it was wished to.
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
    """Start at once, on the Edge TPU unless the CPU is wished or no model was compiled for the Edge TPU."""
    if preference == "cpu" or not has_edgetpu_model:
        return Plan("cpu", now, note=NO_EDGE_TPU_MODEL if preference == "edgetpu" else None)
    return Plan("edgetpu", now, probe_interval)


def after_failure(plan: Plan, now: float, uptime: float) -> Plan:
    """The estimator died, hung or gave up after `uptime` seconds of work (0 when it never came up)."""
    failures = 1 if uptime >= STEADY_AFTER else plan.failures + 1
    plan = replace(plan, failures=failures, start_at=now + backoff(failures))
    if plan.device == "cpu":
        return plan
    recent = (*(time for time in plan.edgetpu_failures if now - time < FAILURE_WINDOW), now)
    if len(recent) >= MAX_EDGE_TPU_FAILURES:
        return without_edgetpu(plan, now, TOO_MANY_FAILURES)
    return replace(plan, edgetpu_failures=recent)


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: none, then 0.5, 1, 2, 4, 8, and 10 from then on."""
    if failures <= 1:
        return 0.0
    return min(INITIAL_BACKOFF * 2.0 ** min(failures - 2, 8), MAX_BACKOFF)


def without_edgetpu(plan: Plan, now: float, note: str) -> Plan:
    """The Edge TPU is missing or of no use: on the CPU at once, and look for it again later."""
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
    """An Edge TPU was looked for and not found, or could not be used, of which `note` tells: look again later."""
    return replace(plan, probe_at=now + plan.probe_interval, note=note or plan.note)


def on_edgetpu(plan: Plan, now: float) -> Plan:
    """An estimator has come up on the Edge TPU: there is nothing left to look for or to tell."""
    return replace(plan, device="edgetpu", start_at=now, probe_at=inf, failures=0, edgetpu_failures=(), note=None)
