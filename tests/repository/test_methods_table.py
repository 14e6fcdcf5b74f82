"""docs/methods.md is what the recipes say."""

from pathlib import Path

from adaqn_lab.recipes import ALL, Evidence, table

DOCS = Path(__file__).parents[2] / "docs"


def test_the_committed_table_is_current():
    committed = (DOCS / "methods.md").read_text()
    assert table.document() == committed, "run: python -m adaqn_lab.recipes.table > docs/methods.md"


def test_it_lists_every_method():
    assert len(ALL) >= 25
    assert len({named.name for named in ALL}) == len(ALL)
    assert len({named.recipe for named in ALL}) == len(ALL)


def test_every_proposal_says_why():
    proposals = [named for named in ALL if Evidence.PROPOSAL in named.evidence]
    assert len(proposals) >= 10
    assert [named.name for named in proposals if len(named.motivation.split()) < 30] == []
