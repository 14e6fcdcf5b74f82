"""A resumed run equals an uninterrupted one, and what does not fit is refused with nothing changed."""

import copy
import dataclasses
import io
import json

import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_leaves_with_path

from adaqn_lab import ADAQN, EmpiricalFisher, EventKind, Identity, Need, QuasiNewton, Recipe, Window, ring
from tests.adaqn_lab import checkpoint_0_1
from tests.adaqn_lab.small import (
    ROLES,
    SHORT,
    VARIANTS,
    backward,
    bits,
    events,
    memory,
    optimizer_for,
    same,
    same_memory,
    saved_entry,
    tagger,
    train,
)
from tests.adaqn_lab.ways_out import is_one_sentence
from tests.adaqn_lab.ways_out_checkpoints import HURT, LEGITIMATE, attacks, image


def through_a_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def twin_of(model, dtype=None):
    """Another model with the same parameters."""
    return copy.deepcopy(model).to(dtype)


@pytest.mark.parametrize("name", VARIANTS)
def test_resumes_bit_for_bit_at_every_step(name):
    """Interrupted after 0, 1, 2, ... steps, through a file, into a fresh optimizer; then beyond two windows."""
    model, total = tagger(), 17
    optimizer = optimizer_for(model, VARIANTS[name], lr=0.3)
    snapshots = []
    for k in range(total):
        snapshots.append(through_a_file({"model": model.state_dict(), "optimizer": optimizer.state_dict()}))
        train(model, optimizer, 1, k)
    for k, saved in enumerate(snapshots):
        resumed = tagger(seed=99)
        resumed.load_state_dict(saved["model"])
        fresh = optimizer_for(resumed, VARIANTS[name], lr=123.0)
        fresh.load_state_dict(saved["optimizer"])
        train(resumed, fresh, total - k, k)
        assert same(bits(resumed), bits(model))
        assert same_memory(memory(fresh), memory(optimizer))
        assert events(fresh) == events(optimizer)


def test_a_checkpoint_in_the_middle_of_a_window_keeps_its_skipped_steps():
    model = tagger()
    optimizer = optimizer_for(model, SHORT["ADAQN"])
    train(model, optimizer, 3)
    backward(model, 3)
    model.out.bias.grad[0] = torch.nan
    optimizer.step()
    fresh = optimizer_for(model, SHORT["ADAQN"])
    fresh.load_state_dict(through_a_file(optimizer.state_dict()))
    assert events(fresh) == events(optimizer)
    assert [(e.step, e.kind) for e in fresh.events] == [(3, EventKind.REFERENCE), (4, EventKind.STEP_SKIPPED)]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_load_in_process_never_aliases_its_source(name):
    model = tagger()
    optimizer = optimizer_for(model, VARIANTS[name], lr=0.3)
    train(model, optimizer, 7)
    twin = twin_of(model)
    other = optimizer_for(twin, VARIANTS[name], lr=0.3)
    saved = optimizer.state_dict()
    frozen = copy.deepcopy(saved)
    other.load_state_dict(saved)
    kept, happened = memory(optimizer), events(optimizer)
    train(twin, other, 9, 7)
    assert same_memory(memory(optimizer), kept)
    assert events(optimizer) == happened
    assert saved["state"].keys() == frozen["state"].keys()
    assert saved["param_groups"] == frozen["param_groups"]
    train(model, optimizer, 9, 7)
    assert same(bits(model), bits(twin))


def test_a_tensor_lr_is_saved_and_not_aliased():
    model = tagger()
    optimizer = optimizer_for(model, SHORT["ADAQN"], lr=torch.tensor(0.25))
    train(model, optimizer, 4)
    twin = twin_of(model)
    other = optimizer_for(twin, SHORT["ADAQN"], lr=torch.tensor(9.0))
    other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[0]["lr"] == 0.25
    other.param_groups[0]["lr"].fill_(0.5)
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_loading_what_was_saved_before_the_first_step():
    model, twin = tagger(), tagger()
    optimizer, other = optimizer_for(model, SHORT["ADAQN"]), optimizer_for(twin, SHORT["ADAQN"], lr=7.0)
    other.load_state_dict(through_a_file(optimizer.state_dict()))
    train(model, optimizer, 8)
    train(twin, other, 8)
    assert same(bits(model), bits(twin))


def test_loading_an_empty_checkpoint_forgets_the_memory():
    model, twin = tagger(), tagger()
    empty = optimizer_for(model, SHORT["ADAQN"]).state_dict()
    optimizer = optimizer_for(model, SHORT["ADAQN"])
    train(model, optimizer, 5)
    optimizer.load_state_dict(empty)
    model.load_state_dict(twin.state_dict())
    assert optimizer.events == ()
    assert optimizer.state_dict()["state"] == {}
    train(model, optimizer, 8)
    train(twin, optimizer_for(twin, SHORT["ADAQN"]), 8)
    assert same(bits(model), bits(twin))


def test_a_bfloat16_model_gets_its_float32_memory_back_unrounded():
    model = tagger(dtype=torch.bfloat16)
    optimizer = optimizer_for(model, SHORT["ADAQN"])
    train(model, optimizer, 8)
    twin = twin_of(model)
    other = optimizer_for(twin, SHORT["ADAQN"])
    other.load_state_dict(through_a_file(optimizer.state_dict()))
    assert same_memory(memory(other), memory(optimizer))
    assert {t.dtype for t in memory(other).values() if t.is_floating_point()} == {torch.float32, torch.float64}
    train(model, optimizer, 8, 8)
    train(twin, other, 8, 8)
    assert same(bits(model), bits(twin))


def test_the_state_dict_is_deterministic_and_made_of_tensors_ints_and_strings():
    states = []
    for _ in range(2):
        model = tagger()
        optimizer = optimizer_for(model, SHORT["ADAQN"])
        train(model, optimizer, 8)
        states.append(saved_entry(optimizer))
    one = states[0]
    for (path, first), (place, second) in zip(*map(tree_leaves_with_path, states), strict=True):
        assert path == place
        assert isinstance(first, torch.Tensor | int)
        assert type(first) is type(second)
        assert torch.equal(torch.as_tensor(first).nan_to_num(), torch.as_tensor(second).nan_to_num())
    known = {"step", "undecided", "about", "calls", "log", *ROLES}
    assert {name.partition(".")[0] for name in one} == known - {"stepper"}  # which has no state
    assert (one["step"], one["undecided"], one["calls.MONITOR_LOSS"]) == (8, 0, 2)
    assert {type(name) for name in one} == {str}
    assert [list(entry) for entry in optimizer.state_dict()["state"].values()][1:] == [[]] * 5
    about = json.loads(bytes(one["about"].tolist()))
    assert about == {
        "recipe": {field.name: repr(getattr(SHORT["ADAQN"], field.name)) for field in dataclasses.fields(Recipe)},
        "shapes": [list(p.shape) for p in model.parameters()],
        "runs": 1,
    }


def two_groups(model):
    return [{"params": model.lstm.parameters()}, {"params": model.out.parameters()}]


def stacked(runs):
    torch.manual_seed(0)
    return nn.ParameterList([nn.Parameter(torch.randn(runs, 4))])


def stacked_checkpoint():
    """Of an optimizer with 4 runs of one parameter with 4 elements a run."""
    model = stacked(4)
    optimizer = QuasiNewton(model.parameters(), SHORT["ADAQN"].but(guard=None), lr=0.1, runs=4)
    (model[0] ** 2).sum().backward()
    optimizer.step()
    return optimizer.state_dict()


def checkpoint_of(recipe=SHORT["ADAQN"], dtype=torch.float32, params=lambda m: m.parameters()):
    model = tagger(dtype=dtype)
    optimizer = optimizer_for(model, recipe, params=params(model))
    train(model, optimizer, 5)
    return optimizer.state_dict()


def adam_checkpoint():
    model = tagger()
    optimizer = torch.optim.Adam(model.parameters())
    train(model, optimizer, 2)
    return optimizer.state_dict()


STRANGERS = {
    "recipe": (
        lambda: checkpoint_of(SHORT["ADAQN"].but(scaling=Identity())),
        r"saved by another recipe \(scaling=Identity\(\) there and AdaGrad\(eps=0\.0001\) here\);",
    ),
    "capacity": (
        lambda: checkpoint_of(SHORT["ADAQN"].but(memory=Window(capacity=2))),
        r"another recipe \(memory=Window\(capacity=2,[^;]*\);",
    ),
    "window": (
        lambda: checkpoint_of(SHORT["ADAQN"].but(pairs=EmpiricalFisher(window=5))),
        r"another recipe \(pairs=EmpiricalFisher\(window=5,[^;]*\);",
    ),
    "dtype": (lambda: checkpoint_of(dtype=torch.float64), "float64"),
    "groups": (lambda: checkpoint_of(params=two_groups), "parameter group"),
    "order": (lambda: checkpoint_of(params=lambda m: list(m.parameters())[::-1]), "shapes"),
    "another optimizer": (adam_checkpoint, "QuasiNewton"),
}


@pytest.mark.parametrize("steps", [0, 5])
@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_is_refused_in_one_sentence_and_nothing_changes(name, steps):
    make, said = STRANGERS[name]
    model, twin = tagger(), tagger()
    optimizer, other = optimizer_for(model, SHORT["ADAQN"]), optimizer_for(twin, SHORT["ADAQN"])
    train(model, optimizer, steps)
    train(twin, other, steps)
    stranger = make()
    with pytest.raises(ValueError, match=said) as error:
        optimizer.load_state_dict(stranger)
    assert "\n" not in str(error.value)
    assert optimizer.param_groups[0]["lr"] == 0.05
    train(model, optimizer, 6, steps)
    train(twin, other, 6, steps)
    assert same(bits(model), bits(twin))
    assert events(optimizer) == events(other)


def test_another_number_of_runs_is_refused():
    """The shapes are the same, (4, 4); what they mean is not."""
    model = stacked(4)
    optimizer = QuasiNewton(model.parameters(), SHORT["ADAQN"].but(guard=None), lr=0.1)
    with pytest.raises(ValueError, match=r"of 4 run\(s\) .* here are 1 .*\.$"):
        optimizer.load_state_dict(stacked_checkpoint())


def test_a_checkpoint_without_the_later_group_options_loads():
    """Options which an older version did not have take the defaults of this optimizer."""
    model = tagger()
    optimizer = optimizer_for(model, SHORT["ADAQN"])
    train(model, optimizer, 4)
    saved = optimizer.state_dict()
    for group in saved["param_groups"]:
        del group["maximize"], group["weight_decay"]
    twin = twin_of(model)
    other = optimizer_for(twin, SHORT["ADAQN"])
    other.load_state_dict(saved)
    train(model, optimizer, 6, 4)
    train(twin, other, 6, 4)
    assert same(bits(model), bits(twin))


def test_the_sign_of_maximize_comes_with_the_checkpoint():
    """torch loads the group's options; the guard's sign follows them."""
    climber = tagger()
    optimizer = optimizer_for(climber, VARIANTS["strict guard"], lr=0.02, maximize=True)
    train(climber, optimizer, 7)
    twin = twin_of(climber)
    other = optimizer_for(twin, VARIANTS["strict guard"], lr=0.02)
    other.load_state_dict(through_a_file(optimizer.state_dict()))
    train(climber, optimizer, 9, 7)
    train(twin, other, 9, 7)
    assert events(other) == events(optimizer)
    assert same(bits(climber), bits(twin))


def test_saving_twice_and_training_between_does_not_change_the_run():
    model, twin = tagger(), tagger()
    optimizer, other = optimizer_for(model, ADAQN), optimizer_for(twin, ADAQN)
    for k in range(45):
        train(model, optimizer, 1, k)
        optimizer.state_dict()
    train(twin, other, 45)
    assert same(bits(model), bits(twin))


def test_the_evaluations_so_far_are_saved_and_go_on():
    model, fresh = tagger(), tagger()
    optimizer, other = optimizer_for(model, VARIANTS["sqn"]), optimizer_for(fresh, VARIANTS["sqn"])
    train(model, optimizer, 7)
    calls = {Need.MONITOR_LOSS: 3, Need.HESSIAN_VECTOR_PRODUCT: 2}
    assert optimizer.oracle_calls_by_need == calls
    train(fresh, other, 4)  # its own are forgotten
    other.load_state_dict(through_a_file(optimizer.state_dict()))
    assert other.oracle_calls_by_need == calls
    train(fresh, other, 3, 7)
    assert other.oracle_calls == {"monitor": 4, "curvature": 3}
    assert optimizer.oracle_calls_by_need == calls


def test_what_version_0_1_saved_goes_on_as_it_would_have_there():
    saved = torch.load(checkpoint_0_1.FILE, weights_only=True)
    problem = checkpoint_0_1.Problem()
    nn.utils.vector_to_parameters(saved["weights"], problem.model.parameters())
    problem.optimizer.load_state_dict(saved["optimizer"])
    tensors = saved["optimizer"]["state"]["quasi_newton"]["tensors"]
    assert same_memory(memory(problem.optimizer), tensors)
    assert int(tensors["memory.count"]) == 3
    assert problem.optimizer.param_groups[0]["weight_decay"] == 0.01
    for then in (saved, saved["then"]):
        (numbers, reasons), (expected, told) = problem.events, then["events"]
        assert reasons == told
        torch.testing.assert_close(numbers, expected, rtol=1e-9, atol=0.0, equal_nan=True)
        torch.testing.assert_close(problem.weights, then["weights"], rtol=1e-10, atol=1e-12)
        if then is saved:
            problem.train(checkpoint_0_1.SAVED, checkpoint_0_1.SAVED + checkpoint_0_1.MORE)
    kinds = {EventKind(int(kind)) for kind in saved["then"]["events"][0][len(saved["events"][1]) :, 2]}
    assert kinds == {EventKind.STEP_SKIPPED, EventKind.ADMITTED, EventKind.ROLLED_BACK}
    # Saved anew it is a checkpoint of today's.
    assert "about" in saved_entry(problem.optimizer)


def test_a_checkpoint_of_version_0_1_of_another_recipe_is_refused_by_the_roles_that_differ():
    saved = torch.load(checkpoint_0_1.FILE, weights_only=True)["optimizer"]
    model = checkpoint_0_1.Problem().model
    recipe = checkpoint_0_1.RECIPE.but(guard=None, scaling=Identity())
    optimizer = QuasiNewton(model.parameters(), recipe, lr=0.1)
    told = (
        r"^The checkpoint was saved by another recipe \(scaling=AdaGrad\(eps=0\.0001\) there and Identity\(\) here; "
        r"guard=MonitorIncrease\([^;]*\) there and None here\); build [^\n]*\.$"
    )
    with pytest.raises(ValueError, match=told):
        optimizer.load_state_dict(saved)


# -- attacks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HURT)
def test_what_is_damaged_is_refused_before_anything_changes_or_does_no_harm(name):
    recipe, steps, saved_at = HURT[name]
    model, twin, saver = tagger(), tagger(), tagger(seed=1)
    optimizer, other, source = (optimizer_for(each, recipe) for each in (model, twin, saver))
    for each, own, k in ((model, optimizer, steps), (twin, other, steps), (saver, source, saved_at)):
        train(each, own, k)
    saved, before = source.state_dict(), image(model, optimizer)
    for place, hurts in attacks(saved["state"][0]):
        for what, hurt in hurts:
            try:
                optimizer.load_state_dict(saved | {"state": saved["state"] | {0: hurt}})
                told = None
            except ValueError as error:
                told = str(error)
            if told is None:
                assert LEGITIMATE.fullmatch(f"{place} {what}"), (place, what)
                train(model, optimizer, 4, 12)
                assert optimizer.events
                model, optimizer = copy.deepcopy((twin, other))
            else:
                assert is_one_sentence(told), told
        assert image(model, optimizer) == before, place
    train(model, optimizer, 6, steps)
    train(twin, other, 6, steps)
    assert image(model, optimizer) == image(twin, other)


def test_a_window_left_undecided_is_decided_without_the_log_which_a_tool_left_behind():
    """As torch.distributed.checkpoint does, reading a file into a new optimizer's tensors."""
    models = tagger(), tagger()
    both = [optimizer_for(model, SHORT["ADAQN"]) for model in models]
    train(models[0], both[0], 5)
    backward(models[0], 5)
    models[0].forward, forward = None, models[0].forward
    with pytest.raises(TypeError):
        both[0].step()
    models[0].forward = forward
    models[1].load_state_dict(models[0].state_dict())
    saved = both[0].state_dict()
    both[1].load_state_dict(saved | {"state": {0: saved["state"][0] | {"log": {}}}})
    for model, optimizer in zip(models, both, strict=True):
        train(model, optimizer, 4, 6)
    assert same(*map(bits, models))
    assert both[0].events[-2:] == both[1].events[-2:]
    assert [event.step for event in both[1].events] == [6, 9]


@pytest.mark.parametrize(("head", "count"), [([0, 3], [1, 2]), ([0, -1], [1, 2]), ([0, 1], [1, 4]), ([0, 1], [1, -1])])
def test_a_ring_of_which_the_second_run_s_cannot_be(head, count):
    fields = {"s": torch.zeros(2, 3, 5), "head": torch.tensor(head), "count": torch.tensor(count)}
    assert not ring.possible(fields)
    assert ring.possible(fields | {"head": torch.tensor([0, 2]), "count": torch.tensor([1, 3])})
