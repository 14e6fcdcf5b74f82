"""What the reference makes of docstrings: doctests as code, and links for the roles that name things."""

from __future__ import annotations

import re
from typing import Any

import griffe

DOCTEST = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)
ROLE = re.compile(r":(?:attr|class|func|meth|mod):`~?([\w.]+)`")


class Docstrings(griffe.Extension):
    """Rewrites the text before it is read as Markdown."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of a class, function or attribute; a module's is not read yet."""
        if obj.docstring and not obj.is_module:
            obj.docstring.value = _rewritten(obj.docstring.value)

    def on_module_members(self, *, mod: griffe.Module, **_: Any) -> None:
        """Change the docstring of a module, once."""
        if mod.docstring:
            mod.docstring.value = _rewritten(mod.docstring.value)


def _rewritten(text: str) -> str:
    return ROLE.sub(_reference, DOCTEST.sub(r"```pycon\n\g<0>\n```", text))


def _reference(match: re.Match[str]) -> str:
    name = match[1]
    return f'<autoref optional identifier="{name}"><code>{name.rpartition(".")[2]}</code></autoref>'
