"""Weights of the network: safetensors, with the network's make-up and origin in the header."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from data.atomic import replacing
from data.config import Section
from data.errors import UserError
from pipeline.person_pose.network import NetworkSpec, PersonPoseNet

_ENTRY = "mtmct_person_pose"


class FileInfo(Section):
    """The header."""

    spec: NetworkSpec = Field(description="what the network is made of")
    provenance: dict[str, str] = Field({}, description="data, steps, seed and scores of the training")
    version: Literal[1] = Field(1, description="of the format")


def save_network(path: Path, model: PersonPoseNet, provenance: Mapping[str, str]) -> None:
    """Write weights in half precision; the file appears whole or not at all.

    Args:
        path: a ``.safetensors`` file.
        model: the network.
        provenance: where the weights come from.
    """
    import torch
    from safetensors.torch import save_file

    tensors = {
        name: (value.half() if value.dtype == torch.float32 else value).detach().cpu().clone().contiguous()
        for name, value in sorted(model.state_dict().items())
        if not name.endswith("num_batches_tracked")
    }
    info = FileInfo(spec=model.spec, provenance=dict(sorted(provenance.items())))
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={_ENTRY: info.model_dump_json()})


def load_network(path: Path) -> tuple[PersonPoseNet, FileInfo]:
    """Rebuild a network in evaluation mode, float32.

    Raises:
        UserError: when the file is absent, damaged, of another kind, or lacks or adds a tensor.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise UserError(f"weights not found: {path}") from error
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is not a safetensors file, or it is damaged") from error
    if _ENTRY not in header:
        raise UserError(f"{path} holds no person_pose network; train one with `python -m tools.train_detector`")
    try:
        info = FileInfo.model_validate_json(header[_ENTRY])
    except ValidationError as error:
        raise UserError(f"{path}: its header does not describe a network this version knows") from error
    model = PersonPoseNet(info.spec)
    own = {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    shapes = [{name: value.shape for name, value in tensors.items()} for tensors in (own, state)]
    wrong = sorted(name for name in {**own, **state} if shapes[0].get(name) != shapes[1].get(name))
    if wrong:
        raise UserError(f"{path} does not fit the network in its own header: {len(wrong)} tensors, as {wrong[0]}")
    model.load_state_dict({name: value.float() for name, value in state.items()}, strict=False)
    return model.eval(), info
