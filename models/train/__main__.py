"""Trains the network that comes with the program on drawn scenes, and writes it as a quantized .tflite file.

Drawing and learning take hours on two cores, less with a GPU; Ctrl-C keeps what was learned, and the same command goes
on with it. In FOLDER are then checkpoint.pt, curves.csv, curves.png and posenet_drawn.tflite.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from models.train.calibrate import calibration_pictures
from models.train.curves import plot
from models.train.export import compare, export, with_heat_map_bias
from models.train.fit import Learner, TrainingPlan, fit

MODEL_FILE = "posenet_drawn.tflite"
CALIBRATION_PICTURES = 96
"""Pictures that the ranges of the file's numbers are taken from."""
COMPARISON_PICTURES = 24
"""Other pictures that the file is held against the network by."""


def main() -> int:
    asked = _build_parser().parse_args()
    missing = [file for file in asked.mocap if not file.is_file()]
    if missing:
        print(f"There is no motion capture {missing[0]}: leave --mocap out to train on our own movements alone.",
              file=sys.stderr)  # fmt: skip
        return 1
    plan = TrainingPlan(asked.folder, asked.images, asked.seed, tuple(asked.mocap), asked.measure, asked.processes)
    try:
        learner = fit(plan)
    except KeyboardInterrupt:
        print(f"Stopped; the same command goes on with what is in {asked.folder}.", file=sys.stderr)
        return 130
    _write_results(learner, asked.folder, asked.seed)
    return 0


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models.train", description=__doc__)
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="where everything lies; what is there is gone on with"
    )
    parser.add_argument("--images", type=int, default=520_000, help="scenes that the network sees in all (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another number, other scenes (%(default)s)")
    parser.add_argument(
        "--mocap", type=Path, nargs="*", default=[], metavar="FILE", help="motion capture, .npz: `X` is N×17×3"
    )
    parser.add_argument(
        "--measure",
        type=Path,
        metavar="FOLDER",
        help="labelled photos (keypoints.json) to see progress by; they train nothing",
    )
    parser.add_argument("--processes", type=int, default=2, help="how many draw (%(default)s)")
    return parser


def _write_results(learner: Learner, folder: Path, seed: int) -> None:
    """The curves, the quantized network, and how far it is from the one that was trained."""
    plot(folder / "curves.csv", folder / "curves.png")
    file = folder / MODEL_FILE
    network = with_heat_map_bias(learner.ema)
    export(network, calibration_pictures(seed, CALIBRATION_PICTURES), file)
    print(f"{file}: {file.stat().st_size:,} bytes, sha256 {hashlib.sha256(file.read_bytes()).hexdigest()}")
    for head in compare(network, file, calibration_pictures(seed + 1, COMPARISON_PICTURES)):
        print(
            f"{head.head}: {head.mean:.3f} from the network's in the mean, {head.maximum:.2f} at most "
            f"(spread {head.std:.2f}, step {head.step:.3f}, {head.clipped:.1%} cut off)"
        )


if __name__ == "__main__":
    raise SystemExit(main())
