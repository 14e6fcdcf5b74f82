"""The command ``throughput``: runs per minute, side by side against one process per run."""

import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from studies.commands import choices
from studies.commands.training_options import SizeOptions


@dataclass(frozen=True, kw_only=True)
class Throughput(SizeOptions):
    """Measure how many runs a minute this machine finishes: R side by side on a GPU, or in a process for each core;
    one at a time in a process for each core; and one at a time in a process of its own, started for it.

    Leave the machine alone meanwhile. Evaluation is left out, it costs all alike. The last row bounds them all: the
    matrix products of the runs at the peak of the GPU, or of all cores, and nothing else. Data, gradients and optimizer
    are timed alone; launches is the part of a step in which the host tells a GPU what to do. Where R runs do not fit in
    the memory, the table says so, and no more than R are tried.
    """

    text: Path | None = None
    """A text to learn, as for ablate."""
    task: choices.Task = "characters"
    """The task's name, as for ablate."""
    model: choices.Model = "lstm"
    """The model's name, as for ablate."""
    variant: str = "Adam"
    """The method that trains, as for ablate."""
    device: str = "cpu"
    """cpu, cuda, cuda:1 or auto."""
    runs: tuple[int, ...] = ()
    """Runs side by side in a process: 1 4 16 without it, on a GPU up to 1024."""
    steps: int = 60
    """Steps that are timed, after those that warm up."""
    run_steps: int = 600
    """Steps of a whole run, for which runs per minute are told."""
    workers: int | None = None
    """Processes at a time on the cores; one per usable core without it."""
    choose: bool = False
    """Also say how many runs side by side are best here: the fastest number that fits into the free memory."""
    out: Path | None = None
    """Also write report.html, throughput.csv and throughput.png into this directory."""


def throughput(options: Throughput, command: str) -> int:
    """Measure and print; return 0. Raises `InputError` for bad input before anything is started."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    from studies.execution.provenance import environment, machine
    from studies.execution.throughput import Workload, best_number, rates
    from studies.reports.console import show
    from studies.reports.texts import plain
    from studies.reports.throughput import table, write_files
    from studies.training.device import device_named

    options.check_sizes()
    work = Workload(**{each.name: getattr(options, each.name) for each in fields(Workload)})
    work.check()
    where, told = machine(), environment(str(device_named(options.device)))
    processes = "1 process" if work.processes == 1 else f"{work.processes} processes"
    gpu = f"{told['device']}; " if work.on_gpu else ""
    given = {name.replace("_", " "): value for name, value in asdict(options.sizes).items() if value is not None}
    what = ", ".join([f"{options.variant} on {options.model}", options.task, *(f"{k} {v}" for k, v in given.items())])
    title = (
        f"{what}, runs of {options.run_steps} steps; {gpu}{processes} of one thread on "
        f"{where['processor']}, torch {told['torch']}, commit {str(told['commit'])[:9]}"
    )
    found = list(tqdm(rates(work), unit=" measured", file=sys.stderr, disable=not sys.stderr.isatty()))
    notes = [best_number(work)] if options.choose else []
    show(title, table(found), notes, sys.stdout)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        print(*map(plain, write_files(title, found, notes, {**where, **told}, command, options.out)), sep="\n")
    return 0
