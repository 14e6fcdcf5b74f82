"""The optimizer's loop, on every recipe: what it does with its parts is what the textbook's loop does with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verification.compare import holds
from verification.law import Group, Subject, law
from verification.methods import Method
from verification.optimizer import mutants_of_loops as wrong
from verification.optimizer.mutants_of_options import OPTIONS
from verification.references.parts_loop import SCALARS, Found, Told
from verification.side_by_side import NUDGE, Comparable, Trained, comparable, textbook, train
from verification.spies import Call, Log, spied
from verification.strategies import Array
from verification.trainings import Training, trainings

SOURCE = "adaqn_lab.protocols, called step by step; Keskar & Berahas 2016, Byrd, Hansen, Nocedal & Singer 2016."


def fitted(method: Method, case: Training) -> tuple[Method, Training]:
    """The method with short windows if it has any, and the case with the windows that it then has."""
    short = method.short(case.every)
    return short, replace(case, every=short.recipe.cadence.every, windows=min(case.windows, 40 // case.every))


def _first(where: Array) -> tuple[int, int]:
    """The first step, then the first run, at which ``where`` (K, R) is true."""
    k, run = np.argwhere(where)[0]
    return int(k), int(run)


def _same_iterates(got: list[Tensor], expected: list[Tensor], reach: Comparable) -> None:
    a, b = (torch.stack(w).numpy() for w in (got, expected))
    error = np.nan_to_num(np.abs(a - b), nan=np.inf).max(axis=2)
    steps = np.arange(1, len(a) + 1)[:, None]
    wrong_ = (error > reach.atol) & (steps < reach.until)
    if wrong_.any():
        k, run = _first(wrong_)
        numbers = f"got {a[k, run].tolist()}, expected {b[k, run].tolist()}"
        off = f"off by {error[k, run]:.3g}, allowed {reach.atol[k, run]:.3g}"
        raise AssertionError(f"w of run {run} after step {k + 1}: {numbers}; {off}")


def _by_run(events: Iterable[Told], run: int, until: int) -> list[Told]:
    return [e for e in events if e.run == run and e.step < until]


def _scales(told: Told) -> Array:
    """What is small against each scalar: |s||y| for s'y, itself for the others."""
    s_y, s_s, y_y, loss, reference = map(abs, told.scalars)
    return np.array([max(s_y, np.sqrt(s_s) * np.sqrt(y_y)), s_s, y_y, loss, reference])


def _same_events(got: Found, base: Found, blurred: Found, reach: Comparable) -> None:
    for run, until in enumerate(reach.until):
        own, expected, noisy = (_by_run(found.events, run, until) for found in (got, base, blurred))
        kinds = [[(e.step, e.kind) for e in events] for events in (own, expected)]
        holds(kinds[0] == kinds[1], f"events of run {run}: got {kinds[0]}, expected {kinds[1]}")
        noise = 1e-9
        for a, b, c in zip(own, expected, noisy, strict=True):
            x, y, z = (np.array(e.scalars) for e in (a, b, c))
            scale = _scales(b)
            moved = np.abs(z - y) / np.where(scale > 0, scale, 1.0)
            noise = max(noise, *moved[np.isfinite(moved)], 0.0)
            off = np.abs(x - y) > noise * scale
            off |= np.isnan(x) != np.isnan(y)
            for name in np.array(SCALARS)[off]:
                i = SCALARS.index(str(name))
                raise AssertionError(
                    f"the event of run {run} at step {a.step}, {a.kind}, says {name} = {x[i]}, expected {y[i]}"
                )


def _agree(method: Method, case: Training, trained: Trained | None = None) -> None:
    """The optimizer's iterates, events, evaluations and final H are those of the textbook's loop."""
    got = trained or train(method, case)
    (base, calls), (blurred, _) = (textbook(method.recipe, case, size) for size in (0.0, NUDGE))
    reach = comparable(base, blurred, case)
    _same_events(got.found, base, blurred, reach)
    _same_iterates(got.found.w, base.w, reach)
    evaluations = {need.name: n for need, n in got.optimizer.oracle_calls_by_need.items()}
    expected = {need.name: n for need, n in calls.items()}
    holds(evaluations == expected, f"evaluations {evaluations}, expected {expected}")
    assert got.found.product is not None
    assert base.product is not None
    assert blurred.product is not None
    a, b, c = (found.product.numpy() for found in (got.found, base, blurred))  # type: ignore[union-attr]
    for run in np.flatnonzero(reach.until > case.steps):
        size, noise = np.abs(b[run]).max(), np.abs(c[run] - b[run]).max()
        if noise > size / 1000:  # of pairs that are rounding: a block whose parameters stood still
            continue
        holds(
            bool(np.abs(a[run] - b[run]).max() <= max(1e-9 * size, 10 * noise)),
            f"H 1 of run {run} after the last step: optimizer.operator says {a[run].tolist()}, "
            f"the parts say {b[run].tolist()}",
        )


@law(
    name="follows-its-parts",
    statement="iterates, events with their numbers, evaluations, H = the textbook's loop around the same parts",
    source=SOURCE,
    group=Group.REFERENCE,
    subject=Subject.RECIPE,
    tolerance="trajectory",
    kills=tuple(wrong.LOOPS),
    inputs=trainings(max_windows=6),
)
def follows_its_parts(method: Method, case: Training) -> None:
    """Whoever wrote the parts."""
    _agree(*fitted(method, case))


@law(
    name="step-options",
    statement="w -= lr d with every group's lr of that step, weight decay, maximize, missing gradients, closures",
    source="torch.optim's contract: an lr scheduler writes into param_groups; the rest as torch.optim.SGD has it.",
    group=Group.REFERENCE,
    subject=Subject.RECIPE,
    tolerance="trajectory",
    kills=tuple(OPTIONS),
    inputs=trainings(rich=True, max_windows=6),
)
def step_options(method: Method, case: Training) -> None:
    """The same loop, with all that a user may set."""
    method, case = fitted(method, case)
    trained = train(method, case)
    if case.closure:
        own = trained.trainer
        holds(own.returned, "step(closure) returned another value than the closure's")
        holds(own.differentiable, "the closure was called with gradients disabled, so that no backward pass can run")
        called = f"the closure was called {own.closures_called} times in {case.steps} steps, expected once a step"
        holds(own.closures_called == case.steps, called)
    _agree(method, case, trained)


# -- what the parts are told --------------------------------------------------------------------------------------


def _restricted(calls: list[Call], rows: Array) -> Iterator[Call]:
    """The calls as the runs in ``rows`` see them: without those that concern none of them."""
    for call in calls:
        where = call.given["where"]
        if call.name in ("reset_", "advance_", "rollback_") and not bool(where[rows].any()):
            continue
        yield call


def _sequence(calls: list[Call], rows: Array) -> list[str]:
    told = []
    for call in calls:
        where = call.given["where"][rows].tolist()
        told.append(f"{call.name} for {where}")
    return told


class _Noise:
    """By run and argument: how far the blurred textbook is off, relative to the argument, so far."""

    def __init__(self) -> None:
        self.worst: dict[tuple[str, str, str, int], float] = {}

    def allowed(self, call: Call, name: str, run: int, base: Array, blurred: Array) -> float:
        """The largest so far, and 1e-9 at least, times the size of the argument."""
        key = (call.role, call.name, name, run)
        size = float(np.abs(base).max(initial=0.0)) or 1.0
        moved = float(np.abs(blurred - base).max(initial=0.0)) / size
        self.worst[key] = max(self.worst.get(key, 1e-9), moved)
        return size * self.worst[key]


def _numbers(value: Any, run: int) -> Array | None:
    """The run's row of an argument, or None for what is no tensor of the runs."""
    if not isinstance(value, Tensor) or value.dtype == torch.bool:
        return None
    own = value if value.dim() == 0 else value[run]
    return np.atleast_1d(own.numpy().astype(np.float64))


def _same_call(got: Call, base: Call, blurred: Call, rows: Array, noise: _Noise) -> None:
    """The arguments of a call, for the runs which it concerns."""
    where = f"{base.role}.{base.name} at step {base.k}"
    for name, expected in base.given.items():
        value = got.given.get(name)
        if not isinstance(expected, Tensor):
            holds(value is expected or value == expected, f"{where} was given {name}={value!r}, expected {expected!r}")
            continue
        all_runs = base.name in ("observe_", "direction_", "judge_")
        concerned = [run for run in rows if name != "where" and (all_runs or bool(base.given["where"][run]))]
        for run in concerned:
            x, y, z = (_numbers(each, run) for each in (value, expected, blurred.given[name]))
            if y is None or z is None or not np.isfinite(y).all():
                continue
            if x is None:
                raise AssertionError(f"{where} was given {name} = {value!r}, expected {y.tolist()}")
            off, allowed = float(np.nan_to_num(np.abs(x - y), nan=np.inf).max()), noise.allowed(base, name, run, y, z)
            message = f"{where} was given {name} = {x.tolist()} for run {run}, expected {y.tolist()}"
            holds(off <= allowed, f"{message}; off by {off:.3g}, allowed {allowed:.3g}")


def _same_calls(got: Log, base: Log, blurred: Log, reach: Comparable, steps: int) -> None:
    noise = _Noise()
    for k in range(steps + 1):
        rows = np.flatnonzero(reach.until > k)
        for role in base.spaces if rows.size else ():
            own, expected, noisy = (list(_restricted(log.at(role, k), rows)) for log in (got, base, blurred))
            a, b = _sequence(own, rows), _sequence(expected, rows)
            holds(a == b, f"{role} was told {a or 'nothing'} at step {k}, expected {b or 'nothing'}")
            for calls in zip(own, expected, noisy, strict=True):
                _same_call(*calls, rows, noise)


@law(
    name="protocol-calls",
    statement="every part is told what the protocol says: which call, when, for which runs, with which numbers",
    source=SOURCE + " A stepper with a velocity must hear of every roll-back and of every new reference.",
    group=Group.CONTRACT,
    subject=Subject.RECIPE,
    tolerance="trajectory",
    kills=tuple(wrong.CALLS),
    inputs=trainings(rich=True, max_windows=6),
)
def protocol_calls(method: Method, case: Training) -> None:
    """Spies around all parts, in the optimizer and in the textbook's loop."""
    method, case = fitted(method, case)
    recipes, logs = zip(*(spied(method.recipe) for _ in range(3)), strict=True)
    train(replace(method, recipe=recipes[0]), case)
    base, blurred = (textbook(recipe, case, size)[0] for recipe, size in zip(recipes[1:], (0.0, NUDGE), strict=True))
    for role, space in logs[1].spaces.items():
        own = logs[0].spaces.get(role)
        holds(own == space, f"the state of {role} was made for {own}, expected {space}")
    _same_calls(logs[0], logs[1], logs[2], comparable(base, blurred, case), case.steps)


LAWS = (follows_its_parts, step_options, protocol_calls)
