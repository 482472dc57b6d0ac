"""Our recipes against the files of the originals.

What stands here was read from the authors' configuration files and their defaults (KPR, ``configs/kpr`` and
``configs/bpbreid`` with ``default_config.py``; BPBReID, ``configs/bpbreid``), not from ours.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from data.published_weights import published_weights
from reid.models.spec import IMAGENET_MEAN
from reid.training.config import TrainConfig, load_training
from reid.training.schedule import learning_rate

SETS = ("market1501", "dukemtmc_reid", "occluded_duke", "occluded_reid", "p_dukemtmc")
_DEFAULT_KEYPOINTS = "pifpaf_keypoints_pifpaf_maskrcnn_filtering"


@dataclass(frozen=True)
class Kpr:
    """``backbone``, ``data``, ``model.kpr``, ``model.transreid`` and ``train`` of a file in ``configs/kpr``."""

    backbone: str
    height: int
    prompts: str
    parts: str
    occlude: float
    rate: float
    frozen: int
    cameras: bool
    keypoints: str | None = _DEFAULT_KEYPOINTS
    filtered: bool = False


KPR = {
    "kpr_market1501_imagenet": Kpr("imagenet", 384, "cck6", "five_v", 0.05, 0.008, 0, True),
    "kpr_occluded_duke_imagenet": Kpr(
        "swinv2", 256, "cck8", "eight", 0.2, 0.008, 0, True, f"{_DEFAULT_KEYPOINTS}_v3", True
    ),
    "kpr_occluded_posetrack_imagenet": Kpr("swinv2", 256, "cck8", "eight", 0.2, 0.008, 0, False, None),
    "kpr_occluded_reid_imagenet": Kpr("swinv2", 256, "cck6", "five_v", 0.05, 0.008, 0, True),
    "kpr_partial_reid_imagenet": Kpr("swinv2", 256, "cck6", "five_v", 0.05, 0.008, 0, True),
    "kpr_market1501_solider": Kpr("solider", 384, "cck6", "five_v", 0.2, 0.0002, 20, True),
    "kpr_occluded_duke_solider": Kpr(
        "solider", 384, "cck8", "eight", 0.2, 0.0002, 10, True, f"{_DEFAULT_KEYPOINTS}_v3", True
    ),
    "kpr_occluded_posetrack_solider": Kpr("solider", 384, "cck8", "eight", 0.2, 0.0002, 20, False, None),
    "kpr_occluded_reid_solider": Kpr("solider", 384, "cck6", "five_v", 0.2, 0.0002, 20, True),
    "kpr_partial_reid_solider": Kpr("solider", 384, "cck6", "five_v", 0.2, 0.0002, 20, True),
}


@dataclass(frozen=True)
class Bpbreid:
    """``masks.preprocess``, ``weights.foreg.tr``, ``weights.pixls.ce`` and ``transforms`` of a file."""

    parts: str
    foreground: float
    attention: float
    more: bool


BPBREID = {
    "market1501": Bpbreid("five_v", 1, 0.35, False),
    "dukemtmc_reid": Bpbreid("five_v", 1, 0.35, False),
    "occluded_duke": Bpbreid("eight", 0, 0.35, False),
    "occluded_reid": Bpbreid("eight", 1, 0.7, True),
    "p_dukemtmc": Bpbreid("eight", 0, 0.35, False),
}
COLUMNS = (
    "recipe",
    "input",
    "mean",
    "prompts",
    "parts",
    "occlude",
    "optimiser",
    "frozen",
    "camera tokens",
    "starts from",
)
# On rendered people.
OURS = ("kpr_small_synthetic", "kpr_first_steps")


@pytest.fixture
def recipes(repository: Path) -> dict[str, TrainConfig]:
    return {path.stem: load_training(path) for path in sorted((repository / "configs" / "reid").glob("*.yaml"))}


def check_common(recipe: TrainConfig) -> None:
    """Batches, length, augmentation and losses that all their files share."""
    assert (recipe.batch.people, recipe.batch.pictures, recipe.epochs, recipe.seed) == (16, 4, 120, 1)
    assert (recipe.augment.shift_px, recipe.augment.erase, recipe.augment.erase_share) == (10, 0.5, (0.15, 0.65))
    assert (recipe.augment.erase_fill, recipe.augment.occluders) == ("normalised_mean", "bank")
    assert (recipe.augment.drop_some, recipe.augment.drop_all) == (0, 0)
    assert (recipe.loss.margin, recipe.loss.combine, recipe.loss.best_share) == (0.3, "mean", 1)
    assert not recipe.loss.use_visibility
    assert recipe.evaluate_every == 0
    assert recipe.optimiser.decay_all
    assert recipe.optimiser.clip == 0
    assert (recipe.optimiser.bias_factor, recipe.optimiser.backbone_factor) == (1, 1)


def check_kprs_rates(recipe: TrainConfig, rate: float) -> None:
    """SGD; a cosine that begins and ends at 1.6e-5, with 5 epochs of warm-up; mixed precision."""
    assert (recipe.optimiser.kind, recipe.optimiser.rate, recipe.optimiser.weight_decay) == ("sgd", rate, 1e-4)
    rates = [learning_rate(recipe.schedule, rate, recipe.epochs, epoch) for epoch in (0, 5, 120)]
    assert rates == pytest.approx([1.6e-5, rate, 1.6e-5])
    assert recipe.precision == "fp16"


def weights_of(recipe: TrainConfig) -> dict[str, tuple[float, float]]:
    return {kind: (weight.identity, weight.triplet) for kind, weight in recipe.loss.weights.items()}


@pytest.mark.parametrize("name", KPR)
def test_kpr_recipes_have_the_values_of_the_authors_files(recipes: dict[str, TrainConfig], name: str) -> None:
    recipe, theirs = recipes[name], KPR[name]
    check_common(recipe)
    check_kprs_rates(recipe, theirs.rate)
    model = recipe.model
    assert (model.architecture, model.height, model.width) == ("kpr", theirs.height, 128)
    assert model.backbone == ("swinv2" if theirs.backbone == "swinv2" else "swin")
    if theirs.backbone == "swinv2":
        assert (model.window, model.pretrained_windows) == (16, (12, 12, 12, 6))
    else:
        # default_config: solider.semantic_weight 0.2, given to SOLIDER's class whatever file it starts from.
        assert (model.window, model.semantic_weight) == (7, 0.2)
    assert model.mean == model.std == (0.5,) * 3 if theirs.backbone == "solider" else model.mean == IMAGENET_MEAN
    assert (model.embed_dim, model.depths, model.drop_path, model.dim) == (128, (2, 2, 18, 2), 0.1, 512)
    assert (model.prompt_groups, model.negatives, model.background_token) == (theirs.prompts, True, True)
    assert (model.pooling, model.reduction, model.fusion) == ("gwap", "after_pooling", True)
    assert (recipe.parts, recipe.augment.occlude) == (theirs.parts, theirs.occlude)
    assert (recipe.augment.flip, recipe.augment.jitter) == (0, 0)
    assert weights_of(recipe) == {"globl": (1, 0), "foreg": (1, 0), "conct": (1, 0), "parts": (0, 1)}
    assert recipe.loss.attention == 0.35
    assert (recipe.freeze_prompts, recipe.camera_tokens, model.camera_weight) == (theirs.frozen, theirs.cameras, 3)
    assert recipe.prompt_start == "published"
    assert recipe.test_features == ("bn_foreg", "parts")
    also = [source.root.name for source in recipe.test_also]
    assert also == (
        ["Market-1501-v15.09.15"] if name.split("_")[1] in ("occluded", "partial") and "_reid_" in name else []
    )
    (train,) = recipe.train
    assert (train.keypoints, train.need_skeleton) == (theirs.keypoints, theirs.filtered)
    assert train.labels == ("pose_on_img_crops" if "posetrack" in name else "pifpaf_maskrcnn_filtering")


@pytest.mark.parametrize("copy", ["", "_sgd"])
@pytest.mark.parametrize("data", SETS)
def test_bpbreid_recipes_have_the_values_of_both_repositories(
    recipes: dict[str, TrainConfig], data: str, copy: str
) -> None:
    recipe, theirs = recipes[f"bpbreid_{data}{copy}"], BPBREID[data]
    check_common(recipe)
    check_convolutional(recipe)
    assert recipe.parts == theirs.parts
    assert weights_of(recipe)["foreg"] == (1, theirs.foreground)
    assert {kind: weight for kind, weight in weights_of(recipe).items() if kind != "foreg"} == {
        "globl": (1, 0), "conct": (1, 0), "parts": (0, 1),
    }  # fmt: skip
    assert recipe.loss.attention == theirs.attention
    assert (recipe.augment.flip, recipe.augment.jitter) == ((0.5, 0.5) if theirs.more else (0, 0))
    assert (recipe.augment.brightness, recipe.augment.contrast) == (0.2, 0.15)
    assert recipe.test_features == ("bn_foreg", "parts")
    assert [source.root.name for source in recipe.test_also] == ["Market-1501-v15.09.15"] * (data == "occluded_reid")
    if copy:
        check_kprs_rates(recipe, 0.008)
    else:
        check_steps(recipe)


def check_convolutional(recipe: TrainConfig) -> None:
    assert recipe.augment.occlude == 0
    model = recipe.model
    assert (model.architecture, model.backbone, model.height, model.width) == ("bpbreid", "hrnet32", 384, 128)
    assert (model.mean, model.dim, model.reduction) == (IMAGENET_MEAN, 512, "after_pooling")


def check_steps(recipe: TrainConfig) -> None:
    """Adam; 10 epochs of warm-up from a hundredth, then steps; full precision."""
    optimiser = recipe.optimiser
    assert (optimiser.kind, optimiser.rate, optimiser.weight_decay) == ("adam", 0.00035, 0.0005)
    rates = [learning_rate(recipe.schedule, 0.00035, 120, epoch) for epoch in (0, 10, 39, 40, 70)]
    assert rates == pytest.approx([3.5e-6, 3.5e-4, 3.5e-4, 3.5e-5, 3.5e-6])
    assert recipe.precision == "fp32"


@pytest.mark.parametrize("data", ["market1501", "occluded_duke"])
def test_pcb_recipes_have_the_values_of_bpbreids_files(recipes: dict[str, TrainConfig], data: str) -> None:
    recipe = recipes[f"pcb_{data}"]
    check_common(recipe)
    check_convolutional(recipe)
    check_steps(recipe)
    assert (recipe.parts, recipe.stripes, recipe.test_features) == ("stripes", 6, ("conct",))
    assert weights_of(recipe) == {"parts": (1, 0)}
    assert (recipe.loss.attention, recipe.augment.flip, recipe.augment.jitter) == (0, 0.5, 0)


def test_bag_of_tricks_is_one_stripe(recipes: dict[str, TrainConfig]) -> None:
    recipe = recipes["bot_market1501"]
    check_common(recipe)
    check_steps(recipe)
    assert recipe.part_names == ("stripe_1",)
    assert (recipe.model.backbone, recipe.model.height, recipe.model.reduction) == ("resnet50", 256, "none")
    assert (weights_of(recipe), recipe.test_features) == ({"globl": (1, 1)}, ("bn_globl",))


def test_every_published_recipe_is_compared(recipes: dict[str, TrainConfig]) -> None:
    compared = {*KPR, *(f"bpbreid_{data}{copy}" for data in SETS for copy in ("", "_sgd"))}
    compared |= {"pcb_market1501", "pcb_occluded_duke", "bot_market1501"}
    assert set(recipes) - compared == {*OURS, "kpr_market1501+occluded_duke_solider"}


def table(recipes: dict[str, TrainConfig]) -> list[str]:
    """The table in docs/reid_recipes.md."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    for name, recipe in recipes.items():
        if name in OURS:
            continue
        model, optimiser = recipe.model, recipe.optimiser
        stripes = f"{recipe.stripes} stripe{'s' * (recipe.stripes > 1)}"
        cells = (
            f"`{name}`", f"{model.height} x {model.width}", "0.5" if model.mean[0] == 0.5 else "ImageNet",
            model.prompt_groups or "", stripes if recipe.parts == "stripes" else recipe.parts,
            f"{recipe.augment.occlude:g}", f"{optimiser.kind} {optimiser.rate:g} {recipe.schedule.kind}",
            f"{recipe.freeze_prompts}", "yes" if recipe.camera_tokens else "", f"`{recipe.pretrained}`",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def test_the_table_of_recipes_is_that_of_the_files(recipes: dict[str, TrainConfig], repository: Path) -> None:
    text = (repository / "docs" / "reid_recipes.md").read_text(encoding="utf-8")
    assert "\n".join(table(recipes)) in text


def zoo() -> list[str]:
    """The table of published files in docs/reid_recipes.md."""
    lines = ["| file | what | trained on | licence, terms | published, % | our check |", "|---|---|---|---|---|---|"]
    for weights in published_weights().values():
        terms = f"{weights.licence}; {weights.terms}" if weights.terms else weights.licence
        figures = ", ".join(f"{name} {value:g}" for name, value in weights.figures.items())
        what = f"{weights.use}, {weights.network}"
        cells = (
            f"[`{weights.file}`]({weights.page.split()[0]})",
            what,
            weights.trained_on,
            terms,
            figures,
            weights.checked,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def test_the_zoo_is_what_is_known_of_published_files(repository: Path) -> None:
    text = (repository / "docs" / "reid_recipes.md").read_text(encoding="utf-8")
    assert "\n".join(zoo()) in text
