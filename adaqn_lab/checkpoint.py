"""The optimizer's memory <-> what ``torch.load(weights_only=True)`` accepts: tensors, ints and strings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adaqn_lab import state as part_state
from adaqn_lab.events import Log
from adaqn_lab.recipe import Recipe
from adaqn_lab.space import FlatParameters

KEY = "quasi_newton"


def pack(recipe: Recipe, flat: FlatParameters, k: int, states: Mapping[str, Any], log: Log) -> dict[str, Any]:
    """The memory under one key: the recipe's ``repr``, shapes, the step count, tensors by role and field."""
    return {
        "recipe": repr(recipe),
        "shapes": [list(p.shape) for p in flat.parameters],
        "runs": flat.space.runs,
        "k": k,
        "tensors": part_state.flatten(states),
        "log": log.packed(),
    }


def check(saved: Mapping[str, Any], recipe: Recipe, flat: FlatParameters, states: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` in one sentence unless ``saved`` belongs to this recipe and these parameters."""
    if saved["recipe"] != repr(recipe):
        raise ValueError(
            f"The checkpoint was saved by the recipe {saved['recipe']}, this optimizer has {recipe!r}; build it "
            "with the checkpoint's recipe (its repr evaluates back)."
        )
    shapes = [list(p.shape) for p in flat.parameters]
    if saved["shapes"] != shapes or saved["runs"] != flat.space.runs:
        raise ValueError(
            f"The checkpoint is of {saved['runs']} run(s) with parameter shapes {saved['shapes']}, here are "
            f"{flat.space.runs} with {shapes}; load it into the same model, groups in the same order."
        )
    part_state.check(states, saved["tensors"])


def unpack_(saved: Mapping[str, Any], states: Mapping[str, Any], flat: FlatParameters) -> tuple[int, Log]:
    """Copy the saved tensors into ``states``; return the step count and the log. Call :func:`check` first."""
    part_state.load_(states, saved["tensors"])
    return int(saved["k"]), Log.unpacked(saved["log"], flat.space.device)
