"""Judge mutants in one pytest session: collected once, then a forked child for each mutant.

Every test runs once on the unchanged code and must pass; what it reaches and how long it takes is noted. A mutant then
meets the tests which reach its function, until one fails: first those that are quick and reach
little else. Runs inside ``mutants/``.
"""

import argparse
import fnmatch
import gc
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from mutmut.configuration import config
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.format_utils import mangled_name_from_mutant_name

from tests.mutation.survivors import document

REACHED = Path("reached.json")
KILLED, SURVIVED, TIMEOUT, UNREACHED = "killed", "survived", "timeout", "no tests"
DEAD = (KILLED, TIMEOUT)
VERDICTS = Path("verdicts.json")


@dataclass
class Judge:
    """The plugin: ``patterns`` choose mutants by name.

    ``seconds`` bounds the tests that one mutant meets by their time on unchanged code; 0 does not bound them.
    ``again``: only mutants which no earlier run killed; tests reach what they were seen to reach.
    """

    patterns: list[str]
    workers: int
    seconds: float
    again: bool
    reached: dict[str, list[pytest.Item]] = field(default_factory=dict)
    took: dict[pytest.Item, float] = field(default_factory=dict)
    breadth: Counter[pytest.Item] = field(default_factory=Counter)
    verdicts: dict[str, str] = field(default_factory=dict)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the session's tests on unchanged code, then on every chosen mutant."""
        known = self._recall(session) if self.again and REACHED.exists() else set()
        self._run_clean(session, [item for item in session.items if item not in known])
        for tests in self.reached.values():
            self.breadth.update(tests)
        mutants = _mutants()
        self.verdicts = _verdicts(mutants)
        chosen = [name for name in mutants if self._is_chosen(name)]
        told = sys.__stderr__
        print(f"\n{len(session.items)} tests, {sum(self.took.values()):.0f} s; {len(chosen)} mutants", file=told)
        running: dict[int, str] = {}
        gc.collect()
        gc.freeze()  # children share the memory of what lives now
        for k, name in enumerate(chosen):
            tests = self._tests(name)
            if not tests:
                self.verdicts[name] = UNREACHED
                continue
            while len(running) >= self.workers:
                self._wait(running)
            running[self._start(session, name, tests)] = name
            if k % 50 == 0:
                print(f"{k}/{len(chosen)} {dict(Counter(self.verdicts.values()))}", file=told, flush=True)
                _keep(self.verdicts, mutants)
        while running:
            self._wait(running)
        _keep(self.verdicts, mutants)
        return True

    def _run_clean(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        set_mutant_under_test("stats")
        for item, following in _pairs(items):
            state()._stats.clear()
            began = time.perf_counter()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            self.took[item] = time.perf_counter() - began
            if session.testsfailed:
                raise session.Failed(f"{item.nodeid} fails on unchanged code: mend it first.")
            for name in state()._stats:
                self.reached.setdefault(name, []).append(item)
        set_mutant_under_test("")
        told = {
            "took": {item.nodeid: seconds for item, seconds in self.took.items()},
            "reached": {name: [item.nodeid for item in items] for name, items in self.reached.items()},
        }
        REACHED.write_text(json.dumps(told), encoding="utf-8")

    def _recall(self, session: pytest.Session) -> set[pytest.Item]:
        told = json.loads(REACHED.read_text(encoding="utf-8"))
        items = {item.nodeid: item for item in session.items if item.nodeid in told["took"]}
        self.took = {item: told["took"][name] for name, item in items.items()}
        self.reached = {
            name: [items[each] for each in told["reached"][name] if each in items] for name in told["reached"]
        }
        return set(items.values())

    def _is_chosen(self, name: str) -> bool:
        if self.again and self.verdicts.get(name) in DEAD:
            return False
        return not self.patterns or any(fnmatch.fnmatch(name, pattern) for pattern in self.patterns)

    def _tests(self, name: str) -> list[pytest.Item]:
        """Return the tests which reach the mutant's function, the likeliest first, as many as ``seconds`` allow."""
        found = self.reached.get(mangled_name_from_mutant_name(name), ())
        tests = sorted(found, key=lambda test: self.took[test] * self.breadth[test])
        total, chosen = 0.0, []
        for test in tests:
            total += self.took[test]
            if chosen and self.seconds and total > self.seconds:
                break
            chosen.append(test)
        return chosen

    def _start(self, session: pytest.Session, name: str, tests: list[pytest.Item]) -> int:
        if child := os.fork():
            return child
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(config().timeout_constant + config().timeout_multiplier * sum(map(self.took.get, tests))))
        set_mutant_under_test(name)
        code = 1
        try:
            for item, following in _pairs(tests):
                item._initrequest()
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.testsfailed:
                    break
            else:
                code = 0
        finally:
            os._exit(code)

    def _wait(self, running: dict[int, str]) -> None:
        child, status = os.wait()
        name = running.pop(child)
        if os.WIFSIGNALED(status):
            self.verdicts[name] = TIMEOUT if os.WTERMSIG(status) == signal.SIGALRM else KILLED
        else:
            self.verdicts[name] = SURVIVED if os.WEXITSTATUS(status) == 0 else KILLED


def _pairs(items: list[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    """Yield each test with the one that follows, which pytest wants to know to keep shared fixtures."""
    return pairwise([*items, None])


def _mutants() -> dict[str, str]:
    """Return the names of all mutants in the tree, module by module, each with a hash of its function."""
    found = {}
    for path in sorted(Path("adaqn_lab").rglob("*.py.meta")):
        told = json.loads(path.read_text(encoding="utf-8"))
        for name in told["exit_code_by_key"]:
            found[name] = told["hash_by_function_name"][mangled_name_from_mutant_name(name).rpartition(".")[2]]
    return found


def _verdicts(mutants: dict[str, str]) -> dict[str, str]:
    """Return the verdicts of earlier runs on functions which have not changed since."""
    told = json.loads(VERDICTS.read_text(encoding="utf-8")) if VERDICTS.exists() else {}
    return {name: verdict for name, (verdict, of) in told.items() if mutants.get(name) == of}


def _keep(verdicts: dict[str, str], mutants: dict[str, str]) -> None:
    told = {name: (verdict, mutants[name]) for name, verdict in sorted(verdicts.items())}
    VERDICTS.write_text(json.dumps(told, indent=0), encoding="utf-8")


def table(verdicts: dict[str, str]) -> Iterator[str]:
    """Yield a Markdown table of the verdicts, a row for each module, and then the names of what was not killed."""
    yield "| module | mutants | killed | survived | timeout | no tests | score |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    modules = {name: name.split(".x", 1)[0].removeprefix("adaqn_lab.") for name in verdicts}
    for module in [*sorted(set(modules.values())), None]:
        found = Counter(verdict for name, verdict in verdicts.items() if module in (modules[name], None))
        total, dead = found.total(), found[KILLED] + found[TIMEOUT]
        cells = [f"{found[kind]}" for kind in (KILLED, SURVIVED, TIMEOUT, UNREACHED)]
        yield f"| {module or 'together'} | {total} | {' | '.join(cells)} | {dead / max(total, 1):.1%} |"
    for name, verdict in sorted(verdicts.items()):
        if verdict not in DEAD:
            yield f"{verdict}: {name}"


def main() -> int:
    """Judge, print the table and return 0 if 95 % of the judged mutants are dead."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("patterns", nargs="*", help='as in "adaqn_lab.ring.*"; all without one')
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=0, help="bound on the tests of one mutant")
    parser.add_argument("--again", action="store_true", help="only those which no earlier run killed")
    parser.add_argument("--table", action="store_true", help="print the verdicts of earlier runs")
    parser.add_argument("--survivors", action="store_true", help="write docs/survivors.md from them")
    given = parser.parse_args()
    judge = Judge(given.patterns, given.workers, given.seconds, given.again)
    if given.table or given.survivors:
        judge.verdicts = _verdicts(_mutants())
    else:
        tests = [*config().pytest_add_cli_args, *config().pytest_add_cli_args_test_selection]
        quick = ["-q", "-p", "no:xdist", "--tb=native", "--assert=plain"]  # nobody reads why a mutant fails
        code = pytest.main([*quick, *tests], plugins=[judge])
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            return int(code)
    if not judge.verdicts:
        parser.error("There are no verdicts yet; judge first, without --table and --survivors.")
    living = [name for name, verdict in judge.verdicts.items() if verdict not in DEAD]
    if given.survivors:
        page = document(Path(), living, len(judge.verdicts))
        Path("../docs/survivors.md").write_text(page, encoding="utf-8")
    print("\n".join(table(judge.verdicts)))
    return int(len(living) > 0.05 * len(judge.verdicts))


if __name__ == "__main__":
    sys.exit(main())
