"""Texts made up here, and the real command line on them."""

import multiprocessing
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from studies.__main__ import main
from studies.planning.budget import Budget
from studies.planning.experiment import Experiment
from studies.tasks import Text, read_text
from tests.conftest import Once

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext  # Windows has none

Command = Callable[..., subprocess.CompletedProcess[str]]
Refused = Callable[..., str]


@pytest.fixture(scope="session")
def text_file(once: Once) -> Path:
    """A file of 12 000 characters with some structure to learn, the same for all: what one made names its path."""

    def make(place: Path) -> None:
        draw = random.Random(0)
        words = ["the", "gradient", "of", "a", "mini-batch", "points", "down", "and", "curvature", "bends", "it"]
        text = " ".join(draw.choice(words) for _ in range(2200))[:12_000]
        (place / "made-up.txt").write_text(text, encoding="utf-8")

    return once("text", make) / "made-up.txt"


@pytest.fixture(scope="session")
def text(text_file: Path) -> Text:
    return read_text(text_file)


@pytest.fixture(scope="session")
def experiment(text: Text) -> Experiment:
    budget = Budget(steps=25, rates=2, tuning_seeds=1, seeds=2)
    return Experiment(text=text, model="rnn-tanh", budget=budget, variants=("ADAQN", "Adam"))


@pytest.fixture(autouse=True)
def own_process() -> Iterator[None]:
    """One thread; and what `prepare_process` does to a worker's arithmetic does not outlast the test."""
    torch.set_num_threads(1)
    yield
    torch.set_flush_denormal(False)


def arguments(text_file: Path, out: Path, *more: str) -> list[str]:
    """A command of a few seconds: two variants, 25 steps of a tanh network."""
    fixed = ["--text", str(text_file), "--out", str(out), "--budget", "smoke", "--model", "rnn-tanh"]
    return ["ablate", *fixed, "--steps", "25", "--variants", "ADAQN", "Adam", "--workers", "1", *more]


def without_notice(told: str) -> str:
    """What a command said on stderr but for the word that a slow start is owed."""
    return told.removeprefix("Getting ready: torch, the text, the storage ...\n")


@pytest.fixture(scope="session")
def forks() -> "ForkServerContext":
    """Processes for a function, forked from one that has imported what opens a storage."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["studies.execution.storage"])
    return made


@pytest.fixture(scope="session")
def command() -> Command:
    """Run ``python -m studies`` to its end."""

    def run(*given: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "studies", *given], capture_output=True, text=True, timeout=80, check=False
        )

    return run


@pytest.fixture
def called(capsys: pytest.CaptureFixture[str]) -> Command:
    """`command` in this process, which has imported torch already; its workers are processes as ever.

    What a process of its own adds, the start, the streams and the end, is the same whatever the arguments are: for that
    see `finished` and the tests of streams and of stopping.
    """

    def run(*given: str) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        status = main(list(given))
        return subprocess.CompletedProcess(given, status, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def finished(
    once: Once, text_file: Path, tmp_path_factory: pytest.TempPathFactory, command: Command
) -> tuple[Path, str]:
    """The directory of a finished study and what its command printed; treat both as read-only."""

    def make(place: Path) -> None:
        done = command(*arguments(text_file, place / "study"))
        assert done.returncode == 0, done.stderr
        (place / "printed").write_text(done.stdout, encoding="utf-8")

    made = once("finished", make)
    own = Path(shutil.copytree(made / "study", tmp_path_factory.mktemp("finished") / "study"))
    return own, (made / "printed").read_text(encoding="utf-8").replace(str(made / "study"), str(own))


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run the command in this process, expect one sentence on stderr and status 2, and return the sentence."""

    def run(*given: str) -> str:
        status = main(list(given))
        told = capsys.readouterr()
        assert status == 2
        assert told.out == ""
        assert told.err.endswith((".\n", "?\n"))
        assert told.err.count("\n") == 1
        return told.err

    return run
