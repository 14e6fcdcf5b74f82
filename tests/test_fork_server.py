"""A forked process is what a started one is."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests import fork_server

pytestmark = pytest.mark.skipif(not fork_server.forking(), reason="all processes are started here")
TELLS = """
    import json, os, signal, sys, studies, own
    print(json.dumps({
        "name": [__name__, __spec__.name, __file__, studies.__file__, own.__file__],
        "argv": [sys.argv, sys.orig_argv, sys.path[0], os.getcwd()],
        "variables": dict(os.environ),
        "family": [os.getppid(), os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()],
        "streams": [(s.encoding, s.errors, s.mode, s.line_buffering, s.isatty()) for s in (sys.stdin, sys.stdout)],
        "stderr": [sys.stderr.encoding, sys.stderr.errors, sys.stderr.line_buffering, sys.stderr.write_through],
        "open": sorted(os.listdir("/proc/self/fd")) [:3],
        "ctrl-c": str(signal.getsignal(signal.SIGINT)), "pipe": str(signal.getsignal(signal.SIGPIPE)),
        "read": sys.stdin.read(),
    }))
    print("a word", file=sys.stderr)
    raise SystemExit(7)
"""


@pytest.fixture
def place(tmp_path: Path) -> Callable[[str], Path]:
    """A folder with a package ``studies`` that does what is given; our own code is not what is tried here."""

    def made(program: str) -> Path:
        (tmp_path / "studies").mkdir()
        (tmp_path / "more").mkdir()
        (tmp_path / "more" / "own.py").touch()
        (tmp_path / "studies" / "__init__.py").touch()
        (tmp_path / "studies" / "__main__.py").write_text(textwrap.dedent(program))
        return tmp_path

    return made


def run(place: Path, **given: Any) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(place / "more"), "MINE": "ü"}
    return subprocess.run(
        [sys.executable, "-m", "studies", "a", "b c"], cwd=place, env=variables, text=True, capture_output=True,
        check=False, **given,
    )  # fmt: skip


@pytest.mark.parametrize("new_session", [False, True])
def test_it_is_where_and_what_a_started_one_is(place: Callable[[str], Path], new_session: bool) -> None:
    folder = place(TELLS)
    forked = run(folder, input="some\nlines", start_new_session=new_session)
    with fork_server.real():
        started = run(folder, input="some\nlines", start_new_session=new_session)
    assert json.loads(forked.stdout) == json.loads(started.stdout)
    assert json.loads(forked.stdout)["family"][0] == os.getpid()
    assert (forked.returncode, forked.stderr) == (started.returncode, started.stderr) == (7, "a word\n")


@pytest.mark.parametrize(
    ("program", "status"),
    [("", 0), ("raise SystemExit", 0), ("raise SystemExit('a sentence')", 1), ("1 / 0", 1),
     ("raise KeyboardInterrupt", -signal.SIGINT),
     ("import os; os._exit(5)", 5), ("raise SystemExit(('a', 2))", 1), ("raise SystemExit(300)", 44),
     ("print(1, flush=True); import sys; sys.stdout = open('/dev/full', 'w'); print(2)", 120),
     ("import sys; sys.excepthook = lambda *_: print('hook'); 1 / 0", 1), ("import sys; sys.stdout.close()", 0),
     ("import atexit; atexit.register(print, 'last', flush=True)", 0),
     ("import os; os.abort()", -signal.SIGABRT)],
)  # fmt: skip
def test_it_ends_as_a_started_one(place: Callable[[str], Path], program: str, status: int) -> None:
    folder = place(program)
    forked = run(folder)
    with fork_server.real():
        started = run(folder)
    assert forked.returncode == started.returncode == status
    assert forked.stdout == started.stdout
    assert forked.stderr.splitlines()[-1:] == started.stderr.splitlines()[-1:]


def test_it_is_there_at_once_and_has_torch(place: Callable[[str], Path]) -> None:
    """That processes are forked at all: nothing else would tell, but the time that all the tests take."""
    folder = place(
        "import sys; print('torch._dynamo' in sys.modules, 'tests' in sys.modules, 'adaqn_lab' in sys.modules)"
    )
    assert run(folder).stdout == "True False False\n"
    with fork_server.real():
        assert run(folder).stdout == "False False False\n"


@pytest.mark.parametrize("given", [{"env": {**os.environ, "PYTHONHASHSEED": "1"}}, {"preexec_fn": lambda: None}])
def test_what_is_told_at_a_start_starts(place: Callable[[str], Path], given: dict[str, Any]) -> None:
    folder = place("import sys; print('torch' in sys.modules)")
    done = subprocess.run([sys.executable, "-m", "studies"], cwd=folder, stdout=subprocess.PIPE, check=True, **given)
    assert done.stdout == b"False\n"


@contextmanager
def session(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The process in a session of its own, which is killed at the end."""
    made = subprocess.Popen(
        [sys.executable, "-m", "studies"], cwd=folder, start_new_session=True, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        yield made
    finally:
        with suppress(ProcessLookupError):
            os.killpg(made.pid, signal.SIGKILL)
        made.communicate(timeout=10)


def test_signals_reach_it_and_its_children_are_forked_and_end_with_its_group(place: Callable[[str], Path]) -> None:
    child = "import os, sys, time; print(os.getpid(), 'torch' in sys.modules, flush=True); time.sleep(60)"
    folder = place(f"""
        import subprocess, sys
        if len(sys.argv) > 1:
            {child}
        inner = subprocess.Popen([sys.executable, "-m", "studies", "inner"], stdout=subprocess.PIPE)
        print(inner.stdout.readline().decode(), inner.pid, flush=True)
        inner.wait()
    """)
    with session(folder) as outer:
        assert outer.stdout is not None
        number, has_torch = outer.stdout.readline().split()
        assert (has_torch, outer.stdout.readline().strip()) == ("True", number)
        outer.send_signal(signal.SIGSTOP)
        assert os.waitpid(outer.pid, os.WUNTRACED)[0] == outer.pid
    assert outer.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while "Z (zombie)" not in Path(f"/proc/{number}/status").read_text():  # a child of this process, as it is adopted
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_signal_reaches_it_from_the_first_moment_on(place: Callable[[str], Path]) -> None:
    folder = place("import time; time.sleep(60)")
    for _ in range(5):
        with session(folder) as made:
            os.killpg(made.pid, signal.SIGINT)
            assert made.wait(10) == -signal.SIGINT


def test_numbers_drawn_without_a_seed_differ(place: Callable[[str], Path]) -> None:
    folder = place("import random, numpy, torch; print(random.random(), numpy.random.rand(), torch.rand(1).item())")
    assert len({number for _ in range(3) for number in run(folder).stdout.split()}) == 9


def test_a_folder_that_is_relative_or_missing(
    place: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place("import os; print(os.getcwd())")
    monkeypatch.chdir(tmp_path.parent)
    command = [sys.executable, "-m", "studies"]
    assert subprocess.check_output(command, cwd=tmp_path.name, text=True) == f"{tmp_path}\n"
    with pytest.raises(FileNotFoundError):
        subprocess.run(command, cwd="no such folder", check=False)


def test_a_child_asks_a_server_of_its_own(place: Callable[[str], Path]) -> None:
    run(place(""))
    child = os.fork()
    if child == 0:
        os._exit(int(fork_server._server is not None))
    assert os.waitpid(child, 0)[1] == 0
    assert fork_server._server is not None


def test_an_answer_that_was_not_waited_for_is_nobody_s(place: Callable[[str], Path]) -> None:
    def stop(*_: object) -> None:
        raise TimeoutError

    folder = place("import sys; raise SystemExit(int(sys.argv[1]))")
    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.002)
        with suppress(TimeoutError):
            subprocess.run([sys.executable, "-m", "studies", "1"], cwd=folder, check=False)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert subprocess.run([sys.executable, "-m", "studies", "9"], cwd=folder, check=False).returncode == 9
