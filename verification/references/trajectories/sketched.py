"""adaQN with signed sums of gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.references.trajectories.adaqn import adaqn_like
from verification.references.trajectories.loops import Found
from verification.references.trajectories.problem import Problem

Array = NDArray[Any]
WORD = 2**64


def sign(number: int, seed: int = 0) -> float:
    """The hash in integers modulo 2^64: shifts keep the sign bit, as those of a signed word do."""

    def signed(x: int) -> int:
        return (x + WORD // 2) % WORD - WORD // 2

    x = signed((number + (seed + 1) * 0x632BE59BD9B4E019 % 2**31) * -0x61C8864680B583EB)
    x = signed((x ^ (x >> 30)) * -0x40A7B892E31B1A47)
    x = signed((x ^ (x >> 27)) * -0x6B2FB644ECCEEE15)
    return 1.0 - 2.0 * ((x >> 40) & 1)


def sketched(p: Problem, lr: float, steps: int) -> Found:
    """y = (1 / |F|) sum_j z_j (z_j's), z_j the signed sums of 5 successive gradients, 20 of them."""
    groups: list[list[Array]] = []
    count = 0

    def see(k: int, w: Array, g: Array) -> None:
        nonlocal count
        if not groups or len(groups[-1]) == 5:
            groups.append([])
        groups[-1].append(sign(count) * g)
        del groups[:-20]
        count += 1

    def make(F: list[Array], w_n: Array, w_o: Array, k: int) -> tuple[Array, Array]:
        s, Z = w_n - w_o, [np.sum(group, axis=0) for group in groups]
        return s, sum(z * (z @ s) for z in Z) / sum(len(group) for group in groups)

    def settle(kind: str) -> None:
        if kind == "ROLLED_BACK":
            groups.clear()

    return adaqn_like(see=see, make=make, settle=settle).run(p, lr, steps)
