"""Read files of key points without pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from index.build.photo import (
    Credit,
    NewPose,
    SourceError,
    check_regular_file,
    describe_error,
    title_from_name,
)
from models.pose import Floats
from models.text import printable


def read_keypoints(file: Path) -> Floats:
    """Return `keypoints` of an .npz file, N×17×3 (x, y in pixels, score ≤ 0 where unseen). Raises SourceError."""
    return _load_arrays(file)[0]


def read_poses(file: Path) -> Iterator[NewPose]:
    """Return every person of a key-point file, so that an item's number is that of its row. Raises SourceError.

    In a row with a coordinate that cannot be a pixel, no key point is seen.
    """
    keypoints, sizes = _load_arrays(file)
    odd = ~(np.abs(keypoints[:, :, :2]) < 1e6).all(2) & (keypoints[:, :, 2] > 0)
    keypoints[np.asarray(odd).any(1)] = 0
    credit = Credit(title_from_name(file))

    def poses() -> Iterator[NewPose]:
        for row, person in enumerate(keypoints):
            size = None if sizes is None else (int(sizes[row, 0]), int(sizes[row, 1]))
            yield NewPose(person, credit, size)

    return poses()


def _load_arrays(file: Path) -> tuple[Floats, npt.NDArray[np.float64] | None]:
    """Return the key points, and N×2 widths and heights of their pictures if `image_size` has them."""
    check_regular_file(file)
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            if "keypoints" not in arrays.files:
                names = printable(", ".join(arrays.files))[:200] or "nothing"
                raise SourceError(f"{printable(file)} has no `keypoints`, but {names}.")
            keypoints = arrays["keypoints"]
            sizes = arrays["image_size"] if "image_size" in arrays.files else None
            if not isinstance(keypoints, np.ndarray):
                raise ValueError("`keypoints` is not an array")
    except SourceError:
        raise
    except (OSError, ValueError, EOFError, KeyError, SyntaxError, TypeError, MemoryError) as error:
        raise SourceError(f"{printable(file)} is not a key-point file (.npz): {describe_error(error)}.") from error
    except Exception as error:  # each compression has its own errors, and headers are parsed as Python
        raise SourceError(f"{printable(file)} is a damaged .npz: {describe_error(error)}.") from error
    if keypoints.ndim != 3 or keypoints.shape[1:] != (17, 3) or keypoints.dtype.kind not in "fiu":
        shape, kind = "×".join(map(str, keypoints.shape)), printable(str(keypoints.dtype))[:80]
        raise SourceError(f"{printable(file)}: `keypoints` must be N×17×3 numbers, not {shape} of {kind}.")
    if not isinstance(sizes, np.ndarray) or sizes.shape != (len(keypoints), 2) or sizes.dtype.kind not in "fiu":
        sizes = None
    with np.errstate(over="ignore", invalid="ignore"):
        return keypoints.astype(np.float32), None if sizes is None else _valid_sizes(sizes)


def _valid_sizes(sizes: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    """Return the sizes, or None if one of them cannot be a picture's."""
    widths_and_heights = sizes.astype(np.float64)
    valid = np.isfinite(widths_and_heights) & (widths_and_heights >= 1) & (widths_and_heights < 1e6)
    return widths_and_heights if valid.all() else None
