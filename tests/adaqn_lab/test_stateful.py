"""Any sequence of what a training script may do, with invariants after each act."""

import copy
import io
import math

import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from adaqn_lab import EventKind
from tests.adaqn_lab.small import VARIANTS, backward, bits, events, memory, optimizer_for, same, same_memory, tagger

BAD = st.sampled_from([math.nan, math.inf, -math.inf, 1e30, 3e38])
SEEDS = st.integers(0, 50)


class Script(RuleBasedStateMachine):
    """Two equal trainings; the second is saved, loaded and copied, and both must stay equal bit for bit."""

    @initialize(name=st.sampled_from(sorted(VARIANTS)), lr=st.sampled_from([0.02, 0.3, 2.0]))
    def begin(self, name, lr):
        torch.set_num_threads(1)
        self.name, self.lr = name, lr
        self.sides = [self.make() for _ in range(2)]
        self.steps = 0
        self.skipped = []

    def make(self):
        model = tagger()
        return model, optimizer_for(model, VARIANTS[self.name], lr=self.lr)

    def step(self, seed, change=lambda model: None, skipped=False):
        for model, optimizer in self.sides:
            backward(model, seed)
            change(model)
            grads = [p.grad for p in model.parameters()]
            before = [(g, g._version, g.clone()) for g in grads if g is not None]
            optimizer.step()
            assert all(p.grad is g for p, g in zip(model.parameters(), grads, strict=True))
            for g, version, value in before:
                assert g._version == version
                assert torch.equal(g.nan_to_num(0.5), value.nan_to_num(0.5))
        self.steps += 1
        if skipped:
            self.skipped.append(self.steps)

    @rule(seed=SEEDS, times=st.integers(1, 4))
    def train(self, seed, times):
        for k in range(times):
            self.step(seed + k)

    @rule(seed=SEEDS, bad=BAD, which=st.integers(0, 5))
    def bad_gradient(self, seed, bad, which):
        def change(model):
            list(model.parameters())[which].grad.view(-1)[-1] = bad

        before = bits(self.sides[0][0])
        windows = self.steps // VARIANTS[self.name].cadence.every
        self.step(seed, change, skipped=True)
        if self.steps // VARIANTS[self.name].cadence.every == windows:
            assert same(bits(self.sides[0][0]), before)

    @rule(seed=SEEDS)
    def zero_gradient(self, seed):
        before = bits(self.sides[0][0])
        windows = self.steps // VARIANTS[self.name].cadence.every
        self.step(seed, lambda model: [p.grad.zero_() for p in model.parameters()])
        if self.sides[0][1].param_groups[0]["lr"] == 0.0:
            self.steps -= 1  # with a rate of zero too it makes the state and is no step
            assert same(bits(self.sides[0][0]), before)
        elif self.steps // VARIANTS[self.name].cadence.every == windows:
            assert same(bits(self.sides[0][0]), before)

    @rule(seed=SEEDS, which=st.integers(0, 5))
    def a_missing_gradient(self, seed, which):
        def change(model):
            list(model.parameters())[which].grad = None

        self.step(seed, change)

    @rule()
    def no_gradients(self):
        for model, optimizer in self.sides:
            before, happened = bits(model), events(optimizer)
            model.zero_grad()
            optimizer.step()
            assert same(bits(model), before)
            assert events(optimizer) == happened

    @rule(lr=st.sampled_from([0.0, 0.01, 0.5, 10.0]))
    def change_lr(self, lr):
        for _, optimizer in self.sides:
            optimizer.param_groups[0]["lr"] = lr

    @rule(through_a_file=st.booleans())
    def reload(self, through_a_file):
        model, optimizer = self.sides[1]
        saved = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
        if through_a_file:
            file = io.BytesIO()
            torch.save(saved, file)
            file.seek(0)
            saved = torch.load(file, weights_only=True)
        self.sides[1] = self.make()
        self.sides[1][0].load_state_dict(saved["model"])
        self.sides[1][1].load_state_dict(saved["optimizer"])

    @rule()
    def deepcopy(self):
        self.sides[1] = copy.deepcopy(self.sides[1])

    @precondition(lambda self: self.steps > 0)
    @invariant()
    def both_sides_are_equal(self):
        (one, first), (two, second) = self.sides
        assert same(bits(one), bits(two))
        assert same_memory(memory(first), memory(second))
        assert events(first) == events(second)

    @invariant()
    def everything_is_finite(self):
        for model, optimizer in self.sides:
            assert all(p.isfinite().all() for p in model.parameters())
            if self.steps:
                held = {key: t for key, t in memory(optimizer).items() if not key.startswith("guard.")}
                assert all(t.isfinite().all() for t in held.values())

    @invariant()
    def the_events_are_consistent(self):
        found = self.sides[0][1].events
        every = VARIANTS[self.name].cadence.every
        steps = [event.step for event in found]
        assert steps == sorted(steps)
        lost = [e.step for e in found if e.kind is EventKind.STEP_SKIPPED and e.reason == "the gradient was not finite"]
        assert lost == self.skipped
        windows = [event.step for event in found if event.kind is not EventKind.STEP_SKIPPED]
        assert windows == list(range(every, self.steps + 1, every))
        for event in found:
            if event.kind is EventKind.ADMITTED:
                assert event.s_y > 0
                assert all(map(math.isfinite, (event.s_y, event.s_s, event.y_y)))


TestScript = Script.TestCase
TestScript.settings = settings(
    max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
