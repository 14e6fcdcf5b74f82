"""The memory on a CUDA device makes the same H v as on the CPU, to the tolerance of the operator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given

from adaqn_lab import CautiousCosine, Space, Window
from verification.compare import close, torch_dtype
from verification.operator.dense import allowed, norm
from verification.parts import by_diagonal, displacement, memory_direction, operator_of
from verification.strategies import operator_cases
from verification.tolerances import TOLERANCES

TEST = CautiousCosine(eps=0.0)


def on(device, case):
    space = Space(1, case.n, torch_dtype(case.dtype), torch.device(device))
    memory, h0 = Window(test=TEST), by_diagonal(torch.tensor(case.h0[None], device=device))
    state = memory.init(space)
    operator = operator_of(memory, state, h0)
    for s, y in zip(case.S, case.Y, strict=True):
        rows = (torch.tensor(x[None], device=device) for x in (s, y))
        move, y_row = displacement(next(rows), space.mask(True)), next(rows)
        memory.admit_(state, move, y_row, operator)
    v = torch.tensor(case.v[None], device=device)
    return operator.apply_(v)[0].cpu().numpy()


def same_on(device, case):
    expected = memory_direction(lambda: Window(test=TEST))(case.S, case.Y, case.h0, case.v)
    atol = 2 * allowed(TOLERANCES["operator"], case) * norm(case.v)
    close(np.asarray(on(device, case)), expected, atol, f"H v on {device} against the CPU")


@given(case=operator_cases())
def test_the_check_itself_on_the_cpu(case):
    same_on("cpu", case)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@given(case=operator_cases())
def test_cuda_equals_cpu(case):
    same_on("cuda", case)
