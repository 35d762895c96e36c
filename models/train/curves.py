"""The curves of a training run: its losses, and how well it read people in real photos."""

from __future__ import annotations

import csv
import math
from itertools import pairwise
from pathlib import Path

COLUMNS = ("images", "size", "heat", "short", "mid", "oks", "above_half", "images_per_second")
"""`oks` and `above_half` are of people in real photos: the mean OKS, and the share above 0.5."""


def append_row(file: Path, row: list[float]) -> None:
    """Append a row (`COLUMNS`) to a CSV file, after the header if the file is new."""
    is_new = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        if is_new:
            writer.writerow(COLUMNS)
        writer.writerow(row)


def plot(table: Path, picture: Path) -> None:
    """Draw a CSV file of `append_row` as a picture."""
    from matplotlib.figure import Figure  # unlike pyplot it needs no screen

    with table.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    thousands = [int(row["images"]) / 1000 for row in rows]
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, label in (("heat", "heat maps ÷ 10"), ("short", "short offsets, cells"), ("mid", "mid offsets, cells")):
        left.plot(thousands, [float(row[name]) / (10 if name == "heat" else 1) for row in rows], label=label)
    left.set(xlabel="thousand scenes", ylabel="loss", ylim=(0, None))
    left.legend()
    if any(not math.isnan(float(row["oks"])) for row in rows):
        right.plot(thousands, [float(row["oks"]) for row in rows], label="mean OKS")
        right.plot(thousands, [float(row["above_half"]) for row in rows], label="share above 0.5")
        right.legend()
    right.set(xlabel="thousand scenes", ylabel="crops of photos", ylim=(0, None))
    for before, after in pairwise(rows):
        if before["size"] != after["size"]:
            for axes in (left, right):
                axes.axvline(int(before["images"]) / 1000, color="0.8", linewidth=1)
    figure.savefig(picture, dpi=110)
