"""The command ``throughput``: a row for each way to run, and one sentence for bad input."""

from pathlib import Path

import pytest

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
