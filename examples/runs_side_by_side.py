"""Eight runs in one process, eight learning rates and a checkpoint: ``python examples/runs_side_by_side.py``.

Every parameter's first dimension is R, the number of runs. They never influence each other.
"""

import argparse
import io

import torch

from adaqn_lab import QuasiNewton
from adaqn_lab.recipes import adaqn_rescaled

R = 8
SHAPES = ((10, 16), (1, 16), (16, 1))


class Networks(torch.nn.Module):
    """R networks with one hidden layer, all from the same parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = torch.nn.ParameterList((0.3 * torch.randn(shape)).repeat(R, 1, 1) for shape in SHAPES)

    def losses(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """One for each run, (R,)."""
        first, bias, last = self.weights
        return ((torch.tanh(x @ first + bias) @ last - y) ** 2).mean(dim=(1, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    steps = parser.parse_args().steps
    x = torch.randn(1000, 10)
    y = torch.sin(x[:, :2].sum(dim=1, keepdim=True))
    rates = torch.logspace(-3, 0, R)

    def built() -> tuple[Networks, QuasiNewton]:
        model = Networks()
        options = {"lr": rates, "runs": R, "monitor": lambda: model.losses(x[:200], y[:200])}
        return model, QuasiNewton(model.parameters(), adaqn_rescaled(batch_size=50), **options)

    model, optimizer = built()
    for step in range(steps):
        if step == steps // 2:  # as if the program had ended here
            torch.save([model.state_dict(), optimizer.state_dict()], file := io.BytesIO())
            model, optimizer = built()
            for target, saved in zip((model, optimizer), torch.load(io.BytesIO(file.getvalue())), strict=True):
                target.load_state_dict(saved)
        optimizer.zero_grad()
        model.losses(x[batch := torch.randint(200, 1000, (50,))], y[batch]).sum().backward()
        optimizer.step()
    for run, (rate, loss) in enumerate(zip(rates, model.losses(x[:200], y[:200]), strict=True)):
        kinds = [event.kind.name for event in optimizer.events if event.run == run]
        print(f"rate {rate:.4f}: loss {loss:.3f}, {kinds.count('ROLLED_BACK')} of {len(kinds)} windows rolled back")


if __name__ == "__main__":
    main()
