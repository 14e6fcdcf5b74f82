"""The runs of a study for TensorBoard: curves by step with their seconds, losses and settings under HPARAMS."""

import hashlib
import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from adaqn_lab.extras import install
from studies.analysis.summary import Summary
from studies.errors import InputError
from studies.planning.record import Record

TAG = "loss/validation"
_LONGEST = 190


def writer() -> Callable[..., Any]:
    """Return what opens an event file: torch's writer, or that of tensorboardX; `InputError` without both."""
    for module in ("torch.utils.tensorboard", "tensorboardX"):
        with suppress(ImportError):
            found: Callable[..., Any] = import_module(module).SummaryWriter
            return found
    how = install("tensorboard")
    raise InputError(f"--tensorboard needs the package tensorboard, which is not installed: {how}, then repeat.")


def write_tensorboard(summary: Summary, directory: Path) -> int:
    """Write a folder of events for each run into ``directory``; return how many were new.

    A run that has one is left alone: it does not change.
    """
    opened, began = writer(), _began(summary)
    new = 0
    for record in summary.records:
        folder = directory / folder_of(record)
        if not folder.exists():
            _write(opened, record, began, folder)
            new += 1
    return new


def folder_of(record: Record) -> Path:
    """Return the run's folder: variant, then ``evaluate lr=0.1 seed=100``, of signs that every file system has."""
    told = record.cell.key.replace(record.cell.variant, "", 1)
    return Path(_plain(record.cell.variant)) / _plain(" ".join(told.split()))


def _plain(name: str) -> str:
    plain = re.sub(r"[^\w.+= -]", "_", name)[:_LONGEST].strip(" .") or "_"
    # Two names of which the same is left must not share a folder.
    told = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return plain if plain == name else f"{plain} {told}"


def _began(summary: Summary) -> float:
    try:
        return datetime.fromisoformat(summary.provenance["started"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return 0.0


def _write(opened: Callable[..., Any], record: Record, began: float, folder: Path) -> None:
    """Write beside and move: a folder that is there is whole."""
    draft = folder.with_name(f"draft-{folder.name}")
    shutil.rmtree(draft, ignore_errors=True)
    with opened(log_dir=str(draft)) as events:
        for point in record.outcome.curve:
            events.add_scalar(TAG, point.loss, point.steps, began + point.seconds)
        steps, ended = record.outcome.steps, began + record.outcome.seconds
        for tag, value in _ends(record):
            events.add_scalar(tag, value, steps, ended)
        # The third argument, the sub-folder, has two names in the two packages.
        name = "run_name" if "torch" in type(events).__module__ else "name"
        events.add_hparams(_settings(record), dict(_ends(record)), **{name: "."})
    draft.replace(folder)


def _settings(record: Record) -> dict[str, bool | str | float]:
    cell = record.cell
    told: dict[str, bool | str | float] = {"variant": cell.variant, "phase": str(cell.phase), "lr": cell.lr}
    return {**told, "seed": cell.seed, **dict(cell.fields), "diverged": record.outcome.diverged}


def _ends(record: Record) -> Sequence[tuple[str, float]]:
    found = (("loss/final", record.outcome.validation_loss), ("loss/test", record.outcome.test_loss))
    return [(tag, value) for tag, value in found if value is not None]
