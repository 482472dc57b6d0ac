import os
import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
from scipy.io import savemat

from data.errors import UserError
from st_model.files import load_published
from st_model.importers import import_joblib, import_mat
from st_model.published import published_distribution
from tools.build_st_model import main


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 30, 400), rng.integers(0, 4, 400), rng.integers(0, 60_000, 400)


NAMES = ("c1", "c2", "c3", "c4")


def test_a_mat_file_gives_the_distribution_it_was_written_from(
    rows: tuple[np.ndarray, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    raw = published_distribution(*rows, NAMES, bins=700, sigma_bins=0)
    savemat(tmp_path / "d.mat", {"distribution": raw.probability.transpose(1, 0, 2), "other": 3})
    got = import_mat(tmp_path / "d.mat")
    want = published_distribution(*rows, NAMES, bins=700)
    assert got.cameras == NAMES
    assert np.abs(got.probability - want.probability).max() < 1e-12
    assert got.histogram is None


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_joblib_file_is_read_without_joblib(tmp_path: Path, order: str, dtype: type) -> None:
    table = np.random.default_rng(1).random((4, 4, 50)).astype(dtype)
    joblib.dump(np.asarray(table, order=order), tmp_path / "d.pkl")  # type: ignore[call-overload]
    got = import_joblib(tmp_path / "d.pkl")
    assert np.array_equal(got.probability, table.transpose(1, 0, 2).astype(np.float64))


def test_an_undirected_table_serves_both_directions(tmp_path: Path) -> None:
    table = np.zeros((3, 3, 5))
    table[0, 1, 2], table[1, 2, 3], table[1, 1, 0] = 0.5, 0.25, 0.125
    joblib.dump(table, tmp_path / "d.pkl")
    got = import_joblib(tmp_path / "d.pkl")
    assert got.probability[0, 1, 2] == got.probability[1, 0, 2] == 0.5
    assert got.probability[1, 2, 3] == got.probability[2, 1, 3] == 0.25
    assert got.probability[1, 1, 0] == 0.125
    assert got.meta["directions"] == "undirected in the file"


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch /tmp/mtmct_must_not_exist",)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    Path("/tmp/mtmct_must_not_exist").unlink(missing_ok=True)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Evil()))
    joblib.dump({"table": np.zeros(3), "evil": Evil()}, tmp_path / "b.pkl")
    joblib.dump(np.array([Evil()], object), tmp_path / "c.pkl")
    for name in "abc":
        with pytest.raises(UserError, match="as a joblib file of one array"):
            import_joblib(tmp_path / f"{name}.pkl")
    assert not Path("/tmp/mtmct_must_not_exist").exists()


def test_wrong_files_are_user_errors(tmp_path: Path) -> None:
    joblib.dump(np.zeros((2, 2, 3)), tmp_path / "z.pkl", compress=3)
    with pytest.raises(UserError, match="is compressed; write it again"):
        import_joblib(tmp_path / "z.pkl")
    joblib.dump(np.zeros((2, 3)), tmp_path / "flat.pkl")
    with pytest.raises(UserError, match=r"\(cameras, cameras, bins\), holds \(2, 3\)"):
        import_joblib(tmp_path / "flat.pkl")
    joblib.dump(np.full((2, 2, 3), np.nan), tmp_path / "nan.pkl")
    with pytest.raises(UserError, match="no probabilities"):
        import_joblib(tmp_path / "nan.pkl")
    joblib.dump(np.ones((2, 2, 300)), tmp_path / "cut.pkl")
    (tmp_path / "cut.pkl").write_bytes((tmp_path / "cut.pkl").read_bytes()[:-500])
    with pytest.raises(UserError, match="EOFError"):
        import_joblib(tmp_path / "cut.pkl")
    with pytest.raises(UserError, match="FileNotFoundError"):
        import_joblib(tmp_path / "absent.pkl")
    (tmp_path / "x.mat").write_bytes(b"nonsense" * 40)
    with pytest.raises(UserError, match=r"x\.mat is no readable Matlab file"):
        import_mat(tmp_path / "x.mat")
    savemat(tmp_path / "y.mat", {"something": np.zeros(3)})
    with pytest.raises(UserError, match="holds no 'distribution'"):
        import_mat(tmp_path / "y.mat")


def test_the_command_line_imports_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = np.random.default_rng(1).random((3, 3, 400))
    savemat(tmp_path / "d.mat", {"distribution": table})
    joblib.dump(table, tmp_path / "d.pkl")
    for name in ("d.mat", "d.pkl"):
        output = tmp_path / f"{name}.npz"
        assert main([str(tmp_path / name), "--published", "--output", str(output)]) == 0
        assert load_published(output).probability.shape == (3, 3, 400)
    assert "400 bins of 100 frames" in capsys.readouterr().out
