"""Score retrieval by appearance and space-time, with and without re-ranking, under both conventions of mAP."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import UserError
from pipeline.cli import run
from tools.result_file import write_result

if TYPE_CHECKING:
    from data.formats.reid_names import ReidNames
    from data.records import PartEmbeddings
    from pipeline.evaluation.st_retrieval import LikelihoodFusion, ProtocolRow, Sightings
    from st_model.published import PublishedDistribution

_EPILOG = """\
A feature file is what tools.extract_features writes, of any network, with its parts and visibilities; or an npz with
'names' (N picture names) and 'feature' (N, D), row for row. In its place a folder of pictures may be given with
--weights: PCB then makes the features.

examples:
  python -m tools.evaluate_st_reid --features market.npz --learn-names train_names.txt
      half of the identities teach the transition times and the calibration, the other half is searched for
  python -m tools.evaluate_st_reid --query q.npz --gallery g.npz --learn train.npz
  python -m tools.evaluate_st_reid --features all.npz --query-rows 0:3368 --gallery-rows rows.txt --learn train.npz
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
    rows = "A:B, or a file of numbers from 0 (.npy or text)"
    parser.add_argument("--query-rows", metavar="ROWS", help=f"rows of --features to search for: {rows}")
    parser.add_argument(
        "--gallery-rows", metavar="ROWS", help="rows of --features to search in (default: all that are no queries)"
    )
    parser.add_argument("--learn", type=Path, metavar="NPZ", help="pictures of other identities to learn from")
    parser.add_argument(
        "--learn-names", type=Path, metavar="PATH", help="folder or list of more names of the identities learnt from"
    )
    parser.add_argument("--learn-identities", type=int, metavar="N", help="learn from only N of them")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="PCB for folders of pictures, published or ours")
    parser.add_argument("--device", default="auto", help="of PCB: auto, cpu, cuda or cuda:<n> (default: auto)")
    parser.add_argument(
        "--visibility", choices=("binary", "continuous"), default="binary",
        help="parts that show at all count alike, or by how visible they are (default: binary)",
    )  # fmt: skip
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

    _check(arguments)
    reader = _Reader(arguments)
    learnt, names, fps = None, None, 0.0
    if arguments.features is not None and arguments.query_rows is None:
        tested, learnt, names, fps = _halves(arguments, reader)
        query, gallery = split_by_camera(tested)
    else:
        query, gallery = reader.searched()
        if arguments.learn is not None:
            learnt, parsed = reader.read(arguments.learn)
            names, fps = _learn_names(arguments, parsed, set(learnt.identities.tolist())), parsed.fps
        _check_apart(query, names)
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
        write_result(arguments.json, [_as_json(row) for row in rows])
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Options that would have no effect are told before any work."""
    if arguments.features is not None:
        if arguments.query or arguments.gallery:
            raise UserError("--features is one set; give it alone, or --query and --gallery (and --learn)")
        if arguments.learn and not arguments.query_rows:
            raise UserError("--features learns from half of its own identities; --learn goes with --query-rows")
    elif arguments.query is None or arguments.gallery is None:
        raise UserError("nothing to evaluate: give --features, or --query and --gallery")
    if arguments.gallery_rows and not arguments.query_rows:
        raise UserError("--gallery-rows goes with --query-rows")
    if arguments.query_rows and not arguments.features:
        raise UserError("--query-rows are rows of one set: give it with --features")
    learns = arguments.learn is not None or (arguments.features is not None and arguments.query_rows is None)
    for option in ("learn_names", "learn_identities"):
        if getattr(arguments, option) is not None and not learns:
            raise UserError(f"--{option.replace('_', '-')} has no effect without pictures to learn from: add --learn")
    if arguments.learn_identities is not None and arguments.learn_identities < 1:
        raise UserError(f"--learn-identities {arguments.learn_identities}: at least one person is learnt from")
    if arguments.json is not None and not arguments.json.absolute().parent.is_dir():
        raise UserError(f"--json {arguments.json}: there is no folder {arguments.json.parent}")
    files = [arguments.features, arguments.query, arguments.gallery, arguments.learn]
    if arguments.weights is not None and not any(path is not None and path.is_dir() for path in files):
        raise UserError("--weights describes folders of pictures, and only feature files are given; leave it away")


class _Reader:
    """Opens feature files and folders of pictures, all described by one network."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._options = arguments
        self._first: tuple[Path, str] | None = None

    def searched(self) -> "tuple[Sightings, Sightings]":
        """Queries and gallery, of two files or of rows of one."""
        import numpy as np

        from data.formats.row_list import read_rows

        options = self._options
        if options.features is None:
            return self.read(options.query)[0], self.read(options.gallery)[0]
        everything = self.read(options.features)[0]
        asked = read_rows(options.query_rows, len(everything), "--query-rows")
        if options.gallery_rows is None:
            rest = np.setdiff1d(np.arange(len(everything)), asked)
        else:
            rest = read_rows(options.gallery_rows, len(everything), "--gallery-rows")
        return everything.select(asked), everything.select(rest)

    def read(self, path: Path) -> "tuple[Sightings, ReidNames]":
        """A feature file, or a folder that PCB describes."""
        from data.formats.part_features import read_part_features
        from data.formats.reid_names import parse_names
        from pipeline.evaluation.st_retrieval import Sightings

        options = self._options
        if path.is_dir():
            names, embeddings = self._describe(path)
        else:
            found = read_part_features(path)
            names = parse_names(found.names, options.style, options.duke_offsets)
            embeddings = found.embeddings
        self._check_network(path, embeddings.model_id)
        return Sightings.make(embeddings, names, options.visibility), names

    def _describe(self, folder: Path) -> "tuple[ReidNames, PartEmbeddings]":
        from data.datasets.reid_folders import read_split
        from data.formats.part_features import whole_picture
        from data.runtime.torch_device import torch_device
        from data.weight_records import file_sha256
        from reid.embedders.pcb import extract
        from reid.weights.pcb import load_pcb

        options = self._options
        if options.weights is None:
            raise UserError(f"{folder} is a folder of pictures: give the network with --weights, or a feature file")
        split = read_split(folder, options.style, options.duke_offsets)
        paths = [split.path(row) for row in range(len(split))]
        features = extract(load_pcb(options.weights), paths, torch_device(options.device))
        return split.names, whole_picture(features, f"pcb-{file_sha256(options.weights)[:12]}")

    def _check_network(self, path: Path, model_id: str) -> None:
        from data.formats.part_features import UNKNOWN_MODEL

        if model_id == UNKNOWN_MODEL:
            return
        first, name = self._first = self._first or (path, model_id)
        if name != model_id:
            raise UserError(f"{first} is described by {name}, {path} by {model_id}: they cannot be compared")


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


def _halves(arguments: argparse.Namespace, reader: _Reader) -> "tuple[Sightings, Sightings, ReidNames, float]":
    import numpy as np

    items, parsed = reader.read(arguments.features)
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
