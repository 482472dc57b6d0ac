"""What the packages export: named alike in three places, found when asked for, and not before."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from data.exports import lazily

HOME = Path(__file__).resolve().parent.parent
PACKAGES = ("pipeline", "reid", "st_model", "trackers")


def _for_type_checkers(package: str) -> list[str]:
    tree = ast.parse((HOME / package / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    return sorted(alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names)


@pytest.mark.parametrize("package", PACKAGES)
def test_exports_are_named_alike_and_found(package: str) -> None:
    module = import_module(package)
    assert sorted(module.__all__) == dir(module) == _for_type_checkers(package)
    for name in module.__all__:
        found = getattr(module, name)
        assert found.__name__ == name
        assert found.__doc__


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_loads_nothing_before_it_is_used(package: str) -> None:
    code = f"import sys, {package}; print([name for name in ('numpy', 'pydantic', 'torch') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=HOME, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_is_an_attribute_error() -> None:
    find, names = lazily("somewhere", {"lazily": "data.exports"})
    assert find("lazily") is lazily
    assert names() == ["lazily"]
    with pytest.raises(AttributeError, match="module 'somewhere' has no attribute 'lazzily'"):
        find("lazzily")
