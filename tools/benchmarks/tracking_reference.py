"""TrackEval on tracks of MOT17's size: runs in an environment that has little else, so it imports NumPy alone."""

import atexit
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import numpy as np


def write_scenes(folder: Path, sequences: int, frames: int, people: int) -> dict[str, int]:
    """Truth in MOT17's layout and a tracker's output: people who cross; misses, drift, switches, ghosts, distractors.

    Args:
        folder: gets ``gt/<sequence>/gt/gt.txt`` and ``pred/tracker/<sequence>.txt``.
        sequences: how many.
        frames: of each.
        people: in each frame, on average.

    Returns:
        Frames by sequence.
    """
    lengths = {f"scene{number:02d}": frames for number in range(sequences)}
    for number, name in enumerate(lengths):
        rng = np.random.default_rng(number)
        count = people * 4
        begin, stay = rng.integers(1 - frames // 4, frames, count), rng.integers(frames // 6, frames // 3, count)
        frame, who = (grid.ravel() for grid in np.meshgrid(np.arange(1, frames + 1), np.arange(count), indexing="ij"))
        here = (frame >= begin[who]) & (frame < begin[who] + stay[who])
        frame, who = frame[here], who[here]
        height = rng.uniform(60, 250, count)
        start, speed = rng.uniform((0, 200), (1800, 500), (count, 2)), rng.normal(0, (1.5, 0.2), (count, 2))
        corner = start[who] + speed[who] * (frame - begin[who])[:, None]
        size = np.stack([0.4 * height, height], axis=1)[who]
        kinds = np.where(np.arange(count) % 10 == 9, 7, 1)[who]
        truth = np.column_stack([frame, who + 1, corner, size, kinds == 1, kinds, np.ones(len(frame))])
        seen = rng.random(len(frame)) < 0.8
        moved = corner[seen] + rng.normal(0, 0.06, (seen.sum(), 2)) * size[seen]
        ids = who[seen] + 1 + count * (frame[seen] // rng.integers(50, 400, count)[who[seen]])
        ghosts = rng.choice(np.flatnonzero(seen), seen.sum() // 10)
        ghost = np.column_stack(
            [frame[ghosts], 100_000 + np.arange(len(ghosts)), rng.uniform((0, 200), (1800, 500), (len(ghosts), 2))]
        )
        found = np.column_stack([frame[seen], ids, moved, size[seen]])
        found = np.concatenate([found, np.hstack([ghost, size[ghosts]])])
        tail = np.tile([1.0, -1, -1, -1], (len(found), 1))
        (folder / "gt" / name / "gt").mkdir(parents=True)
        (folder / "pred" / "tracker").mkdir(parents=True, exist_ok=True)
        (folder / "gt" / name / "seqinfo.ini").write_text(f"[Sequence]\nname={name}\nseqLength={frames}\n")
        np.savetxt(folder / "gt" / name / "gt" / "gt.txt", truth, "%.3f", ",")
        np.savetxt(folder / "pred" / "tracker" / f"{name}.txt", np.hstack([found, tail]), "%.3f", ",")
    return lengths


def scenes(sequences: int, frames: int, people: int) -> tuple[Path, dict[str, int]]:
    """Scenes in a folder that goes when the process ends, and frames by sequence."""
    folder = Path(mkdtemp(prefix="mtmct-tracking-"))
    atexit.register(rmtree, folder, ignore_errors=True)
    return folder, write_scenes(folder, sequences, frames, people)


def reference(sequences: int, frames: int, people: int) -> Callable[[], float]:
    """TrackEval on the same files."""
    import trackeval

    folder, lengths = scenes(sequences, frames, people)
    dataset = {
        "GT_FOLDER": str(folder / "gt"),
        "TRACKERS_FOLDER": str(folder / "pred"),
        "TRACKERS_TO_EVAL": ["tracker"],
        "TRACKER_SUB_FOLDER": "",
        "BENCHMARK": "MOT17",
        "SEQ_INFO": lengths,
        "SKIP_SPLIT_FOL": True,
        "PRINT_CONFIG": False,
    }

    def job() -> float:
        source = trackeval.datasets.MotChallenge2DBox(dataset)
        options = {"PRINT_CONFIG": False, "THRESHOLD": 0.5}
        metrics = [trackeval.metrics.HOTA(), trackeval.metrics.CLEAR(options), trackeval.metrics.Identity(options)]
        found: list[dict[str, object]] = [{} for _ in metrics]
        for name in lengths:
            data = source.get_preprocessed_seq_data(source.get_raw_seq_data("tracker", name), "pedestrian")
            for metric, of_metric in zip(metrics, found):
                of_metric[name] = metric.eval_sequence(data)
        hota, clear, identity = (metric.combine_sequences(one) for metric, one in zip(metrics, found))
        return check(float(np.mean(hota["HOTA"])), float(clear["MOTA"]), float(identity["IDF1"]))

    return job


def check(hota: float, mota: float, idf1: float) -> float:
    """One number of three figures that no one of them can hide behind."""
    return hota + 10 * mota + 100 * idf1
