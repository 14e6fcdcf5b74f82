"""docs/methods.md is what the recipes say."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from adaqn_lab import Need, QuasiNewton, Recipe
from adaqn_lab import state as part_state
from adaqn_lab.recipes import ALL, Evidence, Named, table
from tests.adaqn_lab.family import family_optimizer, family_train
from tests.adaqn_lab.small import tagger

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
    states = part_state.flatten(optimizer._algorithm.states)
    large = [x for name, x in states.items() if x.numel() >= n and not name.endswith("rng")]
    held = sum(x.numel() * x.element_size() for x in large) + 4 * n  # and the vector which is no state
    assert held == 4 * table.elements(named.recipe, n)


def test_it_lists_every_method():
    assert len(ALL) >= 25
    assert len({named.name for named in ALL}) == len(ALL)
    assert len({named.recipe for named in ALL}) == len(ALL)


def test_every_proposal_says_why():
    proposals = [named for named in ALL if Evidence.PROPOSAL in named.evidence]
    assert len(proposals) >= 10
    assert [named.name for named in proposals if len(named.motivation.split()) < 30] == []


def expected(recipe: Recipe) -> Counter[Need]:
    """What the table says of one window, as numbers."""
    numbers = {"once": 1, "two": 2, "a": 1, "Hessian-vector": getattr(recipe.pairs, "count", 1)}
    words = {need: table.PER_WINDOW[need].replace("the loss on fixed data, ", "").split()[0] for need in recipe.needs}
    found = Counter({need: numbers[word] for need, word in words.items()})
    if getattr(recipe.guard, "reevaluate", False):
        found[Need.MONITOR_LOSS] = 2
    return found


@pytest.mark.parametrize("named", ALL, ids=lambda named: named.name)
def test_a_window_asks_for_what_the_table_says(named: Named):
    model = tagger()
    optimizer, current = family_optimizer(model, named.recipe)
    every = named.recipe.cadence.every
    family_train(model, optimizer, current, 0, 2 * every)
    before = Counter(optimizer.oracle_calls_by_need)
    family_train(model, optimizer, current, 2 * every, 3 * every)
    assert Counter(optimizer.oracle_calls_by_need) - before == expected(named.recipe)
