"""The page docs/libraries.md: the tables, a judgement for every failure, minimal cases and what they print."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from verification.adapters import Library
from verification.adapters.conformance import Cell, accuracy, installed, judge, matrix, notes
from verification.adapters.findings import FINDINGS, Finding
from verification.law import Subject

COMMAND = "python -m verification.adapters --write docs/libraries.md"
HEAD = f"""# Other libraries' L-BFGS, held to the laws

The laws of `python -m verification` about an operator H and about a method's own steps, on {{count}} implementations.
Each runs by its own code, behind an adapter of a few lines (`verification/adapters`). This page is made by

```
pip install -e ".[verification,libraries]"     # or all of them by tox -e libraries
{COMMAND}
```

✓ the law holds, ✗ it fails (the number is that of the finding below), – the library has no such thing. In float64, and
in float32 where the library computes in it.

{{versions}}.

The two loops are right nearly everywhere. What differs is which pairs get in, in which units, and what is done with a
pair that does not.
"""
ELSEWHERE = """## Read in the source, not in the table

Not on PyPI, or not for this Python. What is said was read in their code, and each has a wrong part of the same kind
among those which the laws must find (`python -m verification.mutants`).

| where | what | bug? | wrong part |
|---|---|---|---|
| hjmshi/PyTorch-LBFGS 4cd150f, `curvature_update` | after Powell's damping of y, H0 = s'y / y'y has the s'y from \
before: where s'y < 0, which damping is there for, H0 is negative and the direction goes uphill | bug | \
`h0_of_the_undamped_pair` |
| keskarnitish/minSQN 210d7cb, `adaQN.m` | a rejected window does not advance the counter, so that the next window has \
one iterate | bug | `roll_back_skips_the_clock` |
| stochQN 73e6132, `run_adaQN` | after a rejected window the sum of iterates keeps the rejected average | bug | \
`sum_kept_over_roll_back` |
| clau/climin 6f7963e, `adaqn.py` | the reference becomes the same array as the iterate | bug | `roll_back_aliases` |

Left out: torch-sim (needs Python 3.12), pymde (a copy of torch.optim.LBFGS with another line search), PyLBFGS and NLopt
(they do not tell their pairs), pytorch_optimizer (its L-BFGS is torch's).
"""


def _cell(library: str, law: str, cell: Cell) -> str:
    """The mark, with the finding's number at a failure; "?" if nobody judged it yet."""
    mark, message = cell
    if not message:
        return mark
    number = next((i for i, x in enumerate(FINDINGS, 1) if x.library == library and law in x.laws), "?")
    return f"{mark} {number}"


def _table(judged: dict[str, dict[str, Cell]], subject: Subject, measured: dict[str, str]) -> list[str]:
    """The laws about this on those libraries that have such a thing."""
    laws = [law.name for law in matrix(subject)]
    names = [name for name, cells in judged.items() if any(law in cells for law in laws)]
    lines = [f"| law | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for law in laws:
        cells = [_cell(name, law, judged[name].get(law, ("–", ""))) for name in names]
        lines.append(f"| {law} | {' | '.join(cells)} |")
    if subject is Subject.OPERATOR:
        lines.append(f"| error of H g, float32, n = 4 million | {' | '.join(measured[name] for name in names)} |")
    return lines


def _section(number: int, finding: Finding, version: str) -> str:
    """One finding: what, whether it is a bug, the case and what it prints."""
    laws = ", ".join(finding.laws) or "none that it could be asked"
    mutant = f" Wrong part of this kind: `{finding.mutant}`." if finding.mutant else ""
    return "\n".join(
        [
            f"### {number}. {finding.library}: {finding.title}",
            "",
            f"**{finding.judgement.value}**, {version}. Laws that fail by it: {laws}.{mutant}",
            "",
            finding.text,
            "",
            "```python",
            finding.script,
            "```",
            "```text",
            finding.run(),
            "```",
            "",
        ]
    )


def _glance(versions: dict[str, str]) -> list[str]:
    """A line for each finding."""
    found = [(i, x) for i, x in enumerate(FINDINGS, 1) if x.library in versions]
    lines = [f"| {i} | {x.library} | {x.title} | {x.judgement.value.lower()} |" for i, x in found]
    return ["| | library | what | bug? |", "|---|---|---|---|", *lines, ""]


def page(libraries: Sequence[Library], examples: int = 50) -> str:
    """The whole page, of the libraries that are installed."""
    found, missing = installed(libraries)
    judged = {library.name: judge(library, examples) for library in found}
    measured = {library.name: accuracy(library) for library in found}
    versions = {library.name: library.version for library in found}
    packages = ", ".join(sorted(set(versions.values()), key=str.lower))
    sections = [_section(i, x, versions[x.library]) for i, x in enumerate(FINDINGS, 1) if x.library in versions]
    parts = [
        HEAD.format(count=len(found), versions=textwrap.fill(packages, 119)),
        "## Their steps\n",
        *_table(judged, Subject.DRIVE, measured),
        "\n## Their operators\n",
        *_table(judged, Subject.OPERATOR, measured),
        "",
        *notes(found),
        *missing,
        "\n## Findings\n",
        *_glance(versions),
        *sections,
        ELSEWHERE.rstrip(),
    ]
    return "\n".join(parts) + "\n"
