"""KPR and BPBReID networks: what parity with recorded outputs does not cover."""

import copy

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from reid.models.kpr import StageFusion
from reid.models.part_head import KINDS, ExternalMasks, part_visibility, pool
from reid.models.prompting import start_prompts
from reid.models.spec import PART_NAMES, ModelSpec
from reid.models.swin import PatchMerging, WindowAttention
from reid.weights.checkpoints import build_model

TINY = ModelSpec(
    architecture="kpr", backbone="swin", embed_dim=16, depths=(1, 1, 2), heads=(1, 2, 4), height=64, width=44,
    part_names=PART_NAMES["five_v"], prompt_groups="cck6", dim=24, identities=7, cameras=3, drop_path=0.0,
)  # fmt: skip


def network(**changes):
    torch.manual_seed(0)
    model = build_model(TINY.model_copy(update=changes))
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape)
            tensor.copy_(1 + 0.3 * noise.abs() if name.endswith("running_var") else tensor + 0.3 * noise)
    return model.eval()


def inputs(count=3):
    torch.manual_seed(1)
    return torch.randn(count, 3, 64, 44), torch.rand(count, 8, 64, 44)


def test_a_camera_token_changes_the_embedding_of_its_crops_only():
    model, (images, prompts) = network(), inputs()
    with torch.inference_mode():
        plain = model(images, prompts).embeddings["parts"]
        nobody = model(images, prompts, torch.full((3,), -1)).embeddings["parts"]
        mixed = model(images, prompts, torch.tensor([2, -1, 0])).embeddings["parts"]
        same = model(images, prompts, torch.tensor([2, 2, 2])).embeddings["parts"]
    assert torch.equal(plain, nobody)
    assert torch.allclose(mixed[1], plain[1], atol=1e-5)
    assert torch.allclose(mixed[0], same[0], atol=1e-5)
    for row in (0, 2):
        assert (mixed[row] - plain[row]).abs().max() > 0.01
    assert (mixed[2] - same[2]).abs().max() > 0.01


def flat(output):
    return [
        tensor for group in (output.embeddings, output.bn_embeddings, output.visibility) for tensor in group.values()
    ]


def padded_attention(layer: WindowAttention, x, shift):
    """The textbook order: pad, roll, cut into windows, project, attend under a mask, and back."""
    count, height, width, dim = x.shape
    window = layer.window
    x = F.pad(x, (0, 0, 0, -width % window, 0, -height % window))
    rows, columns = x.shape[1:3]
    region = torch.zeros(rows, columns)
    if shift:
        for label, (top, bottom) in enumerate(
            ((0, rows - window), (rows - window, rows - shift), (rows - shift, rows))
        ):
            for other, (left, right) in enumerate(
                ((0, columns - window), (columns - window, columns - shift), (columns - shift, columns))
            ):
                region[top:bottom, left:right] = 3 * label + other
    x = torch.roll(x, (-shift, -shift), (1, 2))
    cut = lambda t: t.unfold(-2, window, window).unfold(-2, window, window)  # noqa: E731
    tokens = cut(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 4, 5, 1).reshape(-1, window * window, dim)
    labels = cut(region[None]).reshape(-1, window * window)
    qkv = layer.qkv(tokens).view(len(tokens), -1, 3, layer.heads, dim // layer.heads).permute(2, 0, 3, 1, 4)
    logits = qkv[0] @ qkv[1].transpose(-1, -2) * (dim // layer.heads) ** -0.5
    logits = logits + layer.relative_position_bias_table[layer.relative_position_index].permute(2, 0, 1)
    apart = (labels[:, :, None] != labels[:, None]).float() * -100
    logits = logits.view(count, len(labels), layer.heads, window**2, window**2) + apart[None, :, None]
    out = (logits.flatten(0, 1).softmax(-1) @ qkv[2]).transpose(1, 2).reshape(len(tokens), -1, dim)
    out = layer.proj(out).view(count, rows // window, columns // window, window, window, dim)
    out = out.permute(0, 1, 3, 2, 4, 5).reshape(count, rows, columns, dim)
    return torch.roll(out, (shift, shift), (1, 2))[:, :height, :width]


@pytest.mark.parametrize("size", [(7, 7), (14, 21), (10, 9), (3, 5), (24, 8)])
@pytest.mark.parametrize("shift", [0, 3])
def test_attention_projects_real_tokens_only(size, shift):
    torch.manual_seed(2)
    layer = WindowAttention(12, 3, 7)
    torch.nn.init.normal_(layer.relative_position_bias_table)
    torch.nn.init.normal_(layer.qkv.bias)
    x = torch.randn(2, *size, 12, requires_grad=True)
    mine, theirs = layer(x, shift), padded_attention(layer, x, shift)
    torch.testing.assert_close(mine, theirs, atol=2e-6, rtol=1e-5)
    gradients = []
    for out in (mine, theirs):
        layer.zero_grad()
        gradients.append([*torch.autograd.grad(out.square().sum(), [x, *layer.parameters()])])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [(4, 6), (5, 3)])
def test_merging_follows_unfold(size):
    layer = PatchMerging(6)
    torch.nn.init.normal_(layer.norm.weight)
    x = torch.randn(2, *size, 6)
    padded = F.pad(x, (0, 0, 0, size[1] % 2, 0, size[0] % 2))
    unfolded = F.unfold(padded.permute(0, 3, 1, 2), 2, stride=2).transpose(1, 2)
    want = layer.reduction(layer.norm(unfolded)).view(2, -(-size[0] // 2), -(-size[1] // 2), 12)
    torch.testing.assert_close(layer(x), want)


@pytest.mark.parametrize("training", [False, True])
def test_fusion_equals_concatenation(training):
    torch.manual_seed(3)
    fusion = StageFusion((4, 8, 16)).train(training)
    fusion.dim_reduce.layers[1].running_mean.normal_()
    maps = [torch.randn(2, width, *size) for width, size in ((4, (12, 8)), (8, (6, 4)), (16, (3, 2)))]
    upsampled = [F.interpolate(level, (12, 8), mode="bilinear", align_corners=True) for level in maps]
    want = copy.deepcopy(fusion.dim_reduce)(torch.cat(upsampled, 1))
    torch.testing.assert_close(fusion(maps), want, atol=2e-6, rtol=1e-5)


def test_no_prompt_is_the_empty_prompt():
    model, (images, prompts) = network(), inputs()
    prompts.zero_()
    prompts[:, 0] = 1
    with torch.inference_mode():
        for a, b in zip(flat(model(images)), flat(model(images, prompts)), strict=True):
            torch.testing.assert_close(a, b)


def test_prompts_of_another_size_are_resized():
    model, (images, prompts) = network(), inputs()
    small = prompts[:, :, ::2, ::2]
    resized = F.interpolate(small, (64, 44), mode="bilinear", align_corners=True)
    with torch.inference_mode():
        assert torch.equal(model(images, small).features, model(images, resized).features)
        assert not torch.equal(model(images, small).features, model(images).features)


def test_a_network_without_background_token_does_not_see_that_channel():
    model, (images, prompts) = network(background_token=False), inputs()
    other = prompts.clone()
    other[:, 0] = 0.123
    with torch.inference_mode():
        assert torch.equal(model(images, prompts).features, model(images, other).features)


def test_camera_tokens():
    model, (images, prompts) = network(), inputs()
    with torch.inference_mode():
        first, second = (model(images, prompts, torch.full((3,), camera)).features for camera in (0, 2))
        mixed = model(images, prompts, torch.tensor([0, 2, 0])).features
        none = model(images, prompts).features
    assert torch.allclose(mixed, torch.stack([first[0], second[1], first[2]]), atol=1e-5)
    assert not torch.allclose(first, second, atol=1e-3)
    assert not torch.allclose(first, none, atol=1e-3)


def test_only_what_is_asked_for_is_computed():
    model, (images, prompts) = network(), inputs()
    with torch.inference_mode():
        whole = model(images, prompts)
        for kinds in (("foreg", "parts"), ("conct",), ("globl", "backg")):
            part = model(images, prompts, kinds=kinds, scores=False)
            assert set(part.embeddings) == set(part.visibility) == set(part.masks) == set(kinds)
            assert part.id_scores == {}
            for kind in kinds:
                torch.testing.assert_close(part.bn_embeddings[kind], whole.bn_embeddings[kind])


def test_pooling_variants():
    torch.manual_seed(5)
    features, masks = torch.randn(2, 6, 4, 3), torch.rand(2, 3, 4, 3)
    masks[0, 1] = 0
    weighted = masks[:, :, None] * features[:, None]
    torch.testing.assert_close(pool(features, masks, "gap"), weighted.mean((3, 4)))
    torch.testing.assert_close(pool(features, masks, "gmp"), weighted.amax((3, 4)))
    area = masks.sum((2, 3)).clamp(min=1e-6)[..., None]
    torch.testing.assert_close(pool(features, masks, "gwap"), weighted.sum((3, 4)) / area)


@pytest.mark.parametrize("reduction", ["none", "before_pooling", "before_and_after_pooling", "after_pooling"])
def test_reductions(reduction):
    model, (images, prompts) = network(reduction=reduction), inputs()
    dim = 64 if reduction == "none" else 24
    with torch.inference_mode():
        out = model(images, prompts)
    assert model.dim == dim
    assert out.embeddings["parts"].shape == (3, 5, dim)
    assert out.embeddings["conct"].shape == (3, 5 * dim)
    assert out.id_scores["parts"].shape == (3, 5, 7)


def test_a_shared_part_classifier():
    model, (images, prompts) = network(shared_part_classifier=True), inputs()
    with torch.inference_mode():
        out = model(images, prompts)
        head = model.parts_identity_classifier
        alone = head.classifier(head.bn(out.embeddings["parts"][:, 2]))
    torch.testing.assert_close(out.id_scores["parts"][:, 2], alone)


def test_visibility():
    attention = torch.tensor([[[[0.5, 0.2]], [[0.3, 0.5]], [[0.2, 0.3]]]])
    binary, continuous = (part_visibility(attention, mode) for mode in ("binary", "continuous"))
    assert binary["parts"].tolist() == [[True, False]]
    assert (bool(binary["backg"]), bool(binary["foreg"])) == (True, True)
    torch.testing.assert_close(continuous["parts"], torch.tensor([[0.5, 0.3]]))
    assert float(continuous["globl"]) == 1


def test_fixed_attention_needs_masks():
    model, (images, prompts) = network(learnable_attention=False), inputs()
    masks = torch.rand(3, 6, 16, 11)
    with torch.inference_mode():
        out = model(images, prompts, external=ExternalMasks(masks, "fixed"))
        assert out.pixel_logits is None
        assert torch.equal(out.masks["parts"], masks[:, 1:])
        with pytest.raises(ValueError, match="external masks"):
            model(images, prompts)


@pytest.mark.parametrize("changes", [{}, {"semantic_weight": 0.2}, {"fusion": False}])
def test_every_weight_learns(changes):
    model = build_model(TINY.model_copy(update=changes))
    images, prompts = inputs(4)
    out = model.train()(images, prompts, torch.tensor([0, 1, 2, 0]))
    loss = sum(out.id_scores[kind].square().mean() for kind in KINDS) + out.pixel_logits.square().mean()
    (loss + out.embeddings["parts"].sum()).backward()
    still = [n for n, p in model.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    unread = [] if "fusion" not in changes else ["norm0", "norm1"]
    assert [name for name in still if not any(part in name for part in unread)] == []
    frozen = {name.split(".")[-3] for name, p in model.named_parameters() if not p.requires_grad and "semantic" in name}
    assert bool(frozen) == ("semantic_weight" in changes)


@pytest.mark.parametrize("start", ["published", "silent"])
def test_silent_prompts_at_the_start_can_be_learned(start):
    model = build_model(TINY).train()
    start_prompts(model.backbone_appearance_feature_extractor, TINY.backbone, start)
    images, prompts = inputs(4)
    assert torch.equal(model.eval().feature_map(images, prompts), model.feature_map(images))
    model.train()(images, prompts).embeddings["parts"].square().sum().backward()
    tokenizer = model.backbone_appearance_feature_extractor.masks_patch_embed
    learned = tokenizer.norm if start == "silent" else tokenizer.projection
    assert 0 < float(learned.weight.grad.abs().max()) < 1e4


def test_a_swin_v2_begins_with_prompts_that_speak():
    spec = TINY.model_copy(update={"backbone": "swinv2", "width": 64, "window": 4, "cameras": 0})
    for start, silent in (("published", False), ("silent", True)):
        model = build_model(spec).eval()
        start_prompts(model.backbone_appearance_feature_extractor, spec.backbone, start)
        images = torch.randn(1, 3, spec.height, spec.width)
        prompts = torch.rand(1, spec.prompt_channels, spec.height, spec.width)
        with torch.no_grad():
            assert torch.equal(model.feature_map(images, prompts), model.feature_map(images)) is silent


def test_a_copy_is_independent():
    for spec in (TINY, TINY.model_copy(update={"backbone": "swinv2", "width": 64, "window": 4, "cameras": 0})):
        model = build_model(spec).eval()
        twin = copy.deepcopy(model)
        images = torch.randn(1, 3, spec.height, spec.width)
        with torch.no_grad():
            before = model.feature_map(images)
            for parameter in twin.parameters():
                parameter.zero_()
            assert torch.equal(model.feature_map(images), before)
            assert not torch.equal(twin.feature_map(images), before)


def test_specs_must_make_sense():
    with pytest.raises(ValidationError, match="no backbone"):
        ModelSpec(architecture="kpr", backbone="resnet50", prompt_groups="cck6")
    with pytest.raises(ValidationError, match="prompt_groups"):
        ModelSpec(architecture="kpr", backbone="swin")
    with pytest.raises(ValidationError, match="depths"):
        ModelSpec(architecture="kpr", backbone="swin", prompt_groups="cck6", depths=(1, 1))
    assert ModelSpec.model_validate_json(TINY.model_dump_json()) == TINY
