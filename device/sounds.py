"""The mirror's few soft sounds: computed when they are needed first, and played by pygame."""

from __future__ import annotations

import logging
import math
from types import TracebackType
from typing import Final, Literal, NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import pygame

Sound: TypeAlias = Literal["tick", "start", "saved", "delight"]
"""A second of the countdown, the start of a recording, a GIF that is ready, a very good fit."""

RATE: Final = 44_100
"""Samples a second."""

BUFFER: Final = 1024
"""Samples that pygame mixes at a time: a sound starts 23 ms after it is asked for at most."""

PEAK: Final = 0.5
"""The loudest sample of any sound at full volume, as a share of what a sample can hold: soft, and never clipped."""

OVERTONES: Final = (1.0, 0.22, 0.08)
"""Strengths of a tone's frequency, twice and three times that: warmer than a pure tone, and nearly as soft."""

ATTACK_SECONDS: Final = 0.012
"""Seconds in which a tone swells: at once would be a click."""

log = logging.getLogger(__name__)


class Note(NamedTuple):
    """A tone of `frequency` in hertz that begins at `at` seconds and fades to a third within `decay` seconds."""

    frequency: float
    at: float
    decay: float


C5, E5, G5, A5, C6, E6 = 523.25, 659.26, 783.99, 880.0, 1046.5, 1318.5

SOUNDS: Final[dict[Sound, tuple[Note, ...]]] = {
    "tick": (Note(A5, 0.0, 0.05),),
    "start": (Note(C5, 0.0, 0.09), Note(G5, 0.11, 0.16)),
    "saved": (Note(G5, 0.0, 0.1), Note(C6, 0.13, 0.3)),
    "delight": (Note(C5, 0.0, 0.16), Note(E5, 0.09, 0.16), Note(G5, 0.18, 0.16), Note(C6, 0.27, 0.34)),
}

LOUDNESS: Final[dict[Sound, float]] = {"tick": 0.5, "start": 0.9, "saved": 0.9, "delight": 1.0}
"""How loud a sound is next to the others: the tick comes most often."""


def compute(sound: Sound) -> npt.NDArray[np.int16]:
    """Return a sound's samples, one channel, RATE of them a second."""
    notes = SOUNDS[sound]
    seconds = max(note.at + 6 * note.decay for note in notes)
    wave = sum(_tone(note, seconds) for note in notes)
    loudest = float(np.abs(wave).max())
    samples: npt.NDArray[np.int16] = np.round(wave / loudest * (32_767 * PEAK * LOUDNESS[sound])).astype(np.int16)
    return samples


def _tone(note: Note, seconds: float) -> npt.NDArray[np.float64]:
    """Return a note's samples in a sound of a length in seconds, silent at its beginning and its end."""
    time = np.arange(round(seconds * RATE)) / RATE - note.at
    phases = 2 * math.pi * note.frequency * time
    wave = sum(strength * np.sin((number + 1) * phases) for number, strength in enumerate(OVERTONES))
    swell = np.clip(time / ATTACK_SECONDS, 0, 1) ** 2
    fade = np.exp(-np.maximum(time, 0) / note.decay) * np.clip((seconds - note.at - time) / ATTACK_SECONDS, 0, 1)
    tone: npt.NDArray[np.float64] = wave * swell * fade
    return tone


class Sounds:
    """Plays the sounds at a volume from 0 to 1; a context manager.

    At 0 no sound device is opened. If there is none that can be used, that is logged once, and the mirror is silent.
    """

    def __init__(self, volume: float) -> None:
        self._sounds: dict[Sound, pygame.mixer.Sound] = {}
        if volume <= 0:
            return
        try:
            open_sound_device()
        except pygame.error as error:
            log.info("No sound: %s. Plug in a loudspeaker, or set volume = 0 under [sound].", error)
            return
        for name in SOUNDS:
            self._sounds[name] = pygame.mixer.Sound(buffer=compute(name).tobytes())
            self._sounds[name].set_volume(volume)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the sound device. A second call does nothing."""
        if self._sounds:
            self._sounds.clear()
            pygame.mixer.quit()

    def play(self, sound: Sound) -> None:
        """Start to play a sound, and return at once."""
        if self._sounds:
            self._sounds[sound].play()


def open_sound_device() -> None:
    """Open the default sound device for pygame's mixer. Raises pygame.error if there is none that can be used."""
    # without allowed changes, SDL converts the samples to what the device takes
    pygame.mixer.init(RATE, -16, 1, BUFFER, allowedchanges=0)
