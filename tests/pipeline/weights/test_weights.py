"""Weights resolve in the documented order; downloads are verified or leave nothing."""

import hashlib
import io
import logging
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from data.errors import UserError
from data.weight_records import WeightKind, WeightRecord
from pipeline.weights import downloads
from pipeline.weights.downloads import download
from pipeline.weights.store import WeightStore, default_cache_dir

CONTENT = bytes(range(256)) * 5000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def _archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as bundle:
        bundle.writestr("deep/end2end.onnx", CONTENT)
        bundle.writestr("deep/readme.txt", "x")
    return stream.getvalue()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/file")
            self.end_headers()
            return
        if self.path == "/escape":
            self.send_response(302)
            self.send_header("Location", "ftp://127.0.0.1/file")
            self.end_headers()
            return
        bodies = {"/file": CONTENT, "/short": CONTENT, "/huge": CONTENT, "/zip": _archive(), "/silent": CONTENT}
        body = bodies.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        length = 10**18 if self.path == "/huge" else len(body)
        if self.path != "/silent":
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.path in ("/short", "/huge") else body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def _record(url: str | None, **changes: object) -> WeightRecord:
    fields = {
        "kinds": ("detector",), "backends": ("yolo_onnx",), "file": "net.onnx", "url": url, "sha256": DIGEST,
        "licence": "MIT", "trained_on": "real", "how": "made here",
    }  # fmt: skip
    return WeightRecord.model_validate({**fields, **changes})


def _store(tmp_path: Path, url: str | None, **changes: object) -> WeightStore:
    return WeightStore(tmp_path / "cache", records={"net": _record(url, **changes)})


@pytest.mark.parametrize("path", ["/file", "/moved", "/silent"])
def test_auto_fetches_verifies_and_keeps(tmp_path: Path, address: str, path: str) -> None:
    store = _store(tmp_path, address + path)
    found = store.resolve("detector", "auto", "net")
    assert found.path.read_bytes() == CONTENT
    assert (found.name, found.sha256, found.record) == ("net", DIGEST, store.records["net"])
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == ["net.onnx"]
    assert store.used["detector"] == [found]
    offline = WeightStore(tmp_path / "cache", offline=True, records=store.records)
    assert offline.resolve("detector", "net", "") == found


def test_the_member_of_an_archive_is_kept(tmp_path: Path, address: str) -> None:
    store = _store(tmp_path, f"{address}/zip", member="end2end.onnx")
    assert store.resolve("detector", "auto", "net").path.read_bytes() == CONTENT
    with pytest.raises(UserError, match="holds 0 files named other"):
        download(f"{address}/zip", tmp_path / "x", DIGEST, member="other")
    with pytest.raises(UserError, match="not a readable zip archive"):
        download(f"{address}/file", tmp_path / "x", DIGEST, member="other")


@pytest.mark.parametrize(
    ("path", "digest", "message"),
    [
        ("/missing", DIGEST, "the server answers 404"),
        ("/file", "0" * 64, f"its sha256 is {DIGEST}, the manifest says 000"),
        ("/short", DIGEST, "broke off after .* of 1280000 bytes; run it again"),
        ("/huge", DIGEST, "no room in"),
        ("/escape", DIGEST, "no web address"),
    ],
)
def test_a_failed_transfer_is_one_line_and_leaves_nothing(
    tmp_path: Path, address: str, path: str, digest: str, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        download(address + path, tmp_path / "cache" / "net.onnx", digest)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_disk_that_fills_up_is_one_line_and_leaves_nothing(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads, "_copy", full)
    with pytest.raises(UserError, match="No space left on device"):
        download(f"{address}/file", tmp_path / "net.onnx", DIGEST)
    assert list(tmp_path.iterdir()) == []


def _zip(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("net.onnx", content)
    return path.as_uri()


def test_nothing_larger_than_the_manifest_says_is_taken(tmp_path: Path, address: str) -> None:
    kept = tmp_path / "cache" / "net.onnx"
    with pytest.raises(UserError, match="announces"):
        download(f"{address}/file", kept, DIGEST, size_bytes=100)
    with pytest.raises(UserError, match="more than the"):
        download(f"{address}/silent", kept, DIGEST, size_bytes=100)
    with pytest.raises(UserError, match="more than the"):
        download(_zip(tmp_path, bytes(1 << 24)), kept, DIGEST, member="net.onnx", size_bytes=len(CONTENT))
    assert list(kept.parent.iterdir()) == []
    download(_zip(tmp_path, CONTENT), kept, DIGEST, member="net.onnx", size_bytes=len(CONTENT))
    assert kept.read_bytes() == CONTENT


def test_a_transfer_that_drips_is_given_up(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_PATIENCE_S", -1.0)
    monkeypatch.setattr(downloads, "_LEAST_BYTES_PER_S", 1 << 60)
    with pytest.raises(UserError, match="bytes arrived in"):
        download(f"{address}/file", tmp_path / "net.onnx", DIGEST)


@pytest.mark.parametrize("url", ["http://[::1", "http://127.0.0.1:99999/x", "http://a b/x", "http://127.0.0.1:1/\x7f"])
def test_an_address_that_is_none_is_one_line(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match="cannot fetch"):
        download(url, tmp_path / "net.onnx", DIGEST)


def test_a_damaged_member_is_one_line(tmp_path: Path) -> None:
    path = Path(_zip(tmp_path, CONTENT).removeprefix("file://"))
    raw = bytearray(path.read_bytes())
    raw[60:90] = b"\xff" * 30
    path.write_bytes(raw)
    with pytest.raises(UserError, match="not a readable zip archive"):
        download(path.as_uri(), tmp_path / "net.onnx", DIGEST, member="net.onnx")


def test_a_cache_that_is_no_folder_is_one_line(tmp_path: Path, address: str) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(UserError, match="cannot fetch"):
        download(f"{address}/file", tmp_path / "cache" / "net.onnx", DIGEST)


def test_nobody_listening_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is there a network"):
        download("http://127.0.0.1:9/file", tmp_path / "net.onnx", DIGEST)


@pytest.mark.parametrize("url", ["ftp://example.org/x", "data:,x", "net.onnx"])
def test_other_schemes_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match="only http, https, file"):
        download(url, tmp_path / "x", DIGEST)


def test_a_file_address_works(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(CONTENT)
    download((tmp_path / "source").as_uri(), tmp_path / "deep" / "net.onnx", DIGEST)
    assert (tmp_path / "deep" / "net.onnx").read_bytes() == CONTENT


def test_offline_says_which_command_to_run(tmp_path: Path) -> None:
    store = WeightStore(tmp_path, offline=True, records={"net": _record("http://127.0.0.1:9/x")})
    with pytest.raises(UserError, match=r"run `python -m tools\.fetch_weights net`"):
        store.resolve("detector", "auto", "net")


def test_a_failed_fetch_says_which_command_to_run(tmp_path: Path, address: str) -> None:
    with pytest.raises(UserError, match=r"404.*`python -m tools\.fetch_weights net`"):
        _store(tmp_path, f"{address}/missing").resolve("detector", "auto", "net")


def test_a_damaged_file_in_the_cache_is_not_used(tmp_path: Path) -> None:
    store = _store(tmp_path, None)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "net.onnx").write_bytes(CONTENT[:-1])
    with pytest.raises(UserError, match=r"damaged or another file.*delete it"):
        store.resolve("detector", "net", "")


def test_a_named_file_wins_and_is_known_by_its_hash(tmp_path: Path) -> None:
    store = _store(tmp_path, None)
    (tmp_path / "renamed.bin").write_bytes(CONTENT)
    found = store.resolve("detector", str(tmp_path / "renamed.bin"), "net")
    assert (found.name, found.record) == ("net", store.records["net"])
    (tmp_path / "own.onnx").write_bytes(b"mine")
    own = store.resolve("detector", str(tmp_path / "own.onnx"), "net")
    assert (own.name, own.record) == ("own", None)


def test_weights_of_another_kind_are_refused(tmp_path: Path) -> None:
    store = _store(tmp_path, None)
    (tmp_path / "a.onnx").write_bytes(CONTENT)
    with pytest.raises(UserError, match="is for detector, not reid"):
        store.resolve("reid", str(tmp_path / "a.onnx"), "net")


def test_a_name_that_is_nothing_lists_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"detector\.weights: there is no file nett.*auto, or one of: net"):
        _store(tmp_path, None).resolve("detector", "nett", "net")


def test_a_file_nobody_serves_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no public address is known"):
        _store(tmp_path, None).resolve("detector", "net", "")
    with pytest.raises(UserError, match="belongs to the checkout"):
        _store(tmp_path, "shipped", file="absent.onnx").resolve("detector", "net", "")
    with pytest.raises(UserError, match="unknown weights 'nat'; there are: net"):
        _store(tmp_path, None).fetch("nat")


def test_the_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTMCT_CACHE", str(tmp_path))
    assert default_cache_dir() == tmp_path
    monkeypatch.delenv("MTMCT_CACHE")
    assert "mtmct" in str(default_cache_dir())


def _warned(store: WeightStore, kind: WeightKind, value: str, default: str, caplog: pytest.LogCaptureFixture) -> str:
    caplog.clear()
    found = store.resolve(kind, value, default)
    assert found.trained_on == "synthetic"
    (line,) = [entry.getMessage() for entry in caplog.records if entry.levelno == logging.WARNING]
    assert store.warnings[-1] == line
    return line


def test_synthetic_weights_are_told_of_with_the_way_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    real = {
        "other": _record("http://127.0.0.1:9/a", backends=("yolox_onnx",), sha256="1" * 64),
        "like": _record("http://127.0.0.1:9/b", sha256="2" * 64),
        "usual": _record("http://127.0.0.1:9/c", backends=("yolox_onnx",), sha256="3" * 64),
        "private": _record(None, sha256="4" * 64),
    }
    drawn = {"drawn": _record(None, trained_on="synthetic")}
    (tmp_path / "net.onnx").write_bytes(CONTENT)
    store = WeightStore(tmp_path, records={**real, **drawn})
    line = _warned(store, "detector", str(tmp_path / "net.onnx"), "", caplog)
    assert line == (
        "detector.weights: drawn was trained on synthetic people and knows nothing of real ones; for real footage "
        "there is like: python -m tools.fetch_weights like"
    )
    assert "tools.fetch_weights usual" in _warned(store, "detector", "drawn", "usual", caplog)
    assert len(store.warnings) == 2
    alone = WeightStore(tmp_path, records=drawn)
    assert _warned(alone, "detector", "drawn", "", caplog).endswith("knows nothing of real ones")


@pytest.mark.parametrize(
    ("entry", "people"),
    [
        ('{"provenance": {"trained_on": "synthetic/training/frames.json"}}', "synthetic"),
        ('{"provenance": {"trained_on": "synthetic/a, mine", "people": "real and synthetic"}}', "real"),
        ('{"provenance": {"trained_on": "mine"}}', None),
        ('{"provenance": 3}', None),
        ('"plain"', None),
        ("plain", None),
    ],
)
def test_every_network_of_ours_tells_which_people_it_knows(tmp_path: Path, entry: str, people: str | None) -> None:
    path = tmp_path / "any.safetensors"
    save_file({"a": np.zeros(1, np.float32)}, path, metadata={"mtmct_anything": entry, "format": "pt"})
    store = WeightStore(tmp_path, records={})
    assert store.resolve("pose", str(path), "").trained_on == people
    assert len(store.warnings) == (people == "synthetic")


def test_real_weights_are_not_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "net.onnx").write_bytes(CONTENT)
    (tmp_path / "own.safetensors").write_bytes(b"mine")
    store = WeightStore(tmp_path, records={"net": _record(None)})
    assert store.resolve("detector", "net", "").trained_on == "real"
    assert store.resolve("detector", str(tmp_path / "own.safetensors"), "").trained_on is None
    assert store.warnings == []
    assert not caplog.records
