import json
from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.formats.part_features import PartFeatures, read_part_features, write_part_features
from data.records import PartEmbeddings
from data.synthetic.training_set import TrainingSet, make_training_set
from tools.evaluate_st_reid import main
from tools.extract_features import main as extract_features

WEIGHTS = Path(__file__).resolve().parents[2] / "data" / "weights"


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
    with pytest.raises(UserError, match="--features is one set"):
        main(["--features", str(file), "--query", str(file)])
    (tmp_path / "x.npz").write_bytes(b"no")
    with pytest.raises(UserError, match=r"x\.npz is no \.npz file"):
        main(["--features", str(tmp_path / "x.npz")])
    np.savez(tmp_path / "y.npz", names=np.array(["0001_c1s1_000001_00.jpg"]))
    with pytest.raises(UserError, match=r"y\.npz holds no"):
        main(["--features", str(tmp_path / "y.npz")])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--query", "q.npz", "--gallery", "q.npz", "--learn-names", "q.npz"], "--learn-names has no effect"),
        (["--query", "q.npz", "--gallery", "q.npz", "--learn-identities", "3"], "--learn-identities has no effect"),
        (["--features", "q.npz", "--learn-identities", "0"], "at least one person"),
        (["--features", "q.npz", "--learn", "q.npz"], "--learn goes with --query-rows"),
        (["--features", "q.npz", "--gallery-rows", "0:3"], "--gallery-rows goes with --query-rows"),
        (["--query", "q.npz", "--gallery", "q.npz", "--query-rows", "0:3"], "give it with --features"),
        (["--features", "q.npz", "--weights", "pcb.pth"], "--weights describes folders"),
        (["--features", "q.npz", "--query-rows", "0:500"], "there are only 72 rows"),
        (["--features", "q.npz", "--json", "absent/s.json"], "there is no folder absent"),
    ],
)
def test_options_without_effect_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    write(tmp_path / "q.npz", range(1, 9), 1)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        main(arguments)


def scores_of(arguments: list[str], folder: Path) -> list[dict]:
    assert main([*arguments, "--json", str(folder / "s.json")]) == 0
    return json.loads((folder / "s.json").read_text())


def test_rows_of_one_set_are_queries_and_gallery(tmp_path: Path) -> None:
    whole, other = write(tmp_path / "all.npz", range(1, 9), 1), write(tmp_path / "l.npz", range(50, 80), 2)
    with np.load(whole) as found:
        names, features = found["names"], found["feature"]
    asked = np.arange(0, len(names), 3)
    rest = np.setdiff1d(np.arange(len(names)), asked)
    for name, rows in (("q", asked), ("g", rest)):
        np.savez(tmp_path / f"{name}.npz", names=names[rows], feature=features[rows])
    (tmp_path / "rows.txt").write_text(" ".join(map(str, asked)))
    np.save(tmp_path / "rows.npy", rest)
    learn = ["--learn", str(other)]
    want = scores_of(["--query", str(tmp_path / "q.npz"), "--gallery", str(tmp_path / "g.npz"), *learn], tmp_path)
    one = ["--features", str(whole), "--query-rows", str(tmp_path / "rows.txt"), *learn]
    assert scores_of(one, tmp_path) == want
    assert scores_of([*one, "--gallery-rows", str(tmp_path / "rows.npy")], tmp_path) == want


def test_names_may_be_byte_strings(tmp_path: Path) -> None:
    file = write(tmp_path / "f.npz", range(1, 21), 0)
    with np.load(file) as found:
        np.savez(tmp_path / "b.npz", names=found["names"].astype(np.bytes_), feature=found["feature"])
    assert scores_of(["--features", str(file)], tmp_path) == scores_of(
        ["--features", str(tmp_path / "b.npz")], tmp_path
    )


def in_parts(file: Path, path: Path, model_id: str = "net@1") -> Path:
    """The features as two parts of which one shows nothing, as ``tools.extract_features`` writes them."""
    found = read_part_features(file)
    made = found.embeddings
    vectors = np.concatenate([made.vectors, np.zeros_like(made.vectors)], axis=1)
    seen = np.concatenate([made.visibility * 0.5, np.zeros_like(made.visibility)], axis=1)
    parts = PartEmbeddings(vectors, seen, ("head", "feet"), ("part", "part"), model_id)
    write_part_features(path, PartFeatures(found.names, parts))
    return path


def test_features_in_parts_are_fused_with_time(tmp_path: Path) -> None:
    plain = write(tmp_path / "f.npz", range(1, 41), 0)
    parts = in_parts(plain, tmp_path / "p.npz")
    options = ["--k1", "6", "--k2", "2"]
    want = scores_of(["--features", str(plain), *options], tmp_path)
    for mode in ("binary", "continuous"):
        got = scores_of(["--features", str(parts), "--visibility", mode, *options], tmp_path)
        assert [row["ranked_by"] for row in got] == [row["ranked_by"] for row in want]
        for one, other in zip(got, want):
            assert one["standard"]["mAP"] == pytest.approx(other["standard"]["mAP"], abs=0.02)
        assert got[4]["standard"]["mAP"] > got[0]["standard"]["mAP"] + 0.05


def test_features_of_two_networks_are_not_compared(tmp_path: Path) -> None:
    plain = write(tmp_path / "f.npz", range(1, 9), 0)
    files = [in_parts(plain, tmp_path / f"{name}.npz", name) for name in ("one", "two")]
    with pytest.raises(UserError, match=r"one\.npz is described by one, .*two\.npz by two"):
        main(["--query", str(files[0]), "--gallery", str(files[1])])
    with pytest.raises(UserError, match="2 parts of 8 numbers and of 1 of 8"):
        main(["--query", str(files[0]), "--gallery", str(plain)])


def test_the_parts_of_rendered_people_are_fused_with_the_times_in_their_names(tmp_path: Path) -> None:
    """From pictures to scores by command lines alone, with the network that is shipped."""
    make_training_set(TrainingSet(sites=1, seed=2001, frames=0, people=8, test_people=8, crops=2), tmp_path / "set", 1)
    crops = tmp_path / "set" / "reid" / "training2001" / "reid"
    weights = f"reid.weights={WEIGHTS / 'kpr_small_synthetic.safetensors'}"
    out = tmp_path / "f.npz"
    described = ["--keypoints", str(crops), "--device", "cpu", "reid.name=kpr", weights]
    assert extract_features([str(crops), "--out", str(out), *described]) == 0
    assert read_part_features(out).embeddings.part_names[:2] == ("foreground", "head")
    rows = {row["ranked_by"]: row["standard"] for row in scores_of(["--features", str(out), "--k1", "3"], tmp_path)}
    assert rows["appearance"]["queries"] == 16
    assert rows["st-reid joint score"]["mAP"] > rows["appearance"]["mAP"] + 0.02


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
