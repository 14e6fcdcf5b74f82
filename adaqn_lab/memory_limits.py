"""How many bytes a recipe's state takes, and whether the device has them: asked before anything is allocated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from adaqn_lab import state as part_state
from adaqn_lab.checks import require_int
from adaqn_lab.memory import Window
from adaqn_lab.pairs import EmpiricalFisher, HostFisher, SketchedFisher
from adaqn_lab.recipe import Recipe
from adaqn_lab.space import Space

OWN_VECTORS = 3
"""The optimizer's own: the reference, the window's sum, and the gradient."""
PASSING_VECTORS = 2
"""Held for a moment at a window's end, at the peak of what was measured for adaQN (docs/speed.md)."""
_SYSTEM = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def bytes_needed(recipe: Recipe, n: int, *, runs: int = 1, dtype: torch.dtype = torch.float32) -> int:
    """Bytes of the state which ``recipe`` keeps for ``runs`` models of ``n`` parameters, and of what passes through.

    The optimizer's own three vectors and two more at a window's end are counted, the parameters and their gradients are
    not; host memory is, so that ``HostFisher`` is told as what it takes in all. ``dtype``: float64 if a parameter is,
    else float32. Nothing is allocated. Smaller: ``Window(dtype=torch.bfloat16)``, ``EmpiricalFisher(window=20)``,
    ``EmpiricalFisher(dtype=torch.bfloat16)``, ``SketchedFisher()``.
    Raises ``ValueError`` or ``TypeError`` in one sentence for n, runs < 1, no recipe, or a part which cannot hold a
    problem of this size.

    >>> from adaqn_lab import ADAQN
    >>> bytes_needed(ADAQN, 1_000_000)            # 10 pairs, 101 gradients, H0, 5 vectors
    508001098
    """
    if not isinstance(recipe, Recipe):
        raise TypeError(f"bytes_needed: recipe={recipe!r} is no Recipe; pass one, for example ADAQN.")
    require_int("bytes_needed", "n", n, at_least=1)
    require_int("bytes_needed", "runs", runs, at_least=1)
    if dtype not in (torch.float32, torch.float64):
        raise TypeError(f"bytes_needed: dtype={dtype!r} holds no memory; pass torch.float32 or torch.float64.")
    return _needed(recipe, Space(runs, n, dtype))


def state_bytes(recipe: Recipe, space: Space) -> int:
    """Bytes of the parts' states in this space, by their ``init`` on torch's meta device.

    Host memory is counted too, unless the space is on a GPU. Raises what ``init`` raises.
    """
    on_gpu = space.device.type == "cuda"
    meta = replace(space, device=torch.device("meta"))
    states = {role: _made(role, part, meta) for role, part in recipe.parts.items()}
    if on_gpu and isinstance(recipe.pairs, HostFisher):
        states["pairs"] = replace(states["pairs"], old=torch.empty(0, device="meta"))
    return sum(tensor.numel() * tensor.element_size() for tensor in part_state.flatten(states).values())


def _made(role: str, part: Any, space: Space) -> Any:
    """The part's state, on the meta device."""
    try:
        return part.init(space)
    except (NotImplementedError, RuntimeError) as error:
        raise TypeError(
            f"{role}={part!r} cannot make its state on torch's meta device ({str(error).splitlines()[0]}); let init "
            "make tensors as space.zeros() does and read none of them."
        ) from error


def check_room(recipe: Recipe, space: Space) -> None:
    """Raise ``RuntimeError`` in one sentence, with what would fit, if the device has no room for the state."""
    there = room(space.device)
    needed = _needed(recipe, space)
    if there is None or needed <= there:
        return
    fitting = next((words for words, other in _smaller(recipe) if _needed(other, space) <= there), None)
    way_out = (
        f"recipe.but({fitting}) would fit"
        if fitting
        else "not even recipe.but(pairs=None, memory=Window(capacity=0)) would fit: take fewer runs or another device"
    )
    raise RuntimeError(
        f"The recipe's state for {space.size:,} parameters in {space.runs} run(s) needs {needed / 1e9:.1f} GB and "
        f"{space.device} has {there / 1e9:.1f} GB; {way_out}."
    )


def _needed(recipe: Recipe, space: Space) -> int:
    vectors = (OWN_VECTORS + PASSING_VECTORS) * space.runs * space.size * space.dtype.itemsize
    return state_bytes(recipe, space) + vectors


def _smaller(recipe: Recipe) -> Iterator[tuple[str, Recipe]]:
    """Recipes which need less and change little, the least change first, with the words for ``but``."""
    half = torch.bfloat16
    fisher = [
        EmpiricalFisher(dtype=half),
        HostFisher(),
        SketchedFisher(),
        EmpiricalFisher(window=20, dtype=half),
        SketchedFisher(rows=5, group=20),
    ]
    if isinstance(recipe.pairs, EmpiricalFisher | HostFisher):
        for pairs in fisher:
            yield f"pairs={pairs!r}", recipe.but(pairs=pairs)
    smallest = fisher[-1] if isinstance(recipe.pairs, EmpiricalFisher | HostFisher) else recipe.pairs
    for memory in (Window(dtype=half), Window(capacity=5, dtype=half), Window(capacity=2, dtype=half)):
        yield f"memory={memory!r}, pairs={smallest!r}", recipe.but(memory=memory, pairs=smallest)
    nothing = Window(capacity=0)
    yield f"pairs=None, memory={nothing!r}", recipe.but(pairs=None, memory=nothing)


def room(device: torch.device) -> int | None:
    """Bytes which a process may still allocate there; None where the system does not say."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type != "cpu":
        return None
    known = [there for there in (_of_system(), _of_group()) if there is not None]
    return min(known) if known else None


def _of_system() -> int | None:
    """Linux's estimate of what can be had without swapping, and the swap space."""
    told = _named(_SYSTEM)
    if "MemAvailable" not in told:
        return None
    return sum(int(told.get(name, "0")) for name in ("MemAvailable", "SwapFree")) * 1024


def _of_group() -> int | None:
    """What a container's limit leaves, file pages which can be dropped included."""
    try:
        limit = (_GROUP / "memory.max").read_text().strip()
        used = int((_GROUP / "memory.current").read_text())
    except OSError:
        return None
    told = _named(_GROUP / "memory.stat")
    droppable = sum(int(told.get(name, "0")) for name in ("inactive_file", "active_file"))
    return None if limit == "max" else max(int(limit) - used + droppable, 0)


def _named(path: Path) -> dict[str, str]:
    """The first words of lines such as ``MemFree: 12 kB`` and ``anon 600``, by name; none without the file."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {words[0].removesuffix(":"): words[1] for words in lines if len(words) > 1}
