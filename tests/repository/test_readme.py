"""The README's Python runs, and prints what the README says it prints."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest
import torch

from studies.models import architecture
from studies.planning.budget import BUDGETS
from studies.variants.names import choose_variants

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```(?:\n\n```\n(.*?)```)?", README, re.DOTALL)


def test_readme_has_examples() -> None:
    assert len(BLOCKS) >= 2
    assert any(output for _, output in BLOCKS)


@pytest.mark.parametrize("index", range(len(BLOCKS)))
def test_example_runs_and_prints_what_it_says(index: int) -> None:
    code, output = BLOCKS[index]
    torch.manual_seed(0)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    if output:
        assert printed.getvalue() == output


def test_first_example_trains() -> None:
    """Twelve lines, an LSTM, and a loss that falls well below that of guessing among five classes, log 5."""
    code = BLOCKS[0][0]
    assert len([line for line in code.splitlines() if line]) == 12
    for seed in range(3):
        torch.manual_seed(seed)
        scope: dict[str, object] = {}
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(code, "README.md", "exec"), scope)
        assert scope["loss"](0).item() < 0.5 * 1.609  # type: ignore[operator]


def test_commands_name_known_models_and_variants() -> None:
    commands = re.findall(r"python -m studies ablate(.*)", README)
    assert len(commands) >= 3
    for command in commands:
        words = command.split()
        if "--model" in words:
            architecture(words[words.index("--model") + 1])
        if "--variants" in words:
            choose_variants(tuple(words[words.index("--variants") + 1 :]), batch_size=50)
        if "--budget" in words:
            assert words[words.index("--budget") + 1] in BUDGETS
