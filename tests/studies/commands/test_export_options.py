"""Exports are no part of a study: they change neither its directory nor what it is."""

from pathlib import Path

import pytest

from studies.commands.ablate import Ablate
from studies.commands.export_options import ExportOptions
from studies.errors import InputError


def test_an_export_does_not_change_the_directory() -> None:
    plain, small = Ablate(task="markov", budget="smoke"), Ablate(task="markov", budget="smoke", steps=7)
    for options in (plain, small):
        with_exports = Ablate(
            task="markov", budget="smoke", steps=options.steps, tensorboard=Path("tb"), artifacts=Path("files")
        )
        assert with_exports.directory(options.experiment()) == options.directory(options.experiment())
    assert plain.directory(plain.experiment()) != small.directory(small.experiment())


@pytest.mark.parametrize("option", ["tensorboard", "artifacts"])
def test_a_place_that_cannot_be_is_refused_before_anything_runs(option: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=f"is or lies in a file, not a directory: give .* with --{option}."):
        ExportOptions(**{option: tmp_path / "file" / "inside"}).check_exports()
