"""Read a data set in the layout it is published in, and print what is there and what is wrong with it."""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.datasets.registry import TRACKING, read_dataset
from data.datasets.tracking import TrackingDataset
from data.errors import UserError
from data.kernels.sampled_frames import stepped
from pipeline.cli import run
from pipeline.evaluation.sequences import annotated_step

_PERSON_SEARCH = "posetrack21_person_search"


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.dataset_info", description=__doc__)
    parser.add_argument(
        "name",
        help=f"{', '.join([*TRACKING, _PERSON_SEARCH])}; or a re-identification layout as tools.evaluate_reid names it",
    )
    parser.add_argument("root", type=Path, help="the data set's folder")
    parser.add_argument("--split", default="", help="part of it, where there are several")
    parser.add_argument("--json", action="store_true", help="print JSON in place of tables")
    parser.add_argument("--strict", action="store_true", help="leave with exit code 2 where there is any problem")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Read and print."""
    arguments = build_parser().parse_args(argv)
    if arguments.name == _PERSON_SEARCH:
        facts = _search_facts(arguments.root)
    elif arguments.name in TRACKING:
        dataset = read_dataset(arguments.name, arguments.root, arguments.split)
        facts = tracking_facts(dataset)
    else:
        facts = _reid_facts(arguments.name, arguments.root)
    if arguments.json:
        sys.stdout.write(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    else:
        print(_text(facts))
    if arguments.strict and facts["problems"]:
        raise UserError(f"{arguments.root}: {len(facts['problems'])} problems")
    return 0


def tracking_facts(dataset: TrackingDataset) -> dict[str, Any]:
    """Counts of a data set, plain values."""
    sequences: list[dict[str, Any]] = []
    seen: dict[int, int] = {}
    step = annotated_step(dataset.sequences)
    for one in dataset.sequences:
        people = dataset.people(one).tolist()
        for number in people:
            seen[number] = seen.get(number, 0) + 1
        sequences.append(
            {
                "name": one.name,
                "frames": one.length,
                "annotated": one.annotated_count if step == 1 else len(stepped(one.truth.frames, step, one.length)),
                "fps": None if math.isnan(one.fps) else round(one.fps, 3),
                "size": None if not one.size[0] else f"{one.size[0]}x{one.size[1]}",
                "boxes": len(one.truth),
                "people": len(people),
            }
        )
    grounds = [dataset.ground, *(one.places for one in dataset.sequences)]
    facts: dict[str, Any] = {
        "data set": dataset.name,
        "split": dataset.split,
        "frames counted from": dataset.frame_base,
        "cameras of one site": dataset.one_site,
        "sequences": sequences,
        "people are in": None if step == 1 else f"one frame in {step} alone: tools.evaluate scores these frames only",
        "boxes": sum(len(one.truth) for one in dataset.sequences),
        "keypoints": dataset.skeleton or None,
        "places on the ground": sum(len(places) for places in grounds if places is not None),
        "calibrated": sorted(dataset.calibration),
        "regions": [one.name for one in dataset.sequences if one.region is not None],
        "window": [] if dataset.window is None else [str(dataset.window.first), str(dataset.window.last)],
    }
    if dataset.shared_ids:
        facts["people"] = len(seen)
        facts["people by number of cameras"] = {
            str(count): sum(times == count for times in seen.values()) for count in sorted(set(seen.values()))
        }
    facts["problems"] = [str(problem) for problem in dataset.problems]
    return facts


def _search_facts(root: Path) -> dict[str, Any]:
    from data.datasets.posetrack21_search import read_search_set

    dataset = read_search_set(root)
    rows = []
    for name, people in (("queries", dataset.queries), ("gallery", dataset.gallery)):
        pictures, ids = set(people.pictures.tolist()), set(people.ids.tolist())
        rows.append({"name": name, "pictures": len(pictures), "boxes": len(people), "people": len(ids)})
    shared = len(set(dataset.queries.ids.tolist()) & set(dataset.gallery.ids.tolist()))
    lost = sum(not dataset.images[number].file.is_file() for number in sorted(dataset.images))
    return {
        "data set": _PERSON_SEARCH, "sequences": rows, "people in both": shared, "pictures that are not here": lost,
        "problems": [str(problem) for problem in dataset.problems],
    }  # fmt: skip


def _reid_facts(name: str, root: Path) -> dict[str, Any]:
    from reid.samples.layouts import LAYOUTS

    if name not in LAYOUTS:
        TRACKING.load(name, (_PERSON_SEARCH, *sorted(LAYOUTS)))
    splits = LAYOUTS[name].listed_by(root, "all")
    rows = []
    for split in ("train", "query", "gallery"):
        crops = getattr(splits, split)
        people, cameras = {crop.identity for crop in crops}, {crop.camera for crop in crops}
        rows.append({"name": split, "crops": len(crops), "people": len(people), "cameras": len(cameras)})
    return {"data set": name, "sequences": rows, "problems": []}


def _text(facts: dict[str, Any]) -> str:
    rows = facts["sequences"]
    columns = [name for name in rows[0] if any(row[name] is not None for row in rows)] if rows else ["no sequences"]
    cells = [columns, *[["-" if row[name] is None else str(row[name]) for name in columns] for row in rows]]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    told = [
        f"{name}: {_shown(value)}"
        for name, value in facts.items()
        if name not in ("sequences", "problems") and value not in (None, "", [], {})
    ]
    problems = [f"problem: {line}" for line in facts["problems"]] or ["no problems"]
    return "\n".join([*lines, "", *told, *problems])


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {one}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(value)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    sys.exit(run(main))
