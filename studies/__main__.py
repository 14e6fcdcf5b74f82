"""``python -m studies``: the command line."""

import errno
import shlex
import sys
from collections.abc import Callable
from typing import Any

import tyro

from studies.commands.ablate import Ablate, ablate
from studies.commands.convex import Convex, convex
from studies.commands.proxy import ProxyCommand, proxy
from studies.commands.record import RecordCommand, freeze
from studies.commands.report import Report, report
from studies.commands.search import Search, search
from studies.commands.throughput import Throughput, throughput
from studies.commands.variants import Variants, listing
from studies.commands.worker import WorkerCommand, join
from studies.errors import InputError
from studies.execution.storage import reason_of, storage_failures, without_password
from studies.execution.worker_pool import WorkersLost

PROGRAM = "python -m studies"
_FULL = (errno.ENOSPC, errno.EDQUOT)


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 for failed runs, 2 for bad input, 130 after Ctrl-C."""
    given = sys.argv[1:] if arguments is None else arguments
    commands: dict[str, Callable[..., Any]] = {
        "ablate": Ablate,
        "search": Search,
        "variants": Variants,
        "report": Report,
        "record": RecordCommand,
        "worker": WorkerCommand,
        "proxy": ProxyCommand,
        "convex": Convex,
        "throughput": Throughput,
    }
    options = tyro.extras.subcommand_cli_from_dict(commands, args=given, prog=PROGRAM)
    try:
        return _carry_out(options, without_password(shlex.join([*PROGRAM.split(), *given])))
    except InputError as refusal:
        return _say(str(refusal), 2)
    except WorkersLost as lost:
        return _say(str(lost), 1)
    except KeyboardInterrupt as stop:
        return _say(str(stop) or "Stopped: all finished runs are kept, the same command continues.", 130)
    except storage_failures() as error:
        return _say(
            f"The storage failed ({reason_of(error)}): see to its server, then repeat the command; all finished runs "
            "are kept.",
            2,
        )
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        what = "The disk is full" if error.errno in _FULL else f"The storage failed with {error.strerror!r}"
        way_out = "free some space and" if error.errno in _FULL else "see to its cause, then"
        return _say(f"{what}{place}: {way_out} repeat the command; all finished runs are kept.", 2)


def _carry_out(options: object, command: str) -> int:
    match options:
        case Search():
            return search(options, command)
        case Variants():
            print(listing())
            return 0
        case RecordCommand():
            return freeze(options)
        case Report():
            return report(options)
        case WorkerCommand():
            return join(options)
        case ProxyCommand():
            return proxy(options)
        case Convex():
            return convex(options, command)
        case Throughput():
            return throughput(options)
        case Ablate():
            return ablate(options, command)
    raise AssertionError(options)


def _say(sentence: str, status: int) -> int:
    print(" ".join(sentence.split()), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
