"""torch's ambient modes do not reach the algorithm's arithmetic."""

import threading

import pytest
import torch
from torch import nn

from adaqn_lab import Cadence, EventKind, QuasiNewton, ambient
from adaqn_lab.recipes import ALL
from tests.adaqn_lab.training import SHORT, Training


class Nets:
    """Two wide runs side by side, whose products are batched matrix products that torch's modes could round."""

    def __init__(self, recipe):
        generator = torch.Generator().manual_seed(0)
        self.w = nn.Parameter(torch.randn(2, 40, 30, generator=generator))
        self.x = torch.randn(40, 16, 40, generator=generator)
        closures = dict.fromkeys({need.argument for need in recipe.needs}, lambda: self.losses(-1))
        self.optimizer = QuasiNewton([self.w], recipe, lr=0.02, runs=2, **closures)

    def losses(self, k):
        with torch.enable_grad(), torch.autocast("cpu", enabled=False):
            outputs = torch.tanh(torch.einsum("bi,rij->rbj", self.x[k], self.w))
            return outputs.square().mean((1, 2)), outputs


def inference():
    return torch.inference_mode()


class Precision:
    def __init__(self, precision):
        self.precision = precision

    def __enter__(self):
        self.before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision(self.precision)

    def __exit__(self, *_):
        assert torch.get_float32_matmul_precision() == self.precision  # handed back as it was
        torch.set_float32_matmul_precision(self.before)


class NewPrecision:
    """torch's other, newer setting of the same."""

    def __enter__(self):
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"

    def __exit__(self, *_):
        assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"
        torch.backends.mkldnn.matmul.fp32_precision = "ieee"
        torch.set_float32_matmul_precision("highest")


class DefaultDtype:
    def __enter__(self):
        torch.set_default_dtype(torch.float64)

    def __exit__(self, *_):
        torch.set_default_dtype(torch.float32)


class Deterministic:
    def __enter__(self):
        torch.use_deterministic_algorithms(True)

    def __exit__(self, *_):
        torch.use_deterministic_algorithms(False)


MODES = {
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "inference": torch.inference_mode,
    "precision medium": lambda: Precision("medium"),
    "precision high": lambda: Precision("high"),
    "new precision": NewPrecision,
    "default dtype": DefaultDtype,
    "default device": lambda: torch.device("meta"),
    "deterministic": Deterministic,
}
RECIPES = {"SHORT": SHORT} | {named.name: named.recipe for named in ALL}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("recipe", ["SHORT", "SQN", "SAMPLED_LBFGS", "ADAQN_PER_TENSOR", "LRES", "ASNAQ"])
def test_ambient_modes_do_not_change_a_bit(mode, recipe):
    recipe = RECIPES[recipe]
    every = min(recipe.cadence.every, 3)
    recipe = recipe.but(cadence=Cadence(**{**vars(recipe.cadence), "every": every}))
    finals, directions = [], []
    for surrounded in (False, True):
        nets = Nets(recipe)
        v = torch.ones(2, 1200)
        for k in range(4 * every + 3):
            nets.optimizer.zero_grad()
            nets.losses(k)[0].sum().backward()
            if surrounded:
                with MODES[mode]():
                    nets.optimizer.step()
            else:
                nets.optimizer.step()
        with MODES[mode]() if surrounded and mode != "inference" else torch.no_grad():
            directions.append(nets.optimizer.operator(v))
        nets.optimizer.step()  # a step outside: the state consists of ordinary tensors
        finals.append(nets.w.detach().clone())
    assert torch.equal(finals[0], finals[1])
    assert torch.equal(directions[0], directions[1])
    assert len(nets.optimizer.events) >= 8


def test_the_mode_would_have_been_felt():
    """What the guard holds off is there: the same products under autocast are others."""
    rows, v = torch.randn(2, 10, 4096), torch.randn(2, 4096, 1)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = torch.bmm(rows, v)
    assert rounded.dtype == torch.bfloat16


def test_callables_see_autocast_as_it_is_around_the_step():
    seen = []
    training = Training(SHORT, monitor=lambda: seen.append(torch.is_autocast_enabled("cpu")) or 1.0)
    for k in range(6):
        training.gradients(k)
        with torch.autocast("cpu", torch.bfloat16, enabled=k >= 3):
            training.optimizer.step()
    assert seen == [False, True]


@pytest.mark.parametrize("surrounding", ["step", "all"])
def test_the_weights_of_another_point_do_not_lie_in_autocast_s_cache(surrounding):
    """A difference of gradients at two points is none if the second reads the first's cached weights."""
    recipe = RECIPES["MULTIBATCH_LBFGS"]
    training = Training(recipe)
    for k in range(8):
        with torch.autocast("cpu", torch.bfloat16, enabled=surrounding == "all"):
            training.gradients(k)
            with torch.autocast("cpu", torch.bfloat16):
                training.optimizer.step()
                after = training.loss(k)[0].item()
        with torch.autocast("cpu", torch.bfloat16):
            assert training.loss(k)[0].item() == after
    assert all(event.y_y > 0 for event in training.optimizer.events)
    assert sum(event.kind is EventKind.ADMITTED for event in training.optimizer.events) >= 6


def test_a_nested_optimizer_has_modes_of_its_own():
    seen = []
    inner = Training(SHORT, monitor=lambda: seen.append(torch.is_autocast_enabled("cpu")) or 1.0)

    def monitor():
        with torch.enable_grad(), torch.autocast("cpu", enabled=False):
            inner.train(*range(3))
        return 1.0

    outer = Training(SHORT, monitor=monitor)
    for k in range(4):
        outer.gradients(k)
        with torch.autocast("cpu", torch.bfloat16):
            outer.optimizer.step()
    assert seen == [False]


def test_threads_hand_the_precision_back_when_the_last_one_leaves():
    """It is the process's own: one thread's step must neither lose the user's nor run rounded."""
    device, entered, left = torch.device("cpu"), threading.Event(), threading.Event()

    def other():
        with ambient.plain_arithmetic(device):
            entered.set()
            left.wait(10)
            assert torch.backends.mkldnn.matmul.fp32_precision == "ieee"

    with Precision("medium"):
        thread = threading.Thread(target=other)
        with ambient.plain_arithmetic(device):
            thread.start()
            assert entered.wait(10)
        assert torch.backends.mkldnn.matmul.fp32_precision == "ieee"  # the other thread is still inside
        with ambient.plain_arithmetic(device), ambient.as_given():
            assert torch.backends.mkldnn.matmul.fp32_precision == "ieee"
        left.set()
        thread.join()
        with ambient.plain_arithmetic(device), ambient.as_given():
            assert torch.backends.mkldnn.matmul.fp32_precision == "bf16"


@pytest.mark.parametrize("own", ["none", "ieee", "tf32"])
def test_products_which_follow_the_setting_for_everything_still_do_so_afterwards(own):
    backends = ambient._backends()
    before = [backend.fp32_precision for backend in backends]
    try:
        ambient._set((own, own))
        with torch.autocast("cpu", torch.bfloat16), ambient.plain_arithmetic(torch.device("cpu")):
            assert {backend.fp32_precision for backend in backends} == {"ieee"}
        with torch.backends.flags(fp32_precision="tf32"):
            assert {backend.fp32_precision for backend in backends} == {"ieee" if own == "ieee" else "tf32"}
    finally:
        ambient._set(before)
