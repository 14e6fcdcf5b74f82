"""A step as a CUDA graph: recorded once for every place in a window, replayed from then on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adaqn_lab import state as part_state
from adaqn_lab.algorithm import Algorithm
from adaqn_lab.groups import Groups
from adaqn_lab.protocols import Need

Work = Callable[[], None]


class CudaGraph:
    """``record(work)`` runs ``work`` once, as a CUDA graph on the current device, and returns what runs it again.

    The device is the same at every call.
    """

    def __init__(self) -> None:
        self._pool: Any = None
        self._stream: torch.cuda.Stream | None = None

    def __call__(self, work: Work) -> Work:
        """Record and replay."""
        if self._pool is None:  # one for all: they are replayed one after another, and what outlives one is copied
            self._pool = torch.cuda.graph_pool_handle()
            # Not torch's own: that lies on the device which was current at the first capture in this process.
            self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        graph = torch.cuda.CUDAGraph()
        # Other threads, a data loader's for example, go on with what they do.
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            work()
        graph.replay()
        return graph.replay


@dataclass(frozen=True)
class Recorded:
    """What runs a step again; the evaluations it costs; where a window is told."""

    replay: Work
    calls: Counter[Need]
    window: tuple[Tensor, ...]


class Graphs:
    """Runs the steps of one :class:`~adaqn_lab.algorithm.Algorithm`: a window one operator at a time, then recorded,
    then replayed.

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

    def _forget(self, states: dict[str, Any] | None, last_eager: int = 0) -> None:
        """Begin anew, with these states; steps up to ``last_eager`` are not recorded."""
        self._states = states
        self._recorded: dict[Any, Recorded] = {}
        self._static: part_state.StaticState | None = None
        self._last_eager = last_eager

    def step(self, own: Algorithm, groups: Groups, work: Callable[[Tensor], None]) -> None:
        """Run ``work(k)``, the algorithm's next step from its gathered gradient on, k a () float64 tensor."""
        every = own.recipe.cadence.every
        if self._states is not own.states:
            self._check(own)
            self._forget(own.states, own.k + every)
            self._count = torch.zeros((), dtype=torch.float64, device=own.vector.device)
        key = (own.k % every, *self._settings(groups))
        self._count.fill_(own.k + 1)
        found = self._recorded.get(key)
        if found is not None:
            self._replay(own, found)  # a graph knows its device
            return
        with torch.cuda.device_of(own.vector):  # type: ignore[no-untyped-call]
            if own.k < self._last_eager:
                work(self._count)
            else:
                self._recorded[key] = self._take(own, work)

    def _check(self, own: Algorithm) -> None:
        """Refuse what no graph sees."""
        device = own.vector.device
        if self._on_cuda_only and device.type != "cuda":
            raise RuntimeError(f"graphs=True needs parameters on a CUDA device, these are on {device}; leave it out.")
        for name, tensor in part_state.flatten(own.states).items():
            if tensor.device != device and not tensor.is_pinned():
                raise RuntimeError(
                    f"The state {name} lies on {tensor.device} and the parameters on {device}, so that a graph would "
                    "not see it change; take another part for that role, or leave graphs=True out."
                )

    def _settings(self, groups: Groups) -> tuple[Any, ...]:
        """What a recording keeps of the groups; ``RuntimeError`` for an lr which it would keep."""
        kept: list[Any] = []
        for group in (group for group in groups if group["params"]):
            lr, device = group["lr"], group["params"][0].device
            if not isinstance(lr, Tensor) or lr.device != device:
                raise RuntimeError(
                    f"lr={lr!r} would stay what it is in a graph; with graphs=True pass a tensor on the parameters' "
                    f"device, torch.tensor(0.1, device={str(device)!r}) for example, which a scheduler fills."
                )
            kept += [lr.data_ptr(), group["maximize"]]
            for p in group["params"]:
                kept += [p.data_ptr(), p.grad is None]
        return tuple(kept)

    def _take(self, own: Algorithm, work: Callable[[Tensor], None]) -> Recorded:
        """Record this step, which so is made; if that fails, everything is as it was before."""
        static = self._static = self._static or part_state.StaticState(own.states)
        static.settle_()
        k, calls, windows = own.k, own.oracle.calls.copy(), list(own.log.windows)

        def whole() -> None:
            work(self._count)
            static.settle_()

        try:
            replay = self._record(whole)
        except Exception as error:
            static.bind()
            own.k, own.oracle.calls, own.log.windows, own.undecided = k, calls, windows, False
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise RuntimeError(
                f"Step {k + 1} could not be recorded as a graph ({reason}) and was not made; let parts and callables "
                "neither read a tensor on the host nor bring data from it, or save state_dict() and go on "
                "without graphs."
            ) from error
        window = own.log.windows[len(windows) :]
        written = window[0][1:] if window else ()
        self._copy_window(own, len(windows), written)
        return Recorded(replay, own.oracle.calls - calls, written)

    def _replay(self, own: Algorithm, found: Recorded) -> None:
        """Make the recorded step, and count it."""
        assert self._static is not None  # since there is a recording
        self._static.settle_()  # a step in eager mode, or a checkpoint, bound the fields anew
        found.replay()
        own.k += 1
        own.oracle.calls += found.calls
        self._copy_window(own, len(own.log.windows), found.window)

    @staticmethod
    def _copy_window(own: Algorithm, index: int, written: tuple[Tensor, ...]) -> None:
        """The log's entry number ``index`` from a window's record, which the next replay writes over."""
        if written:
            values, marks = written
            own.log.windows[index:] = [(own.k, values.clone(), marks.clone())]
