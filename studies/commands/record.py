"""The command ``record``: freeze a finished study into a folder that draws its own figures."""

import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import tyro

from studies.errors import InputError


@dataclass(frozen=True, kw_only=True)
class RecordCommand:
    """Keep a finished ablation: ``record DIR NAME`` makes DATE_NAME in --records; ``record --regenerate RECORD`` writes
    a record's figures, tables and the generated part of its README again, from its own rows; ``record RECORD
    --against VARIANT`` prints its comparison with another variant as the reference.
    """

    place: tyro.conf.Positional[Path]
    """Directory of the study, or with --regenerate or --against of the record."""
    name: tyro.conf.Positional[str | None] = None
    """Short name of the record."""
    regenerate: Annotated[bool, tyro.conf.arg(aliases=["-r"])] = False
    """Draw a record again, without training and without the study's storage."""
    against: str | None = None
    """Print the comparison of a record's test losses with this variant's, and write nothing."""
    page: bool = False
    """Also write report.html into the record."""
    records: Path | None = None
    """Where the record's folder is made: without it studies/records of a clone, records of the working directory where
    adaqn-lab is installed without one."""
    storage: str | None = None
    """Where the trials are, if not in the directory's journal file; as for ablate."""
    study: str | None = None
    """The study's name in the storage; the directory's name without it."""


def record(options: RecordCommand) -> int:
    """Make or regenerate a record and print its path, or print a comparison; return 0."""
    from studies.reports.console import print_comparison
    from studies.reports.record_pages import README, compared, draw_record
    from studies.reports.texts import plain

    if options.against is not None:
        if options.regenerate or options.name or options.page:
            raise InputError("--against only prints: leave --regenerate, --page and the name out.")
        print_comparison(compared(options.place, options.against), sys.stdout)
    elif options.regenerate:
        draw_record(options.place, options.page)
        print(plain(options.place))
    else:
        made = _make(options)
        print(plain(made))
        readme = plain(made / README)
        print(
            f"Now write what the numbers cannot tell above and below the generated part of {readme}.", file=sys.stderr
        )
    return 0


def _make(options: RecordCommand) -> Path:
    """Make a record of the finished study and return its folder."""
    from studies.analysis.completeness import what_is_odd
    from studies.analysis.summary import summarise
    from studies.reports.record_pages import make_record
    from studies.reports.stored_study import failures, stored_study
    from studies.reports.texts import plain

    if options.name is None:
        raise InputError("The record has no name: give a short one after the study's directory.")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", options.name):
        raise InputError(
            f"{options.name!r} is no name for a record: give one of small letters, digits and hyphens after "
            "the study's directory."
        )
    store = stored_study(options.place, options.storage, options.study)
    summary, failed = summarise(store), failures(store)
    place = f"The study in {plain(store.kept)}"
    if left := summary.unfinished or "a run is under way" * store.has_work():
        raise InputError(f"{place} is not finished ({left}): repeat its command first.")
    if odd := what_is_odd(summary.configuration, summary.records, failed):
        raise InputError(f"{place} cannot be kept, {odd}: repeat its command first.")
    made = _records(options.records) / f"{datetime.now(UTC):%Y-%m-%d}_{options.name}"
    make_record(summary, failed, made, options.page)
    return made


def _records(given: Path | None) -> Path:
    """Return where records go; never into what pip installed, which the next installation deletes."""
    from studies.execution.provenance import STUDIES, clone

    if given is None:
        return Path("records") if clone() is None else STUDIES / "records"
    if {"site-packages", "dist-packages"} & set(given.absolute().parts):
        raise InputError(
            f"--records {given} lies in what pip installed, which the next installation may delete: give another "
            "directory."
        )
    return given
