"""Pairs in a file or in an optimizer: S and Y, or what it saves of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adaqn_lab import ring
from adaqn_lab.named import meant
from verification.roles import BadSubjectError

_NAMES = (("S", "Y"), ("s", "y"), ("old_stps", "old_dirs"))
"""Under which names displacements and gradient differences are found; the last are those of torch.optim.LBFGS."""
_H0 = ("h0", "H0", "H_diag")
_RING = ("memory.s", "memory.y", "memory.head", "memory.count")
"""What QuasiNewton saves of a memory which is a ring of pairs."""
_WAY_OUT = (
    "save S and Y, (m, n) each with the oldest pair first, by torch.save or numpy.savez, or the state_dict() of "
    "QuasiNewton or torch.optim.LBFGS"
)
Found = tuple[Any, Any, Any]


def read_pairs(path: str | Path, run: int = 0) -> Found:
    """S, Y and h0 (None if the file does not say) of a .npz or .npy file, or else of a file of torch.save.

    ``run``: of several runs side by side, that one. Raises BadSubjectError in one sentence for everything else.
    """
    content = _load(Path(path))
    for place in _places(content):
        found = _pairs_of(place, run)
        if found is not None:
            return found
    has = f"has the keys {', '.join(map(str, list(content)[:8]))}" if isinstance(content, Mapping) else "has others"
    raise BadSubjectError(f"{path} has no S and Y (it {has}); {_WAY_OUT}.")


def held_pairs(optimizer: torch.optim.Optimizer, run: int = 0) -> Found:
    """The same from a live optimizer's memory, oldest first; copies. Raises BadSubjectError where it holds none."""
    for place in optimizer.state.values():
        found = _pairs_of(place, run)
        if found is not None:
            S, Y, h0 = found
            return *(torch.stack(list(rows)).detach().clone() for rows in (S, Y)), h0
    raise BadSubjectError(
        f"{type(optimizer).__name__} holds no list of pairs, at least not yet; after more steps one with "
        "a memory such as Window(), or torch.optim.LBFGS, does."
    )


def _load(path: Path) -> Any:
    try:
        if path.suffix not in (".npz", ".npy"):
            return torch.load(path, map_location="cpu", weights_only=True)
        loaded = np.load(path, allow_pickle=False)
        return dict(loaded) if path.suffix == ".npz" else loaded
    except OSError as error:
        others = [each.name for each in path.parent.glob("*") if each.name != path.name]
        near = meant(path.name, others) or "; give a file of pairs."
        raise BadSubjectError(f"{path} cannot be read ({error.strerror or error}){near}") from error
    except Exception as error:  # whatever comes of reading what is damaged or something else
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise BadSubjectError(f"{path} is no file of pairs ({type(error).__name__}: {reason}); {_WAY_OUT}.") from error


def _places(content: Any, depth: int = 6) -> Iterator[Any]:
    """The content itself, then what lies in it, the outermost first."""
    yield content
    if depth and isinstance(content, Mapping):
        for inner in content.values():
            yield from _places(inner, depth - 1)
    elif depth and isinstance(content, list | tuple):
        for inner in content[:64]:
            yield from _places(inner, depth - 1)


def _pairs_of(place: Any, run: int) -> Found | None:
    """The pairs that lie right here."""
    if isinstance(place, Mapping):
        if set(_RING) <= place.keys():
            return _from_ring(place, run)
        for s, y in _NAMES:
            if s in place and y in place and not _empty(place[s]):
                return place[s], place[y], next((place[name] for name in _H0 if name in place), None)
    stacked = isinstance(place, np.ndarray | torch.Tensor) and place.ndim == 3 and place.shape[0] == 2
    return (place[0], place[1], None) if stacked else None


def _from_ring(place: Mapping[str, Any], run: int) -> Found:
    """The slots of one run that hold pairs, oldest first."""
    s, y, head, count = (place[name] for name in _RING)
    if not 0 <= run < len(count):
        raise BadSubjectError(f"--run {run} is none of the {len(count)} run(s) in the file; they count from 0.")
    held = int(count[run])
    if not held:
        raise BadSubjectError(
            "The saved memory holds no pair: none was admitted since the start or a roll-back; save it later."
        )
    order = ring.age(head, s.shape[1])[run].argsort()[s.shape[1] - held :]
    return s[run, order], y[run, order], None


def _empty(rows: Any) -> bool:
    """torch's own begins with empty lists."""
    return isinstance(rows, list) and not rows
