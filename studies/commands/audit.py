"""The command ``audit``: train a variant and look at its curvature pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from studies.commands import choices
from studies.errors import InputError, require_at_least

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from studies.training.outcome import Outcome
    from verification import Audit as Found


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Train a variant and compare its pairs with the curvature of the loss, window by window.

    Tells how many times too small y is, how far it points away from B s, and whether H is what it should be; writes
    table, picture and JSON. Training is bit for bit what it is without.
    """

    text: Path | None = None
    """A UTF-8 text file to learn; the King James Bible without it."""
    task: choices.Task = "characters"
    """The task's name, as for ablate."""
    model: choices.Model = "lstm"
    """The model's name, as for ablate."""
    variant: str = "ADAQN"
    """The method that trains; the command variants lists those that make pairs, and others; one of your own is
    given as module:NAME, as for ablate."""
    lr: float | None = None
    """Its learning rate; the centre of its grid without it."""
    schedule: choices.Schedule = "constant"
    """How the learning rate goes over a run; linear and cosine go to zero."""
    steps: int = 600
    """Steps of a run."""
    batch_size: int | None = None
    """Sequences of a mini-batch, instead of the task's."""
    length: int | None = None
    """Symbols of a window of the text, instead of the task's."""
    hidden: int | None = None
    """Hidden units of a layer, instead of the model's."""
    seeds: int = 3
    """Runs, trained side by side: with three or more the intervals are between runs."""
    matrix: Literal["gauss-newton", "hessian", "fisher"] = "gauss-newton"
    """What y should be a product with; for cross-entropy the Fisher matrix is the Gauss-Newton matrix."""
    every: int = 1
    """Look at every so-many-th window in which a pair was made."""
    sequences: int = 400
    """Sequences of a curvature batch; each product takes a new one."""
    device: str = "cpu"
    """cpu, cuda, cuda:1 or auto."""
    out: Path | None = None
    """Directory of audit.txt, audit.svg, audit.json, and pairs.pt, the state of the optimizer's memory at the end, for
    python -m verification pairs; one under runs/ without it."""

    def check(self) -> None:
        """Raise `InputError` for options that cannot be."""
        for name in ("steps", "batch_size", "length", "hidden", "seeds", "every", "sequences"):
            require_at_least(1, **{name: getattr(self, name)})
        if self.lr is not None and not self.lr > 0:
            raise InputError(f"--lr {self.lr} is no learning rate: give a positive one.")

    def directory(self, batch_size: int) -> Path:
        """Return ``--out`` or a name under runs/."""
        return self.out or Path("runs") / f"audit-{self.variant.replace(':', '-')}-{batch_size}"


def audit(options: Audit) -> int:
    """Train, print the summary and the paths of the files; return 0, or 1 when every run diverged."""
    from verification import BadSubjectError

    options.check()
    try:
        found, outcomes, out, optimizer = _trained(options)
        table = found.table()
        out.mkdir(parents=True, exist_ok=True)
        (out / "audit.txt").write_text(table + "\n", encoding="utf-8")
        found.plot(out / "audit.svg")
        found.json(out / "audit.json")
    except BadSubjectError as refusal:
        raise InputError(str(refusal)) from refusal
    print(found.table(windows=False))
    print(_losses(outcomes))
    print(*(out / f"audit.{kind}" for kind in ("txt", "svg", "json")), *_pairs(optimizer, out / "pairs.pt"), sep="\n")
    return 1 if all(outcome.diverged for outcome in outcomes) else 0


def _trained(options: Audit) -> tuple[Found, list[Outcome], Path, Optimizer]:
    """The audit of the runs, what they came to, where it goes, and the optimizer at the end."""
    from studies.commands.study_options import require_room
    from studies.execution.reading import read
    from studies.models import architecture
    from studies.planning.course import Course
    from studies.planning.on_a_task import text_for
    from studies.tasks import named_task
    from studies.training.device import device_named
    from studies.training.loop import prepare_process
    from studies.training.watched import Curvature, train_watched
    from studies.variants.names import choose_variants
    from verification import audit as begin

    choose_variants((options.variant,), 1)  # before the text is read
    model = architecture(options.model, hidden=options.hidden)
    device = device_named(options.device)
    text = text_for(options.task, read(options.text))
    task = named_task(options.task, text, batch_size=options.batch_size, length=options.length)
    (variant,) = choose_variants((options.variant,), task.batch_size)
    out = options.directory(task.batch_size)
    require_room(out)
    found: list[Found] = []
    optimizers: list[Optimizer] = []

    def watch(optimizer: Optimizer, curvature: Curvature) -> None:
        optimizers.append(optimizer)
        name = f"{variant.name}, batches of {task.batch_size}"
        found.append(begin(optimizer, curvature, matrix=options.matrix, every=options.every, name=name))

    prepare_process()
    outcomes = train_watched(
        variant,
        [(options.lr or variant.centre, seed) for seed in range(options.seeds)],
        watch,
        task=task,
        architecture=model,
        schedule=Course(schedule=options.schedule).of(options.steps),
        sequences=options.sequences,
        device=str(device),
    )
    return found[0], outcomes, out, optimizers[0]


def _pairs(optimizer: Optimizer, path: Path) -> list[Path]:
    """Write what the first run's memory holds, if it is a list of pairs; return the path."""
    import torch

    from verification import BadSubjectError
    from verification.curvature import held_pairs

    try:
        S, Y, _ = held_pairs(optimizer)
    except BadSubjectError:
        return []
    torch.save({"S": S, "Y": Y}, path)
    return [path]


def _losses(outcomes: list[Outcome]) -> str:
    """What the runs came to."""
    ends = [f"{each.validation_loss:.4f}" if each.validation_loss is not None else "diverged" for each in outcomes]
    rollbacks = sum(each.rollbacks or 0 for each in outcomes)
    return f"validation loss of the runs: {', '.join(ends)}; {rollbacks} roll-backs"
