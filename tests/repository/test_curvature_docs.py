"""The Python of docs/curvature.md runs and prints what the page says; the commands are ones that there are."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
import torch

from studies.variants.names import choose_variants

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "curvature.md").read_text(encoding="utf-8")


def numbers(text: str) -> list[float]:
    return [float(x) for x in re.findall(r"\d+(?:\.\d+)?(?:e[+-]\d+)?", text)]


def test_the_example_prints_what_the_page_says() -> None:
    """The last digits of float32 training may differ on another machine."""
    ((code, told),) = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", PAGE, re.DOTALL)
    torch.set_num_threads(1)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "docs/curvature.md", "exec"), {"__name__": "__main__"})
    found, expected = printed.getvalue(), told
    assert re.sub(r"[\d.e+-]+", "#", found.replace("large", "small")) == re.sub(
        r"[\d.e+-]+", "#", expected.replace("large", "small")
    )
    assert numbers(found) == pytest.approx(numbers(expected), rel=0.3, abs=0.5)


def test_commands_name_variants_that_there_are() -> None:
    commands = [shlex.split(line, comments=True) for line in PAGE.splitlines() if "-m studies audit" in line]
    assert len(commands) == 5
    for words in commands:
        choose_variants((words[words.index("--variant") + 1],), 50)


def test_pictures_are_there_and_small() -> None:
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", PAGE)
    assert len(pictures) == 5
    assert all(0 < (DOCS / name).stat().st_size < 100_000 for name in pictures)
