"""``python -m verification.adapters --write docs/libraries.md``: the page on other libraries' L-BFGS.

Exit status: 0 written, 2 if it could not be.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from verification.adapters import LIBRARIES
from verification.adapters.page import page
from verification.terminal import prepare


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    prepare()
    parser = argparse.ArgumentParser(prog="python -m verification.adapters", description=page.__doc__)
    parser.add_argument("--write", type=Path, metavar="PATH.md", help="the file; none: print it")
    parser.add_argument("--examples", type=int, default=50, metavar="N", help="cases per law")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # the cases are tiny
    text = page(LIBRARIES, options.examples)
    if options.write is None:
        print(text)
        return 0
    try:
        options.write.write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"verification.adapters: {options.write} could not be written ({error.strerror}).", file=sys.stderr)
        return 2
    print(f"wrote {options.write}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
