"""Which label of somebody else's list of classes is a person's."""

PEOPLE = ("person", "pedestrian", "people", "human", "persons", "pedestrians", "humans")


def is_person(label: object) -> bool:
    """Whether a label is a person's, however it is written: capitals and spaces at the ends do not count."""
    return isinstance(label, str) and label.strip().lower() in PEOPLE
