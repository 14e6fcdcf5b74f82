"""Variants of your own by ``module:NAME``: found, refused, and told from what they were."""

import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from adaqn_lab import ADAQN, AdaGrad
from studies.errors import InputError
from studies.variants.names import choose_variants
from studies.variants.own import CENTRE, code_of, own_variant

OWN = '''
from dataclasses import dataclass
import torch
from adaqn_lab import ADAQN, Diagonal
from adaqn_lab.bases import ScalingBase
from studies import Variant
from studies.baselines.torch_optimizers import TorchOptimizer

HALF = 0.5

def gamma():
    return HALF

@dataclass(frozen=True)
class Half(ScalingBase):
    """H0 = 1/2."""

    def h0(self, state, curvature):
        return Diagonal(gamma=gamma())

class Nameless(Half):
    __repr__ = object.__repr__

RECIPE = ADAQN.but(scaling=Half())
VARIANT = Variant(name="other", method=RECIPE, centre=0.2)
BASELINE = Variant(name="other", method=TorchOptimizer(torch.optim.Adam), centre=0.01)
NAMELESS = ADAQN.but(scaling=Nameless())
CLASS = Variant(name="other", method=torch.optim.Adam, centre=0.01)
'''
Written = Callable[[str], str]
NUMBERS = count()


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    """Write a module in the current directory, under a name that was never imported; return the name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def write(text: str) -> str:
        name = f"own_module_{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        return name

    return write


def test_a_recipe_and_a_variant_are_found_under_the_name_that_was_given(written: Written) -> None:
    module = written(OWN)
    recipe, variant, baseline = choose_variants(
        (f"{module}:RECIPE", f"{module}:VARIANT", f"{module}:BASELINE", f"{module}:RECIPE"), 50
    )
    assert (recipe.name, recipe.centre) == (f"{module}:RECIPE", CENTRE)
    assert (variant.name, variant.centre) == (f"{module}:VARIANT", 0.2)
    assert recipe.method == variant.method
    assert (baseline.name, baseline.centre) == (f"{module}:BASELINE", 0.01)
    assert own_variant("adaqn_lab.recipes:ADAQN").method == ADAQN


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (":RECIPE", "':RECIPE' names nothing of a module: write module:NAME."),
        ("{}:", "names nothing of a module: write module:NAME."),
        ("nowhere_at_all:X", r"could not be imported \(ModuleNotFoundError: .*\); go to its folder."),
        ("{}:RECIPES", "has no 'RECIPES'; did you mean RECIPE?"),
        ("{}:Half", "is the class Half, which is no variant: name a Recipe"),
        ("{}:HALF", "is of the type float, which is no variant: name a Recipe"),
        ("{}:CLASS", "has the class Adam for its method: give a Recipe, or an object with build."),
        ("{}:NAMELESS", "cannot be told .* its Nameless shows .* make it a frozen dataclass"),
        ("adma", r"\(did you mean Adam\?\) among the \d+ known; one of your own is given as module:NAME."),
    ],
)
def test_what_is_none_is_refused(name: str, told: str, written: Written) -> None:
    with pytest.raises(InputError, match=told):
        choose_variants((name.format(written(OWN)),), 50)


def code(module: str, name: str = "RECIPE") -> str:
    return code_of(own_variant(f"{module}:{name}"))


@pytest.mark.parametrize(
    ("was", "now", "alike"),
    [
        ("HALF = 0.5", "HALF = 0.4", False),
        ("return HALF", "return 2 * HALF", False),
        ("Diagonal(gamma=gamma())", "Diagonal(gamma=1.0)", False),
        ("import ADAQN, Diagonal", "import ADAQN, Diagonal  # a comment", True),
        ("NAMELESS =", "FURTHER = RECIPE.but(pairs=None)\nNAMELESS =", True),
    ],
)
def test_it_rests_on_what_it_names_and_on_nothing_else(was: str, now: str, alike: bool, written: Written) -> None:
    before, after = written(OWN), written(OWN.replace(was, now))
    assert was in OWN
    assert (code(before) == code(after)) is alike
    assert code(before) != code(before, "VARIANT")


def test_the_classes_of_parts_count_where_they_are_defined(written: Written) -> None:
    names = [
        written(f"from adaqn_lab import ADAQN\nfrom {written(text)} import Half\nRECIPE = ADAQN.but(scaling=Half())")
        for text in (OWN, OWN.replace("HALF = 0.5", "HALF = 0.4"))
    ]
    assert code(names[0]) != code(names[1])


def test_a_recipe_of_the_package_rests_on_no_code_of_your_own() -> None:
    assert code_of(own_variant("adaqn_lab.recipes:ADAQN")) == ""
    assert code_of(choose_variants(("ADAQN",), 50)[0]) == ""
    assert own_variant("adaqn_lab.recipes:ADAQN").method.but(scaling=AdaGrad())  # type: ignore[union-attr]
