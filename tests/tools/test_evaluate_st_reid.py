import json
from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from tools.evaluate_st_reid import main


def write(path: Path, people: range, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    names, features = [], []
    for person in people:
        look, frame = rng.standard_normal(8), int(rng.integers(0, 20_000))
        for camera in (1, 2, 3):
            for shot in range(3):
                names.append(f"{person:04d}_c{camera}s1_{frame + 10 * shot:06d}_00.jpg")
                features.append(look + 0.8 * rng.standard_normal(8))
            frame += int(rng.normal(2000, 100))
    np.savez(path, names=np.array(names), feature=np.array(features, np.float16))
    return path


def test_one_set_is_split_by_identity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "f.npz", range(1, 41), 0)
    assert main(["--features", str(file), "--k1", "6", "--k2", "2", "--json", str(tmp_path / "s.json")]) == 0
    out = capsys.readouterr().out
    assert "60 queries, 120 gallery pictures; transition times from 20 other identities" in out
    rows = json.loads((tmp_path / "s.json").read_text())
    assert len(rows) == 8
    assert rows[4]["standard"]["mAP"] > rows[0]["standard"]["mAP"] + 0.05
    assert rows[0]["standard"]["mAP"] != rows[0]["trapezoid"]["mAP"]


def test_fewer_teachers_and_another_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "f.npz", range(1, 41), 0)
    assert main(["--features", str(file), "--learn-identities", "5", "--seed", "3"]) == 0
    assert "from 5 other identities" in capsys.readouterr().out


def test_query_and_gallery_alone_rank_by_appearance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    query, gallery = write(tmp_path / "q.npz", range(1, 9), 1), write(tmp_path / "g.npz", range(1, 9), 1)
    assert main(["--query", str(query), "--gallery", str(gallery)]) == 0
    out = capsys.readouterr().out
    assert "appearance + re-ranking" in out
    assert "joint" not in out


def test_learning_from_other_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [write(tmp_path / f"{n}.npz", people, 2) for n, people in (("q", range(1, 9)), ("l", range(50, 80)))]
    assert main(["--query", str(files[0]), "--gallery", str(files[0]), "--learn", str(files[1])]) == 0
    assert "from 30 other identities" in capsys.readouterr().out


def test_learning_from_the_tested_people_is_refused(tmp_path: Path) -> None:
    file, other = write(tmp_path / "q.npz", range(1, 9), 1), write(tmp_path / "l.npz", range(8, 20), 1)
    with pytest.raises(UserError, match="1 identities are both searched for and learnt from, first 8"):
        main(["--query", str(file), "--gallery", str(file), "--learn", str(other)])


def test_bad_arguments_and_files(tmp_path: Path) -> None:
    file = write(tmp_path / "q.npz", range(1, 9), 1)
    with pytest.raises(UserError, match="nothing to evaluate"):
        main([])
    with pytest.raises(UserError, match="splits one set"):
        main(["--features", str(file), "--query", str(file)])
    (tmp_path / "x.npz").write_bytes(b"no")
    with pytest.raises(UserError, match=r"x\.npz is no \.npz file"):
        main(["--features", str(tmp_path / "x.npz")])
    np.savez(tmp_path / "y.npz", names=np.array(["0001_c1s1_000001_00.jpg"]))
    with pytest.raises(UserError, match=r"y\.npz holds no"):
        main(["--features", str(tmp_path / "y.npz")])


def test_space_time_lifts_real_features(testdata: Path, tmp_path: Path) -> None:
    market = testdata / "market1501"
    arguments = ["--features", str(market / "osnet_x0_25_train_odd_ids.npz"), "--learn-names"]
    assert main([*arguments, str(market / "train_names.txt"), "--json", str(tmp_path / "s.json")]) == 0
    rows = {row["ranked_by"]: row["standard"] for row in json.loads((tmp_path / "s.json").read_text())}
    assert rows["appearance"]["mAP"] == pytest.approx(0.507, abs=0.005)
    assert rows["st-reid joint score"]["mAP"] > rows["appearance"]["mAP"] + 0.15
    assert rows["st-reid joint score"]["rank1"] > rows["appearance"]["rank1"] + 0.18
    assert rows["likelihood ratios"]["mAP"] > rows["st-reid joint score"]["mAP"] + 0.05
    assert rows["likelihood ratios + re-ranking"]["mAP"] > 0.88
