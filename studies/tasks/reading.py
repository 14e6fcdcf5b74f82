"""Texts of files: one UTF-8 file or three, or without a path the King James Bible."""

import os
from collections.abc import Callable
from pathlib import Path

from studies.errors import InputError
from studies.tasks.default_text import king_james
from studies.tasks.kept import Kept
from studies.tasks.normalising import normalised
from studies.tasks.progress import Progress
from studies.tasks.text import Text
from studies.tasks.utf8 import WAY_OUT, decoded, refuse_stream, shown


def load_text(path: Path | None, progress: Progress | None = None) -> Text:
    """Return the text of a file or of a directory of three, or the King James Bible without a path.

    ``progress`` is called with the bytes read and the bytes to read, as the files say them.
    """
    if path is None:
        return king_james()
    refuse_stream(path)
    # Not Path.is_dir, which raises OSError for a name that is too long.
    return read_parts(path, progress) if os.path.isdir(path) else read_text(path, progress)


def read_text(path: Path, progress: Progress | None = None) -> Text:
    """Return the text of a UTF-8 file, without a byte-order mark; `InputError` when it has none."""
    kept = Kept()
    _read(path, kept, _teller([path], progress))
    return Text(name=path.name, content=kept)


def read_parts(directory: Path, progress: Progress | None = None) -> Text:
    """Return the text of three files, named as the Penn Treebank's, ``*.train.txt`` and so on, or ``train.txt``.

    `InputError` when one of them is missing, there twice, or unreadable.
    """
    train, validation, test = (_only(directory, part) for part in ("train", "valid", "test"))
    kept, tell = Kept(), _teller([train, validation, test], progress)
    ends = []
    for path in (train, validation, test):
        _read(path, kept, tell)
        kept.add("\n")
        ends.append(kept.characters)
    return Text(
        name=directory.name or str(directory),
        content=kept,
        splits=(ends[0], ends[1]),
        files=(train.name, validation.name, test.name),
    )


def _only(directory: Path, part: str) -> Path:
    found = sorted([*directory.glob(f"*.{part}.txt"), *directory.glob(f"{part}.txt")])
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in found) or "none"
    raise InputError(
        f"{shown(directory)} must hold one file {part}.txt or *.{part}.txt and holds {names}: give a "
        "directory with train.txt, valid.txt and test.txt, or a text file, with --text."
    )


def _read(path: Path, kept: Kept, tell: Callable[[int], None]) -> None:
    before = kept.characters
    for piece in normalised(decoded(path, tell)):
        kept.add(piece)
    if kept.characters == before:
        raise InputError(f"{shown(path)} is empty, there is nothing to learn: {WAY_OUT}.")


def _teller(paths: list[Path], progress: Progress | None) -> Callable[[int], None]:
    """Return what is told of every chunk's bytes and tells the sum of them."""
    if progress is None:
        return lambda size: None
    total = sum(os.path.getsize(path) for path in paths if os.path.isfile(path))
    done = 0

    def tell(size: int) -> None:
        nonlocal done
        done += size
        progress(done, max(done, total))

    return tell
