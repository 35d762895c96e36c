"""The labels of film frames are well formed: a slip of the pen would spoil every figure measured on them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchmarks.film_labels import LABELS, LabelledFrame, empty_stretches, labelled_frames
from models.pose import LEFT_EYE, LIMBS, RIGHT_EYE

FRAMES = labelled_frames()


def test_each_film_has_at_least_15_labelled_frames() -> None:
    counts = Counter(frame.film for frame in FRAMES)
    assert len(counts) == 4
    assert min(counts.values()) >= 15
    assert len({(frame.film, frame.frame) for frame in FRAMES}) == len(FRAMES)


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: f"{frame.film}-{frame.frame}")
def test_a_labelled_person_is_inside_the_frame(frame: LabelledFrame) -> None:
    seen = frame.label.scores > 0
    assert seen.sum() >= 8
    assert (frame.label.xy[~seen] == 0).all()
    assert ((frame.label.xy[seen] >= 0) & (frame.label.xy[seen] < frame.size)).all()


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: f"{frame.film}-{frame.frame}")
def test_limbs_have_a_bodys_proportions(frame: LabelledFrame) -> None:
    seen = frame.label.scores > 0
    size = np.ptp(frame.label.xy[seen], axis=0).max()
    whole = seen[LIMBS].all(1)
    lengths = np.hypot(*(frame.label.xy[LIMBS[:, 1]] - frame.label.xy[LIMBS[:, 0]]).T)[whole] / size
    assert whole.sum() >= 4
    assert lengths.min() >= 0.04  # a limb that points at the camera
    assert lengths.max() <= 0.4


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: f"{frame.film}-{frame.frame}")
def test_left_and_right_eyes_are_not_swapped(frame: LabelledFrame) -> None:
    if frame.label.scores[[LEFT_EYE, RIGHT_EYE]].min() > 0:
        assert frame.label.xy[LEFT_EYE, 0] > frame.label.xy[RIGHT_EYE, 0]


def test_no_labelled_person_is_in_an_empty_stretch() -> None:
    stretches = empty_stretches()
    assert sum(stretch.last - stretch.first + 1 for stretch in stretches) >= 200
    for film, first, last in stretches:
        assert first <= last
        assert not any(frame.film == film and first <= frame.frame <= last for frame in FRAMES)


def test_the_file_of_labels_has_a_line_a_frame() -> None:
    lines = [line for line in LABELS.read_text(encoding="utf-8").splitlines() if line.startswith('{"film"')]
    assert len(lines) == len(FRAMES)
