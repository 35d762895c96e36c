"""Choose a video's frames for a library: one wherever a person's pose has changed enough."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from index.agreement import agreement
from index.build.people import PoseEstimator, is_sharp, select_prominent
from index.build.photo import Credit, NewPicture, Skipped, VideoProgress
from index.videos import Video, VideoError, open_video
from models.pose import Floats, Image
from models.text import printable

SCAN_FPS: Final = 5.0
"""Frames scanned per second of video. Going from one pose to another takes people longer than a fifth of a second."""

SAME_POSE_AGREEMENT: Final = 0.7
"""A frame is kept if its person's pose agrees less than this with the pose in the last frame kept."""

MIN_DETAIL_RATIO: Final = 0.6
"""A frame with less than this share of the median detail of the frames before it is blurred by movement."""

DETAIL_WINDOW: Final = 50
"""Frames that a frame's detail is compared with: ten seconds, in which the scene mostly stays the same."""


TIME_TOLERANCE: Final = 0.002
"""Seconds by which a frame may come before it is due: some files round times to milliseconds."""


def scan(
    file: Path,
    credit: Credit,
    estimator: PoseEstimator,
    long_side: int,
    save_picture: Callable[[NewPicture], NewPicture],
    report_progress: Callable[[VideoProgress], None],
) -> list[NewPicture] | Skipped:
    """Return the frames of a video that are worth keeping, with the people in each; or why there are none.

    Each frame goes through `save_picture` at once, so that a long video does not fill the memory.
    """
    name, reason = printable(file), ""
    frame_count, kept = 0, []
    try:
        with open_video(file) as video:
            frames = _read_frames(video, long_side, report_progress)
            for result in _select_frames(frames, estimator, long_side):
                frame_count += 1
                if isinstance(result, str):
                    reason = result
                else:
                    kept.append(replace(save_picture(result), credit=credit))
    except VideoError as error:
        return Skipped(name, error.kind, str(error))
    return kept or Skipped(name, reason, f"{name} shows nobody well in {frame_count} frames ({reason}).")


def _read_frames(video: Video, long_side: int, report_progress: Callable[[VideoProgress], None]) -> Iterator[Image]:
    """Yield about `SCAN_FPS` frames of each second, by their own times: videos have any rate, and some vary it."""
    total = math.ceil((video.duration or 0) * SCAN_FPS)
    report_progress(VideoProgress(0, max(total, 1)))
    last = -1
    for frame in video.frames():
        number = int((frame.time + TIME_TOLERANCE) * SCAN_FPS)
        if number > last:
            last = number
            yield frame.make_image(long_side)
            report_progress(VideoProgress(number + 1, max(total, number + 1)))


def _select_frames(frames: Iterator[Image], estimator: PoseEstimator, long_side: int) -> Iterator[NewPicture | str]:
    """Yield for each frame its picture with the sharp people in it, or the kind of reason why it is skipped."""
    last_kept: Floats | None = None
    details: deque[float] = deque(maxlen=DETAIL_WINDOW)
    for frame in frames:
        people = select_prominent(estimator.estimate(frame), frame.shape[1], frame.shape[0])
        if isinstance(people, str):
            yield people
            continue
        details.append(_detail(frame, people[0]))
        if details[-1] < MIN_DETAIL_RATIO * float(np.median(details)) or not is_sharp(frame, people[0]):
            yield "blurred"
        elif last_kept is not None and _agreement(people[0], last_kept) >= SAME_POSE_AGREEMENT:
            yield "pose not changed"
        else:
            last_kept = people[0]
            sharp = [person for person in people if is_sharp(frame, person)]
            yield replace(NewPicture.encode(frame, long_side=long_side), people=sharp)


def _agreement(query: Floats, candidate: Floats) -> float:
    weights = (query[:, 2] > 0).astype(np.float32)
    return float(agreement(query[:, :2], weights, candidate[None, :, :2], candidate[None, :, 2] > 0)[0])


def _detail(frame: Image, person: Floats) -> float:
    """Return how sharp a frame is around a person: the variance of its Laplacian (Pech-Pacheco et al., 2000)."""
    height, width = frame.shape[:2]
    seen = np.clip(person[person[:, 2] > 0, :2].round().astype(int), 0, (width - 1, height - 1))
    (left, top), (right, bottom) = seen.min(0), seen.max(0) + 1
    grey = cv2.cvtColor(np.ascontiguousarray(frame[top:bottom, left:right]), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())
