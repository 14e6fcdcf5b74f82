"""The Python of docs/studies.md runs, and what it makes fits where the text says that it goes."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from studies.analysis.row import Row
from studies.tasks import Text
from studies.variants.variant import Variant

DOCS = (Path(__file__).parents[2] / "docs" / "studies.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """All that the blocks define."""
    scope: dict[str, Any] = {}
    for code in BLOCKS:
        exec(compile(code, "docs/studies.md", "exec"), scope)
    return scope


def test_there_are_three_short_ones() -> None:
    assert len(BLOCKS) == 3
    assert all(len([line for line in code.splitlines() if line]) <= 16 for code in BLOCKS)


def test_the_variant_trains_and_can_be_told_again(made: dict[str, Any]) -> None:
    variant = Variant(name="mine:MINE", method=made["MINE"], centre=0.1)
    variant.require_repr()
    parameter = torch.zeros(3, requires_grad=True)
    optimizer = variant.build([parameter], [0.1], {"monitor": lambda: torch.tensor(0.0)})
    parameter.grad = torch.ones(3)
    optimizer.step()
    assert torch.equal(parameter, torch.full((3,), -0.05))


def test_the_task_and_the_column_fit(made: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert made["long"]["adding-long"].smoke(Text(name="adding-long", content="")).batch_size > 0
    row = object.__new__(Row)
    vars(row).update(seconds=3.0, steps=40)
    assert made["column"].text(row) == "0.0750"
    assert made["column"].numbers["seconds_a_step"](row) == 0.075
