"""What the optimizer's constructor refuses, in one sentence each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

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


def check_arguments(recipe: object, runs: object, **closures: object) -> None:
    """Check the recipe, the number of runs, and that every need of the recipe is met by a callable."""
    if not isinstance(recipe, Recipe):
        raise TypeError(f"QuasiNewton: recipe={recipe!r} is no Recipe; pass one, for example ADAQN.")
    require_int("QuasiNewton", "runs", runs, at_least=1)
    for name, closure in closures.items():
        if closure is not None and not callable(closure):
            more = ", or () -> (loss, outputs) for Gauss-Newton products" if name == "curvature" else ""
            raise TypeError(f"QuasiNewton: {name}={closure!r} cannot be called; pass a function () -> loss{more}.")
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


def check_parameters(parameters: Sequence[Tensor], runs: int) -> bool:
    """Check the parameters; whether their sizes are known (a lazy layer's are not before its first forward pass).

    Raises ``ValueError`` or ``TypeError`` in one sentence.
    """
    for index, p in enumerate(parameters):
        wrapped: bool = is_traceable_wrapper_subclass(p)
        if wrapped:
            raise TypeError(
                f"Parameter {index} is a {type(p).__name__}: the memory's dot products need whole vectors, and sharded "
                "or wrapped tensors are not supported; pass plain parameters, on several ranks those of a model in "
                "DistributedDataParallel."
            )
        if getattr(p, "_fsdp_flattened", False) or type(p).__name__ == "FlatParameter":
            raise TypeError(
                f"Parameter {index} is a shard of FullyShardedDataParallel: every rank would run a method of its own; "
                "wrap the model in DistributedDataParallel."
            )
        if p.is_complex():
            raise ValueError(
                f"Parameter {index} is complex ({p.dtype}); let the model hold torch.nn.Parameter("
                "torch.view_as_real(z.detach()).clone()) in its place and compute with torch.view_as_complex of it."
            )
    devices = {p.device for p in parameters}
    if len(devices) > 1:
        names = ", ".join(sorted(map(str, devices)))
        raise ValueError(
            f"The parameters lie on several devices ({names}); put the model on one, or use one optimizer per device."
        )
    if any(is_lazy(p) for p in parameters):
        return False
    for index, p in enumerate(parameters):
        if runs > 1 and (p.dim() == 0 or p.shape[0] != runs):
            raise ValueError(
                f"Parameter {index} has shape {tuple(p.shape)} but runs={runs}: its first dimension "
                f"counts the runs; stack the runs' parameters to ({runs}, ...) or pass runs=1."
            )
    return True
