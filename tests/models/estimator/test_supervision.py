"""Where the estimator runs and when it starts, for any sequence of events."""

from __future__ import annotations

from math import inf
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.estimator import supervision
from models.estimator.supervision import (
    FAILURE_WINDOW,
    NO_EDGE_TPU,
    DevicePreference,
    Plan,
    after_failure,
    after_probe,
    backoff,
    initial_plan,
    on_edgetpu,
    without_edgetpu,
)

preferences = st.sampled_from(get_args(DevicePreference))
events = st.lists(
    st.tuples(
        st.sampled_from(["failure", "missing", "probe", "back"]),
        st.floats(0, 200, allow_nan=False),
        st.floats(0, 100, allow_nan=False),
    ),
    max_size=40,
)


def test_backoff_doubles_up_to_ten_seconds() -> None:
    assert [backoff(failures) for failures in range(9)] == [0, 0, 0.5, 1, 2, 4, 8, 10, 10]
    assert backoff(100_000) == 10  # a day of failures


def test_steady_work_resets_the_backoff() -> None:
    plan = initial_plan("cpu", 0.0, has_edgetpu_model=False)
    waits = []
    for now in range(0, 80, 10):
        plan = after_failure(plan, float(now), uptime=0.4)
        waits.append(plan.start_at - now)
    assert waits == [0, 0.5, 1, 2, 4, 8, 10, 10]
    assert after_failure(plan, 100.0, uptime=30.0).start_at == 100.0


@pytest.mark.parametrize(("third", "device"), [(59.9, "cpu"), (60.1, "edgetpu")])
def test_three_failures_count_only_within_a_minute(third: float, device: str) -> None:
    plan = initial_plan("auto", 0.0, has_edgetpu_model=True)
    for now in (0.0, 30.0, third):
        assert plan.device == "edgetpu"
        plan = after_failure(plan, now, uptime=20.0)
    assert plan.device == device


def test_changes_to_the_cpu_without_backoff() -> None:
    plan = initial_plan("auto", 0.0, has_edgetpu_model=True)
    for now in (0.0, 1.0, 2.0):
        plan = after_failure(plan, now, uptime=0.0)
    assert (plan.device, plan.start_at, plan.probe_at) == ("cpu", 2.0, 62.0)
    assert plan.note == supervision.TOO_MANY_FAILURES


def test_forgets_failures_when_the_edge_tpu_returns() -> None:
    plan = without_edgetpu(initial_plan("auto", 0.0, has_edgetpu_model=True), 0.0, NO_EDGE_TPU)
    plan = on_edgetpu(after_probe(plan, 60.0), 62.0)
    assert (plan.device, plan.note, plan.probe_at, plan.edgetpu_failures) == ("edgetpu", None, inf, ())


def test_notes_that_there_is_no_model_for_the_edge_tpu() -> None:
    assert initial_plan("edgetpu", 0.0, has_edgetpu_model=False).note == supervision.NO_EDGE_TPU_MODEL
    assert initial_plan("auto", 0.0, has_edgetpu_model=False).note is None


def test_a_probe_without_news_keeps_the_note() -> None:
    plan = without_edgetpu(initial_plan("auto", 0.0, has_edgetpu_model=True), 0.0, NO_EDGE_TPU)
    assert after_probe(plan, 60.0).note == NO_EDGE_TPU
    assert after_probe(plan, 60.0, "It cannot be used.").note == "It cannot be used."


@given(preferences, st.booleans(), events)
def test_any_events_keep_the_plans_promises(
    preference: DevicePreference, has_edgetpu_model: bool, sequence: list[tuple[str, float, float]]
) -> None:
    now = 0.0
    plan = initial_plan(preference, now, has_edgetpu_model=has_edgetpu_model)
    possible = preference != "cpu" and has_edgetpu_model
    failed: list[float] = []  # times of failures on the Edge TPU since the last change to it
    for event, later, worked in sequence:
        now += later
        before, plan = plan, _after(plan, event, now, worked)
        if before.device == "cpu":
            failed = []
        elif event == "failure":
            failed.append(now)
        assert plan.start_at <= now + supervision.MAX_BACKOFF or plan.start_at == before.start_at
        assert possible or plan.device == "cpu"
        assert possible or plan.probe_at == inf, "it searches for an Edge TPU that it cannot use"
        if plan.device == "edgetpu":
            assert plan.note is None
            assert sum(now - time < FAILURE_WINDOW for time in failed) < supervision.MAX_EDGE_TPU_FAILURES
        elif possible:
            assert plan.note, "the CPU is not the preferred device, but there is no note"
            assert plan.probe_at <= now + 60 or plan.probe_at == before.probe_at
        if before.device == "edgetpu" and plan.device == "cpu":
            assert plan.start_at == now


def _after(plan: Plan, event: str, now: float, worked: float) -> Plan:
    """Return the plan after an event, or the same plan if the event cannot happen."""
    if event == "failure":
        return after_failure(plan, now, worked)
    if event == "missing" and plan.device == "edgetpu":
        return without_edgetpu(plan, now, NO_EDGE_TPU)
    if now >= plan.probe_at:
        return on_edgetpu(plan, now) if event == "back" else after_probe(plan, now)
    return plan
