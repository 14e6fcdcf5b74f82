"""``python -m verification.held_out [first|...|ninth] ...``: how many of strangers' wrong parts are found.

``--profile fresh`` looks for false alarms: 200 new cases of every law for the unusual right parts.

Each set was written by somebody who knew no law. Its honest score is that of its first trial, which docs/laws.md tells:
after it laws were mended for what it had shown. Unusual parts that are right come with it, to count false alarms.

Exit status: 0 whatever the score is, since it is a measurement; 2 for a set that there is not.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from types import ModuleType

import torch

from verification.conformance import results
from verification.law import Factory, Subject
from verification.profiles import PROFILES
from verification.program import Parser
from verification.roles import BadSubjectError, candidate
from verification.terminal import prepare

SETS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
WHOLE = (Subject.OPERATOR, Subject.RECIPE, Subject.DRIVE)
"""Their factories make the thing itself, not a part of it."""
Entry = tuple[str, Subject, str]
"""``MUTANTS`` or ``HONEST``, the role, the name."""


def _modules(chosen: str) -> list[ModuleType]:
    package = importlib.import_module(f"verification.held_out.{chosen}")
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__))
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


def entries(chosen: str) -> dict[Entry, Factory]:
    """Every part of a set."""
    return {
        (kind, subject, name): factory
        for kind in ("MUTANTS", "HONEST")
        for module in _modules(chosen)
        for subject, named in getattr(module, kind, {}).items()
        for name, factory in named.items()
    }


def broken(chosen: str, entry: Entry, profile: str) -> str | None:
    """The name of the first law that the part breaks; None if it breaks none."""
    factory, (_, subject, name) = entries(chosen)[entry], entry
    whole = candidate(factory() if subject in WHOLE else factory, name=name)
    return next((result.law.name for result in results(whole, profile=PROFILES[profile]) if not result.ok), None)


def show(chosen: str, found: dict[Entry, str | None]) -> None:
    """Print what was found of a set."""
    print(f"{chosen}:")
    for subject in Subject:
        wrong = {name: law for (kind, about, name), law in found.items() if kind == "MUTANTS" and about is subject}
        if wrong:
            print(f"  {subject.value:<20} {sum(law is not None for law in wrong.values()):>3} of {len(wrong)} found")
            print("\n".join(f"      {name:<48} {law or 'NOT FOUND'}" for name, law in wrong.items()))
    laws = [law for (kind, *_), law in found.items() if kind == "MUTANTS"]
    alarms = {name: law for (kind, _, name), law in found.items() if kind == "HONEST" and law is not None}
    share = sum(law is not None for law in laws)
    print(f"  {share} of {len(laws)} wrong parts are found: {share / len(laws):.0%}")
    print(f"  {len(found) - len(laws)} unusual honest parts, {len(alarms)} false alarms {alarms or ''}".rstrip())


def main(arguments: list[str]) -> int:
    """Print the tables; return the exit status."""
    prepare()
    parser = Parser(prog="python -m verification.held_out", description=__doc__.partition("\n")[0])
    parser.add_argument("sets", nargs="*", metavar="SET", help=", ".join(SETS))
    parser.add_argument("--profile", choices=PROFILES, default="default", help="how many cases to try")
    try:
        given = parser.parse_args(arguments)
        if not set(given.sets) <= set(SETS):
            parser.error(f"{' '.join(given.sets)!r} names no set of {', '.join(SETS)}")
        with ProcessPoolExecutor(os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for chosen in given.sets or SETS:
                every = list(entries(chosen))
                found = pool.map(partial(broken, chosen, profile=given.profile), every)
                show(chosen, dict(zip(every, found, strict=True)))
    except BadSubjectError as error:
        print(f"held_out: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
