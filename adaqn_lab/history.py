"""The pairs as a ring of rows, and the direction H v in triangular form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from adaqn_lab import ring
from adaqn_lab.linalg import add_combination_, dot, rows_dot
from adaqn_lab.space import Space


@dataclass
class History:
    """The last ``m`` pairs of each run, in ring slots; slots not in use are masked, never read by the host.

    With S, Y (m, n) oldest first, R = triu(S Y'), D = diag(R), A = R^-1, the two-loop recursion is exactly

        alpha = A S v;  q = v - Y' alpha;  p = H0 q;  H v = p + S' A' (D alpha - Y p)

    and no Y'H0Y appears, so an H0 which changes at every step costs nothing extra. The m x m matrices and the
    dot products are float64 whatever the rows' dtype. A push renews one row and one column of R.

    Shapes: ``s``, ``y`` (R, m, n); ``upper`` and ``inverse`` (R, m, m) are R and A in slot order, identity on
    empty slots; ``s_s``, ``y_y`` (R, m); ``head`` (R,) is the slot to write next; ``count`` (R,) the pairs held.
    Memory: 2 m n elements a run. ``apply`` reads S twice and Y twice, 4 m n multiply-adds.
    Source: the products of Byrd, Nocedal & Schnabel, Math. Programming 63 (1994), rearranged.
    """

    s: Tensor
    y: Tensor
    upper: Tensor
    inverse: Tensor
    s_s: Tensor
    y_y: Tensor
    head: Tensor
    count: Tensor

    @classmethod
    def empty(cls, space: Space, capacity: int) -> History:
        """A history of ``capacity`` slots which holds nothing."""
        eye = torch.eye(capacity, dtype=torch.float64, device=space.device).repeat(space.runs, 1, 1)
        return cls(
            s=space.zeros(capacity),
            y=space.zeros(capacity),
            upper=eye,
            inverse=eye.clone(),
            s_s=space.scalars(capacity, fill=1.0),
            y_y=space.scalars(capacity, fill=1.0),
            head=space.counts(),
            count=space.counts(),
        )

    @property
    def capacity(self) -> int:
        """Number of slots m."""
        return self.s.shape[1]

    def _held(self) -> Tensor:
        """(R, m): which slots hold a pair."""
        return ring.held(self.head, self.count, self.capacity)

    def push_(self, s: Tensor, y: Tensor, where: Tensor, soften: Tensor | None = None) -> None:
        """Store the pair (s, y), (R, n) each, of the runs in ``where``; the oldest leaves a full ring.

        The caller answers for s'y > 0 there; the other runs keep every bit. ``soften`` (R,) >= 0 is added to the
        pair's s'y wherever H divides by it: rho = 1 / (s'y + soften), a soft secant (:meth:`compact` is not for it).
        """
        m = self.capacity
        if m == 0:
            return
        ring.write_(self.s, s, self.head, where)
        ring.write_(self.y, y, self.head, where)
        slots = torch.arange(m, device=self.head.device)
        new = (slots == self.head.unsqueeze(1)) & where.unsqueeze(1)  # (R, m), at most one slot a run
        self.head, self.count = ring.advanced(self.head, self.count, m, where)
        # The newest pair's row of triu(S Y') is zero but for its diagonal; its column holds S y.
        column = torch.where(self._held(), rows_dot(self.s, y), 0.0).unsqueeze(2)
        upper = torch.where(new.unsqueeze(2), 0.0, self.upper)
        self.upper = torch.where(new.unsqueeze(1), column, upper)
        if soften is not None:
            self.upper = self.upper + torch.diag_embed(torch.where(new, soften.unsqueeze(1), 0.0))
        self.s_s = torch.where(new, dot(s, s).unsqueeze(1), self.s_s)
        self.y_y = torch.where(new, dot(y, y).unsqueeze(1), self.y_y)
        self.inverse = torch.where(where.view(-1, 1, 1), self._invert(), self.inverse)

    def _invert(self) -> Tensor:
        """R^-1 in slot order: R is triangular in the order of time, a rotation of the slots."""
        m = self.capacity
        age = ring.age(self.head, m)
        order = age.argsort(dim=1)
        in_time = self.upper.take_along_dim(order.unsqueeze(2), 1).take_along_dim(order.unsqueeze(1), 2)
        eye = torch.eye(m, dtype=torch.float64, device=self.upper.device).expand_as(in_time)
        inverse: Tensor = torch.linalg.solve_triangular(in_time, eye, upper=True)
        return inverse.take_along_dim(age.unsqueeze(2), 1).take_along_dim(age.unsqueeze(1), 2)

    def pop_(self, where: Tensor) -> None:
        """Drop the newest pair of the runs in ``where``; those which hold none stay as they are."""
        m = self.capacity
        where = where & (self.count > 0)
        head = torch.where(where, torch.remainder(self.head - 1, max(m, 1)), self.head)
        gone = (torch.arange(m, device=head.device) == head.unsqueeze(1)) & where.unsqueeze(1)
        eye = torch.eye(m, dtype=torch.float64, device=head.device)
        self.upper = torch.where(gone.unsqueeze(2) | gone.unsqueeze(1), eye, self.upper)
        self.head, self.count = head, self.count - where.long()
        self.inverse = torch.where(where.view(-1, 1, 1), self._invert(), self.inverse)

    def latest(self) -> Tensor:
        """s of the newest pair (R, n); what it says of a run without pairs means nothing."""
        slot = torch.remainder(self.head - 1, max(self.capacity, 1)).view(-1, 1, 1)
        return self.s.gather(1, slot.expand(-1, 1, self.s.shape[2])).squeeze(1)

    def clear_(self, where: Tensor) -> None:
        """Drop the pairs of the runs in ``where``."""
        eye = torch.eye(self.capacity, dtype=torch.float64, device=self.upper.device)
        self.upper = torch.where(where.view(-1, 1, 1), eye, self.upper)
        self.inverse = torch.where(where.view(-1, 1, 1), eye, self.inverse)
        self.head, self.count = ring.cleared(self.head, self.count, where)

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """s'y, s's, y'y of the newest pair and whether there is one, each (R,); ones where there is none."""
        exists = self.count > 0
        if self.capacity == 0:
            ones = torch.ones_like(self.count, dtype=torch.float64)
            return ones, ones, ones, exists
        slot = torch.remainder(self.head - 1, self.capacity).unsqueeze(1)
        s_y = self.upper.diagonal(dim1=1, dim2=2)
        values = [x.gather(1, slot).squeeze(1) for x in (s_y, self.s_s, self.y_y)]
        s_y_new, s_s_new, y_y_new = (torch.where(exists, x, 1.0) for x in values)
        return s_y_new, s_s_new, y_y_new, exists

    def apply(self, v: Tensor, h0: Callable[[Tensor], Tensor]) -> Tensor:
        """H v for each run, (R, n) -> (R, n), fresh. ``h0`` may write into its argument."""
        if self.capacity == 0:
            return h0(v.clone())
        held = self._held()
        alpha = _times(self.inverse, torch.where(held, rows_dot(self.s, v), 0.0))
        p = h0(add_combination_(v.clone(), -alpha, self.y))
        y_p = torch.where(held, rows_dot(self.y, p), 0.0)
        s_y = self.upper.diagonal(dim1=1, dim2=2)
        return add_combination_(p, _times(self.inverse.mT, s_y * alpha - y_p), self.s)

    def compact(self, b0: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """B = B0 - W' M^-1 W: W = [S B0; Y] (R, 2m, n), zero on empty slots, and M (R, 2m, 2m) float64.

        M = [[S B0 S', L], [L', -D]] with L the strictly lower part of S Y' in time, identity on empty slots. M is
        not the inverse's factor R of :meth:`apply`, and needs S B0 S': m^2 n multiply-adds, 2 m n elements.
        Source: Byrd, Nocedal & Schnabel, Math. Programming 63 (1994), theorem 2.3.
        """
        held = self._held()
        rows = held.unsqueeze(2)
        s, y = torch.where(rows, self.s, 0.0), torch.where(rows, self.y, 0.0)
        b_s = torch.stack([b0(row.clone()) for row in s.unbind(1)], dim=1)
        curvature = torch.stack([rows_dot(s, row.contiguous()) for row in b_s.unbind(1)], dim=2)
        products = torch.stack([rows_dot(s, row.contiguous()) for row in y.unbind(1)], dim=2)
        order = ring.age(self.head, self.capacity)
        lower = torch.where(order.unsqueeze(2) > order.unsqueeze(1), products, 0.0)
        empty = torch.diag_embed((~held).double())
        d = torch.diag_embed(self.upper.diagonal(dim1=1, dim2=2))
        top = torch.cat([(curvature + curvature.mT) / 2 + empty, lower], dim=2)
        return torch.cat([b_s, y], dim=1), torch.cat([top, torch.cat([lower.mT, -d], dim=2)], dim=1)

    def apply_inverse(self, v: Tensor, b0: Callable[[Tensor], Tensor]) -> Tensor:
        """B v for each run, B = H^-1: (R, n) -> (R, n), fresh. ``b0`` is v -> H0^-1 v and may write into its argument.

        Cost: :meth:`compact` and 4 m n multiply-adds.
        """
        if self.capacity == 0:
            return b0(v.clone())
        factors, middle = self.compact(b0)
        inner = torch.linalg.solve(middle, rows_dot(factors, v).unsqueeze(2)).squeeze(2)
        return add_combination_(b0(v.clone()), -inner, factors)

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """s'y, s's, y'y of every slot and whether it is held, each (R, m); ones where it is not."""
        held = self._held()
        s_y = self.upper.diagonal(dim1=1, dim2=2)
        return (*(torch.where(held, x, 1.0) for x in (s_y, self.s_s, self.y_y)), held)  # type: ignore[return-value]

    def pairs(self, run: int = 0) -> tuple[Tensor, Tensor]:
        """Copies of one run's S and Y, (count, n) each, oldest first. Reads the count on the host."""
        order = ring.age(self.head, self.capacity)[run].argsort()[self.capacity - int(self.count[run]) :]
        return self.s[run, order].clone(), self.y[run, order].clone()


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    """(R, m, m), (R, m) -> (R, m)."""
    return torch.bmm(matrix, vector.unsqueeze(2)).squeeze(2)
