"""docs/methods.md is what the recipes say."""

from pathlib import Path

import pytest
import torch

from adaqn_lab import QuasiNewton
from adaqn_lab.recipes import ALL, table

DOCS = Path(__file__).parents[2] / "docs"


def test_the_committed_table_is_current():
    committed = (DOCS / "methods.md").read_text()
    assert table.document() == committed, "run: python -m adaqn_lab.recipes.table > docs/methods.md"


@pytest.mark.parametrize("named", ALL, ids=lambda named: named.name)
def test_the_memory_is_what_an_optimizer_holds(named):
    """Every tensor of n elements and more that is alive after a window, parameters and gradients left out."""
    n, every = 512, named.recipe.cadence.every
    w = torch.nn.Parameter(torch.linspace(1.0, 2.0, n))

    def loss():
        outputs = w * 2.0
        return outputs.square().sum() / 2, outputs

    optimizer = QuasiNewton([w], named.recipe, lr=1e-4, monitor=loss, curvature=loss, batch=loss, overlap=loss)
    for _ in range(2 * every):
        w.grad = w.detach().clone()
        optimizer.step()
    saved = optimizer.state_dict()["state"]["quasi_newton"]["tensors"]
    large = [x for name, x in saved.items() if x.numel() >= n and not name.endswith("rng")]
    held = sum(x.numel() * x.element_size() for x in large) + 4 * n  # and the vector which is no state
    assert held == 4 * table.elements(named.recipe, n)


def test_it_lists_every_method():
    assert len(ALL) >= 25
    assert len({named.name for named in ALL}) == len(ALL)
    assert len({named.recipe for named in ALL}) == len(ALL)
