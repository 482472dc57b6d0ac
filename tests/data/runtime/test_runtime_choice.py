"""Which runtime computes a network: measured, checked, remembered, and the same until the end of a run."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from data.errors import UserError
from data.runtime import choice
from data.runtime.choice import RuntimeChoice, Runtimes, compare, refusals
from data.runtime.network import FloatArray, Network, Shape
from data.runtime.onnx import OnnxNetwork
from data.runtime.opener import Model
from data.runtime.openvino import OpenVinoNetwork
from data.runtime.trial import Trial, difference, sample_pictures
from tests.tiny_models import colour_network


class _Fake:
    """A network that gives its input, a little off, or fails."""

    input_shape: Shape = (None, 2)
    output_names = ("out",)
    output_shapes: tuple[Shape, ...] = ((None, 2),)
    batch = None

    def __init__(self, off: float = 0.0, fails: bool = False) -> None:
        self.label, self.metadata, self._off, self._fails = "fake", dict[str, str](), off, fails

    def run(self, blob: FloatArray, pad_to: int = 0) -> list[FloatArray]:
        if self._fails:
            raise UserError("no kernel for this processor")
        return [blob * np.float32(1 + self._off)]


_TRIAL = Trial(lambda _: np.ones((4, 2), np.float32))


def _compare(
    monkeypatch: pytest.MonkeyPatch, networks: dict[str, _Fake], cost: Sequence[float]
) -> tuple[Network, RuntimeChoice]:
    """Compare fakes that cost so many milliseconds, in their order."""
    spent = dict(zip(networks, cost, strict=True))
    monkeypatch.setattr(choice, "cpu_ms_per_row", lambda running, _: {name: spent[name] for name in running})
    return compare(lambda name: networks[name], networks, _TRIAL)


def test_the_cheapest_that_agrees_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = {"onnxruntime fp32": _Fake(), "openvino fp32": _Fake(0.001), "openvino bf16": _Fake(0.05)}
    network, chosen = _compare(monkeypatch, networks, (30, 12, 6))
    assert network is networks["openvino bf16"]
    assert (chosen.runtime, chosen.precision, chosen.refused) == ("openvino", "bf16", {})
    assert chosen.cpu_ms == {"onnxruntime fp32": 30, "openvino fp32": 12, "openvino bf16": 6}


def test_what_disagrees_is_refused_however_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = {"onnxruntime fp32": _Fake(), "openvino fp32": _Fake(0.05), "openvino bf16": _Fake(0.2)}
    network, chosen = _compare(monkeypatch, networks, (30, 1, 1))
    assert network is networks["onnxruntime fp32"]
    assert "differs by 5.00% from onnxruntime fp32" in chosen.refused["openvino fp32"]
    assert "at most 8% is allowed" in chosen.refused["openvino bf16"]
    assert refusals({"net": chosen}) == []


def test_not_a_number_never_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = {"onnxruntime fp32": _Fake(), "openvino fp32": _Fake(float("nan"))}
    assert "openvino fp32" in _compare(monkeypatch, networks, (30, 1))[1].refused


def test_a_runtime_that_fails_is_passed_over_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = {"onnxruntime fp32": _Fake(fails=True), "openvino fp32": _Fake()}
    network, chosen = _compare(monkeypatch, networks, (1, 30))
    assert network is networks["openvino fp32"]
    (line,) = refusals({"net": chosen})
    assert line == (
        "net: onnxruntime fp32 failed and is not used (no kernel for this processor); openvino fp32 computes it"
    )


def test_when_all_fail_the_first_says_why() -> None:
    networks = {"onnxruntime fp32": _Fake(fails=True), "openvino fp32": _Fake(fails=True)}
    with pytest.raises(UserError, match="no kernel"):
        compare(lambda name: networks[name], networks, _TRIAL)


@pytest.mark.parametrize("cost", [(10.0, 9.5), (0.3, 0.2)])
def test_what_saves_next_to_nothing_is_not_worth_another_runtime(
    cost: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = {"onnxruntime fp32": _Fake(), "openvino fp32": _Fake()}
    assert _compare(monkeypatch, networks, cost)[1].runtime == "onnxruntime"


def _model(path: Path) -> Model:
    return Model(colour_network(path), f"net {path.parent.name}", "net")


_PICTURES = Trial(lambda _: np.random.default_rng(0).random((2, 3, 32, 16)).astype(np.float32))


def test_a_choice_is_measured_once_and_goes_on_after_the_cache_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []

    def costs(running: dict[str, Network], _: FloatArray) -> dict[str, float]:
        measured.append(len(running))
        return {name: 1.0 if name == "openvino fp32" else 9.0 for name in running}

    monkeypatch.setattr(choice, "cpu_ms_per_row", costs)
    model = _model(tmp_path / "n.onnx")
    first = Runtimes(tmp_path / "cache")
    assert isinstance(first.open(model, "auto", "cpu", 1, 1, _PICTURES), OpenVinoNetwork)
    again = Runtimes(tmp_path / "cache")
    assert isinstance(again.open(model, "auto", "cpu", 1, 1, _PICTURES), OpenVinoNetwork)
    assert len(measured) == 1
    (kept,) = json.loads((tmp_path / "cache" / "runtimes.json").read_text()).values()
    assert list(kept) == [f"{model.key} auto cpu 1 at once on 1 cores"]
    # Another number of threads is another question, and so is a cache that somebody broke.
    Runtimes(tmp_path / "cache").open(model, "auto", "cpu", 2, 1, _PICTURES)
    (tmp_path / "cache" / "runtimes.json").write_text("[")
    Runtimes(tmp_path / "cache").open(model, "auto", "cpu", 1, 1, _PICTURES)
    assert len(measured) == 3
    assert again.chosen[model.key].name == "openvino fp32"


def test_a_run_that_goes_on_keeps_its_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "cpu_ms_per_row", lambda *_: pytest.fail("nothing is measured"))
    model = _model(tmp_path / "n.onnx")
    for name, kind in (("openvino", OpenVinoNetwork), ("onnxruntime", OnnxNetwork)):
        runtimes = Runtimes(tmp_path / "cache", {model.key: RuntimeChoice(name)})
        assert isinstance(runtimes.open(model, "auto", "cpu", 1, 1, _PICTURES), kind)


def test_a_run_that_cannot_go_on_alike_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.runtime.openvino.has_openvino", lambda: False)
    model = _model(tmp_path / "n.onnx")
    runtimes = Runtimes(tmp_path / "cache", {model.key: RuntimeChoice("openvino", "bf16")})
    with pytest.raises(UserError, match=r"which is not installed.*the run began with openvino bf16"):
        runtimes.open(model, "auto", "cpu", 1, 1, _PICTURES)


@pytest.mark.parametrize(
    ("openvino", "bf16", "names"),
    [
        (True, True, ["onnxruntime fp32", "openvino fp32", "openvino bf16"]),
        (True, False, ["onnxruntime fp32", "openvino fp32"]),  # AVX2 only, most ARM
        (False, False, ["onnxruntime fp32"]),
    ],
)
def test_candidates_are_what_the_machine_has(
    openvino: bool, bf16: bool, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(choice, "has_openvino", lambda: openvino)
    monkeypatch.setattr(choice, "computes_bf16", lambda: bf16)

    def compared(_: object, found: Sequence[str], __: Trial) -> tuple[Network, RuntimeChoice]:
        seen.extend(found)
        return _Fake(), RuntimeChoice("x")

    monkeypatch.setattr(choice, "compare", compared)
    runtimes = Runtimes(tmp_path)
    runtimes.open(_model(tmp_path / "n.onnx"), "auto", "cpu", 1, 1, _PICTURES)
    assert (seen or ["onnxruntime fp32"]) == names


def test_without_a_cache_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "compare", lambda *_: pytest.fail("nothing is measured"))
    assert isinstance(Runtimes().open(_model(tmp_path / "n.onnx"), "auto", "cpu", 1, 1, _PICTURES), OnnxNetwork)
    assert isinstance(Runtimes().open(_model(tmp_path / "m.onnx"), "openvino", "cpu", 1, 1, _PICTURES), OpenVinoNetwork)


def test_differences_are_shares_of_the_reference() -> None:
    reference = [np.array([3.0, 4.0], np.float32), np.array([100.0], np.float32)]
    assert difference(reference, [reference[0] + np.float32(0), np.array([101.0], np.float32)]) == pytest.approx(0.01)
    assert difference(reference, [np.zeros(3, np.float32), reference[1]]) == float("inf")


def test_sample_pictures_show_something_and_differ() -> None:
    pictures = sample_pictures(64, 32)
    assert pictures.shape == (4, 64, 32, 3)
    assert pictures.std(axis=(1, 2, 3)).min() > 20
    assert all((pictures[0] != other).any() for other in pictures[1:])


def test_how_a_network_uses_the_cores_is_measured_once_and_kept_by_a_run_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []

    def threads(_: object, row: FloatArray, most: int) -> int:
        measured.append(len(row))
        return most

    monkeypatch.setattr(choice, "threads_of_a_run", threads)
    monkeypatch.setattr(choice, "rows_of_a_run", lambda *_: 2)
    model = _model(tmp_path / "n.onnx")
    runtimes = Runtimes(tmp_path / "cache")
    runtimes.open(model, "onnxruntime", "cpu", 8, 2, _PICTURES)
    Runtimes(tmp_path / "cache").open(model, "onnxruntime", "cpu", 8, 2, _PICTURES)
    assert measured == [1]
    found = runtimes.chosen[model.key]
    assert (found.threads, found.rows) == (4, 2)
    told = RuntimeChoice.from_json(json.loads(json.dumps(found.to_json())))
    assert told == found
    resumed = Runtimes(tmp_path / "other", {model.key: told})
    resumed.open(model, "onnxruntime", "cpu", 8, 2, _PICTURES)
    assert resumed.chosen[model.key] == found
    # What comes alone is another question; on one core there is none.
    runtimes.open(model, "onnxruntime", "cpu", 8, 1, _PICTURES)
    assert measured == [1, 1]
    assert (runtimes.chosen[model.key].threads, runtimes.chosen[model.key].rows) == (8, 1)
    runtimes.open(model, "onnxruntime", "cpu", 1, 8, _PICTURES)
    assert measured == [1, 1]
    assert runtimes.chosen[model.key].threads == 1


def test_a_run_from_before_cores_were_divided_goes_on() -> None:
    told = RuntimeChoice("onnxruntime", "fp32").to_json()
    del told["threads"], told["rows"]
    assert RuntimeChoice.from_json(told) == RuntimeChoice("onnxruntime", "fp32")
