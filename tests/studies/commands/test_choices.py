"""The words of the options are those of the registries, in their order."""

from typing import get_args

import pytest

from studies.commands import choices
from studies.commands.protocols import PROTOCOLS
from studies.models.architecture import MODELS
from studies.planning.budget import BUDGETS
from studies.planning.course import SCHEDULES
from studies.tasks import TASKS
from studies.variants.names import FACTORS, bases
from studies.variants.tuned import NAMES


@pytest.mark.parametrize(
    ("words", "registry"),
    [
        (choices.Base, bases(1)), (choices.Budget, BUDGETS), (choices.Factor, FACTORS), (choices.Model, MODELS),
        (choices.Protocol, PROTOCOLS), (choices.Schedule, SCHEDULES), (choices.Task, TASKS),
        (choices.TunedField, NAMES),
    ],
)  # fmt: skip
def test_are_what_is_known(words: object, registry: object) -> None:
    assert list(get_args(words)) == list(registry)  # type: ignore[call-overload]
