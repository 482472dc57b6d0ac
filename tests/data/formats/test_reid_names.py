from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.formats.reid_names import MARKET_LENGTHS, parse_names


def test_market_sequences_follow_one_another() -> None:
    names = parse_names(["0007_c1s6_028546_01.jpg", "0007_c2s3_070952_01.jpg", "-1_c3s1_000001_00.jpg"])
    assert names.style == "market"
    assert names.identities.tolist() == [7, 7, -1]
    assert names.cameras.tolist() == [1, 2, 3]
    first = 72681 + 74546 + 74881 + 74661 + 74891
    assert names.frames.tolist() == [28546 + first, 70952 + 163691 + 164677, 1]
    assert names.times_s[2] == pytest.approx(1 / 25)


def test_the_longest_market_time_line_fits_the_published_bins() -> None:
    assert MARKET_LENGTHS.sum(1).max() < 428_000
    assert MARKET_LENGTHS.shape == (6, 6)


def test_duke_frames_stay_raw_unless_asked() -> None:
    raw = parse_names(["path/to/0005_c2_f0046985.jpg"])
    assert (raw.style, raw.frames.tolist(), raw.offsets) == ("duke", [46985], "none")
    shifted = parse_names(["0005_c2_f0046985.jpg"], duke_offsets=True)
    assert shifted.frames.tolist() == [46985 + 3607 - 1]
    assert shifted.offsets == "dukemtmc devkit"


def test_mars_names_have_no_time() -> None:
    names = parse_names(["0001C1T0002F003.jpg", "00-1C1T0001F001.jpg"][:1])
    assert names.style == "mars"
    assert names.frames.tolist() == [-1]
    assert np.isnan(names.times_s).all()


def test_cameras_may_have_two_digits() -> None:
    assert parse_names(["0005_c12_f0046985.jpg"]).cameras.tolist() == [12]


def test_no_names() -> None:
    assert len(parse_names([])) == 0


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["holiday.jpg"], r"'holiday\.jpg' is no name of a re-identification data set"),
        (["0007_c1s6_028546_01.jpg", "Thumbs.db"], r"1 of 2 names are not of the market style .* first 'Thumbs\.db'"),
        (["0007_c1s6_028546_01.jpg", "0005_c2_f0046985.jpg"], "1 of 2 names are not of the market style"),
        (["0007_c7s1_028546_01.jpg"], "names camera 7; Market-1501 has 1 to 6"),
        (["0007_c1s9_028546_01.jpg"], "names sequence 9"),
    ],
)
def test_wrong_names_are_user_errors(names: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_names(names)


def test_devkit_offsets_need_duke_cameras() -> None:
    with pytest.raises(UserError, match="names camera 9; DukeMTMC has 1 to 8"):
        parse_names(["0005_c9_f0046985.jpg"], duke_offsets=True)


def test_real_names(testdata: Path) -> None:
    names = parse_names((testdata / "market1501" / "train_names.txt").read_text().split())
    assert len(names) == 6513
    assert len(np.unique(names.identities)) == 381
    assert names.frames.max() < 428_000
