"""docs/libraries.md is what the laws say of the installed libraries."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from verification import Subject, verify
from verification.adapters import LIBRARIES, Library
from verification.adapters.__main__ import main
from verification.adapters.conformance import FAILS, LONG, NONE, about, judge, table
from verification.adapters.emulation import with_scale
from verification.adapters.findings import CASES, FINDINGS, of
from verification.adapters.page import page
from verification.catalogue import MUTANTS
from verification.drive.mutants import honest
from verification.references import two_loop

PAGE = (Path(__file__).parents[2] / "docs/libraries.md").read_text(encoding="utf-8")
HEAD = " ".join(PAGE.partition("## Their steps")[0].split())
BY_NAME = {library.name: library for library in LIBRARIES}


def _cells(heading):
    """Library -> law -> cell, of the table below this heading."""
    block = PAGE.partition(f"## {heading}\n\n")[2].partition("\n\n")[0]
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines())
    rows = [row for row in rows if not row[0].startswith("error of H g")]  # measured: it depends on the machine
    return {name: {row[0]: row[i] for row in rows} for i, name in enumerate(head) if i}


STEPS, OPERATORS = _cells("Their steps"), _cells("Their operators")
WRITTEN = {name: {**STEPS.get(name, {}), **OPERATORS.get(name, {})} for name in BY_NAME}


def _here(library):
    """Skip unless it is installed as the page has it."""
    try:
        library.load()
    except ImportError:
        pytest.skip(f"{library.requires} is not installed")
    if library.version not in HEAD:
        pytest.skip(f"the page speaks of another version than {library.version}")


def _marks(cells):
    return {law: mark.split()[0] for law, mark in cells.items()}


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)
def test_the_page_says_what_the_laws_say(library):
    """What fails is tried as often as for the page."""
    _here(library)
    written = _marks(WRITTEN[library.name])
    failing = {law for law, mark in written.items() if mark == FAILS}
    found = judge(library, 6) | judge(library, only=failing)
    assert {law: found.get(law, NONE)[0] for law in written} == written


def test_every_library_and_law_is_on_the_page():
    assert {*STEPS} | {*OPERATORS} == set(BY_NAME)
    for cells, subject in ((STEPS, Subject.DRIVE), (OPERATORS, Subject.OPERATOR)):
        assert all(list(column) == [law.name for law in about(subject)] for column in cells.values())


def test_every_failure_is_judged_and_every_judgement_is_about_a_failure():
    failing = {(name, law) for name, cells in WRITTEN.items() for law, mark in cells.items() if FAILS in mark}
    assert failing == {(x.library, law) for x in FINDINGS for law in x.laws}
    assert all(of(name, law) for name, law in failing)
    assert {x.library for x in FINDINGS} <= set(BY_NAME)


def test_every_case_is_used_and_every_mutant_is_there():
    assert {x.path for x in FINDINGS} == set(CASES.glob("*.py"))
    assert {x.mutant for x in FINDINGS} <= {name for named in MUTANTS.values() for name in named} | {""}


@pytest.mark.parametrize("number", range(1, len(FINDINGS) + 1))
def test_a_case_prints_what_the_page_says(number):
    finding = FINDINGS[number - 1]
    _here(BY_NAME[finding.library])
    section = PAGE.partition(f"### {number}. {finding.library}: {finding.title}\n")[2].partition("\n### ")[0]
    code, printed = re.findall(r"```(?:python|text)\n(.*?)\n```", section, flags=re.DOTALL)
    assert code == finding.script
    assert finding.text in section
    assert finding.run() == printed


def test_h0_by_a_pair_in_one_more_variable():
    rng = np.random.default_rng(0)
    S, g = rng.standard_normal((3, 5)), rng.standard_normal(5)
    Y = S * np.linspace(1, 3, 5)
    s, y, wide = with_scale(S, Y, 2.5, g)
    gamma = s[-1] @ y[-1] / (y[-1] @ y[-1])
    got = two_loop.direction(s, y, np.full(wide.size, gamma), wide)[:5]
    np.testing.assert_allclose(got, two_loop.direction(S, Y, np.full(5, 2.5), g), rtol=1e-14)


ABSENT = Library("nobody's", "verification.adapters.nobody", "no_such_library")


def test_a_missing_library_is_named_and_left_out():
    assert table([ABSENT]).endswith("- nobody's is not installed (no_such_library).")
    assert "- nobody's is not installed (no_such_library)." in page([ABSENT])


def test_the_command_tells_where_it_cannot_write(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("verification.adapters.__main__.LIBRARIES", [ABSENT])
    assert main(["--write", str(tmp_path / "no" / "page.md")]) == 2
    assert capsys.readouterr().err.startswith("verification.adapters: ")
    assert main(["--write", str(tmp_path / "page.md")]) == 0
    assert (tmp_path / "page.md").read_text().startswith("# Other libraries' L-BFGS")


def test_a_case_that_fails_is_told(monkeypatch, tmp_path):
    (tmp_path / "torch_small_loss.py").write_text('"""A case.\n\nText."""\nraise KeyError("gone")\n')
    monkeypatch.setattr("verification.adapters.findings.CASES", tmp_path)
    with pytest.raises(RuntimeError, match=r"torch_small_loss\.py failed: KeyError: 'gone'"):
        next(x for x in FINDINGS if x.case == "torch_small_loss").run()


def test_an_honest_method_passes():
    assert verify(honest, examples=20)
    assert LONG.exponent == 22
