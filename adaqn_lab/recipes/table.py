"""The table of methods, generated from the recipes: ``python -m adaqn_lab.recipes.table > docs/methods.md``.

Memory is counted on the states which the parts make for two sizes of problem; the products per step are counted by
running each recipe on a small problem whose own loss has none, after its memory has filled.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from adaqn_lab import kernels
from adaqn_lab import state as part_state
from adaqn_lab.optimizer import QuasiNewton
from adaqn_lab.pairs import LookAheadDifference
from adaqn_lab.protocols import Need, Operator, Step
from adaqn_lab.recipe import ROLES, Recipe
from adaqn_lab.recipes import ALL
from adaqn_lab.space import Space
from adaqn_lab.steppers import Gradient

SMALL = 64
PER_WINDOW = {
    Need.MONITOR_LOSS: "the loss on fixed data, once (twice with `reevaluate`)",
    Need.BATCH_GRADIENT: "two gradients of the current mini-batch",
    Need.OVERLAP_GRADIENT: "two gradients of the data shared with the next mini-batch",
    Need.CURVATURE_GRADIENT: "two gradients of a curvature batch",
    Need.HESSIAN_VECTOR_PRODUCT: "Hessian-vector product(s) on a curvature batch",
    Need.GAUSS_NEWTON_PRODUCT: "a Gauss-Newton product on a curvature batch, with the outputs",
}


def elements(recipe: Recipe, n: int) -> int:
    """Float32-sized elements held between two steps for n parameters, the optimizer's own three vectors included.

    Those are the reference, the window's sum, and the vector of the gradient.
    """
    space = Space(1, n)
    tensors = part_state.flatten({role: part.init(space) for role, part in recipe.parts.items()})
    large = [x for name, x in tensors.items() if x.numel() >= n and not name.endswith("rng")]
    return 3 * n + sum(x.numel() * x.element_size() // 4 for x in large)


def memory(recipe: Recipe) -> str:
    """The state as a polynomial in n, the part independent of n left out."""
    f = [elements(recipe, n) for n in (SMALL * 8, SMALL * 12)]
    quadratic = round((f[1] / 12 - f[0] / 8) / (4 * SMALL**2) * 1.0)
    linear = round(f[0] / (8 * SMALL) - quadratic * 8 * SMALL)
    return f"{quadratic} n^2 + {linear} n" if quadratic else f"{linear} n"


class _Counted(Gradient):
    """Steps along the gradient whatever H is, but does the work of another stepper while products are counted."""

    def __init__(self, of: object, counter: FlopCounterMode) -> None:
        object.__setattr__(self, "of", of)
        object.__setattr__(self, "counter", counter)

    def direction_(self, state: None, step: Step, operator: Operator) -> Tensor:
        """Form H g, return g: the run stays tame, whatever the method."""
        if self.__dict__["counter"].mode is not None:
            operator(step.g)
        return step.g


def work(recipe: Recipe, n: int = SMALL) -> float:
    """Multiply-adds in products of vectors and matrices a step, averaged over a window, with the memory full."""
    w = torch.nn.Parameter(torch.linspace(1.0, 2.0, n))
    scale = torch.linspace(1.0, 3.0, n)

    def loss() -> tuple[Tensor, Tensor]:
        outputs = w * scale.sqrt()
        return outputs.square().sum() / 2, outputs

    aten = torch.ops.aten
    known = {aten.baddbmm_: _baddbmm, aten.addmm_: _addmm, aten.mv: _mv, aten.addmv_: _addmv}
    counter = FlopCounterMode(display=False, custom_mapping=known)
    every = recipe.cadence.every
    keep = recipe.but(stepper=_Counted(recipe.stepper, counter)) if _free(recipe) else recipe
    optimizer = QuasiNewton([w], keep, lr=1e-4, monitor=loss, curvature=loss, batch=loss, overlap=loss)
    for _ in range(every * (24 if every == 1 else 14)):
        _one(optimizer, w, loss()[0])
    with kernels.disabled(), counter:
        for _ in range(every):
            _one(optimizer, w, loss()[0])
    return float(counter.get_total_flops()) / 2 / every


def _baddbmm(to: list[int], a: list[int], b: list[int], *_: object, **__: object) -> int:
    """The in-place product, which torch's counter does not know; nor those with a vector."""
    return 2 * a[0] * a[1] * a[2] * b[2]


def _addmm(to: list[int], a: list[int], b: list[int], *_: object, **__: object) -> int:
    return 2 * a[0] * a[1] * b[1]


def _mv(a: list[int], *_: object, **__: object) -> int:
    return 2 * a[0] * a[1]


def _addmv(to: list[int], a: list[int], *_: object, **__: object) -> int:
    return 2 * a[0] * a[1]


def _free(recipe: Recipe) -> bool:
    """Whether another stepper may stand in."""
    return not isinstance(recipe.pairs, LookAheadDifference)


def _one(optimizer: QuasiNewton, w: torch.nn.Parameter, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def products(recipe: Recipe) -> str:
    """The work a step as a multiple of n, or of n^2 or n^3 for a dense memory."""
    small, large = work(recipe), work(recipe, 4 * SMALL)
    if large > 32 * small:
        return f"{large / (4 * SMALL) ** 3:.1f} n^3"
    if large > 8 * small:
        return f"{large / (4 * SMALL) ** 2:.1f} n^2"
    return f"{large / (4 * SMALL):.0f} n"


def _code(value: object) -> str:
    return f"`{value!r}`" if value is not None else "none"


def methods() -> str:
    """The table of methods, Markdown."""
    head = (
        "name",
        *("pairs", "scaling", "memory", "stepper", "guard", "cadence"),
        "needs",
        "memory",
        "multiply-adds a step",
        "citation",
        "how sure",
        "note",
    )
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for named in ALL:
        recipe = named.recipe
        roles = [_code(getattr(recipe, role)) for role in (*ROLES, "cadence")]
        needs = ", ".join(sorted(need.value for need in recipe.needs)) or "nothing"
        sure = "; ".join(evidence.value for evidence in named.evidence)
        row = [f"`{named.name}`", *roles, needs, memory(recipe), products(recipe), named.citation, sure, named.note]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def requests() -> str:
    """What each method asks of the training loop, Markdown."""
    lines = ["| name | every step | every window | steps a window | arguments |", "|---|---|---|---|---|"]
    for named in ALL:
        needs = sorted(named.recipe.needs, key=lambda need: need.name)
        window = "; ".join(PER_WINDOW[need] for need in needs) or "nothing"
        arguments = ", ".join(f"`{argument}=`" for argument in dict.fromkeys(need.argument for need in needs)) or "none"
        every = named.recipe.cadence.every
        lines.append(f"| `{named.name}` | a mini-batch gradient in `.grad` | {window} | {every} | {arguments} |")
    return "\n".join(lines)


def motivations() -> str:
    """Why anyone should want what this library proposes, Markdown."""
    return "\n".join(f"- `{named.name}`: {named.motivation}" for named in ALL if named.motivation)


def document() -> str:
    """The whole page."""
    return f"""# Methods

Generated from the recipes by `python -m adaqn_lab.recipes.table`; do not edit.

No method is claimed to be its paper line by line: *how sure* says what its definition rests on, the docstring beside
the recipe in `adaqn_lab/recipes/` what was left out.

*Memory* counts elements of 4 bytes held between two steps by float32 models of n parameters, beside the parameters and
their gradients; at its peak `ADAQN` holds two vectors more (`tests/benchmarks/test_memory.py` measures it).
*Multiply-adds* are those of products of vectors and matrices a step, averaged over a window; elementwise passes, the
callables, factorisations of dense matrices and of m x m matrices come on top.

{methods()}

## What each method asks of the training loop

{requests()}

## Why the proposals

{motivations()}
"""


if __name__ == "__main__":
    print(document(), end="")
