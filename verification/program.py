"""The command line: its name as the user typed it, and its refusals in one sentence."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import NoReturn

from adaqn_lab.named import meant
from verification.roles import BadSubjectError

SCRIPT, MODULE = "adaqn-verify", "python -m verification"


def program() -> str:
    """The name under which this process was started: what help and errors say."""
    return SCRIPT if sys.argv and Path(sys.argv[0]).stem == SCRIPT else MODULE


class Parser(argparse.ArgumentParser):
    """argparse, which refuses in one sentence and names the option or the choice that is like what was given."""

    def error(self, message: str) -> NoReturn:
        """Raise BadSubjectError."""
        options = set(re.findall(r"--[a-z-]+", self.format_usage()))
        unknown = re.match(r"unrecognized arguments: (--[\w-]+)", message)
        choice = re.match(r"argument --\w+: invalid choice: '(.*?)' \(choose from (.*)\)", message)
        near = meant(unknown[1], options) if unknown else ""
        near = meant(choice[1], re.findall(r"[\w-]+", choice[2])) if choice else near
        raise BadSubjectError(f"{message}{near or f'; {self.prog} --help tells what can be given.'}")
