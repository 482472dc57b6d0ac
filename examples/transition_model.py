"""Build a transition model from who was where and when, and ask it.

python examples/transition_model.py [MODEL.npz]

Everybody walks from the hall to the door in about 25 seconds; some go on to the yard.
"""

import sys
from pathlib import Path

import numpy as np

from st_model import TransitionModel, build_model, llr, load_model, make_visits, save_model


def walks(people: int = 200, seed: int = 1) -> TransitionModel:
    """A model of drawn walks."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        time_s = 60.0 * person
        for camera, way_s in (("hall", 0.0), ("door", rng.normal(25, 3)), ("yard", rng.normal(40, 8)))[
            : 3 if person % 2 else 2
        ]:
            rows.append((person, camera, time_s + way_s, time_s + way_s + 5))
            time_s += way_s + 5
    who, where, enter_s, leave_s = zip(*rows, strict=True)
    return build_model(make_visits(who, where, enter_s, leave_s))


def main(path: Path) -> None:
    """Build, store, read, ask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_model(walks(), path)
    model = load_model(path)
    hall = model.cameras.index("hall")
    print(f"after the hall, {model.exit_probability[hall]:.0%} are not seen again")
    for lag_s in (3.0, 25.0, 300.0):
        evidence = llr(model, "hall", "door", lag_s, arrival_rate_hz=1 / 60)
        print(f"left the hall, entered by the door {lag_s:g} s later: log-likelihood ratio {float(evidence):+.1f}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/transitions.npz"))
