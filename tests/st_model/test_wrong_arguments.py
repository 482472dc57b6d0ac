"""What a caller may get wrong is one line: an answer that means nothing must not look like one."""

import numpy as np
import pytest

from data.errors import UserError
from st_model.build import build_model
from st_model.published import published_distribution
from st_model.scores import arrival_rates_hz, llr, st_reid_joint
from st_model.stays import learn_stays
from st_model.visits import make_visits, visits_from_rows

NAMES = ("a", "b", "c")
LEARNT = published_distribution([1, 1, 2, 2], [0, 1, 0, 2], [0, 900, 100, 5000], NAMES)
MODEL = build_model(make_visits([1, 1], ["a", "b"], [0.0, 9.0], [1.0, 10.0]))


def distribution(**options):
    columns = {"identities": [1, 1], "cameras": [0, 1], "frames": [0, 900], "camera_names": NAMES} | options
    return published_distribution(**columns)


def joint(**options):
    columns = {
        "similarity": np.full((2, 3), 0.5), "query_cameras": np.array([0, 1]), "query_frames": np.array([0, 900]),
        "gallery_cameras": np.array([1, 2, -1]), "gallery_frames": np.array([900, 5000, 10]), "distribution": LEARNT,
    }  # fmt: skip
    return st_reid_joint(**(columns | options))


WRONG = {
    "no bins": (lambda: distribution(bins=0), "1 or more"),
    "negative bins": (lambda: distribution(bins=-5), "1 or more"),
    "bins without width": (lambda: distribution(bin_frames=0), "1 or more"),
    "smoothing by NaN": (lambda: distribution(sigma_bins=float("nan")), "finite sigma_bins"),
    "a camera before the first": (lambda: distribution(cameras=[-1, 1]), "run from -1 to 1, where 0 to 2"),
    "a camera beyond the last": (lambda: distribution(cameras=[0, 3]), "run from 0 to 3, where 0 to 2"),
    "half a camera": (lambda: distribution(cameras=[0.5, 1]), "must be .* integers"),
    "frames as text": (lambda: distribution(frames=["0", "900"]), "frames are numbers"),
    "a column too short": (lambda: distribution(frames=[0]), "differ in length"),
    "a query camera beyond the last": (lambda: joint(query_cameras=np.array([0, 3])), "query cameras run from 0 to 3"),
    "a gallery camera before -1": (
        lambda: joint(gallery_cameras=np.array([1, 2, -2])),
        "gallery cameras run from -2 to 2, where -1 to 2",
    ),
    "cameras with fractions": (lambda: joint(query_cameras=np.array([0.0, 1.0])), "query cameras must be"),
    "frames with fractions": (lambda: joint(query_frames=np.array([0.5, 1.0])), "query frames must be"),
    "frames of fewer pictures": (lambda: joint(gallery_frames=np.array([1, 2])), "2 gallery frames do not fit"),
    "similarities of another shape": (lambda: joint(similarity=np.zeros((3, 3))), r"shape \(2, 3\)"),
    "similarities as text": (lambda: joint(similarity=np.full((2, 3), "x")), "real numbers"),
    "an unknown table": (lambda: llr(MODEL, 0, 1, 1.0, 0.1, "later"), "one of next, any"),
    "rates of no time": (lambda: arrival_rates_hz([0], 2, 0.0), "length is above 0"),
    "rates of a camera there is not": (lambda: arrival_rates_hz([2], 2, 9.0), "where 0 to 1"),
    "stays without a time": (lambda: learn_stays([1, 1], ["a", "a"], np.array([0, np.nan]), 5.0), "no time"),
    "stays of a negative gap": (lambda: learn_stays([1, 1], ["a", "a"], np.array([0, 1.0]), -5.0), "0 s or more"),
    "visits of a negative gap": (lambda: visits_from_rows([1], ["a"], [0.0], -1.0), "0 or more"),
    "visits of a gap of NaN": (lambda: visits_from_rows([1], ["a"], [0.0], float("nan")), "0 or more"),
}


@pytest.mark.parametrize("what", WRONG)
def test_nonsense_is_told(what):
    call, message = WRONG[what]
    with pytest.raises(UserError, match=message):
        call()


def test_a_camera_of_a_model_is_an_index_or_a_name():
    for wrong in (2, -2, 0.5, np.nan):
        with pytest.raises(IndexError):
            MODEL.camera_indices(wrong)
    assert MODEL.camera_indices([]).tolist() == []


def test_times_beyond_32_bits_are_scored_as_others():
    """Frame numbers may be clock times in milliseconds."""
    later = 1_700_000_000_000
    want = joint()
    got = joint(query_frames=np.array([0, 900]) + later, gallery_frames=np.array([900, 5000, 10]) + later)
    assert np.array_equal(got, want)
    assert len(np.unique(want)) > 1
