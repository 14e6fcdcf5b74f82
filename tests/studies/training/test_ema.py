"""The average of the weights is the weighted mean that its formula says."""

import pytest
import torch

from studies.training.ema import Ema
from tests.adaqn_lab.tape import Tape


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_it_is_the_weighted_mean_of_the_weights_after_every_step(decay: float) -> None:
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((2, 3), (4,))]
    ema, seen = Ema(weights, decay), []
    for _ in range(7):
        for w in weights:
            w.normal_(generator=generator)
        seen.append([w.clone() for w in weights])
        with Tape():  # nothing is read on the host
            ema.update()
    shares = [decay**age for age in range(7)][::-1]
    for place, w in enumerate(weights):
        wanted = sum(share * each[place] for share, each in zip(shares, seen, strict=True)) / sum(shares)
        before = w.clone()
        with ema.in_place():
            torch.testing.assert_close(w, wanted, rtol=1e-13, atol=1e-13)
        assert torch.equal(w, before)


def test_a_run_that_is_not_finite_spoils_its_own_average_only() -> None:
    weights = [torch.ones(2, 3)]
    ema = Ema(weights, 0.9)
    weights[0][1] = torch.nan
    ema.update()
    with ema.in_place():
        assert torch.equal(weights[0][0], torch.ones(3))
        assert weights[0][1].isnan().all()
