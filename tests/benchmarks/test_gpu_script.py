"""The script for a GPU, tried on the CPU: what it checks and what it writes, not how fast anything is."""

import json

import pytest

from adaqn_lab import kernels
from tests.benchmarks import gpu


def test_it_checks_and_writes(tmp_path, monkeypatch, compiled_kernels):
    monkeypatch.setattr(gpu, "milliseconds", lambda call: [call(), 2.0][1])
    file = tmp_path / "gpu.json"
    gpu.main(["--device", "cpu", "--sizes", "1000", "--out", str(file)])
    rows = json.loads(file.read_text())["rows"]
    directions = [row for row in rows if row["what"] == "direction"]
    assert [(row["m"], row["who"]) for row in directions] == [
        (m, who) for m in (10, 20) for who in ("ours, plain torch", "torch.optim.LBFGS", "ours, kernels")
    ]
    assert all(0.0 < row["error"] < 1e-6 for row in directions)
    assert [row["who"] for row in rows if row["what"] == "step"] == ["ADAQN", "fused Adam"]
    assert not kernels.loaded()


def test_a_wrong_direction_is_not_timed(tmp_path, monkeypatch, compiled_kernels):
    monkeypatch.setattr(gpu, "own_direction", lambda history, pairs: lambda: 1.01 * pairs.g)
    with pytest.raises(RuntimeError, match=r"^ours, plain torch at n = 1000, m = 10 is off by .*\.$"):
        gpu.main(["--device", "cpu", "--sizes", "1000", "--out", str(tmp_path / "gpu.json")])
