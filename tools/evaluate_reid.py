"""Score appearance models by searching a gallery for queries, and look at what they found."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import UserError
from pipeline.cli import run
from tools.result_file import write_result
from tools.retrieval_options import build_parser, check_options, names_of, sources_of, training_of

if TYPE_CHECKING:
    from reid.evaluation.crops import BadCrop
    from reid.evaluation.extract import Extractor, Features, Reading
    from reid.evaluation.tables import ModelResult
    from reid.ranking.rerank import Neighbourhood
    from reid.ranking.rules import Rule
    from reid.samples.camera_tokens import CameraUse
    from reid.samples.sources import ReidData, SourceConfig
    from reid.training.config import TrainConfig


def main(argv: Sequence[str] | None = None) -> int:
    """Read, describe, rank, print, draw."""
    arguments = build_parser().parse_intermixed_args(argv)
    check_options(arguments)
    config = training_of(arguments)
    sources = sources_of(arguments, config)
    trees, results = [], []
    for number, source in enumerate(sources):
        folder = arguments.show_out
        if folder is not None and len(sources) > 1:
            folder = folder / f"set{number + 1}"
        print("\n" * bool(number), end="")
        tree, found = _score_set(arguments, config, source, folder)
        trees.append(tree)
        results.append(found)
    if len(sources) > 1:
        from reid.evaluation.tables import cross_table

        print("\n".join(["", *cross_table(names_of(sources), results)]))
    if arguments.out is not None:
        write_result(arguments.out, trees[0] if len(sources) == 1 else {"sets": trees})
    return 0


def _score_set(
    arguments: argparse.Namespace, config: "TrainConfig | None", source: "SourceConfig", show_out: Path | None
) -> "tuple[dict[str, Any], list[ModelResult]]":
    """Every model on one data set: what is written of it, and the results."""
    from reid.evaluation.extract import Reading
    from reid.samples.layouts import LAYOUTS
    from reid.samples.sources import default_rule, read_source

    data = read_source(source, "test")
    if arguments.show_names:
        from pipeline.report.rankings import queries_named

        # A wrong name is told before the work.
        queries_named(data.query, arguments.show_names)
    told = config.test_rule if config is not None and config.tests_like(source) else None
    rule = arguments.rule or told or default_rule(source.kind)
    single_shot = arguments.single_shot or LAYOUTS[source.kind].single_shot
    prompts = "none" if arguments.no_prompts else "target" if arguments.no_negatives else "all"
    reading = Reading(arguments.batch, arguments.workers, prompts, arguments.bad_files)  # type: ignore[arg-type]
    cameras = False if config is None or arguments.no_cameras else config.cameras_in(source)
    people = len({sample.identity for sample in data.query})
    print(
        f"{source.folder} ({source.kind}, rule {rule}): {len(data.query)} queries of {people} people, "
        f"{len(data.gallery)} gallery crops; {_prompts_told(data, prompts)}, visibility {arguments.visibility}"
        f"{', camera tokens' if cameras else ''}; per cent"
    )
    results = []
    bad: tuple[BadCrop, ...] = ()
    labels = _labels(arguments)
    for number, (label, extractor) in enumerate(zip(labels, _extractors(arguments, config, cameras), strict=True)):
        result = _score(arguments, extractor, label, data, reading, rule, single_shot)
        print("\n".join(["", *result.lines()]))
        results.append(result)
        bad = (*result.query.bad, *result.gallery.bad)
        if show_out is not None:
            folder = show_out / f"model{number + 1}" if len(labels) > 1 else show_out
            print(f"  rankings: {_draw(arguments, extractor, result, reading, rule, folder)}")
    if bad:
        print(f"\n{len(bad)} files could not be used and were left out:")
        print("\n".join(f"  {crop.reason}" for crop in bad))
    tree = {
        "data": {
            "root": str(source.folder), "kind": source.kind, "rule": rule, "prompts": prompts,
            "visibility": arguments.visibility, "foreground": arguments.foreground, "camera_tokens": bool(cameras),
            "flip": arguments.flip,
            "left_out": [{"path": str(crop.path), "reason": crop.reason} for crop in bad],
        },
        "models": [result.tree() for result in results],
    }  # fmt: skip
    return tree, results


def _prompts_told(data: "ReidData", prompts: str) -> str:
    if prompts != "none" and all(sample.keypoints is None for sample in (*data.query, *data.gallery)):
        return "no prompts (the data set has no keypoints; --keypoints names a folder of them)"
    return f"prompts {prompts}"


def _labels(arguments: argparse.Namespace) -> list[str]:
    return [
        *(path.name for path in arguments.weights),
        *(f"{name} {Path(file).name}" for name, file in arguments.model),
    ]


def _extractors(
    arguments: argparse.Namespace, config: "TrainConfig | None", cameras: "CameraUse"
) -> "Iterator[Extractor]":
    """The models, each opened when its turn comes, so that only one is in memory."""
    from pipeline.evaluation.appearance_models import open_named, open_network
    from reid.evaluation.mirrored import Mirrored

    def as_asked(extractor: "Extractor") -> "Extractor":
        return Mirrored(extractor) if arguments.flip else extractor

    device, visibility = arguments.device, arguments.visibility
    for path in arguments.weights:
        yield as_asked(open_network(path, device, visibility, arguments.foreground, config, cameras))
    for name, file in arguments.model:
        yield as_asked(open_named(name, file, device, visibility, arguments.batch, arguments.overrides))


def _score(
    arguments: argparse.Namespace,
    extractor: "Extractor",
    label: str,
    data: "ReidData",
    reading: "Reading",
    rule: "Rule",
    single_shot: bool,
) -> "ModelResult":
    from data.runtime.torch_device import torch_device
    from reid.evaluation.breakdown import breakdown
    from reid.evaluation.extract import extract
    from reid.evaluation.retrieval import Ranking, retrieve
    from reid.evaluation.tables import ModelResult
    from reid.samples.labels import check_labels

    check_labels([*data.query, *data.gallery], extractor.labels)
    query = extract(extractor, data.query, "query", reading)
    gallery = extract(extractor, data.gallery, "gallery", reading)
    neighbourhood = _neighbourhood(arguments, query, gallery) if arguments.rerank else None
    device = torch_device(arguments.device)
    ranking = Ranking(rule, arguments.chunk, device, not arguments.no_parts, neighbourhood, single_shot)
    found = retrieve(query, gallery, extractor.part_names, ranking)
    if not found.scores.queries:
        raise UserError(
            f"no query has a match in the gallery under the rule {rule}: are queries and gallery of one data set, and "
            "is --rule right (all ranks crops of the query's camera too)?"
        )
    groups = tuple(breakdown(query, found.scores))
    return ModelResult(label, extractor.model_id, query, gallery, found, groups, neighbourhood)


def _neighbourhood(arguments: argparse.Namespace, query: "Features", gallery: "Features") -> "Neighbourhood | None":
    from reid.evaluation.retrieval import neighbourhood_for
    from reid.ranking.rerank import Neighbourhood

    fitting = neighbourhood_for(query, gallery)
    if fitting is None and not arguments.k1:
        print("not re-ranked: the set is too small, or has too few crops of a person; --k1 N does it all the same")
        return None
    chosen = fitting or Neighbourhood(arguments.k1)
    return Neighbourhood(arguments.k1 or chosen.k1, arguments.k2 or chosen.k2, arguments.lambda_)


def _draw(
    arguments: argparse.Namespace,
    extractor: "Extractor",
    result: "ModelResult",
    reading: "Reading",
    rule: "Rule",
    folder: Path,
) -> Path:
    from data.runtime.torch_device import torch_device
    from pipeline.report.rankings import Rankings, queries_named, worst_queries, write_rankings

    scores, device = result.retrieval.scores, torch_device(arguments.device)
    rankings = Rankings(extractor, result.query, result.gallery, scores, rule, reading.prompts, arguments.top, device)
    named = queries_named(result.query.samples, arguments.show_names)
    worst = [number for number in worst_queries(scores, arguments.show or 0) if number not in named]
    return write_rankings(rankings, [*named, *worst], folder)


if __name__ == "__main__":
    sys.exit(run(main))
