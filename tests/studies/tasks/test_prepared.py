"""Data in a directory: the same task from it; files that are not what they should be."""

import errno
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from studies.errors import InputError
from studies.tasks import (
    TASKS,
    SequenceTask,
    Task,
    Text,
    load_data,
    load_text,
    named_task,
    save_data,
)
from studies.tasks.prepared import ABOUT, FILES

LANGUAGE = [name for name in TASKS if not TASKS[name].synthetic]


@pytest.fixture
def long_text(text: Text) -> Text:
    return Text(name="made up", content=(text.content + " é☃\n") * 5)


def saved(name: str, text: Text, directory: Path) -> Task:
    task = named_task(name, text)
    save_data(task, text, directory)
    return task


def assert_same_task(one: Task, other: Task) -> None:
    assert type(one) is type(other)
    assert one.sizes == other.sizes
    assert one.question == other.question
    assert one.shape == other.shape
    assert (one.chance, one.floor) == (other.chance, other.floor)
    batches = zip(one.batches(3), other.batches(3), strict=True)
    curvature = zip(one.curvature(3), other.curvature(3), strict=True)
    held_out = [
        (one.validation, other.validation),
        (one.test, other.test),
        (one.monitor(3), other.monitor(3)),
    ]
    for first, second in [next(batches), next(batches), next(curvature), *held_out]:
        assert torch.equal(first[0], second[0])
        assert torch.equal(first[1], second[1])
        first[0].zero_()  # it is writable and no view of the file


@pytest.mark.parametrize("name", TASKS)
def test_makes_the_same_task(name: str, long_text: Text, tmp_path: Path) -> None:
    task = saved(name, long_text, tmp_path / "made" / "here")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = load_data(tmp_path / "made" / "here")
        for _ in range(2):
            assert_same_task(named_task(name, text), task)
    assert text.name == long_text.name
    if TASKS[name].synthetic:
        assert [path.name for path in (tmp_path / "made" / "here").iterdir()] == [ABOUT]
        return
    for value in ("sha256", "characters", "unigram_entropy", "splits", "lengths", "shares"):
        assert getattr(text, value) == getattr(long_text, value), value
    again = named_task(name, text)
    assert isinstance(again, SequenceTask)
    assert isinstance(task, SequenceTask)
    assert vars(again)["vocabulary"] == vars(task)["vocabulary"]
    assert again.train.dtype == task.train.dtype
    assert text == long_text


def test_of_three_files(tmp_path: Path, long_text: Text) -> None:
    for part in ("train", "valid", "test"):
        (tmp_path / f"x.{part}.txt").write_text(long_text.content, encoding="utf-8")
    text = load_text(tmp_path)
    task = saved("words", text, tmp_path / "data")
    loaded = load_data(tmp_path / "data")
    assert (loaded.splits, loaded.files, loaded.sha256) == (text.splits, text.files, text.sha256)
    assert_same_task(named_task("words-carried", loaded), named_task("words-carried", text))
    assert_same_task(named_task("words", loaded), task)


def test_data_can_be_saved_again_over_itself(long_text: Text, tmp_path: Path) -> None:
    task = saved("characters", long_text, tmp_path)
    loaded = load_data(tmp_path)
    save_data(named_task("characters", loaded), loaded, tmp_path)
    assert_same_task(named_task("characters", load_data(tmp_path)), task)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((ABOUT, *FILES))


def refused(directory: Path, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as refusal:
        load_data(directory)
    assert "\n" not in str(refusal.value)


def test_refuses_another_task_s_data(long_text: Text, tmp_path: Path) -> None:
    saved("words-2000", long_text, tmp_path)
    loaded = load_data(tmp_path)
    named_task("words-2000-carried", loaded)
    for name, sentence in (
        ("characters", r"holds made up as words \(most=2000\), not as characters: prepare"),
        ("words", r"as words \(most=2000\), not as words \(most=10000\)"),
    ):
        with pytest.raises(InputError, match=sentence):
            named_task(name, loaded)
    for read in (lambda: loaded.content, lambda: loaded.parts, lambda: list(loaded.pieces(0))):
        with pytest.raises(InputError, match="not its characters"):
            read()
    saved("copy", Text(name="copy", content=""), tmp_path / "copy")
    with pytest.raises(InputError, match="has only 0 characters"):
        named_task("characters", load_data(tmp_path / "copy"))


def test_refuses_files_that_are_missing(long_text: Text, tmp_path: Path) -> None:
    refused(tmp_path / "absent", r"holds no data of a task \(data\.json is missing\): ")
    for name in (*FILES, ABOUT):
        saved("characters", long_text, tmp_path)
        (tmp_path / name).unlink()
        refused(tmp_path, f"{name} is missing")


@pytest.mark.parametrize("name", [*FILES, ABOUT])
def test_refuses_files_that_are_cut_short_or_damaged(
    name: str,
    long_text: Text,
    tmp_path: Path,
) -> None:
    saved("words", long_text, tmp_path)
    whole = (tmp_path / name).read_bytes()
    for damage in (
        whole[:-1],
        whole[: len(whole) // 2],
        whole[:70],
        b"",
        b"\xff" * 200,
        b"[]",
        b"{}",
        b"PK\3\4",
    ):
        (tmp_path / name).write_bytes(damage)
        refused(tmp_path, f"{name} is damaged or cut short")


@pytest.mark.parametrize(
    "value",
    ["name", "sha256", "symbols", "lengths", "known", "encoder", "splits"],
)
def test_refuses_a_changed_description(value: str, long_text: Text, tmp_path: Path) -> None:
    saved("words", long_text, tmp_path)
    stored = json.loads((tmp_path / ABOUT).read_bytes())
    stored["about"][value] = "other"
    (tmp_path / ABOUT).write_text(json.dumps(stored))
    refused(tmp_path, "damaged or cut short")
    del stored["about"][value]
    (tmp_path / ABOUT).write_text(json.dumps(stored))
    refused(tmp_path, "damaged or cut short")


def test_refuses_another_format_and_unreadable_files(long_text: Text, tmp_path: Path) -> None:
    saved("words", long_text, tmp_path)
    about = json.loads((tmp_path / ABOUT).read_bytes())
    (tmp_path / ABOUT).write_text(json.dumps({**about, "format": 99}))
    refused(tmp_path, "another version")
    (tmp_path / ABOUT).unlink()
    (tmp_path / ABOUT).mkdir()
    refused(tmp_path, "cannot be read")


def test_parts_of_another_task_under_the_same_description_are_not_taken(
    long_text: Text,
    tmp_path: Path,
) -> None:
    """As a kill between two files of a second saving would leave them."""
    saved("characters", long_text, tmp_path)
    right = np.load(tmp_path / FILES[0])
    for wrong in (right[:3], right.astype(np.uint16)):
        np.save(tmp_path / FILES[0], wrong)
        refused(tmp_path, f"{FILES[0]} is damaged")


def test_a_failure_leaves_no_description(
    long_text: Text,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    saved("characters", long_text, tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        saved("words", long_text, tmp_path)
    refused(tmp_path, f"{ABOUT} is missing")


def test_another_process_makes_the_same_batch(long_text: Text, tmp_path: Path) -> None:
    task = saved("characters", long_text, tmp_path)
    code = (
        "import sys; from pathlib import Path; from studies.tasks import load_data, named_task;"
        "task = named_task('characters', load_data(Path(sys.argv[1])));"
        "print(next(task.batches(0))[0].sum().item())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"{next(task.batches(0))[0].sum().item()}\n", done.stderr
