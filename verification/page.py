"""``python -m verification.page > docs/every-law.md``: every law in a table, role by role; ``--list`` tells more."""

from __future__ import annotations

from verification import LAWS
from verification.law import Law, Subject

HEAD = """# Every law

By what they are about: what each says, whom it is about, where that comes from, and the deliberately wrong parts that
it must find (`pytest tests/verification/test_kills.py`). A law of "all" is tried on every part of its role, another on
parts that [declare](writing-parts.md) its words. `python -m verification --list` prints the same with the tolerances;
[Laws](laws.md) has them by kind of fault, and says how good they are. This page is made by
`python -m verification.page > docs/every-law.md`.
"""


def _plain(text: str) -> str:
    """The text without signs that Markdown would take for its own."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _of(law: Law) -> str:
    needs = ", ".join(f"`{prop.word}`" for prop in sorted(law.needs, key=lambda prop: prop.word)) or "all"
    unless = ", ".join(f"`{word}`" for word in sorted(law.unless))
    return f"{needs}, not {unless}" if unless else needs


def _row(law: Law) -> str:
    kills = ", ".join(f"`{name}`" for name in law.kills)
    return f"| `{law.name}` | {_plain(law.statement)} | {_of(law)} | {_plain(law.source)} | {kills} |"


def page() -> str:
    """The page, as Markdown."""
    parts = [HEAD]
    for subject in Subject:
        own = [law for law in LAWS if law.subject is subject]
        if own:
            title = subject.value[0].upper() + subject.value[1:]
            parts += [
                f"## {title}: {len(own)} laws\n",
                "| law | statement | of | source | finds |",
                "|---|---|---|---|---|",
            ]
            parts += [*map(_row, own), ""]
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
