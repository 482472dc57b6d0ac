"""PCB checkpoints: published ones of both namings, and our own.

ST-ReID names the backbone ``model.conv1 ...`` and a strip's layers ``classifier0.add_block.0 ...``; MTMCT wraps the
backbone in a Sequential (``model.0 ...``) and says ``classifier0.block.0 ...``. Files are read without running anything
in them.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from data.atomic import replacing
from data.errors import UserError, first_line

if TYPE_CHECKING:
    from torch import Tensor

    from reid.models.pcb import PCB

KIND = "mtmct_pcb"
_VARIANTS = ("plain", "activation")
_STAGES = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
_SEQUENTIAL = re.compile(r"model\.(\d)\.(.+)")
_NAMED = re.compile(r"model\.((?:conv1|bn1|layer[1-4])\..+)")
_HEAD = re.compile(r"classifier(\d)\.(add_block|block)\.([01])\.(.+)")
_LOGITS = re.compile(r"classifier(\d)\.classifier\.(?:0\.)?(weight|bias)")
_LAYERS = {"0": "reduce", "1": "norm"}


def translate(name: str) -> str | None:
    """Our name of a published tensor, or None for one that no output depends on (ImageNet's ``model.fc``).

    Raises:
        KeyError: for a name of neither naming.
    """
    if name.startswith("model.fc."):
        return None
    if match := _HEAD.fullmatch(name):
        return f"heads.{match[1]}.{_LAYERS[match[3]]}.{match[4]}"
    if match := _LOGITS.fullmatch(name):
        return f"heads.{match[1]}.classify.{match[2]}"
    if match := _NAMED.fullmatch(name):
        return f"backbone.{match[1]}"
    if (match := _SEQUENTIAL.fullmatch(name)) and match[1] in _STAGES:
        return f"backbone.{_STAGES[match[1]]}.{match[2]}"
    raise KeyError(name)


def from_state(state: "Mapping[str, Tensor]", source: str) -> "PCB":
    """Build the network that published tensors belong to, in evaluation mode.

    Args:
        state: tensors under their published names.
        source: for error messages.

    Raises:
        UserError: when tensors are missing, left over or of another shape.
    """
    from reid.models.pcb import PCB, STRIPS

    mine: dict[str, Tensor] = {}
    foreign = []
    for name, tensor in state.items():
        try:
            own = translate(name)
        except KeyError:
            foreign.append(name)
            continue
        if own is not None:
            mine[own] = tensor
    if foreign or "heads.0.classify.weight" not in mine:
        what = f"{len(foreign)} unknown tensors, first '{foreign[0]}'" if foreign else "no strip classifiers"
        raise UserError(f"{source} is no PCB checkpoint of ST-ReID or MTMCT: {what}")
    model = PCB(len(mine["heads.0.classify.weight"]), any(".block." in name for name in state))
    wanted = model.state_dict()
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}
    missing = [name for name in wanted if name not in mine and name not in counters]
    wrong = [name for name in wanted if name in mine and mine[name].shape != wanted[name].shape]
    extra = [name for name in mine if name not in wanted]
    for names, what in (
        (missing, "lacks"),
        (wrong, "has another shape of"),
        (extra, f"has more than {STRIPS} strips:"),
    ):
        if names:
            raise UserError(f"{source} {what} {len(names)} tensors, first '{names[0]}'")
    model.load_state_dict({**{name: wanted[name] for name in counters}, **mine})
    return model.eval()


def load_pcb(path: Path) -> "PCB":
    """Read a published ``.pth`` or ``.ckpt`` of either naming, or our ``.safetensors``; in evaluation mode.

    Raises:
        UserError: when the file is absent, damaged, or holds another network.
    """
    if not path.is_file():
        raise UserError(f"{path} is no file")
    if path.suffix == ".safetensors":
        return _load_own(path)
    from reid.weights.torch_pickle import StoredTensor, TorchFile

    with TorchFile(path) as file:
        content = file.tree
        if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
            content = content["state_dict"]
        if not isinstance(content, dict):
            raise UserError(f"{path} holds no tensors by name")
        stored = {str(name): value for name, value in content.items() if isinstance(value, StoredTensor)}
        return from_state({name: file.load(tensor) for name, tensor in stored.items()}, str(path))


def save_pcb(model: "PCB", path: Path, told: Mapping[str, str] | None = None) -> None:
    """Write our own form, ``.safetensors``; the file appears whole or not at all.

    Args:
        model: the network.
        path: where.
        told: for the file's header, see ``read_told``.
    """
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(model.state_dict().items())}
    with replacing(path) as temporary:
        # Of several entries the library changes the order from write to write.
        variant = "activation" if model.activation else "plain"
        save_file(tensors, temporary, metadata={KIND: json.dumps({"variant": variant, "told": dict(told or {})})})


def read_told(path: Path) -> dict[str, str]:
    """What the header of a file of our own form says of its training: epochs, seed, scores.

    Raises:
        UserError: when it is no such file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            variant, told = _header(file.metadata())
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot read {path}: {first_line(error)}") from None
    if variant is None:
        raise UserError(f"{path} is no PCB checkpoint of this project")
    return told


def _header(metadata: Mapping[str, str] | None) -> tuple[str | None, dict[str, str]]:
    """The variant, None in a file of something else, and what is told; files of 0.1.0 have the variant alone."""
    entry = (metadata or {}).get(KIND)
    if entry is None or entry in _VARIANTS:
        return entry, {}
    try:
        header = json.loads(entry)
        told = {str(name): str(value) for name, value in header["told"].items()}
        return (header["variant"] if header["variant"] in _VARIANTS else None), told
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, {}


def _load_own(path: Path) -> "PCB":
    from safetensors import SafetensorError, safe_open

    from reid.models.pcb import PCB

    try:
        with safe_open(path, framework="pt") as file:
            variant, _ = _header(file.metadata())
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot read {path}: {first_line(error)}") from None
    if variant is None or "heads.0.classify.weight" not in state:
        raise UserError(f"{path} is no PCB checkpoint of this project")
    model = PCB(len(state["heads.0.classify.weight"]), variant == "activation")
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"{path} does not fit the network: {str(error).splitlines()[-1].strip()}") from None
    return model.eval()
