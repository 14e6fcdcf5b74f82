"""How many bytes a recipe needs, and what is said where they are not there."""

import re

import pytest
import torch
from torch import nn

import adaqn_lab
from adaqn_lab import ADAQN, Dense, QuasiNewton, SampledHessian, Window, bytes_needed, memory_limits
from adaqn_lab import state as part_state
from adaqn_lab.recipes import ALL
from adaqn_lab.space import Space

UNGUARDED = ADAQN.but(guard=None)


@pytest.mark.parametrize("named", ALL, ids=lambda named: named.name)
@pytest.mark.parametrize(("runs", "dtype"), [(1, torch.float32), (3, torch.float64)])
def test_the_bytes_are_those_of_the_states(named, runs, dtype):
    """Counted on tensors which are there, and never allocated for the count."""
    recipe, n = named.recipe, 48
    space = Space(runs, n, dtype)
    parts = {
        role: part for role in ("pairs", "scaling", "memory", "stepper", "guard") if (part := getattr(recipe, role))
    }
    real = part_state.flatten({role: part.init(space) for role, part in parts.items()})
    expected = sum(tensor.untyped_storage().nbytes() for tensor in real.values())
    assert bytes_needed(recipe, n, runs=runs, dtype=dtype) == expected + 5 * runs * n * dtype.itemsize


def test_nothing_is_allocated():
    assert bytes_needed(ADAQN, 10**12) > 5e14


def test_a_part_which_cannot_hold_it_says_so():
    with pytest.raises(ValueError, match="above limit=1000; use Window"):
        bytes_needed(ADAQN.but(memory=Dense()), 1001)


@pytest.mark.skipif(memory_limits.room(torch.device("cpu")) is None, reason="the system does not say what is free")
def test_memory_found_out_before_it_is_allocated():
    """A model for which this machine has room, with a state for which it has none: the truth, not a pretence."""
    n = int(1.15 * memory_limits.room(torch.device("cpu"))) // 508
    weight = nn.Parameter(torch.zeros(n))
    weight.grad = torch.zeros(n)
    optimizer = QuasiNewton([weight], UNGUARDED, lr=0.1)
    with pytest.raises(RuntimeError) as caught:
        optimizer.step()
    text = str(caught.value)
    found = re.match(
        r"The recipe's state for ([\d,]+) parameters in 1 run\(s\) needs ([\d.]+) GB and cpu has ([\d.]+) GB; "
        r"recipe\.but\((.*)\) would fit\.$",
        text,
    )
    assert found, text
    assert int(found[1].replace(",", "")) == n
    assert float(found[2]) == pytest.approx(bytes_needed(UNGUARDED, n) / 1e9, abs=0.06)
    smaller = eval(f"UNGUARDED.but({found[4]})", vars(adaqn_lab) | {"torch": torch, "UNGUARDED": UNGUARDED})
    assert bytes_needed(smaller, n) / 1e9 < float(found[3]) + 0.1
    assert not optimizer.state


@pytest.mark.parametrize("gigabytes", [24, 12, 6, 3, 2.3])
def test_what_it_names_fits(monkeypatch, gigabytes):
    """The way out, followed."""
    there = int(gigabytes * 1e9)
    monkeypatch.setattr(memory_limits, "room", lambda device: there)
    space = Space(1, 10**8)
    with pytest.raises(RuntimeError, match=r"needs 50\.8 GB and cpu has") as caught:
        memory_limits.check_room(UNGUARDED, space)
    found = re.search(r"recipe\.but\((.*)\) would fit\.$", str(caught.value))
    if gigabytes < 2.4:
        assert "not even recipe.but(pairs=None, memory=Window(capacity=0)) would fit" in str(caught.value)
        return
    smaller = eval(f"UNGUARDED.but({found[1]})", vars(adaqn_lab) | {"torch": torch, "UNGUARDED": UNGUARDED})
    memory_limits.check_room(smaller, space)


def test_other_pair_generators_are_kept_while_the_memory_shrinks(monkeypatch):
    monkeypatch.setattr(memory_limits, "room", lambda device: int(8e9))
    recipe = UNGUARDED.but(pairs=SampledHessian(), memory=Window(capacity=20))
    with pytest.raises(RuntimeError, match=r"but\(memory=Window\(capacity=10, .*bfloat16\), pairs=SampledHessian"):
        memory_limits.check_room(recipe, Space(1, 10**8))


def test_without_a_limit_nothing_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(memory_limits, "_of_system", lambda: None)
    monkeypatch.setattr(memory_limits, "_GROUP", tmp_path)
    assert memory_limits.room(torch.device("cpu")) is None
    memory_limits.check_room(UNGUARDED, Space(1, 10**14))
    assert memory_limits.room(torch.device("meta")) is None


def test_a_container_s_limit_counts_files_that_can_be_dropped(monkeypatch, tmp_path):
    monkeypatch.setattr(memory_limits, "_of_system", lambda: 10**12)
    monkeypatch.setattr(memory_limits, "_GROUP", tmp_path)
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 600\nactive_file 30\ninactive_file 20\n")
    assert memory_limits.room(torch.device("cpu")) == 350
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_limits.room(torch.device("cpu")) == 10**12
