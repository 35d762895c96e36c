"""Notices: which sentence is shown, and for how long."""

from __future__ import annotations

from device.notices import NOTICE_SECONDS, Notices


def test_the_opening_notice_lasts_from_the_first_frame() -> None:
    notices = Notices("The model is small.", "on the CPU")
    assert notices.update("on the CPU", 100.0) == "The model is small."
    assert notices.update("on the CPU", 99.9 + NOTICE_SECONDS) == "The model is small."
    assert notices.update("on the CPU", 100.0 + NOTICE_SECONDS) is None


def test_the_estimators_first_note_is_not_shown() -> None:
    assert Notices(None, "on the CPU").update("on the CPU", 0.0) is None


def test_a_changed_note_replaces_the_opening_notice() -> None:
    notices = Notices("The model is small.", None)
    notices.update(None, 0.0)
    assert notices.update("The Edge TPU is gone.", 1.0) == "The Edge TPU is gone."
    assert notices.update("The Edge TPU is gone.", 1.0 + NOTICE_SECONDS) is None
