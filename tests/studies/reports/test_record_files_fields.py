"""Records of studies that tune fields and average weights: read back, drawn again, and what is no such record."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studies.__main__ import main
from studies.analysis.conclusions import answer
from studies.analysis.summary import Summary, summary_of
from studies.planning.course import Course
from studies.reports.record_files import read_record
from studies.reports.rows import read_rows, write_rows
from studies.reports.setup import setup
from studies.reports.tables import comparison, comparison_notes, notes, results
from studies.tasks import Text
from tests.studies.conftest import Refused
from tests.studies.reports.attacks import Attack, edit, raw
from tests.studies.reports.made_up import PROVENANCE, experiment_of, records_of, summary_with, write_record

CONFIGURATION = "configuration.json"


@pytest.fixture(scope="module")
def summary(text: Text) -> Summary:
    """Fields tuned, weights averaged, a rate that falls after a warm-up, and runs that take a while to get going."""
    study = replace(
        experiment_of(text), tune=("momentum", "decay", "beta1"), draws=3,
        course=Course(schedule="linear", warm_up=4, ema=0.9),
    )  # fmt: skip
    records = [
        run
        if run.outcome.diverged
        else replace(run, outcome=replace(run.outcome, ema_test_loss=1.5, first_seconds=0.25))
        for run in records_of(study)
    ]
    return summary_of(json.loads(json.dumps(study.configuration())), PROVENANCE, records)


@pytest.fixture
def record(summary: Summary, tmp_path: Path) -> Path:
    write_record(summary, tmp_path / "record")
    return tmp_path / "record"


def test_a_record_reads_back(summary: Summary, record: Path) -> None:
    again, failed = read_record(record)
    assert failed == {}
    assert again.rows == summary.rows
    assert {run.cell for run in again.records} == {run.cell for run in summary.records}
    readme = (record / "README.md").read_bytes()
    assert main(["record", "--regenerate", str(record)]) == 0
    assert (record / "README.md").read_bytes() == readme


def test_tables_tell_the_fields_and_the_average(summary: Summary) -> None:
    columns = results(summary).headings
    assert columns[1:3] == ("best lr", "best fields")
    cells = {line[0]: line[2] for line in results(summary).lines}
    row = summary.row("ADAQN")
    assert row is not None
    assert cells["ADAQN"] == (" ".join(f"{name}={value:g}" for name, value in row.fields.items()) or "own")
    assert cells["AdaGrad"] == "–"  # all diverged
    assert len({len(line) for line in results(summary).lines}) == 1
    assert "EMA" in comparison(summary).headings
    assert "1.5000 ± 0.0000" in comparison(summary).lines[0]
    assert any(note.startswith("EMA is") for note in comparison_notes(summary))
    told = setup(summary)["Budget"]
    assert "learning rate linear to zero after 4 steps of warm-up; weights averaged with decay 0.9" in told
    assert "each at 3 points of those of momentum, decay, beta1 that the method has" in told


def test_a_study_without_them_has_no_such_columns(text: Text, tmp_path: Path) -> None:
    plain = summary_with(text)
    assert "best fields" not in results(plain).headings
    assert "EMA" not in comparison(plain).headings
    write_rows(plain.records, tmp_path / "rows.csv")
    heads = (tmp_path / "rows.csv").read_text().splitlines()[0].split(",")
    assert not {"fields", "ema_test_loss", "ema_validation_loss", "first_seconds"} & set(heads)
    assert "points" not in setup(plain)["Budget"]


def test_rows_keep_every_bit(summary: Summary, tmp_path: Path) -> None:
    write_rows(summary.records, tmp_path / "rows.csv")
    assert [run.outcome for run in read_rows(tmp_path / "rows.csv")] == [run.outcome for run in summary.records]
    with (tmp_path / "rows.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert {"fields", "ema_test_loss", "first_seconds"} <= lines[0].keys()
    assert "ema_validation_loss" not in lines[0]
    fields = {line["fields"] for line in lines if line["variant"] == "Adam" and line["phase"] == "tune"}
    assert len(fields) == 3
    assert "" in fields


def test_a_value_at_the_edge_of_its_range_has_a_star(summary: Summary) -> None:
    at_edge = replace(summary, rows=tuple(
        replace(row, lr=0.1, fields={"momentum": 0.97, "decay": 0.95}, fields_at_edge=("momentum",))
        for row in summary.rows
    ))  # fmt: skip
    assert results(at_edge).lines[0][2] == "momentum=0.97* decay=0.95"
    assert any("first or last tenth of its range" in note for note in notes(at_edge))
    assert "The best found for the momentum of ADAQN" in answer(at_edge)[-2] + answer(at_edge)[-1]


def configured(change: Any) -> Attack:
    return edit(CONFIGURATION, change)


def adam(told: dict[str, Any]) -> dict[str, Any]:
    tunes: dict[str, Any] = told["variants"]["Adam"]["tunes"]
    return tunes


ATTACKS: dict[str, Attack] = {
    "no points": configured(lambda told: adam(told).update(points=[])),
    "a point without its method": configured(lambda told: adam(told)["points"][1].pop("method")),
    "a range that is none": configured(lambda told: adam(told)["fields"].update(beta1=[0.5])),
    "a range of a scale that is none": configured(lambda told: adam(told)["fields"].update(beta1=[0.1, 0.5, "odd"])),
    "a range beyond one": configured(lambda told: adam(told)["fields"].update(beta1=[0.1, 2.0, "one minus"])),
    "a field that nobody knows": configured(lambda told: adam(told)["points"][1]["fields"].update(speed=1.0)),
    "a value that is none": configured(lambda told: adam(told)["points"][1]["fields"].update(beta1="much")),
    "a point that no run has": configured(lambda told: adam(told)["points"][1]["fields"].update(beta1=0.123)),
    "draws that are none": configured(lambda told: told.update(draws=0)),
    "a decay of the average above one": configured(lambda told: told["schedule"].update(ema=2.0)),
    "a schedule that is a number": configured(lambda told: told["schedule"].update(decay=3)),
    "fields that are none": raw("rows.csv", lambda content: content.replace(b'"{""beta1""', b'"[""beta1""', 1)),
    "a field of another name": raw("rows.csv", lambda content: content.replace(b'{""beta1""', b'{""beta9""', 1)),
    "another value": raw("rows.csv", lambda content: content.replace(b'{""beta1"":0', b'{""beta1"":-0', 1)),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_a_tampered_record_is_refused(attack: Attack, record: Path, refused: Refused) -> None:
    attack(record)
    assert str(record) in refused("record", "--regenerate", str(record))
