"""The words of the options are those of the registries, in their order: this test writes the file that holds them."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import fill

from studies.commands import choices
from studies.commands.protocols import PROTOCOLS
from studies.models.architecture import MODELS
from studies.planning.budget import BUDGETS
from studies.planning.course import SCHEDULES
from studies.tasks import TASKS
from studies.variants.names import FACTORS, bases
from studies.variants.tuned import NAMES

REGISTRIES: Mapping[str, Iterable[str]] = {
    "Base": bases(1),
    "Budget": BUDGETS,
    "Factor": FACTORS,
    "Model": MODELS,
    "Protocol": PROTOCOLS,
    "Schedule": SCHEDULES,
    "Task": TASKS,
    "TunedField": NAMES,
}


def with_words(text: str, registries: Mapping[str, Iterable[str]]) -> str:
    """The text of a file of types with the words of the registries in place of its own."""
    head, _, _ = text.partition("\n\nBase = ")
    return "\n".join([head, "", *(literal(name, words) for name, words in registries.items())]) + "\n"


def literal(name: str, words: Iterable[str]) -> str:
    quoted = ", ".join(f'"{word}"' for word in words)
    line = f"{name} = Literal[{quoted}]"
    if len(line) <= 120:
        return line
    indent = "    "
    inner = fill(f"{quoted},", 120, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return f"{name} = Literal[\n{inner}\n]  # fmt: skip"


def test_are_what_is_known() -> None:
    path = Path(choices.__file__)
    found = path.read_text(encoding="utf-8")
    wanted = with_words(found, REGISTRIES)
    if found != wanted:
        path.write_text(wanted, encoding="utf-8")
    assert found == wanted, f"{path.name} was written anew from the registries: run again, and commit it"


def test_a_new_word_goes_where_the_registry_has_it() -> None:
    """And it is one of the file's words then."""
    text = Path(choices.__file__).read_text(encoding="utf-8")
    new = with_words(text, {**REGISTRIES, "Task": ["first", *TASKS, "adding-long"]})
    scope: dict[str, object] = {}
    exec(new, scope)
    assert re.findall(r"'([\w-]+)'", str(scope["Task"])) == ["first", *TASKS, "adding-long"]
    assert with_words(new, REGISTRIES) == text
    assert max(map(len, new.splitlines())) <= 120
