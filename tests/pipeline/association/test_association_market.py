"""Real appearance: OSNet features of Market-1501, of the half of the identities that no setting was tuned on."""

import numpy as np
import pytest
from scipy.special import expit

from data.records import PartEmbeddings, Tracklet
from data.site import Site
from pipeline.association.associate import associate
from pipeline.association.config import AssociateConfig
from pipeline.association.cue import CueInput
from pipeline.association.exclusions import build_exclusions
from pipeline.association.scoring import score_pairs
from pipeline.association.table import build_table

CONFIG = AssociateConfig()


@pytest.fixture(scope="module")
def market(testdata):
    """(names as columns, features): person, camera, sequence, frame and (N, 512) unit vectors."""
    stored = np.load(testdata / "market1501" / "osnet_x0_25_train_odd_ids.npz")
    names = stored["names"]
    columns = {
        "person": np.array([int(name[:4]) for name in names]),
        "camera": np.array([int(name[6]) for name in names]),
        "sequence": np.array([int(name[8]) for name in names]),
        "frame": np.array([int(name[10:16]) for name in names]),
    }
    features = stored["feature"].astype(np.float32)
    return columns, features / np.linalg.norm(features, axis=1, keepdims=True)


def tracklets_of(market, people):
    """One tracklet per person, camera and sequence; boxes of different people lie apart."""
    columns, features = market
    found, truth = [], []
    rows = np.flatnonzero(np.isin(columns["person"], people))
    keys = sorted(set(zip(*(columns[name][rows].tolist() for name in ("person", "camera", "sequence")))))
    for person, camera, sequence in keys:
        own = (columns["person"] == person) & (columns["camera"] == camera) & (columns["sequence"] == sequence)
        frames, first = np.unique(columns["frame"][own], return_index=True)
        vectors = features[np.flatnonzero(own)[first]][:, None]
        count = len(frames)
        x = person * 97 % 1500
        found.append(
            Tracklet(
                camera=f"c{camera}",
                local_id=person * 10 + sequence,
                times_s=frames / 25.0 + sequence * 1e5,
                frames=frames + sequence * 10**7,
                boxes=np.tile(np.float32([[x, 10, x + 64, 138]]), (count, 1)),
                scores=np.ones(count, np.float32),
                prototypes=PartEmbeddings(
                    vectors, np.ones((count, 1), np.float32), ("global",), ("holistic",), "osnet"
                ),
                prototype_rows=np.arange(count),
                frame_size=(1920, 1080),
            )
        )
        truth.append(person)
    return found, np.array(truth)


def bcubed(truth, labels):
    """Precision and recall per tracklet."""
    same, joined = truth[:, None] == truth, labels[:, None] == labels
    both = (same & joined).sum(axis=1)
    return (both / joined.sum(axis=1)).mean(), (both / same.sum(axis=1)).mean()


def held_out(market):
    return np.unique(market[0]["person"])[1::2]


@pytest.mark.parametrize(("people", "precision", "recall"), [(5, 0.90, 0.90), (20, 0.84, 0.90), (60, 0.82, 0.82)])
def test_identities(market, people, precision, recall):
    rng = np.random.default_rng(3)
    found = []
    for _ in range(max(1, 40 // people)):
        tracklets, truth = tracklets_of(market, rng.choice(held_out(market), people, replace=False))
        labels = associate(tracklets, Site.blank([]), CONFIG).labels
        found.append(bcubed(truth, np.array([labels[item.key] for item in tracklets])))
    assert np.mean(found, axis=0)[0] >= precision
    assert np.mean(found, axis=0)[1] >= recall


def test_probabilities_are_what_they_say(market):
    rng = np.random.default_rng(5)
    probability, same = [], []
    for _ in range(4):
        tracklets, truth = tracklets_of(market, rng.choice(held_out(market), 25, replace=False))
        table = build_table(tracklets, Site.blank([]))
        scores = score_pairs(CueInput(table, build_exclusions(table, CONFIG.constraints), CONFIG))
        person = dict(zip([item.key for item in tracklets], truth.tolist()))
        who = np.array([person[key] for key in table.keys])
        probability.append(expit(scores.total))
        same.append(who[scores.pairs.a] == who[scores.pairs.b])
    p, y = np.concatenate(probability), np.concatenate(same)
    kept = p > 0.01
    p, y = p[kept], y[kept]
    bins = np.array_split(np.argsort(p, kind="stable"), 10)
    error = sum(len(rows) / len(p) * abs(p[rows].mean() - y[rows].mean()) for rows in bins)
    assert error < 0.06
    assert p.sum() == pytest.approx(y.sum(), rel=0.15)
