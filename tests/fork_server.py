"""Processes of our commands that begin with torch imported: forked by a server instead of started.

A test that runs ``python -m studies`` would wait seconds for imports that are the same each time, and so would each
worker that the command starts. After `install`, `subprocess` has such processes forked by a server that has imported
the libraries; our own code is read anew. A forked process is what a started one is: the child of who asked for it, with
its own number, streams, directory, variables and session, open to signals, and it ends by itself.

A process is started as ever if forking would not do the same: under other options of the interpreter or other variables
that are read at its start, with a ``preexec_fn``, beside a GPU, which does not survive a fork, on systems other than
Linux. So are all where ``REAL_PROCESSES`` is set and inside `real`, for tests of what is not the same: a cold start;
the end, at which no object is taken apart, so that what threads do to that is not seen; the order of a set of strings;
what this process changed of itself since the server began (its limits, its umask, signals it ignores). A forked one
leaves a zombie, the server of its own, until this process ends.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import io
import os
import pickle
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

MODULES = ("studies", "studies.execution.worker", "verification")
SCRIPTS = Path(__file__).parents[1] / "examples"
LIBRARIES = (
    "torch._dynamo", "scipy.linalg", "scipy.optimize", "scipy.stats", "hypothesis", "optuna", "sqlalchemy",
    "matplotlib.backends.backend_agg", "matplotlib.pyplot", "jinja2", "rich", "tyro", "tqdm",
)  # fmt: skip
"""What most of the commands import; nothing of it starts a thread then."""
READ_AT_START = ("PYTHON", "OMP_", "MPL", "LC_", "LANG", "HOME", "TZ", "TQDM_", "TRITON_INTERPRET")
"""How the variables begin that Python or a library reads once; the server has one thread, as workers have."""
GIVEN = [
    "args", "executables", "close_fds", "pass_fds", "cwd", "env", "stdin", "-", "-", "stdout", "-", "stderr", "-",
    "errors", "restore_signals", "setsid", "pgid", "gid", "groups", "uid", "umask", "preexec_fn", "vfork",
]  # fmt: skip
"""The parameters of `subprocess._fork_exec`, from Python 3.11 to 3.13."""
STREAMS = ("stdin", "stdout", "stderr")
USUAL = {"close_fds": True, "pgid": -1, "gid": None, "groups": None, "uid": None, "umask": -1, "preexec_fn": None}
SET_CHILD_SUBREAPER = 36
"""Of prctl(2): what a descendant leaves behind when it ends becomes a child of this process."""

_start = getattr(subprocess, "_fork_exec", None)
_forking = False
_one_at_a_time = threading.Lock()
_server: socket.socket | None = None
_process_of_server: subprocess.Popen[bytes] | None = None
_variables: dict[str, str] = {}
_handlers: dict[signal.Signals, Any] = {}
LONGEST = 100_000
"""Bytes that fit into one message."""


def install() -> None:
    """Have `subprocess` ask a server for processes of ours; it starts, with the variables of now, when first asked."""
    _variables.update(os.environ, OMP_NUM_THREADS="1")
    if sys.platform == "linux" and _start is not None and not os.environ.get("REAL_PROCESSES"):
        _fork()


def forking() -> bool:
    """Whether processes are forked now."""
    return _forking


def _fork() -> None:
    global _forking
    _forking = True
    subprocess._fork_exec = _process  # type: ignore[attr-defined]
    os.register_at_fork(after_in_child=_forget)  # the server's answers are for one


def _forget() -> None:
    global _server, _one_at_a_time
    _server, _one_at_a_time = None, threading.Lock()


@contextmanager
def real() -> Iterator[None]:
    """Start all processes inside."""
    global _forking
    was, _forking = _forking, False
    try:
        yield
    finally:
        _forking = was


def _process(*given: Any) -> int:
    """In place of `subprocess._fork_exec`: start or fork a process; return its number."""
    told = dict(zip(GIVEN, given, strict=False))
    words = [os.fsdecode(word) for word in told["args"]]
    usual = all(told[name] == value for name, value in USUAL.items()) and told["pass_fds"] == (told["errors"],)
    usual = usual and len(given) == len(GIVEN) and told["executables"] == (os.fsencode(words[0]),)
    if _forking and usual and _is_ours(words):
        folder = os.path.realpath(os.fsdecode(told["cwd"] or "."))
        variables = dict(os.environ)
        if told["env"] is not None:
            variables = dict(os.fsdecode(variable).split("=", 1) for variable in told["env"])
        message = pickle.dumps((words[1:], folder, variables, told["setsid"]))
        same = _read_at_start(variables) == _read_at_start(_variables)
        if same and os.path.isdir(folder) and len(message) < LONGEST:
            return _ask(message, [told[name] if told[name] != -1 else own for own, name in enumerate(STREAMS)])
    number: int = _start(*given)  # type: ignore[misc]
    return number


def _ask(message: bytes, streams: list[int]) -> int:
    """Have the server fork, and return the number of the new process."""
    with _one_at_a_time:
        server = _the_server()
        try:
            socket.send_fds(server, [message], streams)
            if answer := server.recv(20):
                return int(answer)
        except BaseException:
            server.close()  # the answer that was not waited for would be taken for the next one
            _forget()
            raise
    raise RuntimeError("the tests' fork server has ended; with REAL_PROCESSES=1 they do without it")


def _is_ours(words: list[str]) -> bool:
    if len(words) < 2 or words[0] != sys.executable:
        return False
    if words[1] == "-m":
        return len(words) > 2 and words[2] in MODULES
    return SCRIPTS in Path(words[1]).parents


def _read_at_start(variables: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in variables.items() if name.startswith(READ_AT_START)}
    kept.pop("PYTHONPATH", None)  # read for a forked process too
    return kept


def _the_server() -> socket.socket:
    global _server, _process_of_server
    if _server is None:
        _adopt()
        _server, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its, real():
            _process_of_server = subprocess.Popen(
                [sys.executable, __file__, str(its.fileno())], pass_fds=[its.fileno()],
                env=_variables, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
    return _server


def _adopt() -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def _serve(asking: socket.socket) -> Callable[[], object]:
    """Fork a process for each message, until nobody can ask any more; in the process return what it is to do."""
    while True:
        try:
            message, streams, _, _ = socket.recv_fds(asking, 2 * LONGEST, 3)
        except OSError:
            message = b""
        if not message:
            os._exit(0)
        # A child's child, and the child ends at once: so it becomes a child of the process that asked.
        reading, ready = os.pipe()
        between = os.fork()
        if between == 0:
            between = os.getpid()
            if os.fork():
                os._exit(0)
            asking.close()
            os.close(reading)
            while os.getppid() == between:
                os.sched_yield()
            return _become(ready, streams, *pickle.loads(message))
        os.waitpid(between, 0)
        for given in (ready, *streams):
            os.close(given)
        with suppress(OSError):  # nobody waits for it any more
            asking.send(os.read(reading, 20))
        os.close(reading)


def _become(
    ready: int, streams: list[int], words: list[str], folder: str, variables: dict[str, str], new_session: bool
) -> Callable[[], object]:
    """Make this process the one that was asked for, tell its number, and return what it is to do."""
    global _server
    if new_session:
        os.setsid()
    asks, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:  # the process may start workers: by a server of its own
        for of_the_process in (ready, *streams, asks.detach()):
            os.close(of_the_process)
        return _serve(its)
    its.close()
    _server = asks
    _adopt()
    _fork()
    _take(streams)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.orig_argv[:] = [sys.executable, *words]
    np.random.seed()  # the module random does so by itself
    torch.seed()
    module = words[0] == "-m"
    sys.argv[1:] = words[2:] if module else words[1:]
    where = folder if module else str(Path(words[0]).parent)
    sys.path[:0] = [where, *_in_pythonpath(variables)]
    for number, handler in _handlers.items():
        signal.signal(number, handler)
    os.write(ready, str(os.getpid()).encode())
    os.close(ready)
    if module:
        return lambda: runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    return lambda: runpy.run_path(words[0], run_name="__main__")


def _take(streams: list[int]) -> None:
    """Make these the process's standard streams."""
    for own, given in enumerate(streams):
        os.dup2(given, own)
        os.close(given)
    for own, name in enumerate(STREAMS):
        old = getattr(sys, name)  # knows of what was there before whether it can be rewound
        buffering = 0 if isinstance(old.buffer, io.FileIO) else -1  # PYTHONUNBUFFERED
        buffer = open(own, "rb" if own == 0 else "wb", buffering, closefd=False)  # noqa: SIM115
        ways = {"line_buffering": old.line_buffering, "write_through": old.write_through}
        stream = io.TextIOWrapper(buffer, old.encoding, old.errors, **ways)
        stream.mode = old.mode
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _in_pythonpath(variables: dict[str, str]) -> list[str]:
    return [os.path.abspath(place) for place in variables.get("PYTHONPATH", "").split(os.pathsep) if place]


def _main() -> None:
    _handlers.update({number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)})
    _variables.update(os.environ)
    given = _in_pythonpath(_variables)
    sys.path[:] = [place for place in sys.path[1:] if place not in given]  # the first is this file's folder
    for library in LIBRARIES:
        with suppress(ModuleNotFoundError):
            importlib.import_module(library)
    gc.freeze()
    do, status = _serve(socket.socket(fileno=int(sys.argv[1]))), 0
    try:
        do()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)
    except KeyboardInterrupt:
        sys.excepthook(*sys.exc_info())
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        status = 1
        sys.excepthook(*sys.exc_info())
    # What Python does at an end, but for taking all objects apart, which takes a second.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        if sys.stdout is not None and not sys.stdout.closed:
            sys.stdout.flush()
    except OSError as error:
        print(f"Exception ignored in: {sys.stdout}\n{type(error).__name__}: {error}", file=sys.stderr)
        status = 120
    os._exit(status & 0xFF)


if __name__ == "__main__":
    _main()
