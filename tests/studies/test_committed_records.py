"""The records in the repository: drawn again from their rows they are what was committed, and say what was asked."""

import shutil
from pathlib import Path

import pytest

import studies
from studies.__main__ import main

RECORDS = sorted((Path(studies.__file__).parent / "records").glob("*_*/"))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_a_record_follows_from_its_rows(record: Path, tmp_path: Path) -> None:
    alone = tmp_path / record.name
    shutil.copytree(record, alone, ignore=shutil.ignore_patterns("figures", "table.csv", "report.html"))
    assert main(["record", "--regenerate", str(alone)]) == 0
    committed = [path for path in record.rglob("*.*") if path.name != "report.html"]
    assert {"README.md", "table.csv"} < {path.name for path in committed}
    for path in committed:
        assert (alone / path.relative_to(record)).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_a_record_says_what_it_cannot_show(record: Path) -> None:
    caveats = (record / "README.md").read_text(encoding="utf-8").partition("## Caveats")[2]
    assert len(caveats.split()) > 20
    assert "to be written" not in caveats
    assert record.name in (record.parent / "README.md").read_text(encoding="utf-8")
