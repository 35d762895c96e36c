"""Move Mirror's way of finding a pose, to be measured against: what it compares, and its tree, run by Node."""

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
    """N×17×3 people as N×34 vectors: x and y cropped to the box of the points seen, 0 for the others, of length 1."""
    points, seen = keypoints[:, :, :2].astype(np.float64), keypoints[:, :, 2:] > 0
    corner = np.where(seen, points, np.inf).min(1, keepdims=True)
    flat = np.where(seen, points - corner, 0).reshape(len(points), 34)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)


def mirrored(keypoints: Floats) -> Floats:
    """N×17×3 people in the mirror."""
    return keypoints[:, MIRROR_ORDER] * np.float32((-1, 1, 1))


def nearest_weighted(query: Doubles, confidences: Doubles, library: Doubles) -> int:
    """Which pose is nearest to the query (34) by Move Mirror's other distance: what the 17 points are off by, in the
    city-block metric, weighted by how sure of each the estimator is."""
    weights = np.repeat(confidences / confidences.sum(), 2)
    return int(np.argmin(np.abs(library - query) @ weights))


class Tree:
    """The tree of npm's vptree over N×34 poses, in a process of Node; a context manager."""

    def __init__(self, library: Doubles, queries: Doubles) -> None:
        """Starts Node and has it build the tree. Ends the program with a sentence when it or vptree is missing."""
        if not (HERE / "node_modules" / "vptree").is_dir():
            sys.exit(f"npm's vptree is not installed: run `npm install` in {HERE}.")
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / name for name in ("library", "queries")]
            for file, poses in zip(files, (library, queries), strict=True):
                poses.astype("<f8").tofile(file)
            try:
                self._node = subprocess.Popen(
                    ["node", HERE / "match.js", *files], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            except FileNotFoundError:
                sys.exit("Node is not installed, and Move Mirror's tree runs in it: install Node 18 or newer.")
            self.built = self._answer()["milliseconds"] / 1000
            """Seconds."""

    def ask(self, start: int, end: int) -> tuple[list[float], list[int]]:
        """How many milliseconds each of these queries took, and which pose is nearest."""
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
            sys.exit(f"Node ended with status {self._node.wait()}: what it said is above.")
        answer: dict[str, Any] = json.loads(line)
        return answer
