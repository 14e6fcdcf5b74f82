"""Every shipped recipe on a small LSTM: what the optimizer promises holds for all of them."""

from __future__ import annotations

import copy
import io
import math

import pytest
import torch
from torch import nn

import adaqn_lab as lab
from adaqn_lab import QuasiNewton
from adaqn_lab.recipes import ALL
from tests.adaqn_lab.family import Current, LossAndOutputs, family_optimizer, family_train, finite
from tests.adaqn_lab.small import Loss, bits, in_windows_of, memory, same, same_memory, tagger
from verification.host_reads import Watch

RECIPES = {named.name: in_windows_of(named.recipe, 5) for named in ALL}
RECIPES["SAMPLED_LBFGS"] = RECIPES["SAMPLED_LBFGS"].but(pairs=lab.SampledHessian(count=4))
CONVEX = {"DOBFGS", "SAMPLED_LBFGS"}
"""Unguarded methods which do climb on a loss with negative curvature; what they are made for are convex problems."""
DIVERGING = {"SAMPLED_LBFGS"}
"""Of these the one whose pairs there have an s'y of 1e-20: whether H g overflows is up to the order of a sum."""
STEPS = 25
"""Five windows; and where a pair comes at every step, enough of them for a memory of 20."""
every_recipe = pytest.mark.parametrize("name", RECIPES)


def skipped(optimizer, what):
    """The steps which were skipped for that reason."""
    return [e.step for e in optimizer.events if e.reason == f"the {what} was not finite"]


@every_recipe
def test_it_trains_and_reads_nothing_on_the_host(name):
    model = tagger()
    optimizer, current = family_optimizer(model, RECIPES[name])
    with torch.no_grad():
        before = float(Loss(model)())
    for k in (-1, -2, *range(STEPS)):
        Loss(model, k)()
    for k in range(STEPS):
        current.k = k
        model.zero_grad()
        Loss(model, k)().backward()
        with Watch():
            optimizer.step()
    assert finite(memory(optimizer))
    with torch.no_grad():
        assert name in CONVEX or float(Loss(model)()) < before + 0.05
    assert skipped(optimizer, "gradient") == []
    assert name in DIVERGING or skipped(optimizer, "direction") == []


@every_recipe
def test_a_resumed_run_is_the_uninterrupted_one(name):
    straight, resumed = tagger(), tagger()
    one, batch_of_one = family_optimizer(straight, RECIPES[name])
    two, batch_of_two = family_optimizer(resumed, RECIPES[name])
    steps, half = STEPS, STEPS // 2
    family_train(straight, one, batch_of_one, 0, steps)
    family_train(resumed, two, batch_of_two, 0, half)
    file = io.BytesIO()
    torch.save((two.state_dict(), resumed.state_dict()), file)
    file.seek(0)
    state, weights = torch.load(file, weights_only=True)
    fresh = tagger(seed=5)
    fresh.load_state_dict(weights)
    three, batch_of_three = family_optimizer(fresh, RECIPES[name])
    three.load_state_dict(state)
    family_train(fresh, three, batch_of_three, half, steps)
    assert same(bits(straight), bits(fresh))
    assert same_memory(memory(one), memory(three))


@every_recipe
def test_a_copy_goes_its_own_way(name):
    model = tagger()
    optimizer, current = family_optimizer(model, RECIPES[name])
    family_train(model, optimizer, current, 0, 22)
    twin, theirs, batch_of_twin = copy.deepcopy((model, optimizer, current))
    before = memory(optimizer)
    family_train(twin, theirs, batch_of_twin, 22, 30)
    assert same_memory(memory(optimizer), before)
    family_train(model, optimizer, current, 22, 30)
    assert same(bits(model), bits(twin))


@every_recipe
def test_what_is_not_finite_enters_no_state(name):
    """Each of the three at the start, in the middle and later."""
    model = tagger()
    optimizer, current = family_optimizer(model, RECIPES[name])
    begins = (0, STEPS // 2 - 1, 2 * STEPS // 3)
    spoilt = {begin + 2 * place: bad for begin in begins for place, bad in enumerate((math.nan, math.inf, 1e30))}
    assert len(spoilt) == 9
    for k in range(STEPS):
        current.k = k
        model.zero_grad()
        Loss(model, k)().backward()
        if k in spoilt:
            model.out.bias.grad[1] = spoilt[k]
        optimizer.step()
        if k in spoilt:  # at once: a memory forgets its oldest pair
            assert finite(memory(optimizer))
            assert all(torch.isfinite(p).all() for p in model.parameters())
    assert finite(memory(optimizer))
    assert skipped(optimizer, "gradient") == [k + 1 for k in sorted(spoilt)]
    assert name in DIVERGING or skipped(optimizer, "direction") == []


class Quadratics(nn.Module):
    """R separate problems: w'Aw / 2 - b'w with a noisy b; outputs A^(1/2) w."""

    def __init__(self, seeds: list[int]) -> None:
        super().__init__()
        self.seeds = seeds
        drawn = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.root = torch.stack([torch.randn(5, 5, generator=g, dtype=torch.float64) for g in drawn]) / 2
        start = torch.stack([torch.randn(5, generator=g, dtype=torch.float64) for g in drawn])
        self.w = nn.Parameter(start if len(seeds) > 1 else start[0])

    def losses(self, k: int):
        rows = self.w.view(len(self.seeds), 5)
        b = torch.stack(
            [
                torch.randn(5, generator=torch.Generator().manual_seed(97 * s + k), dtype=torch.float64)
                for s in self.seeds
            ]
        )
        outputs = torch.einsum("rij,rj->ri", self.root, rows)
        return (outputs.square() / 2 + 0.2 * b * outputs).sum(1) + 0.05 * rows.square().sum(1), outputs


def run_quadratics(recipe, seeds):
    model, now = Quadratics(seeds), [0]
    optimizer = QuasiNewton(
        model.parameters(),
        recipe,
        lr=0.05,
        runs=len(seeds),
        monitor=lambda: model.losses(-1)[0],
        curvature=lambda: model.losses(-2),
        batch=lambda: model.losses(now[0])[0],
        overlap=lambda: model.losses(now[0])[0],
    )
    for k in range(30):
        now[0] = k
        model.zero_grad()
        model.losses(k)[0].sum().backward()
        if k == 7:
            model.w.grad.view(len(seeds), 5)[[seed == 2 for seed in seeds]] = math.nan
        optimizer.step()
    return model.w.detach().view(len(seeds), 5), [(e.run, e.step, e.kind) for e in optimizer.events]


@every_recipe
def test_runs_together_are_the_runs_alone(name):
    seeds = [1, 2, 3]
    together, events = run_quadratics(RECIPES[name], seeds)
    assert torch.isfinite(together).all()
    for run, seed in enumerate(seeds):
        alone, own = run_quadratics(RECIPES[name], [seed])
        torch.testing.assert_close(together[run], alone[0], rtol=1e-8, atol=1e-10)
        assert [(step, kind) for r, step, kind in events if r == run] == [(step, kind) for _, step, kind in own]


def test_a_checkpoint_of_blocks_names_them():
    model = tagger()
    optimizer, current = family_optimizer(model, RECIPES["ADAQN_PER_TENSOR"])
    family_train(model, optimizer, current, 0, 2)
    assert "memory.states.0.s" in memory(optimizer)
    assert len([name for name in memory(optimizer) if name.endswith(".head") and "memory" in name]) == 6


def test_gauss_newton_wants_outputs():
    model = tagger()
    recipe = RECIPES["ADAQN_GAUSS_NEWTON"].but(guard=None, cadence=lab.Cadence(every=1, from_start=True))
    optimizer = QuasiNewton(model.parameters(), recipe, lr=0.1, curvature=Loss(model))
    Loss(model, 0)().backward()
    with pytest.raises(TypeError, match=r"return \(loss, outputs\)"):
        optimizer.step()


def test_gauss_newton_wants_a_loss_with_curvature():
    w = nn.Parameter(torch.ones(3))
    recipe = RECIPES["ADAQN_GAUSS_NEWTON"].but(guard=None, cadence=lab.Cadence(every=1, from_start=True))
    optimizer = QuasiNewton([w], recipe, lr=0.1, curvature=lambda: ((outputs := w * w).sum(), outputs))
    w.square().sum().backward()
    with pytest.raises(TypeError, match=r"linear in them.*HessianVector\(\)\.") as error:
        optimizer.step()
    assert "\n" not in str(error.value)


def test_calls_are_counted_by_kind_and_by_argument():
    model = tagger()
    current = Current(model, 0)
    recipe = RECIPES["SQN_BY_DIFFERENCE"].but(cadence=lab.Cadence(every=2, from_start=True))
    optimizer = QuasiNewton(model.parameters(), recipe, lr=0.01, curvature=LossAndOutputs(model, -2), batch=current)
    family_train(model, optimizer, current, 0, 4)
    assert optimizer.oracle_calls == {"curvature": 4}
    assert optimizer.oracle_calls_by_need == {lab.Need.CURVATURE_GRADIENT: 4}


REFUSED = {
    "windows of different length": (lambda: RECIPES["MLBFGS"].but(cadence=lab.Cadence(every=4)), "every=5"),
    "look-ahead without Nesterov": (lambda: RECIPES["OLNAQ"].but(stepper=lab.Plain()), "Nesterov"),
    "look-ahead over windows": (lambda: RECIPES["OLNAQ"].but(cadence=lab.Cadence(every=5)), "one step at a time"),
    "B of a soft memory": (
        lambda: RECIPES["SQN"].but(memory=lab.Repaired(by=lab.PowellB(), of=lab.SoftWindow())),
        r"B = H\^-1 but memory=SoftWindow\(.* has no products with it",
    ),
    "aggregation around an H0 which changes": (
        lambda: RECIPES["OBFGS_AGGREGATED"].but(scaling=lab.AdaGrad()),
        r"h0=1.0.*AdaGrad",
    ),
    "aggregation around another H0": (
        lambda: RECIPES["OBFGS"].but(memory=lab.DisplacementAggregation(h0=0.5)),
        r"take Constant\(value=0.5\)",
    ),
    "mean over a dense memory": (
        lambda: RECIPES["OBFGS"].but(scaling=lab.BarzilaiBorweinMean()),
        r"memory=Dense\(.* keeps no list",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_parts_that_cannot_work_together(case):
    build, word = REFUSED[case]
    with pytest.raises((TypeError, ValueError), match=word) as error:
        build()
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def test_a_dense_memory_refuses_many_parameters_at_once():
    with pytest.raises(ValueError, match=r"2000 x 2000.*limit=1000") as error:
        QuasiNewton([nn.Parameter(torch.zeros(2000))], RECIPES["OBFGS"], lr=0.1, batch=lambda: 0.0)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize(("name", "argument"), [("OLBFGS", "batch"), ("MULTIBATCH_LBFGS", "overlap")])
def test_a_missing_callable_is_named(name, argument):
    with pytest.raises(ValueError, match=f"pass {argument}=") as error:
        QuasiNewton([nn.Parameter(torch.zeros(2))], RECIPES[name], lr=0.1)
    assert str(error.value).endswith(".")
