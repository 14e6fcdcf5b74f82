"""Encoding piece by piece gives the very numbers that encoding the whole text gave."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.tasks import CharacterTask, SequenceTask, Text, Windows, WordTask
from studies.tasks import kept as kept_module
from studies.tasks import words as words_module
from studies.tasks.encoding import smallest_type
from studies.tasks.kept import Kept
from studies.tasks.tally import Tally
from studies.tasks.task import BATCHES, CURVATURE, MONITOR, stream
from tests.studies.tasks import whole_text
from tests.studies.tasks.whole_text import Whole

SMALL = Windows(batch_size=2, length=4, held_out=6, monitor_batches=2)
CARRIED = Windows(batch_size=2, length=3, held_out=6, carried=True)
ALPHABETS = ["ab \n", "aé☃\U0001f600 \n", "it's a-b, <unk>. \n", "\x1c\x85\u2028\u3000x \n\t'"]


def expected_batches(whole: Whole, seed: int, windows: Windows) -> list[whole_text.Batch]:
    generator, found = stream(seed, purpose=BATCHES), []
    if not windows.carried:
        last = len(whole.parts[0]) - windows.length
        for _ in range(3):
            starts = torch.randint(last, (windows.batch_size,), generator=generator)
            found.append(whole.cut(0, starts, windows.length))
        return found
    starts = torch.randint(len(whole.parts[0]), (windows.batch_size,), generator=generator)
    for _ in range(3):
        found.append(whole.cut(0, starts, windows.length))
        starts = (starts + windows.length) % len(whole.parts[0])
    return found


def assert_same(found: whole_text.Batch, wanted: whole_text.Batch) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype == torch.int64
        assert one.is_contiguous()
        assert torch.equal(one, other)


def assert_as_before(task: SequenceTask, whole: Whole, windows: Windows) -> None:
    assert task.symbols == whole.symbols
    assert task.chance == whole.chance
    assert task.train.dtype == smallest_type(task.symbols)
    for part, wanted in zip(task.encoded.parts, whole.parts, strict=True):
        assert part.tolist() == wanted.tolist()
    for seed in (0, 1):
        batches = task.batches(seed)
        for wanted in expected_batches(whole, seed, windows):
            assert_same(next(batches), wanted)
        last = len(whole.parts[0]) - windows.length
        for purpose, batch, count in (
            (MONITOR, task.monitor(seed), windows.batch_size * windows.monitor_batches),
            (CURVATURE, next(task.curvature(seed)), 2 * windows.batch_size),
        ):
            starts = torch.randint(last, (count,), generator=stream(seed, purpose=purpose))
            assert_same(batch, whole.cut(0, starts, windows.length))
    assert_same(task.validation, whole.held_out(1, windows))
    assert_same(task.test, whole.held_out(2, windows))


def cut_up(content: str, splits: tuple[int, int] | None, sizes: list[int]) -> Text:
    """The text in pieces of the sizes, again and again."""
    kept, place = Kept(in_memory=50), 0
    while place < len(content):
        for size in sizes:
            kept.add(content[place : place + size])
            place += size
    return Text(name="t", content=kept, splits=splits)


@st.composite
def texts(draw: st.DrawFn) -> Text:
    alphabet = draw(st.sampled_from(ALPHABETS))
    inner = draw(st.text(alphabet=alphabet, min_size=30, max_size=300))
    inner += draw(st.sampled_from(["", " <unk> ", "\n<eos>\n", " <eos>\n \nN <eos>x"]))
    content = "a b" * 20 + inner + "\n'a' b" * 20
    first = draw(st.integers(30, len(content) - 100))
    splits = draw(st.none() | st.just((first, first + 40)))
    return cut_up(content, splits, draw(st.lists(st.integers(1, 9), min_size=1, max_size=5)))


@settings(max_examples=60)
@given(text=texts(), windows=st.sampled_from([SMALL, CARRIED]), most=st.sampled_from([1, 3, 1000]))
def test_every_number_is_as_before(text: Text, windows: Windows, most: int) -> None:
    whole = whole_text.characters(text)
    task = CharacterTask(text, windows)
    assert task.vocabulary == whole.vocabulary
    assert_as_before(task, whole, windows)
    in_words = WordTask(text, windows, most)
    whole = whole_text.words(text, most)
    assert in_words.vocabulary == whole.vocabulary
    assert_as_before(in_words, whole, windows)


def test_words_with_little_memory_are_as_before(
    text: Text,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Counts that go to files, clumps that are forgotten."""
    monkeypatch.setattr(words_module, "_COUNTED_AT_ONCE", 100)
    monkeypatch.setattr(words_module, "_MOST_REMEMBERED", 3)
    monkeypatch.setattr(words_module, "_LONGEST_REMEMBERED", 4)
    monkeypatch.setattr(words_module, "Tally", partial(Tally, most_held=2))
    small = cut_up(text.content, None, [17, 40])
    assert_as_before(WordTask(small, SMALL, 5), whole_text.words(text, 5), SMALL)


@pytest.mark.parametrize(("symbols", "kind"), [(254, np.uint8), (255, np.uint8), (256, np.uint16)])
def test_the_smallest_type(symbols: int, kind: type) -> None:
    text = Text(name="t", content="".join(map(chr, range(0x4E00, 0x4E00 + symbols))) * 30)
    task = CharacterTask(text, SMALL)
    assert task.train.dtype == kind
    assert_as_before(task, whole_text.characters(text), SMALL)


def test_more_symbols_than_two_bytes_hold() -> None:
    every = [chr(code) for code in range(0x20, 0x11000) if not 0xD800 <= code < 0xE000]
    text = Text(name="t", content="".join(every) * 2)
    task = CharacterTask(text, SMALL)
    assert task.train.dtype == np.int32
    assert_as_before(task, whole_text.characters(text), SMALL)
    assert [smallest_type(n) for n in (1 << 16, (1 << 16) + 1)] == [np.uint16, np.int32]


@pytest.mark.parametrize("make", [CharacterTask, WordTask])
def test_tells_how_far_it_is(
    make: Callable[[Text, Windows], SequenceTask],
    text: Text,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_module, "PIECE", 1000)
    told: list[tuple[int, int]] = []
    given = Text(name="t", content=text.content)
    watched = given.watched(lambda done, total: told.append((done, total)))
    make(watched, SMALL)
    done, totals = zip(*told, strict=True)
    assert list(done) == sorted(done)
    assert len(told) >= 20
    assert set(totals) == {done[-1]}
    assert all(later - earlier <= 2000 for earlier, later in pairwise(done))
    assert watched == given
