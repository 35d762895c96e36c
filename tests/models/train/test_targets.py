"""The targets of a scene: decoding them gives back the people they were made from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("numba", reason="numba is not installed: pip install numba")

from models.estimator.posenet import EDGES, STRIDE, Heads, Quantization, decode
from models.pose import MIRROR_ORDER, Floats
from models.train.targets import HEAT_RADIUS, KEYPOINT_COUNT, OFFSET_RADIUS, SHORT_CHANNELS, Targets, targets

SIZE = 257
CELLS = np.arange(0, SIZE, STRIDE)
Y, X = np.meshgrid(CELLS, CELLS, indexing="ij")
LOGITS, NEAR, LONG = Quantization(8 / 127, 128), Quantization(0.25, 128), Quantization(2.1, 128)
STANDING = np.array(
    [(0, -60), (5, -64), (-5, -64), (11, -61), (-11, -61), (20, -38), (-20, -38), (28, -8), (-28, -8), (32, 20),
     (-32, 20), (12, 20), (-12, 20), (14, 60), (-14, 60), (15, 98), (-15, 98)],
    np.float32,
)  # fmt: skip
"""x and y of 17 key points, in pixels."""
ENDS = (3, 4, 9, 10, 15, 16)
"""Key points where the skeleton ends."""


def somebody(seed: int, x: float = 128, y: float = 110) -> Floats:
    """Return 17×3 around a place, in a random pose, all visible."""
    rng = np.random.default_rng(seed)
    points = STANDING * rng.uniform(0.7, 1.1) + rng.normal(0, 6, (17, 2)) + (x, y)
    return np.column_stack([points, np.full(17, 2)]).astype(np.float32)


def scene_targets(*people: Floats) -> Targets:
    """Return the targets of one scene: 17×h×w, 98×h×w and 98×h×w."""
    return Targets(*(part[0] for part in targets(np.stack(people)[None], SIZE)))


def quantized(values: Floats, scale: Quantization) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.clip(np.round(values.transpose(1, 2, 0) / scale.scale + scale.zero_point), 0, 255).astype(np.uint8)


def heads(exact: Targets) -> Heads:
    """Return the heads of a network that has learned the targets exactly."""
    return Heads(
        quantized(16 * exact.heat - 8, LOGITS),
        quantized(exact.offsets[:SHORT_CHANNELS] * STRIDE, NEAR),
        quantized(exact.offsets[SHORT_CHANNELS:] * STRIDE, LONG),
        (LOGITS, NEAR, LONG),
    )


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """Compiling takes seconds, which must not count towards a test's time limit."""
    scene_targets(somebody(0))


@given(st.integers(0, 10**6), st.booleans())
@settings(max_examples=25)
def test_decoding_exact_targets_returns_the_people(seed: int, alone: bool) -> None:
    people = [somebody(seed)] if alone else [somebody(seed, 60), somebody(seed + 1, 195)]
    found = sorted(decode(heads(scene_targets(*people))), key=lambda pose: float(pose.xy[:, 0].mean()))
    assert len(found) == len(people)
    for pose, person in zip(found, people, strict=True):
        distances = np.abs(pose.xy - person[:, :2]).max(1)
        # The decoder's path from the left eye to the nose is not the shortest (`posenet._paths`).
        assert distances[0] < HEAT_RADIUS
        assert distances[1:].max() < 3
        assert pose.scores.min() > 0.5


def test_decoding_gives_absent_key_points_a_low_score() -> None:
    person = somebody(3)
    person[ENDS, 2] = 0
    (pose,) = decode(heads(scene_targets(person)))
    rest = np.setdiff1d(np.arange(1, 17), ENDS)
    assert np.abs(pose.xy[rest] - person[rest, :2]).max() < 3
    assert pose.scores[list(ENDS)].max() < 0.01


def test_heat_is_1_only_near_a_key_point() -> None:
    people = [somebody(4, 60), somebody(5, 190)]
    people[1][7, 2] = 0
    heat, points = scene_targets(*people).heat, np.stack(people)
    distances = np.hypot(points[..., 0, None, None] - X, points[..., 1, None, None] - Y)
    distances[points[..., 2] == 0] = np.inf
    assert np.array_equal(heat, distances.min(0) < HEAT_RADIUS)
    assert heat.sum((1, 2)).min() > 0


def test_short_offsets_point_to_the_key_point() -> None:
    person = somebody(6)
    exact = scene_targets(person)
    dy, dx = person[:, 1, None, None] - Y, person[:, 0, None, None] - X
    near = np.hypot(dy, dx) < OFFSET_RADIUS
    for channels, offset in ((slice(0, KEYPOINT_COUNT), dy), (slice(KEYPOINT_COUNT, SHORT_CHANNELS), dx)):
        assert np.array_equal(exact.weights[channels] > 0, near)
        assert np.allclose(exact.offsets[channels], np.where(near, offset / STRIDE, 0), atol=1e-5)


@pytest.mark.parametrize("edge", range(16))
@pytest.mark.parametrize("backward", [False, True])
def test_mid_offsets_point_to_the_next_key_point(edge: int, backward: bool) -> None:
    person = somebody(7)
    exact = scene_targets(person)
    start, end = EDGES[edge][::-1] if backward else EDGES[edge]
    near = np.hypot(person[start, 0] - X, person[start, 1] - Y) < OFFSET_RADIUS
    channel = SHORT_CHANNELS + 32 * backward + edge
    for offset, weight, expected in (
        (exact.offsets[channel], exact.weights[channel], person[end, 1] - Y),
        (exact.offsets[channel + 16], exact.weights[channel + 16], person[end, 0] - X),
    ):
        assert near.any()
        assert np.array_equal(weight > 0, near)
        assert np.allclose(offset, np.where(near, expected / STRIDE, 0), atol=1e-5)


def test_long_mid_offsets_weigh_less() -> None:
    person = somebody(8)
    weights = scene_targets(person).weights[SHORT_CHANNELS:]
    lengths = np.abs(scene_targets(person).offsets[SHORT_CHANNELS:])
    counted = weights > 0
    assert 0 < weights[counted].min() < weights[counted].max() <= 1
    assert weights[counted & (lengths > 4)].max() <= 0.5


def test_absent_key_points_have_no_mid_offsets() -> None:
    person = somebody(9)
    person[13, 2] = 0
    weights = scene_targets(person).weights
    for edge, ends in enumerate(EDGES):
        channels = [SHORT_CHANNELS + edge + more for more in (0, 16, 32, 48)]
        assert (weights[channels].max() == 0) == (13 in ends)


def test_a_cell_belongs_to_the_nearer_person() -> None:
    first, second = somebody(10), somebody(10)
    second[:, 0] += 20
    exact = scene_targets(first, second)
    row, column = np.round(first[0, 1::-1] / STRIDE).astype(int)
    x = column * STRIDE
    nearer = first if abs(first[0, 0] - x) < abs(second[0, 0] - x) else second
    assert exact.offsets[KEYPOINT_COUNT, row, column] * STRIDE + x == pytest.approx(nearer[0, 0], abs=1e-3)


def test_mirrored_people_have_mirrored_targets() -> None:
    people = [somebody(11, 60), somebody(12, 195)]
    people[0][9, 2] = 0
    flipped = [person[MIRROR_ORDER] * (-1, 1, 1) + (SIZE - 1, 0, 0) for person in people]
    plain, mirrored = scene_targets(*people), scene_targets(*(person.astype(np.float32) for person in flipped))
    edges = [EDGES.index((int(MIRROR_ORDER[a]), int(MIRROR_ORDER[b]))) for a, b in EDGES]
    order = [
        *MIRROR_ORDER,
        *(KEYPOINT_COUNT + MIRROR_ORDER),
        *(SHORT_CHANNELS + 16 * block + edge for block in range(4) for edge in edges),
    ]
    sign = np.ones(98, np.float32)
    sign[KEYPOINT_COUNT:SHORT_CHANNELS] = sign[SHORT_CHANNELS + 16 : SHORT_CHANNELS + 32] = sign[
        SHORT_CHANNELS + 48 :
    ] = -1
    assert np.array_equal(mirrored.heat, plain.heat[MIRROR_ORDER, :, ::-1])
    assert np.allclose(mirrored.weights, plain.weights[order][:, :, ::-1], atol=1e-5)
    assert np.allclose(mirrored.offsets, plain.offsets[order][:, :, ::-1] * sign[:, None, None], atol=1e-5)


def test_scenes_of_a_batch_are_independent() -> None:
    nobody = np.zeros((17, 3), np.float32)
    batch = np.stack([np.stack([somebody(13), nobody]), np.stack([nobody, nobody]), np.stack([nobody, somebody(14)])])
    exact = targets(batch, SIZE)
    assert exact.heat.shape == (3, 17, 17, 17)
    assert exact.offsets.shape == exact.weights.shape == (3, 98, 17, 17)
    for part, first, last in zip(exact, scene_targets(somebody(13)), scene_targets(somebody(14)), strict=True):
        assert np.array_equal(part[0], first)
        assert not part[1].any()
        assert np.array_equal(part[2], last)
