"""Evaluate the user's callable and leave no trace: random numbers, gradients, buffers, modes are put back."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook


@contextmanager
def untouched(parameters: Sequence[Tensor], model: nn.Module | None, seed: int) -> Iterator[None]:
    """Inside the block torch, NumPy and Python draw from ``seed`` and no parameter has a gradient; then all is back.

    Buffers, batch normalisation's averages for example, are put back in ``model``, with its modes; without it in every
    module that runs.
    """
    with ExitStack() as stack:
        stack.enter_context(_random_numbers(seed))
        stack.enter_context(_gradients(parameters))
        stack.enter_context(_buffers_of_what_runs() if model is None else _model(model))
        yield


@contextmanager
def _random_numbers(seed: int) -> Iterator[None]:
    there = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = range(torch.cuda.device_count()) if there else ()
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=list(devices)):
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)
            random.seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def _gradients(parameters: Sequence[Tensor]) -> Iterator[None]:
    kept = [p.grad for p in parameters]
    try:
        for p in parameters:
            p.grad = None
        yield
    finally:
        for p, grad in zip(parameters, kept, strict=True):
            p.grad = grad


class _Buffers:
    """Copies of the buffers of some modules, to put back."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[nn.Module, dict[str, tuple[Tensor, Tensor]]]] = {}

    def keep(self, module: nn.Module) -> None:
        """Copy this module's own, if that is not done yet."""
        if id(module) not in self._kept:
            own = {name: (b, b.detach().clone()) for name, b in module._buffers.items() if b is not None}
            self._kept[id(module)] = module, own

    @torch.no_grad()
    def put_back(self) -> None:
        """The same tensors with the same values."""
        for module, own in self._kept.values():
            for name, (buffer, value) in own.items():
                module._buffers[name] = buffer
                if not torch.equal(buffer, value):
                    buffer.copy_(value)


@contextmanager
def _buffers_of_what_runs() -> Iterator[None]:
    buffers = _Buffers()
    handle = register_module_forward_pre_hook(lambda module, inputs: buffers.keep(module))
    try:
        yield
    finally:
        handle.remove()
        buffers.put_back()


@contextmanager
def _model(model: nn.Module) -> Iterator[None]:
    buffers, modes = _Buffers(), [(module, module.training) for module in model.modules()]
    for module, _ in modes:
        buffers.keep(module)
    try:
        yield
    finally:
        buffers.put_back()
        for module, training in modes:
            module.training = training
