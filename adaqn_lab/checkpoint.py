"""The algorithm's memory <-> the ``state`` of a torch optimizer: tensors and ints under string keys.

``about``, a uint8 tensor, is JSON: what each role's part is, the parameters' shapes, the number of runs. The other keys
are ``step``, ``undecided``, the evaluations so far (``calls.``), the tensors by role and field, and ``log``, a dict of
stretches of windows. So everything passes ``torch.load`` with ``weights_only=True`` and the tools of
``torch.distributed.checkpoint``, which flatten such dicts and load files into tensors of the same size: what grows with
time is in ``log`` alone.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch

from adaqn_lab import state as part_state
from adaqn_lab.algorithm import Algorithm
from adaqn_lab.events import COLUMNS, Log
from adaqn_lab.protocols import Need
from adaqn_lab.recipe import Recipe

KEY = "quasi_newton"
"""Under which :func:`lifted` hands the memory over; version 0.1 saved it there."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def pack(own: Algorithm) -> dict[str, Any]:
    """The memory as one flat dict; live references, not copies."""
    about = {
        "recipe": described(own.recipe),
        "shapes": [list(p.shape) for p in own.flat.parameters],
        "runs": own.flat.space.runs,
    }
    text = torch.frombuffer(bytearray(json.dumps(about).encode()), dtype=torch.uint8)
    calls = {f"calls.{need.name}": own.oracle.calls[need] for need in Need}
    known = {"step": own.k, "undecided": int(own.undecided), "about": text, "log": own.log.packed(), **calls}
    return known | part_state.flatten(own.states)


def lifted(state_dict: dict[str, Any]) -> dict[str, Any]:
    """A state dict of ours with the memory under ``KEY``: what lies under a parameter, torch casts to its dtype."""
    state: Any = state_dict.get("state")
    nested = isinstance(state, Mapping) and all(isinstance(entry, Mapping) for entry in state.values())
    own = [entry for entry in state.values() if "about" in entry] if nested else []
    if len(own) != 1:
        return state_dict
    others = {key: entry for key, entry in state.items() if entry and entry is not own[0]}
    return state_dict | {"state": others | {KEY: own[0]}}


def checked(saved: Mapping[str, Any], own: Algorithm) -> dict[str, Any]:
    """What :func:`opened` finds, when it belongs to ``own``; ``ValueError`` in one sentence otherwise."""
    try:
        found = opened(saved)
        log = Log.unpacked(found["log"], own.flat.space.device)
        shape = own.clock.marks.shape
        bad = found["k"] < 0 or any(
            marks.shape != shape or values.shape != (shape[0], len(COLUMNS)) for _, values, marks in log.windows
        )
        calls = Counter({Need[name]: int(n) for name, n in found["calls"].items() if n})
        bad |= any(not isinstance(tensor, torch.Tensor) for tensor in found["tensors"].values())
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"The checkpoint is damaged ({type(error).__name__}: {error}); load another one.") from error
    if bad:
        raise ValueError(
            f"The checkpoint is damaged (step {found['k']}, its log's shapes, or what is no tensor); load another one."
        )
    check(found, own)
    return found | {"log": log, "calls": calls}


def opened(saved: Mapping[str, Any]) -> dict[str, Any]:
    """What :func:`pack` or version 0.1 packed: recipe, shapes, runs, calls, undecided, k, tensors, log."""
    if "about" not in saved:  # 0.1: nested, the recipe as its repr
        log = {"0": saved["log"]} if saved["log"] else {}
        return {"calls": {}, "undecided": False} | dict(saved) | {"recipe": _roles(saved["recipe"]), "log": log}
    entries = dict(saved)
    about = json.loads(bytes(entries.pop("about").to("cpu", torch.uint8).tolist()))
    k, undecided, log = int(entries.pop("step")), bool(entries.pop("undecided")), entries.pop("log")
    calls = {need.name: int(entries.pop(f"calls.{need.name}")) for need in Need}
    return {**about, "k": k, "undecided": undecided, "calls": calls, "log": log, "tensors": entries}


def check(saved: Mapping[str, Any], own: Algorithm) -> None:
    """Raise ``ValueError`` in one sentence unless ``saved`` belongs to this recipe and these parameters."""
    here = described(own.recipe)
    if saved["recipe"] != here:
        differing = [
            f"{role}={saved['recipe'].get(role)} there and {here.get(role)} here"
            for role in here | saved["recipe"]
            if saved["recipe"].get(role) != here.get(role)
        ]
        raise ValueError(
            f"The checkpoint was saved by another recipe ({'; '.join(differing)}); build the optimizer with the "
            "checkpoint's parts."
        )
    shapes = [list(p.shape) for p in own.flat.parameters]
    if saved["shapes"] != shapes or saved["runs"] != own.flat.space.runs:
        raise ValueError(
            f"The checkpoint is of {saved['runs']} run(s) with parameter shapes {saved['shapes']}, here are "
            f"{own.flat.space.runs} with {shapes}; load it into the same model, groups in the same order."
        )
    part_state.check(own.states, saved["tensors"])


def unpack_(saved: Mapping[str, Any], own: Algorithm) -> None:
    """Copy what :func:`checked` returned into ``own``."""
    part_state.load_(own.states, saved["tensors"])
    own.k = int(saved["k"])
    own.undecided = saved["undecided"]
    own.log = saved["log"]
    own.oracle.calls = saved["calls"]


def described(recipe: Recipe) -> dict[str, str]:
    """Each role's part in words which are the same in another process."""
    return {field.name: description(getattr(recipe, field.name)) for field in dataclasses.fields(recipe)}


def description(value: object) -> str:
    """``repr``, and where that tells an address, the type's name and what the object holds."""
    text = repr(value)
    if not _ADDRESS.search(text):
        return text
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    fields = [f.name for f in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else None
    names = fields if fields is not None else sorted(getattr(value, "__dict__", ()))
    held = ", ".join(f"{name}={description(getattr(value, name))}" for name in names)
    return f"{type(value).__qualname__}({held})"


def _roles(text: str) -> dict[str, str]:
    """The parts in a recipe's ``repr``, by role."""
    names = [field.name for field in dataclasses.fields(Recipe)]
    found = re.fullmatch(r"Recipe\(" + ", ".join(f"{name}=(.*)" for name in names) + r"\)", text)
    return dict(zip(names, found.groups(), strict=True)) if found else {"recipe": text}
