"""Counting with little memory is counting."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.tasks.tally import Tally


@settings(max_examples=100)
@given(
    lines=st.lists(
        st.lists(st.sampled_from(["a", "b", "é", "☃", "\ud83d", "\U0001f600", "ab", "<eos>"])),
        max_size=8,
    ),
    most_held=st.sampled_from([0, 1, 3, 100]),
    number=st.integers(0, 9),
)
def test_gives_the_most_frequent(lines: list[list[str]], most_held: int, number: int) -> None:
    tally = Tally(most_held)
    for line in lines:
        tally.add(Counter(line))
    counts = Counter(word for line in lines for word in line)
    wanted = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:number]
    assert tally.most_frequent(number) == wanted
    assert tally.most_frequent(number) == wanted


def test_holds_no_more_than_it_may() -> None:
    tally = Tally(most_held=10)
    for number in range(1000):
        tally.add({str(number): 1})
        assert len(tally._counts) <= 10
    assert [count for _, count in tally.most_frequent(1000)] == [1] * 1000


def test_the_word_that_comes_first_in_the_alphabet_wins() -> None:
    tally = Tally(most_held=1)
    for word in ("b", "a", "c"):
        tally.add({word: 2})
    assert tally.most_frequent(2) == [("a", 2), ("b", 2)]


@pytest.mark.parametrize("most_held", [0, 100])
def test_nothing_counted_is_no_word(most_held: int) -> None:
    assert Tally(most_held).most_frequent(5) == []
