"""The example that feeds MLflow, run as its text says and read back with MLflow's client."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from studies.analysis.summary import summarise
from studies.execution.store import Store

ROOT = Path(__file__).parents[2]


def test_mlflow_has_every_run_with_its_curve(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow-skinny is not installed (adaqn-lab[dev])")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    command = [sys.executable, str(ROOT / "examples" / "trackers" / "feed_mlflow.py"), uri, str(tmp_path / "fed")]
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    client = mlflow.MlflowClient(uri)
    (experiment,) = (each for each in client.search_experiments() if each.name.startswith("adaQN"))
    told = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    records = summarise(Store(tmp_path / "fed")).records
    assert told.keys() == {record.cell.key for record in records}
    for record in records:
        run = told[record.cell.key]
        assert run.data.params["seed"] == str(record.cell.seed)
        curve = client.get_metric_history(run.info.run_id, "validation loss")
        assert [(point.step, point.value) for point in curve] == [(p.steps, p.loss) for p in record.outcome.curve]
        assert run.data.metrics.get("test loss") == record.outcome.test_loss
