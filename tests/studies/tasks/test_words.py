"""Words: the vocabulary, the unknown word, texts in three files."""

from pathlib import Path

import pytest

from studies.errors import InputError
from studies.tasks import CharacterTask, Text, Windows, WordTask, load_text
from studies.tasks.encoding import UNKNOWN

SMALL = Windows(batch_size=2, length=4, held_out=3)


def tree(directory: Path, **parts: str) -> Path:
    for part, content in parts.items():
        (directory / f"made.{part}.txt").write_text(content, encoding="utf-8")
    return directory


def test_the_most_frequent_words_and_one_for_the_others() -> None:
    text = Text(name="t", content="a a a b b c, " * 30 + "new " * 20)
    task = WordTask(text, SMALL, most=2)
    assert task.vocabulary == ("<unk>", "a", "b")
    assert task.symbols == task.shape.outputs == 3
    assert int(task.train.max()) == 2
    assert (task.test[0] == UNKNOWN).all()


def test_words_are_split_and_lines_end() -> None:
    task = WordTask(Text(name="t", content=("Moses' sons,\nand the first-born.\n" * 40)), SMALL)
    assert set(task.vocabulary) == {
        "<unk>",
        "Moses",
        "'",
        "sons",
        ",",
        "and",
        "the",
        "first-born",
        ".",
        "<eos>",
    }


def test_a_single_file_of_the_penn_treebank_s_form_is_split_by_blanks() -> None:
    words = WordTask(Text(name="t", content="the u.s. <unk> N don't\n" * 40), SMALL)
    assert set(words.vocabulary) == {"<unk>", "<eos>", "N", "don't", "the", "u.s."}
    assert len(words.train) == 6 * 36
    plain = WordTask(Text(name="t", content="the u.s. x<unk> N\n" * 40), SMALL)
    assert {"<", "unk", "."} < set(plain.vocabulary)


def test_a_line_that_ends_with_eos_has_no_second_end(tmp_path: Path) -> None:
    single = WordTask(Text(name="t", content="a b <eos>\n" * 40), SMALL)
    assert len(single.train) == 3 * 36
    line = "a b <eos>\n"
    three = WordTask(load_text(tree(tmp_path, train=line * 30, valid=line * 9, test=line * 9)), SMALL)
    assert len(three.train) == 3 * 30


def test_files_may_be_named_by_their_part_alone(tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        (tmp_path / f"{part}.txt").write_text(f"the {part}\n" * 30)
    assert load_text(tmp_path).files == ("train.txt", "valid.txt", "test.txt")
    (tmp_path / "x.valid.txt").write_text("more")
    with pytest.raises(InputError, match=r"file valid\.txt or \*\.valid\.txt and holds valid\.txt, x\.valid\.txt:"):
        load_text(tmp_path)


def test_three_files_keep_their_parts(tmp_path: Path) -> None:
    line = "the u.s. <unk> N\n"
    text = load_text(
        tree(tmp_path, train=line * 30, valid="the valid\n" * 9, test="the test\n" * 8),
    )
    words = WordTask(text, SMALL)
    assert words.vocabulary == (
        "<unk>",
        "<eos>",
        "N",
        "the",
        "u.s.",
    )  # all as frequent: by alphabet
    assert len(words.train) == 30 * 5
    characters = CharacterTask(text, SMALL)
    assert len(characters.train) == 30 * len(line)
    again = load_text(
        tree(tmp_path, train=line * 31, valid="the valid\n" * 9, test="the test\n" * 8),
    )
    assert again.sha256 != text.sha256


def test_where_the_parts_begin_is_part_of_the_text() -> None:
    one, other = (Text(name="t", content="abc", splits=splits) for splits in ((1, 2), (2, 2)))
    assert len({one.sha256, other.sha256, Text(name="t", content="abc").sha256}) == 3


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"train": "a b\n", "valid": "a\n"}, r"one file test\.txt or \*\.test\.txt and holds none"),
        ({"train": "a b\n", "valid": " \n", "test": "a\n"}, "valid.txt is empty"),
        (
            {"train": "a b\n" * 2, "valid": "a\n" * 9, "test": "a\n" * 9},
            r"training part \(made\.train\.txt\) has 6 words, one batch of 2 windows of 4 needs 10",
        ),
        (
            {"train": "a b\n" * 9, "valid": "a\n", "test": "a\n" * 9},
            r"validation part \(made\.valid\.txt\) has 2 words, a window needs 5: give",
        ),
        (
            {"train": "a b\n" * 9, "valid": "a\n" * 9, "test": "a\n"},
            r"test part \(made\.test\.txt\) has 2 words, a window needs 5: give",
        ),
    ],
)
def test_bad_directories_get_one_sentence(
    tmp_path: Path,
    parts: dict[str, str],
    sentence: str,
) -> None:
    with pytest.raises(InputError, match=sentence) as refusal:
        WordTask(load_text(tree(tmp_path, **parts)), SMALL)
    assert "\n" not in str(refusal.value)


def test_a_part_in_two_files_is_refused(tmp_path: Path) -> None:
    tree(tmp_path, train="a", valid="a", test="a")
    (tmp_path / "second.test.txt").write_text("a", encoding="utf-8")
    with pytest.raises(InputError, match=r"made\.test\.txt, second\.test\.txt"):
        load_text(tmp_path)
