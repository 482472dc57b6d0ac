"""Learn when people go from camera to camera, and print and draw it."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import UserError
from data.listing import listed
from pipeline.cli import run

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from st_model.model import TransitionModel
    from st_model.published import PublishedDistribution
    from st_model.visits import Visits

logger = logging.getLogger(__name__)

_EPILOG = """\
INPUT is one of:
  a folder of pictures, or a text file of picture names, of Market-1501 or DukeMTMC-reID
  a folder of MOT-style ground truth, <camera>.txt for each camera, ids shared (needs --fps or --site)
  a run folder of pipeline.run: what the run itself is sure of, no labels
  a Parquet table: identity, camera, enter_s, leave_s[, weight], or identity, camera, time_s[, x1, y1, x2, y2, width,
    height]
  where boxes and the size of the picture are known, it also learns the walk: where people who leave here enter there,
  and that who walks fast arrives soon
  with --published: also a distribution of ST-ReID (.mat) or MTMCT (.pkl, joblib), read without running it

examples:
  python -m tools.build_st_model Market-1501/bounding_box_train --output st.npz --plot st.png
  python -m tools.build_st_model gt/ --fps 20 --output st.npz
  python -m tools.build_st_model runs/monday --update st.npz --output st.npz
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.build_st_model",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", type=Path, metavar="INPUT", help="what to learn from, see below")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.npz", help="the model")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw curves per camera pair and the topology")
    parser.add_argument("--table", choices=("next", "any"), default="next", help="table to print and draw")
    parser.add_argument("--update", type=Path, metavar="FILE.npz", help="add the evidence of an earlier model")
    parser.add_argument(
        "--style", choices=("market", "duke", "mars"), help="naming of the pictures (default: detected)"
    )
    parser.add_argument("--duke-offsets", action="store_true", help="put DukeMTMC frames on the devkit's common clock")
    parser.add_argument("--fps", type=float, help="frames per second of ground truth")
    parser.add_argument("--size", type=int, nargs=2, metavar=("W", "H"), help="picture size of ground truth, px")
    parser.add_argument("--site", type=Path, metavar="FILE.yaml", help="frame rates, sizes, clocks of ground truth")
    parser.add_argument("--gap", type=float, metavar="S", help="longest gap inside a visit, seconds")
    parser.add_argument("--min-confidence", type=float, default=0.9, metavar="P", help="of identities of a run (0-1)")
    parser.add_argument(
        "--published", action="store_true", help="ST-ReID's distribution in frames instead (pictures only)"
    )
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="configuration, e.g. st.grid.bin_s=0.5")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Build, write, print and draw."""
    arguments = build_parser().parse_intermixed_args(argv)
    if arguments.output.exists() and not arguments.overwrite:
        raise UserError(f"{arguments.output} exists; give another --output, or --overwrite")
    if not arguments.input.exists():
        raise UserError(f"{arguments.input} does not exist")
    if arguments.published:
        _published(arguments)
    else:
        _model(arguments)
    return 0


def _model(arguments: argparse.Namespace) -> None:
    from st_model.build import build_model
    from st_model.config import SpaceTimeConfig
    from st_model.files import load_model, save_model
    from st_model.grid import LagGrid
    from st_model.plot import draw, model_curves

    if arguments.overrides:
        from pipeline.config import load_config

        settings = load_config([], arguments.overrides).st
    else:
        settings = SpaceTimeConfig()
    earlier = load_model(arguments.update) if arguments.update else None
    grid = earlier.grid if earlier else LagGrid(**settings.grid.model_dump())
    visits, meta = _visits(arguments)
    model = build_model(visits, grid, settings.lags, meta)
    if earlier is not None:
        _warn_of_counted(arguments.input, earlier.meta)
        model = earlier.merged(model)
    save_model(model, arguments.output)
    counts = model.next_counts if arguments.table == "next" else model.any_counts
    _print_counts(model.cameras, counts, f"transitions ({arguments.table})")
    _print_model(model)
    if arguments.plot is not None:
        draw(model_curves(model, arguments.table), arguments.plot, f"{arguments.input.name}: {arguments.table}")


def _warn_of_counted(source: Path, meta: "Mapping[str, Any]") -> None:
    """Say when a model was built of this input before; a folder may have got new content since."""
    counted = [meta.get("source"), *(one.get("source") for one in meta.get("merged", []) if isinstance(one, dict))]
    if any(isinstance(path, str) and Path(path).resolve() == source.resolve() for path in counted):
        logger.warning("%s was counted in this model before: what it holds still counts twice", source)


def _visits(arguments: argparse.Namespace) -> "tuple[Visits, dict[str, Any]]":
    from data.site import load_site
    from st_model.sources import GapRule, read_names, visits_of_ground_truth, visits_of_names, visits_of_table

    path, gaps = arguments.input, GapRule(arguments.gap)
    meta: dict[str, Any] = {"source": str(path), "offsets": "none"}
    if path.suffix.lower() == ".parquet":
        return visits_of_table(path, gaps), meta
    if (path / "tracklets").is_dir():
        return _visits_of_run(path, arguments.min_confidence), {**meta, "offsets": "site of the run"}
    if listed(path, "*.txt"):
        site = load_site(arguments.site) if arguments.site else None
        size = None if arguments.size is None else (arguments.size[0], arguments.size[1])
        visits = visits_of_ground_truth(path, gaps, arguments.fps, site, size)
        return visits, {**meta, "offsets": "none" if site is None else f"site {arguments.site}"}
    names = read_names(path, arguments.style, arguments.duke_offsets)
    return visits_of_names(names, gaps), {**meta, "offsets": names.offsets}


def _visits_of_run(path: Path, min_confidence: float) -> "Visits":
    """Identities a run is sure of, in the cameras whose clocks can be compared."""
    from data.site import load_site
    from pipeline.association.walk import passages_of
    from pipeline.folder.run_folder import RunFolder
    from st_model.passages import Passages
    from st_model.visits import make_visits

    folder = RunFolder(path).require()
    tracks = [track for track in folder.read_global_tracks() if track.confidence >= min_confidence]
    site = load_site(folder.site)
    cameras = {visit.camera for track in tracks for visit in track.visits}
    timed = sorted(camera for camera in cameras if site.clock(camera).known)
    if len(timed) < len(cameras):
        logger.warning("left out, clock unknown: %s", ", ".join(sorted(cameras - set(timed))))
    known = {tracklet.key: tracklet for tracklet in folder.read_tracklets()}
    rows, walkers = [], []
    for track in tracks:
        for visit in track.visits:
            if visit.camera in timed:
                rows.append((track.global_id, visit.camera, visit.start_s, visit.end_s, track.confidence))
                tracklet = known.get((visit.camera, visit.local_id))
                walkers.append(Passages.unknown(1) if tracklet is None else passages_of([tracklet]))
    if not rows:
        raise UserError(
            f"{path} has no identity of confidence {min_confidence:g} in a camera with a common clock; declare clocks "
            "in its site file (`clock: {status: common}`), re-associate, or lower --min-confidence"
        )
    who, where, enter, leave, weight = (list(column) for column in zip(*rows))
    return make_visits(who, where, enter, leave, weight, passages=Passages.of(walkers))


def _published(arguments: argparse.Namespace) -> None:
    from st_model.files import load_published, save_published
    from st_model.importers import import_joblib, import_mat
    from st_model.plot import draw, published_curves
    from st_model.published import published_distribution
    from st_model.sources import read_names

    suffix = arguments.input.suffix.lower()
    if suffix in (".mat", ".pkl"):
        table = import_mat(arguments.input) if suffix == ".mat" else import_joblib(arguments.input)
    else:
        names = read_names(arguments.input, arguments.style, arguments.duke_offsets)
        cameras = tuple(f"c{number}" for number in range(1, int(names.cameras.max()) + 1))
        meta = {"source": str(arguments.input), "offsets": names.offsets}
        table = published_distribution(names.identities, names.cameras - 1, names.frames, cameras, meta=meta)
    if arguments.update is not None:
        known = load_published(arguments.update)
        _warn_of_counted(arguments.input, known.meta)
        table = known.merged(table)
    save_published(table, arguments.output)
    _print_counts(table.cameras, table.counts, "identities seen in both")
    print(_bins_line(table))
    if arguments.plot is not None:
        draw(published_curves(table), arguments.plot, f"{arguments.input.name}: as published")


def _bins_line(table: "PublishedDistribution") -> str:
    return f"{table.probability.shape[-1]} bins of {table.bin_frames} frames, smoothed over {table.sigma_bins:g} bins"


def _print_counts(cameras: tuple[str, ...], counts: "np.ndarray", what: str) -> None:
    from st_model.plot import THIN_COUNT

    width = max(6, *(len(name) + 1 for name in cameras)) if cameras else 6
    print(f"{what}; rows: camera left, columns: camera entered")
    print(" " * width + "".join(name.rjust(width) for name in cameras))
    for name, row in zip(cameras, counts):
        print(name.ljust(width) + "".join(f"{count:.4g}".rjust(width) for count in row))
    pairs = [(a, b) for a in range(len(cameras)) for b in range(len(cameras)) if a != b]
    thin = [f"{cameras[a]}>{cameras[b]}" for a, b in pairs if counts[a, b] < THIN_COUNT]
    if thin:
        shown = ", ".join(thin[:12]) + (f" and {len(thin) - 12} more" if len(thin) > 12 else "")
        logger.warning(
            "%d of %d camera pairs have fewer than %d events and lean on the others: %s",
            len(thin), len(pairs), THIN_COUNT, shown,
        )  # fmt: skip
    alone = [name for i, name in enumerate(cameras) if not counts[i].sum() and not counts[:, i].sum()]
    if alone:
        logger.warning("no one was seen to come to or go from: %s", ", ".join(alone))


def _print_model(model: "TransitionModel") -> None:
    leaves = ", ".join(f"{name} {share:.0%}" for name, share in zip(model.cameras, model.exit_probability))
    print(f"leaving for good: {leaves}")
    walks = model.evidence.walks[..., 0, 0].sum()
    print(
        f"walks between views: {walks:.4g}"
        if walks
        else "walks between views: none, as places in the views are unknown"
    )
    overlaps = model.evidence.overlaps.sum()
    if overlaps:
        logger.warning("%g times a person entered a camera before leaving the last one: not counted as lags", overlaps)


if __name__ == "__main__":
    sys.exit(run(main))
