"""The script for a GPU, tried on the CPU: what it checks and what it writes, not how fast anything is."""

import json

import pytest

from adaqn_lab import kernels
from tests.benchmarks import gpu
from tests.benchmarks.lstms import Size


def test_it_checks_and_writes(tmp_path, monkeypatch, capsys, compiled_kernels):
    monkeypatch.setattr(gpu, "milliseconds", lambda call: [call(), 2.0][1])
    file = tmp_path / "gpu.json"
    monkeypatch.setitem(gpu.SIZES, "0.1M", Size(5, 4, 1, 3, 6))
    gpu.main(["--device", "cpu", "--sizes", "1000", "--models", "0.1M", "--out", str(file)])
    rows = json.loads(file.read_text())["rows"]
    directions = [row for row in rows if row["what"] == "direction"]
    assert [(row["m"], row["who"]) for row in directions] == [
        (m, who) for m in (10, 20) for who in ("ours, plain torch", "torch.optim.LBFGS", "ours, kernels")
    ]
    assert all(0.0 < row["error"] < 1e-6 for row in directions)
    assert [row["who"] for row in rows if row["what"] == "step"] == ["ADAQN", "fused Adam"]
    shares = {row["who"]: row.get("share") for row in rows if row["what"] == "beside"}
    assert shares == {"forward and backward": None, "fused Adam": 1.0, "ADAQN": 0.05, "ADAQN, plain torch": 0.05}
    assert not kernels.loaded()
    gpu.main(["--table", str(file)])
    assert "| 0.1M | 2.000 | 2.000 | 0.100 | 0.100 |" in capsys.readouterr().out


def test_a_wrong_direction_is_not_timed(tmp_path, monkeypatch, compiled_kernels):
    monkeypatch.setattr(gpu, "own_direction", lambda history, pairs: lambda: 1.01 * pairs.g)
    with pytest.raises(RuntimeError, match=r"^ours, plain torch at n = 1000, m = 10 is off by .*\.$"):
        gpu.main(["--device", "cpu", "--sizes", "1000", "--models", "--out", str(tmp_path / "gpu.json")])
