"""Which token of a network stands for a crop's camera (SIE; TransReID, ICCV 2021, section 3.4)."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence

from data.errors import UserError

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


def tokens_of_names(training: Sequence[int], use: Mapping[str, int], network: str) -> dict[str, int]:
    """Tokens of the cameras of a site.

    Args:
        training: as above; empty where the network has no tokens, or does not tell their cameras.
        use: name of a camera -> training camera whose token it gets.
        network: the network in words, for errors.

    Returns:
        Name of a camera -> its token.

    Raises:
        UserError: when there is no token, or not exactly one, of a training camera.
    """
    known = tokens_of_cameras(training, True)
    for camera, other in use.items():
        if other not in known:
            there = ", ".join(map(str, sorted(known)))
            raise UserError(
                f"reid.camera_tokens: {camera}: {other}: {network} has no token of a training camera {other}; "
                + (f"it has those of {there}" if known else "it tells no camera of any token; leave camera_tokens away")
            )
    return {camera: known[other] for camera, other in use.items()}


def tokens_id(tokens: Mapping[str, int]) -> str:
    """What tells vectors made with these tokens from others: "+tokens" and a digest of which camera has which.

    Args:
        tokens: name of a camera -> its token; empty gives an empty text.
    """
    if not tokens:
        return ""
    return "+tokens" + hashlib.sha256(json.dumps(sorted(tokens.items())).encode()).hexdigest()[:8]
