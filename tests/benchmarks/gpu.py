"""On a GPU: directions and steps beside torch's own and beside LSTMs, their errors, and what a copy says of the memory.

``python -m tests.benchmarks.gpu --out FILE`` checks every direction against float64, then times by
``torch.utils.benchmark``, which warms up, waits for the device and takes medians; it prints a table and writes all of
it with machine and versions as JSON. ``--device cpu --sizes 1000 --models`` tries it out where there is no GPU.
``--table FILE`` prints what such a file holds as Markdown.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch.utils.benchmark import Timer

from adaqn_lab import ADAQN, kernels
from tests.benchmarks.lstms import SIZES, beside, window
from tests.benchmarks.peers import torch_lbfgs
from tests.benchmarks.problems import Pairs, error, filled, own_direction, reference
from tests.benchmarks.timing import Call, InPlainTorch, ready

LIMIT = 1e-5
"""Float32 directions which are farther than this from the float64 one are wrong, and are not timed."""


def milliseconds(call: Call) -> float:
    """Median time of a call."""
    with ready(call) as inside:
        timer = Timer("call()", globals={"call": inside}, num_threads=torch.get_num_threads())
        return 1e3 * timer.blocked_autorange(min_run_time=0.5).median


def copying(pairs: Pairs) -> float:
    """Bytes a second that a copy of S reads and writes."""
    other = torch.empty_like(pairs.s)
    seconds = milliseconds(lambda: other.copy_(pairs.s)) / 1e3
    return 2 * pairs.s.numel() * pairs.s.element_size() / seconds


def directions(n: int, m: int, device: torch.device) -> Iterator[dict[str, Any]]:
    """Ours with and without kernels and the loop of torch.optim.LBFGS; ``RuntimeError`` for one that is wrong."""
    pairs = Pairs.draw(n, m).to(device)
    own, exact = own_direction(filled(pairs), pairs), reference(pairs, pairs.h0)
    theirs = torch_lbfgs.prepare(pairs)
    calls = {"ours, plain torch": InPlainTorch(own), "torch.optim.LBFGS": theirs.call}
    if kernels.loaded(device.type):
        calls["ours, kernels"] = own
    floor = 1e3 * (3 * m + 10) * n * pairs.s.element_size() / copying(pairs)
    for name, call in calls.items():
        found = theirs.result() if call is theirs.call else call()
        off = error(found, exact)
        if not off <= LIMIT:
            raise RuntimeError(f"{name} at n = {n}, m = {m} is off by {off:.3g}, more than {LIMIT:g}.")
        time = milliseconds(call)
        yield {"what": "direction", "n": n, "m": m, "who": name, "ms": time, "of the floor": floor / time, "error": off}


def steps(n: int, device: torch.device) -> Iterator[dict[str, Any]]:
    """ADAQN, averaged over a window with full memories, on a GPU also by graphs, and Adam, fused where it can be."""
    who = {"ADAQN": False} | ({"ADAQN, a graph a step": True} if device.type == "cuda" else {})
    for name, graphs in who.items():
        w = weight(n, device)
        call = window([w], lambda w=w: w.square().sum(), ADAQN, graphs)
        yield {"what": "step", "n": n, "who": name, "ms": milliseconds(call) / ADAQN.cadence.every}
        del call  # its memory is needed
    adam = torch.optim.Adam([weight(n, device)], lr=1e-6, fused=True)
    yield {"what": "step", "n": n, "who": "fused Adam", "ms": milliseconds(adam.step)}


def weight(n: int, device: torch.device) -> torch.nn.Parameter:
    """A parameter with a gradient."""
    w = torch.nn.Parameter(torch.rand(n, device=device))
    w.grad = torch.rand_like(w)
    return w


def measured(sizes: list[int], models: list[str], device: torch.device) -> Iterator[dict[str, Any]]:
    """All rows, one after the other."""
    for n in sizes:
        for m in (10, 20):
            yield from directions(n, m, device)
        yield from steps(n, device)
    for name in models:
        yield from beside(name, SIZES[name], device, milliseconds)


def table(path: Path) -> str:
    """What a file of this program holds, as three tables in Markdown."""
    rows = json.loads(path.read_text())["rows"]
    places = sorted({(row["n"], row["m"]) for row in rows if row["what"] == "direction"})
    found = {(row["n"], row.get("m"), row["who"]): row for row in rows}
    who = {
        kind: list(dict.fromkeys(row["who"] for row in rows if row["what"] == kind))
        for kind in ("direction", "step", "beside")
    }
    cells = [["direction: n", "m", *(f"{name}, ms" for name in who["direction"]), "kernels: of the floor"]]
    for n, m in places:
        times = [f"{found[n, m, name]['ms']:.3f}" for name in who["direction"]]
        kernels_of = found.get((n, m, "ours, kernels"))
        cells.append([f"{n:.0e}", str(m), *times, f"{kernels_of['of the floor']:.2f}" if kernels_of else "-"])
    steps_of = [["step: n", *(f"{name}, ms" for name in who["step"])]]
    for n in sorted({n for n, _ in places}):
        steps_of.append([f"{n:.0e}", *(f"{found[n, None, name]['ms']:.3f}" for name in who["step"])])
    beside_of = [["model", *(f"{name}, ms" for name in who["beside"])]]
    for model in dict.fromkeys(row["model"] for row in rows if row["what"] == "beside"):
        times = {row["who"]: row["ms"] for row in rows if row.get("model") == model}
        beside_of.append([model, *(f"{times[name]:.3f}" for name in who["beside"])])
    return "\n\n".join(
        "\n".join(f"| {' | '.join(line)} |" for line in [block[0], ["---"] * len(block[0]), *block[1:]])
        for block in (cells, steps_of, beside_of)
    )


def main(arguments: list[str] | None = None) -> None:
    """Check, measure, print and write; or print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--device", type=torch.device, default=torch.device("cuda"))
    parser.add_argument("--sizes", type=float, nargs="+", default=[1e5, 1e6, 1e7, 1e8])
    parser.add_argument("--models", nargs="*", choices=SIZES, default=list(SIZES))
    given = parser.parse_args(arguments)
    if given.table:
        print(table(given.table))
        return
    if given.out is None:
        parser.error("nothing to do: pass --out FILE to measure, or --table FILE to print")
    cuda = given.device.type == "cuda"
    machine = torch.cuda.get_device_name(given.device) if cuda else f"CPU, {platform.machine()}"
    kernels.load(given.device.type)
    told = {"machine": machine, "torch": torch.__version__, "cuda": torch.version.cuda, "date": f"{date.today()}"}
    rows = []
    try:
        for row in measured(list(map(int, given.sizes)), given.models, given.device):
            rows.append(row)
            print("  ".join(f"{v:.3g}" if isinstance(v, float) else f"{v}" for v in row.values()), flush=True)
    finally:
        kernels.unload()
        given.out.write_text(json.dumps(told | {"rows": rows}, indent=1) + "\n")
    print(f"{told}\n{given.out}")


if __name__ == "__main__":
    main()
