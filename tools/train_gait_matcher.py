"""Learn from synthetic gaits, or recordings, when two recordings are one person: what the gait cue of a run compares.

python -m tools.train_gait_matcher --out runs/gait_plane.safetensors
python -m pipeline.run ... associate.gait.model=runs/gait_plane.safetensors
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli import run

if TYPE_CHECKING:
    from data.skeleton_forms import Form
    from data.skeleton_sequences import Recording

# Tracklets are of any length; people learnt from walk for as long.
_SECONDS = (4.0, 2.0)
_FLAT_VIEWS = tuple(range(0, 181, 30))


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m tools.train_gait_matcher",
        description=summary,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="file to write, .safetensors")
    parser.add_argument(
        "--form", choices=("plane", "flat"), default="plane",
        help="plane: one calibrated camera; flat: one camera of which nothing is known (default plane)",
    )  # fmt: skip
    parser.add_argument(
        "--encoder", type=Path, metavar="FILE", help="compare its CAGE features, not statistics of joints"
    )
    parser.add_argument(
        "--frames", type=int, default=10, help="skeletons of a sequence, without --encoder (default 10)"
    )
    parser.add_argument("--fps", type=float, default=10.0, help="skeletons per second (default 10)")
    parser.add_argument("--people", type=int, default=100, help="learnt from, twice as many (default 100)")
    parser.add_argument("--seed", type=int, default=21, help="of the people; those judged by have other seeds")
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Learn, judge on other people, write."""
    arguments = build_parser().parse_args(argv)
    import numpy as np

    from data.errors import UserError
    from reid.gait.description import describe
    from reid.gait.files import load_encoder, save_matcher
    from reid.gait.matching import equal_error_rate, fit_matcher

    if arguments.out.exists() and not arguments.overwrite:
        raise UserError(f"{arguments.out} exists; give another --out, or --overwrite")
    if arguments.people < 2 or arguments.seed < 0 or arguments.fps <= 0:
        raise UserError("give at least 2 --people, a --seed from 0 up and a positive --fps")
    encoder = None if arguments.encoder is None else load_encoder(arguments.encoder)
    frames = arguments.frames if encoder is None else encoder.spec.frames
    recordings = _gaits(arguments.people, arguments.seed, arguments.form, arguments.fps)
    features, counts = describe(recordings, frames, encoder)
    people = np.array([item.person for item in recordings])
    kept = counts > 0
    matcher = fit_matcher(features[kept], people[kept], arguments.form, arguments.fps, frames)
    others = _gaits(max(arguments.people // 4, 2), arguments.seed + len(_SECONDS), arguments.form, arguments.fps)
    features, counts = describe(others, frames, encoder)
    kept, people = counts > 0, np.array([item.person for item in others])
    gaits = matcher.adapt(features[kept])
    a, b = np.triu_indices(int(kept.sum()), 1)
    same = people[kept][a] == people[kept][b]
    ratio = gaits.log_ratio(a, b)
    cost = 0.5 * (np.logaddexp(0, -ratio[same]).mean() + np.logaddexp(0, ratio[~same]).mean()) / np.log(2)
    save_matcher(
        arguments.out,
        matcher,
        encoder,
        {"people": "synthetic", "seed": str(arguments.seed), "trained_on": f"{2 * arguments.people} synthetic gaits"},
    )
    print(f"{arguments.out}: {len(matcher.between)} directions, form {arguments.form}")
    print(
        f"other people: equal error rate {100 * equal_error_rate(ratio[same], ratio[~same]):.1f} %, "
        f"Cllr {cost:.3f} (1: says nothing), {int(kept.sum())} recordings"
    )
    return 0


def _gaits(people: int, seed: int, form: "Form", fps: float) -> "list[Recording]":
    """Recordings of ``people`` for each length of walk, none of whom walks for another."""
    from data.skeleton_forms import as_seen
    from data.synthetic.gait_set import GaitSetOptions, make_gaits

    views = (90,) if form == "plane" else _FLAT_VIEWS
    made = []
    for number, seconds in enumerate(_SECONDS):
        options = GaitSetOptions(people, seconds, fps, views, first_person=number * people)
        made += as_seen(make_gaits(options, seed + number), form, fps)
    return made


if __name__ == "__main__":
    sys.exit(run(main))
