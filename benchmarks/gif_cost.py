"""What GIFs cost: their size, the processor time of the process that makes them, and the main loop's share.

    python -m benchmarks.gif_cost [--runs N] [--out FOLDER]

The mirror sees five seconds of a film, answers with real photos, and records. Films, photos and model are those of
the shared data. A row shows a display, what the visitor's pane shows, and the medians over the runs:

- MB, pixels and colours of the GIF
- CPU: seconds of one core in the process, from its start to its end
- add, end, replay: milliseconds in the main loop for a still, for the end of the recording, and for a frame of the
  replay (median and longest)
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

import cv2
import numpy as np
from PIL import Image as Pillow

from benchmarks.answer_mirror import Looks, Stopwatch, show_pictures
from benchmarks.film_labels import read_frames
from device.current_library import CurrentLibrary
from device.display.layout import Size
from device.mirror import take_snapshot
from device.recording.recorder import STILLS_PER_SECOND
from device.recording.replay import Replay
from device.recording.saving import GifWriter, Outcome
from device.recording.stills import Recording, RecordingBuilder, Snapshot, Words
from index.library import Library
from models.estimator.catalogue import DEFAULT_MODEL
from models.estimator.estimator import Estimator
from models.estimator.model_files import find_model
from tests.support.coco_photos import load_photos
from tests.support.libraries import NewItem, write_library
from tests.support.paths import SHARED

FILM: Final = "exercise.avi"
FIRST_FRAME: Final = 0
SECONDS: Final = 5.0

DISPLAYS: Final[tuple[Size, ...]] = ((1920, 1080), (1080, 1920), (800, 480))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gif_cost", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3, help="GIFs for each row (default: 3)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep the GIFs here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "library"
        write_library(photos_of_people(), folder)
        out = args.out or Path(scratch) / "gifs"
        print("| display | visitor | photos | MB | pixels | colours | CPU s | add ms | end ms | replay ms |")
        print("|---|---|---|---|---|---|---|---|---|---|")
        with Estimator(find_model(DEFAULT_MODEL)) as estimator, CurrentLibrary(Library.open(folder)) as library:
            looks = Looks(estimator, Stopwatch())
            for display in DISPLAYS:
                snapshots = list(film_snapshots(looks, library, display))
                for with_camera in (False, True):
                    row = measure(snapshots, with_camera, args.runs, out)
                    print(f"| {display[0]}×{display[1]} | {' | '.join(row)} |", flush=True)


def photos_of_people() -> Iterator[NewItem]:
    """Yield COCO's people with nearly all key points labelled, and their photos."""
    for photo in load_photos(SHARED):
        for person in photo.people:
            if (person[5:, 2] > 0).sum() > 9 and np.ptp(person[5:, 1]) > 150:
                yield NewItem(photo.image, person, title=f"Photo {photo.name}", author="somebody", licence="CC BY 2.0")


def film_snapshots(looks: Looks, library: CurrentLibrary, display: Size) -> Iterator[Snapshot]:
    """Yield what a recorder receives while the mirror sees the film, at the rate of a GIF's stills."""
    film = SHARED / "videos" / FILM
    fps = cv2.VideoCapture(str(film)).get(cv2.CAP_PROP_FPS)
    numbers = range(FIRST_FRAME, FIRST_FRAME + round(SECONDS * fps))
    pictures = [np.ascontiguousarray(picture[:, ::-1]) for picture in read_frames(film, numbers)]
    moments = show_pictures(looks, pictures, library, display, fps)
    for still in range(round(SECONDS * STILLS_PER_SECOND)):
        snapshot = take_snapshot(moments[min(round(still * fps / STILLS_PER_SECOND), len(moments) - 1)])
        if snapshot is not None:
            yield snapshot


def measure(snapshots: list[Snapshot], with_camera: bool, runs: int, out: Path) -> list[str]:
    """Return a row's cells."""
    adding: list[float] = []
    builder = RecordingBuilder(round(SECONDS * STILLS_PER_SECOND), 640)
    for number, snapshot in enumerate(snapshots):
        start = time.perf_counter()
        builder.add(snapshot, number / STILLS_PER_SECOND, with_camera)
        adding.append(1000 * (time.perf_counter() - start))
    start = time.perf_counter()
    recording = builder.build(SECONDS, Words(text="Museum Night 2027"))
    end = 1000 * (time.perf_counter() - start)
    seconds, outcomes = zip(*[make_gif(recording, out) for _ in range(runs)], strict=True)
    path, titles = outcomes[0].path, outcomes[0].titles
    assert path is not None
    assert titles is not None
    with Pillow.open(path) as gif:
        size, palette = gif.size, gif.getpalette()
    replay = replay_times(Replay(recording, titles, 0.0))
    return [
        "camera" if with_camera else "figure",
        str(len(recording.photos)),
        f"{path.stat().st_size / 1e6:.2f}",
        f"{size[0]}×{size[1]}",
        str(len(palette or ()) // 3),
        f"{median(seconds):.2f}",
        f"{median(adding):.1f}, {max(adding):.1f}",
        f"{end:.1f}",
        f"{median(replay):.1f}, {max(replay):.1f}",
    ]


def make_gif(recording: Recording, out: Path) -> tuple[float, Outcome]:
    """Return the CPU seconds of the process that makes a GIF, and its outcome."""
    before = children_seconds()
    with GifWriter(out) as writer:
        writer.start(recording)
        while (outcome := writer.poll_outcome()) is None:
            time.sleep(0.01)
    return children_seconds() - before, outcome


def children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def replay_times(replay: Replay) -> list[float]:
    """Return the milliseconds that each frame of a replay takes."""
    times = []
    for tick in range(round(SECONDS * STILLS_PER_SECOND)):
        start = time.perf_counter()
        replay.frame(tick / STILLS_PER_SECOND + 1e-3)
        times.append(1000 * (time.perf_counter() - start))
    return times


if __name__ == "__main__":
    main()
