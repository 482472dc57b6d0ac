"""How the networks of a process share its cores: never more runs than cores, and rows spread over all of them."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event, Lock, current_thread

import numpy as np
import pytest

from data.runtime import division
from data.runtime.cores import Cores, Share, computed_ahead, shared_cores, usable_cores
from data.runtime.division import rows_of_a_run, threads_of_a_run
from data.runtime.network import FloatArray, Network, Shape
from data.runtime.onnx import OnnxNetwork
from data.runtime.openvino import OpenVinoNetwork
from data.runtime.tflite import TfliteNetwork
from tests.tiny_models import colour_network

_WAIT_S = 30


class _Meter:
    """Counts how many are at work at once."""

    def __init__(self) -> None:
        self._lock, self.now, self.most = Lock(), 0, 0

    def __call__(self, _: int) -> str:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        for _ in range(200):
            os.sched_yield()
        with self._lock:
            self.now -= 1
        return current_thread().name


@pytest.mark.parametrize("count", [1, 2, 3])
def test_two_networks_together_have_no_more_runs_than_there_are_cores(count: int) -> None:
    cores, meter = Cores(count), _Meter()
    shares = [Share(cores, runs=count), Share(cores, runs=count)]
    with ThreadPoolExecutor(2) as callers:
        list(callers.map(lambda share: share.each(meter, range(20)), shares))
    assert 1 <= meter.most <= count


def test_runs_go_on_at_once_where_cores_are_free() -> None:
    """Each waits for the other: one after the other they would never come to an end."""
    both = Barrier(2)
    Share(Cores(2), runs=2).each(lambda _: both.wait(_WAIT_S), [0, 1])


def test_a_run_of_several_threads_takes_their_cores() -> None:
    cores, meter = Cores(3), _Meter()
    with ThreadPoolExecutor(2) as callers:
        list(callers.map(lambda _: Share(cores, threads=2).each(meter, [0]), range(20)))
    assert meter.most == 1


@pytest.mark.parametrize("count", [1, 2])
def test_what_is_awaited_goes_before_what_is_computed_ahead(count: int) -> None:
    cores, begun, order = Cores(count), Barrier(count + 1), list[str]()

    def ahead(item: int) -> None:
        if item < count:
            begun.wait(_WAIT_S)
            while not cores.awaited:  # Each keeps its core until somebody waits for one.
                os.sched_yield()
        order.append(f"ahead {item}")

    def looked_ahead() -> None:
        with computed_ahead():
            Share(cores, runs=count).each(ahead, range(20))

    with ThreadPoolExecutor(1) as perception:
        done = perception.submit(looked_ahead)
        begun.wait(_WAIT_S)
        Share(cores, threads=count).each(order.append, ["awaited"])
        done.result(_WAIT_S)
    assert order.index("awaited") == count, order
    assert sorted(order) == sorted(["awaited", *(f"ahead {item}" for item in range(20))])


def test_what_is_awaited_does_not_queue_behind_pictures_that_are_spread_ahead() -> None:
    """The threads of what is ahead are all taken, and stay so until what is awaited is done."""
    cores, taken, done = Cores(2), Barrier(3), Event()

    def ahead(_: int) -> None:
        taken.wait(_WAIT_S)
        assert done.wait(_WAIT_S)

    with ThreadPoolExecutor(1) as perception:
        looks = perception.submit(cores.spread, ahead, [0, 1], ahead=True)
        taken.wait(_WAIT_S)
        assert Share(cores, runs=2).each(lambda item: item, [1, 2, 3]) == [1, 2, 3]
        done.set()
        looks.result(_WAIT_S)


def test_who_stops_waiting_keeps_nobody_from_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = Cores(1)

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("threading.Condition.wait_for", stopped)
        with pytest.raises(KeyboardInterrupt), cores.held():
            pass
    with cores.held(ahead=True):
        assert cores.awaited == 0


def test_on_one_core_the_caller_computes_itself() -> None:
    assert set(Share.of(1, at_once=8).each(_Meter(), range(4))) == {current_thread().name}


def test_an_error_of_a_run_is_raised_and_frees_its_core() -> None:
    share = Share(Cores(2), runs=2)

    def broken(item: int) -> int:
        if item == 2:
            raise ValueError("no kernel")
        return item

    with pytest.raises(ValueError, match="no kernel"):
        share.each(broken, range(4))
    assert share.each(lambda item: item, range(4)) == [0, 1, 2, 3]


def test_cores_are_those_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5}, raising=False)
    assert usable_cores() == 1
    assert shared_cores(0).count == 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert Share.of(0, at_once=8) == Share(shared_cores(64), 1, 8)
    assert shared_cores(64) is shared_cores(0)


def test_a_share_follows_what_comes_together() -> None:
    assert Share.of(64, threads=16, at_once=1).runs == 1
    assert Share.of(64, threads=16, at_once=8).runs == 4
    assert Share.of(2, threads=16, at_once=8) == Share(shared_cores(2), 2, 1)
    assert [Share.of(4, at_once=32, rows=4).portion(count) for count in (1, 6, 16, 40)] == [4, 4, 4, 10]
    assert [Share.of(4, at_once=32).portion(count) for count in (1, 6, 16, 40)] == [1, 2, 4, 10]


@pytest.mark.parametrize("batch", [1, 4, "batch"])
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_rows_have_the_same_bytes_however_they_are_spread(tmp_path: Path, batch: int | str, runtime: str) -> None:
    path = colour_network(tmp_path / "n.onnx", batch=batch)
    blob = np.random.default_rng(0).random((9, 3, 32, 16), np.float32)

    def run(share: Share) -> FloatArray:
        if runtime == "openvino":
            return OpenVinoNetwork(path, share, "n").run(blob)[0]
        return OnnxNetwork(path, "cpu", share, "n").run(blob)[0]

    alone = run(Share.of(1, at_once=9))
    assert alone.shape == (9, 6)
    for rows in (1, 4):
        np.testing.assert_array_equal(run(Share.of(3, at_once=9, rows=rows)), alone)


def test_a_tflite_network_spreads_its_rows(testdata: Path) -> None:
    path = testdata / "weights/pose/movenet_singlepose_lightning_int8_192.tflite"
    crops = np.random.default_rng(0).integers(0, 256, (5, 192, 192, 3), dtype=np.uint8)
    alone, spread = TfliteNetwork(path, 1, 16), TfliteNetwork(path, 3, 16)
    np.testing.assert_array_equal(spread.run(crops), alone.run(crops))
    assert spread.run(crops[:0]).shape == (0, 1, 17, 3)


class _Fake:
    """A network that costs what the test says; ``batch`` None: it takes any number of rows."""

    label, input_shape, output_names, metadata = "fake", (None, 2), ("out",), dict[str, str]()
    output_shapes: tuple[Shape, ...] = ((None, 2),)

    def __init__(self, number: int, batch: int | None = None) -> None:
        self.number, self.batch = number, batch

    def run(self, blob: FloatArray, pad_to: int = 0) -> list[FloatArray]:
        return [blob]


def _costs(monkeypatch: pytest.MonkeyPatch, spent: dict[int, tuple[float, float]]) -> None:
    def told(network: Network, _: FloatArray) -> tuple[float, float]:
        assert isinstance(network, _Fake)
        return spent[network.number]

    monkeypatch.setattr(division, "spent_per_row", told)


@pytest.mark.parametrize(
    ("spent", "most", "threads"),
    [
        ({1: (10, 10), 2: (11, 6), 4: (12, 4), 8: (12, 3.5)}, 8, 4),  # eight threads are hardly faster than four
        ({1: (10, 10), 2: (14, 7)}, 8, 1),  # dearer
        ({1: (10, 10), 2: (10, 9)}, 8, 1),  # not faster
        ({1: (10, 10), 2: (10, 5)}, 3, 2),  # four are more than there are
        ({}, 1, 1),  # nothing to measure
    ],
)
def test_a_run_gets_the_threads_that_pay(
    spent: dict[int, tuple[float, float]], most: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _costs(monkeypatch, spent)
    assert threads_of_a_run(_Fake, np.ones((1, 2), np.float32), most) == threads


@pytest.mark.parametrize(("together", "batch", "rows"), [(8.0, None, 4), (9.5, None, 1), (8.0, 1, 1)])
def test_rows_stay_together_where_that_is_cheaper(
    together: float, batch: int | None, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _costs(monkeypatch, {1: (10.0, 10.0), 4: (together, together)})
    assert rows_of_a_run(lambda number: _Fake(number, batch), np.ones((4, 2), np.float32)) == rows
