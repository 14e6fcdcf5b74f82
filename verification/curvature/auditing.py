"""Beside a live optimizer: do its pairs tell the curvature of the loss, and is H what it should be?"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from adaqn_lab.linalg import dot
from verification.curvature.audit_summary import Summary, summarise
from verification.curvature.matrices import KINDS, Closure, CurvatureMatrix, Kind, Sampled
from verification.curvature.untouched import untouched
from verification.curvature.watching import Tried, watched
from verification.curvature.window_row import WindowRow, cosine, products
from verification.roles import BadSubjectError

Chosen = Callable[[int], bool]


class Audit:
    """What :func:`audit` returns: it looks at the optimizer's windows until it is closed, and tells what it saw.

    ``rows``: one for each window and run that was looked at; ``windows``: those in which a pair was made.
    """

    def __init__(
        self,
        optimizer: Any,
        curvature: Closure,
        matrix: Kind | None,
        chosen: Chosen,
        *,
        probes: int,
        seed: int,
        model: nn.Module | None,
        sampled: Sampled | None,
        name: str | None,
    ) -> None:
        self._watched = watched(optimizer)
        self._curvature, self._matrix, self._sampled = curvature, matrix, sampled
        self._chosen, self._probes, self._seed, self._model = chosen, probes, seed, model
        self._B: CurvatureMatrix | None = None
        self.name = name or self._watched.name
        self.rows: list[WindowRow] = []
        self.windows = 0
        self._handle = self._watched.watch(self._look)

    def close(self) -> None:
        """Look no more."""
        self._handle.remove()

    def __enter__(self) -> Audit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # -- looking --------------------------------------------------------------------------------------------

    def _look(self, tried: Tried) -> None:
        """Measure, if a pair was made and the window is one of the chosen."""
        if not bool(tried.where.any()):
            return
        self.windows += 1
        if not self._chosen(self.windows):
            return
        parameters = self._watched.parameters
        step_gradient = _flat_gradient(parameters, tried.s)
        with untouched(parameters, self._model, self._seed + self.windows):
            self.rows += self._rows(tried, step_gradient)

    def _rows(self, tried: Tried, step_gradient: Tensor) -> list[WindowRow]:
        B = self._matrix_for(tried)
        numbers = products(tried, B.product(tried.w, tried.s), B.product(tried.w, tried.s))
        g = B.gradient(B.flat.gather())
        with torch.no_grad():
            numbers |= self._operator(tried, g, step_gradient)
        admitted, where = tried.admitted.tolist(), tried.where.tolist()
        return [
            WindowRow(tried.step, self.windows, run, admitted[run], **{name: x[run] for name, x in numbers.items()})
            for run in range(len(where))
            if where[run]
        ]

    def _matrix_for(self, tried: Tried) -> CurvatureMatrix:
        if self._B is None:
            runs, parameters = tried.s.shape[0], self._watched.parameters
            maximize = self._watched.maximize
            self._B = CurvatureMatrix(parameters, runs, self._curvature, self._matrix, self._sampled, maximize)
        return self._B

    def _operator(self, tried: Tried, g: Tensor, step_gradient: Tensor) -> dict[str, list[float]]:
        """What H does with gradients, the pair and probes."""
        H, g = self._watched.apply, g.to(tried.s.dtype)
        Hg = H(g)
        vs = [torch.randn(g.shape, dtype=torch.float64).to(g) for _ in range(self._probes)]
        Hvs = [H(v) for v in vs]
        seen = [(g, Hg), *((v, H(v)) for v in (tried.s, tried.y)), *zip(vs, Hvs, strict=True)]
        cosines = torch.stack([cosine(v, Hv) for v, Hv in seen])
        turned = [*zip(vs[1:], Hvs[1:], strict=True), (g, Hg)]
        apart = [_asymmetry(u, Hu, v, Hv) for (u, Hu), (v, Hv) in zip(zip(vs, Hvs, strict=True), turned, strict=True)]
        return {
            "descent": cosine(g, Hg).tolist(),
            "after_step": cosine(g, H(step_gradient)).tolist(),
            "asymmetry": torch.stack(apart).amax(0).tolist(),
            "definiteness": cosines.nan_to_num(torch.inf).amin(0).tolist(),
        }

    # -- telling --------------------------------------------------------------------------------------------

    def summary(self) -> Summary:
        """The scale, the angle and the worst of the rest, over all windows and over thirds of them.

        Raises BadSubjectError while nothing was looked at.
        """
        if not self.rows:
            raise BadSubjectError(
                f"audit: no window of {self.name} was looked at ({self.windows} made a pair); train until there are "
                "more, or choose a smaller every=."
            )
        return summarise(self.rows, self.name, self._B.said if self._B is not None else "")

    def table(self, windows: bool = True) -> str:
        """A line for each window if ``windows``, then the summary."""
        from verification.curvature.audit_table import text

        return text(self.rows if windows else (), self.summary())

    def __str__(self) -> str:
        return self.table()

    def plot(self, path: str | Path) -> None:
        """Draw scale, angle and descent over training; the path's ending says the format."""
        from verification.curvature.audit_picture import draw

        draw(self.rows, self.summary(), path)

    def json(self, path: str | Path | None = None) -> str:
        """Rows and summary as JSON, written to ``path`` if there is one; what is no number is null."""
        rows = [{**asdict(row), "scale": row.scale, "along": row.along, "angle": row.angle} for row in self.rows]
        text = json.dumps(_plain({"summary": asdict(self.summary()), "rows": rows}), indent=1)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text


def audit(
    optimizer: Any,
    curvature: Closure,
    *,
    matrix: Kind | None = None,
    every: int | Chosen = 1,
    probes: int = 4,
    seed: int = 0,
    model: nn.Module | None = None,
    sampled: Sampled | None = None,
    name: str | None = None,
) -> Audit:
    """Look at the windows of a live :class:`~adaqn_lab.QuasiNewton` or ``torch.optim.LBFGS`` while it trains.

    Training is bit for bit what it is without: parameters, gradients, random numbers, buffers, the optimizer's state
    and its counts are as before.

    Args:
        optimizer: the optimizer; nothing happens before it makes its first pair.
        curvature: ``() -> (loss, outputs)``, or ``() -> loss`` for the Hessian, of a curvature batch, which should be
            large and none of the training's own. B s is taken on two calls: where each draws a new batch, the noise of
            B s does not enter the angle. As with the optimizer's callables it is up to it to call ``model.eval()``;
            the penalty of weight decay is not in it.
        matrix: B is the "hessian", the "gauss-newton" matrix or the true "fisher" matrix; by default the Gauss-Newton
            matrix where the callable returns outputs, else the Hessian. See
            :class:`~verification.curvature.matrices.CurvatureMatrix`.
        every: of the windows in which a pair was made look at each so-many-th; or a function, number from 1 -> bool.
        probes: normal vectors on which symmetry and positive definiteness of H are tried.
        seed: of the random numbers inside the audit.
        model: its modes are put back too, if the callable changes them.
        sampled: for "fisher", outputs -> losses of all examples on labels drawn from the outputs.
        name: for table and picture.

    Raises BadSubjectError in one sentence here for what cannot be audited, and out of ``optimizer.step()``, with the
    step made, for a callable which fails.
    """
    if matrix is not None and matrix not in KINDS:
        raise BadSubjectError(f"audit: matrix={matrix!r} is none of {', '.join(KINDS)}.")
    if not callable(curvature):
        raise BadSubjectError(f"audit: curvature={curvature!r} cannot be called; pass () -> (loss, outputs).")
    for word, value in (("every", every), ("probes", probes)):
        if not (callable(value) and word == "every") and (not isinstance(value, int) or value < 1):
            raise BadSubjectError(f"audit: {word}={value!r} is too few; pass an int >= 1.")
    chosen = every if callable(every) else lambda window: (window - 1) % every == 0
    return Audit(
        optimizer, curvature, matrix, chosen, probes=probes, seed=seed, model=model, sampled=sampled, name=name
    )


def _flat_gradient(parameters: list[Tensor], like: Tensor) -> Tensor:
    """The gradients of the step just made, as (R, n); zero where there is none."""
    runs = like.shape[0]
    rows = [(torch.zeros_like(p) if p.grad is None else p.grad).detach().reshape(runs, -1) for p in parameters]
    return torch.cat([row.to(like.dtype) for row in rows], dim=1)


def _asymmetry(u: Tensor, Hu: Tensor, v: Tensor, Hv: Tensor) -> Tensor:
    sizes = torch.maximum((dot(u, u) * dot(Hv, Hv)).sqrt(), (dot(v, v) * dot(Hu, Hu)).sqrt())
    return (dot(u, Hv) - dot(v, Hu)).abs() / sizes


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
