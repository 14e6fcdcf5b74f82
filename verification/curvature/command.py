"""``python -m verification pairs FILE``: are the pairs in a file sound?"""

from __future__ import annotations

import argparse
from pathlib import Path

from verification.curvature.check import check_pairs
from verification.curvature.pair_files import read_pairs
from verification.program import Parser, program


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=f"{program()} pairs",
        description="Look at curvature pairs: signs, conditioning, spectrum, and what three implementations of L-BFGS "
        "make of them.",
        epilog="Exit status: 0 the pairs are sound, 1 they are not, 2 there was nothing to look at.",
    )
    parser.add_argument("file", type=Path, help="S and Y by numpy.savez or torch.save, or an optimizer's state_dict()")
    parser.add_argument("--h0", type=float, metavar="NUMBER", help="H0 is this multiple of the identity")
    parser.add_argument("--run", type=int, default=0, metavar="R", help="of runs saved side by side, that one (from 0)")
    parser.add_argument("--plot", type=Path, metavar="PATH.svg", help="draw the cosines and the spectrum")
    return parser


def pairs(arguments: list[str]) -> int:
    """Look at the pairs; return the exit status. Raises BadSubjectError for a file without pairs."""
    options = _parser().parse_args(arguments)
    S, Y, h0 = read_pairs(options.file, options.run)
    report = check_pairs(S, Y, h0 if options.h0 is None else options.h0)
    print(report)
    if options.plot is not None:
        report.plot(options.plot)
        print(f"wrote {options.plot}")
    return 0 if report else 1
