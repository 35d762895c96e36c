"""The network as a file of 8-bit integers: the same heads, in a file that the estimator and its checks take."""

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
from models.pose import Image  # noqa: E402
from models.train.export import HeadDifference, collect_statistics, compare, export, fold_batch_norm  # noqa: E402
from models.train.network import CHANNELS, PIXELS_PER_CELL, PoseNet, as_input  # noqa: E402
from models.train.rounding import round_weights  # noqa: E402
from models.train.tflite import ALIGNMENT_BYTES  # noqa: E402

SIZES = ((193, 193), (257, 353), (353, 481), (481, 641))


def pictures(first: int, count: int, size: tuple[int, int] = (193, 257)) -> list[Image]:
    """Whole drawn pictures of some `size`, (height, width)."""
    return [np.asarray(cv2.resize(draw_picture(first + n).image, size[::-1]), np.uint8) for n in range(count)]


@cache
def calibration() -> list[Image]:
    """With fewer, or with parts of pictures, layers give more for the next picture than their scales span."""
    return pictures(0, 24)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The tests' files run side by side."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def network() -> PoseNet:
    """Random, but normalized by drawn pictures, with channels that give much and channels that give little."""
    torch.manual_seed(1)
    made = PoseNet()
    with torch.no_grad():
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None  # the mean of what follows
                module.weight.copy_(torch.exp(0.4 * torch.randn(module.num_features)))
                module.bias.copy_(0.5 * torch.randn(module.num_features))
            elif isinstance(module, torch.nn.Conv2d) and module.groups > 1:
                module.weight *= torch.exp(torch.randn(module.groups))[:, None, None, None]
        for images in np.array(calibration()).reshape(3, 8, 193, 257, 3):
            made(as_input(torch.from_numpy(images)))
        made.head.weight *= 0.3
    return made.eval()


@pytest.fixture(scope="module")
def file(network: PoseNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("export") / "posenet.tflite"
    export(network, calibration(), file)
    return file


@pytest.fixture(scope="module")
def model(file: Path) -> Any:
    """The file, read back by the schema's own classes."""
    return schema.ModelT.InitFromPackedBuf(file.read_bytes(), 0)


@pytest.fixture(scope="module")
def differences(network: PoseNet, file: Path) -> list[HeadDifference]:
    return compare(network, file, pictures(100, 4))


def test_the_network_gives_each_head_its_channels_on_a_grid_with_a_cell_on_each_border() -> None:
    with torch.inference_mode():
        heads = PoseNet().eval()(as_input(torch.zeros((2, 65, 97, 3), dtype=torch.uint8)))
    assert heads.shape == (2, sum(CHANNELS), 5, 7)
    assert PoseNet().parameter_count < 1_000_000


def test_a_network_that_knows_nothing_finds_nobody() -> None:
    with torch.inference_mode():
        heads = PoseNet()(as_input(torch.from_numpy(np.array(pictures(0, 4)))))
    assert torch.sigmoid(heads[:, : CHANNELS[0]]).mean() < 0.1


def test_without_batch_normalization_the_network_gives_the_same(network: PoseNet) -> None:
    images = as_input(torch.from_numpy(np.array(pictures(50, 2))))
    with torch.inference_mode():
        assert torch.allclose(fold_batch_norm(network)(images), network(images), atol=1e-3)


@pytest.mark.parametrize("head", range(3))
def test_the_file_gives_what_the_network_gives(differences: list[HeadDifference], head: int) -> None:
    """Eight bits in all of 41 layers; random weights let through more of what is lost than trained ones."""
    one = differences[head]
    assert one.mean < 0.07 * one.std
    assert one.maximum < 1.2 * one.std
    assert one.clipped < 0.01


def test_an_offset_of_one_cell_is_sixteen_pixels(network: PoseNet, tmp_path: Path) -> None:
    """With weights of zero only the head's bias is left, the same in every cell."""
    plain = fold_batch_norm(network)
    bias = torch.linspace(-3, 5, sum(CHANNELS))
    plain.head.weight.zero_()
    plain.head.bias = torch.nn.Parameter(bias, requires_grad=False)
    told = PoseNet()
    told.load_state_dict(network.state_dict())
    told.head.load_state_dict(plain.head.state_dict())
    export(told, calibration()[:1], tmp_path / "bias.tflite")
    with Estimator(tmp_path / "bias.tflite", size=(193, 257)) as estimator:
        *heads, scales = estimator.heads(pictures(1, 1)[0])
    said = np.concatenate(
        [(head.astype(float) - scale.zero_point) * scale.scale for head, scale in zip(heads, scales, strict=True)],
        axis=2,
    )
    wanted = bias.numpy() * np.repeat((1, PIXELS_PER_CELL, PIXELS_PER_CELL), CHANNELS)
    steps = np.repeat([scale.scale for scale in scales], CHANNELS)
    assert (np.abs(said - wanted) < 1.01 * steps).all()


def test_the_same_network_and_pictures_give_the_same_file(network: PoseNet, file: Path, tmp_path: Path) -> None:
    export(network, iter(calibration()), tmp_path / "again.tflite")
    assert (tmp_path / "again.tflite").read_bytes() == file.read_bytes()


def test_without_pictures_there_is_nothing_to_calibrate_by_or_to_compare(
    network: PoseNet, file: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="no pictures to calibrate with"):
        export(network, [], tmp_path / "none.tflite")
    assert not (tmp_path / "none.tflite").exists()
    with pytest.raises(ValueError, match="no pictures to compare on"):
        compare(network, file, [])


@pytest.mark.parametrize("size", SIZES)
def test_the_estimator_takes_it_at_every_size(network: PoseNet, file: Path, size: tuple[int, int]) -> None:
    [image] = pictures(107, 1, size)
    with Estimator(file, size=size) as estimator:
        heads = estimator.heads(image)
        estimator.estimate(image)
    grid = ((size[0] - 1) // 16 + 1, (size[1] - 1) // 16 + 1)
    assert [head.shape for head in heads[:3]] == [(*grid, channels) for channels in CHANNELS]
    assert all(head.dtype == np.uint8 for head in heads[:3])
    assert max(one.mean / one.std for one in compare(network, file, [image])) < 0.08


def test_a_size_of_its_own_can_be_given(network: PoseNet, tmp_path: Path) -> None:
    export(network, calibration()[:1], tmp_path / "small.tflite", size=(129, 161))
    with Estimator(tmp_path / "small.tflite") as estimator:
        assert estimator.size == (129, 161)


def test_surgery_finds_nothing_wrong_and_nothing_to_take_out(file: Path) -> None:
    content = file.read_bytes()
    assert strip_decoder(content) == content
    assert not is_for_edge_tpu(content)


def test_the_file_is_small_says_what_it_is_and_needs_four_operations(file: Path, model: Any) -> None:
    assert file.stat().st_size < 1_500_000
    assert b"PoseNet" in model.description
    kinds = schema.BuiltinOperator
    versions = {code.builtinCode: code.version for code in model.operatorCodes}
    assert versions == {kinds.CONV_2D: 3, kinds.DEPTHWISE_CONV_2D: 3, kinds.ADD: 2, kinds.QUANTIZE: 2}
    used = [model.operatorCodes[operator.opcodeIndex].builtinCode for operator in model.subgraphs[0].operators]
    assert [used.count(kind) for kind in versions] == [4, 17, 13, 10]


def test_all_in_it_is_quantized_and_only_pictures_and_heads_are_unsigned(model: Any) -> None:
    graph = model.subgraphs[0]
    unsigned = {n for n, tensor in enumerate(graph.tensors) if tensor.type == schema.TensorType.UINT8}
    assert unsigned == {*graph.inputs, *graph.outputs}
    others = {tensor.type for n, tensor in enumerate(graph.tensors) if n not in unsigned}
    assert others == {schema.TensorType.INT8, schema.TensorType.INT32}
    assert all((tensor.quantization.scale > 0).all() for tensor in graph.tensors)
    assert all(tensor.shapeSignature is None for tensor in graph.tensors)  # an Edge TPU's compiler wants fixed shapes
    taken = graph.tensors[graph.inputs[0]].quantization
    said = (np.arange(256) - int(taken.zeroPoint[0])) * float(taken.scale[0])
    bytes_ = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 256, 1).expand(1, 1, 256, 3)
    assert (said == as_input(bytes_)[0, 0, 0].numpy()).all()


def test_weights_lie_where_a_runtime_can_read_them_at_once(file: Path) -> None:
    content = file.read_bytes()
    model = schema.Model.GetRootAs(content, 0)
    for number in range(1, model.BuffersLength()):
        data = model.Buffers(number).DataAsNumpy()
        assert (data.ctypes.data - np.frombuffer(content, np.uint8).ctypes.data) % ALIGNMENT_BYTES == 0


def test_equalised_channels_give_equally_much(network: PoseNet, model: Any, file: Path) -> None:
    """The depthwise weights are a file's own; each of their channels is as wide as the others, seen from its scale."""
    plain = fold_batch_norm(network)
    seen = collect_statistics(plain, calibration())["3/depthwise"]
    ranges = np.maximum(seen.high, -seen.low)
    tensor = next(one for one in model.subgraphs[0].tensors if one.name == b"3/depthwise/weights")
    steps = np.abs(plain.blocks[3].depthwise.weight.numpy()).max(axis=(1, 2, 3)) / 127
    factors = tensor.quantization.scale / steps
    assert np.allclose(factors * ranges, (factors * ranges).mean(), rtol=1e-3)
    assert ranges.max() > 5 * ranges.min()


def nearest(weights: np.ndarray, steps: np.ndarray) -> np.ndarray:
    return np.round(weights / steps[:, :, None]) * steps[:, :, None]


def test_rounding_loses_less_of_what_a_layer_gives_than_the_nearest_numbers_would() -> None:
    rng = np.random.default_rng(5)
    inputs = rng.normal(size=(4000, 1)) + 0.2 * rng.normal(size=(4000, 27))  # as neighbouring pixels are
    weights = rng.normal(size=(1, 24, 27)).astype(np.float32)
    numbers, steps = round_weights(weights, np.zeros((1, 24), np.float32), (inputs.T @ inputs / 4000)[None])
    ours = inputs @ (numbers * steps[:, :, None] - weights)[0].T
    usual = inputs @ (nearest(weights, steps) - weights)[0].T
    assert (ours**2).mean() < 0.2 * (usual**2).mean()
    assert np.abs(numbers * steps[:, :, None] - weights).max() < 3 * steps.max()


def test_weights_whose_inputs_have_nothing_in_common_become_the_nearest_numbers() -> None:
    weights = np.random.default_rng(6).normal(size=(3, 1, 9)).astype(np.float32)
    numbers, steps = round_weights(weights, np.zeros((3, 1), np.float32), np.stack([np.eye(9)] * 3))
    assert np.allclose(numbers * steps[:, :, None], nearest(weights, steps))
    assert (np.abs(numbers).max(axis=2) == 127).all()


def test_a_channel_that_only_adds_its_bias_keeps_it_and_one_that_is_dead_does_no_harm(
    network: PoseNet, tmp_path: Path
) -> None:
    hurt = PoseNet()
    hurt.load_state_dict(network.state_dict())
    hurt.eval()
    with torch.no_grad():
        hurt.blocks[2].norm.weight[:40] = 1e-12
        hurt.blocks[3].depthwise.weight[:7] = 0
        hurt.stem[0].weight[3] = 0
    export(hurt, calibration(), tmp_path / "hurt.tflite")
    found = compare(hurt, tmp_path / "hurt.tflite", pictures(100, 2))
    assert max(one.mean / one.std for one in found) < 0.08
