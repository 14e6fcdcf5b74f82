"""graphs=True: replayed steps are the steps. On a CPU a tape stands for the CUDA graph; on a GPU the graph itself."""

import copy
import math
import pickle
from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import nn

from adaqn_lab import (
    AveragedDifference,
    Decaying,
    EventKind,
    Momentum,
    QuasiNewton,
    SampledHessian,
    WarmStart,
    kernels,
)
from adaqn_lab import state as part_state
from adaqn_lab.graphs import Graphs
from adaqn_lab.recipes import ALL
from tests.adaqn_lab.family import LossAndOutputs
from tests.adaqn_lab.small import (
    SHORT,
    VARIANTS,
    Loss,
    batch,
    bits,
    events,
    gpu,
    in_windows_of,
    memory,
    needs_cuda,
    same,
    same_memory,
    tagger,
)
from tests.adaqn_lab.tape import record
from tests.adaqn_lab.test_no_host_read import errors_on_synchronisation
from tests.adaqn_lab.test_runs import make

HOST = {"SAMPLED_LBFGS"}
"""Recipes with randomness of the host's, which no graph sees."""
RECIPES = VARIANTS | {named.name: in_windows_of(named.recipe, 5) for named in ALL if named.name not in HOST}
MOVING = SHORT["ADAQN"].but(
    pairs=AveragedDifference(every=3), stepper=Decaying(tau=3.0, power=0.5, of=WarmStart(steps=8, of=Momentum()))
)
STEPS = 65
BAD = {11: math.nan, 26: 1e30, 40: math.inf}
"""Gradients of these steps are spoilt; the monitor's loss is tenfold at every seventh."""


class Static:
    """``() -> (loss, outputs)`` on data in tensors which stay where they are."""

    def __init__(self, model):
        self.model = model
        self.x, self.y = (part.clone() for part in batch(0))

    def bring(self, k):
        for part, new in zip((self.x, self.y), batch(k), strict=True):
            part.copy_(new)

    def __call__(self):
        outputs = self.model(self.x)
        return nn.functional.cross_entropy(outputs.flatten(0, 1), self.y.flatten()), outputs


class Rising(Loss):
    """A loss times what ``factor`` holds at the time."""

    def __init__(self, model):
        super().__init__(model)
        self.factor = torch.ones(())

    def __call__(self):
        return super().__call__() * self.factor


class Run:
    """A model in training."""

    def __init__(self, recipe, recorder=None, lr=0.02, **options):
        self.model = tagger()
        self.lr = torch.tensor(lr)
        self.current, self.monitor = Static(self.model), Rising(self.model)
        batch(-1), batch(-2)  # drawn now: a draw is no operator of a step's
        self.optimizer = QuasiNewton(
            self.model.parameters(),
            recipe,
            lr=self.lr,
            monitor=self.monitor,
            curvature=LossAndOutputs(self.model, -2),
            batch=self.current,
            overlap=self.current,
            weight_decay=0.01,
            **options,
        )
        self.optimizer._graphs = Graphs(recorder) if recorder else None

    def train(self, start, stop, spoilt=BAD, frozen=frozenset()):
        for k in range(start, stop):
            self.current.bring(k)
            self.monitor.factor.fill_(10.0 if spoilt and k % 7 == 6 else 1.0)
            self.model.zero_grad()
            self.current()[0].backward()
            if k in spoilt:
                self.model.out.bias.grad.fill_(spoilt[k])
            if k in frozen:
                self.model.out.bias.grad = None
            self.optimizer.step()
        return self

    def same_as(self, other):
        return (
            same(bits(self.model), bits(other.model))
            and same_memory(memory(self.optimizer), memory(other.optimizer))
            and events(self.optimizer) == events(other.optimizer)
            and self.optimizer.oracle_calls_by_need == other.optimizer.oracle_calls_by_need
        )

    @property
    def recorded(self):
        return len(self.optimizer._graphs._recorded)


@pytest.mark.parametrize("name", RECIPES)
def test_replayed_steps_are_the_steps(name):
    recipe = RECIPES[name]
    replayed = Run(recipe, record).train(0, 25, spoilt={})  # five windows; and enough for a memory of 20
    assert replayed.same_as(Run(recipe).train(0, 25, spoilt={}))
    assert replayed.recorded == recipe.cadence.every


@pytest.mark.parametrize("name", VARIANTS)
def test_bad_gradients_and_rolled_back_windows_are_replayed(name):
    replayed = Run(VARIANTS[name], record).train(0, STEPS)
    assert replayed.same_as(Run(VARIANTS[name]).train(0, STEPS))
    kinds = {event.kind for event in replayed.optimizer.events}
    assert EventKind.STEP_SKIPPED in kinds
    assert VARIANTS[name].guard is None or EventKind.ROLLED_BACK in kinds


@pytest.mark.parametrize("name", VARIANTS)
def test_runs_side_by_side(name):
    rate = torch.tensor([0.05, 0.1, 3.0])
    both = []
    for own in (None, Graphs(record)):
        nets, optimizer = make([1, 2, 3], VARIANTS[name], rate)
        optimizer._graphs = own
        for k in range(16):
            nets.zero_grad()
            nets.losses(k).sum().backward()
            if k == 10:
                nets.w.grad[1] = math.nan
            optimizer.step()
        both.append((bits(nets), memory(optimizer), events(optimizer)))
    assert same(both[0][0], both[1][0])
    assert same_memory(both[0][1], both[1][1])
    assert both[0][2] == both[1][2]


def test_the_compiled_kernels_are_replayed(compiled_kernels):
    assert Run(SHORT["ADAQN"], record).train(0, 40).same_as(Run(SHORT["ADAQN"]).train(0, 40))


def test_a_recording_writes_every_field_in_place():
    run = Run(MOVING, record).train(0, 30)
    fields = part_state.flatten(run.optimizer._algorithm.states)
    run.train(30, 40)
    assert all(tensor is fields[name] for name, tensor in part_state.flatten(run.optimizer._algorithm.states).items())


def without_settling(monkeypatch):
    monkeypatch.setattr(part_state.StaticState, "settle_", lambda self: None)


def with_one_field_after_another(monkeypatch):
    def settle_(self):
        for full, tensor in part_state.flatten(self._states).items():
            self._tensors[full].copy_(tensor)
        self.bind()

    monkeypatch.setattr(part_state.StaticState, "settle_", settle_)


def with_the_integer(monkeypatch):
    step = Graphs.step
    monkeypatch.setattr(Graphs, "step", lambda self, own, *args: step(self, own, args[0], lambda _: args[1](own.k + 1)))


def without_the_number(monkeypatch):
    take, replay = Graphs._take, Graphs._replay

    def taken(self, own, work):
        self.kept = own.k + 1
        return take(self, own, work)

    def replayed(self, own, found):
        self._count.fill_(self.kept)  # as it was when a step was last recorded
        replay(self, own, found)

    monkeypatch.setattr(Graphs, "_take", taken)
    monkeypatch.setattr(Graphs, "_replay", replayed)


def without_the_calls(monkeypatch):
    honest = Graphs._replay
    monkeypatch.setattr(Graphs, "_replay", lambda self, own, found: honest(self, own, replace(found, calls=Counter())))


def without_a_copy_of_the_window(monkeypatch):
    def copy_window(own, index, written):
        if written:
            own.log.windows[index:] = [(own.k, *written)]

    monkeypatch.setattr(Graphs, "_copy_window", staticmethod(copy_window))


MUTANTS = [
    without_settling,
    with_one_field_after_another,
    with_the_integer,
    without_the_number,
    without_the_calls,
    without_a_copy_of_the_window,
]


@pytest.mark.parametrize("mutant", [None, *MUTANTS])
def test_wrong_recordings_are_seen(mutant, monkeypatch):
    eager = Run(MOVING).train(0, STEPS)
    if mutant is not None:
        mutant(monkeypatch)
    assert Run(MOVING, record).train(0, STEPS).same_as(eager) == (mutant is None)


def test_lr_is_read_at_every_replay():
    both = []
    for recorder in (None, record):
        run = Run(MOVING, recorder)
        scheduler = torch.optim.lr_scheduler.StepLR(run.optimizer, 5, gamma=0.5)
        for k in range(40):
            run.train(k, k + 1)
            scheduler.step()
        both.append(run)
    assert both[0].same_as(both[1])


def test_another_set_of_gradients_is_another_recording():
    frozen = {*range(20, 23), 31, 33}
    replayed = Run(MOVING, record).train(0, 45, frozen=frozen)
    assert replayed.same_as(Run(MOVING).train(0, 45, frozen=frozen))
    assert replayed.recorded == 6


def test_a_checkpoint_loaded_between_replays():
    eager, replayed = Run(MOVING).train(0, 30), Run(MOVING, record).train(0, 30)
    for run in (eager, replayed):
        saved, weights = copy.deepcopy((run.optimizer.state_dict(), run.model.state_dict()))
        run.train(30, 38)
        run.model.load_state_dict(weights)
        run.optimizer.load_state_dict(saved)
        run.lr = run.optimizer.param_groups[0]["lr"]
        run.train(30, 50)
    assert same(bits(eager.model), bits(replayed.model))
    assert events(eager.optimizer) == events(replayed.optimizer)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_records_anew(copied):
    run = Run(MOVING, record).train(0, 30)
    twin = copied(run)
    assert not twin.recorded
    twin.optimizer._graphs = Graphs(record)
    assert twin.train(30, 50).same_as(run.train(30, 50))


def test_on_a_cpu_it_says_so():
    weight = nn.Parameter(torch.ones(3))
    weight.grad = torch.ones(3)
    optimizer = QuasiNewton([weight], VARIANTS["no guard"], lr=torch.tensor(0.1), graphs=True)
    with pytest.raises(RuntimeError, match="needs parameters on a CUDA device, these are on cpu"):
        optimizer.step()


def test_a_number_for_lr_is_refused_before_anything_is_done():
    run = Run(SHORT["ADAQN"], record).train(0, 20)
    before = bits(run.model)
    run.optimizer.param_groups[0]["lr"] = 0.5
    with pytest.raises(RuntimeError, match=r"lr=0\.5 would stay what it is"):
        run.train(20, 21)
    assert same(bits(run.model), before)
    run.optimizer.param_groups[0]["lr"] = run.lr
    assert run.train(20, 30).same_as(Run(SHORT["ADAQN"]).train(0, 30))


def test_a_state_on_another_device_is_refused():
    weight = nn.Parameter(torch.ones(3, device="meta"))
    weight.grad = torch.ones(3, device="meta")
    recipe = SHORT["ADAQN"].but(pairs=SampledHessian(), guard=None)
    optimizer = QuasiNewton([weight], recipe, lr=torch.tensor(0.1), curvature=lambda: weight.square().sum())
    optimizer._graphs = Graphs(record)
    with pytest.raises(RuntimeError, match=r"pairs\.rng lies on cpu and the parameters on meta"):
        optimizer.step()


def test_a_step_which_cannot_be_recorded_is_not_made():
    run = Run(SHORT["ADAQN"], record).train(0, 5, spoilt={})
    before, held, told = (
        memory(run.optimizer),
        part_state.flatten(run.optimizer._algorithm.states),
        events(run.optimizer),
    )
    calls = run.optimizer.oracle_calls

    def refuse(work):
        work()  # as on a GPU, but there nothing was computed
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    run.optimizer._graphs._record = refuse
    with pytest.raises(RuntimeError, match=r"Step 6 could not be recorded as a graph \(operation not permitted when"):
        run.train(5, 6, spoilt={})
    assert all(held[name] is tensor for name, tensor in part_state.flatten(run.optimizer._algorithm.states).items())
    assert before.keys() == held.keys()
    assert events(run.optimizer) == told
    assert run.optimizer.oracle_calls == calls


class Reading(Momentum):
    """Takes the step's number to the host."""

    def direction_(self, state, step, operator):
        return super().direction_(state, step, operator) / math.sqrt(step.k)


def test_a_part_which_reads_the_number_on_the_host_is_refused_when_a_step_is_recorded():
    recipe = SHORT["ADAQN"].but(stepper=Reading())
    run = Run(recipe, record).train(0, 3, spoilt={})
    assert run.same_as(Run(recipe).train(0, 3, spoilt={}))
    before, told = bits(run.model), events(run.optimizer)
    with pytest.raises(RuntimeError, match=r"^Step 4 could not be recorded .* \(a tensor was read on the host\)"):
        run.train(3, 4, spoilt={})
    assert same(bits(run.model), before)
    assert events(run.optimizer) == told
    assert run.optimizer._algorithm.k == 3


@gpu
@needs_cuda
@pytest.mark.parametrize("triton", [False, True], ids=["torch", "triton"])
@pytest.mark.parametrize("name", RECIPES)
def test_one_cuda_graph_a_step(name, triton):
    """Exactly the steps of the eager optimizer, without synchronisation; gradients of a bowl, element by element."""
    both = []
    if triton:
        kernels.load("cuda")
    try:
        for replayed in (False, True):
            centre = torch.zeros(40, 5, device="cuda")
            steep = torch.linspace(0.5, 2.0, 200, device="cuda").view(40, 5)
            weight = nn.Parameter(torch.full((40, 5), 0.5, device="cuda"))

            def loss(weight=weight, centre=centre, steep=steep):
                outputs = (weight - centre) * steep.sqrt()
                return outputs.square().sum() / 2, outputs

            optimizer = QuasiNewton(
                [weight],
                RECIPES[name],
                lr=torch.tensor(0.02, device="cuda"),
                monitor=loss,
                curvature=loss,
                batch=loss,
                overlap=loss,
                graphs=replayed,
            )
            every = RECIPES[name].cadence.every
            for k in range(max(4 * every, 2 * every + 45)):
                noise = torch.randn(40, 5, generator=torch.Generator().manual_seed(k))
                centre.copy_(noise)
                weight.grad = (weight.detach() - centre) * steep
                if k in BAD:
                    weight.grad.fill_(BAD[k])
                torch.cuda.synchronize()
                if k < 2 * every + 24:
                    optimizer.step()
                else:
                    with errors_on_synchronisation():
                        optimizer.step()
            both.append((bits(nn.ParameterList([weight])), memory(optimizer), events(optimizer)))
    finally:
        kernels.unload()
    assert same(both[0][0], both[1][0])
    assert same_memory(both[0][1], both[1][1])
    assert both[0][2] == both[1][2]
