"""What the network is to say of a scene: exact targets, which the decoder reads back as the people that they are of."""

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
"""Key points that the skeleton does not lead on from."""


def somebody(seed: int, x: float = 128, y: float = 110) -> Floats:
    """17×3 about a place, in a pose of their own, all seen."""
    rng = np.random.default_rng(seed)
    points = STANDING * rng.uniform(0.7, 1.1) + rng.normal(0, 6, (17, 2)) + (x, y)
    return np.column_stack([points, np.full(17, 2)]).astype(np.float32)


def of(*people: Floats) -> Targets:
    """Of one scene: 17×h×w, 98×h×w and 98×h×w."""
    return Targets(*(part[0] for part in targets(np.stack(people)[None], SIZE)))


def quantized(values: Floats, scale: Quantization) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.clip(np.round(values.transpose(1, 2, 0) / scale.scale + scale.zero_point), 0, 255).astype(np.uint8)


def heads(made: Targets) -> Heads:
    """What a network says that has learned all of it."""
    return Heads(
        quantized(16 * made.heat - 8, LOGITS),
        quantized(made.offsets[:SHORT_CHANNELS] * STRIDE, NEAR),
        quantized(made.offsets[SHORT_CHANNELS:] * STRIDE, LONG),
        (LOGITS, NEAR, LONG),
    )


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """Compiling takes seconds where it was not done before: no test's time is to be taken up by it."""
    of(somebody(0))


@given(st.integers(0, 10**6), st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_decoder_finds_in_exact_targets_the_people_that_they_are_of(seed: int, alone: bool) -> None:
    people = [somebody(seed)] if alone else [somebody(seed, 60), somebody(seed + 1, 195)]
    found = sorted(decode(heads(of(*people))), key=lambda pose: float(pose.xy[:, 0].mean()))
    assert len(found) == len(people)
    for pose, person in zip(found, people, strict=True):
        off = np.abs(pose.xy - person[:, :2]).max(1)
        assert (
            off[0] < HEAT_RADIUS
        )  # the decoder's way from the left eye to the nose is not the shortest (`posenet._paths`)
        assert off[1:].max() < 3
        assert pose.scores.min() > 0.5


def test_the_decoder_is_sure_of_no_key_point_that_is_not_to_be_seen() -> None:
    person = somebody(3)
    person[ENDS, 2] = 0
    (pose,) = decode(heads(of(person)))
    rest = np.setdiff1d(np.arange(1, 17), ENDS)
    assert np.abs(pose.xy[rest] - person[rest, :2]).max() < 3
    assert pose.scores[list(ENDS)].max() < 0.01


def test_heat_is_1_just_where_a_key_point_is_near() -> None:
    people = [somebody(4, 60), somebody(5, 190)]
    people[1][7, 2] = 0
    heat, shown = of(*people).heat, np.stack(people)
    away = np.hypot(shown[..., 0, None, None] - X, shown[..., 1, None, None] - Y)
    away[shown[..., 2] == 0] = np.inf
    assert np.array_equal(heat, away.min(0) < HEAT_RADIUS)
    assert heat.sum((1, 2)).min() > 0


def test_short_offsets_lead_from_each_cell_within_reach_to_the_key_point() -> None:
    person = somebody(6)
    made = of(person)
    dy, dx = person[:, 1, None, None] - Y, person[:, 0, None, None] - X
    near = np.hypot(dy, dx) < OFFSET_RADIUS
    for channels, way in ((slice(0, KEYPOINT_COUNT), dy), (slice(KEYPOINT_COUNT, SHORT_CHANNELS), dx)):
        assert np.array_equal(made.weights[channels] > 0, near)
        assert np.allclose(made.offsets[channels], np.where(near, way / STRIDE, 0), atol=1e-5)


@pytest.mark.parametrize("edge", range(16))
@pytest.mark.parametrize("backward", [False, True])
def test_mid_offsets_lead_from_around_one_key_point_to_the_next(edge: int, backward: bool) -> None:
    person = somebody(7)
    made = of(person)
    start, end = EDGES[edge][::-1] if backward else EDGES[edge]
    near = np.hypot(person[start, 0] - X, person[start, 1] - Y) < OFFSET_RADIUS
    channel = SHORT_CHANNELS + 32 * backward + edge
    for offset, weight, way in (
        (made.offsets[channel], made.weights[channel], person[end, 1] - Y),
        (made.offsets[channel + 16], made.weights[channel + 16], person[end, 0] - X),
    ):
        assert near.any()
        assert np.array_equal(weight > 0, near)
        assert np.allclose(offset, np.where(near, way / STRIDE, 0), atol=1e-5)


def test_long_ways_count_less() -> None:
    person = somebody(8)
    weights = of(person).weights[SHORT_CHANNELS:]
    ways = np.abs(of(person).offsets[SHORT_CHANNELS:])
    counted = weights > 0
    assert 0 < weights[counted].min() < weights[counted].max() <= 1
    assert weights[counted & (ways > 4)].max() <= 0.5


def test_no_mid_offset_leads_to_or_from_what_is_not_to_be_seen() -> None:
    person = somebody(9)
    person[13, 2] = 0
    weights = of(person).weights
    for edge, ends in enumerate(EDGES):
        channels = [SHORT_CHANNELS + edge + more for more in (0, 16, 32, 48)]
        assert (weights[channels].max() == 0) == (13 in ends)


def test_where_two_people_are_a_cell_speaks_of_the_nearer_one() -> None:
    one, other = somebody(10), somebody(10)
    other[:, 0] += 20
    made = of(one, other)
    row, column = np.round(one[0, 1::-1] / STRIDE).astype(int)
    x = column * STRIDE
    nearer = one if abs(one[0, 0] - x) < abs(other[0, 0] - x) else other
    assert made.offsets[KEYPOINT_COUNT, row, column] * STRIDE + x == pytest.approx(nearer[0, 0], abs=1e-3)


def test_targets_of_people_in_a_mirror_are_their_targets_in_a_mirror() -> None:
    people = [somebody(11, 60), somebody(12, 195)]
    people[0][9, 2] = 0
    turned = [person[MIRROR_ORDER] * (-1, 1, 1) + (SIZE - 1, 0, 0) for person in people]
    plain, mirrored = of(*people), of(*(person.astype(np.float32) for person in turned))
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


def test_scenes_of_a_batch_have_nothing_to_do_with_each_other() -> None:
    nobody = np.zeros((17, 3), np.float32)
    batch = np.stack([np.stack([somebody(13), nobody]), np.stack([nobody, nobody]), np.stack([nobody, somebody(14)])])
    made = targets(batch, SIZE)
    assert made.heat.shape == (3, 17, 17, 17)
    assert made.offsets.shape == made.weights.shape == (3, 98, 17, 17)
    for whole, first, last in zip(made, of(somebody(13)), of(somebody(14)), strict=True):
        assert np.array_equal(whole[0], first)
        assert not whole[1].any()
        assert np.array_equal(whole[2], last)
