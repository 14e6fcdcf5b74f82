"""What an audit measures at one window of one run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from adaqn_lab.linalg import dot
from verification.curvature.watching import Tried


@dataclass(frozen=True)
class WindowRow:
    """Products of s, y and B s, and what H did with a few vectors.

    ``descent``: the cosine between H g and the gradient g of the curvature loss, > 0 iff -H g is downhill;
    ``after_step``: the cosine between g and H times the gradient of the step just made, < 0 iff that step went beyond
    the loss's minimum along it. ``asymmetry``: the largest |u'Hv - v'Hu| / (|u||Hv|) of probes; ``definiteness``: the
    smallest v'Hv / (|v||Hv|) of probes, g, s and y.
    """

    step: int
    window: int
    run: int
    admitted: bool
    s_s: float
    s_y: float
    y_y: float
    s_bs: float
    y_bs: float
    bs_bs: float
    descent: float
    after_step: float
    asymmetry: float
    definiteness: float

    @property
    def scale(self) -> float:
        """c = y'Bs / y'y, with which |c y - B s| is least: so many times too small is y."""
        return self.y_bs / self.y_y if self.y_y > 0 else math.nan

    @property
    def along(self) -> float:
        """s'Bs / s'y: so many times too small is the curvature along s."""
        return self.s_bs / self.s_y if self.s_y != 0 else math.nan

    @property
    def angle(self) -> float:
        """Between y and B s, in degrees; NaN where noise leaves nothing of B s."""
        size = math.sqrt(self.y_y) * math.sqrt(max(self.bs_bs, 0.0))
        return math.degrees(math.acos(max(-1.0, min(1.0, self.y_bs / size)))) if size > 0 else math.nan


def products(tried: Tried, Bs: Tensor, again: Tensor) -> dict[str, list[float]]:
    """The inner products of s, y, B s by name, a number for each run.

    ``again`` is B s from another call: where each call draws its batch, the noise of two products is independent, and
    their inner product has |B s|^2 as its mean, without that noise.
    """
    s, y, Bs, again = tried.s, tried.y, Bs.to(tried.s.dtype), again.to(tried.s.dtype)
    own = {"s_s": dot(s, s), "s_y": dot(s, y), "y_y": dot(y, y), "bs_bs": dot(Bs, again)}
    crossed = {"s_bs": (dot(s, Bs) + dot(s, again)) / 2, "y_bs": (dot(y, Bs) + dot(y, again)) / 2}
    return {name: value.tolist() for name, value in (own | crossed).items()}


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """a'b / (|a||b|) of each run, NaN where one is zero: (R, n), (R, n) -> (R,)."""
    sizes = (dot(a, a) * dot(b, b)).sqrt()
    return torch.where(sizes > 0, dot(a, b) / sizes, torch.nan)
