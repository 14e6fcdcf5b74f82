"""Everything that a step touches lies on its device: tensors without numbers stand for a GPU's, a mixture raises."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import adaqn_lab.optimizer
from adaqn_lab.graphs import Graphs, Work
from studies.models import Architecture
from studies.tasks import AddingTask, CharacterTask, Task, Text, Windows
from studies.training.schedule import Schedule
from studies.training.trainer import Trainer
from studies.variants.names import known_variants

ELSEWHERE = torch.device("meta")
MOVES = {"aten::copy_", "aten::_to_copy", "aten::_foreach_copy_"}
NAMES = [
    "ADAQN", "ADAQN_RESCALED", "ADAQN_GAUSS_NEWTON", "ADAQN-sampled-Hessian", "MULTIBATCH_LBFGS", "store-streaming",
    "SGD-Nesterov", "Adam", "AdaGrad", "AdamW", "Muon", "SOAP", "Shampoo", "K-FAC", "Hessian-free",
]  # fmt: skip


class OneDevice(TorchDispatchMode):
    """Refuses what a GPU refuses: operators on tensors of two devices, but for copies and single numbers."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [x for x in tree_leaves((args, kwargs or {})) if isinstance(x, Tensor) and x.dim() > 0]
        if len({x.device for x in tensors}) > 1 and func._schema.name not in MOVES:
            raise RuntimeError(f"{func._schema.name} takes tensors of two devices")
        return func(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    def once(work: Work) -> Work:
        work()
        return work

    monkeypatch.setattr(adaqn_lab.optimizer, "Graphs", partial(Graphs, once))
    # It reads the rates, once for all, when the optimizer is made.
    monkeypatch.setattr(adaqn_lab.optimizer, "check_group", lambda *_: None)


def made(kind: str, text: Text) -> Task:
    if kind == "adding":
        return AddingTask(length=4, batch_size=5, held_out=20)
    return CharacterTask(text, Windows(batch_size=5, length=3, held_out=20, carried=kind == "carried"))


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize(
    ("name", "unit", "kind"),
    [
        *((name, "lstm", "characters") for name in NAMES),
        *((name, "relu", kind) for name in ("ADAQN", "K-FAC") for kind in ("carried", "adding")),
    ],
)
def test_a_step_meets_no_other_device_and_reads_nothing(
    text: Text, name: str, unit: Any, kind: str, captured: bool
) -> None:
    record = (lambda work: work() or work) if captured else None
    with OneDevice():
        trainer = Trainer(
            known_variants(5)[name], [(0.1, 3), (0.1, 4)], task=made(kind, text),
            architecture=Architecture(unit=unit, embedding=6, hidden=8), device=ELSEWHERE,
            schedule=Schedule(steps=20, decay="linear", ema=0.9), record=record,
        )  # fmt: skip
        for runs in ([(0.1, 3), (0.1, 4)], [(0.2, 5), (0.1, 6)]):
            trainer.begin(runs)
            trainer.step()
            trainer.end([True, False])
            trainer.step()


def test_the_mixture_would_be_seen() -> None:
    with OneDevice(), pytest.raises(RuntimeError, match="two devices"):
        torch.zeros(2, 3, device=ELSEWHERE).mul_(torch.zeros(2, 3))
