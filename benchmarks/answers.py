"""Measure how good the mirror's answers are, from a photo or film to the screen, and print Markdown tables.

    python -m benchmarks.answers [--starter FOLDER] [--coco FOLDER] [--quick] [--only WORD]

Each visitor is a labelled person in one of COCO's photos. The mirror, with its default settings, sees the photo for two
seconds, and what is then on the display is compared with the label. It needs ../shared/data.

- limbs: the share of the visitor's labelled limbs (upper arms, forearms, thighs, shins) that the answer shows within
  30°. Like likeness and agreement, it is 0 for a visitor without an answer.
- found: the share of visitors who get an answer; soon: those who get it within half a second.
- whole: of the answers, the share whose person is on the display with head and hands, and with the feet if the mirror
  sees the visitor's.

Then the mirror sees the two seconds before each labelled frame of four films: "read" is the share of limbs that its own
pose of the visitor has, "shown" the share in the answer. At last it counts phantoms: the share of frames of scenes
without people in which the mirror answers somebody.

The library "starter" is the program's own, drawn as far as it is not yet complete, unless `--starter` names another.
"COCO" is of the 40,055 whole people of COCO's training photos, less those in the visitors' photos. It holds poses
alone, so it answers with grey pictures. It is built anew each time, unless `--coco` names a folder to keep it in.
`--only` measures the rows of which the first cells contain a word, such as PoseNet or 800×480.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np

if __package__ in (None, ""):  # run as a file: the project's folder is not on the path yet
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.answer_films import FilmScore, load_clips, score_clip
from benchmarks.answer_mirror import (
    FRAMES_PER_SECOND,
    Looks,
    StandInLibrary,
    Stopwatch,
    answer_label,
    show_pictures,
    show_visitor,
)
from benchmarks.answer_visitors import Score, Visitor, load_visitors, rate_answer
from benchmarks.phantom_scenes import empty_scenes
from device.current_library import CurrentLibrary
from device.display.layout import Size
from device.folders import starter_folder
from index.build.starter import grow
from index.library import Library
from models.estimator.catalogue import BUNDLED_MODEL, DEFAULT_MODEL
from models.estimator.estimator import Estimator
from models.estimator.model_files import find_model
from tests.support.libraries import NewItem, write_library
from tests.support.paths import SHARED

DISPLAYS: Final[tuple[Size, ...]] = ((1920, 1080), (1080, 1920), (800, 480))
"""Displays in pixels: a television, the same on its side, and the Raspberry Pi's own."""

MODELS: Final = {"PoseNet": DEFAULT_MODEL, "the bundled model": BUNDLED_MODEL}
"""What finds the visitors, and the name of each in the catalogue."""

FRAMES_UNTIL_SOON: Final = 1 + round(0.5 * FRAMES_PER_SECOND)
"""Frames of the first half second, the first included."""

QUICK_STEP: Final = 3
"""With `--quick`, every third visitor is measured."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.answers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--starter", type=Path, metavar="FOLDER", help="a complete starter library")
    parser.add_argument("--coco", type=Path, metavar="FOLDER", help="keep the library of COCO's people here")
    parser.add_argument("--quick", action="store_true", help="measure every third visitor")
    parser.add_argument(
        "--only", metavar="WORD", default="", help="measure only rows with this word, or films, or phantoms"
    )
    args = parser.parse_args()
    visitors = load_visitors(SHARED / "photos" / "coco", QUICK_STEP if args.quick else 1)
    stopwatch = Stopwatch()
    with ExitStack() as stack:
        folder = args.coco or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "coco"
        libraries = {
            "starter": stack.enter_context(StandInLibrary(Library.open(args.starter or draw_starter_library()))),
            "COCO": stack.enter_context(StandInLibrary(Library.open(ensure_coco_library(folder)))),
        }
        stack.enter_context(stopwatch.watch())
        print_answers(visitors, libraries, stopwatch, args.only)
        step = QUICK_STEP if args.quick else 1
        if args.only in "films":
            print_films(libraries, stopwatch, step)
        if args.only in "phantoms":
            print_phantoms(libraries["starter"], stopwatch, step)
    print_times(stopwatch)


def draw_starter_library() -> Path:
    """Return the folder of the program's own starter library, after drawing what it lacks."""
    folder = starter_folder()
    grow(folder)
    return folder


def ensure_coco_library(folder: Path) -> Path:
    """Return the folder of the library of COCO's people, after building it if it is missing."""
    if not folder.exists():
        with np.load(SHARED / "poses" / "coco2017_people.npz") as people:
            keypoints, sizes = people["keypoints"].astype(np.float32), people["image_size"]
            photos = {int(file.stem) for file in (SHARED / "photos" / "coco").glob("*.jpg")}
            of_visitors = np.isin(people["image_id"], list(photos))
            chosen = ~people["is_val"].astype(bool) & (keypoints[:, 5:, 2] > 0).all(1) & ~of_visitors
        rows = zip(keypoints[chosen], sizes[chosen].tolist(), strict=True)
        write_library((NewItem(None, person, size=(width, height)) for person, (width, height) in rows), folder)
    return folder


def print_answers(
    visitors: Sequence[Visitor], libraries: dict[str, StandInLibrary], stopwatch: Stopwatch, only: str
) -> None:
    """Print a row for each way to ask, library and display."""
    print(f"{len(visitors)} visitors\n")
    print("| asked with | library | display | limbs | of those found | likeness | agreement | found | soon | whole |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for asked, looks in askers(stopwatch):
        for name, library in libraries.items():
            for display in DISPLAYS:
                cells = [asked, name, "×".join(map(str, display))]
                if any(only in cell for cell in cells):
                    scores = measure(visitors, library, display, looks)
                    print(f"| {' | '.join([*cells, *figures(scores)])} |", flush=True)


def askers(stopwatch: Stopwatch) -> Iterator[tuple[str, Looks | None]]:
    """Yield the ways to ask: the true pose, for which nothing looks, and each model."""
    yield "the true pose", None
    for name, model in MODELS.items():
        with Estimator(find_model(model)) as estimator:
            yield name, Looks(estimator, stopwatch)


def measure(visitors: Sequence[Visitor], library: CurrentLibrary, display: Size, looks: Looks | None) -> list[Score]:
    """Return the score of the answer to each visitor on a display."""
    scores = []
    for visitor in visitors:
        soon, read, photo = True, visitor.label, None
        if looks is None:
            photo = answer_label(visitor, library, display)
        else:
            moments = show_visitor(looks, visitor, library, display)
            soon = any(moment.visitor is not None for moment in moments[:FRAMES_UNTIL_SOON])
            if moments[-1].visitor is not None:
                read, photo = moments[-1].visitor, moments[-1].photo
        scores.append(rate_answer(read, visitor.label, photo.person, display, soon=soon) if photo else Score())
    return scores


def figures(scores: Sequence[Score]) -> list[str]:
    """Return the cells of a row: the means of all visitors, and of those found where it says so."""
    mean = Score(*np.nanmean(np.array(scores), axis=0).tolist())
    found = mean.found or 1.0
    columns = (mean.limbs, mean.limbs / found, mean.likeness, mean.agreement, mean.found, mean.soon, mean.whole / found)
    return [f"{column:.3f}" for column in columns]


def print_films(libraries: Mapping[str, CurrentLibrary], stopwatch: Stopwatch, step: int) -> None:
    """Print for each film how much of the visitor's limbs the mirror reads and shows, on the first display."""
    print("\n| asked with | library | film | labelled frames | read | shown | found |\n|---|---|---|---|---|---|---|")
    for asked, looks in askers(stopwatch):
        scores: defaultdict[tuple[str, str], list[FilmScore]] = defaultdict(list)
        if looks is None:
            continue
        for clip in load_clips(SHARED / "videos", step):
            for name, library in libraries.items():
                scores[name, clip.film].append(score_clip(looks, clip, library, DISPLAYS[0]))
        for name in libraries:
            scores[name, "all"] = [score for key, some in scores.items() if key[0] == name for score in some]
        for (name, film), some in scores.items():
            cells = " | ".join(f"{mean:.3f}" for mean in np.nanmean(np.array(some), axis=0))
            print(f"| {asked} | {name} | {film} | {len(some)} | {cells} |", flush=True)


def print_phantoms(library: CurrentLibrary, stopwatch: Stopwatch, step: int) -> None:
    """Print for each kind of scene without people in how many of its frames the mirror answers somebody."""
    print("\n| asked with | scenes without people | scenes | frames | with a visitor |\n|---|---|---|---|---|")
    for asked, looks in askers(stopwatch):
        if looks is None:
            continue
        frames: defaultdict[str, list[list[bool]]] = defaultdict(list)
        for scene in empty_scenes(SHARED, step):
            moments = show_pictures(looks, scene.frames, library, DISPLAYS[0])
            frames[scene.kind].append([moment.visitor is not None for moment in moments])
        frames["all"] = [answered for scenes in frames.values() for answered in scenes]
        for kind, scenes in frames.items():
            answered = np.concatenate(scenes)
            print(f"| {asked} | {kind} | {len(scenes)} | {len(answered)} | {answered.mean():.2%} |", flush=True)


def print_times(stopwatch: Stopwatch) -> None:
    """Print how long each step took."""
    print("\n| step | times measured | median, ms | p95, ms |\n|---|---|---|---|")
    for step, milliseconds in stopwatch.milliseconds.items():
        median, late = np.percentile(milliseconds, (50, 95))
        print(f"| {step} | {len(milliseconds)} | {median:.2f} | {late:.2f} |")


if __name__ == "__main__":
    start = time.perf_counter()
    main()
    print(f"\nIt took {time.perf_counter() - start:.0f} s.")
