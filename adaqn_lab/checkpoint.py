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
import math
import numbers
import re
import reprlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from adaqn_lab import ring
from adaqn_lab import state as part_state
from adaqn_lab.algorithm import Algorithm
from adaqn_lab.events import COLUMNS, EventKind, Log
from adaqn_lab.protocols import Need
from adaqn_lab.recipe import Recipe

KEY = "quasi_newton"
"""Under which :func:`lifted` hands the memory over; version 0.1 saved it there."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_CALLS = {f"calls.{need.name}": need for need in Need}
_KINDS = set(EventKind) - {EventKind.STEP_SKIPPED}
_MANY = 1 << 53
_OPTIONS = {"params": (list,), "lr": (numbers.Real, torch.Tensor), "weight_decay": (numbers.Real, torch.Tensor)}


def pack(own: Algorithm) -> dict[str, Any]:
    """The memory as one flat dict; live references, not copies."""
    about = {
        "recipe": described(own.recipe),
        "shapes": [list(p.shape) for p in own.flat.parameters],
        "runs": own.flat.space.runs,
    }
    text = torch.frombuffer(bytearray(json.dumps(about).encode()), dtype=torch.uint8)
    calls = {name: own.oracle.calls[need] for name, need in _CALLS.items()}
    known = {"step": own.k, "undecided": int(own.undecided), "about": text, "log": own.log.packed(), **calls}
    return known | part_state.flatten(own.states)


def lifted(state_dict: dict[str, Any]) -> dict[str, Any]:
    """A state dict of ours with the memory under ``KEY``: what lies under a parameter, torch casts to its dtype.

    ``ValueError`` in one sentence for what no optimizer saves.
    """
    _refuse(_strange(state_dict))
    state = state_dict["state"]
    own = [entry for entry in state.values() if "about" in entry]
    if len(own) != 1:
        return state_dict
    others = {key: entry for key, entry in state.items() if entry and entry is not own[0]}
    return state_dict | {"state": others | {KEY: own[0]}}


@dataclass(frozen=True)
class Opened:
    """What :func:`pack` or version 0.1 packed, taken apart."""

    recipe: dict[str, Any]
    shapes: Any
    runs: Any
    counts: dict[str, Any]
    log: Any
    tensors: dict[str, Any]


def checked(saved: Mapping[str, Any], own: Algorithm) -> Opened:
    """What was packed, when it belongs to ``own`` and is whole; ``ValueError`` in one sentence otherwise."""
    try:
        found = opened(saved)
    except Exception as error:  # whatever comes of reading what is damaged
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(f"The checkpoint is damaged ({reason}); load another one.") from error
    check(found, own)
    _refuse(_misshapen(found, own))
    part_state.check(own.states, found.tensors)
    _refuse(_impossible(found, own))
    return found


def opened(saved: Mapping[str, Any]) -> Opened:
    """Take apart what was packed."""
    if "about" not in saved:  # 0.1: nested, the recipe as its repr
        log = {"0": saved["log"]} if saved["log"] else {}
        recipe, counts = _roles(saved["recipe"]), {"step": saved["k"]}
        return Opened(recipe, saved["shapes"], int(saved["runs"]), counts, log, dict(saved["tensors"]))
    entries = dict(saved)
    about = json.loads(bytes(entries.pop("about").to("cpu", torch.uint8).tolist()))
    counts = {name: entries.pop(name) for name in ("step", "undecided", *_CALLS)}
    counts = {name: n.item() if isinstance(n, torch.Tensor) and n.dim() == 0 else n for name, n in counts.items()}
    log = entries.pop("log")
    return Opened(dict(about["recipe"]), about["shapes"], about["runs"], counts, log, entries)


def check(saved: Opened, own: Algorithm) -> None:
    """Raise ``ValueError`` in one sentence unless ``saved`` is of this recipe and these parameters."""
    here = described(own.recipe)
    if saved.recipe != here:
        differing = [
            f"{role}={saved.recipe.get(role)} there and {here.get(role)} here"
            for role in here | saved.recipe
            if saved.recipe.get(role) != here.get(role)
        ]
        raise ValueError(
            f"The checkpoint was saved by another recipe ({'; '.join(differing)}); build the optimizer with the "
            "checkpoint's parts."
        )
    shapes = [list(p.shape) for p in own.flat.parameters]
    if saved.shapes != shapes or saved.runs != own.flat.space.runs:
        raise ValueError(
            f"The checkpoint is of {saved.runs} run(s) with parameter shapes {saved.shapes}, here are "
            f"{own.flat.space.runs} with {shapes}; load it into the same model, groups in the same order."
        )


def unpack_(saved: Opened, own: Algorithm) -> None:
    """Copy what :func:`checked` returned into ``own``."""
    log = Log.unpacked(saved.log, own.flat.space.device)
    part_state.load_(own.states, saved.tensors)
    own.log = log
    own.k = int(saved.counts["step"])
    own.undecided = bool(saved.counts.get("undecided"))
    own.oracle.calls = Counter({need: int(n) for name, need in _CALLS.items() if (n := saved.counts.get(name))})
    if own.undecided and not log.windows:  # a tool left the log behind, and this window is still to be told
        log.open_window(own.k, own.clock.marks.clone())


# -- what a damaged checkpoint holds, each thing in a few words ----------------------------------------------------


def _refuse(faults: Iterator[str]) -> None:
    """``ValueError`` in one sentence for the first; what comes after one need not make sense."""
    for fault in faults:
        raise ValueError(f"The checkpoint is damaged ({fault}); load another one.")


def _strange(state_dict: Mapping[str, Any]) -> Iterator[str]:
    """What torch would stumble over."""
    state, groups = (state_dict.get(name) for name in ("state", "param_groups"))
    if not isinstance(state, Mapping) or not isinstance(groups, list):
        yield f"state is {_told(state)}, param_groups is {_told(groups)}"
        return
    for name, entry in state.items():
        if not isinstance(entry, Mapping):
            yield f"state[{name!r}] is {_told(entry)}"
    for index, group in enumerate(groups):
        if not isinstance(group, Mapping) or not {"params", "lr"} <= group.keys():
            yield f"param_groups[{index}] is {_told(group)}"
            return
        for name, kinds in _OPTIONS.items():
            if not isinstance(group.get(name, 0.0), kinds):  # an older version may not have saved it
                yield f"{name} of param_groups[{index}] is {_told(group[name])}"


def _misshapen(found: Opened, own: Algorithm) -> Iterator[str]:
    """What has another form than :func:`pack` gives it; the tensors' names, shapes and dtypes apart."""
    for name, n in found.counts.items():
        if not isinstance(n, int) or not 0 <= n < _MANY:
            yield f"{name} {_told(n)}"
    for key, x in found.tensors.items():
        if not isinstance(key, str) or not _dense(x):
            yield f"{key} is {_told(x)}"
    yield from _misshapen_log(found.log, own)
    yield from _untrue(found.log, found.counts, own.recipe.cadence.every)


def _misshapen_log(log: Any, own: Algorithm) -> Iterator[str]:
    """What :meth:`Log.unpacked` would stumble over."""
    marks = tuple(own.clock.marks.shape)
    kinds = {
        "last": (torch.int64, ()),
        "values": (torch.float64, (marks[0], len(COLUMNS))),
        "marks": (torch.bool, marks),
    }
    if not isinstance(log, Mapping) or {str(number) for number in log} != {str(n) for n in range(len(log))}:
        yield f"log is {_told(log)}"
    for number, stretch in log.items():
        if not isinstance(stretch, Mapping) or stretch.keys() != kinds.keys():
            yield f"log.{number} is {_told(stretch)}"
        for name, (dtype, shape) in kinds.items():
            x = stretch[name]
            if not _dense(x) or x.dtype != dtype or x.dim() == 0 or x.shape != (len(stretch["last"]), *shape):
                yield f"log.{number}.{name} is {_told(x)}"


def _untrue(log: Mapping[str, Any], counts: Mapping[str, Any], every: int) -> Iterator[str]:
    """What the log and the counts tell that did not happen: it has every window so far, the last ones, or none."""
    stretches = [log[number] for number in sorted(log, key=int)]
    last = [step for stretch in stretches for step in stretch["last"].tolist()]
    kinds = [row for stretch in stretches for row in stretch["values"][:, :, 0].tolist()]
    k, undecided = counts["step"], counts.get("undecided")
    closed = k - k % every
    if last != list(range(closed, 0, -every)[: len(last)][::-1]):
        yield f"step {k}, and the log's windows end at steps {_told(last)}"
    if undecided and not (undecided == 1 and 0 < k == closed):
        yield f"step {k}, undecided {undecided}"
    open_ = [{math.isnan(kind) for kind in row} for row in kinds]  # as an undecided one is, and those which 0.1 dropped
    odd = {kind for row in kinds for kind in row if not math.isnan(kind)} - _KINDS
    if odd or any(len(both) == 2 for both in open_):
        yield f"the log's windows came to {_told(sorted(odd) or 'nothing in some runs')}"
    if open_ and k == closed and undecided is not None and open_[-1] != {bool(undecided)}:
        yield f"undecided {undecided}, and the log tells otherwise of step {k}"


def _impossible(found: Opened, own: Algorithm) -> Iterator[str]:
    """Values which no run leaves in the states of this package; what those of others mean is not known."""
    states: dict[str, dict[str, torch.Tensor]] = {}
    for role, state in own.states.items():
        for full, owner, field in part_state._fields(role, state):
            if type(owner).__module__.startswith(f"{__package__}."):
                states.setdefault(full.removesuffix(f".{field}"), {})[field] = found.tensors[full]
    for place, fields in states.items():
        masks = [y for y in fields.values() if y.dtype == torch.bool and place != "clock"]
        for field, x in fields.items():
            most = math.inf if "head" in fields and field in ("head", "count") else found.counts["step"]
            if not _possible(f"{place}.{field}", x, most, masks):
                yield f"{place}.{field} holds {' to '.join(f'{float(v):g}' for v in x.aminmax())}"
        if not ring.possible(fields):
            yield f"{place}.head {_told(fields['head'].tolist())} and count {_told(fields['count'].tolist())}"


def _possible(name: str, x: torch.Tensor, most: float, masks: list[torch.Tensor]) -> bool:
    """Whether a run can leave this: bytes are a generator's, integers count up to ``most``, floats are finite.

    But H0's squares may overflow; losses may be anything, and so may the sum of a window, which it costs, and what
    belongs to runs, or is a number of slots, for which one of the masks says that there is nothing.
    """
    if x.dtype == torch.bool or x.numel() == 0 or name.startswith("guard."):
        return True
    if x.dtype == torch.uint8:
        return _generates(x)
    low, high = (float(v) for v in x.aminmax())
    if x.dtype == torch.int64:
        return low >= 0 and high <= most
    if name.startswith("scaling."):
        return low >= 0
    if (math.isfinite(low) and math.isfinite(high)) or name == "clock.total":
        return True
    there = [mask for mask in masks if mask.dim() == 1 or set(x.shape[1:]) == {mask.shape[1]}]
    return any(bool(x[mask.to(x.device)].isfinite().all()) for mask in there)


def _generates(x: torch.Tensor) -> bool:
    """Whether this is the state of a random generator."""
    try:
        torch.Generator().set_state(x.cpu())
    except RuntimeError:
        return False
    return True


def _dense(x: object) -> bool:
    """Whether it is a tensor whose elements are all there."""
    return isinstance(x, torch.Tensor) and x.layout == torch.strided and not x.is_meta


def _told(x: object) -> str:
    """A few words for it."""
    if isinstance(x, torch.Tensor):
        return f"{tuple(x.shape)} {x.dtype} {x.layout} on {x.device}"
    if isinstance(x, Mapping):
        return f"a dict of {reprlib.repr(list(x))}"
    return reprlib.repr(x).replace("\n", " ")


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
