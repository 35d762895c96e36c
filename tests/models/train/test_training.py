"""Training: scenes are augmented with their key points, each batch is used several times, and no progress is lost."""

from __future__ import annotations

import csv
import queue
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[train]'")
pytest.importorskip("numba", reason="numba is not installed: pip install '.[train]'")

from models.pose import Image  # noqa: E402
from models.train import __main__ as command  # noqa: E402
from models.train import fit, supply  # noqa: E402
from models.train.supply import Batch  # noqa: E402
from models.train.variety import similarity_transform, warp  # noqa: E402

SIZE = 65


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def dotted(x: int, y: int) -> Batch:
    """A black scene with a white dot at the left wrist."""
    images = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    images[0, y - 1 : y + 2, x - 1 : x + 2] = 255
    people = np.zeros((1, 4, 17, 3), np.float32)
    people[0, 0, 9] = x, y, 2
    return Batch(images, people)


def brightest(image: Image) -> npt.NDArray[np.float64]:
    """Return the centre of what is white, x and y."""
    down, across = np.nonzero(image[..., 0] > 100)
    return np.array([across.mean(), down.mean()])


@pytest.mark.parametrize("seed", range(12))
def test_key_points_follow_an_augmented_picture(seed: int) -> None:
    augmented = dotted(38, 27).augmented(rng(seed))
    present = np.argwhere(augmented.people[0, 0, :, 2] > 0).ravel()
    assert present.tolist() in ([9], [10])
    assert augmented.people[0, 0, present[0], :2] == pytest.approx(brightest(augmented.images[0]), abs=0.7)


def test_mirroring_twice_changes_nothing() -> None:
    batch, middle = dotted(20, 30), np.full(2, (SIZE - 1) / 2)
    transform = similarity_transform(1.0, 0.0, middle, middle, mirror=True)
    mirrored = warp(batch.images[0], batch.people[0], transform, SIZE)
    assert mirrored[1][0, 10, :2] == pytest.approx([SIZE - 1 - 20, 30])
    image, people = warp(*mirrored, transform, SIZE)
    assert np.array_equal(image, batch.images[0])
    assert people[0, 9] == pytest.approx(batch.people[0, 0, 9])


def test_key_points_outside_the_picture_become_absent() -> None:
    batch = dotted(10, 10)
    transform = similarity_transform(1.0, 0.0, np.array([10.0, 10.0]), np.array([-5.0, 10.0]))
    assert not warp(batch.images[0], batch.people[0], transform, SIZE)[1][..., 2].any()


class Ready:
    """Stands in for the queue: numbered batches that are ready, until there are no more."""

    def __init__(self, count: int) -> None:
        self.left = [
            Batch(np.full((1, 17, 17, 3), n, np.uint8), np.zeros((1, 4, 17, 3), np.float32)) for n in range(count)
        ]

    def get_nowait(self) -> Batch:
        return self.get()

    def get(self, timeout: float = 0) -> Batch:
        if not self.left:
            raise queue.Empty
        return self.left.pop()


def test_uses_each_batch_a_limited_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supply, "POOL_LIMITS", (3, 160))
    scenes = supply.Supply([1], 1, 17, [], 0)
    monkeypatch.setattr(scenes, "_filled", Ready(9))
    numbers = [
        int(scenes.next_batch().images[0, 0, 0, 0])
        for _ in range(9 * supply.USES_PER_BATCH - 3 * supply.USES_PER_BATCH)
    ]
    assert max(np.bincount(numbers)) <= supply.USES_PER_BATCH
    assert len(set(numbers)) == 9


def test_the_pool_stays_small_when_drawing_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supply, "POOL_LIMITS", (3, 5))
    scenes = supply.Supply([1], 1, 17, [], 0)
    monkeypatch.setattr(scenes, "_filled", Ready(50))
    for _ in range(50):
        scenes.next_batch()
    assert len(scenes._used) == 5


def test_the_learning_rate_rises_stays_and_falls() -> None:
    assert fit.rate_at(0.0, 0) == pytest.approx(fit.LEARNING_RATE / fit.WARMUP_STEPS)
    assert fit.rate_at(0.3, 10_000) == fit.rate_at(fit.DECAY_START, 10_000) == pytest.approx(fit.LEARNING_RATE)
    falling = [fit.rate_at(share, 10_000) for share in np.linspace(fit.DECAY_START, 1, 9)]
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] == pytest.approx(fit.LEARNING_RATE * fit.FINAL_RATE_SHARE)


def test_scene_sizes_grow_and_suit_the_network() -> None:
    sizes = [fit.size_at(share) for share in np.linspace(0, 1, 50)]
    assert sizes == sorted(sizes)
    assert all(size % 16 == 1 for size in sizes)


@pytest.fixture
def batch() -> Batch:
    images = rng(3).integers(0, 255, (2, SIZE, SIZE, 3), dtype=np.uint8)
    people = np.zeros((2, 4, 17, 3), np.float32)
    people[:, 0] = np.column_stack([rng(4).uniform(8, SIZE - 8, (17, 2)), np.full(17, 2)])
    return Batch(images, people)


@pytest.mark.slow
def test_losses_fall(batch: Batch) -> None:
    torch.manual_seed(0)
    learner = fit.Learner(torch.device("cpu"))
    losses = [learner.train_step(batch, rng(step), 2e-3) for step in range(25)]
    assert np.mean(losses[-3:], axis=0) == pytest.approx(np.zeros(3), abs=np.mean(losses[:2], axis=0).max())
    assert (np.mean(losses[-3:], axis=0) < 0.8 * np.mean(losses[:2], axis=0)).all()


@pytest.mark.slow
def test_a_resumed_training_continues_exactly(batch: Batch, tmp_path: Path) -> None:
    torch.manual_seed(0)
    learner, resumed = fit.Learner(torch.device("cpu")), fit.Learner(torch.device("cpu"))
    learner.train_step(batch, rng(1), 1e-3)
    learner.save(tmp_path / "checkpoint.pt")
    resumed.load(tmp_path / "checkpoint.pt")
    assert (resumed.steps, resumed.images_seen) == (1, 2)
    assert learner.train_step(batch, rng(2), 1e-3) == resumed.train_step(batch, rng(2), 1e-3)
    for name, value in learner.ema.state_dict().items():
        assert torch.equal(value, resumed.ema.state_dict()[name]), name
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.slow
def test_the_command_trains_resumes_and_exports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install '.[train]'")
    from models.estimator.estimator import Estimator

    monkeypatch.setattr(fit, "SIZE_SCHEDULE", ((1.0, SIZE),))
    monkeypatch.setattr(command, "CALIBRATION_PICTURES", 4)
    monkeypatch.setattr(command, "COMPARISON_PICTURES", 2)
    monkeypatch.setattr(supply, "POOL_LIMITS", (2, 160))
    for images in (32, 64):
        monkeypatch.setattr(sys, "argv", ["train", str(tmp_path), "--images", str(images), "--processes", "1"])
        assert command.main() == 0
    output = capsys.readouterr().out
    assert "Resuming after 32 scenes." in output
    assert "sha256" in output
    with (tmp_path / "curves.csv").open() as curves:
        assert [int(row["images"]) for row in csv.DictReader(curves)] == [32, 64]
    assert (tmp_path / "curves.png").stat().st_size > 5000
    with Estimator(tmp_path / command.MODEL_FILE, size=(SIZE, SIZE)) as estimator:
        estimator.estimate(np.zeros((SIZE, SIZE, 3), np.uint8))


def test_reports_missing_motion_capture_before_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["train", str(tmp_path / "new"), "--mocap", str(tmp_path / "none.npz")])
    assert command.main() == 1
    assert f"There is no motion capture file {tmp_path / 'none.npz'}" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_reports_a_drawing_process_that_fails() -> None:
    mocap_files = [Path("nowhere.npz")]
    with (
        supply.Supply([1], 1, SIZE, mocap_files, 1) as scenes,
        pytest.raises(RuntimeError, match="draws scenes ended with status 1"),
    ):
        scenes.next_batch()
