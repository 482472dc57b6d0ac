"""Published KPR and BPBReID checkpoints: what network their tensors belong to, and how to take them over.

Everything is inferred from the tensors where they tell; the file's own configuration fills in what they cannot (input
size, normalisation, windows), then the published defaults. What was guessed is said in the report.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from data.atomic import replacing
from data.errors import UserError
from data.weight_records import file_sha256
from reid.models.spec import IMAGENET_MEAN, IMAGENET_STD, PART_NAMES, ModelSpec
from reid.weights.checkpoints import build_model, cameras_entry, compare, load_model
from reid.weights.prompt_channels import prompt_fields
from reid.weights.saved_config import SavedConfig
from reid.weights.torch_pickle import StoredTensor, TorchFile, plain

if TYPE_CHECKING:
    from torch import Tensor

    from reid.models.part_head import PartModel

BACKBONE = "backbone_appearance_feature_extractor."
LICENCE = "Hippocratic Licence 3.0 (HL3-LAW-MEDIA-MIL-SOC-SV)"

_PROVENANCE = "mtmct_provenance"
_VIEWS = "model.transreid.sie_view"
_HALF = (0.5, 0.5, 0.5)
_PUBLISHED_SIZES = {"swin": (384, 128), "swinv2": (256, 128), "resnet50": (384, 128), "hrnet32": (384, 128)}
# timm derives these from the window size; versions before 1.0 stored them.
_DERIVED = ("relative_coords_table", "relative_position_index", "attn_mask")


@dataclass(frozen=True, slots=True)
class ImportedCheckpoint:
    """A published checkpoint, taken over.

    Attributes:
        spec: the network its tensors belong to.
        state: complete state dict of that network.
        filled: tensors the file lacks that no output depends on, or that training replaces; freshly initialised.
        dropped: tensors of the file that the network does not have.
        guessed: what neither tensors nor configuration told, and what was assumed.
        provenance: for the header of our own file.
    """

    spec: ModelSpec
    state: "dict[str, Tensor]"
    filled: tuple[str, ...]
    dropped: tuple[str, ...]
    guessed: tuple[str, ...]
    provenance: dict[str, str]

    def model(self, device: str = "cpu") -> "PartModel":
        """The network with its weights, in evaluation mode."""
        model = build_model(self.spec)
        model.load_state_dict(self.state)
        return model.eval().to(device)


def import_published(path: str | Path, overrides: Mapping[str, Any] | None = None) -> ImportedCheckpoint:
    """Read a published ``.pth.tar`` without running anything in it.

    Args:
        path: the file.
        overrides: fields of ``ModelSpec`` the user knows better.

    Raises:
        UserError: when the file is damaged, belongs to another network, or lacks a tensor the output depends on.
    """
    path = Path(path)
    with TorchFile(path) as file:
        stored = _tensors(file)
        config, ours = (
            plain(file.tree.get(key)) if isinstance(file.tree, Mapping) else None for key in ("config", _PROVENANCE)
        )
        config = config if isinstance(config, dict) else {}
        spec, guessed = infer_spec(stored, config, path, overrides or {})
        model = build_model(spec)
        own = model.state_dict()
        stored = _with_aliases(stored, own)
        dropped = [name for name in stored if name not in own and _may_drop(name, spec)]
        filled = [name for name in own if name not in stored and _may_fill(name)]
        kept = {name: tensor for name, tensor in stored.items() if name not in dropped}
        problems = compare({name: tensor for name, tensor in own.items() if name not in filled}, kept)
        if problems:
            raise UserError(
                f"{path} is not a complete {spec.architecture} checkpoint on {spec.backbone}: {'; '.join(problems)}"
            )
        state = {name: file.load(tensor).to(own[name].dtype) for name, tensor in kept.items()}
    broken = [name for name, tensor in state.items() if not bool(tensor.isfinite().all())]
    if broken:
        raise UserError(f"{path} holds NaN or infinite weights, as {broken[0]}")
    state |= {name: own[name] for name in filled}
    # All that was published learned from real people, and has tokens only for the cameras 1, 2, ... of Market-1501 or
    # Occluded-Duke; what we exported ourselves carries its own word on it.
    numbered = spec.cameras > 0 and not SavedConfig(config).get(_VIEWS)
    own_word = {"people": "real"} | (cameras_entry(range(1, spec.cameras + 1)) if numbered else {})
    if isinstance(ours, dict):
        own_word = {str(key): str(value) for key, value in ours.items()}
    provenance = {"licence": LICENCE, **own_word, "source": path.name, "source_sha256": file_sha256(path)}
    return ImportedCheckpoint(spec, state, tuple(filled), tuple(dropped), guessed, provenance)


def infer_spec(
    tensors: Mapping[str, StoredTensor], config: Mapping[str, Any], path: Path, overrides: Mapping[str, Any]
) -> tuple[ModelSpec, tuple[str, ...]]:
    """Tell the network from its tensors.

    Args:
        tensors: name -> anything with a ``shape``, names without ``module.``.
        config: the configuration saved with them, plain; empty if none.
        path: the file, whose name may tell the normalisation.
        overrides: fields the user knows better.

    Returns:
        The spec, and what was assumed without evidence.

    Raises:
        UserError: when the tensors are of no such network, or the normalisation cannot be told.
    """
    if "pixel_classifier.classifier.weight" not in tensors:
        raise UserError(f"{path} is no KPR or BPBReID checkpoint: it has no tensor pixel_classifier.classifier.weight")
    node = SavedConfig(config)
    guessed: dict[str, str] = {}
    promptable = f"{BACKBONE}masks_patch_embed.norm.weight" in tensors
    fields: dict[str, Any] = {"architecture": "kpr" if promptable else "bpbreid"}
    if promptable:
        fields |= _transformer_fields(tensors, node, guessed, path, overrides)
    else:
        fields |= _convolutional_fields(tensors)
    fields |= _head_fields(tensors, node, guessed)
    fields |= _input_fields(str(fields["backbone"]), node, guessed, path, overrides)
    try:
        spec = ModelSpec.model_validate(fields | dict(overrides))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path} describes no network we know: {place} {first['msg']}") from error
    return spec, tuple(text for field, text in guessed.items() if field not in overrides)


def _transformer_fields(
    tensors: Mapping[str, StoredTensor],
    node: SavedConfig,
    guessed: dict[str, str],
    path: Path,
    overrides: Mapping[str, Any],
) -> dict[str, Any]:
    cameras = tensors.get(f"{BACKBONE}sie_embed")
    if cameras and node.get(_VIEWS):
        guessed["cameras"] = "its tokens stand for pairs of camera and view: no camera of a run can have one"
    fields: dict[str, Any] = {
        "cameras": cameras.shape[0] if cameras else 0,
        "camera_weight": node.get("model.transreid.sie_coe") or 3.0,
        "fusion": "msf.dim_reduce.layers.0.weight" in tensors,
    }
    if f"{BACKBONE}model.stages.0.blocks.0.norm1.weight" in tensors:
        convolution = _shape(tensors, f"{BACKBONE}masks_patch_embed.projection.weight", path)
        table = "attn.w_msa.relative_position_bias_table"
        fields |= {"backbone": "swin", **_stage_fields(tensors, "stages", table, 1, path)}
        fields["window"] = (math.isqrt(_shape(tensors, f"{BACKBONE}model.stages.0.blocks.0.{table}", path)[0]) + 1) // 2
        if f"{BACKBONE}model.semantic_embed_w.0.weight" in tensors:
            weight = node.get("model.solider.semantic_weight", "model.transreid.semantic_weight")
            fields["semantic_weight"] = weight if weight is not None and weight >= 0 else 0.2
            guessed["semantic_weight"] = (
                f"semantic weight {fields['semantic_weight']}, as in training; the authors' tests, but for "
                "Occluded-PoseTrack, switch the modulation off (--semantic-weight -1)"
            )
    else:
        convolution = _shape(tensors, f"{BACKBONE}masks_patch_embed.proj.weight", path)
        fields |= {"backbone": "swinv2", **_stage_fields(tensors, "layers", "attn.logit_scale", 0, path)}
        if "window" not in overrides:
            fields |= _windows_told(node, guessed, path)
    embed = tensors.get(f"{BACKBONE}parts_embed")
    rows = embed.shape[0] if embed else None
    drawn = (node.get("model.kpr.keypoints.vis_thresh"), node.get("model.kpr.keypoints.vis_continous"))
    fields |= {"prompt_threshold": drawn[0]} if isinstance(drawn[0], (int, float)) else {}
    fields |= {"embed_dim": convolution[0], "prompt_continuous": drawn[1] is True}
    return fields | prompt_fields(convolution[1], rows, node, guessed, path, overrides)


def _shape(tensors: Mapping[str, StoredTensor], name: str, path: Path) -> tuple[int, ...]:
    if name not in tensors:
        raise UserError(f"{path} is incomplete or of an unknown network: it has no tensor {name}")
    return tensors[name].shape


def _stage_fields(
    tensors: Mapping[str, StoredTensor], stages: str, per_head: str, axis: int, path: Path
) -> dict[str, Any]:
    prefix = f"{BACKBONE}model.{stages}."
    places = {tuple(int(part) for part in name.removeprefix(prefix).split(".")[:3:2]) for name in tensors
              if name.startswith(prefix) and ".blocks." in name}  # fmt: skip
    count = 1 + max(stage for stage, _ in places)
    depths = tuple(1 + max(block for stage, block in places if stage == row) for row in range(count))
    heads = tuple(_shape(tensors, f"{prefix}{row}.blocks.0.{per_head}", path)[axis] for row in range(count))
    return {"depths": depths, "heads": heads}


def swinv2_windows(text: str) -> dict[str, Any]:
    """Fields of the windows of a Swin V2.

    Args:
        text: as in timm's names: ``12to16`` (biases of window 12 serve window 16), or ``16``.

    Raises:
        UserError: when it is neither.
    """
    found = re.fullmatch(r"(\d+)(?:to(\d+))?", text)
    if found is None:
        raise UserError(f"'{text}' is no window as in timm's names, such as 12to16 or 16")
    before, now = found.groups()
    if now is None:
        return {"window": int(before), "pretrained_windows": (0, 0, 0, 0)}
    return {"window": int(now), "pretrained_windows": (int(before),) * 3 + (int(before) // 2,)}


def _windows_told(node: SavedConfig, guessed: dict[str, str], path: Path) -> dict[str, Any]:
    """From a timm name as swinv2_base_window12to16_192to256, else from the file's own, if it is a published one."""
    text = str(node.get("model.kpr.backbone") or "").partition("window")[2].partition("_")[0]
    if text:
        return swinv2_windows(text)
    if not path.name.lower().startswith("kpr_") or "_in_" not in path.name.lower():
        raise UserError(
            f"{path}: neither its tensors nor its configuration tell the window of its Swin V2; give it with --window, "
            "as in timm's name (12to16 in the published ones)"
        )
    guessed["window"] = "window 16, adapted from 12: that of the published files of such names"
    return swinv2_windows("12to16")


def _convolutional_fields(tensors: Mapping[str, StoredTensor]) -> dict[str, Any]:
    return {"backbone": "hrnet32" if f"{BACKBONE}stage4.0.branches.0.0.conv1.weight" in tensors else "resnet50"}


def _head_fields(tensors: Mapping[str, StoredTensor], node: SavedConfig, guessed: dict[str, str]) -> dict[str, Any]:
    parts = tensors["pixel_classifier.classifier.weight"].shape[0] - 1
    named = node.get("model.kpr.masks.parts_names", "model.bpbreid.masks.parts_names")
    names = next((names for names in PART_NAMES.values() if len(names) == parts), None)
    if isinstance(named, list) and len(named) == parts:
        names = tuple(str(name) for name in named)
    else:
        names = names or tuple(f"part_{row}" for row in range(1, parts + 1))
        guessed["part_names"] = f"part names {', '.join(names)}: published ones of this number, if there are any"
    before = "before_pooling_dim_reduce.layers.0.weight" in tensors
    after = tensors.get("parts_after_pooling_dim_reduce.layers.0.weight")
    reduction = (
        ("before_and_after_pooling" if before else "after_pooling") if after else "before_pooling" if before else "none"
    )
    scores = tensors.get("foreground_identity_classifier.classifier.weight")
    fields: dict[str, Any] = {
        "part_names": names,
        "reduction": reduction,
        "identities": scores.shape[0] if scores else 1,
        "shared_part_classifier": "parts_identity_classifier.bn.weight" in tensors,
    }
    if after:
        fields["dim"] = after.shape[0]
    elif before:
        fields["dim"] = tensors["before_pooling_dim_reduce.layers.0.weight"].shape[0]
    pooling = node.get("model.kpr.pooling", "model.bpbreid.pooling")
    if pooling in ("gwap", "gap", "gmp"):
        fields["pooling"] = pooling
    learnable = node.get("model.kpr.learnable_attention_enabled", "model.bpbreid.learnable_attention_enabled")
    if learnable is not None:
        fields["learnable_attention"] = bool(learnable)
    return fields


def _input_fields(
    backbone: str, node: SavedConfig, guessed: dict[str, str], path: Path, overrides: Mapping[str, Any]
) -> dict[str, Any]:
    fields: dict[str, Any] = {"height": node.get("data.height"), "width": node.get("data.width")}
    if not isinstance(fields["height"], int) or not isinstance(fields["width"], int):
        fields["height"], fields["width"] = _PUBLISHED_SIZES[backbone]
        guessed["height"] = f"input {fields['height']}x{fields['width']}: the published default"
    mean, std = node.get("data.norm_mean"), node.get("data.norm_std")
    if isinstance(mean, list) and isinstance(std, list) and len(mean) == len(std) == 3:
        return fields | {"mean": tuple(mean), "std": tuple(std)}
    if {"mean", "std"} <= set(overrides):
        return fields
    if backbone != "swin":
        return fields | {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    told = f"{node.get('model.kpr.backbone') or ''} {path.name}".lower()
    if "solider" in told:
        return fields | {"mean": _HALF, "std": _HALF}
    if "imagenet" in told or "_in_" in told:
        return fields | {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    raise UserError(
        f"{path}: neither its configuration nor its name tells whether it wants SOLIDER's (0.5) or ImageNet's "
        "normalisation; give it with --normalisation solider or --normalisation imagenet"
    )


def _tensors(file: TorchFile) -> dict[str, StoredTensor]:
    tree = file.tree
    found = tree.get("state_dict", tree) if isinstance(tree, Mapping) else None
    if not isinstance(found, Mapping):
        raise UserError(f"{file.path} holds no state dict")
    tensors = {
        name: value for name, value in found.items() if isinstance(name, str) and isinstance(value, StoredTensor)
    }
    if not tensors:
        raise UserError(f"{file.path} holds no tensors")
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


def _with_aliases(tensors: dict[str, StoredTensor], own: Mapping[str, Any]) -> dict[str, StoredTensor]:
    """Complete the image's patch embedding, which has two names, where a file holds one of them."""
    inner, outer = f"{BACKBONE}model.patch_embed.", f"{BACKBONE}patch_embed."
    out = dict(tensors)
    for name in own:
        for mine, other in ((inner, outer), (outer, inner)):
            twin = other + name.removeprefix(mine)
            if name.startswith(mine) and name not in out and twin in out:
                out[name] = out[twin]
    return out


def _may_drop(name: str, spec: ModelSpec) -> bool:
    """Tensors no output depends on, and those of a modulation that was switched off on purpose."""
    if name.endswith(_DERIVED) and spec.backbone == "swinv2":
        return True
    return ".semantic_embed_" in name and spec.semantic_weight < 0


def _may_fill(name: str) -> bool:
    """Tensors no embedding depends on."""
    unused = ("parts_embed", "model.norm.weight", "model.norm.bias", "norm.weight", "norm.bias")
    return (
        name in {BACKBONE + tail for tail in unused}
        or name.startswith((f"{BACKBONE}cls_head.", f"{BACKBONE}classifier."))
        or name.endswith(("num_batches_tracked", "relative_position_index", "_identity_classifier.classifier.weight"))
        or (name.startswith("parts_identity_classifier.") and name.endswith(".classifier.weight"))
    )


def export_published(source: Path, target: Path) -> None:
    """Write one of our checkpoints in the originals' format: ``torch.save`` of ``state_dict`` and ``epoch``.

    Its provenance goes along under a key of its own, which the originals do not read.

    Raises:
        UserError: when ``source`` is no checkpoint of ours.
    """
    import torch

    model, info = load_model(source)
    with replacing(target) as temporary:
        torch.save({"state_dict": model.state_dict(), "epoch": 0, _PROVENANCE: info.provenance}, temporary)
