"""OpenPifPaf: its own decoder on its own encoder's fields, checkpoints read without running them."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import UserError
from data.weight_records import ResolvedWeights
from pipeline.backends.config import PoseConfig
from pipeline.backends.openpifpaf_net import (
    OpenPifPafNetwork,
    import_openpifpaf,
    load_checkpoint,
    read_annotations,
    spread_fields,
)
from reid.samples.part_labels import LIMBS


@pytest.fixture(scope="module")
def package() -> Any:
    try:
        return import_openpifpaf()
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def checkpoint(package: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with random weights, saved as the package saves its own."""
    import torch
    from openpifpaf.plugins.coco import CocoKp

    factory = package.network.Factory
    factory.base_name, factory.checkpoint = "shufflenetv2k16", None
    network, _ = factory().factory(head_metas=CocoKp().head_metas)
    factory.base_name = None
    path = tmp_path_factory.mktemp("pifpaf") / "net.pt"
    torch.save({"model": network, "epoch": 0}, path)
    return path


def _weights(path: Path) -> ResolvedWeights:
    return ResolvedWeights(path, "0" * 64, path.stem, None)


def test_without_the_package_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpifpaf", None)
    with pytest.raises(UserError, match="run `make pifpaf`"):
        import_openpifpaf()


def test_decoded_fields_are_the_people_that_were_encoded(
    package: Any, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    network = OpenPifPafNetwork(PoseConfig(), _weights(checkpoint), "cpu")
    metas = network._model.head_metas
    people = [_person(metas[0], x, y) for x, y in ((100, 120), (220, 150), (330, 100))]
    # 385 x 257 is already 16 n + 1 in both directions, so nothing is padded.
    encoders = [package.encoder.Cif(metas[0]), package.encoder.Caf(metas[1])]
    annotations = [{"keypoints": person, "bbox": _bounds(person), "iscrowd": False} for person in people]
    picture = torch.zeros(3, 257, 385)
    fields = []
    for encoder in encoders:
        target = encoder(picture, annotations, {})
        fields.append(_as_prediction(target, encoder.meta))
    monkeypatch.setattr(network._decoder, "fields_batch", lambda *arguments, **options: [fields], raising=False)
    detections, poses = network.perceive([np.zeros((257, 385, 3), np.uint8)])[0]
    assert len(detections) == 3
    for person in people:
        distance = np.abs(poses.keypoints[..., :2] - person[None, :, :2]).max(axis=(1, 2))
        assert distance.min() < 2.0
        row = int(distance.argmin())
        assert detections.boxes[row, 1] < person[0, 1] < person[15, 1] < detections.boxes[row, 3]


def test_a_saved_network_is_read_and_run(checkpoint: Path) -> None:
    network = OpenPifPafNetwork(PoseConfig(input_size=(96, 128)), _weights(checkpoint), "cpu")
    found = network.perceive([np.zeros((40, 60, 3), np.uint8), np.zeros((0, 5, 3), np.uint8)])
    assert [len(detections) == len(poses) for detections, poses in found] == [True, True]


def test_a_checkpoint_that_brings_code_is_refused(package: Any, tmp_path: Path) -> None:
    import torch

    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return eval, ("1/0",)

    torch.save({"model": Attack(), "epoch": 0}, tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"holds .*eval, which no OpenPifPaf checkpoint needs"):
        load_checkpoint(tmp_path / "a.pt")
    torch.save({"epoch": 0}, tmp_path / "a.pt")
    with pytest.raises(UserError, match="holds no model"):
        load_checkpoint(tmp_path / "a.pt")
    (tmp_path / "a.pt").write_bytes(b"nothing")
    with pytest.raises(UserError, match="not a readable checkpoint"):
        load_checkpoint(tmp_path / "a.pt")


def test_annotations_come_back_in_frame_pixels_best_first() -> None:
    class Annotation:
        def __init__(self, x: float, score: float) -> None:
            self.data = np.full((17, 3), x, np.float32)
            self.data[0] = [np.nan, 1, 1]
            self.data[1, 2] = 0
            self.score = score

    skeletons, scores = read_annotations([Annotation(10, 0.2), Annotation(30, 0.7)], 0.5, 2, 4)
    np.testing.assert_allclose(scores, [0.7, 0.2])
    np.testing.assert_allclose(skeletons[0, 5], [56, 52, 30])
    np.testing.assert_array_equal(skeletons[:, :2], 0)
    assert read_annotations([], 1.0, 0, 0)[0].shape == (0, 17, 3)


def test_fields_lie_over_the_picture() -> None:
    # A picture of 40 x 24 px, twice as large in an input of 97 x 65 px, 8 px from its left and upper edge.
    rows, columns = np.mgrid[:13, :9].astype(np.float32)
    across = spread_fields(columns[None] * 8 / 100, (97, 65), 2.0, (8, 8), (40, 24), (40, 24))[0]
    down = spread_fields(rows[None] * 8 / 100, (97, 65), 2.0, (8, 8), (40, 24), (40, 24))[0]
    np.testing.assert_allclose(across * 100, np.tile(8.5 + 2 * np.arange(24), (40, 1)), atol=0.2)
    np.testing.assert_allclose(down * 100, np.tile(8.5 + 2 * np.arange(40)[:, None], (1, 24)), atol=0.2)
    coarse = spread_fields(columns[None] * 8 / 100, (97, 65), 2.0, (8, 8), (40, 24), (5, 3))
    np.testing.assert_allclose(coarse[0, 0] * 100, [15.5, 31.5, 47.5], atol=0.2)
    assert not spread_fields(np.full((1, 3, 3), np.nan), (33, 33), 1.0, (0, 0), (33, 33), (2, 2)).any()


def test_confidence_fields_light_up_where_people_are(
    package: Any, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    network = OpenPifPafNetwork(PoseConfig(), _weights(checkpoint), "cpu")
    metas = network._model.head_metas
    person = _person(metas[0], 200, 120)
    annotations = [{"keypoints": person, "bbox": _bounds(person), "iscrowd": False}]
    encoders = [package.encoder.Cif(metas[0]), package.encoder.Caf(metas[1])]
    fields = [_as_prediction(encoder(torch.zeros(3, 257, 385), annotations, {}), encoder.meta) for encoder in encoders]
    monkeypatch.setattr(network._decoder, "fields_batch", lambda *arguments, **options: [fields], raising=False)
    found = network.confidence_fields(np.zeros((257, 385, 3), np.uint8), (257, 385))
    assert found.shape == (36, 257, 385)
    for keypoint, (x, y) in enumerate(person[:, :2]):
        # The encoder marks a block of cells, 16 px each, round a keypoint.
        rows, columns = np.nonzero(found[keypoint] > 0.5)
        assert np.hypot(columns.mean() - x, rows.mean() - y) < 12
    for limb, (start, end) in enumerate(LIMBS):
        middle = np.rint(person[[start, end], :2].mean(axis=0)).astype(int)
        assert found[17 + limb, middle[1], middle[0]] > 0.3


def _person(meta: Any, x: float, y: float) -> np.ndarray:
    pose = np.asarray(meta.pose, np.float32).copy()
    pose[:, 0] = x + pose[:, 0] * 8
    pose[:, 1] = y - (pose[:, 1] - pose[:, 1].mean()) * 8
    pose[:, 2] = 2
    return pose


def _bounds(person: np.ndarray) -> np.ndarray:
    low, high = person[:, :2].min(axis=0), person[:, :2].max(axis=0)
    return np.concatenate([low, high - low])


def _as_prediction(target: Any, meta: Any) -> Any:
    """An encoder's training target in the layout of a network's output.

    Target: confidence, per vector its offset from the cell, per vector its smallest width, per scale the scale. Output:
    width, confidence, per vector its place, scales. A confidence is NaN where training ignores the cell.
    """
    import torch

    fields = torch.nan_to_num(target.float(), nan=0.0)
    vectors = meta.n_vectors
    rows, columns = torch.meshgrid(*(torch.arange(size).float() for size in fields.shape[2:]), indexing="ij")
    places = fields[:, 1 : 1 + 2 * vectors] + torch.stack([columns, rows] * vectors)
    widths, scales = fields[:, 1 + 2 * vectors : 1 + 3 * vectors], fields[:, 1 + 3 * vectors :]
    return torch.cat([widths[:, :1], fields[:, :1], places, scales], dim=1)
