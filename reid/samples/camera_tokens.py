"""Which token of a network stands for a crop's camera (SIE; TransReID, ICCV 2021, section 3.4)."""

from collections import Counter
from collections.abc import Mapping, Sequence

CameraUse = bool | Mapping[int, int]
"""Whether crops get their cameras' tokens; a mapping: camera of the test set -> training camera whose token it gets."""

NO_TOKEN = -1


def tokens_of_cameras(training: Sequence[int], use: CameraUse) -> dict[int, int]:
    """Tokens of cameras.

    Args:
        training: the camera each token was learned from, as its data set numbers it. A number that comes twice, from
            joined data sets, is left out: a crop's camera could be either.
        use: which cameras are to have tokens.

    Returns:
        Number of a camera -> its token; other cameras have none.
    """
    counts = Counter(training)
    tokens = {camera: token for token, camera in enumerate(training) if counts[camera] == 1}
    if isinstance(use, Mapping):
        return {camera: tokens[other] for camera, other in use.items() if other in tokens}
    return tokens if use else {}
