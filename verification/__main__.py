"""``adaqn-verify`` and ``python -m verification``: `verification.command`, or what to install first."""

from __future__ import annotations

import sys

from verification.terminal import prepare


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status: 2 with one sentence where an extra is missing."""
    prepare()
    try:
        from verification.command import run

        return run(sys.argv[1:] if arguments is None else arguments)
    except ModuleNotFoundError as error:
        from adaqn_lab.extras import missing

        if not (told := missing(error, "verification")):
            raise
        print(f"verification: {told}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
