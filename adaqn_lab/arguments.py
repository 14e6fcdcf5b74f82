"""What the optimizer's constructor refuses, in one sentence each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from adaqn_lab.checks import require_bool, require_int, require_real
from adaqn_lab.protocols import Need
from adaqn_lab.recipe import Recipe

_WAY_OUT = {
    Need.MONITOR_LOSS: "pass monitor=() -> loss on fixed data",
    Need.BATCH_GRADIENT: "pass batch=() -> loss on the mini-batch of the current step",
    Need.OVERLAP_GRADIENT: "pass overlap=() -> loss on the data which this mini-batch shares with the next",
    Need.CURVATURE_GRADIENT: "pass curvature=() -> loss on a curvature batch",
    Need.HESSIAN_VECTOR_PRODUCT: "pass curvature=() -> loss on a curvature batch",
    Need.GAUSS_NEWTON_PRODUCT: "pass curvature=() -> (loss, outputs) on a curvature batch",
}


def check_arguments(recipe: object, runs: object, **closures: Callable[[], Any] | None) -> None:
    """Check the recipe, the number of runs, and that every need of the recipe is met by a callable."""
    if not isinstance(recipe, Recipe):
        raise TypeError(f"QuasiNewton: recipe={recipe!r} is no Recipe; pass one, for example ADAQN.")
    require_int("QuasiNewton", "runs", runs, at_least=1)
    for name, closure in closures.items():
        if closure is not None and not callable(closure):
            raise TypeError(f"QuasiNewton: {name}={closure!r} cannot be called; pass a function () -> loss.")
    for role, needs in recipe.needs_by_role.items():
        for need in sorted(needs, key=lambda need: need.name):
            if closures[need.argument] is None:
                raise ValueError(
                    f"QuasiNewton: {role}={getattr(recipe, role)!r} needs a {need.value}; "
                    f"{_WAY_OUT[need]}, or change it with recipe.but({role}=...)."
                )


def check_group(group: dict[str, Any], first: dict[str, Any], runs: int) -> None:
    """Check one parameter group's options."""
    lr = group["lr"]
    if isinstance(lr, Tensor):
        if lr.numel() not in (1, runs) or lr.dim() > 1:
            raise ValueError(
                f"QuasiNewton: lr has shape {tuple(lr.shape)}; pass a float, a 0-dim tensor, or one rate for each "
                f"of the {runs} run(s)."
            )
        if not bool(((lr > 0) & lr.isfinite()).all()):
            raise ValueError(f"QuasiNewton: lr={lr.tolist()!r} is out of range; pass finite rates > 0.")
    else:
        require_real("QuasiNewton", "lr", lr, above=0.0)
    require_real("QuasiNewton", "weight_decay", group["weight_decay"], at_least=0.0)
    require_bool("QuasiNewton", "maximize", group["maximize"])
    if group["maximize"] != first["maximize"]:
        raise ValueError(
            f"QuasiNewton: maximize={group['maximize']} in one group and {first['maximize']} in another; the guard "
            "compares one loss, so pass the same to all groups."
        )
