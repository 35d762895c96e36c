"""Learning: scenes in, a network out; steps seeded, kept on the disk, and gone on with where it stopped."""

from __future__ import annotations

import copy
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from models.train.curves import note
from models.train.measure import Score, crops, score
from models.train.network import CHANNELS, PoseNet, as_input
from models.train.supply import Batch, Supply
from models.train.targets import Targets, targets
from models.train.variety import lights

BATCH: Final = 32
SIZES: Final = ((0.4, 129), (0.9, 193), (0.94, 257), (1.0, 321))
"""Until which share of the training scenes have how many pixels a side: small ones teach most for their time."""
RATE: Final = 2.5e-3
WARM: Final = 400
"""Steps until the rate is the full one."""
STEADY: Final = 0.55
"""From this share on the rate falls, as a cosine, to `LAST` of itself."""
LAST: Final = 0.01
DECAY: Final = 0.02
KEPT: Final = 0.998
"""How much of the mean of the network's weights each step keeps: the mean is what is measured and exported."""
SHORT, MID = 1.0, 0.4
"""What the offsets' losses count beside the heat maps'."""
SAVED: Final = 150.0
"""Seconds between checkpoints."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`images`: how many the network sees in all; `folder`: where checkpoints, the log and the curves lie; `recorded`:
    files of motion capture; `measure`: a folder of labelled photos to look at progress by, never to learn from."""

    folder: Path
    images: int
    seed: int = 1
    recorded: tuple[Path, ...] = ()
    measure: Path | None = None
    processes: int = 2
    every: int = 25_000
    """Images between two measurements."""


class Learner:
    """The network, its running mean and the optimizer: all that a checkpoint holds."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.network = PoseNet().to(device, memory_format=torch.channels_last)
        self.mean = copy.deepcopy(self.network).requires_grad_(False)
        weights = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": weights, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, RATE)
        self.steps = self.seen = 0

    def learn(self, batch: Batch, chance: np.random.Generator, rate: float) -> list[float]:
        """One step; the losses of heat maps, short offsets and mid offsets."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        size = batch.images.shape[1]
        wanted = Targets(*(torch.from_numpy(part).to(self.device) for part in targets(batch.people, size)))
        pictures = _relit(as_input(torch.from_numpy(batch.images).to(self.device)), chance)
        with torch.autocast(self.device.type, torch.bfloat16):
            heads = self.network(pictures)
        losses = _losses(heads.float(), wanted)
        loss = losses[0] + SHORT * losses[1] + MID * losses[2]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self.steps += 1
        self.seen += len(batch.images)
        self._average()
        return [float(part.detach()) for part in losses]

    @torch.no_grad()
    def _average(self) -> None:
        share = 1 - min(KEPT, 1 - 1 / (self.steps / 8 + 1))
        for mean, now in zip(self.mean.state_dict().values(), self.network.state_dict().values(), strict=True):
            if mean.dtype.is_floating_point:
                mean.lerp_(now, share)
            else:
                mean.copy_(now)

    def save(self, file: Path) -> None:
        """A whole file or none."""
        state = {
            "network": self.network.state_dict(), "mean": self.mean.state_dict(),
            "optimizer": self.optimizer.state_dict(), "steps": self.steps, "seen": self.seen,
        }  # fmt: skip
        part = file.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, file)

    def load(self, file: Path) -> None:
        state = torch.load(file, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.mean.load_state_dict(state["mean"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps, self.seen = int(state["steps"]), int(state["seen"])


def fit(plan: Plan) -> Learner:
    """Trains, or goes on with training, until the plan's images were seen; what ends it otherwise loses nothing."""
    torch.manual_seed(plan.seed)
    learner = Learner(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    checkpoint = plan.folder / "checkpoint.pt"
    plan.folder.mkdir(parents=True, exist_ok=True)
    if checkpoint.exists():
        learner.load(checkpoint)
        print(f"Going on after {learner.seen:,} images.", flush=True)
    progress = Progress(plan, learner)
    chance = np.random.default_rng([plan.seed, learner.steps])
    size = size_at(learner.seen / plan.images)
    # a run that goes on draws other scenes than the one before it
    with Supply([plan.seed, learner.steps], BATCH, size, plan.recorded, plan.processes) as supply:
        saved = time.monotonic()
        try:
            while learner.seen < plan.images:
                done = learner.seen / plan.images
                supply.size = size_at(done)
                progress.add(learner.learn(supply.take(), chance, rate_at(done, learner.steps)), supply.size)
                if time.monotonic() - saved > SAVED:
                    learner.save(checkpoint)
                    saved = time.monotonic()
        finally:
            learner.save(checkpoint)
    return learner


class Progress:
    """Says now and then how training goes: a line on the screen, and a row of curves.csv."""

    def __init__(self, plan: Plan, learner: Learner) -> None:
        self._plan, self._learner = plan, learner
        self._photos = crops(plan.measure) if plan.measure else []
        self._losses: list[list[float]] = []
        self._since, self._started = learner.seen, time.monotonic()

    def add(self, losses: list[float], size: int) -> None:
        """A step's losses, on scenes of `size` pixels a side."""
        self._losses.append(losses)
        seen, plan = self._learner.seen, self._plan
        if seen // plan.every > self._since // plan.every or seen >= plan.images:
            self._say(size)

    def _say(self, size: int) -> None:
        seen, elapsed = self._learner.seen, time.monotonic() - self._started
        found = score(self._learner.mean, self._photos) if self._photos else Score(math.nan, math.nan)
        speed = (seen - self._since) / elapsed
        parts = [round(float(part), 4) for part in (*np.mean(self._losses, axis=0), found.oks, found.hits)]
        left = (self._plan.images - seen) / speed / 60
        heat, short, mid, oks, hits = parts
        print(
            f"{seen:,} images of {size} pixels: heat maps {heat}, short offsets {short}, mid offsets {mid}; "
            f"people of photos {oks}, above 0.5 {hits}; {speed:.0f} a second, {left:.0f} minutes left at this pace",
            flush=True,
        )
        note(self._plan.folder / "curves.csv", [seen, size, *parts, round(speed)])
        self._losses, self._since, self._started = [], seen, time.monotonic()


def size_at(done: float) -> int:
    """Pixels of a scene's side when a share of the training is done."""
    return next((size for until, size in SIZES if done < until), SIZES[-1][1])


def rate_at(done: float, steps: int) -> float:
    """The learning rate: up, steady, and down as half a cosine."""
    falling = max(0.0, (done - STEADY) / (1 - STEADY))
    return RATE * min(1.0, (steps + 1) / WARM) * (LAST + (1 - LAST) * 0.5 * (1 + math.cos(math.pi * min(falling, 1.0))))


def _relit(pictures: Tensor, chance: np.random.Generator) -> Tensor:
    """Other gains and offsets for each picture and colour: the same scenes in another light."""
    gain, offset = (
        torch.from_numpy(part[:, :, None, None].astype(np.float32)).to(pictures.device)
        for part in lights(chance, len(pictures))
    )
    lit = pictures.mul_(gain).add_(offset).clamp_(-1, 1)
    return lit.contiguous(memory_format=torch.channels_last)


def _losses(heads: Tensor, wanted: Any) -> list[Tensor]:
    kinds, short = CHANNELS[0], CHANNELS[1]
    heat = nn.functional.binary_cross_entropy_with_logits(heads[:, :kinds], wanted.heat, reduction="sum")
    away = (heads[:, kinds:] - wanted.offsets).abs() * wanted.weights
    weights = wanted.weights
    return [
        heat / (len(heads) * kinds),
        away[:, :short].sum() / (weights[:, :short].sum() + 1),
        away[:, short:].sum() / (weights[:, short:].sum() + 1),
    ]
