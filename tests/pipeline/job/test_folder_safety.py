"""What a run does to its folder and to what is near it: nothing of anybody else is lost, let out or mixed in."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from data.folder_lock import LOCK
from data.site import Site, load_site
from pipeline.association.config import CorrectionConfig
from pipeline.association.corrections import Correction, anchor_of, load_corrections, write_corrections
from pipeline.association.table import build_table
from pipeline.cli import run
from pipeline.config import Config
from pipeline.folder.run_folder import RunFolder
from pipeline.folder.writer import only_writer
from pipeline.job.preparation import prepare_folder
from pipeline.run import main
from tools.report import main as report

_SITE = """
cameras:
  hall: {fps: 10, size: [200, 100], clock: {status: common}}
"""


@pytest.fixture
def arguments(tmp_path: Path) -> tuple[object, ...]:
    """A run of one camera from boxes, into ``run``."""
    (tmp_path / "det").mkdir()
    rows = (f"{n + 1},-1,{5 + 2 * n},20,20,60,0.9,-1,-1,-1" for n in range(30))
    (tmp_path / "det" / "hall.txt").write_text("\n".join(rows) + "\n")
    (tmp_path / "site.yaml").write_text(_SITE)
    return ("--detections", tmp_path / "det", "--site", tmp_path / "site.yaml", "--output", tmp_path / "run")


_FIRST = (".mtmct-run", "config.yaml", "site.yaml")


def _call(*arguments: object) -> int:
    return run(main, [str(argument) for argument in arguments])


def _interrupted(out: Path) -> None:
    folder = RunFolder(out)
    folder.write_json(folder.manifest, folder.read_json(folder.manifest) | {"status": "interrupted"})


def test_overwriting_keeps_what_no_run_wrote(
    arguments: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _call(*arguments) == 0
    out = tmp_path / "run"
    (out / "notes.md").write_text("mine")
    assert _call(*arguments, "--overwrite") == 0
    assert (out / "notes.md").read_text() == "mine"
    (out / "video").mkdir()
    (out / "video" / "holiday.mp4").write_text("mine")
    before = (out / "global_tracks.json").read_bytes()
    capsys.readouterr()
    assert _call(*arguments, "--overwrite") == 2
    assert "holiday.mp4 was not written by a run" in capsys.readouterr().err
    assert (out / "video" / "holiday.mp4").read_text() == "mine"
    assert (out / "global_tracks.json").read_bytes() == before


def test_answers_about_a_run_outlive_it_and_are_used_by_the_next(
    arguments: tuple[object, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lost = [n for n in range(1, 41) if not 11 <= n <= 30]
    rows = (f"{n + (60 if n > 20 else 0)},-1,{5 + 2 * n},20,20,60,0.9,-1,-1,-1" for n in lost)
    (tmp_path / "det" / "hall.txt").write_text("\n".join(rows) + "\n")
    assert _call(*arguments) == 0
    folder = RunFolder(tmp_path / "run")
    assert len(folder.read_global_tracks()) == 2
    assert not folder.used_corrections.exists()
    table = build_table(folder.read_tracklets(), load_site(folder.site))
    ends = [anchor_of(table, row, CorrectionConfig()) for row in range(2)]
    assert ends[0] is not None
    assert ends[1] is not None
    write_corrections(folder.corrections, [Correction("same", ends[0], ends[1])])
    caplog.set_level("INFO")
    for option in ("--overwrite", "--resume"):
        assert _call(*arguments, option) == 0
        assert len(folder.read_global_tracks()) == 1, option
        assert load_corrections(folder.used_corrections) == load_corrections(folder.corrections)
    assert "1 answers of" in caplog.text


def test_a_folder_that_only_looks_like_a_run_is_left_alone(arguments: tuple[object, ...], tmp_path: Path) -> None:
    out = tmp_path / "run"
    (out / "video").mkdir(parents=True)
    (out / "config.yaml").write_text("mine: true\n")
    (out / "manifest.json").write_text("{}")
    (out / "video" / "a.mp4").write_text("mine")
    assert _call(*arguments, "--overwrite") == 2
    assert _call(*arguments, "--resume") == 2
    assert (out / "video" / "a.mp4").read_text() == "mine"
    assert (out / "config.yaml").read_text() == "mine: true\n"


def test_input_inside_the_output_is_refused(
    arguments: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (tmp_path / "det").rename(out / "det")
    assert _call("--detections", out / "det", *arguments[2:]) == 2
    assert "which is written" in capsys.readouterr().err
    assert (out / "det" / "hall.txt").exists()


def test_only_the_owner_reads_a_run_unless_it_is_shared(arguments: tuple[object, ...], tmp_path: Path) -> None:
    assert _call(*arguments) == 0
    out = tmp_path / "run"
    files = [path for path in out.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in [out, *out.rglob("*")]} == {0}
    before = os.umask(0o022)
    try:
        assert _call(*arguments[:-1], tmp_path / "shared", "run.private=false") == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "shared" / "global_tracks.json").stat().st_mode) == 0o644


def test_the_second_writer_is_refused_and_the_first_ones_results_stay(
    arguments: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert _call(*arguments) == 0
    holder = (
        "import sys\nfrom pathlib import Path\nfrom pipeline.folder.writer import only_writer\n"
        "with only_writer(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", holder, str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        for extra in ("--overwrite", "--resume"):
            assert _call(*arguments, extra) == 2
            assert f"another process (number {other.pid})" in capsys.readouterr().err
        assert run(report, [str(out)]) == 2
        other.kill()
    assert (out / "global_tracks.json").exists()
    assert _call(*arguments, "--overwrite") == 0, "the lock of a dead process holds nobody up"


def test_a_start_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    with only_writer(tmp_path / "new"):
        assert (tmp_path / "new" / LOCK).exists()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("what", ["site", "limit"])
def test_a_run_does_not_go_on_with_another_site_or_limit(
    arguments: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    assert _call(*arguments) == 0
    _interrupted(tmp_path / "run")
    assert _call(*arguments, "--resume") == 0
    _interrupted(tmp_path / "run")
    other: tuple[object, ...] = ("--limit", 5)
    if what == "site":
        (tmp_path / "site.yaml").write_text(_SITE.replace("status: common", "status: common, offset_s: 3"))
        other = ()
    capsys.readouterr()
    assert _call(*arguments, *other, "--resume") == 2
    assert {"site": "another site", "limit": "began with no --limit"}[what] in capsys.readouterr().err


def _results(out: Path) -> dict[str, bytes]:
    names = [path for path in sorted(out.rglob("*")) if path.suffix in (".txt", ".jsonl", ".parquet")]
    found = {str(path.relative_to(out)): path.read_bytes() for path in names if path.name != "log.txt"}
    return found | {"identities": (out / "global_tracks.json").read_bytes()}


@pytest.mark.parametrize("left", [(), _FIRST[:1], _FIRST[:2], _FIRST])
def test_a_run_killed_before_its_manifest_begins_again(
    arguments: tuple[object, ...], tmp_path: Path, left: tuple[str, ...]
) -> None:
    assert _call(*arguments) == 0
    whole = _results(tmp_path / "run")
    listed = (tmp_path / "run" / ".mtmct-run").read_text()
    killed = (*arguments[:-1], tmp_path / "killed")
    for name in left:
        (tmp_path / "killed").mkdir(exist_ok=True)
        content = listed if name == ".mtmct-run" else "half a fi"
        (tmp_path / "killed" / name).write_text(content)
    assert _call(*killed, "--resume") == 0
    assert _results(tmp_path / "killed") == whole


@pytest.mark.parametrize("name", ["config.yaml", "site.yaml", "manifest.json"])
@pytest.mark.parametrize("how", ["missing", "empty", "folder"])
def test_a_damaged_folder_is_one_line(
    arguments: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, how: str
) -> None:
    assert _call(*arguments) == 0
    _interrupted(tmp_path / "run")
    path = tmp_path / "run" / name
    path.unlink()
    if how == "empty":
        path.touch()
    elif how == "folder":
        path.mkdir()
    capsys.readouterr()
    code = _call(*arguments, "--resume")
    # Without a manifest nothing counts as done: the run is made anew.
    assert code == (0 if (name, how) == ("manifest.json", "missing") else 2)
    assert "Traceback" not in capsys.readouterr().err


def test_a_run_that_left_no_tracklets_can_be_replaced(tmp_path: Path) -> None:
    for _ in range(2):
        folder = prepare_folder(tmp_path / "run", Config(), Site.blank([]), overwrite=True, resume=False)
        assert folder.tracklets.is_dir()
