"""How much is worked on at a time: numbers that were measured on processors, shared by all plain forms."""

from __future__ import annotations

from torch import Tensor

TILE = 4096
"""At most so many float32 products are added in float32."""

CHUNK = 1 << 15
"""Columns for which a temporary is made at a time, so that it is small next to a vector."""

BLOCK = 1 << 17
"""Columns of the rows which one block holds: 5 MB at m = 10. Smaller ones stay in a nearer cache, but cost calls."""

SHARED = 1 << 14
"""Columns from which a product is worth sharing among a CPU's threads."""

LONG = 1 << 18
"""Columns from which rows lie far apart in memory, so that reading few of them at a time is faster."""

ABREAST = 5
"""So few."""

ALIGNED = 1 << 6
"""Columns to whose multiples tiles are cut, where there is a choice."""

WIDENED = 1 << 18
"""Elements of bfloat16 rows which are widened at a time: all of them at once would be what rounding them saved."""


def chunk(v: Tensor) -> int:
    """Columns of ``v`` (R, n) that an elementwise operator takes at a time.

    On a processor a block that stays in its cache; on a GPU, where every operator is a launch, the whole vector.
    """
    return CHUNK if v.device.type == "cpu" else max(v.shape[1], 1)
