"""torch's own optimizer contract, by the tools with which torch tests its family; Adam runs beside as a control.

What torch asks of an optimizer, point by point, with tests of our own. What does not apply, and why, is the
table of ``docs/torch-contract.md``:

- ``foreach``, ``fused``, ``differentiable``, ``capturable``: no such arguments; one implementation, on
  torch._foreach, which never reads the device (test_no_host_read.py); CUDA graphs by ``graphs`` (test_graphs.py).
- complex parameters and sparse gradients: refused in one sentence, tested here and in test_arguments.py.
- parameters on several devices: refused, one curvature memory spans all parameters.
- a group added after the first step: refused, the stored vectors have the size of the first one.
- per-parameter state: the memory is of all of them, under the first that is trained.
"""

# ruff: noqa: PT009, PT027 - the assertions of torch's TestCase compare tensors in nested containers

import copy
import functools
import io
import warnings

import torch
from hypothesis import settings
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from tests.adaqn_lab.torch_infos import (
    BOTH,
    FREE,
    KEPT,
    OURS,
    PROFILE,
    OptimizerErrorEnum,
    TestCase,
    fixed,
    instantiate_device_type_tests,
    onlyCUDA,
    optims,
    problem,
    trained,
)


class TestContract(TestCase):
    def _right_direction(self, device, dtype, optim_info, contiguous, scheduled):
        for given in optim_info.optim_inputs_func(device=device):
            for makers in optim_info.scheduler_inputs if scheduled else ((),):
                weight, bias, closure = problem(device, dtype, contiguous)
                self.assertEqual(weight.is_contiguous(), contiguous)
                kwargs = fixed(given.kwargs)
                optimizer = optim_info.optim_cls([weight, bias], **kwargs)
                schedulers = [make(optimizer) for make in makers]
                first = closure().item()
                for _ in range(20):
                    loss = optimizer.step(closure)
                    for scheduler in schedulers:
                        scheduler.step(*([loss.detach()] if isinstance(scheduler, ReduceLROnPlateau) else []))
                if kwargs.get("maximize"):
                    self.assertGreater(closure().item(), first)
                else:
                    self.assertLess(closure().item(), first)

    @optims(BOTH, dtypes=[torch.float32, torch.float64])
    def test_goes_in_the_right_direction(self, device, dtype, optim_info):
        self._right_direction(device, dtype, optim_info, True, False)

    @optims(BOTH, dtypes=[torch.float32])
    def test_goes_in_the_right_direction_with_strided_parameters(self, device, dtype, optim_info):
        self._right_direction(device, dtype, optim_info, False, False)

    @optims(BOTH, dtypes=[torch.float32])
    def test_goes_in_the_right_direction_with_schedulers(self, device, dtype, optim_info):
        self._right_direction(device, dtype, optim_info, True, True)
        self._right_direction(device, dtype, optim_info, False, True)

    @optims([OURS], dtypes=[torch.float32])
    def test_a_strided_parameter_moves_as_a_contiguous_one(self, device, dtype, optim_info):
        for given in optim_info.optim_inputs_func(device=device):
            results = []
            for contiguous in (True, False):
                weight, bias, closure = problem(device, dtype, contiguous)
                optimizer = optim_info.optim_cls([weight, bias], **fixed(given.kwargs))
                for _ in range(9):
                    optimizer.step(closure)
                results.append((weight.detach(), bias.detach()))
            self.assertEqual(results[0], results[1])

    @optims(BOTH, dtypes=[torch.float32, torch.float64])
    def test_a_tensor_lr_is_a_float_lr(self, device, dtype, optim_info):
        results = []
        for lr in (0.02, torch.tensor(0.02, device=device), torch.tensor([0.02], device=device)):
            weight, bias, closure = problem(device, dtype)
            kwargs = {"recipe": FREE} if optim_info is OURS else {}
            optimizer = optim_info.optim_cls([weight, bias], lr=lr, **kwargs)
            for _ in range(12):
                optimizer.step(closure)
            results.append(weight.detach())
        self.assertEqual(results[1], results[2])
        self.assertEqual(results[0], results[1], rtol=1e-5, atol=1e-6)

    @optims(BOTH, dtypes=[torch.float32])
    def test_groups_have_their_own_weight_decay(self, device, dtype, optim_info):
        """Without a gradient from the loss, decay alone moves the weight and nothing moves the bias."""
        for given in optim_info.optim_inputs_func(device=device):
            weight, bias, _ = problem(device, dtype)
            kwargs = fixed(given.kwargs) | {"weight_decay": 0.0, "maximize": False}
            optimizer = optim_info.optim_cls([{"params": [weight], "weight_decay": 0.5}, {"params": [bias]}], **kwargs)
            norm, old = weight.detach().norm(), bias.detach().clone()
            for _ in range(12):
                weight.grad, bias.grad = torch.zeros_like(weight), torch.zeros_like(bias)
                optimizer.step()
            self.assertLess(weight.detach().norm(), norm)
            self.assertTrue(torch.equal(bias, old))

    @optims(BOTH, dtypes=[torch.float32])
    def test_groups_have_their_own_lr(self, device, dtype, optim_info):
        """A group with a hundredth of the rate makes about a hundredth of the first step."""
        moves = {}
        for scale in (1.0, 0.01):
            weight, bias, closure = problem(device, dtype)
            kwargs = {"recipe": FREE} if optim_info is OURS else {}
            optimizer = optim_info.optim_cls(
                [{"params": [weight]}, {"params": [bias], "lr": 0.02 * scale}], lr=0.02, **kwargs
            )
            old = weight.detach().clone(), bias.detach().clone()
            optimizer.step(closure)
            moves[scale] = weight.detach() - old[0], bias.detach() - old[1]
        self.assertTrue(torch.equal(moves[1.0][0], moves[0.01][0]))
        self.assertEqual(moves[0.01][1], 0.01 * moves[1.0][1], rtol=1e-2, atol=1e-6)

    @optims(BOTH, dtypes=[torch.float32])
    def test_no_gradients_no_step(self, device, dtype, optim_info):
        for given in optim_info.optim_inputs_func(device=device):
            for steps in (0, 7):
                weight, bias, _, optimizer = trained(optim_info, given, device, dtype, steps)
                old = weight.detach().clone()
                weight.grad = bias.grad = None
                optimizer.step()
                self.assertTrue(torch.equal(weight, old))

    @optims(BOTH, dtypes=[torch.float32])
    def test_zero_gradients_no_move_from_a_fresh_start(self, device, dtype, optim_info):
        for given in optim_info.optim_inputs_func(device=device):
            if given.kwargs.get("weight_decay"):
                continue
            weight, bias, _, optimizer = trained(optim_info, given, device, dtype, 0)
            old = weight.detach().clone()
            for _ in range(7):
                weight.grad, bias.grad = torch.zeros_like(weight), torch.zeros_like(bias)
                optimizer.step()
            self.assertTrue(torch.equal(weight, old))

    @optims([OURS], dtypes=[torch.float32])
    def test_zero_gradients_no_move_ever(self, device, dtype, optim_info):
        """No momentum here: also after a history."""
        for given in optim_info.optim_inputs_func(device=device):
            if given.kwargs.get("weight_decay"):
                continue
            weight, bias, _, optimizer = trained(optim_info, given, device, dtype, 11)
            old = weight.detach().clone()
            weight.grad, bias.grad = torch.zeros_like(weight), torch.zeros_like(bias)
            optimizer.step()
            self.assertTrue(torch.equal(weight, old))

    @optims(BOTH, dtypes=[torch.float32])
    def test_empty_parameters(self, device, dtype, optim_info):
        for given in optim_info.optim_inputs_func(device=device):
            weight, bias, closure = problem(device, dtype)
            empty = nn.Parameter(torch.empty(0, 3, device=device, dtype=dtype))
            optimizer = optim_info.optim_cls([weight, empty, bias], **fixed(given.kwargs))
            old = weight.detach().clone()
            for _ in range(7):
                closure()
                empty.grad = torch.zeros_like(empty)
                optimizer.step()
            self.assertFalse(torch.equal(weight, old))

    @optims(BOTH, dtypes=[torch.float32])
    def test_gradients_are_never_written_into(self, device, dtype, optim_info):
        for given in optim_info.optim_inputs_func(device=device):
            weight, bias, closure, optimizer = trained(optim_info, given, device, dtype, 2)
            closure()
            grads = [weight.grad, bias.grad]
            versions = [g._version for g in grads]
            for _ in range(7):
                optimizer.step()
            self.assertEqual([g._version for g in grads], versions)
            self.assertTrue(weight.grad is grads[0])

    @optims(BOTH, dtypes=[torch.float32])
    def test_the_state_dict_is_deterministic(self, device, dtype, optim_info):
        """Another optimizer with equal, not identical, parameters goes on in parallel from a loaded state."""
        for given in optim_info.optim_inputs_func(device=device):
            weight, bias, closure, optimizer = trained(optim_info, given, device, dtype, 8)
            twin_weight, twin_bias, twin_closure = problem(device, dtype)
            with torch.no_grad():
                twin_weight.copy_(weight)
                twin_bias.copy_(bias)
            twin = optim_info.optim_cls([twin_weight, twin_bias], **fixed(given.kwargs))
            twin.load_state_dict(copy.deepcopy(optimizer.state_dict()))
            for _ in range(8):
                optimizer.step(closure)
                twin.step(twin_closure)
                self.assertTrue(torch.equal(weight, twin_weight))
                self.assertTrue(torch.equal(bias, twin_bias))
            self.assertEqual(optimizer.state_dict(), twin.state_dict())

    @optims(BOTH, dtypes=[torch.float32])
    def test_saved_and_loaded_with_weights_only(self, device, dtype, optim_info):
        for given in optim_info.optim_inputs_func(device=device):
            *_, optimizer = trained(optim_info, given, device, dtype, 8)
            file = io.BytesIO()
            torch.save(optimizer.state_dict(), file)
            file.seek(0)
            loaded = torch.load(file, weights_only=True)
            self.assertEqual(loaded, optimizer.state_dict())
            *_, other = trained(optim_info, given, device, dtype, 1)
            other.load_state_dict(loaded)
            self.assertEqual(other.state_dict(), optimizer.state_dict())

    @optims(BOTH, dtypes=[torch.float32])
    def test_an_older_state_dict_loads(self, device, dtype, optim_info):
        for given in optim_info.optim_inputs_func(device=device):
            weight, _, closure, optimizer = trained(optim_info, given, device, dtype, 5)
            for flag in optim_info.not_og_supported_flags:
                saved = optimizer.state_dict()
                for group in saved["param_groups"]:
                    group.pop(flag)
                optimizer.load_state_dict(saved)
                old = weight.detach().clone()
                optimizer.step(closure)
                self.assertFalse(torch.equal(weight, old))

    @optims(BOTH, dtypes=[torch.float32])
    def test_named_parameters(self, device, dtype, optim_info):
        for given in optim_info.optim_inputs_func(device=device):
            weight, bias, closure = problem(device, dtype)
            optimizer = optim_info.optim_cls([("weight", weight), ("bias", bias)], **fixed(given.kwargs))
            for _ in range(7):
                optimizer.step(closure)
            saved = optimizer.state_dict()
            self.assertEqual(saved["param_groups"][0]["param_names"], ["weight", "bias"])
            plain_weight, plain_bias, plain_closure, plain = trained(optim_info, given, device, dtype, 7)
            self.assertTrue(torch.equal(weight, plain_weight))
            plain.load_state_dict(copy.deepcopy(saved))  # Adam's tensors would be shared
            optimizer.load_state_dict(copy.deepcopy(plain.state_dict()))
            plain.step(plain_closure)
            optimizer.step(closure)
            self.assertTrue(torch.equal(bias, plain_bias))

    @optims(BOTH, dtypes=[torch.float32])
    def test_all_hooks_run_in_their_order(self, device, dtype, optim_info):
        for given in optim_info.optim_inputs_func(device=device)[:1]:
            _, _, closure, optimizer = trained(optim_info, given, device, dtype, 1)
            seen = []

            def note(name, seen, *_):
                seen.append(name)

            for kind in ("step", "state_dict", "load_state_dict"):
                for when in ("pre", "post"):
                    register = getattr(optimizer, f"register_{kind}_{when}_hook")
                    register(functools.partial(note, f"{kind} {when}", seen))
            optimizer.register_load_state_dict_pre_hook(functools.partial(note, "first", seen), prepend=True)
            everywhere = [
                register_optimizer_step_pre_hook(functools.partial(note, "global pre", seen)),
                register_optimizer_step_post_hook(functools.partial(note, "global post", seen)),
            ]
            optimizer.step(closure)
            for handle in everywhere:
                handle.remove()
            self.assertEqual(seen, ["global pre", "step pre", "step post", "global post"])
            seen.clear()
            optimizer.load_state_dict(optimizer.state_dict())
            self.assertEqual(
                seen, ["state_dict pre", "state_dict post", "first", "load_state_dict pre", "load_state_dict post"]
            )

    @optims(BOTH, dtypes=[torch.float32])
    def test_a_deepcopy_has_all_public_attributes(self, device, dtype, optim_info):
        for given in optim_info.optim_inputs_func(device=device):
            *_, optimizer = trained(optim_info, given, device, dtype, 4)
            copied = copy.deepcopy(optimizer)
            names = [name for name in vars(optimizer) if not name.startswith("_")]
            self.assertEqual(sorted(names), sorted(name for name in vars(copied) if not name.startswith("_")))
            self.assertEqual(copied.state_dict(), optimizer.state_dict())

    @optims(BOTH, dtypes=[torch.float32])
    def test_the_state_is_not_empty_after_a_step(self, device, dtype, optim_info):
        for given in optim_info.optim_inputs_func(device=device):
            *_, optimizer = trained(optim_info, given, device, dtype, 1)
            state = optimizer.state_dict()["state"]
            self.assertGreater(len(state), 0)
            filled = [index for index, value in state.items() if len(value)]
            if optim_info is OURS:
                self.assertEqual(list(state), [0, 1])
                self.assertEqual(filled, [0])  # all of the memory, under the first parameter that is trained
            else:
                self.assertEqual(filled, list(state))

    @optims(BOTH, dtypes=[torch.float32])
    def test_can_be_printed(self, device, dtype, optim_info):
        for given in optim_info.optim_inputs_func(device=device):
            *_, optimizer = trained(optim_info, given, device, dtype, 0)
            self.assertIn(optim_info.name, repr(optimizer))
            self.assertIn("weight_decay", repr(optimizer))

    @optims(BOTH, dtypes=[torch.float32])
    def test_the_defaults_are_what_groups_get(self, device, dtype, optim_info):
        for given in optim_info.optim_inputs_func(device=device):
            *_, optimizer = trained(optim_info, given, device, dtype, 0)
            options = {name for name in given.kwargs if name != "recipe"}
            self.assertLessEqual(options, set(optimizer.defaults))
            for name in options:
                self.assertEqual(optimizer.param_groups[0][name], given.kwargs[name])

    @optims([OURS], dtypes=[torch.float32])
    def test_error_inputs(self, device, dtype, optim_info):
        for case in optim_info.optim_error_inputs_func(device=device, dtype=dtype):
            given = case.optimizer_error_input
            self.assertEqual(case.error_on, OptimizerErrorEnum.CONSTRUCTION_ERROR)
            with warnings.catch_warnings():
                if issubclass(case.error_type, Warning):
                    warnings.simplefilter("error", case.error_type)
                with self.assertRaisesRegex(case.error_type, case.error_regex):
                    optim_info.optim_cls(given.params, **given.kwargs)

    @optims([OURS], dtypes=[torch.float32])
    def test_a_mixture_of_dtypes(self, device, dtype, optim_info):
        for given in optim_info.optim_inputs_func(device=device):
            parameters = [
                nn.Parameter(torch.full((3,), 2.0, device=device, dtype=d))
                for d in (torch.float32, torch.bfloat16, torch.float64, torch.float16)
            ]
            optimizer = optim_info.optim_cls(parameters, **fixed(given.kwargs))
            for _ in range(7):
                optimizer.zero_grad()
                sum(p.double().square().sum() for p in parameters).backward()
                optimizer.step()
            for p in parameters:
                self.assertEqual((p < 2.0).all().item(), not given.kwargs.get("maximize"))

    @onlyCUDA
    @optims([OURS], dtypes=[torch.float32])
    def test_a_step_needs_few_temporary_vectors(self, device, dtype, optim_info):
        """Beside the state: the gradient's copy, the direction and a few of their size."""
        n = 1 << 20
        p = nn.Parameter(torch.ones(n, device=device))
        optimizer = optim_info.optim_cls([p], recipe=FREE, lr=0.01)
        p.grad = torch.ones_like(p)
        for _ in range(12):
            optimizer.step()
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        for _ in range(6):
            optimizer.step()
        self.assertLess(torch.cuda.max_memory_allocated(device) - before, 8 * 4 * n)


instantiate_device_type_tests(TestContract, globals(), only_for=("cpu", "cuda"))


def test_torchs_tools_leave_the_hypothesis_profile_alone():
    assert settings.get_current_profile_name() == PROFILE
    assert settings.default.max_examples == settings.get_profile(PROFILE).max_examples
    for name, value in KEPT.items():
        assert settings.get_profile(name) is value
