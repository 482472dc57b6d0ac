"""The training of our own detector: resumption, starts, mistakes, and the choice of the best weights."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from data.errors import UserError
from data.formats.coco import CocoImage, write_coco
from data.records import Detections, Poses
from data.training_folder import BEST, LAST, LOG, STATE
from data.weight_records import ResolvedWeights
from pipeline.backends.config import DetectorConfig
from pipeline.backends.person_pose import PersonPoseNetwork
from pipeline.cli import run
from pipeline.detector_training.config import TrainConfig, load_training
from pipeline.detector_training.data import detector_data
from pipeline.detector_training.training import Trainer, learning_rate
from pipeline.person_pose.assign import iou
from pipeline.person_pose.files import load_network, save_network
from pipeline.person_pose.network import PersonPoseNet
from pipeline.person_pose.pictures import WindowConfig, read_pictures
from tests.pipeline.tiny_detector import TINY, skeleton, small_weights
from tools.train_detector import main


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three pictures with a bright person each, as a COCO file."""
    folder = tmp_path / "set"
    (folder / "frames").mkdir(parents=True)
    images = []
    for number in range(3):
        picture = np.full((96, 128, 3), 40, np.uint8)
        box = (20.0 + 20 * number, 16.0, 52.0 + 20 * number, 80.0)
        cv2.rectangle(picture, (int(box[0]), int(box[1])), (int(box[2]), int(box[3])), (200, 220, 240), -1)
        name = f"frames/{number}.jpg"
        cv2.imwrite(str(folder / name), picture)
        found = Detections(np.array([box], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
        poses = Poses(skeleton(box)[None], Poses.empty().spare_keypoints, "coco17")
        images.append(CocoImage(number, name, (128, 96), found, poses, np.array([number])))
    write_coco(folder / "frames.json", images)
    return folder / "frames.json"


def _config(data: Path, **changes: object) -> TrainConfig:
    fields = {
        "network": TINY, "train": (data,), "steps": 6, "batch": 2, "warmup": 2, "windows": WindowConfig(side=64),
        "rate": 0.005, "workers": 0, **changes,
    }  # fmt: skip
    return TrainConfig.model_validate(fields)


def test_an_interrupted_training_ends_with_the_same_bytes(data: Path, tmp_path: Path) -> None:
    Trainer(_config(data), tmp_path / "a", "cpu").run()
    assert Trainer(_config(data), tmp_path / "b", "cpu").run(stop_after=3) == {}
    assert not (tmp_path / "b" / LAST).exists()
    Trainer(_config(data, save_every=1), tmp_path / "b", "cpu", resume=True).run()
    assert (tmp_path / "a" / LAST).read_bytes() == (tmp_path / "b" / LAST).read_bytes()
    with pytest.raises(UserError, match=r"trained with rate=0\.005, not 0\.1"):
        Trainer(_config(data, rate=0.1), tmp_path / "b", "cpu", resume=True)
    with pytest.raises(UserError, match="holds a training already"):
        Trainer(_config(data), tmp_path / "b", "cpu")


def test_a_training_does_not_go_on_with_other_pictures(data: Path, tmp_path: Path) -> None:
    Trainer(_config(data), tmp_path / "a", "cpu").run(stop_after=3)
    truth = json.loads(data.read_text())
    truth["annotations"][0]["bbox"][0] += 4
    data.write_text(json.dumps(truth))
    with pytest.raises(UserError, match="pictures"):
        Trainer(_config(data), tmp_path / "a", "cpu", resume=True)


def test_a_torn_log_line_and_a_damaged_state_are_borne_or_told(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "a"
    Trainer(_config(data), out, "cpu").run(stop_after=3)
    with (out / LOG).open("a", encoding="utf-8") as log:
        log.write('{"step": 3, "sc')
    Trainer(_config(data), out, "cpu", resume=True).run()
    assert [json.loads(line)["step"] for line in (out / LOG).read_text().splitlines()] == [1, 2, 3, 4, 5, 6]
    (out / STATE).write_bytes((out / STATE).read_bytes()[:500])
    with pytest.raises(UserError, match="damaged, or no state"):
        Trainer(_config(data), out, "cpu", resume=True)
    torch.save({"step": 1}, out / STATE)
    with pytest.raises(UserError, match="damaged, or no state"):
        Trainer(_config(data), out, "cpu", resume=True)
    with pytest.raises(UserError, match="choose another folder"):
        Trainer(_config(data), data / "inside_a_file", "cpu").run()


def test_training_starts_from_weights_of_the_same_make_up(data: Path, tmp_path: Path) -> None:
    weights = small_weights(tmp_path)
    wider = TINY.model_copy(update={"width": 128})
    trainer = Trainer(_config(data, network=wider, pretrained=weights), tmp_path / "a", "cpu")
    expected, _ = load_network(weights)
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(value, expected.state_dict()[name]), name
    with pytest.raises(UserError, match="another make-up"):
        Trainer(_config(data, network=TINY.model_copy(update={"stem": 8}), pretrained=weights), tmp_path / "b", "cpu")


def test_training_learns_where_the_person_is(data: Path, tmp_path: Path) -> None:
    windows = WindowConfig(side=96, scale=(0.9, 1.0), gain=0, light=0, blur=0)
    wider = TINY.model_copy(update={"stem": 8, "widths": (16, 16, 16, 16), "height": 96, "width": 128})
    trainer = Trainer(
        _config(data, network=wider, steps=120, batch=4, warmup=10, rate=0.01, windows=windows, seed=3),
        tmp_path / "a",
        "cpu",
    )
    trainer.run()
    path = tmp_path / "a" / LAST
    network = PersonPoseNetwork(
        DetectorConfig(score_min=0.3), ResolvedWeights(path, "0" * 64, "x", None), "cpu", threads=1
    )
    for picture in read_pictures(data):
        image = cv2.imread(str(picture.path))[..., ::-1]
        ((found, poses),) = network.perceive([np.ascontiguousarray(image)])
        assert len(found)
        best = torch.from_numpy(found.boxes[:1]), torch.from_numpy(picture.boxes)
        assert float(iou(*best)) > 0.5
        assert poses.keypoints.shape == (len(found), 17, 3)
    log = [json.loads(line) for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["loss"] < log[0]["loss"]


def test_the_rate_rises_and_falls() -> None:
    config = TrainConfig(steps=100, warmup=10, rate=1.0)
    rates = [learning_rate(config, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] < 0.02


def test_training_mistakes_are_one_line(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"train: [{data}]\nsteps: 1\nnetwork: {{wdiths: 1}}\n")
    assert run(main, ["--config", str(config), "--out", str(tmp_path / "o")]) == 2
    assert "did you mean 'widths'" in capsys.readouterr().err
    (data.parent / "frames" / "1.jpg").write_bytes(b"no picture")
    config.write_text(f"train: [{data}]\nsteps: 4\nbatch: 3\n")
    arguments = ["--config", str(config), "--out", str(tmp_path / "o"), "windows.side=64"]
    assert run(main, arguments) == 2
    assert "1.jpg is no picture" in capsys.readouterr().err
    (data.parent / "frames" / "2.jpg").unlink()
    assert run(main, [*arguments[:3], str(tmp_path / "p")]) == 2
    assert "there is no picture" in capsys.readouterr().err


def test_a_dry_run_looks_at_pictures_and_starting_weights(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"train: [{data}]\n")
    look = ["--config", str(config), "--dry-run"]
    assert run(main, look) == 0
    assert capsys.readouterr().out.endswith("# train: 3 pictures of 3 people\n")
    assert run(main, [*look, "select.best_on=validation", f"test=[{data}]"]) == 0
    told = "# train: 2 pictures of 2 people\n# validation: 1 pictures of 1 people\n# test: 3 pictures of 3 people\n"
    assert capsys.readouterr().out.endswith(told)
    assert run(main, [*look, f"pretrained={tmp_path / 'absent.safetensors'}"]) == 2
    assert "absent.safetensors" in capsys.readouterr().err
    (data.parent / "frames" / "0.jpg").write_bytes(b"no picture")
    assert run(main, look) == 2
    assert "0.jpg is no picture" in capsys.readouterr().err


def test_the_shipped_configuration_loads(repository: Path) -> None:
    config = load_training(repository / "configs" / "detector" / "person_pose_synthetic.yaml")
    assert config.train


def test_a_network_keeps_what_its_start_knew(data: Path, tmp_path: Path) -> None:
    start = tmp_path / "start.safetensors"
    save_network(start, PersonPoseNet(TINY), {"people": "real"})
    (data.parent / "recipe.yaml").write_text("sites: 1\n")
    Trainer(_config(data, steps=1, pretrained=start), tmp_path / "a", "cpu").run()
    assert load_network(tmp_path / "a" / LAST)[1].provenance["people"] == "real and synthetic"
    Trainer(_config(data, steps=1), tmp_path / "b", "cpu").run()
    assert load_network(tmp_path / "b" / LAST)[1].provenance["people"] == "synthetic"


def test_the_best_weights_are_those_of_held_out_pictures(data: Path, tmp_path: Path) -> None:
    choice = {"select": {"best_on": "validation", "share": 0.34}, "evaluate_every": 4, "steps": 10, "test": [data]}
    scores = Trainer(_config(data, **choice), tmp_path / "a", "cpu").run()
    log = [json.loads(line) for line in (tmp_path / "a" / LOG).read_text().splitlines()]
    judged = [line for line in log if line["what"] == "validation"]
    assert [line["step"] for line in judged] == [4, 8, 10]
    (tested,) = [line for line in log if line["what"] == "test"]
    assert scores == {name: tested[name] for name in ("box_ap", "box_ap50", "pose_ap", "pose_ap50")}
    told = load_network(tmp_path / "a" / BEST)[1].provenance
    best = max(judged, key=lambda line: line["box_ap"] + max(line["pose_ap"], 0))
    assert (told["chosen_on"], told["steps"]) == ("validation", str(best["step"]))
    assert load_network(tmp_path / "a" / LAST)[1].provenance["steps"] == "10"
    assert Trainer(_config(data, **choice), tmp_path / "b", "cpu").run(stop_after=5) == {}
    Trainer(_config(data, **choice), tmp_path / "b", "cpu", resume=True).run()
    for name in (BEST, LAST):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_perfect_network_has_full_precision_and_a_blind_one_none(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(data, steps=1, test=[data])
    truth = iter(read_pictures(data))

    def seen(_: object, images: list[np.ndarray]) -> list[tuple[Detections, Poses]]:
        found = [next(truth) for _ in images]
        sure = np.ones(1, np.float32)
        return [
            (Detections(one.boxes, sure, np.zeros(1, np.int64)), Poses(one.keypoints, Poses.empty().spare_keypoints))
            for one in found
        ]

    with monkeypatch.context() as patch:
        patch.setattr(PersonPoseNetwork, "perceive", seen)
        assert list(Trainer(config, tmp_path / "a", "cpu").run().values()) == pytest.approx([1.0] * 4)
    nobody = [(Detections.empty(), Poses.empty())]
    with monkeypatch.context() as patch:
        patch.setattr(PersonPoseNetwork, "perceive", lambda _, images: nobody * len(images))
        assert list(Trainer(config, tmp_path / "b", "cpu").run().values()) == [0.0] * 4


def test_frames_that_lie_side_by_side_are_held_out_together(data: Path) -> None:
    chosen = {"best_on": "validation", "share": 0.6}
    found = detector_data(_config(data, select=chosen))
    assert [picture.path.name for picture in found.train] == ["0.jpg"]
    assert [picture.path.name for picture in found.judged["validation"]] == ["1.jpg", "2.jpg"]
    with pytest.raises(UserError, match=r"validation leaves no picture of .*frames\.json"):
        detector_data(_config(data, select=chosen | {"share": 0.99}))


def test_pictures_without_people_judge_nothing(data: Path, tmp_path: Path) -> None:
    bare = data.with_name("bare.json")
    empty = CocoImage(0, "frames/0.jpg", (128, 96), Detections.empty(), Poses.empty(), np.zeros(0, np.int64))
    write_coco(bare, [empty])
    with pytest.raises(UserError, match="test: there is nobody in its 1 pictures to be found"):
        Trainer(_config(data, test=[bare]), tmp_path / "a", "cpu")
    assert not (tmp_path / "a").exists()


def test_pictures_named_twice_are_told(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UserError, match=r"train\.0 and train\.1 hold the same pictures, as 0\.jpg"):
        detector_data(_config(data, train=[data, data]))
    detector_data(_config(data, test=[data]))
    assert "test: 3 of its 3 pictures have the names of training pictures" in caplog.text
