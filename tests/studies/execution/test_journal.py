"""The journal survives torn records and full disks, and tells every other damage without touching the file."""

import errno
import json
import multiprocessing
import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from studies.errors import InputError
from studies.execution.journal import TornProofJournal, check_journal
from studies.execution.patience import storage_failures
from studies.execution.storage import JOURNAL, open_storage

NAME = "ablation"
Lines = list[bytes]

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studies.execution.journal._SECOND_LOOKS", (0.01,))


def study_in(directory: Path) -> optuna.Study:
    storage = open_storage(str(directory))
    sampler = optuna.samplers.RandomSampler(seed=0)
    if any(study.study_name == NAME for study in storage.get_all_studies()):
        return optuna.load_study(study_name=NAME, storage=storage, sampler=sampler)
    return optuna.create_study(study_name=NAME, storage=storage, sampler=sampler, load_if_exists=True)


def work_on(study: optuna.Study, trials: int = 1) -> None:
    for _ in range(trials):
        trial = study.ask()
        trial.set_user_attr("worker", "here:1:2")
        trial.suggest_float("lr", 1e-3, 1.0, log=True)
        trial.suggest_categorical("variant", ["ADAQN", "Adam"])
        trial.suggest_int("seed", 0, 9)
        trial.report(0.5, 1)
        trial.set_user_attr("outcome", {"curve": [[0, 1.5], [1, float("inf")]]})
        study.tell(trial, 0.25)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Lines:
    """The lines of a study's journal: four cells, two of them done, one under way."""
    directory = tmp_path_factory.mktemp("whole")
    study = study_in(directory)
    study.set_user_attr("configuration", {"variants": ["ADAQN", "Adam"]})
    for number in range(4):
        study.enqueue_trial({"lr": 0.1 * (number + 1)}, user_attrs={"cell": f"cell {number}"})
    work_on(study, 2)
    study.ask().set_user_attr("worker", "here:1:3")
    return (directory / JOURNAL).read_bytes().splitlines(keepends=True)


def use(directory: Path) -> None:
    """Read all of the study and do a trial of it."""
    study = study_in(directory)
    assert study.get_trials()
    assert study.user_attrs
    work_on(study)


def record(**fields: object) -> bytes:
    return json.dumps({"worker_id": "w", **fields}).encode() + b"\n"


MOMENT = "2026-01-01T00:00:00.000000+00:00"
CATEGORY = optuna.distributions.distribution_to_json(optuna.distributions.CategoricalDistribution(["a"]))

TAILS: dict[str, bytes] = {
    "half a record": b'{"op_code": 4, "half a rec' + b"x" * 100_000,
    "half a record and a line's end": b'{"op_code": 8, "trial_id": 0, "user_a\n',
    "NULs": b"\0" * 300,
    "NULs and a line's end": b"\0" * 300 + b"\n",
    "a garbage line and half a record": b'{"op_code":4,"tri\xff\xfe\n{"op_c',
    "no text": b'{"op_code":4,"tri\xff\xfe\n',
    "a byte order mark": "\ufeff".encode() + record(op_code=8, trial_id=0, user_attr={"a": 1}),
    "other text encoding": record(op_code=8, trial_id=0, user_attr={"a": 1})[:-1].decode().encode("utf-16-le") + b"\n",
    "a blank line": b"\n",
    "a list": b"[]\n",
    "a list of a key": b'["op_code"]\n',
    "a string": b'"op_code"\n',
    "a number": b"42\n",
    "nothing": b"null\n",
    "an empty record": b"{}\n",
    "two records in a line": record(op_code=10)[:-1] + record(op_code=10),
    "no operation": record(trial_id=0),
    "an unknown operation": record(op_code=99),
    "a negative operation": record(op_code=-1),
    "an operation in words": record(op_code="8", trial_id=0, user_attr={"a": 1}),
    "an operation that is true": record(op_code=True, study_id=0),
    "a fractional operation": record(op_code=8.0, trial_id=0, user_attr={"a": 1}),
    "an operation that is a list": record(op_code=[8], trial_id=0, user_attr={"a": 1}),
    "no writer": b'{"op_code":8,"trial_id":0,"user_attr":{"a":1}}\n',
    "a writer that is a number": record(op_code=8, trial_id=0, user_attr={"a": 1}, worker_id=3),
    "too deep to read": b'{"op_code":8,"worker_id":"w","trial_id":0,"user_attr":' + b"[" * 100_000 + b"\n",
    "too deep to copy": b'{"op_code":8,"worker_id":"w","trial_id":0,"user_attr":{"a":' + b"[" * 400 + b"]" * 400 + b"}}\n",  # noqa: E501
    "a huge integer": b'{"op_code":8,"worker_id":"w","trial_id":' + b"1" * 5000 + b',"user_attr":{"a":1}}\n',
    "a large integer": b'{"op_code":8,"worker_id":"w","trial_id":' + b"1" * 400 + b',"user_attr":{"a":1}}\n',
    "a large value": b'{"op_code":6,"worker_id":"w","trial_id":3,"state":1,"datetime_complete":"'
    + MOMENT.encode() + b'","values":[' + b"1" * 400 + b"]}\n",
    "no trial": record(op_code=8, user_attr={"a": 1}),
    "a trial in words": record(op_code=8, trial_id="0", user_attr={"a": 1}),
    "an attribute that is a list": record(op_code=8, trial_id=0, user_attr=["a"]),
    "two attributes at once": record(op_code=8, trial_id=0, user_attr={"a": 1, "b": 2}),
    "no attribute": record(op_code=9, trial_id=0, system_attr={}),
    "an unknown state": record(op_code=6, trial_id=3, state=17, values=None),
    "a state without its time": record(op_code=6, trial_id=3, state=0, values=None),
    "a time that is none": record(op_code=6, trial_id=3, state=1, values=[1.0], datetime_complete="yesterday"),
    "values in words": record(op_code=6, trial_id=3, state=1, values=["1.0"], datetime_complete=MOMENT),
    "an unknown distribution": record(op_code=5, trial_id=2, param_name="x", param_value_internal=1, distribution="{}"),
    "a distribution that is none": record(op_code=5, trial_id=2, param_name="x", param_value_internal=1, distribution=[]),  # noqa: E501
    "a choice that is none": record(op_code=5, trial_id=2, param_name="x", param_value_internal=7, distribution=CATEGORY),  # noqa: E501
    "a trial whose values contradict": record(
        op_code=4, study_id=0, datetime_start=None, state=4, value=1.0, values=[1.0]
    ),
    "a trial without its distribution": record(op_code=4, study_id=0, datetime_start=None, state=4, params={"x": 1}),
    "a study without directions": record(op_code=0, study_name="b", directions=[]),
    "a study of unknown direction": record(op_code=0, study_name="b", directions=[7]),
    "a study without a name": record(op_code=0, study_name=None, directions=[1]),
}  # fmt: skip


def changed(lines: Lines, place: int, how: Callable[[bytes], bytes]) -> Lines:
    return [*lines[:place], how(lines[place]), *lines[place + 1 :]]


def shuffled(lines: Lines, seed: int) -> Lines:
    mixed = list(lines)
    random.Random(seed).shuffle(mixed)
    return mixed


DAMAGES: dict[str, Callable[[Lines], Lines]] = {
    **{f"line {n} is removed": lambda lines, n=n: lines[: n - 1] + lines[n:] for n in (1, 2, 3, 6, 9, 15)},  # type: ignore[misc]
    **{f"line {n} is doubled": lambda lines, n=n: lines[:n] + lines[n - 1 :] for n in (1, 4, 9)},  # type: ignore[misc]
    **{f"lines are shuffled {seed}": lambda lines, seed=seed: shuffled(lines, seed) for seed in range(5)},  # type: ignore[misc]
    "the last line is doubled": lambda lines: [*lines, lines[-1]],
    "two lines are exchanged": lambda lines: [*lines[:7], lines[8], lines[7], *lines[9:]],
    "lines are reversed": lambda lines: lines[::-1],
    "lines are sorted": sorted,
    "NULs in a line": lambda lines: changed(lines, 5, lambda line: line[:9] + b"\0" * 9 + line[18:]),
    "no text in a line": lambda lines: changed(lines, 5, lambda line: line[:9] + b"\xff\xfe" + line[11:]),
    "a line is halved": lambda lines: changed(lines, 5, lambda line: line[: len(line) // 2]),
    "a line is emptied": lambda lines: changed(lines, 5, lambda line: b"\n"),
    "a line is a list": lambda lines: changed(lines, 5, lambda line: b'["op_code"]\n'),
    "a line is too deep": lambda lines: changed(lines, 5, lambda line: b"[" * 100_000 + b"\n"),
    "a value is another": lambda lines: changed(lines, 5, lambda line: line.replace(b"0.4", b"0.7")),
    "a cell is another": lambda lines: changed(lines, 3, lambda line: line.replace(b"cell 1", b"cell 3")),
    "the first line is another": lambda lines: changed(lines, 0, lambda line: b"# a remark\n" + line),
    "line ends of another system": lambda lines: [line.replace(b"\n", b"\r\n") for line in lines],
    "the last two lines are garbage": lambda lines: [*lines[:-2], b"\0\0\n", b"\0\0\n"],
    "a note after it": lambda lines: [*lines, b"a note\n", b"and another\n"],
    "twice the same": lambda lines: lines + lines,
    "a line of another journal": lambda lines: [*lines[:6], record(op_code=8, trial_id=40, user_attr={"a": 1}), *lines[6:]],  # noqa: E501
    "names a trial not made": lambda lines: [*lines, record(op_code=8, trial_id=4, user_attr={"a": 1})],
    "names a study not made": lambda lines: [*lines, record(op_code=2, study_id=1, user_attr={"a": 1})],
    "only its second half": lambda lines: lines[len(lines) // 2 :],
    "no journal": lambda lines: [b"not a journal\n"],
    "no journal and no line": lambda lines: [b"\x89PNG"],
    "another program's log": lambda lines: [b'{"a": 1}\n', b'{"b": 2}\n'],
    "NULs only": lambda lines: [b"\0" * len(b"".join(lines))],
}  # fmt: skip


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS.keys())
def test_a_damaged_tail_is_dropped(
    tail: bytes, lines: Lines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / JOURNAL
    path.write_bytes(b"".join(lines) + tail)
    check_journal(path)
    assert path.read_bytes() == b"".join(lines) + tail
    assert ("its trial runs again" in capsys.readouterr().err) == (b"\n" in tail)
    use(tmp_path)
    assert path.read_bytes().startswith(b"".join(lines) + b'{"op_code"')
    check_journal(path)
    assert capsys.readouterr().err.count("\n") <= 1


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_other_damage_is_refused_and_left_as_it_is(
    damage: Callable[[Lines], Lines], lines: Lines, tmp_path: Path
) -> None:
    content = b"".join(damage(lines))
    (tmp_path / JOURNAL).write_bytes(content)
    for _ in range(2):
        with pytest.raises(InputError, match=r"^The journal .*: restore it from a copy, .*\.$") as refusal:
            use(tmp_path)
        assert "line" in str(refusal.value) or "no complete record" in str(refusal.value)
        assert "\n" not in str(refusal.value)
    assert (tmp_path / JOURNAL).read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == [JOURNAL]


def test_the_line_is_told(lines: Lines, tmp_path: Path) -> None:
    for place in (1, 8, len(lines) - 2):
        (tmp_path / JOURNAL).write_bytes(b"".join(changed(lines, place, lambda line: b"{}\n")))
        with pytest.raises(InputError, match=f"line {place + 1}:"):
            check_journal(tmp_path / JOURNAL)


def test_a_journal_cut_anywhere_goes_on(lines: Lines, tmp_path: Path) -> None:
    whole = b"".join(lines)
    draw = random.Random(0)
    for size in [0, 1, len(lines[0]) - 1, len(lines[0]), *(draw.randrange(len(whole)) for _ in range(20))]:
        (tmp_path / JOURNAL).write_bytes(whole[:size])
        study = study_in(tmp_path)
        work_on(study)
        check_journal(tmp_path / JOURNAL)


@pytest.mark.parametrize("chained", [True, False])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_a_line_becomes_no_traceback(chained: bool, data: st.DataObject, lines: Lines) -> None:
    place = data.draw(st.integers(0, len(lines) - 1))
    changed_record = json.loads(lines[place])
    anything = st.recursive(
        st.none() | st.booleans() | st.integers(-3, 20) | st.floats() | st.sampled_from(["", "0", MOMENT, CATEGORY]),
        lambda inner: (
            st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "0", "lr"]), inner, max_size=2)
        ),
        max_leaves=4,
    )
    optional = ["state", "value", "values", "params", "distributions", "user_attrs", "intermediate_values", "op_code"]
    for key in data.draw(st.lists(st.sampled_from([*changed_record, *optional]), min_size=1, max_size=3)):
        if data.draw(st.integers(0, 3)):
            changed_record[key] = data.draw(anything)
        else:
            changed_record.pop(key, None)
    records = [*map(json.loads, lines[:place]), changed_record, *map(json.loads, lines[place + 1 :])]
    if not chained:  # as Optuna's own backend writes them
        records = [{key: value for key, value in record.items() if key != "follows"} for record in records]
    content = b"".join(json.dumps(record, separators=(",", ":")).encode() + b"\n" for record in records)
    with tempfile.TemporaryDirectory() as temporary, pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: None)
        directory = Path(temporary)
        (directory / JOURNAL).write_bytes(content)
        try:
            study = study_in(directory)
            study.get_trials()
        except InputError:
            assert (directory / JOURNAL).read_bytes() == content
        else:
            study.set_user_attr("seen", True)  # the next writer cuts off what was dropped
            JournalStorage(JournalFileBackend(str(directory / JOURNAL)))


@pytest.mark.parametrize(
    "befalls",
    [
        lambda path: os.truncate(path, path.stat().st_size // 2),
        lambda path: os.truncate(path, 0),
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes().replace(b"cell 1", b"cell 9", 1)[60:]),
        lambda path: path.write_bytes(bytes(path.stat().st_size)),
        lambda path: path.write_bytes(b"x" * 2 * path.stat().st_size),
        lambda path: path.write_bytes(path.read_bytes() * 2),
        lambda path: path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:] * 2)),
    ],
    ids=["halved", "emptied", "removed", "shorter", "zeroed", "overwritten", "doubled", "no first line"],
)
def test_what_befalls_a_file_in_use_is_told_in_a_sentence(
    befalls: Callable[[Path], object], lines: Lines, tmp_path: Path
) -> None:
    path = tmp_path / JOURNAL
    path.write_bytes(b"".join(lines))
    study, other = study_in(tmp_path), study_in(tmp_path)
    befalls(path)
    left = path.read_bytes() if path.exists() else None
    for act in (lambda: work_on(study), lambda: other.set_user_attr("finished", True), other.get_trials):
        try:
            act()
        except storage_failures() as error:
            assert isinstance(error, InputError)  # noqa: PT017
            assert str(error).startswith("The journal ")  # noqa: PT017
        else:
            # What was read already is all that is asked for: nothing new to notice it by.
            assert left is not None
            assert act == other.get_trials
    assert (path.read_bytes() if path.exists() else None) == left


def test_a_file_halved_and_written_on_by_others_is_noticed(lines: Lines, tmp_path: Path) -> None:
    path = tmp_path / JOURNAL
    path.write_bytes(b"".join(lines))
    study = study_in(tmp_path)
    os.truncate(path, path.stat().st_size // 2)
    work_on(study_in(tmp_path), trials=8)
    assert path.stat().st_size > len(b"".join(lines))
    with pytest.raises(InputError, match="was overwritten while it was in use"):
        study.get_trials()


def test_a_record_that_does_not_fit_leaves_no_trace(
    lines: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / JOURNAL
    path.write_bytes(b"".join(lines))
    study = study_in(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            study.set_user_attr("finished", True)
    assert path.read_bytes() == b"".join(lines)
    study.set_user_attr("finished", False)
    assert study_in(tmp_path).user_attrs["finished"] is False


def test_what_no_reader_would_take_is_not_written(lines: Lines, tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(b"".join(lines))
    study = study_in(tmp_path)
    deep: object = None
    for _ in range(200):
        deep = [deep]
    with pytest.raises(ValueError, match="a journal cannot hold"):
        study.set_user_attr("deep", deep)
    with pytest.raises(ValueError, match="a journal cannot hold"):
        study._storage.set_trial_state_values(2, TrialState.COMPLETE, [10**400])
    with pytest.raises(KeyError):
        study._storage.set_trial_user_attr(99, "a", 1)
    use(tmp_path)


def _write_many(directory: Path, trials: int) -> None:
    work_on(study_in(directory), trials)


def test_many_writers_make_one_journal(tmp_path: Path) -> None:
    writers = [multiprocessing.get_context("fork").Process(target=_write_many, args=(tmp_path, 12)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(50)
        assert writer.exitcode == 0
    trials = study_in(tmp_path).get_trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 48


def test_optuna_reads_our_journal_and_we_read_its(lines: Lines, tmp_path: Path) -> None:
    path = tmp_path / JOURNAL
    path.write_bytes(b"".join(lines))
    theirs = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.load_study(study_name=NAME, storage=theirs)
    study.set_user_attr("note", "from a dashboard")
    use(tmp_path)
    assert study.user_attrs["note"] == study_in(tmp_path).user_attrs["note"]
    assert len(study.get_trials()) == 4


def test_nothing_is_made_before_something_is_written(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    assert storage.get_all_studies() == []
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        open_storage(str(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be read"):
        open_storage(str(tmp_path / "file"))


def test_the_backend_reads_from_any_record_on(lines: Lines, tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(b"".join(lines))
    journal = TornProofJournal(tmp_path / JOURNAL)
    assert len(list(journal.read_logs(3))) == len(lines) - 3
    assert len(list(journal.read_logs(0))) == len(lines)
    assert list(journal.read_logs(len(lines))) == []
