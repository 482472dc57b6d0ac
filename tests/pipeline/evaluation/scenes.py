"""Random truth and predictions with everything that scores must cope with."""

from pathlib import Path

import numpy as np

from data.formats.mot import MotTable, write_mot

SIZE = np.array([40.0, 100.0])


def random_scene(seed: int, length: int = 60, people: int = 14) -> tuple[MotTable, MotTable]:
    """People who come, pause and go close together; a tracker that misses, drifts, switches and sees ghosts."""
    rng = np.random.default_rng(seed)
    frames, ids = (grid.ravel() for grid in np.meshgrid(np.arange(length), np.arange(people), indexing="ij"))
    start, velocity = rng.uniform(0, 150, (people, 2)), rng.normal(0, 2, (people, 2))
    corner = start[ids] + velocity[ids] * frames[:, None]
    # People of different sizes: a small box inside two equal ones would leave the best match open.
    boxes = np.concatenate([corner, corner + SIZE * rng.uniform(0.9, 1.1, (people, 2))[ids]], axis=1)
    here = (rng.random(len(frames)) < 0.9) & (frames % 17 > 1) & (frames >= ids * 3)
    truth = MotTable.make(
        frames[here],
        ids[here],
        boxes[here],
        flags=rng.random(here.sum()) < 0.9,
        class_ids=rng.choice([1, 1, 1, 1, 2, 3, 7, 8, 9, 12], people)[ids[here]],
        visibility=np.round(rng.random(here.sum()), 2),
    )
    seen = here & (rng.random(len(frames)) < 0.85) & (frames % 23 > 0)
    generation = frames // rng.integers(5, 40, people)[ids]
    moved = boxes + rng.normal(0, rng.choice([1, 6, 15]), boxes.shape)
    ghosts = rng.integers(0, length, 40)
    ghost_corner = rng.uniform(0, 200, (40, 2))
    predictions = MotTable.make(
        np.concatenate([frames[seen], ghosts]),
        np.concatenate([ids[seen] + people * generation[seen], 10_000 + np.arange(40)]),
        np.concatenate([moved[seen], np.concatenate([ghost_corner, ghost_corner + SIZE], axis=1)]),
    )
    sizes = predictions.boxes[:, 2:] - predictions.boxes[:, :2]
    return truth, predictions.select((sizes > 0).all(axis=1))


def write_scene(root: Path, name: str, truth: MotTable, predictions: MotTable, length: int) -> None:
    """Write truth to ``root/gt/<name>/gt/gt.txt`` and predictions to ``root/pred/<name>.txt``."""
    folder = root / "gt" / name
    (folder / "gt").mkdir(parents=True)
    (root / "pred").mkdir(exist_ok=True)
    (folder / "seqinfo.ini").write_text(f"[Sequence]\nname={name}\nseqLength={length}\n")
    write_mot(folder / "gt" / "gt.txt", truth, "gt")
    write_mot(root / "pred" / f"{name}.txt", predictions)
