"""What the data sets' crops become: where their keypoints and labels are, and how much of a person is hidden."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from data.errors import UserError
from reid.ranking.rules import CLOTHES_RULES, RULES
from reid.samples.layouts import LAYOUTS
from reid.samples.sources import SourceConfig, default_rule, join, read_source
from reid.training.config import load_training
from reid.training.engine import Trainer

PIFPAF = "pifpaf_keypoints_pifpaf_maskrcnn_filtering"
TINY = """
model: {architecture: kpr, backbone: swin, embed_dim: 16, depths: [1, 1], heads: [1, 2], height: 64, width: 32,
        prompt_groups: cck6, dim: 16}
pretrained: none
parts: five_v
train: [{root: %(market)s}]
test: {kind: partial_reid, root: %(partial)s}
batch: {people: 2, pictures: 2, workers: 0}
epochs: 1
precision: fp32
select: {best_on: none}
"""


def skeleton(confidence: float = 1.0, visible: int = 17) -> list[list[float]]:
    return [[10 + row, 3 * row, confidence * (row < visible)] for row in range(17)]


def make(root: Path, names: list[str]) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.random.default_rng(len(name)).integers(0, 255, (64, 32, 3), np.uint8))
    return root


def people(path: Path, *others: Any, own: Any = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    told = [{"keypoints": skeleton() if own is None else own, "is_target": True}]
    path.write_text(json.dumps(told + [{"keypoints": other, "is_target": False} for other in others]))


@pytest.fixture
def market(tmp_path: Path) -> Path:
    names = [f"bounding_box_train/{person:04d}_c{camera}.jpg" for person in (1, 2) for camera in (1, 2)]
    return make(tmp_path / "market", [*names, "query/0003_c1.jpg", "bounding_box_test/0003_c2.jpg"])


def test_market_files(market: Path) -> None:
    config = SourceConfig(root=market, keypoints=PIFPAF, labels="pifpaf", label_suffix=".jpg.confidence_fields.npy")
    first = read_source(config).train[0]
    assert first.keypoints == (
        market / "external_annotation" / PIFPAF / "bounding_box_train" / "0001_c1.jpg_keypoints.json"
    )
    assert first.labels == market / "masks" / "pifpaf" / "bounding_box_train" / "0001_c1.jpg.confidence_fields.npy"
    bare = read_source(SourceConfig(root=market)).train[0]
    assert (bare.keypoints, bare.labels, bare.occlusion) == (None, None, None)


def test_occluded_reid_files(tmp_path: Path) -> None:
    root = make(tmp_path / "Occluded_REID", [f"{kind}_body_images/004/004_01.tif" for kind in ("occluded", "whole")])
    config = SourceConfig(kind="occluded_reid", root=tmp_path, keypoints=PIFPAF, labels="pifpaf_maskrcnn_filtering")
    data = read_source(config)
    assert data.train == ()
    query = data.query[0]
    assert (query.identity, query.camera) == (4, 0)
    folder = root / "external_annotation" / PIFPAF / "occluded_body_images"
    assert query.keypoints == folder / "004_01.tif_keypoints.json"
    assert query.labels == root / "masks" / "pifpaf_maskrcnn_filtering" / "occluded_body_images" / "004_01.npy"


def test_p_duke_files(tmp_path: Path) -> None:
    folders = [f"{half}/{kind}_body_images" for half in ("train", "test") for kind in ("occluded", "whole")]
    make(tmp_path, [f"{folder}/0005/0005_c2_f1.jpg" for folder in folders])
    data = read_source(SourceConfig(kind="p_dukemtmc", root=tmp_path, labels="pifpaf_maskrcnn_filtering"))
    assert data.train[1].labels == (
        tmp_path / "masks" / "pifpaf_maskrcnn_filtering" / "train" / "whole_body_images" / "0005_c2_f1.npy"
    )
    assert join([data.train])[1:] == (1, (0, 1))


def test_partial_reid_files(tmp_path: Path) -> None:
    make(tmp_path, ["occluded_body_images/001_01.jpg", "whole_body_images/001_01.jpg"])
    config = SourceConfig(kind="partial_reid", root=tmp_path, labels="pifpaf")
    with pytest.raises(UserError, match=r"001_01\.jpg has no parsing label; with labels=null"):
        read_source(config)
    for folder in ("occluded_body_images", "whole_body_images"):
        (tmp_path / folder / "001_01.jpg.confidence_fields.npy").write_bytes(b"")
        flat = [value for point in skeleton() for value in point]
        (tmp_path / folder / "001_01.jpg.predictions.json").write_text(json.dumps([{"keypoints": flat, "score": 0.9}]))
    data = read_source(config, "test")
    assert data.query[0].labels == tmp_path / "occluded_body_images" / "001_01.jpg.confidence_fields.npy"
    assert data.query[0].skeletons((100, 100)).target[16].tolist() == [26, 48, 1]
    assert data.query[0].occlusion == 0.0


def test_occlusion_counts_keypoints_of_others(market: Path) -> None:
    folder = market / "external_annotation" / PIFPAF
    config = SourceConfig(root=market, keypoints=PIFPAF)
    assert read_source(config).query[0].occlusion is None, "the file is missing: whoever reads the crop says so"
    people(folder / "query" / "0003_c1.jpg_keypoints.json", skeleton(0.5), skeleton(visible=4))
    people(folder / "bounding_box_test" / "0003_c2.jpg_keypoints.json")
    data = read_source(config)
    assert data.query[0].occlusion == pytest.approx((17 * 0.5 + 4) / 17)
    assert data.gallery[0].occlusion is None
    people(folder / "query" / "0003_c1.jpg_keypoints.json", skeleton(visible=4), own=skeleton(0))
    assert read_source(config).query[0].occlusion == 8.0


def test_occlusion_of_a_synthetic_site(market: Path) -> None:
    told = {"positive": skeleton(2), "negatives": [skeleton(2, visible=9)]}
    (market / "crops_a.json").write_text(json.dumps({"bounding_box_test/0003_c2.jpg": told}))
    assert read_source(SourceConfig(root=market)).gallery[0].occlusion == pytest.approx(9 / 17)


def test_people_without_a_keypoint_may_be_left_out(market: Path) -> None:
    folder = market / "external_annotation" / PIFPAF / "bounding_box_train"
    for name in ("0001_c1", "0001_c2", "0002_c1"):
        people(folder / f"{name}.jpg_keypoints.json")
    people(folder / "0002_c2.jpg_keypoints.json", skeleton(), own=skeleton(0))
    assert len(read_source(SourceConfig(root=market, keypoints=PIFPAF)).train) == 4
    kept = read_source(SourceConfig(root=market, keypoints=PIFPAF, need_skeleton=True)).train
    assert [sample.path.name for sample in kept] == ["0001_c1.jpg", "0001_c2.jpg", "0002_c1.jpg"]


def test_a_broken_keypoint_file_fails_or_its_crop_is_left_out(market: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = market / "external_annotation" / PIFPAF / "bounding_box_train"
    for name in ("0001_c1", "0001_c2", "0002_c1"):
        people(folder / f"{name}.jpg_keypoints.json")
    (folder / "0002_c2.jpg_keypoints.json").write_text("{")
    config = SourceConfig(root=market, keypoints=PIFPAF, need_skeleton=True)
    with pytest.raises(UserError, match=r"0002_c2\.jpg_keypoints\.json is not valid JSON"):
        read_source(config)
    assert len(read_source(config, "train", "replace").train) == 3
    assert "0002_c2.jpg is left out" in caplog.text


def test_cameras_give_tokens_where_the_test_set_is_the_training_set(market: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(TINY.replace("kind: partial_reid, ", "") % {"market": market, "partial": market})
    for changes, use in (
        ([], False),
        (["camera_tokens=true"], True),
        (["camera_tokens=true", "test_cameras=false"], False),
        (["camera_tokens=true", "test_cameras={3: 1}"], {3: 1}),
        (["camera_tokens=true", f"test.root={tmp_path}"], False),
        (["camera_tokens=true", "test.kind=p_dukemtmc"], False),
        (["camera_tokens=true", f"train=[{{root: {market}}}, {{root: {tmp_path}}}]"], False),
        (["camera_tokens=true", f"test.root={tmp_path}", "test_cameras=true"], True),
    ):
        config = load_training(path, changes)
        assert config.test is not None
        assert config.cameras_in(config.test) == use
    with pytest.raises(UserError, match="no tokens without camera_tokens"):
        load_training(path, ["test_cameras=true"])


def test_every_kind_has_a_rule() -> None:
    kinds = list(LAYOUTS)
    rules = {kind: default_rule(kind) for kind in kinds}
    assert set(rules.values()) <= {*RULES, *CLOTHES_RULES}
    assert rules["ltcc"] == "changed_clothes"
    assert rules["occluded_posetrack"] == "all"
    assert rules["market"] == rules["partial_reid"] == "market"


def test_distractors_are_market1501s(market: Path) -> None:
    make(market, ["images/0000_c1.jpg"])
    assert [sample.identity for sample in read_source(SourceConfig(root=market, distractors=True)).gallery] == [3, 0]
    with pytest.raises(ValidationError, match="only data sets of kind market"):
        SourceConfig(root=market, kind="p_dukemtmc", distractors=True)


def test_a_set_for_testing_scores_a_training(market: Path, tmp_path: Path) -> None:
    names = [f"{kind}_body_images/00{person}_01.jpg" for person in (1, 2) for kind in ("occluded", "whole")]
    partial = make(tmp_path / "partial", names)
    path = tmp_path / "a.yaml"
    path.write_text(TINY % {"market": market, "partial": partial})
    assert 0 < Trainer(load_training(path), tmp_path / "run", "cpu").run()["mAP"] <= 1
    with pytest.raises(UserError, match="Partial-ReID has no training pictures"):
        Trainer(load_training(path, [f"train=[{{kind: partial_reid, root: {partial}}}]"]), tmp_path / "other", "cpu")


def test_the_rule_is_the_data_sets_unless_told(market: Path, tmp_path: Path) -> None:
    """Query and gallery of person 3 are in one camera: by Market's rule nothing is left to find."""
    (market / "bounding_box_test" / "0003_c2.jpg").rename(market / "bounding_box_test" / "0003_c1.jpg")
    path = tmp_path / "a.yaml"
    path.write_text(TINY.replace("kind: partial_reid, ", "") % {"market": market, "partial": market})
    with pytest.raises(UserError, match="none of the 1 queries has a right answer"):
        Trainer(load_training(path), tmp_path / "market", "cpu")
    told = load_training(path, ["test_rule=all"])
    assert Trainer(told, tmp_path / "all", "cpu").run()["mAP"] == 1.0


def test_all_recipes_load(repository: Path) -> None:
    recipes = {path.stem: load_training(path) for path in sorted((repository / "configs" / "reid").glob("*.yaml"))}
    kpr = {
        f"kpr_{data}_{backbone}"
        for data in ("market1501", "occluded_duke", "occluded_posetrack", "occluded_reid", "partial_reid")
        for backbone in ("imagenet", "solider")
    }
    sets = ("market1501", "dukemtmc_reid", "occluded_duke", "occluded_reid", "p_dukemtmc")
    assert kpr | {f"bpbreid_{data}" for data in sets} <= set(recipes)
    for name in sorted(kpr):
        recipe = recipes[name]
        assert recipe.test is not None
        solider = name.endswith("solider")
        assert recipe.optimiser.rate == (0.0002 if solider else 0.008)
        assert (recipe.model.mean[0] == 0.5) == solider
        assert recipe.model.height == (384 if solider or "market1501" in name else 256)
        assert recipe.freeze_prompts == (0 if not solider else 10 if "occluded_duke" in name else 20)
        hard = "occluded_duke" in name or "posetrack" in name
        assert (recipe.parts, recipe.model.prompt_groups) == (("eight", "cck8") if hard else ("five_v", "cck6"))
        assert recipe.camera_tokens == ("posetrack" not in name)
        use = recipe.cameras_in(recipe.test)
        if recipe.test.kind in ("occluded_reid", "partial_reid") and not solider:
            assert use == {0: 1, 1: 2}
        else:
            assert use is (
                name in ("kpr_market1501_imagenet", "kpr_occluded_duke_imagenet", "kpr_occluded_duke_solider")
            )
        assert recipe.train[0].need_skeleton == ("occluded_duke" in name)
        assert recipe.augment.occlude == (0.2 if solider or hard else 0.05)
        if recipe.test.kind in ("occluded_reid", "partial_reid"):
            assert recipe.train[0].root.name.startswith("Market")
    occluded = recipes["bpbreid_occluded_reid"]
    assert (occluded.parts, occluded.loss.attention, occluded.augment.flip) == ("eight", 0.7, 0.5)
    joint = recipes["kpr_market1501+occluded_duke_solider"]
    assert len(joint.train) == 2
    assert joint.test is not None
    assert joint.camera_tokens
    assert not joint.cameras_in(joint.test)


def test_a_change_of_the_test_set_leaves_the_training_set(repository: Path) -> None:
    """Both are one YAML object there."""
    path = repository / "configs" / "reid" / "kpr_occluded_duke_solider.yaml"
    config = load_training(path, ["test.root=elsewhere"])
    assert config.test is not None
    assert (config.test.root, config.train[0].root) == (Path("elsewhere"), Path("Occluded_Duke"))
