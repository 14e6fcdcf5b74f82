"""Which devices the kernels serve: loading, leaving, and what fails in one sentence."""

import importlib.util
import sys

import pytest
import torch

from adaqn_lab import Diagonal, kernels
from adaqn_lab.linalg import rows_dot
from tests.adaqn_lab.test_kernels import Form, filled
from tests.adaqn_lab.test_operators import called


def test_without_load_nothing_is_compiled_and_what_is_not_served_goes_on_in_torch(compiled_kernels):
    """A watch of operators sees one of ours where a kernel runs, and torch's own where the plain form does."""
    assert kernels.loaded()
    history, v = filled(Form("compiled", compiled_kernels), 1, 40, 3, torch.float32)
    own = {"adaqn_lab::direction_"}
    for vector, by_kernel in ((v.clone(), True), (torch.rand(1, 80)[:, ::2], False), (v.double(), False)):
        found = called(lambda vector=vector: history.apply_(vector, GRADED))
        assert (found & own == own) == by_kernel
    assert "adaqn_lab::rows_dot" not in called(lambda: rows_dot(history.s.to("meta"), v.to("meta")))
    with kernels.disabled():
        assert not kernels.loaded()
        assert not called(lambda: history.apply_(v.clone(), GRADED)) & own
    assert called(lambda: history.apply_(v.clone(), GRADED)) & own
    if importlib.util.find_spec("triton"):
        kernels.load("cuda")
        assert kernels.loaded("cuda")
    assert called(lambda: history.apply_(v.clone(), GRADED)) & own
    with kernels.disabled():
        assert not kernels.loaded("cuda")
    kernels.unload()
    assert not kernels.loaded()
    assert not kernels.loaded("cuda")
    assert not called(lambda: history.apply_(v.clone(), GRADED)) & own


GRADED = Diagonal(gamma=0.5)


def test_a_failing_compiler_is_one_sentence(monkeypatch, tmp_path):
    from torch.utils import cpp_extension

    def fail(*_, **__):
        raise RuntimeError("ninja is missing\nand a long traceback")

    monkeypatch.setattr(cpp_extension, "load", fail)
    monkeypatch.setattr(cpp_extension, "get_default_build_root", lambda: str(tmp_path))
    monkeypatch.setattr(torch.ops, "adaqn_lab_kernels", object())
    with pytest.raises(RuntimeError, match=r"^The kernels could not be compiled \(ninja is missing\); install .*$"):
        kernels.load()
    assert not kernels.loaded()


def test_no_triton_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "adaqn_lab.kernels.tiled", None)
    monkeypatch.delattr(kernels, "tiled", raising=False)
    with pytest.raises(RuntimeError, match=r"^The kernels for CUDA need the package triton \(.*\); install it, or .*$"):
        kernels.load("cuda")
    assert not kernels.loaded("cuda")
    with pytest.raises(ValueError, match="no kernels for device='mps'; choose 'cpu' or 'cuda'"):
        kernels.load("mps")
