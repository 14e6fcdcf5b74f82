"""What surrounds an optimizer and what it is misused for: one test, or a few, for each kind of fault."""

import copy
import socket

import pytest
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    get_state_dict,
    set_optimizer_state_dict,
    set_state_dict,
)
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard

from adaqn_lab import Cadence, QuasiNewton, bases
from tests.adaqn_lab.training import SHORT, UNGUARDED, Training, unchanged

# -- two lists of parameters whose identity is compared -----------------------------------------------------------


def popped(optimizer):
    optimizer.param_groups[0]["params"].pop()


def exchanged(optimizer):
    old = optimizer.param_groups[0]["params"][0]
    new = nn.Parameter(torch.zeros_like(old))
    new.grad = torch.ones_like(old)
    optimizer.param_groups[0]["params"][0] = new


def reordered(optimizer):
    optimizer.param_groups[0]["params"].reverse()


def added(optimizer):
    optimizer.param_groups.append({**optimizer.param_groups[0], "params": [nn.Parameter(torch.zeros(2))]})


@pytest.mark.parametrize("change", [popped, exchanged, reordered, added])
def test_another_list_of_parameters_is_refused_before_anything_changes(change):
    training = Training().train(*range(5))
    groups = [{**group, "params": list(group["params"])} for group in training.optimizer.param_groups]
    training.gradients(5)
    before = training.weights, training.memory
    change(training.optimizer)
    with pytest.raises(RuntimeError, match=r"The groups hold other parameters than at the first step .*put them back"):
        training.optimizer.step()
    unchanged(training, before)
    training.optimizer.param_groups[:] = groups  # the way out
    training.optimizer.step()
    assert torch.equal(training.weights, Training().train(*range(6)).weights)


@pytest.mark.parametrize("shape", [(6, 5), (30,), (7, 6)])
def test_a_changed_shape_is_refused_before_anything_changes(shape):
    training = Training().train(*range(5))
    first = training.model[0].weight
    first.data = torch.zeros(shape)
    first.grad = torch.ones(shape)
    before = training.weights, training.memory
    with pytest.raises(RuntimeError, match=r"Parameter 0 is now \(.*the memory was made for \(5, 6\)"):
        training.optimizer.step()
    unchanged(training, before)


# -- tools that read optimizer.state ------------------------------------------------------------------------------


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("lr", [0.05, torch.tensor(0.05)])
def test_distributed_checkpoint_tools_round_trip(flat, lr):
    options = StateDictOptions(flatten_optimizer_state_dict=flat)
    training = Training(lr=lr).train(*range(7))
    saved = copy.deepcopy(get_optimizer_state_dict(training.model, training.optimizer, options=options))
    weights = copy.deepcopy(training.model.state_dict())
    resumed = Training(lr=lr)
    resumed.model.load_state_dict(weights)
    set_optimizer_state_dict(resumed.model, resumed.optimizer, saved, options=options)
    training.train(*range(7, 15))
    resumed.train(*range(7, 15))
    assert torch.equal(resumed.weights, training.weights)
    assert repr(resumed.optimizer.events) == repr(training.optimizer.events)
    assert len(training.optimizer.events) == 5


@pytest.mark.parametrize("name", ["ADAQN", "from start"])
def test_reading_the_state_takes_no_step(name):
    """The hidden step by which the tools make a state is none: nothing is observed, counted or admitted."""
    recipe = SHORT if name == "ADAQN" else SHORT.but(cadence=Cadence(every=1, from_start=True))
    training, read = Training(recipe).train(*range(4)), Training(recipe)
    for k in range(4):
        read.optimizer.zero_grad()
        get_optimizer_state_dict(read.model, read.optimizer)
        read.train(k)
    assert torch.equal(read.weights, training.weights)
    assert repr(read.optimizer.events) == repr(training.optimizer.events)


def test_a_step_with_zero_gradients_and_lr_0_is_no_step():
    training = Training().train(*range(5))
    before = training.weights, training.memory
    for p in training.model.parameters():
        p.grad = torch.zeros_like(p)
    training.optimizer.param_groups[0]["lr"] = 0.0
    for _ in range(7):
        training.optimizer.step()
    unchanged(training, before)


def test_the_state_is_visible_after_a_step_and_shows_the_present():
    training = Training()
    assert not training.optimizer.state
    training.train(0)
    assert set(training.optimizer.state) == set(training.model.parameters())
    held = training.optimizer.state[training.model[0].weight]
    assert held["step"] == 1
    assert held["scaling.total"].any()
    training.train(1)
    assert training.optimizer.state[training.model[0].weight]["step"] == 2


def test_a_frozen_first_parameter_does_not_hide_the_state_from_the_tools():
    both = [Training(), Training()]
    for training in both:
        training.model[0].weight.requires_grad_(False)
    both[0].train(*range(7))
    weights = copy.deepcopy(both[0].model.state_dict())
    saved = copy.deepcopy(get_optimizer_state_dict(both[0].model, both[0].optimizer))
    both[1].model.load_state_dict(weights)
    set_optimizer_state_dict(both[1].model, both[1].optimizer, saved)
    assert torch.equal(both[1].train(*range(7, 12)).weights, both[0].train(*range(7, 12)).weights)


@pytest.mark.parametrize("flat", [False, True])
def test_a_distributed_checkpoint_s_file_resumes_bit_for_bit(flat, tmp_path):
    """What is saved keeps its size, so that a new optimizer's tensors can be read into; earlier events stay behind."""
    options = StateDictOptions(flatten_optimizer_state_dict=flat)
    both = [Training(SHORT).train(*range(23)), Training(SHORT)]
    for training, act in zip(both, (dcp.save, dcp.load), strict=True):
        model, state = get_state_dict(training.model, training.optimizer, options=options)
        act({"model": model, "optimizer": state}, checkpoint_id=tmp_path)
    set_state_dict(both[1].model, both[1].optimizer, model_state_dict=model, optim_state_dict=state, options=options)
    for training in both:
        training.train(*range(23, 32))
    assert torch.equal(both[0].weights, both[1].weights)
    assert both[0].optimizer.oracle_calls == both[1].optimizer.oracle_calls
    assert repr(both[0].optimizer.events[-3:]) == repr(both[1].optimizer.events)


# -- torch.compile ------------------------------------------------------------------------------------------------


def test_a_compiled_step_is_the_step():
    training = Training(SHORT)
    step = torch.compile(training.optimizer.step, backend="eager")
    for k in range(10):
        training.gradients(k)
        step()
    assert torch.equal(training.weights, Training(SHORT).train(*range(10)).weights)


def test_a_compiled_training_step_may_contain_it():
    training = Training(SHORT)
    train = torch.compile(training.train, backend="eager")
    for k in range(10):
        train(k)
    assert torch.equal(training.weights, Training(SHORT).train(*range(10)).weights)
    assert len(training.optimizer.events) == 3


# -- tensors that are not plain -----------------------------------------------------------------------------------


@pytest.fixture
def process_group():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_dtensors_are_refused_in_the_constructor(process_group):
    model = nn.Linear(6, 5)
    fully_shard(model, mesh=torch.distributed.device_mesh.init_device_mesh("cpu", (1,)))
    with pytest.raises(TypeError, match=r"Parameter 0 is a DTensor: .*DistributedDataParallel"):
        QuasiNewton(model.parameters(), UNGUARDED, lr=0.1)


@pytest.mark.parametrize("originals", [True, False])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_flat_sharded_parameters_are_refused_in_the_constructor(process_group, originals):
    model = FullyShardedDataParallel(nn.Linear(6, 5), use_orig_params=originals, device_id=torch.device("cpu"))
    with pytest.raises(TypeError, match=r"Parameter 0 is a shard of FullyShardedDataParallel.*DistributedDataParallel"):
        QuasiNewton(model.parameters(), UNGUARDED, lr=0.1)


def test_the_way_out_distributed_data_parallel_works(process_group):
    training = Training(SHORT)
    wrapped = nn.parallel.DistributedDataParallel(training.model)
    training.optimizer = QuasiNewton(wrapped.parameters(), SHORT, lr=0.05, monitor=lambda: training.loss(-1))
    training.train(*range(8))
    assert torch.equal(training.weights, Training(SHORT).train(*range(8)).weights)


# -- degenerate groups --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [torch.optim.Adam, lambda groups, lr: QuasiNewton(groups, UNGUARDED, lr=lr)])
def test_empty_groups_are_taken_as_adam_takes_them(make):
    make([{"params": []}], lr=0.1).step()
    weight = nn.Parameter(torch.ones(3))
    weight.grad = torch.ones(3)
    for groups in ([{"params": []}, {"params": [weight]}], [{"params": [weight]}, {"params": []}]):
        before = weight.detach().clone()
        make(groups, lr=0.1).step()
        assert (weight < before).all()
    with pytest.raises(ValueError, match="empty parameter list"):
        make([], lr=0.1)


def test_a_lazy_layer_is_taken_and_its_size_asked_for_at_the_first_step():
    model = nn.Sequential(nn.LazyLinear(4), nn.Linear(4, 2))
    optimizer = QuasiNewton(model.parameters(), UNGUARDED, lr=0.1)
    model[1].weight.grad = torch.zeros(2, 4)
    with pytest.raises(RuntimeError, match="no size yet; run a forward pass"):
        optimizer.step()
    model(torch.ones(3, 7)).sum().backward()  # the way out
    optimizer.step()
    assert optimizer.operator(torch.ones(1, 7 * 4 + 4 + 4 * 2 + 2)).isfinite().all()


# -- identity by repr ---------------------------------------------------------------------------------------------


class Silent(bases.StepperBase):
    """A part which says nothing of itself."""

    def __init__(self, factor):
        self.factor = factor

    def direction_(self, state, step, operator):
        return operator.apply_(step.g) * self.factor


def test_a_part_without_a_repr_can_be_saved_and_loaded_and_is_told_from_another():
    saved = copy.deepcopy(Training(UNGUARDED.but(stepper=Silent(0.5))).train(*range(5)).optimizer.state_dict())
    Training(UNGUARDED.but(stepper=Silent(0.5))).optimizer.load_state_dict(saved)
    with pytest.raises(ValueError, match=r"stepper=Silent\(factor=0\.5\) there and Silent\(factor=2\.0\) here"):
        Training(UNGUARDED.but(stepper=Silent(2.0))).optimizer.load_state_dict(saved)


def test_the_repr_shows_the_recipe():
    optimizer = Training().optimizer
    text = repr(optimizer)
    assert text.startswith("QuasiNewton (\nParameter Group 0\n    lr: 0.05\n")
    assert text.endswith(f"\nRecipe: {UNGUARDED!r}\n)")
