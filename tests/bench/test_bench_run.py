"""`sondo bench`: what is measured is there, and says what it is; the times themselves are no test's business."""

import json
import os
import subprocess
import sys
from unittest.mock import Mock

import numpy as np
import pytest

from sondo.bench import fresh
from sondo.bench.machine import machine
from sondo.bench.run import bench
from sondo.bench.tables import markdown
from sondo.bench.timing import summarise, take_turns
from sondo.cli import main
from sondo.errors import SondoError


def test_medians_percentiles_and_ratios_are_those_of_the_definition():
    seconds = np.array([[1.0, 2.0], [3.0, 2.0], [2.0, 8.0], [2.0, 4.0]])
    first, last = summarise(seconds, has_reference=True)
    assert (first.median_s, last.median_s, first.num_calls) == (2.0, 3.0, 4)
    assert first.p95_s == pytest.approx(2.85)  # 1, 2, 2, 3: at place 0.95 x 3
    assert first.ratio == pytest.approx(0.5)  # of 0.5, 1.5, 0.25, 0.5
    assert last.ratio == 1.0
    assert summarise(seconds, has_reference=False)[0].ratio is None


def test_everybody_has_as_many_turns_and_no_fixed_place(monkeypatch):
    monkeypatch.setattr("sondo.bench.timing.MAX_ROUNDS", 5)
    said = []
    take_turns([lambda: said.append("a"), lambda: said.append("b")], has_reference=False)
    assert said[:2] == ["a", "b"]  # warming up
    assert "".join(said[2:]) == "ab" + "ba" + "ab" + "ba" + "ab"


def test_what_a_students_own_code_prints_does_no_harm(monkeypatch):
    said = Mock(returncode=0, stdout='importing my module\n50 %\n{"import_s": 1.0}')
    monkeypatch.setattr(fresh.subprocess, "run", lambda *_, **__: said)
    assert fresh.measure("own", threads=1, seconds=1, allow_code=True) == {"import_s": 1.0}


@pytest.mark.slow
def test_a_fresh_process_is_measured_by_itself(network):
    """It must not hear of this process's memory: Linux would hand `ru_maxrss` down."""
    ballast = np.ones(50_000_000)
    found = fresh.measure(network, threads=1, seconds=0.1, allow_code=False)
    assert found["cold_start_s"] == pytest.approx(found["import_s"] + found["load_s"] + found["first_s"])
    assert min(found["import_s"], found["load_s"], found["first_s"]) > 0
    if sys.platform == "linux":
        assert 10e6 < found["peak_bytes"] < ballast.nbytes


def test_a_model_that_is_not_there_is_named():
    with pytest.raises(SondoError, match=r"absent\.onnx"):
        bench(["absent.onnx"])
    with pytest.raises(SondoError, match="absent"):
        fresh.measure("absent.onnx", threads=1, seconds=0.1, allow_code=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"threads": [0]}, "1 or above"), ({"batch": []}, "1 or above"), ({"seconds": 0.01}, "at least 0.1 s")],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(SondoError, match=message):
        bench(["a.onnx"], **settings)
    with pytest.raises(SondoError, match=r"^a\.onnx: named twice"):
        bench(["a.onnx", "b.onnx"], against="a.onnx")
    with pytest.raises(SondoError, match=r"a\.pte: what is measured are \.onnx files"):
        bench(["a.pte"])


def test_the_machine_is_described():
    about = machine()
    assert about["python"] == ".".join(map(str, sys.version_info[:3]))
    assert about["cpu"]
    assert 1 <= about["cores"] <= (os.cpu_count() or 1)
    assert about["numpy"] == np.__version__


@pytest.mark.slow
def test_the_command_line_shows_and_writes_all_of_it(network, student, tmp_path, capsys, monkeypatch):
    from sondo.students import save

    monkeypatch.setattr("sondo.bench.timing.MAX_ROUNDS", 5)
    monkeypatch.setattr("sondo.bench.run.COLD_STARTS", 1)
    save(student, tmp_path / "student")
    result_path, table_path = tmp_path / "new" / "b.json", tmp_path / "tables" / "b.md"
    given = ["bench", str(network), "--against", str(tmp_path / "student"), "--batch", "1", "2", "--seconds", "0.1"]
    main([*given, "--json", str(result_path), "--markdown", str(table_path)])
    result = json.loads(result_path.read_text())
    file, reference = result["models"]
    assert (file["runs_on"], reference["runs_on"]) == ("onnxruntime", "torch")
    assert file["bytes"] == network.stat().st_size
    assert reference["bytes"] == (tmp_path / "student" / "model.safetensors").stat().st_size
    assert reference["params"] == student.num_params
    assert file["params"] == 168  # by hand, as in test_bench_onnx_file
    assert [(row["threads"], row["batch"]) for row in file["latency"]] == [(1, 1), (1, 2)]
    for row in file["latency"]:
        assert row["real_time_factor"] == pytest.approx(row["median_s"] / (0.1 * row["batch"]))
    assert [row["ratio"] for row in reference["latency"]] == [1.0, 1.0]
    text = table_path.read_text()
    assert text == markdown(result)
    assert f"| {network} | 1 | 2 |" in text
    for meaning in result["definitions"].values():
        assert meaning in text
    assert "peak memory" in capsys.readouterr().out


@pytest.mark.slow
def test_an_exported_file_is_measured_without_torch(network):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from sondo.bench import run, timing\n"
        "timing.MAX_ROUNDS, run.COLD_STARTS = 5, 1\n"
        f"found = run.bench([{str(network)!r}], seconds=0.1)['models'][0]\n"
        "assert found['macs']['network'] > 0"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
