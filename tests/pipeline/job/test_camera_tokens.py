"""Camera tokens of a configuration are held against the cameras of the run."""

import logging

import pytest

from data.errors import UserError
from pipeline.job.opening import check_tokens


def test_names_that_are_no_cameras_are_refused_and_cameras_without_a_token_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    check_tokens({}, ["hall", "gate"])
    check_tokens({"hall": 1, "gate": 2, "yard": 3}, ["hall", "gate"])
    assert not caplog.text
    check_tokens({"hall": 1}, ["hall", "gate"])
    assert "reid.camera_tokens has no token of camera gate" in caplog.text
    with pytest.raises(UserError, match="names hal; the cameras of this run are hall, gate"):
        check_tokens({"hal": 1}, ["hall", "gate"])
