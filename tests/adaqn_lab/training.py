"""A small training whose weights and whole memory can be compared."""

import torch
from torch import nn

from adaqn_lab import ADAQN, Cadence, QuasiNewton, Recipe

SHORT = ADAQN.but(cadence=Cadence(every=3))
UNGUARDED = SHORT.but(guard=None)


class Training:
    """A small classifier on fixed data, a batch a step."""

    def __init__(self, recipe: Recipe = UNGUARDED, runs: int = 1, **options):
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
        self.x = torch.randn(40, 8, 6)
        closures = dict.fromkeys({need.argument for need in recipe.needs}, lambda: self.loss(-1))
        self.optimizer = QuasiNewton(self.model.parameters(), recipe, **{"lr": 0.05, **closures, **options})

    def loss(self, k):
        outputs = self.model(self.x[k])
        return (outputs - self.x[k, :, :3]).square().mean(), outputs

    def gradients(self, k):
        self.optimizer.zero_grad()
        self.loss(k)[0].backward()

    def train(self, *ks):
        for k in ks:
            self.gradients(k)
            self.optimizer.step()
        return self

    @property
    def weights(self):
        return torch.cat([p.detach().flatten() for p in self.model.parameters()])

    @property
    def memory(self):
        """Every tensor of the state, copied."""
        entries = self.optimizer.state.values()
        tensors = {
            name: value
            for entry in entries
            for name, value in entry.items()
            if isinstance(value, torch.Tensor) and name != "about"
        }
        return {name: tensor.clone() for name, tensor in tensors.items()}


def unchanged(training, before):
    weights, memory = before
    assert torch.equal(training.weights, weights)
    after = training.memory
    assert after.keys() == memory.keys()
    for name in memory:
        assert torch.allclose(after[name], memory[name], rtol=0, atol=0, equal_nan=True), name
