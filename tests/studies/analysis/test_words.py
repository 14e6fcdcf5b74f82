"""Sentences name models and tasks as people do, and what is not known as it is called."""

import pytest

from studies.analysis.words import MODELS, SYNTHETIC, model_and_task, sentence_case
from studies.models import MODELS as KNOWN
from studies.tasks import TASKS


@pytest.mark.parametrize(
    ("model", "task", "text", "told"),
    [
        ("lstm", "characters", "King James Bible", "the LSTM with the King James Bible"),
        ("rnn-tanh-3", "characters", "ptb.txt", "the three-layer tanh RNN with ptb.txt"),
        ("lstm", "words-2000", "a.txt", "the LSTM with the 2000 most frequent words of a.txt"),
        ("lstm-2", "words-carried", "a.txt",
         "the two-layer LSTM with the words of a.txt (its state carried from batch to batch)"),
        ("rnn-relu", "adding", "adding", "the ReLU RNN with the adding problem"),
        ("gru", "chess", "a.txt", "gru with a.txt (chess)"),
    ],
)  # fmt: skip
def test_it_reads_as_english(model: str, task: str, text: str, told: str) -> None:
    assert model_and_task(model, task, text) == told


def test_every_model_and_task_has_words() -> None:
    assert MODELS.keys() == KNOWN.keys()
    assert {name for name, task in TASKS.items() if task.synthetic} == SYNTHETIC.keys()
    assert not any(f"({name}" in model_and_task("lstm", name, "t") for name in TASKS)
    assert sentence_case("") == ""
