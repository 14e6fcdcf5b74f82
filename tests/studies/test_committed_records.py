"""The records in the repository: drawn again from their rows they are what was committed, and say what was asked."""

import shutil
from pathlib import Path

import pytest

import studies
from studies.__main__ import main
from studies.reports.figures import page
from studies.reports.figures.drawing import Drawing, Picture

RECORDS = sorted((Path(studies.__file__).parent / "records").glob("*_*/"))
DRAWN = RECORDS[::3]
"""Their figures are rendered as well, by the code that renders all; it takes seconds for each record."""


def _as_committed(record: Path, name: str, section: str, drawing: Drawing, over: str) -> Picture:
    file = (record / "figures" / f"{name}.svg").read_text(encoding="utf-8")
    return Picture(name=name, section=section, over=over, caption=drawing.caption, svg="", file=file, data="")


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_a_record_follows_from_its_rows(record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if record not in DRAWN:
        monkeypatch.setattr(page, "picture", lambda *planned: _as_committed(record, *planned))
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
