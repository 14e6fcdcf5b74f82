"""The methods of the showcase: every shipped recipe, and three optimizers of torch."""

from dataclasses import dataclass

from adaqn_lab import Need, Recipe
from adaqn_lab.recipes import ALL, adaqn_centred, adaqn_rescaled
from studies.baselines.torch_optimizers import TorchOptimizer
from studies.errors import one_of
from studies.variants.baselines import BASELINES, FURTHER_BASELINES

MADE_FOR_BATCHES = {"ADAQN_RESCALED": adaqn_rescaled, "ADAQN_CENTRED": adaqn_centred}
DEFAULT_BASELINES = ("SGD", "Adam", "AdaGrad")


@dataclass(frozen=True)
class Method:
    """A recipe or a baseline under its name."""

    name: str
    method: Recipe | TorchOptimizer

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

    Raises `InputError` for a name that is not known.
    """
    known = known_methods(batch_size)
    usual = [name for name, method in known.items() if isinstance(method.method, Recipe)]
    chosen = dict.fromkeys(one_of("recipe", name, known) for name in names or (*usual, *DEFAULT_BASELINES))
    return tuple(known[name] for name in chosen)
