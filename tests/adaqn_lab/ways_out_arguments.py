"""Ways out of what the constructor refuses: arguments, parameters, needs of the recipe."""

from __future__ import annotations

import warnings

import torch
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard

import adaqn_lab as lab
from adaqn_lab import Cadence, QuasiNewton
from tests.adaqn_lab.training import SHORT, UNGUARDED, Training
from tests.adaqn_lab.ways_out import Case, evaluated, lone_rank, moves, steps, trains


def built(*shapes, runs=1, device="cpu", dtype=torch.float32, **options):
    """An optimizer of parameters of these shapes, which makes a step."""
    parameters = [nn.Parameter(torch.ones(shape, device=device, dtype=dtype)) for shape in shapes]
    optimizer = QuasiNewton(parameters, UNGUARDED, **{"lr": 0.1, "runs": runs, **options})
    moves(optimizer)
    return optimizer


def of_groups(first, second):
    """An optimizer of two groups with options of their own, which makes a step."""
    groups = [{"params": [nn.Parameter(torch.ones(2))], **options} for options in (first, second)]
    moves(QuasiNewton(groups, UNGUARDED, lr=0.1))


# -- options --------------------------------------------------------------------------------------------------------

OPTIONS = [
    Case(
        "no recipe",
        TypeError,
        lambda: unnamed("adaqn"),
        "QuasiNewton: recipe='adaqn' is no Recipe",
        {"pass one, for example ADAQN": lambda words: unnamed(evaluated(words.split()[-1]))},
    ),
    Case(
        "runs",
        ValueError,
        lambda: built((3, 2), runs=0),
        "QuasiNewton: runs=0 is too small",
        {"pass an int >= 1": lambda _: [built((3, 2), runs=runs) for runs in (1, 3)]},
    ),
    Case(
        "lr",
        ValueError,
        lambda: built(2, lr=-0.1),
        "QuasiNewton: lr=-0.1 is out of range",
        {"pass a finite number > 0": lambda _: [built(2, lr=lr) for lr in (1e-3, 0.1, 1)]},
    ),
    Case(
        "shape of lr",
        ValueError,
        lambda: built((3, 2), runs=3, lr=torch.tensor([0.1, 0.2])),
        "QuasiNewton: lr has shape (2,)",
        {
            "pass a float": lambda _: built((3, 2), runs=3, lr=0.1),
            "a 0-dim tensor": lambda _: built((3, 2), runs=3, lr=torch.tensor(0.1)),
            "one rate for each of the 3 run(s)": lambda _: built((3, 2), runs=3, lr=torch.tensor([0.1, 0.2, 0.3])),
        },
    ),
    Case(
        "shape of lr, one run",
        ValueError,
        lambda: built(2, lr=torch.tensor([[0.1]])),
        "QuasiNewton: lr has shape (1, 1)",
        {
            "pass a float": lambda _: built(2, lr=0.1),
            "a 0-dim tensor": lambda _: built(2, lr=torch.tensor(0.1)),
            "one rate for each of the 1 run(s)": lambda _: built(2, lr=torch.tensor([0.1])),
        },
    ),
    Case(
        "tensor lr",
        ValueError,
        lambda: built(2, lr=torch.tensor(-1.0)),
        "QuasiNewton: lr=-1.0 is out of range",
        {"pass finite rates > 0": lambda _: built(2, lr=torch.tensor(1e-3))},
    ),
    Case(
        "weight decay",
        ValueError,
        lambda: built(2, weight_decay=-1.0),
        "QuasiNewton: weight_decay=-1.0 is out of range",
        {"pass a finite number >= 0": lambda _: [built(2, weight_decay=value) for value in (0, 0.5)]},
    ),
    Case(
        "maximize",
        ValueError,
        lambda: of_groups({"maximize": True}, {}),
        "QuasiNewton: maximize=False in one group and True in another",
        {
            "the guard compares one loss, so pass the same to all groups": lambda _: [
                of_groups({"maximize": value}, {"maximize": value}) for value in (True, False)
            ]
        },
    ),
]


def unnamed(recipe):
    """An optimizer by this recipe, with a monitor as most users have one, which makes a step."""
    weight = nn.Parameter(torch.ones(2))
    moves(QuasiNewton([weight], recipe, lr=0.1, monitor=lambda: weight.square().sum()))


# -- callables ------------------------------------------------------------------------------------------------------


def not_callable(name, recipe, way, value):
    """A callable which is none, replaced by what the sentence asks for."""
    return Case(
        f"not callable: {name} of {recipe.pairs}",
        TypeError,
        lambda: Training(recipe, **{name: 3.5}),
        f"QuasiNewton: {name}=3.5 cannot be called",
        {way: lambda _: returning(recipe, name, value)},
    )


def returning(recipe, name, value):
    """Train with this callable, which returns ``value`` of loss and outputs."""
    training = Training(recipe, **{name: lambda: value(*training.loss(-1))})
    steps(training)
    assert training.optimizer.oracle_calls[name]


def loss_alone(loss, outputs):
    return loss


def both(loss, outputs):
    return loss, outputs


ALWAYS = Cadence(every=3, always_advance=True)
CURVED = UNGUARDED.but(cadence=ALWAYS, pairs=lab.HessianVector())
GAUSS_NEWTON = UNGUARDED.but(cadence=ALWAYS, pairs=lab.GaussNewton())
LONG = UNGUARDED.but(cadence=ALWAYS, pairs=lab.GradientDifference(sample=lab.Sample.CURVATURE))
SAME = UNGUARDED.but(cadence=ALWAYS, pairs=lab.GradientDifference())
SHARED = UNGUARDED.but(cadence=ALWAYS, pairs=lab.GradientDifference(sample=lab.Sample.OVERLAP))


def words_of(recipe, role):
    """What the part of this role needs, in the words of the sentence."""
    (need,) = recipe.needs_by_role[role]
    return need.value


def needed(recipe, role, name, way, value=loss_alone):
    """A need of the recipe which no callable meets."""
    part = getattr(recipe, role)
    others = {"guard": [None], "pairs": [None, lab.EmpiricalFisher()]}[role]
    return Case(
        f"{name} for {role}={part}",
        ValueError,
        lambda: Training(recipe, **{name: None}),
        f"QuasiNewton: {role}={part!r} needs a {words_of(recipe, role)}",
        {
            way: lambda _: returning(recipe, name, value),
            f"change it with recipe.but({role}=...)": lambda _: [
                trains(recipe.but(**{role: other}), **{name: None}) for other in others
            ],
        },
    )


CALLABLES = [
    not_callable("monitor", SHORT, "pass a function () -> loss", loss_alone),
    not_callable("batch", SAME, "pass a function () -> loss", loss_alone),
    not_callable("overlap", SHARED, "pass a function () -> loss", loss_alone),
    Case(
        "not callable: curvature",
        TypeError,
        lambda: Training(GAUSS_NEWTON, curvature=3.5),
        "QuasiNewton: curvature=3.5 cannot be called",
        {  # sentence proposed
            "pass a function () -> loss": lambda _: [
                returning(recipe, "curvature", loss_alone) for recipe in (CURVED, LONG)
            ],
            "() -> (loss, outputs) for Gauss-Newton products": lambda _: returning(GAUSS_NEWTON, "curvature", both),
        },
    ),
    needed(SHORT, "guard", "monitor", "pass monitor=() -> loss on fixed data"),
    needed(
        SAME,
        "pairs",
        "batch",
        "pass batch=() -> loss on the mini-batch of the current step",
    ),
    needed(
        SHARED,
        "pairs",
        "overlap",
        "pass overlap=() -> loss on the data which this mini-batch shares with the next",
    ),
    needed(LONG, "pairs", "curvature", "pass curvature=() -> loss on a curvature batch"),
    needed(CURVED, "pairs", "curvature", "pass curvature=() -> loss on a curvature batch"),
    needed(
        GAUSS_NEWTON,
        "pairs",
        "curvature",
        "pass curvature=() -> (loss, outputs) on a curvature batch",
        both,
    ),
]

# -- parameters -----------------------------------------------------------------------------------------------------


def model():
    torch.manual_seed(0)
    return nn.Linear(6, 5)


def of(module):
    """An optimizer of the module's parameters, which makes a step from its own backward pass."""
    optimizer = QuasiNewton(module.parameters(), UNGUARDED, lr=0.1)
    before = [p.detach().clone() for p in module.parameters()]
    module(torch.ones(3, 6)).square().sum().backward()
    optimizer.step()
    assert not any(torch.equal(p, old) for p, old in zip(module.parameters(), before, strict=True))


def distributed():
    with lone_rank():
        of(nn.parallel.DistributedDataParallel(model()))


def sharded():
    with lone_rank():
        mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (1,))
        of(fully_shard(model(), mesh=mesh))


def flat_sharded():
    with lone_rank(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        of(FullyShardedDataParallel(model(), device_id=torch.device("cpu")))


class Complex(nn.Module):
    """|z x| for a complex z, held as ``hold`` makes it and computed with as ``use`` says."""

    def __init__(self, hold=nn.Parameter, use=lambda z: z):
        super().__init__()
        self.held, self.use = hold(torch.ones(5, 6, dtype=torch.complex64) * (1 + 2j)), use

    def forward(self, x):
        return (self.use(self.held) @ x.to(torch.complex64).mT).abs()


def as_real(words):
    """The expression of the sentence, and torch.view_as_complex of what it makes."""
    expression = words.removeprefix("let the model hold ").partition(" in its place")[0]
    hold = lambda z: eval(expression, {"torch": torch, "z": nn.Parameter(z)})  # noqa: E731
    of(Complex(hold, torch.view_as_complex))


def two_devices():
    weights = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2, device="meta"))]
    QuasiNewton(weights, UNGUARDED, lr=0.1)


PARAMETERS = [
    Case(
        "sharded",
        TypeError,
        sharded,
        "Parameter 0 is a DTensor: the memory's dot products need whole vectors",
        {
            "pass plain parameters": lambda _: of(model()),
            "on several ranks those of a model in DistributedDataParallel": lambda _: distributed(),
        },
    ),
    Case(
        "flat shard",
        TypeError,
        flat_sharded,
        "Parameter 0 is a shard of FullyShardedDataParallel",
        {"wrap the model in DistributedDataParallel": lambda _: distributed()},
    ),
    Case(
        "complex",
        ValueError,
        lambda: of(Complex()),
        "Parameter 0 is complex (torch.complex64)",
        {
            "let the model hold torch.nn.Parameter(torch.view_as_real(z.detach()).clone()) in its place "
            "and compute with torch.view_as_complex of it": as_real
        },
    ),
    Case(
        "two devices",
        ValueError,
        two_devices,
        "The parameters lie on several devices (cpu, meta)",
        {
            "put the model on one": lambda _: [built(2, 2, device=device) for device in ("cpu", "meta")],
            "use one optimizer per device": lambda _: [built(2, device=device) for device in ("cpu", "meta")],
        },
    ),
    Case(
        "not stacked",
        ValueError,
        lambda: built((3, 2), (2, 3), runs=3),
        "Parameter 1 has shape (2, 3) but runs=3: its first dimension counts the runs",
        {
            "stack the runs' parameters to (3, ...)": lambda _: built((3, 2), (3, 2, 3), runs=3),
            "pass runs=1": lambda _: built((3, 2), (2, 3), runs=1),
        },
    ),
]

CASES = OPTIONS + CALLABLES + PARAMETERS
