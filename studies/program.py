"""The command line's name, as the user typed it: the installed script, or the module."""

import sys
from pathlib import Path

SCRIPT, MODULE = "adaqn-studies", "python -m studies"


def program() -> str:
    """Return the name under which this process was started: what help, errors and stored commands say."""
    return SCRIPT if sys.argv and Path(sys.argv[0]).stem == SCRIPT else MODULE


def is_ours(command: str) -> bool:
    """Return whether a stored command line is one of this program, under either name."""
    return command.startswith((f"{SCRIPT} ", f"{MODULE} "))
