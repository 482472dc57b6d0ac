"""Keep of given detections the frames that `detector.schedule: auto` would look at, by pictures drawn from a truth.

python -m tools.thin_detections --site site.yaml --gt gt --detections det --output det_auto
python -m pipeline.run --detections det_auto --site site.yaml --output run

So the schedule can be scored on data sets whose pictures are not at hand. Every person of the truth is drawn as a patch
of colours before a background; features and skeletons of the detections are not kept.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli import run

if TYPE_CHECKING:
    from data.formats.detections_in import CameraDetections
    from data.site import Site
    from data.synthetic.drawn import DrawnCamera


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m tools.thin_detections",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--site", type=Path, required=True, help="site file with the size and rate of every camera")
    parser.add_argument("--gt", type=Path, required=True, help="folder of the truth, <camera>.txt of MOTChallenge")
    parser.add_argument("--detections", type=Path, required=True, help="folder of detections, as pipeline.run takes it")
    parser.add_argument("--output", type=Path, required=True, help="folder of what is kept, <camera>.json (COCO)")
    parser.add_argument(
        "--moving", nargs="+", default=[], metavar="CAMERA", help="cameras that move: a new background in every frame"
    )
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (default 0)")
    parser.add_argument("--overwrite", action="store_true", help="replace files of an earlier run")
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="as detector.pace.carry_s=0.5")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Draw, choose, write; prints how many frames of each camera are looked at."""
    arguments = build_parser().parse_intermixed_args(argv)
    from data.errors import UserError
    from data.formats.coco import write_coco
    from data.formats.detections_in import read_detection_folder
    from data.site import load_site
    from pipeline.config import load_config
    from pipeline.trials.thinning import scheduled_looks, thinned

    pace = load_config([], arguments.overrides).detector.pace
    site, found = load_site(arguments.site), read_detection_folder(arguments.detections)
    site.check_cameras(list(found))
    unknown = sorted(set(arguments.moving) - set(found))
    if unknown:
        raise UserError(f"--moving names '{unknown[0]}'; the cameras are {', '.join(found)}")
    files = {camera: arguments.output / f"{camera}.json" for camera in found}
    there = [path for path in files.values() if path.exists()]
    if there and not arguments.overwrite:
        raise UserError(f"{there[0]} exists; choose another --output or give --overwrite")
    sources = {
        camera: _drawn(site, arguments.gt / f"{camera}.txt", given, camera in arguments.moving, arguments.seed)
        for camera, given in found.items()
    }
    looks = scheduled_looks(sources, found, site, pace)
    arguments.output.mkdir(parents=True, exist_ok=True)
    frames = 0
    for camera, path in files.items():
        info, own = sources[camera].info, looks[camera]
        write_coco(path, thinned(found[camera], own, (info.width, info.height)))
        frames += info.frame_count or 0
        print(f"{camera}: {len(own)} of {info.frame_count} frames")
    total = sum(map(len, looks.values()))
    print(f"{total} of {frames} frames ({total / max(frames, 1):.0%}): {arguments.output}")
    return 0


def _drawn(site: "Site", path: Path, given: "CameraDetections", moving: bool, seed: int) -> "DrawnCamera":
    from data.errors import UserError
    from data.formats.mot import read_mot
    from data.synthetic.drawn import DrawnCamera

    size, fps = site.size(given.camera), site.fps(given.camera)
    if size is None or fps is None:
        raise UserError(f"no size or no fps of camera '{given.camera}' in the site file; tools.make_site --meta does")
    truth = read_mot(path, "gt")
    length = max(given.frame_count, int(truth.frames[-1]) + 1 if len(truth) else 0)
    return DrawnCamera(given.camera, path, truth, size, fps, length, moving, seed)


if __name__ == "__main__":
    sys.exit(run(main))
