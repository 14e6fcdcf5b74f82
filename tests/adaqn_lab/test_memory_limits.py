"""How many bytes a recipe needs, and what is said where they are not there."""

import itertools
import re

import pytest
import torch
from torch import nn

import adaqn_lab
from adaqn_lab import ADAQN, Dense, HostFisher, QuasiNewton, SampledHessian, Window, bytes_needed, memory_limits
from adaqn_lab import state as part_state
from adaqn_lab.recipes import ALL
from adaqn_lab.space import Space

UNGUARDED = ADAQN.but(guard=None)
CPU, GPU = torch.device("cpu"), torch.device("cuda", 1)


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


@pytest.mark.parametrize("name", ["n", "runs"])
def test_there_is_at_least_one_parameter_and_one_run(name):
    assert bytes_needed(ADAQN, n=1, runs=1) > 0
    with pytest.raises(ValueError, match=rf"^bytes_needed: {name}=0 is too small; pass an int >= 1\.$"):
        bytes_needed(ADAQN, **{"n": 1, name: 0})


def test_beside_a_gpu_gradients_on_the_host_take_nothing_of_its_memory():
    n, runs, window = 1000, 2, 30
    spaces = [Space(runs, n, device=device) for device in (CPU, GPU)]
    on_host, on_device = ADAQN.but(pairs=HostFisher(window=window, every=4)), ADAQN
    there, beside = (memory_limits.state_bytes(on_host, space) for space in spaces)
    assert there - beside == window * runs * n * 4
    assert len({memory_limits.state_bytes(on_device, space) for space in spaces}) == 1


def test_a_part_which_reads_its_state_is_told_by_its_role():
    class Reads(Window):
        def init(self, space):
            return super().init(space) if float(space.zeros().sum()) else None

    with pytest.raises(TypeError, match=r"^memory=.*Reads\(.* cannot make its state on torch's meta device \("):
        bytes_needed(ADAQN.but(memory=Reads()), 10)


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
        least = "not even recipe.but(pairs=None, memory=Window(capacity=0)) would fit"
        assert str(caught.value).endswith(f"; {least}: take fewer runs or another device.")
        return
    smaller = eval(f"UNGUARDED.but({found[1]})", vars(adaqn_lab) | {"torch": torch, "UNGUARDED": UNGUARDED})
    memory_limits.check_room(smaller, space)


@pytest.mark.parametrize("runs", [1, 4])
def test_each_way_out_needs_clearly_less_than_the_one_before_and_is_what_its_words_say(runs):
    """Beside a GPU, where ``HostFisher`` and the first sketch need the same."""
    recipe, needs = UNGUARDED, []
    found = list(memory_limits._smaller(recipe))
    for words, other in found:
        assert eval(f"recipe.but({words})", vars(adaqn_lab) | {"torch": torch, "recipe": recipe}) == other
        needs.append(memory_limits._needed(other, Space(runs, 10**6, device=GPU)))
    assert needs[2] == pytest.approx(needs.pop(1), rel=1e-3)
    assert all(
        after < 0.9 * before for before, after in itertools.pairwise([bytes_needed(recipe, 10**6, runs=runs), *needs])
    )
    least = found[4][1].pairs
    assert [other.pairs for _, other in found[5:]] == [least, least, least, None]


def test_what_fits_to_the_byte_fits(monkeypatch):
    space = Space(1, 10**6)
    needed, (_, least) = memory_limits._needed(UNGUARDED, space), next(memory_limits._smaller(UNGUARDED))
    monkeypatch.setattr(memory_limits, "room", lambda device: needed)
    memory_limits.check_room(UNGUARDED, space)
    monkeypatch.setattr(memory_limits, "room", lambda device: memory_limits._needed(least, space))
    with pytest.raises(RuntimeError, match=r"but\(pairs=EmpiricalFisher\(window=100"):
        memory_limits.check_room(UNGUARDED, space)


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


@pytest.mark.parametrize(("told", "left"), [("anon 9\nactive_file 1\n", 301), ("", 300), (None, 300)])
def test_a_container_which_does_not_tell_of_its_files_has_none_that_can_be_dropped(monkeypatch, tmp_path, told, left):
    monkeypatch.setattr(memory_limits, "_GROUP", tmp_path)
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    if told is not None:
        (tmp_path / "memory.stat").write_text(told)
    assert memory_limits.room(CPU) == left
    (tmp_path / "memory.current").write_text("1100\n")
    assert memory_limits.room(CPU) == 0


def test_the_system_s_estimate_and_its_swap_space_are_room(monkeypatch, tmp_path):
    file = tmp_path / "meminfo"
    monkeypatch.setattr(memory_limits, "_GROUP", tmp_path)
    monkeypatch.setattr(memory_limits, "_SYSTEM", file)
    assert memory_limits.room(CPU) is None
    for lines, kilobytes in (
        ("MemTotal: 90 kB\nMemAvailable:      70 kB\n\nodd\nSwapTotal: 9 kB\nSwapFree: 5 kB\n", 75),
        ("MemAvailable: 70 kB\n", 70),
        ("MemFree: 60 kB\nSwapFree: 5 kB\n", None),
    ):
        file.write_text(lines)
        assert memory_limits.room(CPU) == (None if kilobytes is None else 1024 * kilobytes)


def test_what_torch_holds_on_a_gpu_and_no_tensor_uses_is_room(monkeypatch):
    """The device's answers, put in its place: 1000 free, and 300 held, of which tensors take 200."""
    answers = {"mem_get_info": (1000, 5000), "memory_reserved": 300, "memory_allocated": 200}
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, answer=answer: answer if device == GPU else None)
    assert memory_limits.room(GPU) == 1100
