"""Every error of the package names a value, a reason and a way out in one sentence, and every way out works."""

import dataclasses
import math
import re

import pytest

import adaqn_lab
from tests.adaqn_lab import (
    ways_out_arguments,
    ways_out_callables,
    ways_out_checkpoints,
    ways_out_later,
    ways_out_machine,
    ways_out_names,
    ways_out_parts,
    ways_out_recipes,
    ways_out_steps,
)
from tests.adaqn_lab.ways_out import is_one_sentence, site_of, sites

CASES = [
    case
    for module in (
        ways_out_parts,
        ways_out_recipes,
        ways_out_arguments,
        ways_out_callables,
        ways_out_steps,
        ways_out_checkpoints,
        ways_out_machine,
        ways_out_names,
        ways_out_later,
    )
    for case in module.CASES
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_sentence(case):
    text = case.sentence()
    assert is_one_sentence(text), text
    assert case.words in text
    for words in case.ways:
        assert words in text
    assert not case.untold(text), f"no test goes this way out of {text!r}"


@pytest.mark.parametrize(
    ("case", "words"),
    [pytest.param(case, words, id=f"{case.name}: {words}") for case in CASES for words in case.ways],
)
def test_the_way_out(case, words):
    case.ways[words](words)


def test_every_error_of_the_package_is_here():
    """So that nobody adds one without going its way out."""
    found = {site_of(case.caught()) for case in CASES}
    missing = [
        site for site in sites() if not any(site.file == file and site.first <= n <= site.last for file, n in found)
    ]
    assert not missing, "\n".join(f"adaqn_lab/{site.file}:{site.first}" for site in missing)


def test_names_are_unique():
    assert len({case.name for case in CASES}) == len(CASES)


# -- every number of every part -----------------------------------------------------------------------------------

REQUIRED = {"batch_size": 8}
TOGETHER = {("Nesterov", "momentum"): {"at_most": 1 - 1e-9}, ("Nesterov", "at_most"): {"momentum": 0.0}}
"""Fields which bound each other, and say so in a sentence of their own."""
ASKED = [-math.inf, -1e9, -1, -1e-3, 0, 0.5, 1, 2, 1e9, math.inf, math.nan, -(10**9), None, "1"]


def numbers():
    """Class and field of every hyper-parameter which is a number."""
    for name in adaqn_lab.__all__:
        kind = getattr(adaqn_lab, name)
        if hasattr(kind, "__post_init__") and kind is not adaqn_lab.Space:
            for field in dataclasses.fields(kind):
                if field.type in ("int", "float"):
                    yield pytest.param(kind, field.name, id=f"{name}.{field.name}")


def made(kind, name, value):
    """The part with this field."""
    own = {field.name for field in dataclasses.fields(kind)}
    given = {key: value for key, value in REQUIRED.items() if key in own}
    return kind(**given | TOGETHER.get((kind.__name__, name), {}) | {name: value})


def asked_for(text):
    """Numbers which the sentence asks for: at its bounds, next to them, between them."""
    told = text.rpartition("; ")[2]
    if told.startswith("pass an int >= "):
        least = int(re.search(r"-?\d+", told)[0])
        return [least, least + 1, least + 1000]
    bounds = {sign: float(value) for sign, value in re.findall(r"(>=|>|<=|<) (-?[\d.e+-]*\d)", told)}
    low, high = bounds.get(">=", bounds.get(">", -math.inf)), bounds.get("<=", bounds.get("<", math.inf))
    least, most = (low if math.isfinite(low) else min(high, 0.0) - 1e3), (high if math.isfinite(high) else low + 1e3)
    least, most = (x if math.isfinite(x) else 1e3 for x in (least, most))
    found = [least + 1e-6, (least + most) / 2, most - 1e-6]
    return found + [bounds[sign] for sign in (">=", "<=") if sign in bounds]


@pytest.mark.parametrize(("kind", "name"), [*numbers()])
def test_what_a_part_asks_for_is_what_it_takes(kind, name):
    refused = 0
    for value in ASKED:
        try:
            made(kind, name, value)
        except (TypeError, ValueError) as error:
            text, refused = str(error), refused + 1
            assert is_one_sentence(text), text
            if not text.endswith("pass a float."):
                for good in asked_for(text):
                    made(kind, name, good)
    assert refused
