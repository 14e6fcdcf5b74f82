"""The command ``report``: write the page and the tables of a study again, from what is stored."""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from studies.commands.export_options import ExportOptions
from studies.commands.study_options import say


@dataclass(frozen=True, kw_only=True)
class Report(ExportOptions):
    """Write the report of an ablation, finished or not, from what is stored; nothing is trained.

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
    from adaqn_lab.extras import install
    from studies.analysis.summary import summarise
    from studies.reports.console import print_table
    from studies.reports.html import write_report
    from studies.reports.rows import has_parquet
    from studies.reports.stored_study import failures, stored_study
    from studies.reports.texts import plain

    options.check_exports()
    store = stored_study(options.out, options.storage, options.study)
    options.out.mkdir(parents=True, exist_ok=True)
    summary = summarise(store)
    paths = write_report(summary, options.out, failures(store))
    options.export(summary, store)
    print_table(summary, sys.stdout)
    for path in paths:
        print(plain(path))
    if not has_parquet():
        say(f"rows.parquet is not written, since pyarrow is not installed: {install('parquet')}, then repeat.")
    return 0
