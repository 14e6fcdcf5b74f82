"""adaQN's recipes follow the textbook trajectory."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from adaqn_lab import (
    AdaGrad,
    CautiousSS,
    CautiousYY,
    EmpiricalFisher,
    EventKind,
    Mean,
    MonitorIncrease,
    Plain,
    Recipe,
    RMSProp,
    Sum,
    Window,
)
from verification.compare import close, holds
from verification.law import Group, Property, Subject, law
from verification.methods import Method
from verification.problems import Logistic, train
from verification.references import adaqn
from verification.tolerances import TOLERANCES

FOLLOWS_ADAQN = Property(
    "adaqn", "A recipe of adaQN's own parts: Fisher pairs, AdaGrad or RMSProp, a window of pairs, the monitor guard."
)


def reading(recipe: Recipe) -> adaqn.Reading | None:
    """The reading of adaQN that ``recipe`` is, from its hyper-parameters; None if it is no adaQN."""
    pairs, scaling, memory, guard = recipe.pairs, recipe.scaling, recipe.memory, recipe.guard
    kinds = ((pairs, EmpiricalFisher), (memory, Window), (guard, MonitorIncrease), (recipe.stepper, Plain))
    if not all(type(part) is kind for part, kind in kinds):
        return None
    assert isinstance(pairs, EmpiricalFisher)  # for the type checker
    assert isinstance(memory, Window)
    assert isinstance(guard, MonitorIncrease)
    cadence, test = recipe.cadence, memory.test
    if not isinstance(scaling, AdaGrad | RMSProp) or not isinstance(test, CautiousSS | CautiousYY):
        return None
    other = cadence.from_start or cadence.always_advance or guard.slack > 0 or memory.capacity == 0
    rounded = pairs.dtype is not None or memory.dtype is not None  # a trajectory of its own, in references/trajectories
    if other or rounded or not isinstance(pairs.normalisation, Mean | Sum):
        return None
    options: dict[str, Any] = {"decay": scaling.decay} if isinstance(scaling, RMSProp) else {}
    return adaqn.Reading(
        every=cadence.every,
        after_step=cadence.after_step,
        pairs=memory.capacity,
        gradients=pairs.window,
        mean=isinstance(pairs.normalisation, Mean),
        eps=scaling.eps,
        test_y=isinstance(test, CautiousYY),
        cautious=test.eps,
        at_most=guard.at_most,
        clear_gradients=guard.clear_store,
        **options,
    )


def _reference(recipe: Recipe, problem: Logistic, start: Any) -> Any:
    """The textbook's trajectory over the problem from ``start``."""
    found = reading(recipe)
    assert found is not None
    return adaqn.trajectory(found, start, problem.gradient, problem.loss, problem.lr, problem.steps)


def contraction(recipe: Recipe, problem: Logistic, w: Any) -> float:
    """Change of the starting point / the largest change of the reference's iterates ``w`` (steps, n) that follows."""
    change = 2.0**-40
    moved = _reference(recipe, problem, problem.start * (1 + change))
    return float(change * np.abs(problem.start).max() / np.abs(np.array(moved.w) - w).max())


def trajectories(recipe: Recipe, problem: Logistic, optimizer: Any = None) -> tuple[Any, Any, Any, Any]:
    """Iterates and window events (step, kind) of the recipe, then those of the reference, over one problem."""
    method = Method(recipe) if optimizer is None else Method(recipe, optimizer)
    own, trained = train(method, [problem])
    other = _reference(recipe, problem, problem.start)
    events = [(e.step, e.kind.name) for e in trained.events if e.kind is not EventKind.STEP_SKIPPED]
    return own[:, 0], events, np.array(other.w), other.events


@st.composite
def _problems(draw: st.DrawFn) -> Logistic:
    scale, lr = draw(st.sampled_from(((1.0, 0.1), (300.0, 0.1), (0.1, 0.1), (1.0, 0.4))))
    return Logistic(n=draw(st.integers(1, 6)), seed=draw(st.integers(0, 2**16)), steps=90, lr=lr, scale=scale)


@law(
    name="follows-adaqn",
    statement="iterates and events = the plain float64 trajectory of adaQN",
    source="Keskar & Berahas 2016 as its implementations agree, with the recipe's own choices.",
    group=Group.REFERENCE,
    subject=Subject.RECIPE,
    tolerance="trajectory",
    kills=("sum_kept_over_roll_back", "skip_moves_the_reference", "roll_back_skips_the_clock", "reference_stays"),
    share=0.375,
    needs=(FOLLOWS_ADAQN,),
    inputs=_problems(),
)
def follows_adaqn(method: Method, problem: Logistic) -> None:
    """A second, slow and plain implementation goes the same way."""
    recipe = method.every(5).recipe
    w, events, expected_w, expected_events = trajectories(recipe, problem, method.optimizer)
    holds(events == expected_events, f"events {events}, expected {expected_events}")
    c_min = min(contraction(recipe, problem, expected_w), 1.0)
    atol = TOLERANCES["trajectory"](c_min=c_min) * (1 + np.abs(expected_w).max())
    close(w, expected_w, atol, "iterates against the reference's")


LAWS = (follows_adaqn,)
