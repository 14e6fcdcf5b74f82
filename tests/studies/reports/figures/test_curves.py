"""Curves on the scale of the variants that matter: the far one is cut off and told, no entropy stretches the axis."""

import pytest

from studies.analysis.clocks import CLOCKS, Clock
from studies.analysis.summary import Summary
from studies.reports.figures.curves import curves
from studies.tasks import Text
from tests.studies.reports.pages import FAR, SHIFTS, STEPS, study


@pytest.fixture(scope="module")
def summary(text: Text) -> Summary:
    return study(text)


@pytest.mark.parametrize("clock", CLOCKS)
def test_the_scale_is_that_of_those_that_matter(summary: Summary, clock: Clock) -> None:
    drawing = curves(summary, clock)
    low, high = drawing.figure.axes[0].get_ylim()
    ends = [row.loss.mean for row in summary.rows if row.loss is not None and row.variant != FAR]
    assert low < min(ends)
    assert max(ends) < high
    assert (max(ends) - min(ends)) / (high - low) > 0.15  # not pressed together
    assert f"above it ends {FAR} (" in drawing.caption
    assert "Adam (" not in drawing.caption


def test_the_entropy_is_a_note(summary: Summary) -> None:
    drawing = curves(summary, "steps")
    assert summary.chance is not None
    assert f"unigram entropy is {summary.chance[1]:.4f}" in drawing.caption
    assert len(drawing.figure.axes[0].lines) == len(SHIFTS)


def test_the_reference_is_always_on_the_scale(text: Text) -> None:
    drawing = curves(study(text, {"ADAQN": 2.0, "Adam": 0.0, "AdaGrad": 0.01, "RMSProp": 0.02}), "steps")
    assert drawing.figure.axes[0].get_ylim()[1] > 3.7
    assert "above it ends" not in drawing.caption


def test_keys_and_data_are_of_what_is_drawn(summary: Summary) -> None:
    drawing = curves(summary, "steps")
    assert [(key.place, key.name) for key in drawing.keys] == list(enumerate(SHIFTS))
    head, *lines = drawing.data
    assert list(head) == ["variant", "steps", "mean_loss", "lowest_loss", "highest_loss", "runs"]
    assert {line[0] for line in lines} == set(SHIFTS)
    assert max(float(str(line[1])) for line in lines) == STEPS
    assert all(line[3] <= line[2] <= line[4] for line in lines)  # type: ignore[operator]


def test_without_a_run_there_is_still_a_figure(text: Text) -> None:
    empty = study(text, {"ADAQN": 0.0}, seeds=1)
    nothing = type(empty)(rows=empty.rows, configuration=empty.configuration, provenance={}, records=())
    assert curves(nothing, "steps").keys == []
