"""The measures that our own network is judged by: each says what it should of answers that are known."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from types import ModuleType

import coco_photos
import numpy as np
import pytest
from PIL import Image as pillow

from models.figures import picture
from models.pose import Floats, Pose
from models.train import measure

CHANCE = np.random.default_rng(3)


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    return import_module("people")


def somebody() -> Floats:
    """17×3, all labelled, somewhere in a photo of 400×300."""
    points = CHANCE.uniform((40, 60), (220, 290), (17, 2))
    return np.column_stack([points, np.full(17, 2)]).astype(np.float32)


def heads_of(xy: Floats, size: tuple[int, int]) -> Floats:
    """1×115×h×w that read as the key points 17×2, whatever their other cells say."""
    heads = CHANCE.normal(0, 1, (1, 115, *size)).astype(np.float32)
    for number, (x, y) in enumerate(xy / 16):
        row, column = int(y), int(x)
        heads[0, number, row, column] = 9
        heads[0, 17 + number, row, column] = y - row
        heads[0, 34 + number, row, column] = x - column
    return heads


def test_the_likeliest_cell_and_its_offset_are_read() -> None:
    xy = CHANCE.uniform(0, 190, (17, 2)).astype(np.float32)
    other = CHANCE.uniform(0, 190, (17, 2)).astype(np.float32)
    read = measure.found(np.concatenate([heads_of(xy, (12, 13)), heads_of(other, (12, 13))]))
    np.testing.assert_allclose(read, [xy, other], atol=1e-3)


def test_similarity_is_cocos_and_the_same_as_the_other_figures() -> None:
    labelled = somebody()
    labelled[[3, 9], 2] = 0
    near = labelled[:, :2] + CHANCE.normal(0, 8, (17, 2)).astype(np.float32)
    assert measure.oks(labelled[:, :2], labelled) == 1
    assert measure.oks(near, labelled) == pytest.approx(coco_photos.oks(Pose(near, np.ones(17), 1.0), labelled))
    far = near.copy()
    far[[3, 9]] += 1000
    assert measure.oks(far, labelled) == measure.oks(near, labelled)  # what is not labelled does not count


def test_a_crop_has_its_person_amid_it_and_their_key_points_where_they_are(tmp_path: Path) -> None:
    labelled = somebody()
    labelled[:, :2] = labelled[:, :2].round()
    labelled[0, :2] = 44, 280  # alone in its corner, so that it can be found again
    image = np.full((300, 400, 3), 60, np.uint8)
    image[278:283, 42:47] = 255
    pillow.fromarray(image).save(tmp_path / "photo.png")
    few, small = labelled.copy(), labelled.copy()
    few[7:, 2] = 0
    small[:, 0] *= 0.2
    everybody = [{"file": "photo.png", "persons": [one.tolist() for one in (labelled, few, small)]}]
    (tmp_path / "keypoints.json").write_text(json.dumps(everybody))
    ((made, keypoints),) = measure.crops(tmp_path, 193)
    assert made.shape == (193, 193, 3)
    low, high = keypoints[:, :2].min(0), keypoints[:, :2].max(0)
    np.testing.assert_allclose((low + high) / 2, 96, atol=1e-3)
    assert (high - low).max() == pytest.approx(193 / 1.5, abs=1e-3)
    rows, columns = np.nonzero(made[:, :, 0] > 200)
    np.testing.assert_allclose([columns.mean(), rows.mean()], keypoints[0, :2], atol=0.6)
    assert (made[-1, 0] == measure.GREY).all()  # below the photo's lower border


def test_a_network_is_scored_in_its_evaluating_mode_and_left_in_its_own() -> None:
    torch = pytest.importorskip("torch", reason="training needs torch")
    people = [somebody() for _ in range(measure.AT_ONCE + 3)]
    for one in people:
        one[:, :2] *= 0.5

    class Knowing(torch.nn.Module):  # type: ignore[misc, name-defined]
        """Reads from a picture's first number whose it is."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x):  # type: ignore[no-untyped-def]
            assert not self.training
            assert not torch.is_grad_enabled()
            numbers = (x[:, 0, 0, 0] * 128 + 128).round().int().tolist()
            return torch.from_numpy(np.concatenate([heads_of(people[number][:, :2], (10, 10)) for number in numbers]))

    pictures = [(np.full((145, 145, 3), number, np.uint8), one) for number, one in enumerate(people)]
    network = Knowing()
    assert measure.score(network, pictures) == pytest.approx((1.0, 1.0), abs=1e-4)
    assert network.training
    wrong = [(image, people[number - 1]) for number, (image, _) in enumerate(pictures)]
    assert measure.score(network.eval(), wrong).oks < 0.5
    assert not network.training


def test_poses_of_starter_pictures_are_those_of_the_pictures(people: ModuleType) -> None:
    for number in (0, 3, 11):
        for quick, whole in zip(people.poses_of(number), picture(number).poses, strict=True):
            np.testing.assert_array_equal(quick.xy, whole.xy)
            np.testing.assert_array_equal(quick.scores, whole.scores)


def test_what_one_pose_for_everybody_is_worth(people: ModuleType, shared_data: Path) -> None:
    cut = measure.crops(shared_data / "photos" / "coco")
    assert len(cut) == 271
    assert people.one_pose(cut)["OKS"] == pytest.approx(0.232, abs=0.002)
