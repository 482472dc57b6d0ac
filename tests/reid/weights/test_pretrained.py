"""What a training starts from: said aloud, found by name, and read whoever published it."""

from pathlib import Path

import pytest
import torch

from data.errors import UserError
from data.published_weights import backbone_for, published_weights
from data.runtime.torchvision_cure import ensure_torchvision
from reid.models.prompting import start_prompts
from reid.models.spec import ModelSpec
from reid.training.config import load_training
from reid.weights.checkpoints import build_model, save_checkpoint
from reid.weights.pretrained import load_backbone, load_start, starting_file

SOLIDER = ModelSpec(
    architecture="kpr", backbone="swin", prompt_groups="cck6", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
)
SMALL = ModelSpec(
    architecture="kpr", backbone="swin", embed_dim=16, depths=(1, 2, 1), heads=(1, 2, 4), window=4, height=64, width=64,
    prompt_groups="cck6",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _no_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MTMCT_DATA", raising=False)


def test_random_weights_have_to_be_asked_for() -> None:
    assert starting_file("none", SOLIDER.backbone, SOLIDER.mean) is None
    with pytest.raises(
        UserError, match=r"pretrained is not set.*swin_base\.pth.*Apache-2\.0.*SOLIDER.*pretrained=none"
    ):
        starting_file(None, SOLIDER.backbone, SOLIDER.mean)


def test_a_missing_file_says_where_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"is not here, and MTMCT_DATA.*is not set; get swin_base\.pth .*SOLIDER"):
        starting_file(Path("swin_base.pth"), SOLIDER.backbone, SOLIDER.mean)
    monkeypatch.setenv("MTMCT_DATA", str(tmp_path))
    with pytest.raises(UserError, match=rf"nor is {tmp_path}/pretrained/swin_base\.pth"):
        starting_file(Path("swin_base.pth"), SOLIDER.backbone, SOLIDER.mean)
    place = tmp_path / "pretrained" / "swin_base.pth"
    place.parent.mkdir()
    place.touch()
    assert starting_file(Path("swin_base.pth"), SOLIDER.backbone, SOLIDER.mean) == place
    with pytest.raises(UserError, match=r"nowhere\.pth is not here.*get swin_base_patch4_window7_224_22k\.pth"):
        starting_file(tmp_path / "nowhere.pth", SMALL.backbone, SMALL.mean)


def test_every_recipe_names_a_backbone_that_fits_its_network(repository: Path) -> None:
    for path in sorted((repository / "configs" / "reid").glob("*.yaml")):
        config = load_training(path)
        if path.stem in ("kpr_small_synthetic", "kpr_first_steps"):
            assert config.pretrained == "none"
            continue
        fitting = [one.file for one in backbone_for(config.model.backbone, config.model.mean)]
        assert str(config.pretrained) in fitting, path.stem


def test_everything_published_says_its_terms() -> None:
    for name, weights in published_weights().items():
        assert weights.page.startswith("https://"), name
        assert weights.licence, name
        assert weights.checked, name
        assert (weights.mean is not None) == (weights.use == "backbone"), name
    files = [weights.file for weights in published_weights().values()]
    assert len(files) == len(set(files))


def test_timms_swin_is_taken_over_and_computes_the_same(tmp_path: Path) -> None:
    ensure_torchvision()
    from timm.models.swin_transformer import SwinTransformer

    torch.manual_seed(0)
    theirs = SwinTransformer(
        img_size=(64, 64), embed_dim=16, depths=(1, 2, 1), num_heads=(1, 2, 4), window_size=4, num_classes=3,
    ).eval()  # fmt: skip
    torch.save(theirs.state_dict(), tmp_path / "timm.pth")
    model = build_model(SMALL)
    ours = model.backbone_appearance_feature_extractor
    load_backbone(ours, SMALL, tmp_path / "timm.pth")
    start_prompts(ours, SMALL.backbone, "silent")
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        last = ours.eval()(images, None, None)[-1]
        wanted = theirs.forward_features(images).permute(0, 3, 1, 2)
    assert last.shape == wanted.shape
    assert float((last - wanted).abs().max()) < 1e-4


def test_a_merging_that_is_counted_otherwise_is_not_mixed_up(tmp_path: Path) -> None:
    """Microsoft's names count it to the stage before; taken for timm's, the last would be missing."""
    ensure_torchvision()
    from timm.models.swin_transformer import SwinTransformer

    theirs = SwinTransformer(img_size=64, embed_dim=16, depths=(1, 2, 1), num_heads=(1, 2, 4), window_size=4)
    moved = {}
    for name, tensor in theirs.state_dict().items():
        for stage in (1, 2):
            name = name.replace(f"layers.{stage}.downsample", f"layers.{stage - 1}.downsample")
        moved[name] = tensor
    torch.save(moved, tmp_path / "microsoft.pth")
    torch.save(theirs.state_dict(), tmp_path / "timm.pth")
    states = []
    for name in ("microsoft", "timm"):
        backbone = build_model(SMALL).backbone_appearance_feature_extractor
        load_backbone(backbone, SMALL, tmp_path / f"{name}.pth")
        states.append(backbone.state_dict())
    reductions = [name for name in states[0] if "downsample.reduction" in name]
    assert len(reductions) == 2
    assert all(torch.equal(states[0][name], states[1][name]) for name in reductions)


def test_a_training_goes_on_from_a_network_of_other_people(tmp_path: Path) -> None:
    torch.manual_seed(0)
    first = SMALL.model_copy(update={"identities": 4, "cameras": 2})
    theirs = build_model(first)
    save_checkpoint(tmp_path / "first.safetensors", theirs.state_dict(), first)
    spec = SMALL.model_copy(update={"identities": 6, "cameras": 3})
    ours = build_model(spec)
    fresh = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    load_start(ours, spec, tmp_path / "first.safetensors")
    renewed = []
    for name, tensor in ours.state_dict().items():
        if tensor.shape == theirs.state_dict()[name].shape:
            assert torch.equal(tensor, theirs.state_dict()[name]), name
        else:
            assert torch.equal(tensor, fresh[name]), name
            renewed.append(name.split(".")[-1 if "sie" in name else -2])
    assert set(renewed) == {"classifier", "sie_embed"}
    same = build_model(first)
    load_start(same, first, tmp_path / "first.safetensors")
    assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in same.state_dict().items())
    without = build_model(SMALL)
    load_start(without, SMALL, tmp_path / "first.safetensors")


def test_a_network_of_another_make_up_is_told(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "small.safetensors", build_model(SMALL).state_dict(), SMALL)
    other = SMALL.model_copy(update={"part_names": ("head", "body"), "depths": (1, 1, 1)})
    with pytest.raises(UserError, match=r"of another make-up than the configuration's: .*unknown tensors"):
        load_start(build_model(other), other, tmp_path / "small.safetensors")
    torch.save({"state_dict": build_model(SMALL).state_dict()}, tmp_path / "kpr.pth.tar")
    with pytest.raises(UserError, match=r"whole KPR or BPBReID network: convert it with .*import_checkpoint"):
        load_start(build_model(SMALL), SMALL, tmp_path / "kpr.pth.tar")
