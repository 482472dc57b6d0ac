import json
from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.records import GlobalTrack, Link, Tracklet, Visit
from data.site import Site, save_site
from pipeline.config import dump_config, load_config
from pipeline.folder.run_folder import RunFolder
from tools.evaluate_association import main


def features(path: Path, people: int = 24, times: bool = True, noise: float = 1.2) -> Path:
    """People of whom two and two look alike, and walk from camera to camera in ten seconds."""
    rng = np.random.default_rng(0)
    names, rows = [], []
    for person in range(1, people + 1):
        look = np.random.default_rng((person + 1) // 4).standard_normal(32)
        frame = 1000 * person if times else 0
        for camera in (1, 2):
            for shot in range(3):
                names.append(f"{person:04d}_c{camera}s1_{frame + 10 * shot:06d}_00.jpg")
                rows.append(look + noise * rng.standard_normal(32))
            frame += int(rng.normal(250, 10))
    np.savez(path, names=np.array(names), feature=np.array(rows, np.float16))
    return path


def result(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert main([*arguments, "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


def test_teachers_are_other_people_than_those_associated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(features(tmp_path / "f.npz"))
    found = result(capsys, "market", file, "--overlap", "none")
    assert found["facts"]["teachers"] == 12
    assert found["scores"][0]["people"] == 12
    assert found["scores"][0]["tracklets"] == 24
    assert result(capsys, "market", file, "--teacher-count", "3")["facts"]["teachers"] == 3


@pytest.mark.parametrize(
    "noise",
    [
        1.5,
        pytest.param(
            0.3,
            marks=pytest.mark.xfail(
                strict=True,
                reason="two people whose pictures are all but equal look like one who came back, in each camera",
            ),
        ),
    ],
)
def test_times_part_people_who_look_alike(noise: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(features(tmp_path / "f.npz", noise=noise))
    timed = result(capsys, "market", file, "--overlap", "none")["scores"][0]
    untimed = result(capsys, "market", file, "--no-times")["scores"][0]
    assert timed["pair_f"] > untimed["pair_f"] + 0.1


def test_a_simulated_crowd_under_several_thresholds(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("simulate", "80", "--cameras", "3", "--noise", "0.4")
    found = result(capsys, *arguments, "--thresholds", "0.2", "0.6", "--reference")
    names = [row["name"] for row in found["scores"]]
    assert names[:4] == ["default", "same_probability 0.2", "same_probability 0.6", "best average linkage"]
    assert found["scores"][0]["pair_f"] > 0.95
    assert found["peak_gb"] > 0
    assert main([*arguments, "--reliability"]) == 0
    out = capsys.readouterr().out
    assert "80 tracklets (0 mixed) of 20 people" in out
    assert "joined links: claimed" in out


def test_thresholds_must_be_probabilities() -> None:
    with pytest.raises(UserError, match="between 0 and 1"):
        main(["simulate", "40", "--thresholds", "2"])


def boxes(left: float, count: int) -> np.ndarray:
    return np.tile(np.array([[left, 10, left + 40, 110]], np.float32), (count, 1))


@pytest.fixture
def run_folder(tmp_path: Path) -> tuple[Path, Path]:
    """One person seen by two cameras, and one tracklet that changes person halfway."""
    truth = tmp_path / "gt"
    truth.mkdir()
    rows = [f"{frame},1,10,10,40,100,1,1,1" for frame in range(1, 11)]
    (truth / "a.txt").write_text("\n".join(rows))
    rows = [f"{frame},1,50,10,40,100,1,1,1" for frame in range(21, 31)]
    rows += [f"{frame},{2 if frame < 25 else 3},200,10,40,100,1,1,1" for frame in range(21, 31)]
    (truth / "b.txt").write_text("\n".join(rows))
    folder = RunFolder(tmp_path / "run")
    folder.tracklets.mkdir(parents=True)

    def tracklet(camera: str, number: int, frames: np.ndarray, left: float) -> Tracklet:
        ones = np.ones(len(frames), np.float32)
        return Tracklet(camera, number, frames / 10.0, frames, boxes(left, len(frames)), ones)

    tracklets = [
        tracklet("a", 0, np.arange(10), 10),
        tracklet("b", 0, np.arange(20, 30), 52),
        tracklet("b", 1, np.arange(20, 30), 200),
    ]
    folder.write_part(0.0, 0, tracklets)
    save_site(Site.blank(["a", "b"]), folder.site)
    folder.config.write_text(dump_config(load_config()))
    folder.write_global_tracks(
        [
            GlobalTrack(0, (Visit("a", 0, 0, 1), Visit("b", 0, 2, 3)), 0.9),
            GlobalTrack(1, (Visit("b", 1, 2, 3),), 1.0),
        ]
    )
    folder.write_links([Link(("a", 0), ("b", 0), {}, {}, {}, 1.0, 0.9, "same", 1.0)])
    return folder.root, truth


def test_a_run_is_judged_by_the_boxes_it_shares_with_the_truth(
    run_folder: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, truth = map(str, run_folder)
    row = result(capsys, "run", folder, "--truth", truth)["scores"][0]
    assert (row["tracklets"], row["mixed_tracklets"], row["people"], row["identities"]) == (3, 1, 3, 2)
    assert (row["pair_precision"], row["pair_recall"]) == (1.0, 1.0)
    assert row["idf1"] == pytest.approx(2 * 26 / 60)
    assert row["expected_calibration_error"] == pytest.approx(0.1)


def test_a_run_associated_anew_is_compared_with_what_stands(
    run_folder: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, truth = map(str, run_folder)
    before = {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
    rows = result(capsys, "run", folder, "--truth", truth, "--again")["scores"]
    assert [row["name"] for row in rows] == ["as it stands", "default"]
    assert rows[1]["identities"] == 3, "nothing is known of these tracklets"
    assert {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()} == before


def test_bad_arguments(run_folder: tuple[Path, Path], tmp_path: Path) -> None:
    folder, truth = map(str, run_folder)
    with pytest.raises(UserError, match="is not a run folder"):
        main(["run", str(tmp_path), "--truth", truth])
    with pytest.raises(UserError, match="give --again as well"):
        main(["run", folder, "--truth", truth, "--set", "associate.sweeps=1"])
    (tmp_path / "x.npz").write_bytes(b"no")
    with pytest.raises(UserError, match=r"x\.npz is no \.npz file"):
        main(["market", str(tmp_path / "x.npz")])
    other = tmp_path / "other"
    other.mkdir()
    (other / "z.txt").write_text("1,1,10,10,40,100,1,1,1\n")
    with pytest.raises(UserError, match="none of which the run has"):
        main(["run", folder, "--truth", str(other)])


def test_parts_are_left_out_one_at_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("simulate", "80", "--cameras", "3", "--noise", "0.4")
    rows = result(capsys, *arguments, "--without", "appearance", "competition")["scores"]
    assert [row["name"] for row in rows] == ["default", "without appearance", "without competition"]
    assert rows[1]["pair_recall"] < 0.1 < rows[0]["pair_recall"], "without looks nothing but motion is known"
    assert rows[2]["links_over_cameras"]["expected_precision"] > 0.9
    with pytest.raises(UserError, match="--without looks: there is appearance"):
        main([*arguments, "--without", "looks"])
    picture = tmp_path / "reliability.png"
    assert main([*arguments, "--plot", str(picture)]) == 0
    assert picture.stat().st_size > 5000
    assert "of those made are right" in capsys.readouterr().out
