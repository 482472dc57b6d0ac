"""KPR is the appearance model where weights of it that know real people are here, and only then."""

import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from data.errors import UserError
from data.weight_records import WeightRecord, file_sha256, known_weights
from pipeline.backends.registry import build_embedder
from pipeline.weights.kpr import real_kpr
from pipeline.weights.store import WeightStore
from reid.config import ReidConfig
from reid.embedders.kpr import KprEmbedder
from reid.models.spec import ModelSpec, stripe_names
from reid.weights.checkpoints import build_model, read_info, save_checkpoint
from tools.import_checkpoint import main as import_checkpoint

SPEC = ModelSpec(
    architecture="kpr", backbone="swin", embed_dim=16, depths=(1, 1), heads=(1, 2), height=64, width=32,
    prompt_groups="cck8", dim=8,
)  # fmt: skip
REAL, SYNTHETIC = {"people": "real"}, {"people": "synthetic"}


def write(path: Path, provenance: dict[str, str], **changes: object) -> Path:
    """A small network; some bytes of its header tell it from others."""
    spec = SPEC.model_copy(update=changes)
    torch.manual_seed(0)
    save_checkpoint(path, build_model(spec).state_dict(), spec, {"file": path.name, **provenance})
    return path


def record(path: Path, trained_on: str, **changes: object) -> WeightRecord:
    fields = {
        "kinds": ("reid",), "backends": ("kpr",), "file": path.name, "sha256": file_sha256(path), "licence": "MIT",
        "trained_on": trained_on, "how": "made here",
    }  # fmt: skip
    return WeightRecord.model_validate({**fields, **changes})


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    return WeightStore(tmp_path, offline=True, records=known_weights())


def test_an_empty_cache_leaves_the_default(store: WeightStore) -> None:
    assert real_kpr(store) is None
    assert real_kpr(WeightStore(store.cache_dir / "absent", records={})) is None
    with pytest.raises(UserError, match=r"tools\.fetch_weights person-reidentification-retail-0277"):
        build_embedder(ReidConfig(), "cpu", store, has_poses=True)
    with pytest.raises(UserError, match=r"no KPR weights of real people.*import_checkpoint FILE .*--install"):
        build_embedder(ReidConfig(name="kpr"), "cpu", store, has_poses=True)


@pytest.mark.parametrize(
    "provenance",
    [SYNTHETIC, {"trained_on": "synthetic/reid_train/reid"}, {"trained_on": "/data/Synthetic_v2, other"}],
)
def test_synthetic_weights_are_passed_over(store: WeightStore, provenance: dict[str, str]) -> None:
    path = write(store.cache_dir / "a.safetensors", provenance)
    assert read_info(path).people == "synthetic"
    assert real_kpr(store) is None


@pytest.mark.parametrize("provenance", [REAL, {"people": "real and synthetic", "trained_on": "synthetic, mine"}, {}])
def test_other_kpr_weights_are_taken_wherever_the_cache_holds_them(
    store: WeightStore, provenance: dict[str, str]
) -> None:
    write(store.cache_dir / "a_synthetic.safetensors", SYNTHETIC)
    path = write(store.cache_dir / "b.safetensors", provenance)
    write(store.cache_dir / "c.safetensors", REAL)
    assert real_kpr(store) == str(path)


def test_other_files_are_no_candidates(store: WeightStore) -> None:
    folder = store.cache_dir
    (folder / "broken.safetensors").write_bytes(b"x" * 40)
    save_file({"a": torch.zeros(1)}, folder / "other.safetensors")
    write(folder / "masks.safetensors", REAL, learnable_attention=False)
    write(folder / "bpbreid.safetensors", REAL, architecture="bpbreid", backbone="resnet50", prompt_groups=None)
    assert real_kpr(store) is None
    stripes = write(
        folder / "stripes.safetensors", REAL, learnable_attention=False, stripes=True, part_names=stripe_names(4)
    )
    assert real_kpr(store) == str(stripes)


def test_the_manifest_comes_first_and_its_word_counts(tmp_path: Path) -> None:
    first = write(tmp_path / "a.safetensors", {})
    named = write(tmp_path / "z.safetensors", {})
    records = {"kpr_synthetic": record(first, "synthetic"), "kpr_market": record(named, "real")}
    assert real_kpr(WeightStore(tmp_path, records=records)) == "kpr_market"
    named.unlink()
    assert real_kpr(WeightStore(tmp_path, records=records)) is None
    assert real_kpr(WeightStore(tmp_path, records={})) == str(first)


def test_auto_takes_kpr_and_says_why(store: WeightStore, caplog: pytest.LogCaptureFixture) -> None:
    path = write(store.cache_dir / "mine.safetensors", REAL)
    with caplog.at_level(logging.INFO):
        for config in (ReidConfig(), ReidConfig(name="kpr")):
            assert isinstance(build_embedder(config, "cpu", store, has_poses=True), KprEmbedder)
    assert f"know real people are here ({path})" in caplog.text
    assert [found.trained_on for found in store.used["reid"]] == ["real", "real"]
    assert store.warnings == []
    with pytest.raises(UserError, match=r"tools\.fetch_weights person-reidentification-retail-0277"):
        build_embedder(ReidConfig(name="osnet_parts"), "cpu", store, has_poses=True)


def test_synthetic_weights_by_name_work_with_a_warning(
    store: WeightStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "elsewhere" / "small.safetensors", SYNTHETIC)
    build_embedder(ReidConfig(weights=str(path)), "cpu", store, has_poses=True)
    (line,) = [entry.getMessage() for entry in caplog.records if entry.levelno == logging.WARNING]
    assert store.warnings == [line]
    assert "reid.weights: small was trained on synthetic people and knows nothing of real ones" in line
    assert "python -m tools.fetch_weights person-reidentification-retail-0277" in line
    assert "python -m tools.import_checkpoint FILE --install" in line
    assert store.used["reid"][0].trained_on == "synthetic"


def test_the_embedder_follows_the_section(store: WeightStore) -> None:
    path = str(write(store.cache_dir / "mine.safetensors", REAL))
    made = build_embedder(ReidConfig(weights=path, adapt="grey_world", precision="fp32"), "cpu", store, has_poses=True)
    assert made is not None
    assert made.model_id.endswith("+grey_world")
    with pytest.raises(UserError, match="fp16 needs a CUDA device"):
        build_embedder(ReidConfig(weights=path, precision="fp16"), "cpu", store, has_poses=True)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MTMCT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_installed_weights_are_found(tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published = tmp_path / "kpr_real_SOLIDER_1.pth.tar"
    torch.save({"state_dict": build_model(SPEC).state_dict(), "epoch": 3}, published)
    arguments = [str(published), "--accept-licence", "hl3", "--size", "64x32", "--install"]
    with pytest.raises(UserError, match="leave --out away"):
        import_checkpoint([*arguments, "--out", str(tmp_path / "x.safetensors")])
    assert import_checkpoint(arguments) == 0
    assert "runs take it by themselves" in capsys.readouterr().out
    installed = cache / "kpr_real_SOLIDER_1.safetensors"
    assert read_info(installed).people == "real"
    assert real_kpr(WeightStore(records={})) == str(installed)
    with pytest.raises(UserError, match="--overwrite"):
        import_checkpoint(arguments)


def test_our_own_word_survives_the_originals_format(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = write(tmp_path / "small.safetensors", SYNTHETIC)
    exported = tmp_path / "small_IN_1.pth.tar"
    assert import_checkpoint([str(ours), "--out", str(exported)]) == 0
    assert import_checkpoint([str(exported), "--accept-licence", "hl3", "--size", "64x32", "--install"]) == 0
    assert "never taken by itself" in capsys.readouterr().out
    assert read_info(cache / "small_IN_1.safetensors").people == "synthetic"
    assert real_kpr(WeightStore(records={})) is None
