"""Make skeleton recordings of the people in videos, to train gait models on or to recognise them by.

python -m tools.make_skeletons 001-nm-01-090.mp4 --out skeletons.npz --person 1 --condition nm --view 90 --append
python -m tools.make_skeletons hall.mp4 door.mp4 --site site.yaml --out skeletons.npz --form plane
python -m tools.make_skeletons runs/monday --out skeletons.npz

People are tracked with their poses, then lifted: full (metres) is triangulated where a calibrated group saw them from
several sides, plane (metres) needs one calibrated camera and somebody who walks across its view, flat needs nothing and
has no depth, no body height and no direction: the same gait from another side is another one. One file, one form.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli import run
from tools.network_options import add_network_options

if TYPE_CHECKING:
    from pipeline.folder.run_folder import RunFolder


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m tools.make_skeletons",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, nargs="+", help="videos, or the folder of a run that has poses")
    parser.add_argument("--out", type=Path, required=True, help="file to write, .npz")
    parser.add_argument("--form", choices=("full", "plane", "flat"), help="default: plane with --site, else flat")
    parser.add_argument("--site", type=Path, help="site.yaml with calibrations")
    parser.add_argument("--fps", type=float, default=10.0, help="skeletons per second (default 10)")
    parser.add_argument(
        "--person", type=int, help="number of the only person; default: the identities the run found, from 1"
    )
    parser.add_argument("--condition", default="", help="what is worn or carried, as nm, bg or cl")
    parser.add_argument("--view", type=int, default=-1, metavar="DEG", help="direction of walking, 0: to the camera")
    parser.add_argument("--test", action="store_true", help="names begin with 'test': training leaves them out")
    parser.add_argument("--append", action="store_true", help="add to the recordings of --out")
    parser.add_argument("--overwrite", action="store_true", help="replace --out")
    add_network_options(parser, "pose.name=movenet", values=False)
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="configuration"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Track, lift, write; prints what was left out and why."""
    arguments = build_parser().parse_args(argv)
    from tempfile import TemporaryDirectory

    from data.errors import UserError
    from data.formats.skeleton_recordings import read_form, read_recordings, write_recordings
    from data.site import load_site
    from data.skeleton_forms import Form
    from pipeline.folder.run_folder import RunFolder
    from pipeline.gait.recordings import LiftOptions, labelled, lift_tracklets

    out: Path = arguments.out
    if out.exists() and not (arguments.append or arguments.overwrite):
        raise UserError(f"{out} exists; give another --out, --append or --overwrite")
    if arguments.fps <= 0 or (arguments.person is not None and arguments.person < 0):
        raise UserError("give a positive --fps, and a --person from 0 up")
    earlier = read_recordings(out) if arguments.append and out.exists() else []
    with TemporaryDirectory(prefix="skeletons-") as scratch:
        of_run = len(arguments.source) == 1 and RunFolder(arguments.source[0]).manifest.is_file()
        folder = RunFolder(arguments.source[0]).require() if of_run else _tracked(arguments, Path(scratch) / "run")
        site = load_site(folder.site if arguments.site is None else arguments.site)
        people = {
            (visit.camera, visit.local_id): track.global_id
            for track in folder.read_global_tracks()
            for visit in track.visits
        }
        tracklets = folder.read_tracklets()
    calibrated = any(site.model(camera) is not None for camera in {item.camera for item in tracklets})
    form: Form = arguments.form or ("plane" if calibrated else "flat")
    if arguments.person is not None:
        people = dict.fromkeys(people, arguments.person)
    found = lift_tracklets(tracklets, site, LiftOptions(form, arguments.fps), people)
    names = {item.name for item in earlier}
    prefix = "test-" if arguments.test else ""
    stem = "-".join(path.stem for path in arguments.source)
    made = labelled(found.recordings, f"{prefix}{stem}:", arguments.condition, arguments.view)
    twice = sorted(names & {item.name for item in made})
    if twice:
        raise UserError(f"{out} holds '{twice[0]}' already; give each video once")
    if earlier and read_form(out) != form:
        raise UserError(f"{out} holds recordings of form {read_form(out)}; one file has one form")
    if not made:
        why = (
            ", ".join(f"{reason}: {count}" for reason, count in sorted(found.left_out.items())) or "nobody was tracked"
        )
        raise UserError(f"no skeletons of form {form} in {stem} ({why}); --form flat asks for least")
    write_recordings(out, [*earlier, *made], form)
    print(f"{out}: {len(made)} recordings of form {form} added to {len(earlier)}")
    for reason, count in sorted(found.left_out.items()):
        print(f"left out, {reason}: {count} tracklets")
    return 0


def _tracked(arguments: argparse.Namespace, output: Path) -> "RunFolder":
    """The run folder of the videos."""
    from pipeline.job.calls import track_videos
    from tools.network_options import network_config

    config = network_config(arguments, ["run.crops=false", "pose.when=always"])
    return track_videos(arguments.source, output, config=config, site=arguments.site).folder


if __name__ == "__main__":
    sys.exit(run(main))
