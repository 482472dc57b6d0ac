"""Notes inside the pictures of tracklets."""

import cv2
import numpy as np

from pipeline.folder.crop_notes import read_note, with_note


def test_notes_are_valid_jpeg_comments_and_foreign_files_have_none() -> None:
    plain = cv2.imencode(".jpg", np.full((60, 20, 3), 90, np.uint8))[1].tobytes()
    noted = with_note(plain, {"time_s": 1.5})
    assert read_note(noted) == {"time_s": 1.5}
    decoded = cv2.imdecode(np.frombuffer(noted, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decoded, cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_COLOR))
    assert read_note(plain) is None
    assert read_note(b"") is None
    assert read_note(plain[:2] + b"\xff\xfe\x00\x06nope" + plain[2:]) is None
