"""SAN checkpoints: our own and the published ones, which are read without running anything in them.

Ours are safetensors whose header has one entry, ``mtmct_san``: the ``SanSpec`` and where the weights come from. The
authors' come in two forms: a dictionary with ``state_dict`` (encoder) and ``decoder_state_dict``, and, for SAN-PG, a
whole pickled module, whose tensors lie in a tree of modules of any names. Both come down to named tensors; encoder and
decoder are found by the names of their layers.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from data.atomic import replacing
from data.config import Section
from data.errors import UserError
from data.weight_records import file_sha256
from reid.models.san_spec import SanSpec
from reid.weights.checkpoints import compare
from reid.weights.torch_pickle import Inert, StoredTensor, TorchFile

if TYPE_CHECKING:
    from torch import Tensor

    from reid.models.san import SAN

ENTRY = "mtmct_san"
# A tensor of each half; what its name begins with in a file is what the authors' wrapper is called.
_ENCODER_MARK, _DECODER_MARK = "layer1.0.conv1.weight", "up1.res.res.0.weight"
_BACKBONE = re.compile(r"(conv1|bn1|layer[1-4])\.")
_CONVOLUTION = re.compile(r"^(up\d)\.conv\.2\.")
_RESIDUAL = re.compile(r"^(up\d)\.res\.res\.")


class SanInfo(Section):
    """The header of a checkpoint.

    Attributes:
        spec: what the network is made of.
        provenance: free text by key, as in ``reid.weights.checkpoints``.
        version: of the format.
    """

    spec: SanSpec
    provenance: dict[str, str] = Field(default_factory=dict)
    version: Literal[1] = 1


@dataclass(frozen=True, slots=True)
class SanImport:
    """What was made of a published file.

    Attributes:
        model: the network, in evaluation mode.
        taken: number of tensors taken over.
        fresh: tensors the file does not hold, which have fresh values; none that textures depend on.
        dropped: tensors of the file that have no place.
        provenance: for the header of our own file.
    """

    model: "SAN"
    taken: int
    fresh: tuple[str, ...]
    dropped: tuple[str, ...]
    provenance: dict[str, str]


def save_san(path: Path, model: "SAN", provenance: Mapping[str, str] | None = None) -> None:
    """Write weights; the file appears whole or not at all.

    Args:
        path: a ``.safetensors`` file.
        model: the network.
        provenance: where the weights come from.
    """
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(model.state_dict().items())}
    info = SanInfo(spec=model.spec, provenance=dict(sorted((provenance or {}).items())))
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={ENTRY: info.model_dump_json()})


def is_san(path: Path) -> bool:
    """Whether a file is a SAN checkpoint of ours; False for anything that cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return ENTRY in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False


def load_san(path: Path, decoder: bool = False) -> "tuple[SAN, SanInfo]":
    """Rebuild a network with its weights, in evaluation mode.

    Args:
        path: a file of ``save_san``.
        decoder: also build the decoder; embeddings need none.

    Raises:
        UserError: when the file is absent, damaged or another network's, or a decoder is wanted and it has none.
    """
    from safetensors import SafetensorError, safe_open

    from reid.models.san import SAN

    if not path.is_file():
        raise UserError(f"{path} is no file")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            names = [name for name in file.keys() if decoder or not name.startswith("decoder.")]  # noqa: SIM118
            state = {name: file.get_tensor(name) for name in names} if ENTRY in header else {}
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} is not a safetensors file, or it is damaged") from error
    if ENTRY not in header:
        raise UserError(
            f"{path} is no SAN checkpoint of this project; convert published files with "
            "`python -m tools.import_checkpoint`"
        )
    try:
        info = SanInfo.model_validate_json(header[ENTRY])
    except ValidationError as error:
        raise UserError(f"{path}: its header does not describe a network this version knows") from error
    if decoder and not info.spec.decoder:
        raise UserError(f"{path} holds an encoder only: it cannot draw textures")
    model = SAN(info.spec.model_copy(update={"decoder": decoder}))
    problems = compare(model.state_dict(), state)
    if problems:
        raise UserError(f"{path} does not fit the network in its own header: {'; '.join(problems)}")
    model.load_state_dict(state)
    return model.eval(), info


def encoder_name(name: str) -> str:
    """Our name of a tensor of the authors' encoder."""
    return f"backbone.{name}" if _BACKBONE.match(name) else name


def decoder_name(name: str) -> str:
    """Our name of a tensor of the authors' decoder; their padding layers number the convolutions otherwise."""
    name = _RESIDUAL.sub(r"\1.res.", _CONVOLUTION.sub(r"\1.conv.", name))
    return re.sub(r"^final_layer\.1\.", "final_layer.", name)


def is_published_san(path: Path) -> bool:
    """Whether a file of ``torch.save`` is of SAN's authors: it holds their decoder.

    Raises:
        UserError: when it cannot be read.
    """
    with TorchFile(path) as file:
        return any(name.endswith(_DECODER_MARK) for name in _names(file.tree))


def import_san(path: Path) -> SanImport:
    """Read a published SAN or SAN-PG file.

    Args:
        path: a checkpoint (``.pth.tar``) or a pickled module (``.pkl``) of the authors.

    Raises:
        UserError: when the file is absent, damaged, or holds no SAN.
    """
    with TorchFile(path) as file:
        # The authors' whole modules are SAN-PG, which learned from rendered people.
        generator = isinstance(file.tree, Inert) and file.tree.state is not None
        tensors = {name: file.load(tensor) for name, tensor in _names(file.tree).items()}
    encoder, decoder = _half(tensors, _ENCODER_MARK), _half(tensors, _DECODER_MARK)
    if encoder is None or decoder is None:
        lacking = "encoder" if encoder is None else "decoder"
        raise UserError(f"{path} is no SAN checkpoint: among its {len(tensors)} tensors there is no {lacking}")
    given = {f"encoder.{encoder_name(name)}": tensor for name, tensor in encoder.items()}
    given |= {f"decoder.{decoder_name(name)}": tensor for name, tensor in decoder.items()}
    return _assembled(given, path, generator)


def _assembled(given: "dict[str, Tensor]", path: Path, generator: bool) -> SanImport:
    from reid.models.san import SAN

    head = given.get("encoder.classifier.weight")
    model = SAN(SanSpec(identities=1 if head is None else len(head)))
    own = model.state_dict()
    optional = re.compile(r"encoder\.(fc|classifier)\.|.*num_batches_tracked$")
    missing = [name for name in own if name not in given and not optional.match(name)]
    wrong = [name for name in own if name in given and own[name].shape != given[name].shape]
    for names, what in ((missing, "lacks"), (wrong, "has another shape of")):
        if names:
            raise UserError(f"{path} {what} {len(names)} tensors of SAN, first '{names[0]}'")
    taken = {name: tensor for name, tensor in given.items() if name in own}
    fresh = tuple(name for name in own if name not in given and not name.endswith("num_batches_tracked"))
    model.load_state_dict(own | taken)
    provenance = {
        "source": path.name, "sha256": file_sha256(path), "publication": "Jin et al., AAAI 2020",
        "people": "synthetic" if generator else "real",
    }  # fmt: skip
    return SanImport(model.eval(), len(taken), fresh, tuple(name for name in given if name not in own), provenance)


def _half(tensors: "Mapping[str, Tensor]", mark: str) -> "dict[str, Tensor] | None":
    """Tensors with the prefix of the one that ends in ``mark``, without it; None where there is none."""
    prefixes = sorted(name.removesuffix(mark) for name in tensors if name == mark or name.endswith("." + mark))
    if not prefixes:
        return None
    whole = {name.removeprefix(prefixes[0]): tensor for name, tensor in tensors.items() if name.startswith(prefixes[0])}
    foreign = re.compile(r"(conv1|bn1|layer[1-4]|fc|classifier)\." if mark == _ENCODER_MARK else
                         r"(embed_layer\d|reduce_dim|up\d|final_layer)\.")  # fmt: skip
    return {name: tensor for name, tensor in whole.items() if foreign.match(name)}


def _names(tree: object) -> dict[str, StoredTensor]:
    """Every tensor in what was saved: of dictionaries by key, of pickled modules as their state dict would name it."""
    found: dict[str, StoredTensor] = {}
    # A pickle can hold itself.
    seen: set[int] = set()

    def walk(node: object, prefix: str) -> None:
        if isinstance(node, StoredTensor):
            found[prefix.removesuffix(".")] = node
        elif isinstance(node, Mapping) and id(node) not in seen:
            seen.add(id(node))
            if isinstance(node, Inert) and isinstance(node.state, Mapping):
                for kind in ("_parameters", "_buffers", "_modules"):
                    walk(node.state.get(kind), prefix)
            for key, value in node.items():
                if isinstance(key, str):
                    walk(value, f"{prefix}{key}.")

    walk(tree, "")
    return found
