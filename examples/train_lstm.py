"""Train a character-level LSTM with adaQN and with Adam: ``python examples/train_lstm.py``."""

import argparse
from collections import Counter

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from adaqn_lab import QuasiNewton
from adaqn_lab.recipes import adaqn_rescaled

WORDS = ["the", "small", "old", "dog", "cat", "sees", "hears", "a", "bird", "and"]
LETTERS = " abcdefghijklmnopqrstuvwxyz"


def text(length: int) -> torch.Tensor:
    words = " ".join(WORDS[i] for i in torch.randint(len(WORDS), (length,)))
    return torch.tensor([LETTERS.index(letter) for letter in words[:length]])


class Characters(nn.Module):
    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        self.embed, self.lstm = nn.Embedding(len(LETTERS), 16), nn.LSTM(16, hidden, batch_first=True)
        self.head = nn.Linear(hidden, len(LETTERS))

    def loss(self, windows: torch.Tensor) -> torch.Tensor:
        """Nats a character, of windows (B, T + 1)."""
        outputs, _ = self.lstm(self.embed(windows[:, :-1]))
        return cross_entropy(self.head(outputs).flatten(0, 1), windows[:, 1:].flatten())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    steps = parser.parse_args().steps
    windows = text(200_000).unfold(0, 31, 31)
    monitor, training = windows[:200], windows[200:]
    for name in ("adaQN", "Adam"):
        torch.manual_seed(1)
        model = Characters()
        if name == "Adam":
            optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        else:
            recipe = adaqn_rescaled(batch_size=50)
            optimizer = QuasiNewton(model.parameters(), recipe, lr=0.1, monitor=lambda m=model: m.loss(monitor))
        for _ in range(steps):
            optimizer.zero_grad()
            model.loss(training[torch.randint(len(training), (50,))]).backward()
            optimizer.step()
        events = Counter(event.kind.name for event in getattr(optimizer, "events", ()))
        print(f"{name}: {model.loss(monitor).item():.3f} nats a character {dict(events) or ''}")


if __name__ == "__main__":
    main()
