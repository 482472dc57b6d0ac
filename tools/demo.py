"""``make demo``: run the main job on footage that is there and say where to look."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.cli import run

_VIDEOS = ("epfl_lab/Double1.mp4", "epfl_lab/Single1.mp4")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run the demonstration."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo", description=__doc__)
    parser.add_argument("--testdata", type=Path, default=Path("../shared/data"), help="folder of the real test data")
    parser.add_argument("--output", type=Path, default=Path("runs/demo"), help="run folder")
    arguments = parser.parse_args(argv)

    from data.errors import UserError
    from pipeline.run import main as run_pipeline

    videos = [arguments.testdata / name for name in _VIDEOS]
    missing = [str(path) for path in [*videos, arguments.testdata / "weights"] if not path.exists()]
    if missing:
        raise UserError(
            f"the demonstration needs footage and weights that are not here: {', '.join(missing)}; give their "
            "folder by TESTDATA=..., or run your own videos: python -m pipeline.run --videos a.mp4 b.mp4"
        )
    config = Path(__file__).resolve().parent.parent / "configs" / "testdata.yaml"
    code = run_pipeline(
        [
            "--videos",
            *map(str, videos),
            "--config",
            str(config),
            "--output",
            str(arguments.output),
            "--save-video",
            "--overwrite",
        ]
    )
    if code == 0:
        print(f"report: {arguments.output / 'report.html'}\nvideos: {arguments.output / 'video'}")
    return code


if __name__ == "__main__":
    sys.exit(run(main))
