"""H0 as data: every kind against the formula, in the vectors' own dtype to the last bit, and its inverse."""

import pytest
import torch

from adaqn_lab.diagonal import Diagonal
from adaqn_lab.linalg import CHUNK

GAMMA, WEIGHT = (torch.tensor(values, dtype=torch.float64) for values in ([0.1, 0.7], [0.3, 1.1]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [5, CHUNK + 3])
@pytest.mark.parametrize("gamma", [None, GAMMA])
@pytest.mark.parametrize("weight", [None, WEIGHT, "no squares"])
def test_is_the_formula_in_the_vectors_dtype(weight, gamma, n, dtype):
    squares = None if isinstance(weight, str) else torch.linspace(0.1, 3.0, 2 * n, dtype=dtype).view(2, n)
    weight = None if squares is None else weight
    diagonal = Diagonal(gamma=gamma, squares=squares, weight=weight, eps=0.01)
    v = torch.linspace(-1.0, 2.0, 2 * n, dtype=dtype).view(2, n)
    # The scalars of the algorithm are float64; rounded to the vectors' dtype first, they cost no wider product.
    rounded = [x if x is None else x.to(dtype).unsqueeze(1) for x in (gamma, weight)]
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
    assert diagonal.apply_inverse_(over) is over
    assert torch.equal(over, b)
    part = v[:, 2:4].clone()
    assert torch.equal(diagonal.apply_to_(part, 2), h[:, 2:4])
