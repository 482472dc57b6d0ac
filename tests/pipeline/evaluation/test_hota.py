import numpy as np
import pytest

from data.formats.mot import MotTable
from pipeline.evaluation.hota import ALPHAS, hota_tally
from pipeline.evaluation.pairs import Comparison
from tests.pipeline.evaluation.scenes import random_scene

BOX = np.array([0.0, 0, 10, 10])
DOWN = np.array([0.0, 1, 0, 1])


def table(frames: list[int], ids: list[int], boxes: np.ndarray | None = None) -> MotTable:
    return MotTable.make(np.array(frames), np.array(ids), np.tile(BOX, (len(frames), 1)) if boxes is None else boxes)


def test_one_track_cut_in_two() -> None:
    """Half of the matches know half of the truth's track: TPA 2, FNA 2, so AssA 1/2; HOTA sqrt(1 * 1/2)."""
    comparison = Comparison.of(table([0, 1, 2, 3], [5, 5, 5, 5]), table([0, 1, 2, 3], [1, 1, 2, 2]), 4)
    means = {name: curve.mean() for name, curve in hota_tally(comparison).curves().items()}
    assert means["DetA"] == means["LocA"] == means["AssPr"] == 1
    assert means["AssA"] == means["AssRe"] == pytest.approx(0.5)
    assert means["HOTA"] == pytest.approx(np.sqrt(0.5))


def test_a_missed_and_a_false_box() -> None:
    comparison = Comparison.of(table([0, 1], [0, 0]), table([0, 2], [0, 0]), 3)
    curves = hota_tally(comparison).curves()
    assert curves["DetA"] == pytest.approx(np.full(19, 1 / 3))
    assert curves["DetRe"] == pytest.approx(np.full(19, 0.5))
    assert curves["AssA"] == pytest.approx(np.full(19, 1 / 3))


def test_localisation_counts_at_each_threshold() -> None:
    """IoU 0.5 exactly: matched at thresholds up to 0.5 and not above."""
    half = np.array([[0.0, 0, 10, 5]])
    curves = hota_tally(Comparison.of(table([0], [0]), table([0], [0], half), 1)).curves()
    assert curves["HOTA"].tolist() == [1.0] * 10 + [0.0] * 9
    assert curves["LocA"].tolist() == [0.5] * 10 + [1.0] * 9
    assert np.allclose(ALPHAS, np.linspace(0.05, 0.95, 19))


def test_the_match_follows_the_whole_track() -> None:
    """In frame 2 a stranger lies better, but the track that was there before is matched."""
    moved = np.array([BOX, BOX, BOX + DOWN, BOX])
    predictions = table([0, 1, 2, 2], [1, 1, 1, 9], moved)
    curves = hota_tally(Comparison.of(table([0, 1, 2], [0, 0, 0]), predictions, 3)).curves()
    assert curves["AssA"][0] == 1


@pytest.mark.parametrize("seed", range(3))
def test_bounds_and_sums(seed: int) -> None:
    parts = [hota_tally(Comparison.of(*random_scene(seed + step, 30), 30)) for step in (0, 50)]
    total = parts[0] + parts[1]
    for tally in (*parts, total):
        curves = tally.curves()
        assert all(((curve >= 0) & (curve <= 1)).all() for curve in curves.values())
        assert (np.diff(curves["DetA"]) <= 1e-12).all()
    assert total.true_positives == pytest.approx(parts[0].true_positives + parts[1].true_positives)
    weights = [part.true_positives for part in parts]
    mean = sum(part.curves()["AssA"] * weight for part, weight in zip(parts, weights, strict=True)) / np.maximum(
        1, sum(weights)
    )
    assert total.curves()["AssA"] == pytest.approx(mean)
