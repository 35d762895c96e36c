"""Move Mirror's way of finding a pose, to compare with: its measures, and its tree, which runs in Node."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from models.pose import MIRROR_ORDER, Floats

Doubles = npt.NDArray[np.float64]

HERE = Path(__file__).parent


def pose_vectors(keypoints: Floats) -> Doubles:
    """Return N×17×3 people as N×34 vectors of length 1: x and y relative to the box of the seen points, 0 for the
    rest."""
    points, seen = keypoints[:, :, :2].astype(np.float64), keypoints[:, :, 2:] > 0
    corner = np.where(seen, points, np.inf).min(1, keepdims=True)
    flat = np.where(seen, points - corner, 0).reshape(len(points), 34)
    vectors: Doubles = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
    return vectors


def mirrored(keypoints: Floats) -> Floats:
    """Return N×17×3 people in the mirror."""
    flipped: Floats = keypoints[:, MIRROR_ORDER] * np.array((-1, 1, 1), np.float32)
    return flipped


def nearest_weighted(query: Doubles, confidences: Doubles, library: Doubles) -> int:
    """Return the pose nearest to the query (34) by Move Mirror's second distance.

    That is the city-block distance of the 17 points, weighted by the estimator's confidence in each.
    """
    weights = np.repeat(confidences / confidences.sum(), 2)
    return int(np.argmin(np.abs(library - query) @ weights))


class Tree:
    """The tree of npm's vptree over N×34 poses, in a Node process; a context manager."""

    def __init__(self, library: Doubles, queries: Doubles) -> None:
        """Start Node and have it build the tree. Ends the program with a message if Node or vptree is missing."""
        if not (HERE / "node_modules" / "vptree").is_dir():
            sys.exit(f"The npm package vptree is not installed: run `npm install` in {HERE}.")
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / name for name in ("library", "queries")]
            for file, poses in zip(files, (library, queries), strict=True):
                poses.astype("<f8").tofile(file)
            try:
                self._node = subprocess.Popen(
                    ["node", HERE / "match.js", *files], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            except FileNotFoundError:
                sys.exit("Node is not installed, but Move Mirror's tree needs it: install Node 18 or newer.")
            self.built = self._answer()["milliseconds"] / 1000
            """Seconds that building the tree took."""

    def ask(self, start: int, end: int) -> tuple[list[float], list[int]]:
        """Return how many milliseconds each of these queries took, and which pose is nearest."""
        assert self._node.stdin is not None
        print(start, end, file=self._node.stdin, flush=True)
        answer = self._answer()
        return answer["milliseconds"], answer["found"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._node.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._node.stdout is not None
        line = self._node.stdout.readline()
        if not line:
            sys.exit(f"Node ended with status {self._node.wait()}: see its message above.")
        answer: dict[str, Any] = json.loads(line)
        return answer
