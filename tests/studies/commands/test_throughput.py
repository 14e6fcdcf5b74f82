"""The command ``throughput``: a row for each way to run, and one sentence for bad input."""

from pathlib import Path

import pytest

from studies.commands import throughput
from studies.models import Architecture
from studies.tasks import Shape
from studies.training.packing import Measured
from studies.variants.variant import Variant
from tests.studies.conftest import Command, Refused


def test_prints_a_row_for_each_way(command: Command, text_file: Path) -> None:
    done = command("throughput", "--text", str(text_file), "--model", "rnn-tanh", "--variant", "ADAQN", "--runs", "3",
                   "--steps", "2", "--workers", "1")  # fmt: skip
    assert done.returncode == 0, done.stderr
    head, _, *rows, end = done.stdout.splitlines()
    assert "ADAQN on rnn-tanh" in head
    assert [row[:13].strip() for row in rows] == ["own process", "R = 1", "R = 3", "products only"]
    per_minute = [float(row.split()[-3]) for row in rows]
    ratios = [float(row.split()[-1]) for row in rows]
    assert ratios[1] == 1.0
    # The reference is R = 1; a process of its own does the same steps and starts besides.
    assert ratios[0] < 1.0
    assert ratios[3] > 0.5  # a bound, but for what shares the machine while it is measured
    assert ratios[2] == pytest.approx(per_minute[2] / per_minute[1], rel=0.1)
    assert "ready to train after" in end


def test_operations_by_hand() -> None:
    model = Architecture(unit="lstm", embedding=2, hidden=3)  # 12 gates
    symbols = Shape(inputs=5, outputs=5)
    # 5 symbols or 4 places through (2, 12), 4 places through (3, 12) and (3, 5): once forward, twice back.
    assert throughput.operations(model, symbols, 10) == 6 * (5 * 2 * 12 + 10 * 3 * 12 + 10 * 3 * 5)
    assert throughput.operations(model, symbols, 4) == 6 * (4 * 2 * 12 + 4 * 3 * 12 + 4 * 3 * 5)
    deep = Architecture(unit="tanh", layers=2, hidden=3)
    numbers = Shape(inputs=2, outputs=1, tokens=False)
    assert throughput.operations(deep, numbers, 4) == 6 * 4 * (2 * 3 + 3 * 3 + 2 * 3 * 3 + 3)


def test_says_how_many_runs_it_would_choose(text_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, int] = {}

    def chosen(variant: Variant, *, memory: int, **_: object) -> tuple[int, list[Measured]]:
        asked[variant.name] = memory
        return 2, [Measured(runs=runs, seconds=0.004 / runs, memory=1) for runs in (1, 2)]

    monkeypatch.setattr(throughput, "choose_runs", chosen)
    told = throughput._chosen(throughput.Throughput(text=text_file, choose=True), workers=4)
    assert told.startswith("R = 2 is the fastest that fits into")
    assert "4.00 ms at 1, 2.00 ms at 2" in told
    assert asked["Adam"] > 10 << 20  # a fourth of the free memory


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--runs", "0"), "--runs 0 is too small"),
        (("--steps", "0"), "--steps 0 is too small"),
        (("--model", "gru"), "no model named 'gru'"),
        (("--variant", "adam"), "no variant named 'adam'"),
        (("--task", "chess"), "no task named 'chess'"),
    ],
)
def test_refuses_in_a_sentence(refused: Refused, text_file: Path, options: tuple[str, str], sentence: str) -> None:
    assert sentence in refused("throughput", "--text", str(text_file), *options)
