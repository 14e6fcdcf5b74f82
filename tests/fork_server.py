"""Processes of our commands that begin with torch imported: forked by a server instead of started.

A test that runs ``python -m studies`` would wait seconds for imports that are the same each time, and so would each
worker that the command starts. After `install`, `subprocess` has such processes forked by a server that has imported
the libraries; our own code is read anew. A forked process is what a started one is: the child of who asked for it, with
its own number, streams, directory, variables and session, open to signals, and it ends by itself.

A process is started as ever if forking would not do the same: under other options of the interpreter or other variables
that are read at its start, with a ``preexec_fn``, beside a GPU, which does not survive a fork, on systems other than
Linux. So are all where ``REAL_PROCESSES`` is set and inside `real`.
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
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

MODULES = ("studies", "studies.execution.worker", "verification")
SCRIPTS = Path(__file__).parents[1] / "examples"
LIBRARIES = (
    "torch._dynamo", "scipy.linalg", "scipy.optimize", "scipy.stats", "hypothesis", "optuna", "sqlalchemy",
    "matplotlib.backends.backend_agg", "matplotlib.pyplot", "jinja2", "rich", "tyro", "tqdm",
)  # fmt: skip
"""What most of the commands import; nothing of it starts a thread then."""
READ_AT_START = ("PYTHON", "OMP_", "MPL", "LC_", "LANG", "TRITON_INTERPRET")
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
    if _forking and len(given) == len(GIVEN) and usual and _is_ours(words):
        variables = dict(os.environ)
        if told["env"] is not None:
            variables = dict(os.fsdecode(variable).split("=", 1) for variable in told["env"])
        if _read_at_start(variables) == _read_at_start(_variables):
            streams = [told[name] if told[name] != -1 else own for own, name in enumerate(STREAMS)]
            asked = words[1:], os.fsdecode(told["cwd"] or os.getcwd()), variables, told["setsid"]
            with _one_at_a_time:
                server = _the_server()
                socket.send_fds(server, [pickle.dumps(asked)], streams)
                answer = server.recv(20)
            if not answer:
                raise RuntimeError("the tests' fork server has ended; with REAL_PROCESSES=1 they do without it")
            return int(answer)
    number: int = _start(*given)  # type: ignore[misc]
    return number


def _is_ours(words: list[str]) -> bool:
    if len(words) < 2 or words[0] != sys.executable:
        return False
    return words[2:3] != [] and words[2] in MODULES if words[1] == "-m" else SCRIPTS in Path(words[1]).parents


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
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        message, streams, _, _ = socket.recv_fds(asking, 1 << 20, 3)
        if not message:
            os._exit(0)
        # A child's child, and the child ends at once: so it becomes a child of the process that asked.
        reading, writing = os.pipe()
        between = os.fork()
        if between == 0:
            between = os.getpid()
            if number := os.fork():
                os.write(writing, str(number).encode())
                os._exit(0)
            asking.close()
            os.close(reading)
            os.close(writing)
            while os.getppid() == between:
                os.sched_yield()
            signal.signal(signal.SIGINT, interrupt)
            return _become(streams, *pickle.loads(message))
        os.waitpid(between, 0)
        asking.send(os.read(reading, 20))
        for done in (reading, writing, *streams):
            os.close(done)


def _become(
    streams: list[int], words: list[str], folder: str, variables: dict[str, str], new_session: bool
) -> Callable[[], object]:
    """Make this process the one that was asked for; return what it is to do."""
    global _server
    if new_session:
        os.setsid()
    _server, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:  # the process may start workers: by a server of its own
        for of_the_process in (*streams, _server.detach()):
            os.close(of_the_process)
        return _serve(its)
    its.close()
    _adopt()
    _fork()
    for own, given in enumerate(streams):
        os.dup2(given, own)
        os.close(given)
    for own, name in enumerate(STREAMS):
        old = getattr(sys, name)  # knows of what was there before whether it can be rewound
        buffer = open(own, "rb" if own == 0 else "wb", closefd=False)  # noqa: SIM115
        ways = {"line_buffering": old.line_buffering, "write_through": old.write_through}
        stream = io.TextIOWrapper(buffer, old.encoding, old.errors, **ways)
        stream.mode = old.mode
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.orig_argv[:] = [sys.executable, *words]
    np.random.seed()  # the module random does so by itself
    module = words[0] == "-m"
    sys.argv[1:] = words[2:] if module else words[1:]
    where = folder if module else str(Path(words[0]).parent)
    sys.path[:0] = [where, *filter(None, variables.get("PYTHONPATH", "").split(os.pathsep))]
    if module:
        return lambda: runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    return lambda: runpy.run_path(words[0], run_name="__main__")


def _main() -> None:
    _variables.update(os.environ)
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
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
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        status = 1
        traceback.print_exc()
    # What Python does at an end, but for taking all modules apart, which takes a second.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    _main()
