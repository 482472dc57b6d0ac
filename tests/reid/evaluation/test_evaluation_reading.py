"""Crops, their skeletons, and what is wrong with them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from data.errors import UserError
from data.formats.reid_keypoints import CropSkeletons
from reid.embedders.kpr import KprEmbedder
from reid.evaluation.crops import read_crop, read_crops
from reid.evaluation.embedders import EmbedderExtractor
from reid.evaluation.extract import Reading, extract
from reid.evaluation.network import NetworkExtractor
from reid.models.spec import ModelSpec
from reid.samples.camera_tokens import tokens_of_cameras
from reid.samples.sources import ReidData, Sample, SourceConfig, read_source
from reid.weights.checkpoints import load_model
from tests.tiny_crops import SPEC, skeleton, write_network, write_site


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_network(tmp_path_factory.mktemp("net") / "tiny.safetensors")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ReidData:
    return read_source(SourceConfig(root=write_site(tmp_path_factory.mktemp("site"))), "test")


def network(weights: Path, **options) -> NetworkExtractor:
    return NetworkExtractor(load_model(weights)[0], **options)


def with_file(sample: Sample, path: Path, content: object) -> Sample:
    path.write_text(json.dumps(content))
    return replace(sample, keypoints=path)


def test_crops_come_in_order_from_any_number_of_workers(data: ReidData) -> None:
    for workers in (0, 2):
        read = [crop for kept, _ in read_crops(data.gallery, 7, workers) for crop in kept]
        assert [crop.sample.path for crop in read] == [sample.path for sample in data.gallery]
        assert read[0].image.shape == (96, 48, 3)
        assert [crop.others for crop in read[:4]] == [1, 1, 1, 1]
        assert [crop.others for crop in read[4:8]] == [1, 0, 1, 0]


def test_keypoints_outside_are_zeroed_and_counted(data: ReidData, tmp_path: Path) -> None:
    points = skeleton()
    points[0], points[1] = [-1, 5, 1], [20, 96, 0.8]
    other = [[60, 5, 1]] + [[0, 0, 0]] * 16
    people = [{"keypoints": points, "is_target": True}, {"keypoints": other}]
    from_file = with_file(data.query[0], tmp_path / "k.json", people)
    stacked = np.array([points, other], np.float32)
    given = replace(data.query[0], keypoints=CropSkeletons(stacked[0], stacked[1:]))
    for sample in (from_file, given):
        crop = read_crop(sample)
        assert crop.skeletons.outside == 3
        assert not crop.skeletons.target[:2].any()
        assert crop.skeletons.target[2:].any(axis=1).all()
        assert crop.others == 0
        assert crop.hidden == pytest.approx(2 / 17)


def test_prompts_are_taken_away(data: ReidData) -> None:
    crop = read_crop(data.gallery[0])
    assert crop.prompted("all") is crop
    target = crop.prompted("target").skeletons
    assert np.array_equal(target.target, crop.skeletons.target)
    assert len(target.negatives) == 0
    assert not crop.prompted("none").skeletons.target.any()


def test_a_crop_without_a_target_is_counted_and_not_prompted(data: ReidData, weights: Path, tmp_path: Path) -> None:
    sample = with_file(data.query[0], tmp_path / "k.json", [{"keypoints": skeleton(), "is_target": False}])
    found = extract(network(weights), [sample, data.query[1]], "query", Reading())
    assert found.without_skeleton == 1
    assert found.others.tolist() == [1, 1]
    assert np.isnan(found.hidden[0])
    bare = extract(network(weights), [replace(sample, keypoints=None)], "query", Reading())
    alone = extract(network(weights), [sample], "query", Reading(prompts="none"))
    assert torch.allclose(bare.vectors, alone.vectors)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"keypoints": skeleton()[:13]}], r"k\.json: a skeleton has the shape \(13, 3\); expected 17 keypoints"),
        ([{"keypoints": skeleton(), "is_target": True}] * 2, r"k\.json: 2 skeletons are marked is_target; mark one"),
        ({"people": []}, r"k\.json: expected skeleton objects"),
    ],
)
def test_bad_keypoints_end_the_evaluation_or_are_left_out(
    data: ReidData, weights: Path, tmp_path: Path, content: object, message: str
) -> None:
    samples = [with_file(data.gallery[0], tmp_path / "k.json", content), *data.gallery[1:4]]
    for workers in (0, 1):
        with pytest.raises(UserError, match=message) as caught:
            extract(network(weights), samples, "gallery", Reading(workers=workers))
        assert "\n" not in str(caught.value)
    found = extract(network(weights), samples, "gallery", Reading(bad_files="skip"))
    assert [crop.path for crop in found.bad] == [samples[0].path]
    assert found.samples == tuple(samples[1:])
    assert len(found.vectors) == len(found.others) == 3


def test_broken_and_missing_pictures(data: ReidData, weights: Path, tmp_path: Path) -> None:
    broken = replace(data.gallery[0], path=tmp_path / "broken.jpg")
    broken.path.write_bytes(b"\xff\xd8nothing\xff\xd9")
    missing = replace(data.gallery[0], path=tmp_path / "missing.jpg")
    with pytest.raises(UserError, match=r"broken\.jpg is no picture"):
        extract(network(weights), [broken], "gallery", Reading())
    found = extract(network(weights), [missing, data.gallery[0], broken], "gallery", Reading(batch=1, bad_files="skip"))
    assert len(found) == 1
    assert [crop.path.name for crop in found.bad] == ["missing.jpg", "broken.jpg"]
    with pytest.raises(UserError, match=r"no gallery crop can be read, of 2; the first: .*missing\.jpg"):
        extract(network(weights), [missing, broken], "gallery", Reading(bad_files="skip"))


def test_the_network_and_the_pipelines_embedder_agree(data: ReidData, tmp_path: Path) -> None:
    # Of the pictures' own size: OpenCV rounds resized grey levels, the embedder does not.
    spec = SPEC.model_copy(update={"height": 96, "width": 48})
    weights = write_network(tmp_path / "large.safetensors", spec)
    others = CropSkeletons(CropSkeletons.none().target, np.array([skeleton(0.3)], np.float32))
    nobodys = replace(data.gallery[0], keypoints=others)
    for mode in ("binary", "continuous"):
        ours = extract(network(weights, visibility=mode), [*data.gallery, nobodys], "gallery", Reading())
        embedder = EmbedderExtractor(KprEmbedder(weights, "cpu", 8, "fp32"), mode)
        theirs = extract(embedder, [*data.gallery, nobodys], "gallery", Reading())
        assert ours.visibility.dtype == theirs.visibility.dtype
        assert torch.allclose(ours.visibility.float(), theirs.visibility.float(), atol=1e-4)
        shown = ours.visibility > 0
        assert torch.allclose(ours.vectors[shown], theirs.vectors[shown], atol=1e-4)
        masks = embedder.attention([read_crop(data.gallery[0])])
        assert masks is not None
        assert torch.allclose(masks, network(weights).attention([read_crop(data.gallery[0])]), atol=1e-4)


def test_batches_do_not_change_features(data: ReidData, weights: Path) -> None:
    whole = extract(network(weights), data.gallery, "gallery", Reading())
    single = extract(network(weights), data.gallery, "gallery", Reading(batch=1))
    assert torch.allclose(whole.vectors, single.vectors, atol=1e-5)
    assert torch.equal(whole.visibility, single.visibility)


def test_nothing_but_background_is_no_evidence(weights: Path, data: ReidData) -> None:
    model = load_model(weights)[0]
    with torch.no_grad():
        model.pixel_classifier.classifier.bias[0] = 1000.0
    found = extract(NetworkExtractor(model), data.query, "query", Reading())
    assert found.without_parts == len(data.query)
    published = extract(NetworkExtractor(model, foreground="always"), data.query, "query", Reading())
    assert published.visibility[:, 0].all()
    assert not published.visibility[:, 1:].any()
    soft = extract(NetworkExtractor(model, visibility="continuous"), data.query, "query", Reading())
    assert soft.without_parts == len(data.query)


def test_embeddings_are_chosen(weights: Path, data: ReidData) -> None:
    chosen = network(weights, features=("globl", "bn_foreg", "parts"))
    assert chosen.part_names == ("global", "foreground", *SPEC.part_names)
    both = network(weights, features=("bn_parts", "parts", "bn_globl")).part_names
    assert both == (*(f"bn_{name}" for name in SPEC.part_names), *SPEC.part_names, "global")
    vectors, visibility = chosen.describe([read_crop(sample) for sample in data.query[:3]])
    assert vectors.shape == (3, 7, 16)
    assert torch.allclose(vectors.norm(dim=-1)[visibility], torch.ones(1), atol=1e-5)
    plain = network(weights).describe([read_crop(sample) for sample in data.query[:3]])[0]
    assert torch.allclose(vectors[:, 1:], plain)


def test_a_network_without_attention_takes_masks_from_keypoints(tmp_path: Path, data: ReidData) -> None:
    spec = ModelSpec.model_validate(SPEC.model_dump() | {"learnable_attention": False})
    model = load_model(write_network(tmp_path / "fixed.safetensors", spec))[0]
    with pytest.raises(UserError, match="needs parsing labels"):
        NetworkExtractor(model)
    extractor = NetworkExtractor(model, labels="fixed", grouping="five_v")
    empty = replace(data.query[0], keypoints=None)
    found = extract(extractor, [empty, data.query[1]], "query", Reading())
    assert found.without_parts == 1  # an empty mask shows no part
    assert found.visibility[1, :4].all()


def test_a_broken_label_is_a_bad_file(tmp_path: Path, data: ReidData, weights: Path) -> None:
    """Read with its crop, and only for networks that use labels."""
    masked = network(weights, labels="soft", grouping="five_v")
    (tmp_path / "broken.npy").write_bytes(b"no label")
    samples = [replace(data.query[0], labels=tmp_path / "broken.npy"), *data.query[1:3]]
    for workers in (0, 1):
        with pytest.raises(UserError, match=r"broken\.npy is no \.npy file of numbers"):
            extract(masked, samples, "query", Reading(workers=workers))
    found = extract(masked, samples, "query", Reading(bad_files="skip"))
    assert [crop.path for crop in found.bad] == [samples[0].path]
    assert len(found) == 2
    assert len(extract(network(weights), samples, "query", Reading())) == 3
    assert read_crop(samples[0]).fields is None
    assert read_crop(samples[1], labels=True).prompted("none").fields is not None


def test_a_label_file_masks(tmp_path: Path, data: ReidData, weights: Path) -> None:
    masked = network(weights, labels="visibility", grouping="five_v")
    fields = np.zeros((36, 12, 6), np.float32)
    fields[15, 9:, :3] = fields[16, 9:, 3:] = 1
    np.save(tmp_path / "feet.npy", fields)
    found = extract(masked, [replace(data.query[0], labels=tmp_path / "feet.npy")], "query", Reading())
    assert found.visibility.tolist() == [[True, False, False, False, False, True]]


def test_crops_of_known_cameras_get_their_tokens(tmp_path: Path, data: ReidData) -> None:
    spec = SPEC.model_copy(update={"cameras": 2})
    file = write_network(tmp_path / "cameras.safetensors", spec)
    model = load_model(file)[0]
    with torch.no_grad():
        model.backbone_appearance_feature_extractor.sie_embed.normal_()
    camera = np.array([sample.camera for sample in data.query])
    plain = extract(NetworkExtractor(model), data.query, "query", Reading()).vectors
    for cameras, known in (({1: 0, 2: 1}, camera > 0), ({2: 1}, camera == 2), ({7: 0}, camera == 7)):
        given = extract(NetworkExtractor(model, cameras=cameras), data.query, "query", Reading()).vectors
        moved = (given - plain).abs().amax((1, 2)).numpy() > 1e-3
        assert np.array_equal(moved, known)
    embedder = EmbedderExtractor(KprEmbedder(file, "cpu", 8, "fp32"))
    tokenless = extract(network(file), data.query, "query", Reading()).vectors
    theirs = extract(embedder, data.query, "query", Reading())
    shown = theirs.visibility > 0
    # OpenCV rounds resized grey levels, the embedder does not.
    assert torch.allclose(theirs.vectors[shown], tokenless[shown], atol=0.05)


def test_a_camera_that_is_unknown_has_no_token() -> None:
    training = (3, 5, 8, 5)
    assert tokens_of_cameras(training, True) == {3: 0, 8: 2}, "5 is a camera of two training sets"
    assert tokens_of_cameras(training, False) == tokens_of_cameras((), True) == {}
    assert tokens_of_cameras(training, {0: 8, 1: 5, 2: 9}) == {0: 2}


def test_a_networks_training_mode_is_kept(weights: Path, data: ReidData) -> None:
    model = load_model(weights)[0].train()
    NetworkExtractor(model).describe([read_crop(data.query[0])])
    assert model.training
