"""What follows from a record's files: its tables, its figures, and the generated part of its README."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from studies.analysis.summary import Summary, summary_of
from studies.errors import InputError
from studies.planning.configuration import QUESTION
from studies.reports.figures import write_figures
from studies.reports.html import replace_file, write_page
from studies.reports.markdown import generated_part
from studies.reports.record_files import read_record, write_record
from studies.reports.schema import ShapeError, text_of
from studies.reports.tables import write_results
from studies.reports.texts import in_markdown, plain

README = "README.md"
BEGIN, END = "<!-- generated: python -m studies record --regenerate -->", "<!-- end of the generated part -->"


def make_record(summary: Summary, failed: Mapping[str, str], record: Path, page: bool) -> None:
    """Make the folder of a record and all that belongs into it, or nothing."""
    if record.exists():
        raise InputError(f"{plain(record)} exists: give another name, or remove it first.")
    try:
        record.mkdir(parents=True)
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise InputError(
            f"{plain(record)} cannot be made ({error.strerror}): give a directory that can be written with --records."
        ) from error
    try:
        write_record(summary, failed, record)
        draw_record(record, page)
    except BaseException:
        shutil.rmtree(record, ignore_errors=True)
        raise


def draw_record(record: Path, page: bool) -> None:
    """Write all that follows from the rows, once everything is found to be in order."""
    summary, failed = read_record(record)
    before, after = _by_hand(record / README, summary)
    table, figures = record / "table.csv", record / "figures"
    for path, is_odd in ((table, table.is_dir()), (figures, figures.exists() and not figures.is_dir())):
        if is_odd:
            raise InputError(f"{plain(path)} is in the way of what is written there: move it elsewhere.")
    part = generated_part(summary, write_figures(summary, figures), failed)
    replace_file(table, lambda path: write_results(summary, path))
    text = f"{before}{BEGIN}\n\n{part}\n{END}{after}"
    replace_file(record / README, lambda path: path.write_text(text, encoding="utf-8", newline=""))
    if page:
        write_page(summary, record, failed)


def compared(record: Path, reference: str) -> Summary:
    """Return the summary of a record's variants with ``reference``, adjusted for as many comparisons anew."""
    summary, failed = read_record(record)
    known = summary.configuration["variants"]
    if reference not in known:
        raise InputError(f"{plain(record)} has no variant {reference!r}: give one of {plain(', '.join(known))}.")
    changed = {**summary.configuration, "reference": reference}
    return summary_of(changed, summary.provenance, summary.records, failed)


def _by_hand(readme: Path, summary: Summary) -> tuple[str, str]:
    """Return what stands above and below the generated part; without a README, what its author shall write."""
    if not readme.exists() and not readme.is_symlink():
        question = in_markdown(summary.configuration.get("question", QUESTION))
        caveats = "What was not varied, and what may not carry over: to be written."
        return f"# {question}\n\n", f"\n\n## Caveats\n\n{caveats}\n"
    try:
        text = text_of(readme)
    except ShapeError as error:
        raise InputError(
            f"{plain(readme)} cannot be written into: {error}; restore it, or move it elsewhere."
        ) from error
    marks = list(re.finditer(rf"^(?:{re.escape(BEGIN)}|{re.escape(END)})(?=\r?$)", text, re.MULTILINE))
    if [mark[0] for mark in marks] != [BEGIN, END]:
        raise InputError(
            f"{plain(readme)} has lost the marks around its generated part: put the lines {BEGIN} and {END} where it "
            "belongs, each once."
        )
    return text[: marks[0].start()], text[marks[1].end() :]
