"""``python -m verification.held_out``: the share of the held-out wrong parts that is found, and false alarms.

Exit status: 0, whatever the score is: it is a measurement.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import torch

import verification.held_out as package
from verification.conformance import results
from verification.law import Subject
from verification.profiles import DEFAULT
from verification.roles import candidate

WHOLE = (Subject.OPERATOR, Subject.RECIPE, Subject.DRIVE)
"""Their factories make the thing itself, not a part of it."""
Entry = tuple[str, Subject, str]
"""``MUTANTS`` or ``HONEST``, the role, the name."""


def entries() -> Iterator[Entry]:
    """Every held-out part."""
    for kind in ("MUTANTS", "HONEST"):
        for module in _modules():
            for subject, named in getattr(module, kind, {}).items():
                yield from ((kind, subject, name) for name in named)


def _modules() -> list[object]:
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__) if info.name != "__main__")
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


def broken(entry: Entry) -> str | None:
    """The name of the first law that the part breaks; None if it breaks none."""
    kind, subject, name = entry
    factory = next(
        named[name] for m in _modules() for s, named in getattr(m, kind, {}).items() if s is subject and name in named
    )
    whole = candidate(factory() if subject in WHOLE else factory, name=name)
    return next((result.law.name for result in results(whole, profile=DEFAULT) if not result.ok), None)


def main() -> int:
    """Print the table; return the exit status."""
    every = list(entries())
    with ProcessPoolExecutor(os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        found = dict(zip(every, pool.map(broken, every), strict=True))
    for subject in Subject:
        wrong = {e[2]: law for e, law in found.items() if e[:2] == ("MUTANTS", subject)}
        if wrong:
            print(f"{subject.value:<20} {sum(law is not None for law in wrong.values()):>3} of {len(wrong)} found")
            print("\n".join(f"    {name:<44} {law or 'NOT FOUND'}" for name, law in wrong.items()))
    wrong_all = [law for (kind, *_), law in found.items() if kind == "MUTANTS"]
    alarms = {e[2]: law for e, law in found.items() if e[0] == "HONEST" and law is not None}
    share = sum(law is not None for law in wrong_all)
    print(f"{share} of {len(wrong_all)} held-out wrong parts are found: {share / max(len(wrong_all), 1):.0%}")
    print(f"{len(every) - len(wrong_all)} unusual honest parts, {len(alarms)} false alarms {alarms or ''}".rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
