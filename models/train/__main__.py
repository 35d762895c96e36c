"""`python -m models.train`: trains the network that comes with the program, and writes its file."""

from __future__ import annotations

import argparse
from pathlib import Path

from models.train.fit import Plan, fit


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m models.train", description=__doc__)
    parser.add_argument("folder", type=Path, help="where checkpoints and curves lie; what is there is gone on with")
    parser.add_argument("--images", type=int, default=1_000_000, help="how many scenes the network sees in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mocap", type=Path, nargs="*", default=[], metavar="FILE", help="motion capture, .npz")
    parser.add_argument("--measure", type=Path, metavar="FOLDER", help="labelled photos to see progress by")
    parser.add_argument("--processes", type=int, default=2, help="how many draw")
    asked = parser.parse_args()
    fit(Plan(asked.folder, asked.images, asked.seed, tuple(asked.mocap), asked.measure, asked.processes))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
