"""Devices by name, what they compute in, and the sentence for one that is not here."""

from collections.abc import Iterator

import pytest
import torch

from studies.errors import InputError
from studies.training.device import Stopwatch, device_named, gpus, is_out_of_memory, name_of, recorder, set_precision

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch tells on a machine with two GPUs of the kind of an A100."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA A100")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def precision() -> Iterator[None]:
    """Put float32 products back."""
    yield
    torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("name", ["xpu", "mps", "gpu", "cuda:x", "cuda:-1", "", "meta", "cuda0"])
def test_a_name_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"--device .* is none of cpu, cuda, cuda:1 \(the second GPU, and so on\)"):
        device_named(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_refused() -> None:
    assert device_named("auto") == device_named("cpu") == device_named("cpu:0") == CPU
    for name in ("cuda", "cuda:0", "cuda:1"):
        with pytest.raises(InputError, match=rf"--device {name} is not here, .*: take cpu, or auto"):
            device_named(name)


@pytest.mark.usefixtures("two_gpus")
def test_with_gpus_they_are_found_and_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_named("auto") == device_named("cuda") == GPU
    assert device_named("cuda:1").index == 1
    with pytest.raises(InputError, match="the GPUs are cuda:0 to cuda:1"):
        device_named("cuda:2")
    assert gpus(CPU) == []
    assert gpus(GPU) == ["0", "1"]
    assert gpus(torch.device("cuda:1")) == ["1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-5ab1, 3")  # what a batch system gave this process
    assert gpus(GPU) == ["GPU-5ab1", "3"]
    assert gpus(torch.device("cuda:1")) == ["3"]
    assert (name_of(GPU), name_of(CPU)) == ("NVIDIA A100", "cpu")


@pytest.mark.usefixtures("precision")
def test_a_cpu_has_no_tf32() -> None:
    set_precision(CPU, tf32=False)
    assert torch.get_float32_matmul_precision() == "highest"
    with pytest.raises(InputError, match=r"in TF32 \(--tf32\), which cpu does not have: take --device cuda"):
        set_precision(CPU, tf32=True)


@pytest.mark.usefixtures("two_gpus", "precision")
def test_products_are_what_the_study_says_whatever_the_environment_forces(monkeypatch: pytest.MonkeyPatch) -> None:
    for tf32, told in ((True, "high"), (False, "highest")):
        set_precision(GPU, tf32=tf32)
        assert torch.get_float32_matmul_precision() == told
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", str(int(not tf32)))
        with pytest.raises(InputError, match=f"NVIDIA_TF32_OVERRIDE={int(not tf32)} says otherwise: unset it"):
            set_precision(GPU, tf32=tf32)
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", str(int(tf32)))
        set_precision(GPU, tf32=tf32)
        monkeypatch.delenv("NVIDIA_TF32_OVERRIDE")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    with pytest.raises(InputError, match=r"compute capability 8.0 \(Ampere\)"):
        set_precision(GPU, tf32=True)


def test_nothing_is_captured_on_a_cpu() -> None:
    assert recorder(CPU) is None
    assert recorder(GPU) is not None


def test_the_clock_waits_for_the_device_at_both_ends_and_leaves_out_what_is_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, waits = iter([10.0, 11.0, 20.0, 22.5]), list[torch.device]()
    monkeypatch.setattr("studies.training.device.perf_counter", lambda: next(now))
    monkeypatch.setattr(torch.cuda, "synchronize", waits.append)
    watch = Stopwatch(GPU)
    watch.start()
    watch.start()
    assert watch.stop() == 1.0
    watch.start()
    assert watch.stop() == 3.5
    assert watch.stop() == 3.5  # a mark at the end of the warm-up stops it twice
    assert waits == [GPU] * 4


def test_memory_that_is_out_is_known_by_any_of_its_names() -> None:
    with pytest.raises(RuntimeError) as on_a_cpu:
        torch.empty(2**60, dtype=torch.uint8)
    for told in ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"):
        assert is_out_of_memory(RuntimeError(told))
    assert is_out_of_memory(on_a_cpu.value)
    assert is_out_of_memory(MemoryError())
    captured = RuntimeError("Step 21 could not be recorded as a graph")
    captured.__cause__ = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB")
    assert is_out_of_memory(captured)
    assert not is_out_of_memory(RuntimeError("CUDA error: an illegal memory access"))
