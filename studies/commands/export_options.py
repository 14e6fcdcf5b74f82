"""Options that also write a study for tools of other people: TensorBoard and optuna-dashboard."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studies.commands.study_options import require_room

if TYPE_CHECKING:
    from studies.analysis.summary import Summary
    from studies.execution.store import Store


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of ablate and report."""

    tensorboard: Path | None = None
    """Also write every run into this directory for TensorBoard; needs adaqn-lab[tensorboard]."""
    artifacts: Path | None = None
    """Also attach figures and curves to the study in its storage, kept in this directory, for optuna-dashboard."""

    def check_exports(self) -> None:
        """Raise `InputError` for an export that cannot be, before anything heavy is done."""
        if self.tensorboard is not None:
            from studies.reports.tensorboard import writer

            writer()
        for option, place in (("--tensorboard", self.tensorboard), ("--artifacts", self.artifacts)):
            if place is not None:
                require_room(place, option)

    def export(self, summary: Summary, store: Store) -> None:
        """Write what was asked for, and say on stderr how to look at it."""
        from studies.reports.texts import plain

        if self.tensorboard is not None:
            from studies.reports.tensorboard import write_tensorboard

            new = write_tensorboard(summary, self.tensorboard)
            told = f"{new} of {len(summary.records)} runs are new in {self.tensorboard}: tensorboard --logdir "
            print(plain(f"{told}{self.tensorboard}"), file=sys.stderr)
        if self.artifacts is not None:
            from studies.execution.artifacts import attach
            from studies.reports.figures import figure_files

            new = attach(store, figure_files(summary), self.artifacts)
            told = f"{new} files are newly attached to the study: optuna-dashboard {store.shown} --artifact-dir "
            print(plain(f"{told}{self.artifacts}"), file=sys.stderr)
