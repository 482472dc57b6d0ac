"""Pictures to train on: the same recipe gives the same truth, and the project's own readers take it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from data.errors import UserError
from data.formats.coco import CocoImage, read_coco
from data.synthetic import training_set as module
from data.synthetic.scenario import frozen_hashes
from data.synthetic.texture import paint
from data.synthetic.training_set import TrainingSet, make_training_set
from data.synthetic.world import World
from reid.samples.sources import SourceConfig, read_source
from reid.samples.textures import TextureFolder, read_texture

RECIPE = TrainingSet(sites=1, frames=2, duration_s=3, size=(320, 180), people=2, test_people=1, crops=2, textures=True)
CAMERAS = 2


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("training") / "set"
    count = make_training_set(RECIPE, out, workers=2)
    assert count == sum(len(image.detections) for image in read_coco(out / "frames.json")) > 0
    return out


@pytest.fixture(scope="module")
def images(made: Path) -> list[CocoImage]:
    return read_coco(made / "frames.json")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_same_recipe_same_bytes_whatever_the_workers(made: Path, tmp_path: Path) -> None:
    make_training_set(RECIPE, tmp_path / "again", workers=1)
    here, there = files(made), files(tmp_path / "again")
    assert sum(name.endswith(".json") for name in here) == 1 + CAMERAS
    assert here == there
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_frames_are_told_as_they_are(made: Path, images: list[CocoImage]) -> None:
    import cv2

    assert len(images) == RECIPE.frames * CAMERAS
    assert [image.image_id for image in images] == list(range(len(images)))
    assert sorted(image.file_name for image in images) == sorted(
        str(path.relative_to(made)) for path in (made / "frames").iterdir()
    )
    for image in images:
        picture = cv2.imread(str(made / image.file_name))
        assert picture.shape == (180, 320, 3)
        assert image.size == RECIPE.size


def test_truth_is_that_of_the_world(images: list[CocoImage]) -> None:
    world = World(RECIPE.preset(0), RECIPE.seed)
    times = world.frame_times(0)
    chosen = [0, len(times) - 1]
    joints, present = world.joints(times[chosen])
    renderer = world.renderer(0)
    for row, frame in enumerate(chosen):
        there = np.flatnonzero(present[row])
        people = [world.people[person] for person in there]
        truth = renderer.render(people, joints[row][there].astype(np.float32), frame).truth
        image = images[row]
        assert image.file_name == f"frames/{world.preset.name}_{world.preset.cameras[0].name}_{frame:06d}.jpg"
        assert image.track_ids.tolist() == truth.ids.tolist()
        assert image.detections.scores == pytest.approx(truth.visibility, abs=1e-6)
        assert np.allclose(image.detections.boxes, truth.boxes, atol=2e-3)
        assert image.poses is not None
        assert np.allclose(image.poses.keypoints, truth.keypoints, atol=1e-3)


def test_the_score_is_the_visible_share(images: list[CocoImage]) -> None:
    scores = np.concatenate([image.detections.scores for image in images])
    assert ((scores > 0) & (scores <= 1)).all()
    assert (scores < 1).any()


def test_crops_are_read_for_training(made: Path) -> None:
    root = made / "reid" / "training1000" / "reid"
    data = read_source(SourceConfig(root=root))
    told: dict[str, object] = {}
    for path in sorted(root.glob("crops_*.json")):
        told |= json.loads(path.read_text())
    assert len(told) == len(data.train) + len(data.query) + len(data.gallery)
    assert {sample.identity for sample in data.train} == {1, 2}
    assert {sample.identity for sample in (*data.query, *data.gallery)} == {3}
    assert {sample.camera for sample in data.train} == {1, 2}
    for sample in (*data.train, *data.query, *data.gallery):
        assert len(sample.skeletons((64, 128)).target) == 17


def test_every_crop_has_the_texture_of_its_person(made: Path, tmp_path: Path) -> None:
    root = made / "reid" / "training1000" / "reid"
    people = {person.person_id: person for person in World(RECIPE.preset(0), RECIPE.seed).crop_people}
    samples = read_source(SourceConfig(root=root)).train
    textures = TextureFolder(root / "textures").find([sample.path for sample in samples])
    for sample, texture in zip(samples, textures, strict=True):
        assert np.array_equal(read_texture(texture), paint(people[sample.identity])[0])
    assert len(list((root / "textures").iterdir())) == 3
    make_training_set(replace(RECIPE, textures=False, frames=0), tmp_path / "bare", workers=1)
    assert not (tmp_path / "bare" / "reid" / "training1000" / "reid" / "textures").exists()


def test_the_recipe_is_kept(made: Path) -> None:
    told = yaml.safe_load((made / "recipe.yaml").read_text())
    assert TrainingSet(**{**told, "size": tuple(told["size"])}) == RECIPE


def test_another_seed_is_another_site() -> None:
    assert RECIPE.preset(0) == RECIPE.preset(0)
    assert replace(RECIPE, seed=1001).preset(0).blocks != RECIPE.preset(0).blocks
    assert replace(RECIPE, seed=1001).preset(0).name == "training1001"
    assert RECIPE.preset(3).confusable
    assert len(RECIPE.preset(3).cameras) == 3


@pytest.mark.parametrize("seed", [seed - 2 for seed, _ in frozen_hashes().values() if seed > 2])
def test_seeds_of_frozen_sites_are_refused(tmp_path: Path, seed: int) -> None:
    with pytest.raises(UserError, match=rf"the seeds \[.*{seed + 2}.*\] belong to frozen sites"):
        make_training_set(replace(RECIPE, seed=seed, sites=3), tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_existing_folders_are_kept(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match="exists; choose another --out"):
        make_training_set(RECIPE, tmp_path / "set")
    assert files(tmp_path) == {"set/thesis.tex": b"x"}


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        make_training_set(RECIPE, tmp_path / "file" / "set")


@pytest.mark.parametrize("changes", [{"people": 5001}, {"crops": 101}, {"size": (321, 180)}, {"duration_s": 0.0}])
def test_impossible_recipes(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(UserError, match=next(iter(changes)).removesuffix("_s")) as caught:
        make_training_set(replace(RECIPE, **changes), tmp_path / "set")  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, images: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_coco", full)
    with pytest.raises(UserError, match="No space left"):
        make_training_set(replace(RECIPE, frames=1, people=0, test_people=0), tmp_path / "set", workers=1)
    assert list(tmp_path.iterdir()) == []
