"""The command line that compares a few crops."""

import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
import torch

from data.formats.reid_keypoints import write_keypoint_file
from pipeline.cli import run
from reid.models.spec import PART_NAMES, ModelSpec
from reid.weights.checkpoints import build_model, save_checkpoint
from tests.reid.prompts.test_prompts import standing
from tests.tiny_models import colour_network, constant_network
from tools.reid_demo import main

SPEC = ModelSpec(
    architecture="kpr", backbone="swin", embed_dim=16, depths=(1, 1, 2), heads=(1, 2, 4), height=64, width=44,
    mean=(0.5,) * 3, std=(0.25,) * 3, part_names=PART_NAMES["five_v"], prompt_groups="cck6", dim=24, identities=7,
)  # fmt: skip
POSE = {"task": "pose", "names": "{0: 'person'}", "kpt_shape": "[17, 3]", "imgsz": "[64, 64]"}
CPU = ("--device", "cpu")


def call(capsys, *arguments):
    code = run(main, [str(argument) for argument in arguments])
    done = capsys.readouterr()
    return code, done.out, done.err


class Page(HTMLParser):
    """Cells, pictures and texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.pictures, self.open, self.texts = 0, 0, [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.cells += tag == "td" and told.get("class") == "cell"
        self.pictures += tag == "img" and told["src"].startswith("data:image/jpeg;base64,")
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def kpr(tmp_path_factory):
    torch.manual_seed(4)
    path = tmp_path_factory.mktemp("kpr") / "small.safetensors"
    save_checkpoint(path, build_model(SPEC).state_dict(), SPEC)
    return path


@pytest.fixture
def crops(tmp_path):
    rng = np.random.default_rng(0)
    paths = [tmp_path / "crops" / f"{name}.png" for name in ("a", "b", "<c> & d")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), cv2.resize(rng.integers(0, 255, (8, 4, 3), np.uint8), (32, 64)))
        people = np.nan_to_num(np.stack([standing(16, 2, 60), standing(3, 20, 60)]))
        write_keypoint_file(tmp_path / "prompts" / f"{path.name}_keypoints.json", people, 0)
    return paths


def test_kpr_with_keypoint_files(crops, kpr, tmp_path, capsys):
    out = tmp_path / "demo"
    given = (*crops, "--keypoints", tmp_path / "prompts", "--weights", kpr, *CPU, "reid.batch=2")
    code, told, _ = call(capsys, *given, "--out", out)
    assert code == 0
    assert "3 crops, model kpr-swin-" in told
    assert sorted(path.name for path in out.iterdir()) == ["index.html", "parts.png", "similarity.png"]
    page = Page((out / "index.html").read_text())
    assert page.open == []
    # Crops along both sides; then of each crop itself, its prompts, all parts, foreground and five parts.
    assert (page.cells, page.pictures) == (9, 3 * 2 + 3 * 9)
    text = " ".join(page.texts)
    assert "a target, 1 others" in text
    assert "<c> & d.png" in text
    assert len(re.findall(r"\bsame\b", text)) == 3
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert "--overwrite" in call(capsys, *given, "--out", out)[2]
    assert call(capsys, *given, "--out", out, "--overwrite")[0] == 0
    assert first == {path.name: path.read_bytes() for path in out.iterdir()}


def test_the_file_named_decides_whatever_back_end_a_configuration_has(crops, kpr, tmp_path, capsys):
    patch = tmp_path / "site.yaml"
    patch.write_text("reid: {name: osnet_parts, weights: osnet.onnx}\n")
    given = (*crops, "--no-prompts", "--weights", kpr, "--config", patch, *CPU)
    code, told, _ = call(capsys, *given, "--out", tmp_path / "demo")
    assert (code, "model kpr-swin-" in told) == (0, True)
    code, _, error = call(capsys, *given, "--out", tmp_path / "other", "reid.name=san")
    assert code == 2
    assert "SAN" in error, "what the command line names wins over all"


def test_without_prompts_and_without_masks(crops, tmp_path, capsys):
    weights = colour_network(tmp_path / "n #1.onnx")
    options = ("reid.name=osnet_onnx", "reid.colour=rgb", "reid.normalisation=0-1", *CPU)
    code, _, _ = call(
        capsys, crops[0].parent, "--no-prompts", "--weights", weights, "--out", tmp_path / "demo", *options
    )
    assert code == 0
    inside = (crops[0].parent, "--no-prompts", "--weights", weights, "--out", crops[0].parent / "demo", *options)
    for again in ((), ("--overwrite",)):
        code, told, _ = call(capsys, *inside, *again)
        assert (code, "3 crops, model" in told) == (0, True)
    assert not (tmp_path / "demo" / "parts.png").exists()
    page = Page((tmp_path / "demo" / "index.html").read_text())
    assert (page.cells, page.pictures) == (9, 3 * 2 + 3 * 2)
    assert "without prompts" in " ".join(page.texts)
    assert "does not say where it looks" in " ".join(page.texts)


def test_a_pose_network_finds_the_prompts(crops, kpr, tmp_path, capsys, caplog):
    output = np.zeros((1, 56, 84), np.float32)
    output[0, :5, 3] = [32, 32, 20, 60, 0.9]
    output[0, 5:, 3] = np.stack([np.full(17, 32), np.linspace(5, 60, 17), np.full(17, 0.8)], axis=1).ravel()
    pose = constant_network(tmp_path / "pose.onnx", ["batch", 3, 64, 64], {"output0": output}, POSE)
    networks = ("detector.name=yolo_onnx", f"detector.weights={pose}", "pose.name=detector", *CPU)
    code, _, _ = call(capsys, *crops, "--weights", kpr, "--out", tmp_path / "demo", *networks)
    assert code == 0
    assert "a target, 0 others" in (tmp_path / "demo" / "index.html").read_text()
    strict = (*networks, "detector.score_min=0.95", "--overwrite")
    code, _, _ = call(capsys, *crops, "--weights", kpr, "--out", tmp_path / "demo", *strict)
    assert code == 0
    assert "no target is found in 3 of 3 crops: a.png, b.png, <c> & d.png" in caplog.text
    assert "no target, 0 others" in (tmp_path / "demo" / "index.html").read_text()
    plain = (*crops, "--no-prompts", "--weights", colour_network(tmp_path / "n.onnx"), "reid.name=osnet_onnx")
    assert (tmp_path / "demo" / "parts.png").exists()
    options = ("reid.colour=rgb", "reid.normalisation=0-1", "--out", tmp_path / "demo", "--overwrite", *CPU)
    assert call(capsys, *plain, *options)[0] == 0
    assert not (tmp_path / "demo" / "parts.png").exists()


def test_mistakes(crops, kpr, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    out, plain = ("--out", tmp_path / "demo"), ("--no-prompts", "--weights", kpr, *CPU)
    other = tmp_path / "other.safetensors"
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, other)
    cases = [
        ((crops[0], *out, *plain), "1 crops are named; the matrix is drawn for 2 to 12"),
        ((*crops * 5, *out, *plain), "15 crops are named"),
        ((tmp_path / "empty", *out, *plain), "holds no pictures"),
        ((*crops, tmp_path / "gone.png", *out, *plain), "cannot read"),
        ((*crops, "--out", tmp_path / "file" / "x", *plain), "cannot write into"),
        ((*crops, *out, "--no-prompts", "--weights", other, *CPU), "is no KPR or BPBReID checkpoint"),
        ((*crops, *out, "--no-prompts", "--weights", tmp_path / "gone.safetensors"), "there is no file"),
        ((*crops, *out, "--weights", kpr, "--keypoints", tmp_path / "gone"), "does not exist"),
        ((*crops, *out, "--weights", kpr, "--keypoints", crops[0].parent), "has keypoints for none of the 3 crops"),
        ((*crops, *out, "--weights", kpr, "--no-detector"), "needs a pose estimator of its own"),
        ((*crops, *out, *plain, "reid.name=none"), "describes nothing"),
    ]
    for arguments, message in cases:
        code, _, error = call(capsys, *arguments)
        assert code == 2, message
        assert message in error
        assert error.strip().splitlines()[-1].startswith("error: ")
    people = np.nan_to_num(np.stack([standing(500, 500, 60)]))
    write_keypoint_file(tmp_path / "prompts" / "a.png_keypoints.json", people, 0)
    given = (*crops, *out, "--weights", kpr, "--keypoints", tmp_path / "prompts")
    assert "all keypoints of the target lie outside a.png (32 x 64 px)" in call(capsys, *given)[2]
    crops[0].write_bytes(b"\x89PNG")
    assert "a.png is no picture" in call(capsys, *crops, *out, *plain)[2]
