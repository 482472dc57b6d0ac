"""Starting weights of a backbone, from the files others publish.

| network             | file                                                                              |
|---------------------|-----------------------------------------------------------------------------------|
| swin                | SOLIDER, mmseg, Microsoft's Swin v1 release or timm's (converted on the way)      |
| swinv2, resnet50, hrnet32 | timm, torchvision or the authors' ImageNet files (the same tensor names)    |

Where they are to be had is in ``data/weights/published.yaml``.
"""

import logging
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from data.errors import UserError
from data.published_weights import backbone_for, published_weights
from reid.models.spec import ModelSpec
from reid.weights.checkpoints import compare, is_checkpoint, read_info
from reid.weights.torch_pickle import StoredTensor, TorchFile

if TYPE_CHECKING:
    from reid.models.part_head import PartModel

logger = logging.getLogger(__name__)

_HOLDERS = ("teacher", "state_dict", "model")
_PREFIXES = ("module.", "backbone.", "base.")
# Heads of the task the backbone was trained for, and tables that the network computes itself.
_NOT_BACKBONE = re.compile(
    r"^(head|fc|classifier|cls_head|downsamp_modules|final_layer|neck)\.|relative_coords_table|relative_position_index|attn_mask"
)
_MICROSOFT = (
    (re.compile(r"^layers\."), "stages."),
    (re.compile(r"\.attn\.(?=qkv|proj|relative)"), ".attn.w_msa."),
    (re.compile(r"\.mlp\.fc1\."), ".ffn.layers.0.0."),
    (re.compile(r"\.mlp\.fc2\."), ".ffn.layers.1."),
    (re.compile(r"^patch_embed\.proj\."), "patch_embed.projection."),
)
_OF_ITS_PEOPLE = re.compile(r"_identity_classifier\.(\d+\.)?classifier\.weight$|\.sie_embed$")
_MERGING = re.compile(r"^layers\.(\d+)\.downsample\.")
FOLDER = "pretrained"
"""Where under ``$MTMCT_DATA`` recipes find the files they name."""


def starting_file(
    pretrained: Path | Literal["none"] | None, backbone: str, mean: tuple[float, float, float]
) -> Path | None:
    """The file a training starts from; None to begin with random weights, which has to be said.

    Args:
        pretrained: as configured. A relative path is looked for here, then in ``pretrained`` of ``$MTMCT_DATA``.
        backbone: of the network.
        mean: of its input.

    Raises:
        UserError: nothing is configured, or the file is not there; the message says what fits and where to get it.
    """
    if pretrained == "none":
        return None
    fitting = backbone_for(backbone, mean)
    if pretrained is None:
        known = f": {' or '.join(one.origin for one in fitting)}" if fitting else ""
        raise UserError(
            f"pretrained is not set: name the file {backbone} starts from{known}; or begin with random weights, "
            "with pretrained=none"
        )
    if pretrained.exists():
        return pretrained
    home = os.environ.get("MTMCT_DATA")
    elsewhere = Path(home or "", FOLDER, pretrained)
    if home and elsewhere.exists():
        return elsewhere
    named = [one for one in published_weights().values() if one.use == "backbone" and one.file == pretrained.name]
    source = (named or fitting)[:1]
    looked = f"nor is {elsewhere}" if home else "and MTMCT_DATA, under which it would be looked for, is not set"
    known = f"; get {source[0].origin}" if source else ""
    raise UserError(
        f"pretrained: {pretrained} is not here, {looked}{known}. Give pretrained=FILE, or begin with random weights, "
        "with pretrained=none"
    )


def began_with(
    pretrained: Path | Literal["none"] | None, backbone: str, mean: tuple[float, float, float]
) -> dict[str, str] | None:
    """What the network of ours that a training starts from says of itself: its provenance.

    Args:
        pretrained: see ``starting_file``.
        backbone: of the network.
        mean: of its input.

    Returns:
        None where training starts from a backbone or random weights, or, with a warning, the file is gone: a training
        that is gone on with needs it no more.
    """
    try:
        start = starting_file(pretrained, backbone, mean)
    except UserError as error:
        logger.warning("the weights will not say what they began with: %s", error)
        return None
    return read_info(start).provenance if start is not None and is_checkpoint(start) else None


def load_start(model: "PartModel", spec: ModelSpec, path: Path) -> None:
    """Put in the weights a training starts from: a whole network of ours, or a backbone that others publish.

    Of a whole network only what belongs to its training people and cameras is left out where their numbers differ: the
    last layer of the identity heads, and camera tokens.

    Args:
        model: KPR or BPBReID.
        spec: of that network.
        path: a checkpoint of ours (fine-tuning), or see ``load_backbone``.

    Raises:
        UserError: when the file is unreadable, or of another make-up.
    """
    if not is_checkpoint(path):
        load_backbone(model.get_submodule("backbone_appearance_feature_extractor"), spec, path)
        return
    own, given = model.state_dict(), read_tensors(path)
    others = [
        name
        for name, tensor in {**own, **given}.items()
        if _OF_ITS_PEOPLE.search(name) and not (name in own and name in given and own[name].shape == given[name].shape)
    ]
    kept = {name: tensor for name, tensor in given.items() if name not in others}
    problems = compare({name: tensor for name, tensor in own.items() if name not in others}, kept)
    if problems:
        raise UserError(
            f"{path} is a network of another make-up than the configuration's: {'; '.join(problems)}; give the "
            "configuration it was trained by"
        )
    model.load_state_dict(kept, strict=False)
    logger.info("%s: goes on from this network, %d of its tensors made anew for other people", path.name, len(others))


def load_backbone(backbone: nn.Module, spec: ModelSpec, path: Path) -> None:
    """Put published weights into a backbone.

    Args:
        backbone: ``backbone_appearance_feature_extractor`` of a network.
        spec: of that network.
        path: ``.pth`` (read without running anything in it) or ``.safetensors``.

    Raises:
        UserError: when the file is unreadable, or does not hold the whole backbone.
    """
    tensors = read_tensors(path)
    if any(name.startswith("pixel_classifier.") for name in tensors):
        raise UserError(
            f"{path} is a whole KPR or BPBReID network: convert it with `python -m tools.import_checkpoint`, and start "
            "from the file that gives"
        )
    state = {name: tensor for name, tensor in tensors.items() if not _NOT_BACKBONE.search(name)}
    model = backbone.get_submodule("model") if spec.architecture == "kpr" else backbone
    if spec.backbone == "swin":
        state = _as_solider(state, len(spec.depths))
    own = model.state_dict()
    state = {
        name: _fitted(tensor, own[name]) if name.endswith("relative_position_bias_table") else tensor
        for name, tensor in state.items()
        if name in own
    }
    # A file may lack what training makes anew: the norms of the stages (only some releases have them) and the
    # semantic weights of other data.
    optional = re.compile(
        r"^(norm\d?|semantic_embed_.|cls_head|classifier)\.|relative_position_index|num_batches_tracked"
    )
    missing = [name for name in own if name not in state and not optional.search(name)]
    wrong = [name for name, tensor in state.items() if tensor.shape != own[name].shape]
    if missing or wrong:
        example = f"{(missing or wrong)[0]} {'missing' if missing else 'of another shape'}"
        raise UserError(
            f"{path} is no {spec.backbone} of this size: {len(missing)} tensors missing, {len(wrong)} of another shape "
            f"({example})"
        )
    model.load_state_dict(state, strict=False)
    logger.info("%s: %d of %d backbone tensors taken over", path.name, len(state), len(own))


def load_resnet50(backbone: nn.Module, path: Path) -> None:
    """Put published weights into the ResNet-50 of another network than KPR and BPBReID, see ``load_backbone``."""
    load_backbone(backbone, ModelSpec(architecture="bpbreid", backbone="resnet50"), path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a backbone file; of one that torch wrote without the prefixes of what wrapped it.

    Raises:
        UserError: when the file is unreadable, or holds no state dict.
    """
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise UserError(f"{path} is not readable: {error}") from None
    with TorchFile(path) as file:
        tree: Any = file.tree
        for holder in _HOLDERS:
            if isinstance(tree, Mapping) and isinstance(tree.get(holder), Mapping):
                tree = tree[holder]
                break
        if not isinstance(tree, Mapping):
            raise UserError(f"{path} holds no state dict")
        state = {}
        for name, value in tree.items():
            if isinstance(name, str) and isinstance(value, StoredTensor):
                for prefix in _PREFIXES:
                    name = name.removeprefix(prefix)
                state[name] = file.load(value)
    return state


def _as_solider(state: dict[str, Tensor], stages: int) -> dict[str, Tensor]:
    """Microsoft's or timm's names and merging order -> SOLIDER's; a file that has them already is left alone."""
    if not any(name.startswith("layers.") for name in state):
        return state
    # timm counts a merging to the stage that follows it, Microsoft to the one before.
    merged = {int(found[1]) for name in state if (found := _MERGING.match(name))}
    early = bool(merged) and 0 not in merged
    out = {}
    for name, tensor in state.items():
        if early and (found := _MERGING.match(name)):
            name = f"layers.{int(found[1]) - 1}{name[found.end(1) :]}"
        for pattern, replacement in _MICROSOFT:
            name = pattern.sub(replacement, name)
        name = re.sub(r"^norm\.", f"norm{stages - 1}.", name)
        if ".downsample." in name:
            tensor = _channel_major(tensor)
        out[name] = tensor
    return out


def _channel_major(tensor: Tensor) -> Tensor:
    """Merged channels from four blocks (0,0), (1,0), (0,1), (1,1) of C to C groups of (dy, dx), the order of Unfold."""
    blocks = tensor.view(*tensor.shape[:-1], 4, -1)[..., [0, 2, 1, 3], :]
    return blocks.transpose(-1, -2).reshape(tensor.shape)


def _fitted(table: Tensor, own: Tensor) -> Tensor:
    """A relative position bias table of another window, resized (bicubic)."""
    sides = [math.isqrt(len(each)) for each in (table, own)]
    if len(table) == len(own) or table.shape[1] != own.shape[1] or sides[0] ** 2 != len(table):
        return table
    grid = table.T.view(1, -1, sides[0], sides[0])
    return F.interpolate(grid, (sides[1], sides[1]), mode="bicubic").flatten(2)[0].T.contiguous()
