"""Ways out of what a machine has not: room, a GPU for graphs, a compiler, Triton. What is missing is simulated."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.utils import cpp_extension
from torch.utils._cpp_extension_versioner import ExtensionVersioner

import adaqn_lab as lab
from adaqn_lab import QuasiNewton, bases, kernels, memory_limits, optimizer
from adaqn_lab import state as part_state
from adaqn_lab.extras import install
from adaqn_lab.graphs import Graphs
from tests.adaqn_lab.tape import record
from tests.adaqn_lab.training import SHORT, UNGUARDED, Training
from tests.adaqn_lab.ways_out import Case, evaluated, moves, steps, trains

# -- graphs: a tape stands for the CUDA graph -----------------------------------------------------------------------


def taped(recipe=SHORT, n=12, go_on=lambda training: None, **options):
    """Train with ``graphs=True`` where a tape records; ``go_on`` after every step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimizer, "Graphs", lambda: Graphs(record))
        training = Training(recipe, **{"lr": torch.tensor(0.05), "graphs": True, **options})
    for k in range(n):
        steps(training, k)
        go_on(training)
    return training


def scheduled(words):
    """The tensor of the sentence, filled by a scheduler, gives the steps of a float which it changes."""
    lr = evaluated(words.partition("device, ")[2].removesuffix(" for example"))
    weights = []
    for make in (lambda: taped(n=0, lr=lr), lambda: Training(SHORT, lr=0.1)):
        training = make()
        scheduler = torch.optim.lr_scheduler.ExponentialLR(training.optimizer, 0.7)
        for k in range(12):
            steps(training, k)
            scheduler.step()
        weights.append(training.weights)
    assert torch.allclose(*weights, rtol=1e-4, atol=1e-6)


@dataclass
class Elsewhere:
    there: Tensor


class Far(bases.StepperBase):
    """A user's stepper with a state on another device."""

    def init(self, space):
        return Elsewhere(torch.zeros(2, device="meta"))

    def direction_(self, state, step, operator):
        return step.g


def from_python(training):
    """A monitor which brings its data from the host at every call."""
    return training.loss(-1)[0] + torch.tensor(1.0)


def unrecordable(monitor=from_python):
    """A training with this monitor; nothing of a step which could not be recorded was computed, as on a GPU."""

    def recorded(work):
        tensors = [*training.model.parameters(), *part_state.flatten(training.optimizer._algorithm.states).values()]
        before = [tensor.detach().clone() for tensor in tensors]
        try:
            return record(work)
        except RuntimeError:
            for tensor, old in zip(tensors, before, strict=True):
                tensor.copy_(old)
            raise

    training = taped(n=0)
    training.optimizer._closures["monitor"] = lambda: monitor(training)
    training.optimizer._graphs._record = recorded
    return training


def gone_on_without():
    training = unrecordable()
    with pytest.raises(RuntimeError, match="could not be recorded"):
        steps(training, *range(12))
    k = training.optimizer.state[training.model[0].weight]["step"]
    saved = training.optimizer.state_dict()
    training.optimizer = QuasiNewton(
        training.model.parameters(), SHORT, lr=torch.tensor(0.05), monitor=lambda: from_python(training)
    )
    training.optimizer.load_state_dict(saved)
    steps(training, *range(k, 12))
    assert torch.equal(training.weights, Training(SHORT, lr=torch.tensor(0.05)).train(*range(12)).weights)


def with_constants():
    one = torch.tensor(1.0)
    training = unrecordable(lambda training: training.loss(-1)[0] + one)
    steps(training, *range(12))


GRAPHS = [
    Case(
        "graphs on a CPU",
        RuntimeError,
        lambda: trains(SHORT, graphs=True, lr=torch.tensor(0.05)),
        "graphs=True needs parameters on a CUDA device, these are on cpu",
        {"leave it out": lambda _: trains(SHORT, lr=torch.tensor(0.05))},  # sentence proposed
    ),
    Case(
        "state elsewhere",
        RuntimeError,
        lambda: taped(UNGUARDED.but(stepper=Far())),
        "The state stepper.there lies on meta and the parameters on cpu, so that a graph would not see it change",
        {
            "take another part for that role": lambda _: taped(UNGUARDED.but(stepper=lab.Momentum())),
            "leave graphs=True out": lambda _: trains(UNGUARDED.but(stepper=Far())),  # sentence proposed
        },
    ),
    Case(
        "lr in a graph",
        RuntimeError,
        lambda: taped(lr=0.05),
        "lr=0.05 would stay what it is in a graph",
        {
            "with graphs=True pass a tensor on the parameters' device, torch.tensor(0.1, device='cpu') for example, "
            "which a scheduler fills": lambda words: scheduled(words.removesuffix(", which a scheduler fills"))
        },
    ),
    Case(
        "not recorded",
        RuntimeError,
        lambda: steps(unrecordable(), *range(12)),
        "could not be recorded as a graph (a tensor was made from Python data) and was not made",  # sentence proposed
        {
            "let parts and callables neither read a tensor on the host nor bring data from it": (
                lambda _: with_constants()
            ),
            "save state_dict() and go on without graphs": lambda _: gone_on_without(),
        },
    ),
]

# -- room ---------------------------------------------------------------------------------------------------------


def in_room(size, recipe=UNGUARDED, n=1000, runs=1, device="cpu"):
    """A step on a machine of ``size`` bytes, and of as much as it wants on other devices than the CPU."""
    room = lambda device: size if device.type == "cpu" else None  # noqa: E731
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory_limits, "room", room)
        weight = nn.Parameter(torch.ones((runs, n) if runs > 1 else n, device=device))
        moves(QuasiNewton([weight], recipe, lr=0.1, runs=runs, curvature=lambda: (weight**4).sum()))


def smaller(size, text, recipe=UNGUARDED):
    """The case of a machine of ``size`` bytes."""
    return Case(
        f"room for {size} bytes, {recipe.pairs}",
        RuntimeError,
        lambda: in_room(size, recipe),
        "The recipe's state for 1,000 parameters in 1 run(s) needs 0.0 GB and cpu has 0.0 GB",
        {
            f"recipe.but({text}) would fit": lambda words: in_room(
                size, eval(words.removesuffix(" would fit"), vars(lab) | {"torch": torch, "recipe": recipe})
            )
        },
    )


SMALLEST = "SketchedFisher(rows=5, group=20, normalisation=Mean(), seed=0)"
TESTED = "test=CautiousYY(eps=0.0001), dtype=torch.bfloat16"
ROOM = [
    smaller(400_000, "pairs=EmpiricalFisher(window=100, normalisation=Mean(), dtype=torch.bfloat16)"),
    smaller(100_000, f"memory=Window(capacity=10, {TESTED}), pairs={SMALLEST}"),
    smaller(64_000, f"memory=Window(capacity=2, {TESTED}), pairs={SMALLEST}"),
    smaller(25_000, "pairs=None, memory=Window(capacity=0, test=CautiousYY(eps=0.0001), dtype=None)"),
    smaller(
        80_000,
        f"memory=Window(capacity=10, {TESTED}), pairs=HessianVector()",
        UNGUARDED.but(pairs=lab.HessianVector()),
    ),
    Case(
        "room for nothing",
        RuntimeError,
        lambda: in_room(30_000, runs=3),
        "The recipe's state for 1,000 parameters in 3 run(s) needs 0.0 GB and cpu has 0.0 GB; not even recipe.but("
        "pairs=None, memory=Window(capacity=0)) would fit",
        {
            "not even recipe.but(pairs=None, memory=Window(capacity=0)) would fit: take fewer runs": (
                lambda _: in_room(30_000, UNGUARDED.but(pairs=None, memory=lab.Window(capacity=0)), runs=1)
            ),
            "another device": lambda _: in_room(30_000, runs=3, device="meta"),
        },
    ),
]

# -- kernels --------------------------------------------------------------------------------------------------------


@contextmanager
def without_compiler() -> Iterator[None]:
    """A process which has no kernels yet, on a machine without ninja and compilers; nothing was compiled before."""
    with kernels.disabled(), pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setenv("PATH", folder)
        patch.setattr(cpp_extension, "JIT_EXTENSION_VERSIONER", ExtensionVersioner())
        patch.setenv("TORCH_EXTENSIONS_DIR", folder)
        patch.setattr(torch.ops, "adaqn_lab_kernels", object())
        yield


@contextmanager
def without_triton() -> Iterator[None]:
    """A process which has not used the kernels for CUDA yet, on a machine without Triton."""
    with kernels.disabled(), pytest.MonkeyPatch.context() as patch:
        patch.delitem(sys.modules, "adaqn_lab.kernels.tiled", raising=False)
        patch.delattr(kernels, "tiled", raising=False)
        patch.setitem(sys.modules, "triton", None)
        yield


def plainly(missing):
    """Without load(), where it is missing: everything works."""
    with missing():
        trains(SHORT)
        assert not kernels.loaded()
        assert not kernels.loaded("cuda")


def load_in(missing, device):
    with missing():
        kernels.load(device)


def with_kernels(device):
    """What is installed here: the kernels load, and steps go on."""
    try:
        kernels.load(device)
        assert kernels.loaded(device)
        trains(SHORT)
    finally:
        kernels.unload()


def compiled(words):
    """The extra of the sentence brings ninja; with it and a compiler the kernels load."""
    extra = words.partition("[")[2].partition("]")[0]
    wanted = importlib.metadata.requires("adaqn-lab") or []
    assert any(line.startswith("ninja") and f'extra == "{extra}"' in line.replace("'", '"') for line in wanted)
    with_kernels("cpu")


def tiled():
    if importlib.util.find_spec("triton") is None:
        pytest.skip("needs the package triton, which is for Linux only")
    with_kernels("cuda")


KERNELS = [
    Case(
        "no compiler",
        RuntimeError,
        lambda: load_in(without_compiler, "cpu"),
        "The kernels could not be compiled (Ninja is required to load C++ extensions",
        {
            f"install a C++ compiler and ninja ({install('kernels')})": compiled,
            "go on without load(): everything works in plain torch": lambda _: plainly(without_compiler),
        },
    ),
    Case(
        "no triton",
        RuntimeError,
        lambda: load_in(without_triton, "cuda"),
        "The kernels for CUDA need the package triton (",
        {
            "install it": lambda _: tiled(),
            "go on without load(): everything works in plain torch": lambda _: plainly(without_triton),
        },
    ),
    Case(
        "no such device",
        ValueError,
        lambda: kernels.load("mps"),
        "There are no kernels for device='mps'",
        {"choose 'cpu'": lambda _: with_kernels("cpu"), "'cuda'": lambda _: tiled()},
    ),
]

CASES = GRAPHS + ROOM + KERNELS
