"""H0 as a value: every kind against the formula, in the vectors' own dtype to the last bit, and its inverse."""

import pytest
import torch

from adaqn_lab import Diagonal
from adaqn_lab.diagonal import Entries
from adaqn_lab.sizes import CHUNK

GAMMA, WEIGHT = (torch.tensor(values, dtype=torch.float64) for values in ([0.1, 0.7], [0.3, 1.1]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [5, CHUNK + 3])
@pytest.mark.parametrize("gamma", [None, GAMMA, 0.7])
@pytest.mark.parametrize("weight", [None, WEIGHT, "no squares"])
def test_is_the_formula_in_the_vectors_dtype(weight, gamma, n, dtype):
    squares = None if isinstance(weight, str) else torch.linspace(0.1, 3.0, 2 * n, dtype=dtype).view(2, n)
    weight = None if squares is None else weight
    diagonal = Diagonal(gamma=gamma, squares=squares, weight=weight, eps=0.01)
    v = torch.linspace(-1.0, 2.0, 2 * n, dtype=dtype).view(2, n)
    # The scalars of the algorithm are float64; rounded to the vectors' dtype first, they cost no wider product.
    of_runs = torch.tensor([gamma, gamma], dtype=torch.float64) if isinstance(gamma, float) else gamma
    rounded = [x if x is None else x.to(dtype).unsqueeze(1) for x in (of_runs, weight)]
    h, b = v.clone(), v.clone()
    if squares is not None:
        root = ((squares if weight is None else squares * rounded[1]) + 0.01).sqrt()
        h, b = h / root, b * root
    if gamma is not None:
        h, b = h * rounded[0], b / rounded[0]
    over = v.clone()
    assert diagonal.apply_(over) is over
    assert torch.equal(over, h)
    over = v.clone()
    assert diagonal.solve_(over) is over
    assert torch.equal(over, b)


def test_gamma_is_a_tensor_of_the_runs_where_the_vectors_are():
    for like in (torch.ones(3, 2), torch.ones(3, 2, device="meta")):
        gammas = Diagonal(gamma=2).gammas(like)
        assert (gammas.shape, gammas.dtype, gammas.device) == ((3,), torch.float64, like.device)
    assert Diagonal(gamma=0.1).gammas(torch.ones(2, 5)).tolist() == [0.1, 0.1]
    assert Diagonal(gamma=GAMMA).gammas(torch.ones(2, 5)) is GAMMA
    assert Diagonal().gammas(torch.ones(2, 5)) is None


@pytest.mark.parametrize("known", [("entries",), ("inverse",), ("entries", "inverse")])
def test_entries_are_multiplied_or_divided_by_whichever_of_them_are_known(known):
    h = torch.tensor([[0.5, 4.0], [2.0, 0.25]], dtype=torch.float64)  # powers of two: their inverses are exact
    diagonal = Entries(**{name: {"entries": h, "inverse": 1.0 / h}[name] for name in known})
    v = torch.tensor([[3.0, -5.0], [7.0, 0.1]], dtype=torch.float64)
    for act, expected in ((diagonal.apply_, v * h), (diagonal.solve_, v / h)):
        over = v.clone()
        assert act(over) is over
        assert torch.equal(over, expected)


def test_an_operator_is_given_one_row_for_each_run():
    """H0's tensors may be one for all runs; a kernel reads (R, n) and (R,), contiguous."""
    one, v = torch.tensor([[1.0, 4.0, 9.0]]), torch.ones(2, 3)
    diagonal = Diagonal(gamma=GAMMA[:1], squares=one, weight=WEIGHT[:1], eps=0.5)
    squares, weight, gamma, eps = diagonal.operands(v)
    assert (squares.tolist(), eps) == (one.expand(2, 3).tolist(), 0.5)
    assert (weight.tolist(), gamma.tolist()) == ([0.3, 0.3], [0.1, 0.1])
    assert all(x.is_contiguous() for x in (squares, weight, gamma))
    turned = torch.arange(6.0).view(3, 2).T
    assert Diagonal(squares=turned).operands(v)[0].is_contiguous()
    assert Diagonal(squares=squares).operands(v)[0] is squares
