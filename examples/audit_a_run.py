"""How right are the curvature pairs of a live run? adaQN as published, and its rescaled form.

With the extras ``verification`` and ``studies``: ``python examples/audit_a_run.py --steps 300``.
"""

import argparse

import torch

from adaqn_lab import ADAQN, QuasiNewton
from adaqn_lab.recipes import adaqn_rescaled
from studies.models import architecture
from studies.tasks import king_james, named_task
from verification import audit, check_pairs
from verification.curvature import held_pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--hidden", type=int, default=64)
    options = parser.parse_args()
    task = named_task("characters", king_james())
    for recipe in (ADAQN, adaqn_rescaled(batch_size=task.batch_size)):
        model = architecture("lstm", hidden=options.hidden).build(task.shape, seed=0)
        batches = task.batches(0)
        monitor, curvature = next(batches), next(batches)
        optimizer = QuasiNewton(model.parameters(), recipe, lr=0.1, monitor=lambda m=model, b=monitor: m.loss(b))
        # The audit is beside the training: it changes no bit of it.
        with audit(optimizer, lambda m=model, b=curvature: m.loss(b)) as seen:
            for _ in range(options.steps):
                optimizer.zero_grad()
                model.loss(next(batches)).backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
                optimizer.step()
        print(seen.summary().sentence)
        pairs = held_pairs(optimizer)
        print(check_pairs(*pairs).judgement if len(pairs[0]) else "It holds no pair at the end.")


if __name__ == "__main__":
    main()
