"""Two processes with gloo: every rank decides alike, and both together are one process on the joint batch."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from adaqn_lab import EventKind, QuasiNewton
from tests.adaqn_lab.small import SHORT, VARIANTS, bits, events

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="no torch.distributed")

STEPS = 15
CASES = ["ADAQN", "ADAQN_MINSQN", "sqn", "rejects", "keeps", "nan on one rank"]


def data(k, half):
    g = torch.Generator().manual_seed(70 + k)
    x = torch.randn(8, 3, generator=g, dtype=torch.float64)
    y = torch.sin(x.sum(1, keepdim=True))
    return (x, y) if half is None else (x[4 * half : 4 * half + 4], y[4 * half : 4 * half + 4])


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)).double()


def spoilt(case, rank, calls):
    """What is added to a rank's monitor loss at its n-th call; None: the mean over ranks (one process)."""
    shifts = {
        "rejects": {4: (-3.0, 13.0)},  # rank 0 alone would keep, the mean rejects
        "keeps": {4: (13.0, -14.0)},  # rank 0 alone would reject, the mean keeps
        "nan on one rank": {4: (0.0, float("nan"))},
    }.get(case, {})
    zero, one = shifts.get(calls, (0.0, 0.0))
    return {0: zero, 1: one, None: (zero + one) / 2}[rank]


def training(case, rank):
    """Train; ``rank`` None is the one process on the joint batch. Returns parameters and events."""
    torch.set_num_threads(1)
    model = network()
    plain = model
    if rank is not None:
        model = DistributedDataParallel(model)
    calls = [0]

    def loss(k):
        x, y = data(k, rank)
        return (model(x) - y).square().mean()

    def rank_local(k):
        x, y = data(k, rank)
        return (plain(x) - y).square().mean()

    def monitor():
        calls[0] += 1
        return rank_local(-1) + spoilt(case, rank, calls[0])

    recipe = VARIANTS.get(case, SHORT["ADAQN"])
    optimizer = QuasiNewton(model.parameters(), recipe, lr=0.01, monitor=monitor, curvature=lambda: rank_local(-2))
    for k in range(STEPS):
        optimizer.zero_grad()
        loss(k).backward()
        optimizer.step()
    return bits(plain), events(optimizer), [(e.step, e.kind) for e in optimizer.events]


def worker(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.save({case: training(case, rank) for case in CASES}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(once):
    folder = once("ranks", lambda place: mp.spawn(worker, args=(str(place),), nprocs=2, join=True))
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


@pytest.mark.parametrize("case", CASES)
def test_both_ranks_decide_alike_and_equal_the_joint_batch(ranks, case):
    (w0, events0, kinds), (w1, events1, _) = (result[case] for result in ranks)
    for p, q in zip(w0, w1, strict=True):
        assert torch.equal(p, q)
    assert events0 == events1
    joint, _, joint_kinds = training(case, None)
    assert kinds == joint_kinds
    for p, q in zip(w0, joint, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("case", "kept"), [("rejects", False), ("nan on one rank", False), ("keeps", True), ("ADAQN", True)]
)
def test_the_mean_over_the_ranks_decides(ranks, case, kept):
    """At the fourth window, where the ranks' own losses disagree."""
    fourth = [kind for step, kind in ranks[0][case][2] if step == 12]
    assert (fourth == [EventKind.ROLLED_BACK]) != kept
