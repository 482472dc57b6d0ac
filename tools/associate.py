"""Associate the tracklets of an earlier run anew: other settings, clocks or corrections; no video and no GPU."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli import run


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and re-associate."""
    parser = argparse.ArgumentParser(prog="python -m tools.associate", description=__doc__)
    parser.add_argument(
        "run", type=Path, help="folder of the run; its identities, links, tracks and report are rewritten"
    )
    parser.add_argument("--site", type=Path, help="site.yaml with corrected clocks or overlap (default: the run's own)")
    parser.add_argument("--config", type=Path, action="append", default=[], metavar="FILE", help="YAML patch")
    parser.add_argument("--truth", type=Path, metavar="DIR", help="ground truth to score against")
    parser.add_argument(
        "--corrections",
        type=Path,
        metavar="FILE",
        help="pairs declared the same or different (default: the run's corrections.yaml, which tools.ask writes)",
    )
    parser.add_argument(
        "--end",
        action="store_true",
        help="a run that was stopped ends here, with what was tracked (live cameras never end by themselves)",
    )
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="configuration values")
    arguments = parser.parse_intermixed_args(argv)

    from pipeline.config import load_config
    from pipeline.folder.run_folder import RunFolder
    from pipeline.job import runner
    from pipeline.job.request import EarlierRun, RunRequest

    folder = RunFolder(arguments.run).require()
    request = RunRequest(
        start=EarlierRun(end=arguments.end),
        output=folder.root,
        site=arguments.site,
        truth=arguments.truth,
        corrections=arguments.corrections,
    )
    result = runner.run(request, load_config([folder.config, *arguments.config], arguments.overrides))
    if result.scores is not None:
        print(result.scores.table())
    print(f"{len(result.global_tracks)} people; look at {folder.report}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
