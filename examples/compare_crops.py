"""Embed people with KPR and compare them part by part.

python examples/compare_crops.py

Each person's own skeleton says whom a crop is about, the other skeletons say whom it is not about. Pictures and
skeletons are those of a small synthetic site.
"""

import numpy as np

from data.config import SourcesConfig
from data.formats.detections_in import read_detection_folder
from data.kernels.parts import embedding_distance, part_distances
from data.records import EmbedRequest
from data.sources.base import CameraSpec
from data.sources.open import open_source
from pipeline import WeightStore, build_embedder
from pipeline.demo import demo_site
from reid.config import ReidConfig

CAMERA, MOMENTS = "c1", (20, 32)


def requests() -> list[EmbedRequest]:
    """The people of two frames, with their skeletons."""
    site = demo_site("tiny")
    people = read_detection_folder(site / "keypoints")[CAMERA]
    assert people.keypoints is not None
    asked = []
    source = open_source(CameraSpec(CAMERA, str(site / "video" / f"{CAMERA}.mp4")), SourcesConfig())
    for frame in source.frames():
        if frame.index in MOMENTS:
            rows = people.rows(frame.index)
            asked.append(EmbedRequest(frame.image, people.boxes[rows], people.keypoints[rows]))
    source.close()
    return asked


def main() -> None:
    """Describe, compare, print a table for every pair."""
    config = ReidConfig(name="kpr", weights="kpr_small_synthetic")
    embedder = build_embedder(config, "cpu", WeightStore(offline=True), has_poses=True)
    assert embedder is not None
    before, after = embedder(requests())
    whole, _ = embedding_distance(before, after)
    parts = part_distances(before, after)
    for a, b in np.ndindex(whole.shape):
        shared = np.minimum(before.visibility[a], after.visibility[b]) > 0.5
        told = ", ".join(
            f"{name} {distance:.2f}"
            for name, distance, seen in zip(before.part_names, parts[a, b], shared, strict=True)
            if seen
        )
        print(f"person {a} of frame {MOMENTS[0]} and {b} of frame {MOMENTS[1]}: {whole[a, b]:.2f} ({told})")


if __name__ == "__main__":
    main()
