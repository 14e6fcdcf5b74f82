"""The command ``throughput``: runs per minute, side by side against one process per run."""

from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """Measure how many runs a minute every core together finishes: R side by side in a process for each core,
    one at a time in a process for each core, and one at a time in a process of its own, started for it.

    Leave the machine alone meanwhile. Evaluation is left out, it costs all three alike. The last row bounds them all:
    the matrix products of the runs at one core's peak, on every core, and nothing else.
    """

    text: Path | None = None
    """A text to learn, as for ablate."""
    task: str = "characters"
    """The task's name, as for ablate."""
    model: str = "lstm"
    """The model's name, as for ablate."""
    variant: str = "Adam"
    """The method that trains."""
    runs: tuple[int, ...] = (1, 4, 16)
    """Runs side by side in each process; 1 is measured in any case, for comparison."""
    steps: int = 60
    """Steps that are timed, after as few to warm up."""
    length: int = 600
    """Steps of a whole run, for which runs per minute are told."""
    workers: int | None = None
    """Processes at a time; one per usable core without it."""
    choose: bool = False
    """Also say how many runs side by side are best here: the fastest number that fits into the free memory."""


def throughput(options: Throughput) -> int:
    """Measure and print; return 0. Raises `InputError` for bad input before anything is started."""
    from studies.execution.throughput import Workload, print_throughput

    return print_throughput(Workload(**asdict(options)))
