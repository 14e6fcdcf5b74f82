"""Progress on stderr: of a study, of a worker, of the run that it trains."""

import sys
from collections import Counter
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol

from optuna.trial import TrialState
from tqdm import tqdm  # type: ignore[import-untyped]

from studies.execution.snapshot import AT_ONCE, Snapshot, cell_of
from studies.execution.time_left import seconds_left
from studies.planning.study import Study

_LATE = timedelta(minutes=5)
"""The pace is that of so long."""


class RunProgress(Protocol):
    """Who is told about the runs of a worker."""

    def begin(self, name: str, steps: int) -> None:
        """A run of that many steps begins."""

    def step(self) -> None:
        """One of its steps begins."""

    def end(self, loss: float | None) -> None:
        """It has ended, with ``None`` when it diverged or has no outcome."""

    def note(self, sentence: str) -> None:
        """Something is worth to be said."""


class Quiet:
    """Tell nobody."""

    def begin(self, name: str, steps: int) -> None:
        """Nothing."""

    def step(self) -> None:
        """Nothing."""

    def end(self, loss: float | None) -> None:
        """Nothing."""

    def note(self, sentence: str) -> None:
        """Nothing."""


def bar(**options: object) -> tqdm:
    """Return a bar on stderr: drawn twice a second on a terminal, a line every 15 s elsewhere."""
    interval = 0.5 if sys.stderr.isatty() else 15.0
    return tqdm(file=sys.stderr, mininterval=interval, smoothing=0.1, **options)


class StudyProgress:
    """A study's bar: cells done, the time left, the cell that was claimed last, and the best value so far."""

    def __init__(self, study: Study, name: str) -> None:
        self._study, self._name = study, name
        self._bar: tqdm | None = None

    def __enter__(self) -> "StudyProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def write(self, sentence: str) -> None:
        """Print a sentence above the bar."""
        tqdm.write(sentence, file=sys.stderr)

    def show(self, snapshot: Snapshot, left: Counter[str]) -> None:
        """Draw the study as it is; ``left`` counts the cells to do by group."""
        done = len(snapshot.results)
        if self._bar is None:
            form = "{desc}: {n_fmt}/{total_fmt} {unit}s [{elapsed}{postfix}]"
            total = done + left.total()
            self._bar = bar(total=total, initial=done, unit=self._study.unit, desc=self._name, bar_format=form)
        self._bar.total = done + left.total()
        now = datetime.now()
        seconds = seconds_left(self._study, snapshot, left, now)
        told = [_pace(snapshot, now), "" if seconds is None else f"about {tqdm.format_interval(seconds)} left",
                _latest(snapshot), _best(snapshot)]  # fmt: skip
        self._bar.set_postfix_str(", ".join(word for word in told if word), refresh=False)
        self._bar.update(done - self._bar.n)
        if sys.stderr.isatty():
            self._bar.refresh()


def _latest(snapshot: Snapshot) -> str:
    running = [trial for trial in snapshot.having(TrialState.RUNNING) if "cell" in trial.user_attrs]
    return f"now {running[-1].user_attrs['cell']}" if running else ""


def _pace(snapshot: Snapshot, now: datetime) -> str:
    """Return how many cells were finished in a minute of late, and how many are done at once where several are."""
    ends = sorted(trial.datetime_complete for trial in snapshot.having(TrialState.COMPLETE) if trial.datetime_complete)
    late = [end for end in ends if now - end < _LATE]
    running = snapshot.having(TrialState.RUNNING)
    together = max((trial.user_attrs.get(AT_ONCE, 1) for trial in running), default=1)
    pace = f"{60 * len(late) / max((now - late[0]).total_seconds(), 1.0):.3g} a minute" if len(late) > 1 else ""
    return ", ".join(word for word in (pace, f"{together} at once" if together > 1 else "") if word)


def _best(snapshot: Snapshot) -> str:
    best = snapshot.best
    return "" if best is None else f"best {best.values[0]:.4f} ({cell_of(best).key})"


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

    def note(self, sentence: str) -> None:
        """Print the sentence above the bars."""
        tqdm.write(sentence, file=sys.stderr)

    def close(self) -> None:
        """Leave the last count on the screen."""
        self._runs.close()
