"""Fields to tune beside the rate: ranges, points, and what may be asked for."""

from itertools import pairwise

import pytest

from studies.errors import InputError
from studies.variants.names import known_variants
from studies.variants.tuned import MOST_DRAWS, NAMES, Range, TunedField, check_tuning, points, told

KNOWN = known_variants(50)
RANGES = (Range(0.0, 10.0, "linear"), Range(1e-6, 1e-2, "log"), Range(0.5, 0.999, "one minus"))


@pytest.mark.parametrize("found", RANGES, ids=lambda found: found.scale)
def test_a_range_goes_evenly_from_low_to_high(found: Range) -> None:
    values = [found.at(share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert (values[0], values[-1]) == (found.low, found.high)
    assert values == sorted(values)
    assert [found.at_edge(value) for value in values] == [True, False, False, False, True]
    assert found.at_edge(found.at(0.05))
    assert found.at_edge(found.at(0.95))


def test_scales() -> None:
    assert Range(0.0, 10.0, "linear").at(0.25) == 2.5
    assert Range(1e-6, 1e-2, "log").at(0.5) == 1e-4
    assert Range(0.9, 0.999, "one minus").at(0.5) == 0.99


def test_a_field_stays_out_of_a_share_of_the_draws() -> None:
    field = TunedField(name="decay", range=Range(0.9, 0.999, "one minus"), put=lambda method, value: method, kept=0.5)
    assert [field.at(share) for share in (0.0, 0.49, 0.5, 0.75)] == [None, None, 0.9, 0.99]


@pytest.mark.parametrize("name", ["ADAQN", "Adam", "RMSProp", "SGD", "Muon", "K-FAC", "SOAP", "AdaGrad"])
def test_the_first_point_is_the_method_itself_and_more_draws_keep_the_others(name: str) -> None:
    tunes = KNOWN[name].tunes
    many = points(tunes, MOST_DRAWS)
    assert many[0] == ()
    assert len(set(many)) == len(many) == MOST_DRAWS
    for draws in (1, 2, 3, 8):
        assert points(tunes, draws) == many[:draws]
    assert KNOWN[name].with_fields(()) is KNOWN[name]


def test_a_field_of_two_variants_takes_the_same_values() -> None:
    """Points are the same for all: their coordinates belong to names, not to variants."""
    both = [points(KNOWN[name].tunes, 5) for name in ("SGD", "RMSProp")]
    values = [[dict(fields).get("momentum") for fields in found] for found in both]
    assert values[0] == values[1]


def test_few_points_are_spread() -> None:
    for name in NAMES:
        field = TunedField(name=name, range=Range(0.0, 1.0, "linear"), put=lambda method, value: method)
        values = sorted(value for fields in points([field], 8) for _, value in fields)
        assert max(b - a for a, b in pairwise([0.0, *values, 1.0])) < 0.5


def test_told() -> None:
    assert (
        told((("momentum", 0.8), ("decay", 0.99)))
        == told({"momentum": 0.8, "decay": 0.99})
        == "momentum=0.8 decay=0.99"
    )


@pytest.mark.parametrize(
    ("names", "draws", "reason"),
    [
        (("speed",), 2, "no field to tune named 'speed': choose from momentum, decay"),
        ((), 0, "--draws 0 is too small"),
        ((), MOST_DRAWS + 1, f"give {MOST_DRAWS} or less"),
        (("momentum",), 1, "--tune momentum has nothing to draw with --draws 1"),
    ],
)
def test_refuses_what_cannot_be_tuned(names: tuple[str, ...], draws: int, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        check_tuning(names, draws)


def test_accepts_what_can() -> None:
    check_tuning((), 1)
    check_tuning(NAMES, MOST_DRAWS)
