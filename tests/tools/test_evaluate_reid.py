"""The command, end to end on drawn people."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from data.errors import UserError
from pipeline.cli import run
from reid.models.pcb import PCB
from reid.models.spec import ModelSpec
from reid.training.config import load_training
from reid.training.engine import Trainer
from reid.weights.checkpoints import cameras_entry, load_model, save_checkpoint
from reid.weights.pcb import save_pcb
from tests.tiny_crops import SPEC, skeleton, write_network, write_site
from tests.tiny_models import colour_network
from tests.tools.reid_scores import score
from tools.evaluate_reid import main

OPTIONS = ["reid.colour=rgb", "reid.normalisation=0-1"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(tmp_path_factory.mktemp("site") / "reid")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_network(tmp_path_factory.mktemp("net") / "tiny.safetensors")


def test_scores_equal_a_loop_over_the_gallery(weights: Path, site: Path, tmp_path: Path) -> None:
    """With the embedder's own vectors, cosines and a Python ranking."""
    file = colour_network(tmp_path / "net.onnx")
    arguments = ["--model", "osnet_onnx", str(file), "--data", str(site), "--out", str(tmp_path / "s.json")]
    assert main([*arguments, *OPTIONS]) == 0
    told = json.loads((tmp_path / "s.json").read_text())["models"][0]

    from pipeline.evaluation.appearance_models import open_named
    from reid.evaluation.crops import read_crop
    from reid.samples.sources import SourceConfig, read_source

    data = read_source(SourceConfig(root=site), "test")
    model = open_named("osnet_onnx", str(file), "cpu", overrides=OPTIONS)
    query, gallery = (
        model.describe([read_crop(s) for s in samples])[0][:, 0] for samples in (data.query, data.gallery)
    )
    precisions, firsts = [], []
    for vector, sample in zip(query, data.query):
        others = [
            (float((vector - other).norm()), found.identity == sample.identity)
            for other, found in zip(gallery, data.gallery)
            if (found.identity, found.camera) != (sample.identity, sample.camera)
        ]
        hits = [place for place, (_, right) in enumerate(sorted(others, key=lambda entry: entry[0])) if right]
        precisions.append(np.mean([(n + 1) / (place + 1) for n, place in enumerate(hits)]))
        firsts.append(hits[0])
    assert told["mAP"] == pytest.approx(np.mean(precisions), abs=1e-6)
    for rank in (1, 3, 5, 10, 20):
        assert told[f"rank{rank}"] == pytest.approx(np.mean(np.array(firsts) < rank))
    assert told["queries"] == 10


def test_everything_is_told(weights: Path, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = score(weights, site, tmp_path / "s.json", "--rerank", "--k1", "4")
    out = capsys.readouterr().out
    assert "(market, rule market): 10 queries of 5 people, 20 gallery crops; prompts all, visibility binary" in out
    for text in ("all embeddings", "only foreground", "re-ranked, k1 4 k2 2 lambda 0.3", "people: with others"):
        assert text in out
    assert tree["data"]["rule"] == "market"
    (model,) = tree["models"]
    assert set(model["parts"]) == {"foreground", "head", "upper_arms_torso", "lower_arms_torso", "legs", "feet"}
    assert model["reranked"]["k1"] == 4
    assert 0 <= model["pairs"]["uncomparable"] <= 1
    people = {group["name"]: group["queries"] for group in model["groups"] if group["by"] == "people"}
    assert people == {"alone": 8, "with others": 2}
    assert model["input"]["gallery"] == {
        "crops": 20, "without_skeleton": 0, "without_parts": 0, "keypoints_outside": 0,
    }  # fmt: skip
    again = score(weights, site, tmp_path / "again.json", "--rerank", "--k1", "4", "--chunk", "3", "--batch", "7")
    assert again["models"][0]["mAP"] == pytest.approx(model["mAP"])
    assert again["models"][0]["reranked"]["mAP"] == pytest.approx(model["reranked"]["mAP"])


def test_prompts_matter_and_can_be_taken_away(weights: Path, site: Path, tmp_path: Path) -> None:
    found = {
        option: score(weights, site, tmp_path / "s.json", *([option] if option else []))["models"][0]["pairs"]
        for option in ("", "--no-negatives", "--no-prompts")
    }
    means = [pairs["negative_mean"] for pairs in found.values()]
    assert len({round(mean, 6) for mean in means}) == 3


def test_visibility_and_foreground(weights: Path, site: Path, tmp_path: Path) -> None:
    ways = ([], ["--visibility", "continuous"], ["--visibility", "continuous", "--foreground", "always"])
    means = [score(weights, site, tmp_path / "s.json", *way)["models"][0]["pairs"]["positive_mean"] for way in ways]
    assert len({round(mean, 6) for mean in means}) == 3


def test_several_models_on_the_same_crops(weights: Path, site: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_pcb(PCB(identities=3), tmp_path / "pcb.safetensors")
    file = str(colour_network(tmp_path / "net.onnx"))
    small = write_site(tmp_path / "small", people=1, shots=2)
    more = ["--model", "osnet_parts", file, "--model", "pcb", str(tmp_path / "pcb.safetensors"), "--model", "kpr"]
    tree = score(weights, small, tmp_path / "s.json", *more, str(weights), *OPTIONS)
    names = [list(model["parts"]) for model in tree["models"]]
    assert [len(parts) for parts in names] == [6, 7, 1, 6]
    assert names[2] == ["global"]
    assert [model["model"] for model in tree["models"]][1:3] == ["osnet_parts net.onnx", "pcb pcb.safetensors"]
    assert all(model["queries"] == 2 for model in tree["models"])


def test_the_gallerys_file_order_changes_nothing(weights: Path, site: Path, tmp_path: Path) -> None:
    """The same gallery under names that sort the other way."""
    other = tmp_path / "site"
    told, renamed = json.loads((site / "crops_a.json").read_text()), {}
    for name, facts in told.items():
        split, file = name.split("/")
        identity, rest = file.split("_", 1)
        new = f"{split}/{identity}_{rest.split('_')[0]}_{999999 - int(rest.split('_')[1]):06d}.png"
        new = new if split == "query" else new.replace(f"/{identity}", f"/{int(identity):05d}")
        (other / split).mkdir(parents=True, exist_ok=True)
        (other / new).write_bytes((site / name).read_bytes())
        renamed[new] = facts
    (other / "crops_a.json").write_text(json.dumps(renamed))
    first, second = (score(weights, root, tmp_path / "s.json")["models"][0] for root in (site, other))
    order = [sorted((root / "bounding_box_test").iterdir()) for root in (site, other)]
    assert [path.read_bytes() for path in order[0]] != [path.read_bytes() for path in order[1]]
    assert first["mAP"] == pytest.approx(second["mAP"])
    assert first["parts"]["head"] == pytest.approx(second["parts"]["head"])


def test_rankings_are_drawn(weights: Path, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "0003_c1s1_000000_00.png"
    more = ["--show", "2", "--show-names", name, "--show-out", str(tmp_path / "show"), "--top", "3"]
    score(weights, site, tmp_path / "s.json", *more)
    page = (tmp_path / "show" / "index.html").read_text()
    assert str(tmp_path / "show" / "index.html") in capsys.readouterr().out
    pictures = sorted((tmp_path / "show").glob("*.png"))
    assert pictures[0].name == "001_0003_c1s1_000000_00.png"
    assert len(pictures) in (2, 3)  # a named query that is among the worst is drawn once
    for path in pictures:
        assert path.name in page
        sheet = cv2.imread(str(path))
        assert sheet is not None
        assert sheet.shape[0] > 6 * 120
    arguments = ["--weights", str(weights), "--data", str(site), *more]
    with pytest.raises(UserError, match="exists and is not empty"):
        main(arguments)
    capsys.readouterr()
    with pytest.raises(UserError, match=r"there is no query 'nobody\.png'"):
        main([*arguments, "--overwrite", "--show-names", "nobody.png"])
    assert "mAP" not in capsys.readouterr().out, "told before the work"


def test_a_training_prints_the_same_scores(site: Path, tmp_path: Path) -> None:
    train = site.parent / "train"
    for split in ("bounding_box_train", "query", "bounding_box_test"):
        (train / split).mkdir(parents=True)
        for path in sorted((site / ("query" if split == "query" else "bounding_box_test")).iterdir()):
            (train / split / path.name).write_bytes(path.read_bytes())
    told = json.loads((site / "crops_a.json").read_text())
    told |= {name.replace("bounding_box_test", "bounding_box_train"): facts for name, facts in told.items()}
    (train / "crops_a.json").write_text(json.dumps(told))
    config = tmp_path / "small.yaml"
    config.write_text(f"""
model: {{architecture: kpr, backbone: swin, embed_dim: 16, depths: [1, 1], heads: [1, 2], height: 64, width: 32,
        prompt_groups: cck6, dim: 16}}
pretrained: none
parts: five_v
train: [{{root: {train}}}]
test: {{root: {train}}}
batch: {{people: 2, pictures: 2, workers: 0}}
epochs: 1
precision: fp32
""")
    trained = Trainer(load_training(config), tmp_path / "run", "cpu").run()
    out = tmp_path / "s.json"
    arguments = ["--weights", str(tmp_path / "run" / "last.safetensors"), "--config", str(config), "--out", str(out)]
    assert main([*arguments, "--device", "cpu"]) == 0
    found = json.loads(out.read_text())["models"][0]
    assert found["mAP"] == pytest.approx(trained["mAP"])
    assert found["pairs"]["ssmd"] == pytest.approx(trained["ssmd"])


def test_labels_and_cameras_of_a_configuration(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    config = tmp_path / "a.yaml"
    config.write_text(f"""
parts: five_v
camera_tokens: true
train: [{{root: {site}}}]
test: {{root: {site}}}
""")
    spec = SPEC.model_copy(update={"cameras": 2, "camera_weight": 100.0})
    old = write_network(tmp_path / "old.safetensors", spec)
    model, _ = load_model(old)
    weights = tmp_path / "new.safetensors"
    save_checkpoint(weights, model.state_dict(), spec, cameras_entry((1, 2)))
    caplog.set_level("INFO")
    found = []
    for file, more in ((weights, ()), (weights, ("--no-cameras",)), (old, ())):
        tree = score(file, site, tmp_path / "s.json", "--config", str(config), *more)
        assert (
            tree["data"]["camera_tokens"]
            == ("visibility binary, camera tokens" in capsys.readouterr().out)
            == (not more)
        )
        found.append(tree["models"][0]["pairs"]["negative_mean"])
    assert found[0] != found[1]
    assert found[2] == pytest.approx(found[1])
    assert "new.safetensors: crops of these cameras get their tokens: 1, 2" in caplog.text
    assert "new.safetensors has camera tokens; no crop gets one" in caplog.text
    assert "old.safetensors does not tell the cameras" in caplog.text

    bare = write_site(tmp_path / "bare")
    (bare / "crops_a.json").unlink()
    fixed = ModelSpec.model_validate(SPEC.model_dump() | {"learnable_attention": False})
    network = str(write_network(tmp_path / "fixed.safetensors", fixed))
    with pytest.raises(UserError, match=r"neither a parsing label nor keypoints.*\(fixed masks\)"):
        main(["--weights", network, "--data", str(bare), "--config", str(config), "--device", "cpu"])


def test_files_that_cannot_be_read(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = write_site(tmp_path / "site")
    broken = site / "bounding_box_test" / "0001_c1s1_000001_00.png"
    broken.write_bytes(b"no picture")
    code = run(main, ["--weights", str(weights), "--data", str(site), "--device", "cpu"])
    assert code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"error: {broken} is no picture")
    tree = score(weights, site, tmp_path / "s.json", "--bad-files", "skip")
    assert [entry["path"] for entry in tree["data"]["left_out"]] == [str(broken)]
    assert "1 files could not be used and were left out" in capsys.readouterr().out
    assert tree["models"][0]["input"]["gallery"]["crops"] == 19


def test_keypoints_that_do_not_fit(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = write_site(tmp_path / "site")
    told = json.loads((site / "crops_a.json").read_text())
    names = sorted(told)
    told[names[0]]["positive"][3] = [500, 5, 2]
    told[names[1]]["positive"] = [[0, 0, 0]] * 17
    (site / "crops_a.json").write_text(json.dumps(told))
    tree = score(weights, site, tmp_path / "s.json")
    assert tree["models"][0]["input"]["gallery"]["keypoints_outside"] == 1
    assert tree["models"][0]["input"]["gallery"]["without_skeleton"] == 1
    out = capsys.readouterr().out
    assert "0 query and 1 gallery keypoints lay outside their picture and were zeroed" in out
    assert "0 query and 1 gallery crops have no skeleton of their person" in out
    told[names[1]]["positive"] = skeleton()[:14]
    (site / "crops_a.json").write_text(json.dumps(told))
    with pytest.raises(UserError, match=r"crops_a\.json: a skeleton has the shape \(14, 3\); expected 17 keypoints"):
        main(["--weights", str(weights), "--data", str(site)])


def test_keypoint_files(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = write_site(tmp_path / "site")
    (site / "crops_a.json").unlink()
    place = site / "external_annotation" / "pose"
    for path in [*site.glob("query/*"), *site.glob("bounding_box_test/*")]:
        people = [{"keypoints": skeleton(), "is_target": True}, {"keypoints": skeleton(0.3), "is_target": False}]
        (place / path.parent.name).mkdir(parents=True, exist_ok=True)
        (place / path.parent.name / f"{path.name}_keypoints.json").write_text(json.dumps(people))
    good = score(weights, site, tmp_path / "s.json", "--keypoints", "pose")["models"][0]
    assert [group["queries"] for group in good["groups"] if group["by"] == "people"] == [10]
    bad = place / "bounding_box_test" / "0001_c1s1_000001_00.png_keypoints.json"
    bad.write_text(json.dumps([{"keypoints": skeleton(), "is_target": True}] * 2))
    arguments = ["--weights", str(weights), "--data", str(site), "--keypoints", "pose", "--device", "cpu"]
    assert run(main, arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error == f"error: {bad}: 2 skeletons are marked is_target; mark one"
    (place / "query" / "0002_c1s1_000000_00.png_keypoints.json").write_text("{")
    (place / "query" / "0003_c1s1_000000_00.png_keypoints.json").unlink()
    left = score(weights, site, tmp_path / "s.json", "--keypoints", "pose", "--bad-files", "skip")
    assert len(left["data"]["left_out"]) == 3
    assert left["models"][0]["input"]["query"]["crops"] == 8
    assert left["models"][0]["input"]["gallery"]["crops"] == 19


def test_what_is_asked_must_make_sense(weights: Path, site: Path, tmp_path: Path) -> None:
    good = ["--weights", str(weights), "--data", str(site), "--device", "cpu"]
    (tmp_path / "pictures").mkdir()
    other = tmp_path / "net.safetensors"
    other.write_bytes(b"no")
    pcb = tmp_path / "pcb.safetensors"
    save_pcb(PCB(identities=2), pcb)
    (tmp_path / "there.json").write_text("{}")
    cases = {
        "no model: give": ["--data", str(site)],
        "no data: give": ["--weights", str(weights)],
        "name it with --show-out": [*good, "--show", "1"],
        "needs to know what to draw": [*good, "--show-out", str(tmp_path / "s")],
        "add --rerank": [*good, "--k1", "3"],
        "exists; give another --out, or --overwrite": [*good, "--out", str(tmp_path / "there.json")],
        "cannot write into": [*good, "--out", str(other / "scores.json")],
        "--lambda 1.5: it is a weight": [*good, "--rerank", "--lambda", "1.5"],
        "unknown device 'gpu'": [*good[:-1], "gpu"],
        "checkpoint not found": ["--weights", str(tmp_path / "none.safetensors"), "--data", str(site)],
        "not a safetensors file": ["--weights", str(other), "--data", str(site)],
        "no KPR or BPBReID checkpoint": ["--weights", str(pcb), "--data", str(site)],
        "unknown appearance model 'osnet'": ["--model", "osnet", "x.onnx", "--data", str(site)],
        "missing query, bounding_box_test": ["--weights", str(weights), "--data", str(tmp_path / "pictures")],
        "kind": [*good, "--kind", "nothing"],
    }
    for message, arguments in cases.items():
        with pytest.raises(UserError, match=message) as caught:
            main(arguments)
        assert "\n" not in str(caught.value)
    for option, value in (("--workers", "-1"), ("--batch", "0"), ("--top", "many")):
        with pytest.raises(SystemExit):
            main([*good, option, value])


def test_no_match_under_the_rule(weights: Path, tmp_path: Path) -> None:
    site = write_site(tmp_path / "site", cameras=1)
    with pytest.raises(UserError, match="no query has a match in the gallery under the rule market"):
        main(["--weights", str(weights), "--data", str(site), "--device", "cpu"])
    assert score(weights, site, tmp_path / "s.json", "--rule", "all")["models"][0]["queries"] == 5


def test_small_sets_are_not_reranked(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = write_site(tmp_path / "site", people=1, shots=2)
    assert score(weights, site, tmp_path / "s.json", "--rerank")["models"][0]["reranked"] is None
    assert "not re-ranked: the set is too small" in capsys.readouterr().out


def test_a_real_network_finds_real_looking_people(testdata: Path, site: Path, tmp_path: Path) -> None:
    file = testdata / "weights" / "reid" / "osnet_x0_25_msmt17_dyn.onnx"
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    arguments = ["--model", "osnet_onnx", str(file), "--model", "osnet_parts", str(file), "--data", str(site)]
    assert main([*arguments, "--out", str(tmp_path / "s.json"), "--device", "cpu"]) == 0
    whole, parts = json.loads((tmp_path / "s.json").read_text())["models"]
    assert whole["mAP"] > 0.9  # people in their own two colours, random order gives about 0.3
    assert parts["mAP"] > 0.9
    assert parts["parts"]["torso"]["seen"] == 1
