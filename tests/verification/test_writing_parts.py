"""docs/writing-parts.md: honest examples, a table of what can be declared, and four files which are enough."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from verification.catalogue import PROPERTIES
from verification.table import properties

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/writing-parts.md").read_text(encoding="utf-8")
SECTIONS = (section.partition("\n")[::2] for section in PAGE.split("\n## ")[1:])
BLOCKS = {
    title: re.search(r"```python\n(.*?)```", text, re.DOTALL)[1] for title, text in SECTIONS if "```python" in text
}
SPECIMEN = BLOCKS.pop("A part for everybody")


@pytest.mark.parametrize("title", BLOCKS)
def test_example_is_verified(title):
    assert "assert verification.verify(" in BLOCKS[title]
    exec(compile(BLOCKS[title], title, "exec", dont_inherit=True), {})


def test_every_role_has_an_example():
    assert [title.partition(":")[0] for title in BLOCKS] == [
        "A scaling",
        "A pair generator",
        "A memory",
        "A stepper",
        "A guard",
        "A function",
    ]


def test_every_property_is_in_the_table():
    written = PAGE.partition("<!-- properties -->\n")[2].partition("<!-- /properties -->")[0]
    assert written == properties(PROPERTIES.values()) + "\n"


PROGRAM = """
from adaqn_lab import LargestGradient
from studies.variants.factors.scaling import SCALING
from verification import verify
from verification.catalogue import LAWS, MUTANTS, SPECIMENS
from verification.law import Subject
from verification.mutants.matrix import column
from verification.mutants.matrix import complaints

assert verify(LargestGradient, examples=10)
assert any(specimen.kind is LargestGradient for specimen in SPECIMENS)
mutants = [name for name in MUTANTS[Subject.SCALING] if name in ("last_for_largest", "largest_of_all_parameters")]
laws = [law for law in LAWS if law.name == "largest-gradient-equals-textbook"]
assert len(mutants) == 2 and len(laws) == 1 and set(laws[0].kills) == set(mutants)
assert all(any(e.mark.name == "MEANT" for e in column(Subject.SCALING, name)) for name in mutants)
assert "largest-gradient" in SCALING.levels(50)
"""


def test_a_new_scaling_touches_four_files(tmp_path):
    """The files that the page names, in a copy; nothing else is changed."""
    for package in ("adaqn_lab", "verification", "studies"):
        ignored = shutil.ignore_patterns("__pycache__", "records")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    part = BLOCKS["A scaling: what is H0?"].partition("\n\nassert ")[0]
    part = re.sub(r"^import verification\n|, QuasiNewton|^from adaqn_lab.recipes.*\n", "", part, flags=re.MULTILINE)
    part = part.replace("from adaqn_lab import Diagonal", "from adaqn_lab.diagonal import Diagonal")
    (tmp_path / "adaqn_lab/scaling/largest_gradient.py").write_text(part + "\n", encoding="utf-8")
    edit(
        tmp_path / "adaqn_lab/scaling/__init__.py",
        ("from adaqn_lab.scaling.rmsprop", "from adaqn_lab.scaling.largest_gradient import LargestGradient\n"),
        ('    "RMSProp"', '    "LargestGradient",\n'),
    )
    (tmp_path / "verification/scaling/largest_gradient.py").write_text(SPECIMEN, encoding="utf-8")
    edit(
        tmp_path / "studies/variants/factors/scaling.py",
        ("from studies.variants", "from adaqn_lab import LargestGradient\n"),
        ('        "identity"', '        "largest-gradient": role(scaling=LargestGradient()),\n'),
    )
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def edit(path, *insertions):
    """Put each text before the line that begins so."""
    text = path.read_text(encoding="utf-8")
    for line, new in insertions:
        before, found, after = text.partition(line)
        assert found
        text = before + new + found + after
    path.write_text(text, encoding="utf-8")
