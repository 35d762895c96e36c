"""Which faults are kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from device.status.fault_log import FAULTS_KEPT, MAX_SENTENCE, FaultLog
from device.status.status_file import PastFault


def test_a_fault_counts_when_it_comes_back() -> None:
    fault_log = FaultLog()
    for now, faults in enumerate([["A."], ["A."], [], ["A.", "B."], ["B."]]):
        fault_log.see(faults, now)
    assert fault_log.newest() == (PastFault("B.", 3, 4, 1), PastFault("A.", 0, 3, 2))


def test_goes_on_from_the_faults_before() -> None:
    fault_log = FaultLog([PastFault("A.", 1, 2, 3)])
    fault_log.see(["A."], 9)
    assert fault_log.newest() == (PastFault("A.", 1, 9, 4),)


@given(st.lists(st.lists(st.text(max_size=2 * MAX_SENTENCE), max_size=30), max_size=20))
def test_keeps_the_newest_and_no_more(seen: list[list[str]]) -> None:
    fault_log = FaultLog()
    for now, faults in enumerate(seen):
        fault_log.see(faults, now)
    kept = fault_log.newest()
    assert len(kept) <= FAULTS_KEPT
    assert all(len(fault.sentence) <= MAX_SENTENCE and fault.first_seen <= fault.last_seen for fault in kept)
    last = {sentence[:MAX_SENTENCE]: now for now, faults in enumerate(seen) for sentence in faults}
    assert [fault.last_seen for fault in kept] == sorted(last.values(), reverse=True)[:FAULTS_KEPT]
