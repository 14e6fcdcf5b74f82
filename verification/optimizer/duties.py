"""What every torch optimizer owes its user: checkpoints at any step, reset, modes, float32, hands off ``.grad``."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from adaqn_lab import Identity, Plain, Window
from verification.compare import close, holds, same
from verification.law import Group, Subject, law
from verification.methods import LR, Method, ScriptedPairs
from verification.optimizer.loop import fitted
from verification.side_by_side import Trainer, events_of
from verification.strategies import Array
from verification.tolerances import TOLERANCES
from verification.trainings import Training, trainings

CASES = trainings(rich=True, max_runs=3, max_windows=4)


def _same_training(got: Trainer, expected: Trainer, what: str) -> None:
    """Parameters, events and evaluations agree bit for bit."""
    same(got.w, expected.w, f"w {what}")
    a, b = (repr(events_of(trainer.optimizer)) for trainer in (got, expected))
    holds(a == b, f"events {what}: got {a}, expected {b}")
    calls = [dict(trainer.optimizer.oracle_calls) for trainer in (got, expected)]
    holds(calls[0] == calls[1], f"evaluations {what}: got {calls[0]}, expected {calls[1]}")


def _twin(trainer: Trainer, busy: int) -> Trainer:
    """Another model at the same point, whose optimizer has made ``busy`` steps of its own and has another lr."""
    other = Trainer(trainer.method, replace(trainer.case, lr=trainer.case.lr / 2))
    for k in range(1, busy + 1):
        other.step(k)
    other.case = trainer.case
    with torch.no_grad():
        for p, q in zip(other.parameters, trainer.parameters, strict=True):
            p.copy_(q)
    return other


def _through_a_file(saved: Any) -> Any:
    file = io.BytesIO()
    torch.save(saved, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@law(
    name="resume-anywhere",
    statement="a state dict of any step, loaded into an optimizer already used, or a deep copy: goes on bit for bit",
    source="torch.optim's contract: load_state_dict replaces all there was, lr included, and copies what it is given; "
    "copy.deepcopy of a model and its optimizer is another model with an optimizer of its own.",
    group=Group.CONTRACT,
    subject=Subject.RECIPE,
    kills=(
        *("marks_not_saved", "anchor_not_saved", "log_not_saved", "loads_by_reference", "keeps_its_own_lr"),
        *("copy_shares_the_memory", "copy_forgets_the_window"),
    ),
    share=0.75,
    inputs=CASES,
)
def resume_anywhere(method: Method, case: Training) -> None:
    """Once through a file and once from the live dict, and a deep copy; the first run goes on as well."""
    method, case = fitted(method, case)
    stop = case.seed % (case.steps + 1)
    first, straight = (Trainer(method, case) for _ in range(2))
    for k in range(1, stop + 1):
        first.step(k)
        straight.step(k)
    resumed = [_twin(first, busy) for busy in (min(2, stop), 0)]
    saved = first.optimizer.state_dict()
    for other, state in zip(resumed, (_through_a_file(saved), saved), strict=True):
        other.optimizer.load_state_dict(state)
    resumed.append(copy.deepcopy(first))
    for k in range(stop + 1, case.steps + 1):
        for trainer in (first, straight, *resumed):
            trainer.step(k)
    hows = ("that was saved", "from a file", "from the live dict", "by copy.deepcopy")
    for trainer, how in zip((first, *resumed), hows, strict=True):
        _same_training(trainer, straight, f"of the run {how} after step {stop} of {case.steps}")


@law(
    name="reset",
    statement="after reset() an optimizer is a new one at the parameters' present values, bit for bit",
    source="Nothing of the past may stay: pairs, H0, the reference, the window's sum, the events, the counts.",
    group=Group.CONTRACT,
    subject=Subject.RECIPE,
    kills=("reset_keeps_the_events", "reset_keeps_the_count", "reset_keeps_h0", "reset_keeps_the_reference"),
    share=0.75,
    inputs=CASES,
)
def reset(method: Method, case: Training) -> None:
    """Reset in the middle of a window too."""
    method, case = fitted(method, case)
    stop = case.seed % case.steps
    used = Trainer(method, case)
    for k in range(1, stop + 1):
        used.step(k)
    used.optimizer.reset()
    fresh = Trainer(method, case, start=used.w.detach().clone())
    for k in range(stop + 1, case.steps + 1):
        used.step(k)
        fresh.step(k)
    _same_training(used, fresh, f"of an optimizer reset after step {stop} of {case.steps}")


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


MODES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "default dtype float64": lambda: _default_dtype(torch.float64),
    "default dtype bfloat16": lambda: _default_dtype(torch.bfloat16),
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
}
"""What may be switched on around a step."""


@law(
    name="ambient-modes",
    statement="the default dtype, inference_mode and no_grad around the steps change no bit",
    source="torch's modes are the user's; a state made in one must serve in another.",
    group=Group.INVARIANCE,
    subject=Subject.RECIPE,
    kills=("scalars_of_the_default_dtype", "state_of_inference_mode"),
    share=0.75,
    inputs=CASES,
)
def ambient_modes(method: Method, case: Training) -> None:
    """Each mode for all steps but the last one, which is made without."""
    method, case = fitted(method, replace(case, closure=False))
    plain = Trainer(method, case)
    for k in range(1, case.steps + 1):
        plain.step(k)
    mode = sorted(MODES)[case.seed % len(MODES)]
    moded = Trainer(method, case)
    for k in range(1, case.steps):
        with MODES[mode]():
            moded.step(k)
    moded.step(case.steps)
    _same_training(moded, plain, f"of a run under {mode}")


@law(
    name="hands-off",
    statement="a step writes into the parameters' own memory, and not into .grad",
    source="torch.optim's contract: others hold views of the parameters, and may read the gradients afterwards.",
    group=Group.CONTRACT,
    subject=Subject.RECIPE,
    kills=("decay_written_into_grad", "parameters_rebound"),
    share=0.5,
    inputs=CASES,
)
def hands_off(method: Method, case: Training) -> None:
    """Look at every step."""
    method, case = fitted(method, case)
    trainer = Trainer(method, case)
    places = [p.data_ptr() for p in trainer.parameters]
    for k in range(1, case.steps + 1):
        at = trainer.w.detach().clone()
        trainer.step(k)
        expected = torch.split(case.raw(at, k), [int(np.prod(s)) for s in case.shapes], dim=1)
        for index, (p, g) in enumerate(zip(trainer.parameters, expected, strict=True)):
            if p.grad is not None:
                same(p.grad.reshape(g.shape), g, f".grad of parameter {index} after step {k}")
        holds(places == [p.data_ptr() for p in trainer.parameters], f"a parameter has moved in memory at step {k}")


# -- float32 ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LongWindow:
    """``windows`` windows of ``every`` float32 steps of size 1/8 at a point of size ``far``."""

    every: int
    windows: int
    far: float
    seed: int

    @property
    def gradients(self) -> Array:
        """(K, 3) float32."""
        rng = np.random.default_rng(self.seed)
        g: Array = rng.uniform(0.5, 1.5, (self.every * self.windows, 3)) * rng.choice([-1.0, 1.0], 3)
        return (4 * g).astype(np.float32)


long_windows = st.builds(
    LongWindow,
    every=st.sampled_from((50, 60)),
    windows=st.just(2),
    far=st.sampled_from((2.0**18, 1.0)),
    seed=st.integers(0, 2**16),
)


@law(
    name="float32-average",
    statement="float32, long windows: s = (1/L) sum (w_k - w_ref) to float32's digits of s, however large w is",
    source="Sterbenz: the difference of two near numbers is exact. A sum of w loses |w| / |s| of the digits.",
    group=Group.CONTRACT,
    subject=Subject.RECIPE,
    tolerance="linear",
    kills=("sums_the_iterates", "s_from_the_rounded_average"),
    share=0.25,
    inputs=long_windows,
)
def float32_average(method: Method, case: LongWindow) -> None:
    """The iterates, summed in float64 from outside."""
    scripted = ScriptedPairs((1,))
    cadence = replace(method.recipe.cadence, every=case.every)
    bare = {"scaling": Identity(), "memory": Window(capacity=0), "stepper": Plain(), "guard": None}
    w = torch.nn.Parameter(torch.full((3,), case.far))
    own = method.but(pairs=scripted, cadence=cadence, **bare).build([w], lr=LR)
    iterates = []
    for g in case.gradients:
        before = w.detach().clone()
        w.grad = torch.from_numpy(g.copy())
        own.step()
        iterates.append(w.detach().clone() if cadence.after_step else before)
    for window, move in enumerate(scripted.moves):
        first = window * case.every
        away = torch.stack(iterates[first : first + case.every]).double() - move.w_ref[0].double()
        atol = TOLERANCES["linear"]("float32", n=case.every) * away.abs().mean(0).numpy()
        close(move.s[0], away.mean(0), atol, f"s of window {window} of {case.every} float32 steps at |w| = {case.far}")


LAWS = (resume_anywhere, reset, ambient_modes, hands_off, float32_average)
