"""Tell MLflow each run of a study as it is finished: its settings, its loss curve and its test loss.

    pip install "adaqn-lab[studies]" mlflow-skinny
    python examples/trackers/feed_mlflow.py sqlite:///mlflow.db runs/fed

For Weights & Biases the same three calls are ``wandb.init(name=..., config=...)``, ``run.log({...}, step=...)`` and
``run.finish()``.
"""

import sys
from pathlib import Path

import mlflow

from studies import Budget, Experiment, Result, Store, record_of, run
from studies.tasks import Text


def tell(result: Result) -> None:
    """Log a finished run."""
    record = record_of(result)
    with mlflow.start_run(run_name=record.cell.key):
        mlflow.log_params(record.cell.told)
        for point in record.outcome.curve:
            mlflow.log_metric("validation loss", point.loss, step=point.steps)
        if record.outcome.test_loss is not None:
            mlflow.log_metric("test loss", record.outcome.test_loss, step=record.outcome.steps)


def main(tracking: str, directory: str) -> None:
    """Run a small study in the directory; what an earlier call has finished is told already."""
    mlflow.set_tracking_uri(tracking)
    mlflow.set_experiment("adaQN on a Markov chain")
    experiment = Experiment(
        text=Text(name="markov", content=""),
        task_name="markov",
        model="rnn-tanh",
        variants=("ADAQN", "Adam"),
        budget=Budget(steps=40, rates=2, tuning_seeds=1, seeds=2),
    )
    run(experiment, Store(Path(directory)), workers=1, on_result=tell)


if __name__ == "__main__":
    main(*sys.argv[1:])
