"""What a run folder says of its weights, and that one run never mixes two networks."""

import json
from pathlib import Path

import pytest
import torch

from pipeline.cli import run
from pipeline.run import main
from reid.models.spec import ModelSpec
from reid.weights.checkpoints import build_model, save_checkpoint
from tests.pipeline import blocks
from tools.associate import main as associate

SPEC = ModelSpec(
    architecture="kpr", backbone="swin", embed_dim=16, depths=(1, 1), heads=(1, 2), height=64, width=32,
    prompt_groups="cck8", dim=8,
)  # fmt: skip


def _write(path: Path, people: str, seed: int) -> Path:
    torch.manual_seed(seed)
    save_checkpoint(path, build_model(SPEC).state_dict(), SPEC, {"people": people})
    return path


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A run on blocks, whose only weights are those of the appearance model."""
    monkeypatch.setattr("pipeline.job.opening.build_perceiver", lambda *_: blocks.detect)
    monkeypatch.setenv("MTMCT_CACHE", str(tmp_path / "cache"))
    blocks.write_video(tmp_path / "hall.mp4", 20, 10, [(0, 0, 18, 2), (1, 2, 20, 2)])
    output = str(tmp_path / "run")
    return [
        "--videos",
        str(tmp_path / "hall.mp4"),
        "--output",
        output,
        "--device",
        "cpu",
        "--no-crops",
        "pose.name=none",
    ]


def _manifest(tmp_path: Path) -> dict:
    return json.loads((tmp_path / "run" / "manifest.json").read_text())


def _warnings(manifest: dict) -> list[str]:
    return [warning["text"] for warning in manifest["warnings"] if warning["kind"] == "weights"]


def test_the_manifest_tells_of_synthetic_weights(tmp_path: Path, arguments: list[str]) -> None:
    path = _write(tmp_path / "small.safetensors", "synthetic", 0)
    assert run(main, [*arguments, f"reid.weights={path}"]) == 0
    manifest = _manifest(tmp_path)
    assert [found["trained_on"] for found in manifest["weights"]["reid"]] == ["synthetic"]
    assert any("knows nothing of real ones" in line for line in _warnings(manifest))
    assert run(associate, [str(tmp_path / "run")]) == 0
    assert any("knows nothing of real ones" in line for line in _warnings(_manifest(tmp_path)))


def test_a_resumed_run_refuses_other_weights(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    first = _write(tmp_path / "cache" / "b.safetensors", "real", 0)
    assert run(main, arguments) == 0
    manifest = _manifest(tmp_path)
    assert [found["trained_on"] for found in manifest["weights"]["reid"]] == ["real"]
    assert _warnings(manifest) == []
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest | {"status": "interrupted"}))
    _write(tmp_path / "cache" / "a.safetensors", "real", 1)
    assert run(main, [*arguments, "--resume"]) == 2
    assert "began with reid weights b, and reid.weights stands for a now" in capsys.readouterr().err
    (tmp_path / "cache" / "a.safetensors").unlink()
    assert first.exists()
    assert run(main, [*arguments, "--resume"]) == 0
