"""When and where: transition distributions between cameras and their scores.

    from st_model import build_model, llr, make_visits

    model = build_model(make_visits(people, cameras, enter_s, leave_s))
    model.log_density("hall", "door", 25.0)

What is exported is imported when it is first used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from st_model.build import build_model
    from st_model.config import SpaceTimeConfig
    from st_model.files import load_model, save_model
    from st_model.model import TransitionModel
    from st_model.scores import llr
    from st_model.visits import Visits, make_visits
else:
    from data.exports import lazily

    __getattr__, __dir__ = lazily(
        __name__,
        {
            "SpaceTimeConfig": "st_model.config",
            "TransitionModel": "st_model.model",
            "Visits": "st_model.visits",
            "build_model": "st_model.build",
            "llr": "st_model.scores",
            "load_model": "st_model.files",
            "make_visits": "st_model.visits",
            "save_model": "st_model.files",
        },
    )

__all__ = [
    "SpaceTimeConfig",
    "TransitionModel",
    "Visits",
    "build_model",
    "llr",
    "load_model",
    "make_visits",
    "save_model",
]
