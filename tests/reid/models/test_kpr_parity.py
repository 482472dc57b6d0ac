"""Parity of KPR and BPBReID with the originals' recorded outputs (weights by the rule of tests/golden/README.md)."""

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from reid.models.bpbreid import BPBReID
from reid.models.kpr import KPR
from reid.models.part_head import KINDS, ExternalMasks, PartOutput
from reid.models.spec import PART_NAMES, ModelSpec

HALF = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
CASES = {
    "kpr_swin_tiny_256x128_k5": ModelSpec(
        architecture="kpr", backbone="swin", embed_dim=96, depths=(2, 2, 6, 2), heads=(3, 6, 12, 24), height=256,
        semantic_weight=0.2, part_names=PART_NAMES["five_v"], prompt_groups="cck6", identities=751, **HALF,
    ),
    "kpr_solider_swin_base_384x128_k8": ModelSpec(
        architecture="kpr", backbone="swin", prompt_groups="cck8", identities=702, cameras=8, **HALF,
    ),
    "kpr_swinv2_base_256x128_k8": ModelSpec(
        architecture="kpr", backbone="swinv2", height=256, window=16, prompt_groups="cck8", identities=702,
    ),
    "bpbreid_resnet50_256x128_k5": ModelSpec(
        architecture="bpbreid", backbone="resnet50", height=256, part_names=PART_NAMES["five_v"], identities=751,
    ),
    "bpbreid_hrnet32_384x128_k8": ModelSpec(architecture="bpbreid", backbone="hrnet32", identities=702),
}  # fmt: skip
CONV_GAIN = {"bpbreid_hrnet32_384x128_k8": 1.0}
SLOW = {"kpr_solider_swin_base_384x128_k8", "kpr_swinv2_base_256x128_k8", "bpbreid_hrnet32_384x128_k8"}
EMBEDDING, LOGIT, VALUE = 1e-4, 5e-4, 2e-4
BACKBONE = "backbone_appearance_feature_extractor."


def rule_value(name: str, shape: tuple[int, ...], gain: float) -> np.ndarray | None:
    """Value of a tensor by the rule of tests/golden/README.md; None for what the model computes itself."""
    if name.endswith(("relative_position_index", "relative_coords_table", "attn_mask")):
        return None
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    key = name.replace(BACKBONE + "model.patch_embed.", BACKBONE + "patch_embed.")
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
    r = np.random.RandomState(seed).standard_normal(int(np.prod(shape, dtype=np.int64))).reshape(shape)
    fan = math.sqrt(float(np.prod(shape[1:]))) if len(shape) > 1 else 1.0
    if name.endswith("running_var"):
        value = 1 + 0.5 * np.abs(r)
    elif name.endswith("running_mean"):
        value = 0.1 * r
    elif name == "pixel_classifier.classifier.weight":
        value = 3 * r / fan
    elif name.endswith("relative_position_bias_table"):
        value = 0.5 * r
    elif name.endswith(("sie_embed", "parts_embed")):
        value = 0.2 * r
    elif name.endswith("logit_scale"):
        value = math.log(10) + 0.1 * r
    elif len(shape) >= 2:
        value = (gain if len(shape) == 4 else 1.0) * r / fan
    else:
        value = (1 if name.endswith(".weight") else 0) + 0.1 * r
    return value.astype(np.float32)


def load(golden: Callable[[str], Path], case: str):
    """The recorded arrays and the network with the recorded weights, loaded strictly."""
    arrays = np.load(golden(f"{case}.npz"))
    listed = json.loads(golden(f"{case}_tensors.json").read_text())
    spec = CASES[case]
    model = (KPR if spec.architecture == "kpr" else BPBReID)(spec).eval()
    own = model.state_dict()
    assert sorted(own) == sorted(listed)
    assert {name: list(tensor.shape) for name, tensor in own.items()} == {n: i["shape"] for n, i in listed.items()}
    state = {}
    for name, entry in listed.items():
        value = rule_value(name, tuple(entry["shape"]), CONV_GAIN.get(case, 1.5))
        value = arrays[f"override/{name}"] if f"override/{name}" in arrays.files else value
        state[name] = own[name] if value is None else torch.from_numpy(np.asarray(value))
    model.load_state_dict(state, strict=True)
    return arrays, model


def run(arrays, model, name: str, features: torch.Tensor | None = None) -> PartOutput:
    """The recorded run; with features, only what follows the backbone."""
    options = {"visibility": "continuous" if name == "cont_vis" else "binary", "external": None}
    if name in USES:
        options["external"] = ExternalMasks(torch.from_numpy(arrays["input/target_masks"]), USES[name])
    with torch.inference_mode():
        if features is not None:
            return model.describe(features, kinds=KINDS, scores=True, **options)
        if model.spec.architecture == "bpbreid":
            return model(torch.from_numpy(arrays["input/image"]), **options)
        prompts = None if name == "no_prompt" else torch.from_numpy(arrays["input/prompt_masks"])
        cameras = torch.from_numpy(arrays["input/cam_label"]) if model.spec.cameras else None
        return model(torch.from_numpy(arrays["input/image"]), prompts, cameras, **options)


def worst(arrays, name: str, output: PartOutput) -> dict[str, float]:
    """Largest error per group, relative to the tolerance (1 is just accepted)."""
    errors: dict[str, float] = {}

    def note(group: str, got: torch.Tensor, key: str, tolerance: float, relative: bool = False) -> None:
        want = arrays[key]
        assert tuple(got.shape) == want.shape, key
        if relative:
            tolerance *= max(1.0, float(np.abs(want).max()))
        errors[group] = max(errors.get(group, 0.0), float(np.abs(got.numpy() - want).max()) / tolerance)

    for key in [key for key in arrays.files if key.startswith(f"{name}/")]:
        group, _, kind = key.removeprefix(f"{name}/").partition("/")
        if group == "emb":
            source = output.bn_embeddings if kind.startswith("bn_") else output.embeddings
            note("embedding", source[kind.removeprefix("bn_")], key, EMBEDDING, relative=True)
        elif group == "vis":
            got, want = output.visibility[kind], arrays[key]
            if want.dtype == bool:
                assert got.dtype == torch.bool
                assert np.array_equal(got.numpy(), want), key
            else:
                note("visibility", got, key, VALUE)
        elif group == "mask":
            note("mask", output.masks[kind], key, VALUE)
        elif group == "idscore16":
            note("identity", output.id_scores[kind][..., :16], key, 10 * EMBEDDING, relative=True)
        elif group == "pixel_logits":
            note("logit", output.pixel_logits, key, LOGIT)
        elif group == "spatial_features_first8ch":
            note("features", output.features[:, :8], key, 1e-3, relative=True)
    return errors


USES = {"target_seg_soft": "soft", "target_seg_hard": "hard", "fixed_attention": "fixed", "prompt_vis": "visibility"}
RUNS = ("with_prompt", "eval", "no_prompt", "cont_vis", *USES)


def stages_agree(arrays, model) -> torch.Tensor:
    """Compare the backbone's stages where they were recorded; returns the fused map."""
    cameras = torch.from_numpy(arrays["input/cam_label"]) if model.spec.cameras else None
    with torch.inference_mode():
        maps = model.backbone_appearance_feature_extractor(
            torch.from_numpy(arrays["input/image"]), torch.from_numpy(arrays["input/prompt_masks"]), cameras
        )
        for stage, level in enumerate(maps):
            key = f"with_prompt/backbone_stage{stage}_first4ch"
            want = arrays[key] if key in arrays.files else level[:, :4].numpy()
            assert np.abs(level[:, :4].numpy() - want).max() <= 1e-3 * max(1.0, np.abs(want).max()), stage
        return model.msf(maps)


@pytest.mark.parametrize("case", [pytest.param(case, marks=pytest.mark.slow if case in SLOW else ()) for case in CASES])
def test_network_agrees_with_the_original(golden, case):
    arrays, model = load(golden, case)
    present = [name for name in RUNS if any(key.startswith(f"{name}/") for key in arrays.files)]
    assert len(present) >= 3
    features = stages_agree(arrays, model) if model.spec.architecture == "kpr" else None
    for name in present:
        output = run(arrays, model, name, None if name == "no_prompt" else features)
        features = output.features if features is None else features
        errors = worst(arrays, name, output)
        print(case, name, {group: f"{error:.3f}" for group, error in errors.items()})
        assert errors or name == "prompt_vis"
        assert all(error <= 1 for error in errors.values()), (name, errors)
