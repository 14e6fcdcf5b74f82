"""A Markov source: text-like, endless, and with a loss below which no model can get."""

import torch
from torch import Tensor

from studies.errors import InputError
from studies.tasks.objectives import NOT_COUNTED
from studies.tasks.sequences import entropy_of
from studies.tasks.synthetic import SyntheticTask
from studies.tasks.task import Batch, Shape

_SOURCE_SEED = 1906


class MarkovTask(SyntheticTask):
    """Predict the next symbol of a source whose symbol depends on the ``order`` symbols before it.

        p(x_t | x_(t-order) ... x_(t-1)): one row of a table of random weights, log-normal, normalised
        floor = - sum_c pi(c) sum_x p(x|c) ln p(x|c),  pi the stationary distribution of the contexts c

    Sequences start in pi, and positions whose context has begun before the sequence are not charged, so ``floor``, the
    entropy rate, is the least expected loss at every charged position. ``chance`` is the entropy of one symbol.
    ``sharpness`` spreads the weights: the larger, the lower the floor.
    """

    def __init__(
        self,
        *,
        symbols: int = 8,
        order: int = 2,
        length: int = 30,
        sharpness: float = 2.0,
        batch_size: int = 50,
        held_out: int = 1000,
        monitor_batches: int = 4,
    ) -> None:
        if symbols < 2 or not 1 <= order < length:
            raise InputError(
                f"symbols={symbols}, order={order}, length={length} leave nothing to predict: give 2 symbols "
                "or more and an order of 1 or more, below the length."
            )
        self.symbols, self.order, self.length = symbols, order, length
        generator = torch.Generator().manual_seed(_SOURCE_SEED)
        weights = torch.randn(symbols**order, symbols, generator=generator, dtype=torch.float64) * sharpness
        self.table = weights.softmax(dim=1)
        self.stationary = stationary(self.table, symbols)
        self.floor = float(-(self.stationary @ (self.table * self.table.log()).sum(1)))
        self.chance = entropy_of(self.stationary @ self.table)
        super().__init__(batch_size, held_out, monitor_batches)

    @property
    def shape(self) -> Shape:
        """As many outputs as symbols."""
        return Shape(inputs=self.symbols, outputs=self.symbols)

    @property
    def question(self) -> str:
        """The task in words."""
        return f"next symbol of {self.symbols} of a source of order {self.order}, entropy rate {self.floor:.4f} nats"

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """Return inputs and targets (count, length)."""
        context = torch.multinomial(self.stationary, count, replacement=True, generator=generator)
        chances = torch.rand(count, self.length + 1, generator=generator, dtype=torch.float64)
        cumulated = self.table.cumsum(1)[:, :-1].contiguous()
        drawn = [context // self.symbols**place % self.symbols for place in reversed(range(self.order))]
        for chance in chances.unbind(1)[self.order :]:
            drawn.append((cumulated[context] < chance.unsqueeze(1)).sum(1))
            context = (context * self.symbols + drawn[-1]) % self.symbols**self.order
        sequence = torch.stack(drawn, dim=1)
        targets = sequence[:, 1:].clone()
        targets[:, : self.order - 1] = NOT_COUNTED
        return sequence[:, :-1].contiguous(), targets

    def surprise(self, batch: Batch) -> Tensor:
        """Return -ln p of every charged target (one long row), by the source's own table: the best model there is."""
        inputs, targets = batch
        powers = self.symbols ** torch.arange(self.order).flip(0)
        context: Tensor = (inputs.unfold(1, self.order, 1) * powers).sum(-1)
        surprise: Tensor = -self.table[context, targets[:, self.order - 1 :]].log().flatten()
        return surprise


def stationary(table: Tensor, symbols: int) -> Tensor:
    """Return pi with pi = pi M for the chain of contexts, M moving context c to the one which ends in x."""
    contexts = table.shape[0]
    moves = torch.zeros(contexts, contexts, dtype=torch.float64)
    after = (torch.arange(contexts).unsqueeze(1) * symbols + torch.arange(symbols)) % contexts
    moves.scatter_add_(1, after, table)
    # pi (M - I) = 0 has rank one too few; "they sum to 1" takes the place of one equation.
    system = moves.T - torch.eye(contexts, dtype=torch.float64)
    system[-1] = 1.0
    wanted = torch.zeros(contexts, dtype=torch.float64)
    wanted[-1] = 1.0
    pi: Tensor = torch.linalg.solve(system, wanted)
    return pi
