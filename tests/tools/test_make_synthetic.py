"""The command line: a whole small site, read back by the project's own readers; and everything one can get wrong."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from data.errors import UserError
from data.formats.coco import read_coco
from data.formats.mot import read_mot
from data.formats.reid_names import parse_names
from data.site import load_site
from data.synthetic.scenario import Preset, frozen_hashes, save_preset
from pipeline.cli import run
from tools.make_synthetic import main


def small(folder: Path, **changes: object) -> Path:
    content: dict[str, object] = {
        "name": "small",
        "duration_s": 0.6,
        "size": [160, 96],
        "ground": [0, 0, 8, 6],
        "places": {"a": {"at": [3, 2]}, "b": {"at": [6, 4]}, "c": {"at": [4, 4]}},
        "cameras": [
            {"name": "c1", "position": [0.3, 0.3, 2.6], "target": [4, 3, 0.8], "fps": 10},
            {"name": "c2", "position": [7.7, 0.3, 2.6], "target": [4, 3, 0.8], "fps": 12.5, "offset_s": 0.2,
             "stated_offset_s": 1.9, "stated_status": "estimated"},
        ],
        "people": 3,
        "start_inside_share": 1.0,
        "reid": {"train_people": 2, "test_people": 2, "crops": 2},
    }  # fmt: skip
    content.update(changes)
    path = folder / "small.yaml"
    save_preset(Preset.model_validate(content), path)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("synthetic")
    out = folder / "site"
    code = main(["--preset", str(small(folder)), "--seed", "5", "--out", str(out), "--masks", "--workers", "2"])
    assert code == 0
    return out


def test_truth_and_site_files_agree(made: Path) -> None:
    truth = yaml.safe_load((made / "truth.yaml").read_text())
    site = load_site(made / "site.yaml")
    assert list(site.cameras) == ["c1", "c2"]
    assert site.clock("c2").offset_s == 1.9
    assert site.clock("c2").status == "estimated"
    assert truth["cameras"]["c2"]["clock_offset_s"] == 0.2
    assert truth["cameras"]["c2"]["stated_offset_s"] == 1.9
    assert site.overlap("c1", "c2") == "partial"
    assert site.model("c1") is not None
    assert not list(made.parent.glob(".*partial"))


def test_ground_truth_keypoints_and_masks_agree(made: Path) -> None:
    import cv2

    seen = set()
    for camera, frames in (("c1", 6), ("c2", 8)):
        table = read_mot(made / "gt" / f"{camera}.txt", kind="gt")
        images = read_coco(made / "keypoints" / f"{camera}.json")
        assert len(images) == frames
        assert len(table) == sum(len(image.detections) for image in images)
        assert table.visibility.min() > 0
        seen |= set(table.ids.tolist())
        for frame, image in enumerate(images):
            rows = table.frames == frame
            assert sorted(image.track_ids.tolist()) == table.ids[rows].tolist()
            owners = cv2.imread(str(made / "masks" / camera / f"{frame:06d}_id.png"), cv2.IMREAD_UNCHANGED)
            parts = cv2.imread(str(made / "masks" / camera / f"{frame:06d}_part.png"), cv2.IMREAD_UNCHANGED)
            assert ((owners > 0) == (parts > 0)).all()
            assert image.poses is not None
            for person, box in zip(image.track_ids, image.detections.boxes):
                y, x = np.nonzero(owners == person)
                if len(x):
                    assert x.min() >= box[0] - 1.01
                    assert x.max() + 1 <= box[2] + 1.01
                    assert y.min() >= box[1] - 1.01
                    assert y.max() + 1 <= box[3] + 1.01
    assert seen <= {1, 2, 3}
    assert seen


def test_videos_play_at_their_own_rate(made: Path) -> None:
    import av

    for camera, frames, fps in (("c1", 6, 10.0), ("c2", 8, 12.5)):
        with av.open(str(made / "video" / f"{camera}.mp4")) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264"
            assert float(stream.average_rate) == fps
            times = [float(frame.time) for frame in container.decode(stream)]
        assert np.allclose(times, np.arange(frames) / fps, atol=1e-3)


def test_plain_files(made: Path) -> None:
    people = json.loads((made / "identities.json").read_text())
    assert [one["person_id"] for one in people["people"]] == [1, 2, 3]
    calibration = json.loads((made / "calib.json").read_text())
    assert np.shape(calibration["c1"]["ground_homography"]) == (3, 3)
    assert len(list((made / "textures").glob("*.png"))) == 3
    with np.load(made / "skeletons.npz") as skeletons:
        assert skeletons["joints"].shape[1:] == (3, len(skeletons["names"]), 3)
        assert len(skeletons["times_s"]) == len(skeletons["joints"]) == len(skeletons["present"])


def test_crops_are_market_named_and_told(made: Path) -> None:
    import cv2

    told: dict[str, dict[str, object]] = {}
    for camera in ("c1", "c2"):
        told |= json.loads((made / "reid" / f"crops_{camera}.json").read_text())
    files = sorted(str(path.relative_to(made / "reid")) for path in (made / "reid").rglob("*.jpg"))
    assert files == sorted(told)
    assert len(files) >= 12
    names = parse_names([Path(name).name for name in files], "market")
    train = [name for name in files if name.startswith("bounding_box_train")]
    assert {int(Path(name).name[:4]) for name in train} == {1, 2}
    assert {int(Path(name).name[:4]) for name in files if name not in train} == {3, 4}
    assert set(names.cameras.tolist()) == {1, 2}
    for name, one in told.items():
        image = cv2.imread(str(made / "reid" / name))
        assert list(image.shape[1::-1]) == one["size"]
        points = np.array(one["positive"])
        assert points.shape == (17, 3)
        assert (points[:, 2] > 0).any()
        assert len(one["negatives"]) == len(one["negative_ids"])  # type: ignore[arg-type]


def test_same_seed_same_truth_bytes_whatever_the_workers(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "again"
    argv = ["--preset", str(small(tmp_path)), "--seed", "5", "--out", str(out), "--no-video", "--workers", "1"]
    assert main(argv) == 0
    assert not (out / "video").exists()
    for name in ("gt/c1.txt", "gt/c2.txt", "keypoints/c1.json", "keypoints/c2.json", "skeletons.npz", "calib.json",
                 "identities.json", "truth.yaml", "reid/crops_c1.json", "textures/0001.png"):  # fmt: skip
        assert (made / name).read_bytes() == (out / name).read_bytes(), name


def test_tiny_is_the_frozen_one(tmp_path: Path) -> None:
    seed, truth = frozen_hashes()["tiny"]
    out = tmp_path / "tiny"
    assert main(["--preset", "tiny", "--seed", str(seed), "--out", str(out), "--no-reid", "--no-video"]) == 0
    told = yaml.safe_load((out / "truth.yaml").read_text())
    assert told["truth"] == truth
    assert all(camera["boxes"] > 20 for camera in told["cameras"].values())


def test_existing_folders_are_kept(made: Path, tmp_path: Path) -> None:
    preset = str(small(tmp_path))
    with pytest.raises(UserError, match="--overwrite"):
        main(["--preset", preset, "--out", str(made)])
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match="bears no mark of a generated site"):
        main(["--preset", preset, "--out", str(precious), "--overwrite"])
    assert (precious / "thesis.tex").read_text() == "x"
    with pytest.raises(UserError, match="is a file"):
        main(["--preset", preset, "--out", str(precious / "thesis.tex")])


def test_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 1000))
    with pytest.raises(UserError, match="no room"):
        main(["--preset", str(small(tmp_path)), "--out", str(tmp_path / "x")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.yaml"]


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        main(["--preset", str(small(tmp_path)), "--out", str(tmp_path / "file" / "deeper")])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    with pytest.raises(UserError, match="cannot write"):
        main(["--preset", str(small(tmp_path)), "--out", str(locked / "x")])


def test_mistakes_are_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["--preset", "tinny", "--out", str(tmp_path / "x")]) == 2
    said = capsys.readouterr().err
    assert "did you mean 'tiny'" in said
    assert said.count("\n") == 1
    assert run(main, ["--preset", "tiny", "--seed", "-1", "--out", str(tmp_path / "x")]) == 2
    assert run(main, ["--preset", "tiny", "--workers", "0", "--out", str(tmp_path / "x")]) == 2


def test_any_device_but_a_real_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    argv = ["--preset", "tiny", "--out", str(tmp_path / "x"), "--device"]
    assert run(main, [*argv, "cuda"]) == 2
    assert "sees no GPU" in capsys.readouterr().err
    assert run(main, [*argv, "gpu"]) == 2
    assert "unknown device 'gpu'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


_CAMERA = {"name": "c1", "position": [0.3, 0.3, 2.6], "target": [4, 3, 0.8]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"people": 0}, "people: Input should be greater than or equal to 1, not 0"),
        ({"cameras": []}, "cameras"),
        ({"cameras": [_CAMERA, {**_CAMERA, "name": "c2", "target": [-4, -3, 5.0]}]}, "camera 'c2' at"),
        ({"cameras": [{**_CAMERA, "position": [4, 3, 2.6], "target": [4, 3, 5]}]}, "camera 'c1' at"),
        ({"cameras": [{**_CAMERA, "target": [0.3, 0.3, 2.6]}]}, "another point than position"),
        ({"blocks": [{"low": [4.9, 0, 0], "high": [5.1, 6, 3]}]}, "nobody can walk from"),
        ({"blocks": [{"low": [5.5, 3.5, 0], "high": [6.5, 4.5, 1]}]}, "inside a block"),
        ({"places": {"a": {"at": [3, 2]}, "b": {"at": [60, 4]}}}, "'b'"),
        ({"routes": [["a", "roof"]]}, "no place 'roof'"),
    ],
)
def test_impossible_presets_are_refused_before_anything_is_written(
    tmp_path: Path, changes: dict[str, object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = small(tmp_path)
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))
    assert run(main, ["--preset", str(path), "--out", str(tmp_path / "x")]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["small.yaml"]
