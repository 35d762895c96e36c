"""The estimator: sizes, files that it cannot run, and all of the Edge TPU's code that works without one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as pillow

from models.estimator import estimator as module
from models.estimator.catalogue import DEFAULT_MODEL, edgetpu_variant
from models.estimator.estimator import (
    EdgeTpuError,
    Estimator,
    ModelError,
    crop_size_for,
    fit_size,
    list_edge_tpus,
    runtime,
    size_for,
)
from models.figures import perform
from models.pose import Image

SENTENCE = r"^[^\n]+\.$"

DELEGATE = """
#include <stdlib.h>
#include <string.h>
struct delegate { void *data; int (*prepare)(void *, void *); void *rest[8]; };
static int nothing_to_do(void *context, void *delegate) { return 0; }
void *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
    if (strlen(REASON)) report(REASON);
    if (!ATTACHED) return NULL;
    struct delegate *made = calloc(1, 512);
    made->prepare = nothing_to_do;
    return made;
}
void tflite_plugin_destroy_delegate(void *delegate) { free(delegate); }
"""
"""A library with libedgetpu's two functions. It finds no Edge TPU, or one that runs no operation."""


@pytest.fixture(scope="module")
def model(each_posenet: Path) -> Path:
    return each_posenet


@pytest.fixture(scope="module")
def edgetpu_model(models_folder: Path) -> Path:
    return models_folder / f"{edgetpu_variant(DEFAULT_MODEL)}.tflite"


@pytest.fixture(scope="module")
def couple(shared_data: Path) -> Image:
    """A photo of two people, 1278×1920."""
    return np.asarray(pillow.open(shared_data / "reference" / "test_couple.jpg").convert("RGB"))


@pytest.fixture(scope="module")
def drawn_person() -> Image:
    """A drawn person, 720×960."""
    return perform(1.5, 960, 720)[0]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that compiles the Edge TPU's library: with a device attached or not, and with a message to report."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")

    def make(*, attached: bool, reason: str = "") -> None:
        source, made = tmp_path / "edgetpu.c", tmp_path / "libedgetpu.so.1"
        source.write_text(DELEGATE)
        defines = [f"-DATTACHED={int(attached)}", f'-DREASON="{reason}"']
        subprocess.run([compiler, "-shared", "-fPIC", *defines, "-o", made, source], check=True)
        monkeypatch.setattr(module, "EDGE_TPU_LIBRARY", str(made))

    return make


def test_finds_people_in_the_pixels_of_any_picture(posenet: Path, couple: Image) -> None:
    half = np.asarray(pillow.fromarray(couple).reduce(2))
    with Estimator(posenet) as estimator:
        large, small = estimator.estimate(couple), estimator.estimate(half)
    assert len(large) == len(small) == 2
    for one, other in zip(large, small, strict=True):
        sure = one.scores > 0.5
        assert np.abs(one.xy - other.scaled(2, 2).xy)[sure].max() < 16
    assert 760 < large[0].xy[0, 0] < 860


def test_does_not_resize_a_picture_of_the_models_size(model: Path, drawn_person: Image) -> None:
    with Estimator(model, size=(353, 481)) as estimator:
        height, width = estimator.size
        resized = np.asarray(pillow.fromarray(drawn_person).resize((width, height), pillow.Resampling.BILINEAR))
        whole, ready = estimator.estimate(drawn_person), estimator.estimate(resized)
    assert whole
    for one, other in zip(whole, ready, strict=True):
        assert np.allclose(one.xy, other.scaled(960 / width, 720 / height).xy, atol=0.01)
        assert one.score == other.score


def test_keeps_each_pictures_shape_without_a_size(model: Path) -> None:
    with Estimator(model) as estimator:
        assert estimator.size == (353, 481)
        for height, width in ((480, 640), (640, 360), (353, 481)):
            estimator.estimate(np.zeros((height, width, 3), np.uint8))
            assert estimator.size == size_for(width, height)
        estimator.resize((353, 481))
        estimator.estimate(np.zeros((640, 360, 3), np.uint8))
        assert estimator.size == (353, 481)


def test_one_picture_can_be_seen_at_another_size(model: Path, drawn_person: Image) -> None:
    with Estimator(model, size=(353, 481)) as estimator:
        before = estimator.estimate(drawn_person)
        (pose, *_) = estimator.estimate(drawn_person, (257, 353))
        assert estimator.size == (257, 353)
        assert np.abs(pose.xy - before[0].xy)[pose.scores > 0.5].max() < 40
        assert [p.score for p in estimator.estimate(drawn_person)] == [p.score for p in before]


def test_a_crop_is_square_and_no_larger_than_the_size() -> None:
    assert crop_size_for(Path("some.tflite"), (353, 481)) == (353, 353)
    assert crop_size_for(Path("posenet_drawn.tflite"), (353, 481)) == (225, 225)
    assert crop_size_for(Path("some.tflite"), (193, 257)) == (193, 193)


@pytest.mark.parametrize("size", [(193, 257), (257, 145), (65, 65), (353, 641)])
def test_runs_one_file_at_any_size_and_back(model: Path, drawn_person: Image, size: tuple[int, int]) -> None:
    with Estimator(model, size=size) as estimator:
        assert estimator.size == size
        heads = estimator.heads(drawn_person)
        grid = tuple((side - 1) // 16 + 1 for side in size)
        assert [head.shape for head in heads[:3]] == [(*grid, channels) for channels in (17, 34, 64)]
        estimator.resize((353, 481))
        back = estimator.heads(drawn_person)
    with Estimator(model, size=(353, 481)) as fresh:
        assert all((one == other).all() for one, other in zip(back[:3], fresh.heads(drawn_person)[:3], strict=True))


def test_files_of_all_sizes_hold_the_same_network(models_folder: Path, posenet: Path, couple: Image) -> None:
    other = models_folder / "posenet_mobilenet_v1_075_721_1281_quant_decoder.tflite"
    with Estimator(posenet, size=(353, 481)) as one, Estimator(other, size=(353, 481)) as two:
        assert all((a == b).all() for a, b in zip(one.heads(couple)[:3], two.heads(couple)[:3], strict=True))


def test_next_picture_does_not_change_the_last_heads(model: Path, drawn_person: Image) -> None:
    with Estimator(model) as estimator:
        heads = estimator.heads(drawn_person)
        kept = [head.copy() for head in heads[:3]]
        estimator.heads(np.zeros_like(drawn_person))
    assert all((now == then).all() for now, then in zip(heads[:3], kept, strict=True))


def test_finds_nobody_in_a_black_picture(model: Path) -> None:
    with Estimator(model, size=(193, 257), threads=1) as estimator:
        assert estimator.estimate(np.zeros((120, 160, 3), np.uint8)) == []


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((20, 20), np.uint8),
        np.zeros((20, 20, 4), np.uint8),
        np.zeros((20, 20, 3)),
        np.zeros((0, 9, 3), np.uint8),
    ],
)
def test_rejects_what_is_not_a_picture(model: Path, image: Any) -> None:
    with (
        Estimator(model, size=(65, 65)) as estimator,
        pytest.raises(ValueError, match="a picture must be H×W×3 of uint8"),
    ):
        estimator.estimate(image)


def test_closed_estimator_cannot_be_used(model: Path) -> None:
    with Estimator(model, size=(65, 65)) as estimator:
        pass
    estimator.close()
    with pytest.raises(ValueError, match="the estimator is closed"):
        estimator.estimate(np.zeros((65, 65, 3), np.uint8))


@given(st.integers(60, 2050), st.integers(60, 2050))
def test_rounds_to_the_nearest_possible_size(height: int, width: int) -> None:
    fitted = fit_size((height, width))
    assert all(side % 16 == 1 for side in fitted)
    assert all(abs(side - original) <= 8 for side, original in zip(fitted, (height, width), strict=True))
    assert fit_size(fitted) == fitted


@pytest.mark.parametrize("size", [(353, 20), (0, 481), (-353, 481), (353, 9000)])
def test_rejects_an_impossible_size(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"65 to 2049 pixels a side, not {size[0]}×{size[1]}"):
        fit_size(size)


@given(st.integers(50, 9000), st.integers(50, 9000))
def test_size_for_keeps_shape_and_number_of_pixels(width: int, height: int) -> None:
    tall, wide = size_for(width, height)
    assert fit_size((tall, wide)) == (tall, wide)
    if 1 / 4 < width / height < 4:
        assert tall * wide == pytest.approx(353 * 481, rel=0.1)
        assert wide / tall == pytest.approx(width / height, rel=0.12)


def test_size_for_the_usual_camera_shapes() -> None:
    assert size_for(640, 480) == (353, 481)
    assert size_for(1920, 1080) == (305, 545)
    assert size_for(1080, 1920) == (545, 305)


@pytest.mark.parametrize(
    "content",
    [b"", b"<!DOCTYPE html><title>404</title>", bytes(40), b"\x1c\x00\x00\x00TFL3" + bytes(200)],
    ids=["empty", "a web page", "zeros", "little more than a header"],
)
def test_names_a_file_that_is_not_a_model(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "some.tflite"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=SENTENCE) as caught:
        Estimator(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.97])
def test_names_a_truncated_model(model: Path, tmp_path: Path, kept: float) -> None:
    file = tmp_path / "half.tflite"
    whole = model.read_bytes()
    file.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ModelError, match=rf"^{file} cannot be used: the model is damaged.*\.$"):
        Estimator(file)


def test_names_a_model_that_the_runtime_rejects(posenet: Path, tmp_path: Path) -> None:
    file = tmp_path / "odd.tflite"
    file.write_bytes(posenet.read_bytes().replace(b"PosenetDecoderOp", b"SomebodyElsesOp_"))
    with pytest.raises(ModelError, match=rf"^{file} is damaged, or is not for {runtime()} \(.*SomebodyElsesOp.*\)\.$"):
        Estimator(file)


def test_names_a_model_that_is_not_a_posenet(models_folder: Path) -> None:
    movenet = models_folder / "movenet_single_pose_lightning_ptq.tflite"
    if not movenet.is_file():
        pytest.skip(f"{movenet.name} is not here")
    with pytest.raises(ModelError, match=rf"^{movenet} is not a PoseNet: .*\.$"):
        Estimator(movenet)


def test_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.tflite cannot be read: No such file or directory\.$"):
        Estimator(tmp_path / "nowhere.tflite")


def test_rejects_a_model_for_the_edge_tpu_on_the_cpu(edgetpu_model: Path) -> None:
    with pytest.raises(ModelError, match=r"was compiled for the Edge TPU: .* without _edgetpu in its name\.$"):
        Estimator(edgetpu_model)


def test_rejects_a_model_for_the_cpu_on_the_edge_tpu(model: Path) -> None:
    with pytest.raises(ModelError, match=r"was not compiled for the Edge TPU: .* with _edgetpu in its name\.$"):
        Estimator(model, device="edgetpu")


def test_rejects_another_size_on_the_edge_tpu(edgetpu_model: Path) -> None:
    with pytest.raises(ValueError, match=r"has a fixed size on the Edge TPU, so it cannot run at 193×257"):
        Estimator(edgetpu_model, device="edgetpu", size=(193, 257))


def test_names_the_missing_edge_tpu_library(
    edgetpu_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EDGE_TPU_LIBRARY", str(tmp_path / "libedgetpu.so.1"))
    with pytest.raises(EdgeTpuError, match=SENTENCE) as caught:
        Estimator(edgetpu_model, device="edgetpu")
    assert "libedgetpu.so.1: cannot open shared object file" in str(caught.value)
    assert f"install its version for {runtime()}" in str(caught.value)


def test_real_runtime_reports_a_missing_edge_tpu(edgetpu_model: Path, library: Any) -> None:
    library(attached=False)
    with pytest.raises(EdgeTpuError, match=r"^No Edge TPU answers \(it gives no reason\): plug it in, and .*\.$"):
        Estimator(edgetpu_model, device="edgetpu")


def test_passes_on_the_edge_tpu_librarys_message(edgetpu_model: Path, library: Any) -> None:
    library(attached=False, reason="the firmware is asleep")
    with pytest.raises(EdgeTpuError, match=r"^No Edge TPU answers \(the firmware is asleep\): .*\.$"):
        Estimator(edgetpu_model, device="edgetpu")


def test_names_an_edge_tpu_library_of_another_version(edgetpu_model: Path, library: Any) -> None:
    library(attached=True)
    with pytest.raises(
        EdgeTpuError, match=rf"^The Edge TPU cannot run {edgetpu_model.name} \(.*edgetpu-custom-op.*\): "
    ) as caught:
        Estimator(edgetpu_model, device="edgetpu")
    assert str(caught.value).endswith(f"install the {module.EDGE_TPU_LIBRARY} for {runtime()}.")


def test_reports_an_edge_tpu_unplugged_during_work(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Estimator(model, size=(65, 65)) as estimator:
        monkeypatch.setattr(estimator, "_device", "edgetpu")

        def unplugged() -> None:
            raise RuntimeError("transfer on tag 1 failed. Abort. Deadline exceeded: USB transfer error 2")

        monkeypatch.setattr(estimator._interpreter, "invoke", unplugged)
        with pytest.raises(EdgeTpuError, match=r"^The Edge TPU stopped answering \(transfer .*\): check its cable"):
            estimator.estimate(np.zeros((65, 65, 3), np.uint8))


def test_lists_edge_tpus_that_the_kernel_knows(tmp_path: Path) -> None:
    usb, dev = tmp_path / "usb", tmp_path / "dev"
    dev.mkdir()
    for name, vendor, product in (
        ("1-1", "1d6b", "0002"),
        ("1-1.2", "1a6e", "089a"),
        ("2-1", "18d1", "9302"),
        ("2-2", "18d1", "4ee7"),
    ):
        (usb / name).mkdir(parents=True)
        (usb / name / "idVendor").write_text(f"{vendor}\n")
        (usb / name / "idProduct").write_text(f"{product}\n")
    (usb / "1-1:1.0").mkdir()
    (dev / "apex_0").touch()
    assert list_edge_tpus(usb, dev) == [
        "USB 1-1.2 (1a6e:089a, not used since it was plugged in)",
        "USB 2-1 (18d1:9302, in use before)",
        str(dev / "apex_0"),
    ]


def test_lists_no_edge_tpus_without_usb(tmp_path: Path) -> None:
    assert list_edge_tpus(tmp_path / "none", tmp_path / "neither") == []


def test_names_the_runtime_and_its_version(model: Path) -> None:
    name, _, number = runtime().partition(" ")
    assert name in module.RUNTIMES
    assert number[0].isdigit()
    with Estimator(model, size=(65, 65)) as estimator:
        assert estimator.runtime == runtime()
        assert estimator.device == "cpu"


@pytest.fixture
def fresh_runtime(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A monkeypatch; the runtime is searched for again, in the test and after it."""
    module._runtime.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    module._runtime.cache_clear()


def test_uses_the_second_runtime_without_the_first(fresh_runtime: pytest.MonkeyPatch) -> None:
    fresh_runtime.setattr(module, "RUNTIMES", {"no-such-runtime": "no_such_runtime", "numpy": "numpy"})
    assert runtime() == f"numpy {np.__version__}"


def test_says_what_to_install_without_a_runtime(fresh_runtime: pytest.MonkeyPatch) -> None:
    fresh_runtime.setattr(module, "RUNTIMES", {"one": "no_such_runtime", "two": "no_such_other"})
    with pytest.raises(
        ImportError, match=r"one: .*no_such_runtime.*; two: .*no_such_other.*: pip install ai-edge-litert"
    ):
        runtime()
