import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from data.errors import UserError
from reid.models.pcb import PCB
from reid.weights.pcb import from_state, load_pcb, save_pcb, translate


def generator(name: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))


def tensor(name: str, shape: list[int]) -> torch.Tensor:
    """Value of a tensor by the rule of tests/golden/README.md."""
    random, last = generator(name), name.rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        values = np.zeros(shape, np.int64)
    elif last == "running_var":
        values = random.uniform(0.5, 1.5, shape).astype(np.float32)
    elif last in ("running_mean", "bias"):
        values = (0.1 * random.standard_normal(shape)).astype(np.float32)
    elif len(shape) == 1:
        values = random.uniform(0.5, 1.0, shape).astype(np.float32)
    else:
        values = (random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
    return torch.from_numpy(np.array(values))


def relative(got: torch.Tensor, want: np.ndarray) -> float:
    return float(np.abs(got.numpy() - want).max() / np.abs(want).max())


@pytest.fixture(scope="module")
def names(golden: Callable[[str], Path]) -> dict[str, dict[str, list[int]]]:
    return json.loads((golden("pcb_tensors.json")).read_text())


@pytest.mark.parametrize("variant", ["streid", "mtmct"])
def test_parity_with_both_published_namings(
    golden: Callable[[str], Path], names: dict[str, dict[str, list[int]]], variant: str, tmp_path: Path
) -> None:
    state = {name: tensor(name, shape) for name, shape in names[f"pcb_{variant}"].items()}
    file = tmp_path / "pcb.pth"
    torch.save(state if variant == "streid" else {"state_dict": state, "epoch": 3, "hyper": {"lr": 0.1}}, file)
    model = load_pcb(file)
    assert model.identities == 16
    assert model.activation == (variant == "mtmct")
    images = torch.from_numpy(generator("pcb_input").uniform(-2, 2, (2, 3, 384, 192)).astype(np.float32))
    prefix = "" if variant == "streid" else "mtmct_"
    with np.load(golden("pcb.npz")) as case, torch.inference_mode():
        strips = model.strips(images)
        assert relative(strips, case[f"{prefix}feat"]) < 1e-4
        logits = torch.stack([head(strips[:, :, number]) for number, head in enumerate(model.heads)])
        assert relative(logits, case[f"{prefix}logits"]) < 1e-4
        if variant == "streid":
            assert torch.allclose(model(images), logits, rtol=1e-4, atol=1e-4)
            descriptor = model.descriptor(images)
            assert np.abs(descriptor.numpy() * np.sqrt(6) - case["descriptor"]).max() < 1e-5
            assert torch.allclose(descriptor.norm(dim=1), torch.ones(2), atol=1e-5)


def test_every_published_name_has_a_place(names: dict[str, dict[str, list[int]]]) -> None:
    own = set(PCB(4).state_dict())
    for variant in ("pcb_streid", "pcb_mtmct"):
        translated = {translate(name) for name in names[variant]}
        assert translated - {None} == own
    assert translate("model.fc.weight") is None
    with pytest.raises(KeyError):
        translate("encoder.weight")


@pytest.fixture(scope="module")
def small() -> PCB:
    torch.manual_seed(0)
    return PCB(3, activation=True).eval()


def test_our_own_file_keeps_the_network(small: PCB, tmp_path: Path) -> None:
    save_pcb(small, tmp_path / "pcb.safetensors")
    again = load_pcb(tmp_path / "pcb.safetensors")
    assert again.activation
    assert all(torch.equal(a, b) for a, b in zip(small.state_dict().values(), again.state_dict().values()))
    first = (tmp_path / "pcb.safetensors").read_bytes()
    save_pcb(again, tmp_path / "pcb.safetensors")
    assert first == (tmp_path / "pcb.safetensors").read_bytes()


def test_a_mirrored_picture_has_the_same_descriptor(small: PCB) -> None:
    images = torch.rand(1, 3, 384, 192)
    with torch.inference_mode():
        assert torch.allclose(small.descriptor(images), small.descriptor(images.flip(3)), atol=1e-6)


def test_training_output_is_one_set_of_logits_per_strip(small: PCB) -> None:
    with torch.inference_mode():
        assert small(torch.rand(2, 3, 384, 192)).shape == (6, 2, 3)


def test_wrong_files_are_user_errors(small: PCB, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no file"):
        load_pcb(tmp_path / "absent.pth")
    (tmp_path / "x.pth").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="not a torch checkpoint"):
        load_pcb(tmp_path / "x.pth")
    torch.save({"encoder.weight": torch.zeros(3)}, tmp_path / "y.pth")
    with pytest.raises(UserError, match=r"no PCB checkpoint of ST-ReID or MTMCT: 1 unknown tensors, first 'encoder"):
        load_pcb(tmp_path / "y.pth")
    torch.save([1, 2], tmp_path / "z.pth")
    with pytest.raises(UserError, match="holds no tensors by name"):
        load_pcb(tmp_path / "z.pth")
    (tmp_path / "x.safetensors").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="cannot read"):
        load_pcb(tmp_path / "x.safetensors")


def test_incomplete_tensors_are_user_errors(names: dict[str, dict[str, list[int]]]) -> None:
    state = {name: torch.zeros(shape) for name, shape in names["pcb_streid"].items()}
    lacking = {name: value for name, value in state.items() if name != "model.layer1.0.conv1.weight"}
    with pytest.raises(UserError, match=r"lacks 1 tensors, first 'backbone\.layer1\.0\.conv1\.weight'"):
        from_state(lacking, "file")
    with pytest.raises(UserError, match="another shape of 1 tensors"):
        from_state({**state, "model.conv1.weight": torch.zeros(1)}, "file")
    with pytest.raises(UserError, match="more than 6 strips"):
        from_state({**state, "classifier7.classifier.0.bias": torch.zeros(16)}, "file")
    with pytest.raises(UserError, match="no strip classifiers"):
        from_state({"model.conv1.weight": torch.zeros(1)}, "file")
