"""Exporting the network as a file of 8-bit integers: the heads stay the same, and the estimator runs it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training's packages are not installed: pip install '.[train]'")

from ai_edge_litert import schema_py_generated as schema  # noqa: E402

from models.estimator.estimator import Estimator  # noqa: E402
from models.estimator.surgery import is_for_edge_tpu, strip_decoder  # noqa: E402
from models.figures import draw_picture  # noqa: E402
from models.pose import Floats, Image  # noqa: E402
from models.train.export import HeadDifference, collect_statistics, compare, export, fold_batch_norm  # noqa: E402
from models.train.network import CHANNELS, PIXELS_PER_CELL, PoseNet, as_input  # noqa: E402
from models.train.rounding import round_weights  # noqa: E402
from models.train.tflite import ALIGNMENT_BYTES  # noqa: E402

SIZES = ((193, 193), (257, 353), (353, 481), (481, 641))


def pictures(first: int, count: int, size: tuple[int, int] = (193, 257)) -> list[Image]:
    """Return `count` whole drawn pictures of a size (height, width)."""
    return [np.asarray(cv2.resize(draw_picture(first + n).image, size[::-1]), np.uint8) for n in range(count)]


@cache
def calibration() -> list[Image]:
    """With fewer pictures, or parts of pictures, the next picture would exceed the layers' scales."""
    return pictures(0, 24)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The test files run at the same time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def network() -> PoseNet:
    """A random network, normalized by drawn pictures, whose channels have small and large ranges."""
    # The seed makes every test run on the same network.
    torch.manual_seed(1)
    network = PoseNet()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # average over all batches
                module.weight.copy_(torch.exp(0.4 * torch.randn(module.num_features)))
                module.bias.copy_(0.5 * torch.randn(module.num_features))
            elif isinstance(module, torch.nn.Conv2d) and module.groups > 1:
                module.weight *= torch.exp(torch.randn(module.groups))[:, None, None, None]
        for images in np.array(calibration()).reshape(3, 8, 193, 257, 3):
            network(as_input(torch.from_numpy(images)))
        network.head.weight *= 0.3
    network.eval()
    return network


@pytest.fixture(scope="module")
def file(network: PoseNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("export") / "posenet.tflite"
    export(network, calibration(), file)
    return file


@pytest.fixture(scope="module")
def model(file: Path) -> Any:
    """The file, read by the schema's own classes."""
    return schema.ModelT.InitFromPackedBuf(file.read_bytes(), 0)


@pytest.fixture(scope="module")
def differences(network: PoseNet, file: Path) -> list[HeadDifference]:
    return compare(network, file, pictures(100, 4))


def test_the_network_outputs_all_heads() -> None:
    with torch.inference_mode():
        heads = PoseNet().eval()(as_input(torch.zeros((2, 65, 97, 3), dtype=torch.uint8)))
    assert heads.shape == (2, sum(CHANNELS), 5, 7)
    assert PoseNet().parameter_count < 1_000_000


def test_an_untrained_network_finds_nobody() -> None:
    with torch.inference_mode():
        heads = PoseNet()(as_input(torch.from_numpy(np.array(pictures(0, 4)))))
    assert torch.sigmoid(heads[:, : CHANNELS[0]]).mean() < 0.1


@pytest.mark.slow
def test_folding_batch_norm_keeps_the_outputs(network: PoseNet) -> None:
    images = as_input(torch.from_numpy(np.array(pictures(50, 2))))
    with torch.inference_mode():
        assert torch.allclose(fold_batch_norm(network)(images), network(images), atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("head", range(3))
def test_the_file_outputs_what_the_network_does(differences: list[HeadDifference], head: int) -> None:
    """All 41 layers have eight bits; a random network passes on more of their errors than a trained one."""
    difference = differences[head]
    assert difference.mean < 0.07 * difference.std
    assert difference.maximum < 1.2 * difference.std
    assert difference.clipped < 0.01


@pytest.mark.slow
def test_an_offset_of_one_cell_is_sixteen_pixels(network: PoseNet, tmp_path: Path) -> None:
    """With weights of zero, only the head's bias is left, the same in every cell."""
    plain = fold_batch_norm(network)
    bias = torch.linspace(-3, 5, sum(CHANNELS))
    plain.head.weight.zero_()
    plain.head.bias = torch.nn.Parameter(bias, requires_grad=False)
    constant = PoseNet()
    constant.load_state_dict(network.state_dict())
    constant.head.load_state_dict(plain.head.state_dict())
    export(constant, calibration()[:1], tmp_path / "bias.tflite")
    with Estimator(tmp_path / "bias.tflite", size=(193, 257)) as estimator:
        *heads, scales = estimator.heads(pictures(1, 1)[0])
    actual = np.concatenate(
        [(head.astype(float) - scale.zero_point) * scale.scale for head, scale in zip(heads, scales, strict=True)],
        axis=2,
    )
    expected = bias.numpy() * np.repeat((1, PIXELS_PER_CELL, PIXELS_PER_CELL), CHANNELS)
    steps = np.repeat([scale.scale for scale in scales], CHANNELS)
    assert (np.abs(actual - expected) < 1.01 * steps).all()


@pytest.mark.slow
def test_exporting_twice_gives_the_same_file(network: PoseNet, file: Path, tmp_path: Path) -> None:
    export(network, iter(calibration()), tmp_path / "again.tflite")
    assert (tmp_path / "again.tflite").read_bytes() == file.read_bytes()


@pytest.mark.slow
def test_rejects_no_pictures(network: PoseNet, file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no pictures to calibrate with"):
        export(network, [], tmp_path / "none.tflite")
    assert not (tmp_path / "none.tflite").exists()
    with pytest.raises(ValueError, match="no pictures to compare on"):
        compare(network, file, [])


@pytest.mark.parametrize("size", SIZES)
def test_the_estimator_runs_the_file_at_every_size(network: PoseNet, file: Path, size: tuple[int, int]) -> None:
    [image] = pictures(107, 1, size)
    with Estimator(file, size=size) as estimator:
        heads = estimator.heads(image)
        estimator.estimate(image)
    grid = ((size[0] - 1) // 16 + 1, (size[1] - 1) // 16 + 1)
    assert [head.shape for head in heads[:3]] == [(*grid, channels) for channels in CHANNELS]
    assert all(head.dtype == np.uint8 for head in heads[:3])
    assert max(difference.mean / difference.std for difference in compare(network, file, [image])) < 0.08


@pytest.mark.slow
def test_the_files_own_size_can_be_set(network: PoseNet, tmp_path: Path) -> None:
    export(network, calibration()[:1], tmp_path / "small.tflite", size=(129, 161))
    with Estimator(tmp_path / "small.tflite") as estimator:
        assert estimator.size == (129, 161)


def test_surgery_leaves_the_file_as_it_is(file: Path) -> None:
    content = file.read_bytes()
    assert strip_decoder(content) == content
    assert not is_for_edge_tpu(content)


def test_the_file_is_small_and_needs_four_operations(file: Path, model: Any) -> None:
    assert file.stat().st_size < 1_500_000
    assert b"PoseNet" in model.description
    kinds = schema.BuiltinOperator
    versions = {code.builtinCode: code.version for code in model.operatorCodes}
    assert versions == {kinds.CONV_2D: 3, kinds.DEPTHWISE_CONV_2D: 3, kinds.ADD: 2, kinds.QUANTIZE: 2}
    used = [model.operatorCodes[operator.opcodeIndex].builtinCode for operator in model.subgraphs[0].operators]
    assert [used.count(kind) for kind in versions] == [4, 17, 13, 10]


def test_all_tensors_are_quantized(model: Any) -> None:
    graph = model.subgraphs[0]
    unsigned = {n for n, tensor in enumerate(graph.tensors) if tensor.type == schema.TensorType.UINT8}
    assert unsigned == {*graph.inputs, *graph.outputs}
    other_types = {tensor.type for n, tensor in enumerate(graph.tensors) if n not in unsigned}
    assert other_types == {schema.TensorType.INT8, schema.TensorType.INT32}
    assert all((tensor.quantization.scale > 0).all() for tensor in graph.tensors)
    assert all(tensor.shapeSignature is None for tensor in graph.tensors)  # an Edge TPU's compiler wants fixed shapes
    quantization = graph.tensors[graph.inputs[0]].quantization
    expected = (np.arange(256) - int(quantization.zeroPoint[0])) * float(quantization.scale[0])
    all_bytes = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 256, 1).expand(1, 1, 256, 3)
    assert (expected == as_input(all_bytes)[0, 0, 0].numpy()).all()


def test_weights_are_aligned(file: Path) -> None:
    content = file.read_bytes()
    model = schema.Model.GetRootAs(content, 0)
    for number in range(1, model.BuffersLength()):
        data = model.Buffers(number).DataAsNumpy()
        assert (data.ctypes.data - np.frombuffer(content, np.uint8).ctypes.data) % ALIGNMENT_BYTES == 0


@pytest.mark.slow
def test_equalised_channels_have_equal_ranges(network: PoseNet, model: Any, file: Path) -> None:
    """The file has depthwise weights of its own, with which all channels have the same range relative to its scale."""
    plain = fold_batch_norm(network)
    statistics = collect_statistics(plain, calibration())["3/depthwise"]
    ranges = np.maximum(statistics.high, -statistics.low)
    tensor = next(candidate for candidate in model.subgraphs[0].tensors if candidate.name == b"3/depthwise/weights")
    steps = np.abs(plain.blocks[3].depthwise.weight.numpy()).max(axis=(1, 2, 3)) / 127
    factors = tensor.quantization.scale / steps
    assert np.allclose(factors * ranges, (factors * ranges).mean(), rtol=1e-3)
    assert ranges.max() > 5 * ranges.min()


def nearest(weights: Floats, steps: Floats) -> Floats:
    """Round each weight to the nearest step."""
    rounded: Floats = np.round(weights / steps[:, :, None]) * steps[:, :, None]
    return rounded


def test_rounding_beats_the_nearest_numbers() -> None:
    rng = np.random.default_rng(5)
    inputs = rng.normal(size=(4000, 1)) + 0.2 * rng.normal(size=(4000, 27))  # as neighbouring pixels are
    weights = rng.normal(size=(1, 24, 27)).astype(np.float32)
    numbers, steps = round_weights(weights, np.zeros((1, 24), np.float32), (inputs.T @ inputs / 4000)[None])
    ours = inputs @ (numbers * steps[:, :, None] - weights)[0].T
    usual = inputs @ (nearest(weights, steps) - weights)[0].T
    assert (ours**2).mean() < 0.2 * (usual**2).mean()
    assert np.abs(numbers * steps[:, :, None] - weights).max() < 3 * steps.max()


def test_rounds_to_nearest_for_independent_inputs() -> None:
    weights = np.random.default_rng(6).normal(size=(3, 1, 9)).astype(np.float32)
    numbers, steps = round_weights(weights, np.zeros((3, 1), np.float32), np.stack([np.eye(9)] * 3))
    assert np.allclose(numbers * steps[:, :, None], nearest(weights, steps))
    assert (np.abs(numbers).max(axis=2) == 127).all()


@pytest.mark.slow
def test_constant_and_dead_channels_do_no_harm(network: PoseNet, tmp_path: Path) -> None:
    damaged = PoseNet()
    damaged.load_state_dict(network.state_dict())
    damaged.eval()
    with torch.no_grad():
        damaged.blocks[2].norm.weight[:40] = 1e-12
        damaged.blocks[3].depthwise.weight[:7] = 0
        damaged.stem[0].weight[3] = 0
    export(damaged, calibration(), tmp_path / "hurt.tflite")
    differences = compare(damaged, tmp_path / "hurt.tflite", pictures(100, 2))
    assert max(difference.mean / difference.std for difference in differences) < 0.08
