"""A step as a CUDA graph: recorded once for every place in a window, replayed from then on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from adaqn_lab import state as part_state
from adaqn_lab.number import Number
from adaqn_lab.protocols import Need

if TYPE_CHECKING:
    from adaqn_lab.optimizer import QuasiNewton

Work = Callable[[], None]


class CudaGraph:
    """``record(work)`` runs ``work`` once, as a CUDA graph on the current device, and returns what runs it again."""

    def __init__(self) -> None:
        self._pool: Any = None

    def __call__(self, work: Work) -> Work:
        """Record and replay."""
        if self._pool is None:  # one for all: they are replayed one after another, and what outlives one is copied
            self._pool = torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        # Other threads, a data loader's for example, go on with what they do.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            work()
        graph.replay()
        return graph.replay


@dataclass(frozen=True)
class Recorded:
    """What runs a step again; whether it needs the step's number; the evaluations it costs; where a window is told."""

    replay: Work
    computed: bool
    calls: Counter[Need]
    window: tuple[Tensor, ...]


class Graphs:
    """Runs the steps of one optimizer: a window one operator at a time, then recorded, then replayed.

    A recording is of one place in the window, one set of parameters with gradients, one setting of the groups. Between
    recordings every field of the state is one tensor, written in place: what a step binds anew is copied back at its
    end. On the host a replayed step counts itself and its evaluations, and a window's record is copied to the log.

    ``record``: work -> its replay, having run it once; :class:`CudaGraph` unless a test brings another.
    """

    def __init__(self, record: Callable[[Work], Work] | None = None) -> None:
        self._record = record or CudaGraph()
        self._on_cuda_only = record is None
        self._forget(None)

    def __getstate__(self) -> dict[str, Any]:
        """Without what was recorded: it is of this process and these tensors."""
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Graphs.__init__(self)

    def _forget(self, states: dict[str, Any] | None, k: int = 0, every: int = 0) -> None:
        """Begin anew, with these states; the next window is not recorded."""
        self._states = states
        self._recorded: dict[Any, Recorded] = {}
        self._held: part_state.StaticState | None = None
        self._last_eager = k + every

    def step(self, own: QuasiNewton, work: Callable[[int], None]) -> None:
        """Run ``work(k)``, the optimizer's next step from its gathered gradient on."""
        states, every, k = own._states, own.recipe.cadence.every, own._k + 1
        if self._states is not states:
            self._check(own)
            self._forget(states, own._k, every)
            self._count = torch.zeros((), dtype=torch.float64, device=own._vector.device)
        key = (k % every, *self._settings(own))
        found = self._recorded.get(key)
        if found is not None:
            self._replay(own, found)
            return
        self._count.fill_(k)
        number = Number(k, every, self._count)
        if k <= self._last_eager:
            work(cast(int, number))
        else:
            recorded = self._take(own, work, number)
            if not number.notes.read and number.notes.settles <= k:
                self._recorded[key] = recorded
        self._last_eager = max(self._last_eager, number.notes.settles)
        if number.notes.read:
            raise RuntimeError(
                "A part of the recipe reads the number of the step (Step.k) as a Python number, of which a graph would "
                "keep one value; let it compute with Step.k as it is, or leave graphs=True away. This step was made."
            )

    def _check(self, own: QuasiNewton) -> None:
        """Refuse what no graph sees."""
        (device,) = {p.device for p in own._parameters()}
        if self._on_cuda_only and device.type != "cuda":
            raise RuntimeError(f"graphs=True needs parameters on a CUDA device, these are on {device}; leave it away.")
        for name, tensor in part_state.flatten(own._states).items():
            if tensor.device != device and not tensor.is_pinned():
                raise RuntimeError(
                    f"The state {name} lies on {tensor.device} and the parameters on {device}, so that a graph would "
                    "not see it change; take another part for that role, or leave graphs=True away."
                )

    def _settings(self, own: QuasiNewton) -> tuple[Any, ...]:
        """What a recording keeps of the groups; ``RuntimeError`` for an lr which it would keep."""
        kept: list[Any] = []
        for group in own.param_groups:
            lr = group["lr"]
            device = group["params"][0].device
            if not isinstance(lr, Tensor) or lr.device != device:
                raise RuntimeError(
                    f"lr={lr!r} would stay what it is in a graph; with graphs=True pass a tensor on the parameters' "
                    f"device, torch.tensor(0.1, device={str(device)!r}) for example, which a scheduler fills."
                )
            kept += [lr.data_ptr(), group["maximize"]]
            for p in group["params"]:
                kept += [p.data_ptr(), p.grad is None]
        return tuple(kept)

    def _take(self, own: QuasiNewton, work: Callable[[int], None], number: Number) -> Recorded:
        """Record this step, which so is made; if that fails, everything is as it was before."""
        held = self._held = self._held or part_state.StaticState(own._states)
        held.settle_()
        k, calls, windows = own._k, own._oracle.calls.copy(), list(own._log.windows)

        def whole() -> None:
            work(cast(int, number))
            held.settle_()

        try:
            replay = self._record(whole)
        except Exception as error:
            held.bind()
            own._k, own._oracle.calls, own._log.windows = k, calls, windows
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise RuntimeError(
                f"Step {k + 1} could not be recorded as a graph ({reason}); the callables may not read a tensor on "
                "the host nor bring data from it. The step was not made: save state_dict() and go on without graphs."
            ) from error
        window = own._log.windows[len(windows) :]
        written = window[0][1:] if window else ()
        self._copy_window(own, len(windows), written)
        return Recorded(replay, number.notes.computed, own._oracle.calls - calls, written)

    def _replay(self, own: QuasiNewton, found: Recorded) -> None:
        """Make the recorded step, and count it."""
        assert self._held is not None  # since there is a recording
        self._held.settle_()  # a step in eager mode, or a checkpoint, bound the fields anew
        if found.computed:
            self._count.fill_(own._k + 1)
        found.replay()
        own._k += 1
        own._oracle.calls += found.calls
        self._copy_window(own, len(own._log.windows), found.window)

    @staticmethod
    def _copy_window(own: QuasiNewton, index: int, written: tuple[Tensor, ...]) -> None:
        """The log's entry number ``index`` from a window's record, which the next replay writes over."""
        if written:
            values, marks = written
            own._log.windows[index:] = [(own._k, values.clone(), marks.clone())]
