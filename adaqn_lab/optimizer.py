"""QuasiNewton: the fast clock (every step) and the slow clock (every window), nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import checkpoint, kernels, linalg
from adaqn_lab.arguments import check_arguments, check_group
from adaqn_lab.events import Event, EventKind, Log
from adaqn_lab.graphs import Graphs
from adaqn_lab.groups import descend, own_rates, with_gradient
from adaqn_lab.operator import InverseHessian
from adaqn_lab.oracle import Closure, Oracle
from adaqn_lab.protocols import Displacement, Need, Pair, Step, Verdict
from adaqn_lab.recipe import Recipe
from adaqn_lab.recipes import ADAQN
from adaqn_lab.space import FlatParameters


@dataclass
class Clock:
    """The optimizer's own tensors: ``reference`` w_ref and ``total``, the window's sum of w - w_ref, (R, n);
    ``anchored`` (R,), whether w_ref is an average (or, if the cadence says so, the initial point);
    ``marks`` (R, L, 2) bool, whether each step's gradient and its direction were finite.
    """

    reference: Tensor
    total: Tensor
    anchored: Tensor
    marks: Tensor


class QuasiNewton(torch.optim.Optimizer):
    """A stochastic quasi-Newton method composed from the parts of a :class:`Recipe`.

    Every step:    w <- w - lr d,  d = H g by the stepper; H by the memory's pairs around the scaling's H0.
    Every window:  s = w_bar - w_ref; the guard keeps it or rolls back; y by the pair generator; the memory
                   admits the pair or skips it; one :class:`Event` a run.

    An ordinary training loop is all it takes: ``loss.backward(); optimizer.step(); optimizer.zero_grad()``.

    Args:
        params: parameters or parameter groups; a group may set its own ``lr`` and ``weight_decay`` (added to
            the gradient as in torch.optim.SGD). The curvature memory is common to all groups.
        recipe: the method.
        lr: step length > 0; a float, a 0-dim tensor, or one of shape (R,).
        monitor: ``() -> loss``, for guards; called without gradients, with the parameters at the point asked
            about. Return a scalar, or (R,) with ``runs=R``. Use fixed data and ``model.eval()`` where it matters.
            ``copy.deepcopy`` of the optimizer copies it as Python does: a lambda still sees the first model.
        curvature: ``() -> loss`` of a curvature batch, for pairs by Hessian-vector products or long-batch gradient
            differences; ``() -> (loss, outputs)`` for Gauss-Newton products.
        batch: ``() -> loss`` of the mini-batch of the current step, for same-batch gradient differences.
        overlap: ``() -> loss`` of the data which the current mini-batch shares with the next.
        runs: R independent models trained side by side; every parameter's first dimension is R.
        weight_decay: coefficient >= 0 of the penalty (weight_decay / 2) |w|^2, by its gradient.
        maximize: ascend; the signs of all these losses are flipped with the gradient's.
        graphs: make every step by replaying a CUDA graph, after a first window of ordinary steps and a second in which
            they are recorded; the parameters and ``lr``, a tensor, lie on one CUDA device. The callables run while a
            graph is recorded and never again: the data they read must stay in the same tensors, new ones copied into
            them. ``RuntimeError`` from ``step`` where something cannot be recorded, as ``SampledHessian`` cannot.

    A gradient (or direction) whose squared norm is not finite costs its run that step; an average or monitor
    loss that is not finite costs the window: back to w_ref. Neither enters any state. Parameters whose ``.grad``
    is None stay as they are. ``step()`` reads no tensor on the host.

    The state is made at the first step, float32 or wider, on the parameters' device.

    Raises ``TypeError`` or ``ValueError`` with one sentence for arguments out of range or a need of the recipe
    which no argument meets; ``RuntimeError`` from ``step`` for sparse gradients.
    """

    def __init__(
        self,
        params: Iterable[Any],
        recipe: Recipe = ADAQN,
        *,
        lr: float | Tensor,
        monitor: Closure | None = None,
        curvature: Closure | None = None,
        batch: Closure | None = None,
        overlap: Closure | None = None,
        runs: int = 1,
        weight_decay: float = 0.0,
        maximize: bool = False,
        graphs: bool = False,
    ) -> None:
        closures = {"monitor": monitor, "curvature": curvature, "batch": batch, "overlap": overlap}
        check_arguments(recipe, runs, **closures)
        self._recipe = recipe
        self._runs = runs
        self._closures = closures
        self._graphs = Graphs() if graphs else None
        self._flat: FlatParameters | None = None
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "maximize": maximize})
        # Refuses what cannot be held now, not at the first step.
        recipe.check_space(FlatParameters(self._parameters(), runs).space)

    # -- what it is made of -------------------------------------------------------------------------------

    @property
    def recipe(self) -> Recipe:
        """The method."""
        return self._recipe

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything that was decided so far, oldest first. Reads the device."""
        if self._flat is None:
            return ()
        within = self._k % self._recipe.cadence.every
        return self._log.events((self._k, self._clock.marks[:, :within]) if within else None)

    @property
    def oracle_calls(self) -> dict[str, int]:
        """Evaluations of the callables so far, by argument name."""
        totals: dict[str, int] = {}
        for need, n in self.oracle_calls_by_need.items():
            totals[need.argument] = totals.get(need.argument, 0) + n
        return totals

    @property
    def oracle_calls_by_need(self) -> dict[Need, int]:
        """The same by kind: a loss, a gradient and a product cost different amounts."""
        return {} if self._flat is None else dict(self._oracle.calls)

    @property
    def operator(self) -> InverseHessian:
        """H with the present memory and scaling: ``operator(v)`` is H v and ``operator.inverse(v)`` is H^-1 v.

        For (R, n) ``v``; fresh tensors, without side effects. Raises ``RuntimeError`` before the first step.
        """
        if self._flat is None:
            raise RuntimeError("There is no memory before the first step; call step() first.")
        return self._operator

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group before the first step; after it the memory's vectors have their size: ``RuntimeError``."""
        if self._flat is not None:
            raise RuntimeError(
                "A parameter group cannot be added after the first step: the stored pairs and gradients are "
                "vectors over the parameters known then; build a new optimizer."
            )
        super().add_param_group(param_group)
        try:
            check_group(self.param_groups[-1], self.param_groups[0], self._runs)
        except (TypeError, ValueError):
            self.param_groups.pop()
            raise

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def _init_state(self) -> FlatParameters:
        """Make the state, on the parameters' device as it is now."""
        flat = FlatParameters(self._parameters(), self._runs)
        space, recipe = flat.space, self._recipe
        marks = torch.ones(self._runs, recipe.cadence.every, 2, dtype=torch.bool, device=space.device)
        self._clock = Clock(space.zeros(), space.zeros(), space.mask(recipe.cadence.from_start), marks)
        self._states: dict[str, Any] = {
            role: part.init(space)
            for role in ("pairs", "scaling", "memory", "stepper", "guard")
            if (part := getattr(recipe, role)) is not None
        }
        self._states["clock"] = self._clock
        self._vector = space.zeros()  # the gradient, then the direction, at a window's end the average; not a state
        flat.keep_views(self._vector, self._clock.total)
        self._log = Log()
        self._k = 0
        self._operator = InverseHessian(recipe.scaling, recipe.memory, self._states, recipe.pairs is None)
        self._oracle = Oracle(flat, **self._closures, maximize=self.param_groups[0]["maximize"])
        return flat

    # -- the fast clock -----------------------------------------------------------------------------------

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step from the gradients in ``.grad``, which are not written to; returns the closure's value."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if all(p.grad is None for p in self._parameters()):
            return loss
        flat = self._flat
        if flat is None:
            flat = self._init_state()
            self._start(flat)
            self._flat = flat  # last: had the monitor raised in _start, the next step starts anew
        flat.check_in_place()
        g = self._gradient(flat)
        if self._graphs is None:
            self._work(flat, g, self._k + 1, loss)
        else:
            self._graphs.step(self, lambda k: self._work(flat, g, k, None))
        return loss

    def _work(self, flat: FlatParameters, g: Tensor, k: int, loss: Any) -> None:
        """Step number k from its gathered gradient on: the same operators at the same place of every window."""
        self._move(flat, self._direction(flat, g, k, loss))
        self._k += 1
        if self._k % self._recipe.cadence.every == 0:
            self._close_window(flat)

    def _direction(self, flat: FlatParameters, g: Tensor, k: int, loss: Any) -> Tensor:
        """Show the gradient to the parts; return the step's direction, zero for runs which do not move."""
        finite = linalg.keep_finite_(g)
        step = Step(k, g, finite, flat.gather, loss)
        recipe, states = self._recipe, self._states
        if recipe.pairs is not None:
            recipe.pairs.observe_(states["pairs"], step)
        recipe.scaling.observe_(states["scaling"], step)
        direction_ = getattr(recipe.stepper, "over_", recipe.stepper.direction_)
        d: Tensor = direction_(states["stepper"], step, self._operator)
        sound = linalg.keep_finite_(d, finite)
        recipe.memory.reset_(states["memory"], finite & ~sound)
        torch.stack((finite, sound), dim=1, out=self._clock.marks[:, self._k % recipe.cadence.every])
        return d

    def _start(self, flat: FlatParameters) -> None:
        """The initial point is the place to go back to until there is an average."""
        flat.gather_(self._clock.reference)
        guard = self._recipe.guard
        if self._recipe.cadence.from_start and guard is not None:
            w, nobody = self._clock.reference, flat.space.mask(False)
            guard.judge_(self._states["guard"], Displacement(w, w, w, nobody), self._oracle)
            guard.advance_(self._states["guard"], flat.space.mask(True))

    def _gradient(self, flat: FlatParameters) -> Tensor:
        """Gather ``.grad``, with the sign of ``maximize`` and weight decay; missing gradients are zero."""
        g = self._vector
        views = iter(flat.views(g))
        for group in self.param_groups:
            parameters, segments, missing = with_gradient(group["params"], views)
            if missing:
                torch._foreach_zero_(missing)
            if not parameters:
                continue
            gradients = [p.grad for p in parameters if p.grad is not None]
            if any(gradient.layout != torch.strided for gradient in gradients):
                raise RuntimeError(
                    "A gradient is sparse, and the stored pairs and gradients are dense; build the layer with "
                    "sparse=False."
                )
            torch._foreach_copy_(segments, gradients)
            if group["maximize"]:
                torch._foreach_neg_(segments)
            if group["weight_decay"] != 0:
                torch._foreach_add_(segments, parameters, alpha=group["weight_decay"])
        return g

    def _move(self, flat: FlatParameters, d: Tensor) -> None:
        """Set w <- w - lr d and keep the window's sum."""
        after_step = self._recipe.cadence.after_step
        if not after_step:
            rates = own_rates(self.param_groups) if kernels.loaded(d.device.type) else None
            if rates is not None and flat.descend_(self._clock.total, self._clock.reference, d, rates):
                return
            self._accumulate(flat)
        views = iter(flat.views(d))
        for group in self.param_groups:
            parameters, segments, _ = with_gradient(group["params"], views)
            if parameters:
                descend(parameters, segments, group["lr"])
        if after_step:
            self._accumulate(flat)

    def _accumulate(self, flat: FlatParameters) -> None:
        """Add w - w_ref to the window's sum.

        A sum of w would round: a frozen parameter's average would be off by an ulp, a roll-back would change it,
        and a window at lr = 0 would make a pair of rounding errors. Here what did not move adds exactly 0.
        """
        flat.add_difference_(self._clock.total, self._clock.reference)

    # -- the slow clock -----------------------------------------------------------------------------------

    def _close_window(self, flat: FlatParameters) -> None:
        """Average, judge, make a pair, admit it, move the reference or go back to it, record."""
        clock = self._clock
        self._log.open_window(self._k, clock.marks.clone())
        try:
            # The sum becomes s and the gradient's vector w_bar: a window needs no vectors of its own.
            s = clock.total.div_(self._recipe.cadence.every)
            self._decide(flat, s, torch.add(clock.reference, s, out=self._vector))
        finally:  # a callable may raise
            clock.total.zero_()

    def _decide(self, flat: FlatParameters, s: Tensor, w_bar: Tensor) -> None:
        """The window's decisions, for its displacement and its average."""
        recipe, states, clock = self._recipe, self._states, self._clock
        keep = linalg.all_finite(w_bar)
        move = Displacement(s, w_bar, clock.reference, clock.anchored & keep)
        if recipe.guard is not None:
            keep = keep & recipe.guard.judge_(states["guard"], move, self._oracle)
        verdict = self._pair(move, clock.anchored & keep)
        tried = clock.anchored if recipe.pairs is not None else torch.zeros_like(clock.anchored)
        advance = keep & (verdict.admitted | ~tried | recipe.cadence.always_advance)
        kind = torch.where(verdict.admitted, EventKind.ADMITTED, EventKind.SKIPPED)
        kind = torch.where(tried, kind, EventKind.REFERENCE)
        kind = torch.where(keep, kind, EventKind.ROLLED_BACK)
        self._record(kind, verdict)
        self._roll_back(flat, ~keep)
        if recipe.guard is not None:
            recipe.guard.advance_(states["guard"], advance)
        if hasattr(recipe.stepper, "advance_"):
            recipe.stepper.advance_(states["stepper"], advance)
        linalg.assign_(clock.reference, w_bar, advance)
        clock.anchored = clock.anchored | advance

    def _pair(self, move: Displacement, where: Tensor) -> Verdict:
        """Make a pair for every run and admit those of the runs in ``where``."""
        recipe, states = self._recipe, self._states
        if recipe.pairs is None:
            nothing = torch.full_like(where, torch.nan, dtype=torch.float64)
            return Verdict(torch.zeros_like(where), nothing, nothing, nothing)
        tried = Displacement(move.s, move.w_bar, move.w_ref, where)
        made = recipe.pairs.pair_(states["pairs"], tried, self._oracle)
        if not isinstance(made, Pair):
            return recipe.memory.admit_(states["memory"], tried, made, self._operator)
        return self._admit(tried, made)

    def _admit(self, move: Displacement, made: Pair) -> Verdict:
        """Admit the pairs of a generator which makes its own displacements."""
        memory, state = self._recipe.memory, self._states["memory"]
        if made.renews:
            memory.reset_(state, move.where)
        S, Y = (x.unsqueeze(1) if x.dim() == 2 else x for x in (made.s, made.y))
        admitted = torch.zeros_like(move.where)
        for s, y in zip(S.unbind(1), Y.unbind(1), strict=True):
            own = replace(move, s=s.contiguous())
            verdict = memory.admit_(state, own, y.contiguous(), self._operator)
            admitted = admitted | verdict.admitted
        return replace(verdict, admitted=admitted)

    def _roll_back(self, flat: FlatParameters, where: Tensor) -> None:
        """Put the parameters of the runs in ``where`` back to the reference and forget their pairs."""
        recipe, states = self._recipe, self._states
        flat.scatter(self._clock.reference, where)
        recipe.memory.reset_(states["memory"], where)
        recipe.stepper.rollback_(states["stepper"], where)
        if recipe.pairs is not None and (recipe.guard is None or recipe.guard.clear_store):
            recipe.pairs.reset_(states["pairs"], where)

    def _record(self, kind: Tensor, verdict: Verdict) -> None:
        guard = self._states.get("guard")
        unknown = torch.full_like(verdict.s_y, torch.nan)
        losses = [getattr(guard, name, unknown) for name in ("loss", "reference")]
        columns = [kind.double(), verdict.s_y, verdict.s_s, verdict.y_y, *losses]
        self._log.close_window(torch.stack(columns, dim=1))

    # -- saving and copying -------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """As torch's; the memory is in ``["state"]["quasi_newton"]`` by role and field, live references."""
        if self._flat is not None:
            self.state[checkpoint.KEY] = checkpoint.pack(self._recipe, self._flat, self._k, self._states, self._log)  # type: ignore[index]
        return super().state_dict()

    def __getstate__(self) -> dict[str, Any]:
        """Everything, so that ``copy.deepcopy`` and ``pickle`` keep the memory and its parameters together.

        But not the ``step`` which an lr scheduler puts on the instance: in a copy it would still step this one.
        """
        return {name: value for name, value in self.__dict__.items() if name != "step"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Called by ``load_state_dict`` (param_groups and state only) and by copy and pickle (everything)."""
        if "_recipe" not in state:
            self._restore(state["state"])
        super().__setstate__(state)
        for group in self.param_groups:  # options which an older version did not save
            group.setdefault("weight_decay", self.defaults["weight_decay"])
            group.setdefault("maximize", self.defaults["maximize"])
        if self._flat is not None:
            self._flat.keep_views(self._vector, self._clock.total)
            self._oracle.maximize = self.param_groups[0]["maximize"]

    def _restore(self, state: dict[Any, Any]) -> None:
        """Take and copy a checkpoint's memory; nothing is changed if it does not fit (``ValueError``)."""
        saved = state.pop(checkpoint.KEY, None)
        if state:
            raise ValueError(
                f"The checkpoint's state is of {len(state)} parameter(s) one by one, so another optimizer saved it; "
                "load what QuasiNewton.state_dict() returned."
            )
        if saved is None:
            self._flat = None
            return
        flat = self._flat or self._init_state()
        checkpoint.check(saved, self._recipe, flat, self._states)
        self._k, self._log = checkpoint.unpack_(saved, self._states, flat)
        self._flat = flat
