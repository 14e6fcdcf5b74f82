"""A recipe is a value."""

import copy
import inspect
import pickle

import pytest
import torch

import adaqn_lab
from adaqn_lab import (
    ADAQN,
    ADAQN_MINSQN,
    ADAQN_STOCHQN,
    AdaGrad,
    BarzilaiBorwein,
    Cadence,
    CautiousCosine,
    CautiousSS,
    CautiousYY,
    EmpiricalFisher,
    HessianVector,
    Identity,
    Mean,
    MeanTimesBatch,
    MonitorIncrease,
    Need,
    Plain,
    Recipe,
    RMSProp,
    Sum,
    Window,
    diff,
)
from adaqn_lab.bases import StepperBase
from adaqn_lab.recipes import ALL
from tests.adaqn_lab.family import PARTS
from tests.adaqn_lab.small import NAMED, VARIANTS
from verification import shipped

VALUES = {
    **PARTS,
    **NAMED,
    **VARIANTS,
    "AdaGrad": AdaGrad(eps=0.5),
    "BarzilaiBorwein": BarzilaiBorwein(),
    "Cadence": Cadence(every=3, after_step=True, from_start=True, always_advance=True),
    "CautiousCosine": CautiousCosine(eps=0.25),
    "CautiousSS": CautiousSS(eps=0.0),
    "CautiousYY": CautiousYY(eps=2.0),
    "EmpiricalFisher": EmpiricalFisher(window=4, normalisation=Sum()),
    "HessianVector": HessianVector(),
    "Identity": Identity(),
    "Mean": Mean(),
    "MeanTimesBatch": MeanTimesBatch(batch_size=32),
    "MonitorIncrease": MonitorIncrease(at_most=1.5, slack=0.1, reevaluate=True, clear_store=False),
    "Plain": Plain(),
    "RMSProp": RMSProp(decay=0.5, eps=1e-3),
    "Sum": Sum(),
    "Window": Window(capacity=0, test=CautiousSS()),
}
# What is shipped, as the laws know it.
VALUES |= {repr(factory()): factory() for parts in shipped.PARTS.values() for factory in parts}


@pytest.mark.parametrize("name", VALUES)
def test_value_semantics(name):
    value = VALUES[name]
    namespace = {n: getattr(adaqn_lab, n) for n in adaqn_lab.__all__} | {"torch": torch}
    copies = [
        eval(repr(value), namespace),
        copy.copy(value),
        copy.deepcopy(value),
        *(pickle.loads(pickle.dumps(value, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)),
    ]
    for other in copies:
        assert other == value
        assert hash(other) == hash(value)
        assert repr(other) == repr(value)
    with pytest.raises(AttributeError):
        value.anything = 1


def test_every_public_part_is_among_the_values():
    parts = {
        name
        for name in adaqn_lab.__all__
        if inspect.isclass(part := getattr(adaqn_lab, name))
        and getattr(part, "__dataclass_params__", None) is not None
        and part.__dataclass_params__.frozen
        and name not in ("Diagonal", "Displacement", "Event", "Pair", "Recipe", "Space", "Step", "Verdict")
    }
    assert len(parts) > 10
    assert parts <= {type(value).__name__ for value in VALUES.values()}


def test_unequal_values_differ():
    values = list({repr(value): value for value in VALUES.values()}.values())
    for i, a in enumerate(values):
        for b in values[i + 1 :]:
            assert a != b


def test_but_changes_one_role_and_leaves_the_original():
    before = repr(ADAQN)
    changed = ADAQN.but(scaling=BarzilaiBorwein(), cadence=Cadence(every=7))
    assert repr(ADAQN) == before
    assert changed.scaling == BarzilaiBorwein()
    assert diff(ADAQN, changed) == {
        "scaling": (AdaGrad(eps=1e-4), BarzilaiBorwein()),
        "cadence": (Cadence(every=20), Cadence(every=7)),
    }
    assert diff(changed, ADAQN)["scaling"] == (BarzilaiBorwein(), AdaGrad(eps=1e-4))
    assert diff(ADAQN, ADAQN.but()) == {}


def test_the_named_recipes_differ_where_the_sources_do():
    assert diff(ADAQN, ADAQN_MINSQN).keys() == {"pairs", "scaling", "memory", "guard"}
    assert diff(ADAQN, ADAQN_STOCHQN).keys() == {"memory", "cadence"}
    assert ADAQN_MINSQN.pairs.normalisation == Sum()
    assert ADAQN_STOCHQN.memory.test == CautiousSS(eps=1e-4)


def test_the_diff_of_any_two_recipes_is_what_separates_them():
    every = [named.recipe for named in ALL]
    for a in every:
        for b in every:
            separate = diff(a, b)
            assert a.but(**{role: theirs for role, (_, theirs) in separate.items()}) == b
            assert all(mine == getattr(a, role) != theirs for role, (mine, theirs) in separate.items())
            assert (separate == {}) == (a is b)


def test_needs_are_the_union():
    assert ADAQN.needs == {Need.MONITOR_LOSS}
    assert ADAQN.but(guard=None).needs == frozenset()
    assert ADAQN.but(pairs=HessianVector()).needs == {Need.MONITOR_LOSS, Need.HESSIAN_VECTOR_PRODUCT}
    assert ADAQN.but(pairs=HessianVector(), guard=None).needs_by_role["pairs"] == {Need.HESSIAN_VECTOR_PRODUCT}


def sentence(error: pytest.ExceptionInfo) -> str:
    """The message, after checking that it is one line which ends in a full stop."""
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def test_unknown_role():
    with pytest.raises(TypeError) as error:
        ADAQN.but(scale=Identity())
    text = sentence(error)
    assert "'scale'" in text
    assert all(role in text for role in ("pairs", "scaling", "memory", "stepper", "guard", "cadence"))


@pytest.mark.parametrize(
    ("role", "part", "wanted"),
    [
        ("scaling", Window(), "ScalingInitializer"),
        ("scaling", None, "ScalingInitializer"),
        ("scaling", "adagrad", "ScalingInitializer"),
        ("scaling", Identity, "is a class; pass an instance of it, Identity() for example"),
        ("pairs", Identity(), "PairGenerator"),
        ("memory", None, "MemoryPolicy"),
        ("memory", AdaGrad(), "MemoryPolicy"),
        ("stepper", None, "InnerStepper"),
        ("stepper", Window(), "InnerStepper"),
        ("guard", Plain(), "Guard"),
        ("cadence", 20, "Cadence"),
        ("cadence", None, "Cadence"),
    ],
)
def test_wrong_part(role, part, wanted):
    with pytest.raises(TypeError) as error:
        ADAQN.but(**{role: part})
    text = sentence(error)
    assert wanted in text
    assert f"{role}={part!r}" in text


def test_a_part_need_not_know_this_library():
    class Half:
        needs = frozenset()

        def check_recipe(self, recipe):
            asked.append(recipe)

        def init(self, space):
            return None

        def observe_(self, state, step):
            pass

        def h0(self, state, curvature):
            return self

        def apply_(self, v):
            return v.mul_(0.5)

        def solve_(self, v):
            return v.mul_(2.0)

    asked, half = [], Half()
    recipe = ADAQN.but(scaling=half, guard=None)
    assert isinstance(recipe, Recipe)
    assert asked == [recipe]
    assert recipe.needs == frozenset()
    assert diff(ADAQN, recipe)["scaling"][1] is half


def test_what_a_part_lacks_is_named_with_the_base_that_has_it():
    class Half(StepperBase):
        """A stepper without a direction."""

    with pytest.raises(TypeError) as error:
        ADAQN.but(stepper=Half())
    text = sentence(error)
    assert "it lacks direction_;" in text
    assert "adaqn_lab.bases.StepperBase" in text
    Half.direction_ = None  # as who inherits switches a method off
    with pytest.raises(TypeError, match="it lacks direction_;"):
        ADAQN.but(stepper=Half())
