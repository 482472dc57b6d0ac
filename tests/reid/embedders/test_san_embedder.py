"""SAN as an appearance model of the pipeline."""

from pathlib import Path

import numpy as np
import pytest
import torch

from data.errors import UserError
from data.formats.reid_keypoints import CropSkeletons
from data.records import EmbedRequest
from pipeline.backends.registry import build_embedder
from pipeline.weights.store import WeightStore
from reid.config import ReidConfig
from reid.embedders.san import SanEmbedder
from reid.evaluation.crops import LabelledCrop
from reid.evaluation.embedders import EmbedderExtractor, SanExtractor
from reid.models.san import SAN
from reid.models.san_spec import SanSpec
from reid.samples.sources import Sample
from reid.weights.san import load_san, save_san

SPEC = SanSpec(height=64, width=32, blocks=(1, 1, 1, 1), channels=8, dim=16, identities=3)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("san") / "san.safetensors"
    torch.manual_seed(3)
    save_san(path, SAN(SPEC), {"people": "synthetic"})
    return path


def frame(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (120, 160, 3)).astype(np.uint8)


def test_people_of_several_frames_are_described_at_once(weights: Path) -> None:
    embedder = SanEmbedder(ReidConfig(batch=2, precision="fp32"), weights, "cpu")
    boxes = np.array([[10, 10, 50, 110], [np.nan, 0, 1, 1], [60, 5, 100, 100]], np.float32)
    nobody = np.zeros((0, 17, 3), np.float32)
    requests = [EmbedRequest(frame(0), boxes, None, nobody), EmbedRequest(frame(1), boxes[:1], None, nobody)]
    first, second = embedder(requests)
    assert (first.vectors.shape, second.vectors.shape) == ((3, 1, 16), (1, 1, 16))
    assert first.visibility[:, 0].tolist() == [1, 0, 1]
    assert np.allclose(np.linalg.norm(first.vectors[[0, 2], 0], axis=1), 1, atol=1e-5)
    alone = embedder([EmbedRequest(frame(0), boxes[2:], None, nobody)])[0]
    assert np.allclose(alone.vectors[0], first.vectors[2], atol=1e-5)
    assert embedder.model_id == first.model_id
    assert first.model_id.startswith("san:san@")


def test_named_weights_find_their_back_end(weights: Path) -> None:
    embedder = build_embedder(ReidConfig(weights=str(weights)), "cpu", WeightStore(offline=True), has_poses=True)
    assert isinstance(embedder, SanEmbedder)
    store = WeightStore(offline=True)
    build_embedder(ReidConfig(name="san", weights=str(weights)), "cpu", store, has_poses=False)
    assert "trained on synthetic people" in store.warnings[0]
    with pytest.raises(UserError, match="san has no weights of its own"):
        build_embedder(ReidConfig(name="san"), "cpu", WeightStore(offline=True), has_poses=False)


def test_training_scores_what_the_pipeline_runs(weights: Path) -> None:
    sample = Sample(Path("x.jpg"), 1, 1, None, None)
    crops = [LabelledCrop(sample, frame(seed), CropSkeletons.none()) for seed in range(3)]
    run, _ = EmbedderExtractor(SanEmbedder(ReidConfig(precision="fp32"), weights, "cpu")).describe(crops)
    model, info = load_san(weights)
    assert model.decoder is None
    assert info.spec.decoder
    trained, seen = SanExtractor(model.train(), "san").describe(crops)
    assert model.training
    assert torch.allclose(run, trained, atol=1e-5)
    assert seen.all()
