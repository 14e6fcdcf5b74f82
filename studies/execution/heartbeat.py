"""Signs of life of the runs on other machines: workers give them, whoever watches the study takes them."""

import threading
import time
from collections.abc import Callable
from types import TracebackType

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial

from studies.execution.patience import storage_failures
from studies.execution.processes import Worker

BEAT_SECONDS = 10.0
"""A worker writes a sign of life this often."""
GRACE_SECONDS = 60.0
"""A run on another machine is lost when no new sign of life came for this long."""
AWAY_SECONDS = 20.0
"""Who has not looked for this long was away, and gives every run its grace anew."""
CLAIM_SECONDS = 10.0
"""A running trial without a worker's name is lost after this time: its claimer died before it signed."""


class Heartbeat:
    """Write the number of steps done into the trial every `BEAT_SECONDS` while the context is open.

    Optuna's own heartbeat exists for relational storages under ``study.optimize`` only; an attribute of the
    trial reaches every storage, and a dashboard shows it. ``given_up`` is set when the trial was finished by
    somebody else, who thought this worker dead.
    """

    def __init__(self, trial: Trial, steps: Callable[[], int]) -> None:
        self._trial, self._steps = trial, steps
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.given_up = threading.Event()

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        count = 0
        while not self._closed.wait(BEAT_SECONDS):
            count += 1
            try:
                self._trial.set_user_attr("beat", [count, self._steps()])
            except UpdateFinishedTrialError:
                self.given_up.set()
                return
            except OSError:
                continue  # the storage is away: it may come back, and telling the outcome is what counts
            except storage_failures():
                continue


class Watch:
    """Tell which running trials are lost.

    A worker of this machine is asked for by its process. Of other machines it is watched whether the signs
    of life change, by this machine's clock: clocks of different machines are never compared.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[object, float]] = {}
        self._looked = time.monotonic()

    def is_lost(self, trial: FrozenTrial) -> bool:
        """Return whether nobody runs the trial any more."""
        name = trial.user_attrs.get("worker")
        if name is not None and (worker := Worker.parse(name)).here:
            return not worker.alive
        sign = (name, trial.user_attrs.get("beat"))
        before, since = self._seen.get(trial.number, (None, 0.0))
        now, away = time.monotonic(), time.monotonic() - self._looked
        self._looked = now
        if away > AWAY_SECONDS:
            # The storage was out of reach, for the workers too: what they could not write is no sign of death.
            self._seen = {number: (found, now) for number, (found, _) in self._seen.items()}
            since = now
        if before != sign:
            self._seen[trial.number] = (sign, now)
            return False
        return now - since > (CLAIM_SECONDS if name is None else GRACE_SECONDS)
