"""The data of a task in a directory: encoded once, then mapped into memory by every worker."""

import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from studies.errors import InputError
from studies.tasks.encoding import Encoded, Symbols, smallest_type
from studies.tasks.kept import Kept
from studies.tasks.sequences import SequenceTask
from studies.tasks.task import Task
from studies.tasks.text import PARTS, Encoder, Text

ABOUT = "data.json"
FILES = tuple(f"{part}.npy" for part in PARTS)
_FORMAT = 1
_WAY_OUT = "delete it and prepare the task's data again"


class PreparedText(Text):
    """A text of which only what one kind of task made of it is left, in a directory's files."""

    def __init__(self, directory: Path, about: dict[str, Any], encoded: Encoded) -> None:
        known = ("name", "sha256", "characters", "unigram_entropy")
        splits, files = about["splits"], about["files"]
        vars(self).update({name: about[name] for name in known})
        vars(self).update(
            splits=None if splits is None else tuple(splits),
            files=None if files is None else tuple(files),
            progress=None,
            _directory=directory,
            _recipe=about["encoder"],
            _encoded=encoded,
        )

    @property
    def kept(self) -> Kept:
        """The characters are not: `InputError`."""
        raise InputError(
            f"{vars(self)['_directory']} holds what a task made of {self.name}, not its "
            "characters: give the text itself with --text."
        )

    def encoded(self, encoder: Encoder) -> Encoded:
        """Return what the files hold; `InputError` when another encoder made it."""
        recipe = vars(self)["_recipe"]
        if recipe != encoder.recipe:
            raise InputError(
                f"{vars(self)['_directory']} holds {self.name} as {_in_words(recipe)}, not as "
                f"{_in_words(encoder.recipe)}: prepare the data of this task in a directory of "
                "its own."
            )
        encoded: Encoded = vars(self)["_encoded"]
        return encoded


def save_data(task: Task, text: Text, directory: Path) -> None:
    """Write what `load_data` needs to make the same task again: of a synthetic one, its name.

    A kill leaves files that `load_data` refuses, or whole ones. Raises `OSError` when the files
    cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # The description goes first and comes last: it never stands beside the parts of other data.
    (directory / ABOUT).unlink(missing_ok=True)
    about: dict[str, Any] = {"name": text.name}
    if isinstance(task, SequenceTask):
        encoded = task.encoded
        for name, part in zip(FILES, encoded.parts, strict=True):
            _write(directory / name, partial(_save, part))
        about |= {
            "sha256": text.sha256,
            "characters": text.characters,
            "unigram_entropy": text.unigram_entropy,
            "splits": text.splits,
            "files": text.files,
            "encoder": task.encoder.recipe,
            "symbols": encoded.symbols,
            "lengths": encoded.lengths,
            "counts": encoded.counts,
            "known": encoded.known,
        }
    stored = {"format": _FORMAT, "digest": _digest(about), "about": about}
    _write(directory / ABOUT, lambda file: file.write(json.dumps(stored).encode()))


def load_data(directory: Path) -> Text:
    """Return what can be given, for the same kind of task, where its text can.

    It maps the files and reads none of their numbers. `InputError` when they are missing, damaged
    or cut short; and by the task, when they are of another one.
    """
    about = _about(directory)
    if about.keys() == {"name"}:
        return Text(name=about["name"], content="")
    kind = smallest_type(about["symbols"])
    paths = [directory / name for name in FILES]
    train, validation, test = map(partial(_mapped, kind), paths, about["lengths"])
    encoded = Encoded(
        parts=(train, validation, test),
        known=tuple(about["known"]),
        counts=tuple(about["counts"]),
    )
    return PreparedText(directory, about, encoded)


def _about(directory: Path) -> dict[str, Any]:
    path = directory / ABOUT
    try:
        stored = json.loads(path.read_bytes())
        if stored["format"] == _FORMAT and stored["digest"] != _digest(stored["about"]):
            raise _damaged(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        reason = f"holds no data of a task ({ABOUT} is missing)"
        raise InputError(f"{directory} {reason}: {_WAY_OUT}.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): {_WAY_OUT}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path) from error
    if stored["format"] != _FORMAT:
        raise InputError(f"{path} was written by another version of this code: {_WAY_OUT}.")
    about: dict[str, Any] = stored["about"]
    return about


def _digest(about: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def _mapped(kind: type[np.integer[Any]], path: Path, length: int) -> Symbols:
    try:
        part = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: {_WAY_OUT}.") from error
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path) from error
    if part.dtype != kind or part.shape != (length,):
        raise _damaged(path)
    return np.asarray(part)


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged or cut short: {_WAY_OUT}.")


def _in_words(recipe: dict[str, Any]) -> str:
    sizes = ", ".join(f"{name}={value}" for name, value in recipe.items() if name != "kind")
    return f"{recipe.get('kind')} ({sizes})" if sizes else str(recipe.get("kind"))


def _save(part: Symbols, file: IO[bytes]) -> None:
    # Not np.save: its OSError does not say that the disk is full.
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(part))
    file.write(part.data)


def _write(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write beside and rename."""
    beside = path.with_name(f"{path.name}.part")
    with beside.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
