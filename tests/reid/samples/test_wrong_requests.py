"""What an appearance model cannot mean to be asked is one line, whatever the model."""

from dataclasses import replace

import numpy as np
import pytest

from data.errors import UserError
from data.formats.reid_keypoints import CropSkeletons
from data.records import EmbedRequest
from reid.samples.crops import check_request, cut_crops
from reid.samples.network_input import size_crop

SOUND = EmbedRequest(
    np.zeros((40, 30, 3), np.uint8), np.array([[2, 2, 20, 38]], np.float32), np.zeros((1, 17, 3), np.float32)
)
WRONG = {
    "shares of 0 to 1": ({"image": np.zeros((40, 30, 3), np.float32)}, "uint8 RGB, not float32"),
    "a grey picture": ({"image": np.zeros((40, 30), np.uint8)}, r"shape \(40, 30\)"),
    "four channels": ({"image": np.zeros((40, 30, 4), np.uint8)}, r"shape \(40, 30, 4\)"),
    "one box without its list": ({"boxes": np.zeros(4, np.float32)}, r"boxes must be of shape \(4, 4\)"),
    "boxes with scores": ({"boxes": np.zeros((1, 5), np.float32)}, r"boxes must be of shape \(1, 4\), not \(1, 5\)"),
    "keypoints without confidence": ({"keypoints": np.zeros((1, 17, 2))}, r"keypoints must be of shape \(1, 17, 3\)"),
    "keypoints of other rows": ({"keypoints": np.zeros((2, 17, 3))}, r"keypoints must be of shape \(1, 17, 3\)"),
    "one negative without its list": ({"negatives": np.zeros((17, 3))}, r"negatives must be of shape \(17, 17, 3\)"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_requests_are_told(what):
    changes, message = WRONG[what]
    check_request(SOUND)
    with pytest.raises(UserError, match=message):
        cut_crops([SOUND, replace(SOUND, **changes)], (64, 32))
    if "image" in changes:
        with pytest.raises(UserError, match=message):
            size_crop(changes["image"], CropSkeletons.none(), (64, 32))


def test_nobody_is_a_sound_request():
    assert cut_crops([replace(SOUND, boxes=np.zeros((0, 4), np.float32), keypoints=None)], (64, 32)).total == 0
