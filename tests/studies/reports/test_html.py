"""The files of a report, read as a browser and a spreadsheet would."""

import csv
import json
from html.parser import HTMLParser
from pathlib import Path

from studies.analysis.conclusions import answer
from studies.analysis.summary import summarise
from studies.execution.store import Store
from studies.reports.tables import comparison, race, results


class Page(HTMLParser):
    """Collects what the test asks about."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_is_self_contained_and_accessible(finished: tuple[Path, str]) -> None:
    page = Page()
    source = (finished[0] / "report.html").read_text(encoding="utf-8")
    page.feed(source)
    assert page.open == []
    assert "http://" not in source
    assert "https://" not in source
    pictures = [attrs for tag, attrs in page.tags if tag == "svg" and "aria-hidden" not in attrs]
    assert len(pictures) == 6  # no window ends within 25 steps, so the pairs have no figure
    assert all(attrs["role"] == "img" and len(attrs["aria-label"] or "") > 20 for attrs in pictures)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == tags.count("title") == tags.count("main") == 1
    assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")
    assert tags.count("caption") == tags.count("table")
    assert ("html", {"lang": "en"}) in page.tags


def test_html_states_results_and_set_up(finished: tuple[Path, str]) -> None:
    page = Page()
    page.feed((finished[0] / "report.html").read_text(encoding="utf-8"))
    summary = summarise(Store(finished[0]))
    for cells in (*results(summary).lines, *comparison(summary).lines, *race(summary).lines):
        assert all(cell in page.text for cell in cells)
    for sentence in answer(summary):
        assert sentence in page.text
    for stated in ("python -m studies ablate", "torch", "Evaluation seeds", "25 steps", "torch.optim.Adam()"):
        assert stated in page.text


def test_csv_and_json_hold_unrounded_numbers(finished: tuple[Path, str]) -> None:
    out, _ = finished
    rows = summarise(Store(out)).rows
    with (out / "table.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["variant"] for row in read] == ["ADAQN", "Adam", "unigram entropy"]
    assert rows[1].loss is not None
    assert float(read[1]["loss"]) == rows[1].loss.mean
    results = json.loads((out / "results.json").read_text())
    assert len(results["runs"]) == 8
    assert results["runs"][0]["curve"][0]["steps"] == 0
    assert {"python", "torch", "adaqn-lab", "commit", "device"} <= results["runs"][0]["environment"].keys()


def test_difference_is_paired_by_seed(finished: tuple[Path, str]) -> None:
    summary = summarise(Store(finished[0]))
    adaqn, adam = summary.rows
    assert adaqn.difference is None
    assert adam.difference is not None
    assert adam.loss is not None
    assert adaqn.loss is not None
    assert abs(adam.difference.mean - (adam.loss.mean - adaqn.loss.mean)) < 1e-12
    assert adaqn.admitted is not None
    assert adam.admitted is None
