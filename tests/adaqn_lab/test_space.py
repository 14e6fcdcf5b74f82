"""Parameters <-> one vector: order, shapes, bits, and what is refused."""

import pickle
import re

import pytest
import torch

from adaqn_lab.space import FlatParameters, Space, per_run


def parameters(runs=1, dtype=torch.float32):
    lead = (runs,) if runs > 1 else ()
    shapes = [(2, 3), (), (4,)] if runs == 1 else [(2, 3), (1,), (4,)]
    g = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn((*lead, *shape), generator=g).to(dtype)) for shape in shapes]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_a_space_makes(dtype):
    space = Space(2, 3, dtype)
    assert space.shapes == space.sizes == ()
    assert space.device == torch.device("cpu")
    for made, shape, kind in (
        (space.zeros(), (2, 3), dtype),
        (space.zeros(4, 5), (2, 4, 5, 3), dtype),
        (space.zeros(4, dtype=torch.bfloat16), (2, 4, 3), torch.bfloat16),
        (space.scalars(), (2,), torch.float64),
        (space.scalars(4, 4), (2, 4, 4), torch.float64),
        (space.counts(), (2,), torch.int64),
        (space.mask(False), (2,), torch.bool),
    ):
        assert made.shape == shape
        assert made.dtype == kind
        assert not made.any()
    assert space.mask(True).all()
    assert (space.scalars(2, fill=3.0) == 3.0).all()
    elsewhere = Space(2, 3, dtype, torch.device("meta"))
    for made in (elsewhere.zeros(), elsewhere.scalars(), elsewhere.counts(), elsewhere.mask(True)):
        assert made.device.type == "meta"


@pytest.mark.parametrize("runs", [1, 3])
def test_segments_follow_the_order_of_the_parameters(runs):
    model = parameters(runs)
    flat = FlatParameters(model, runs)
    assert flat.sizes == [6, 1, 4]
    shapes = ((2, 3), (), (4,)) if runs == 1 else ((2, 3), (1,), (4,))
    assert flat.space == Space(runs, 11, torch.float32, torch.device("cpu"), shapes)
    assert flat.space.sizes == (6, 1, 4)
    w = flat.gather()
    assert torch.equal(w, torch.cat([p.detach().reshape(runs, -1) for p in model], dim=1))
    w.zero_()
    assert all(p.all() for p in model)  # no alias
    out = torch.empty(runs, 11)
    assert flat.gather_(out) is out
    for view, p in zip(flat.views(out), model, strict=True):
        assert torch.equal(view, p)
        assert view.untyped_storage().data_ptr() == out.untyped_storage().data_ptr()


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        ((torch.float32, torch.float32), torch.float32),
        ((torch.bfloat16, torch.float16), torch.float32),
        ((torch.float32, torch.float64), torch.float64),
        ((torch.float64, torch.bfloat16), torch.float64),
    ],
)
def test_the_dtype_is_the_widest_needed(dtypes, expected):
    model = [torch.nn.Parameter(torch.ones(2, dtype=dtype)) for dtype in dtypes]
    flat = FlatParameters(model, 1)
    assert flat.space.dtype == expected
    assert flat.gather().dtype == expected
    with torch.no_grad():
        flat.scatter(flat.space.zeros() + 2.0, torch.tensor([True]))
    assert [p.dtype for p in model] == list(dtypes)
    assert all((p == 2.0).all() for p in model)


def test_scatter_moves_the_runs_asked_for_and_no_bit_of_the_others():
    model = parameters(3)
    with torch.no_grad():
        model[0][1, 0, 0] = float("nan")
    flat, where = FlatParameters(model, 3), torch.tensor([True, False, True])
    before, new = flat.gather(), torch.arange(33.0).view(3, 11)
    with torch.no_grad():
        flat.scatter(new, where)
    after = flat.gather()
    assert torch.equal(after[where], new[where])
    assert torch.equal(after[1].view(torch.int32), before[1].view(torch.int32))


@pytest.mark.parametrize("raises", [False, True])
def test_at_another_point_and_back_to_the_old_bits(raises):
    model = parameters()
    flat = FlatParameters(model, 1)
    before, elsewhere = flat.gather(), torch.arange(11.0).view(1, 11)

    def look():
        with flat.at(elsewhere):
            assert torch.is_grad_enabled()
            assert torch.equal(flat.gather(), elsewhere)
            if raises:
                raise ArithmeticError

    if raises:
        with pytest.raises(ArithmeticError):
            look()
    else:
        look()
    assert torch.equal(flat.gather(), before)
    assert all(p.requires_grad for p in model)


def test_kept_views_are_found_again_and_only_for_their_vector():
    flat = FlatParameters(parameters(), 1)
    first, second, other = (flat.space.zeros() for _ in range(3))
    flat.keep_views(first, second)
    for kept in (first, second):
        assert flat.views(kept) is flat.views(kept)
        assert flat.views(kept)[0].data_ptr() == kept.data_ptr()
        assert [v.shape for v in flat.views(kept)] == [p.shape for p in flat.parameters]
    assert flat.views(other) is not flat.views(other)
    flat.keep_views(second)
    assert flat.views(first) is not flat.views(first)
    copied = pickle.loads(pickle.dumps(flat))
    assert copied._kept == []
    assert copied.sizes == flat.sizes
    assert flat.views(second) is flat.views(second)  # pickling took nothing away


def test_shapes_have_the_elements_of_the_space():
    assert Space(2, 10, shapes=((2, 3), (4,))).sizes == (6, 4)
    assert Space(2, 1, shapes=((),)).sizes == (1,)
    with pytest.raises(ValueError, match=r"^Space: shapes=\(\(2, 3\), \(4,\)\) have 10 elements; pass size=10\.$"):
        Space(2, 11, shapes=((2, 3), (4,)))


@pytest.mark.parametrize("runs", [1, 3])
def test_parameters_in_place_pass(runs):
    model = parameters(runs)
    flat = FlatParameters(model, runs)
    w = flat.space.zeros()
    flat.keep_views(w)
    for now in (model, tuple(model)):
        flat.check_in_place(now)
    model[0].data = model[0].data.clone()  # its storage may change
    model[1].data = model[1].data.double()  # and its type
    flat.check_in_place(model)
    assert flat.views(w) is flat.views(w)


def test_a_change_of_shape_or_device_is_told_with_its_number():
    for index, new in ((0, torch.zeros(3, 3)), (0, torch.zeros(3, 2)), (2, torch.zeros(4, device="meta"))):
        model = parameters()
        flat = FlatParameters(model, 1)
        shape, flat.parameters[index] = model[index].shape, torch.nn.Parameter(new)
        told = (
            f"Parameter {index} is now {tuple(new.shape)} on {new.device} but the memory was made for "
            f"{tuple(shape)} on cpu"
        )
        with pytest.raises(RuntimeError, match=re.escape(told)):
            flat.check_in_place(flat.parameters)


@pytest.mark.parametrize(
    "change",
    [lambda ps: ps[:2], lambda ps: ps[::-1], lambda ps: [*ps, torch.zeros(1)], lambda ps: [ps[0].clone(), *ps[1:]]],
    ids=["fewer", "another order", "more", "a copy"],
)
def test_other_parameters_are_refused(change):
    model = parameters()
    now = change(model)
    told = rf"^The groups hold other parameters than at the first step \({len(now)} now, 3 then\)"
    with pytest.raises(RuntimeError, match=told):
        FlatParameters(model, 1).check_in_place(now)


@pytest.mark.parametrize("rates", [(0.5, 0.25, 0.0), None])
def test_descent_adds_the_way_from_the_reference_and_goes_down(rates):
    model = [p.detach() for p in parameters()]
    flat, before = FlatParameters(model, 1), [p.clone() for p in model]
    reference, total, d = flat.gather() - 1.0, torch.full((1, 11), 5.0), torch.full((1, 11), 2.0)
    if rates is None:
        flat.descend_(total, reference)
    else:
        flat.descend_(total, reference, d, rates)
    torch.testing.assert_close(total, torch.full((1, 11), 6.0))
    for p, old, rate in zip(model, before, rates or (0.0,) * 3, strict=True):
        assert torch.equal(p, old - 2.0 * rate) if rate else torch.equal(p, old)


def test_one_scalar_a_run_broadcasts_over_any_shape():
    assert per_run(torch.ones(1), torch.zeros(())).shape == ()
    assert per_run(torch.ones(1), torch.zeros(4, 3)).shape == ()
    assert per_run(torch.ones(2), torch.zeros(2)).shape == (2,)
    assert per_run(torch.ones(2), torch.zeros(2, 4, 3)).shape == (2, 1, 1)
    doubled = per_run(torch.tensor([1.0, 2.0]), torch.ones(2, 2)) * torch.ones(2, 2)
    assert doubled.tolist() == [[1.0, 1.0], [2.0, 2.0]]
