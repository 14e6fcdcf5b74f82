"""Ways out of what a first reading of the errors left: needs, rates, signs, shapes, sizes, damaged checkpoints."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch

import adaqn_lab as lab
from adaqn_lab import ADAQN, MonitorIncrease, Need, bytes_needed, evaluating
from adaqn_lab.space import Space
from tests.adaqn_lab.training import SHORT, UNGUARDED, Training
from tests.adaqn_lab.ways_out import Case, evaluated, steps, trains


class Undeclared(MonitorIncrease):
    """A guard which asks for more than it needs."""

    @property
    def needs(self):
        return frozenset()


class Declared(MonitorIncrease):
    @property
    def needs(self):
        return frozenset({Need.MONITOR_LOSS})


def guarded(guard, **options):
    training = Training(SHORT.but(guard=guard), **options)
    return steps(training, *range(7))


def with_option(name, value, back=None):
    """A training whose group's option was set after some steps, and set back."""
    training = steps(Training(), 0, 1, 2)
    old = training.optimizer.param_groups[0][name]
    training.optimizer.param_groups[0][name] = value
    if back is not None:
        training.optimizer.param_groups[0][name] = old if back == "old" else back
    return steps(training, 3, 4)


def asked(shape):
    return trains().optimizer.operator(torch.ones(shape))


@dataclass(frozen=True)
class Reading(lab.Plain):
    """A stepper whose init reads what it made."""

    honest: bool = False

    def init(self, space: Space):
        zeros = space.zeros()
        if not self.honest:
            zeros.sum().item()


HONEST = Reading(honest=True)


def loaded(damage):
    training = trains()
    saved = copy.deepcopy(training.optimizer.state_dict())
    (entry,) = [entry for entry in saved["state"].values() if entry]
    damage(entry)
    Training().optimizer.load_state_dict(saved)


def cut(entry):
    entry["about"] = entry["about"][:-5]


def negative(entry):
    entry["step"] = -4


CASES = [
    Case(
        "an undeclared need",
        RuntimeError,
        lambda: guarded(Undeclared(), monitor=None),
        "A part asked for the monitor loss, and no monitor callable was passed",
        {
            "let its needs name Need.MONITOR_LOSS": lambda _: guarded(Declared()),
            "pass monitor= to the optimizer": lambda _: guarded(Undeclared(), monitor=lambda: 1.0),
        },
    ),
    Case(
        "a later rate that is none",
        ValueError,
        lambda: with_option("lr", math.nan),
        "lr=nan is no rate",
        {"set a finite number >= 0": lambda _: [with_option("lr", math.nan, back=0.1), trains().train(3)]},
    ),
    Case(
        "rates for runs that are none",
        ValueError,
        lambda: with_option("lr", torch.tensor([0.1, 0.2])),
        "lr has shape (2,)",
        {
            "set a float": lambda _: with_option("lr", torch.tensor([0.1, 0.2]), back=0.1),
            "one rate for each of the 1 run(s)": lambda _: with_option("lr", torch.tensor([0.1])),
        },
    ),
    Case(
        "another sign",
        RuntimeError,
        lambda: with_option("maximize", True),
        "maximize is no longer False in every group",
        {
            "set it back": lambda _: with_option("maximize", True, back="old"),
            "build a new optimizer": lambda _: trains(maximize=True),
        },
    ),
    Case(
        "a vector of another size",
        ValueError,
        lambda: asked((1, 5)),
        "operator: v has shape (1, 5)",
        {"pass one of shape (1, 53), (R, n)": lambda words: asked(evaluated(words.split("shape ")[1][:7]))},
    ),
    Case(
        "bytes of no recipe",
        TypeError,
        lambda: bytes_needed("x", 5),
        "bytes_needed: recipe='x' is no Recipe",
        {"pass one, for example ADAQN": lambda words: bytes_needed(evaluated(words.split()[-1]), 5)},
    ),
    Case(
        "no dtype of a memory",
        TypeError,
        lambda: bytes_needed(ADAQN, 5, dtype=torch.int8),
        "bytes_needed: dtype=torch.int8 holds no memory",
        {
            "pass torch.float32": lambda _: bytes_needed(ADAQN, 5, dtype=torch.float32),
            "torch.float64": lambda _: bytes_needed(ADAQN, 5, dtype=torch.float64),
        },
    ),
    Case(
        "an init that reads",
        TypeError,
        lambda: trains(UNGUARDED.but(stepper=Reading())),
        "stepper=Reading(honest=False) cannot make its state on torch's meta device",
        {
            "let init make tensors as space.zeros() does": lambda _: trains(
                UNGUARDED.but(stepper=Reading(honest=True))
            ),
            "read none of them": lambda _: trains(UNGUARDED.but(stepper=Reading(honest=True))),
        },
    ),
    Case(
        "arguments exchanged",
        TypeError,
        lambda: evaluating(lambda: 1.0, torch.nn.Linear(1, 1)),
        "evaluating: model=<function",
        {"pass a module and () -> loss": lambda _: evaluating(torch.nn.Linear(1, 1), lambda: 1.0)()},
    ),
    Case(
        "a truncated checkpoint",
        ValueError,
        lambda: loaded(cut),
        "The checkpoint is damaged (JSONDecodeError",
        {"load another one": lambda _: loaded(lambda entry: None)},
    ),
    Case(
        "a step before the first",
        ValueError,
        lambda: loaded(negative),
        "The checkpoint is damaged (step -4",
        {"load another one": lambda _: loaded(lambda entry: None)},
    ),
]
