"""PoseTrack21 in miniature, in its published layout."""

import json
from pathlib import Path
from typing import Any

import numpy as np


def skeleton(left: float, top: float = 50.0) -> list[float]:
    """17 joints 10 px apart, all there but the ears."""
    points = np.stack([np.full(17, left), top + 10 * np.arange(17), np.ones(17)], axis=1)
    points[3:5] = 0
    values: list[float] = points.ravel().tolist()
    return values


def images(video: str, frames: int, **more: Any) -> list[dict[str, Any]]:
    """Of a video; keypoints of the last frame are not annotated."""
    base = 10**10 + int(video[:6]) * 10**4
    return [
        {
            "id": base + frame, "frame_id": base + frame, "vid_id": video[:6], "nframes": frames,
            "file_name": f"images/val/{video}/{frame:06d}.jpg", "is_labeled": frame < frames - 1,
            "has_labeled_person": True, "ignore_regions_x": [], "ignore_regions_y": [], **more,
        }
        for frame in range(frames)
    ]  # fmt: skip


def write_truth(root: Path, video: str, people: dict[int, float], frames: int = 6, **more: Any) -> Path:
    """People who stand still, by person id; track ids are others."""
    path = root / "posetrack_data" / "val" / f"{video}.json"
    shown = images(video, frames, **more)
    annotations = [
        {
            "id": image["id"] * 100 + number, "image_id": image["id"], "person_id": person, "track_id": number,
            "category_id": 1, "bbox": [left - 10, 40, 20, 180], "bbox_head": [left, 40, 30, 40],
            "keypoints": skeleton(left),
        }
        for image in shown
        for number, (person, left) in enumerate(people.items())
    ]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": shown, "annotations": annotations, "categories": []}))
    return root


def write_found(folder: Path, video: str, people: dict[int, float], frames: int = 6, **more: Any) -> Path:
    """A submission: people who stand still, ids as given."""
    shown = images(video, frames)
    annotations = [
        {"image_id": image["id"], "person_id": person, "keypoints": skeleton(left), "scores": [0.9] * 17, **more}
        for image in shown
        for person, left in people.items()
    ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{video}.json"
    path.write_text(json.dumps({"images": shown, "annotations": annotations}))
    return path
