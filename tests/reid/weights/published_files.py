"""Small checkpoints in the form in which others publish them."""

import sys
import types
from pathlib import Path

import torch

from reid.models.spec import PART_NAMES, ModelSpec
from reid.weights.checkpoints import build_model

TINY = ModelSpec(
    architecture="kpr", backbone="swin", embed_dim=16, depths=(1, 1, 2), heads=(1, 2, 4), height=64, width=32,
    mean=(0.5,) * 3, std=(0.5,) * 3, part_names=PART_NAMES["five_v"], prompt_groups="cck6", cameras=6, dim=24,
    identities=7, semantic_weight=0.2,
)  # fmt: skip


TINY_V2 = TINY.model_copy(update={
    "backbone": "swinv2", "height": 64, "width": 64, "window": 4, "pretrained_windows": (0, 0, 0, 0), "cameras": 0,
    "semantic_weight": -1.0,
})  # fmt: skip


CONFIG = {
    "data": {"height": 64, "width": 32, "norm_mean": [0.5, 0.5, 0.5], "norm_std": [0.5, 0.5, 0.5]},
    "model": {
        "kpr": {
            "keypoints": {"prompt_preprocess": "cck6"},
            "masks": {"parts_names": [*PART_NAMES["five_v"]]},
            "pooling": "gwap",
            "backbone": "solider_swin_base",
        },
        "transreid": {"semantic_weight": 0.2, "sie_coe": 3.0},
    },
}


def keep_items(node, items=()):
    dict.__init__(node, items)
    node.frozen = True


def config_node(tree):
    """A tree of CfgNode objects of a module that exists only while the file is written, as with yacs."""
    module = types.ModuleType("yacs_gone.config")
    module.CfgNode = type("CfgNode", (dict,), {"__init__": keep_items})
    module.CfgNode.__module__ = "yacs_gone.config"
    sys.modules["yacs_gone"], sys.modules["yacs_gone.config"] = types.ModuleType("yacs_gone"), module

    def wrap(value):
        return module.CfgNode({k: wrap(v) for k, v in value.items()}) if isinstance(value, dict) else value

    return wrap(tree)


def write_published(path: Path, state, config=None, legacy=False, prefix="module."):
    tree = {
        "state_dict": {prefix + name: tensor for name, tensor in state.items()},
        "epoch": 120,
        "rank1": torch.tensor(0.9),
        "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(3)}}},
    }
    if config is not None:
        tree["config"] = config_node(config)
    torch.save(tree, path, _use_new_zipfile_serialization=not legacy)
    for name in ("yacs_gone", "yacs_gone.config"):
        sys.modules.pop(name, None)


def state_of(spec, seed=0):
    torch.manual_seed(seed)
    model = build_model(spec)
    return {
        name: tensor + 0.1 * torch.rand_like(tensor) if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
        if not name.startswith("backbone_appearance_feature_extractor.patch_embed.")
    }
