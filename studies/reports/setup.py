"""What a study ran on and with, and the commands that lead to its results again."""

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from studies.analysis.summary import Summary
from studies.errors import counted
from studies.execution.provenance import commands_of
from studies.planning.budget import FIRST_EVALUATION_SEED, FIRST_TUNING_SEED
from studies.planning.tuning import RATES_A_ROUND
from studies.program import is_ours
from studies.reports.columns import MISSING
from studies.reports.texts import plain

INSTALL = 'pip install -c constraints.txt -e ".[studies]"'


def setup(summary: Summary) -> dict[str, str]:
    """Return what the study ran on and with, by heading."""
    stored, origin = summary.configuration, summary.provenance
    rates = "given with --lr" if stored["rates"] is None else f"{stored['rates']} per variant, half a decade apart"
    if stored.get("rounds"):
        rounds = "1 round" if stored["rounds"] == 1 else f"each of {stored['rounds']} rounds"
        rates += f", and {RATES_A_ROUND} more in {rounds}, around the best or beyond its edge"
    if stored.get("draws", 1) > 1:
        rates += f", each at {_draws(stored)}"
    schedule = stored["schedule"]
    environments = {json.dumps(dict(record.environment), sort_keys=True) for record in summary.records}
    return {
        **given(origin),
        "Text": f"{stored['text']}, {stored['text_characters']} characters, SHA-256 {stored['text_sha256']}",
        "Task": stored.get("task_in_words")
        or f"next character among {stored['symbols']} symbols; {in_words(stored['windows'])}",
        "Model": f"{stored['model']}: {in_words(stored['architecture'])}",
        "Budget": f"{counted(stored['steps'], 'step')} a run; learning rates: {rates}; gradient norm clipped at "
        f"{schedule['clip']:g}{course_in_words(schedule)}; diverged means a loss that is not finite or above "
        f"{schedule['divergence']:g} times the untrained model's",
        "Tuning seeds": _span(FIRST_TUNING_SEED, stored["tuning_seeds"]),
        "Evaluation seeds": f"{_span(FIRST_EVALUATION_SEED, stored['seeds'])}, the same for every variant",
        "Machine": f"{origin['processor']}, {origin['system']}, {workers(origin)}",
        "Versions": "; ".join(in_words(json.loads(found)) for found in sorted(environments)) or MISSING,
    }


def _draws(stored: Mapping[str, Any]) -> str:
    """Return how many settings of the methods were tried at each learning rate."""
    fields = ", ".join(stored.get("tune", ())) or "nothing"
    return (
        f"{stored['draws']} points of those of {fields} that the method has, its own values first; a method without "
        "them at as many rates around it"
    )


def course_in_words(schedule: Mapping[str, Any]) -> str:
    """Return how the learning rate goes and which average is kept; nothing for a constant rate and no average."""
    decay, warm_up, ema = schedule.get("decay"), schedule.get("warm_up", 0), schedule.get("ema")
    goes = f"{decay} to zero" if decay else "constant" if warm_up else ""
    goes += f" after {warm_up} steps of warm-up" if warm_up else ""
    average = "" if ema is None else f"; weights averaged with decay {ema:g}"
    return (f"; learning rate {goes}" if goes else "") + average


def commands(summary: Summary) -> list[str]:
    """Return the commands that lead from nothing to the study's results: from a clone, at the commits that the runs
    name, or where they name none from the versions that were installed.
    """
    environments = [record.environment for record in summary.records]
    commits = sorted({str(found.get("commit") or "") for found in environments} - {""})
    changed = any(re.fullmatch(f"{_COMMIT}[+]", commit) for commit in commits)
    warning = ["# files were changed beside that commit"] if changed else []
    installed = dict.fromkeys(_installation(found) for found in environments if not found.get("commit"))
    from_a_clone = [*dict.fromkeys(map(_checkout, commits)), *warning, INSTALL] if commits or not installed else []
    return [*from_a_clone, *installed, *command_lines(summary.provenance)]


def _installation(environment: Mapping[str, Any]) -> str:
    """Return the command that installs the versions of an environment; one without a commit is of no clone."""
    named = [("adaqn-lab[studies]", "adaqn-lab"), ("torch", "torch"), ("optuna", "optuna")]
    # 2.13.0+cpu is no version of an index, 2.13.0 is.
    versions = [(name, str(environment.get(key) or "").partition("+")[0]) for name, key in named]
    words = [f"{name}=={version}" for name, version in versions if re.fullmatch(r"\d[\w.]*", version)]
    if len(words) < len(named):
        return f"# no versions to install: {shlex.quote(plain(versions))}"
    return f"pip install {' '.join(map(_double_quoted, words))}"


def _double_quoted(word: str) -> str:
    return f'"{word}"' if "[" in word else word


def given(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return the commands that made a study and when they were first given, by heading."""
    first, *further = commands_of(provenance)
    grown = {f"Grown, {number}": f"{told['command']} ({told['started']})" for number, told in enumerate(further, 1)}
    return {"Command": first["command"], "Started": first["started"], **grown}


def workers(provenance: Mapping[str, Any]) -> str:
    """Return how many workers the commands started: ``2 workers``, of a study that grew ``2, then 4 workers``."""
    *before, last = (told["workers"] for told in commands_of(provenance))
    return "".join(f"{count}, then " for count in before) + counted(last, "worker")


_COMMIT = "[0-9a-f]{7,64}"


def _checkout(commit: str) -> str:
    """Return the command that goes to a commit; whoever pastes it shall run nothing else."""
    named = commit.removesuffix("+")
    return f"git checkout {named}" if re.fullmatch(_COMMIT, named) else f"# no commit: {shlex.quote(plain(commit))}"


def command_lines(provenance: Mapping[str, Any]) -> list[str]:
    """Return the commands that made a study, in order, as they may be pasted: lines of this program, or comments."""
    return [_command_line(str(told.get("command", MISSING))) for told in commands_of(provenance)]


def _command_line(told: str) -> str:
    # What a shell would take for more than words is quoted by shlex.join, which wrote the line.
    words = told.replace(":***@", ":password@")
    try:
        ours = shlex.join(shlex.split(words)) == words and is_ours(words)
    except ValueError:
        ours = False
    return told if ours and told.isprintable() else f"# not a command to paste: {shlex.quote(plain(told))}"


def _span(first: int, count: int) -> str:
    return f"{first} to {first + count - 1}"


def in_words(values: Mapping[str, Any]) -> str:
    """Return names and values in a row: ``"unit lstm, layers 1"``."""
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in values.items())
