import json
from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from st_model.build import build_model
from st_model.files import load_model, load_published, save_model, save_published
from st_model.grid import LagGrid
from st_model.model import TransitionModel
from st_model.published import PublishedDistribution, published_distribution
from st_model.visits import make_visits, visits_from_rows


@pytest.fixture
def model() -> TransitionModel:
    visits = make_visits([1, 1, 2, 2, 3], ["a", "b", "a", "ü2", "b"], [0, 9, 2, 15, 1], [4, 12, 5, 19, 2])
    return build_model(visits, LagGrid(max_lag_s=600), meta={"source": "test", "offsets": "none"})


def test_a_model_survives_the_file(model: TransitionModel, tmp_path: Path) -> None:
    save_model(model, tmp_path / "deep" / "st.npz")
    again = load_model(tmp_path / "deep" / "st.npz")
    assert again.cameras == model.cameras
    assert again.grid == model.grid
    assert again.meta == model.meta
    assert again.settings == model.settings
    for name in ("next", "any", "exit_probability", "next_counts", "next_bandwidth"):
        assert np.array_equal(getattr(again, name), getattr(model, name))


def test_the_same_model_gives_the_same_bytes(model: TransitionModel, tmp_path: Path) -> None:
    save_model(model, tmp_path / "a.npz")
    save_model(load_model(tmp_path / "a.npz"), tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("smoothed_only", [False, True])
def test_a_distribution_survives_the_file(tmp_path: Path, smoothed_only: bool) -> None:
    whole = published_distribution([1, 1, 2, 2], [0, 1, 1, 0], [0, 700, 3, 90], ("a", "b"), sigma_bins=2)
    if smoothed_only:
        whole = PublishedDistribution(whole.cameras, whole.probability, None, whole.overflow, sigma_bins=2)
    save_published(whole, tmp_path / "d.npz")
    again = load_published(tmp_path / "d.npz")
    assert np.array_equal(again.probability, whole.probability)
    assert (again.histogram is None) == smoothed_only
    assert again.sigma_bins == 2


def rewrite(path: Path, **changes: object) -> None:
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(str(arrays.pop("header")))
    for name, value in changes.items():
        if name in arrays:
            arrays[name] = value
        else:
            header[name] = value
    np.savez(path, header=np.array(json.dumps(header)), **arrays)


@pytest.mark.parametrize(
    "changes",
    [
        {"cameras": ["a", "b"]},
        {"grid": {"bin_s": -1, "linear_s": 1, "max_lag_s": 5}},
        {"grid": {"nonsense": 1}},
        {"settings": {"unknown": 1}},
        {"visits": np.array([1.0, np.nan, 2.0])},
        {"exits": np.array([1.0, -1.0, 2.0])},
        {"next": np.zeros((3, 3, 5))},
        {"any": np.zeros((3, 3, 5), np.float32)},
        {"walks": np.zeros((3, 3, 2, 2))},
        {"walks": np.full((3, 3, 8, 8), np.inf)},
        {"meta": 5},
    ],
)
def test_a_damaged_model_is_a_user_error(model: TransitionModel, tmp_path: Path, changes: dict[str, object]) -> None:
    path = tmp_path / "st.npz"
    save_model(model, path)
    rewrite(path, **changes)
    with pytest.raises(UserError, match=r"st\.npz is a damaged transition model"):
        load_model(path)


def test_files_from_before_walks_are_still_read(model: TransitionModel, tmp_path: Path) -> None:
    path = tmp_path / "st.npz"
    save_model(model, path)
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files if name not in ("header", "walks")}
        header = json.loads(str(archive["header"]))
    np.savez(path, header=np.array(json.dumps({**header, "version": 1})), **arrays)
    again = load_model(path)
    assert np.array_equal(again.next, model.next)
    assert not again.evidence.walks.any()


def test_later_versions_and_other_kinds_are_refused(model: TransitionModel, tmp_path: Path) -> None:
    path = tmp_path / "st.npz"
    save_model(model, path)
    with pytest.raises(UserError, match="holds a 'mtmct transition model'"):
        load_published(path)
    rewrite(path, version=99)
    with pytest.raises(UserError, match="format version 99"):
        load_model(path)


def test_foreign_files_are_user_errors(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with pytest.raises(UserError, match=r"no file; make one with `python -m tools\.build_st_model`"):
        load_model(path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="damaged"):
        load_model(path)
    path.write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(UserError, match="damaged"):
        load_model(path)
    np.savez(path, other=np.zeros(3))
    with pytest.raises(UserError, match="no mtmct transition model"):
        load_model(path)
    np.savez(path, header=np.array({"pickled": object}, dtype=object))
    with pytest.raises(UserError, match="it holds objects"):
        load_model(path)


def test_a_truncated_file_is_a_user_error(model: TransitionModel, tmp_path: Path) -> None:
    path = tmp_path / "st.npz"
    save_model(model, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match="damaged"):
        load_model(path)


def test_a_model_of_nobody_is_written_and_read(tmp_path: Path) -> None:
    save_model(build_model(make_visits([], [], [], [], all_cameras=["a", "b"])), tmp_path / "st.npz")
    assert load_model(tmp_path / "st.npz").cameras == ("a", "b")


def test_a_model_remembers_which_gaps_a_visit_may_have(tmp_path: Path) -> None:
    joined = build_model(visits_from_rows([1, 1, 1], ["a", "a", "b"], [0.0, 9.0, 30.0], gap_s=10.0))
    save_model(joined, tmp_path / "st.npz")
    assert load_model(tmp_path / "st.npz").evidence.gap_s == 10.0
    other = build_model(make_visits([2, 2], ["a", "b"], [0, 5], [1, 6]))
    assert other.merged(joined).evidence.gap_s == 10.0
