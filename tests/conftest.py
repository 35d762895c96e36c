"""Fixtures for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import SHARED

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import pytest
from hypothesis import HealthCheck, settings

from models.estimator.catalogue import BUNDLED_MODEL
from models.estimator.model_files import WEIGHTS_FOLDER

# Shells start a job in the background, and nohup any job, with these signals ignored. The programs that the tests start
# would inherit that, and not answer to Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A busy machine takes longer for an example, and no test depends on a quiet one. The examples are the same each time,
# so that a failure is of the change that is tested; `pytest --hypothesis-profile searching` looks for new ones.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", UNTIMED, derandomize=True)
settings.register_profile("searching", UNTIMED, print_blob=True)
settings.load_profile("repeatable")

POSENET = "posenet_mobilenet_v1_075_353_481_quant_decoder.tflite"


@pytest.fixture(autouse=True)
def _same_priority() -> Iterator[None]:
    """Check that no test changes the priority of its process, which all that it starts would have, too."""
    policy = os.sched_getscheduler(0)
    yield
    assert os.sched_getscheduler(0) == policy, "the test has changed the priority of its process"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photos, videos and poses next to the project. Skips the test if it is missing."""
    if not SHARED.is_dir():
        pytest.skip("the data next to the project (../shared/data) is missing")
    return SHARED


@pytest.fixture(scope="session")
def models_folder() -> Path:
    """The folder of downloaded models. Skips the test if it is missing."""
    variable = os.environ.get("POSE_MIRROR_MODELS")
    for folder in ([Path(variable)] if variable else []) + [SHARED / "models"]:
        if (folder / POSENET).is_file():
            return folder
    pytest.skip("the downloaded models are missing: set POSE_MIRROR_MODELS to their folder")


@pytest.fixture(scope="session")
def posenet(models_folder: Path) -> Path:
    """The quantized PoseNet for 353×481 pixels, which the mirror runs if it was downloaded."""
    return models_folder / POSENET


@pytest.fixture(scope="session")
def bundled_posenet() -> Path:
    """The bundled model."""
    return WEIGHTS_FOLDER / f"{BUNDLED_MODEL}.tflite"


@pytest.fixture(scope="session", params=["bundled", "downloaded"])
def each_posenet(request: pytest.FixtureRequest) -> Path:
    """Each of the two models that the mirror may run; the test runs once with each."""
    file: Path = request.getfixturevalue("bundled_posenet" if request.param == "bundled" else "posenet")
    return file


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a user who has the beginning of the starter library and no downloaded model."""
    from device.folders import starter_folder
    from index.build.starter import ensure_starter_library

    home = tmp_path_factory.mktemp("home")
    environment = {
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_PICTURES_DIR": str(home / "pictures"),
        "POSE_MIRROR_MODELS": "",
        "SDL_VIDEODRIVER": "dummy",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", environment["XDG_DATA_HOME"])
        ensure_starter_library(starter_folder(), count=60)
    return environment
