"""The Python of a page: its fenced blocks in order, each with what the page says that it prints."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```\n(.*?)```)?", re.DOTALL)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def blocks(page: Path) -> list[tuple[str, str]]:
    """(code, output) of each block; output is "" where the page shows none."""
    return [(code, output) for code, output in BLOCK.findall(page.read_text(encoding="utf-8"))]


def execute(page: Path) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Run the page's blocks in one namespace: that, and (printed, expected) of each with an output."""
    torch.manual_seed(0)
    scope: dict[str, Any] = {"__name__": "__main__"}
    compared = []
    for code, expected in blocks(page):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, page.name, "exec", dont_inherit=True), scope)
        if expected:
            compared.append((printed.getvalue(), expected))
    return scope, compared


def agree(printed: str, expected: str) -> None:
    """The same words and, nearly, the same numbers: training amplifies the rounding in which machines differ."""
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", expected)
    found, told = ([float(x) for x in NUMBER.findall(text)] for text in (printed, expected))
    assert found == pytest.approx(told, rel=0.3, abs=0.02)
