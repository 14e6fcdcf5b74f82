"""From words to a command's options: tyro reads them and writes the help; what it refuses becomes one sentence."""

import io
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import fields
from itertools import dropwhile, takewhile
from typing import Any, get_args, get_type_hints

import tyro

from studies.commands.help_texts import documented
from studies.errors import InputError, close, one_of
from studies.program import SCRIPT, program

Commands = Mapping[str, Callable[..., Any]]
_COMPLETION = ("--tyro-print-completion", "--tyro-write-completion")
_SHELLS = ("bash", "zsh", "fish")
_SINGULAR = {"factors": "factor", "tune": "field to tune", "data": "data set"}
_WIDEST = 80
_ABOUT = f"""Train real models with the optimizers of adaqn_lab and compare them.

Tab completion, for bash, zsh or fish:

eval "$({SCRIPT} --tyro-print-completion bash)"
"""
_KINDS = {
    "INT": "a whole number",
    "FLOAT": "a number",
    "INT|{auto}": "a whole number or auto",
    "{[FLOAT [FLOAT ...]]}": "a row of numbers",
}


def parse(commands: Commands, given: Sequence[str]) -> Any:
    """Return the options of the command that is ``given``; `InputError` for words that are none of its options.

    Help and a completion script are printed, and end in ``SystemExit(0)``.
    """
    _check_words(commands, given)
    told, shown, completing = io.StringIO(), _Held(), given[0] in _COMPLETION
    try:
        with redirect_stderr(told), redirect_stdout(shown):
            # Completion is for the script alone: it must not take over what completes after "python".
            prog = SCRIPT if completing else program()
            texts = {name: documented(command) for name, command in commands.items()}
            return tyro.extras.subcommand_cli_from_dict(
                texts, args=given, prog=prog, description=_ABOUT, config=(tyro.conf.DisallowNone,)
            )
    except SystemExit as end:
        if end.code:
            raise InputError(_in_one_sentence(told.getvalue(), commands, given)) from None
        print(shown.getvalue() if completing else _wrapped(shown.getvalue()), end="")
        raise


def _check_words(commands: Commands, given: Sequence[str]) -> None:
    """Refuse a command or an option that there is not; one that is like it is named."""
    if not given:
        raise InputError(f"A command is missing: choose from {', '.join(commands)}; {program()} --help tells of each.")
    first, *rest = given
    if first in _COMPLETION:
        if not rest or rest[0] not in _SHELLS:
            raise InputError(f"{first} needs a shell: give {', '.join(_SHELLS[:-1])} or {_SHELLS[-1]} after it.")
    elif first not in commands and not first.startswith("-"):
        one_of("command", first, commands)
    elif first != "--help" and _like(first, ["--help"]):
        raise InputError(
            f"There is no option {first} (did you mean --help?): {program()} --help tells of each command."
        )
    elif first in commands:
        known = _flags(commands[first])
        for flag in (word.partition("=")[0] for word in rest if word.startswith("--") and word != "--"):
            if flag.replace("_", "-") not in known:
                similar = ", ".join(_like(flag, known))
                meant = f"did you mean {similar}?" if similar else "is it another command's?"
                raise InputError(f"{first} has no option {flag} ({meant}): {program()} {first} --help lists all.")


def _like(flag: str, known: Sequence[str]) -> list[str]:
    """Return the options that are like a word; the hyphens before all of them make none alike."""
    return [f"--{name}" for name in close(flag.removeprefix("--"), [each.removeprefix("--") for each in known])]


def _flags(command: Callable[..., Any]) -> list[str]:
    """The options that start with two hyphens."""
    hints = get_type_hints(command)
    named = [(each.name.replace("_", "-"), hints[each.name] is bool) for each in fields(command)]  # type: ignore[arg-type]
    both = [flag for name, switch in named for flag in (name, *([f"no-{name}"] if switch else []))]
    return ["--help", *(f"--{name}" for name in both)]


class _Held(io.StringIO):
    """What is printed, held back; what prints finds the encoding and the terminal of the real stdout."""

    def __init__(self) -> None:
        super().__init__()
        self._real = sys.stdout

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the real one."""
        return self._real.encoding

    def isatty(self) -> bool:
        """As the real one."""
        return self._real.isatty()


def _wrapped(text: str) -> str:
    """Return the help with its paragraphs no wider than its boxes."""
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    lines = text.splitlines()
    return "".join(
        f"{textwrap.fill(line, width, break_on_hyphens=False) if line[:1].isalpha() else line}\n" for line in lines
    )


def _in_one_sentence(box: str, commands: Commands, given: Sequence[str]) -> str:
    """Return what tyro drew a box around as one sentence: its first part, up to the first rule."""
    lines = [line.strip(" │|") for line in re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines()[1:]]
    body = dropwhile(_is_rule, lines)  # without an encoding for boxes there is a rule below the title too
    told = " ".join(" ".join(takewhile(lambda line: not _is_rule(line), body)).split())
    if choice := re.match(r"invalid choice '(.*)' for argument '--([\w-]+)'", told):
        _refuse_choice(commands[given[0]], *choice.groups())
    if value := re.match(r"Error parsing (\S+): no type matching (.+) could be instantiated from \[(.*?)\]\.", told):
        told = f"{value[1]} {value[3].replace(',', '')} is not {_KINDS.get(value[2], value[2])}"
    told = re.sub(r"^(Missing value for argument '.*')\. Expected 1 values\.$", r"\1", told)
    told = re.sub(r"^Missing from .*?: (\w+) .*", r"\1 is missing", told)
    told = re.sub(r" \(applied to .*", "", told)
    of = f" {given[0]}" if given[0] in commands else ""
    return f"{told.rstrip('.')}: {program()}{of} --help tells what can be given."


def _is_rule(line: str) -> bool:
    return bool(line) and not line.strip("─-╭╮╰╯ ")


def _refuse_choice(command: Callable[..., Any], value: str, option: str) -> None:
    """Refuse a word that is none of an option's choices, with all of them in their order."""
    name = option.replace("-", "_")
    one_of(_SINGULAR.get(name, name.replace("_", " ")), value, _words_in(get_type_hints(command)[name]))


def _words_in(hint: Any) -> list[str]:
    """Return the words of the Literal that a type is, or holds."""
    if isinstance(hint, str):
        return [hint]
    return [word for inner in get_args(hint) for word in _words_in(inner)]
