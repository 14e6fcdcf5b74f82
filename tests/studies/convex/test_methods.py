"""Every recipe and every need is in the showcase; so is one of your own, by its name."""

import sys
from pathlib import Path

import pytest

from adaqn_lab import ADAQN, Need
from adaqn_lab.recipes import ALL
from studies.convex.methods import choose_methods, known_methods
from studies.convex.study import ConvexStudy
from studies.errors import InputError


def test_knows_every_recipe_and_every_need() -> None:
    known = known_methods(32)
    assert {named.name for named in ALL} <= known.keys()
    assert {need for method in known.values() for need in method.needs} == set(Need)


def test_a_recipe_of_your_own_with_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = "from adaqn_lab import ADAQN\nRECIPE = ADAQN.but(guard=None)\nclass Other: pass\n"
    (tmp_path / "convex_of_mine.py").write_text(own, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = "convex_of_mine:RECIPE"
    study = ConvexStudy(recipes=(name, "Adam"))
    assert study.methods[name].method == ADAQN.but(guard=None)
    stored = study.configuration()
    assert " of the code " in stored["methods"][name]
    assert " of the code " not in stored["methods"]["Adam"]
    assert study.grown_from(stored).methods.keys() == study.methods.keys()
    changed = {**stored, "methods": {**stored["methods"], name: f"{stored['methods'][name]}0"}}
    with pytest.raises(InputError, match="its convex_of_mine:RECIPE was another method"):
        study.grown_from(changed)
    with pytest.raises(InputError, match="is the class Other, which is no variant"):
        choose_methods(("convex_of_mine:Other",), 32)
