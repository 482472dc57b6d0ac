import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from data.errors import UserError
from data.registry import resolve
from tools.benchmark import BENCHMARKS, main
from tools.benchmarks import (
    base,
    bytetrack,
    environment,
    evaluation,
    kpr,
    references,
    reranking,
    space_time,
    whole,
    worker,
)
from tools.benchmarks.base import Case, Contender, Measurement, measure


def test_the_distribution_reference_equals_the_original(golden: Callable[[str], Path]) -> None:
    with np.load(golden("st_distribution.npz")) as case:
        raw = references.st_histogram(case["label"], case["cam"] - 1, case["frame"], 8, 100, 5000)
        assert np.argwhere(raw).tolist() == case["raw_index"].tolist()
        row = raw[:1, 1:2, :3000]
        assert np.abs(references.st_smoothing(row, 10)[0, 0] - case["smooth_duke_o10"][0, 1]).max() < 1e-12


def test_the_joint_reference_equals_the_original(golden: Callable[[str], Path]) -> None:
    with np.load(golden("st_distribution.npz")) as case:
        query, gallery = ([case[f"{s}_feat"], case[f"{s}_cam"] - 1, case[f"{s}_frame"]] for s in "qg")
        got = references.joint_scores(*query, *gallery, case["smooth_market_o50"], 100)
        assert np.abs(got - case["joint_market"]).max() < 1e-10


def test_the_re_ranking_reference_equals_the_original(golden: Callable[[str], Path]) -> None:
    with np.load(golden("k_reciprocal.npz")) as case:
        got = references.k_reciprocal(case["q_g"], case["q_q"], case["g_g"])
        assert np.abs(got - case["out_k1=20_k2=6_lambda=0.3"]).max() < 1e-5


def test_the_evaluation_references_equal_the_originals(golden: Callable[[str], Path]) -> None:
    with np.load(golden("cmc_map.npz")) as case:
        args = (case["dist"], case["q_pid"], case["g_pid"], case["q_cam"], case["g_cam"])
        assert references.evaluate_market(*args)[1] == pytest.approx(float(case["torchreid_map"]), abs=1e-9)
        assert references.evaluate_trapezoid(*args)[1] == pytest.approx(float(case["streid_map"]), abs=1e-9)


def test_published_check_values_of_the_workloads() -> None:
    """The workloads are those whose costs were published: their results agree."""
    market = {"count": 12936, "people": 751, "cameras": 6, "seed": 11, "bins": 5000}
    duke = {"count": 16522, "people": 702, "cameras": 8, "seed": 12, "bins": 3000}
    assert space_time.build_ours(**market)() == pytest.approx(29.99999679464511, abs=1e-9)
    assert space_time.build_ours(**duke)() == pytest.approx(55.99999401675629, abs=1e-9)
    assert reranking.ours(500, 3000)() == pytest.approx(1358894.375, rel=1e-6)
    assert reranking.ours_in_blocks(500, 3000, "exact")() == pytest.approx(1358894.375, rel=1e-6)


@pytest.mark.slow
def test_published_check_values_at_full_size() -> None:
    assert reranking.ours(3368, 15913)() == pytest.approx(48391296.0, rel=1e-6)
    assert evaluation.ours(3368, 15913, "standard")() == pytest.approx(0.0017234120644049585, rel=1e-6)
    assert evaluation.ours(3368, 15913, "trapezoid")() == pytest.approx(0.0014188700400465256, rel=1e-6)


def test_every_benchmark_lists_cases_whose_functions_exist() -> None:
    for name in BENCHMARKS:
        for quick in (True, False):
            cases = resolve("benchmark", name, BENCHMARKS)(quick)
            assert cases
            for case in cases:
                for contender in (case.ours, *case.references):
                    module, _, function = contender.target.partition(":")
                    assert callable(resolve("job", "x", {"x": f"{module}:{function}"}))


def test_kpr_and_the_bare_backbone_see_the_same_number_of_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(base.THREADS, "1")
    (first, *_) = kpr.cases(True)
    product, bare = first.references
    for contender in (first.ours, bare):
        job = getattr(kpr, contender.target.partition(":")[2])(**contender.arguments)
        assert job() == contender.items == 8
    assert kpr.product(**product.arguments)() == 0


def test_operations_of_a_network_are_counted() -> None:
    """Swin-B has 15.4 G multiply-adds at 224x224 (Liu et al., table 1), which has 1.02 times the pixels of 384x128."""
    assert kpr.operations_a_crop(kpr._BASE) / 2e9 == pytest.approx(15.4 / 1.02, rel=0.15)
    assert kpr.operations_a_crop(kpr._SMALL) < 0.05 * kpr.operations_a_crop(kpr._BASE)


def test_a_rate_is_told_as_a_share_of_the_devices(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {"side": 64, "precision": "fp32", "times": 4}
    ours = Contender("ours", "tools.benchmarks.kpr:product", arguments, operations=10.0)
    rate = Contender("rate", "tools.benchmarks.kpr:product", {**arguments, "side": 65}, operations=1000.0)
    taken = iter((base.Measurement(2.0, 2.0, 9, 9, 0.0), base.Measurement(20.0, 40.0, 9, 9, 0.0)))
    monkeypatch.setattr(base, "measure", lambda contender, threads: next(taken))
    monkeypatch.setattr(kpr, "cases", lambda quick: [Case("share", ours, (rate,))])
    assert main(["kpr"]) == 0
    out = capsys.readouterr().out
    assert "share of its rate: wall 10.0%, CPU 20.0%" in out
    assert "ratio" not in out


def test_a_quick_run_prints_ratios_and_writes_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--quick", "--json", str(tmp_path / "b.json")]) == 0
    out = capsys.readouterr().out
    assert "ratio: wall" in out
    records = json.loads((tmp_path / "b.json").read_text())
    assert {record["label"] for record in records} == {"ours", "loop"}
    assert all(record["peak_mib"] >= record["base_mib"] > 5 for record in records)


def test_a_different_result_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    size = {"queries": 20, "gallery": 100, "convention": "standard"}
    ours = Contender("ours", "tools.benchmarks.evaluation:ours", size)
    other = Contender("other", "tools.benchmarks.evaluation:reference", {**size, "convention": "trapezoid"})
    monkeypatch.setattr(evaluation, "cases", lambda quick: [Case("wrong", ours, (other,))])
    assert main(["eval"]) == 1
    assert "DIFFERENT RESULTS" in capsys.readouterr().out
    assert main(["eval", "--ours-only"]) == 0


def test_times_of_a_part_of_the_work_are_scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = json.dumps({"wall_s": 0.5, "cpu_s": 0.25, "peak_mib": 90.0, "base_mib": 60.0, "check": 7.0})
    monkeypatch.setattr(base.subprocess, "run", lambda command, **_: CompletedProcess(command, 0, f"noise\n{worker}\n"))
    once, many = (measure(Contender("x", "m:f", scale=scale), 1) for scale in (1.0, 1000.0))
    assert once == Measurement(0.5, 0.25, 90.0, 60.0, 7.0)
    assert many == Measurement(500.0, 250.0, 90.0, 60.0, 7.0)


def test_failures_are_named() -> None:
    with pytest.raises(UserError, match=r"benchmark 'broken' failed: .*nothing"):
        measure(Contender("broken", "tools.benchmarks.evaluation:nothing"), 1)
    with pytest.raises(UserError, match="unknown benchmark 'rerun'"):
        main(["rerun"])


def test_an_environment_is_made_once_and_a_failure_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    monkeypatch.setattr("venv.EnvBuilder.create", lambda _, folder: (made.append(folder), folder.mkdir(parents=True)))
    answers = [CompletedProcess([], 1, "", "a\nno such package"), CompletedProcess([], 0, "", "")]
    monkeypatch.setattr("subprocess.run", lambda *_, **__: answers.pop(0))
    with pytest.raises(UserError, match="cannot install thing==1: no such package; --ours-only does without"):
        environment.environment_python(("thing==1",), tmp_path)
    (tmp_path / made[0].name).rmdir()
    first = environment.environment_python(("thing==1",), tmp_path)
    assert environment.environment_python(("thing==1",), tmp_path) == first
    assert len(made) == 2
    assert not answers


def test_the_plain_pipeline_reads_an_export() -> None:
    import cv2

    output = np.zeros((84, 5), np.float32)
    output[:4] = np.array([[50, 40, 20, 60], [51, 40, 20, 60], [300, 200, 40, 100], [10, 10, 5, 5], [9, 9, 5, 5]]).T
    output[4] = [0.9, 0.8, 0.5, 0.05, 0.0]
    boxes, scores = bytetrack._people(cv2, output)
    np.testing.assert_allclose(boxes, [[40, 10, 60, 70], [280, 150, 320, 250]])
    np.testing.assert_allclose(scores, [0.9, 0.5])
    blob, gain, left, top = bytetrack._blob(cv2, np.full((100, 200, 3), 255, np.uint8), 64, 64)
    assert (blob.shape, gain, left, top) == ((1, 3, 64, 64), 0.32, 0, 16)
    assert blob[0, :, 32].min() == 1
    assert blob[0, 0, 0, 0] == pytest.approx(114 / 255)


def test_scores_and_rates_are_told_and_a_shared_reference_is_measured_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs: list[str] = []

    def fake(contender: Contender, threads: int) -> Measurement:
        runs.append(contender.label)
        return Measurement(2.0, 1.0, 10, 5, 0.0)

    monkeypatch.setattr(base, "measure", fake)
    shared = Contender("plain", "x:y")
    cases = [
        Case(name, Contender("ours", "x:y", score=lambda: "IDF1 93.0", items=40), (shared,), "", None) for name in "ab"
    ]
    monkeypatch.setitem(BENCHMARKS, "st", f"{__name__}:_cases")
    monkeypatch.setattr(f"{__name__}._cases", lambda quick: cases, raising=False)
    assert main(["st"]) == 0
    assert runs == ["ours", "plain", "ours"]
    assert "IDF1 93.0   20.0 a second, 25.0 CPU ms each" in capsys.readouterr().out


def test_the_benchmark_scores_like_the_tools(testdata: Path) -> None:
    truth = testdata / "scored" / "gt" / "pets_vtest" / "vtest.txt"
    assert whole.accuracy(str(truth), 100) == "IDF1 100.0, HOTA 100.0"


@pytest.mark.parametrize("name", ["pipeline", "cameras", "runtimes", "trackers"])
def test_benchmarks_of_real_data_say_what_is_absent(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTMCT_TESTDATA", str(tmp_path))
    with pytest.raises(UserError, match=r"needs the real test data.*set MTMCT_TESTDATA"):
        resolve("benchmark", name, BENCHMARKS)(True)


def test_a_contender_of_another_environment_sees_no_package_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setattr(base, "environment_python", lambda _: Path(sys.executable))
    monkeypatch.setattr(base, "_WORKER", tmp_path / "worker.py")
    (tmp_path / "worker.py").write_text(Path(worker.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "trackers.py").write_text("THEIRS = 7.0\n", encoding="utf-8")
    (tmp_path / "own.py").write_text(
        "def job():\n    import trackers\n    return lambda: trackers.THEIRS\n", encoding="utf-8"
    )
    assert measure(Contender("theirs", "own:job", packages=("trackers",)), 1).check == 7
