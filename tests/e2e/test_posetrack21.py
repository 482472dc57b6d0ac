"""PoseTrack21 in miniature, with pictures: run and scored by one command, exported by another and scored again."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data.config import SourcesConfig
from data.formats.mot import MotTable, read_mot
from data.sources.base import CameraSpec
from data.sources.open import open_source
from data.synthetic.gait import COCO_JOINTS, INDEX
from data.synthetic.scenario import load_preset
from data.synthetic.world import World
from pipeline.cli import run
from pipeline.demo import demo_site
from tools import convert, evaluate

VIDEOS = ("000001_one", "000002_two")
CONFIG = Path("configs") / "posetrack21.yaml"


def annotations(world: World, camera: int, image_ids: list[int], truth: MotTable) -> list[dict[str, Any]]:
    """Everybody who is seen; his box is that of the site's truth."""
    joints, _ = world.joints(world.frame_times(camera)[: len(image_ids)])
    row_of = {person.person_id: row for row, person in enumerate(world.people)}
    width, height = world.preset.size
    found = []
    for frame, image_id in enumerate(image_ids):
        for seen in np.flatnonzero((truth.frames == frame) & truth.flags).tolist():
            person = row_of[int(truth.ids[seen])]
            points, depth = world.camera(camera).project(joints[frame, person])
            body = points[list(COCO_JOINTS)]
            top = points[INDEX["head_top"]]
            chin = 2 * points[INDEX["head"]] - top
            body[1], body[2] = chin, top
            inside = ((body > 0) & (body < (width, height))).all(axis=1) & (depth.min() > 0)
            inside[3:5] = False
            left, upper, right, lower = truth.boxes[seen].tolist()
            size = float(np.linalg.norm(top - chin))
            found.append(
                {
                    "id": image_id * 100 + person, "image_id": image_id, "person_id": 50 + person, "track_id": person,
                    "bbox": [left, upper, right - left, lower - upper],
                    "bbox_head": [float(chin[0]) - size / 2, float(top[1]), size, size],
                    "keypoints": np.column_stack([body * inside[:, None], inside]).ravel().tolist(),
                }
            )  # fmt: skip
    return found


@pytest.fixture(scope="module")
def root(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both cameras of the site `tiny` as videos; every fourth frame has keypoints."""
    folder = tmp_path_factory.mktemp("data") / "PoseTrack21"
    site = demo_site("tiny", cache=cache)
    world = World(load_preset("tiny"), 1)
    (folder / "posetrack_data" / "val").mkdir(parents=True)
    for camera, name in enumerate(VIDEOS):
        place = folder / "images" / "val" / name
        place.mkdir(parents=True)
        spec = world.preset.cameras[camera]
        images = []
        for frame in open_source(
            CameraSpec(spec.name, str(site / "video" / f"{spec.name}.mp4")), SourcesConfig()
        ).frames():
            number = 10**10 + (camera + 1) * 10**4 + frame.index
            path = place / f"{frame.index:06d}.png"
            cv2.imwrite(str(path), frame.image[..., ::-1])
            images.append(
                {
                    "id": number, "frame_id": number, "vid_id": name[:6], "is_labeled": frame.index % 4 == 0,
                    "has_labeled_person": True, "file_name": path.relative_to(folder).as_posix(),
                    "ignore_regions_x": [], "ignore_regions_y": [],
                }
            )  # fmt: skip
        truth = read_mot(site / "gt" / f"{spec.name}.txt", "gt")
        people = annotations(world, camera, [image["id"] for image in images], truth)
        content = {"images": images, "annotations": people, "categories": []}
        (folder / "posetrack_data" / "val" / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def scored(cache: Path, root: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The run, made and scored by the command, with the networks that come with the code."""
    out = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MTMCT_CACHE", str(cache))
        arguments = [
            "--dataset", "posetrack21", "--root", str(root), "--run", str(out / "run"), "--json", str(out / "a.json"),
            "--html", str(out / "a.html"), "--pipeline", str(repository / CONFIG), "--",
            "--config", str(repository / "configs" / "demo.yaml"), "--device", "cpu", "--offline", "run.threads=1",
        ]  # fmt: skip
        assert run(evaluate.main, arguments) == 0
    return {"folder": out, **json.loads((out / "a.json").read_text())}


def figures(tmp_path: Path, *arguments: object) -> dict[str, float]:
    path = tmp_path / "scores.json"
    given = ["--dataset", "posetrack21", "--json", str(path), *map(str, arguments)]
    assert run(evaluate.main, given) == 0
    found: dict[str, float] = json.loads(path.read_text())["figures"]
    return found


def test_the_run_is_made_of_the_data_sets_pictures_and_its_skeletons_are_scored(scored: dict[str, Any]) -> None:
    """People are 60 px high and the network is small: what is asked is far above chance, not good."""
    assert scored["figures"]["AP"] > 0.2
    assert scored["figures"]["protocol 2 HOTA"] > 0.12
    joints = {row["joint"]: row for row in scored["tables"][2]["rows"]}
    assert joints["nose"]["protocol 1 HOTA"] > 0.3
    assert joints["head_bottom"]["protocol 1 HOTA"] > 0.4, "COCO's networks have no such joint: it is estimated"
    assert [row["frames"] for row in scored["tables"][0]["rows"]] == [13, 13, 26]
    assert (scored["folder"] / "a.html").is_file()


def test_what_is_exported_scores_as_the_run(scored: dict[str, Any], root: Path, tmp_path: Path) -> None:
    source, out = scored["folder"] / "run", tmp_path / "out"
    arguments = [str(source), str(out), "--from", "run", "--to", "posetrack", "--dataset", str(root)]
    assert run(convert.main, arguments) == 0
    told = json.loads((out / f"{VIDEOS[0]}.json").read_text())["images"]
    truth = json.loads((root / "posetrack_data" / "val" / f"{VIDEOS[0]}.json").read_text())["images"]
    assert [(one["id"], one["file_name"]) for one in told] == [(one["id"], one["file_name"]) for one in truth]
    again = figures(tmp_path, "--root", root, "--pred", out)
    assert again == pytest.approx(scored["figures"], abs=2e-3)


def test_a_run_of_other_pictures_is_told(
    scored: dict[str, Any], root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "PoseTrack21"
    (other / "posetrack_data" / "val").mkdir(parents=True)
    for name in VIDEOS:
        content = json.loads((root / "posetrack_data" / "val" / f"{name}.json").read_text())
        kept = [image for image in content["images"] if image["id"] % 10**4 < 30]
        content["annotations"] = [one for one in content["annotations"] if one["image_id"] % 10**4 < 30]
        text = json.dumps(content | {"images": kept})
        (other / "posetrack_data" / "val" / f"{name}.json").write_text(text)
    figures(tmp_path, "--root", other, "--run", scored["folder"] / "run")
    assert f"{VIDEOS[0]}: the run has 50 frames, the data set 30 pictures" in capsys.readouterr().err
    command = ["--from", "run", "--to", "posetrack", "--dataset", str(other)]
    assert run(convert.main, [str(scored["folder"] / "run"), str(tmp_path / "out"), *command]) == 2
    assert "has 50 frames and 30 pictures" in capsys.readouterr().err


def test_pictures_that_are_not_the_frames_are_told(
    root: Path, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "PoseTrack21"
    (other / "posetrack_data").mkdir(parents=True)
    (other / "posetrack_data" / "val").symlink_to(root / "posetrack_data" / "val")
    command = ["--dataset", "posetrack21", "--root", str(other), "--run", str(tmp_path / "run")]
    command += ["--pipeline", str(repository / CONFIG)]
    assert run(evaluate.main, command) == 2
    assert f"has no pictures of {VIDEOS[0]}" in capsys.readouterr().err
    (other / "images" / "val" / VIDEOS[0]).mkdir(parents=True)
    assert run(evaluate.main, command) == 2
    assert "holds 0 pictures and the truth counts 50 frames" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_people_are_searched_in_the_pictures(
    cache: Path,
    root: Path,
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every fifth frame of both videos is the gallery; everybody is searched for once."""
    folder = root / "posetrack_person_search"
    folder.mkdir()
    images: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    for name in VIDEOS:
        content = json.loads((root / "posetrack_data" / "val" / f"{name}.json").read_text())
        images += [image for image in content["images"] if image["id"] % 5 == 0]
        people += [one for one in content["annotations"] if one["image_id"] % 5 == 0]
    queries = list({one["person_id"]: one for one in people}.values())
    (folder / "val.json").write_text(json.dumps({"images": images, "annotations": people}))
    (folder / "query.json").write_text(json.dumps({"images": images, "annotations": queries}))
    monkeypatch.setenv("MTMCT_CACHE", str(cache))
    command = ["--dataset", "posetrack21_person_search", "--root", str(root), "--run", str(tmp_path / "found")]
    command += ["--json", str(tmp_path / "scores.json"), "--pipeline", str(repository / CONFIG), "--"]
    command += ["--config", str(repository / "configs" / "demo.yaml"), "--offline", "--device", "cpu", "run.threads=1"]
    assert run(evaluate.main, command) == 0
    content = json.loads((tmp_path / "scores.json").read_text())
    assert content["figures"]["mAP"] > 0.45
    assert content["tables"][0]["rows"][0]["found"] > 0.8
    assert run(evaluate.main, command) == 2, "what was made is not replaced unasked"
    assert "give another --run, or -- --overwrite" in capsys.readouterr().err
