import numpy as np
import pytest

from st_model.config import TimesOnlyConfig
from st_model.fit import Sightings
from st_model.passages import Passages
from st_model.times_only import learn_from_times


def corridor(people: int, seed: int, linked: bool = True, lag_s: float = 40.0) -> Sightings:
    """Two cameras; whoever leaves the first enters the second where and when place and pace say, or strangers do."""
    rng = np.random.default_rng(seed)
    span = 60.0 * people
    pace = rng.normal(np.log(0.4), 0.25, people)
    side = rng.uniform(0.1, 0.9, people)
    first = rng.uniform(0, span, people)
    second = first + 8 + lag_s * np.exp(np.log(0.4) - pace) * rng.lognormal(0, 0.05, people)
    if not linked:
        second = rng.uniform(0, span, people)
        order = rng.permutation(people)
        pace_b, side_b = pace[order], side[order]
    else:
        pace_b, side_b = pace, side

    def points(x: np.ndarray, y: float) -> np.ndarray:
        return np.stack([x, np.full(len(x), y)], axis=1) + 0.02 * rng.standard_normal((len(x), 2))

    passages = Passages.of(
        [
            Passages(points(side, 0.1), points(side, 0.95), pace + rng.normal(0, 0.1, people)),
            Passages(points(1 - side_b, 0.1), points(side_b, 0.95), pace_b + rng.normal(0, 0.1, people)),
        ]
    )
    enter = np.concatenate([first, second])
    return Sightings(("a", "b"), np.repeat([0, 1], people), enter, enter + 8.0, passages)


BOTH = np.ones((2, 2), bool)


def test_a_corridor_is_found_without_labels() -> None:
    found = learn_from_times(corridor(40, 0), BOTH)
    assert found.model is not None
    assert found.ways[0].cameras == ("a", "b")
    assert found.ways[0].lag_s == pytest.approx(40, rel=0.15)
    assert found.model.next_counts[0, 1] > 34
    assert found.model.evidence.walks[0, 1, 0, 0] > 34
    assert "a > b" in found.line()


@pytest.mark.parametrize("seed", range(6))
def test_strangers_are_never_linked(seed: int) -> None:
    found = learn_from_times(corridor(40, seed, linked=False), BOTH)
    assert found.model is None
    assert "times alone link nobody" in found.line()


@pytest.mark.parametrize("people", [1, 3])
def test_too_few_people_say_nothing(people: int) -> None:
    found = learn_from_times(corridor(people, 0), BOTH)
    assert found.model is None
    assert "nobody" in found.line()


def test_clocks_that_cannot_be_compared_are_not_compared() -> None:
    assert learn_from_times(corridor(40, 0), np.eye(2, dtype=bool)).model is None


def test_unknown_places_say_nothing() -> None:
    known = corridor(40, 0)
    blind = Sightings(known.cameras, known.camera, known.enter_s, known.leave_s, Passages.unknown(80))
    assert learn_from_times(blind, BOTH).passages == 0


def test_the_same_input_gives_the_same_model() -> None:
    one, two = (learn_from_times(corridor(40, 0), BOTH) for _ in range(2))
    assert one.model is not None
    assert two.model is not None
    assert (one.model.evidence.walks == two.model.evidence.walks).all()
    assert learn_from_times(corridor(40, 0), BOTH, config=TimesOnlyConfig(min_gain=1e6)).model is None
