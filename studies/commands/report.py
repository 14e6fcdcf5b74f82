"""The command ``report``: write the page and the tables of a study again, from what is stored."""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from studies.analysis.summary import summarise
from studies.errors import InputError
from studies.execution.storage import JOURNAL, given_storage
from studies.execution.store import Store
from studies.reports.console import print_table
from studies.reports.html import write_report
from studies.reports.rows import NO_PARQUET, has_parquet


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write the report of a study, finished or not, from what is stored; nothing is trained.

    report.html, table.csv, rows.csv (every run with its curve), rows.parquet where pyarrow is installed,
    results.json and the loss curves as PNG.
    """

    out: tyro.conf.Positional[Path]
    """Directory of the study, which the files are written to."""
    storage: str | None = None
    """Where the trials are, if not in the directory's journal file; as for ablate."""
    study: str | None = None
    """The study's name in the storage; the directory's name without it."""


def report(options: Report) -> int:
    """Print the tables, write the files, print their paths and return 0."""
    storage = given_storage(options.storage)
    if storage is None and not (options.out / JOURNAL).exists():
        raise InputError(
            f"{options.out} holds no study: there is no {JOURNAL} in it; give a directory that ablate "
            "wrote, or the --storage that the trials are in."
        )
    options.out.mkdir(parents=True, exist_ok=True)
    study = options.study or (None if storage is None else options.out.name)
    store = Store(options.out, storage, study, create=False)
    if "configuration" not in store.attributes:
        raise InputError(
            f"The study {store.name} in {store.shown} was never configured: repeat the command that made it."
        )
    summary = summarise(store)
    errors = {key: found[-1] for key, found in store.errors().items() if key not in store.snapshot().results}
    paths = write_report(summary, options.out, errors)
    print_table(summary, sys.stdout)
    for path in paths:
        print(path)
    if not has_parquet():
        print(NO_PARQUET, file=sys.stderr)
    return 0
