"""Which iterates are averaged, and where does a displacement start?"""

from collections.abc import Mapping

from studies.variants.factor import Factor, Level, within


def levels(batch_size: int) -> Mapping[str, Level]:
    """Return averages before the step (the authors' code) and after it (stochQN), and the choices of reference."""
    before = within("cadence", after_step=False, from_start=False, always_advance=False)
    return {
        "before-step": before,
        "after-step": within("cadence", after_step=True),
        "from-start": within("cadence", from_start=True),
        "always-advance": within("cadence", always_advance=True),
    }


AVERAGING = Factor(
    name="averaging",
    question="Does it matter whether iterates are averaged before or after their steps, and what a displacement spans?",
    levels=levels,
)
