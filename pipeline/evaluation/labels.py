"""Who is a person: the list of labels beside a truth.

``labels.txt`` has one label a line, that of class 1 first, as CVAT writes it beside MOT files. Rows of any other label
than a person's are no people: they are taken out of the truth, and predictions on them are false.
"""

from pathlib import Path

import numpy as np

from data.errors import UserError
from data.foreign import read_text
from data.formats.mot import PEDESTRIAN, MotTable

LABELS_FILE = "labels.txt"
PEOPLE = ("person", "pedestrian", "people", "human")


def read_people_classes(root: Path) -> frozenset[int] | None:
    """Numbers of the classes that are people; None where no list says so.

    Args:
        root: folder of the truth.

    Raises:
        UserError: when no label of the list is a person's.
    """
    path = next((place for place in (root / LABELS_FILE, root / "gt" / LABELS_FILE) if place.is_file()), None)
    if path is None:
        return None
    labels = [line.strip().lower() for line in read_text(path).splitlines() if line.strip()]
    people = frozenset(number for number, label in enumerate(labels, 1) if label in PEOPLE)
    if not people:
        raise UserError(f"{path}: none of {', '.join(labels) or 'its 0 labels'} is one of {', '.join(PEOPLE)}; mend it")
    return people


def people_only(truth: MotTable, people: frozenset[int] | None, name: str) -> tuple[MotTable, list[str]]:
    """Rows of people, and what is to be said of the others.

    Args:
        truth: of one sequence.
        people: from ``read_people_classes``; None keeps all rows.
        name: of the sequence.
    """
    if people is None:
        strange = np.unique(truth.class_ids[truth.class_ids != PEDESTRIAN]).tolist()
        if not strange:
            return truth, []
        rows = int((truth.class_ids != PEDESTRIAN).sum())
        classes = ", ".join(str(number) for number in strange)
        return truth, [f"{name}: {rows} true rows of class {classes} count as people; {LABELS_FILE} would say who is"]
    mine = np.isin(truth.class_ids, sorted(people))
    left_out = int((~mine).sum())
    lines = [f"{name}: {left_out} true rows are no people by {LABELS_FILE} and are left out"] if left_out else []
    return truth.select(mine), lines
