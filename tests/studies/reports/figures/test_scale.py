"""What is far away neither stretches a scale nor counts as near; the usual does."""

import pytest

from studies.reports.figures.scale import near, padded


@pytest.mark.parametrize(
    ("distances", "noise", "kept"),
    [
        ({"a": 0.0, "b": 0.01, "c": 0.02, "far": 1.0}, (), {"a", "b", "c"}),
        ({"a": 0.0, "b": 0.9, "c": 1.0}, (), {"a", "b", "c"}),
        ({"a": 0.0, "only": 5.0}, (), {"a", "only"}),
        ({"a": 0.0, "b": 1e-5, "c": 0.05}, (0.02, 0.02), {"a", "b", "c"}),  # no farther than seeds differ
        ({"a": 0.0, "b": 0.0}, (), {"a", "b"}),
        ({}, (), set()),
    ],
)
def test_what_is_near(distances: dict[str, float], noise: tuple[float, ...], kept: set[str]) -> None:
    assert near(distances, noise) == kept


def test_a_single_value_has_room() -> None:
    for low, high in ((1.0, 2.0), (3.0, 3.0), (0.0, 0.0)):
        least, most = padded(low, high)
        assert least < low <= high < most
