"""OpenVINO gives what ONNX Runtime gives, reads IR files, and says what it cannot do."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.runtime.choice import RuntimeChoice, Runtimes
from data.runtime.cores import Share
from data.runtime.network import Network
from data.runtime.onnx import OnnxNetwork
from data.runtime.opener import Model
from data.runtime.openvino import IrGraph, OpenVinoNetwork
from data.runtime.trial import Trial
from data.weight_records import as_weights
from reid.config import ReidConfig
from reid.embedders.onnx import OnnxEmbedder
from tests.tiny_models import colour_network

_ONE = Trial(lambda _: np.zeros((1, 3, 32, 16), np.float32))


@pytest.fixture
def ir(tmp_path: Path) -> Path:
    """The tiny embedding network as OpenVINO IR."""
    import openvino

    path = tmp_path / "net.xml"
    openvino.save_model(openvino.Core().read_model(str(colour_network(tmp_path / "n.onnx"))), path)
    return path


@pytest.mark.parametrize("batch", ["batch", 4])
def test_it_agrees_with_onnx_runtime_and_rows_do_not_depend_on_their_batch(tmp_path: Path, batch: int | str) -> None:
    path = colour_network(tmp_path / "n.onnx", batch=batch)
    ours, theirs = OpenVinoNetwork(path, Share.of(1), "n"), OnnxNetwork(path, "cpu", Share.of(1), "n")
    assert (ours.input_shape, ours.output_shapes, ours.output_names, ours.metadata, ours.batch) == (
        theirs.input_shape, theirs.output_shapes, theirs.output_names, theirs.metadata, theirs.batch
    )  # fmt: skip
    blob = np.random.default_rng(0).random((9, 3, 32, 16)).astype(np.float32)
    together = ours.run(blob)[0]
    np.testing.assert_allclose(together, theirs.run(blob)[0], rtol=1e-5)
    np.testing.assert_array_equal(together, np.concatenate([ours.run(row[None])[0] for row in blob]))


def test_an_earlier_result_is_not_written_again(tmp_path: Path) -> None:
    network = OpenVinoNetwork(colour_network(tmp_path / "n.onnx"), Share.of(1), "n")
    first = network.run(np.ones((1, 3, 32, 16), np.float32))[0]
    kept = first.copy()
    network.run(np.full((1, 3, 32, 16), 7, np.float32))
    np.testing.assert_array_equal(first, kept)


def test_metadata_of_an_export_come_through(tmp_path: Path) -> None:
    import onnx
    from onnx import helper

    model = onnx.load(colour_network(tmp_path / "n.onnx"))
    helper.set_model_props(model, {"task": "detect", "names": "{0: 'person'}"})
    onnx.save(model, tmp_path / "told.onnx")
    network = OpenVinoNetwork(tmp_path / "told.onnx", Share.of(1), "n")
    assert network.metadata == {
        "task": "detect",
        "names": "{0: 'person'}",
    }


def test_what_was_compiled_is_opened_without_reading_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnx
    import openvino
    from onnx import helper

    model = onnx.load(colour_network(tmp_path / "n.onnx"))
    helper.set_model_props(model, {"task": "detect"})
    onnx.save(model, tmp_path / "told.onnx")
    blob = np.random.default_rng(0).random((2, 3, 32, 16)).astype(np.float32)
    first = OpenVinoNetwork(tmp_path / "told.onnx", Share.of(1), "n", compiled=tmp_path / "kept")

    def none(*_: object) -> None:
        raise RuntimeError("it is read")

    monkeypatch.setattr(openvino.Core, "read_model", none)
    again = OpenVinoNetwork(tmp_path / "told.onnx", Share.of(1), "n", compiled=tmp_path / "kept")
    assert again.metadata == first.metadata == {"task": "detect"}
    assert (again.input_shape, again.output_names) == (first.input_shape, first.output_names)
    np.testing.assert_array_equal(again.run(blob)[0], first.run(blob)[0])
    with pytest.raises(UserError, match="it is read"):
        OpenVinoNetwork(tmp_path / "told.onnx", Share.of(1), "n", compiled=tmp_path / "elsewhere")


def test_a_model_that_changed_is_not_taken_for_what_was_compiled_before(tmp_path: Path) -> None:
    path, trial = tmp_path / "n.onnx", Trial(lambda _: np.zeros((1, 3, 32, 16), np.float32))
    blob, found = np.ones((1, 3, 32, 16), np.float32), []
    for width in (6, 7, 7):
        # Of the same age, as a copy that keeps its time may be.
        colour_network(path, width=width)
        os.utime(path, (1, 1))
        model = Model(path, f"n of {width}", "n")
        found.append(Runtimes(tmp_path / "cache").open(model, "openvino", "cpu", 1, 1, trial).run(blob)[0].shape[1])
    assert found == [6, 7, 7]


def test_an_ir_file_is_read_and_needs_its_numbers(ir: Path) -> None:
    assert OpenVinoNetwork(ir, Share.of(1), "net").output_shapes == ((None, 6),)
    before = as_weights(ir).sha256
    numbers = ir.with_suffix(".bin")
    numbers.write_bytes(numbers.read_bytes()[:-1] + b"\7")
    assert as_weights(ir).sha256 != before
    numbers.unlink()
    with pytest.raises(UserError, match=r"its weights net\.bin are not beside it"):
        OpenVinoNetwork(ir, Share.of(1), "net")


def test_an_ir_network_describes_people(ir: Path) -> None:
    embedder = OnnxEmbedder(ReidConfig(colour="bgr", normalisation="0-255"), ir, "cpu", 1)
    assert (embedder.dim, embedder.part_names) == (6, ("global",))


@pytest.mark.parametrize("damage", [".bin absent", ".bin short", ".bin flipped", ".xml empty", ".xml flipped"])
def test_a_graph_whose_copy_in_the_cache_was_damaged_is_made_anew(ir: Path, tmp_path: Path, damage: str) -> None:
    made: list[int] = []

    def graph() -> IrGraph:
        made.append(1)
        return IrGraph(ir.read_bytes(), ir.with_suffix(".bin").read_bytes())

    def opened() -> Network:
        model = Model(graph, "net trunk", "net", makes_ir=True)
        return Runtimes(tmp_path / "cache").open(model, "openvino", "cpu", 1, 1, _ONE)

    blob = np.ones((1, 3, 32, 16), np.float32)
    expected = opened().run(blob)[0]
    np.testing.assert_array_equal(opened().run(blob)[0], expected)
    assert len(made) == 1, "what is whole is kept"
    kind, what = damage.split()
    (path,) = (tmp_path / "cache" / "graphs").glob(f"*{kind}")
    _damage(path, what)
    np.testing.assert_array_equal(opened().run(blob)[0], expected)
    opened()
    assert len(made) == 2, "it is mended, not made at every start"


def _damage(path: Path, what: str) -> None:
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 0x40]) + content[middle + 1 :]
    path.chmod(0o600)
    path.write_bytes({"short": content[:40], "flipped": flipped}.get(what, b""))
    if what == "absent":
        path.unlink()


@pytest.mark.parametrize("damage", ["absent", "short", "flipped", "empty"])
@pytest.mark.parametrize("file", ["*/*.blob", "metadata.json"])
def test_what_was_compiled_is_made_anew_where_it_was_damaged(ir: Path, tmp_path: Path, damage: str, file: str) -> None:
    blob = np.random.default_rng(0).random((1, 3, 32, 16)).astype(np.float32)

    def opened() -> Network:
        return OpenVinoNetwork(ir, Share.of(1), "net", compiled=tmp_path / "kept")

    expected = opened().run(blob)[0]
    (path,) = (tmp_path / "kept").glob(file)
    whole = path.read_bytes()
    before = path.stat().st_mtime_ns
    opened()
    assert path.stat().st_mtime_ns == before, "what is whole is kept"
    _damage(path, damage)
    again = opened()
    np.testing.assert_array_equal(again.run(blob)[0], expected)
    assert (again.metadata, path.exists()) == ({}, True)
    assert path.suffix == ".blob" or path.read_bytes() == whole


def test_what_was_compiled_and_cannot_be_trusted_nor_replaced_is_not_read(
    ir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = np.random.default_rng(0).random((1, 3, 32, 16)).astype(np.float32)
    expected = OpenVinoNetwork(ir, Share.of(1), "net", compiled=tmp_path / "kept").run(blob)[0]
    (path,) = (tmp_path / "kept").glob("*/*.blob")
    _damage(path, "flipped")
    damaged = path.read_bytes()

    def refused(*_: object, **__: object) -> None:
        raise PermissionError("somebody else's")

    monkeypatch.setattr(Path, "unlink", refused)
    again = OpenVinoNetwork(ir, Share.of(1), "net", compiled=tmp_path / "kept")
    np.testing.assert_array_equal(again.run(blob)[0], expected)
    assert path.read_bytes() == damaged


def test_bf16_is_refused_where_the_processor_has_none(
    ir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.runtime.openvino.computes_bf16", lambda: False)
    assert OpenVinoNetwork(ir, Share.of(1), "net", "fp32").batch is None
    with pytest.raises(UserError, match="net in bf16: this processor does not multiply bf16 natively"):
        OpenVinoNetwork(ir, Share.of(1), "net", "bf16")
    # A run that goes on elsewhere must not go on with other numbers.
    model = Model(ir, "net", "net")
    runtimes = Runtimes(tmp_path / "cache", {"net": RuntimeChoice("openvino", "bf16")})
    with pytest.raises(UserError, match=r"natively; the run began with openvino bf16, so resume where that works"):
        runtimes.open(model, "auto", "cpu", 1, 1, _ONE)


def test_a_file_of_the_user_that_cannot_be_read_is_not_tried_again(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"not a network")
    with pytest.raises(UserError, match="net is not readable by OpenVINO"):
        Runtimes(tmp_path / "cache").open(Model(tmp_path / "net.onnx", "k", "net"), "openvino", "cpu", 1, 1, _ONE)


def test_onnx_runtime_is_not_asked_for_ir_files(ir: Path) -> None:
    trial = Trial(lambda _: np.zeros((1, 3, 32, 16), np.float32))
    with pytest.raises(UserError, match="set runtime to openvino"):
        Runtimes().open(Model(ir, "k", str(ir)), "onnxruntime", "cpu", 1, 1, trial)


def test_broken_files_and_input_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(UserError, match="broken is not readable by OpenVINO") as caught:
        OpenVinoNetwork(tmp_path / "broken.onnx", Share.of(1), "broken")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"net does not run on input \(1, 2, 32, 16\)"):
        OpenVinoNetwork(colour_network(tmp_path / "n.onnx"), Share.of(1), "net").run(
            np.zeros((1, 2, 32, 16), np.float32)
        )


@pytest.mark.parametrize("name", ["person-reidentification-retail-0277", "person-reidentification-retail-0288"])
def test_the_networks_of_the_model_zoo_are_known_and_need_both_files(name: str, testdata: Path, tmp_path: Path) -> None:
    source = testdata / "weights" / "reid" / f"{name}.xml"
    if not source.is_file():
        pytest.skip(f"{source} is absent")
    for suffix in (".xml", ".bin"):
        shutil.copyfile(source.with_suffix(suffix), tmp_path / f"mine{suffix}")
    found = as_weights(tmp_path / "mine.xml")
    assert found.name == name
    assert OnnxEmbedder(ReidConfig(), found, "cpu", 1).dim == 256
    (tmp_path / "mine.bin").write_bytes(b"other")
    with pytest.raises(UserError, match=r"mine\.bin is damaged or does not belong to mine\.xml"):
        as_weights(tmp_path / "mine.xml")
