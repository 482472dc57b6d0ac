import numpy as np
import pytest
from pydantic import ValidationError

from data.clock import Clock


def test_unknown_clock_is_the_identity():
    clock = Clock()
    assert not clock.known
    times = np.array([0.0, 0.1, 1e9])
    np.testing.assert_array_equal(clock.to_common(times), times)


def test_offset_and_drift():
    clock = Clock(status="estimated", offset_s=-2.0, drift_ppm=50)
    assert clock.known
    np.testing.assert_allclose(clock.to_common([0, 3600]), [-2.0, 3600 + 0.18 - 2], atol=1e-9)
    assert (np.diff(clock.to_common(np.linspace(0, 1e6, 100))) > 0).all()


@pytest.mark.parametrize("bad", [{"status": "wrong"}, {"offset_s": float("inf")}, {"drift_ppm": -1e6}, {"ofset_s": 1}])
def test_bad_values(bad):
    with pytest.raises(ValidationError):
        Clock(**bad)
