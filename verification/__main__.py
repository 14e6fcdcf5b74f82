"""``python -m verification package.module:Factory``: every law that applies, as a table.

Exit status: 0 if all hold, 1 if one fails (or passes against expectation), 2 if there was nothing to verify.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import Any

import torch

from verification.conformance import by_name, verify
from verification.laws import LAWS
from verification.roles import BadSubjectError
from verification.table import laws


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m verification",
        description="Check a part, a recipe or an L-BFGS operator against every law that applies to it.",
        epilog="Exit status: 0 all laws hold, 1 one failed, 2 nothing could be verified.",
    )
    parser.add_argument("target", nargs="?", help="package.module:Factory, a class, partial, recipe or direction")
    parser.add_argument("--declare", action="append", default=[], metavar="WORD", help="hold it to a property too")
    parser.add_argument("--expect-failure", action="append", default=[], metavar="LAW=REASON", help="must fail")
    parser.add_argument("--examples", type=int, metavar="N", help="cases per law (default 50; recipes 20)")
    parser.add_argument("--list", action="store_true", help="list all laws and exit")
    return parser


def load(target: str) -> Any:
    """The object at ``package.module:name.name``. Raises BadSubjectError in one sentence."""
    module, _, path = target.partition(":")
    if not module or not path:
        raise BadSubjectError(f"{target!r} is no target; write package.module:Factory.")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        raise BadSubjectError(f"The module {module!r} could not be imported ({text}); run from its folder?") from error
    for name in path.split("."):
        if not hasattr(found, name):
            raise BadSubjectError(f"The module {module!r} has no {path!r}; check the spelling.")
        found = getattr(found, name)
    return found


def _expectations(pairs: list[str]) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs]
    for name, _, reason in split:
        if not reason:
            raise BadSubjectError(f"--expect-failure {name!r} gives no reason; write LAW=REASON.")
        by_name(name)
    return {name: reason for name, _, reason in split}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _parser().parse_args(arguments)
    if options.list:
        print(laws(LAWS))
        return 0
    try:
        if options.target is None:
            raise BadSubjectError("No target was given; write package.module:Factory, or --list for the laws.")
        if options.examples is not None and options.examples < 1:
            raise BadSubjectError(f"--examples {options.examples} is too few; pass 1 or more.")
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        expected = _expectations(options.expect_failure)
        target = load(options.target)
        torch.set_num_threads(1)  # the cases are tiny
        report = verify(target, declares=options.declare, expect_failure=expected, examples=options.examples)
    except BadSubjectError as error:
        print(f"verification: {error}", file=sys.stderr)
        return 2
    try:
        print(report, flush=True)
    except BrokenPipeError:  # the reader had seen enough; the verdict stands
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0 if report else 1


if __name__ == "__main__":
    sys.exit(main())
