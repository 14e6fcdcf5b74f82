"""The methods of the showcase: every shipped recipe, and three optimizers of torch."""

from dataclasses import dataclass

from adaqn_lab import Need, Recipe
from adaqn_lab.recipes import ALL, adaqn_centred, adaqn_rescaled
from studies.baselines.torch_optimizers import TorchOptimizer
from studies.errors import InputError, one_of
from studies.variants.baselines import BASELINES, FURTHER_BASELINES
from studies.variants.own import code_of, is_own, own_variant

MADE_FOR_BATCHES = {"ADAQN_RESCALED": adaqn_rescaled, "ADAQN_CENTRED": adaqn_centred}
DEFAULT_BASELINES = ("SGD", "Adam", "AdaGrad")


@dataclass(frozen=True)
class Method:
    """A recipe or a baseline under its name."""

    name: str
    method: Recipe | TorchOptimizer
    code: str = ""
    """A hash of the code of your own on which it rests."""

    def __str__(self) -> str:
        return f"{self.method!r} of the code {self.code}" if self.code else repr(self.method)

    @property
    def needs(self) -> frozenset[Need]:
        """What it asks of the training loop beside mini-batch gradients."""
        return self.method.needs if isinstance(self.method, Recipe) else frozenset()


def known_methods(batch_size: int) -> dict[str, Method]:
    """Return every method by name; the recipes that are made for a batch size are made for this one."""
    recipes = {named.name: named.recipe for named in ALL}
    recipes |= {name: make(batch_size) for name, make in MADE_FOR_BATCHES.items()}
    baselines = {
        variant.name: variant.method
        for variant in (*BASELINES, *FURTHER_BASELINES)
        if isinstance(variant.method, TorchOptimizer)
    }
    every: dict[str, Recipe | TorchOptimizer] = {**recipes, **baselines}
    return {name: Method(name, method) for name, method in every.items()}


def choose_methods(names: tuple[str, ...], batch_size: int) -> tuple[Method, ...]:
    """Return the named methods, each once; without names all recipes and three baselines.

    ``module:NAME`` is a recipe of your own. Raises `InputError` for a name that is not known.
    """
    known = known_methods(batch_size)
    usual = [name for name, method in known.items() if isinstance(method.method, Recipe)]
    given = dict.fromkeys(names or (*usual, *DEFAULT_BASELINES))
    return tuple(_own(name) if is_own(name) else known[one_of("recipe", name, known)] for name in given)


def _own(name: str) -> Method:
    variant = own_variant(name)
    variant.require_repr()
    if not isinstance(variant.method, Recipe):
        raise InputError(f"{name} has a method that is no Recipe: name a Recipe, such as ADAQN.but(...).")
    return Method(name, variant.method, code_of(variant))
