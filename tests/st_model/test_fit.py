import numpy as np
import pytest

from st_model.build import build_model
from st_model.config import SelfTrainingConfig
from st_model.fit import (
    CandidateLinks,
    Sightings,
    count_links,
    fit_from_links,
    log_likelihood,
    self_train,
    sightings_of,
)
from st_model.grid import LagGrid
from st_model.model import TransitionModel
from st_model.scores import arrival_rates_hz, llr
from st_model.visits import make_visits

GRID = LagGrid(bin_s=0.5, max_lag_s=3600)


def links_of(pairs: list[tuple[int, int, float]]) -> CandidateLinks:
    earlier, later, probability = (np.array(column) for column in zip(*pairs))
    return CandidateLinks(earlier, later, probability, np.zeros(len(pairs)))


def test_soft_counts_follow_the_chance_of_being_the_next_visit() -> None:
    sightings = sightings_of(["a", "b", "c"], [0, 10, 30], [2, 12, 40], [])
    counts = count_links(sightings, links_of([(0, 2, 0.8), (0, 1, 0.5)]), GRID, 0.0)
    next_ = counts.next.sum(-1)
    assert next_[0, 1] == pytest.approx(0.5, abs=1e-6)
    assert next_[0, 2] == pytest.approx(0.5 * 0.8, abs=1e-6)
    assert counts.exits.tolist() == pytest.approx([0.5 * 0.2, 1, 1], abs=1e-6)
    assert counts.any.sum(-1)[0].tolist() == pytest.approx([0, 0.5, 0.8], abs=1e-6)
    assert counts.next[0, 2, GRID.index(28)] > 0


def test_sure_links_count_as_labels_do() -> None:
    rng = np.random.default_rng(0)
    who, where, enter = np.repeat(np.arange(40), 3), np.tile(["a", "b", "c"], 40), rng.uniform(0, 900, 120)
    visits = make_visits(who, where, enter, enter + 3)
    labelled = build_model(visits, GRID)
    sightings = Sightings(visits.cameras, visits.camera, visits.enter_s, visits.leave_s, visits.passages)
    rows = [(i, j, 1.0) for i in range(120) for j in range(i + 1, 120) if visits.identities[i] == visits.identities[j]]
    learnt = fit_from_links(sightings, links_of(rows), grid=GRID)
    assert np.allclose(learnt.next_counts, labelled.next_counts, atol=1e-4)
    assert np.allclose(learnt.any_counts, labelled.any_counts, atol=1e-4)
    assert np.allclose(learnt.exit_probability, labelled.exit_probability, atol=1e-4)
    assert np.allclose(learnt.next, labelled.next, rtol=0.05, atol=1e-5)


def test_improbable_links_count_nothing() -> None:
    sightings = sightings_of(["a", "b"], [0, 10], [2, 12], [])
    model = fit_from_links(sightings, links_of([(0, 1, 0.49)]), grid=GRID)
    assert model.next_counts.sum() == 0
    assert model.evidence.exits.tolist() == [1, 1]


def test_a_prior_is_worth_what_it_is_told() -> None:
    visits = make_visits(
        np.repeat(np.arange(100), 2), ["a", "b"] * 100, np.arange(200) * 20.0, np.arange(200) * 20.0 + 1
    )
    prior = build_model(visits, GRID)
    sightings = sightings_of(["a", "b"], [0, 10], [2, 12], ["z"])
    training = SelfTrainingConfig(prior_events=10)
    model = fit_from_links(sightings, links_of([(0, 1, 1.0)]), prior=prior, training=training)
    assert model.cameras == ("a", "b", "z")
    assert model.next_counts[0, 1] == pytest.approx(11, abs=1e-3)
    assert model.grid == prior.grid


def test_nothing_at_all_still_gives_a_model() -> None:
    sightings = sightings_of([], [], [], ["a"])
    none = CandidateLinks(np.zeros(0, int), np.zeros(0, int), np.zeros(0), np.zeros(0))
    model = fit_from_links(sightings, none)
    assert model.cameras == ("a",)
    assert log_likelihood(model, sightings, none).shape == (0,)
    assert self_train(sightings, lambda _: none).model is None


class Site:
    """Three cameras in a row, appearance that separates people only weakly."""

    def __init__(self, people: int, seed: int, structured: bool) -> None:
        rng = np.random.default_rng(seed)
        rows = []
        for person in range(people):
            time = rng.uniform(0, 1800)
            for camera, walk in (("a", 25.0), ("b", 60.0), ("c", 0.0)):
                leave = time + rng.uniform(2, 6)
                rows.append((person, camera, time, leave))
                time = leave + (walk * rng.lognormal(0, 0.08) if structured else rng.uniform(0, 600))
        self.who = np.array([row[0] for row in rows])
        where, enter, leave_ = ([row[i] for row in rows] for i in (1, 2, 3))
        self.sightings = sightings_of(where, enter, leave_, [])
        s = self.sightings
        lag = s.enter_s[None] - s.leave_s[:, None]
        self.earlier, self.later = np.nonzero((lag > 0) & (lag < 700) & (s.camera[:, None] != s.camera[None]))
        self.same = self.who[self.earlier] == self.who[self.later]
        self.appearance = rng.normal(np.where(self.same, 2.0, -2.0), 2.0)
        self.lags = lag[self.earlier, self.later]

    def associate(self, model: TransitionModel | None) -> CandidateLinks:
        s = self.sightings
        score = self.appearance.copy()
        if model is not None:
            rates = arrival_rates_hz(s.camera, 3, 1800)
            score += llr(model, s.camera[self.earlier], s.camera[self.later], self.lags, rates[s.camera[self.later]])
        odds = np.exp(np.clip(score, -50, 50))
        total = np.full(len(s), 0.3)
        np.add.at(total, self.earlier, odds)
        return CandidateLinks(self.earlier, self.later, odds / total[self.earlier], self.appearance)

    def share_right(self, model: TransitionModel | None) -> float:
        """Share of the sightings whose best candidate is their person's next visit or a later one."""
        links = self.associate(model)
        right = []
        for row in range(len(self.who)):
            mine = np.flatnonzero(links.earlier == row)
            if self.same[mine].any():
                right.append(self.same[mine[np.argmax(links.probability[mine])]])
        return float(np.mean(right))


def test_self_training_finds_the_corridors_without_labels() -> None:
    site = Site(80, 1, structured=True)
    result = self_train(site.sightings, site.associate, grid=GRID)
    assert result.model is not None
    a, b, c = result.model.index(["a", "b", "c"])
    lags = np.arange(1.0, 300.0)
    assert lags[np.argmax(result.model.log_density(a, b, lags))] == pytest.approx(25, abs=4)
    assert lags[np.argmax(result.model.log_density(b, c, lags))] == pytest.approx(60, abs=8)
    assert site.share_right(result.model) > site.share_right(None) + 0.2
    assert 1 <= len(result.rounds) <= 5
    assert all(new > old for old, new in result.rounds[:-1])


def test_self_training_gives_the_same_bytes_twice() -> None:
    first, second = (
        self_train(site.sightings, site.associate, grid=GRID) for site in (Site(30, 3, True), Site(30, 3, True))
    )
    assert first.rounds == second.rounds
    assert first.model is not None
    assert second.model is not None
    assert np.array_equal(first.model.next, second.model.next)


def test_a_round_that_explains_held_out_people_no_better_is_dropped() -> None:
    site = Site(60, 2, structured=True)
    good = self_train(site.sightings, site.associate, grid=GRID).model
    rng = np.random.default_rng(0)

    def nonsense(_: TransitionModel | None) -> CandidateLinks:
        return CandidateLinks(site.earlier, site.later, rng.uniform(0, 1, len(site.earlier)), site.appearance)

    result = self_train(site.sightings, nonsense, prior=good)
    assert result.model is good
    assert len(result.rounds) == 1
    assert result.rounds[0][1] < result.rounds[0][0]


def test_no_rounds_leave_the_prior() -> None:
    site = Site(10, 2, structured=True)
    result = self_train(site.sightings, site.associate, grid=GRID, training=SelfTrainingConfig(rounds=0))
    assert result.model is None
    assert result.rounds == ()


def test_the_held_out_likelihood_prefers_the_true_model() -> None:
    site, other = Site(80, 5, structured=True), Site(300, 6, structured=True)
    where = np.array(other.sightings.cameras)[other.sightings.camera]
    true = build_model(make_visits(other.who, where, other.sightings.enter_s, other.sightings.leave_s), GRID)
    shuffled = np.random.default_rng(0).permutation(where)
    wrong = build_model(make_visits(other.who, shuffled, other.sightings.enter_s, other.sightings.leave_s), GRID)
    links = site.associate(None)
    likelihood = [log_likelihood(model, site.sightings, links).mean() for model in (true, wrong)]
    assert likelihood[0] > likelihood[1] + 0.1
