"""How much is worked on at a time: numbers that were measured on processors, shared by all plain forms.

Measured on two cores of an AMD EPYC with 1 MB of cache each and 32 MB together, m = 10 (docs/decisions.md, 31).
"""

from __future__ import annotations

from torch import Tensor

TILE = 4096
"""At most so many float32 products are added in float32."""

NEAR = TILE // 4
"""Columns of a tile in a CPU's batched products: half the error of 4096 for short vectors, which lose 3 % of the time.

From 2^16 to 2^18 columns, where the rows lie in the last cache, 4096 take 13 % less.
"""

CHUNK = 1 << 15
"""Columns for which a temporary is made at a time, so that it is small next to a vector."""

SHARED = 1 << 15
"""Columns from which a sum of rows is worth sharing among a CPU's threads."""

LONG = 1 << 18
"""Columns from which the rows come from memory and not from a cache."""

ABREAST = 5
"""Rows read side by side from memory: with ten, a product at n = 1e6 takes 1.6 times as long."""

BLOCK = 1 << 17
"""Columns of the rows which one block holds, 5 MB at m = 10: still in the cache when they are read again."""

BLOCKED = 1 << 22
"""Columns from which blocks pay: a sixth of the time at n = 1e7, less than nothing at 1e6."""

WIDENED = 1 << 18
"""Elements of bfloat16 rows which are widened at a time: all of them at once would be what rounding them saved."""


def chunk(v: Tensor) -> int:
    """Columns of ``v`` (R, n) that an elementwise operator takes at a time.

    On a processor a block that stays in its cache; on a GPU, where every operator is a launch, the whole vector.
    """
    return CHUNK if v.device.type == "cpu" else max(v.shape[1], 1)
