"""What the command that trains SAN tells before it trains."""

from pathlib import Path

import pytest
import yaml

from data.errors import UserError
from tests.reid.training.test_san_training import SMALL, make_site
from tools.train_san import main


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return make_site(tmp_path / "site")


@pytest.fixture
def config(site: Path, tmp_path: Path) -> Path:
    path = tmp_path / "san.yaml"
    tree = {
        "model": SMALL, "train": [{"root": str(site)}], "test": {"root": str(site)}, "pretrained": "none",
        "batch": {"people": 2, "pictures": 2}, "select": {"share": 0.5},
    }  # fmt: skip
    path.write_text(yaml.safe_dump(tree))
    return path


def dry_run(config: Path, *changes: str) -> int:
    return main(["--config", str(config), "--dry-run", *changes])


def test_a_dry_run_tells_what_is_learnt_and_judged(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dry_run(config) == 0
    text = capsys.readouterr().out
    assert yaml.safe_load(text)["model"]["dim"] == 16
    assert text.endswith("# train: 8 pictures of 2 people\n# validation: 4 queries\n# test: 8 queries\n")


def test_a_dry_run_of_pairs_counts_textures(config: Path, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = f"{{root: {site}, images: bounding_box_train}}"
    changes = ["train=[]", "test=null", f"pairs=[{pairs}]", f"test_pairs={pairs}", "select.best_on=none"]
    assert dry_run(config, *changes) == 0
    assert capsys.readouterr().out.endswith("# train: 16 pictures of 4 textures\n# test: 16 pairs\n")
    with pytest.raises(UserError, match="16 pictures, fewer than one batch of 40"):
        dry_run(config, *changes, "batch.people=20")


@pytest.mark.parametrize(
    ("spoil", "changes", "message"),
    [
        ("", ["test.root=elsewhere"], r"there is no folder elsewhere"),
        ("", ["pretrained=null"], r"pretrained is not set"),
        ("", ["start=absent.safetensors", "pretrained=null"], r"absent\.safetensors"),
        ("", ["batch.people=3", "select.best_on=none", "train.0.textures=elsewhere"], r"no folder of textures"),
        ("gone", [], r"lacks the textures of 4 of 16 pictures, first '0001_"),
        ("broken", [], r"0001\.png"),
    ],
)
def test_a_dry_run_names_what_would_end_the_training(
    config: Path, site: Path, monkeypatch: pytest.MonkeyPatch, spoil: str, changes: list[str], message: str
) -> None:
    monkeypatch.delenv("MTMCT_DATA", raising=False)
    for path in (site / "textures").glob("0001*") if spoil else ():
        path.unlink() if spoil == "gone" else path.write_bytes(b"no picture")
    with pytest.raises(UserError, match=message):
        dry_run(config, *changes, "select.best_on=none" if spoil else "seed=0")
