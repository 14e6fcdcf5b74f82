"""The command ``throughput``: a row for each way to run, and one sentence for bad input."""

import csv
from pathlib import Path

import pytest

from tests.studies.conftest import Command, Refused


def test_prints_a_row_for_each_way_and_draws_them(command: Command, text_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "measured"
    done = command("throughput", "--text", str(text_file), "--model", "rnn-tanh", "--variant", "ADAQN", "--runs", "3",
                   "--steps", "20", "--workers", "1", "--hidden", "7", "--batch-size", "4", "--run-steps", "50",
                   "--out", str(out))  # fmt: skip
    assert done.returncode == 0, done.stderr
    title = "ADAQN on rnn-tanh, characters, batch size 4, hidden 7, runs of 50 steps; 1 process of one thread on"
    assert title in " ".join(done.stdout.split())
    with (out / "throughput.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["way"] for row in rows] == ["own process", "R = 1", "R = 3", "products only"]
    assert all(f"│ {row['way']}" in done.stdout for row in rows)
    ratios = [float(row["times"]) for row in rows]
    assert ratios[1] == 1.0
    # The reference is R = 1; a process of its own does the same steps and starts besides.
    assert ratios[0] < 1.0
    assert ratios[3] > 0.5  # a bound, but for what shares the machine while it is measured
    assert ratios[2] == pytest.approx(float(rows[2]["per_minute"]) / float(rows[1]["per_minute"]))
    for row in rows[:3]:
        parts = sum(float(row[f"share_{name}"]) for name in ("data", "gradients", "optimizer"))
        assert 0.2 < parts < 5.0  # they are the step, timed alone, on a machine that may be busy
        assert row["limit"] in ("data", "gradients", "optimizer")
    assert (out / "throughput.png").read_bytes().startswith(b"\x89PNG")
    page = (out / "report.html").read_text()
    assert "The fastest way is" in page
    assert "python -m studies throughput --text" in page
    assert "https://" not in page


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--runs", "0"), "--runs 0 is too small"),
        (("--steps", "0"), "--steps 0 is too small"),
        (("--run-steps", "0"), "--run-steps 0 is too small"),
        (("--hidden", "0"), "--hidden 0 is too small"),
        (("--length", "100000"), "100000"),
        (("--model", "gru"), "no model named 'gru'"),
        (("--variant", "adam"), "no variant named 'adam'"),
        (("--task", "chess"), "no task named 'chess'"),
        (("--device", "tpu"), "--device tpu is none of cpu, cuda"),
    ],
)
def test_refuses_in_a_sentence(refused: Refused, text_file: Path, options: tuple[str, str], sentence: str) -> None:
    assert sentence in refused("throughput", "--text", str(text_file), *options)
