from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import UserError
from data.records import GlobalTrack, Tracklet, Visit
from data.site import Site, save_site
from pipeline.folder.run_folder import RunFolder
from st_model.files import load_model, load_published
from tools.build_st_model import main

NAMES = [
    f"{person:04d}_c{camera}s1_{1000 * person + 700 * camera:06d}_00.jpg"
    for person in range(1, 15)
    for camera in (1, 2)
]


@pytest.fixture
def names(tmp_path: Path) -> Path:
    path = tmp_path / "names.txt"
    path.write_text("\n".join([*NAMES, "0000_c3s1_000001_00.jpg", "-1_c1s1_000001_00.jpg"]))
    return path


def test_names_give_a_model_counts_warnings_and_a_picture(
    names: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    output, plot = tmp_path / "st.npz", tmp_path / "st.png"
    with caplog.at_level("WARNING"):
        assert main([str(names), "--output", str(output), "--plot", str(plot)]) == 0
    model = load_model(output)
    assert model.cameras == ("c1", "c2")
    assert model.next_counts.tolist() == [[0, 14], [0, 0]]
    assert model.meta["offsets"] == "market sequence lengths"
    lags = np.arange(1.0, 100.0)
    assert lags[np.argmax(model.log_density("c1", "c2", lags))] == pytest.approx(28, abs=2)
    assert plot.read_bytes().startswith(b"\x89PNG")
    out = capsys.readouterr().out
    assert "leaving for good: c1" in out
    assert "1 of 2 camera pairs have fewer than 10 events and lean on the others: c2>c1" in caplog.text


def test_a_folder_of_pictures_and_the_published_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "bounding_box_train"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(b"")
    assert (
        main([str(folder), "--published", "--output", str(tmp_path / "d.npz"), "--plot", str(tmp_path / "d.png")]) == 0
    )
    table = load_published(tmp_path / "d.npz")
    assert table.counts.tolist() == [[0, 14], [0, 0]]
    assert int(np.argmax(table.histogram[0, 1])) in (6, 7)  # type: ignore[index]
    assert "bins of 100 frames" in capsys.readouterr().out


def test_evidence_of_an_earlier_model_is_added(names: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    main([str(names), "--output", str(first)])
    assert "counted in this model before" not in caplog.text
    main([str(names), "--output", str(second), "--update", str(first)])
    assert caplog.text.count(f"{names} was counted in this model before: what it holds still counts twice") == 1
    assert load_model(second).next_counts[0, 1] == 28
    main([str(names), "--published", "--output", str(first), "--overwrite"])
    main([str(names), "--published", "--output", str(second), "--update", str(first), "--overwrite"])
    assert load_published(second).counts[0, 1] == 28


def write_truth(folder: Path) -> Path:
    folder.mkdir()
    for camera, shift in (("north", 0), ("south", 300)):
        rows = [f"{100 * p + shift + f},{p},10,10,20,50,1,1,1" for p in range(12) for f in range(1, 30)]
        rows += ["5000,77,10,10,20,50,0,1,1", "5001,78,10,10,20,50,1,8,1"]
        (folder / f"{camera}.txt").write_text("\n".join(rows))
    return folder


def test_ground_truth_of_several_cameras(tmp_path: Path) -> None:
    folder = write_truth(tmp_path / "gt")
    assert main([str(folder), "--fps", "20", "--output", str(tmp_path / "st.npz")]) == 0
    model = load_model(tmp_path / "st.npz")
    assert model.cameras == ("north", "south")
    assert model.next_counts.tolist() == [[0, 12], [0, 0]]
    seen = np.flatnonzero(model.evidence.next[0, 1])
    assert model.grid.edges_s[seen[0]] <= (300 - 29) / 20 <= model.grid.edges_s[seen[-1] + 1]


def test_ground_truth_teaches_the_walk_where_the_size_of_the_picture_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = write_truth(tmp_path / "gt"), tmp_path / "st.npz"
    command = [str(folder), "--fps", "20", "--output", str(output), "--overwrite"]
    main(command)
    assert not load_model(output).evidence.walks.any()
    assert "walks between views: none" in capsys.readouterr().out
    main([*command, "--size", "640", "480"])
    walk = load_model(output).evidence.walks[0, 1]
    assert walk[0, 0] == 12
    assert walk[0, 2:4] / 12 == pytest.approx([20 / 640, 60 / 480]), "the foot point, in shares of the picture"
    assert "walks between views: 12" in capsys.readouterr().out


def test_ground_truth_with_a_site_file_uses_its_clocks(tmp_path: Path) -> None:
    folder = write_truth(tmp_path / "gt")
    site = Site.model_validate(
        {
            "cameras": {
                "north": {"fps": 20, "clock": {"status": "common"}},
                "south": {"fps": 20, "clock": {"status": "common", "offset_s": 100.0}},
            }
        }
    )
    save_site(site, tmp_path / "site.yaml")
    main([str(folder), "--site", str(tmp_path / "site.yaml"), "--output", str(tmp_path / "st.npz")])
    model = load_model(tmp_path / "st.npz")
    seen = np.flatnonzero(model.evidence.next[0, 1])
    assert model.grid.edges_s[seen[0]] <= 100 + (300 - 29) / 20 <= model.grid.edges_s[seen[-1] + 1]
    save_site(Site.blank(["north", "south"]), tmp_path / "blank.yaml")
    with pytest.raises(UserError, match="frame rate of camera north is not known"):
        main([str(folder), "--site", str(tmp_path / "blank.yaml"), "--output", str(tmp_path / "x.npz")])
    with pytest.raises(UserError, match="clock of camera north is unknown"):
        main([str(folder), "--fps", "5", "--site", str(tmp_path / "blank.yaml"), "--output", str(tmp_path / "x.npz")])


@pytest.mark.parametrize("form", ["visits", "sightings"])
def test_tables(tmp_path: Path, form: str) -> None:
    visits = {"identity": [1, 1, 2], "camera": ["a", "b", "a"], "enter_s": [0.0, 9.0, 1.0], "leave_s": [2.0, 12.0, 5.0]}
    rows = {"identity": ["x", "x", "x"], "camera": ["a", "a", "b"], "time_s": [0.0, 2.0, 9.0]}
    pq.write_table(pa.table(visits if form == "visits" else rows), tmp_path / "t.parquet")
    main([str(tmp_path / "t.parquet"), "--output", str(tmp_path / "st.npz")])
    model = load_model(tmp_path / "st.npz")
    assert model.next_counts.tolist() == [[0, 1], [0, 0]]
    assert model.evidence.next[0, 1, model.grid.index(7.0)] == 1


def make_run(root: Path, clock: str) -> Path:
    folder = RunFolder(root)
    folder.tracklets.mkdir(parents=True)
    tracks = []
    for person in range(12):
        start = 40.0 * person
        visits = (Visit("a", person, start, start + 5), Visit("b", person, start + 17, start + 20))
        tracks.append(GlobalTrack(person, visits, 0.97 if person < 11 else 0.5))
    folder.write_global_tracks(tracks)
    save_site(Site.model_validate({"cameras": {n: {"clock": {"status": clock}} for n in "ab"}}), folder.site)
    return root


def test_a_run_teaches_by_what_it_is_sure_of(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "common")
    main([str(run), "--output", str(tmp_path / "st.npz")])
    model = load_model(tmp_path / "st.npz")
    assert model.next_counts[0, 1] == pytest.approx(11 * 0.97**2, abs=1e-3)
    assert model.evidence.next[0, 1].argmax() == model.grid.index(12.0)


def test_a_run_teaches_the_walk_too(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "common")
    times = np.arange(0, 3, 0.1)
    boxes = np.tile(np.array([[100, 100, 140, 200]], np.float32), (len(times), 1))
    boxes += (60 * times)[:, None].astype(np.float32) * np.array([[1, 0, 1, 0]], np.float32)
    walkers = [
        Tracklet(
            camera, person, 40.0 * person + start + times, np.arange(30), boxes, np.ones(30, np.float32),
            frame_size=(640, 480),
        )
        for camera, start in (("a", 0), ("b", 17))
        for person in range(12)
    ]  # fmt: skip
    RunFolder(run).write_part(0.0, 0, walkers)
    main([str(run), "--output", str(tmp_path / "st.npz")])
    walk = load_model(tmp_path / "st.npz").evidence.walks[0, 1]
    assert walk[0, 0] == pytest.approx(11 * 0.97**2, abs=1e-3)
    assert walk[0, 1:3] / walk[0, 0] == pytest.approx([np.log(12.0), (120 + 60 * 2.9) / 640], abs=1e-3)


def test_a_run_without_common_clocks_teaches_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "unknown")
    with pytest.raises(UserError, match=r"no identity of confidence 0\.9 in a camera with a common clock"):
        main([str(run), "--output", str(tmp_path / "st.npz")])


def test_bad_input(names: Path, tmp_path: Path) -> None:
    output = ["--output", str(tmp_path / "st.npz")]
    with pytest.raises(UserError, match="does not exist"):
        main([str(tmp_path / "nowhere"), *output])
    (tmp_path / "mars.txt").write_text("0001C1T0001F001.jpg")
    with pytest.raises(UserError, match=r"MARS names .* no lag can be learnt"):
        main([str(tmp_path / "mars.txt"), *output])
    (tmp_path / "junk.txt").write_text("0000_c3s1_000001_00.jpg")
    with pytest.raises(UserError, match="no identity above 0"):
        main([str(tmp_path / "junk.txt"), *output])
    (tmp_path / "x.parquet").write_bytes(b"no")
    with pytest.raises(UserError, match=r"cannot read .*x\.parquet as Parquet"):
        main([str(tmp_path / "x.parquet"), *output])
    pq.write_table(pa.table({"who": [1]}), tmp_path / "y.parquet")
    with pytest.raises(UserError, match="has the columns who; needed are identity, camera"):
        main([str(tmp_path / "y.parquet"), *output])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no pictures"):
        main([str(tmp_path / "empty"), *output])
    main([str(names), *output])
    with pytest.raises(UserError, match="exists; give another --output, or --overwrite"):
        main([str(names), *output])


def test_overrides_of_the_configuration_may_follow_options(names: Path, tmp_path: Path) -> None:
    main([str(names), "--output", str(tmp_path / "st.npz"), "st.grid.bin_s=0.5", "st.lags.lag_prior=4"])
    model = load_model(tmp_path / "st.npz")
    assert model.grid.bin_s == 0.5
    assert model.settings.lag_prior == 4
