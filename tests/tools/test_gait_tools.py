from pathlib import Path
from types import SimpleNamespace

import pytest

from data.errors import UserError
from data.formats.skeleton_recordings import read_form, read_recordings
from data.records import GlobalTrack, Visit
from data.section_files import load_section
from data.site import save_site
from pipeline.config import Config
from pipeline.folder.run_folder import RunFolder
from reid.gait.config import GaitConfig
from tests.walkers import camera_at, people, seen, site_of, walk
from tools.evaluate_gait import main as evaluate
from tools.make_gaits import main as make
from tools.make_skeletons import main as skeletons
from tools.train_gait import main as train
from tools.train_gait_matcher import main as match

SETTINGS = ["encoder.epochs=1", "recognition.epochs=1", "data.frames=4"]


def test_gaits_are_made_trained_on_and_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out, config = tmp_path / "gaits.npz", tmp_path / "model", tmp_path / "gait.yaml"
    config.write_text("encoder: {batch: 64}\n")
    arguments = ["--out", str(file), "--people", "3", "--seconds", "1.2", "--views", "90"]
    assert make(arguments) == 0
    with pytest.raises(UserError, match="exists"):
        make(arguments)
    command = ["--config", str(config), "--out", str(out), "--device", "cpu", f"data.root={file}", *SETTINGS]
    assert train(command) == 0
    told = capsys.readouterr().out
    assert "30 recordings of 3 people" in told
    assert "nm               rank-1" in told
    assert "nm-nm            nearest" in told
    assert "too good" not in told
    encoder = str(out / "encoders/reverse/best.safetensors")
    again = ["--config", str(config), "--out", str(tmp_path / "sc"), "--encoder", encoder, "level=sc"]
    assert train([*again, f"data.root={file}", *SETTINGS, "--device", "cpu"]) == 0
    assert not (tmp_path / "sc" / "encoders").exists()
    capsys.readouterr()
    assert evaluate([str(out), "--confusion", "--device", "cpu"]) == 0
    scored = capsys.readouterr().out
    assert all(line in scored for line in told.splitlines() if "rank-1" in line)
    assert "columns who it was taken for" in scored


@pytest.mark.parametrize(
    ("extra", "words"),
    [(["--people", "1"], "at least 2 --people"), (["--seconds", "0.1"], "less than two skeletons"),
     (["--noise", "0.3", "0.1"], "rising --noise")],
)  # fmt: skip
def test_gaits_that_cannot_be_are_refused(tmp_path: Path, extra: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make(["--out", str(tmp_path / "a.npz"), *extra])


def test_resuming_and_replacing_exclude_one_another(tmp_path: Path) -> None:
    config = tmp_path / "gait.yaml"
    config.write_text("")
    with pytest.raises(UserError, match="leave --overwrite"):
        train(["--config", str(config), "--out", str(tmp_path / "a"), "--resume", "--overwrite"])


@pytest.mark.parametrize("path", sorted(Path("configs/gait").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_is_valid(path: Path) -> None:
    assert not load_section(GaitConfig, path, []).recognition.select_on_test


def test_a_dry_run_reads_the_data_and_names_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, config = tmp_path / "gaits.npz", tmp_path / "gait.yaml"
    config.write_text("")
    make(["--out", str(file), "--people", "3", "--seconds", "1.2", "--views", "90"])
    look = ["--config", str(config), "--dry-run", "data.frames=4"]
    capsys.readouterr()
    assert train([*look, f"data.root={file}"]) == 0
    told = capsys.readouterr().out
    assert "select_on_test: false" in told
    assert "sequences of 3 people\n# test bg: 30 sequences\n" in told
    assert "# validation: " in told
    with pytest.raises(UserError, match=r"absent\.npz"):
        train([*look, f"data.root={tmp_path / 'absent.npz'}"])
    with pytest.raises(UserError, match=r"encoder\.safetensors"):
        train([*look, f"data.root={file}", "--encoder", str(tmp_path / "encoder.safetensors")])
    with pytest.raises(UserError, match="--out is missing"):
        train(["--config", str(config)])


def test_a_matcher_is_trained_and_judged_on_other_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "plane.safetensors"
    assert match(["--out", str(out), "--people", "20"]) == 0
    told = capsys.readouterr().out
    assert float(told.rpartition("equal error rate ")[2].split()[0]) < 20
    with pytest.raises(UserError, match="exists"):
        match(["--out", str(out)])
    with pytest.raises(UserError, match="at least 2 --people"):
        match(["--out", str(tmp_path / "b"), "--people", "1"])
    assert match(["--out", str(tmp_path / "again.safetensors"), "--people", "20"]) == 0
    assert out.read_bytes() == (tmp_path / "again.safetensors").read_bytes()


CALIBRATION = camera_at((0, -6, 2.5), (0, 0, 1))


def write_run(root: Path) -> Path:
    """A finished run: two people walk past a calibrated camera, one is seen too briefly."""
    folder, site = RunFolder(root), site_of({"hall": CALIBRATION})
    model = site.model("hall")
    assert model is not None
    tracklets = [
        seen("hall", number, model, *walk(person, 0.3 if number == 2 else 3), start_s=10.0 * number)
        for number, person in enumerate(people(3))
    ]
    root.mkdir()
    save_site(site, folder.site)
    folder.write_part(0.0, 0, tracklets)
    folder.write_text(folder.manifest, "{}")
    folder.write_global_tracks(
        [GlobalTrack(5 + number, (Visit("hall", number, 0.0, 1.0),), 1.0) for number in range(3)]
    )
    return root


def test_skeletons_of_a_run_are_those_of_its_identities(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = write_run(tmp_path / "monday"), tmp_path / "skeletons.npz"
    assert skeletons([str(run), "--out", str(out), "--condition", "nm", "--view", "90", "--test"]) == 0
    told = capsys.readouterr().out
    assert "2 recordings of form plane added to 0" in told
    assert "left out, shorter than 0.5 s: 1 tracklets" in told
    found = read_recordings(out)
    assert [(item.person, item.condition, item.view_deg) for item in found] == [(5, "nm", 90), (6, "nm", 90)]
    assert [item.name for item in found] == ["test-monday:hall/0", "test-monday:hall/1"]
    with pytest.raises(UserError, match="--append or --overwrite"):
        skeletons([str(run), "--out", str(out)])
    with pytest.raises(UserError, match="holds 'test-monday:hall/0' already"):
        skeletons([str(run), "--out", str(out), "--append", "--test"])
    with pytest.raises(UserError, match="one file has one form"):
        skeletons([str(run), "--out", str(out), "--append", "--form", "flat"])
    assert skeletons([str(run), "--out", str(out), "--append", "--person", "9"]) == 0
    assert [item.person for item in read_recordings(out)] == [5, 6, 9, 9]
    with pytest.raises(UserError, match="seen by one camera only: 2"):
        skeletons([str(run), "--out", str(tmp_path / "full.npz"), "--form", "full"])


def test_videos_are_tracked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def track(videos: list[Path], output: Path, *, config: Config, site: Path | None) -> SimpleNamespace:
        asked.update(videos=videos, crops=config.run.crops, pose=config.pose.name, site=site)
        return SimpleNamespace(folder=RunFolder(write_run(output)))

    monkeypatch.setattr("pipeline.job.calls.track_videos", track)
    out = tmp_path / "skeletons.npz"
    command = ["a.mp4", "b.mp4", "--out", str(out), "--form", "flat", "--set", "pose.name=movenet"]
    assert skeletons(command) == 0
    assert asked == {"videos": [Path("a.mp4"), Path("b.mp4")], "crops": False, "pose": "movenet", "site": None}
    assert read_form(out) == "flat"
    assert [item.name for item in read_recordings(out)] == ["a-b:hall/0", "a-b:hall/1"]
