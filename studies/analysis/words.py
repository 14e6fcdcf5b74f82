"""Models and tasks as a sentence calls them: ``the LSTM with the King James Bible``."""

MODELS = {
    "lstm": "the LSTM",
    "lstm-2": "the two-layer LSTM",
    "lstm-2-dropout": "the two-layer LSTM and dropout",
    "rnn-tanh": "the tanh RNN",
    "rnn-tanh-3": "the three-layer tanh RNN",
    "rnn-relu": "the ReLU RNN",
    "rnn-relu-3": "the three-layer ReLU RNN",
}
SYNTHETIC = {"adding": "the adding problem", "copy": "the copy task", "markov": "a Markov chain"}
_OF_A_TEXT = {"characters": "", "words": "the words of ", "words-2000": "the 2000 most frequent words of "}
_CARRIED = "-carried"
_KING_JAMES = "King James Bible"


def model_and_task(model: str, task: str, text: str) -> str:
    """Return what was trained on what; names that are not known here stand as they are.

    >>> model_and_task("lstm", "words", "King James Bible")
    'the LSTM with the words of the King James Bible'
    """
    return f"{MODELS.get(model, model)} with {_task(task, text)}"


def _task(task: str, text: str) -> str:
    if task in SYNTHETIC:
        return SYNTHETIC[task]
    kind = task.removesuffix(_CARRIED)
    named = f"the {text}" if text == _KING_JAMES else text
    told = f"{_OF_A_TEXT[kind]}{named}" if kind in _OF_A_TEXT else f"{named} ({kind})"
    return told + (" (its state carried from batch to batch)" if kind != task else "")


def sentence_case(text: str) -> str:
    """Return the text with a capital first letter.

    >>> sentence_case("the LSTM")
    'The LSTM'
    """
    return text[:1].upper() + text[1:]
