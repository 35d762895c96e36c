"""The measures of the bundled model, on answers whose figures are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image as pillow

from benchmarks import model_sheet as sheet
from benchmarks import people_measures as people
from models.estimator.estimator import Estimator
from models.estimator.posenet import Quantization
from models.figures import draw_picture
from models.pose import Floats, Image, Pose
from models.train import measure
from tests.support import coco_photos

CHANCE = np.random.default_rng(3)


class FixedAnswers:
    """Stands in for an estimator: gives prepared answers, one picture after the other."""

    def __init__(self, answers: list[list[Pose]]) -> None:
        self.answers, self.sizes = answers, list[tuple[int, int]]()

    @property
    def estimator(self) -> Estimator:
        return cast(Estimator, self)

    def resize(self, size: tuple[int, int]) -> None:
        self.sizes.append(size)

    def estimate(self, image: Image) -> list[Pose]:
        return self.answers[(len(self.sizes) - 1) % len(self.answers)]


def somebody() -> Floats:
    """Return a person, 17×3, all labelled, somewhere in a photo of 400×300."""
    points = CHANCE.uniform((40, 60), (220, 290), (17, 2))
    return np.column_stack([points, np.full(17, 2)]).astype(np.float32)


def heads_of(xy: Floats, size: tuple[int, int]) -> Floats:
    """Return 1×115×h×w in which the likeliest cells give the key points 17×2; other cells are random."""
    heads = CHANCE.normal(0, 1, (1, 115, *size)).astype(np.float32)
    for number, (x, y) in enumerate(xy / 16):
        row, column = int(y), int(x)
        heads[0, number, row, column] = 9
        heads[0, 17 + number, row, column] = y - row
        heads[0, 34 + number, row, column] = x - column
    return heads


def test_reads_the_likeliest_cell_and_its_offset() -> None:
    xy = CHANCE.uniform(0, 190, (17, 2)).astype(np.float32)
    other = CHANCE.uniform(0, 190, (17, 2)).astype(np.float32)
    read = measure.likeliest_keypoints(np.concatenate([heads_of(xy, (12, 13)), heads_of(other, (12, 13))]))
    np.testing.assert_allclose(read, [xy, other], atol=1e-3)


def test_oks_is_cocos() -> None:
    labelled = somebody()
    labelled[[3, 9], 2] = 0
    close = labelled[:, :2] + CHANCE.normal(0, 8, (17, 2)).astype(np.float32)
    assert measure.oks(labelled[:, :2], labelled) == 1
    pose = Pose(close, np.ones(17, np.float32), 1.0)
    assert measure.oks(close, labelled) == pytest.approx(coco_photos.oks(pose, labelled))
    far = close.copy()
    far[[3, 9]] += 1000
    assert measure.oks(far, labelled) == measure.oks(close, labelled)  # unlabelled points do not count


def test_a_crop_centres_its_person(tmp_path: Path) -> None:
    labelled = somebody()
    labelled[:, :2] = labelled[:, :2].round()
    labelled[0, :2] = 44, 280  # alone in its corner, so that the test can find it
    image = np.full((300, 400, 3), 60, np.uint8)
    image[278:283, 42:47] = 255
    pillow.fromarray(image).save(tmp_path / "photo.png")
    few, small = labelled.copy(), labelled.copy()
    few[7:, 2] = 0
    small[:, 0] *= 0.2
    photos = [{"file": "photo.png", "persons": [person.tolist() for person in (labelled, few, small)]}]
    (tmp_path / "keypoints.json").write_text(json.dumps(photos))
    ((cropped, keypoints),) = measure.load_crops(tmp_path, 193)
    assert cropped.shape == (193, 193, 3)
    low, high = keypoints[:, :2].min(0), keypoints[:, :2].max(0)
    np.testing.assert_allclose((low + high) / 2, 96, atol=1e-3)
    assert (high - low).max() == pytest.approx(193 / 1.5, abs=1e-3)
    rows, columns = np.nonzero(cropped[:, :, 0] > 200)
    np.testing.assert_allclose([columns.mean(), rows.mean()], keypoints[0, :2], atol=0.6)
    assert (cropped[-1, 0] == measure.BORDER_COLOUR).all()  # below the photo's lower border


def test_evaluating_restores_the_networks_mode() -> None:
    torch = pytest.importorskip("torch", reason="training needs torch")
    persons = [somebody() for _ in range(measure.BATCH_SIZE + 3)]
    for person in persons:
        person[:, :2] *= 0.5

    class NumberReader(torch.nn.Module):  # type: ignore[misc, name-defined]
        """Reads the person's number from a picture's first byte."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x: Any) -> Any:
            assert not self.training
            assert not torch.is_grad_enabled()
            numbers = (x[:, 0, 0, 0] * 128 + 128).round().int().tolist()
            return torch.from_numpy(np.concatenate([heads_of(persons[number][:, :2], (10, 10)) for number in numbers]))

    pictures = [(np.full((145, 145, 3), number, np.uint8), person) for number, person in enumerate(persons)]
    network = NumberReader()
    assert measure.evaluate(network, pictures) == pytest.approx((1.0, 1.0), abs=1e-4)
    assert network.training
    wrong = [(image, persons[number - 1]) for number, (image, _) in enumerate(pictures)]
    assert measure.evaluate(network.eval(), wrong).oks < 0.5
    assert not network.training


def test_quantizing_heads_is_reversible() -> None:
    scales = Quantization(0.05, 180), Quantization(0.8, 120), Quantization(2.0, 131)
    numbers = heads_of(CHANCE.uniform(0, 120, (17, 2)).astype(np.float32), (8, 9))
    heads = measure.quantize_heads(numbers, scales)
    assert [head.shape for head in heads[:3]] == [(8, 9, 17), (8, 9, 34), (8, 9, 64)]
    numbers[:, :17] = np.clip(numbers[:, :17], (0 - 180) * 0.05, (255 - 180) * 0.05)
    differences = np.abs(measure.dequantize_heads(heads) - numbers)
    for part, scale, cell in zip(np.split(differences, [17, 51], 1), scales, (1, 16, 16), strict=True):
        assert part.max() <= scale.scale / cell / 2 + 1e-5


@pytest.mark.slow
def test_starter_crops_have_the_estimators_size() -> None:
    numbers = range(900_000, 900_006)
    pictures = [
        picture
        for picture in map(draw_picture, numbers)
        if len(picture.poses) == 1 and picture.poses[0].scores.sum() >= 8
    ]
    crops = measure.starter_crops(numbers)
    assert len(crops) == len(pictures) > 1
    for (image, keypoints), whole in zip(crops, pictures, strict=True):
        assert all(side % 16 == 1 for side in image.shape[:2])
        share = (keypoints[:, :2] + 0.5) / image.shape[1::-1]
        np.testing.assert_allclose(share, (whole.poses[0].xy + 0.5) / whole.image.shape[1::-1], atol=1e-4)
        np.testing.assert_array_equal(keypoints[:, 2], whole.poses[0].scores)


@pytest.mark.slow
def test_comparing_an_exact_file_shows_no_loss(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="training needs torch")
    from models.train.export import export
    from models.train.network import PoseNet

    network = PoseNet()
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias[17:].uniform_(-1, 1)
    pictures = [np.full((65, 81, 3), 90 * number, np.uint8) for number in range(3)]
    file = tmp_path / "posenet.tflite"
    export(network.eval(), pictures[:1], file)
    read = measure.likeliest_keypoints(network(torch.zeros((1, 3, 65, 81))).detach().numpy())[0]
    person = np.column_stack([read, np.full(17, 2)]).astype(np.float32)
    cells, decoded = measure.compare(network, file, [(image, person) for image in pictures])
    assert cells.network == pytest.approx((1.0, 1.0))
    assert cells.file.oks > 0.9
    assert decoded.network == pytest.approx(decoded.file, abs=0.05)
    with pytest.raises(ValueError, match="no pictures to compare on"):
        measure.compare(network, file, [])


def test_hard_scenes_count_people_who_are_visible_enough() -> None:
    seen, hidden, behind = somebody(), somebody(), somebody()
    hidden[4:, 2] = 1  # four key points are visible
    seen[12:, 2] = 1
    behind[:, 2] = 0
    everybody = np.array([seen, hidden, behind])
    image = np.zeros((305, 401, 3), np.uint8)
    right = Pose(seen[:, :2], np.ones(17, np.float32), 0.9)
    nobody = Pose(seen[:, :2] + 2000, np.ones(17, np.float32), 0.9)
    unsure = Pose(nobody.xy, nobody.scores, 0.1)
    answers = FixedAnswers([[right, nobody, unsure], []])
    figures = people.measure_hard_scenes(answers.estimator, [(image, everybody), (image, everybody[:1])])
    assert answers.sizes == [(305, 401)] * 2
    assert figures == pytest.approx(
        {"OKS, 2 people": 0.5, "over 0.5": 0.5, "PCK": 0.5, "found where nobody is, a scene": 0.5}
    )


@pytest.mark.slow
def test_hard_scenes_have_a_seed_of_their_own() -> None:
    pytest.importorskip("numba", reason="training needs numba")
    assert people.HELD_OUT_SEED >= 1 << 31  # in models.train.supply the generators' seeds are below
    first, second = (people.make_scenes(3) for _ in range(2))
    for scene, repeated in zip(first, second, strict=True):
        assert scene.image.shape == (people.SCENE_SIDE, people.SCENE_SIDE, 3)
        np.testing.assert_array_equal(scene.people, repeated.people)


@pytest.mark.slow
def test_calibration_mixes_scenes_and_starter_pictures() -> None:
    pytest.importorskip("numba", reason="training needs numba")
    from models.train.calibrate import SCENE_SIDE, calibration_pictures

    pictures = calibration_pictures(4, 4)
    assert [image.shape[:2] == (SCENE_SIDE, SCENE_SIDE) for image in pictures] == [True, False] * 2
    assert all(side % 16 == 1 for image in pictures for side in image.shape[:2])
    assert all(140_000 < image[:, :, 0].size < 200_000 for image in pictures)
    assert len({round(float(image.mean())) for image in pictures}) > 1


def test_a_sheet_has_a_tile_for_each_picture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sheet, "PICTURE_COUNT", 1)
    monkeypatch.setattr(sheet, "FRAME_COUNT", 2)
    (picture,) = people.unknown_pictures(1)
    estimator = FixedAnswers([[picture.poses[0]], [], []]).estimator
    sheet.write_sheet(estimator, tmp_path / "no photos", tmp_path / "sheet.png", with_scenes=False)
    with pillow.open(tmp_path / "sheet.png") as made:
        assert made.size == (sheet.COLUMNS * sheet.TILE_SIDE, sheet.TILE_SIDE)
        assert not np.asarray(made)[:, 3 * sheet.TILE_SIDE :].any()
    with pytest.raises(OSError, match="cannot be written"):
        sheet.write_sheet(estimator, tmp_path / "no photos", tmp_path / "nowhere" / "sheet.png", with_scenes=False)


def test_starter_poses_match_the_pictures() -> None:
    for number in (0, 3, 11):
        for quick, whole in zip(people.starter_poses(number), draw_picture(number).poses, strict=True):
            np.testing.assert_array_equal(quick.xy, whole.xy)
            np.testing.assert_array_equal(quick.scores, whole.scores)


@pytest.mark.slow
def test_one_pose_for_all_scores_low(shared_data: Path) -> None:
    crops = measure.load_crops(shared_data / "photos" / "coco")
    assert len(crops) == 271
    assert people.measure_one_pose(crops)["OKS"] == pytest.approx(0.232, abs=0.002)
