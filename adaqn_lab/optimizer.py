"""QuasiNewton: a recipe as a member of torch's family of optimizers."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.utils.hooks import RemovableHandle

from adaqn_lab import checkpoint, memory_limits
from adaqn_lab import state as part_state
from adaqn_lab.algorithm import Algorithm
from adaqn_lab.ambient import plain_arithmetic
from adaqn_lab.arguments import check_arguments, check_group, check_parameters
from adaqn_lab.events import Event
from adaqn_lab.graphs import Graphs
from adaqn_lab.groups import check_rates, does_nothing, gather_gradients_, move_
from adaqn_lab.operator import InverseHessian
from adaqn_lab.oracle import Closure, Oracle
from adaqn_lab.protocols import Displacement, Need, Verdict
from adaqn_lab.recipe import Recipe
from adaqn_lab.recipes import ADAQN
from adaqn_lab.space import FlatParameters

PairHook = Callable[["QuasiNewton", Displacement, Tensor, Verdict], None]
"""``(optimizer, move, y, verdict)`` -> None: what :meth:`QuasiNewton.register_pair_hook` takes."""


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
            about. Return a scalar, or (R,) with ``runs=R``. Use fixed data; where the model has layers which differ in
            training (dropout, batch normalisation, which would learn from the monitor's data), pass
            ``evaluating(model, monitor)``. ``copy.deepcopy`` of the optimizer copies it as Python does: a lambda still
            sees the first model.
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
    is None stay as they are. ``step()`` reads no tensor on the host, and torch's ambient modes (autocast, the
    precision of float32 products, inference mode, default dtype and device) do not change its arithmetic. If a callable
    raises, the step was made and the window is decided at the next one; a run rolled back then skips that step. A step
    in which a part raises is not undone.

    The state is made at the first step, float32 or wider, on the parameters' device; ``bytes_needed`` says how large.

    Raises ``TypeError`` or ``ValueError`` with one sentence for arguments out of range, sharded parameters or a need of
    the recipe which no argument meets; ``RuntimeError`` from ``step`` for sparse gradients, parameters changed or
    exchanged since the first step, and a memory which does not fit the device.
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
        self._algorithm: Algorithm | None = None
        self._pair_hooks: OrderedDict[int, PairHook] = OrderedDict()
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "maximize": maximize})
        parameters = self._parameters()
        if check_parameters(parameters, runs) and parameters:  # refuse what cannot be held now, not at the first step
            memory_limits.state_bytes(recipe, FlatParameters(parameters, runs).space)

    # -- what it is made of -------------------------------------------------------------------------------

    @property
    def recipe(self) -> Recipe:
        """The method."""
        return self._recipe

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything that was decided so far, oldest first. Reads the device."""
        own = self._algorithm
        if own is None:
            return ()
        within = own.k % self._recipe.cadence.every
        return own.log.events((own.k, own.clock.marks[:, :within]) if within else None)

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
        return {} if self._algorithm is None else dict(self._algorithm.oracle.calls)

    @property
    def operator(self) -> InverseHessian:
        """H with the present memory and scaling: ``operator(v)`` is H v and ``operator.inverse(v)`` is H^-1 v.

        For (R, n) ``v``; fresh tensors, without side effects. Raises ``RuntimeError`` before the first step.
        """
        if self._algorithm is None:
            raise RuntimeError("There is no memory before the first step; call step() with gradients first.")
        return self._algorithm.operator

    def register_pair_hook(self, hook: PairHook) -> RemovableHandle:
        """Call ``hook(optimizer, move, y, verdict)`` for every pair that is offered to the memory, admitted or refused.

        It is called at the end of the step which decided the window; the runs outside ``move.where`` made no pair.
        ``move`` and ``y`` are copies. What it raises leaves the step made. A copy of the optimizer has no hooks.
        Raises ``RuntimeError`` with ``graphs=True``, where a replayed step runs no Python.
        """
        if self._graphs is not None:
            raise RuntimeError(
                "A pair hook is not called by the steps which graphs=True replays; build the optimizer with "
                "graphs=False."
            )
        handle = RemovableHandle(self._pair_hooks)
        self._pair_hooks[handle.id] = hook
        return handle

    def __repr__(self) -> str:
        """As torch's, and the recipe."""
        return super().__repr__().removesuffix(")") + f"Recipe: {self._recipe!r}\n)"

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group before the first step; after it the memory's vectors have their size: ``RuntimeError``."""
        if self._algorithm is not None:
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

    @torch.no_grad()
    def reset(self) -> None:
        """Forget pairs, events and counts, as if no step had been made from the parameters' present values.

        What ``graphs=True`` recorded is kept and goes on. Before the first step there is nothing to forget.
        """
        own = self._algorithm
        if own is None:
            return
        with plain_arithmetic(self._parameters()[0].device):
            fresh = self._init_state()
            fresh.start()
        kept = part_state.flatten(own.states)
        for name, tensor in part_state.flatten(fresh.states).items():
            kept[name].copy_(tensor)  # in place: a third copy might not fit
        own.k, own.undecided, own.log, own.oracle.calls = 0, False, fresh.log, fresh.oracle.calls

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def _init_state(self) -> Algorithm:
        """Make the state, on the parameters' device as it is now."""
        parameters = self._parameters()
        if not check_parameters(parameters, self._runs):
            index = next(index for index, p in enumerate(parameters) if is_lazy(p))
            raise RuntimeError(
                f"Parameter {index} is of a lazy layer and has no size yet; run a forward pass of the whole model "
                "before the first step."
            )
        flat = FlatParameters(parameters, self._runs)
        memory_limits.check_room(self._recipe, flat.space)
        oracle = Oracle(flat, **self._closures, maximize=self.param_groups[0]["maximize"])
        return Algorithm.begin(self._recipe, flat, oracle)

    # -- stepping -----------------------------------------------------------------------------------------

    @torch._disable_dynamo  # type: ignore[attr-defined]
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step from the gradients in ``.grad``, which are not written to; returns the closure's value.

        A step with every lr 0 and every gradient zero makes the state and nothing else: so tools prepare an optimizer.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        parameters = self._parameters()
        if all(p.grad is None for p in parameters):
            return loss
        with plain_arithmetic(parameters[0].device):
            self._step(parameters, loss)
        if self._pair_hooks:
            self._call_pair_hooks()
        return loss

    def _call_pair_hooks(self) -> None:
        own = self._algorithm
        assert own is not None  # a step was made
        tried, own.tried = own.tried or [], None
        for pair in tried:
            for hook in tuple(self._pair_hooks.values()):
                hook(self, *pair)

    def _step(self, parameters: list[Tensor], loss: Any) -> None:
        own, idle = self._algorithm, False
        if own is None or not any(isinstance(group["lr"], Tensor) for group in self.param_groups):
            idle = does_nothing(self.param_groups)
        if own is None:
            own = self._init_state()
            own.start()
            self._algorithm = own  # last: had the monitor raised in start, the next step starts anew
        own.flat.check_in_place(parameters)
        check_rates(self.param_groups, self._runs)
        if any(group["maximize"] != own.oracle.maximize for group in self.param_groups):
            raise RuntimeError(
                f"maximize is no longer {own.oracle.maximize} in every group, and what the guard and the pairs know is "
                "of losses with that sign; set it back, or build a new optimizer."
            )
        if idle:
            return
        own.tried = [] if self._pair_hooks else None
        left = own.decide() if own.undecided else None
        gather_gradients_(self.param_groups, own.flat, own.vector)
        if left is not None:  # the gradients of runs which just went back to their reference are of the point they left
            own.vector.masked_fill_(left.unsqueeze(1), torch.nan)

        def work(k: int | Tensor, loss: Any) -> None:
            """Step number k from its gathered gradient on: the same operators at the same place of every window."""
            clock = own.clock
            d = own.direction(k, -loss if own.oracle.maximize and isinstance(loss, (Tensor, float, int)) else loss)
            move_(self.param_groups, own.flat, d, clock.total, clock.reference, self._recipe.cadence.after_step)
            own.end_step()

        if self._graphs is None:
            work(own.k + 1, loss)
        else:
            self._graphs.step(own, self.param_groups, lambda k: work(k, None))

    # -- saving and copying -------------------------------------------------------------------------------

    @property
    def state(self) -> defaultdict[Any, Any]:
        """The memory as it is now, tensors by role and field, under the first parameter that is trained.

        Live references; the other parameters have empty entries. Empty before the first step. What is written into the
        dict is lost.
        """
        if self._algorithm is None:
            return defaultdict(dict)
        parameters = self._algorithm.flat.parameters
        entries: defaultdict[Any, Any] = defaultdict(dict, {p: {} for p in parameters})
        holder = next((p for p in parameters if p.requires_grad), parameters[0])
        entries[holder] = checkpoint.pack(self._algorithm)
        return entries

    @state.setter
    def state(self, value: object) -> None:
        """What torch's base class puts here is made anew at every look."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take and copy what :meth:`state_dict` returned, in version 0.1 too.

        ``ValueError`` for another recipe or model; nothing is changed then.
        """
        # The last hook: it sees what the others made of the dict.
        handle = self.register_load_state_dict_pre_hook(lambda _, saved: checkpoint.lifted(saved))
        try:
            super().load_state_dict(state_dict)
        finally:
            handle.remove()

    def __getstate__(self) -> dict[str, Any]:
        """Everything, so that ``copy.deepcopy`` and ``pickle`` keep the memory and its parameters together.

        But not the ``step`` which an lr scheduler puts on the instance: in a copy it would still step this one. Nor
        the pair hooks, which watch this one.
        """
        return {name: value for name, value in self.__dict__.items() if name not in ("step", "_pair_hooks")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Called by ``load_state_dict`` (param_groups and state only) and by copy and pickle (everything)."""
        if "_recipe" not in state:
            self._restore(state["state"])
        super().__setstate__(state)
        self.__dict__.setdefault("_pair_hooks", OrderedDict())
        for group in self.param_groups:  # options which an older version did not save
            group.setdefault("weight_decay", self.defaults["weight_decay"])
            group.setdefault("maximize", self.defaults["maximize"])
        if self._algorithm is not None:
            self._algorithm.keep_views()
            self._algorithm.oracle.maximize = self.param_groups[0]["maximize"]

    def _restore(self, state: dict[Any, Any]) -> None:
        """Take and copy a checkpoint's memory; nothing is changed if it does not fit (``ValueError``)."""
        saved = state.pop(checkpoint.KEY, None)
        if any(state.values()):
            raise ValueError(
                f"The checkpoint's state is of {len(state)} parameter(s) one by one, so another optimizer saved it; "
                "load what QuasiNewton.state_dict() returned."
            )
        if saved is None:
            self._algorithm = None
            return
        own = self._algorithm or self._init_state()
        opened = checkpoint.checked(saved, own)
        checkpoint.unpack_(opened, own)
        self._algorithm = own
