"""``adaqn-studies`` and ``python -m studies``: the command line. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import errno
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from studies.commands import streams
from studies.program import program

STOPPED = 130
KEPT = "Stopped: all finished runs are kept, the same command continues."
READY_SECONDS = 0.7
SLOW = {"ablate", "search", "convex", "worker", "throughput", "report", "record", "variants", "audit"}
"""The commands that import torch, which takes seconds."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 for failed runs, 2 for bad input, 130 after Ctrl-C."""
    given = sys.argv[1:] if arguments is None else arguments
    return _answered(lambda: _carry_out(_options(given), shlex.join([*program().split(), *given])))


def _options(given: list[str]) -> object:
    """Return the options of the command that is given."""
    from studies.commands.ablate import Ablate
    from studies.commands.audit import Audit
    from studies.commands.convex import Convex
    from studies.commands.parsing import parse
    from studies.commands.proxy import ProxyCommand
    from studies.commands.record import RecordCommand
    from studies.commands.report import Report
    from studies.commands.search import Search
    from studies.commands.throughput import Throughput
    from studies.commands.variants import Variants
    from studies.commands.worker import WorkerCommand

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
        "audit": Audit,
    }
    return parse(commands, given)


def _answered(do: Callable[[], int]) -> int:
    """Do it and return its status; what ends it is told in one sentence."""
    from studies.errors import InputError, WorkersLost

    try:
        return do()
    except BrokenPipeError:
        raise  # not the storage's: nobody reads the output any more
    except ModuleNotFoundError as error:
        from adaqn_lab.extras import missing as to_install

        if not (told := to_install(error, "studies")):
            raise
        return _say(told, 2)
    except InputError as refusal:
        return _say(str(refusal), 2)
    except WorkersLost as lost:
        return _say(str(lost), 1)
    except KeyboardInterrupt as stop:
        return _say(str(stop) or KEPT, STOPPED)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        what = "The disk is full" if error.errno in _FULL else f"The storage failed with {error.strerror!r}"
        way_out = "free some space and" if error.errno in _FULL else "see to its cause, then"
        return _say(f"{what}{place}: {way_out} repeat the command; all finished runs are kept.", 2)
    except Exception as error:
        from studies.execution.patience import reason_of, storage_failures

        if not isinstance(error, storage_failures()):
            raise
        return _say(
            f"The storage failed ({reason_of(error)}): see to its server, then repeat the command; all finished runs "
            "are kept.",
            2,
        )


def _carry_out(options: object, command: str) -> int:
    from studies.commands import ablate, audit, convex, proxy, record, report, search, throughput, variants, worker
    from studies.execution.secrets import without_password

    shown = without_password(command)
    match options:
        case ablate.Ablate():
            return ablate.ablate(options, shown)
        case search.Search():
            return search.search(options, shown)
        case convex.Convex():
            return convex.convex(options, shown)
        case variants.Variants():
            print(variants.listing())
            return 0
        case record.RecordCommand():
            return record.record(options)
        case report.Report():
            return report.report(options)
        case worker.WorkerCommand():
            return worker.worker(options)
        case proxy.ProxyCommand():
            return proxy.proxy(options)
        case throughput.Throughput():
            return throughput.throughput(options, shown)
        case audit.Audit():
            return audit.audit(options)
    raise AssertionError(options)


def _say(sentence: str, status: int) -> int:
    from studies.commands.study_options import say

    say(" ".join(sentence.split()))
    return status


def _stop_at_once(number: int, frame: FrameType | None) -> None:
    with suppress(OSError):  # not sys.stderr: while options are parsed, what is printed there is held back
        os.write(2, f"{KEPT}\n".encode())
    os._exit(STOPPED)


def run() -> int:
    """Run the command of the shell: say something within a second, and answer Ctrl-C from the first moment.

    Until the engine runs there is nothing to put in order, and an interrupted import would only be a traceback.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _stop_at_once)
    streams.prepare()
    if SLOW & set(sys.argv[1:2]) and not {"--help", "-h"} & set(sys.argv):
        # To this very stream: while options are parsed, what is printed on stderr is held back.
        shown = {"file": sys.stderr, "flush": True}
        notice = threading.Timer(READY_SECONDS, print, ("Getting ready: torch, the text, the storage ...",), shown)
        notice.daemon = True
        notice.start()
    return streams.until_cut_off(main)


if __name__ == "__main__":
    sys.exit(run())
