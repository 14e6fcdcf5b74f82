"""What tuning tries: as many trials for every variant, and those of fewer draws among those of more."""

import pytest

from studies.errors import InputError
from studies.planning.trials import Choice, Trials, best_rate, fields_of, finer
from studies.variants.names import known_variants
from studies.variants.tuned import NAMES

KNOWN = known_variants(50)
COMPARED = ("AdaGrad", "RMSProp", "Adam", "Muon", "K-FAC", "SOAP", "Shampoo", "ADAQN", "ADAQN_RESCALED")


def trials(name: str, rates: int, draws: int, tune: tuple[str, ...] = ("momentum", "beta1", "trust")) -> Trials:
    return Trials.of(KNOWN[name], KNOWN[name].grid(rates), tune, draws)


@pytest.mark.parametrize("rates", [1, 2, 5])
@pytest.mark.parametrize("draws", [1, 2, 3, 4, 7])
def test_every_variant_gets_the_same_number(rates: int, draws: int) -> None:
    for tune in ((), ("momentum",), NAMES):
        for name in COMPARED:
            found = trials(name, rates, draws, tune).choices
            assert len(found) == len(set(found)) == rates * draws
            assert {Choice(lr) for lr in KNOWN[name].grid(rates)} <= set(found)


@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.parametrize(("fewer", "more"), [((5, 1), (5, 4)), ((5, 3), (5, 8)), ((5, 2), (7, 2)), ((3, 2), (5, 5))])
def test_grown_draws_and_rates_keep_the_old_trials(name: str, fewer: tuple[int, int], more: tuple[int, int]) -> None:
    assert set(trials(name, *fewer).choices) <= set(trials(name, *more).choices)


def test_a_variant_without_the_fields_tries_more_rates() -> None:
    assert trials("AdaGrad", 2, 2).choices == [Choice(lr) for lr in (0.0562, 0.09994, 0.178, 0.3165)]
    assert trials("AdaGrad", 2, 2, ("eps",)).rates == KNOWN["AdaGrad"].grid(2)


def test_finer_rates_stay_within_half_a_step_of_the_given_ones() -> None:
    found = finer((0.1, 0.316), 8)
    assert found == tuple(sorted(found))
    assert 0.1 / 1.78 < found[0] < found[-1] < 0.316 * 1.79
    assert finer((0.1, 0.316), 1) == (0.1, 0.316)
    assert len(finer((0.1, 0.1778, 0.2), 2)) == 6  # one of the new ones is there already


@pytest.mark.parametrize("lr", [0.0, -1.0, float("inf"), float("nan"), 5e-324])
def test_refuses_rates_that_are_none_however_many_draws(lr: float) -> None:
    with pytest.raises(InputError, match="lr="):
        Trials.of(KNOWN["AdaGrad"], (lr,), (), 3)


def test_the_best_choice() -> None:
    own, tuned = Choice(0.1), Choice(0.1, (("momentum", 0.8),))
    assert best_rate([(own, 2.0), (tuned, 1.0)]) == tuned
    assert best_rate([(tuned, 1.0), (own, 1.0)]) == own  # a tie
    assert best_rate([(tuned, 1.0), (Choice(0.01, (("momentum", 0.9),)), 1.0)]) == Choice(0.01, (("momentum", 0.9),))
    assert best_rate([(tuned, 1.0), (tuned, None), (own, 9.0), (own, 9.0)]) == own
    assert best_rate([(tuned, None), (own, None)]) is None
    assert str(tuned) == "0.1 momentum=0.8"
    assert str(own) == "0.1"


def test_fields_are_numbers_in_their_order() -> None:
    assert fields_of({"momentum": 0, "decay": 0.9}) == (("momentum", 0.0), ("decay", 0.9))
