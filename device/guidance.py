"""Guidance: hints for visitors when the mirror cannot answer their pose well. All functions are pure.

A hint appears only where following it leads to a better answer. So it goes by what matching uses (`index.likeness`):
the arms say most of a pose, and people who show them are answered well, also if they sit, are small, or stand behind a
counter. Legs out of the picture cost little.

docs/decisions/0050-hints.md has the reasons, and benchmarks/hints.py measures how often a hint is right.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from device.language.message import Message, message
from device.rating import MIN_BELIEVABLE
from device.track import body_height
from index.likeness import LEFT_FOREARM, LEFT_UPPER_ARM, PART_WEIGHTS, RIGHT_FOREARM, RIGHT_UPPER_ARM, part_table
from models.pose import (
    EDGES,
    LEFT_EAR,
    LEFT_EYE,
    LEFT_SHOULDER,
    RIGHT_EAR,
    RIGHT_EYE,
    RIGHT_SHOULDER,
    Image,
    Pose,
)
from models.seen import FRAMING_SCORE

APPEAR_AFTER: Final = 1.5
"""Seconds for which something must be wrong before its hint appears: in between, people only move from pose to pose."""

MIN_HINT_SECONDS: Final = 2.0
"""Seconds between two changes at least: time to read a hint, and to do something before the next one."""

CLEAR_AFTER: Final = 0.7
"""Seconds for which nothing must be wrong before a hint goes: a single frame is no proof."""

GIVE_UP_AFTER: Final = 3.0
"""Seconds for which other things must be wrong in turn before a hint goes that no longer applies: longer than the one
that replaces it needs."""

POSE_SECONDS: Final = 5.0
"""Seconds after which another pose to try follows, while the answers are still not believable."""

MAX_HINT_SECONDS: Final = 8.0
"""Seconds after which a hint goes that the visitor does not follow. Perhaps they cannot …"""
REST_SECONDS: Final = 30.0
"""… and they are not asked again for so long."""


class Bounds(NamedTuple):
    """The bounds of a value: it is too low from `enter` down, and until it reaches `leave` again."""

    enter: float
    leave: float

    def is_below(self, value: float, *, held: bool) -> bool:
        """Return whether a value is too low; `held` says whether it was."""
        return value < (self.leave if held else self.enter)


DARK: Final = Bounds(40, 50)
"""Brightness of the picture, 0 to 255 (see `Light`). At 33, three of five visitors are found who are found in good
light, at 60 nine of ten."""

BACKLIT: Final = Bounds(0.3, 0.4)
"""The visitor's brightness, as a share of that of their surroundings. In even light, people in black clothes before a
white wall reach it, too; so it counts only while the visitor is read badly."""

UNREADABLE: Final = Bounds(0.6, 0.7)
"""How well the arm that is seen better is seen, 0 to 1, if light or the picture's edge can be to blame. Nine of ten
visitors exceed it, and those who do are answered well in any light."""

HIDDEN: Final = Bounds(0.25, 0.35)
"""The same if nothing is to blame. It is low: hands behind a counter are guessed well enough for an answer."""

ROOM_BELOW: Final = Bounds(0.25, 0.35)
"""Space below the shoulders, in body heights. Elbows hang 0.19 below the shoulders and wrists 0.33, so with less than
the first the forearms are not in the picture, with more than the second they are."""

ROOM_BESIDE: Final = Bounds(0.1, 0.15)
"""Space from the middle of the shoulders to the picture's side, in body heights. A shoulder is 0.12 from the middle, so
with less it is not in the picture."""

DISTANT: Final = Bounds(0.25, 0.3)
"""Body height, as a share of the picture's. Of people half as tall as the picture, four of five are found; of those
below 0.25 one of two."""

EYES_APART, EARS_APART = 0.04, 0.09
"""Distances between both eyes and both ears, as shares of a body height."""

NECK: Final = 0.1
"""How far the shoulders are below the eyes and ears, in body heights."""

ARMS: Final = ([LEFT_UPPER_ARM, LEFT_FOREARM], [RIGHT_UPPER_ARM, RIGHT_FOREARM])
HEAD: Final = slice(0, RIGHT_EAR + 1)
SHOULDERS: Final = slice(LEFT_SHOULDER, RIGHT_SHOULDER + 1)
BONES: Final = np.array(EDGES)

SAMPLES_DOWN: Final = 60
"""Rows of the picture that are looked at for its brightness; columns are as far apart."""

ALONG_BONES: Final = np.array([0.0, 0.25, 0.5, 0.75, 1.0], np.float32)
"""Where on each bone the visitor's brightness is looked at."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What a visitor could do: a sentence, and the name of its drawing (`device.display.hint_drawings`)."""

    message: Message
    drawing: str


TOO_DARK: Final = Hint(message("It is too dark to see you"), "too-dark")
LIGHT_BEHIND: Final = Hint(message("The light is behind you"), "light-behind")
STEP_BACK: Final = Hint(message("One step back"), "step-back")
TO_THE_RIGHT: Final = Hint(message("Step into the middle"), "to-the-right")
TO_THE_LEFT: Final = Hint(message("Step into the middle"), "to-the-left")
COME_CLOSER: Final = Hint(message("Come closer"), "come-closer")
SHOW_YOUR_ARMS: Final = Hint(message("Show your arms"), "show-your-arms")

POSES_TO_TRY: Final = (
    Hint(message("Try: arms wide"), "arms-wide"),
    Hint(message("Try: one arm up"), "one-arm-up"),
    Hint(message("Try: hands on your hips"), "hands-on-hips"),
    Hint(message("Try: both arms up"), "both-arms-up"),
)
"""What to try, one after another, while no answer is believable. The starter library has many pictures of each."""

PLACES: Final = (TOO_DARK, LIGHT_BEHIND, STEP_BACK, TO_THE_RIGHT, TO_THE_LEFT, COME_CLOSER, SHOW_YOUR_ARMS)
"""The hints about light and place, the most important first."""

HINTS: Final = (*PLACES, *POSES_TO_TRY)
"""All hints."""


class Light(NamedTuple):
    """Brightness in a picture, each from 0 to 255.

    - `picture`: what 5 % of the picture exceed. A lamp or an exit sign in a dark room is smaller than that, a visitor
      in the light is not.
    - `surroundings`: what a quarter of the picture exceeds.
    - `visitor`: what a fifth of the visitor exceeds, for most people skin or light clothes; None without a visitor.
    """

    picture: float
    surroundings: float
    visitor: float | None = None


class Sight(NamedTuple):
    """What is known about one frame of `size` (width, height): the visitor in its pixels, if there is one, the
    `likeness` of their answer (0 to 1), and the light."""

    size: tuple[int, int]
    light: Light
    visitor: Pose | None = None
    likeness: float = 0.0


@dataclass(frozen=True, slots=True)
class Guidance:
    """The hint that is shown, if one is, and what leads to the next.

    `shown` has been as it is since the time `since`. `wanted` is what should be shown, since `wanted_since`; the two
    were last the same at `agreed_at`. `resting` are hints that were not followed, with the time until which they
    rest. `next` is the number of the next pose to try.
    """

    shown: Hint | None = None
    since: float = -np.inf
    wanted: Hint | None = None
    wanted_since: float = -np.inf
    agreed_at: float = -np.inf
    resting: tuple[tuple[Hint, float], ...] = ()
    next: int = 0


def measure_light(image: Image, visitor: Pose | None = None) -> Light:
    """Return how bright a picture (H×W×3 RGB) is, and the visitor in it, whose pose is in the picture's pixels."""
    step = max(1, image.shape[0] // SAMPLES_DOWN)
    surroundings, picture = _quantiles(image[::step, ::step], (0.75, 0.95))
    if visitor is None:
        return Light(picture, surroundings)
    places = _places_on_bones(visitor, (image.shape[1], image.shape[0]))
    if not len(places):
        return Light(picture, surroundings)
    (brightness,) = _quantiles(image[None, places[:, 1], places[:, 0]], (0.8,))
    return Light(picture, surroundings, brightness)


def find_problems(sight: Sight, held: Collection[Hint | None] = ()) -> list[Hint]:
    """Return the hints that would lead to a better answer, the most important first; poses to try are not among them.

    Hints that are `held` apply until their values have left the bounds clearly.
    """
    visitor, light, (width, height) = sight.visitor, sight.light, sight.size

    def is_below(bounds: Bounds, value: float, hint: Hint) -> bool:
        return bounds.is_below(value, held=hint in held)

    is_dark = is_below(DARK, light.picture, TOO_DARK)
    if visitor is None or not (np.isfinite(visitor.xy).all() and np.isfinite(visitor.scores).all()):
        return [TOO_DARK] if is_dark else []
    arms = _arms_seen(visitor)
    bones = body_height(visitor)
    size = max(bones, _height_by_face(visitor))
    x, y = _middle_of_shoulders(visitor, size)
    below, left, right = (height - 0.5 - y) / size, (x + 0.5) / size, (width - 0.5 - x) / size
    has_upper_body = bool((visitor.scores[: RIGHT_SHOULDER + 1] >= FRAMING_SCORE).any())  # else legs are what is dark
    contrast = 1.0 if light.visitor is None else light.visitor / max(light.surroundings, 1.0)
    extent = max(bones, _longer_side(visitor)) / height
    applies = {
        TOO_DARK: is_dark and is_below(UNREADABLE, arms, TOO_DARK),
        LIGHT_BEHIND: has_upper_body
        and is_below(BACKLIT, contrast, LIGHT_BEHIND)
        and is_below(UNREADABLE, arms, LIGHT_BEHIND),
        STEP_BACK: is_below(ROOM_BELOW, below, STEP_BACK) and is_below(UNREADABLE, arms, STEP_BACK),
        TO_THE_RIGHT: is_below(ROOM_BESIDE, left, TO_THE_RIGHT),
        TO_THE_LEFT: is_below(ROOM_BESIDE, right, TO_THE_LEFT),
        COME_CLOSER: is_below(DISTANT, extent, COME_CLOSER),
        SHOW_YOUR_ARMS: is_below(HIDDEN, arms, SHOW_YOUR_ARMS),
    }
    return [hint for hint in PLACES if applies[hint]]


def guide(state: Guidance, sight: Sight, now: float) -> Guidance:
    """Return the state at `now` (seconds of a monotonic clock), for what is seen then.

    No two changes of what is shown are less than `MIN_HINT_SECONDS` apart.
    """
    state = replace(state, resting=_resting(state, sight, now))
    wanted = _wanted(state, sight, now)
    if wanted != state.wanted:
        state = replace(state, wanted=wanted, wanted_since=now)
    if wanted == state.shown:
        return replace(state, agreed_at=now)
    if now - state.since < MIN_HINT_SECONDS:
        return state
    if now - state.wanted_since >= (CLEAR_AFTER if wanted is None else APPEAR_AFTER):
        return _show(state, wanted, now)
    if state.shown is not None and now - state.agreed_at >= GIVE_UP_AFTER:
        return _show(state, None, now)
    return state


def _wanted(state: Guidance, sight: Sight, now: float) -> Hint | None:
    """Return the hint that suits what is seen, or None."""
    resting = [hint for hint, _ in state.resting]
    for hint in find_problems(sight, (state.shown, state.wanted)):
        if hint not in resting:
            return hint
    if sight.visitor is None or sight.likeness >= MIN_BELIEVABLE:
        return None
    if state.shown in POSES_TO_TRY and now - state.since < POSE_SECONDS - APPEAR_AFTER:
        return state.shown
    return POSES_TO_TRY[state.next]


def _resting(state: Guidance, sight: Sight, now: float) -> tuple[tuple[Hint, float], ...]:
    """Return the hints that rest. The next visitor gets all of them again."""
    if sight.visitor is None:
        return ()
    resting = tuple((hint, until) for hint, until in state.resting if now < until)
    ignored = state.shown not in (None, TOO_DARK, *POSES_TO_TRY) and now - state.since >= MAX_HINT_SECONDS
    if state.shown is None or not ignored or state.shown in dict(resting):
        return resting
    return (*resting, (state.shown, now + REST_SECONDS))


def _show(state: Guidance, hint: Hint | None, now: float) -> Guidance:
    number = (state.next + 1) % len(POSES_TO_TRY) if hint in POSES_TO_TRY else state.next
    return replace(state, shown=hint, since=now, agreed_at=now, next=number)


def _arms_seen(pose: Pose) -> float:
    """Return how well the arm that is seen better is seen, 0 to 1: as much as matching goes by it."""
    seen = part_table(pose.xy[None], pose.visibility[None].astype(np.float32))[1][0]
    return max(float(seen[arm] @ PART_WEIGHTS[arm] / PART_WEIGHTS[arm].sum()) for arm in ARMS)


def _height_by_face(pose: Pose) -> float:
    """Return the visitor's height in pixels, as eyes and ears suggest it: sometimes a face is all that is seen."""
    heights = (
        float(np.hypot(*(pose.xy[left] - pose.xy[right]))) / apart
        for left, right, apart in ((LEFT_EYE, RIGHT_EYE, EYES_APART), (LEFT_EAR, RIGHT_EAR, EARS_APART))
        if min(pose.scores[left], pose.scores[right]) >= FRAMING_SCORE
    )
    return max(heights, default=0.0)


def _longer_side(pose: Pose) -> float:
    """Return the longer side in pixels of the box around what is seen."""
    left, top, right, bottom = pose.box(FRAMING_SCORE) or (0.0, 0.0, 0.0, 0.0)
    return max(right - left, bottom - top)


def _middle_of_shoulders(pose: Pose, height: float) -> tuple[float, float]:
    """Return the middle of the shoulders (x, y), by the head if that is all that is seen, else by everything.

    A shoulder out of the picture is guessed at its edge, so one that is seen is enough.
    """
    seen = pose.scores >= FRAMING_SCORE
    if seen[SHOULDERS].any():
        x, y = pose.xy[SHOULDERS].mean(0).tolist()
    elif seen[HEAD].any():
        x, y = pose.xy[HEAD][seen[HEAD]].mean(0).tolist()
        y += NECK * height
    else:
        x, y = pose.xy[seen].mean(0).tolist() if seen.any() else pose.xy.mean(0).tolist()
    return x, y


def _quantiles(pixels: Image, shares: Sequence[float]) -> list[float]:
    """Return the brightness, 0 to 255, that these shares of the pixels (H×W×3) do not exceed."""
    grey = np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY), np.uint8)
    counts = np.cumsum(np.bincount(grey.ravel(), minlength=256))
    return [float(np.searchsorted(counts, share * grey.size)) for share in shares]


def _places_on_bones(pose: Pose, size: tuple[int, int]) -> npt.NDArray[np.intp]:
    """Return pixels (x, y) on the visitor's bones, N×2, that are in a picture of `size` (width, height)."""
    seen = (pose.scores >= FRAMING_SCORE) & np.isfinite(pose.xy).all(-1)
    ends = np.clip(pose.xy[BONES[seen[BONES].all(1)]], -1, max(size))
    between = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * ALONG_BONES[:, None]
    places = np.round(between.reshape(-1, 2)).astype(np.intp)
    return np.asarray(places[((places >= 0) & (places < size)).all(-1)])
