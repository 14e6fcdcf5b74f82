"""Rows of all runs: CSV gives back what it was given, Parquet and CSV say the same."""

from dataclasses import replace
from pathlib import Path

import pytest

from studies.analysis.summary import summarise, summary_of
from studies.errors import InputError
from studies.execution.store import Store
from studies.planning.plan import Phase, Run
from studies.planning.record import Record
from studies.reports.rows import read_rows, write_parquet, write_rows
from studies.training.outcome import Outcome, Point

OUTCOME = Outcome(
    diverged=False, validation_loss=1.1 + 2.2, test_loss=1e-300, steps=60, seconds=1 / 3,
    curve=(Point(steps=0, seconds=0.0, loss=4.0), Point(steps=60, seconds=1 / 3, loss=1.1 + 2.2)),
    admitted=1, skipped=0, rollbacks=1, steps_skipped=0,
    events=((20, "ADMITTED"), (40, "ROLLED_BACK"), (60, "ADMITTED")), calls={"monitor loss": 3},
)  # fmt: skip
ENVIRONMENT = {"torch": "2.13.0", "commit": None, "device": "cpu"}


def record(variant: str, outcome: Outcome) -> Record:
    cell = Run(phase=Phase.EVALUATE, variant=variant, lr=0.1 + 0.2, seed=100)
    return Record(cell=cell, outcome=outcome, method='Recipe(a="b, c")', environment=ENVIRONMENT)


def test_csv_reads_back_exactly(tmp_path: Path) -> None:
    diverged = replace(OUTCOME, diverged=True, validation_loss=None, test_loss=None, admitted=None, events=(), calls={})
    records = [record("ADAQN", OUTCOME), record("Adam", diverged)]
    write_rows(records, tmp_path / "rows.csv")
    assert read_rows(tmp_path / "rows.csv") == records
    assert (tmp_path / "rows.csv").read_text().count("nan") == 0


def test_a_finished_study_can_be_read_from_its_rows(finished: tuple[Path, str]) -> None:
    stored = summarise(Store(finished[0]))
    again = summary_of(stored.configuration, stored.provenance, read_rows(finished[0] / "rows.csv"))
    assert again.rows == stored.rows
    header = (finished[0] / "rows.csv").read_text().splitlines()[0].split(",")
    assert {"method", "seed", "lr", "diverged", "torch", "optuna", "adaqn-lab", "commit", "device"} <= set(header)


def test_parquet_holds_the_same(finished: tuple[Path, str], tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed (adaqn-lab[parquet])")
    records = summarise(Store(finished[0])).records
    table = parquet.read_table(finished[0] / "rows.parquet").to_pylist()
    assert [row["validation_loss"] for row in table] == [r.outcome.validation_loss for r in records]
    assert table[0]["curve"][0] == {"steps": 0, "seconds": 0.0, "loss": records[0].outcome.curve[0].loss}
    write_parquet([record("ADAQN", OUTCOME)], tmp_path / "one.parquet")
    (row,) = parquet.read_table(tmp_path / "one.parquet").to_pylist()
    assert {"step": 40, "kind": "ROLLED_BACK"} in row["events"]


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "phase,variant,lr,seed\nrest,a,x,1\n"])
def test_refuses_what_is_no_table_of_runs(content: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(content)
    if content:
        with pytest.raises(InputError, match="no table of runs"):
            read_rows(path)
    with pytest.raises(InputError, match="no table of runs"):
        read_rows(tmp_path / "absent.csv")
