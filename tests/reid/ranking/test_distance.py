"""The part-based distance matrix, against the originals' and against a plain broadcast."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import reid.ranking.distance as module
from data.errors import UserError
from reid.ranking.distance import distance_matrix


def plain(q, g, qv, gv, metric, combine):
    """Every pair and part by broadcast, in float64; inf where no part is shared."""
    q, g = q.double(), g.double()
    if metric == "euclidean":
        parts = (q[:, None] - g[None]).norm(dim=-1)
    else:
        parts = 1 - (q[:, None] * g[None]).sum(-1)
    weight = torch.ones_like(parts)
    if qv is not None:
        weight = qv.double()[:, None] * gv.double()[None]
        weight = weight if qv.dtype == torch.bool else weight.sqrt()
    if combine == "max":
        return torch.where(weight > 0, parts, -torch.inf).amax(-1).masked_fill(weight.sum(-1) == 0, torch.inf)
    return ((weight * parts).sum(-1) / weight.sum(-1)).masked_fill(weight.sum(-1) == 0, torch.inf)


def sample(seed, queries=7, gallery=11, parts=3, dim=16, mode="binary"):
    generator = torch.Generator().manual_seed(seed)
    q, g = (
        torch.nn.functional.normalize(torch.randn(n, parts, dim, generator=generator), dim=-1)
        for n in (queries, gallery)
    )
    qv, gv = (torch.rand(n, parts, generator=generator) for n in (queries, gallery))
    if mode == "none":
        return q, g, None, None
    if mode == "continuous":
        return q, g, qv.where(qv > 0.4, 0.0), gv.where(gv > 0.4, 0.0)
    return q, g, qv > 0.5, gv > 0.5


MODES = [("bin", "mean"), ("bin", "max"), ("cont", "mean"), ("none", "mean"), ("none", "max")]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize(("kind", "combine"), MODES)
def test_published_rule_agrees_with_the_original(golden, metric, kind, combine):
    recorded = np.load(golden("misc_distance_loss_rank.npz"))
    q, g = torch.from_numpy(recorded["dist/in_q"]), torch.from_numpy(recorded["dist/in_g"])
    suffix = {"bin": "v", "cont": "c"}.get(kind)
    qv, gv = (torch.from_numpy(recorded[f"dist/in_{side}{suffix}"]) if suffix else None for side in "qg")
    want = recorded[f"dist/{kind}_{metric}" + ("" if kind == "cont" else f"_{combine}")]
    got = distance_matrix(q, g, qv, gv, metric, combine, uncomparable="published").numpy()
    near_zero = np.abs(want) < 3e-3  # square roots of rounding noise
    assert np.abs(got - want)[~near_zero].max() <= 2e-6
    assert np.abs(got - want)[near_zero].max(initial=0) <= 3e-3


def test_no_shared_part_is_no_evidence(golden):
    recorded = np.load(golden("misc_distance_loss_rank.npz"))
    q, g, qv, gv = (torch.from_numpy(recorded[f"dist/in_{name}"]) for name in ("q", "g", "qv", "gv"))
    ours = distance_matrix(q, g, qv, gv)
    shared = (qv[:, None] & gv[None]).any(-1)
    assert bool((~shared).any())
    assert torch.equal(torch.isinf(ours), ~shared)
    # Ours does not depend on the rest of the gallery; the published value does.
    assert torch.equal(distance_matrix(q, g[:4], qv, gv[:4]), ours[:, :4])


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**31),
    mode=st.sampled_from(["binary", "continuous", "none"]),
    metric=st.sampled_from(["euclidean", "cosine"]),
    combine=st.sampled_from(["mean", "max"]),
)
def test_equals_the_plain_broadcast(seed, mode, metric, combine):
    if mode == "continuous" and combine == "max":
        return
    q, g, qv, gv = sample(seed, mode=mode)
    torch.testing.assert_close(
        distance_matrix(q, g, qv, gv, metric, combine).double(), plain(q, g, qv, gv, metric, combine), atol=3e-6, rtol=0
    )


def test_blocks_do_not_show(monkeypatch):
    q, g, qv, gv = sample(5, mode="continuous")
    whole = distance_matrix(q, g, qv, gv)
    published = distance_matrix(q, g, qv, gv, uncomparable="published")
    monkeypatch.setattr(module, "_QUERY_BLOCK", 3)
    monkeypatch.setattr(module, "_GALLERY_BLOCK", 4)
    torch.testing.assert_close(distance_matrix(q, g, qv, gv), whole)
    torch.testing.assert_close(distance_matrix(q, g, qv, gv, uncomparable="published"), published)


def test_empty_sides():
    q, g, qv, gv = sample(1)
    assert distance_matrix(q[:0], g, qv[:0], gv).shape == (0, 11)
    assert distance_matrix(q, g[:0], qv, gv[:0]).shape == (7, 0)


def test_misuse_is_refused():
    q, g, qv, gv = sample(2, mode="continuous")
    with pytest.raises(UserError, match="one side"):
        distance_matrix(q, g, qv)
    with pytest.raises(UserError, match="boolean"):
        distance_matrix(q, g, qv, gv, combine="max")
    with pytest.raises(UserError, match="differ"):
        distance_matrix(q[:, :2], g)
    with pytest.raises(UserError, match="visibilities"):
        distance_matrix(q, g, qv[:, :2], gv)
    with pytest.raises(UserError, match="between 0 and 1"):
        distance_matrix(q, g, qv * torch.nan, gv)
    with pytest.raises(UserError, match="between 0 and 1"):
        distance_matrix(q, g, qv, gv + 1)
    with pytest.raises(UserError, match="bool on both sides"):
        distance_matrix(q, g, qv > 0.5, gv)
    for unknown in ({"metric": "manhattan"}, {"combine": "median"}, {"uncomparable": "zero"}):
        with pytest.raises(UserError, match=r"is one of .* not"):
            distance_matrix(q, g, qv, gv, **unknown)
