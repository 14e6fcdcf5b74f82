"""The page of a search says what was trained."""

from pathlib import Path

from studies.planning.course import Course, Sizes
from studies.planning.search import SearchPlan
from studies.reports.search_page import write_search_page
from studies.tasks import Text
from tests.studies.reports.made_up import PROVENANCE


def test_it_tells_sizes_and_schedule(text: Text, tmp_path: Path) -> None:
    plan = SearchPlan(
        text=text, model="rnn-tanh", base="ADAQN", factors=("guard",), steps=9, seeds=1, trials=2, even=2,
        sizes=Sizes(hidden=7, batch_size=5), course=Course(schedule="cosine", warm_up=3),
    )  # fmt: skip
    write_search_page(plan, [], "none", PROVENANCE, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "9 steps; learning rate cosine to zero after 3 steps of warm-up" in page
    assert "hidden 7" in page
    assert "batches of 5 windows" in page
