"""What a gait encoder is made of and trained to do."""

from typing import Literal, get_args

from pydantic import Field

from data.config import Section

Task = Literal["reverse", "prediction", "sorting"]
GaitModel = Literal[
    "reverse", "prediction", "sorting", "reverse+prediction", "reverse+sorting", "prediction+sorting", "rev_rec_plus"
]
Level = Literal["ap", "sc"]

TASKS: tuple[Task, ...] = get_args(Task)
AXES, HIDDEN = 3, 256


class GaitSpec(Section):
    """One encoder."""

    joints: int = Field(20, ge=2, le=200, description="joints of a skeleton")
    frames: int = Field(6, ge=2, le=200, description="skeletons of a sequence")
    task: Task = Field(
        "reverse",
        description="reverse: write the sequence backwards; prediction: write the one that follows; sorting: write "
        "frames that were shuffled in their order",
    )
    locality: bool = Field(
        True, description="attention is drawn to the frames near the one that is written; published: reverse only"
    )


def tasks_of(model: GaitModel) -> tuple[Task, ...]:
    """The encoders whose features a model puts side by side."""
    return TASKS if model == "rev_rec_plus" else tuple(task for task in TASKS if task in model.split("+"))
