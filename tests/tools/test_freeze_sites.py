"""Frozen sites: a changed truth is found, hashes are renewed without touching the rest, and new sites are drawn."""

from pathlib import Path

import pytest
import yaml

from data.synthetic.freeze import Frozen, recompute, write_frozen
from data.synthetic.scenario import FROZEN_FILE, frozen_hashes, load_preset
from data.synthetic.world import World
from pipeline.cli import run
from tools.freeze_sites import main

HEAD = "# Sites that no training may see.\n#\n# Keep: this, {and} that: too.\n"
FALSE = "f" * 64


def frozen(folder: Path, **truths: str) -> Path:
    """A list with the seeds of the shipped one, and these hashes."""
    seeds = {name: seed for name, (seed, _) in frozen_hashes().items()}
    path = folder / "frozen.yaml"
    path.write_text(
        HEAD + "sites:\n" + "".join(f"  {name}: {{seed: {seeds[name]}, truth: {truths[name]}}}\n" for name in truths)
    )
    return path


@pytest.fixture
def truth() -> str:
    return frozen_hashes()["tiny"][1]


def test_check_passes_on_tiny(tmp_path: Path, truth: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = frozen(tmp_path, tiny=truth)
    before = path.read_bytes()
    assert run(main, ["--check", "--list", str(path), "--workers", "1"]) == 0
    assert capsys.readouterr().out == f"{path}: 1 frozen sites, 0 differ\n"
    assert path.read_bytes() == before


def test_a_changed_hash_is_found_and_written(tmp_path: Path, truth: str, capsys: pytest.CaptureFixture[str]) -> None:
    demo = frozen_hashes()["demo"][1]
    path = frozen(tmp_path, demo=demo, tiny=FALSE)
    assert run(main, ["--check", "--list", str(path), "--workers", "1"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"tiny (seed 1): the list says {FALSE}, the preset gives {truth}"
    assert said[1] == f"{path}: 2 frozen sites, 1 differ"
    assert run(main, ["--write", "--list", str(path), "--workers", "2"]) == 0
    assert path.read_text() == frozen(tmp_path, demo=demo, tiny=truth).read_text()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["frozen.yaml"]


def test_another_preset_is_frozen_too(tmp_path: Path, truth: str) -> None:
    path = frozen(tmp_path, tiny=truth)
    assert run(main, ["--write", "--list", str(path), "--add", "demo=1", "--workers", "1"]) == 0
    shipped = frozen_hashes()
    assert frozen_hashes(path) == {"tiny": shipped["tiny"], "demo": shipped["demo"]}


def test_another_seed_is_another_truth(tmp_path: Path, truth: str) -> None:
    (site,) = recompute(frozen(tmp_path, tiny=truth), {"tiny": 2}, workers=1)
    assert (site.name, site.seed, site.stated) == ("tiny", 2, None)
    assert site.differs
    assert site.truth == World(load_preset("tiny"), 2).truth_hash() != truth


def test_the_shipped_list_is_written_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "frozen.yaml"
    path.write_bytes(FROZEN_FILE.read_bytes())
    write_frozen([Frozen(name, seed, truth, truth) for name, (seed, truth) in frozen_hashes().items()], path)
    assert path.read_bytes() == FROZEN_FILE.read_bytes()


def test_a_drawn_site_is_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--draw", "own", "--seed", "77", "--rooms", "2", "--watched", "1,0", "--people", "3", "--duration", "2"]
    assert run(main, [*argv, "--out", str(tmp_path / "own.yaml")]) == 0
    assert "1 cameras" in capsys.readouterr().out
    preset = load_preset(str(tmp_path / "own.yaml"))
    assert (preset.name, preset.people, preset.duration_s, len(preset.cameras)) == ("own", 3, 2.0, 1)
    World(preset, 77).check()
    assert run(main, [*argv, "--out", str(tmp_path / "again.yaml")]) == 0
    assert (tmp_path / "again.yaml").read_bytes() == (tmp_path / "own.yaml").read_bytes()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--watched", "2,x"], "one number for each room"),
        (["--watched", "1", "--rooms", "2"], "each of the 2 rooms"),
        (["--watched=-1,2"], "0 to 4 cameras"),
        (["--watched", "5"], "0 to 4 cameras"),
        (["--people", "0"], "people"),
        (["--duration", "0"], "duration_s"),
        (["--seed", "-1"], "seed -1"),
        (["--draw", "a/b"], "name"),
        (["--out", "there.yaml"], "exists"),
        (["--out", "site.json"], "ends in .yaml"),
        (["--out", "absent/site.yaml"], "cannot write"),
    ],
)
def test_drawings_that_cannot_be(
    tmp_path: Path,
    argv: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.yaml").write_text("mine")
    assert run(main, ["--draw", "own", "--seed", "3", "--watched", "1", "--out", "own.yaml", *argv]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["there.yaml"]
    assert Path("there.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--draw", "own", "--out", "own.yaml"], "--draw needs --seed"),
        (["--draw", "own", "--seed", "1"], "--draw needs --out"),
        (["--check", "--list", "absent.yaml"], "cannot read the frozen sites"),
        (["--check", "--workers", "0"], "--workers 0"),
        (["--check", "--add", "tiny=1"], "--add goes with --write"),
        (["--write", "--add", "tiny"], "NAME=SEED"),
        (["--write", "--add", "nowhere=1"], "no preset nowhere.yaml"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    tmp_path: Path,
    argv: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = FROZEN_FILE.read_bytes()
    assert run(main, argv) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert FROZEN_FILE.read_bytes() == before


@pytest.mark.parametrize("text", ["- 1", "sites: [", "sites: {tiny: 3}", "sites: {tiny: {seed: x, truth: y}}", ""])
def test_a_broken_list(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "frozen.yaml"
    path.write_text(text)
    assert run(main, ["--check", "--list", str(path)]) == 2
    said = capsys.readouterr().err
    assert ("not valid YAML" if text.endswith("[") else "is no list of frozen sites") in said


def test_the_written_list_is_plain_yaml(tmp_path: Path, truth: str) -> None:
    path = frozen(tmp_path, tiny=FALSE)
    write_frozen(recompute(path, workers=1), path)
    assert yaml.safe_load(path.read_text()) == {"sites": {"tiny": {"seed": 1, "truth": truth}}}
    assert path.read_text().startswith(HEAD)
