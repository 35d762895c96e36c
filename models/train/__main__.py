"""Train the bundled model on drawn scenes, and write it as a quantized .tflite file.

Drawing and training take about an hour and a half on two cores, less with a GPU. Ctrl-C keeps what was learned, and the
same command resumes it. FOLDER then holds checkpoint.pt, curves.csv, curves.png and posenet_drawn.tflite.
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
"""Number of pictures that decide the range of the numbers in the file."""
COMPARISON_PICTURES = 24
"""Number of other pictures on which the file is compared with the network."""


def main() -> int:
    args = _build_parser().parse_args()
    missing = [file for file in args.mocap if not file.is_file()]
    if missing:
        print(
            f"There is no motion capture file {missing[0]}: correct the path, or train on the built-in movements "
            "without --mocap.",
            file=sys.stderr,
        )
        return 1
    plan = TrainingPlan(args.folder, args.images, args.seed, tuple(args.mocap), args.measure, args.processes)
    try:
        learner = fit(plan)
    except KeyboardInterrupt:
        print(f"Stopped: run the same command to resume from {args.folder}.", file=sys.stderr)
        return 130
    _write_results(learner, args.folder, args.seed)
    return 0


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models.train", description=__doc__)
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="where all files are written; a checkpoint there is resumed"
    )
    parser.add_argument(
        "--images", type=int, default=520_000, help="scenes to train on, in total (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="another seed draws other scenes (default: %(default)s)")
    parser.add_argument(
        "--mocap", type=Path, nargs="*", default=[], metavar="FILE", help="motion capture: .npz whose `X` is N×17×3"
    )
    parser.add_argument(
        "--measure",
        type=Path,
        metavar="FOLDER",
        help="labelled photos (keypoints.json) to measure progress on; nothing is trained on them",
    )
    parser.add_argument("--processes", type=int, default=2, help="processes that draw scenes (default: %(default)s)")
    return parser


def _write_results(learner: Learner, folder: Path, seed: int) -> None:
    """Write the curves and the quantized network, and print how far the file is from the network."""
    plot(folder / "curves.csv", folder / "curves.png")
    file = folder / MODEL_FILE
    network = with_heat_map_bias(learner.ema)
    export(network, calibration_pictures(seed, CALIBRATION_PICTURES), file)
    print(f"{file}: {file.stat().st_size:,} bytes, sha256 {hashlib.sha256(file.read_bytes()).hexdigest()}")
    for head in compare(network, file, calibration_pictures(seed + 1, COMPARISON_PICTURES)):
        print(
            f"{head.head}: differs from the network by {head.mean:.3f} on average, by {head.maximum:.2f} at most "
            f"(standard deviation {head.std:.2f}, step {head.step:.3f}, {head.clipped:.1%} clipped)"
        )


if __name__ == "__main__":
    raise SystemExit(main())
