"""The words that options take, as types: help and tab completion show them, and nothing heavy is imported for it.

Not edited by hand: ``pytest tests/studies/commands/test_choices.py`` writes them from the registries, which need torch.
"""

from typing import Literal

Base = Literal["ADAQN", "ADAQN_RESCALED"]
Budget = Literal["small", "answer", "full", "smoke"]
Factor = Literal[
    "pair-generator", "fisher-normalisation", "scaling", "epsilon", "curvature-test", "capacity", "store", "window",
    "guard", "averaging", "stepper",
]  # fmt: skip
Model = Literal["lstm", "lstm-2", "lstm-2-dropout", "rnn-tanh", "rnn-tanh-3", "rnn-relu", "rnn-relu-3"]
Protocol = Literal["rates", "tuned"]
Schedule = Literal["constant", "linear", "cosine"]
Task = Literal[
    "characters", "characters-carried", "words", "words-carried", "words-2000", "words-2000-carried", "adding", "copy",
    "markov",
]  # fmt: skip
TunedField = Literal["momentum", "decay", "eps", "beta1", "beta2", "trust", "damping", "memory"]
