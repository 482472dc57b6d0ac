"""What the manifest says of the program: versions as they are installed, and the commit of a checkout only."""

import importlib.metadata
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.runtime.machine import package_version
from pipeline.folder import manifest


@pytest.fixture(autouse=True)
def _told_anew() -> Iterator[None]:
    manifest.versions.cache_clear()
    yield
    manifest.versions.cache_clear()


@pytest.mark.parametrize("name", ["numpy", "opencv-python", "openvino", "ai-edge-litert", "pytest"])
def test_versions_are_those_of_the_packages_own_metadata(name: str) -> None:
    assert package_version(name) == importlib.metadata.version(name)


def test_what_is_not_installed_has_no_version() -> None:
    assert package_version("no-such-package") is None
    assert None not in manifest.versions().values()


def test_metadata_without_a_version_line_is_left_to_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An egg keeps its version in another file."""
    egg = tmp_path / "oldpack.egg-info"
    egg.mkdir()
    (egg / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: oldpack\nVersion: 7.1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert package_version("oldpack") == "7.1"


def test_git_is_asked_once_however_often_a_manifest_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, "1a2b3c4-dirty\n", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(manifest, "_is_checkout", lambda: True)
    assert [manifest.versions()["commit"] for _ in range(3)] == ["1a2b3c4-dirty"] * 3
    assert len(asked) == 1


def test_a_copy_in_the_repository_of_another_project_has_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(
        ["git", "-C", tmp_path, "-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "--allow-empty", "-m", "m"],
        check=True,
    )
    installed = tmp_path / "venv" / "site-packages"
    installed.mkdir(parents=True)
    monkeypatch.setattr(manifest, "_HOME", installed)
    assert manifest.versions()["commit"] == "unknown"
    monkeypatch.setattr(manifest, "_HOME", tmp_path)
    manifest.versions.cache_clear()
    assert manifest.versions()["commit"] != "unknown"
