"""Normalising piece by piece gives what normalising the whole gives, wherever it is cut."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from studies.tasks import normalising
from studies.tasks.normalising import normalise, normalised

MARKS = "\u0301\u0323\u0327\u0338\u0345\u0344\u0f71\u0f72\u0f73\u0f81"
PAIRS = "aeéo\u0915\u093c\u09c7\u09be\u09d7\u0dd9\u0dca\u0dcf\u212b\u2126\u0374\u2000\ufb1d"
HANGUL = "\u1100\u1161\u11a8\uac00\uac01\u1112\u1175\u11c2\ud7a3"
ASTRAL = "\U0001f600\U00011131\U00011127\U0001d15e\U0001d158\U0001d165"
BLANKS = "".join(filter(str.isspace, map(chr, range(0x110000)))) + "\u200b\ufeff"

alphabets = st.sampled_from(
    [
        MARKS,
        PAIRS + MARKS,
        HANGUL,
        HANGUL + MARKS + "a",
        "\r\n",
        "a\r\n ",
        BLANKS + "a",
        ASTRAL + PAIRS,
    ]
)
texts = alphabets.flatmap(lambda letters: st.text(alphabet=letters, max_size=60)) | st.text()


def pieces(raw: str, sizes: list[int]) -> list[str]:
    found, place = [], 0
    while place < len(raw):
        for size in sizes:
            found.append(raw[place : place + size])
            place += size
    return found


@settings(max_examples=1000)
@given(raw=texts, sizes=st.lists(st.integers(1, 7), min_size=1, max_size=4))
@example(raw="a\r\nb", sizes=[2])
@example(raw="a\r\r\n\n\r b", sizes=[1])
@example(raw="\u0301" * 50, sizes=[3])
@example(raw=" \r" * 9 + "a", sizes=[1])
@example(raw="a \u0301b", sizes=[2])
def test_is_what_normalise_gives(raw: str, sizes: list[int]) -> None:
    assert "".join(normalised(pieces(raw, sizes))) == normalise(raw)


@settings(max_examples=300)
@given(raw=texts)
def test_is_settled(raw: str) -> None:
    assert "".join(normalised([raw])) == normalise(raw)
    assert normalise(normalise(raw)) == normalise(raw)


def test_nothing_before_it_changes_a_character_that_starts_anew() -> None:
    """Each character that has a part in some decomposition, after each that can be a first half."""
    parts = {code: unicodedata.decomposition(chr(code)).split() for code in range(0x110000)}
    canonical = {code: pair for code, pair in parts.items() if pair and pair[0][0] != "<"}
    halves = {chr(int(half, 16)) for pair in canonical.values() for half in pair}
    involved = halves | set(map(chr, canonical))
    firsts = {chr(int(pair[0], 16)) for pair in canonical.values() if len(pair) == 2}
    hangul = "\u1100\u1161\u11a8\uac00\uac01"
    before = "".join(sorted(firsts)[:: max(1, len(firsts) // 60)]) + hangul + "\u0323"
    for character in sorted(involved | set(hangul) | {chr(code) for code in range(0x300)}):
        if normalising._starts_anew(character):
            for first in before:
                one = unicodedata.normalize("NFC", first)
                assert unicodedata.normalize("NFC", first + character) == one + character
                after = unicodedata.normalize("NFC", character + "\u0301")
                assert unicodedata.normalize("NFC", first + character + "\u0301") == one + after


def test_every_first_half_starts_anew_or_is_a_mark() -> None:
    """So that letters of all alphabets are places to cut at."""
    assert all(map(normalising._starts_anew, "aé\u0915\uac00\u4e2d\u3042\U0001f600 \n"))
    assert not any(map(normalising._starts_anew, "\u0301\u1161\u11a8\u09be\u0344\u0f73\u0958"))


@pytest.mark.parametrize("raw", ["\n" * 3000, " " * 3000, "\r\n" * 1500, "\r" * 3000])
def test_long_runs_of_blanks_are_not_held(raw: str) -> None:
    cut = pieces("a" + raw + "b", [7])
    assert "".join(normalised(cut)) == normalise("a" + raw + "b")
    assert len(normalising._shortened(raw)) <= 3
