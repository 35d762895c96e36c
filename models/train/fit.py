"""Train the network on scenes. Steps are seeded, checkpoints are kept on disk, and a stopped training resumes."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from models import files
from models.train.curves import append_row
from models.train.measure import Accuracy, evaluate, load_crops
from models.train.network import CHANNELS, PoseNet, as_input
from models.train.supply import Batch, Supply
from models.train.targets import Targets, targets
from models.train.variety import sample_lights

BATCH_SIZE: Final = 32
"""Scenes in each step."""
SIZE_SCHEDULE: Final = ((0.4, 129), (0.9, 193), (0.94, 257), (1.0, 321))
"""Pairs of a share of the training, and the side of the scenes in pixels until then. Small scenes teach most for their
time; only large ones show a whole person as large as in a picture."""
LEARNING_RATE: Final = 2.5e-3
"""The highest learning rate."""
WARMUP_STEPS: Final = 400
"""Steps in which the learning rate rises to its highest."""
DECAY_START: Final = 0.55
"""Share of the training from which the learning rate falls as a cosine, down to `FINAL_RATE_SHARE` of its highest."""
FINAL_RATE_SHARE: Final = 0.01
WEIGHT_DECAY: Final = 0.02
"""AdamW's decay of weights; biases and normalization have none."""
EMA_DECAY: Final = 0.998
"""Share of the weights' running mean that each step keeps. The mean, not the weights, is measured and exported."""
SHORT_LOSS_WEIGHT, MID_LOSS_WEIGHT = 1.0, 0.4
"""Weights of the offsets' losses; the loss of heat maps has a weight of 1."""
CHECKPOINT_SECONDS: Final = 150.0
"""Seconds between two checkpoints: an interruption costs no more than that."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What to train, on what, and where to write."""

    folder: Path
    """Where checkpoints and curves are written."""
    images: int
    """Scenes to train on, in total."""
    seed: int = 1
    mocap_files: tuple[Path, ...] = ()
    """Motion capture for the poses of people in scenes."""
    validation_folder: Path | None = None
    """Labelled photos to measure progress on; nothing is trained on them."""
    processes: int = 2
    """Processes that draw scenes."""
    images_per_report: int = 25_000
    """Scenes between two reports."""


class Learner:
    """The network, its running mean and the optimizer: all that a checkpoint holds."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.network = PoseNet().to(device, memory_format=torch.channels_last)
        self.ema = copy.deepcopy(self.network).requires_grad_(False)
        weights = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": weights, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, LEARNING_RATE)
        self.steps = self.images_seen = 0

    def train_step(self, batch: Batch, rng: np.random.Generator, rate: float) -> list[float]:
        """Take one step, and return the losses of heat maps, short offsets and mid offsets."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        size = batch.images.shape[1]
        expected = Targets(*(torch.from_numpy(part).to(self.device) for part in targets(batch.people, size)))
        pictures = _vary_light(as_input(torch.from_numpy(batch.images).to(self.device)), rng)
        with torch.autocast(self.device.type, torch.bfloat16):
            heads = self.network(pictures)
        losses = _losses(heads.float(), expected)
        loss = losses[0] + SHORT_LOSS_WEIGHT * losses[1] + MID_LOSS_WEIGHT * losses[2]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self.steps += 1
        self.images_seen += len(batch.images)
        self._update_ema()
        return [float(part.detach()) for part in losses]

    @torch.no_grad()
    def _update_ema(self) -> None:
        # Early steps count for more, so that the mean soon forgets the random weights that it starts from.
        share = 1 - min(EMA_DECAY, 1 - 1 / (self.steps / 8 + 1))
        for mean, now in zip(self.ema.state_dict().values(), self.network.state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.lerp_(now, share)
            else:
                mean.copy_(now)

    def save(self, file: Path) -> None:
        """Write a checkpoint; if writing fails, the old one stays."""
        state = {
            "network": self.network.state_dict(), "mean": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(), "steps": self.steps, "seen": self.images_seen,
        }  # fmt: skip
        part = file.with_suffix(".part")
        torch.save(state, part)
        files.replace(part, file)

    def load(self, file: Path) -> None:
        """Restore a checkpoint."""
        state = torch.load(file, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.ema.load_state_dict(state["mean"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps, self.images_seen = int(state["steps"]), int(state["seen"])


def fit(plan: TrainingPlan) -> Learner:
    """Train on as many scenes as planned, from the last checkpoint on if there is one. Save a checkpoint at any end."""
    torch.manual_seed(plan.seed)
    learner = Learner(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    checkpoint = plan.folder / "checkpoint.pt"
    plan.folder.mkdir(parents=True, exist_ok=True)
    if checkpoint.exists():
        learner.load(checkpoint)
        print(f"Resuming after {learner.images_seen:,} scenes.", flush=True)
    progress = TrainingProgress(plan, learner)
    rng = np.random.default_rng([plan.seed, learner.steps])
    size = size_at(learner.images_seen / plan.images)
    # The step is part of the seed, so a resumed run draws other scenes than the run before it.
    with Supply([plan.seed, learner.steps], BATCH_SIZE, size, plan.mocap_files, plan.processes) as supply:
        saved = time.monotonic()
        try:
            while learner.images_seen < plan.images:
                done = learner.images_seen / plan.images
                supply.size = size_at(done)
                progress.add(learner.train_step(supply.next_batch(), rng, rate_at(done, learner.steps)), supply.size)
                if time.monotonic() - saved > CHECKPOINT_SECONDS:
                    learner.save(checkpoint)
                    saved = time.monotonic()
        finally:
            learner.save(checkpoint)
    return learner


class TrainingProgress:
    """Reports every `images_per_report` scenes: a line on the screen, and a row of curves.csv."""

    def __init__(self, plan: TrainingPlan, learner: Learner) -> None:
        self._plan, self._learner = plan, learner
        self._photos = load_crops(plan.validation_folder) if plan.validation_folder else []
        self._losses: list[list[float]] = []
        self._since, self._started = learner.images_seen, time.monotonic()

    def add(self, losses: list[float], size: int) -> None:
        """Add a step's losses, on scenes of `size` pixels a side."""
        self._losses.append(losses)
        seen, plan = self._learner.images_seen, self._plan
        if seen // plan.images_per_report > self._since // plan.images_per_report or seen >= plan.images:
            self._report(size)

    def _report(self, size: int) -> None:
        seen, elapsed = self._learner.images_seen, time.monotonic() - self._started
        accuracy = evaluate(self._learner.ema, self._photos) if self._photos else Accuracy(math.nan, math.nan)
        speed = (seen - self._since) / elapsed
        figures = [round(float(part), 4) for part in (*np.mean(self._losses, axis=0), accuracy.oks, accuracy.hit_rate)]
        minutes_left = (self._plan.images - seen) / speed / 60
        heat, short, mid, oks, hits = figures
        print(
            f"{seen:,} scenes, now of {size} pixels: heat maps {heat}, short offsets {short}, mid offsets {mid}; "
            f"people in photos: OKS {oks}, above 0.5 {hits}; {speed:.0f} scenes a second, "
            f"{minutes_left:.0f} minutes left at this pace",
            flush=True,
        )
        append_row(self._plan.folder / "curves.csv", [seen, size, *figures, round(speed)])
        self._losses, self._since, self._started = [], seen, time.monotonic()


def size_at(done: float) -> int:
    """Return the side of a scene in pixels, once a share of the training is done."""
    return next((size for until, size in SIZE_SCHEDULE if done < until), SIZE_SCHEDULE[-1][1])


def rate_at(done: float, steps: int) -> float:
    """Return the learning rate: it rises, stays, and falls as half a cosine."""
    falling = max(0.0, (done - DECAY_START) / (1 - DECAY_START))
    return (
        LEARNING_RATE
        * min(1.0, (steps + 1) / WARMUP_STEPS)
        * (FINAL_RATE_SHARE + (1 - FINAL_RATE_SHARE) * 0.5 * (1 + math.cos(math.pi * min(falling, 1.0))))
    )


def _vary_light(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Give each picture and colour another gain and offset: the same scenes in another light."""
    gain, offset = (
        torch.from_numpy(part[:, :, None, None].astype(np.float32)).to(pictures.device)
        for part in sample_lights(rng, len(pictures))
    )
    lit = pictures.mul_(gain).add_(offset).clamp_(-1, 1)
    return lit.contiguous(memory_format=torch.channels_last)


def _losses(heads: Tensor, expected: Any) -> list[Tensor]:
    """Return the losses of heat maps, short offsets and mid offsets."""
    kinds, short = CHANNELS[0], CHANNELS[1]
    heat = nn.functional.binary_cross_entropy_with_logits(heads[:, :kinds], expected.heat, reduction="sum")
    errors = (heads[:, kinds:] - expected.offsets).abs() * expected.weights
    weights = expected.weights
    return [
        heat / (len(heads) * kinds),
        errors[:, :short].sum() / (weights[:, :short].sum() + 1),
        errors[:, short:].sum() / (weights[:, short:].sum() + 1),
    ]
