"""Checkpoints: ours, and published ones read without running anything in them."""

import pytest
import torch

from data.errors import UserError
from reid.models.spec import IMAGENET_MEAN, PROMPT_GROUPS, ModelSpec
from reid.weights.checkpoints import CheckpointInfo, build_model, cameras_entry, load_model, read_info, save_checkpoint
from reid.weights.published import export_published, import_published, swinv2_windows
from tests.reid.weights.published_files import CONFIG, TINY, TINY_V2, state_of, write_published
from tools.import_checkpoint import main


@pytest.mark.parametrize("legacy", [False, True])
def test_a_published_file_is_taken_over(tmp_path, legacy):
    state = state_of(TINY)
    path = tmp_path / "kpr_market_SOLIDER_1.pth.tar"
    write_published(path, state, CONFIG, legacy)
    taken = import_published(path)
    assert not taken.model().training
    assert taken.spec == TINY
    assert (taken.filled, taken.dropped) == ((), ())
    assert [text.split(",")[0] for text in taken.guessed] == ["semantic weight 0.2"]
    assert sorted(taken.state) == sorted(build_model(TINY).state_dict())
    assert all(torch.equal(taken.state[name], tensor) for name, tensor in state.items())
    alias = "backbone_appearance_feature_extractor.{}patch_embed.projection.weight"
    assert torch.equal(taken.state[alias.format("")], state[alias.format("model.")])


@pytest.mark.parametrize(
    "spec",
    [
        TINY,
        TINY.model_copy(update={"semantic_weight": -1.0, "cameras": 0, "fusion": False}),
        TINY.model_copy(update={"negatives": False, "shared_part_classifier": True}),
        TINY.model_copy(update={"background_token": False, "reduction": "before_and_after_pooling"}),
        TINY_V2,
        ModelSpec(architecture="bpbreid", backbone="resnet50", dim=24, identities=3, reduction="none"),
        ModelSpec(architecture="bpbreid", backbone="hrnet32", dim=24, identities=3),
    ],
)
def test_the_network_is_told_from_its_tensors(tmp_path, spec):
    config = {
        "data": {"height": spec.height, "width": spec.width, "norm_mean": [*spec.mean], "norm_std": [*spec.std]},
        "model": {"kpr": {"keypoints": {"prompt_preprocess": "cck6"}, "backbone": f"x_window{spec.window}_256"}},
    }
    path = tmp_path / "m.pth.tar"
    write_published(path, state_of(spec), config, prefix="")
    expected = spec if spec.reduction != "none" else spec.model_copy(update={"dim": 512})
    assert import_published(path).spec == expected


def test_without_a_configuration_defaults_are_named(tmp_path):
    path = tmp_path / "kpr_market_IN_89.pth.tar"
    write_published(path, state_of(TINY))
    taken = import_published(path)
    assert (taken.spec.height, taken.spec.width, taken.spec.mean) == (384, 128, IMAGENET_MEAN)
    assert taken.spec.prompt_groups == "cck6"
    assert [text.split()[0] for text in taken.guessed] == ["semantic", "prompt", "part", "input"]
    nameless = path.rename(tmp_path / "best.pth.tar")
    with pytest.raises(UserError, match="--normalisation"):
        import_published(nameless)
    assert import_published(nameless, {"mean": (0.5,) * 3, "std": (0.5,) * 3}).spec.mean == (0.5,) * 3


def drawn_like(spec, keypoints):
    """A configuration that tells of the prompts only what is given."""
    data = {"height": spec.height, "width": spec.width, "norm_mean": [*spec.mean], "norm_std": [*spec.std]}
    return {"data": data, "model": {"kpr": {"keypoints": keypoints, "backbone": f"x_window{spec.window}_256"}}}


@pytest.mark.parametrize("negatives", [True, False])
@pytest.mark.parametrize("grouping", sorted(PROMPT_GROUPS))
def test_prompt_channels_are_never_guessed_where_two_readings_fit(tmp_path, grouping, negatives):
    spec = TINY.model_copy(update={"prompt_groups": grouping, "negatives": negatives})
    path = tmp_path / "m.pth.tar"
    write_published(path, state_of(spec), drawn_like(spec, {}))
    channels = [len(groups) + extra for groups in PROMPT_GROUPS.values() for extra in (1, 2)]
    if channels.count(spec.prompt_channels) == 1:
        assert import_published(path).spec == spec
    else:
        with pytest.raises(UserError, match=f"several ways; give one: .*--prompt-groups {grouping}"):
            import_published(path)
        assert import_published(path, {"negatives": negatives}).spec == spec
    assert import_published(path, {"prompt_groups": grouping}).spec == spec


def test_without_the_table_of_part_tokens_the_background_channel_is_asked_for(tmp_path):
    spec = TINY.model_copy(update={"background_token": False})
    state = {name: tensor for name, tensor in state_of(spec).items() if "parts_embed" not in name}
    path = tmp_path / "m.pth.tar"
    write_published(path, state, drawn_like(spec, {}))
    with pytest.raises(UserError, match=r"cck6 --negatives --no-background-token; .*cck6 --no-negatives"):
        import_published(path)
    assert import_published(path, {"background_token": False}).spec == spec
    config = drawn_like(spec, {})
    config["model"]["promptable_trans"] = {"no_background_token": True}
    write_published(path, state, config)
    assert import_published(path).spec == spec


def test_a_wrong_configuration_is_told_and_can_be_overridden(tmp_path):
    spec = TINY.model_copy(update={"prompt_groups": "cck8", "negatives": False})
    path = tmp_path / "m.pth.tar"
    write_published(path, state_of(spec), drawn_like(spec, {"prompt_preprocess": "cck6"}))
    with pytest.raises(UserError, match=r"9 prompt channels do not fit prompt_groups cck6; .*cck8 --no-negatives"):
        import_published(path)
    assert import_published(path, {"prompt_groups": "cck8"}).spec == spec
    with pytest.raises(UserError, match="9 prompt channels do not fit prompt_groups cck8, negatives True"):
        import_published(path, {"prompt_groups": "cck8", "negatives": True})
    write_published(
        path, state_of(spec), drawn_like(spec, {"prompt_preprocess": "cck8", "use_negative_keypoints": True})
    )
    with pytest.raises(UserError, match="do not fit prompt_groups cck8, negatives True"):
        import_published(path)


def test_how_keypoints_are_drawn_is_taken_over(tmp_path):
    path = tmp_path / "m.pth.tar"
    keypoints = {"prompt_preprocess": "cck6", "vis_thresh": 0.05, "vis_continous": True}
    write_published(path, state_of(TINY), drawn_like(TINY, keypoints))
    spec = import_published(path).spec
    assert (spec.prompt_threshold, spec.prompt_continuous, spec.prompt_floor) == (0.05, True, 0)
    write_published(path, state_of(TINY), drawn_like(TINY, keypoints | {"vis_continous": False}))
    assert import_published(path).spec.prompt_floor == 0.05


def test_the_window_of_a_swin_v2_is_asked_for(tmp_path):
    path = tmp_path / "m.pth.tar"
    config = drawn_like(TINY_V2, {"prompt_preprocess": "cck6"})
    del config["model"]["kpr"]["backbone"]
    write_published(path, state_of(TINY_V2), config)
    with pytest.raises(UserError, match=r"--window, as in timm.s name"):
        import_published(path)
    out = tmp_path / "m.safetensors"
    assert main([str(path), "--accept-licence", "hl3", "--out", str(out), "--window", "4"]) == 0
    assert read_info(out).spec == TINY_V2
    for text, fields in (("12to16", (16, (12, 12, 12, 6))), ("8", (8, (0, 0, 0, 0)))):
        assert tuple(swinv2_windows(text).values()) == fields
    for text in ("", "to16", "12to", "x", "12to16to24"):
        with pytest.raises(UserError, match="12to16 or 16"):
            swinv2_windows(text)


def test_tokens_of_views_are_no_tokens_of_cameras(tmp_path):
    path, config = tmp_path / "m.pth.tar", drawn_like(TINY, {})
    write_published(path, state_of(TINY), config)
    assert import_published(path).provenance["cameras"] == "1 2 3 4 5 6"
    config["model"]["transreid"] = {"sie_view": True}
    write_published(path, state_of(TINY), config)
    taken = import_published(path)
    assert "cameras" not in taken.provenance
    assert any("pairs of camera and view" in text for text in taken.guessed)


def test_semantic_modulation_can_be_switched_off(tmp_path):
    path = tmp_path / "m.pth.tar"
    write_published(path, state_of(TINY), CONFIG)
    taken = import_published(path, {"semantic_weight": -1.0})
    assert taken.spec.semantic_weight == -1
    assert taken.guessed == ()
    assert len(taken.dropped) == 12
    assert all(".semantic_embed_" in name for name in taken.dropped)


def test_a_file_without_identity_heads_still_serves(tmp_path):
    state = {n: t for n, t in state_of(TINY).items() if "identity_classifier" not in n or ".bn." in n}
    path = tmp_path / "m.pth.tar"
    write_published(path, state, CONFIG)
    taken = import_published(path)
    assert len(taken.filled) == 9
    assert all(name.endswith("classifier.weight") and "identity" in name for name in taken.filled)


def drop(name):
    return lambda state: {key: value for key, value in state.items() if name not in key}


def change(name, value):
    return lambda state: {key: value(tensor) if name in key else tensor for key, tensor in state.items()}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop("stages.1.blocks.0.norm2.weight"), "1 tensors missing, as .*stages.1.blocks.0.norm2.weight"),
        (drop("parts_after_pooling_dim_reduce.layers.1.running_var"), "missing"),
        (drop("msf."), "shape|missing|unknown|incomplete"),
        (drop("pixel_classifier"), "no KPR or BPBReID checkpoint"),
        (drop("masks_patch_embed.norm"), "not a complete bpbreid"),
        (drop("masks_patch_embed.projection"), "incomplete"),
        (change("stages.0.blocks.0.norm1.weight", lambda t: t[:-1]), "of another shape"),
        (change("stages.2.blocks.1.attn.w_msa.proj.bias", lambda t: t * float("nan")), "NaN"),
        (lambda state: state | {"fpn.inner.weight": torch.zeros(2)}, "unknown tensors, as fpn.inner.weight"),
        (lambda state: {}, "no tensors"),
    ],
)
def test_a_wrong_or_partial_file_fails(tmp_path, damage, message):
    path = tmp_path / "m.pth.tar"
    write_published(path, damage(state_of(TINY)), CONFIG)
    if message.startswith("shape"):
        # Without its fusion the file is a complete network of another kind; its heads then tell.
        assert not import_published(path).spec.fusion
        return
    with pytest.raises(UserError, match=message):
        import_published(path)


def test_safetensors_round_trip(tmp_path):
    for spec in (TINY, TINY_V2):
        torch.manual_seed(1)
        model = build_model(spec).eval()
        path = tmp_path / "deep" / "m.safetensors"
        save_checkpoint(path, model.state_dict(), spec, {"licence": "MIT", "source": "here"})
        first = path.read_bytes()
        again, info = load_model(path)
        assert info.spec == spec
        assert info.provenance == {"licence": "MIT", "source": "here"}
        assert not again.training
        assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values()))
        save_checkpoint(path, again.state_dict(), spec, {"source": "here", "licence": "MIT"})
        assert path.read_bytes() == first
        assert [entry.name for entry in path.parent.iterdir()] == ["m.safetensors"]


def test_command_line(tmp_path, capsys):
    source, out = tmp_path / "kpr_x_SOLIDER_1.pth.tar", tmp_path / "kpr_x_SOLIDER_1.safetensors"
    write_published(source, state_of(TINY), CONFIG)
    with pytest.raises(UserError, match="--accept-licence hl3"):
        main([str(source)])
    assert not out.exists()
    assert main([str(source), "--accept-licence", "hl3"]) == 0
    assert "kpr on swin, input 64x32" in capsys.readouterr().out
    _, info = load_model(out)
    assert info.spec == TINY
    spec = TINY.model_copy(update={"prompt_groups": "cck4", "negatives": False})
    write_published(tmp_path / "cck4.pth.tar", state_of(spec), drawn_like(spec, {}))
    options = ["--accept-licence", "hl3", "--out", str(tmp_path / "cck4.safetensors"), "--no-negatives"]
    assert main([str(tmp_path / "cck4.pth.tar"), *options]) == 0
    assert read_info(tmp_path / "cck4.safetensors").spec == spec
    assert info.cameras == (1, 2, 3, 4, 5, 6)
    assert info.provenance["licence"].startswith("Hippocratic")
    with pytest.raises(UserError, match="--overwrite"):
        main([str(source), "--accept-licence", "hl3"])
    with pytest.raises(UserError, match=r"NAME\.pth\.tar"):
        main([str(out)])
    back = tmp_path / "back.pth.tar"
    assert main([str(out), "--out", str(back)]) == 0
    theirs = torch.load(back, weights_only=True)["state_dict"]
    assert all(torch.equal(theirs[name], tensor) for name, tensor in state_of(TINY).items())


def test_cameras_of_tokens_stay_with_the_weights(tmp_path):
    """Also through the originals' format; a file of before they were kept does not tell."""
    ours, theirs = tmp_path / "a.safetensors", tmp_path / "kpr_IN.pth.tar"
    spec = TINY.model_copy(update={"cameras": 2})
    save_checkpoint(ours, build_model(spec).state_dict(), spec, cameras_entry((4, 7)))
    assert read_info(ours).cameras == (4, 7)
    export_published(ours, theirs)
    taken = import_published(theirs, {"mean": (0.5,) * 3, "std": (0.5,) * 3})
    assert CheckpointInfo(spec=taken.spec, provenance=taken.provenance).cameras == (4, 7)
    for provenance in ({}, {"cameras": "4"}, {"cameras": "four 7"}):
        assert CheckpointInfo(spec=spec, provenance=provenance).cameras == ()
