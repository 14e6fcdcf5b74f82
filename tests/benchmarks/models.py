"""LSTMs of a given number of parameters, on characters unless told, with fixed batches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

SYMBOLS, BATCH, LENGTH = 68, 32, 32


class Characters(nn.Module):
    """Embedding, LSTM layers, linear read-out."""

    def __init__(self, embedding: int, hidden: int, symbols: int = SYMBOLS, layers: int = 1) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, embedding)
        self.lstm = nn.LSTM(embedding, hidden, layers, batch_first=True)
        self.readout = nn.Linear(hidden, symbols)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.lstm(self.embedding(x))[0])


@dataclass(frozen=True)
class Size:
    """An LSTM's widths."""

    embedding: int
    hidden: int

    def build(self, seed: int = 0) -> Characters:
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            return Characters(self.embedding, self.hidden)


SIZES = {"tiny": Size(4, 6), "0.1M": Size(32, 136), "1M": Size(64, 460), "10M": Size(128, 1500)}
"""By their parameters: about 0.1, 1 and 10 million; the tiny one is for runs without timing."""


class Loss:
    """``() -> loss`` of a model on one fixed random batch."""

    def __init__(self, model: Characters, seed: int, batch: int = BATCH, length: int = LENGTH) -> None:
        generator = torch.Generator().manual_seed(seed)
        symbols = torch.randint(model.embedding.num_embeddings, (batch, length + 1), generator=generator)
        symbols = symbols.to(model.embedding.weight.device)
        self.model, self.x, self.y = model, symbols[:, :-1], symbols[:, 1:]

    def __call__(self) -> Tensor:
        return nn.functional.cross_entropy(self.model(self.x).flatten(0, 1), self.y.flatten())


def parameters(model: nn.Module) -> int:
    """How many."""
    return sum(p.numel() for p in model.parameters())
