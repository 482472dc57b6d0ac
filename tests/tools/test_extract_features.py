"""The command line that describes a folder of crops, with small networks."""

import os

import cv2
import numpy as np
import pytest
import torch

from data.folder_lock import locked_file
from data.formats.part_features import read_part_features
from data.formats.reid_keypoints import write_keypoint_file
from pipeline.cli import run
from reid.embedders.extraction import camera_of
from reid.models.spec import PART_NAMES, ModelSpec
from reid.samples.crop_files import crop_names
from reid.weights.checkpoints import build_model, cameras_entry, save_checkpoint
from tests.reid.prompts.test_prompts import standing
from tests.tiny_models import colour_network
from tools.extract_features import main

SPEC = ModelSpec(
    architecture="kpr", backbone="swin", embed_dim=16, depths=(1, 1, 2), heads=(1, 2, 4), height=64, width=44,
    mean=(0.5,) * 3, std=(0.25,) * 3, part_names=PART_NAMES["five_v"], prompt_groups="cck6", dim=24, identities=7,
)  # fmt: skip
NAMES = ("a.png", "b.png", "c.png")
CPU = ("--device", "cpu")


def call(capsys, *arguments):
    code = run(main, [str(argument) for argument in arguments])
    done = capsys.readouterr()
    return code, done.out, done.err


@pytest.fixture(scope="module")
def kpr(tmp_path_factory):
    torch.manual_seed(4)
    state = build_model(SPEC).state_dict()
    for name, tensor in state.items():
        if "masks_patch_embed.norm" in name or name.startswith("pixel_classifier.classifier.weight"):
            tensor.copy_(torch.randn_like(tensor))
    path = tmp_path_factory.mktemp("kpr") / "small.safetensors"
    save_checkpoint(path, state, SPEC)
    return path


@pytest.mark.parametrize(
    ("name", "camera"),
    [
        ("query/0001_c3s1_000151_01.jpg", "c3"),
        ("0005_c12_f0046985.jpg", "c12"),
        ("-1_c1s6_002351_00.jpg", "c1"),
        ("a.png", ""),
        ("c3/photo.png", ""),
        ("0001_c0s1_000151_01.jpg", ""),
    ],
)
def test_cameras_are_read_from_names(name, camera):
    assert camera_of(name) == camera


def test_camera_tokens_reach_the_crops_of_their_cameras(tmp_path, capsys):
    spec = SPEC.model_copy(update={"cameras": 2})
    torch.manual_seed(4)
    state = build_model(spec).state_dict()
    for name, tensor in state.items():
        if name.endswith("sie_embed"):
            tensor.copy_(torch.randn_like(tensor))
    save_checkpoint(tmp_path / "tokens.safetensors", state, spec, cameras_entry([1, 6]))
    picture = np.random.default_rng(0).integers(0, 255, (64, 32, 3), np.uint8)
    (tmp_path / "crops").mkdir()
    for name in ("0001_c1s1_000001_00.png", "0001_c2s1_000001_00.png"):
        cv2.imwrite(str(tmp_path / "crops" / name), picture)
    found = {}
    for tokens in ("{}", "{c2: 6}"):
        out = tmp_path / f"{len(found)}.npz"
        code, _, error = call(
            capsys, tmp_path / "crops", "--out", out, *CPU, "reid.name=kpr", "reid.precision=fp32",
            f"reid.weights={tmp_path / 'tokens.safetensors'}", f"reid.camera_tokens={tokens}",
        )  # fmt: skip
        assert code == 0, error
        found[tokens] = read_part_features(out).embeddings.vectors[:, 0].astype(np.float32)
    off, on = found.values()
    assert np.allclose(off[0], off[1], atol=1e-3)
    assert np.allclose(off[0], on[0], atol=1e-3)
    assert np.abs(on[0] - on[1]).max() > 0.01


@pytest.fixture
def crops(tmp_path):
    rng = np.random.default_rng(0)
    for name in NAMES:
        path = tmp_path / "crops" / name
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), cv2.resize(rng.integers(0, 255, (8, 4, 3), np.uint8), (30, 60)))
        target = np.nan_to_num(standing(15, 2, 56))
        write_keypoint_file(tmp_path / "prompts" / f"{name}_keypoints.json", np.stack([target, target + 9]), 0)
    return tmp_path / "crops"


@pytest.mark.parametrize("prompts", [True, False])
def test_kpr(crops, kpr, tmp_path, capsys, prompts):
    out = tmp_path / "new" / "f.npz"
    options = ["--device", "cpu", f"reid.weights={kpr}", "reid.name=kpr", "reid.batch=2"]
    if prompts:
        options += ["--keypoints", tmp_path / "prompts"]
    code, told, _ = call(capsys, crops, "--out", out, "--masks", *options)
    assert code == 0
    assert "3 crops, 0 left out" in told
    found = read_part_features(out)
    made = found.embeddings
    assert found.names == NAMES
    assert made.vectors.shape == (3, 6, 24)
    assert made.vectors.dtype == np.float16
    assert made.part_names == ("foreground", *PART_NAMES["five_v"])
    assert made.model_id.startswith("kpr-swin-")
    assert found.masks.shape == (3, 6, 16, 11)
    length = np.linalg.norm(made.vectors.astype(np.float32), axis=-1)
    assert np.allclose(length, made.visibility > 0, atol=2e-3)
    first = out.read_bytes()
    assert call(capsys, crops, "--out", out, "--masks", "--overwrite", *options)[0] == 0
    assert out.read_bytes() == first


def test_prompts_change_the_features(crops, kpr, tmp_path, capsys):
    options = ["--device", "cpu", f"reid.weights={kpr}", "reid.name=kpr"]
    call(capsys, crops, "--out", tmp_path / "plain.npz", *options)
    call(capsys, crops, "--out", tmp_path / "told.npz", "--keypoints", tmp_path / "prompts", *options)
    plain, told = (read_part_features(tmp_path / name).embeddings for name in ("plain.npz", "told.npz"))
    assert plain.model_id == told.model_id
    assert not np.array_equal(plain.vectors, told.vectors)


@pytest.mark.parametrize("name", ["osnet_parts", "osnet_onnx"])
def test_onnx_models(crops, tmp_path, capsys, name):
    path = colour_network(tmp_path / "n.onnx")
    out, options = tmp_path / "f.npz", [f"reid.name={name}", f"reid.weights={path}", "reid.colour=rgb"]
    options += ["reid.normalisation=0-1", "--device", "cpu", "--keypoints", tmp_path / "prompts"]
    assert call(capsys, crops, "--out", out, *options)[0] == 0
    found = read_part_features(out)
    assert (found.embeddings.part_names[0], found.masks) == ("global", None)
    code, _, error = call(capsys, crops, "--out", tmp_path / "m.npz", "--masks", *options)
    assert code == (0 if name == "osnet_parts" else 2)
    if name == "osnet_parts":
        assert read_part_features(tmp_path / "m.npz").masks.shape == (3, 7, 8, 4)
        assert np.ptp(found.embeddings.visibility, axis=1).max() > 0
    else:
        assert "does not say where it looks" in error


def test_mistakes(crops, kpr, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    out = tmp_path / "f.npz"
    kpr_options = ("--device", "cpu", "reid.name=kpr", f"reid.weights={kpr}")
    other = tmp_path / "other.safetensors"
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, other)
    cases = [
        ((tmp_path / "empty", "--out", out, *kpr_options), "holds no pictures"),
        ((crops, "--out", tmp_path / "f.npy", *kpr_options), "ends in .npz"),
        ((crops, "--out", tmp_path / "file" / "f.npz", *kpr_options), "cannot write into"),
        ((crops, "--out", out, "--keypoints", tmp_path / "gone", *kpr_options), "does not exist"),
        ((crops, "--out", out, "--keypoints", crops, *kpr_options), "has keypoints for none of the 3 crops"),
        ((crops, "--out", out, "reid.name=none"), "describes nothing"),
        ((crops, "--out", out, "reid.name=kpr", f"reid.weights={other}"), "is no KPR or BPBReID checkpoint"),
        ((crops, "--out", out, "reid.nam=kpr"), "reid.nam"),
    ]
    for arguments, message in cases:
        code, _, error = call(capsys, *arguments)
        assert code == 2, message
        assert message in error
        assert error.strip().splitlines()[-1].startswith("error: ")
        assert not out.exists()
    (crops / "d.png").write_bytes(b"no picture")
    assert "d.png is no picture" in call(capsys, crops, "--out", out, *kpr_options)[2]
    code, told, _ = call(capsys, crops, "--out", out, "--bad-files", "skip", *kpr_options)
    assert (code, "3 crops, 1 left out" in told) == (0, True)
    assert read_part_features(out).names == NAMES
    assert "exists; give another --out" in call(capsys, crops, "--out", out, *kpr_options)[2]


def test_textures_beside_a_synthetic_site_are_no_crops(tmp_path):
    root = tmp_path / "set"
    for name in ("query/0001_c1s1_000001_00.png", "textures/0001.png", "textures/deep/a.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), np.zeros((64, 32, 3), np.uint8))
    everything = ["query/0001_c1s1_000001_00.png", "textures/0001.png", "textures/deep/a.png"]
    assert crop_names(root) == everything, "nothing says that these are not people"
    (root / "crops_a.json").write_text("{}")
    assert crop_names(root) == [everything[0], everything[2]]
    assert crop_names(tmp_path) == [f"set/{name}" for name in (everything[0], everything[2])]


def test_two_processes_do_not_describe_into_one_file(tmp_path, kpr, capsys):
    (tmp_path / "crops").mkdir()
    cv2.imwrite(str(tmp_path / "crops" / "a.png"), np.full((64, 32, 3), 90, np.uint8))
    out = tmp_path / "made" / "f.npz"
    call_of = (tmp_path / "crops", "--out", out, *CPU, "reid.name=kpr", f"reid.weights={kpr}")
    with locked_file(out, "--out"):
        code, _, error = call(capsys, *call_of)
    assert code == 2
    assert f"{out} is being written by another process (number {os.getpid()}); wait until it has ended" in error
    assert not out.exists()
    with locked_file(out.with_name("other.npz"), "--out"):
        assert call(capsys, *call_of)[0] == 0, "others may write beside it"
    assert out.exists()
