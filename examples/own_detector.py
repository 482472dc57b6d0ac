"""Drive the tracker of one camera with a detector of your own.

python examples/own_detector.py

Two coloured figures cross an empty room, and one hides for a while; the "detector" finds what is not background.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from data.records import Detections, Image
from trackers import CameraTracker

FPS, SECONDS, WIDTH, HEIGHT = 10, 8, 320, 180
BACKGROUND = 40


def film() -> Iterator[tuple[float, Image]]:
    """Time in seconds and picture of each frame."""
    for number in range(FPS * SECONDS):
        image = np.full((HEIGHT, WIDTH, 3), BACKGROUND, np.uint8)
        image[60:150, 5 + 3 * number : 35 + 3 * number] = (200, 60, 50)
        if not 30 <= number < 40:
            image[20:110, 290 - 2 * number : 320 - 2 * number] = (50, 90, 190)
        yield number / FPS, image


def detect(image: Image) -> Detections:
    """Boxes around everything of one colour that is not background."""
    boxes = []
    for channel in (0, 2):
        found = ((image[..., channel] > 150) * 255).astype(np.uint8)
        for contour in cv2.findContours(found, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]:
            x, y, width, height = cv2.boundingRect(contour)
            boxes.append([x, y, x + width, y + height])
    return Detections.of_people(boxes)


def main() -> None:
    """Track frame by frame; print who is seen each second, and every tracklet at the end."""
    tracker = CameraTracker("room")
    for time_s, image in film():
        tracks = tracker.update(detect(image), time_s, image)
        if time_s == int(time_s):
            print(f"{time_s:.0f} s: people {tracks.track_ids.tolist()}")
    for tracklet in tracker.finish():
        start_s, end_s = tracklet.times_s[[0, -1]]
        print(f"person {tracklet.local_id}: {start_s:.1f}-{end_s:.1f} s, {len(tracklet)} rows")


if __name__ == "__main__":
    main()
