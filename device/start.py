"""From a configuration to a running mirror: opens each part, shows how far it is, and closes all of them again."""

from __future__ import annotations

import argparse
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2

from device import collection, config
from device import folders as places
from device.button import Button, ButtonError
from device.cameras.watch import ReconnectingCamera
from device.collection import Collection
from device.config import Config
from device.display.panel import resolve_display
from device.display.scene import View
from device.display.screen import Event, Screen
from device.mirror import MirrorParts, Moment, Pipeline, PipelineSettings, Sense, run_mirror
from device.recording.recorder import Recorder
from device.recording.saving import GifWriter
from device.system import heap
from device.system.shutdown import close_all
from device.system.starter_growth import grow_in_background
from device.system.systemd import Heartbeat, Notifier
from index.build.starter import ensure_starter_library
from index.errors import LibraryError
from models.estimator import model_files
from models.estimator.catalogue import edgetpu_variant
from models.estimator.child import disable_core_dumps
from models.estimator.estimator import fit_size, size_for
from models.estimator.model_files import SelectedModel
from models.estimator.watched import EstimatorOptions, EstimatorProcess

DEMO_FOLDER: Final = Path("pose-mirror-demo")
"""Where a demo without a display writes its pictures and its GIF."""

DEMO_SECONDS: Final = 30.0
DEMO_PRESS_AFTER: Final = 8.0
"""How long a demo without a display lasts, and when it presses the button, unless it is to be shorter."""

STARTING_NOTICE: Final = "The mirror is being started …"

log = logging.getLogger(__name__)


def run(args: argparse.Namespace) -> int:
    """The mirror with the configured camera, until it is closed."""
    settings = _load_config(args)
    if args.camera is not None:
        settings = replace(settings, camera=replace(settings.camera, source=args.camera))
    if args.library is not None:
        settings = replace(settings, library=replace(settings.library, folder=str(args.library)))
    _run_until_closed(settings, args)
    return 0


def demo(args: argparse.Namespace) -> int:
    """The mirror with the performer and the starter library; without a display, its pictures and a GIF."""
    settings = _load_config(args)
    settings = replace(
        settings,
        camera=replace(settings.camera, source="performer", rotate=0),
        library=replace(settings.library, folder=""),
        button=replace(settings.button, pin=0),
    )
    if resolve_display(settings.screen.display, os.environ)[0] != "headless":
        _run_until_closed(settings, args)
        return 0
    return _run_headless_demo(settings, args.screenshots or DEMO_FOLDER, args.seconds or DEMO_SECONDS)


def _run_until_closed(settings: Config, args: argparse.Namespace) -> None:
    """Opens the mirror and shows it until it is closed; as a service, systemd hears how it does."""
    notifier = Notifier.from_environ()
    with open_mirror(settings) as parts:
        watching: list[Callable[[Moment, float], None]] = [
            Heartbeat(notifier, lambda: parts.sense.device, lambda: parts.screen.display_missing).on_drawn
        ]
        if args.screenshots:
            watching.append(_screenshot_writer(parts.screen, args.screenshots))
        try:
            run_mirror(parts, fps=settings.screen.fps, seconds=args.seconds, callbacks=watching)
        finally:
            notifier.notify_stopping()


def _run_headless_demo(settings: Config, folder: Path, seconds: float) -> int:
    """Presses the button by itself, and writes everything to `folder`."""
    settings = replace(settings, gif=replace(settings.gif, folder=str(folder)))
    log.info("No display: %.0f seconds of the mirror are written to %s.", seconds, folder.absolute())
    with open_mirror(settings, grow=False) as parts:
        shoot = _screenshot_writer(parts.screen, folder)
        press_at: float | None = time.monotonic() + min(DEMO_PRESS_AFTER, seconds / 4)

        def press(moment: Moment, now: float) -> None:
            nonlocal press_at
            if press_at is not None and now >= press_at:
                press_at = None
                parts.recorder.press(now)

        run_mirror(parts, fps=settings.screen.fps, seconds=seconds, callbacks=[shoot, press])
    pictures, gifs = len(list(folder.glob("screen-*.png"))), sorted(folder.glob("*.gif"))
    log.info("%d pictures of the screen are in %s.", pictures, folder.absolute())
    for gif in gifs[-1:]:
        log.info("The GIF: %s", gif.absolute())
    return 0


@contextmanager
def open_mirror(settings: Config, *, grow: bool = True) -> Iterator[MirrorParts]:
    """Every part of the mirror, open and running; with `grow`, the starter library grows where it is in use."""
    shown, asked, gif = settings.screen, settings.camera, settings.gif
    disable_core_dumps()
    heap.configure()
    with ExitStack() as stack:
        screen = stack.enter_context(Screen.open(shown.display, _display_size(settings), shown.rotate))
        screen.draw(View(visitor_present=True, notice=STARTING_NOTICE), time.monotonic())
        model, twin = select_models(settings)
        model.log_warnings()
        estimator = stack.enter_context(start_estimator(settings, model.file, twin))
        estimator.wait_until_ready()
        library = stack.enter_context(open_collection(settings.library.folder, _screen_progress_reporter(screen)))
        growth = stack.enter_context(ExitStack())
        if grow and library.folder == places.starter_folder():
            growth.enter_context(grow_in_background(places.starter_folder()))
        camera = stack.enter_context(
            ReconnectingCamera(
                asked.source, size=(asked.width, asked.height), small_shape=_estimator_input_size(settings)
            )
        )
        writer = stack.enter_context(GifWriter(places.gif_folder(gif.folder), megabytes=gif.megabytes))
        button = stack.enter_context(open_button(settings.button.pin))
        pipeline = Pipeline(
            camera,
            estimator,
            library,
            PipelineSettings(
                rotate=asked.rotate,
                follow=settings.follow,
                choose=settings.choose,
                opening_note=None
                if asked.source == "performer"
                else model.note,  # the bundled model knows drawn people
            ),
        )
        sense = Sense(pipeline, screen.size)
        stack.callback(close_all, camera=camera.close, estimator=estimator.close, gif=writer.close, growth=growth.close)
        stack.callback(sense.stop)  # a signal may come when its thread has just been started
        recorder = Recorder(
            writer, countdown=gif.countdown, seconds=gif.seconds, pixels=gif.pixels, include_camera=gif.camera
        )
        with sense:
            yield MirrorParts(screen, sense, recorder, button)


def start_estimator(settings: Config, model: Path, twin: Path | None) -> EstimatorProcess:
    """The estimator's process, being started."""
    asked = settings.estimator
    options = EstimatorOptions(device=asked.device, size=asked.height_width, threads=asked.threads or None)
    return EstimatorProcess(model, twin, options)


def _estimator_input_size(settings: Config) -> tuple[int, int] | None:
    """The size at which a camera's own processor is to make the estimator's picture; None: of no use to others."""
    asked = settings.camera
    if asked.source not in ("auto", "pi"):
        return None
    size = settings.estimator.height_width
    if size is None:
        return size_for(asked.width, asked.height)
    return fit_size((size[1], size[0]) if asked.rotate in (90, 270) else size)


def open_collection(folder: str, progress: Callable[[int, int | None, str], None]) -> Collection:
    """The named library, or the starter library in its stead until it can be used."""
    if not folder:
        return Collection(collection.open_library(ensure_starter_library(places.starter_folder(), progress)))
    wanted = places.library_folder(folder)
    try:
        return Collection(collection.open_library(wanted))
    except LibraryError as error:
        log.warning("%s", error)
        return Collection(
            collection.open_library(ensure_starter_library(places.starter_folder(), progress)), wanted, str(error)
        )


@contextmanager
def open_button(pin: int) -> Iterator[Button]:
    """The button on the pin; where there is none, one that is never pressed."""
    try:
        button = Button(pin)
    except ButtonError as error:
        log.info("No button: %s.", error)
        button = Button(0)
    with button:
        yield button


def select_models(settings: Config) -> tuple[SelectedModel, Path | None]:
    """The configured model, and the file of its twin for the Edge TPU where it is wanted and here.

    Raises ModelMissing, and ValueError for a damaged one.
    """
    model = model_files.select_model(settings.estimator.model)
    twin = None if settings.estimator.device == "cpu" else edgetpu_variant(model.file.name)
    try:
        return model, model_files.find_model(twin) if twin else None
    except model_files.ModelNotFoundError:
        if settings.estimator.device == "edgetpu":
            raise
        return model, None


def _load_config(args: argparse.Namespace) -> Config:
    """The configuration, with what the command line says over it."""
    settings = config.load(args.config)
    if args.display is not None:
        settings = replace(settings, screen=replace(settings.screen, display=args.display))
    if args.model is not None:
        settings = replace(settings, estimator=replace(settings.estimator, model=args.model))
    return settings


def _display_size(settings: Config) -> tuple[int, int] | None:
    width, height = settings.screen.width, settings.screen.height
    return (width, height) if width and height else None


def _screen_progress_reporter(screen: Screen) -> Callable[[int, int | None, str], None]:
    """Tells on the screen, to systemd, and in the log at each tenth, how far a long start is."""
    told, notifier = -1, Notifier.from_environ()

    def tell(done: int, total: int | None, what: str) -> None:
        nonlocal told
        if Event.QUIT in screen.poll_events():
            raise SystemExit(0)
        of = f" of {total}" if total else ""
        screen.draw(View(notice=f"{what}: {done}{of}"), time.monotonic())
        notifier.notify_starting(f"{what}: {done}{of}")
        tenth = 10 * done // total if total else 0
        if tenth != told:
            told = tenth
            log.info("%s: %d%s", what, done, of)

    return tell


def _screenshot_writer(screen: Screen, folder: Path) -> Callable[[Moment, float], None]:
    """Writes what the screen shows, a picture a second, to a folder that is made when it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    start, written = time.monotonic(), -1

    def shoot(moment: Moment, now: float) -> None:
        nonlocal written
        if int(now - start) > written:
            written = int(now - start)
            picture = cv2.cvtColor(screen.snapshot(), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(folder / f"screen-{written:04d}.png"), picture)

    return shoot
