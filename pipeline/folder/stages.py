"""The words of the manifest: stages of a run, how far it got, and what it warned of."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """A stage of a run, by which its timings are told."""

    DECODE = "decode"
    READ = "read"
    PERCEIVE = "perceive"
    LOOK = "look"
    TRACK = "track"
    POSE = "pose"
    REID = "reid"
    CROPS = "crops"
    CHECKPOINT = "checkpoint"
    ASSOCIATE = "associate"
    WRITE = "write"
    SCORE = "score"
    RENDER = "render"


AFTER_TRACKING = (Stage.ASSOCIATE, Stage.WRITE, Stage.SCORE, Stage.RENDER)
"""Stages that another association of the same tracklets does anew."""


class Status(StrEnum):
    """How far a run got."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    TRACKED = "tracked"
    COMPLETE = "complete"

    @property
    def has_tracklets(self) -> bool:
        """All tracklets are in the folder: the run can be associated."""
        return self in (Status.TRACKED, Status.COMPLETE)


class WarningKind(StrEnum):
    """What a warning is about."""

    INPUT = "input"
    WEIGHTS = "weights"
    TRACKING = "tracking"
    ASSOCIATION = "association"
    SCORES = "scores"
    PAGES = "pages"
    VIDEO = "video"
    FORGOTTEN = "forgotten"

    @property
    def before_association(self) -> bool:
        """The warning stands when the same tracklets are associated anew."""
        return self in (WarningKind.INPUT, WarningKind.WEIGHTS, WarningKind.TRACKING, WarningKind.FORGOTTEN)


@dataclass(frozen=True, slots=True)
class RunWarning:
    """Something the reader of a run must know.

    Attributes:
        kind: what it is about.
        text: one line.
        camera: whom it concerns; "" is the run as a whole.
    """

    kind: WarningKind
    text: str
    camera: str = ""

    def __str__(self) -> str:
        return f"{self.camera}: {self.text}" if self.camera else self.text

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "RunWarning":
        """Read one back from the manifest."""
        return RunWarning(WarningKind(value["kind"]), value["text"], value["camera"])

    def to_json(self) -> dict[str, str]:
        """For the manifest."""
        return {"kind": self.kind.value, "camera": self.camera, "text": self.text}
