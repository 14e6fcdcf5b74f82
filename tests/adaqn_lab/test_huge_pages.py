"""Large tensors ask for huge pages before they are written, and only they."""

import mmap
import sys
from pathlib import Path

import pytest
import torch

from adaqn_lab import QuasiNewton, Space, huge_pages
from tests.adaqn_lab.small import VARIANTS, memory

SMALL = huge_pages.LARGE // 4 - 1
HUGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.fixture
def asked(monkeypatch):
    """(start, size, advice) of every call."""
    calls = []
    monkeypatch.setattr(huge_pages, "_madvise", lambda: lambda *call: calls.append(call) or 0)
    monkeypatch.setattr(mmap, "MADV_HUGEPAGE", 14, raising=False)
    return calls


def test_whole_pages_of_a_large_tensor(asked):
    x = huge_pages.zeros((2, huge_pages.LARGE), torch.float32, torch.device("cpu"))
    ((start, size, advice),) = asked
    first, end = x.data_ptr(), x.data_ptr() + 4 * x.numel()
    assert start % mmap.PAGESIZE == size % mmap.PAGESIZE == 0
    assert first <= start < first + mmap.PAGESIZE
    assert end - mmap.PAGESIZE < start + size <= end
    assert advice == 14
    assert not x.any()


def test_nothing_is_asked_for_small_ones_or_on_other_devices(asked):
    assert huge_pages.zeros((SMALL,), torch.float32, torch.device("cpu")).shape == (SMALL,)
    assert huge_pages.empty((2, huge_pages.LARGE), torch.float64, torch.device("meta")).dtype == torch.float64
    assert asked == []
    huge_pages.empty((SMALL + 1,), torch.float32, torch.device("cpu"))
    assert len(asked) == 1


@pytest.mark.parametrize("missing", ["the advice", "the function"])
def test_where_there_is_no_such_advice_it_is_an_ordinary_tensor(missing, monkeypatch):
    huge_pages._madvise.cache_clear()
    if missing == "the advice":
        monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    else:
        monkeypatch.setattr(huge_pages.ctypes, "CDLL", lambda name: object())
    assert huge_pages._madvise() is None
    assert not huge_pages.zeros((huge_pages.LARGE,), torch.float32, torch.device("cpu")).any()
    huge_pages._madvise.cache_clear()


def test_an_optimizer_s_vectors_are_such_and_stay_so_when_loaded(asked):
    n = huge_pages.LARGE // 4
    w = torch.nn.Parameter(torch.zeros(n))
    w.grad = torch.ones(n)
    optimizer = QuasiNewton([w], VARIANTS["ADAQN"], lr=0.1, monitor=lambda: w.square().sum())
    optimizer.step()
    large = {name for name, x in memory(optimizer).items() if x.numel() >= n}
    assert len(asked) == len(large) + 1  # and the gradient's vector
    asked.clear()
    optimizer.load_state_dict(optimizer.state_dict())
    assert len(asked) == len(large)
    assert Space(1, n).zeros(3).shape == (1, 3, n)


@pytest.mark.skipif(
    sys.platform != "linux" or not HUGE.exists() or "[never]" in HUGE.read_text(), reason="no huge pages for the asking"
)
def test_the_system_takes_the_advice():
    x = huge_pages.zeros((64 << 20,), torch.uint8, torch.device("cpu"))
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        head = line.split()[0]
        if "-" in head and not head.endswith(":"):
            low, high = (int(part, 16) for part in head.split("-"))
            inside = low <= x.data_ptr() + (8 << 20) < high
        elif inside and head == "VmFlags:":
            assert "hg" in line.split()  # advised
            return
    raise AssertionError("the tensor's mapping was not found")
