"""What was recorded from others is numbers, and little."""

import json
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parent / "golden"
FILES = sorted(FOLDER.iterdir())
LARGEST_BYTES = 1_000_000


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_only_small_files_of_numbers(path: Path) -> None:
    assert path.stat().st_size <= LARGEST_BYTES
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            assert {arrays[key].dtype.kind for key in arrays.files} <= set("biuf")
    elif path.suffix == ".json":
        numbers_only(json.loads(path.read_text(encoding="utf-8")))
    else:
        assert path.name == "README.md"


def numbers_only(node: object) -> None:
    """Text may only be the name of something."""
    if isinstance(node, dict):
        for key, value in node.items():
            assert " " not in key
            numbers_only(value)
    elif isinstance(node, list):
        for value in node:
            numbers_only(value)
    else:
        assert isinstance(node, int | float)


def test_the_test_sees_text() -> None:
    with pytest.raises(AssertionError):
        numbers_only({"a": [1, {"b": "some words"}]})


def test_every_file_is_described() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    undescribed = [
        path.name
        for path in FILES
        if path.name != "README.md" and path.name.replace(path.name.split("_tensors")[0], "*") not in text
        and path.name not in text
    ]  # fmt: skip
    assert not undescribed
