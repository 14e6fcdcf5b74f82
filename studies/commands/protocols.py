"""Ready sets of an ablation's options: what ``--protocol`` stands for where an option is not given."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Numbers of the budget in place of its own, and defaults of other options."""

    budget: Mapping[str, int] = field(default_factory=dict)
    schedule: str = "constant"
    tune: tuple[str, ...] = ()
    draws: int = 1
    variants: tuple[str, ...] = ()


PROTOCOLS = {
    "rates": Protocol(),
    "tuned": Protocol(
        budget={"rates": 5, "tuning_seeds": 2, "seeds": 10},
        schedule="linear",
        tune=("momentum", "decay", "beta1", "beta2", "trust", "damping"),
        draws=4,
        variants=("AdaGrad", "RMSProp", "Adam", "Muon", "K-FAC", "SOAP", "ADAQN", "ADAQN_RESCALED"),
    ),
}
"""``rates`` tunes the learning rate alone, at a constant rate. ``tuned`` gives every method what methods are known to
need: a rate that falls to zero, and as many trials of rate and momentum for each."""
