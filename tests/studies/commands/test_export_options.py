"""Exports are no part of a study: they change neither its directory nor what it is."""

from pathlib import Path

from studies.commands.ablate import Ablate


def test_an_export_does_not_change_the_directory() -> None:
    plain, small = Ablate(task="markov", budget="smoke"), Ablate(task="markov", budget="smoke", steps=7)
    for options in (plain, small):
        with_exports = Ablate(
            task="markov", budget="smoke", steps=options.steps, tensorboard=Path("tb"), artifacts=Path("files")
        )
        assert with_exports.directory(options.experiment()) == options.directory(options.experiment())
    assert plain.directory(plain.experiment()) != small.directory(small.experiment())
