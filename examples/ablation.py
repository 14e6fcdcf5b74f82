"""An ablation from Python: what is adaQN's guard worth? Running it again does only what is missing.

With the extra ``studies``: ``python examples/ablation.py runs/guard --steps 600 --seeds 5``.
"""

import argparse
from pathlib import Path

from studies import Budget, Experiment, Store, run, summarise
from studies.tasks import Text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rates", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2, help="processes that train")
    options = parser.parse_args()
    experiment = Experiment(
        text=Text(name="markov", content=""),  # a synthetic task: sequences of a Markov chain
        task_name="markov",
        model="rnn-tanh",
        variants=("ADAQN", "ADAQN-no-guard", "Adam"),
        budget=Budget(steps=options.steps, rates=options.rates, tuning_seeds=1, seeds=options.seeds),
    )
    store = Store(options.directory)
    failed = run(experiment, store, workers=options.workers)
    for cell, reason in failed.items():
        print(cell, reason)
    print("variant           best rate  test loss")
    for row in summarise(store).rows:
        loss = f"{row.test_loss.mean:.4f}" if row.test_loss else "-"
        print(f"{row.variant:16}  {row.lr:9.3g}  {loss:>9}")
    print(f"Page and tables: python -m studies report {options.directory}")


if __name__ == "__main__":  # workers are processes that import this file
    main()
