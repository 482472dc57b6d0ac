"""Train PCB on Market-1501 or DukeMTMC-reID as published with ST-ReID, and learn their transition times beside."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import UserError
from pipeline.cli import run
from tools.training_options import add_dry_run, add_writer_options, check_out, run_training, tell_preview

if TYPE_CHECKING:
    from reid.training.pcb import PcbTrainingConfig
    from reid.training.ranks import Ranks
    from reid.training.writers import ScalarWriter

_LEAST_PEOPLE = 2


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.train_pcb",
        description=__doc__,
        epilog="example: python -m tools.train_pcb Market-1501 --dataset market --out runs/pcb "
        "pretrained=resnet50-0676ba61.pth select.best_on=validation evaluate_every=10 test.root=Market-1501",
    )
    parser.add_argument("data", type=Path, help="folder with bounding_box_train")
    parser.add_argument("--dataset", choices=("market", "duke"), required=True, help="naming of the pictures")
    parser.add_argument("--out", "--output", type=Path, help="folder of the training, and of the distribution")
    parser.add_argument("--overwrite", action="store_true", help="write into an output that exists")
    parser.add_argument("--resume", action="store_true", help="go on with the interrupted training in --out")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="begin with these weights, published or ours")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n> (default: auto)")
    add_dry_run(parser)
    add_writer_options(parser)
    parser.add_argument("settings", nargs="*", metavar="key.sub=value", help="of reid.training.pcb.PcbTrainingConfig")
    return parser


def _check_folder(arguments: argparse.Namespace) -> None:
    from data.training_folder import STATE

    if arguments.resume and arguments.overwrite:
        raise UserError("--resume goes on with what is in --out, --overwrite replaces it: give one of them")
    check_out(arguments, arguments.dry_run)
    if arguments.out is None:
        return
    if arguments.out.exists() and not arguments.overwrite and not arguments.resume:
        raise UserError(f"{arguments.out} exists; give another --out, --resume or --overwrite")
    if arguments.resume and not (arguments.out / STATE).exists():
        raise UserError(f"{arguments.out} holds no training to resume: there is no {STATE}")


def _config(settings: Sequence[str]) -> "PcbTrainingConfig":
    from typing import Any

    from data.config import validated
    from data.section_files import merge, parse_override
    from reid.training.pcb import PcbTrainingConfig

    tree: dict[Any, Any] = {}
    for setting in settings:
        merge(tree, parse_override(setting))
    return validated(PcbTrainingConfig, tree, "settings")


def main(argv: Sequence[str] | None = None) -> int:
    """Read names, write the distribution, train."""
    arguments = build_parser().parse_intermixed_args(argv)
    import numpy as np
    import torch

    from data.datasets.reid_folders import TRAIN, read_split
    from data.training_preview import Preview
    from reid.models.pcb import PCB
    from reid.models.spec import IMAGENET_MEAN
    from reid.samples.sources import SourceConfig
    from reid.training.data import training_data
    from reid.training.pcb import PcbTrainer
    from reid.weights.pcb import load_pcb
    from reid.weights.pretrained import load_resnet50, starting_file
    from st_model.files import save_published
    from st_model.plot import draw, published_curves
    from st_model.published import published_distribution

    _check_folder(arguments)
    config = _config(arguments.settings)
    if arguments.weights is not None and config.pretrained not in (None, "none"):
        raise UserError("--weights and pretrained both say what training begins with: give one of them")
    begins = arguments.weights is None and not arguments.resume
    start = starting_file(config.pretrained, "resnet50", IMAGENET_MEAN) if begins else None
    split = read_split(arguments.data / TRAIN, arguments.dataset)
    source = SourceConfig(root=arguments.data)
    data = training_data([source], config.test, config.test_rule, config.select, _LEAST_PEOPLE, config.seed)
    people = split.names.identities > 0
    cameras = tuple(f"c{number}" for number in range(1, int(split.names.cameras.max()) + 1))
    meta = {"source": str(split.folder), "offsets": split.names.offsets}
    distribution = published_distribution(
        np.unique(split.names.identities[people], return_inverse=True)[1], split.names.cameras[people] - 1,
        split.names.frames[people], cameras, meta=meta,
    )  # fmt: skip
    if arguments.weights is not None:
        model = load_pcb(arguments.weights)
        if model.identities != data.people:
            raise UserError(f"{arguments.weights} knows {model.identities} identities, the training has {data.people}")
    else:
        torch.manual_seed(config.seed)
        model = PCB(data.people)
        if start is not None:
            load_resnet50(model.backbone, start)
    if arguments.dry_run:
        facts = [f"train: {len(data.train)} pictures of {data.people} people from {len(cameras)} cameras"]
        judged = {"validation": data.validation, "test": data.test}
        facts += [f"{name}: {len(found.query)} queries" for name, found in judged.items() if found is not None]
        return tell_preview(Preview(config.model_dump(mode="json"), facts))

    def build(device: str, writer: "ScalarWriter", ranks: "Ranks") -> PcbTrainer:
        trainer = PcbTrainer(
            model, data, config, arguments.out, device, arguments.resume, arguments.overwrite, writer, ranks
        )  # fmt: skip
        if ranks.leads:
            save_published(distribution, arguments.out / "st_distribution.npz")
            title = "training set, as published"
            draw(published_curves(distribution), arguments.out / "st_distribution.png", title)
        return trainer

    return run_training(arguments, config, build)


if __name__ == "__main__":
    sys.exit(run(main))
