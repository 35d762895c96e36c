"""From a configuration to a running mirror: open each part, show the progress, and close everything at the end."""

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

from device import config, current_library, folders
from device.button import Button
from device.cameras.opening import check_file
from device.cameras.watch import ReconnectingCamera
from device.cli.options import own_version
from device.config import Config, LibrarySettings
from device.current_library import CurrentLibrary
from device.display.panel import resolve_display
from device.display.scene import Scene
from device.display.screen import Screen
from device.display.views import View
from device.feedback import open_feedback
from device.gpio import GpioError
from device.language.catalogues import parse_codes
from device.language.spoken import load_spoken_languages
from device.language.turns import Languages
from device.mirror import MirrorParts, run_mirror
from device.moment import Moment
from device.recording.keeping import GifKeeper, Limits
from device.recording.recorder import Recorder
from device.recording.saving import GifWriter
from device.recording.sharing import Sharing
from device.screenshots import ScreenshotWriter
from device.sensing import FramePipeline, PipelineSettings, Sense
from device.share.shared_gif import FOLDER_NAME
from device.starting import STARTING, screen_progress_reporter
from device.status.reporter import MirrorFacts, open_reporter
from device.system import heap
from device.system.shutdown import close_all
from device.system.starter_growth import grow_in_background
from device.system.systemd import Heartbeat, Notifier
from index.build.starter import ensure_starter_library
from index.errors import LibraryError
from index.library import Library
from models.estimator import model_files
from models.estimator.catalogue import edgetpu_variant
from models.estimator.child import disable_core_dumps
from models.estimator.estimator import fit_size, size_for
from models.estimator.model_files import SelectedModel
from models.estimator.watched import EstimatorOptions, EstimatorProcess
from models.progress import ProgressCallback
from models.text import printable

DEMO_MODEL: Final = "bundled"
"""The model that reads the performer best: it was trained on drawn people. A configured or named one is kept."""

DEMO_FOLDER: Final = Path("pose-mirror-demo")
"""Where a demo without a display writes its pictures and its GIF."""

DEMO_SECONDS: Final = 30.0
"""How long a demo without a display lasts by default: enough for a countdown, a recording and its GIF."""

DEMO_PRESS_AFTER: Final = 8.0
"""Seconds after which a demo without a display presses the button; a quarter of a demo shorter than four times this."""

log = logging.getLogger(__name__)


def run(args: argparse.Namespace) -> int:
    """Run the mirror with the configured camera until it is closed. Return the exit status."""
    settings = _load_config(args)
    if args.camera is not None:
        check_file(args.camera)
        settings = replace(settings, camera=replace(settings.camera, source=args.camera))
    if args.library is not None:
        settings = replace(settings, library=replace(settings.library, folder=str(args.library)))
    _run_until_closed(settings, args)
    return 0


def demo(args: argparse.Namespace) -> int:
    """Run the mirror with the performer and the starter library. Return the exit status.

    Without a display, pictures of the screen and a GIF are written to a folder.
    """
    settings = _load_config(args)
    settings = replace(
        settings,
        camera=replace(settings.camera, source="performer", rotate=0, mirror=True),
        library=replace(settings.library, folder=""),
        button=replace(settings.button, pin=0, led=0),
    )
    if settings.estimator.model == model_files.AUTO:
        settings = replace(settings, estimator=replace(settings.estimator, model=DEMO_MODEL))
    if resolve_display(settings.screen.display, os.environ)[0] != "headless":
        _run_until_closed(settings, args)
        return 0
    return _run_headless_demo(settings, args.screenshots or DEMO_FOLDER, args.seconds or DEMO_SECONDS)


def _run_until_closed(settings: Config, args: argparse.Namespace) -> None:
    """Open the mirror and show it until it is closed. If it is a service, systemd is notified of its state."""
    notifier = Notifier.from_environ()
    screenshots = ScreenshotWriter(args.screenshots) if args.screenshots else None
    with (
        open_mirror(settings) as parts,
        open_reporter(_facts(settings), parts.recorder, lambda: parts.sense.device) as reporter,
    ):
        heartbeat = Heartbeat(
            notifier,
            lambda: parts.sense.device,
            lambda: parts.screen.display_missing,
            reporter.on_beat if reporter else lambda beat: None,
        )
        callbacks: list[Callable[[Moment, float], None]] = [heartbeat.on_drawn]
        if reporter is not None:
            callbacks.append(reporter.on_drawn)
        if screenshots is not None:
            callbacks.append(_take_screenshots(parts.screen, screenshots))
        try:
            run_mirror(parts, fps=settings.screen.fps, seconds=args.seconds, callbacks=callbacks)
        finally:
            notifier.notify_stopping()


def _run_headless_demo(settings: Config, folder: Path, seconds: float) -> int:
    """Run the mirror for some seconds, press the button once, and write pictures and the GIF to `folder`."""
    # phones would look for a shared GIF in another folder
    share = replace(settings.share, enabled=False)
    settings = replace(settings, gif=replace(settings.gif, folder=str(folder)), share=share)
    screenshots = ScreenshotWriter(folder)
    log.info("No display: %.0f seconds of the mirror are written to %s.", seconds, printable(folder.absolute()))
    with open_mirror(settings, grow=False) as parts:
        press_at: float | None = time.monotonic() + min(DEMO_PRESS_AFTER, seconds / 4)

        def press(moment: Moment, now: float) -> None:
            nonlocal press_at
            if press_at is not None and now >= press_at:
                press_at = None
                parts.recorder.press(now)

        callbacks = [_take_screenshots(parts.screen, screenshots), press]
        run_mirror(parts, fps=settings.screen.fps, seconds=seconds, callbacks=callbacks)
    pictures, gifs = len(list(folder.glob("screen-*.png"))), sorted(folder.glob("*.gif"))
    log.info("%d pictures of the screen are in %s.", pictures, printable(folder.absolute()))
    if gifs:
        log.info("The GIF: %s", printable(gifs[-1].absolute()))
    return 0


@contextmanager
def open_mirror(settings: Config, *, grow: bool = True) -> Iterator[MirrorParts]:
    """Open every part of the mirror, run the sense thread, and close everything at the end.

    With `grow`, the rest of the starter library is drawn in the background if that library is in use.
    """
    disable_core_dumps()
    heap.configure()
    with ExitStack() as stack:
        screen = stack.enter_context(_open_screen(settings))
        screen.draw(View(starting=STARTING), time.monotonic())
        model, edgetpu_model = select_models(settings)
        model.log_warnings()
        estimator = stack.enter_context(start_estimator(settings, model.file, edgetpu_model))
        estimator.wait_until_ready()
        library = stack.enter_context(open_current_library(settings.library, screen_progress_reporter(screen)))
        growth = stack.enter_context(ExitStack())
        if grow and library.folder == folders.starter_folder():
            growth.enter_context(grow_in_background(folders.starter_folder()))
        camera = stack.enter_context(_open_camera(settings))
        writer = stack.enter_context(_open_gif_writer(settings))
        button = stack.enter_context(open_button(settings.button.pin))
        feedback = stack.enter_context(open_feedback(settings.button.led, settings.sound.volume))
        sense = Sense(FramePipeline(camera, estimator, library, _pipeline_settings(settings)), screen.size)
        # close them all at once, and before the contexts do it one after another
        stack.callback(close_all, camera=camera.close, estimator=estimator.close, gif=writer.close, growth=growth.close)
        stack.callback(sense.stop)  # a signal may arrive before `with sense` is entered, but after its thread started
        with sense:
            yield MirrorParts(screen, sense, _make_recorder(settings, writer), button, feedback)


def start_estimator(settings: Config, model: Path, edgetpu_model: Path | None) -> EstimatorProcess:
    """Start the estimator's process, and return at once."""
    estimator = settings.estimator
    options = EstimatorOptions(device=estimator.device, size=estimator.height_width, threads=estimator.threads or None)
    return EstimatorProcess(model, edgetpu_model, options)


def open_current_library(settings: LibrarySettings, progress: ProgressCallback) -> CurrentLibrary:
    """Open the library in the configured folder, or the starter library if none is named.

    If the library cannot be used, the starter library stands in for it until it can.
    """
    if not settings.folder:
        return CurrentLibrary(_open_starter_library(progress), collection=settings.collection)
    wanted = folders.library_folder(settings.folder)
    try:
        return CurrentLibrary(current_library.open_library(wanted), collection=settings.collection)
    except LibraryError as error:
        log.warning("%s", error)
        return CurrentLibrary(_open_starter_library(progress), wanted, str(error), settings.collection)


@contextmanager
def open_button(pin: int) -> Iterator[Button]:
    """Open the button on a pin. If it cannot be used, yield a button that is never pressed."""
    try:
        button = Button(pin)
    except GpioError as error:
        log.info("No button: %s.", error)
        button = Button(0)
    with button:
        yield button


def select_models(settings: Config) -> tuple[SelectedModel, Path | None]:
    """Return the configured model, and the same model compiled for the Edge TPU if it is wanted and on this machine.

    Raises ModelNotFoundError, and ValueError for a damaged model.
    """
    model = model_files.select_model(settings.estimator.model)
    edgetpu_name = None if settings.estimator.device == "cpu" else edgetpu_variant(model.file.name)
    try:
        return model, model_files.find_model(edgetpu_name) if edgetpu_name else None
    except model_files.ModelNotFoundError:
        if settings.estimator.device == "edgetpu":
            raise
        return model, None


def _facts(settings: Config) -> MirrorFacts:
    """Return what the status says of this mirror."""
    model = select_models(settings)[0].file
    return MirrorFacts(own_version(), model.stem, folders.gif_folder(settings.gif.folder), settings.share.enabled)


def _load_config(args: argparse.Namespace) -> Config:
    """Return the configuration with the changes from the command line."""
    settings = config.load(args.config)
    if args.display is not None:
        settings = replace(settings, screen=replace(settings.screen, display=args.display))
    if args.model is not None:
        settings = replace(settings, estimator=replace(settings.estimator, model=args.model))
    return settings


def _display_size(settings: Config) -> tuple[int, int] | None:
    width, height = settings.screen.width, settings.screen.height
    return (width, height) if width and height else None


def _open_screen(settings: Config) -> Screen:
    """Open the display. Raises LanguageError for a language without a catalogue, and ScreenError."""
    screen, sharing = settings.screen, _sharing(settings)
    languages = Languages(load_spoken_languages(parse_codes(screen.language)))
    return Screen.open(
        screen.display,
        _display_size(settings),
        screen.rotate,
        screen.output,
        lambda: Scene(screen.layout, settings.button.side, languages, sharing.whole_hours if sharing else 0),
    )


def _open_starter_library(progress: ProgressCallback) -> Library:
    return current_library.open_library(ensure_starter_library(folders.starter_folder(), progress))


def _open_camera(settings: Config) -> ReconnectingCamera:
    camera = settings.camera
    return ReconnectingCamera(
        camera.source,
        size=(camera.width, camera.height),
        small_shape=_estimator_input_size(settings),
        controls=camera.controls,
        mirrors_itself=not camera.mirror,
    )


def _estimator_input_size(settings: Config) -> tuple[int, int] | None:
    """Return the (height, width) at which a Pi's image processor should also deliver each frame, for the estimator.

    Other cameras deliver one size only, so there is nothing to gain: None.
    """
    camera = settings.camera
    if camera.source.partition(":")[0] not in ("auto", "pi"):
        return None
    size = settings.estimator.height_width
    if size is None:
        return size_for(camera.width, camera.height)
    return fit_size((size[1], size[0]) if camera.rotate in (90, 270) else size)


def _pipeline_settings(settings: Config) -> PipelineSettings:
    return PipelineSettings(settings.camera.rotate, settings.follow, settings.choose, settings.screen.layout)


@contextmanager
def _open_gif_writer(settings: Config) -> Iterator[GifWriter]:
    """Open what writes GIFs, and what deletes old ones."""
    gif, folder = settings.gif, folders.gif_folder(settings.gif.folder)
    limits = Limits(gif.keep_days, gif.keep_files, gif.keep_megabytes)
    with (
        GifKeeper(folder, limits) as keeper,
        GifWriter(folder, megabytes=gif.megabytes, sharing=_sharing(settings), keeper=keeper) as writer,
    ):
        yield writer


def _sharing(settings: Config) -> Sharing | None:
    """Return how GIFs are shared; None if they are not."""
    if not settings.share.enabled:
        return None
    return Sharing(folders.gif_folder(settings.gif.folder) / FOLDER_NAME, settings.share.hours)


def _make_recorder(settings: Config, writer: GifWriter) -> Recorder:
    gif = settings.gif
    return Recorder(
        writer,
        countdown=gif.countdown,
        seconds=gif.seconds,
        pixels=gif.pixels,
        include_camera=gif.camera,
        text=gif.text,
    )


def _take_screenshots(screen: Screen, writer: ScreenshotWriter) -> Callable[[Moment, float], None]:
    """Return a callback that writes what the screen shows, one picture a second."""

    def take_screenshot(moment: Moment, now: float) -> None:
        if writer.is_due(now):
            writer.write(screen.snapshot(), now)

    return take_screenshot
