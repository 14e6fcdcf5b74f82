"""Errors and their ways out: what an entry of the inventory is, and where the package raises."""

from __future__ import annotations

import ast
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

import adaqn_lab
from adaqn_lab import Recipe
from tests.adaqn_lab.training import UNGUARDED, Training

PACKAGE = Path(adaqn_lab.__file__).parent
CONNECTIVES = re.compile(r"\b(?:or|and|in)\b|[\s,:.]")


@dataclass(frozen=True)
class Case:
    """``trigger`` provokes the error ``kind``; its sentence has ``words`` and, after its last semicolon, the ways out.

    ``ways``: what the sentence says -> a callable which does it, and fails unless the thing works then. It is given the
    words, so that code which they contain is the code that runs.
    """

    name: str
    kind: type[Exception]
    trigger: Callable[[], object]
    words: str
    ways: dict[str, Callable[[str], object]]

    def sentence(self) -> str:
        """What the error says."""
        return str(self.caught())

    def caught(self) -> Exception:
        """The error."""
        try:
            self.trigger()
        except self.kind as error:
            return error
        raise AssertionError(f"{self.name}: nothing was refused")

    def untold(self, text: str) -> str:
        """What stands after the last semicolon and is no way out of this case."""
        told = text.rpartition("; ")[2]
        for words in sorted(self.ways, key=len, reverse=True):
            told = told.replace(words, " ")
        return CONNECTIVES.sub("", told)


def is_one_sentence(text: str) -> bool:
    """One line with a full stop at its end and none before."""
    return "\n" not in text and re.search(r"\w\S*\.$", text) is not None and not re.search(r"\. +[A-Z]", text)


# -- where errors are raised ------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class Site:
    """A raise statement, in lines of a file."""

    file: str
    first: int
    last: int


def sites() -> list[Site]:
    """Every raise statement of the package which makes an error, so not the bare ones."""
    return sorted(
        Site(str(path.relative_to(PACKAGE)), node.lineno, node.end_lineno or node.lineno)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
    )


def site_of(error: Exception) -> tuple[str, int]:
    """File and line of the deepest frame within the package."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if PACKAGE in Path(frame.filename).parents]
    assert frames, f"{error!r} was not raised in the package"
    return str(Path(frames[-1].filename).relative_to(PACKAGE)), frames[-1].lineno or 0


# -- showing that something works -------------------------------------------------------------------------------


def evaluated(text: str) -> Any:
    """The value of an expression that a sentence contains."""
    return eval(text, vars(adaqn_lab) | {"torch": torch})


def after(words: str, start: str) -> Any:
    """The value of the expression which follows ``start`` in ``words``."""
    assert words.startswith(start), words
    return evaluated(words.removeprefix(start))


def steps(training: Training, *ks: int) -> Training:
    """Train; every step moves the weights to where they are finite."""
    for k in ks or range(8):
        before = training.weights
        training.train(k)
        assert torch.isfinite(training.weights).all()
        assert not torch.equal(training.weights, before)
    return training


def trains(recipe: Recipe = UNGUARDED, **options: Any) -> Training:
    """Build an optimizer and train."""
    return steps(Training(recipe, **options))


def moves(optimizer: torch.optim.Optimizer) -> None:
    """A step from gradients of ones moves every parameter; on the meta device there is nothing to see."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    before = [p.detach().clone() for p in parameters]
    for p in parameters:
        p.grad = torch.ones_like(p)
    optimizer.step()
    assert all(p.is_meta or not torch.equal(p, old) for p, old in zip(parameters, before, strict=True))


@contextmanager
def lone_rank() -> Iterator[None]:
    """A process group of one."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()
