"""The log: what goes in as tensors comes out as events, also over a checkpoint."""

import math

import pytest
import torch

from adaqn_lab import Event, EventKind, events
from adaqn_lab.events import Log

SOUND = torch.ones(2, 3, 2, dtype=torch.bool)
NAN = math.nan


def row(kind, *values):
    return [float(kind.value), *values]


def closed(*rows, marks=SOUND, last=6):
    log = Log()
    log.open_window(last, marks)
    log.close_window(torch.tensor(rows, dtype=torch.float64))
    return log


def test_every_column_has_its_place():
    log = closed(row(EventKind.ADMITTED, 1.0, 2.0, 3.0, 4.0, 5.0), row(EventKind.SKIPPED, 6.0, 7.0, 8.0, 9.0, 10.0))
    first, second = log.events(None)
    assert first == Event(6, 0, EventKind.ADMITTED, s_y=1.0, s_s=2.0, y_y=3.0, loss=4.0, reference=5.0)
    assert first.reason == ""
    expected = {"s_y": 6.0, "s_s": 7.0, "y_y": 8.0, "loss": 9.0, "reference": 10.0}
    assert second == Event(6, 1, EventKind.SKIPPED, **expected, reason="the curvature test failed")


@pytest.mark.parametrize(
    ("loss", "reference", "reason"),
    [
        (2.0, 1.0, "the monitor loss rose"),
        (NAN, 1.0, "the average or its monitor loss was not finite"),
        (2.0, NAN, "the average or its monitor loss was not finite"),
        (math.inf, 1.0, "the average or its monitor loss was not finite"),
    ],
)
def test_a_roll_back_says_why(loss, reference, reason):
    values = row(EventKind.ROLLED_BACK, NAN, NAN, NAN, loss, reference)
    first, _ = closed(values, row(EventKind.ADMITTED, 1.0, 1.0, 1.0, NAN, NAN)).events(None)
    expected = Event(6, 0, EventKind.ROLLED_BACK, loss=loss, reference=reference, reason=reason)
    assert repr(first) == repr(expected)  # NaN equals NaN


def test_skipped_steps_are_counted_in_their_window_and_in_the_open_one():
    marks = SOUND.clone()
    marks[1, 0, 0] = False  # the gradient of the window's first step in run 1
    marks[0, 2, 1] = False  # the direction of its last in run 0
    log = closed(row(EventKind.ADMITTED, *[1.0] * 5), row(EventKind.ADMITTED, *[1.0] * 5), marks=marks)
    found = [(e.step, e.run, e.reason) for e in log.events((8, marks[:, :2])) if e.kind is EventKind.STEP_SKIPPED]
    gradient, direction = "the gradient was not finite", "the direction was not finite"
    assert found == [(6, 0, direction), (4, 1, gradient), (7, 1, gradient)]


def test_an_undecided_window_has_marks_and_no_event():
    marks = SOUND.clone()
    marks[0, 0, 0] = False
    log = Log()
    log.open_window(3, marks)
    (only,) = log.events(None)
    assert (only.step, only.kind) == (1, EventKind.STEP_SKIPPED)
    _, values, _ = log.windows[0]
    assert values.shape == (2, 6)
    assert values.dtype == torch.float64


def test_a_checkpoint_keeps_the_log_and_shares_nothing():
    log = closed(row(EventKind.ADMITTED, *[1.0] * 5), row(EventKind.SKIPPED, *[2.0] * 5))
    packed = log.packed()
    again = Log.unpacked(packed, torch.device("cpu"))
    assert again.events(None) == log.events(None)
    packed["0"]["values"].fill_(3.0)
    packed["0"]["marks"].fill_(False)
    assert again.events(None) == log.events(None)
    elsewhere = Log.unpacked(packed, torch.device("meta"))
    assert all(tensor.device.type == "meta" for _, *tensors in elsewhere.windows for tensor in tensors)
    assert Log().packed() == {}
    assert Log.unpacked({}, torch.device("cpu")).windows == []


@pytest.mark.parametrize("count", [1, 3, 4, 29])
def test_a_checkpoint_has_the_windows_in_stretches_which_stay_what_they_are(monkeypatch, count):
    """Every full one is the same tensors from then on; and their order is that of numbers, not of words."""
    monkeypatch.setattr(events, "STRETCH", 2)
    log, before = Log(), {}
    for last in range(1, count + 1):
        log.open_window(3 * last, SOUND)
        log.close_window(torch.full((2, 6), float(last), dtype=torch.float64))
        packed = log.packed()
        assert packed.keys() == {str(k) for k in range((last + 1) // 2)}
        assert all(len(tensor) <= 2 for stretch in packed.values() for tensor in stretch.values())
        for number, stretch in before.items():
            if len(stretch["last"]) == 2:
                assert all(torch.equal(packed[number][name], tensor) for name, tensor in stretch.items())
        before = packed
    shuffled = dict(sorted(packed.items()))
    again = Log.unpacked(shuffled, torch.device("cpu"))
    assert [last for last, *_ in again.windows] == [3 * k for k in range(1, count + 1)]
    assert [float(values[0, 0]) for _, values, _ in again.windows] == [float(k) for k in range(1, count + 1)]


def test_a_window_is_undecided_where_its_marks_are():
    log = Log()
    log.open_window(3, torch.ones(2, 3, 2, dtype=torch.bool, device="meta"))
    ((_, values, _),) = log.windows
    assert values.device.type == "meta"
    assert values.dtype == torch.float64
