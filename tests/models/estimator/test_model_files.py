"""Model files: found, verified, and the right one chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.estimator.catalogue import BUNDLED_MODEL, DEFAULT_MODEL
from models.estimator.fetch import fetch_model
from models.estimator.model_files import (
    POSENET_DAMAGED_NOTE,
    POSENET_MISSING_NOTE,
    ModelNotFoundError,
    find_model,
    require_model,
    select_model,
)
from models.estimator.surgery import ModelError
from tests.models.estimator.conftest import CONTENT

SENTENCE = r"^[^\n]+\.$"


def test_missing_model_says_how_to_get_it(cache: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=SENTENCE) as caught:
        find_model(DEFAULT_MODEL)
    assert f"run `pose-mirror models fetch {DEFAULT_MODEL}`" in str(caught.value)
    assert str(cache) in str(caught.value)


def test_mistyped_name_gets_the_nearest_names(cache: Path) -> None:
    typed = DEFAULT_MODEL.replace("353", "352")
    for function in (find_model, fetch_model):
        with pytest.raises(ModelNotFoundError, match=rf"{typed}: did you mean .*{DEFAULT_MODEL}.*\? .* all 10\.$"):
            function(typed)


@pytest.mark.parametrize("typed", ["posnet", "PoseNet", "pose_net"])
def test_mistyped_short_name_is_suggested(cache: Path, typed: str) -> None:
    for function in (find_model, fetch_model):
        with pytest.raises(ModelNotFoundError, match=rf"{typed}: did you mean posenet \({DEFAULT_MODEL}\)"):
            function(typed)


def test_short_names_stand_for_models(both: tuple[Path, Path], tmp_path: Path) -> None:
    downloaded, bundled = both
    downloaded.write_bytes(CONTENT)
    assert find_model("posenet") == downloaded
    assert find_model("bundled") == bundled
    own = tmp_path / "posenet"
    own.write_bytes(b"of my own")
    assert find_model(str(own)) == own, "a file of that name may be anything"


def test_folder_of_models_is_not_a_model(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=rf"^{tmp_path} is a folder: name the \.tflite file in it\.$"):
        find_model(str(tmp_path))
    with pytest.raises(ModelNotFoundError, match=rf"^There is no file {tmp_path}/mine\.tflite: name a \.tflite file"):
        find_model(str(tmp_path / "mine.tflite"))


def test_downloaded_model_is_used_without_a_note(both: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    downloaded, _ = both
    downloaded.write_bytes(CONTENT)
    assert select_model() == (downloaded, None, None)
    assert require_model() == downloaded
    assert caplog.text == ""


def test_bundled_model_is_used_with_a_note(both: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    _, bundled = both
    assert select_model() == (bundled, POSENET_MISSING_NOTE, None)
    assert require_model() == bundled
    assert caplog.messages == [POSENET_MISSING_NOTE]


def test_mirror_goes_on_when_the_download_is_damaged(both: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    downloaded, bundled = both
    downloaded.write_bytes(CONTENT[:-1])
    model = select_model()
    assert model[:2] == (bundled, POSENET_DAMAGED_NOTE)
    assert model.fault is not None
    assert model.fault.startswith(f"{downloaded} is damaged")
    model.log_warnings()
    assert caplog.messages == [model.fault, model.note]
    with pytest.raises(ModelError, match="is damaged"):
        require_model()


def test_named_model_is_never_replaced_by_another(both: tuple[Path, Path]) -> None:
    downloaded, bundled = both
    for function in (select_model, require_model):
        with pytest.raises(ModelNotFoundError, match="is not here"):
            function(DEFAULT_MODEL)
    assert select_model(BUNDLED_MODEL) == (bundled, None, None), "a user who names it knows what it is"
    downloaded.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="is damaged"):
        select_model(DEFAULT_MODEL)


def test_bundled_model_is_never_downloaded(both: tuple[Path, Path]) -> None:
    _, bundled = both
    assert fetch_model(BUNDLED_MODEL) == find_model(BUNDLED_MODEL) == bundled
    bundled.write_bytes(b"damaged")
    for function in (find_model, fetch_model, lambda _: select_model()):
        with pytest.raises(ModelError, match=r"is damaged: .*; install Pose Mirror again, or run `.* fetch`\.$"):
            function(BUNDLED_MODEL)
    bundled.unlink()
    for function in (find_model, fetch_model, lambda _: select_model()):
        with pytest.raises(
            ModelNotFoundError, match=r"is missing from .*: install Pose Mirror again, or run `.* fetch`\.$"
        ):
            function(BUNDLED_MODEL)


def test_bundled_model_comes_from_the_program_alone(
    both: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSE_MIRROR_MODELS", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / f"{BUNDLED_MODEL}.tflite").write_bytes(b"of another version")
    assert find_model(BUNDLED_MODEL) == both[1]


def test_file_of_an_unknown_name_is_not_verified(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "mine.tflite"
    file.write_bytes(b"whatever")
    assert find_model(str(file)) == file


def test_file_of_a_known_name_is_verified_anywhere(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / f"{DEFAULT_MODEL}.tflite"
    file.write_bytes(b"whatever")
    with pytest.raises(ModelError, match=rf"^{file} is damaged"):
        find_model(str(file))
