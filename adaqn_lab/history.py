"""The pairs as a ring of rows, and the direction H v in triangular form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from adaqn_lab import plain, ring
from adaqn_lab.diagonal import Diagonal
from adaqn_lab.linalg import add_combination_, dot, rows_dot, write_row_
from adaqn_lab.operators import OPS, served
from adaqn_lab.protocols import InitialMatrix
from adaqn_lab.space import Space


@dataclass
class History:
    """The last ``m`` pairs of each run, in ring slots; slots not in use are masked, never read by the host.

    With S, Y (m, n) oldest first, R = triu(S Y'), D = diag(R), A = R^-1, the two-loop recursion is exactly

        alpha = A S v;  q = v - Y' alpha;  p = H0 q;  H v = p + S' A' (D alpha - Y p)

    and no Y'H0Y appears, so an H0 which changes at every step costs nothing extra. The m x m matrix and the
    dot products are float64 whatever the rows' dtype. A push gives A one column: A of the pairs without the oldest
    or the newest is what is left of A without their row and column.

    Shapes: ``s``, ``y`` (R, m, n); ``inverse`` (R, m, m) is A in slot order; ``s_y`` (R, m) is D; ``s_s``, ``y_y``
    (R, m); ``held`` (R, m) bool says which slots these hold for, elsewhere nothing is said; ``head`` (R,) is the slot
    to write next; ``count`` (R,) the pairs held. Rows of bfloat16 are pairs of their own: every number is
    that of the rounded rows.
    Memory: 2 m n elements a run. ``apply_`` reads S twice and Y once (twice where a block of it does not fit the
    cache), 4 m n multiply-adds.
    Source: the products of Byrd, Nocedal & Schnabel, Math. Programming 63 (1994), rearranged.
    """

    s: Tensor
    y: Tensor
    inverse: Tensor
    s_y: Tensor
    s_s: Tensor
    y_y: Tensor
    held: Tensor
    head: Tensor
    count: Tensor

    @classmethod
    def empty(cls, space: Space, capacity: int, dtype: torch.dtype | None = None) -> History:
        """A history of ``capacity`` slots which holds nothing; its rows in ``dtype``, by default the space's."""
        return cls(
            s=space.zeros(capacity, dtype=dtype),
            y=space.zeros(capacity, dtype=dtype),
            inverse=space.scalars(capacity, capacity),
            s_y=space.scalars(capacity),
            s_s=space.scalars(capacity),
            y_y=space.scalars(capacity),
            held=space.scalars(capacity).bool(),
            head=space.counts(),
            count=space.counts(),
        )

    @property
    def capacity(self) -> int:
        """Number of slots m."""
        return self.s.shape[1]

    def rounded(self, v: Tensor) -> Tensor:
        """``v`` (R, n) as the rows will hold it, in its own dtype: no copy where nothing is rounded."""
        return v if self.s.dtype == v.dtype else v.to(self.s.dtype).to(v.dtype)

    def push_(self, s: Tensor, y: Tensor, where: Tensor, soften: Tensor | None = None) -> None:
        """Store the pair (s, y), (R, n) each, of the runs in ``where``; the oldest leaves a full ring.

        The caller answers for s'y > 0 there; the other runs keep every bit. ``soften`` (R,) >= 0 is added to the
        pair's s'y wherever H divides by it: rho = 1 / (s'y + soften), a soft secant (:meth:`compact` is not for it).
        """
        m = self.capacity
        if m == 0:
            return
        s, y = self.rounded(s), self.rounded(y)
        write_row_(self.s, s, self.head, where)
        write_row_(self.y, y, self.head, where)
        slots = torch.arange(m, device=self.head.device)
        new = (slots == self.head.unsqueeze(1)) & where.unsqueeze(1)  # (R, m), at most one slot a run
        older = self.held & ~new
        s_y = dot(s, y) if soften is None else dot(s, y) + soften
        # R gains the column (S y, s'y), so A gains (-A S y, 1) / s'y; the new row is zero but for its diagonal.
        column = torch.where(older, -plain.times(self.inverse, torch.where(older, rows_dot(self.s, y), 0.0)), 1.0)
        column = (column / s_y.unsqueeze(1)).unsqueeze(2)
        kept = torch.where(new.unsqueeze(2), 0.0, self.inverse)
        self.inverse = torch.where(new.unsqueeze(1), column, kept)
        for name, value in (("s_y", s_y), ("s_s", dot(s, s)), ("y_y", dot(y, y))):
            setattr(self, name, torch.where(new, value.unsqueeze(1), getattr(self, name)))
        self.held = older | new
        self.head, self.count = ring.advanced(self.head, self.count, m, where)

    def pop_(self, where: Tensor) -> None:
        """Drop the newest pair of the runs in ``where``; those which hold none stay as they are."""
        where = where & (self.count > 0)
        self.head = torch.remainder(self.head - where.long(), max(self.capacity, 1))
        self.count = self.count - where.long()
        self.held = ring.held(self.head, self.count, self.capacity)

    def clear_(self, where: Tensor) -> None:
        """Drop the pairs of the runs in ``where``."""
        self.head, self.count = ring.cleared(self.head, self.count, where)
        self.held = self.held.masked_fill(where.unsqueeze(1), False)

    def _newest(self) -> Tensor:
        """The newest pair's slot (R,), any slot where there is none."""
        return torch.remainder(self.head - 1, max(self.capacity, 1))

    def latest(self) -> Tensor:
        """s of the newest pair (R, n); what it says of a run without pairs means nothing."""
        slot = self._newest().view(-1, 1, 1)
        return self.s.gather(1, slot.expand(-1, 1, self.s.shape[2])).squeeze(1)

    def newest(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """s'y, s's, y'y of the newest pair and whether there is one, each (R,); ones where there is none."""
        exists = self.count > 0
        if self.capacity == 0:
            ones = torch.ones_like(self.count, dtype=torch.float64)
            return ones, ones, ones, exists
        slot = self._newest().unsqueeze(1)
        values = [x.gather(1, slot).squeeze(1) for x in (self.s_y, self.s_s, self.y_y)]
        s_y, s_s, y_y = (torch.where(exists, x, 1.0) for x in values)
        return s_y, s_s, y_y, exists

    def products(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """s'y, s's, y'y of every slot and whether it is held, each (R, m); ones where it is not."""
        s_y, s_s, y_y = (torch.where(self.held, x, 1.0) for x in (self.s_y, self.s_s, self.y_y))
        return s_y, s_s, y_y, self.held

    def apply_(self, v: Tensor, h0: InitialMatrix) -> Tensor:
        """H v for each run, (R, n) -> (R, n), written over ``v``.

        A :class:`~adaqn_lab.diagonal.Diagonal` is applied inside the block of Y that is in the cache, in one operator.
        """
        if self.capacity == 0:
            return h0.apply_(v)
        if isinstance(h0, Diagonal):
            operator = OPS.direction_ if served(self.s, v) else plain.direction_
            rows = (self.s, self.y, self.inverse, self.s_y, self.held)
            operator(v, *rows, *h0.operands(v))
            return v
        alpha = self._masked(plain.times(self.inverse, self._masked(rows_dot(self.s, v))))
        p = h0.apply_(add_combination_(v, -alpha, self.y))
        gamma = plain.times(self.inverse.mT, self._masked(self.s_y * alpha - rows_dot(self.y, p)))
        return add_combination_(p, self._masked(gamma), self.s)

    def _masked(self, values: Tensor) -> Tensor:
        """(R, m), zero on the slots which hold nothing: 0 times what lies there might be NaN."""
        return torch.where(self.held, values, 0.0)

    def compact(self, h0: InitialMatrix, dtype: torch.dtype | None = None) -> tuple[Tensor, Tensor]:
        """B = B0 - W' M^-1 W, B0 = H0^-1: W = [S B0; Y] (R, 2m, n), zero on empty slots, and M (R, 2m, 2m) float64.

        M = [[S B0 S', L], [L', -D]] with L the strictly lower part of S Y' in time, identity on empty slots. M is
        not the inverse of A of :meth:`apply_`, and needs S B0 S': m^2 n multiply-adds, 2 m n elements. ``dtype``:
        W's, by default the rows', float32 at least.
        Source: Byrd, Nocedal & Schnabel, Math. Programming 63 (1994), theorem 2.3.
        """
        dtype = dtype or torch.promote_types(self.s.dtype, torch.float32)
        s, y = (torch.where(self.held.unsqueeze(2), rows, 0.0).to(dtype) for rows in (self.s, self.y))
        b_s = torch.stack([h0.solve_(row.clone()) for row in s.unbind(1)], dim=1)
        curvature = torch.stack([rows_dot(s, row.contiguous()) for row in b_s.unbind(1)], dim=2)
        products = torch.stack([rows_dot(s, row.contiguous()) for row in y.unbind(1)], dim=2)
        order = ring.age(self.head, self.capacity)
        lower = torch.where(order.unsqueeze(2) > order.unsqueeze(1), products, 0.0)
        empty = torch.diag_embed((~self.held).double())
        d = torch.diag_embed(self.products()[0])
        top = torch.cat([(curvature + curvature.mT) / 2 + empty, lower], dim=2)
        return torch.cat([b_s, y], dim=1), torch.cat([top, torch.cat([lower.mT, -d], dim=2)], dim=1)

    def solve_(self, v: Tensor, h0: InitialMatrix) -> Tensor:
        """B v for each run, B = H^-1: (R, n) -> (R, n), written over ``v``.

        Cost: :meth:`compact` and 4 m n multiply-adds.
        """
        if self.capacity == 0:
            return h0.solve_(v)
        factors, middle = self.compact(h0, v.dtype)
        inner = torch.linalg.solve_ex(middle, rows_dot(factors, v).unsqueeze(2)).result.squeeze(2)
        return add_combination_(h0.solve_(v), -inner, factors)

    def pairs(self, run: int = 0) -> tuple[Tensor, Tensor]:
        """Copies of one run's S and Y, (count, n) each, oldest first. Reads the count on the host."""
        order = ring.age(self.head, self.capacity)[run].argsort()[self.capacity - int(self.count[run]) :]
        return self.s[run, order].clone(), self.y[run, order].clone()
