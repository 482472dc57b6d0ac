"""Data sets by the name of their layout."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from data.datasets.reid_crops import CropSplits, ReidCrop, Use
from reid.samples.layouts import LAYOUTS, Layout
from reid.samples.sources import SourceConfig, default_rule, read_source


def _list_flat(root: Path, use: Use = "all") -> CropSplits:
    """A data set of one's own: query and gallery are one folder."""
    crops = tuple(ReidCrop(path, int(path.stem), 0, "") for path in sorted(root.glob("*.jpg")))
    return CropSplits(root, (), crops, crops)


def test_a_data_set_is_one_module_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LAYOUTS, "flat", Layout(_list_flat, rule="all"))
    for name in ("3", "7"):
        (tmp_path / f"{name}.jpg").touch()
    data = read_source(SourceConfig(kind="flat", root=tmp_path))
    assert [sample.identity for sample in data.query] == [3, 7]
    assert data.train == ()
    assert default_rule("flat") == "all"


def test_an_unknown_layout_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="unknown layout 'markt'; did you mean 'market'"):
        SourceConfig(kind="markt", root=tmp_path)
