"""Whole methods: resumed runs, runs side by side, reductions to the known."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from adaqn_lab import AdaGrad, Identity, Plain, QuasiNewton, Window
from verification.compare import close, holds, same
from verification.law import Group, Subject, law
from verification.methods import LR, Method, Script, _Monitor, perform, scripts
from verification.parts import tensor
from verification.problems import Logistic, logistic_problems, train
from verification.tolerances import TOLERANCES

EVERY = 3  # short windows, so that a short run holds many decisions


@law(
    name="resume",
    statement="state_dict through torch.save and torch.load(weights_only=True): the run goes on bit for bit",
    source="torch.optim's contract of state_dict.",
    group=Group.CONTRACT,
    subject=Subject.RECIPE,
    kills=("window_sum_not_saved", "counter_not_saved"),
    share=0.5,
    inputs=logistic_problems(),
)
def resume(method: Method, problem: Logistic) -> None:
    """An interrupted run equals an uninterrupted one."""
    short = method.short(EVERY)

    def interrupt(optimizer: QuasiNewton, w: torch.nn.Parameter) -> QuasiNewton:
        file = io.BytesIO()
        torch.save(optimizer.state_dict(), file)
        file.seek(0)
        again = short.build([w], lr=problem.lr, **optimizer._closures)
        again.load_state_dict(torch.load(file, weights_only=True))
        return again

    straight, one = train(short, [problem])
    resumed, two = train(short, [problem], interrupt=interrupt)
    same(resumed, straight, "the iterates of a run resumed half-way")
    holds(repr(one.events) == repr(two.events), f"events {two.events}, expected {one.events}")


@law(
    name="runs-alone",
    statement="R runs side by side = the same runs alone",
    source="Runs never influence each other; batched products may sum in another order.",
    group=Group.INVARIANCE,
    subject=Subject.RECIPE,
    tolerance="trajectory",
    kills=("runs_share_the_guard", "runs_leak_into_the_sum"),
    share=0.5,
    inputs=logistic_problems(),
)
def runs_alone(method: Method, problem: Logistic) -> None:
    """Five runs side by side, whose decisions differ, and three of them alone."""
    short = method.short(EVERY)
    problems = [Logistic(problem.n, problem.seed + r, problem.steps, problem.lr) for r in range(5)]
    together, _ = train(short, problems)
    for run in (0, 2, 4):
        expected, _ = train(short, [problems[run]])
        atol = TOLERANCES["trajectory"]() * (1 + np.abs(expected[:, 0]).max())
        close(together[:, run], expected[:, 0], atol, f"the iterates of run {run} of 5 against it alone")


@law(
    name="capacity-zero",
    statement="memory of capacity 0 and no guard = no pairs, bit for bit",
    source="Without pairs H = H0. A refused pair does not advance the reference unless always_advance, and a stepper "
    "may go by advances: it hears of them where they are the same.",
    group=Group.INVARIANCE,
    subject=Subject.RECIPE,
    kills=("capacity_zero_holds_one", "pairs_leave_w_at_the_average"),
    inputs=scripts(bad=False),
)
def capacity_zero(method: Method, script: Script) -> None:
    """Two ways of having no pairs."""
    bare = method.but(guard=None, memory=Window(capacity=0))
    always = bare.but(cadence=replace(method.recipe.cadence, always_advance=True))
    for one, told in ((bare, False), (always, True)):
        got, expected = (perform(one, script, pairs=pairs, told=told).w for pairs in (True, False))
        for k, (a, b) in enumerate(zip(got, expected, strict=True)):
            same(a, b, f"w after step {k}")


@law(
    name="no-guard",
    statement="guard=None: the monitor is never called",
    source="Evaluations cost; an absent guard needs none.",
    group=Group.CONTRACT,
    subject=Subject.RECIPE,
    kills=("monitor_called_unasked", "monitor_called_at_the_start"),
    inputs=scripts(bad=False, max_windows=3),
)
def no_guard(method: Method, script: Script) -> None:
    """A guard which is not there asks nothing."""
    unguarded = method.but(guard=None, pairs=None).every(script.every)
    w = torch.nn.Parameter(tensor(script.stream.s))
    monitor = _Monitor(script, w)
    optimizer = unguarded.optimizer([w], unguarded.recipe, lr=LR, monitor=monitor)
    for g in script.stream.gradients:
        w.grad = tensor(g)
        optimizer.step()
    holds(monitor.calls == 0, f"the monitor was called {monitor.calls} times, expected 0")


def _bare(method: Method, scaling: Any, every: int) -> Method:
    """The method's optimizer and schedule, with steps along H0 g and nothing else."""
    return method.but(pairs=None, scaling=scaling, memory=Window(), stepper=Plain(), guard=None).every(every)


@law(
    name="reduces-to-sgd",
    statement="no pairs, H0 = I: torch.optim.SGD bit for bit, with weight decay, maximize and groups",
    source="torch.optim.SGD: w -= lr (+-g + weight_decay w).",
    group=Group.REFERENCE,
    subject=Subject.RECIPE,
    kills=("weight_decay_after_step", "maximize_ignored", "one_lr_for_all_groups"),
    inputs=scripts(bad=False),
)
def reduces_to_sgd(method: Method, script: Script) -> None:
    """The plainest recipe is the plainest method."""
    plain = _bare(method, Identity(), script.every)
    maximize = bool(script.seed % 2)
    ours, theirs = ([torch.nn.Parameter(tensor(x)) for x in (script.stream.s, script.stream.t)] for _ in range(2))
    options = [{"lr": 0.25, "weight_decay": 0.1}, {"lr": 0.03}]
    groups = [[{"params": [p], **o} for p, o in zip(side, options, strict=True)] for side in (ours, theirs)]
    optimizers = [
        plain.optimizer(groups[0], plain.recipe, lr=0.5, maximize=maximize),
        torch.optim.SGD(groups[1], lr=0.5, maximize=maximize),
    ]
    for k, g in enumerate(script.stream.gradients, start=1):
        for parameters, optimizer in zip((ours, theirs), optimizers, strict=True):
            for p, sign in zip(parameters, (1.0, -0.5), strict=True):
                p.grad = tensor(sign * g)
            optimizer.step()
        for index, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            same(a, b, f"parameter {index} after step {k}, maximize={maximize}, against torch.optim.SGD")


@law(
    name="reduces-to-adagrad",
    statement="no pairs, AdaGrad: w -= lr g / sqrt(G + eps), G += g g, bit for bit",
    source="Duchi, Hazan & Singer 2011, eps inside the root (torch.optim.Adagrad has it outside).",
    group=Group.REFERENCE,
    subject=Subject.RECIPE,
    kills=("scaling_sees_the_gradient_late", "windows_reset_the_scaling"),
    inputs=scripts(bad=False),
)
def reduces_to_adagrad(method: Method, script: Script) -> None:
    """adaQN before its first pair is AdaGrad."""
    plain = _bare(method, AdaGrad(eps=1e-4), script.every)
    w = torch.nn.Parameter(tensor(script.stream.s))
    optimizer = plain.optimizer([w], plain.recipe, lr=LR)
    expected, G = tensor(script.stream.s), torch.zeros(script.n, dtype=w.dtype)
    for k, g in enumerate(script.stream.gradients, start=1):
        w.grad = tensor(g)
        optimizer.step()
        G.addcmul_(w.grad, w.grad)  # torch's own operations: a fused multiply-add rounds once
        expected.add_(w.grad / torch.sqrt(G + 1e-4), alpha=-LR)
        same(w, expected, f"w after step {k} against AdaGrad")


LAWS = (resume, runs_alone, capacity_zero, no_guard, reduces_to_sgd, reduces_to_adagrad)
