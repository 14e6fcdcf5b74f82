"""Ways out of what a step, or a look at the memory, refuses."""

from __future__ import annotations

import copy

import torch
from torch import nn

import adaqn_lab as lab
from adaqn_lab import QuasiNewton
from tests.adaqn_lab.training import UNGUARDED, Training
from tests.adaqn_lab.ways_out import Case, evaluated, moves, steps, trains


def embedded(sparse):
    model = nn.Embedding(5, 2, sparse=sparse)
    optimizer, before = QuasiNewton(model.parameters(), UNGUARDED, lr=0.1), model.weight.detach().clone()
    model(torch.tensor([1, 2])).sum().backward()
    optimizer.step()
    assert not torch.equal(model.weight, before)


def looked_at(ready):
    """The operator of an optimizer which was made ready."""
    training = Training()
    ready(training)
    assert training.optimizer.operator(torch.ones(1, 53)).isfinite().all()


def stepped_with_gradients(training):
    training.gradients(0)
    training.optimizer.step()


def inverted(memory):
    operator = trains(UNGUARDED.but(memory=memory)).optimizer.operator
    v = torch.linspace(-1.0, 1.0, 53).view(1, -1)
    assert torch.allclose(operator(operator.inverse(v)), v, rtol=1e-2, atol=1e-2)


def added_late():
    training = trains()
    training.optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))]})


def built_with_it():
    training = trains()
    more = nn.Parameter(torch.ones(2))
    moves(QuasiNewton([{"params": training.model.parameters()}, {"params": [more]}], UNGUARDED, lr=0.1))


def hooked(graphs):
    """A hook sees a window's pair."""
    told = []
    training = Training(graphs=graphs)
    training.optimizer.register_pair_hook(lambda *pair: told.append(pair))
    steps(training)
    assert told


class Lazy:
    """A model with a lazy layer, and what a user does with it first."""

    def __init__(self):
        self.model = nn.Sequential(nn.LazyLinear(4), nn.Linear(4, 2))
        self.optimizer = QuasiNewton(self.model.parameters(), UNGUARDED, lr=0.1)

    def forward(self):
        self.model(torch.ones(3, 7)).sum().backward()
        return self

    def step(self):
        self.model[1].weight.grad = torch.ones(2, 4)
        self.optimizer.step()
        return self

    def load(self):
        self.optimizer.load_state_dict(Lazy().forward().step().optimizer.state_dict())
        return self


class Changed:
    """A training after a few steps, and one thing done to it."""

    def __init__(self, change):
        self.training = steps(Training())
        self.groups = [{**group, "params": list(group["params"])} for group in self.training.optimizer.param_groups]
        change(self.training)

    def step(self):
        self.training.gradients(8)
        self.training.optimizer.step()

    def put_back(self):
        self.training.optimizer.param_groups[:] = self.groups
        steps(self.training, 9, 10, 11, 12)

    def new(self, load=False):
        """A new optimizer for the model as it is, which makes a step."""
        saved = copy.deepcopy(self.training.optimizer.state_dict())
        self.training.optimizer = QuasiNewton(self.training.model.parameters(), UNGUARDED, lr=0.05)
        if load:
            self.training.optimizer.load_state_dict(saved)
            assert self.training.memory["scaling.total"].shape == (1, 53)
        moves(self.training.optimizer)


def reversed_parameters(training):
    training.optimizer.param_groups[0]["params"].reverse()


def grown(training):
    """One layer has two units more; the parameters are the same objects."""
    for p, new in zip(
        training.model.parameters(), [*nn.Linear(6, 7).parameters(), *nn.Linear(7, 3).parameters()], strict=True
    ):
        p.grad, p.data = None, new.data


def moved(training):
    """The parameters, the same objects, lie on another device."""
    for p in training.model.parameters():
        p.grad = None
        torch.utils.swap_tensors(p, nn.Parameter(p.detach().to("meta")))
    training.x = training.x.to("meta")


CASES = [
    Case(
        "sparse gradient",
        RuntimeError,
        lambda: embedded(True),
        "A gradient of shape (5, 2) is sparse, and the stored pairs and gradients are dense",  # sentence proposed
        {"build the layer with sparse=False": lambda _: embedded(False)},
    ),
    Case(
        "no memory yet",
        RuntimeError,
        lambda: looked_at(lambda training: training.optimizer.step()),  # a step without gradients is none
        "There is no memory before the first step",
        {"call step() with gradients first": lambda _: looked_at(stepped_with_gradients)},  # sentence proposed
    ),
    Case(
        "no inverse",
        TypeError,
        lambda: inverted(lab.SoftWindow()),
        "operator.inverse needs B = H^-1 but memory=SoftWindow(",
        {
            "pass Window()": lambda words: inverted(evaluated(words.removeprefix("pass "))),
            "Dense()": lambda words: inverted(evaluated(words)),
        },
    ),
    Case(
        "late group",
        RuntimeError,
        added_late,
        "A parameter group cannot be added after the first step: the stored pairs and gradients are vectors over the "
        "parameters known then",
        {"build a new optimizer": lambda _: built_with_it()},
    ),
    Case(
        "lazy layer",
        RuntimeError,
        lambda: Lazy().step(),
        "Parameter 0 is of a lazy layer and has no size yet",  # sentence proposed
        {"run a forward pass of the whole model before the first step": lambda _: Lazy().forward().step()},
    ),
    Case(
        "lazy layer, loading",
        RuntimeError,
        lambda: Lazy().load(),
        "Parameter 0 is of a lazy layer and has no size yet",  # sentence proposed
        {"run a forward pass of the whole model before the first step": lambda _: Lazy().forward().load().step()},
    ),
    Case(
        "other parameters",
        RuntimeError,
        lambda: Changed(reversed_parameters).step(),
        "The groups hold other parameters than at the first step (4 now, 4 then), and the memory is of those",
        {
            "put them back in their order": lambda _: Changed(reversed_parameters).put_back(),
            "build a new optimizer": lambda _: Changed(reversed_parameters).new(),
        },
    ),
    Case(
        "another shape",
        RuntimeError,
        lambda: Changed(grown).step(),
        "Parameter 0 is now (7, 6) on cpu but the memory was made for (5, 6) on cpu",
        {"build a new optimizer after the change": lambda _: Changed(grown).new()},  # sentence proposed
    ),
    Case(
        "another device",
        RuntimeError,
        lambda: Changed(moved).step(),
        "Parameter 0 is now (5, 6) on meta but the memory was made for (5, 6) on cpu",
        {
            "save state_dict(), build the optimizer anew after the change, and load it": lambda _: Changed(moved).new(
                load=True
            )
        },
    ),
    Case(
        "pair hook with graphs",
        RuntimeError,
        lambda: hooked(graphs=True),
        "A pair hook is not called by the steps which graphs=True replays",
        {"build the optimizer with graphs=False": lambda _: hooked(graphs=False)},
    ),
]
