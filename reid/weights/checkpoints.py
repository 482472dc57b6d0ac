"""Our checkpoint format for KPR and BPBReID: safetensors, with everything needed to rebuild the network in its header.

The tensors carry the published names. The header's one entry, ``mtmct_reid``, is JSON: the ``ModelSpec`` (architecture,
input size, normalisation, part and prompt names) and where the weights come from. One entry, because safetensors writes
several in no fixed order and the same weights must give the same bytes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError

from data.atomic import replacing
from data.config import Section
from data.errors import UserError
from data.weight_records import People, people_of
from reid.models.spec import ModelSpec

if TYPE_CHECKING:
    from torch import Tensor

    from reid.models.part_head import PartModel

_ENTRY = "mtmct_reid"
_CAMERAS = "cameras"


class CheckpointInfo(Section):
    """The header of a checkpoint.

    Attributes:
        spec: what the network is made of.
        provenance: free text by key: source file, its sha256, licence, training data, ``people`` it learned from,
            ``cameras`` of its camera tokens.
        version: of the format.
    """

    spec: ModelSpec
    provenance: dict[str, str] = Field(default_factory=dict)
    version: Literal[1] = 1

    @property
    def people(self) -> People | None:
        """Which people the network learned from, see ``people_of``."""
        return people_of(self.provenance)

    @property
    def cameras(self) -> tuple[int, ...]:
        """The camera each camera token was learned from, as its data set numbers it; empty where it is not told."""
        told = self.provenance.get(_CAMERAS, "").split()
        numbers = tuple(int(number) for number in told if number.isdecimal())
        return numbers if len(numbers) == len(told) == self.spec.cameras else ()


def cameras_entry(cameras: Sequence[int]) -> dict[str, str]:
    """The entry of the provenance that ``CheckpointInfo.cameras`` reads."""
    return {_CAMERAS: " ".join(map(str, cameras))}


def build_model(spec: ModelSpec) -> "PartModel":
    """Build the network a spec describes, with fresh weights."""
    if spec.architecture == "kpr":
        from reid.models.kpr import KPR

        return KPR(spec)
    from reid.models.bpbreid import BPBReID

    return BPBReID(spec)


def save_checkpoint(
    path: Path, state: "Mapping[str, Tensor]", spec: ModelSpec, provenance: Mapping[str, str] | None = None
) -> None:
    """Write weights; the file appears whole or not at all.

    Args:
        path: a ``.safetensors`` file.
        state: the network's state dict.
        spec: what the network is made of.
        provenance: where the weights come from.
    """
    from safetensors.torch import save_file

    # safetensors refuses tensors that share memory; the image's patch embedding has two names.
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in sorted(state.items())}
    info = CheckpointInfo(spec=spec, provenance=dict(sorted((provenance or {}).items())))
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={_ENTRY: info.model_dump_json()})


def read_info(path: Path) -> CheckpointInfo:
    """Read a checkpoint's header only.

    Raises:
        UserError: when the file is absent, damaged, or no checkpoint of ours.
    """
    # Headers are read of every candidate file; the NumPy reader leaves torch alone.
    with _open(path, "numpy") as file:
        header = file.metadata() or {}
    if _ENTRY not in header:
        raise UserError(
            f"{path} is no KPR or BPBReID checkpoint of this project; convert published files with "
            "`python -m tools.import_checkpoint`"
        )
    try:
        return CheckpointInfo.model_validate_json(header[_ENTRY])
    except ValidationError as error:
        raise UserError(f"{path}: its header does not describe a network this version knows") from error


def is_checkpoint(path: Path) -> bool:
    """Whether a file that is there is a checkpoint of ours.

    Raises:
        UserError: when it ends in ``.safetensors`` and is damaged.
    """
    if path.suffix != ".safetensors":
        return False
    with _open(path, "numpy") as file:
        return _ENTRY in (file.metadata() or {})


def load_model(path: Path, device: str = "cpu") -> "tuple[PartModel, CheckpointInfo]":
    """Rebuild a network with its weights, in evaluation mode.

    Raises:
        UserError: when the file is absent or damaged, or lacks or adds a tensor.
    """
    info = read_info(path)
    model = build_model(info.spec)
    with _open(path, "pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    problems = compare(model.state_dict(), state)
    if problems:
        raise UserError(f"{path} does not fit the network in its own header: {'; '.join(problems)}")
    model.load_state_dict(state)
    return model.eval().to(device), info


def compare(own: "Mapping[str, Tensor]", given: "Mapping[str, Any]") -> list[str]:
    """What differs between a network's tensors and those of a file: one line per kind of difference, none if equal."""
    missing = [name for name in own if name not in given]
    extra = [name for name in given if name not in own]
    shapes = [
        f"{name} {tuple(given[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in given and tuple(given[name].shape) != tuple(tensor.shape)
    ]
    return [
        f"{len(names)} {what}, as {', '.join(names[:3])}"
        for what, names in (("tensors missing", missing), ("unknown tensors", extra), ("of another shape", shapes))
        if names
    ]


def _open(path: Path, framework: str) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework=framework)
    except FileNotFoundError as error:
        raise UserError(f"checkpoint not found: {path}") from error
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is not a safetensors file, or it is damaged") from error
