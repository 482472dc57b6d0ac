"""Track people through two videos, with one identity per person over both.

python examples/track_two_videos.py [RUN_FOLDER]

The videos are of a small synthetic site, rendered on the first call; the networks are those that come with the code.
"""

import sys
from pathlib import Path

from pipeline import track_videos
from pipeline.demo import CONFIG, demo_site


def main(output: Path) -> None:
    """Track, then tell who was where and when."""
    site = demo_site("tiny")
    result = track_videos(
        {"c1": site / "video" / "c1.mp4", "c2": site / "video" / "c2.mp4"},
        output,
        config=CONFIG,
        site=site / "site.yaml",
        overwrite=True,
    )
    for person in result.global_tracks:
        stays = ", ".join(f"{visit.camera} {visit.start_s:.1f}-{visit.end_s:.1f} s" for visit in person.visits)
        print(f"person {person.global_id}: {stays} (confidence {person.confidence:.2f})")
    for link in result.links:
        told = ", ".join(f"{cue} {value:+.1f}" for cue, value in link.llr.items())
        print(f"{link.a} and {link.b}: {link.decision}, probability {link.probability:.3f} ({told})")
    print(f"look at {result.folder.report}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/two_videos"))
