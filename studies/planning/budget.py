"""How much a study may train, and which seeds serve which purpose."""

from dataclasses import dataclass

from studies.errors import InputError, require_at_least

FIRST_EVALUATION_SEED = 100
"""Evaluation seeds count from here. Smaller ones served to place the grids of learning rates, and are spent."""
FIRST_TUNING_SEED = 10_000
"""Tuning seeds count from here: no evaluation run repeats a tuning run."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much a study may train: steps of a run, learning rates, tuning seeds and evaluation seeds.

    ``rounds``: how often every variant adds two learning rates to its grid, between the best and its neighbours or
    beyond the edge on which the best lies.
    """

    steps: int
    rates: int
    tuning_seeds: int
    seeds: int
    rounds: int = 0

    def __post_init__(self) -> None:
        require_at_least(1, **{name: value for name, value in vars(self).items() if name != "rounds"})
        require_at_least(0, rounds=self.rounds)
        most = FIRST_TUNING_SEED - FIRST_EVALUATION_SEED
        if self.seeds > most:
            raise InputError(f"--seeds {self.seeds} runs into the tuning seeds: give at most {most}.")


BUDGETS = {
    "small": Budget(steps=600, rates=5, tuning_seeds=2, seeds=5),
    "answer": Budget(steps=600, rates=5, tuning_seeds=2, seeds=10, rounds=1),
    "full": Budget(steps=6000, rates=7, tuning_seeds=3, seeds=10, rounds=2),
    "smoke": Budget(steps=40, rates=2, tuning_seeds=1, seeds=2),
}
"""The budgets that ``--budget`` knows: ``answer`` has enough seeds to test differences, ``smoke`` takes seconds and
shows that a set-up works."""
