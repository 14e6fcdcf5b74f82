"""Characters in memory or in a file: the same characters."""

import copy
import errno
import os
import pickle
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.tasks import Text, unigram_entropy
from studies.tasks import kept as module
from studies.tasks.kept import Kept


def kept_of(pieces: list[str], in_memory: int) -> Kept:
    kept = Kept(in_memory)
    for piece in pieces:
        kept.add(piece)
    return kept


@settings(max_examples=100)
@given(
    pieces=st.lists(st.text(alphabet="ab é☃\U0001f600", max_size=5), max_size=8),
    in_memory=st.sampled_from([0, 5, 10_000]),
    splits=st.none() | st.tuples(st.integers(0, 30), st.integers(0, 30)),
)
def test_a_text_in_a_file_and_one_in_memory_are_alike(
    pieces: list[str],
    in_memory: int,
    splits: tuple[int, int] | None,
) -> None:
    content = "".join(pieces)
    kept = Text(name="t", content=kept_of(pieces, in_memory), splits=splits)
    text = Text(name="t", content=content, splits=splits)
    assert kept == text
    assert hash(kept) == hash(text)
    assert repr(kept) == repr(text)
    for value in (
        "content",
        "characters",
        "sha256",
        "parts",
        "lengths",
        "shares",
        "unigram_entropy",
    ):
        assert getattr(kept, value) == getattr(text, value), value
    assert kept.unigram_entropy == pytest.approx(unigram_entropy(content), abs=1e-12)
    whole = len(content)
    first, second = splits or (int(whole * 0.9), int(whole * (0.9 + 0.05)))
    assert kept.parts == (content[:first], content[first:second], content[second:])
    assert ["".join(kept.pieces(part)) for part in range(3)] == list(kept.parts)
    for again in (copy.copy(kept), copy.deepcopy(kept), pickle.loads(pickle.dumps(kept))):
        assert again == text
        assert again.content == content


def test_any_part_can_be_read_and_two_readers_do_not_disturb_each_other() -> None:
    kept = kept_of(["abc", "", "d", "efgh"], 2)
    for begin in range(9):
        for end in range(begin, 9):
            assert "".join(kept.between(begin, end)) == "abcdefgh"[begin:end]
    one, other = kept.between(0, 8), kept.between(1, 8)
    assert [next(one), next(other), next(one), next(other)] == ["abc", "bc", "", ""]


def test_a_str_is_cut_into_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIECE", 4)
    text = Text(name="t", content="0123456789" * 2)
    assert list(text.pieces(0)) == ["0123", "4567", "8901", "2345", "67"]
    assert list(text.pieces(2)) == ["9"]


def test_half_a_surrogate_pair_comes_back() -> None:
    assert Text(name="t", content="a\ud83db").content == "a\ud83db"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        module.tempfile,
        "TemporaryFile",
        partial(open, "/dev/full", "w+b", buffering=0),
    )
    with pytest.raises(OSError, match="No space left") as failure:
        kept_of(["abc"], 0)
    assert failure.value.errno == errno.ENOSPC


def test_equal_means_the_same_name_and_characters() -> None:
    values = (("a", "x"), ("b", "x"), ("a", "y"))
    texts = [Text(name=name, content=content) for name, content in values]
    assert all(one != other for one, other in pairwise(texts))
    assert texts[0] != "a"
