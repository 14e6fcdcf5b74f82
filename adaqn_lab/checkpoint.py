"""The algorithm's memory <-> the ``state`` of a torch optimizer: tensors and ints under string keys, nothing nested.

``about``, a uint8 tensor, is JSON: what each role's part is, the parameters' shapes, the number of runs, the
evaluations so far. The other keys are ``step`` and the tensors, by role and field. So everything passes ``torch.load``
with ``weights_only=True`` and the tools of ``torch.distributed.checkpoint``, which flatten and gather such dicts.
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
from adaqn_lab.events import Log
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
        "calls": {need.name: n for need, n in own.oracle.calls.items()},
        "undecided": own.undecided,
    }
    text = torch.frombuffer(bytearray(json.dumps(about).encode()), dtype=torch.uint8)
    log = {f"log.{name}": tensor for name, tensor in own.log.packed().items()}
    return {"step": own.k, "about": text, **log, **part_state.flatten(own.states)}


def lifted(state_dict: dict[str, Any]) -> dict[str, Any]:
    """A state dict of ours with the memory under ``KEY``: what lies under a parameter, torch casts to its dtype."""
    own = [entry for entry in state_dict["state"].values() if "about" in entry]
    if len(own) != 1:
        return state_dict
    others = {key: entry for key, entry in state_dict["state"].items() if entry and entry is not own[0]}
    return state_dict | {"state": others | {KEY: own[0]}}


def opened(saved: Mapping[str, Any]) -> dict[str, Any]:
    """What :func:`pack` or version 0.1 packed: recipe, shapes, runs, calls, undecided, k, tensors, log."""
    if "about" not in saved:  # 0.1: nested, the recipe as its repr
        return {"calls": {}, "undecided": False} | dict(saved) | {"recipe": _roles(saved["recipe"])}
    entries = dict(saved)
    about = json.loads(bytes(entries.pop("about").to("cpu", torch.uint8).tolist()))
    k = int(entries.pop("step"))
    log = {name.removeprefix("log."): entries.pop(name) for name in list(entries) if name.startswith("log.")}
    return {**about, "k": k, "log": log, "tensors": entries}


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
    """Copy what was saved into ``own``. Call :func:`check` first."""
    part_state.load_(own.states, saved["tensors"])
    own.k = int(saved["k"])
    own.undecided = saved["undecided"]
    own.log = Log.unpacked(saved["log"], own.flat.space.device)
    own.oracle.calls = Counter({Need[name]: n for name, n in saved["calls"].items()})


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
    names = [f.name for f in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else sorted(vars(value))
    held = ", ".join(f"{name}={description(getattr(value, name))}" for name in names)
    return f"{type(value).__qualname__}({held})"


def _roles(text: str) -> dict[str, str]:
    """The parts in a recipe's ``repr``, by role."""
    names = [field.name for field in dataclasses.fields(Recipe)]
    found = re.fullmatch(r"Recipe\(" + ", ".join(f"{name}=(.*)" for name in names) + r"\)", text)
    return dict(zip(names, found.groups(), strict=True)) if found else {"recipe": text}
