"""The tables, the figure and the page, from a record made by hand."""

from __future__ import annotations

import json

import pytest

from tests.benchmarks import figure, report, tables
from tests.benchmarks.report import DOCS, SECTIONS, page, renewed

TWICE = {"value": 2.0, "low": 1.5, "high": 2.5}
FLOOR, TENTH = {"value": 0.6, "low": 0.6, "high": 0.6}, {"value": 0.1, "low": 0.1, "high": 0.1}
MACHINE = {"system": "Linux", "python_implementation": "CPython", "python_version": "3.11", "machine": "x"}


def benchmark(group, case, ratios, medians, **facts):
    extra = {"case": case, "ratios": ratios, "medians": medians, "threads": 2, "absent": {}} | facts
    return {"group": group, "name": f"test_{group}", "extra_info": extra}


@pytest.fixture
def document():
    direction = benchmark(
        "direction",
        {"n": 10**6, "m": 10, "R": 1},
        {"torch": TWICE, tables.READ: FLOOR},
        {"own": 0.010, "torch": 0.020, tables.READ: 0.006, tables.PLAIN: 0.040},
        **{"plain ratios": {tables.TORCH: {"value": 0.5, "low": 0.4, "high": 0.6}}},
        errors={"own": 1e-7, "torch": 1e-5},
        absent={"optax": "No module named 'optax'"},
    )
    case = {"size": "1M", "n": 10**6, "recipe": "ADAQN", "steps": 20}
    step = benchmark(
        "step", case, {"Adam": {"value": 0.1, "low": 0.1, "high": 0.1}}, {"own": 0.8}, bytes={"own": 492e6}
    )
    # 0.04 s a step; Adam 0.004; forward and backward 0.4
    training = benchmark("training", case, {}, {"own": 0.8, tables.TRAINING: 0.4, "Adam": 0.08})
    return {
        "benchmarks": [direction, step, training],
        "machine_info": {
            "system": "Linux",
            "python_implementation": "CPython",
            "python_version": "3.11",
            "machine": "x",
        },
        "datetime": "2026-01-01T00:00:00",
        "torch": "2.13.0",
        "memory": "| recipe |",
    }


def test_the_tables_say_what_was_measured(document):
    assert "| 1e6 | 10 | 1 | 10 | 0.90 | 2.00 [1.50, 2.50] | 1e-07 | 1e-05 |" in tables.direction(document)
    assert "| 1e6 | 10 | 1 | 40 | 0.50 [0.40, 0.60] |" in tables.plain(document)
    assert "| 1M | ADAQN | 40 | 10 | 492 |" in tables.step(document)
    assert "| ADAQN | 0.1 |" in tables.training(document)
    assert "| Adam | 0.01 |" in tables.training(document)
    assert tables.absences(document) == "- optax: No module named 'optax' (test_direction)"


def test_the_page_of_docs_has_a_place_for_every_table(document):
    text = (DOCS / "speed.md").read_text()
    new = renewed(text, document)
    assert renewed(new, document) == new
    assert tables.step(document) in new
    assert tables.step(document) in page(document)
    for name in SECTIONS:
        with pytest.raises(ValueError, match=f"bench:{name}"):
            renewed(text.replace(f"<!-- bench:{name} -->", ""), document)


def test_the_figure_is_drawn(document, tmp_path):
    path = tmp_path / "speed.svg"
    figure.draw(document, path)
    assert path.read_text().count("torch") >= 1


def test_rows_that_were_not_measured_again_are_kept(document, tmp_path, monkeypatch):
    for row in document["benchmarks"]:
        row["fullname"] = row["name"]
    old = [row | {"extra_info": {"threads": 9}} for row in document["benchmarks"]]
    document["benchmarks"] = document["benchmarks"][1:2]
    monkeypatch.setattr(report, "OUT", tmp_path)
    monkeypatch.setattr(report.memory, "table", lambda *_: "| recipe |")
    record = tmp_path / "benchmark.json"
    monkeypatch.setattr(report.subprocess, "run", lambda *_, **__: record.write_text(json.dumps(document)))
    found = {row["fullname"]: row["extra_info"]["threads"] for row in report.measure([], old)["benchmarks"]}
    assert found == {"test_direction": 9, "test_training": 9, "test_step": 2}
    assert len(report.measure([], [])["benchmarks"]) == 1
