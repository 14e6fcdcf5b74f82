"""How long a run is, when it is measured, and when it has diverged."""

from dataclasses import dataclass

from studies.errors import require_at_least


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How a run goes: ``steps``, ``points`` on its validation curve, gradient norm clipped at ``clip``.

    A run has diverged, and stops, when its validation loss is not finite or above ``divergence`` times
    the untrained model's.
    """

    steps: int
    points: int = 20
    clip: float = 5.0
    divergence: float = 2.0

    def __post_init__(self) -> None:
        require_at_least(1, steps=self.steps, points=self.points)

    @property
    def marks(self) -> frozenset[int]:
        """Steps after which the validation loss is measured; the last step is one of them."""
        return frozenset(-(-self.steps * k // self.points) for k in range(1, self.points + 1))
