"""The sounds: soft, short, without a click, and silence where there is no sound device."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import pygame
import pytest

from device.sounds import PEAK, RATE, SOUNDS, Sound, Sounds, compute


@pytest.fixture(autouse=True)
def closed_mixer() -> Iterator[None]:
    pygame.mixer.quit()
    yield
    pygame.mixer.quit()


@pytest.mark.parametrize("sound", SOUNDS)
def test_sounds_are_short_and_soft(sound: Sound) -> None:
    samples = compute(sound)
    assert 0.1 < len(samples) / RATE < 3
    assert 0.1 < np.abs(samples).max() / 32_767 <= PEAK + 1e-4


@pytest.mark.parametrize("sound", SOUNDS)
def test_sounds_begin_and_end_without_a_click(sound: Sound) -> None:
    samples = compute(sound) / 32_767
    assert np.abs(samples[:20]).max() < 0.01
    assert np.abs(samples[-20:]).max() < 0.01


@pytest.mark.parametrize("sound", SOUNDS)
def test_sounds_have_no_shrill_part(sound: Sound) -> None:
    samples = compute(sound) / 32_767
    power = np.abs(np.fft.rfft(samples)) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE)
    assert power[frequencies > 4000].sum() < 0.001 * power.sum()


def test_the_tick_is_the_softest() -> None:
    loudest = {sound: int(np.abs(compute(sound)).max()) for sound in SOUNDS}
    assert min(loudest, key=lambda sound: loudest[sound]) == "tick"


def test_without_volume_no_device_is_opened() -> None:
    with Sounds(0.0) as sounds:
        sounds.play("tick")
        assert pygame.mixer.get_init() is None


def test_plays_every_sound_and_closes() -> None:
    with Sounds(0.4) as sounds:
        for sound in SOUNDS:
            sounds.play(sound)
        assert pygame.mixer.get_busy()
        assert pygame.mixer.get_init() == (RATE, -16, 1)
    assert pygame.mixer.get_init() is None
    sounds.play("tick")
    sounds.close()


def test_silence_without_a_device_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SDL_AUDIODRIVER", "no-such-driver")
    with caplog.at_level(logging.INFO), Sounds(0.4) as sounds:
        sounds.play("saved")
        sounds.play("saved")
    (record,) = caplog.records
    assert record.getMessage().startswith("No sound: ")
    assert record.getMessage().endswith("Plug in a loudspeaker, or set volume = 0 under [sound].")
