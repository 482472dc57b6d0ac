"""Score the associator on tracklets of which it is known who they are, so that no setting is decided blindly."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import UserError
from pipeline.cli import run
from tools.result_file import write_result

if TYPE_CHECKING:
    from data.records import Tracklet
    from data.site import Site
    from pipeline.config import Config
    from pipeline.evaluation.association.links import LinkCheck
    from pipeline.evaluation.association.scores import AssociationScores
    from pipeline.evaluation.association.truth import TrackletTruth
    from st_model.model import TransitionModel

logger = logging.getLogger(__name__)

_EPILOG = """\
sources:
  market     a feature file of named pictures (Market-1501, DukeMTMC-reID): half of the people teach the transition
             times, the other half is associated, one tracklet per visit
  simulate   people who walk a ring of cameras and look like themselves up to noise
  run        a run folder against its ground truth, as it stands or associated anew

examples:
  python -m tools.evaluate_association market features.npz --names train_names.txt --overlap unknown
  python -m tools.evaluate_association simulate 2000 --cameras 8 --noise 3 --thresholds .2 .4 .6
  python -m tools.evaluate_association run runs/monday --truth gt/ --again --set associate.rerank.enabled=false
  python -m tools.evaluate_association run runs/monday --truth gt/ --without walk rerank competition
"""
_DEFAULT = "default"


@dataclass(slots=True)
class Case:
    """What is associated, under what, and who is who."""

    tracklets: "list[Tracklet]"
    truth: "TrackletTruth"
    site: "Site"
    config: "Config"
    transition: "TransitionModel | None" = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result: scores, and what they cost."""

    name: str
    scores: "AssociationScores"
    cpu_s: float
    links: "LinkCheck | None" = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        found = {"name": self.name, **self.scores.to_json(), "cpu_s": round(self.cpu_s, 3)}
        return found if self.links is None else {**found, "links_over_cameras": self.links.to_json()}


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.evaluate_association",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sources = parser.add_subparsers(dest="source", required=True, metavar="SOURCE")
    market = sources.add_parser("market", help="real pictures with real times in their names")
    market.add_argument(
        "features", type=Path, metavar="NPZ", help="of tools.extract_features, or 'names' and 'feature'"
    )
    market.add_argument("--names", type=Path, metavar="PATH", help="folder or list of more names of the teachers")
    market.add_argument("--style", choices=("market", "duke"), help="naming of the pictures (default: detected)")
    market.add_argument("--teachers", choices=("first", "second"), default="first", help="half that teaches")
    market.add_argument("--teacher-count", type=int, metavar="N", help="only N of the teachers teach, drawn at random")
    market.add_argument("--seed", type=int, default=0, help="of that draw (default 0)")
    market.add_argument("--no-times", action="store_true", help="clocks unknown, no transition model")
    market.add_argument("--self-taught", action="store_true", help="no teachers: the run learns from its own links")
    _add_overlap(market)
    simulated = sources.add_parser("simulate", help="a simulated crowd")
    simulated.add_argument("tracklets", type=int, metavar="N", help="tracklets, four per person")
    simulated.add_argument("--cameras", type=int, default=8, metavar="C", help="of the ring (default 8)")
    simulated.add_argument("--noise", type=float, default=1.5, help="of a picture about its person (default 1.5)")
    simulated.add_argument("--seed", type=int, default=0, help="of the crowd (default 0)")
    simulated.add_argument("--clock", choices=("common", "unknown"), default="unknown", help="of all cameras")
    _add_overlap(simulated)
    finished = sources.add_parser("run", help="a run folder against its ground truth")
    finished.add_argument("run", type=Path, metavar="RUN", help="folder of the run; nothing in it is changed")
    finished.add_argument("--truth", type=Path, required=True, metavar="DIR", help="<camera>.txt, ids shared")
    finished.add_argument("--site", type=Path, metavar="FILE.yaml", help="other clocks or overlap, with --again")
    finished.add_argument("--again", action="store_true", help="associate anew, with --site and --set")
    for source in (market, simulated, finished):
        source.add_argument(
            "--thresholds", type=float, nargs="+", default=[], metavar="P", help="also join from these probabilities on"
        )
        source.add_argument(
            "--reference", action="store_true", help="also average linkage of mean looks at the threshold that is best"
        )
        source.add_argument("--reliability", action="store_true", help="print what link probabilities are worth")
        source.add_argument("--plot", type=Path, metavar="FILE.png", help="draw what they are worth, of the first row")
        source.add_argument(
            "--without",
            nargs="+",
            default=[],
            metavar="PART",
            help="also without each of these, one at a time: appearance, camera_means, competition, motion, parts, "
            "refinement, rerank, space_time, visibility, walk",
        )
        source.add_argument(
            "--json", type=Path, metavar="FILE", help="write all to a file, or in place of the table to -"
        )
        source.add_argument("--set", nargs="+", default=[], metavar="key.sub=value", help="configuration values")
    return parser


def _add_overlap(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--overlap", choices=("none", "partial", "unknown"), default="unknown", help="of all views (default unknown)"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Associate, score and print."""
    arguments = build_parser().parse_args(argv)
    case, rows = _SOURCES[arguments.source](arguments)
    result = {
        "source": arguments.source,
        "facts": case.facts,
        "scores": [row.to_json() for row in rows],
        "peak_gb": round(_peak_gb(), 3),
    }
    if arguments.json is not None:
        write_result(arguments.json, result)
    if arguments.json == Path("-"):
        return 0
    if arguments.plot is not None:
        from pipeline.evaluation.association.reliability_plot import draw_reliability

        draw_reliability(rows[0].scores.reliability, arguments.plot, f"{arguments.source}: {rows[0].name}")
    _print(case, rows, arguments.reliability)
    return 0


def _market(arguments: argparse.Namespace) -> tuple[Case, list[Row]]:
    from data.site import Site
    from pipeline.evaluation.association.market import read_features, split_people, tracklets_of_pictures

    pictures = read_features(arguments.features, arguments.style)
    teachers, tested = split_people(pictures, second=arguments.teachers == "second")
    tracklets, truth = tracklets_of_pictures(pictures.of_people(tested))
    cameras = sorted({item.camera for item in tracklets})
    clock = {"status": "unknown" if arguments.no_times else "common"}
    tree = {"cameras": {name: {"clock": clock} for name in cameras}, "default_overlap": arguments.overlap}
    case = Case(tracklets, truth, Site.model_validate(tree), _config(arguments))
    case.facts = {"teachers": 0, "overlap": arguments.overlap, "clock": clock["status"]}
    if not arguments.no_times and not arguments.self_taught:
        import numpy as np

        from pipeline.evaluation.association.market import select_names
        from st_model.build import build_model
        from st_model.sources import GapRule, read_names, visits_of_names

        names = pictures.names
        if arguments.names is not None:
            names = read_names(arguments.names, arguments.style)
        if arguments.teacher_count is not None:
            # Numbers of people follow the hour they were seen, so the first of them would know a part of the ways only.
            teachers = np.random.default_rng(arguments.seed).permutation(teachers)[: arguments.teacher_count]
        taught = select_names(names, np.isin(names.identities, teachers))
        case.transition = build_model(visits_of_names(taught, GapRule()))
        case.facts["teachers"] = len(np.unique(taught.identities))
    return case, _associated(case, arguments)


def _simulate(arguments: argparse.Namespace) -> tuple[Case, list[Row]]:
    from pipeline.evaluation.association.simulation import Crowd, ring_site, simulate

    crowd = Crowd(arguments.tracklets, arguments.cameras, arguments.noise, arguments.seed)
    tracklets, truth = simulate(crowd)
    case = Case(tracklets, truth, ring_site(crowd, arguments.clock, arguments.overlap), _config(arguments))
    case.facts = {"cameras": crowd.cameras, "noise": crowd.noise, "seed": crowd.seed, "clock": arguments.clock}
    return case, _associated(case, arguments)


def _run(arguments: argparse.Namespace) -> tuple[Case, list[Row]]:
    from data.datasets.mot_folder import read_mot_folder
    from data.site import load_site
    from pipeline.config import load_config
    from pipeline.evaluation.association.runs import truth_of_run
    from pipeline.evaluation.association.scores import score
    from pipeline.folder.run_folder import RunFolder

    folder = RunFolder(arguments.run).require()
    anew = arguments.again or arguments.thresholds or arguments.without
    if (arguments.set or arguments.site) and not anew:
        raise UserError("--set and --site change an association that is made anew: give --again as well")
    tracklets = folder.read_tracklets()
    site = load_site(arguments.site or folder.site)
    case = Case(
        tracklets,
        truth_of_run(tracklets, read_mot_folder(arguments.truth)),
        site,
        load_config([folder.config], arguments.set),
    )
    case.facts = {"run": arguments.run.name}
    tracks = folder.read_global_tracks()
    labels = {(visit.camera, visit.local_id): track.global_id for track in tracks for visit in track.visits}
    rows = [Row("as it stands", score(case.truth, labels, folder.read_links()), 0.0)]
    return case, rows + (_associated(case, arguments) if anew else [])


_SOURCES: dict[str, Callable[[argparse.Namespace], tuple[Case, list[Row]]]] = {
    "market": _market,
    "simulate": _simulate,
    "run": _run,
}


def _config(arguments: argparse.Namespace) -> "Config":
    from pipeline.config import load_config

    return load_config([], arguments.set)


def _associated(case: Case, arguments: argparse.Namespace) -> list[Row]:
    """The case under its configuration, then under other thresholds."""
    rows = [_associate(case, _DEFAULT, None)]
    rows += [_associate(case, f"same_probability {value:g}", value) for value in arguments.thresholds]
    rows += [_associate(case, f"without {name}", None, name) for name in arguments.without]
    return rows + (_references(case) if arguments.reference else [])


def _references(case: Case) -> list[Row]:
    import time

    from pipeline.evaluation.association.reference import best_average_linkage
    from pipeline.evaluation.association.scores import score

    rows = []
    for name, camera_means in (("best average linkage", False), ("the same, camera means removed", True)):
        begin = time.process_time()
        _, labels = best_average_linkage(case.tracklets, case.truth, camera_means)
        rows.append(Row(name, score(case.truth, labels), time.process_time() - begin))
    return rows


def _associate(case: Case, name: str, threshold: float | None, left_out: str = "") -> Row:
    import time

    from pipeline.association.associate import associate
    from pipeline.evaluation.association.ablation import without
    from pipeline.evaluation.association.links import check_links
    from pipeline.evaluation.association.scores import score

    left = without(left_out)
    settings = left.settings(case.config.associate)
    transit = case.config.st
    if case.transition is not None:
        # What the teachers' model is worth, and nothing the run might learn beside it.
        alone = transit.self_training.model_copy(update={"rounds": 0})
        transit = transit.model_copy(update={"self_training": alone})
    if threshold is not None:
        if not 0 < threshold < 1:
            raise UserError(f"--thresholds are probabilities between 0 and 1, got {threshold:g}")
        settings = settings.model_copy(update={"same_probability": threshold})

    begin = time.process_time()
    found = associate(
        [left.tracklet(item) for item in case.tracklets],
        case.site,
        settings,
        transit=transit,
        given=case.transition,
        seed=case.config.run.seed,
        cues=left.cues,
    )
    cost = time.process_time() - begin
    if threshold is None and not left_out:
        for line in found.warnings:
            logger.warning("%s", line)
        case.facts["calibration"] = found.calibration
        case.facts["space_time"] = found.transitions.summary()
    expected = found.expectation
    check = check_links(case.truth, found.labels, expected.precision, expected.recall)
    return Row(name, score(case.truth, found.labels, found.links), cost, check)


def _peak_gb() -> float:
    """Largest memory of this process, GB; kilobytes on Linux, bytes on macOS."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e9 if sys.platform == "darwin" else 1e6)


def _print(case: Case, rows: Sequence[Row], reliability: bool) -> None:
    facts = {name: value for name, value in case.facts.items() if name not in ("calibration", "space_time")}
    first = rows[0].scores
    print(
        f"{first.tracklets} tracklets ({first.mixed} mixed) of {first.people} people; "
        + ", ".join(f"{name} {value}" for name, value in facts.items())
    )
    header = ("", "identities", "pair P", "pair R", "pair F", "IDF1", "calib. error", "CPU-s")
    lines = [header] + [
        (
            row.name,
            str(row.scores.identities),
            *(f"{value:.3f}" for value in (row.scores.pairs.precision, row.scores.pairs.recall, row.scores.pairs.f)),
            f"{100 * row.scores.idf1:.1f}",
            f"{row.scores.reliability.expected_error:.3f}" if row.scores.reliability.bins else "-",
            f"{row.cpu_s:.1f}",
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        print("  ".join([line[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(line[1:], widths[1:]))]))
    if reliability:
        found = first.reliability
        print("links of probability   number  claimed  true")
        for item in found.bins:
            print(f"  {item.low:.1f} to {item.high:.1f}         {item.links:8d}  {item.claimed:7.3f} {item.true:5.3f}")
        print(f"joined links: claimed {found.joined_claimed:.3f}, true {found.joined_true:.3f}")
    for row in rows:
        if row.links is not None and row.name == _DEFAULT and (row.links.found.made or row.links.found.true):
            print(row.links.line())
    print(f"peak memory {_peak_gb():.2f} GB")


if __name__ == "__main__":
    sys.exit(run(main))
