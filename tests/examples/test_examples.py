"""The scripts and the notebook of examples/ run, at a small size, and say what they should."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SMALL = {
    "ablation.py": (["runs", "--steps", "20", "--seeds", "1", "--rates", "1"], r"ADAQN-no-guard +0\.\d+ +\d\.\d+"),
    "audit_a_run.py": (["--steps", "60", "--hidden", "8"], r"along s y is [\d.]+ times too"),
    "custom_part.py": (["--examples", "3"], r"[1-9]\d laws hold, 0 fail"),
    "runs_side_by_side.py": (["--steps", "80"], r"rate 1\.0000: loss \d+\.\d+, \d of 4 windows"),
    "train_lstm.py": (["--steps", "60"], r"adaQN: [012]\.\d+ nats a character \{'REFERENCE': 1"),
}
"""Script -> (arguments, a pattern of what it prints)."""


def test_there_are_five_short_scripts() -> None:
    scripts = sorted(path.name for path in EXAMPLES.glob("*.py"))
    assert scripts == sorted(SMALL)
    for name in scripts:
        assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) <= 60, name


@pytest.mark.parametrize("name", SMALL)
def test_script_runs(name: str, tmp_path: Path) -> None:
    arguments, pattern = SMALL[name]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(pattern, done.stdout), done.stdout


def test_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install 'adaqn-lab[dev]'")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed: pip install 'adaqn-lab[dev]'")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # with another backend than its own a notebook shows no figure
    notebook = nbformat.read(EXAMPLES / "first_steps.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "commit it without outputs"
    small = [cell for cell in notebook.cells if "STEPS = 400" in cell.source]
    assert len(small) == 1
    small[0].source = small[0].source.replace("STEPS = 400", "STEPS = 60")
    client.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("ADMITTED" in output.get("text", "") for output in outputs)
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert any("normalisation" in output.get("data", {}).get("text/plain", "") for output in outputs)
