"""Files: read in chunks of any size, the same text; what is no text is refused."""

import codecs
import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studies.errors import InputError
from studies.tasks import CharacterTask, Text, load_text, read_parts, read_text, utf8
from studies.tasks import kept as kept_module
from studies.tasks.normalising import normalise

HALVES = [b"a", b"\xc3\xa9", b"\xff", b"\xe2\x98", b"\xf0", b"\x80"]
SIZES = st.integers(1, 9)
MONKEY = [HealthCheck.function_scoped_fixture]


@settings(max_examples=100, suppress_health_check=MONKEY)
@given(
    raw=st.text(min_size=1),
    mark=st.sampled_from([b"", codecs.BOM_UTF8, 2 * codecs.BOM_UTF8]),
    size=SIZES,
)
def test_is_the_normalised_content(raw: str, mark: bytes, size: int, tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(mark + raw.encode())
    content = normalise((mark + raw.encode()).decode("utf-8-sig"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utf8, "CHUNK", size)
        if content and "\0" not in raw:
            text = read_text(path)
            assert text == Text(name="x.txt", content=content)
            assert text.content == content
        else:
            with pytest.raises(InputError, match=r"empty|binary"):
                read_text(path)


@settings(max_examples=200, suppress_health_check=MONKEY)
@given(
    raw=st.lists(st.sampled_from(HALVES), min_size=1),
    size=SIZES,
)
def test_names_the_byte_that_cannot_be_decoded(raw: list[bytes], size: int, tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"".join(raw))
    try:
        b"".join(raw).decode()
    except UnicodeDecodeError as error:
        sentence = rf"x\.txt is not UTF-8 \(byte {error.start} cannot be decoded\): convert"
    else:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utf8, "CHUNK", size)
        with pytest.raises(InputError, match=sentence):
            read_text(path)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 1000])
@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "x.txt is empty, there is nothing to learn: give"),
        (codecs.BOM_UTF8 + b" \r\n", "x.txt is empty"),
        (b"ab\0c", r"x.txt is binary \(it holds a NUL byte at 2\): give"),
        ("abc".encode("utf-16"), r"x.txt is UTF-16, not UTF-8: convert it \(iconv -f UTF-16 -t UTF-8\), or give"),
        (codecs.BOM_UTF16_BE + "é字".encode("utf-16-be"), "x.txt is UTF-16BE, not UTF-8"),
        ("字".encode("utf-16"), "x.txt is UTF-16, not UTF-8"),
        ("ab".encode("utf-32"), "x.txt is UTF-32, not UTF-8"),
        ("some text".encode("utf-16-le"), "x.txt is UTF-16LE, not UTF-8"),
        ("some text".encode("utf-16-be"), "x.txt is UTF-16BE, not UTF-8"),
        (b"a\0b" + bytes(20), r"x.txt is binary \(it holds a NUL byte at 1\)"),
        (codecs.BOM_UTF8 + b"a\0", r"NUL byte at 4"),
        (b"a\xe2\x98\0", r"NUL byte at 3"),
        (codecs.BOM_UTF8 + b"ab\xff", r"byte 5 cannot be decoded"),
    ],
)
def test_refuses_what_is_no_text(
    raw: bytes,
    sentence: str,
    size: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(utf8, "CHUNK", size)
    path = tmp_path / "x.txt"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=sentence):
        read_text(path)


def test_refuses_what_cannot_be_read(tmp_path: Path) -> None:
    for path, sentence in (
        (tmp_path / "absent", r"absent cannot be read \(No such file or directory\)"),
        (
            tmp_path / ("x" * 5000),
            r"\.\.\.x+ \(\d+ characters\) cannot be read \(File name too long\)",
        ),
    ):
        with pytest.raises(InputError, match=sentence) as refusal:
            load_text(path)
        assert len(str(refusal.value)) < 300
    with pytest.raises(InputError, match="is a directory, not a text"):
        read_text(tmp_path)


def test_a_name_that_is_like_the_given_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "novel.txt").write_text("a")
    with pytest.raises(InputError, match=r"nowel.txt cannot be read \(No such .*\) \(did you mean novel.txt\?\): give"):
        load_text(tmp_path / "nowel.txt")


def test_a_name_is_not_taken_for_a_misspelling_of_itself(tmp_path: Path) -> None:
    (tmp_path / "novel.txt").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"novel.txt cannot be read \(No such file or directory\): give"):
        load_text(tmp_path / "novel.txt")


def test_refuses_a_pipe_without_reading_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # whoever opened it would wait for ever
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(InputError, match=r"is no file but a pipe or a device, .* write it to a file first"):
            load_text(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_refuses_what_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("a")
    (tmp_path / "x.txt").chmod(0)
    with pytest.raises(InputError, match="cannot be read"):
        load_text(tmp_path / "x.txt")


def test_a_failure_to_keep_it_is_no_fault_of_the_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(kept_module.tempfile, "TemporaryFile", full)
    (tmp_path / "x.txt").write_bytes(b"a" * (kept_module.IN_MEMORY + 1))
    with pytest.raises(OSError, match="No space left"):
        read_text(tmp_path / "x.txt")


def test_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utf8, "CHUNK", 10)
    told: list[tuple[int, int]] = []
    for part, length in (("train", 25), ("valid", 5), ("test", 10)):
        (tmp_path / f"x.{part}.txt").write_text("a" * length)
    load_text(tmp_path, lambda done, total: told.append((done, total)))
    assert sorted(set(told)) == [(done, 40) for done in (10, 20, 25, 30, 40)]
    told.clear()
    load_text(tmp_path / "x.train.txt", lambda done, total: told.append((done, total)))
    assert told[0] == (10, 25)
    assert told[-1] == (25, 25)


def test_three_files_are_one_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utf8, "CHUNK", 2)
    for part, content in (("train", " a\r\nb"), ("valid", "é\n\n\n\n☃ "), ("test", "c")):
        (tmp_path / f"x.{part}.txt").write_text(content, encoding="utf-8")
    text = read_parts(tmp_path)
    assert text.parts == ("a\nb\n", "é\n\n☃\n", "c\n")
    assert text == Text(name=tmp_path.name, content="a\nb\né\n\n☃\nc\n", splits=(4, 9))
    assert text.shares == (4 / 11, 2 / 11)


def test_the_part_that_is_too_short_is_named(tmp_path: Path) -> None:
    for part, length in (("train", 2000), ("valid", 5), ("test", 100)):
        (tmp_path / f"x.{part}.txt").write_text("a" * length)
    with pytest.raises(
        InputError,
        match=r"validation part \(x\.valid\.txt\) has 6 characters, a window needs 31: give",
    ):
        CharacterTask(load_text(tmp_path))
    (tmp_path / "x.train.txt").write_text("a" * 99)
    with pytest.raises(
        InputError,
        match=r"training part \(x\.train\.txt\) has 100 .* 50 windows of 30 needs 1550: give",
    ):
        CharacterTask(load_text(tmp_path))
