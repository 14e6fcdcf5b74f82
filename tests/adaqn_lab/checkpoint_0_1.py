"""A run whose checkpoint version 0.1 wrote, with what became of it: ``data/checkpoint_0_1.pt``.

Written once, by the package at commit a950478, unpacked in ``folder``:

    PYTHONPATH=folder python tests/adaqn_lab/checkpoint_0_1.py
"""

import copy
from pathlib import Path

import torch
from torch import nn

from adaqn_lab import ADAQN, Cadence, EmpiricalFisher, QuasiNewton, Window

FILE = Path(__file__).with_name("data") / "checkpoint_0_1.pt"
RECIPE = ADAQN.but(cadence=Cadence(every=3), pairs=EmpiricalFisher(window=7), memory=Window(capacity=3))
SAVED, MORE = 16, 10


class Problem:
    """A small network on data that is computed; gradients and rates are the same in every version of torch."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        self.x = torch.sin(torch.arange(20 * 6 * 3, dtype=torch.float64)).view(20, 6, 3)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
        with torch.no_grad():
            for p in self.model.parameters():
                p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64) / 2)
        self.optimizer = QuasiNewton(
            self.model.parameters(), RECIPE, lr=0.05, monitor=lambda: self.loss(self.x), weight_decay=0.01
        )

    def loss(self, x):
        return (self.model(x) - torch.cos(3.0 * x[..., :2])).square().mean()

    def train(self, start, stop):
        for k in range(start, stop):
            self.optimizer.zero_grad()
            self.loss(self.x[k % 20]).backward()
            if k in (4, 18):
                self.model[0].weight.grad[0, 0] = torch.nan
            if k in (5, 23):  # leave the valley, so that a window is rolled back
                self.model[2].bias.data.add_(3.0)
            self.optimizer.step()

    @property
    def weights(self):
        return torch.cat([p.detach().flatten() for p in self.model.parameters()])

    @property
    def events(self):
        """Decisions, and their numbers."""
        found = self.optimizer.events
        numbers = [[e.step, e.run, e.kind.value, e.s_y, e.s_s, e.y_y, e.loss, e.reference] for e in found]
        return torch.tensor(numbers, dtype=torch.float64), [e.reason for e in found]


def write():
    problem = Problem()
    problem.train(0, SAVED)
    state = copy.deepcopy(problem.optimizer.state_dict())  # the run goes on in its tensors
    made = {"weights": problem.weights, "optimizer": state, "events": problem.events}
    problem.train(SAVED, SAVED + MORE)
    made["then"] = {"weights": problem.weights, "events": problem.events}
    FILE.parent.mkdir(exist_ok=True)
    torch.save(made, FILE)


if __name__ == "__main__":
    write()
