from pathlib import Path

import numpy as np
import pytest

from st_model.build import build_model
from st_model.model import TransitionModel
from st_model.plot import THIN_COUNT, draw, model_curves, published_curves
from st_model.published import PublishedDistribution, published_distribution
from st_model.visits import make_visits


def site(cameras: int) -> TransitionModel:
    rng = np.random.default_rng(cameras)
    who = np.repeat(np.arange(60), 3)
    names = np.array([f"cam{number}" for number in range(cameras)])
    enter = rng.uniform(0, 2000, 180)
    return build_model(make_visits(who, names[rng.integers(0, cameras, 180)], enter, enter + 4, all_cameras=names))


@pytest.mark.parametrize("cameras", [1, 2, 14])
def test_a_picture_is_written_for_any_number_of_cameras(cameras: int, tmp_path: Path) -> None:
    path = tmp_path / "new" / "st.png"
    draw(model_curves(site(cameras)), path, "site")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_model_without_events_can_be_drawn(tmp_path: Path) -> None:
    draw(model_curves(build_model(make_visits([], [], [], [], all_cameras=["a", "b"]))), tmp_path / "st.png", "empty")
    assert (tmp_path / "st.png").stat().st_size > 1000


def test_what_is_drawn_is_what_the_model_says() -> None:
    model = site(3)
    curves = model_curves(model, "any")
    assert np.array_equal(curves.counts, model.any_counts)
    assert np.allclose(curves.shares.sum(1), 1)
    assert np.isnan(curves.medians[model.any_counts == 0]).all()
    assert ((curves.medians > 0) | np.isnan(curves.medians)).all()
    assert THIN_COUNT > 1


def test_a_distribution_of_two_bins_can_be_drawn(tmp_path: Path) -> None:
    short = published_distribution([1, 1], [0, 1], [0, 150], ("a", "b"))
    draw(published_curves(short), tmp_path / "d.png", "short")
    assert (tmp_path / "d.png").stat().st_size > 1000


def test_published_distributions_can_be_drawn_with_and_without_counts(tmp_path: Path) -> None:
    counted = published_distribution([1, 1, 2, 2], [0, 1, 0, 1], [0, 2500, 0, 9000], ("a", "b"), sigma_bins=3)
    bare = PublishedDistribution(counted.cameras, counted.probability, None, counted.overflow)
    assert published_curves(counted).medians[0, 1] == pytest.approx(5000, abs=3500)
    assert published_curves(bare).counts.tolist() == [[0, 1], [0, 0]]
    draw(published_curves(bare), tmp_path / "d.png", "imported")
    assert (tmp_path / "d.png").stat().st_size > 1000
