"""Places on the ground: every figure against motmetrics and TrackEval, and what may go wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.formats.world import WorldPaths, WorldTable, write_world_paths
from data.site import Site, save_site
from pipeline.cli import run
from pipeline.evaluation.evaluate_ground import evaluate_ground
from pipeline.evaluation.ground import GroundComparison, GroundTally, near_pairs, squared_accelerations
from tools import evaluate_tracking

LIMIT = 1.0


def random_paths(seed: int, length: int = 40, people: int = 12, area_m: float = 8.0) -> tuple[WorldTable, WorldTable]:
    """People who walk close to one another; a tracker that misses, drifts, switches and sees ghosts."""
    rng = np.random.default_rng(seed)
    frames, ids = (grid.ravel() for grid in np.meshgrid(np.arange(length), np.arange(people), indexing="ij"))
    start, velocity = rng.uniform(0, area_m, (people, 2)), rng.normal(0, 0.15, (people, 2))
    xy = start[ids] + velocity[ids] * frames[:, None]
    here = (rng.random(len(frames)) < 0.9) & (frames >= ids)
    truth = WorldTable.make(frames[here], ids[here], xy[here])
    seen = here & (rng.random(len(frames)) < 0.85)
    generation = frames // rng.integers(5, 30, people)[ids]
    moved = xy + rng.normal(0, 0.35, xy.shape)
    ghosts = rng.integers(0, length, 20)
    predictions = WorldTable.make(
        np.concatenate([frames[seen], ghosts]),
        np.concatenate([ids[seen] + people * generation[seen], 10_000 + np.arange(20)]),
        np.concatenate([moved[seen], rng.uniform(0, area_m, (20, 2))]),
    )
    return truth, predictions


def tally(truth: WorldTable, predictions: WorldTable, length: int = 40, limit_m: float = LIMIT) -> GroundTally:
    return GroundTally.of(GroundComparison.of(truth, predictions, length, limit_m), limit_m, 0.25)


def by_frame(table: WorldTable, frame: int) -> tuple[np.ndarray, np.ndarray]:
    rows = table.frames == frame
    return table.ids[rows], table.xy[rows]


def motmetrics_summary(truth: WorldTable, predictions: WorldTable, length: int, limit_m: float) -> dict[str, float]:
    import motmetrics

    accumulator = motmetrics.MOTAccumulator()
    for frame in range(length):
        (true_ids, true_xy), (ids, xy) = by_frame(truth, frame), by_frame(predictions, frame)
        distances = np.linalg.norm(true_xy[:, None] - xy[None], axis=2)
        accumulator.update(true_ids, ids, np.where(distances < limit_m, distances, np.nan), frameid=frame)
    names = ["idf1", "idp", "idr", "mota", "motp", "num_switches", "num_misses", "num_false_positives"]
    with motmetrics.lap.set_default_solver("scipy"):
        return motmetrics.metrics.create().compute(accumulator, metrics=names, return_dataframe=False)


@pytest.mark.parametrize("seed", range(4))
def test_identities_are_those_of_motmetrics(seed: int) -> None:
    truth, predictions = random_paths(seed)
    expected, found = motmetrics_summary(truth, predictions, 40, LIMIT), tally(truth, predictions).fractions()
    for ours, theirs in (("IDF1", "idf1"), ("IDP", "idp"), ("IDR", "idr")):
        assert found[ours] == pytest.approx(expected[theirs], abs=1e-9)
    assert 0.1 < found["IDF1"] < 0.9


@pytest.mark.parametrize("seed", range(4))
def test_events_are_those_of_motmetrics_where_people_keep_their_distance(seed: int) -> None:
    """Where two people are near one another the conventions of the two differ (see ``clear``)."""
    truth, predictions = random_paths(seed, people=10, area_m=200)
    expected = motmetrics_summary(truth, predictions, 40, LIMIT)
    scores = tally(truth, predictions)
    counts = scores.tracks.counts()
    assert counts["IDSW"] == expected["num_switches"] > 5
    assert counts["FN"] == expected["num_misses"]
    assert counts["FP"] == expected["num_false_positives"]
    assert scores.fractions()["MOTA"] == pytest.approx(expected["mota"], abs=1e-9)
    assert scores.metres()["MOTP"] == pytest.approx(expected["motp"], abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_everything_is_as_in_trackeval(seed: int) -> None:
    trackeval = pytest.importorskip("trackeval", reason="the oracle is not installed: pip install trackeval")
    truth, predictions = random_paths(seed, area_m=4)
    dense = [np.unique(table.ids, return_inverse=True) for table in (truth, predictions)]
    data: dict[str, Any] = {"gt_ids": [], "tracker_ids": [], "similarity_scores": []}
    for frame in range(40):
        mine, theirs = truth.frames == frame, predictions.frames == frame
        data["gt_ids"].append(dense[0][1][mine])
        data["tracker_ids"].append(dense[1][1][theirs])
        distances = np.linalg.norm(truth.xy[mine][:, None] - predictions.xy[theirs][None], axis=2)
        data["similarity_scores"].append(np.maximum(0, 1 - distances / LIMIT))
    data |= {"num_timesteps": 40, "num_gt_dets": len(truth), "num_tracker_dets": len(predictions)}
    data |= {"num_gt_ids": len(dense[0][0]), "num_tracker_ids": len(dense[1][0])}
    options = {"PRINT_CONFIG": False, "THRESHOLD": 1e-9}
    metrics = [trackeval.metrics.HOTA(), trackeval.metrics.CLEAR(options), trackeval.metrics.Identity(options)]
    expected = {key: value for metric in metrics for key, value in metric.eval_sequence(data).items()}
    scores = tally(truth, predictions)
    found = {**scores.tracks.fractions(), **scores.tracks.counts()}
    for name in ("HOTA", "DetA", "AssA", "MOTA", "MOTP", "IDF1", "IDP", "IDR", "IDSW", "Frag", "MT", "ML"):
        assert found[name] == pytest.approx(np.mean(expected[name]), abs=1e-9), name
    assert found["IDSW"] > 20, "the scene must be hard enough to tell definitions apart"


def test_detections_are_matched_most_first() -> None:
    """One far pair more is worth more than one near pair: the rule of the WILDTRACK tool kit."""
    truth = WorldTable.make(np.array([0, 0]), np.array([0, 1]), np.array([[0.0, 0], [0.9, 0]]))
    predictions = WorldTable.make(np.array([0, 0]), np.array([0, 1]), np.array([[0.8, 0], [1.8, 0]]))
    scores = tally(truth, predictions, 1)
    assert scores.matches == 2
    assert scores.fractions()["MODA"] == 1
    assert scores.fractions()["MODP"] == pytest.approx((0.2 + 0.1) / 2)


@pytest.mark.parametrize("seed", range(3))
def test_detections_have_a_limit_of_their_own(seed: int) -> None:
    """Tracks are those of one metre, detections those of half a metre, as if all had been scored so."""
    truth, predictions = random_paths(seed, area_m=4)
    wide, narrow = tally(truth, predictions).fractions(), tally(truth, predictions, limit_m=0.5).fractions()
    both = GroundTally.of(GroundComparison.of(truth, predictions, 40, 1.0), 1.0, 0.25, 0.5).fractions()
    assert [both[name] for name in ("MODA", "MODP")] == pytest.approx([narrow[name] for name in ("MODA", "MODP")])
    assert [both[name] for name in ("HOTA", "MOTA", "IDF1")] == [wide[name] for name in ("HOTA", "MOTA", "IDF1")]
    assert both["MODP"] != pytest.approx(wide["MODP"], abs=0.01)


def test_a_match_is_nearer_than_the_limit() -> None:
    rows = [WorldTable.make(np.array([0]), np.array([0]), np.array([[x, 0.0]])) for x in (0, 1.0, 0.999)]
    assert len(near_pairs(rows[0], rows[1], 1.0)) == 0
    assert near_pairs(rows[0], rows[2], 1.0).similarity == pytest.approx([0.001])
    assert tally(rows[0], rows[2], 1).metres()["MOTP"] == pytest.approx(0.999)


def test_predictions_on_truth_that_does_not_count_are_taken_back() -> None:
    flags = np.array([True, False])
    truth = WorldTable.make(np.array([0, 0]), np.array([0, 1]), np.array([[0.0, 0], [5, 0]]), flags)
    predictions = WorldTable.make(np.array([0, 0]), np.array([0, 1]), np.array([[0.0, 0], [5.5, 0]]))
    scores = tally(truth, predictions, 1)
    assert scores.fractions()["MOTA"] == scores.fractions()["MODA"] == 1
    assert scores.tracks.predicted_boxes == 1


def test_acceleration_is_that_of_the_path() -> None:
    frames = np.arange(20)
    xy = np.stack([0.5 * 3.0 * (frames * 0.1) ** 2, frames * 0.1], axis=1)
    total, rows = squared_accelerations(WorldTable.make(frames, frames * 0, xy), 0.1)
    assert (total / rows) ** 0.5 == pytest.approx(3.0)
    assert rows == 18
    torn = WorldTable.make(np.array([0, 1, 3, 4, 5, 6]), np.array([0, 0, 0, 0, 1, 1]), xy[:6])
    assert squared_accelerations(torn, 0.1) == (0.0, 0)


def write_truth(folder: Path, table: WorldTable, name: str = "world") -> Path:
    folder.mkdir(exist_ok=True)
    rows = zip(table.frames, table.ids, table.flags, table.xy.tolist(), strict=True)
    lines = [f"{frame + 1},{person},-1,-1,-1,-1,{flag:d},{x},{y}" for frame, person, flag, (x, y) in rows]
    (folder / f"{name}.txt").write_text("\n".join(lines))
    return folder


def write_run(root: Path, table: WorldTable, fps: dict[str, float], late_s: float = 0.0) -> Path:
    """A run folder of one group; the truth counts frames at 4 per second."""
    (root / "world").mkdir(parents=True)
    cov, heights = np.tile(np.eye(2) * 0.01, (len(table), 1, 1)), np.full(len(table), np.nan)
    paths = WorldPaths.make(table.frames / 4 + late_s, table.ids, table.xy, cov, heights)
    write_world_paths(root / "world" / "hall.csv", paths)
    known = {"calibration": {"homography": [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]}, "clock": {"status": "common"}}
    cameras = {name: {"fps": rate, **known} for name, rate in fps.items()}
    groups = [{"name": "hall", "cameras": list(fps)}]
    site = Site.model_validate({"cameras": cameras, "groups": groups})
    save_site(site, root / "site.yaml")
    (root / "manifest.json").write_text(json.dumps({"inputs": {name: {"fps": rate} for name, rate in fps.items()}}))
    return root


def test_a_run_is_scored_by_the_frame_rate_of_its_cameras(tmp_path: Path) -> None:
    truth, predictions = random_paths(1)
    gt = write_truth(tmp_path / "gt", truth)
    result = evaluate_ground(gt, write_run(tmp_path / "run", predictions, {"a": 4.0, "b": 4.0}, late_s=0.03), LIMIT)
    (row,) = result.rows
    assert row.name == "hall"
    assert row.tally.fractions() == pytest.approx(tally(truth, predictions).fractions(), abs=1e-3)
    same = evaluate_ground(gt, tmp_path / "run" / "world" / "hall.csv", LIMIT)
    assert same.to_json() == result.to_json()
    assert evaluate_ground(gt, tmp_path / "run" / "world", LIMIT).to_json() == result.to_json()


def test_truth_of_every_fifth_frame_is_scored_there(tmp_path: Path) -> None:
    truth, _ = random_paths(2)
    gt = write_truth(tmp_path / "gt", truth.select(truth.frames % 5 == 2))
    (gt / "lengths.json").write_text('{"world": 40}')
    pred = write_truth(tmp_path / "pred", truth)
    result = evaluate_ground(gt, pred, LIMIT, fps=4)
    assert result.warnings == ("world: the truth has one frame in 5: only these 8 are scored",)
    assert result.rows[0].tally.fractions()["MOTA"] == 1
    assert result.rows[0].tally.tracks.frames == 8
    whole = evaluate_ground(write_truth(tmp_path / "whole", truth), pred, LIMIT, fps=4)
    assert whole.warnings == ()
    assert whole.rows[0].tally.tracks.frames == 40


def test_several_groups_are_paired_by_name_and_summed(tmp_path: Path) -> None:
    gt, pred = tmp_path / "gt", tmp_path / "pred"
    parts = {}
    for seed, name in ((1, "hall"), (2, "yard")):
        truth, predictions = random_paths(seed)
        write_truth(gt, truth, name)
        write_truth(pred, predictions, name)
        parts[name] = tally(truth, predictions)
    result = evaluate_ground(gt, pred, LIMIT, fps=4)
    assert [row.name for row in result.rows] == ["hall", "yard", "COMBINED"]
    whole = result.rows[-1].tally
    assert whole.matches == parts["hall"].matches + parts["yard"].matches
    assert whole.metres()["acceleration"] is not None
    (pred / "yard.txt").rename(pred / "garden.txt")
    assert run(evaluate_tracking.main, ["--gt", str(gt), "--pred", str(pred), "--ground", "1"]) == 2


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, _ = random_paths(1)
    gt = write_truth(tmp_path / "gt", truth)
    arguments = ["--gt", str(gt), "--pred", str(gt), "--ground", "1"]
    assert run(evaluate_tracking.main, [*arguments, "--json", str(tmp_path / "scores.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ground: less than 1 m apart"
    assert len({len(line) for line in lines[1:]}) == 1, "the columns must be aligned"
    assert lines[2].split()[:10] == ["world", *["100.000"] * 9]
    assert lines[2].split()[10:13] == ["0.000", "-", "-"]
    score = json.loads((tmp_path / "scores.json").read_text())["scores"][0]
    assert (score["MOTP"], score["acceleration"], score["MODA"]) == (0.0, None, 1.0)
    assert run(evaluate_tracking.main, [*arguments, "--fps", "4", "--json", "-"]) == 0
    score = json.loads(capsys.readouterr().out)["scores"][0]
    assert score["acceleration"] == score["acceleration_truth"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--ground", "0"], "--ground is 0; give a distance in metres above 0"),
        (["--ground", "nan"], "--ground is nan"),
        (["--ground", "1", "--fps", "0"], "--fps is 0"),
        (["--ground", "1", "--cross-camera"], "--cross-camera is about boxes in pictures"),
        (["--ground", "1", "--iou", "0.4"], "--iou is about boxes in pictures"),
        (["--fps", "4"], "--fps goes with --ground"),
        (["--ground", "1"], "no place is less than 1 m from a true one in the same frame"),
        (["--ground", "1", "--pred", "empty"], "empty has no places on the ground"),
        (["--ground", "1", "--pred", "mixed"], "gives seconds and the truth gives frames"),
        (["--ground", "1", "--gt", "short"], "frame 40 is beyond the stated length of 10 frames"),
    ],
)
def test_mistakes_on_the_command_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    truth, predictions = random_paths(1)
    write_truth(tmp_path / "gt", truth)
    write_truth(tmp_path / "pred", WorldTable.make(truth.frames, truth.ids, truth.xy * 1000))
    write_run(tmp_path / "mixed", predictions, {"a": 4.0, "b": 8.0})
    write_truth(tmp_path / "short", truth)
    (tmp_path / "short" / "lengths.json").write_text('{"world": 10}')
    (tmp_path / "empty").mkdir()
    assert run(evaluate_tracking.main, ["--gt", "gt", "--pred", "pred", *arguments]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


def test_true_places_score_perfectly(testdata: Path) -> None:
    for name, fps in (("cmc1", 4.0), ("cmc2", 4.0), ("wildtrackA", 2.0)):
        folder = testdata / "scored" / "gt" / f"{name}_world"
        (row,) = evaluate_ground(folder, folder, 1.0, fps).rows
        assert row.tally.fractions() == pytest.approx(dict.fromkeys(row.tally.fractions(), 1.0), abs=1e-9)
        assert row.tally.metres()["acceleration"] == row.tally.metres()["acceleration_truth"] is not None
