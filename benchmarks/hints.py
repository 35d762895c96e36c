"""Print the table of docs/decisions/0050-hints.md: how often a hint is right.

    python -m benchmarks.hints

Visitors of COCO photos are put into wrong places and wrong light, and seen by the mirror for some seconds. It also
prints how often visitors of films get a hint. It needs ../shared/data, and takes four minutes on two cores.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.answer_visitors import Visitor, load_visitors, nearest_person
from benchmarks.people_measures import load_lspet_photos
from device.cameras.base import Frame
from device.follow import FollowSettings, FollowState, follow
from device.guidance import (
    COME_CLOSER,
    LIGHT_BEHIND,
    STEP_BACK,
    TO_THE_RIGHT,
    TOO_DARK,
    Guidance,
    Hint,
    Sight,
    guide,
    measure_light,
)
from device.looks import Look, Shot, choose_looks
from device.track import body_height
from models.estimator.catalogue import DEFAULT_MODEL
from models.estimator.estimator import Estimator
from models.pose import EDGES, LEFT_SHOULDER, RIGHT_SHOULDER, Floats, Image, Pose
from tests.support.passers_by import read_video
from tests.support.paths import SHARED

FRAME = 640, 480
"""Width and height of the camera's frames."""

FRAMES_PER_SECOND, SECONDS = 10, 4.0
"""How long each picture is seen, and how often: longer than a hint needs to appear."""

TRIED = slice(1, None, 3)
"""The visitors of COCO's photos that are tried: others than those on which the bounds were chosen."""

LSPET_PHOTOS = 150
"""Photos of athletes that are tried."""

FILMS = "pose_squats.mp4", "ta_chi.mp4", "exercise.avi", "one-by-one-person-detection.mp4"

random = np.random.default_rng(50)


class Case(NamedTuple):
    """A picture, the person in it, and the hint that suits; None if none does."""

    name: str
    hint: Hint | None
    picture: Image
    label: Pose


class Outcome(NamedTuple):
    """What the mirror made of a case: whether it followed somebody at the end, and its hint."""

    followed: bool
    hint: Hint | None


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m benchmarks.hints", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    visitors = load_visitors(SHARED / "photos" / "coco")[TRIED]
    with Estimator(SHARED / "models" / f"{DEFAULT_MODEL}.tflite") as estimator:
        outcomes: dict[tuple[str, Hint | None], list[Outcome]] = {}
        for visitor in visitors:
            for case in make_cases(visitor):
                outcomes.setdefault((case.name, case.hint), []).append(see(estimator, case.picture, case.label))
        for picture, joints in load_lspet_photos(SHARED / "photos" / "lspet", LSPET_PHOTOS):
            outcome = see(estimator, picture, Pose.from_keypoints(joints))
            outcomes.setdefault(("LSP, as they are", None), []).append(outcome)
        print("| | visitors | followed | right hint | no hint | another hint |\n|---|---|---|---|---|---|")
        for (name, hint), seen in outcomes.items():
            print_row(name, hint, seen)
        print("\n| film | seconds with a visitor | with a hint |\n|---|---|---|")
        for film in FILMS:
            print_film(film, estimator)


def print_row(name: str, hint: Hint | None, outcomes: Sequence[Outcome]) -> None:
    """Print how often the hint was right, among the cases in which somebody was followed or a hint was shown."""
    told = [outcome.hint for outcome in outcomes if outcome.followed or outcome.hint]
    followed = sum(outcome.followed for outcome in outcomes)
    right = "–" if hint is None else str(told.count(hint))
    others = Counter(shown.drawing for shown in told if shown is not None and shown != hint)
    names = ", ".join(f"{drawing} {count}" for drawing, count in others.most_common()) or "0"
    print(f"| {name} | {len(outcomes)} | {followed} | {right} | {told.count(None)} | {names} |", flush=True)


def print_film(film: str, estimator: Estimator) -> None:
    """Print for how long a film's visitors got a hint."""
    rate, pictures = read_video(SHARED / "videos" / film)
    state, previous, guidance = FollowState(), None, Guidance()
    present = hinted = 0
    for number, picture in enumerate(pictures):
        frame = make_frame(np.ascontiguousarray(picture[:, ::-1, ::-1]), number / rate)
        state, previous = look(estimator.estimate, frame, state, previous)
        guidance = guide(guidance, sight_of(frame, state.visitor), frame.captured_at)
        present += state.visitor is not None
        hinted += state.visitor is not None and guidance.shown is not None
    print(f"| {film} | {present / rate:.0f} | {hinted / rate:.1f} |", flush=True)


def see(estimator: Estimator, picture: Image, label: Pose) -> Outcome:
    """Let the mirror see a picture for `SECONDS`; of a whole frame it sees only the labelled person."""
    known: dict[tuple[bool, tuple[int, ...], int], list[Pose]] = {}

    def estimate(image: Image, size: tuple[int, int] | None = None) -> list[Pose]:
        # crops of equal size at other places differ in their first pixel's address
        key = image.shape == picture.shape, size or (), image.__array_interface__["data"][0]
        if key not in known:
            people = estimator.estimate(image, size)
            nearest = nearest_person(people, label) if key[0] else None
            known[key] = people if not key[0] else [] if nearest is None else [nearest]
        return known[key]

    state, previous, guidance = FollowState(), None, Guidance()
    for number in range(round(SECONDS * FRAMES_PER_SECOND)):
        frame = make_frame(picture, number / FRAMES_PER_SECOND)
        state, previous = look(estimate, frame, state, previous)
        guidance = guide(guidance, sight_of(frame, state.visitor), frame.captured_at)
    return Outcome(state.visitor is not None, guidance.shown)


def look(
    estimate: Callable[[Image, tuple[int, int] | None], list[Pose]],
    frame: Frame,
    state: FollowState,
    previous: Look | None,
) -> tuple[FollowState, Look | None]:
    """Look at a frame and follow the visitor, as `device.mirror.FramePipeline` does."""
    size = frame.image.shape[1], frame.image.shape[0]
    for chosen in choose_looks(previous, state, Shot(size, frame.captured_at, (353, 353))):
        people = chosen.to_frame(estimate(chosen.picture(frame), chosen.size), frame)
        state, previous = follow(state, people, size, frame.captured_at, FollowSettings(), chosen), chosen
    return state, previous


def sight_of(frame: Frame, visitor: Pose | None) -> Sight:
    """Return what guidance is to judge; the answer is believable, so that no poses are proposed."""
    size = frame.image.shape[1], frame.image.shape[0]
    return Sight(size, measure_light(frame.image, visitor), visitor, 1.0)


def make_frame(picture: Image, time: float) -> Frame:
    return Frame(picture, picture, time, mirrored=True)


def make_cases(visitor: Visitor) -> Iterator[Case]:
    """Yield a visitor in right and wrong places and light."""
    picture, label = visitor.picture, visitor.label
    yield Case("COCO, as they are", None, picture, label)
    if is_well_placed(label, picture):
        yield Case("COCO, well placed", None, picture, label)
    for share in (1 / 4, 1 / 16, 1 / 64, 1 / 256):
        hint = TOO_DARK if share < 1 / 16 else None
        yield Case(f"light, 1 : {1 / share:.0f}", hint, expose(picture, share), label)
    body = body_mask(picture, label)
    for share in (1 / 8, 1 / 32):
        dark, bright = expose(picture, share), 255 - (255 - picture.astype(np.float32)) * 0.15
        backlit = dark * body + bright * (1 - body)
        yield Case(f"backlit, 1 : {1 / share:.0f}", LIGHT_BEHIND, backlit.astype(np.uint8), label)
    size = body_height(label)
    x, y = label.xy[[LEFT_SHOULDER, RIGHT_SHOULDER]].mean(0)
    if label.scores[[LEFT_SHOULDER, RIGHT_SHOULDER]].all():
        for share in (0.2, 0.3, 0.45, 0.6, 0.8):
            high = share * size
            if high * 4 / 3 < 1.15 * picture.shape[1]:
                box = (x - high * 2 / 3, y - 0.17 * size - 0.03 * high, high * 4 / 3, high)
                hint = STEP_BACK if share < 0.6 else None
                yield Case(f"the frame shows {share:.0%} of the height", hint, *cut_out(picture, label, box))
        for share in (0.02, 0.06):
            high = min(picture.shape[0], 0.75 * (picture.shape[1] - x))
            if high > 0.8 * np.ptp(label.xy[label.scores > 0, 1]):
                box = (x - share * size, min(max(y - 0.3 * high, 0), picture.shape[0] - high), high * 4 / 3, high)
                name = f"half out, the frame's edge at {share} of the height"
                yield Case(name, TO_THE_RIGHT, *cut_out(picture, label, box))
    for share in (0.15, 0.2, 0.35):
        scale = share * FRAME[1] / size
        if scale < min(1, FRAME[0] / picture.shape[1], FRAME[1] / picture.shape[0]):
            hint = COME_CLOSER if share < 0.25 else None
            yield Case(f"far, {share:.0%} of the frame's height", hint, *shrink(picture, label, scale))


def is_well_placed(label: Pose, picture: Image) -> bool:
    """Return whether somebody shows an arm, is inside the frame, and neither near nor far."""
    size, seen = body_height(label), label.scores > 0
    margins = np.minimum(label.xy, (picture.shape[1], picture.shape[0]) - label.xy)[seen]
    arms = seen[[5, 7, 9]].all() or seen[[6, 8, 10]].all()
    return bool(arms and margins.min() > 0.03 * size and 0.3 < size / picture.shape[0] < 2)


def expose(picture: Image, share: float) -> Image:
    """Return a picture with a share of its light, and the noise of a camera that amplifies what is left."""
    darker = 255 * ((picture / 255.0) ** 2.2 * share) ** (1 / 2.2)
    return np.clip(darker + random.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)


def body_mask(picture: Image, label: Pose) -> Floats:
    """Return where a labelled person is, roughly: H×W×1, 0 to 1."""
    size, seen, mask = body_height(label), label.scores > 0, np.zeros(picture.shape[:2], np.float32)
    corners = [tuple(map(int, point)) for point in label.xy]
    for a, b in EDGES:
        if seen[a] and seen[b]:
            cv2.line(mask, corners[a], corners[b], 1.0, max(2, int(0.09 * size)))
    trunk = [corners[point] for point in (5, 6, 12, 11) if seen[point]]
    cv2.fillConvexPoly(mask, np.array(trunk or corners[:1], np.int32), 1.0)
    if seen[:5].any():
        cv2.circle(mask, tuple(map(int, label.xy[:5][seen[:5]].mean(0))), int(0.075 * size), 1.0, cv2.FILLED)
    return cv2.GaussianBlur(mask, (0, 0), 0.01 * size + 0.5).astype(np.float32)[..., None]


def cut_out(picture: Image, label: Pose, box: tuple[float, float, float, float]) -> tuple[Image, Pose]:
    """Return the box (left, top, width, height) of a picture as a frame; beyond the picture its mirror image."""
    left, top, width, _ = box
    scale = FRAME[0] / width
    matrix = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    frame = cv2.warpAffine(picture, matrix, FRAME, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    xy = (label.xy * scale + matrix[:, 2]).astype(np.float32)
    return frame.astype(np.uint8), Pose(xy, label.scores, label.score)


def shrink(picture: Image, label: Pose, scale: float) -> tuple[Image, Pose]:
    """Return a picture that is small in the middle of a frame, before a blur of itself."""
    frame = cv2.GaussianBlur(cv2.resize(picture, FRAME, interpolation=cv2.INTER_AREA), (0, 0), 25).astype(np.uint8)
    width, height = (max(2, round(side * scale)) for side in (picture.shape[1], picture.shape[0]))
    left, top = (FRAME[0] - width) // 2, (FRAME[1] - height) // 2
    frame[top : top + height, left : left + width] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return frame, Pose((label.xy * scale + (left, top)).astype(np.float32), label.scores, label.score)


if __name__ == "__main__":
    main()
