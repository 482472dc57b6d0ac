"""The ``render`` section: what overlay videos show and how they are encoded."""

from typing import Literal, get_args

from pydantic import Field

from data.config import Section

Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"]
PRESETS: tuple[str, ...] = get_args(Preset)


class RenderConfig(Section):
    """Overlay videos (--save-video, tools.render)."""

    anonymize: bool = Field(False, description="blur every known head beyond recovery, in videos and new crops")
    skeletons: bool = Field(True, description="draw the keypoints where the run has them")
    min_confidence: float = Field(0.3, ge=0, le=1, description="keypoints below it are neither drawn nor trusted, 0-1")
    trail_s: float = Field(1.5, ge=0, description="length of the trail of foot points, seconds; 0 = none")
    fill_gap_s: float = Field(
        1.0, ge=0, description="gaps up to this long are bridged by dashed boxes, and between skeletons, seconds"
    )
    longest_pause_s: float = Field(
        10.0, gt=0, description="pauses without frames are shown this long at most, and told on the picture, seconds"
    )
    crf: int = Field(23, ge=0, le=51, description="H.264 quality, 0-51: lower is better and larger")
    preset: Preset = Field("veryfast", description=f"x264 speed: {', '.join(PRESETS)}")
    queue_frames: int = Field(8, ge=1, description="drawn frames that may wait for the encoder")
    mosaic: bool = Field(False, description="also one video that tiles all cameras by common time")
    mosaic_width: int = Field(1280, ge=160, description="width of the mosaic, pixels")
    mosaic_fps: float = Field(15.0, gt=0, le=120, description="frame rate of the mosaic, frames per second")
