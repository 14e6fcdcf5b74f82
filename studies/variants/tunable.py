"""What each method has to tune beside its learning rate, and how a value is put into it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from adaqn_lab import AdaGrad, BiasCorrectedRMSProp, GradientAverage, Momentum, Nesterov, Plain, Recipe
from studies.baselines.kfac import KFac
from studies.baselines.muon import MuonWithAdamW
from studies.baselines.soap import SOAP
from studies.baselines.torch_optimizers import TorchOptimizer
from studies.variants.tuned import Range, Scale, TunedField

KEPT = 0.5
"""The share of the draws at which a recipe whose H0 is AdaGrad's, which forgets nothing, keeps it."""
_MOST_MOMENTUM = 0.98
_STEPPERS = {Momentum: "momentum", Nesterov: "momentum", GradientAverage: "decay"}

Put = Callable[[Any, float], Any]


def tunable(method: object) -> tuple[TunedField, ...]:
    """Return the fields of a method; none for one that has nothing known to tune."""
    if isinstance(method, Recipe):
        return _of_recipe(method)
    if isinstance(method, TorchOptimizer):
        return _TORCH.get(method.kind, ()) if not dict(method.options).get("nesterov") else _NESTEROV
    return _OWN.get(type(method), ())


def _of_recipe(recipe: Recipe) -> tuple[TunedField, ...]:
    found = []
    if (inner := _inner(recipe.stepper)) is not None:
        high = min(_MOST_MOMENTUM, getattr(inner, "at_most", _MOST_MOMENTUM))
        found.append(_field("momentum", 0.0, high, "one minus", _put_momentum))
    if isinstance(recipe.scaling, AdaGrad):
        found.append(_decay(_forgetting, kept=KEPT))
    elif hasattr(recipe.scaling, "decay"):
        found.append(_decay(_in_scaling("decay")))
    if hasattr(recipe.scaling, "eps"):
        found.append(_field("eps", 1e-10, 1e-2, "log", _in_scaling("eps")))
    return tuple(found)


def _put_momentum(recipe: Recipe, value: float) -> Recipe:
    return recipe.but(stepper=with_momentum(recipe.stepper, value))


def _in_scaling(name: str) -> Put:
    return lambda recipe, value: recipe.but(scaling=replace(recipe.scaling, **{name: value}))


def _forgetting(recipe: Recipe, decay: float) -> Recipe:
    """Return the recipe with a decaying mean in the place of AdaGrad's sum."""
    return recipe.but(scaling=BiasCorrectedRMSProp(decay=decay))


def with_momentum(stepper: Any, momentum: float) -> Any:
    """Return the stepper with this momentum, heavy-ball where it has none; at 0 one that has none is itself."""
    if isinstance(stepper, Plain):
        return Momentum(momentum=momentum) if momentum else stepper
    if type(stepper) in _STEPPERS:
        return replace(stepper, **{_STEPPERS[type(stepper)]: momentum})
    return replace(stepper, of=with_momentum(stepper.of, momentum))


def _inner(stepper: Any) -> Any:
    """Return the innermost stepper that can have a momentum, ``None`` if there is none."""
    if isinstance(stepper, Plain) or type(stepper) in _STEPPERS:
        return stepper
    return _inner(stepper.of) if hasattr(stepper, "of") else None


def _field(name: str, low: float, high: float, scale: Scale, put: Put, kept: float = 0.0) -> TunedField:
    return TunedField(name=name, range=Range(low, high, scale), put=put, kept=kept)


def _momentum(put: Put, low: float = 0.0) -> TunedField:
    return _field("momentum", low, _MOST_MOMENTUM, "one minus", put)


def _decay(put: Put, name: str = "decay", kept: float = 0.0) -> TunedField:
    return _field(name, 0.9, 0.9995, "one minus", put, kept)


def _option(name: str) -> Put:
    return lambda method, value: replace(method, options=_with(method.options, name, value))


def _beta(place: int, default: tuple[float, float]) -> Put:
    """Return what sets one of the two betas, of which a method without the option has the default."""

    def put(method: Any, value: float) -> Any:
        betas = list(dict(method.options).get("betas", default))
        betas[place] = value
        return replace(method, options=_with(method.options, "betas", tuple(betas)))

    return put


def _with(options: Sequence[tuple[str, Any]], name: str, value: Any) -> tuple[tuple[str, Any], ...]:
    return tuple({**dict(options), name: value}.items())


def _betas(*default: float) -> tuple[TunedField, ...]:
    first, second = default
    return (
        _field("beta1", 0.0, _MOST_MOMENTUM, "one minus", _beta(0, (first, second))),
        _decay(_beta(1, (first, second)), name="beta2"),
    )


def _attribute(name: str) -> Put:
    return lambda method, value: replace(method, **{name: value})


_EPS = _field("eps", 1e-10, 1e-3, "log", _option("eps"))
_ADAM = (*_betas(0.9, 0.999), _EPS)
_NESTEROV = (_momentum(_option("momentum"), low=0.5),)
_TORCH: dict[Any, tuple[TunedField, ...]] = {
    torch.optim.Adam: _ADAM,
    torch.optim.AdamW: _ADAM,
    torch.optim.RMSprop: (_momentum(_option("momentum")), _decay(_option("alpha")), _EPS),
    torch.optim.Adagrad: (_EPS,),
    torch.optim.SGD: (_momentum(_option("momentum")),),
}
_OWN: dict[type, tuple[TunedField, ...]] = {
    SOAP: (
        _field("beta1", 0.0, _MOST_MOMENTUM, "one minus", _attribute("beta1")),
        _decay(_attribute("beta2"), "beta2"),
    ),
    MuonWithAdamW: (_momentum(_attribute("momentum"), low=0.5),),
    KFac: (
        _field("trust", 1e-4, 1.0, "log", _attribute("trust")),
        _field("damping", 1e-5, 1e-1, "log", _attribute("damping")),
        _field("memory", 0.8, 0.99, "one minus", _attribute("memory")),
    ),
}
