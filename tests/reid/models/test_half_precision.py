"""What runs in half precision on a GPU gives what the plain network gives, within that precision."""

import pytest
import torch
from torch.nn import functional as F

from reid.models.kpr import KPR, fuse_levels
from reid.models.precision import hold_products
from reid.models.spec import PART_NAMES, ModelSpec
from reid.models.swin import WindowAttention, runs_fused

SPEC = ModelSpec(
    architecture="kpr", backbone="swin", embed_dim=32, depths=(2, 2, 2), heads=(2, 4, 8), height=96, width=64,
    semantic_weight=0.2, part_names=PART_NAMES["five_v"], prompt_groups="cck6",
)  # fmt: skip


def test_products_interpolate_and_add_all_stages() -> None:
    torch.manual_seed(0)
    maps = [
        torch.randn(2, 8, *size).contiguous(memory_format=torch.channels_last) for size in ((12, 5), (6, 3), (3, 2))
    ]
    expected = maps[0].clone()
    for level in maps[1:]:
        expected += F.interpolate(level, (12, 5), mode="bilinear", align_corners=True)
    assert not torch.allclose(maps[0], expected)
    torch.testing.assert_close(fuse_levels(maps), expected)


def test_weights_that_are_held_in_half_precision_give_what_autocast_gives() -> None:
    torch.manual_seed(3)
    model = KPR(SPEC).eval()
    images, prompts = torch.randn(2, 3, 96, 64), torch.rand(2, SPEC.prompt_channels, 96, 64)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        cast = model.feature_map(images, prompts)
        hold_products(model.backbone_appearance_feature_extractor, torch.bfloat16)
        held = model.feature_map(images, prompts)
    block = model.get_submodule("backbone_appearance_feature_extractor.model.stages.0.blocks.0")
    assert block.attn.w_msa.qkv.weight.dtype == torch.bfloat16
    assert block.norm1.weight.dtype == block.attn.w_msa.relative_position_bias_table.dtype == torch.float32
    assert torch.equal(cast, held)
    # SOLIDER's modulation is no product: rounding its weights would move every map.
    assert (
        model.get_submodule("backbone_appearance_feature_extractor.model.semantic_embed_w.0").weight.dtype
        == torch.float32
    )


def test_padding_has_a_gradient_where_networks_learn() -> None:
    """Outside training padding is written in place; a gradient must still reach the bias that fills it."""
    torch.manual_seed(4)
    attention = WindowAttention(16, heads=2, window=4)
    x = torch.randn(1, 5, 6, 16, requires_grad=True)
    attention(x, 2).square().sum().backward()
    learnt = attention.qkv.bias.grad
    padded = F.pad(x.detach(), (0, 0, 0, 2, 0, 3))
    attention.zero_grad()
    attention(padded, 2)[:, :5, :6].square().sum().backward()
    assert learnt is not None
    torch.testing.assert_close(learnt, attention.qkv.bias.grad)


def test_fused_attention_is_only_for_half_precision_on_a_gpu() -> None:
    projected = torch.zeros(1, 7, 7, 3 * 32, dtype=torch.bfloat16)
    assert not runs_fused(projected, heads=2, window=7)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("height", "width", "shift"), [(14, 7, 0), (14, 7, 3), (12, 4, 3), (24, 8, 0), (5, 3, 3)])
def test_the_fused_kernel_attends_as_the_plain_one(dtype: torch.dtype, height: int, width: int, shift: int) -> None:
    torch.manual_seed(1)
    attention = WindowAttention(64, heads=4, window=7).cuda()
    torch.nn.init.normal_(attention.relative_position_bias_table)
    torch.nn.init.normal_(attention.qkv.bias)
    x = torch.randn(3, height, width, 64, device="cuda")
    with torch.inference_mode():
        plain = attention(x, shift)
        half = attention.to(dtype)
        assert runs_fused(half.qkv(x.to(dtype)), 4, 7)
        fused = half(x.to(dtype), shift)
    torch.testing.assert_close(fused.float(), plain, atol=0.03, rtol=0.03)


@pytest.mark.gpu
def test_a_network_in_half_precision_describes_alike() -> None:
    torch.manual_seed(2)
    model = KPR(SPEC).eval().cuda().to(memory_format=torch.channels_last)
    images = torch.randn(4, 3, 96, 64, device="cuda")
    prompts = torch.rand(4, SPEC.prompt_channels, 96, 64, device="cuda")
    with torch.inference_mode():
        plain = model.feature_map(images, prompts)
        with torch.autocast("cuda", torch.float16):
            half = model.feature_map(images, prompts)
    assert half.dtype == torch.float16
    assert F.cosine_similarity(plain.flatten(1), half.float().flatten(1)).min() > 0.9999
