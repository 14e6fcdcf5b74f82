"""``adaqn-verify package.module:Factory``: every law that applies, as a table.

Without a target: all that adaqn_lab ships. ``--libraries``: other people's L-BFGS. ``--plot``: the secant errors.

Exit status: 0 if all hold, 1 if one fails (or passes against expectation), 2 if there was nothing to verify, 3 if all
hold but the part declares nothing of what it computes, so that only the contract of its role was checked.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import torch

from adaqn_lab import named
from verification.catalogue import LAWS, MUTANTS
from verification.conformance import by_name, verify
from verification.law import Subject
from verification.profiles import PROFILES
from verification.program import Parser, program
from verification.roles import BadSubjectError
from verification.shipped import everything
from verification.table import counts, laws, line
from verification.terminal import one_line

STOPPED = 130
"""What a shell tells of a program that Ctrl-C ended."""


class OutputError(Exception):
    """What was found cannot be written; the message says why."""


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=program(),
        description="Check a part, a recipe, an optimizer class or somebody's L-BFGS, an operator or a whole method, "
        "against every law that applies to it.",
        epilog="Exit status: 0 all laws hold, 1 one failed, 2 nothing could be verified, 3 contract only: all laws "
        "hold, but the part declares nothing of what it computes (declares = {...}, or --declare WORD), so that no "
        "formula was checked. `pairs FILE` looks at pairs.",
    )
    parser.add_argument(
        "target",
        nargs="?",
        help="package.module:Factory; mutant:NAME: a wrong part; none: all that is shipped",
    )
    parser.add_argument("--declare", action="append", default=[], metavar="WORD", help="hold it to a property too")
    parser.add_argument("--expect-failure", action="append", default=[], metavar="LAW=REASON", help="must fail")
    parser.add_argument(
        "--profile",
        choices=PROFILES,
        default="default",
        help="how many cases to try; fresh, thorough: new ones at every call",
    )
    parser.add_argument("--examples", type=int, metavar="N", help="cases per law, in place of the profile's number")
    parser.add_argument("--libraries", action="store_true", help="the laws on the L-BFGS of installed libraries")
    parser.add_argument("--plot", metavar="PATH.svg", help="draw the secant errors of the target, or of Window")
    parser.add_argument("--list", action="store_true", help="list all laws and exit")
    return parser


def load(target: str) -> Any:
    """The object at ``package.module:name.name``. Raises BadSubjectError in one sentence."""
    module, _, path = target.partition(":")
    if not module or not path:
        pairs = "; or is it pairs FILE that you mean?" if named.meant(target, ["pairs"]) else "."
        raise BadSubjectError(f"{target!r} is no target; write package.module:Factory{pairs}")
    if module == "mutant":
        return _mutant(path)
    try:
        return named.load(module, path)
    except LookupError as error:
        raise BadSubjectError(str(error)) from error


def _mutant(name: str) -> Any:
    """The wrong part, method or operator of this name."""
    known = {name: subject for subject, wrong in MUTANTS.items() for name in wrong}
    if name not in known:
        raise BadSubjectError(f"There is no mutant {name!r}{named.meant(name, known) or '; --list names them all.'}")
    factory = MUTANTS[known[name]][name]
    return factory() if known[name] in (Subject.OPERATOR, Subject.RECIPE, Subject.DRIVE) else factory


def _expectations(pairs: list[str]) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs]
    for name, _, reason in split:
        if not reason:
            raise BadSubjectError(f"--expect-failure {name!r} gives no reason; write LAW=REASON.")
        by_name(name)
    return {name: reason for name, _, reason in split}


def _show(text: str) -> None:
    """Print at once; a reader who has seen enough changes no verdict."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(error.strerror) from error


def _length(options: argparse.Namespace) -> dict[str, Any]:
    """How long to search."""
    return {"profile": PROFILES[options.profile], "examples": options.examples}


def _one(options: argparse.Namespace) -> int:
    """Verify the target."""
    expected = _expectations(options.expect_failure)
    report = verify(load(options.target), declares=options.declare, expect_failure=expected, **_length(options))
    _show(str(report))
    return report.status


def _all(options: argparse.Namespace) -> int:
    """Verify whatever adaqn_lab ships; a line for each, the whole table for what fails."""
    if options.declare or options.expect_failure:
        raise BadSubjectError("--declare and --expect-failure are about one target; write package.module:Factory.")
    reports = []
    for target in everything():
        reports.append(verify(target, progress=False, **_length(options)))
        _show(line(reports[-1]))
    _show(f"{len(reports)} parts and recipes, {counts(reports)}")
    return 0 if all(reports) else 1


def _libraries(options: argparse.Namespace) -> int:
    """The table library x law. That another library fails a law is a finding, not a failure of this command."""
    from verification.adapters.conformance import table

    _show(table())
    return 0


def _plot(options: argparse.Namespace) -> int:
    """Draw."""
    from verification.picture import plot_secant_error

    plot_secant_error(load(options.target or "adaqn_lab:Window"), options.plot)
    _show(f"wrote {options.plot}")
    return 0


def _run(options: argparse.Namespace) -> int:
    if options.list:
        _show(laws(LAWS))
        return 0
    if options.examples is not None and options.examples < 1:
        raise BadSubjectError(f"--examples {options.examples} is too few; pass 1 or more.")
    torch.set_num_threads(1)  # the cases are tiny
    if options.plot:
        return _plot(options)
    if options.libraries:
        return _libraries(options)
    return _all(options) if options.target is None else _one(options)


def run(given: list[str]) -> int:
    """Do what is asked; return the exit status."""
    try:
        if given[:1] == ["pairs"]:
            from verification.curvature.command import pairs

            return pairs(given[1:])
        return _run(_parser().parse_args(given))
    except BadSubjectError as error:
        return _say(str(error), 2)
    except KeyboardInterrupt:
        return _say("Stopped before there was a verdict.", STOPPED)
    except OutputError as error:
        return _say(f"The output cannot be written ({error}); see to where it goes.", 2)


def _say(text: str, status: int) -> int:
    print(f"verification: {one_line(text)}", file=sys.stderr)
    return status
