"""The command ``record``: freeze a finished study into a folder that draws its own figures."""

import json
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import tyro

from studies.analysis.summary import Summary, summarise, summary_of
from studies.errors import InputError
from studies.execution.storage import JOURNAL, given_storage
from studies.execution.store import Store
from studies.planning.configuration import QUESTION
from studies.reports.console import write_csv
from studies.reports.figures import write_figures
from studies.reports.html import ROWS, replace_file, write_page
from studies.reports.markdown import comparison_part, generated_part
from studies.reports.rows import read_rows, write_rows

CONFIGURATION, ENVIRONMENT, README = "configuration.json", "environment.json", "README.md"
BEGIN, END = "<!-- generated: python -m studies record --regenerate -->", "<!-- end of the generated part -->"


@dataclass(frozen=True, kw_only=True)
class RecordCommand:
    """Keep a finished study: ``record DIR NAME`` makes studies/records/DATE_NAME; ``record --regenerate RECORD``
    writes a record's figures, tables and the generated part of its README again, from its own rows; ``record RECORD
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
    records: Path = Path(__file__).parents[1] / "records"
    """Where the record's folder is made."""
    storage: str | None = None
    """Where the trials are, if not in the directory's journal file; as for ablate."""
    study: str | None = None
    """The study's name in the storage; the directory's name without it."""


def record(options: RecordCommand) -> int:
    """Make or regenerate a record and print its path, or print a comparison; return 0."""
    if options.against is not None:
        print(_compared(options.place, options.against))
        return 0
    if options.regenerate:
        record, summary = options.place, _read(options.place)
    else:
        record, summary = _make(options)
    _draw(record, summary, options.page)
    print(record)
    if not options.regenerate:
        print(f"Now write what the numbers cannot tell above and below the generated part of {record / README}.",
              file=sys.stderr)  # fmt: skip
    return 0


def _make(options: RecordCommand) -> tuple[Path, Summary]:
    """Write the study's configuration, environment and rows into a new folder."""
    if not options.name or not re.fullmatch(r"[a-z0-9][a-z0-9-]*", options.name):
        raise InputError(
            f"{options.name!r} is no name for a record: give one of small letters, digits and hyphens after "
            "the study's directory."
        )
    summary = _finished(options)
    record = options.records / f"{datetime.now(UTC):%Y-%m-%d}_{options.name}"
    if record.exists():
        raise InputError(f"{record} exists: give another name, or remove it first.")
    record.mkdir(parents=True)
    _write_json(record / CONFIGURATION, summary.configuration)
    environments = {json.dumps(found.environment, sort_keys=True) for found in summary.records}
    told = {"study": summary.provenance, "runs": [json.loads(found) for found in sorted(environments)]}
    _write_json(record / ENVIRONMENT, told)
    write_rows(summary.records, record / ROWS)
    (record / README).write_text(_skeleton(summary), encoding="utf-8")
    return record, _read(record)


def _compared(place: Path, reference: str) -> str:
    """Return the comparison of a record's variants with ``reference``, adjusted for as many comparisons anew."""
    summary = _read(place)
    known = summary.configuration["variants"]
    if reference not in known:
        raise InputError(f"{place} has no variant {reference!r}: give one of {', '.join(known)}.")
    changed = {**summary.configuration, "reference": reference}
    return comparison_part(summary_of(changed, summary.provenance, summary.records))


def _finished(options: RecordCommand) -> Summary:
    """Return the study's summary; refuse one that does not exist or still has work to do."""
    storage = given_storage(options.storage)
    if storage is None and not (options.place / JOURNAL).exists():
        raise InputError(
            f"{options.place} holds no study: there is no {JOURNAL} in it; give a directory that ablate wrote."
        )
    name = options.study or (None if storage is None else options.place.name)
    store = Store(options.place, storage, name, create=False)
    if not store.attributes.get("finished") or store.has_work():
        done, known = store.snapshot().progress()
        raise InputError(
            f"The study in {store.kept} is not finished ({done} of {known} known runs): repeat its command first."
        )
    return summarise(store)


def _read(record: Path) -> Summary:
    """Return the summary of a record."""
    try:
        configuration = json.loads((record / CONFIGURATION).read_text(encoding="utf-8"))
        provenance = json.loads((record / ENVIRONMENT).read_text(encoding="utf-8"))["study"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{record} is no record ({type(error).__name__}: {error}): give a folder that the command record made."
        ) from error
    return summary_of(configuration, provenance, read_rows(record / ROWS))


def _draw(record: Path, summary: Summary, page: bool) -> None:
    """Write all that follows from the rows."""
    figures = write_figures(summary, record / "figures")
    replace_file(record / "table.csv", lambda path: write_csv(summary, path))
    readme = record / README
    text = readme.read_text(encoding="utf-8") if readme.exists() else _skeleton(summary)
    if BEGIN not in text or END not in text:
        raise InputError(
            f"{readme} has lost the marks around its generated part: put the lines {BEGIN} and {END} where it belongs."
        )
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    part = generated_part(summary, figures)
    replace_file(readme, lambda path: path.write_text(f"{before}{BEGIN}\n\n{part}\n{END}{after}", encoding="utf-8"))
    if page:
        write_page(summary, record, {})


def _skeleton(summary: Summary) -> str:
    """Return a README whose author has to say what the numbers cannot."""
    question = summary.configuration.get("question", QUESTION)
    caveats = "What was not varied, and what may not carry over: to be written."
    return f"# {question}\n\n{BEGIN}\n{END}\n\n## Caveats\n\n{caveats}\n"


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
