"""The commands of docs/curvature.md are ones that there are, and so are its pictures."""

import re
import shlex
from pathlib import Path

from studies.variants.names import choose_variants

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "curvature.md").read_text(encoding="utf-8")


def test_commands_name_variants_that_there_are() -> None:
    commands = [shlex.split(line, comments=True) for line in PAGE.splitlines() if "-m studies audit --" in line]
    assert len(commands) == 5
    for words in commands:
        choose_variants((words[words.index("--variant") + 1],), 50)


def test_pictures_are_there_and_small() -> None:
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", PAGE)
    assert len(pictures) == 5
    assert all(0 < (DOCS / name).stat().st_size < 100_000 for name in pictures)
