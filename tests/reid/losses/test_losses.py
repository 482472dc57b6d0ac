"""GiLt, triplet and attention losses, against the originals' recorded values."""

import numpy as np
import pytest
import torch

from reid.losses.attention import attention_loss
from reid.losses.gilt import GILT, KindWeight, gilt_loss, identity_loss
from reid.losses.triplet import pairwise_distances, part_triplet_loss
from reid.models.part_head import PartOutput

KINDS = ("globl", "foreg", "conct", "parts")
ALL = {kind: KindWeight(1.0, 1.0) for kind in KINDS}
NAMES = {"c": "identity", "a": "accuracy", "t": "triplet", "tt": "trivial", "vt": "valid"}


@pytest.fixture
def recorded(golden):
    return np.load(golden("misc_distance_loss_rank.npz"))


def as_output(recorded, visibility):
    take = lambda group: {kind: torch.from_numpy(recorded[f"loss/in_{group}_{kind}"]) for kind in KINDS}  # noqa: E731
    dtype = torch.bool if visibility == "bool" else torch.float32
    seen = {kind: torch.ones(16, dtype=dtype) for kind in KINDS}
    seen["parts"] = torch.from_numpy(recorded[f"loss/in_vis_parts_{visibility}"])
    return PartOutput(take("emb"), {}, seen, take("score"), {}, None, torch.empty(0))


@pytest.mark.parametrize(
    ("name", "weights", "use_visibility", "visibility", "margin"),
    [
        ("gilt_default_novis", GILT, False, "bool", 0.3),
        ("gilt_default_vis", GILT, True, "bool", 0.3),
        ("all_novis", ALL, False, "bool", 0.3),
        ("all_vis", ALL, True, "bool", 0.3),
        ("all_contvis", ALL, True, "cont", 0.3),
        ("softmargin_gilt_default", GILT, False, "bool", -1.0),
    ],
)
def test_gilt_agrees_with_the_original(recorded, name, weights, use_visibility, visibility, margin):
    output = as_output(recorded, visibility)
    identities, seen = torch.from_numpy(recorded["loss/in_pids"]), output.visibility if use_visibility else None
    total, log = gilt_loss(output.embeddings, output.id_scores, identities, weights, margin, seen)
    assert float(total) == pytest.approx(float(recorded[f"loss/{name}/total"]), abs=2e-5)
    for key in [key for key in recorded.files if key.startswith(f"loss/{name}/") and not key.endswith("/total")]:
        kind, _, short = key.rpartition("/")[2].partition("_")
        assert float(log[f"{kind}_{NAMES[short]}"]) == pytest.approx(float(recorded[key]), abs=2e-5), key


def test_the_log_of_a_soft_margin_counts_what_keeps_the_published_hard_one(recorded):
    """Recorded as ``all_novis``, of the same embeddings: the originals log one share for both margins."""
    output = as_output(recorded, "bool")
    identities = torch.from_numpy(recorded["loss/in_pids"])
    _, log = gilt_loss(output.embeddings, output.id_scores, identities, ALL, -1.0)
    for kind in KINDS:
        assert float(log[f"{kind}_trivial"]) == pytest.approx(float(recorded[f"loss/all_novis/{kind}_tt"]), abs=2e-5)
    columns = torch.tensor([[0.0], [0.1], [0.3], [0.4]])[:, :, None]
    assert part_triplet_loss(columns, torch.tensor([0, 0, 1, 1]), margin=-1.0).trivial == 0
    assert part_triplet_loss(columns * 10, torch.tensor([0, 0, 1, 1]), margin=-1.0).trivial == 1


def test_accuracy_leaves_out_what_is_unseen_only_where_visibility_is_yes_or_no():
    scores = torch.eye(3)[[0, 1, 0]]
    identities = torch.arange(3)
    assert identity_loss(scores, identities, torch.tensor([True, True, False]))[1] == 1
    assert float(identity_loss(scores, identities, torch.tensor([0.5, 0.2, 0.0]))[1]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("seen", ["vis", "novis"])
@pytest.mark.parametrize("name", ["intra_parts", "part_max", "part_min", "part_max_min"])
def test_triplet_variants_agree_with_the_original(recorded, name, seen):
    visibility = torch.from_numpy(recorded["loss/in_vis_parts_bool"]) if seen == "vis" else None
    parts, identities = (torch.from_numpy(recorded[f"loss/in_{key}"]) for key in ("emb_parts", "pids"))
    combine = "intra" if name == "intra_parts" else name.removeprefix("part_")
    result = part_triplet_loss(parts, identities, visibility, combine=combine)
    assert float(result.loss) == pytest.approx(float(recorded[f"loss/variant_{seen}/{name}_triplet_loss"]), abs=2e-5)


@pytest.mark.parametrize("share", [1.0, 0.8])
def test_attention_loss_agrees_with_the_original(recorded, share):
    logits, labels = torch.from_numpy(recorded["loss/in_px"]), torch.from_numpy(recorded["loss/in_px_target"])
    want = float(recorded[f"loss/attention_ratio{share}"])
    assert float(attention_loss(logits, labels, share)) == pytest.approx(want, abs=2e-6)
    masks = torch.nn.functional.one_hot(labels, 6).permute(0, 3, 1, 2).float()
    assert float(attention_loss(logits, masks, share)) == pytest.approx(want, abs=2e-6)


def test_a_batch_without_triplets_costs_nothing():
    embeddings = torch.randn(4, 2, 3, requires_grad=True)
    for identities, visibility in (
        (torch.zeros(4, dtype=torch.int64), None),
        (torch.arange(4), None),
        (torch.tensor([0, 0, 1, 1]), torch.zeros(4, 2, dtype=torch.bool)),
    ):
        result = part_triplet_loss(embeddings, identities, visibility)
        assert (float(result.loss.detach()), result.valid) == (0.0, 0.0)
        result.loss.backward()
    assert not embeddings.grad.any()


def test_identical_embeddings_have_a_finite_gradient():
    embeddings = torch.ones(4, 1, 3, requires_grad=True)
    pairwise_distances(embeddings).sum().backward()
    assert torch.isfinite(embeddings.grad).all()


def test_nothing_visible_costs_nothing():
    scores = torch.randn(3, 5, requires_grad=True)
    loss, accuracy = identity_loss(scores, torch.arange(3), torch.zeros(3, dtype=torch.bool))
    loss.backward()
    assert (float(loss.detach()), accuracy) == (0.0, 0.0)
    assert not scores.grad.any()


@pytest.mark.parametrize("combine", ["mean", "max", "min", "max_min", "random_max_min", "intra"])
def test_gradient_flows_with_partial_visibility(combine):
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(8, 3, 4, generator=generator, requires_grad=True)
    visibility = torch.rand(8, 3, generator=generator) > 0.4
    part_triplet_loss(embeddings, torch.arange(8) // 2, visibility, combine=combine).loss.backward()
    assert torch.isfinite(embeddings.grad).all()
    assert embeddings.grad.any()
