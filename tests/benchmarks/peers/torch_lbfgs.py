"""The two loops in ``torch.optim.LBFGS.step``: its own statements, cut out of its source and executed bare.

A whole ``step`` would add its gathering, tests and closure, which are no part of a direction.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import torch

from tests.benchmarks.peers.peer import AbsentError, DirectionPeer, Prepared, given
from tests.benchmarks.problems import Pairs

ARGUMENTS = "state, history_size, flat_grad, old_dirs, old_stps, ro, H_diag"


@functools.cache
def loop() -> Callable[..., Any]:
    """``(state, history_size, flat_grad, old_dirs, old_stps, ro, H_diag) -> -H flat_grad``."""
    step = ast.parse(textwrap.dedent(inspect.getsource(torch.optim.LBFGS.step)))
    for node in ast.walk(step):
        statements = getattr(node, "orelse", None) or []
        starts = [k for k, statement in enumerate(statements) if _assigns(statement, "num_old")]
        if starts:
            break
    else:
        raise AbsentError(f"torch {torch.__version__} has no two loops where torch 2.13 has them.")
    function = ast.parse(f"def loop({ARGUMENTS}):\n    return d").body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body[:0] = statements[starts[0] :]
    names: dict[str, Any] = {"torch": torch}
    module = ast.fix_missing_locations(ast.Module([function], type_ignores=[]))
    exec(compile(module, "<the loops of torch.optim.LBFGS>", "exec"), names)
    found: Callable[..., Any] = names["loop"]
    return found


def _assigns(statement: ast.AST, name: str) -> bool:
    return isinstance(statement, ast.Assign) and any(getattr(t, "id", "") == name for t in statement.targets)


def prepare(pairs: Pairs) -> Prepared:
    """Its lists of rows, each a tensor of its own, as its ``step`` keeps them."""
    two_loops, m = loop(), pairs.shape[1]
    runs = []
    for S, Y, h0, g in zip(pairs.s, pairs.y, pairs.h0, pairs.g, strict=True):
        rows_s, rows_y = [s.clone() for s in S], [y.clone() for y in Y]
        ro = [1.0 / y.dot(s) for s, y in zip(rows_s, rows_y, strict=True)]
        runs.append(({}, m, g, rows_y, rows_s, ro, h0))

    def call() -> list[torch.Tensor]:
        with torch.no_grad():
            return [two_loops(*arguments) for arguments in runs]

    return Prepared(call, pairs.bytes, sign=-1.0)


PEER = DirectionPeer("torch.optim.LBFGS", prepare, given)
