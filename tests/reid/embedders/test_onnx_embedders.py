"""Embeddings from ONNX networks: one vector, or the parts of the last feature map."""

from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.kernels.parts import embedding_distance
from data.records import EmbedRequest, PartEmbeddings
from data.weight_records import ResolvedWeights
from pipeline.weights.store import WeightStore
from reid.config import ReidConfig
from reid.embedders.base import AttentiveEmbedder, no_evidence
from reid.embedders.graph import split_at_pooling
from reid.embedders.onnx import OnnxEmbedder
from reid.embedders.pooled import PooledPartsEmbedder
from reid.samples.crops import cut_crops
from tests.reid.prompts.test_prompts import standing
from tests.tiny_models import colour_network, constant_network

CONFIG = ReidConfig(colour="rgb", normalisation="0-1", batch=4)
NOBODY = np.zeros((0, 17, 3), np.float32)


def _weights(path: Path) -> ResolvedWeights:
    return ResolvedWeights(path, "0" * 64, path.stem, None)


def _request(seed: int, boxes: list[list[float]], poses: bool = True) -> EmbedRequest:
    image = np.random.default_rng(seed).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    table = np.array(boxes, np.float32).reshape(-1, 4)
    people = [standing((box[0] + box[2]) / 2, box[1], box[3] - box[1]) for box in table]
    keypoints = np.nan_to_num(np.array(people, np.float32).reshape(-1, 17, 3)) if poses else None
    return EmbedRequest(image, table, keypoints, NOBODY)


REQUESTS = [
    _request(0, [[10, 10, 50, 110], [60, 20, 90, 100]]),
    _request(1, []),
    _request(2, [[-30, 5, 20, 100], [100, 30, 140, 119], [5, 5, 45, 95]]),
]


@pytest.fixture(params=["global", "parts", "fixed batch"])
def embedder(request: pytest.FixtureRequest, tmp_path: Path) -> OnnxEmbedder | PooledPartsEmbedder:
    path = colour_network(tmp_path / "n.onnx", batch=3 if request.param == "fixed batch" else "batch")
    kind = OnnxEmbedder if request.param == "global" else PooledPartsEmbedder
    return kind(CONFIG, _weights(path), "cpu", 1)


def test_vectors_are_unit_where_visible_and_zero_elsewhere(embedder: OnnxEmbedder | PooledPartsEmbedder) -> None:
    for found, request in zip(embedder(REQUESTS), REQUESTS, strict=True):
        shape = (len(request.boxes), len(embedder.part_names), embedder.dim)
        assert found.vectors.shape == shape
        assert found.vectors.dtype == found.visibility.dtype == np.float32
        length = np.linalg.norm(found.vectors, axis=-1)
        np.testing.assert_allclose(length, found.visibility > 0, atol=1e-5)
        assert ((found.visibility >= 0) & (found.visibility <= 1)).all()
        assert found.visibility[:, 0].all()


def test_a_row_does_not_depend_on_the_other_rows(embedder: OnnxEmbedder | PooledPartsEmbedder) -> None:
    together = embedder(REQUESTS)
    for found, request in zip(together, REQUESTS, strict=True):
        alone = embedder([request])[0]
        np.testing.assert_array_equal(found.vectors, alone.vectors)
        np.testing.assert_array_equal(found.visibility, alone.visibility)
        np.testing.assert_array_equal(embedder([request])[0].vectors, alone.vectors)


def test_a_box_that_shows_nothing_is_no_evidence(embedder: OnnxEmbedder | PooledPartsEmbedder) -> None:
    request = _request(0, [[200, 10, 240, 80], [30, 30, 30, 60], [np.nan, 0, 5, 5], [10, 10, 50, 110]])
    found = embedder([request])[0]
    np.testing.assert_array_equal(found.visibility[:3], 0)
    np.testing.assert_array_equal(found.vectors[:3], 0)
    assert found.visibility[3, 0] == 1
    assert embedder([]) == []
    assert no_evidence(embedder, 2).vectors.shape == (2, len(embedder.part_names), embedder.dim)


def test_the_global_part_is_the_networks_own_output(tmp_path: Path) -> None:
    path = colour_network(tmp_path / "n.onnx")
    parts = PooledPartsEmbedder(CONFIG, _weights(path), "cpu", 1)(REQUESTS)
    whole = OnnxEmbedder(CONFIG, _weights(path), "cpu", 1)(REQUESTS)
    for a, b in zip(parts, whole, strict=True):
        np.testing.assert_allclose(a.vectors[:, 0], b.vectors[:, 0], atol=1e-5)
        assert a.model_id != b.model_id


def test_without_keypoints_only_global_is_visible_and_still_compares(tmp_path: Path) -> None:
    embedder = PooledPartsEmbedder(CONFIG, _weights(colour_network(tmp_path / "n.onnx")), "cpu", 1)
    blind = embedder([_request(0, [[10, 10, 50, 110]], poses=False)])[0]
    np.testing.assert_array_equal(blind.visibility[0], [1, 0, 0, 0, 0, 0, 0])
    seeing = embedder([_request(0, [[10, 10, 50, 110]])])[0]
    assert (seeing.visibility > 0).all()
    distance, weight = embedding_distance(blind, seeing)
    assert distance[0, 0] < 1e-5
    assert weight[0, 0] > 0
    assert isinstance(blind, PartEmbeddings)


def test_broken_keypoints_are_unseen(tmp_path: Path) -> None:
    embedder = PooledPartsEmbedder(CONFIG, _weights(colour_network(tmp_path / "n.onnx")), "cpu", 1)
    request = _request(0, [[10, 10, 50, 110]])
    assert request.keypoints is not None
    request.keypoints[0, 13:] = np.nan
    found = embedder([request])[0]
    assert np.isfinite(found.vectors).all()
    assert found.visibility[0, -1] == 0
    assert found.visibility[0, 2] > 0


def test_parts_tell_clothes_apart(tmp_path: Path) -> None:
    image = np.zeros((120, 60, 3), np.uint8)
    image[:60, :, 0] = 220
    image[60:, :, 2] = 220
    swapped = np.ascontiguousarray(image[::-1])
    box = np.array([[10, 5, 50, 115]], np.float32)
    keypoints = standing(30, 5, 110)[None]
    embedder = PooledPartsEmbedder(CONFIG, _weights(colour_network(tmp_path / "n.onnx", size=(64, 32))), "cpu", 1)
    a, b = embedder([EmbedRequest(image, box, keypoints, NOBODY), EmbedRequest(swapped, box, keypoints, NOBODY)])
    names = embedder.part_names
    similarity = (a.vectors[0] * b.vectors[0]).sum(-1)
    assert similarity[0] > 0.99
    assert similarity[names.index("torso")] < 0.9
    assert similarity[names.index("lower_legs")] < 0.9


def test_grey_world_takes_a_colour_cast_away() -> None:
    request = _request(0, [[10, 10, 50, 110]])
    cast = np.clip(request.image * np.array([1.0, 0.8, 0.7]), 0, 255).astype(np.uint8)
    tinted = EmbedRequest(cast, request.boxes, request.keypoints, NOBODY)
    plain, corrected = (
        cut_crops([tinted], (64, 32), adapt).images[0].mean(axis=(0, 1)) for adapt in ("none", "grey_world")
    )
    assert np.ptp(corrected) < 0.3 * np.ptp(plain)
    dark = EmbedRequest(np.zeros((50, 50, 3), np.uint8), request.boxes[:, :4] / 4, None, NOBODY)
    assert cut_crops([dark], (8, 4), "grey_world").images.max() == 0


def test_networks_that_do_not_fit_are_explained(tmp_path: Path) -> None:
    maps = constant_network(tmp_path / "maps.onnx", [1, 3, 32, 16], {"output": np.zeros((1, 5, 4, 4), np.float32)})
    with pytest.raises(UserError, match=r"one vector per crop"):
        OnnxEmbedder(CONFIG, _weights(maps), "cpu", 1)
    with pytest.raises(UserError, match=r"does not end in global average pooling; use it with reid\.name=osnet_onnx"):
        split_at_pooling(maps)
    vector = constant_network(tmp_path / "v.onnx", [1, 4, 32, 16], {"output": np.ones((1, 5), np.float32)})
    with pytest.raises(UserError, match=r"\(batch, 3, H, W\) or \(batch, H, W, 3\)"):
        OnnxEmbedder(CONFIG, _weights(vector), "cpu", 1)
    (tmp_path / "broken.onnx").write_bytes(b"x")
    with pytest.raises(UserError, match="not a readable ONNX model"):
        PooledPartsEmbedder(CONFIG, _weights(tmp_path / "broken.onnx"), "cpu", 1)
    with pytest.raises(UserError, match=r"set reid\.colour"):
        OnnxEmbedder(ReidConfig(), _weights(vector), "cpu", 1)


def test_the_model_id_tells_weights_and_corrections_apart(tmp_path: Path) -> None:
    path = _weights(colour_network(tmp_path / "n.onnx"))
    plain = OnnxEmbedder(CONFIG, path, "cpu", 1)
    adapted = OnnxEmbedder(CONFIG.model_copy(update={"adapt": "grey_world"}), path, "cpu", 1)
    assert plain.model_id != adapted.model_id


@pytest.mark.parametrize(
    ("name", "dim"), [("osnet_x0_25_msmt17_dyn", 512), ("person-reidentification-retail-0287", 256)]
)
def test_real_networks_prefer_the_same_person(testdata: Path, name: str, dim: int) -> None:
    import cv2

    weights = WeightStore().resolve("reid", str(testdata / f"weights/reid/{name}.onnx"), "")
    embedder = OnnxEmbedder(ReidConfig(), weights, "cpu", 1)
    image = np.ascontiguousarray(cv2.imread(str(testdata / "images/bus.jpg"))[..., ::-1])
    boxes = np.array([[49, 398, 245, 903], [669, 392, 810, 877], [222, 405, 345, 860]], np.float32)
    darker = (image[:, ::-1] * 0.8).astype(np.uint8)
    mirrored = np.stack([810 - boxes[:, 2], boxes[:, 1], 810 - boxes[:, 0], boxes[:, 3]], axis=1)
    a, b = embedder([EmbedRequest(image, boxes, None, NOBODY), EmbedRequest(darker, mirrored, None, NOBODY)])
    assert a.vectors.shape == (3, 1, dim)
    distance, _ = embedding_distance(a, b)
    assert (distance.argmin(axis=1) == np.arange(3)).all()


def test_masks_show_where_the_parts_were_pooled(tmp_path: Path) -> None:
    path = _weights(colour_network(tmp_path / "n.onnx"))
    parts = PooledPartsEmbedder(CONFIG, path, "cpu", 1)
    assert isinstance(parts, AttentiveEmbedder)
    assert not isinstance(OnnxEmbedder(CONFIG, path, "cpu", 1), AttentiveEmbedder)
    attentive = parts.with_masks(REQUESTS)
    for plain, (same, masks) in zip(parts(REQUESTS), attentive, strict=True):
        np.testing.assert_array_equal(plain.vectors, same.vectors)
        assert masks.shape == (len(plain), len(parts.part_names), 8, 4)
        assert (masks[:, 0] == 1).all()
    masks = attentive[0][1][0]
    names = list(parts.part_names)
    rows = np.arange(8)
    head, feet = (float((masks[names.index(name)].sum(1) * rows).sum()) for name in ("head", "lower_legs"))
    assert head / masks[names.index("head")].sum() + 2 < feet / masks[names.index("lower_legs")].sum()
    assert parts.with_masks([]) == []
