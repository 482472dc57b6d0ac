"""What a training is scored on: further sets, camera tokens, the test that changed, statistics of pairs."""

import numpy as np
import pytest

from data.errors import UserError
from reid.ranking.pair_statistics import PairStatistics
from reid.samples.sources import set_names
from reid.training.config import load_training
from reid.training.engine import Trainer
from tests.reid.training.option_site import make_site


def test_scoring_gives_crops_their_cameras_tokens(config_file, tmp_path):
    scores = {}
    for use in ("null", "true", "false", "{1: 2, 2: 1}"):
        config = load_training(config_file, ["camera_tokens=true", f"test_cameras={use}", "model.camera_weight=30"])
        scores[use] = Trainer(config, tmp_path / str(len(scores)), "cpu").run()["positive_mean"]
    assert scores["null"] == scores["true"]
    assert len(set(scores.values())) == 3


def test_further_test_sets_are_scored_under_their_own_names(site, config_file, tmp_path):
    other = make_site(tmp_path / "other", range(3, 9))
    changes = ["camera_tokens=true", f"test.root={other}", f"test_also=[{{root: {site}}}]", "test_cameras={1: 2}"]
    config = load_training(config_file, changes)
    assert config.cameras_in(config.test) == {1: 2}
    # The mapping is of the first set's cameras; this one is the training set, whose cameras have tokens.
    assert config.cameras_in(config.test_also[0]) is True
    scores = Trainer(config, tmp_path / "a", "cpu").run()
    assert {"mAP", "rank1", f"mAP_on_{site.name}", f"rank1_on_{site.name}"} <= set(scores)
    alone = Trainer(load_training(config_file, ["camera_tokens=true"]), tmp_path / "b", "cpu").run()
    assert scores[f"mAP_on_{site.name}"] == alone["mAP"]
    with pytest.raises(UserError, match="a data set is tested twice"):
        load_training(config_file, [f"test_also=[{{root: {site}}}]"])


@pytest.mark.parametrize(
    ("change", "message"),
    [("test_also=[{root: x}]", "test_also: .* no first one"), ("select.best_on=test", "best_on: test needs a test")],
)
def test_nothing_is_scored_without_a_first_test_set(config_file, change, message):
    load_training(config_file, [change])
    with pytest.raises(UserError, match=message):
        load_training(config_file, ["test=null", change])


def test_a_mapping_of_cameras_is_for_test_sets_of_its_kind(config_file, site):
    config = load_training(config_file, ["camera_tokens=true", "test_cameras={1: 2}"])
    moved = config.test.model_copy(update={"root": site.parent})
    assert config.cameras_in(moved) == {1: 2}
    assert not config.cameras_in(config.test.model_copy(update={"kind": "ltcc"}))


def test_test_sets_in_folders_of_one_name_are_told_apart_by_the_folders_above(config_file, tmp_path):
    roots = [make_site(tmp_path / name / "reid", range(5, 9)) for name in ("a", "b", "c")]
    also = ", ".join(f"{{root: {root}}}" for root in roots[1:])
    changes = [f"train.0.root={make_site(tmp_path / 'learnt', range(1, 5))}", f"test.root={roots[0]}"]
    scores = Trainer(load_training(config_file, [*changes, f"test_also=[{also}]"]), tmp_path / "run", "cpu").run()
    assert {name for name in scores if name.startswith("mAP")} == {"mAP", "mAP_on_b/reid", "mAP_on_c/reid"}
    assert set_names([*roots, tmp_path / "learnt"]) == ["a/reid", "b/reid", "c/reid", "learnt"]
    assert set_names(roots[:1] * 2) == ["reid", "reid"]


@pytest.mark.parametrize("best_on", ["none", "validation", "test"])
def test_a_finished_training_scores_a_test_that_changed(config_file, tmp_path, caplog, best_on):
    learnt = make_site(tmp_path / "learnt", range(1, 5))
    tests = [make_site(tmp_path / name, range(5, 9), cameras) for name, cameras in (("a", (1, 2)), ("b", (1, 2, 3)))]
    changes = [f"train.0.root={learnt}", f"select.best_on={best_on}", "select.share=0.5", "batch.people=2", "epochs=2"]

    def scores(folder, test, *more, resume=True):
        config = load_training(config_file, [*changes, f"test.root={test}", *more])
        return Trainer(config, tmp_path / folder, "cpu", resume).run()

    first = scores("run", tests[0], resume=False)
    assert scores("run", tests[0]) == first
    assert scores("run", tests[1]) == scores("other", tests[1], resume=False) != first
    assert not caplog.records or "nothing to learn" not in caplog.text
    assert scores("run", tests[0], "epochs=1") == first
    assert "2 epochs are done; epochs=1 leaves nothing to learn" in caplog.text


def test_patience_needs_scorings_to_count(config_file):
    changes = ["select.best_on=validation", "select.patience=2"]
    assert load_training(config_file, [*changes, "evaluate_every=1"]).select.patience == 2
    with pytest.raises(UserError, match="evaluate_every=0 scores only at the end"):
        load_training(config_file, [*changes, "evaluate_every=0"])


def test_statistics_of_pairs():
    ids, cameras = np.array([1, 2, 3]), np.array([1, 1, 1])
    gallery_ids, gallery_cameras = np.array([1, 1, 2, 9]), np.array([1, 2, 2, 1])
    distances = np.array([[0.1, 0.2, 0.9, 1.1], [1.0, 1.2, 0.4, np.inf], [np.inf] * 4], np.float32)
    found = {}
    for rule in ("market", "all"):
        pairs = PairStatistics(ids, gallery_ids, cameras, gallery_cameras, rule)
        pairs.add(0, distances[:2])
        pairs.add(2, distances[2:])
        found[rule] = pairs.summary()
    assert found["market"]["positive_mean"] == pytest.approx(0.3)
    assert found["all"]["positive_mean"] == pytest.approx((0.1 + 0.2 + 0.4) / 3)
    negatives = np.array([0.9, 1.1, 1.0, 1.2])
    for name, value in (("negative_mean", negatives.mean()), ("negative_std", negatives.std())):
        assert found["market"][name] == pytest.approx(value)
    gap = negatives.mean() - 0.3
    assert found["market"]["ssmd"] == pytest.approx(gap / np.sqrt(negatives.var() + np.var([0.2, 0.4])), rel=1e-5)
    assert found["market"]["uncomparable"] == pytest.approx(5 / 12)
    assert found["market"]["uncomparable_queries"] == pytest.approx(1 / 3)
    empty = PairStatistics(ids, np.array([7]), cameras, np.array([1]), "inter")
    empty.add(0, np.ones((3, 1), np.float32))
    assert empty.summary() == {"uncomparable": 0.0, "uncomparable_queries": 1.0}
