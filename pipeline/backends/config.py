"""The configuration sections of detection and pose estimation."""

from typing import Literal

from pydantic import Field

from data.config import Section
from data.weight_records import InputOptions, NetworkChoice


class PaceConfig(Section):
    """When a camera is worth a look (``detector.schedule: auto``)."""

    carry_s: float = Field(
        0.3, gt=0, le=2, description="known people who walk by themselves are looked at this often, seconds"
    )
    floor_s: float = Field(0.9, gt=0, le=2, description="an unchanged picture of people, seconds")
    rest_s: float = Field(
        1.5,
        gt=0,
        le=2,
        description="a picture of people, touching or not, that rests (rest_after_s); less than tracker.life.coast_s, "
        "seconds",
    )
    rest_after_s: float = Field(
        60.0, ge=0, description="a picture rests when for so long no person moved, came or went, seconds"
    )
    same_s: float = Field(
        10.0,
        gt=0,
        le=60,
        description="networks see a picture that rests this often while it stays the same; in between, whom they found "
        "last counts as found again, seconds",
    )
    empty_s: float = Field(2.0, gt=0, le=10, description="an unchanged picture in which nobody is known, seconds")
    alert_s: float = Field(0.3, ge=0, description="every frame for so long after somebody appeared or left, seconds")
    score: float = Field(0.4, ge=0, le=1, description="detections from this score on are people who are known")
    sure: float = Field(0.6, ge=0, le=1, description="who has this score and no counterpart has appeared or left")
    close_iou: float = Field(0.1, ge=0, le=1, description="people who overlap by more are looked at in every frame")
    reach: float = Field(0.3, ge=0, description="how far round a person changes are his own, box heights")


class DetectorConfig(InputOptions, NetworkChoice):
    """How people are found."""

    name: str = Field(
        "ultralytics",
        description="ultralytics (.pt, .onnx, OpenVINO; AGPL-3.0), yolo_onnx, yolo_tflite, yolox_onnx, "
        "openpifpaf or person_pose (our own one-pass network)",
    )
    score_min: float = Field(
        0.1,
        ge=0,
        le=1,
        description="boxes below it are dropped; low, as the tracker's second stage uses weak boxes",
    )
    nms_iou: float = Field(0.6, gt=0, le=1, description="a box that overlaps a better one by more is a duplicate")
    max_detections: int = Field(300, ge=1, description="best boxes kept per picture")
    batch: int = Field(8, ge=1, description="pictures per run of the network, where it takes several")
    half: bool = Field(True, description="half precision on a GPU (ultralytics, person_pose)")
    schedule: Literal["every", "auto"] = Field(
        "every", description="every frame, or auto: where something happens, seldom where nothing does (see pace)"
    )
    pace: PaceConfig = PaceConfig()


class PoseConfig(InputOptions, NetworkChoice):
    """How skeletons are found."""

    name: str = Field(
        "detector",
        description="detector (its own pass gives keypoints); full picture, matched to the boxes: ultralytics, "
        "yolo_onnx, yolo_tflite, openpifpaf, person_pose; per box: movenet, topdown_onnx; or none",
    )
    when: Literal["demand", "always"] = Field(
        "demand",
        description="per box: demand (those whose appearance is asked for, and people round them) or always; "
        "always where the tracker or the gait cue uses skeletons, and without appearance",
    )
    score_min: float = Field(0.1, ge=0, le=1, description="full-picture estimators: skeletons below it are dropped")
    keypoint_min: float = Field(
        0.05, ge=0, le=1, description="keypoints of less confidence do not count when a skeleton is matched to a box"
    )
    batch: int = Field(16, ge=1, description="crops or pictures per run of the network, where it takes several")
    half: bool = Field(True, description="half precision on a GPU (ultralytics, person_pose)")
