"""Ways out of what is wrong with a part's state or with a checkpoint, and what can be wrong with one."""

from __future__ import annotations

import copy
import io
import json
import math
import re
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import adaqn_lab as lab
from adaqn_lab import QuasiNewton, bases
from tests.adaqn_lab.small import SHORT, bits
from tests.adaqn_lab.training import UNGUARDED, Training
from tests.adaqn_lab.ways_out import Case, steps, trains


def keeping(*made):
    """A stepper with this state."""

    class Keeping(bases.StepperBase):
        def init(self, space):
            return made[0](space)

        def direction_(self, state, step, operator):
            return step.g

        def __repr__(self):
            return "Keeping()"

    return Keeping()


@dataclass
class Counter:
    count: object


@dataclass
class Named:
    count: Tensor
    more: Tensor | None = None


def loading(saver, reader, change=lambda saved: None):
    """Load what one training saved into another, which goes on."""
    saved = copy.deepcopy(steps(saver()).optimizer.state_dict())
    change(saved)
    resumed = reader()
    resumed.optimizer.load_state_dict(saved)
    steps(resumed, *range(8, 12))


LITTLE = SHORT["ADAQN"]
GONE = object()
HURT = {
    "ADAQN": (LITTLE, 0, 11),
    "rounded, momentum": (
        LITTLE.but(
            memory=lab.Window(capacity=3, dtype=torch.bfloat16),
            pairs=lab.EmpiricalFisher(window=7, dtype=torch.bfloat16),
            stepper=lab.Momentum(of=lab.GradientAverage()),
        ),
        7,
        12,
    ),
    "aggregation, sketch": (
        LITTLE.but(
            memory=lab.BlockDiagonal(of=lab.DisplacementAggregation(capacity=3)),
            pairs=lab.SketchedFisher(rows=3, group=2),
            scaling=lab.Identity(),
            stepper=lab.Nesterov(),
        ),
        7,
        11,
    ),
    "sampled": (
        LITTLE.but(
            pairs=lab.SampledHessian(count=2),
            memory=lab.Repaired(of=lab.Window(capacity=3)),
            scaling=lab.BiasCorrectedRMSProp(),
            guard=None,
        ),
        7,
        11,
    ),
}
LEGITIMATE = re.compile(
    r"(clock\.total|guard\.\w+) (nan|inf|-inf)|scaling\.(total|mean) inf|log {}|log.0 gone|log.0.values nan"
    r"|about.runs True|calls\.\w+ (1000000000|2|True)|(\w+\.)+(count|head|seen|within) 2"
)
"""What a run can leave: losses, a window's sum and squares beyond all numbers; no log, dropped windows (0.1)."""


def places(tree, path=()):
    for key, value in tree.items():
        yield (*path, key), value
        if isinstance(value, dict):
            yield from places(value, (*path, key))


def put(tree, path, value):
    key, *rest = path
    value = put(tree[key], rest, value) if rest else value
    return {name: x for name, x in tree.items() if name != key} | ({} if value is GONE else {key: value})


def written(tree):
    """The entry, its JSON as bytes."""
    if not isinstance(tree.get("about"), dict):
        return tree
    return tree | {"about": torch.tensor([*json.dumps(tree["about"]).encode()], dtype=torch.uint8)}


def wrongs(value):
    """What takes the value's place."""
    yield from {"gone": GONE, "None": None, "x": "x", "-1": -1, "2": 2, "1000000000": 10**9, "nan": math.nan}.items()
    yield from {"{}": {}, "[]": [], "True": True, "a tensor": torch.zeros(2, 7), "another": torch.tensor(0.5)}.items()
    if isinstance(value, Tensor):
        yield from {"shape": value[..., None], "short": value[:0], "meta": value.to("meta")}.items()
        yield "dtype", value.long() if value.is_floating_point() else value.float()
        fills = (math.nan, math.inf, -math.inf) if value.is_floating_point() else (-1, 2, 10**9)
        if value.dtype not in (torch.bool, torch.uint8):
            yield from ((str(fill), torch.full_like(value, fill)) for fill in fills)


def attacks(entry):
    """Every key and every value, those in the JSON too, wrong in every way: its place, (what, the entry with it)s."""
    tree = entry | {"about": json.loads(bytes(entry["about"].tolist()))}
    for path, value in places(tree):
        json_only = path[0] == "about" and len(path) > 1
        wrong = [(what, x) for what, x in wrongs(value) if not (json_only and isinstance(x, Tensor))]
        yield ".".join(path), [(what, written(put(tree, path, x))) for what, x in wrong]


def image(model, optimizer):
    """Everything, NaN included, as bytes."""
    file = io.BytesIO()
    torch.save((bits(model), optimizer.state_dict()), file)
    return file.getvalue()


def stepping(stepper):
    return lambda: Training(UNGUARDED.but(stepper=stepper))


def grouped(*order):
    """A training whose layers are groups in this order."""
    training = Training()
    groups = [{"params": training.model[index].parameters()} for index in order]
    training.optimizer = QuasiNewton(groups, UNGUARDED, lr=0.05)
    return training


def in_double():
    training = Training()
    training.model.double()
    training.x = training.x.double()
    return training


def other_model():
    training = Training()
    training.model = nn.Sequential(nn.Linear(6, 7), nn.Tanh(), nn.Linear(7, 3))
    training.optimizer = QuasiNewton(training.model.parameters(), UNGUARDED, lr=0.05)
    return training


def adam():
    training = Training()
    training.optimizer = torch.optim.Adam(training.model.parameters())
    return training


def poisoned(saved):
    """A reference which would make the parameters NaN."""
    (entry,) = filter(None, saved["state"].values())
    entry["clock.reference"][0, 1] = torch.nan


MOMENTUM = stepping(lab.Momentum(momentum=0.5))
ONE = stepping(keeping(lambda space: Named(space.counts())))
TWO = stepping(keeping(lambda space: Named(space.counts(), space.counts())))

CASES = [
    Case(
        "no dataclass",
        TypeError,
        lambda: trains(UNGUARDED.but(stepper=keeping(lambda space: {"count": space.counts()}))),
        "The state of 'stepper' is dict",
        {
            "init(space) must return a dataclass of tensors": lambda _: steps(ONE()),
            "None": lambda _: steps(stepping(keeping(lambda space: None))()),
        },
    ),
    Case(
        "no tensor",
        TypeError,
        lambda: trains(UNGUARDED.but(stepper=keeping(lambda space: Counter(0)))),
        "Field 'count' of the state of 'stepper' is int",
        {
            "state consists of tensors (a counter is an int64 tensor), so that it can be saved and batched": (
                lambda _: loading(*[stepping(keeping(lambda space: Counter(space.counts())))] * 2)
            )
        },
    ),
    Case(
        "another recipe",
        ValueError,
        lambda: loading(MOMENTUM, Training),
        "The checkpoint was saved by another recipe (stepper=Momentum(momentum=0.5, of=Plain()) there and Plain() "
        "here)",
        {"build the optimizer with the checkpoint's parts": lambda _: loading(MOMENTUM, MOMENTUM)},
    ),
    Case(
        "another model",
        ValueError,
        lambda: loading(Training, other_model),
        "The checkpoint is of 1 run(s) with parameter shapes [[5, 6], [5], [3, 5], [3]], here are 1 with [[7, 6],",
        {
            "load it into the same model": lambda _: loading(Training, Training),
            "groups in the same order": lambda _: loading(lambda: grouped(0, 2), lambda: grouped(0, 2)),
        },
    ),
    Case(
        "another order",
        ValueError,
        lambda: loading(lambda: grouped(0, 2), lambda: grouped(2, 0)),
        "The checkpoint is of 1 run(s) with parameter shapes [[5, 6], [5], [3, 5], [3]], here are 1 with [[3, 5],",
        {
            "load it into the same model": lambda _: loading(lambda: grouped(0, 2), lambda: grouped(0, 2)),
            "groups in the same order": lambda _: loading(lambda: grouped(2, 0), lambda: grouped(2, 0)),
        },
    ),
    Case(
        "other fields",
        ValueError,
        lambda: loading(ONE, TWO),
        "The checkpoint's state differs in stepper.more",
        {"load it into an optimizer with the recipe that saved it": lambda _: loading(TWO, TWO)},
    ),
    Case(
        "another dtype",
        ValueError,
        lambda: loading(Training, in_double),
        "torch.float32, here it is",
        {
            "load it into an optimizer of the same model and recipe": lambda _: [
                loading(*[kind] * 2) for kind in (Training, in_double)
            ]
        },
    ),
    Case(
        "another optimizer",
        ValueError,
        lambda: loading(adam, Training),
        "The checkpoint's state is of 4 parameter(s) one by one, so another optimizer saved it",
        {"load what QuasiNewton.state_dict() returned": lambda _: loading(Training, Training)},
    ),
    Case(
        "a reference of NaN",
        ValueError,
        lambda: loading(Training, Training, poisoned),
        "The checkpoint is damaged (clock.reference holds nan to nan)",
        {"load another one": lambda _: loading(Training, Training)},
    ),
]
