"""A disk that is full is one line; what was durable stays, and a run goes on once there is room."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.folder.run_folder import RunFolder

resource = pytest.importorskip("resource")
_SITE = "cameras:\n  hall: {fps: 10, size: [640, 360], clock: {status: common}}\n"


def _run(tmp_path: Path, out: str, *extra: str, room: int | None = None) -> "subprocess.CompletedProcess[str]":
    """A run from boxes; no file may grow beyond so many bytes, as on a disk that is full."""
    (tmp_path / "det").mkdir(exist_ok=True)
    rows = [f"{n + 1},-1,{20 + 40 * k + n % 30},80,30,90,0.9,-1,-1,-1" for k in range(12) for n in range(300)]
    (tmp_path / "det" / "hall.txt").write_text("\n".join(rows) + "\n")
    (tmp_path / "site.yaml").write_text(_SITE)

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    command = [sys.executable, "-m", "pipeline.run", "--detections", str(tmp_path / "det"), "run.part_s=5"]
    command += ["--site", str(tmp_path / "site.yaml"), "--output", str(tmp_path / out), *extra]
    return subprocess.run(
        command, capture_output=True, text=True, env=dict(os.environ), preexec_fn=None if room is None else full
    )


@pytest.mark.parametrize("room", [100, 3000, 30_000])
def test_a_full_disk_is_one_line_and_the_run_goes_on_after_it(tmp_path: Path, room: int) -> None:
    assert _run(tmp_path, "whole").returncode == 0
    full = _run(tmp_path, "full", room=room)
    assert full.returncode == 2, full.stderr
    assert "Traceback" not in full.stderr
    assert "cannot write" in full.stderr
    again = _run(tmp_path, "full", "--resume")
    assert again.returncode == 0, again.stderr
    for name in ("tracks/hall.txt", "global_tracks.json", "links.jsonl"):
        assert (tmp_path / "full" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert RunFolder(tmp_path / "full").read_manifest()["status"] == "complete"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_onto_a_full_disk_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "pipeline.run", "--dry-run"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "No space left" in done.stderr
