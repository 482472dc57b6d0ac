"""Score retrieval by appearance and space-time, with and without re-ranking, under both conventions of mAP."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import UserError
from pipeline.cli import run

if TYPE_CHECKING:
    from data.formats.reid_names import ReidNames
    from pipeline.evaluation.st_retrieval import LikelihoodFusion, ProtocolRow, Sightings
    from st_model.published import PublishedDistribution

_EPILOG = """\
A feature file is an npz with 'names' (N picture names) and 'feature' (N, D), row for row. In its place a folder of
pictures may be given with --weights: PCB then makes the features.

examples:
  python -m tools.evaluate_st_reid --features market.npz --learn-names train_names.txt
      half of the identities teach the transition times and the calibration, the other half is searched for
  python -m tools.evaluate_st_reid --query q.npz --gallery g.npz --learn train.npz
  python -m tools.evaluate_st_reid --weights net_last.pth --query Market-1501/query \
      --gallery Market-1501/bounding_box_test --learn Market-1501/bounding_box_train
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.evaluate_st_reid",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--features", type=Path, metavar="NPZ", help="one set: its identities are split in two halves")
    parser.add_argument("--query", type=Path, metavar="NPZ", help="pictures to search for")
    parser.add_argument("--gallery", type=Path, metavar="NPZ", help="pictures to search in")
    parser.add_argument("--learn", type=Path, metavar="NPZ", help="pictures of other identities to learn from")
    parser.add_argument(
        "--learn-names", type=Path, metavar="PATH", help="folder or list of more names of the identities learnt from"
    )
    parser.add_argument("--learn-identities", type=int, metavar="N", help="learn from only N of them")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="PCB for folders of pictures, published or ours")
    parser.add_argument("--device", default="cpu", help="torch device for PCB (default cpu)")
    parser.add_argument("--st", type=Path, metavar="NPZ", help="published distribution made before")
    parser.add_argument("--style", choices=("market", "duke"), help="naming of the pictures (default: detected)")
    parser.add_argument("--duke-offsets", action="store_true", help="put DukeMTMC frames on the devkit's common clock")
    parser.add_argument("--seed", type=int, default=0, help="of the split of identities")
    parser.add_argument(
        "--rule", choices=("market", "intra", "inter", "all"), default="market", help="gallery of a query"
    )
    parser.add_argument("--k1", type=int, default=20, help="re-ranking: reciprocal neighbourhood")
    parser.add_argument("--k2", type=int, default=6, help="re-ranking: neighbours averaged")
    parser.add_argument("--lambda", type=float, default=0.3, dest="lambda_", help="re-ranking: weight of the distance")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the scores (fractions)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Load, learn, rank, print."""
    arguments = build_parser().parse_args(argv)
    from pipeline.evaluation.st_retrieval import evaluate_protocol, split_by_camera
    from reid.ranking.rerank import Neighbourhood

    if arguments.features is not None:
        if arguments.query or arguments.gallery or arguments.learn:
            raise UserError("--features splits one set; give it alone, or --query and --gallery (and --learn)")
        tested, learnt, names, fps = _halves(arguments)
        query, gallery = split_by_camera(tested)
    elif arguments.query is not None and arguments.gallery is not None:
        (query, _), (gallery, _) = _load(arguments.query, arguments), _load(arguments.gallery, arguments)
        learnt, names, fps = None, None, 0.0
        if arguments.learn is not None:
            learnt, parsed = _load(arguments.learn, arguments)
            names, fps = _learn_names(arguments, parsed, set(learnt.identities.tolist())), parsed.fps
        _check_apart(query, names)
    else:
        raise UserError("nothing to evaluate: give --features, or --query and --gallery")
    distribution, fusion = _learn(arguments, learnt, names, fps)
    rows = evaluate_protocol(
        query,
        gallery,
        distribution,
        fusion,
        Neighbourhood(arguments.k1, arguments.k2, arguments.lambda_),
        arguments.rule,
    )
    identities = 0 if names is None else len(set(names.identities.tolist()))
    print(f"{len(query)} queries, {len(gallery)} gallery pictures; transition times from {identities} other identities")
    _print(rows)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([_as_json(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    return 0


def _load(path: Path, arguments: argparse.Namespace) -> "tuple[Sightings, ReidNames]":

    from data.foreign import open_arrays
    from data.formats.reid_names import parse_names
    from pipeline.evaluation.st_retrieval import Sightings

    if path.is_dir():
        return _extract(path, arguments)
    with open_arrays(path) as archive:
        names, features = [str(name) for name in archive["names"].ravel()], archive["feature"]
    parsed = parse_names(names, arguments.style, arguments.duke_offsets)
    return Sightings.make(features, parsed), parsed


def _extract(folder: Path, arguments: argparse.Namespace) -> "tuple[Sightings, ReidNames]":
    from data.datasets.reid_folders import read_split
    from pipeline.evaluation.st_retrieval import Sightings
    from reid.embedders.pcb import extract
    from reid.weights.pcb import load_pcb

    if arguments.weights is None:
        raise UserError(f"{folder} is a folder of pictures: give the network with --weights, or a feature file")
    split = read_split(folder, arguments.style, arguments.duke_offsets)
    paths = [split.path(row) for row in range(len(split))]
    features = extract(load_pcb(arguments.weights), paths, arguments.device)
    return Sightings.make(features, split.names), split.names


def _learn_names(arguments: argparse.Namespace, own: "ReidNames", identities: set[int]) -> "ReidNames":
    """Names of the identities learnt from, in the number asked for."""
    import numpy as np

    from data.formats.reid_names import parse_names
    from st_model.sources import read_names

    names = own
    if arguments.learn_names is not None:
        names = read_names(arguments.learn_names, arguments.style, arguments.duke_offsets)
    there = sorted({person for person in names.identities.tolist() if person > 0 and person in identities})
    if arguments.learn_identities is not None:
        there = np.random.default_rng(arguments.seed).permutation(there)[: arguments.learn_identities].tolist()
    chosen = np.isin(names.identities, there)
    kept = [name for name, keep in zip(names.names, chosen) if keep]
    return parse_names(kept, names.style, arguments.duke_offsets)


def _halves(arguments: argparse.Namespace) -> "tuple[Sightings, Sightings, ReidNames, float]":
    import numpy as np

    items, parsed = _load(arguments.features, arguments)
    people = np.unique(items.identities[items.identities > 0])
    shuffled = np.random.default_rng(arguments.seed).permutation(people)
    teachers = shuffled[: len(shuffled) // 2]
    teaches = np.isin(items.identities, teachers)
    names = _learn_names(arguments, parsed, set(teachers.tolist()))
    return items.select(~teaches), items.select(teaches), names, parsed.fps


def _check_apart(query: "Sightings", names: "ReidNames | None") -> None:
    """Learning from the people that are searched for would leak their labels."""
    if names is not None:
        shared = sorted(set(query.identities.tolist()) & set(names.identities.tolist()))
        if shared:
            raise UserError(
                f"{len(shared)} identities are both searched for and learnt from, first {shared[0]}: the score would "
                "rest on their own labels; learn from other identities"
            )


def _learn(
    arguments: argparse.Namespace, learnt: "Sightings | None", names: "ReidNames | None", fps: float
) -> "tuple[PublishedDistribution | None, LikelihoodFusion | None]":
    import numpy as np

    from pipeline.evaluation.st_retrieval import LikelihoodFusion, calibrate_similarity
    from st_model.build import build_model
    from st_model.files import load_published
    from st_model.published import published_distribution
    from st_model.scores import arrival_rates_hz
    from st_model.sources import NAME_GAP_S, GapRule, visits_of_names
    from st_model.stays import learn_stays

    distribution = load_published(arguments.st) if arguments.st is not None else None
    if names is None or not len(names) or learnt is None:
        return distribution, None
    if distribution is None:
        cameras = tuple(f"c{number}" for number in range(1, int(names.cameras.max()) + 1))
        distribution = published_distribution(names.identities, names.cameras - 1, names.frames, cameras)
    visits = visits_of_names(names, GapRule())
    duration = float(visits.leave_s.max() - visits.enter_s.min()) if len(visits) else 1.0
    slope, midpoint = calibrate_similarity(learnt.select(np.isin(learnt.identities, names.identities)))
    model = build_model(visits)
    rates = arrival_rates_hz(visits.camera, len(visits.cameras), max(duration, 1.0))
    stays = learn_stays(
        names.identities, [f"c{number}" for number in names.cameras.tolist()], names.times_s, NAME_GAP_S
    )
    pictures_hz = np.maximum(stays.sightings, 0.5) / max(duration, 1.0)
    return distribution, LikelihoodFusion(model, slope, midpoint, rates, fps, stays, pictures_hz)


def _print(rows: "Sequence[ProtocolRow]") -> None:
    print(f"{'ranked by':34s} {'mAP':>6s} {'mAP trapezoid':>14s} {'R1':>6s} {'R5':>6s} {'R10':>6s}   (per cent)")
    for row in rows:
        figures = [row.standard.mean_ap, row.trapezoid.mean_ap, *(row.standard.rank(number) for number in (1, 5, 10))]
        mean_ap, trapezoid, *ranks = (f"{100 * figure:.1f}" for figure in figures)
        print(f"{row.name:34s} {mean_ap:>6s} {trapezoid:>14s} " + " ".join(f"{rank:>6s}" for rank in ranks))
    first = rows[0].standard
    print(f"mAP: mean precision at the hits over {first.queries} queries ({first.unmatched} without a match left out)")
    print("mAP trapezoid: Market-1501's own convention, queries without a match count as 0")


def _as_json(row: "ProtocolRow") -> dict[str, Any]:
    result: dict[str, Any] = {"ranked_by": row.name}
    for scores in (row.standard, row.trapezoid):
        result[scores.convention] = {
            "mAP": scores.mean_ap,
            **{f"rank{number}": scores.rank(number) for number in (1, 5, 10, 20)},
            "queries": scores.queries,
            "unmatched": scores.unmatched,
        }
    return result


if __name__ == "__main__":
    sys.exit(run(main))
