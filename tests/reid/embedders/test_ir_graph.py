"""OpenVINO IR networks are taken apart where their last map becomes a vector, and give what the whole gives."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import UserError
from data.records import EmbedRequest
from data.runtime.choice import Runtimes
from data.runtime.cores import Share
from data.runtime.openvino import OpenVinoNetwork
from data.weight_records import ResolvedWeights
from reid.config import ReidConfig
from reid.embedders.graph import WEIGHED_MAP, split_at_pooling
from reid.embedders.onnx import OnnxEmbedder
from reid.embedders.pooled import PooledPartsEmbedder
from tests.reid.prompts.test_prompts import standing
from tests.tiny_models import colour_network

CONFIG = ReidConfig(colour="rgb", normalisation="0-1", batch=4)
NOBODY = np.zeros((0, 17, 3), np.float32)
PICTURES = np.random.default_rng(1).random((3, 3, 32, 16)).astype(np.float32)


def _weighing_network(path: Path, covers: bool = True) -> Path:
    """4x4 mean pooling, 5 channels, a depthwise convolution as large as the map, a head; one picture at once."""
    import openvino
    from openvino import opset8 as ov

    rng = np.random.default_rng(0)
    kernel = [8, 4] if covers else [8, 3]

    def numbers(*shape: int) -> Any:
        return ov.constant(rng.normal(size=shape).astype(np.float16).astype(np.float32))

    pictures = ov.parameter([1, 3, 32, 16], np.float32, name="pictures")
    small = ov.avg_pool(pictures, [4, 4], [0, 0], [0, 0], [4, 4], exclude_pad=True, rounding_type="floor")
    plain = ov.relu(ov.convolution(small, numbers(5, 3, 1, 1), [1, 1], [0, 0], [0, 0], [1, 1]))
    weighed = ov.group_convolution(plain, numbers(5, 1, 1, *kernel), [1, 1], [0, 0], [0, 0], [1, 1])
    pooled = ov.add(weighed, numbers(1, 5, 1, 1))
    flat = ov.reshape(pooled, ov.constant(np.array([-1, 5 if covers else 10])), special_zero=False)
    vector = ov.matmul(flat, numbers(5 if covers else 10, 6), False, False)
    vector.output(0).get_tensor().set_names({"vector"})
    openvino.save_model(openvino.Model([vector], [pictures]), path)
    return path


def _averaging_network(path: Path) -> Path:
    import openvino

    openvino.save_model(openvino.Core().read_model(str(colour_network(path.with_suffix(".onnx")))), path)
    return path


@pytest.fixture(params=["weighing", "averaging"])
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return {"weighing": _weighing_network, "averaging": _averaging_network}[request.param](tmp_path / "net.xml")


def test_head_of_the_averages_of_the_trunk_is_the_network(network: Path) -> None:
    halves = split_at_pooling(network)
    trunk, head = OpenVinoNetwork(halves.trunk, Share.of(1), "t"), OpenVinoNetwork(halves.head, Share.of(1), "h")
    features = trunk.run(PICTURES)[0]
    assert features.shape == (3, halves.channels, 8, 4)
    vectors = head.run(features.mean(axis=(2, 3), keepdims=True))[0]
    np.testing.assert_allclose(
        vectors, OpenVinoNetwork(network, Share.of(1), "n").run(PICTURES)[0], rtol=1e-4, atol=1e-5
    )
    assert (trunk.output_names == (WEIGHED_MAP,)) == ("GroupConvolution" in network.read_text())


def test_the_whole_crop_is_described_as_by_the_network_and_parts_otherwise(network: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    boxes = np.array([[10, 10, 50, 110], [60, 20, 90, 100]], np.float32)
    skeletons = np.array([standing(30, 10, 100), standing(75, 20, 80)], np.float32)
    request = EmbedRequest(image, boxes, skeletons, NOBODY)
    weights = ResolvedWeights(network, "0" * 64, network.stem, None)
    (parts,) = PooledPartsEmbedder(CONFIG, weights, "cpu", 1)([request])
    (whole,) = OnnxEmbedder(CONFIG, weights, "cpu", 1)([request])
    np.testing.assert_allclose(parts.vectors[:, 0], whole.vectors[:, 0], atol=1e-4)
    head, legs = (parts.vectors[:, parts.part_names.index(name)] for name in ("head", "lower_legs"))
    assert not np.allclose(head, legs, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(head, axis=-1), 1, atol=1e-5)


def test_half_of_what_lies_outside_a_part_counts_where_places_are_weighed(tmp_path: Path) -> None:
    image = np.zeros((64, 32, 3), np.uint8)
    image[:20] = 255
    changed = image.copy()
    changed[44:] = (250, 20, 90)
    box, skeleton = np.array([[0, 0, 32, 64]], np.float32), np.array([standing(16, 2, 60)], np.float32)

    def shift_of_the_head(path: Path) -> float:
        embedder = PooledPartsEmbedder(CONFIG, ResolvedWeights(path, "0" * 64, path.stem, None), "cpu", 1)
        before, after = embedder([EmbedRequest(one, box, skeleton, NOBODY) for one in (image, changed)])
        row = embedder.part_names.index("head")
        return float(np.abs(before.vectors[0, row] - after.vectors[0, row]).max())

    assert shift_of_the_head(_weighing_network(tmp_path / "w.xml")) > 0.05
    assert shift_of_the_head(_averaging_network(tmp_path / "a.xml")) < 0.01


def test_halves_are_kept_and_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _weighing_network(tmp_path / "net.xml")
    weights = ResolvedWeights(path, "0" * 64, "net", None, runtimes=Runtimes(tmp_path / "cache"))
    PooledPartsEmbedder(CONFIG, weights, "cpu", 1)
    kept = sorted(file.suffix for file in (tmp_path / "cache" / "graphs").iterdir())
    assert [suffix for suffix in kept if suffix != ".crc32"] == [".bin", ".bin", ".xml", ".xml"]
    monkeypatch.setattr("reid.embedders.pooled.split_at_pooling", lambda _: pytest.fail("made again"))
    weights = ResolvedWeights(path, "0" * 64, "net", None, runtimes=Runtimes(tmp_path / "cache"))
    PooledPartsEmbedder(CONFIG, weights, "cpu", 1)
    assert [choice.runtime for choice in weights.runtimes.chosen.values()] == ["openvino", "openvino"]


def test_without_openvino_it_is_named_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = _averaging_network(tmp_path / "net.xml")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UserError, match=r"net\.xml needs OpenVINO, which is not installed; run `pip install openvino`"):
        split_at_pooling(network)


def test_networks_that_end_otherwise_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"does not end in global .*pooling; use it with reid\.name=osnet_onnx"):
        split_at_pooling(_weighing_network(tmp_path / "strip.xml", covers=False))
    (tmp_path / "bad.xml").write_text("<net/>")
    with pytest.raises(UserError, match=r"bad\.bin are not beside it"):
        split_at_pooling(tmp_path / "bad.xml")
    (tmp_path / "bad.bin").write_bytes(b"")
    with pytest.raises(UserError, match="is not readable by OpenVINO"):
        split_at_pooling(tmp_path / "bad.xml")
