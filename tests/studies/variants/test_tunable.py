"""What methods have to tune: every value of every field gives a method that trains."""

import pytest

from adaqn_lab import ADAQN, AdaGrad, BiasCorrectedRMSProp, Clipped, GradientAverage, Momentum, Nesterov, Plain, Recipe
from studies.errors import InputError
from studies.variants.names import known_variants
from studies.variants.tunable import tunable, with_momentum
from studies.variants.tuned import Fields, points

KNOWN = known_variants(20)


def fields(name: str) -> list[str]:
    return [field.name for field in KNOWN[name].tunes]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Adam", "beta1 beta2 eps"), ("AdamW", "beta1 beta2 eps"), ("RMSProp", "momentum decay eps"),
        ("AdaGrad", "eps"), ("SGD", "momentum"), ("SGD-Nesterov", "momentum"), ("Muon", "momentum"),
        ("K-FAC", "trust damping memory"), ("SOAP", "beta1 beta2"), ("Shampoo", ""), ("Hessian-free", ""),
        ("ADAQN", "momentum decay eps"), ("ADAQN_RESCALED", "momentum decay eps"),
        ("ADAQN-BarzilaiBorwein", "momentum"), ("ADAQN-RMSProp", "momentum decay eps"),
    ],
)  # fmt: skip
def test_fields_of_the_methods(name: str, known: str) -> None:
    assert fields(name) == known.split()


@pytest.mark.parametrize("name", KNOWN)
def test_every_value_makes_another_method(name: str) -> None:
    variant = KNOWN[name]
    for field in variant.tunes:
        ends = {field.range.at(share) for share in (0.0, 0.5, 1.0)}
        methods = [repr(variant.with_fields(((field.name, value),)).method) for value in ends]
        assert len(set(methods)) == len(methods)
    repr_of = [repr(variant.with_fields(point).method) for point in points(variant.tunes, 6)]
    assert len(set(repr_of)) == len(repr_of)


def with_fields(name: str, *given: tuple[str, float]) -> str:
    fields: Fields = given
    return repr(KNOWN[name].with_fields(fields).method)


def test_values_stand_where_they_belong() -> None:
    assert with_fields("Adam", ("beta1", 0.8)) == "torch.optim.Adam(betas=(0.8, 0.999))"
    assert with_fields("Adam", ("beta1", 0.8), ("beta2", 0.95)) == "torch.optim.Adam(betas=(0.8, 0.95))"
    assert with_fields("RMSProp", ("decay", 0.9)) == "torch.optim.RMSprop(alpha=0.9)"
    assert "momentum=0.7" in with_fields("Muon", ("momentum", 0.7))
    assert "trust=0.5" in with_fields("K-FAC", ("trust", 0.5))
    assert "nesterov=True" in with_fields("SGD-Nesterov", ("momentum", 0.6))
    assert KNOWN["Adam"].with_fields((("eps", 1e-4),)).name == "Adam"


def test_a_recipe_s_fields() -> None:
    tuned = KNOWN["ADAQN"].with_fields((("momentum", 0.8), ("decay", 0.99), ("eps", 1e-5))).method
    assert tuned == ADAQN.but(stepper=Momentum(momentum=0.8), scaling=BiasCorrectedRMSProp(decay=0.99, eps=1e-5))
    assert KNOWN["ADAQN"].with_fields((("eps", 1e-5),)).method == ADAQN.but(scaling=AdaGrad(eps=1e-5))
    assert KNOWN["ADAQN"].with_fields((("momentum", 0.0),)).method == ADAQN


def test_momentum_of_every_stepper() -> None:
    assert with_momentum(Plain(), 0.0) == Plain()
    assert with_momentum(Nesterov(momentum=0.9), 0.5) == Nesterov(momentum=0.5)
    assert with_momentum(GradientAverage(decay=0.9), 0.5) == GradientAverage(decay=0.5)
    assert with_momentum(Clipped(radius=1.0), 0.5) == Clipped(radius=1.0, of=Momentum(momentum=0.5))


def test_nesterov_stays_below_its_own_bound() -> None:
    recipe: Recipe = ADAQN.but(stepper=Nesterov(momentum=0.5, at_most=0.7))
    (momentum, *_) = tunable(recipe)
    assert momentum.range.high == 0.7


def test_refuses_a_field_that_a_variant_has_not() -> None:
    with pytest.raises(InputError, match="Adam has no momentum to tune: choose from beta1, beta2, eps"):
        KNOWN["Adam"].with_fields((("momentum", 0.5),))
    with pytest.raises(InputError, match="choose from nothing"):
        KNOWN["Shampoo"].with_fields((("momentum", 0.5),))
