"""What a CUDA graph does, on any device: operators recorded once and run again on the same tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode


@dataclass(frozen=True)
class Outside:
    """A tensor that the recording did not make: where it lies, without keeping it there."""

    storage: StorageWeakRef
    dtype: torch.dtype
    device: torch.device
    layout: tuple[int, tuple[int, ...], tuple[int, ...]]
    reader: str

    @classmethod
    def of(cls, tensor: Tensor, reader: str) -> Outside:
        """What to remember of the tensor, which the operator ``reader`` was given."""
        layout = tensor.storage_offset(), tuple(tensor.shape), tensor.stride()
        return cls(StorageWeakRef(tensor.untyped_storage()), tensor.dtype, tensor.device, layout, reader)

    def tensor(self) -> Tensor:
        """The tensor again; ``RuntimeError`` where its memory was given back."""
        # As torch.multiprocessing does it.
        storage = torch.UntypedStorage._new_with_weak_ptr(self.storage.cdata)
        if storage is None:
            raise RuntimeError(
                f"{self.reader} reads a tensor of shape {self.layout[1]} that came from outside the recording and was "
                "freed: a CUDA graph would read memory that is others' by now"
            )
        return torch.empty(0, dtype=self.dtype, device=self.device).set_(storage, *self.layout)


class Tape(TorchDispatchMode):
    """Keeps every operator with its arguments and results; :meth:`replay` writes new results over the old ones.

    As in a graph, numbers are what they were, tensors are where they were, and Python does not run. What the recording
    makes lives as long as the tape; what it was given is held weakly, and a replay raises when that was freed.
    Tensors made from Python data are refused, on a GPU they are copies from the host; and so are reads on the host, for
    which a capture would have to wait.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, ...]] = []
        self._own: set[StorageWeakRef] = set()  # alive with the results in ``calls``, so that no other takes its place

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.name.startswith("aten::lift"):
            raise RuntimeError("a tensor was made from Python data")
        if func._schema.name == "aten::_local_scalar_dense":
            raise RuntimeError("a tensor was read on the host")
        given = _each(Tensor, lambda x: self._kept(x, func._schema.name), (args, kwargs or {}))
        result = func(*args, **(kwargs or {}))
        written, from_outside = list[Tensor](), list[Outside]()
        _each(Outside, from_outside.append, given)
        if not any(r.alias_info is not None for r in func._schema.returns):  # not in place, nor a view of what was
            _each(Tensor, lambda x: written.append(x.detach()), result)
            self._own |= {StorageWeakRef(x.untyped_storage()) for x in written}
        # Some save more where there are gradients.
        self.calls.append((torch.is_grad_enabled(), func, given, bool(from_outside), written))
        return result

    def _kept(self, tensor: Tensor, reader: str) -> Tensor | Outside:
        """An argument as the tape keeps it."""
        inside = StorageWeakRef(tensor.untyped_storage()) in self._own
        return tensor.detach() if inside else Outside.of(tensor, reader)

    def replay(self) -> None:
        """Run everything once more."""
        for with_gradients, func, given, from_outside, written in self.calls:
            args, kwargs = _each(Outside, Outside.tensor, given) if from_outside else given
            with torch.set_grad_enabled(with_gradients):
                new = func(*args, **kwargs)
            if written:
                values = list[Tensor]()
                _each(Tensor, values.append, new)
                for old, value in zip(written, values, strict=True):
                    old.copy_(value)


def _each(kind: type, do: Callable[[Any], Any], values: Any) -> Any:
    """``values`` with ``do`` of all of the kind in them; torch's tree_map_only takes most of a replay's time."""
    if isinstance(values, kind):
        return do(values)
    if type(values) in (tuple, list):
        return type(values)([_each(kind, do, value) for value in values])
    if type(values) is dict:
        return {name: _each(kind, do, value) for name, value in values.items()}
    return values


def record(work: Callable[[], None]) -> Callable[[], None]:
    """Run and record: what :class:`adaqn_lab.graphs.CudaGraph` does on a GPU."""
    with Tape() as tape:
        work()
    return tape.replay
