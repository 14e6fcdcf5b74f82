"""Repairs of a pair before it is judged: dampings which make its curvature positive and bounded.

A repair maps (s, y) to (s, y), both (R, n), and may ask for H v and B v; it has no state. A pair which it would have
to divide by 0 for (s = 0; y = 0 for `PowellH`) comes back as it went in, for the curvature test to refuse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from adaqn_lab.checks import require_real
from adaqn_lab.linalg import dot
from adaqn_lab.protocols import Operator


class Repair(Protocol):
    """(s, y) -> (s, y)."""

    @property
    def needs_inverse(self) -> bool:
        """Whether it asks for B v."""
        ...

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Return the repaired pair, fresh or the arguments themselves."""
        ...


def _blend(theta: Tensor, v: Tensor, w: Tensor, where: Tensor) -> Tensor:
    """theta v + (1 - theta) w for the runs in ``where``, v for the others; theta (R,) float64."""
    sound = where & torch.isfinite(theta)
    t = torch.where(sound, theta, 1.0).to(v.dtype).unsqueeze(1)
    return torch.where(sound.unsqueeze(1), t * v + (1.0 - t) * w, v)


def _powell(s_y: Tensor, s_b_s: Tensor, delta: float) -> tuple[Tensor, Tensor]:
    """Powell's theta and whether it applies, each (R,): s'y < delta s'Bs."""
    return (1.0 - delta) * s_b_s / (s_b_s - s_y), (s_y < delta * s_b_s) & (s_b_s > 0)


@dataclass(frozen=True, kw_only=True)
class PowellB:
    """y <- theta y + (1 - theta) B s with theta = (1 - delta) s'Bs / (s'Bs - s'y) where s'y < delta s'Bs.

    Then s'y = delta s'Bs: B stays positive definite for any y. Cost: one product with B.
    Raises ``ValueError`` or ``TypeError`` unless 0 < delta < 1. Source: Powell 1978; Nocedal & Wright, Numerical
    Optimization (2006), Procedure 18.2 (delta = 0.2).
    """

    delta: float = 0.2

    needs_inverse: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_real("PowellB", "delta", self.delta, above=0.0, below=1.0)

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Return (s, repaired y)."""
        b_s = operator.inverse(s)
        theta, where = _powell(dot(s, y), dot(s, b_s), self.delta)
        return s, _blend(theta, y, b_s, where)


@dataclass(frozen=True, kw_only=True)
class PowellH:
    """s <- theta s + (1 - theta) H y with theta = (1 - delta) y'Hy / (y'Hy - s'y) where s'y < delta y'Hy.

    Then s'y = delta y'Hy: the same with the roles of s and y, B and H exchanged. Cost: one product with H.
    Raises ``ValueError`` or ``TypeError`` unless 0 < delta < 1. Source: the authors' MATLAB code (minSQN), and
    K-BFGS (Goldfarb, Ren & Bahamou 2020), as their codes do.
    """

    delta: float = 0.2

    needs_inverse: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_real("PowellH", "delta", self.delta, above=0.0, below=1.0)

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Return (repaired s, y)."""
        h_y = operator(y)
        theta, where = _powell(dot(s, y), dot(y, h_y), self.delta)
        return _blend(theta, s, h_y, where), y


@dataclass(frozen=True, kw_only=True)
class PowellScaled:
    """:class:`PowellB` with B = gamma I, gamma = max(y'y / s'y, floor) of this very pair: SdLBFGS's damping.

    Then s'y = delta gamma s's where it applied. No product with B is needed.
    Raises ``ValueError`` or ``TypeError`` unless 0 < delta < 1 and floor > 0. Source: Wang, Ma, Goldfarb & Liu,
    SIAM J. Optim. 27 (2017), delta = 0.25, as a public code does.
    """

    delta: float = 0.25
    floor: float = 1.0

    needs_inverse: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_real("PowellScaled", "delta", self.delta, above=0.0, below=1.0)
        require_real("PowellScaled", "floor", self.floor, above=0.0)

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Return (s, repaired y)."""
        s_y, s_s = dot(s, y), dot(s, s)
        ratio = torch.where(s_y > 0, dot(y, y) / s_y, self.floor)  # s'y <= 0 must not divide
        gamma = ratio.clamp(min=self.floor)
        theta, where = _powell(s_y, gamma * s_s, self.delta)
        return s, _blend(theta, y, s * gamma.to(s.dtype).unsqueeze(1), where)


@dataclass(frozen=True, kw_only=True)
class LevenbergDamping:
    """y <- theta y + (1 - theta) s with theta = (1 - mu) s's / (s's - s'y) where s'y <= mu s's; then s'y = mu s's.

    K-BFGS's second damping; after :class:`PowellH` it is the double damping:
    ``Repaired(by=PowellH(), of=Repaired(by=LevenbergDamping(), of=Window()))``.
    Raises ``ValueError`` or ``TypeError`` unless 0 < mu < 1. Source: K-BFGS (Goldfarb, Ren & Bahamou 2020), as its
    code does.
    """

    mu: float = 0.1

    needs_inverse: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_real("LevenbergDamping", "mu", self.mu, above=0.0, below=1.0)

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Return (s, repaired y)."""
        s_y, s_s = dot(s, y), dot(s, s)
        theta = (1.0 - self.mu) * s_s / (s_s - s_y)
        return s, _blend(theta, y, s, (s_y <= self.mu * s_s) & (s_s > 0))


@dataclass(frozen=True, kw_only=True)
class TauDamping:
    """y <- tau y + (1 - tau) s, which holds s'y / s's between ``lower`` and ``upper``; mu = s'y / s's:

        mu <= lower < 1:  tau = min((1 - lower) / (1 - mu), tau_0)
        mu >= upper > 1:  tau = min((upper - 1) / (mu - 1), tau_0)
        else              tau = tau_0

    Raises ``ValueError`` or ``TypeError`` unless 0 < lower < 1 < upper and 0 < tau <= 1.
    Source: mL-BFGS, Niu et al. 2023, as documented; the default values are this library's.
    """

    lower: float = 0.1
    upper: float = 10.0
    tau: float = 1.0

    needs_inverse: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_real("TauDamping", "lower", self.lower, above=0.0, below=1.0)
        require_real("TauDamping", "upper", self.upper, above=1.0)
        require_real("TauDamping", "tau", self.tau, above=0.0, at_most=1.0)

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Return (s, repaired y)."""
        s_s = dot(s, s)
        mu = dot(s, y) / s_s
        low, high = (1.0 - self.lower) / (1.0 - mu), (self.upper - 1.0) / (mu - 1.0)
        tau = torch.where(mu <= self.lower, low, torch.where(mu >= self.upper, high, self.tau)).clamp(max=self.tau)
        return s, _blend(tau, y, s, (s_s > 0) & torch.isfinite(mu))


@dataclass(frozen=True, kw_only=True)
class Regularised:
    """y <- y + shift s: curvature raised by ``shift`` along s, whatever the pair generator.

    Raises ``ValueError`` or ``TypeError`` unless shift > 0. Source: y_reg of stochQN, lambda of oBFGS.
    """

    shift: float = 1e-3

    needs_inverse: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_real("Regularised", "shift", self.shift, above=0.0)

    def repair(self, s: Tensor, y: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
        """Return (s, y + shift s)."""
        return s, y.add(s, alpha=self.shift)
