"""Measure, print the tables, draw the figure: ``python -m tests.benchmarks.report`` (``tox -e bench``).

Everything lands in ``runs/bench/``: pytest-benchmark's ``benchmark.json``, ``speed.md``, ``speed.svg``. ``--docs`` also
renews the tables in ``docs/speed.md`` and its figure. ``--from FILE`` measures nothing and takes an earlier record.
``--keep FILE`` with ``-k ...`` measures some rows anew, on the same machine, and keeps the others of a record.
Other arguments go to pytest: ``-k "direction and n1e6"``, ``--benchmark-max-time 1`` (seconds a row; default 5).
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks import figure, memory, tables
from tests.benchmarks.counts import COUNTED

ROOT = Path(__file__).parents[2]
OUT = ROOT / "runs" / "bench"
DOCS = ROOT / "docs"
SECTIONS: dict[str, Callable[[dict[str, Any]], str]] = {
    "machine": lambda document: machine(document),
    "direction": tables.direction,
    "plain": tables.plain,
    "step": tables.step,
    "pieces": tables.pieces,
    "training": tables.training,
    "memory": lambda document: document["memory"],
    "absences": tables.absences,
}


def machine(document: dict[str, Any]) -> str:
    """On what, with what, when and with how many threads."""
    info = document["machine_info"]
    cpu = info.get("cpu", {})
    threads = sorted({b["extra_info"].get("threads", 0) for b in document["benchmarks"]})
    return (
        f"{cpu.get('count', '?')} cores of {cpu.get('brand_raw', info.get('machine'))}, {info['system']}, "
        f"{info['python_implementation']} {info['python_version']}, torch {document['torch']}, "
        f"{' or '.join(map(str, threads))} threads, {document['datetime'][:10]}."
    )


def measure(pytest_arguments: list[str], kept: list[dict[str, Any]]) -> dict[str, Any]:
    """Run the benchmarks in a process of their own and read their record; rows of ``kept`` which it lacks stay."""
    OUT.mkdir(parents=True, exist_ok=True)
    record = OUT / "benchmark.json"
    options = ["--benchmark-enable", "--benchmark-only", "--benchmark-max-time=5", f"--benchmark-json={record}"]
    quiet = ["-p", "no:cacheprovider", "--benchmark-columns=median,iqr,rounds", "--benchmark-group-by=group"]
    command = [sys.executable, "-m", "pytest", str(Path(__file__).parent), *options, *quiet, *pytest_arguments]
    subprocess.run(command, check=True, cwd=ROOT)
    document: dict[str, Any] = json.loads(record.read_text())
    document["torch"] = torch.__version__
    document["benchmarks"] = list({row["fullname"]: row for row in [*kept, *document["benchmarks"]]}.values())
    document["memory"] = memory.table("0.1M", (), COUNTED if platform.system() == "Linux" else ())
    record.write_text(json.dumps(document, indent=1))
    return document


def page(document: dict[str, Any]) -> str:
    """All tables, for reading in a terminal."""
    return "\n\n".join(f"## {name.capitalize()}\n\n{section(document)}" for name, section in SECTIONS.items()) + "\n"


def renewed(text: str, document: dict[str, Any], only: Sequence[str] = ()) -> str:
    """``docs/speed.md`` with what stands between its markers replaced, or that of ``only`` some sections.

    ``ValueError`` if a marker is missing.
    """
    for name, section in SECTIONS.items():
        pattern = re.compile(rf"(<!-- bench:{name} -->\n).*?(<!-- /bench:{name} -->)", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"docs/speed.md has no one pair of markers bench:{name}; put it where the table belongs.")
        if only and name not in only:
            continue
        text = pattern.sub(lambda match, s=section: f"{match[1]}{s(document)}\n{match[2]}", text)  # type: ignore[misc]
    return text


def main() -> None:
    """Measure or read, then print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", action="store_true", help="renew docs/speed.md and docs/speed.svg")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=(), help="renew these tables of the page only")
    parser.add_argument("--from", dest="earlier", type=Path, metavar="FILE", help="an earlier benchmark.json")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="keep the rows of an earlier record which -k leaves out"
    )
    arguments, pytest_arguments = parser.parse_known_args()
    kept = json.loads(arguments.keep.read_text())["benchmarks"] if arguments.keep else []
    document = json.loads(arguments.earlier.read_text()) if arguments.earlier else measure(pytest_arguments, kept)
    OUT.mkdir(parents=True, exist_ok=True)
    text = page(document)
    (OUT / "speed.md").write_text(text)
    figure.draw(document, OUT / "speed.svg")
    if arguments.docs:
        if not arguments.only:
            figure.draw(document, DOCS / "speed.svg")
        path = DOCS / "speed.md"
        path.write_text(renewed(path.read_text(), document, arguments.only))
    print(text)


if __name__ == "__main__":
    main()
