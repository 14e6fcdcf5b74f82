"""The forest plot shows the table's numbers, every seed, and points at what is too far away."""

from dataclasses import replace

import pytest

from studies.analysis.summary import Summary, summary_of
from studies.reports.figures.drawing import picture
from studies.reports.figures.forest import forest
from studies.reports.figures.style import style
from studies.reports.tables import comparison
from studies.tasks import Text
from tests.studies.reports.pages import FAR, SEEDS, renamed, study


@pytest.fixture(scope="module")
def summary(text: Text) -> Summary:
    return study(text)


def test_its_numbers_are_those_of_the_table(summary: Summary) -> None:
    drawing = forest(summary)
    assert drawing is not None
    shown = {text.get_text().replace("\N{MINUS SIGN}", "-") for text in drawing.figure.axes[0].texts}
    table = comparison(summary)
    for line in table.lines:
        cells = dict(zip(table.headings, line, strict=True))
        if cells["variant"] != summary.reference:
            p = cells["p, Holm"].removesuffix("!")
            assert {cells["variant"], cells["difference to ADAQN"], f"p = {p}"} <= shown


def test_the_far_one_is_pointed_at_and_told(summary: Summary) -> None:
    drawing = forest(summary)
    assert drawing is not None
    low, high = drawing.figure.axes[0].get_xlim()
    assert -0.2 < low < 0 < high < 0.2
    assert drawing.caption.endswith(f"off the scale: {FAR}.")
    assert [line.get_marker() for line in drawing.figure.axes[0].lines].count(">") == 1


def test_the_data_have_every_seed(summary: Summary) -> None:
    drawing = forest(summary)
    assert drawing is not None
    head, *lines = drawing.data
    assert head[:3] == ("variant", "seed", "difference")
    means = {line[0]: line[2] for line in lines if line[1] == "mean"}
    for row in summary.rows:
        seeds = [line[2] for line in lines if line[0] == row.variant and line[1] != "mean"]
        if row.test is not None:
            assert len(seeds) == SEEDS
            assert sum(map(float, map(str, seeds))) / SEEDS == pytest.approx(means[row.variant])


def test_few_seeds_have_no_interval_and_no_p(text: Text) -> None:
    few = forest(study(text, {"ADAQN": 0.0, "Adam": 0.1}, seeds=3))
    assert few is not None
    assert "p after" not in few.caption
    assert "bar" not in few.caption
    assert forest(study(text, {"ADAQN": 0.0}, seeds=3)) is None


def test_a_very_long_name_keeps_its_line(text: Text) -> None:
    name = "$x_" + "y" * 90
    short = study(text, {"ADAQN": 0.0, "Adam": 0.1}, seeds=4)
    variants = {name if known == "Adam" else known: told for known, told in short.configuration["variants"].items()}
    records = [
        replace(run, cell=replace(run.cell, variant=name)) if run.cell.variant == "Adam" else run
        for run in short.records
    ]
    drawing = forest(summary_of({**short.configuration, "variants": variants}, {}, records))
    assert drawing is not None
    with style("x"):
        assert "y" * 90 in picture("x", "s", drawing).svg
    assert min(text.get_fontsize() for text in drawing.figure.axes[0].texts) < 4


def test_a_name_may_be_empty_or_endless(summary: Summary) -> None:
    drawing = forest(renamed(summary, {"Adam": "", "RMSProp": "R" * 300, "ADAQN": "A" * 300}))
    assert drawing is not None
    sizes = [text.get_fontsize() for text in drawing.figure.axes[0].texts]
    assert min(sizes) >= 2.5
    assert len(drawing.figure.axes[0].get_xlabel()) < 150
    assert any(line[0] == "R" * 300 for line in drawing.data)
