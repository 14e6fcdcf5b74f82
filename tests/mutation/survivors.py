"""What survived, line by line with the reason: ``python -m tests.mutation --survivors`` writes docs/survivors.md."""

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.reasons import REASONS, Entry

TOKEN = re.compile(r'\w+|"[^"]*"|[<>!=*/]=|\*\*|//|\s+|.')
UNEXPLAINED = "Not read yet: equivalent, or seen by tests that the judge had no time for, or a hole."


@dataclass(frozen=True)
class Survivor:
    """A mutant's name, the lines it takes away and the lines it puts in their place."""

    name: str
    before: str
    after: str

    @property
    def place(self) -> str:
        """Module and function: ``history.History.push_``."""
        module, _, function = self.name.removeprefix("adaqn_lab.").partition(".x")
        function = re.sub(r"__mutmut_\d+$", "", function).replace("ǁ", ".").removeprefix("_").lstrip(".")
        return f"{module}.{function}"

    @property
    def change(self) -> str:
        """Without what both have in common before it and after it: ``< -> <=``."""
        old, new = TOKEN.findall(self.before), TOKEN.findall(self.after)
        start = _in_common(old, new)
        end = _in_common(old[start:][::-1], new[start:][::-1])
        return " -> ".join("".join(tokens[start : len(tokens) - end]).strip() for tokens in (old, new))

    @property
    def entry(self) -> Entry | None:
        """The first of ``REASONS`` that fits."""
        for entry in REASONS:
            searched = re.search(entry.place, self.place) and re.search(entry.line, self.before)
            if searched and re.fullmatch(entry.change, self.change):
                return entry
        return None

    @property
    def reason(self) -> str:
        """The entry's."""
        return self.entry.reason if self.entry else UNEXPLAINED


def _in_common(first: list[str], second: list[str]) -> int:
    """With how many equal tokens both begin."""
    differ = (index for index, (one, other) in enumerate(zip(first, second, strict=False)) if one != other)
    return next(differ, min(len(first), len(second)))


def survivors(tree: Path, living: list[str]) -> Iterator[Survivor]:
    """Yield these mutants, in order of name, with their change, from the mutated sources in ``tree``."""
    sources: dict[str, dict[str, list[str]]] = {}
    for name in sorted(living):
        module, function = name.partition(".x")[0], name.rpartition(".")[2]
        lines = sources.get(module) or sources.setdefault(module, _functions(tree, module))
        unchanged = re.sub(r"__mutmut_\d+$", "__mutmut_orig", function)
        mutant = [line.replace(function, unchanged) for line in lines[function]]
        changed = list(difflib.ndiff(lines[unchanged], mutant))
        before, after = (" ".join(line[2:].strip() for line in changed if line[0] == sign) for sign in "-+")
        yield Survivor(name, before, after)


def _functions(tree: Path, module: str) -> dict[str, list[str]]:
    source = (tree / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
    lines = source.splitlines()
    found = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    return {node.name: lines[node.lineno - 1 : node.end_lineno] for node in found}


def document(tree: Path, living: list[str], of: int) -> str:
    """Return docs/survivors.md: reasons, and below each the changes that live for it, of so many mutants."""
    found = list(survivors(tree, living))
    by_reason: dict[str, list[Survivor]] = {}
    for each in found:
        by_reason.setdefault(each.reason, []).append(each)
    lines = [
        "# The mutants that live",
        "",
        "<!-- generated: python -m tests.mutation --survivors -->",
        "",
        f"{len(found)} of {of} mutants are not killed by the judging tests (docs/mutation.md).",
        "Below each reason stand the changes that live for it.",
    ]
    for reason, those in sorted(by_reason.items(), key=lambda item: (item[0] != UNEXPLAINED, -len(item[1]))):
        lines += ["", f"## {len(those)} of them", "", reason, "", "| where | as it is | as it lives |", "|---|---|---|"]
        rows: dict[tuple[str, str], list[str]] = {}
        for each in those:
            rows.setdefault((each.place, each.before), []).append(_code(each.after))
        lines += [f"| `{place}` | {_code(before)} | {'<br>'.join(after)} |" for (place, before), after in rows.items()]
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|") if text else "nothing"
