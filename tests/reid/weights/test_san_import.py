"""Published SAN files, written here in their two forms, become ours without running anything in them."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from data.errors import UserError
from reid.models.san import SAN
from reid.models.san_spec import SanSpec
from reid.weights.san import import_san, is_published_san, is_san, load_san, save_san
from tests.reid.models.test_pcb import tensor
from tools.import_checkpoint import main as convert

SMALL = SanSpec(height=64, width=32, blocks=(1, 1, 1, 1), channels=8, dim=16, identities=3)
ran: list[str] = []


@pytest.fixture(scope="module")
def states(golden: Callable[[str], Path]) -> dict[str, dict[str, Tensor]]:
    names = json.loads(golden("san_tensors.json").read_text())
    return {
        half: {name: tensor(name, shape) for name, shape in names[f"san_{half}"].items()}
        for half in ("encoder", "decoder")
    }


class Published(nn.Module):
    """A tree of modules with the given tensors: what the authors' pickled network comes down to."""

    def __init__(self, state: dict[str, Tensor], depth: int = 0) -> None:
        super().__init__()
        below: dict[str, dict[str, Tensor]] = {}
        for name, value in state.items():
            first, _, rest = name.partition(".")
            if rest:
                below.setdefault(first, {})[rest] = value
            elif first in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(first, value)
            else:
                self.register_parameter(first, nn.Parameter(value))
        for name, part in below.items():
            self.add_module(name, Published(part, depth + 1))

    def __setstate__(self, state: Any) -> None:
        ran.append("a method of the pickled network")
        super().__setstate__(state)


@pytest.fixture(scope="module")
def module_file(states: dict[str, dict[str, Tensor]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SAN-PG: a whole module, without classifier and embedding layer."""
    maps = {name: value for name, value in states["encoder"].items() if name.split(".")[0] not in ("fc", "classifier")}
    whole = Published({f"net_e.{name}": value for name, value in maps.items()} |
                      {f"net_d.{name}": value for name, value in states["decoder"].items()})  # fmt: skip
    path = tmp_path_factory.mktemp("pg") / "SAN_PG.pkl"
    torch.save(whole, path)
    return path


def test_a_pickled_generator_is_taken_over_and_not_run(
    module_file: Path, states: dict[str, dict[str, Tensor]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran.clear()
    out = tmp_path / "pg.safetensors"
    assert is_published_san(module_file)
    assert convert([str(module_file), "--out", str(out)]) == 0
    assert ran == []
    told = capsys.readouterr().out
    assert "fresh (no texture depends on them): encoder.fc.0.weight" in told
    assert "a generator of textures only" in told
    model, info = load_san(out, decoder=True)
    assert info.provenance["people"] == "synthetic"
    assert torch.equal(model.encoder.backbone.layer2[0].conv1.weight, states["encoder"]["layer2.0.conv1.weight"])
    assert model.decoder is not None
    assert torch.equal(model.decoder.up4.conv.bias, states["decoder"]["up4.conv.2.bias"])
    assert torch.equal(model.decoder.final_layer.weight, states["decoder"]["final_layer.1.weight"])
    # The counter-proof: torch's own reader does run it.
    torch.load(module_file, weights_only=False)
    assert ran


def test_the_older_format_names_classes_outside_of_the_pickle(
    states: dict[str, dict[str, Tensor]], module_file: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old.pkl"
    torch.save(torch.load(module_file, weights_only=False), old, _use_new_zipfile_serialization=False)
    ran.clear()
    found = import_san(old)
    assert ran == []
    assert found.dropped == ()
    assert torch.equal(found.model.encoder.backbone.conv1.weight, states["encoder"]["conv1.weight"])


def test_a_checkpoint_with_two_states_is_taken_over(
    states: dict[str, dict[str, Tensor]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "checkpoint_ep300.pth.tar"
    encoder = {f"module.{name}": value for name, value in states["encoder"].items()}
    torch.save({"state_dict": encoder, "decoder_state_dict": states["decoder"], "rank1": 0.8, "epoch": 300}, file)
    assert convert([str(file)]) == 0
    out = tmp_path / "checkpoint_ep300.safetensors"
    assert f"use it with reid.name=san reid.weights={out}" in capsys.readouterr().out
    model, info = load_san(out)
    assert (info.spec.identities, info.provenance["people"]) == (16, "real")
    assert torch.equal(model.encoder.classifier.weight, states["encoder"]["classifier.weight"])
    assert model.decoder is None
    with pytest.raises(UserError, match="--install is for KPR"):
        convert([str(file), "--install", "--overwrite"])


def test_wrong_files_are_told(states: dict[str, dict[str, Tensor]], tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(UserError, match="is a pickle, but no torch checkpoint"):
        import_san(tmp_path / "x.pkl")
    torch.save({"state_dict": states["encoder"]}, tmp_path / "y.pth.tar")
    assert not is_published_san(tmp_path / "y.pth.tar")
    with pytest.raises(UserError, match=r"is no SAN checkpoint: among its .* tensors there is no decoder"):
        import_san(tmp_path / "y.pth.tar")
    less = {name: value for name, value in states["encoder"].items() if not name.startswith("layer3.2.conv1")}
    for encoder, message in (
        (less, r"lacks 1 tensors of SAN, first 'encoder\.backbone\.layer3\.2\.conv1\.weight'"),
        (states["encoder"] | {"bn1.weight": torch.zeros(3)}, "has another shape of 1 tensors"),
    ):
        torch.save({"state_dict": encoder, "decoder_state_dict": states["decoder"]}, tmp_path / "z.pth.tar")
        with pytest.raises(UserError, match=message):
            import_san(tmp_path / "z.pth.tar")


def test_a_pickle_that_holds_itself_is_no_trap(states: dict[str, dict[str, Tensor]], tmp_path: Path) -> None:
    tree: dict[str, Any] = {"state_dict": states["encoder"], "decoder_state_dict": states["decoder"]}
    tree["again"] = tree
    torch.save(tree, tmp_path / "loop.pth.tar")
    assert import_san(tmp_path / "loop.pth.tar").dropped == ()


def test_our_own_file_keeps_the_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, path = SAN(SMALL).eval(), tmp_path / "san.safetensors"
    save_san(path, model, {"people": "synthetic"})
    first = path.read_bytes()
    again, info = load_san(path, decoder=True)
    assert info.spec == SMALL
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values()))
    save_san(path, again, {"people": "synthetic"})
    assert path.read_bytes() == first
    assert is_san(path)
    assert not is_san(tmp_path / "absent.safetensors")
    save_san(path, SAN(SMALL.model_copy(update={"decoder": False})))
    with pytest.raises(UserError, match="holds an encoder only: it cannot draw textures"):
        load_san(path, decoder=True)
    (tmp_path / "x.safetensors").write_bytes(b"nonsense")
    for name, message in (("absent", "is no file"), ("x", "not a safetensors file, or it is damaged")):
        with pytest.raises(UserError, match=message):
            load_san(tmp_path / f"{name}.safetensors")


def test_files_of_other_networks_are_told(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="is no SAN checkpoint of this project; convert published files"):
        load_san(tmp_path / "other.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "later.safetensors", metadata={"mtmct_san": '{"spec": {"x": 1}}'})
    with pytest.raises(UserError, match="does not describe a network this version knows"):
        load_san(tmp_path / "later.safetensors")
    header = json.dumps({"spec": SMALL.model_dump(mode="json")})
    save_file({"a": torch.zeros(1)}, tmp_path / "empty.safetensors", metadata={"mtmct_san": header})
    with pytest.raises(UserError, match=r"does not fit the network in its own header: .* tensors missing"):
        load_san(tmp_path / "empty.safetensors")
