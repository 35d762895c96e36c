"""Print figures of docs/explanation/following-and-choosing.md: how well the mirror follows a visitor.

    python -m benchmarks.following [--only passers-by smoothing several]

Passers-by are pasted into videos of one person. It prints how often the mirror loses the visitor to them, and how
late and how steady the followed pose is. Several visitors are pasted next to one another: it prints how much of the
processor's time a frame of one to four takes. It needs ../shared/data, and takes six minutes on two cores.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from device.cameras.base import Frame
from device.follow import FollowSettings, FollowState, follow
from device.looks import Shot, choose_looks
from device.track import body_height
from index.library import Library
from index.match import Matcher
from models.estimator.catalogue import BUNDLED_MODEL, DEFAULT_MODEL
from models.estimator.estimator import Estimator
from models.estimator.model_files import find_model
from models.pose import Floats, Image, Pose
from tests.support.libraries import NewItem, write_library
from tests.support.passers_by import add_passer_by, paste, read_video, walker_steps
from tests.support.paths import SHARED

ONE, GYM, SQUAT, TAI_CHI = "one-by-one-person-detection.mp4", "exercise.avi", "pose_squats.mp4", "ta_chi.mp4"
WIDE, WIDE_SMALL, HIGH, HIGH_SMALL = (353, 481), (257, 353), (481, 257), (353, 193)

MEASURES = ("passers-by", "smoothing", "several")

VISITORS = (1, 2, 3, 4)
ROUNDS = 3
CROWD_FRAMES, CROWD_FLOOR = 40, 426
"""Frames of each video of several visitors, at ten a second, and the row of their feet."""
LIBRARY_SIZE, MATCHES = 20_000, 64
"""People who are searched, and how many matches the mirror asks for."""


class Scene(NamedTuple):
    """Part of a video, and people who walk past in it.

    `start` is the frame at which they enter, `heights` are theirs in pixels, `floor` is the row of their feet,
    `speeds` are in body heights a second, and `size` is the model's.
    """

    video: str
    part: slice
    start: int
    heights: tuple[int, ...]
    floor: int
    speeds: tuple[float, ...]
    size: tuple[int, int]


TUNING_SCENES = (
    Scene(ONE, slice(1060, 1130), 15, (300, 360, 420), 426, (0.65, 1.1), WIDE),
    Scene(ONE, slice(620, 690), 15, (300, 360, 420), 426, (0.65, 1.1), WIDE),
    Scene(GYM, slice(120, 200), 10, (150, 180, 220), 270, (0.65, 1.1), WIDE),
    Scene(SQUAT, slice(None), 8, (800, 900, 1200), 1200, (0.5, 0.8), HIGH),
    Scene(TAI_CHI, slice(90, 250), 20, (200, 230, 260), 250, (0.65, 1.1), WIDE),
    Scene(TAI_CHI, slice(180, 300), 10, (200, 230, 260), 250, (0.65, 1.1), WIDE),
)
"""The scenes on which the constants of device/follow.py were chosen."""

OTHER_SCENES = (
    Scene(ONE, slice(300, 360), 9, (330, 400), 425, (0.5, 0.9, 1.4), WIDE_SMALL),
    Scene(ONE, slice(800, 860), 9, (330, 400), 425, (0.5, 0.9, 1.4), WIDE_SMALL),
    Scene(GYM, slice(250, 320), 7, (165, 200), 269, (0.5, 0.9, 1.4), WIDE),
    Scene(SQUAT, slice(20, None), 6, (850, 1000), 1200, (0.6, 1.0), HIGH_SMALL),
    Scene(TAI_CHI, slice(0, 150), 25, (180, 215, 245), 250, (0.9, 1.4), WIDE_SMALL),
)
"""Scenes that no constant was chosen on."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.following",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=MEASURES, help="what to measure (default: all)")
    args = parser.parse_args()
    videos = {name: read_video(SHARED / "videos" / name) for name in (ONE, GYM, SQUAT, TAI_CHI)}
    with Estimator(SHARED / "models" / f"{DEFAULT_MODEL}.tflite") as estimator:
        if "passers-by" in args.only:
            print_passings(videos, estimator)
        if "smoothing" in args.only:
            print("\n| | lag | of the trembling is left |\n|---|---|---|")
            for name in (TAI_CHI, SQUAT, GYM, ONE):
                estimator.resize(HIGH if name == SQUAT else WIDE)
                print_smoothing(name, *videos[name], estimator)
    if "several" in args.only:
        for model in (find_model(DEFAULT_MODEL), find_model(BUNDLED_MODEL)):
            with Estimator(model) as estimator:
                print_frame_times(model.stem, videos[ONE][1], estimator)


def print_passings(videos: dict[str, tuple[float, list[Image]]], estimator: Estimator) -> None:
    """Print how often the visitor is lost to passers-by, and for how long the pose is not theirs."""
    print("| | videos | visitor lost or changed | on the wrong person or place |\n|---|---|---|---|")
    for label, scenes in (("tuned on", TUNING_SCENES), ("other", OTHER_SCENES)):
        passings = [seconds for scene in scenes for seconds in measure_passings(scene, videos, estimator)]
        lost, seconds = sum(changed for changed, _ in passings), sum(seconds for _, seconds in passings)
        print(f"| {label} | {len(passings)} | {lost} | {seconds:.1f} s |", flush=True)


def print_frame_times(label: str, pictures: list[Image], estimator: Estimator) -> None:
    """Print the processor's milliseconds for each part of a frame with one to four visitors."""
    with np.load(SHARED / "poses" / "coco2017_people.npz") as people:
        keypoints = people["keypoints"].astype(np.float32)
    complete = keypoints[(keypoints[:, 5:, 2] > 0).all(1)][:LIBRARY_SIZE]
    print(f"\n| {label} | looks a frame | estimate | follow | find | frame | of one |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        write_library((NewItem(None, person) for person in complete), Path(folder) / "library")
        with Library.open(Path(folder) / "library") as library:
            rounds = [
                [time_frames(crowd_video(pictures, count), estimator, Matcher(library)) for count in VISITORS]
                for _ in range(ROUNDS)
            ]
    parts = np.median(rounds, axis=0)
    for count, (looks, *times) in zip(VISITORS, parts.tolist(), strict=True):
        numbers = " | ".join(f"{number:.2f}" for number in (*times, sum(times), sum(times) / sum(parts[0, 1:])))
        print(f"| {count} | {looks:.2f} | {numbers} |", flush=True)


def crowd_video(pictures: list[Image], count: int) -> Iterator[Image]:
    """Yield an RGB video of people who tread on the spot next to one another, each the height of the frame."""
    empty, steps = np.median(pictures[212:222:2], axis=0).astype(np.uint8), walker_steps(pictures)
    for i in range(CROWD_FRAMES):
        picture = empty
        for k in range(count):
            person, mask = steps[(i // 3 + k) % len(steps)]
            picture = paste(picture, person, mask, picture.shape[1] * (k + 0.5) / count, CROWD_FLOOR, 1.0)
        yield np.ascontiguousarray(picture[:, :, ::-1])


def time_frames(video: Iterable[Image], estimator: Estimator, matcher: Matcher) -> tuple[float, float, float, float]:
    """Return the looks a frame, and the mean milliseconds to estimate, follow and find, once all are visitors."""
    state, look, rows = FollowState(), None, []
    settings = FollowSettings(people="all")
    for i, image in enumerate(video):
        frame, size = Frame(image, image, i / 10, mirrored=True), (image.shape[1], image.shape[0])
        looks = choose_looks(look, state, Shot(size, frame.captured_at, estimator.crop_size))
        seconds = np.zeros(3)
        for look in looks:
            start = time.process_time()
            people = look.to_frame(estimator.estimate(look.picture(frame), look.size), frame)
            estimated = time.process_time()
            state = follow(state, people, size, frame.captured_at, settings, look)
            seconds[:2] += estimated - start, time.process_time() - estimated
        start = time.process_time()
        matcher.find_all([visitor.pose for visitor in state.visitors], MATCHES)
        seconds[2] = time.process_time() - start
        rows.append((len(looks), *(1000 * seconds)))
    looks_per_frame, *times = np.mean(rows[CROWD_FRAMES // 2 :], axis=0).tolist()
    return looks_per_frame, times[0], times[1], times[2]


def measure_passings(
    scene: Scene, videos: dict[str, tuple[float, list[Image]]], estimator: Estimator
) -> list[tuple[bool, float]]:
    """For each passer-by, return whether the visitor became another, and for how many seconds the pose was not
    theirs."""
    rate, pictures = videos[scene.video]
    part, steps = pictures[scene.part], walker_steps(videos[ONE][1])
    estimator.resize(scene.size)
    alone = follow_video([find_people(estimator, picture) for picture in part], part[0].shape, rate)
    results = []
    for height in scene.heights:
        for speed in scene.speeds:
            for step in (speed * height / rate, -speed * height / rate):
                video = add_passer_by(part, steps, start=scene.start, step=step, floor=scene.floor, height=height)
                passed = follow_video([find_people(estimator, picture) for picture in video], part[0].shape, rate)
                off = [is_elsewhere(a, b) for a, b in zip(passed, alone, strict=True)]
                numbers = {state.visitor_number for state in passed} - {None}
                results.append((len(numbers) > 1 or off[-1], sum(off) / rate))
    return results


def find_people(estimator: Estimator, picture: Image) -> list[Pose]:
    """Return the people in a BGR frame."""
    return estimator.estimate(np.ascontiguousarray(picture[:, :, ::-1]))


def follow_video(found: list[list[Pose]], shape: tuple[int, ...], rate: float) -> list[FollowState]:
    """Return the follower's state after each frame."""
    state, states = FollowState(), []
    for i, people in enumerate(found):
        state = follow(state, people, (shape[1], shape[0]), i / rate, FollowSettings())
        states.append(state)
    return states


def is_elsewhere(state: FollowState, alone: FollowState) -> bool:
    """Return whether the visitor is over a fifth of their height from where they are followed without passers-by."""
    if alone.visitor is None:
        return False
    if state.visitor is None:
        return True
    seen = alone.visitor.scores > 0.3
    off = np.hypot(*(state.visitor.xy - alone.visitor.xy)[seen].T)
    return bool(np.median(off) > 0.2 * body_height(alone.visitor))


def print_smoothing(name: str, rate: float, pictures: list[Image], estimator: Estimator) -> None:
    """Compare the followed key points with the estimator's own, where these score over 0.5 in three frames.

    It prints how late those are that move faster than 0.2 body heights a second, and how much trembling is left of
    those slower than 0.05.
    """
    found = [find_people(estimator, picture) for picture in pictures]
    states = follow_video(found, pictures[0].shape, rate)
    pairs = [(nearest_pose(state.visitor, people), state.visitor) for state, people in zip(states, found, strict=True)]
    nobody = Pose(np.full((17, 2), np.nan, np.float32), np.zeros(17, np.float32), 0.0)
    raw = np.stack([(found or nobody).xy for found, _ in pairs])
    smooth = np.stack([(visitor if found and visitor else nobody).xy for found, visitor in pairs])
    scores = np.stack([(found or nobody).scores for found, _ in pairs])
    height = np.median([body_height(found) for found, _ in pairs if found])
    sure = np.minimum(np.minimum(scores[:-2], scores[1:-1]), scores[2:]) > 0.5
    velocity = (raw[2:] - raw[:-2]) * rate / 2
    speed = np.hypot(velocity[..., 0], velocity[..., 1]) / height
    delay = (raw - smooth)[1:-1]
    fast = sure & (speed > 0.2) & (speed < 4) & (np.hypot(delay[..., 0], delay[..., 1]) < 0.5 * height)
    lag = float((delay[fast] * velocity[fast]).sum() / (velocity[fast] ** 2).sum())
    still = sure & (speed < 0.05)
    left = jitter(smooth, still) / jitter(raw, still)
    print(f"| {name}, {rate:.0f} frames a second | {1000 * lag:.0f} ms | {100 * left:.0f} % |", flush=True)


def nearest_pose(visitor: Pose | None, people: list[Pose]) -> Pose | None:
    """Return the estimator's pose of the visitor, or None."""
    if visitor is None or not people:
        return None
    return min(people, key=lambda pose: float(np.median(np.hypot(*(pose.xy - visitor.xy).T))))


def jitter(xy: Floats, still: np.ndarray) -> float:
    """Return the median distance of a key point from the middle between its places one frame before and one after."""
    return float(np.nanmedian(np.abs(np.diff(xy, 2, axis=0)[still])))


if __name__ == "__main__":
    main()
