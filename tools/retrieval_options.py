"""The command line of tools.evaluate_reid: its options, and the data sets that they name."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import UserError
from data.listing import is_empty

if TYPE_CHECKING:
    from reid.samples.sources import SourceConfig
    from reid.training.config import TrainConfig

_EPILOG = """\
Several models may be named; all are scored on the same crops by the same code.

examples:
  python -m tools.evaluate_reid --weights kpr.safetensors --data site/reid --rerank --out scores.json
  python -m tools.evaluate_reid --weights kpr.safetensors --model osnet_onnx osnet.onnx --model pcb pcb.pth \\
      --data Market-1501-v15.09.15
  python -m tools.evaluate_reid --weights kpr.safetensors --data Occluded_Duke --keypoints openpifpaf \\
      --show 20 --show-out runs/rankings
  python -m tools.evaluate_reid --weights a.safetensors --weights b.safetensors --data Market-1501 --kind market \\
      --data MSMT17_V1 --kind msmt17 --data LTCC_ReID --kind ltcc
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.evaluate_reid",
        description="Score appearance models by searching a gallery for queries, and look at what they found.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    models = parser.add_argument_group("models")
    models.add_argument(
        "--weights", type=Path, action="append", default=[], metavar="FILE", help="KPR or BPBReID; may be given again"
    )
    models.add_argument(
        "--model", nargs=2, action="append", default=[], metavar=("NAME", "FILE"),
        help="an appearance model of the pipeline (osnet_onnx, osnet_parts, kpr, san) or pcb; may be given again",
    )  # fmt: skip
    models.add_argument("overrides", nargs="*", metavar="reid.key=value", help="of --model, as reid.colour=rgb")
    models.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n> (default: auto)")
    models.add_argument("--batch", type=_positive, default=64, metavar="N", help="crops per run (default: 64)")
    models.add_argument(
        "--workers", type=_from_zero, default=0, metavar="N", help="processes that read pictures (default: 0)"
    )

    data = parser.add_argument_group("data")
    data.add_argument(
        "--data", type=Path, action="append", default=[], metavar="ROOT",
        help="the data set's folder; given again, every model is scored on every set, with one table over all",
    )  # fmt: skip
    data.add_argument(
        "--kind", action="append", default=[],
        help="its layout: market (default), msmt17, cuhk03_labeled, cuhk03_detected, cuhk03_classic_labeled, "
        "cuhk03_classic_detected, ltcc, prcc, prcc_same_clothes, occluded_reid, partial_reid, p_dukemtmc or "
        "occluded_posetrack; once for all sets, or once for each",
    )  # fmt: skip
    data.add_argument(
        "--keypoints", action="append", default=[], metavar="NAME",
        help="folder of keypoints under external_annotation; once for all sets, or once for each",
    )  # fmt: skip
    data.add_argument(
        "--config", type=Path, metavar="FILE", help="as configs/reid/*.yaml: its test set, labels, features and cameras"
    )
    data.add_argument("--bad-files", choices=("fail", "skip"), default="fail", help="files that cannot be read")

    ways = parser.add_argument_group("ways")
    ways.add_argument(
        "--rule",
        choices=("market", "intra", "inter", "all", "changed_clothes", "same_clothes"),
        help="gallery of a query (default: the data set's own, or --config's)",
    )
    ways.add_argument("--visibility", choices=("binary", "continuous"), default="binary", help="(default: binary)")
    ways.add_argument(
        "--foreground", choices=("best_part", "always"), default="best_part",
        help="when a KPR's foreground is visible; always: as in the originals (default: best_part)",
    )  # fmt: skip
    prompts = ways.add_mutually_exclusive_group()
    prompts.add_argument("--no-prompts", action="store_true", help="give no skeletons to the network")
    prompts.add_argument("--no-negatives", action="store_true", help="give only the person's own skeleton")
    ways.add_argument("--no-cameras", action="store_true", help="give no camera tokens, whatever --config says")
    ways.add_argument("--flip", action="store_true", help="describe every crop together with its mirror image")
    ways.add_argument(
        "--single-shot", action="store_true",
        help="also rank galleries with one random picture per person, by the rule market whatever --rule says (always "
        "of cuhk03_classic_* and prcc)",
    )  # fmt: skip
    ways.add_argument("--rerank", action="store_true", help="also rank by k-reciprocal distances")
    ways.add_argument("--k1", type=_positive, help="of re-ranking (default: by the size of the set, at most 20)")
    ways.add_argument("--k2", type=_positive, help="of re-ranking (default: by k1, at most 6)")
    ways.add_argument("--lambda", type=float, default=0.3, dest="lambda_", help="of re-ranking (default: 0.3)")
    ways.add_argument("--no-parts", action="store_true", help="do not rank by each embedding alone")
    ways.add_argument("--chunk", type=_positive, default=256, metavar="N", help="queries ranked at a time (memory)")

    results = parser.add_argument_group("results")
    results.add_argument("--out", type=Path, metavar="FILE", help="also write the scores as JSON (shares 0-1)")
    results.add_argument(
        "--show", type=_positive, metavar="N", help="draw what the N worst queries found, before re-ranking"
    )
    results.add_argument("--show-names", nargs="+", default=[], metavar="QUERY", help="draw what these queries found")
    results.add_argument("--show-out", type=Path, metavar="DIR", help="folder of the drawings and their index.html")
    results.add_argument("--top", type=_positive, default=10, metavar="K", help="gallery crops drawn (default: 10)")
    results.add_argument("--overwrite", action="store_true", help="replace results of an earlier run")
    return parser


def check_options(arguments: argparse.Namespace) -> None:
    """Tell what does not go together, before any work.

    Raises:
        UserError: for the first such thing.
    """
    if not arguments.weights and not arguments.model:
        raise UserError("no model: give --weights FILE, or --model NAME FILE")
    if not arguments.data and arguments.config is None:
        raise UserError("no data: give --data ROOT, or --config with a test set")
    if (arguments.show or arguments.show_names) and arguments.show_out is None:
        raise UserError("--show draws into a folder: name it with --show-out DIR")
    if arguments.show_out is not None and not (arguments.show or arguments.show_names):
        raise UserError("--show-out needs to know what to draw: --show N, or --show-names QUERY ...")
    if not arguments.rerank and (arguments.k1 or arguments.k2):
        raise UserError("--k1 and --k2 are parameters of re-ranking: add --rerank")
    if not 0 <= arguments.lambda_ <= 1:
        raise UserError(f"--lambda {arguments.lambda_:g}: it is a weight from 0 to 1")
    if arguments.out is not None:
        from data.output_folder import prepare_folder

        prepare_folder(arguments.out.absolute().parent, [arguments.out], arguments.overwrite)
    folder = arguments.show_out
    if arguments.overwrite or folder is None:
        return
    if folder.exists() and (not folder.is_dir() or not is_empty(folder)):
        raise UserError(f"{folder} exists and is not empty; choose another folder, or draw into it with --overwrite")


def training_of(arguments: argparse.Namespace) -> "TrainConfig | None":
    """The training that ``--config`` names."""
    if arguments.config is None:
        return None
    from reid.training.config import load_training

    return load_training(arguments.config)


def sources_of(arguments: argparse.Namespace, config: "TrainConfig | None") -> "list[SourceConfig]":
    """The data sets: the configuration's test set, with what the command line says in its place.

    Raises:
        UserError: when there is none, one is named twice, or what is said of them does not fit.
    """
    from pydantic import ValidationError

    from data.config import explain
    from reid.samples.sources import SourceConfig

    told: dict[str, Any] = config.test.model_dump() if config is not None and config.test is not None else {}
    if not told and not arguments.data:
        raise UserError(f"{arguments.config} has no test set: give --data ROOT")
    roots = arguments.data or [told["root"]]
    kinds, keypoints = (
        _for_each(roots, values, option)
        for values, option in ((arguments.kind, "--kind"), (arguments.keypoints, "--keypoints"))
    )
    sources = []
    for root, kind, folder in zip(roots, kinds, keypoints, strict=True):
        given = {"root": root, "kind": kind, "keypoints": folder}
        tree = told | {key: value for key, value in given.items() if value is not None}
        try:
            sources.append(SourceConfig.model_validate(tree))
        except ValidationError as error:
            raise UserError(explain(error, SourceConfig, "the data set")) from None
    _check_sets(arguments, sources)
    return sources


def _for_each(roots: Sequence[Path], values: Sequence[str], option: str) -> list[str | None]:
    """What was given once for all data sets, or once for each of them."""
    if len(values) not in (0, 1, len(roots)):
        raise UserError(f"{option} is given {len(values)} times for {len(roots)} data sets; give it once, or for each")
    return list(values) if len(values) == len(roots) else [*values, None][:1] * len(roots)


def _check_sets(arguments: argparse.Namespace, sources: "Sequence[SourceConfig]") -> None:
    names = names_of(sources)
    again = [name for name in names if names.count(name) > 1]
    if again:
        raise UserError(f"{again[0]} is named twice; give each data set once")
    if arguments.show_names and len(sources) > 1:
        raise UserError("--show-names: with several data sets it is not told whose queries are meant; use --show N")


def names_of(sources: "Sequence[SourceConfig]") -> list[str]:
    """Data sets, as tables call them."""
    from reid.samples.sources import set_names

    names = set_names([source.folder for source in sources])
    return [
        name if source.kind == "market" else f"{source.kind} {name}"
        for name, source in zip(names, sources, strict=True)
    ]


def _positive(text: str) -> int:
    return _at_least(1, text)


def _from_zero(text: str) -> int:
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number") from None
    if value < least:
        raise argparse.ArgumentTypeError(f"{text} is below {least}")
    return value
