"""Which code and which torch a study was begun with: what is refused, and what is the same by another name."""

import pytest
import torch

from studies.errors import InputError
from studies.execution.provenance import check_code, environment
from tests.studies.training.test_device import two_gpus as two_gpus

CODE = {"sources": environment()["sources"]}


@pytest.mark.parametrize("build", ["", "+cpu", "+cu130", "+rocm7"])
def test_a_build_of_the_same_torch_may_go_on(build: str) -> None:
    check_code("it", {**CODE, "torch": torch.__version__.partition("+")[0] + build}, allow_mixed=False)


@pytest.mark.parametrize("begun", [{**CODE, "torch": "2.0.0+cpu"}, {"sources": "0123456789ab"}, {"commit": "0" * 40}])
def test_other_code_and_another_torch_are_refused_unless_allowed(begun: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"begun with other code: .* there and .* here"):
        check_code("it", begun, allow_mixed=False)
    check_code("it", begun, allow_mixed=True)


def test_a_row_from_a_cpu_tells_what_it_always_told() -> None:
    told = environment()
    assert (told["device"], environment("cpu", False)) == ("cpu", told)
    assert list(told)[-2:] == ["device", "torch_threads"]


@pytest.mark.usefixtures("two_gpus")
def test_a_row_from_a_gpu_tells_its_name_and_what_products_are_computed_in() -> None:
    for tf32, products in ((False, "float32"), (True, "TF32")):
        told = environment("cuda:1", tf32)
        assert (told["device"], told["products"], "cuda" in told) == ("NVIDIA A100", products, True)
