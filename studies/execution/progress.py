"""Progress on stderr: of a study, of a worker, of the run that it trains."""

import sys
from typing import Protocol

from tqdm import tqdm  # type: ignore[import-untyped]


class RunProgress(Protocol):
    """Who is told about the runs of a worker."""

    def begin(self, name: str, steps: int) -> None:
        """A run of that many steps begins."""

    def step(self) -> None:
        """One of its steps begins."""

    def end(self, loss: float | None) -> None:
        """It has ended, with ``None`` when it diverged or has no outcome."""


class Quiet:
    """Tell nobody."""

    def begin(self, name: str, steps: int) -> None:
        """Nothing."""

    def step(self) -> None:
        """Nothing."""

    def end(self, loss: float | None) -> None:
        """Nothing."""


def bar(**options: object) -> tqdm:
    """Return a bar on stderr: drawn twice a second on a terminal, a line every 15 s elsewhere."""
    interval = 0.5 if sys.stderr.isatty() else 15.0
    return tqdm(file=sys.stderr, mininterval=interval, smoothing=0.1, **options)


class RunBars:
    """Two bars: the runs of this worker with their rate, and the steps of the present one with the time left."""

    def __init__(self, worker: str) -> None:
        self._runs = bar(unit="run", desc=worker, position=0)
        self._steps: tqdm | None = None

    def begin(self, name: str, steps: int) -> None:
        """Open the run's bar, on a terminal: elsewhere a line for every run would be too many."""
        self._steps = bar(total=steps, unit="step", desc=name, position=1, leave=False, disable=not sys.stderr.isatty())

    def step(self) -> None:
        """Advance the run's bar."""
        if self._steps is not None:
            self._steps.update()

    def end(self, loss: float | None) -> None:
        """Close the run's bar and count the run."""
        if self._steps is not None:
            self._steps.close()
        self._runs.set_postfix_str("no loss" if loss is None else f"loss {loss:.4f}", refresh=False)
        self._runs.update()

    def close(self) -> None:
        """Leave the last count on the screen."""
        self._runs.close()
