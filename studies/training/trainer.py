"""R runs of a variant as one batched model: a step of theirs, one operator at a time or captured as graphs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.optim import Optimizer

from adaqn_lab import QuasiNewton, Recipe
from adaqn_lab.graphs import Work
from adaqn_lab.space import per_run
from studies.baselines.runs import RunsOptimizer
from studies.models import Architecture, BatchedModel, RecurrentModel
from studies.tasks import Batch, Task
from studies.training.data import TrainingData, evaluate, mean_losses, on_all_runs
from studies.training.ema import Ema
from studies.training.rates import Rates
from studies.training.schedule import Schedule
from studies.variants.variant import Variant

Record = Callable[[Work], Work]
"""Work -> what does it again, having done it once: `adaqn_lab.graphs.CudaGraph` on a GPU."""
BASELINE_WARM_UP = 3
"""Steps after which a baseline's state is made."""


class Trainer:
    """R runs at a time, of any rates and seeds: `begin` them, then `step` after step.

    With ``record`` steps are captured as soon as they all do the same, after the first window of a recipe or the first
    few steps of a baseline: the gradients as one graph, and the optimizer's step as another, by its own
    ``graphs=True`` or where it is ``capturable``. `begin` keeps the gradients' graph and a recipe's. A captured step
    gives the numbers of the eager one bit for bit. A model with dropout takes eager steps: its masks are the host's.
    ``model``: the batched model; ``warm_up``: the present runs' steps after which all steps do the same.
    """

    def __init__(
        self,
        variant: Variant,
        runs: Sequence[tuple[float, int]],
        *,
        task: Task,
        architecture: Architecture,
        schedule: Schedule,
        device: torch.device,
        record: Record | None = None,
    ) -> None:
        self._variant, self._task, self._architecture, self._schedule = variant, task, architecture, schedule
        self._record = None if architecture.dropout else record
        seeds = [seed for _, seed in runs]
        self.model = BatchedModel(architecture, self._models(seeds)).to(device)
        self._weights = list(self.model.parameters())
        self._data = TrainingData(
            self.model, task, seeds, overlaps=variant.overlaps, steps=schedule.steps, static=self._record is not None
        )
        self._alive = torch.ones(len(runs), dtype=torch.bool, device=device)
        self._gradients: Work | None = None
        self._validation: tuple[Work, Tensor, Batch] | None = None
        self._optimizer: Optimizer | None = None
        self._ema = None if schedule.ema is None else Ema(self._weights, schedule.ema)
        self._begin([rate for rate, _ in runs])

    def begin(self, runs: Sequence[tuple[float, int]]) -> None:
        """Begin as many other runs (learning rate, seed).

        The seed fixes parameters, batches, monitor and curvature sets.
        """
        rates, seeds = [rate for rate, _ in runs], [seed for _, seed in runs]
        self.model.load(self._models(seeds))
        self._data.restart(seeds)
        self._begin(rates)

    def _models(self, seeds: Sequence[int]) -> list[RecurrentModel]:
        return [self._architecture.build(self._task.shape, seed) for seed in seeds]

    def _begin(self, rates: Sequence[float]) -> None:
        self._alive.fill_(True)
        self._all_alive, self._step = True, 0
        self._own_step: Work | None = None
        self.warm_up = 0 if self._record is None else 2 * self._eager
        if isinstance(self._optimizer, QuasiNewton) and self._record is not None:
            self.warm_up = 0
            self._optimizer.param_groups[0]["lr"].copy_(torch.tensor(rates, dtype=torch.float64))
            self._optimizer.reset()
        else:
            graphs = self._record is not None
            self._optimizer = self._variant.build(self._weights, rates, self._data.callables, graphs=graphs)
        self._rates = Rates(self._optimizer, self._schedule)
        if self._ema is not None:
            self._ema.forget()

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer of the present runs."""
        assert self._optimizer is not None  # from the start on
        return self._optimizer

    @property
    def _eager(self) -> int:
        """The steps before the first one that may be captured."""
        method = self._variant.method
        return method.cadence.every if isinstance(method, Recipe) else BASELINE_WARM_UP

    def step(self) -> None:
        """Do the next step of every run."""
        self._step += 1
        self._rates.set(self._step)
        for part in self.parts.values():
            part()

    @property
    def parts(self) -> dict[str, Work]:
        """What a step consists of, in order: the host's part of its data, the gradients, the optimizer's step."""
        return {"data": self._data.prepare, "gradients": self._take_gradients, "optimizer": self._take_step}

    def _take_gradients(self) -> None:
        self._gradients = self._do(self._compute_gradients, self._gradients)

    def _take_step(self) -> None:
        if isinstance(self.optimizer, RunsOptimizer) and self.optimizer.capturable:
            self._own_step = self._do(self.optimizer.step, self._own_step)
        else:
            self.optimizer.step()
        if self._ema is not None:
            self._ema.update()

    def _do(self, work: Work, captured: Work | None) -> Work | None:
        """Do the work, by what was ``captured`` of it if there is; return that."""
        if captured is not None:
            captured()
        elif self._record is None or self._step <= self._eager:
            work()
        else:
            captured = self._record(work)
        return captured

    def _compute_gradients(self) -> None:
        """Put the runs' clipped gradients on the next mini-batch into ``.grad``."""
        self._data.advance()
        losses = self._data.step_losses()
        alive = None if self._all_alive and self._record is None else self._alive
        if alive is not None:
            losses = torch.where(alive, losses, 0.0)
        # Not backward(): what it leaves at the weights is bound to the stream that it first ran on.
        gradients = torch.autograd.grad(losses.sum(), self._weights)
        clip_each(gradients, self._schedule.clip, alive)
        for weight, gradient in zip(self._weights, gradients, strict=True):
            weight.grad = gradient

    def end(self, alive: Sequence[bool]) -> None:
        """Go on with the runs that are ``alive``; the gradients of the others are zero from now on."""
        self._all_alive = all(alive)
        self._alive.copy_(torch.tensor(alive))

    def validation_losses(self) -> list[float]:
        """Return each run's loss on the validation set."""
        if self._gradients is None:
            return evaluate(self.model, self._task.validation)
        if self._validation is None:
            assert self._record is not None  # since the gradients were captured
            batch, found = on_all_runs(self.model, self._task.validation), list[Tensor]()
            work = self._record(lambda: found.append(mean_losses(self.model, batch)))
            self._validation = work, found[0], batch  # the batch lives as long as what reads it
        else:
            self._validation[0]()
        losses: list[float] = self._validation[1].tolist()
        return losses

    def test_losses(self) -> list[float]:
        """Return each run's loss on the test set."""
        return evaluate(self.model, self._task.test)

    @contextmanager
    def averaged(self) -> Iterator[bool]:
        """Put the averaged weights in the weights' place for as long as the block lasts; whether there are any."""
        if self._ema is None:
            yield False
            return
        with self._ema.in_place():
            yield True


@torch.no_grad()
def clip_each(gradients: tuple[Tensor, ...] | list[Tensor], most: float, alive: Tensor | None) -> None:
    """Scale the gradients of each run, (R, ...) each, so that its norm is at most ``most``; ended runs get zeros.

    Per run it is torch.nn.utils.clip_grad_norm_. Without ``alive`` (R,) all are.
    """
    if alive is not None:
        # Not left to the masked loss: its zeros times a diverged run's infinities would be NaN.
        for gradient in gradients:
            gradient.masked_fill_(per_run(~alive, gradient), 0.0)
    norms = torch.stack([torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in gradients])
    factors = (most / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_(gradients, [per_run(factors, gradient) for gradient in gradients])
